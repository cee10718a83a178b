import type { Definition } from '../functions.ts'
import { findAll } from '../patterns.ts'
import { CelError, type Value } from '../values.ts'
import { format } from './format.ts'

/** Strings (cel-go's `ext.Strings`, version 2), regular expressions, JSON Patch keys. Positions count code points. */
const chars = (text: string): string[] => [...text]

function within(text: readonly string[], at: bigint): number {
  if (at < 0n || at > BigInt(text.length)) throw new CelError(`index out of range: ${at}`)
  return Number(at)
}

function charAt(text: string, at: bigint): string {
  const all = chars(text)
  return all[within(all, at)] ?? ''
}

function indexOf(text: string, part: string, from = 0n): bigint {
  if (part === '') return from
  const all = chars(text)
  if (from < 0n) throw new CelError(`index out of range: ${from}`)
  const start = Number(from > BigInt(all.length) ? BigInt(all.length) : from)
  const found = all.slice(start).join('').indexOf(part)
  return found < 0 ? -1n : BigInt(start + chars(all.slice(start).join('').slice(0, found)).length)
}

function lastIndexOf(text: string, part: string, from?: bigint): bigint {
  const all = chars(text)
  if (part === '') return from ?? BigInt(all.length)
  if (from !== undefined && from < 0n) throw new CelError(`index out of range: ${from}`)
  if (from !== undefined && from >= BigInt(all.length)) return -1n
  const end = from === undefined ? all.length : Number(from)
  const units = all.slice(0, end).join('').length
  const found = text.lastIndexOf(part, units)
  return found < 0 ? -1n : BigInt(chars(text.slice(0, found)).length)
}

function substring(text: string, from: bigint, to?: bigint): string {
  const all = chars(text)
  const start = within(all, from)
  if (to === undefined) return all.slice(start).join('')
  const end = within(all, to)
  if (start > end) throw new CelError(`invalid substring range. start: ${from}, end: ${to}`)
  return all.slice(start, end).join('')
}

function replace(text: string, from: string, to: string, count = -1n): string {
  if (count < 0n) return text.replaceAll(from, () => to)
  let out = ''
  let rest = text
  for (let done = 0n; done < count; done += 1n) {
    const at = from === '' ? (done === 0n ? 0 : 1) : rest.indexOf(from)
    if (at < 0 || (from === '' && at > rest.length)) break
    out += rest.slice(0, at) + to
    rest = rest.slice(at + from.length)
  }
  return out + rest
}

function split(text: string, by: string, limit = -1n): string[] {
  if (limit === 0n) return []
  const all = by === '' ? chars(text) : text.split(by)
  if (limit < 0n || BigInt(all.length) <= limit) return all
  return [...all.slice(0, Number(limit) - 1), all.slice(Number(limit) - 1).join(by)]
}

function join(list: readonly Value[], by = ''): string {
  return list.map((item) => {
    if (typeof item !== 'string') throw new CelError('no such overload')
    return item
  }).join(by)
}

const escapes: Readonly<Record<string, string>> = { '\u0007': '\\a', '\b': '\\b', '\f': '\\f', '\n': '\\n', '\r': '\\r', '\t': '\\t', '\v': '\\v', '\\': '\\\\', '"': '\\"' }
const quote = (text: string): string => `"${text.replace(/[\u0007\b\f\n\r\t\v\\"]/g, (char) => escapes[char]!)}"`
/** ASCII letters only. */
const lower = (text: string): string => text.replace(/[A-Z]+/g, (part) => part.toLowerCase())
const upper = (text: string): string => text.replace(/[a-z]+/g, (part) => part.toUpperCase())
/** Unicode white space, as Go's `strings.TrimSpace` with CEL's additions. */
const trim = (text: string): string => text.replace(/^[\s\u0085\u180e\u200b-\u200d\u2060]+|[\s\u0085\u180e\u200b-\u200d\u2060]+$/g, '')

function found(text: string, pattern: string, limit: bigint): string[] {
  try {
    return findAll(pattern, text, Number(limit))
  } catch (cause) {
    throw new CelError(`Illegal regex: ${(cause as Error).message}`, { cause })
  }
}

export const textLibrary: readonly Definition[] = [
  ['string.charAt(int): string', charAt], ['string.indexOf(string): int', indexOf], ['string.indexOf(string,int): int', indexOf],
  ['string.lastIndexOf(string): int', lastIndexOf], ['string.lastIndexOf(string,int): int', lastIndexOf],
  ['string.substring(int): string', substring], ['string.substring(int,int): string', substring],
  ['string.replace(string,string): string', replace], ['string.replace(string,string,int): string', replace],
  ['string.split(string): list<string>', split], ['string.split(string,int): list<string>', split],
  ['list<string>.join(): string', join], ['list<string>.join(string): string', join],
  ['string.lowerAscii(): string', lower], ['string.upperAscii(): string', upper], ['string.trim(): string', trim],
  ['strings.quote(string): string', quote], ['string.format(list<dyn>): string', format],
  ['string.find(string): string', (text: string, pattern: string) => found(text, pattern, 1n)[0] ?? ''],
  ['string.findAll(string): list<string>', (text: string, pattern: string) => found(text, pattern, -1n)],
  ['string.findAll(string,int): list<string>', found],
]

/** Mutations by JSON Patch have this beside. */
export const jsonPatchLibrary: readonly Definition[] = [
  ['jsonpatch.escapeKey(string): string', (key: string) => key.replaceAll('~', '~0').replaceAll('/', '~1')],
]
