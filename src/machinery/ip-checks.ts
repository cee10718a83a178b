/** What is wrong with addresses and ranges in fields of the API, in apimachinery's words (`pkg/util/validation/ip.go`). */
import { formatCidr, formatIp, parseCidr, parseIp } from './cidr.ts'
import type { Cidr, IpAddress } from './cidr.ts'

const isMapped = (ip: IpAddress): boolean => ip.family === 6 && ip.value >> 32n === 0xffffn
const withoutLeadingZeros = (text: string): string => (text.includes(':') ? text : text.replace(/(^|\.)0+(?=\d)/g, '$1'))

/** As `parseIp`, but with the leading zeros that older servers took. */
export function parseSloppyIp(text: string): IpAddress | undefined {
  return parseIp(withoutLeadingZeros(text))
}

export function parseSloppyCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/')
  return slash < 0 ? undefined : parseCidr(`${withoutLeadingZeros(text.slice(0, slash))}/${text.slice(slash + 1).replace(/^0+(?=\d)/, '')}`)
}

/** An address in one of the fields that came before the strict rules: canonical form is not asked for. */
export function ipErrors(text: string): string[] {
  const ip = parseIp(text)
  if (ip !== undefined) return isMapped(ip) ? ['must not be an IPv4-mapped IPv6 address'] : []
  return [parseIp(withoutLeadingZeros(text)) === undefined ? 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)' : 'must not have leading 0s']
}

/** An address in a field of newer date, where only the canonical form will do. */
export function canonicalIpErrors(text: string): string[] {
  const errors = ipErrors(text)
  const ip = parseIp(text)
  if (errors.length > 0 || ip === undefined) return errors
  const canonical = formatIp(ip)
  return canonical === text ? [] : [`must be in canonical form (${JSON.stringify(canonical)})`]
}

export function cidrErrors(text: string): string[] {
  const slash = text.indexOf('/')
  const address = slash < 0 ? text : text.slice(0, slash)
  const bits = slash < 0 ? '' : text.slice(slash + 1)
  const ip = parseIp(withoutLeadingZeros(address))
  if (ip === undefined || !/^\d{1,4}$/.test(bits) || Number(bits) > (ip.family === 4 ? 32 : 128)) return ['must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)']
  if (parseIp(address) === undefined || /^0\d/.test(bits)) return ['must not have leading 0s in IP or prefix length']
  if (isMapped(ip)) return ['must not have an IPv4-mapped IPv6 address']
  const hostBits = BigInt((ip.family === 4 ? 32 : 128) - Number(bits))
  return (ip.value >> hostBits) << hostBits === ip.value ? [] : ['must not have bits set beyond the prefix length']
}

/** `must be in canonical form` on top of `cidrErrors`. */
export function canonicalCidrErrors(text: string): string[] {
  const errors = cidrErrors(text)
  const cidr = parseCidr(text)
  if (errors.length > 0 || cidr === undefined) return errors
  const canonical = formatCidr(cidr)
  return canonical === text ? [] : [`must be in canonical form (${JSON.stringify(canonical)})`]
}
