import type { ProxyBackendOptions } from '../proxy-backend.ts'
import { markMasquerade, type RenderedService } from './service-chains.ts'

export type Table = 'filter' | 'nat'

/** Chain -> its lines, of both tables: all that the proxy keeps in the kernel, besides the jumps into it. */
export type RuleSet = Readonly<Record<Table, ReadonlyMap<string, string>>>

/** A rule in a chain that is not ours which leads into one that is. */
export interface Jump { table: Table; from: string; to: string; match: string }

const newConnections = '-m conntrack --ctstate NEW'
const remark = (text: string): string => `-m comment --comment "${text}"`

/** In the order in which they are to stand, each put before what is there. */
export const jumps: readonly Jump[] = [
  { table: 'filter', from: 'INPUT', to: 'KUBE-NODEPORTS', match: remark('kubernetes health check service ports') },
  { table: 'filter', from: 'INPUT', to: 'KUBE-EXTERNAL-SERVICES', match: `${newConnections} ${remark('kubernetes externally-visible service portals')}` },
  { table: 'filter', from: 'FORWARD', to: 'KUBE-EXTERNAL-SERVICES', match: `${newConnections} ${remark('kubernetes externally-visible service portals')}` },
  { table: 'filter', from: 'FORWARD', to: 'KUBE-SERVICES', match: `${newConnections} ${remark('kubernetes service portals')}` },
  { table: 'filter', from: 'OUTPUT', to: 'KUBE-SERVICES', match: `${newConnections} ${remark('kubernetes service portals')}` },
  { table: 'filter', from: 'FORWARD', to: 'KUBE-FORWARD', match: remark('kubernetes forwarding rules') },
  ...['INPUT', 'FORWARD', 'OUTPUT'].map((from): Jump => ({ table: 'filter', from, to: 'KUBE-PROXY-FIREWALL', match: `${newConnections} ${remark('kubernetes load balancer firewall')}` })),
  ...['INPUT', 'OUTPUT'].map((from): Jump => ({ table: 'filter', from, to: 'KUBE-FIREWALL', match: remark('kubernetes loopback protection') })),
  ...['PREROUTING', 'OUTPUT'].map((from): Jump => ({ table: 'nat', from, to: 'KUBE-SERVICES', match: remark('kubernetes service portals') })),
  { table: 'nat', from: 'POSTROUTING', to: 'KUBE-POSTROUTING', match: remark('kubernetes postrouting rules') },
]

/** A chain that nothing uses: when it is missing, somebody has emptied the tables. */
export const canaryChain = 'KUBE-PROXY-CANARY'

/** The mark of packets that take the node's address, as kube-proxy's bit 14. */
const masqueradeMark = '0x4000'

function fixedFilterChains(options: ProxyBackendOptions): [string, string][] {
  const loopback = options.family === 'IPv4'
    // Node ports answer on loopback too (route_localnet): others must not reach what listens only there.
    ? `-A KUBE-FIREWALL ${remark('block incoming localnet connections')} -d 127.0.0.0/8 ! -s 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP`
    : ''
  return [
    ['KUBE-FIREWALL', loopback],
    ['KUBE-FORWARD', [
      // A packet that the tracker cannot place would pass on unrewritten, and its receiver would end the connection.
      '-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP',
      `-A KUBE-FORWARD ${remark('kubernetes forwarding rules')} -m mark --mark ${masqueradeMark}/${masqueradeMark} -j ACCEPT`,
      `-A KUBE-FORWARD ${remark('kubernetes forwarding conntrack rule')} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
    ].join('\n')],
    [canaryChain, ''],
  ]
}

const fixedNatChains: readonly [string, string][] = [
  [markMasquerade, `-A ${markMasquerade} -j MARK --or-mark ${masqueradeMark}`],
  ['KUBE-POSTROUTING', [
    `-A KUBE-POSTROUTING -m mark ! --mark ${masqueradeMark}/${masqueradeMark} -j RETURN`,
    // The mark goes, so that a packet which comes by here again (through a tunnel) is not taken for a marked one.
    `-A KUBE-POSTROUTING -j MARK --xor-mark ${masqueradeMark}`,
    `-A KUBE-POSTROUTING ${remark('kubernetes service traffic requiring SNAT')} -j MASQUERADE --random-fully`,
  ].join('\n')],
  [canaryChain, ''],
]

/** All rules for these services. */
export function ruleSet(services: readonly RenderedService[], options: ProxyBackendOptions): RuleSet {
  const joined = (pick: (service: RenderedService) => readonly string[]): string => services.flatMap(pick).join('\n')
  const filter = new Map<string, string>([
    ...fixedFilterChains(options),
    ['KUBE-NODEPORTS', joined((service) => service.filterNodePorts)],
    ['KUBE-SERVICES', joined((service) => service.filterServices)],
    ['KUBE-EXTERNAL-SERVICES', joined((service) => service.filterExternalServices)],
    ['KUBE-PROXY-FIREWALL', joined((service) => service.filterFirewall)],
  ])
  const lastRule = `-A KUBE-SERVICES ${remark('kubernetes service nodeports; NOTE: this must be the last rule in this chain')} -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS`
  const portals = joined((service) => service.natServices)
  const nat = new Map<string, string>([
    ...fixedNatChains,
    ['KUBE-NODEPORTS', joined((service) => service.natNodePorts)],
    ['KUBE-SERVICES', portals === '' ? lastRule : `${portals}\n${lastRule}`],
  ])
  for (const service of services) for (const [chain, lines] of service.chains) nat.set(chain, lines)
  return { filter, nat }
}

export interface RestoreText { text: string; rules: number }

const countLines = (text: string): number => (text === '' ? 0 : text.split('\n').length)

/**
 * What `iptables-restore --noflush` reads to lead from `standing` to `wanted`: chains that differ are emptied and filled anew,
 * in one step a table, chains that are the same are left alone, chains no longer wanted go. Undefined when nothing differs.
 */
export function restoreText(standing: RuleSet, wanted: RuleSet, missingJumps: readonly Jump[]): RestoreText | undefined {
  let text = ''
  let rules = 0
  for (const table of ['filter', 'nat'] as const) {
    const changed = [...wanted[table]].filter(([chain, lines]) => standing[table].get(chain) !== lines)
    const gone = [...standing[table].keys()].filter((chain) => !wanted[table].has(chain))
    const absent = missingJumps.filter((jump) => jump.table === table)
    if (changed.length === 0 && gone.length === 0 && absent.length === 0) continue
    const lines = [
      `*${table}`,
      ...[...changed.map(([chain]) => chain), ...gone].map((chain) => `:${chain} - [0:0]`),
      ...changed.map(([, body]) => body).filter((body) => body !== ''),
      ...gone.map((chain) => `-X ${chain}`),
      // Each is put first, so the last one goes in first.
      ...absent.toReversed().map((jump) => `-I ${jump.from} ${jump.match} -j ${jump.to}`),
      'COMMIT',
    ]
    rules += changed.reduce((total, [, body]) => total + countLines(body), 0) + absent.length
    text += `${lines.join('\n')}\n`
  }
  return text === '' ? undefined : { text, rules }
}
