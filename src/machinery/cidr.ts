/** An IP address as a number: IPv4 in 32 bits, IPv6 in 128. */
export interface IpAddress { family: 4 | 6; value: bigint }

/** A range of addresses; `base` has no bit set behind the prefix. */
export interface Cidr { family: 4 | 6; base: bigint; prefix: number }

const widthOf = (family: 4 | 6): number => (family === 4 ? 32 : 128)

function parseIpv4(text: string): bigint | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  let value = 0n
  for (const part of parts) {
    // Leading zeros are refused, as Go's net.ParseIP does: some readers take them for octal.
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined
    value = (value << 8n) | BigInt(part)
  }
  return value
}

function parseIpv6(text: string): bigint | undefined {
  let rest = text
  const lastColon = rest.lastIndexOf(':')
  if (rest.includes('.')) {
    const tail = parseIpv4(rest.slice(lastColon + 1))
    if (tail === undefined) return undefined
    rest = `${rest.slice(0, lastColon + 1)}${(tail >> 16n).toString(16)}:${(tail & 0xffffn).toString(16)}`
  }
  const halves = rest.split('::')
  if (halves.length > 2) return undefined
  const groups = (half: string | undefined): string[] => (half === undefined || half === '' ? [] : half.split(':'))
  const head = groups(halves[0])
  const tail = groups(halves[1])
  const missing = 8 - head.length - tail.length
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined
  let value = 0n
  for (const group of [...head, ...Array.from({ length: missing }, () => '0'), ...tail]) {
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined
    value = (value << 16n) | BigInt(`0x${group}`)
  }
  return value
}

/** The address, or undefined when `text` is none. Zones (`%eth0`) are refused. */
export function parseIp(text: string): IpAddress | undefined {
  const family = text.includes(':') ? 6 : 4
  const value = family === 6 ? parseIpv6(text) : parseIpv4(text)
  return value === undefined ? undefined : { family, value }
}

/** The address in its canonical form (RFC 5952 for IPv6). */
export function formatIp(address: IpAddress): string {
  if (address.family === 4) return [24n, 16n, 8n, 0n].map((shift) => String((address.value >> shift) & 255n)).join('.')
  const groups = Array.from({ length: 8 }, (_, index) => ((address.value >> BigInt(112 - index * 16)) & 0xffffn).toString(16))
  let bestStart = -1
  let bestLength = 1
  for (let start = 0; start < 8; start++) {
    let end = start
    while (end < 8 && groups[end] === '0') end++
    if (end - start > bestLength) [bestStart, bestLength] = [start, end - start]
  }
  if (bestStart < 0) return groups.join(':')
  return `${groups.slice(0, bestStart).join(':')}::${groups.slice(bestStart + bestLength).join(':')}`
}

/** The range that `text` (`10.0.0.0/8`) names, its host bits cleared; undefined when it names none. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/')
  const address = slash < 0 ? undefined : parseIp(text.slice(0, slash))
  const prefixText = text.slice(slash + 1)
  if (address === undefined || !/^(0|[1-9]\d{0,2})$/.test(prefixText) || Number(prefixText) > widthOf(address.family)) return undefined
  const prefix = Number(prefixText)
  const hostBits = BigInt(widthOf(address.family) - prefix)
  return { family: address.family, base: (address.value >> hostBits) << hostBits, prefix }
}

export function formatCidr(cidr: Cidr): string {
  return `${formatIp({ family: cidr.family, value: cidr.base })}/${cidr.prefix}`
}

/** Whether the address lies in the range. */
export function cidrHas(cidr: Cidr, address: IpAddress): boolean {
  const hostBits = BigInt(widthOf(cidr.family) - cidr.prefix)
  return cidr.family === address.family && address.value >> hostBits === cidr.base >> hostBits
}

/** Whether the ranges share an address. */
export function cidrsOverlap(a: Cidr, b: Cidr): boolean {
  const [wide, narrow] = a.prefix <= b.prefix ? [a, b] : [b, a]
  return cidrHas(wide, { family: narrow.family, value: narrow.base })
}

/** The address `index` places after the first of the range. */
export function addressAt(cidr: Cidr, index: number): IpAddress {
  return { family: cidr.family, value: cidr.base + BigInt(index) }
}
