import { createHash } from 'node:crypto'
import type { EndpointAddress, ServiceRules } from '../service-rules.ts'

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** The first 16 characters of the base32 form (RFC 4648) of the SHA-256 of `text`: a chain's name must stay below 29. */
function shortHash(text: string): string {
  const digest = createHash('sha256').update(text).digest()
  let bits = 0n
  for (let index = 0; index < 10; index++) bits = (bits << 8n) | BigInt(digest[index]!)
  let name = ''
  for (let shift = 75n; shift >= 0n; shift -= 5n) name += alphabet[Number((bits >> shift) & 31n)]
  return name
}

/** The chains of one service port, named as kube-proxy names them, so that tools and people who know those find their way. */
export interface ServiceChains {
  /** Any endpoint. */
  cluster: string
  /** Endpoints on this node. */
  local: string
  /** Traffic to an outside address. */
  external: string
  /** Who may use the load balancer's addresses. */
  firewall: string
}

export function serviceChains(service: ServiceRules): ServiceChains {
  const hash = shortHash(`${service.portName}${service.protocol.toLowerCase()}`)
  return { cluster: `KUBE-SVC-${hash}`, local: `KUBE-SVL-${hash}`, external: `KUBE-EXT-${hash}`, firewall: `KUBE-FW-${hash}` }
}

export function endpointText({ ip, port }: EndpointAddress): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`
}

export function endpointChain(service: ServiceRules, endpoint: EndpointAddress): string {
  return `KUBE-SEP-${shortHash(`${service.portName}${service.protocol.toLowerCase()}${endpointText(endpoint)}`)}`
}

/** Whether a chain of this name belongs to a service, and goes when the service does. */
export function isServiceChain(name: string): boolean {
  return /^KUBE-(SVC|SVL|SEP|EXT|FW)-/.test(name)
}
