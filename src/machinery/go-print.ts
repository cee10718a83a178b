/**
 * JSON data as Go's `%v` prints it, keys sorted: `map[a:1 b:[x <nil>]]`. Upstream shows patches so. Depth is bounded by the reader of the data.
 */
export function goPrint(value: unknown): string {
  if (value === null || value === undefined) return '<nil>'
  if (typeof value === 'number') return numberText(value)
  if (typeof value !== 'object') return String(value)
  if (Array.isArray(value)) return `[${value.map(goPrint).join(' ')}]`
  return `map[${Object.keys(value).sort().map((key) => `${key}:${goPrint((value as Record<string, unknown>)[key])}`).join(' ')}]`
}

/** Whole numbers are int64; others float64, whose exponents have two digits at least. */
function numberText(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 2 ** 63) return BigInt(value).toString()
  const text = value.toExponential()
  const exponent = Number(text.slice(text.indexOf('e') + 1))
  return exponent < -4 || exponent >= 6 ? text.replace(/e([+-])(\d)$/, 'e$10$2') : String(value)
}

/** What Go calls the kind of a JSON value in `interface {}`: `int64`, `map`, `slice`. */
export function goKindOf(value: unknown): string {
  if (value === null || value === undefined) return 'invalid'
  if (Array.isArray(value)) return 'slice'
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'bigint') return 'int64'
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'float64'
  return typeof value === 'object' ? 'map' : typeof value
}
