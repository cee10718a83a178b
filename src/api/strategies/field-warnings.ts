import { formatCidr, formatIp, parseCidr, parseIp } from '../../machinery/cidr.ts'
import { cidrErrors } from '../../machinery/ip-checks.ts'
import { milliValue, parseQuantity, quantityText } from '../../machinery/quantity.ts'
import type { PersistentVolumeClaimSpec } from '../types/core_v1.ts'

/** Warnings about fields that more than one kind has. */

/** Upstream's `GetWarningsForIP`; invalid forms get this far only where they were before. */
export function ipWarnings(path: string, text: string): string[] {
  const strict = parseIp(text)
  if (strict === undefined) {
    const plain = parseIp(text.replace(/(^|\.)0+(?=\d)/g, '$1'))
    return plain === undefined ? [] : [`${path}: non-standard IP address "${text}" is invalid: use "${formatIp(plain)}"`]
  }
  if (strict.family === 6 && strict.value >> 32n === 0xffffn) return [`${path}: non-standard IP address "${text}" is invalid: use "${formatIp({ family: 4, value: strict.value & 0xffffffffn })}"`]
  return strict.family === 6 && formatIp(strict) !== text ? [`${path}: IPv6 address "${text}" should be in RFC 5952 canonical format ("${formatIp(strict)}")`] : []
}

export function cidrWarnings(path: string, text: string): string[] {
  const cidr = parseCidr(text)
  if (cidr === undefined) return []
  const canonical = formatCidr(cidr)
  const [address = ''] = text.split('/')
  const ip = parseIp(address)
  const errors = cidrErrors(text)
  if (ip !== undefined && errors.includes('must not have bits set beyond the prefix length')) {
    const host = `${formatIp(ip)}/${ip.family === 4 ? 32 : 128}`
    return [`${path}: CIDR value "${text}" is ambiguous in this context (should be "${canonical}" or "${host}"?)`]
  }
  if (errors.length > 0) return [`${path}: non-standard CIDR value "${text}" is invalid: use "${canonical}"`]
  return cidr.family === 6 && canonical !== text ? [`${path}: IPv6 CIDR value "${text}" should be in RFC 5952 canonical format ("${canonical}")`] : []
}

export function claimSpecWarnings(spec: Readonly<PersistentVolumeClaimSpec> | undefined, path: string): string[] {
  return (['requests', 'limits'] as const).flatMap((kind) => {
    const amount = spec?.resources?.[kind]?.storage
    return amount !== undefined && milliValue(amount) % 1000 !== 0 ? [`${path}.resources.${kind}[storage]: fractional byte value ${JSON.stringify(quantityText(parseQuantity(amount)))} is invalid, must be an integer`] : []
  })
}
