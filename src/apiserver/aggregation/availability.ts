import type { APIService } from '../../api/types/apiregistration.k8s.io_v1.ts'
import type { Service } from '../../api/types/core_v1.ts'
import type { EndpointSlice } from '../../api/types/discovery.k8s.io_v1.ts'
import { timeText, type OpenObject } from '../../machinery/object.ts'
import { isReason } from '../../machinery/status.ts'
import { asServer } from '../bootstrap/ensure.ts'
import { hostPort } from '../connect/network-errors.ts'
import { metricSetOf } from '../metrics/metric-set.ts'
import type { ApiServerCore } from '../core.ts'
import { apiServicesResource, localAvailability, withAvailability, type Availability } from './api-service.ts'
import type { RemoteService, RemoteServices } from './remote-services.ts'
import { servicesResource, slicesOf, slicesResource } from './service-location.ts'
import { startWork } from './work.ts'

/** A server that has gone silent without any object changing is found out within this time. */
const resyncMs = 30_000
const probeTimeoutMs = 5_000
/** One answer out of so many is enough: behind a service there may be several servers. */
const probes = 5
/** Who looks at aggregated servers for this one. */
export const aggregatorUser = { username: 'system:kube-aggregator', groups: ['system:masters'] }

/** Keeps the condition `Available` of every APIService, until the server stops (upstream's local and remote availability controllers). */
export async function startAvailability(core: ApiServerCore, remotes: RemoteServices): Promise<void> {
  const { reader, runtime, signal } = core
  await reader.whenReady([apiServicesResource, servicesResource, slicesResource])
  const work = startWork({
    runtime, name: 'RemoteAvailabilityController', metrics: metricSetOf(core), what: 'checking an APIService', backOff: { baseMs: 5, maxMs: 30_000 }, workers: 5, signal,
    sync: (name) => syncAvailability(core, remotes, name),
  })
  const addOf = (namespace: string, service: string): void => {
    for (const { name, target } of remotes.all()) if (target.namespace === namespace && target.name === service) work.queue.add(name)
  }
  const subscriptions = new DisposableStack()
  subscriptions.use(reader.onChange(apiServicesResource, ({ object }) => work.queue.add((object as unknown as APIService).metadata.name ?? '')))
  subscriptions.use(reader.onChange(servicesResource, ({ object }) => {
    if (remotes.size > 0) addOf((object as unknown as Service).metadata.namespace ?? '', (object as unknown as Service).metadata.name ?? '')
  }))
  subscriptions.use(reader.onChange(slicesResource, ({ object }) => {
    const { metadata } = object as unknown as EndpointSlice
    if (remotes.size > 0) addOf(metadata.namespace ?? '', metadata.labels?.['kubernetes.io/service-name'] ?? '')
  }))
  subscriptions.use(runtime.clock.interval(resyncMs, () => {
    for (const { name } of remotes.all()) work.queue.add(name)
  }, { background: true }))
  signal.addEventListener('abort', () => subscriptions.dispose(), { once: true })
  for (const { metadata } of reader.list(apiServicesResource)) work.queue.add(metadata.name ?? '')
}

/** Looks at one APIService and writes what was found. Rejects when a server did not answer, so that it is asked again soon. */
export async function syncAvailability(core: ApiServerCore, remotes: RemoteServices, name: string): Promise<void> {
  const service = core.reader.get(apiServicesResource, '', name) as unknown as Readonly<APIService> | undefined
  if (service === undefined) return
  const remote = service.spec.service === undefined ? undefined : remotes.set(service)
  const availability = remote === undefined ? localAvailability : await remoteAvailability(core, remotes, remote)
  await writeAvailability(core, name, service.metadata.uid, availability)
  if (availability.reason === 'FailedDiscoveryCheck') throw new Error(availability.message)
}

