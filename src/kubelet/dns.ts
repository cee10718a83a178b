import { readFile } from 'node:fs/promises'
import type { SandboxConfig } from './container-runtime.ts'
import type { BoundPod } from './pods.ts'

export interface ClusterDns { servers: readonly string[]; domain: string }
export type DnsConfig = NonNullable<SandboxConfig['dnsConfig']> & { servers: readonly string[]; searches: readonly string[]; options: readonly string[] }

const limits = { servers: 3, searches: 32, searchCharacters: 2048 }

/** Name servers, search domains and options of a resolv.conf. */
export function parseResolvConf(text: string): DnsConfig {
  const servers: string[] = []
  let searches: string[] = []
  let options: string[] = []
  for (const line of text.split('\n')) {
    const [word, ...rest] = line.trim().split(/\s+/)
    if (word === 'nameserver' && rest[0] !== undefined) servers.push(rest[0])
    if (word === 'search') searches = rest.map((domain) => (domain === '.' ? domain : domain.replace(/\.$/, '')))
    if (word === 'options') options = rest
  }
  return { servers, searches, options }
}

export async function hostDns(path: string): Promise<DnsConfig> {
  try {
    return parseResolvConf(await readFile(path, 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { servers: [], searches: [], options: [] }
    throw error
  }
}

function withOptions(options: readonly string[], pod: BoundPod): string[] {
  const byName = new Map(options.map((option) => [option.split(':')[0]!, option]))
  for (const { name = '', value } of pod.spec.dnsConfig?.options ?? []) byName.set(name, value === undefined || value === '' ? name : `${name}:${value}`)
  return [...byName.values()]
}

/** The resolver configuration of a pod by its dnsPolicy and dnsConfig, cut to what resolvers take. `warn` hears of what had to be left out. */
export function podDns(pod: BoundPod, host: DnsConfig, cluster: ClusterDns, warn: (reason: string, message: string) => void): DnsConfig {
  const policy = pod.spec.dnsPolicy ?? 'ClusterFirst'
  const clusterFirst = policy === 'ClusterFirstWithHostNet' || (policy === 'ClusterFirst' && pod.spec.hostNetwork !== true)
  let base = host
  if (policy === 'None') {
    base = { servers: [], searches: [], options: [] }
  } else if (clusterFirst && cluster.servers.length === 0) {
    warn('MissingClusterDNS', `pod: "${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})". kubelet does not have ClusterDNS IP configured and cannot create Pod using "${policy}" policy. Falling back to "Default" policy.`)
  } else if (clusterFirst) {
    const { domain } = cluster
    const searches = domain === '' ? [] : [`${pod.metadata.namespace}.svc.${domain}`, `svc.${domain}`, domain]
    base = { servers: cluster.servers, searches: [...searches, ...host.searches], options: ['ndots:5'] }
  }
  const servers = [...new Set([...base.servers, ...(pod.spec.dnsConfig?.nameservers ?? [])])]
  const searches = [...new Set([...base.searches, ...(pod.spec.dnsConfig?.searches ?? [])])]
  if (servers.length > limits.servers) warn('DNSConfigForming', `Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: ${servers.slice(0, limits.servers).join(' ')}`)
  let kept = searches.slice(0, limits.searches)
  while (kept.join(' ').length > limits.searchCharacters) kept = kept.slice(0, -1)
  if (kept.length < searches.length) warn('DNSConfigForming', `Search Line limits were exceeded, some search paths have been omitted, the applied search line is: ${kept.join(' ')}`)
  return { servers: servers.slice(0, limits.servers), searches: kept, options: withOptions(base.options, pod) }
}

const maxHostname = 63

/** The pod's host name, and its domain when it has a subdomain. */
export function podHostname(pod: BoundPod, clusterDomain: string): { hostname: string; domain: string } {
  if (pod.spec.hostnameOverride !== undefined && pod.spec.hostnameOverride !== '') return { hostname: pod.spec.hostnameOverride, domain: '' }
  const name = pod.spec.hostname !== undefined && pod.spec.hostname !== '' ? pod.spec.hostname : pod.metadata.name
  const hostname = name.slice(0, maxHostname).replace(/[-.]+$/, '')
  const { subdomain } = pod.spec
  return { hostname, domain: subdomain === undefined || subdomain === '' ? '' : `${subdomain}.${pod.metadata.namespace}.svc.${clusterDomain}` }
}

/** The /etc/hosts of a pod's containers; `nodeHosts` is the node's own, for pods on its network. */
export function hostsFile(pod: BoundPod, podIPs: readonly string[], clusterDomain: string, nodeHosts: string): string {
  const aliases = (pod.spec.hostAliases ?? []).map(({ ip, hostnames }) => `${ip}\t${(hostnames ?? []).join('\t')}\n`).join('')
  const added = aliases === '' ? '' : `\n# Entries added by HostAliases.\n${aliases}`
  if (pod.spec.hostNetwork === true) return `# Kubernetes-managed hosts file (host network).\n${nodeHosts}${added}`
  const { hostname, domain } = podHostname(pod, clusterDomain)
  const own = podIPs.map((ip) => (domain === '' ? `${ip}\t${hostname}\n` : `${ip}\t${hostname}.${domain}\t${hostname}\n`)).join('')
  return `# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n${own}${added}`
}
