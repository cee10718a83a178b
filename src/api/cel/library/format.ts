import { goQuoted } from '../../../machinery/go-json.ts'
import { CelError, Duration, durationText, isList, isMap, Timestamp, timestampText, typeNameOf, TypeValue, Uint, type Value } from '../values.ts'
import { doubleText } from './standard.ts'

/** `'%d of %s'.format([1, x])`: cel-go's `string.format`, with English numbers. */
export interface FormatClause { verb: 's' | 'd' | 'f' | 'e' | 'b' | 'x' | 'X' | 'o'; precision: number | undefined }

/** What is wrong with a format; the same text stands where it is found, when an expression is compiled or when it runs. */
export class FormatProblem extends CelError {}

const isVerb = (text: string): text is FormatClause['verb'] => /^[sdfebxXo]$/.test(text)

/** Goes through a format's clauses; `show` gives the text of each, by its place among `count` values. Throws a FormatProblem. */
export function formatClauses(format: string, count: number, show: (clause: FormatClause, index: number) => string): { text: string; used: number } {
  let used = 0
  let out = ''
  for (let at = 0; at < format.length; at += 1) {
    if (format[at] !== '%') {
      out += format[at]
      continue
    }
    if (format[at + 1] === '%') {
      out += '%'
      at += 1
      continue
    }
    if (at + 1 >= format.length) throw new FormatProblem('unexpected end of string')
    if (used >= count) throw new FormatProblem(`index ${used} out of range`)
    const [, dot = '', digits = ''] = /^(\.?)(\d*)/.exec(format.slice(at + 1))!
    const precision = dot === '' ? undefined : digits
    const verbAt = at + 1 + (dot === '' ? 0 : 1 + digits.length)
    if (verbAt >= format.length) throw new FormatProblem('could not parse formatting clause: error while parsing precision: could not find end of precision specifier')
    if (precision === '') throw new FormatProblem('could not parse formatting clause: error while parsing precision: error while converting precision to integer: strconv.Atoi: parsing "": invalid syntax')
    const verb = String.fromCodePoint(format.codePointAt(verbAt)!)
    if (!isVerb(verb)) throw new FormatProblem(`could not parse formatting clause: unrecognized formatting clause "${verb}"`)
    if (precision !== undefined && Number(precision) > 1000) throw new FormatProblem(`could not parse formatting clause: precision ${precision} is too large`)
    out += show({ verb, precision: precision === undefined ? undefined : Number(precision) }, used)
    used += 1
    at = verbAt
  }
  return { text: out, used }
}

export function format(text: string, values: readonly Value[]): string {
  return formatClauses(text, values.length, (clause, index) => {
    try {
      return shownBy(clause, values[index]!)
    } catch (cause) {
      if (!(cause instanceof CelError)) throw cause
      throw new FormatProblem(`error during formatting: ${cause.message}`, { cause })
    }
  }).text
}

function shownBy({ verb, precision }: FormatClause, value: Value): string {
  const whole = value instanceof Uint ? value.value : value
  switch (verb) {
    case 's': return shown(value)
    case 'd':
      if (typeof whole !== 'bigint') throw new CelError(`decimal clause can only be used on integers, was given ${typeNameOf(value)}`)
      return String(whole)
    case 'f':
    case 'e': return verb === 'f' ? fixed(number(value, 'fixed-point'), precision ?? 6) : scientific(number(value, 'scientific'), precision ?? 6)
    case 'b':
      if (typeof whole === 'boolean') return whole ? '1' : '0'
      if (typeof whole !== 'bigint') throw new CelError(`only integers and bools can be formatted as binary, was given ${typeNameOf(value)}`)
      return whole.toString(2)
    case 'o':
      if (typeof whole !== 'bigint') throw new CelError(`octal clause can only be used on integers, was given ${typeNameOf(value)}`)
      return whole.toString(8)
    default: {
      const text = typeof whole === 'bigint' ? whole.toString(16) : typeof whole === 'string' ? Buffer.from(whole).toString('hex') : whole instanceof Uint8Array ? Buffer.from(whole).toString('hex') : undefined
      if (text === undefined) throw new CelError(`only integers, byte buffers, and strings can be formatted as hex, was given ${typeNameOf(value)}`)
      return verb === 'X' ? text.toUpperCase() : text
    }
  }
}

