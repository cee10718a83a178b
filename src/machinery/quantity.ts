/**
 * `resource.Quantity`: `500m`, `1.5Gi`, `1e3`. Values are exact. Small whole numbers, which nearly all quantities of a
 * cluster are, take a path without BigInt.
 * Source of the rules: apimachinery `pkg/api/resource`.
 */

export type QuantityFormat = 'DecimalSI' | 'BinarySI' | 'DecimalExponent'

/** `unscaled` × 10^`scale`; `scale` is never below -9 (nano), the finest there is. */
export interface Quantity { readonly unscaled: bigint; readonly scale: number; readonly format: QuantityFormat }

export class QuantityError extends Error {}

const pattern = /^([+-]?)(?:(\d+)(?:\.(\d*))?|\.(\d+))(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?\d+)?$/
const shape = /^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$/
const decimalExponents: Record<string, number> = { n: -9, u: -6, m: -3, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 }
const binaryExponents: Record<string, bigint> = { Ki: 10n, Mi: 20n, Gi: 30n, Ti: 40n, Pi: 50n, Ei: 60n }
const decimalSuffixes: Record<number, string> = { [-9]: 'n', [-6]: 'u', [-3]: 'm', 0: '', 3: 'k', 6: 'M', 9: 'G', 12: 'T', 15: 'P', 18: 'E' }
const binarySuffixes = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei']

const maxBinary = (1n << 63n) - 1n
/** Exponents beyond this would only serve to exhaust memory: nothing in a cluster comes in 10^300s. */
const maxExponent = 300

export const zeroQuantity: Quantity = { unscaled: 0n, scale: 0, format: 'DecimalSI' }

function powerOfTen(exponent: number): bigint {
  return 10n ** BigInt(exponent)
}

/** Divides rounding away from zero, as upstream rounds whatever is finer than it can hold. */
function divideUp(value: bigint, divisor: bigint): bigint {
  const quotient = value / divisor
  if (quotient * divisor === value) return quotient
  return value < 0n ? quotient - 1n : quotient + 1n
}

function toScale({ unscaled, scale }: Quantity, wanted: number): bigint {
  return scale >= wanted ? unscaled * powerOfTen(scale - wanted) : divideUp(unscaled, powerOfTen(wanted - scale))
}

const parsed = new Map<string, Quantity>()
const parsedLimit = 4096

/** Throws `QuantityError` with upstream's text. */
export function parseQuantity(text: string): Quantity {
  const known = parsed.get(text)
  if (known !== undefined) return known
  const quantity = parseAnew(text)
  if (text.length <= 32) {
    if (parsed.size >= parsedLimit) parsed.clear()
    parsed.set(text, quantity)
  }
  return quantity
}

function parseAnew(text: string): Quantity {
  const found = pattern.exec(text)
  if (found === null) throw quantityProblem(text)
  const [, sign, whole = '', fraction = '', bareFraction = '', suffix = ''] = found
  const digits = fraction + bareFraction
  if (whole.length + digits.length > 1000) throw new QuantityError('unable to parse numeric part of quantity')
  let unscaled = BigInt(whole + digits === '' ? '0' : whole + digits)
  if (sign === '-') unscaled = -unscaled
  let scale = -digits.length
  let format: QuantityFormat = 'DecimalSI'
  const binary = binaryExponents[suffix]
  if (binary !== undefined) {
    format = 'BinarySI'
    unscaled <<= binary
  } else if (/^[eE][+-]?\d/.test(suffix)) {
    format = 'DecimalExponent'
    const exponent = Number(suffix.slice(1))
    if (Math.abs(exponent) > maxExponent) throw new QuantityError("unable to parse quantity's suffix")
    scale += exponent
  } else {
    scale += decimalExponents[suffix] ?? 0
  }
  if (scale < -9) {
    unscaled = divideUp(unscaled, powerOfTen(-9 - scale))
    scale = -9
  }
  if (format === 'BinarySI') {
    const nano = toScale({ unscaled, scale, format }, -9)
    const size = nano < 0n ? -nano : nano
    if (size > maxBinary * 1_000_000_000n) return { unscaled: nano < 0n ? -maxBinary : maxBinary, scale: 0, format }
    if (size > 0n && size < 1_000_000_000n) format = 'DecimalSI'
  }
  return { unscaled, scale, format }
}

function quantityProblem(text: string): QuantityError {
  if (!shape.test(text)) return new QuantityError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
  const [, number = '', suffix = ''] = shape.exec(text) ?? []
  if (!/^[+-]?(\d+\.?\d*|\.\d+)$/.test(number)) return new QuantityError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
  return new QuantityError(suffix === '' ? 'unable to parse numeric part of quantity' : "unable to parse quantity's suffix")
}

