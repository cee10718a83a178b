import { addressAt, cidrHas, formatCidr, formatIp, parseCidr, parseIp, type Cidr } from '../../machinery/cidr.ts'

/** A run of numbers to hand out, [first, first + size). */
export interface Pool { readonly size: number; readonly lowerBand: number }

/**
 * The order in which free places are tried: from a random place in the upper band on, then the lower band, which is left to
 * those who name their address or port themselves (KEP-3070, KEP-3668).
 */
export function* placesOf({ size, lowerBand }: Pool, random: (below: number) => number): Generator<number> {
  const upper = size - lowerBand
  if (upper > 0) {
    const start = random(upper)
    for (let step = 0; step < upper; step++) yield lowerBand + ((start + step) % upper)
  }
  for (let place = 0; place < Math.min(lowerBand, size); place++) yield place
}

/** The addresses of a service range that may be handed out: all but the network's own and, for IPv4, the broadcast address. */
export interface AddressRange extends Pool {
  readonly cidr: Cidr
  readonly text: string
  address(place: number): string
  /** Undefined when the text is an address that the range has. */
  problem(ip: string): string | undefined
}

/** Wide IPv6 ranges are used only so far: that many services there can't be. */
const maxSize = 2 ** 20

export function addressRange(cidrText: string): AddressRange {
  const cidr = parseCidr(cidrText)
  if (cidr === undefined) throw new Error(`the service range ${JSON.stringify(cidrText)} is no CIDR; give one like 10.96.0.0/16`)
  const bits = (cidr.family === 4 ? 32 : 128) - cidr.prefix
  const all = bits >= 20 ? maxSize : 2 ** bits
  const size = Math.max(all - (cidr.family === 4 ? 2 : 1), 0)
  const text = formatCidr(cidr)
  return {
    cidr, text, size, lowerBand: Math.min(Math.max(16, Math.floor(all / 16)), 256),
    address: (place) => formatIp(addressAt(cidr, place + 1)),
    problem(ip) {
      const address = parseIp(ip)
      const isIn = address !== undefined && cidrHas(cidr, address) && address.value !== cidr.base && !(cidr.family === 4 && bits < 20 && address.value === cidr.base + BigInt(all - 1))
      return isIn ? undefined : `the provided IP (${ip}) is not in the valid range. The range of valid IPs is ${text}`
    },
  }
}

/** Node ports, by default 30000 to 32767. */
export interface PortRange extends Pool { readonly first: number; readonly text: string }

export function portRange(first = 30000, last = 32767): PortRange {
  const size = last - first + 1
  return { first, size, lowerBand: size < 32 ? 0 : Math.min(Math.max(16, Math.floor(size / 32)), 128), text: `${first}-${last}` }
}
