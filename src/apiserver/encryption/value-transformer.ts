import type { EncryptionMetrics } from './encryption-metrics.ts'
import type { NamedKey } from './encryption-configuration.ts'

/** A value as it was stored, and what tells by which key: compared with `currentMark`, whether it would be stored so again. */
export interface Opened { data: Buffer; mark: string }

/**
 * Turns values into what is stored and back. `key` is the storage key, to which the value is bound. What is answered is a
 * promise only where somebody else must be asked for a key. Both throw or reject with an `Error` for what cannot be done.
 */
export interface ValueTransformer {
  open(stored: Buffer, key: string): Opened | Promise<Opened>
  seal(value: Uint8Array, key: string): Buffer
  /** The mark of what is written now. */
  currentMark(): string
}

const encryptedHead = Buffer.from('k8s:enc:')

/** Stores values as they are; refuses to take encrypted ones for such. */
export const identity: ValueTransformer = {
  open: (stored) => {
    if (stored.subarray(0, encryptedHead.length).equals(encryptedHead)) throw new Error('identity transformer tried to read encrypted data')
    return { data: stored, mark: '' }
  },
  seal: (value) => Buffer.from(value.buffer, value.byteOffset, value.byteLength),
  currentMark: () => '',
}

export interface PrefixTransformer { prefix: Buffer; transformer: ValueTransformer }

/**
 * Values begin with the prefix of what made them. The first of the list writes; all whose prefix is there are tried in turn,
 * for the same key name may stand for two keys while one is rotated away (upstream: `NewPrefixTransformers`).
 */
export function prefixTransformers(list: readonly PrefixTransformer[], noMatch: string, metrics: EncryptionMetrics): ValueTransformer {
  const names = list.map(({ prefix }) => (prefix.length === 0 ? 'identity' : prefix.toString()))
  const tryFrom = (stored: Buffer, key: string, from: number, errors: readonly Error[], begunMs: number): Opened | Promise<Opened> => {
    const failures = [...errors]
    for (let at = from; at < list.length; at++) {
      const { prefix, transformer } = list[at]!
      if (!stored.subarray(0, prefix.length).equals(prefix)) continue
      const failed = (error: unknown): void => {
        if (prefix.length > 0) metrics.transformed('from_storage', names[at]!, key, begunMs, error)
        // What is not encrypted is nobody's failure but the last one's.
        if (prefix.length > 0 || at === list.length - 1) failures.push(error instanceof Error ? error : new Error(String(error)))
      }
      try {
        const opened = transformer.open(stored.subarray(prefix.length), key)
        const succeeded = (result: Opened): Opened => {
          metrics.transformed('from_storage', names[at]!, key, begunMs)
          return marked(result, at, prefix)
        }
        if (!(opened instanceof Promise)) return succeeded(opened)
        return opened.then(succeeded, (error: unknown) => {
          failed(error)
          return tryFrom(stored, key, at + 1, failures, begunMs)
        })
      } catch (error) {
        failed(error)
      }
    }
    if (failures.length === 0) {
      const error = new Error(noMatch)
      metrics.transformed('from_storage', 'unknown', key, begunMs, error)
      throw error
    }
    throw failures.length === 1 ? failures[0]! : new Error(`[${failures.map(({ message }) => message).join(', ')}]`)
  }
  const [first] = list
  if (first === undefined) throw new Error('a list of transformers needs at least one')
  return {
    open: (stored, key) => tryFrom(stored, key, 0, [], metrics.clock.monotonicMs()),
    seal: (value, key) => {
      const begunMs = metrics.clock.monotonicMs()
      let sealed: Buffer
      try {
        sealed = first.transformer.seal(value, key)
      } catch (error) {
        metrics.transformed('to_storage', first.prefix.toString(), key, begunMs, error)
        throw error
      }
      metrics.transformed('to_storage', first.prefix.toString(), key, begunMs)
      return first.prefix.length === 0 ? sealed : Buffer.concat([first.prefix, sealed])
    },
    currentMark: () => markOf(first.transformer.currentMark(), 0, first.prefix),
  }
}

function marked({ data, mark }: Opened, at: number, prefix: Buffer): Opened {
  return { data, mark: markOf(mark, at, prefix) }
}

/** What is not encrypted has no mark; else the place in the list belongs to it, for names of keys need not be unique. */
function markOf(mark: string, at: number, prefix: Buffer): string {
  return prefix.length === 0 ? mark : `${at}:${prefix.toString()}${mark}`
}

/** Keys of one provider: `NAME:` stands before what a key has made. */
export function keyTransformers(keys: readonly NamedKey[], make: (key: Buffer) => ValueTransformer, kind: string, metrics: EncryptionMetrics): ValueTransformer {
  return prefixTransformers(keys.map(({ name, secret }) => ({ prefix: Buffer.from(`${name}:`), transformer: make(secret) })), `no matching key was found for the provided ${kind} transformer`, metrics)
}
