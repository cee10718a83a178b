import type { Runtime } from '../../runtime/runtime.ts'
import type { ProxyBackend, ProxyBackendOptions, SyncResult } from '../proxy-backend.ts'
import type { ServiceRules } from '../service-rules.ts'
import { isServiceChain } from './chain-names.ts'
import { canaryChain, jumps, restoreText, ruleSet, type Jump, type RuleSet, type Table } from './rule-set.ts'
import { renderService, type RenderedService } from './service-chains.ts'

/** Waits for another program that holds the tables. */
const waitSeconds = 5

/** Our chains and jumps as `iptables-save` shows them. */
export interface SavedState { chains: Readonly<Record<Table, ReadonlySet<string>>>; missingJumps: readonly Jump[] }

const fixedChains = new Set([canaryChain, 'KUBE-FIREWALL', 'KUBE-FORWARD', 'KUBE-NODEPORTS', 'KUBE-SERVICES', 'KUBE-EXTERNAL-SERVICES', 'KUBE-PROXY-FIREWALL', 'KUBE-MARK-MASQ', 'KUBE-POSTROUTING'])

const remarkOf = (jump: Jump): string => /--comment "[^"]*"/.exec(jump.match)?.[0] ?? ''

/** Reads what `iptables-save` printed. */
export function parseSaved(text: string): SavedState {
  const chains = { filter: new Set<string>(), nat: new Set<string>() }
  const standing = new Set<Jump>()
  let table = ''
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) table = line.slice(1)
    if (table !== 'filter' && table !== 'nat') continue
    if (line.startsWith(':')) {
      const chain = line.slice(1, line.indexOf(' '))
      if (isServiceChain(chain) || fixedChains.has(chain)) chains[table].add(chain)
    } else if (line.startsWith('-A ') && !line.startsWith('-A KUBE-')) {
      const jump = jumps.find((each) => each.table === table && line.startsWith(`-A ${each.from} `) && line.endsWith(`-j ${each.to}`) && line.includes(remarkOf(each)))
      if (jump !== undefined) standing.add(jump)
    }
  }
  return { chains, missingJumps: jumps.filter((jump) => !standing.has(jump)) }
}

/** A text that no chain has: what stands there is to be written anew. */
const unknownLines = '\u0000'

function unknownRules(saved: SavedState): RuleSet {
  const unknown = (names: ReadonlySet<string>): ReadonlyMap<string, string> => new Map([...names].map((name) => [name, unknownLines]))
  return { filter: unknown(saved.chains.filter), nat: unknown(saved.chains.nat) }
}

/** Service rules as chains of the filter and nat tables, laid out as kube-proxy's iptables mode does; one `iptables-restore` a change. */
export function iptablesBackend(runtime: Runtime, options: ProxyBackendOptions): ProxyBackend {
  const command = options.family === 'IPv4' ? 'iptables' : 'ip6tables'
  const { run } = runtime.processes
  const rendered = new WeakMap<ServiceRules, RenderedService>()
  /** What the kernel holds as far as we know; undefined: unknown, so that the next sync looks. */
  let standing: RuleSet | undefined

  const render = (service: ServiceRules): RenderedService => {
    const known = rendered.get(service)
    if (known !== undefined) return known
    const made = renderService(service, options)
    rendered.set(service, made)
    return made
  }
  const save = async (): Promise<SavedState> => parseSaved((await run(`${command}-save`, [])).stdout)
  const restore = (text: string, signal?: AbortSignal): Promise<unknown> =>
    run(`${command}-restore`, ['--noflush', `--wait=${waitSeconds}`], { input: text, ...(signal === undefined ? {} : { signal }) })

  return {
    name: 'iptables',
    family: options.family,
    async sync(services, { full, signal }): Promise<SyncResult> {
      const wanted = ruleSet(services.map(render), options)
      const looked = full || standing === undefined ? await save() : undefined
      const from = looked === undefined ? standing! : unknownRules(looked)
      standing = undefined
      if (looked !== undefined && options.family === 'IPv4') await run('/bin/sh', ['-ec', 'echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet'])
      const change = restoreText(from, wanted, looked?.missingJumps ?? [])
      if (change !== undefined) await restore(change.text, signal)
      standing = wanted
      return { rulesWritten: change?.rules ?? 0 }
    },
    async isIntact() {
      const looks = await Promise.all((['filter', 'nat'] as const).map((table) => run(command, [`--wait=${waitSeconds}`, '-t', table, '-S', canaryChain], { allowFailure: true })))
      return looks.every((look) => look.code === 0)
    },
    async cleanUp() {
      const saved = await save()
      standing = undefined
      let text = ''
      for (const table of ['filter', 'nat'] as const) {
        const chains = [...saved.chains[table]]
        const standingJumps = jumps.filter((jump) => jump.table === table && !saved.missingJumps.includes(jump))
        if (chains.length === 0 && standingJumps.length === 0) continue
        const lines = [
          `*${table}`, ...chains.map((chain) => `:${chain} - [0:0]`),
          ...standingJumps.map((jump) => `-D ${jump.from} ${jump.match} -j ${jump.to}`), ...chains.map((chain) => `-X ${chain}`), 'COMMIT',
        ]
        text += `${lines.join('\n')}\n`
      }
      if (text !== '') await restore(text)
    },
  }
}
