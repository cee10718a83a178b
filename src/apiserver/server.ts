import type { ResourceDescription, ResourceTable, UserInfo } from '../api/resource.ts'
import type { Transport } from '../client/transport.ts'
import { errors } from '../machinery/status.ts'
import type { Clock } from '../runtime/clock.ts'
import { withLogFields, type Running, type Runtime } from '../runtime/runtime.ts'
import type { Store } from '../store/store.ts'
import { AdmissionChain } from './admission-chain.ts'
import { admissionMetricsOf } from './admission/metrics.ts'
import { apiServerUser } from './bootstrap/ensure.ts'
import type { Aggregator } from './aggregation/aggregator.ts'
import { componentStatusHandler, type ComponentCheck } from './component-status.ts'
import { authenticateRequest } from './authentication-filter.ts'
import { authorizerChain } from './authorization/chain.ts'
import { hostPort } from './connect/network-errors.ts'
import type { ApiServerCore, CorePart, CoreParts } from './core.ts'
import { directTransport } from './direct-transport.ts'
import { addDiscoveryEndpoints } from './discovery-endpoints.ts'
import { Endpoints } from './endpoints.ts'
import { buildGuards, type GuardOptions, type Guards } from './guards.ts'
import { Gate, addHealthEndpoints, type HealthCheck, type HealthObserver } from './health.ts'
import { serveHttps, type HttpServer, type ListenAddress } from './http-server.ts'
import { ServerMetrics } from './metrics.ts'
import { adoptMetricSet, metricSetOf } from './metrics/metric-set.ts'
import { findResource, objectReader } from './object-reader.ts'
import { objectStatistics } from './object-statistics.ts'
import { addOpenapiEndpoints } from './openapi-endpoints.ts'
import type { OperatingOptions } from './operating-options.ts'
import { Pipeline } from './pipeline.ts'
import { addProfilingEndpoints } from './profiling.ts'
import { GenericRegistry } from './registry.ts'
import { followServingFiles, type ServingTls } from './serving-tls.ts'
import { startUpChecks } from './start-up-checks.ts'
import { addVersionEndpoint } from './version.ts'
import { WatchCaches } from './watch-caches.ts'
import { addZpages } from './zpages.ts'

export interface ApiServerOptions extends CoreParts {
  runtime: Runtime
  /** Stays the caller's: closing the server does not close it. */
  store: Store
  resources: ResourceTable
  /** Where to listen; none: direct transports only. */
  listen: readonly ListenAddress[]
  /** Needed to listen. */
  tls?: ServingTls
  /** Further endpoints that are no resources, such as the service-account issuer's keys. */
  endpoints?(endpoints: Endpoints, core: ApiServerCore): void
  /** API aggregation (its hooks are among `hooks`); left out: every group version is this server's own. */
  aggregator?: CorePart<Aggregator>
  /** What componentstatuses says beside the store; left out: whether the leases of scheduler and controller manager are held. */
  componentChecks?: readonly ComponentCheck[]
  /** Serves CBOR (feature gate CBORServingAndStorage, off unless asked for). */
  cbor?: boolean
  /** Feature gate ConstrainedImpersonation; on where left out. */
  constrainedImpersonation?: boolean
  /** Bounds on what the server takes on, audit and shutdown. */
  guards?: GuardOptions
  operating?: OperatingOptions
  /** Resources whose caches are filled before the server is ready; others are loaded when first asked for. */
  prefetch?: readonly string[]
}

export interface ApiServer extends Running {
  /** The first address, `https://127.0.0.1:6443`; '' when listening nowhere. */
  readonly url: string
  readonly urls: readonly string[]
  readonly core: ApiServerCore
  /** A way in without a wire, as `user`. */
  transport(user: UserInfo, userAgent?: string): Transport
  /** Resolves when /readyz would answer 200. */
  ready(): Promise<void>
}

