import type { Definition } from '../functions.ts'
import { findAll } from '../patterns.ts'
import { CelError, Duration, durationText, isList, isMap, Timestamp, timestampText, typeNameOf, TypeValue, Uint, type Value } from '../values.ts'

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
  const start = within(all, from)
  const found = all.slice(start).join('').indexOf(part)
  return found < 0 ? -1n : BigInt(start + chars(all.slice(start).join('').slice(0, found)).length)
}

function lastIndexOf(text: string, part: string, from?: bigint): bigint {
  const all = chars(text)
  if (part === '') return from ?? BigInt(all.length)
  const end = from === undefined ? all.length : within(all, from)
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

/** What `%s` makes of a value. */
function shown(value: Value): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity'
  if (value === null) return 'null'
  if (value instanceof Uint) return String(value.value)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8')
  if (value instanceof Timestamp) return timestampText(value)
  if (value instanceof Duration) return durationText(value)
  if (value instanceof TypeValue) return value.name
  if (isList(value)) return `[${value.map(shown).join(', ')}]`
  if (isMap(value)) return `{${[...value.keys()].map((key) => `${shown(key)}: ${shown(value.get(key)!)}`).toSorted().join(', ')}}`
  if (typeof value === 'boolean' || typeof value === 'bigint') return String(value)
  throw new CelError(`error during formatting: string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, was given ${typeNameOf(value)}`)
}

const badClause = (clause: string, value: Value): CelError => new CelError(`error during formatting: ${clause} clause can only be used on ${clause === 'decimal' || clause === 'octal' ? 'integers' : clause === 'binary' ? 'integers and bools' : clause === 'hex' ? 'integers, byte buffers, and strings' : 'doubles'}, was given ${typeNameOf(value)}`)

function clause(verb: string, precision: number | undefined, value: Value): string {
  const whole = value instanceof Uint ? value.value : value
  switch (verb) {
    case 's': return shown(value)
    case 'd': {
      if (typeof whole !== 'bigint' && typeof whole !== 'number') throw badClause('decimal', value)
      return String(whole)
    }
    case 'f':
    case 'e': {
      const number = typeof whole === 'bigint' ? Number(whole) : whole
      if (typeof number !== 'number') throw badClause(verb === 'f' ? 'fixed-point' : 'scientific', value)
      return verb === 'f' ? number.toFixed(precision ?? 6) : number.toExponential(precision ?? 6).replace(/e([+-])(\d)$/, 'e$10$2')
    }
    case 'b': {
      if (typeof whole === 'boolean') return whole ? '1' : '0'
      if (typeof whole !== 'bigint') throw badClause('binary', value)
      return whole.toString(2)
    }
    case 'o': {
      if (typeof whole !== 'bigint') throw badClause('octal', value)
      return whole.toString(8)
    }
    case 'x':
    case 'X': {
      const text = typeof whole === 'bigint' ? whole.toString(16) : typeof whole === 'string' ? Buffer.from(whole).toString('hex') : whole instanceof Uint8Array ? Buffer.from(whole).toString('hex') : undefined
      if (text === undefined) throw badClause('hex', value)
      return verb === 'X' ? text.toUpperCase() : text
    }
    default: throw new CelError(`error during formatting: could not parse formatting clause: unrecognized formatting clause "${verb}"`)
  }
}

function format(text: string, values: readonly Value[]): string {
  let used = 0
  const out = text.replace(/%(%|(?:\.(\d+))?(.?))/gs, (_, all: string, precision: string | undefined, verb: string) => {
    if (all === '%') return '%'
    if (verb === '') throw new CelError('error during formatting: unexpected end of string')
    if (precision !== undefined && Number(precision) > 100) throw new CelError('error during formatting: precision is too large')
    if (used >= values.length) throw new CelError(`error during formatting: index ${used} out of range`)
    used += 1
    return clause(verb, precision === undefined ? undefined : Number(precision), values[used - 1]!)
  })
  if (used < values.length) throw new CelError(`error during formatting: too many arguments supplied to string.format (expected ${used}, got ${values.length})`)
  return out
}

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
