/**
 * JSON whose numbers mean what they mean to Go. Whole numbers beyond 2^53 that an int64 holds are bigints wherever JSON data goes, and are
 * written as numbers again; still larger ones are doubles, as in Go's unstructured objects.
 *
 * Nearly every text has none of these: one look at it tells, and `JSON.parse` reads it as fast as ever.
 */

interface RawJson { rawJSON(text: string): unknown; parse(text: string, reviver: (key: string, value: unknown, context: { source?: string }) => unknown): unknown }
const json = JSON as unknown as RawJson

// What JSON.stringify would refuse otherwise; nothing else could tell it.
// oxlint-disable-next-line no-extend-native
Object.defineProperty(BigInt.prototype, 'toJSON', {
  value(this: bigint): unknown { return json.rawJSON(String(this)) }, writable: true, configurable: true,
})

const maxInt64 = 2n ** 63n - 1n

/** Digits that a number may have and still be exact. */
const exactDigits = 15
/** A field with a number that has a fraction or an exponent. */
const oddNumber = /(?<!\\)":\s*-?\d+[.eE]/
/** An escape of one half of a surrogate pair, which may or may not have its other half beside it. */
const surrogateEscape = /\\u[dD][89a-fA-F]/
const integer = /^-?\d+$/

/** A whole number written in digits: a number where that is exact, a bigint up to an int64, and the nearest double beyond. */
export function wholeNumber(digits: string): number | bigint {
  const value = Number(digits)
  if (Number.isSafeInteger(value)) return value
  const exact = BigInt(digits)
  return exact > maxInt64 || exact < -maxInt64 - 1n ? value : exact
}

const isDigit = (code: number): boolean => code >= 48 && code <= 57

/** Whether more digits stand in a row than are exact; one of those stands at every sixteenth place then, so that others need no look. */
function hasLongNumber(text: string): boolean {
  for (let at = exactDigits; at < text.length; at += exactDigits + 1) {
    if (!isDigit(text.charCodeAt(at))) continue
    let first = at
    while (isDigit(text.charCodeAt(first - 1))) first--
    let last = at
    while (isDigit(text.charCodeAt(last + 1))) last++
    if (last - first >= exactDigits) return true
  }
  return false
}

function isPlain(text: string): boolean {
  return !hasLongNumber(text) && !(text.includes('\\u') && surrogateEscape.test(text))
}

/** Throws SyntaxError. Lone halves of surrogate pairs become U+FFFD, since no store or wire takes them. */
export function parseJson(text: string): unknown {
  if (isPlain(text)) return JSON.parse(text)
  return json.parse(text, (_key, value, { source }) => (typeof value === 'number' ? numberOf(value, source) : wellFormed(value)))
}

/**
 * The same for data that is fitted to a type next (`decodeObject`): numbers with a fraction or an exponent are symbols described by their
 * text, since Go takes `1.0` for no integer and keeps the form of a quantity such as `1e3`.
 */
export function parseJsonAsWritten(text: string): unknown {
  if (isPlain(text) && !oddNumber.test(text)) return JSON.parse(text)
  return json.parse(text, (_key, value, { source }) => {
    if (typeof value !== 'number') return wellFormed(value)
    return source === undefined || integer.test(source) ? numberOf(value, source) : Symbol(source)
  })
}

function numberOf(value: number, source: string | undefined): number | bigint {
  return source === undefined || Number.isSafeInteger(value) || !integer.test(source) ? value : wholeNumber(source)
}

function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed()
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const keys = Object.keys(value)
  if (keys.every((key) => key.isWellFormed())) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key.toWellFormed(), item]))
}