/** Starts the API server: listens at once, and is ready when caches and post-start hooks are. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const runtime = withLogFields(options.runtime, { component: 'apiserver' })
  const closing = new AbortController()
  const { signal } = closing
  const endpoints = new Endpoints()
  const metrics = new ServerMetrics({ clock: runtime.clock, resources: options.resources, endpoints, operating: options.operating ?? {} })
  const store = metrics.store.counted(options.store)
  const caches = new WatchCaches(store, runtime, signal)
  const registry = new GenericRegistry(store, caches, runtime, options.operating)
  const core = buildCore({ ...options, store }, runtime, caches, registry, signal, metrics)
  const admission = new AdmissionChain(options.admission.map((part) => part(core)), runtime.clock, admissionMetricsOf(core))
  registry.admission = admission
  const aggregator = options.aggregator?.(core)
  const guarding = buildGuards(runtime, options.guards ?? {}, objectStatistics(options.resources, caches, runtime))
  const readiness = startHooks({ ...options, hooks: [...options.hooks, ...guarding.hooks] }, core, caches, runtime, signal)
  addEndpoints(endpoints, options, core, readiness, aggregator, guarding, metrics.observeHealth)
  metrics.addEndpoints(endpoints, { store, caches, set: metricSetOf(core), more: () => `${guarding.metrics()}${aggregator?.metrics() ?? ''}${admissionMetricsOf(core).text()}` })
  const pipeline = new Pipeline({
    server: { core, registry, caches, admission, watchReader: (resource) => metrics.watchReader(resource), cbor: options.cbor === true, minRequestTimeoutSeconds: options.guards?.minRequestTimeoutSeconds }, authenticators: core.authenticators, endpoints, ...(options.constrainedImpersonation === undefined ? {} : { constrainedImpersonation: options.constrainedImpersonation }), guards: guarding.guards,
    handlers: [componentStatusHandler(core, options.componentChecks), ...options.subresources.map((part) => part(core))],
    ...(aggregator === undefined ? {} : { delegate: aggregator.answer }),
    metrics: metrics.requests,
  })
  const handle = pipeline.handle.bind(pipeline)
  Object.assign(core, { loopback: directTransport(handle, apiServerUser, signal, 'kube-apiserver-admission') })
  const stop = async (): Promise<void> => {
    closing.abort(new Error('the API server is stopping'))
    caches[Symbol.dispose]()
    guarding[Symbol.dispose]()
    await Promise.all([caches.done, readiness.done])
    await options.guards?.audit?.[Symbol.asyncDispose]()
  }
  let http: HttpServer | undefined
  try {
    const failures = metricSetOf(core).number('apiserver_tls_handshake_errors_total')
    http = await listen(options, runtime, handle, signal, guarding, () => void failures.value++)
  } catch (error) {
    await stop()
    throw error
  }
  const urls = (http?.addresses ?? []).map(({ host, port }) => `https://${hostPort({ host, port })}`)
  const done = Promise.withResolvers<void>()
  let stopping: Promise<void> | undefined
  return {
    url: urls[0] ?? '', urls, core, done: done.promise,
    transport: (user, userAgent) => directTransport(handle, user, signal, userAgent),
    ready: () => readiness.ready,
    [Symbol.asyncDispose]: () => (stopping ??= (async () => {
      await Promise.all([stopHooks(options.hooks, core), guarding.drain((graceMs) => caches.endWatches(graceMs))])
      const closed = http?.[Symbol.asyncDispose]()
      caches[Symbol.dispose]()
      await closed
      await stop()
      done.resolve()
    })()),
  }
}

/** What hooks have to say before the end; what goes wrong then holds nothing up. */
async function stopHooks(hooks: ApiServerOptions['hooks'], core: ApiServerCore): Promise<void> {
  await Promise.all(hooks.map(async ({ name, stop }) => {
    try {
      await stop?.(core)
    } catch (err) {
      core.runtime.log.warn('a step of shutting down failed', { step: name, err })
    }
  }))
}

async function listen(options: ApiServerOptions, runtime: Runtime, handle: Pipeline['handle'], signal: AbortSignal, guarding: Guards, handshakeFailed: () => void): Promise<HttpServer | undefined> {
  if (options.listen.length === 0) return undefined
  if (options.tls === undefined) throw new Error('the API server needs a certificate and key to listen; pass tls')
  const { tls } = options
  const http = await serveHttps({ runtime, listen: options.listen, tls, handle, drained: () => guarding.drained(), handshakeFailed })
  followServingFiles(tls, runtime, signal, (changed) => http.renew(changed))
  return http
}

function buildCore(options: ApiServerOptions, runtime: Runtime, caches: WatchCaches, registry: GenericRegistry, signal: AbortSignal, metrics: ServerMetrics): ApiServerCore & { authenticators: ReturnType<CoreParts['authenticators'][number]>[] } {
  const { resources, store } = options
  const core = {
    runtime, store, resources, registry, signal,
    reader: objectReader(resources, caches, runtime),
    forget: (resource: ResourceDescription): void => caches.drop(resource.storagePrefix),
    endWatches: (resource: ResourceDescription): void => caches.endWatchesOf(resource.storagePrefix),
    resource: (name: string, group = '', version?: string): ResourceDescription => {
      const found = version === undefined ? undefined : resources.find(group, version, name)
      return found ?? findResource(resources, group === '' ? name : `${name}.${group}`)
    },
    authorize: metrics.authorizer((attributes) => authorizers.authorize(attributes)),
    rulesFor: async (user: UserInfo, namespace: string) => await authorizers.rulesFor(user, namespace),
    authenticate: (request: Parameters<ApiServerCore['authenticate']>[0]) => authenticateRequest(core.authenticators, request),
    authenticators: [] as ReturnType<CoreParts['authenticators'][number]>[],
  }
  if (options.guards?.encryption !== undefined) adoptMetricSet(core, options.guards.encryption.metrics)
  core.authenticators = options.authenticators.map((part) => part(core))
  const authorizers = authorizerChain(options.authorizers.map((part) => part(core)))
  return core
}