async function writeAvailability(core: ApiServerCore, name: string, uid: string | undefined, availability: Availability): Promise<void> {
  const time = timeText(core.runtime.clock.now())
  const standing = core.reader.get(apiServicesResource, '', name) as unknown as Readonly<APIService> | undefined
  if (standing === undefined || withAvailability(standing.status?.conditions ?? [], availability, time) === undefined) return
  try {
    const resource = core.resource('apiservices', 'apiregistration.k8s.io')
    await core.registry.update(resource, '', name, (current) => {
      if (current.metadata.uid !== uid) return undefined
      const status = (current as unknown as APIService).status ?? {}
      const conditions = withAvailability(status.conditions ?? [], availability, time)
      return conditions === undefined ? undefined : { ...current, status: { ...status, conditions } } as unknown as OpenObject
    }, { ...asServer(core, resource, 'status'), strategy: {} })
  } catch (error) {
    if (!isReason(error, 'NotFound', 'Conflict')) throw error
  }
}

async function remoteAvailability(core: ApiServerCore, remotes: RemoteServices, remote: RemoteService): Promise<Availability> {
  const { namespace, name, port } = remote.target
  const where = `service/${name} in ${JSON.stringify(namespace)}`
  const service = core.reader.get(servicesResource, namespace, name) as unknown as Service | undefined
  if (service === undefined) return { status: 'False', reason: 'ServiceNotFound', message: `${where} is not present` }
  if ((service.spec?.type ?? 'ClusterIP') === 'ClusterIP') {
    const found = service.spec?.ports?.find((each) => each.port === port)
    if (found === undefined) return { status: 'False', reason: 'ServicePortError', message: `${where} is not listening on port ${port}` }
    const slices = slicesOf(core.reader, namespace, name)
    if (slices.length === 0) return { status: 'False', reason: 'EndpointsNotFound', message: `cannot find endpointslices for ${where}` }
    const portName = found.name ?? ''
    if (!slices.some((slice) => hasEndpoint(slice, portName))) return { status: 'False', reason: 'MissingEndpoints', message: `endpointslices for ${where} have no addresses with port name ${JSON.stringify(portName)}` }
  }
  const failure = await probe(core, remotes, remote)
  return failure === undefined ? { status: 'True', reason: 'Passed', message: 'all checks passed' } : { status: 'False', reason: 'FailedDiscoveryCheck', message: failure }
}

function hasEndpoint({ endpoints, ports }: EndpointSlice, portName: string): boolean {
  return (endpoints ?? []).some(({ conditions }) => conditions?.ready !== false) && (ports ?? []).some((port) => (port.name ?? '') === portName && port.port !== undefined)
}

/** Asks for the resources of the group version several times at once; undefined as soon as one answer is good, else why not. */
async function probe(core: ApiServerCore, remotes: RemoteServices, remote: RemoteService): Promise<string | undefined> {
  const path = remote.name === 'v1.' ? `/api/${remote.version}` : `/apis/${remote.group}/${remote.version}`
  const enough = new AbortController()
  const signal = AbortSignal.any([core.signal, enough.signal])
  const once = async (): Promise<void> => {
    const backend = remotes.locate(remote)
    const url = `https://${hostPort(backend)}${path}`
    let status: number
    try {
      ({ status } = await remotes.fetch(remote, path, {}, aggregatorUser, probeTimeoutMs, signal, backend))
    } catch (cause) {
      throw new Error(`failing or missing response from ${url}: Get ${JSON.stringify(url)}: ${(cause as Error).message}`, { cause })
    }
    if (status < 200 || status >= 300) throw new Error(`failing or missing response from ${url}: bad status from ${url}: ${status}`)
  }
  try {
    await Promise.any(Array.from({ length: probes }, once))
    return undefined
  } catch (error) {
    core.signal.throwIfAborted()
    const reasons = error instanceof AggregateError ? (error.errors as Error[]) : [error as Error]
    return reasons.at(-1)!.message
  } finally {
    enough.abort(new Error('another probe has been answered'))
  }
}
