import { CompactedError, FutureRevisionError } from './store.ts'

// oxlint-disable-next-line no-control-regex -- the whole ASCII range is meant
const ascii = /^[\x00-\x7f]*$/

/**
 * A key in the form that `<` orders by UTF-8 bytes: one char a byte. An ASCII key, as nearly all are, is its own byte form.
 * (JavaScript orders strings by UTF-16 units, which puts U+10000 and up before U+E000.)
 */
export function byteForm(key: string): string {
  return ascii.test(key) ? key : Buffer.from(key, 'utf8').toString('latin1')
}

/** What fits into a node of LMDB's tree, with a lease's id before it. */
const maxKeyBytes = 1900

/** Throws unless `key` is one that every driver can hold. */
export function checkKey(key: string): void {
  if (key === '') throw new TypeError('a key must not be empty')
  if (Buffer.byteLength(key) > maxKeyBytes) throw new TypeError(`a key must not be longer than ${maxKeyBytes} bytes: this one has ${Buffer.byteLength(key)}`)
  if (!key.isWellFormed()) throw new TypeError('a key must be well-formed Unicode: it contains half a surrogate pair')
}

/** Throws unless `revision` can be read when the newest is `newest` and `oldest` the oldest kept. */
export function checkRevision(revision: number, oldest: number, newest: number): void {
  if (revision > newest) throw new FutureRevisionError(revision, newest)
  if (revision < oldest) throw new CompactedError(oldest)
}