interface Readiness { informers: Gate; hooks: readonly Gate[]; ready: Promise<void>; done: Promise<void> }

const hookRetryMs = 500

/** Fills caches and runs the hooks; a hook that fails is tried again until the server stops. */
function startHooks(options: ApiServerOptions, core: ApiServerCore, caches: WatchCaches, runtime: Runtime, signal: AbortSignal): Readiness {
  const run = async (gate: Gate, work: () => Promise<void>): Promise<void> => {
    while (!signal.aborted) {
      try {
        await work()
        return gate.open()
      } catch (err) {
        if (signal.aborted) return
        gate.fail(err instanceof Error ? err : new Error(String(err)))
        runtime.log.warn('a start-up step failed and will be tried again', { step: gate.name, err })
        await runtime.clock.sleep(hookRetryMs, signal).catch(() => undefined)
      }
    }
  }
  const informers = new Gate('informer-sync')
  const prefetch = options.prefetch ?? []
  const steps = [run(informers, async () => void (await Promise.all(prefetch.map((id) => caches.cache(findResource(options.resources, id).storagePrefix)))))]
  const gates = [informers]
  for (const hook of options.hooks) {
    const gate = new Gate(`poststarthook/${hook.name}`)
    gates.push(gate)
    steps.push(run(gate, () => hook.run(core)))
  }
  const done = Promise.all(steps).then(() => undefined)
  const ready = done.then(() => {
    if (gates.some((gate) => !gate.isOpen)) throw errors.serviceUnavailable('the API server was stopped before it was ready')
  })
  // Whoever asks `ready()` hears of it; nobody has to.
  ready.catch(() => undefined)
  return { informers, hooks: gates.slice(1), ready, done }
}

/** Upstream's way to itself has a certificate that may run out; ours is a call, and never does. */
const loopbackCheck: HealthCheck = { name: 'loopback-serving-certificate', check: () => undefined, isOfLivenessOnly: true }

function addEndpoints(endpoints: Endpoints, options: ApiServerOptions, core: ApiServerCore, readiness: Readiness, aggregator: Aggregator | undefined, guarding: Guards, observe: HealthObserver): void {
  const { runtime: { clock, log }, store, operating = {} } = options
  const { livezGraceMs = 0, storeCheckTimeoutMs: timeouts = { health: 2_000, readiness: 2_000 } } = operating
  const startedMs = clock.monotonicMs()
  addHealthEndpoints(endpoints, {
    live: [{ name: 'ping', check: () => undefined }, { name: 'log', check: () => undefined }, loopbackCheck, { name: 'etcd', check: () => inTime(clock, timeouts.health, store.healthy()) }, ...guarding.checks],
    boot: startUpChecks(readiness.informers, readiness.hooks),
    ready: [{ name: 'etcd-readiness', check: () => inTime(clock, timeouts.readiness, store.healthy()) }, readiness.informers],
    last: [{ name: 'shutdown', check: () => guarding.shutdown.check() }],
    isGraceOver: () => clock.monotonicMs() - startedMs >= livezGraceMs, observe, log,
  })
  const installing = readiness.hooks.filter(({ name }) => name === 'poststarthook/crd-informer-synced' || name === 'poststarthook/apiservice-registration-controller')
  endpoints.isComplete = () => installing.every((gate) => gate.isOpen)
  addVersionEndpoint(endpoints)
  addZpages(endpoints, {
    component: 'apiserver', startedMs: clock.now(), now: () => clock.now(), paths: () => endpoints.paths(), cbor: options.cbor === true, statusz: operating.statusz !== false,
    ...(operating.flags === undefined ? {} : { flags: operating.flags }),
  })
  if (operating.profiling === true) addProfilingEndpoints(endpoints, clock)
  guarding.addEndpoints(endpoints)
  addDiscoveryEndpoints(endpoints, options, aggregator?.catalogue)
  addOpenapiEndpoints(endpoints, options.resources, aggregator?.openapi)
  options.endpoints?.(endpoints, core)
}

async function inTime(clock: Clock, timeoutMs: number, work: Promise<void>): Promise<void> {
  const late = Promise.withResolvers<void>()
  using _timer = clock.timer(timeoutMs, () => late.reject(new Error('error getting data from etcd: context deadline exceeded')), { background: true })
  await Promise.race([work, late.promise])
}
