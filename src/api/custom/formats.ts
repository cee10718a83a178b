import { parseIp } from '../../machinery/cidr.ts'

const isIPv4 = (value: string): boolean => parseIp(value)?.family === 4
const isIPv6 = (value: string): boolean => parseIp(value)?.family === 6

/** Formats that values are held to; upstream ignores every other (go-openapi's default registry, as apiextensions uses it). */
const formats: Readonly<Record<string, (value: string) => boolean>> = {
  'bsonobjectid': (value) => /^[0-9a-fA-F]{24}$/.test(value),
  'uri': (value) => isAbsoluteUri(value),
  'email': (value) => /^[^\s@<>()[\],;:"]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$/.test(value),
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
  return (/^[A-Za-z][A-Za-z0-9+.-]*:\S*$/.test(value) || value.startsWith('/')) && !/[\s\x00-\x1f\x7f]/.test(value)
}

function isHostname(value: string): boolean {
  return value.length > 0 && value.length <= 255 && value.replace(/\.$/, '').split('.').every((label) => label.length <= 63 && /^[A-Za-z0-9_]([-A-Za-z0-9_]*[A-Za-z0-9_])?$/.test(label))
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
  const parts = /^(\d{4}-\d{2}-\d{2})[Tt ]([0-2]\d):([0-5]\d):([0-6]\d)(\.\d+)?([Zz]|[+-]\d{2}:?\d{2})?$/.exec(value)
  return parts !== null && isDate(parts[1]!) && Number(parts[2]) < 24
}

/** Go's spelling, and the words that go-openapi takes as well (`3 days`). */
function isDuration(value: string): boolean {
  return /^[+-]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))*$/.test(value) || value === '0'
    || /^\d+\s*(nanos?|micros?|millis?|s|seconds?|secs?|m|minutes?|mins?|h|hours?|hrs?|d|days?|w|weeks?|wks?)$/i.test(value)
}
