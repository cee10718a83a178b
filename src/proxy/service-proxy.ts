import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Node, Service } from '../api/types/core_v1.ts'
import type { EndpointSlice } from '../api/types/discovery.k8s.io_v1.ts'
import type { Client } from '../client/client.ts'
import { createInformerFactory, type Informer, type InformerFactory } from '../client/informer.ts'
import { endpointSlices as sliceType, nodes as nodeType, services as serviceType } from '../client/resources.ts'
import { keyOf } from '../machinery/object.ts'
import type { Running, Runtime } from '../runtime/runtime.ts'
import { forgetStaleFlows } from './conntrack.ts'
import { closeServer, healthCheckServers, listen, serviceHealth } from './health-check.ts'
import { iptablesBackend } from './iptables/iptables-backend.ts'
import { createProxyMetrics, type ProxyMetrics } from './metrics.ts'
import type { ProxyBackend, ProxyBackendOptions } from './proxy-backend.ts'
import { isFamily, isFamilyRange, nodeViewOf, serviceKeyOf, type IpFamily } from './service-rules.ts'
import { createServiceTable, type RulesByPort, type ServiceTable } from './service-table.ts'
import { createSyncSchedule } from './sync-schedule.ts'

export interface ListenAddress { host: string; port: number }

export interface ServiceProxyOptions {
  runtime: Runtime
  client: Client
  nodeName: string
  nodeIPs: readonly string[]
  /** Range of all pods: what comes from elsewhere is masqueraded on its way to a cluster IP. */
  clusterCIDR?: string
  masqueradeAll?: boolean
  /** How rules get into the kernel: a name of `backends`, or one made by the caller. */
  backend?: keyof typeof backends | ((runtime: Runtime, options: ProxyBackendOptions) => ProxyBackend)
  /** `/healthz` and `/livez`; none where left out. */
  healthz?: ListenAddress
  /** `/metrics`, `/proxyMode` and `/healthz`; none where left out. */
  metrics?: ListenAddress
  /** Changes that come in this time after a sync are carried out together. */
  minSyncPeriodMs?: number
  /** How often to look whether somebody removed the rules, and to try again what failed. */
  syncPeriodMs?: number
  informers?: InformerFactory
}

export const backends = { iptables: iptablesBackend } as const

/** Rules are compared with the kernel's, not only with memory, this often. */
const fullSyncPeriodMs = 3_600_000

const sliceIndex = 'service'

interface Sources { services: Informer<Service>; slices: Informer<EndpointSlice>; node: Informer<Node> }

function openSources(informers: InformerFactory, nodeName: string): Sources {
  // Services that another proxy serves, and headless ones, never get here: see upstream's selector.
  const labelSelector = '!service.kubernetes.io/service-proxy-name,!service.kubernetes.io/headless'
  const services = informers.informer(serviceType, { labelSelector })
  const slices = informers.informer(sliceType, { labelSelector })
  slices.addIndex(sliceIndex, (slice) => [serviceKeyOf(slice) ?? ''])
  return { services, slices, node: informers.informer(nodeType, { fieldSelector: `metadata.name=${nodeName}` }) }
}

function tableOver({ services, slices }: Sources): ServiceTable {
  return createServiceTable({
    keys: () => services.list().map(keyOf), service: (key) => services.get(key), slices: (key) => slices.byIndex(sliceIndex, key),
  })
}

/** One address family: its table of rules, its backend, and what was carried out last. */
interface Family { table: ServiceTable; backend: ProxyBackend; applied: RulesByPort; needsFull: boolean; lastFullMs: number }

/** Why no new traffic should be sent to the node, although the proxy works: it is about to go. */
function isLeaving(node: Node | undefined): boolean {
  return node?.metadata.deletionTimestamp !== undefined || node?.spec?.taints?.some((taint) => taint.key === 'ToBeDeletedByClusterAutoscaler') === true
}

/**
 * The service proxy of a node, for the network namespace that this process is in. Resolves when it listens; rules follow as soon as
 * Services and EndpointSlices are known. The first change is carried out at once, later ones in batches.
 * Stopping it leaves the rules as they are, so that services go on while the proxy is replaced.
 */