export function isQuantity(text: unknown): text is string {
  if (typeof text !== 'string') return false
  try {
    parseQuantity(text)
    return true
  } catch (error) {
    if (error instanceof QuantityError) return false
    throw error
  }
}

/** The canonical text: no fraction, the largest suffix that leaves a whole number, in the format it was given in. */
export function quantityText(quantity: Quantity): string {
  let { unscaled, scale } = quantity
  if (unscaled === 0n) return '0'
  if (quantity.format === 'BinarySI') {
    const divisor = scale < 0 ? powerOfTen(-scale) : 1n
    const whole = scale >= 0 ? unscaled * powerOfTen(scale) : unscaled / divisor
    const exact = scale >= 0 || whole * divisor === unscaled
    if (exact && (whole >= 1024n || whole <= -1024n)) {
      let value = whole
      let power = 0
      while (power < 6 && value % 1024n === 0n) {
        value /= 1024n
        power++
      }
      return `${value}${binarySuffixes[power]}`
    }
  }
  while (unscaled % 10n === 0n) {
    unscaled /= 10n
    scale++
  }
  const limit = quantity.format === 'DecimalExponent' ? Infinity : 18
  const exponent = Math.min(Math.floor(scale / 3) * 3, limit)
  const mantissa = unscaled * powerOfTen(scale - exponent)
  if (quantity.format === 'DecimalExponent') return exponent === 0 ? `${mantissa}` : `${mantissa}e${exponent}`
  return `${mantissa}${decimalSuffixes[exponent]}`
}

/** Plain small numbers with a suffix that cannot be shortened: already canonical. */
const plainForm = /^(0|[1-9]\d{0,2})(m|k|M|G|T|Ki|Mi|Gi|Ti)?$/

/** `1000m` -> `1`, `1024Ki` -> `1Mi`, `0.5` -> `500m`; a number, as JSON may hold it, is taken by its text. Throws `QuantityError`. */
export function canonicalQuantity(quantity: string | number): string {
  const text = typeof quantity === 'number' ? String(quantity) : quantity
  if (text !== '0m' && plainForm.test(text) && text.charCodeAt(0) !== 48) return text
  return quantityText(parseQuantity(text))
}

/** Rounded up to thousandths, as resource lists of pods are kept. */
export function roundedUpToMilli(text: string): string {
  const quantity = parseQuantity(text)
  return quantity.scale >= -3 ? canonicalQuantity(text) : quantityText({ ...quantity, unscaled: toScale(quantity, -3), scale: -3 })
}

export function compareQuantities(a: Quantity, b: Quantity): -1 | 0 | 1 {
  const scale = Math.min(a.scale, b.scale)
  const left = toScale(a, scale)
  const right = toScale(b, scale)
  return left < right ? -1 : left > right ? 1 : 0
}

/** The sum keeps the format of `a`, unless `a` is zero. */
export function addQuantities(a: Quantity, b: Quantity): Quantity {
  const scale = Math.min(a.scale, b.scale)
  return { unscaled: toScale(a, scale) + toScale(b, scale), scale, format: a.unscaled === 0n ? b.format : a.format }
}

export function subtractQuantities(a: Quantity, b: Quantity): Quantity {
  return addQuantities(a, { ...b, unscaled: -b.unscaled })
}

export function quantitySign({ unscaled }: Quantity): -1 | 0 | 1 {
  return unscaled < 0n ? -1 : unscaled > 0n ? 1 : 0
}

const plainValue = /^(\d{1,9})(m|k|Ki|Mi|Gi)?$/
const plainFactors: Record<string, number> = { m: 0.001, k: 1000, Ki: 1024, Mi: 1048576, Gi: 1073741824 }

/** The value as a whole number, rounded up (away from zero); exact up to 2^53. */
export function quantityValue(text: string): number {
  const plain = plainValue.exec(text)
  if (plain === null) return Number(toScale(parseQuantity(text), 0))
  return plain[2] === undefined ? Number(plain[1]) : Math.ceil(plain[2] === 'm' ? Number(plain[1]) / 1000 : Number(plain[1]) * (plainFactors[plain[2]] as number))
}

/** Thousandths of the value, rounded up: CPU in millicores. */
export function milliValue(text: string): number {
  const plain = plainValue.exec(text)
  if (plain === null) return Number(toScale(parseQuantity(text), -3))
  if (plain[2] === 'm') return Number(plain[1])
  return Number(plain[1]) * 1000 * (plain[2] === undefined ? 1 : (plainFactors[plain[2]] as number))
}

export function quantityFromValue(value: number, format: QuantityFormat = 'DecimalSI'): Quantity {
  return { unscaled: BigInt(value), scale: 0, format }
}

export function quantityFromMilli(milli: number, format: QuantityFormat = 'DecimalSI'): Quantity {
  return { unscaled: BigInt(milli), scale: -3, format }
}
