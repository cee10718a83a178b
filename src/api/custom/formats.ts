import { parseIp } from '../../machinery/cidr.ts'
import { parseRequestUri } from '../../machinery/request-uri.ts'
import { parseLooseDuration } from '../cel/values.ts'

/** Addresses with leading zeros in their decimal parts are addresses here, as they were to old Go. */
const parseSloppyIp = (value: string): ReturnType<typeof parseIp> => parseIp(value.replace(/(?<=^|[.:])0+(?=\d+(?:\.|$))(?=[\d.]*$)/g, ''))
const isIPv4 = (value: string): boolean => value.includes('.') && parseSloppyIp(value) !== undefined
const isIPv6 = (value: string): boolean => parseIp(value)?.family === 6

/** Formats that values are held to; upstream ignores every other (go-openapi's default registry, as apiextensions uses it). */
const formats: Readonly<Record<string, (value: string) => boolean>> = {
  'bsonobjectid': (value) => /^[0-9a-fA-F]{24}$/.test(value),
  'uri': (value) => isAbsoluteUri(value),
  'email': isEmail,
  'hostname': isHostname,
  'ipv4': (value) => isIPv4(value),
  'ipv6': (value) => isIPv6(value),
  'cidr': isCidr,
  'mac': (value) => /^([0-9a-fA-F]{2}([:-]))(?:[0-9a-fA-F]{2}\2){4,18}[0-9a-fA-F]{2}$|^([0-9a-fA-F]{4}\.){2,9}[0-9a-fA-F]{4}$/.test(value),
  'uuid': (value) => /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i.test(value),
  'uuid3': (value) => /^[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i.test(value),
  'uuid4': (value) => /^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$/i.test(value),
  'uuid5': (value) => /^[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$/i.test(value),
  'isbn': (value) => isIsbn10(value) || isIsbn13(value),
  'isbn10': isIsbn10,
  'isbn13': isIsbn13,
  'creditcard': isCreditCard,
  'ssn': (value) => /^\d{3}[- ]?\d{2}[- ]?\d{4}$/.test(value),
  'hexcolor': (value) => /^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$/.test(value),
  'rgbcolor': isRgbColor,
  'byte': (value) => /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(value),
  'password': () => true,
  'date': isDate,
  'datetime': isDateTime,
  'duration': isDuration,
  'k8sshortname': (value) => value.length <= 63 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(value),
  'k8slongname': (value) => value.length <= 253 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(value),
}

/** Formats are the same with dashes and without. */
const withoutDashes = (format: string): string => format.replaceAll('-', '')

/** Whether a text is of a format; a format that nobody knows holds for every text. */
export function hasFormat(format: string, value: string): boolean {
  const name = withoutDashes(format)
  return !Object.hasOwn(formats, name) || formats[name]!(value)
}

/** Whether values of a type are held to a format. */
export function isKnownFormat(type: string, format: string): boolean {
  switch (type) {
    case '': case 'string': return Object.hasOwn(formats, withoutDashes(format))
    case 'integer': return format === 'int32' || format === 'int64'
    case 'number': return format === 'float' || format === 'double'
    default: return false
  }
}

function isAbsoluteUri(value: string): boolean {
  return typeof parseRequestUri(value) !== 'string'
}

const atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~\\-\\u0080-\\u{10ffff}]+"
const quotedText = '"(?:[^"\\\\\\u0000-\\u0008\\u000a-\\u001f\\u007f]|\\\\[^\\u0000-\\u001f])*"'
const address = `(?:${atom}(?:\\.${atom})*|${quotedText})@(?:${atom}(?:\\.${atom})*|\\[[^\\s[\\]]+\\])`
const emailPattern = new RegExp(`^\\s*(?:${address}|(?:(?:${atom}|${quotedText})(?:[\\s.]+(?:${atom}|${quotedText}))*[\\s.]*)?<${address}>)\\s*$`, 'u')

/** What Go's `mail.ParseAddress` takes (RFC 5322): an address, with or without a name before it. */
function isEmail(value: string): boolean {
  return value.length <= 10_000 && emailPattern.test(value)
}

/** Letters and symbols of any script may stand in labels; the last of several holds letters only. */
function isHostname(value: string): boolean {
  if (Buffer.byteLength(value) > 255) return false
  const labels = value.split('.')
  if (labels.some((label) => Buffer.byteLength(label) > 63)) return false
  if (labels.length === 1) return /^[a-zA-Z0-9\p{S}\p{L}](?:-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?$/u.test(value)
  return labels.slice(0, -1).every((label) => /^[a-zA-Z0-9\p{S}\p{L}](?:[a-zA-Z0-9\-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?$/u.test(label)) && /^[a-zA-Z\p{L}]{2,63}$/u.test(labels.at(-1)!)
}

function isCidr(value: string): boolean {
  const [address = '', bits = '', ...rest] = value.split('/')
  if (rest.length > 0 || !/^\d{1,3}$/.test(bits)) return false
  return (isIPv4(address) && Number(bits) <= 32) || (isIPv6(address) && Number(bits) <= 128)
}

function isIsbn10(value: string): boolean {
  const digits = value.replaceAll(/[\s-]/g, '')
  if (!/^\d{9}[\dX]$/.test(digits)) return false
  const sum = [...digits].reduce((total, digit, i) => total + (10 - i) * (digit === 'X' ? 10 : Number(digit)), 0)
  return sum % 11 === 0
}

function isIsbn13(value: string): boolean {
  const digits = value.replaceAll(/[\s-]/g, '')
  return /^\d{13}$/.test(digits) && [...digits].reduce((total, digit, i) => total + Number(digit) * (i % 2 === 0 ? 1 : 3), 0) % 10 === 0
}

function isCreditCard(value: string): boolean {
  const digits = value.replaceAll(/[\s-]/g, '')
  if (!/^\d{13,19}$/.test(digits)) return false
  const sum = [...digits].reverse().reduce((total, digit, i) => {
    const doubled = i % 2 === 0 ? Number(digit) : Number(digit) * 2
    return total + (doubled > 9 ? doubled - 9 : doubled)
  }, 0)
  return sum % 10 === 0
}

function isRgbColor(value: string): boolean {
  const parts = /^rgb\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)$/.exec(value)
  return parts !== null && parts.slice(1).every((part) => Number(part) <= 255)
}

function isDate(value: string): boolean {
  const parts = /^(\d{4})-(\d{2})-(\d{2})$/.exec(value)
  if (parts === null) return false
  const [year, month, day] = parts.slice(1).map(Number) as [number, number, number]
  const date = new Date(Date.UTC(year, month - 1, day))
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day
}

function isDateTime(value: string): boolean {
  const [date = '', time = ''] = value.toLowerCase().split('t')
  const parts = /^(\d{2}):(\d{2}):(\d{2})(?:.\d+)?(?:z|[+-]\d{2}:\d{2})$/.exec(time)
  return parts !== null && isDate(date) && Number(parts[1]) <= 23 && Number(parts[2]) <= 59 && Number(parts[3]) <= 59
}

function isDuration(value: string): boolean {
  return parseLooseDuration(value) !== undefined
}