export async function startServiceProxy(options: ServiceProxyOptions): Promise<Running> {
  const { runtime, client, nodeName, syncPeriodMs = 30_000, minSyncPeriodMs = 1_000 } = options
  const { clock } = runtime
  const log = runtime.log.child({ component: 'service-proxy' })
  const makeBackend = typeof options.backend === 'function' ? options.backend : backends[options.backend ?? 'iptables']
  const informers = options.informers ?? createInformerFactory(client, runtime)
  const sources = openSources(informers, nodeName)
  const metrics = await createProxyMetrics()
  const families = familiesOf(options).map((family): Family => ({
    table: tableOver(sources), applied: new Map(), needsFull: true, lastFullMs: clock.monotonicMs(),
    backend: makeBackend(runtime, { family, clusterCIDR: options.clusterCIDR !== undefined && isFamilyRange(options.clusterCIDR, family) ? options.clusterCIDR : undefined, nodeIPs: options.nodeIPs, masqueradeAll: options.masqueradeAll === true }),
  }))
  const health = healthCheckServers(runtime, () => status.isHealthy())
  const stopped = new AbortController()
  const touch = (key: string | undefined): void => {
    if (key === undefined) return
    for (const family of families) family.table.touch(key)
    schedule.wake()
  }

  const syncFamily = async (family: Family): Promise<void> => {
    const rules = family.table.compute(nodeViewOf(nodeName, family.backend.family, sources.node.get(nodeName)))
    if (rules === family.applied && !family.needsFull) return
    const startedMs = clock.monotonicMs()
    const full = family.needsFull
    family.needsFull = true
    const { rulesWritten } = await family.backend.sync([...rules.values()], { full, signal: stopped.signal })
    family.needsFull = false
    if (full) family.lastFullMs = clock.monotonicMs()
    const before = family.applied
    family.applied = rules
    metrics.synced({ durationMs: clock.monotonicMs() - startedMs, rulesWritten, atMs: clock.now(), services: rules.size })
    log.debug('service rules written', { family: family.backend.family, services: rules.size, rulesWritten, durationMs: Math.round(clock.monotonicMs() - startedMs) })
    await forgetStaleFlows(runtime, before, rules, options.nodeIPs)
  }
  const sync = async (): Promise<void> => {
    for (const family of families) await syncFamily(family)
    await health.update(serviceHealth(families.flatMap((family) => [...family.applied.values()])))
  }
  const schedule = createSyncSchedule({ runtime, minPeriodMs: minSyncPeriodMs, maxBackOffMs: syncPeriodMs, sync, failed: (error) => {
    metrics.failed()
    log.error('cannot write service rules; trying again', { err: error })
  } })
  const status = {
    isHealthy: () => schedule.waitingSinceMs === undefined || clock.monotonicMs() - schedule.waitingSinceMs < 2 * syncPeriodMs,
    isEligible: () => !isLeaving(sources.node.get(nodeName)),
    lastUpdatedMs: () => schedule.lastSyncMs,
  }
  const lookAfter = async (): Promise<void> => {
    for (const family of families) {
      const due = clock.monotonicMs() - family.lastFullMs >= fullSyncPeriodMs
      if (due || !(await family.backend.isIntact())) family.needsFull = true
    }
    if (families.some((family) => family.needsFull)) schedule.wake()
  }

  const servers = await openServers(options, metrics, status, clock.now)
  const subscriptions: Disposable[] = []
  const run = async (): Promise<void> => {
    try {
      await Promise.all([sources.services.synced, sources.slices.synced, sources.node.synced])
    } catch (error) {
      return log.debug('stopped before services were known', { err: error })
    }
    if (stopped.signal.aborted) return
    subscriptions.push(
      sources.services.onChange((service, old) => touch(keyOf((service ?? old)!))),
      sources.slices.onChange((slice, old) => {
        if (slice !== undefined) touch(serviceKeyOf(slice))
        if (old !== undefined) touch(serviceKeyOf(old))
      }),
      sources.node.onChange((node, old) => {
        if (node?.metadata.labels?.['topology.kubernetes.io/zone'] === old?.metadata.labels?.['topology.kubernetes.io/zone']) return
        for (const family of families) family.table.touchAll()
        schedule.wake()
      }),
      clock.interval(syncPeriodMs, () => {
        lookAfter().catch((error: unknown) => log.warn('cannot look after the service rules', { err: error }))
      }, { background: true }),
    )
    schedule.wake()
    await schedule.done
  }
  const done = run()
  return {
    done,
    async [Symbol.asyncDispose]() {
      stopped.abort(new Error('the service proxy was stopped'))
      for (const subscription of subscriptions) subscription[Symbol.dispose]()
      await schedule[Symbol.asyncDispose]()
      if (options.informers === undefined) await informers[Symbol.asyncDispose]()
      await health[Symbol.asyncDispose]()
      await Promise.all(servers.map(closeServer))
      if (options.informers === undefined) await done
    },
  }
}

function familiesOf(options: ServiceProxyOptions): IpFamily[] {
  return (['IPv4', 'IPv6'] as const).filter((family) => options.nodeIPs.some((ip) => isFamily(ip, family)))
}

interface ProxyStatus { isHealthy(): boolean; isEligible(): boolean; lastUpdatedMs(): number | undefined }

async function openServers(options: ServiceProxyOptions, metrics: ProxyMetrics, status: ProxyStatus, now: () => number): Promise<Server[]> {
  const answerHealth = (response: ServerResponse, isGood: boolean): void => {
    response.writeHead(isGood ? 200 : 503, { 'content-type': 'application/json', 'x-content-type-options': 'nosniff' })
    const lastUpdatedMs = status.lastUpdatedMs()
    const body = {
      ...(lastUpdatedMs === undefined ? {} : { lastUpdated: new Date(lastUpdatedMs).toISOString() }), currentTime: new Date(now()).toISOString(), nodeEligible: status.isEligible(),
    }
    response.end(JSON.stringify(body))
  }
  const pathOf = (request: IncomingMessage): string => (request.url ?? '').split('?')[0]!
  const notFound = (response: ServerResponse): void => void response.writeHead(404).end()
  const healthz = (request: IncomingMessage, response: ServerResponse): void => {
    if (pathOf(request) === '/healthz') return answerHealth(response, status.isHealthy() && status.isEligible())
    // A node that is about to go sheds traffic, but its proxy need not be restarted.
    return pathOf(request) === '/livez' ? answerHealth(response, status.isHealthy()) : notFound(response)
  }
  const metricsPage = (request: IncomingMessage, response: ServerResponse): void => {
    const path = pathOf(request)
    if (path === '/proxyMode') return void response.end(typeof options.backend === 'string' ? options.backend : 'iptables')
    if (path === '/healthz') return void response.end('ok')
    if (path !== '/metrics') return notFound(response)
    metrics.text().then((text) => response.writeHead(200, { 'content-type': metrics.contentType }).end(text), () => response.writeHead(500).end())
  }
  const wanted = [...(options.healthz === undefined ? [] : [{ ...options.healthz, handler: healthz }]), ...(options.metrics === undefined ? [] : [{ ...options.metrics, handler: metricsPage }])]
  return Promise.all(wanted.map(({ handler, host, port }) => listen(handler, port, host)))
}