/** Doubles, and the texts that stand for those that have no digits. */
function number(value: Value, clause: string): number {
  if (typeof value === 'number') return value
  if (value === 'NaN') return Number.NaN
  if (value === 'Infinity') return Infinity
  if (value === '-Infinity') return -Infinity
  throw new CelError(`${clause} clause can only be used on doubles, was given ${typeNameOf(value)}`)
}

function special(value: number): string | undefined {
  if (Number.isNaN(value)) return 'NaN'
  return Number.isFinite(value) ? undefined : value > 0 ? '∞' : '-∞'
}

/** English digits in groups; halves go to the even digit, as in Go. */
function fixed(value: number, precision: number): string {
  const known = special(value)
  if (known !== undefined) return known
  const digits = Math.min(precision, 100)
  let text = Math.abs(value) < 1e21 ? value.toFixed(digits) : `${BigInt(value)}${digits === 0 ? '' : `.${'0'.repeat(digits)}`}`
  if (digits < 100 && Math.abs(value) < 1e21) {
    const longer = value.toFixed(digits + 1)
    if (Number(longer) === value && longer.endsWith('5') && /[02468]$/.test(longer.slice(0, -1).replace(/\.$/, ''))) text = longer.slice(0, -1).replace(/\.$/, '')
  }
  return text.replace(/^-?\d+/, (part) => part.replace(/\B(?=(?:\d{3})+$)/g, ','))
}

const superscripts = '⁰¹²³⁴⁵⁶⁷⁸⁹'

/** `3.140000×10⁰⁰`. The precision is the width here, as upstream has it. */
function scientific(value: number, width: number): string {
  const known = special(value)
  const [mantissa = '', exponent = ''] = known === undefined ? value.toExponential(6).split('e') : [known]
  const power = exponent === '' ? '' : `×10${exponent.startsWith('-') ? '⁻' : ''}${exponent.slice(1).padStart(2, '0').replace(/\d/g, (digit) => superscripts[Number(digit)]!)}`
  return `${mantissa}${power}`.padStart(width)
}

/** What `%s` makes of a value. */
function shown(value: Value): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return doubleText(value)
  if (value === null) return 'null'
  if (value instanceof Uint) return String(value.value)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8')
  if (value instanceof Timestamp) return timestampText(value)
  if (value instanceof Duration) return durationText(value)
  if (value instanceof TypeValue) return value.name
  if (isList(value)) return `[${value.map(part).join(', ')}]`
  if (isMap(value) && value.typeName === 'map') {
    const entries = [...value.keys()].map((key) => {
      if (!['string', 'boolean', 'bigint'].includes(typeof key) && !(key instanceof Uint)) throw new CelError(`no formatting function for map key of type ${typeNameOf(key)}`)
      return { key: part(key), text: part(value.get(key)!) }
    })
    return `{${entries.toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)).map(({ key, text }) => `${key}:${text}`).join(', ')}}`
  }
  if (typeof value === 'boolean' || typeof value === 'bigint') return String(value)
  throw new CelError(`string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, was given ${typeNameOf(value)}`)
}

/** A value within a list or map: as an expression would write it. */
function part(value: Value): string {
  if (typeof value === 'string') return goQuoted(value)
  if (typeof value === 'number') return Number.isFinite(value) ? fixed(value, 6).replaceAll(',', '') : `"${doubleText(value)}"`
  if (value instanceof Uint8Array) return `b${goQuoted(shown(value))}`
  if (value instanceof Timestamp) return `timestamp("${timestampText(value)}")`
  if (value instanceof Duration) return `duration("${durationText(value)}")`
  if (value !== null && typeof value === 'object' && !isList(value) && !(isMap(value) && value.typeName === 'map') && !(value instanceof Uint) && !(value instanceof TypeValue)) throw new CelError(`no formatting function for ${typeNameOf(value)}`)
  return shown(value)
}
