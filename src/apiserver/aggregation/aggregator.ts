import type { Catalogue } from '../../api/discovery.ts'
import type { UserInfo } from '../../api/resource.ts'
import type { APIService } from '../../api/types/apiregistration.k8s.io_v1.ts'
import type { RequestInfo, ServerRequest, ServerResponse } from '../context.ts'
import { followClientIdentity } from '../configuration/client-identity.ts'
import type { ApiServerCore, PostStartHook } from '../core.ts'
import { apiServiceName, apiServicesResource } from './api-service.ts'
import { startAvailability } from './availability.ts'
import { catalogueOf } from './catalogue.ts'
import { RemoteDiscovery } from './discovery.ts'
import { noteLoss, unavailableSeries } from './metrics.ts'
import { RemoteOpenapi } from './openapi.ts'
import { proxyToRemote } from './proxy.ts'
import { startRegistration } from './registration.ts'
import { RemoteServices, type ProxyClient, type RemoteService } from './remote-services.ts'
import { clusterAddresses, endpointAddresses } from './service-location.ts'

export interface AggregationOptions {
  /** --proxy-client-cert-file and --proxy-client-key-file: how this server shows itself to aggregated ones. Left out, they can't know it. */
  proxyClient?: ProxyClient
  /** --enable-aggregator-routing: calls a service's endpoints, not its cluster address; for a server on whose machine no service proxy runs. */
  enableAggregatorRouting?: boolean
  /** --aggregator-reject-forwarding-redirect=false: redirects of aggregated servers reach the client. */
  forwardRedirects?: boolean
}

/** API aggregation: group versions that other servers answer for, by way of this one. */
export interface Aggregator {
  /** The answer of the server that a request belongs to; undefined when it is this one's own. The caller has authorized the request. */
  answer(request: ServerRequest, info: RequestInfo, user: UserInfo, auditId: string): Promise<ServerResponse> | undefined
  /** Series of /metrics, in the text format: which APIServices are unavailable. */
  metrics(): string
  readonly catalogue: Catalogue
  readonly openapi: RemoteOpenapi
}

/** What a server with aggregation is given: the aggregator, and what is to be done once it has started. */
export interface Aggregation { build(core: ApiServerCore): Aggregator; readonly hooks: readonly PostStartHook[] }

/** Puts aggregation together; `build` is called once, before any of the hooks. */
export function aggregation(options: AggregationOptions = {}): Aggregation {
  let parts: AggregatorParts | undefined
  const built = (): AggregatorParts => {
    if (parts === undefined) throw new Error('the aggregator is built before its hooks run')
    return parts
  }
  return {
    build: (core) => (parts = aggregatorOf(core, options)).aggregator,
    hooks: [
      { name: 'apiservice-registration-controller', run: () => built().follow() },
      { name: 'kube-apiserver-autoregistration', run: (core) => startRegistration(core) },
      { name: 'apiservice-status-remote-available-controller', run: async (core) => startAvailability(core, (await built().followed).remotes) },
      { name: 'apiservice-discovery-controller', run: async () => (await built().followed).discovery.start() },
      { name: 'apiservice-openapi-controller', run: async () => (await built().followed).aggregator.openapi.start() },
    ],
  }
}

interface AggregatorParts {
  aggregator: Aggregator
  remotes: RemoteServices
  discovery: RemoteDiscovery
  /** Takes in the APIServices that stand, and from then on every change. */
  follow(): Promise<void>
  followed: Promise<AggregatorParts>
}

function aggregatorOf(core: ApiServerCore, options: AggregationOptions): AggregatorParts {
  const { reader, runtime, signal } = core
  const resolve = options.enableAggregatorRouting === true ? endpointAddresses(reader, runtime.random) : clusterAddresses(reader)
  const remotes = new RemoteServices(runtime.clock, resolve, options.proxyClient)
  if (options.proxyClient !== undefined) followClientIdentity(options.proxyClient, runtime, signal, (changed) => remotes.showAs(changed))
  const discovery = new RemoteDiscovery(core, remotes)
  const openapi = new RemoteOpenapi(core, remotes)
  const services = new Map<string, Readonly<APIService>>()
  const losses = new Map<string, number>()
  let generation = 0
  const followed = Promise.withResolvers<AggregatorParts>()
  // Whoever waits hears of it; the hook that failed is tried again.
  followed.promise.catch(() => undefined)
  const take = (service: Readonly<APIService>, isGone: boolean): void => {
    const { name = '' } = service.metadata
    generation++
    noteLoss(services.get(name), isGone ? undefined : service, losses)
    const wasRemote = remotes.get(name) !== undefined
    if (isGone) services.delete(name)
    else services.set(name, service)
    if (isGone) remotes.delete(name)
    else remotes.set(service)
    if (!wasRemote && remotes.get(name) === undefined) return
    discovery.changed(name)
    openapi.changed(name)
  }
  let isFollowing = false
  const parts: AggregatorParts = {
    remotes, discovery, followed: followed.promise,
    aggregator: {
      openapi,
      metrics: () => unavailableSeries([...services.values()], losses),
      catalogue: catalogueOf({ table: core.resources, remotes, discovery, services: () => [...services.values()], generation: () => generation }),
      answer(request, info, user, auditId) {
        if (remotes.size === 0) return undefined
        const remote = remoteOf(remotes, openapi, info)
        return remote === undefined ? undefined : proxyToRemote({ clock: runtime.clock, remotes, forwardRedirects: options.forwardRedirects === true }, remote, request, info, user, auditId)
      },
    },
    async follow() {
      await reader.whenReady([apiServicesResource, 'services', 'endpointslices.discovery.k8s.io'])
      if (!isFollowing) {
        isFollowing = true
        const subscription = reader.onChange(apiServicesResource, ({ type, object }) => take(object as unknown as Readonly<APIService>, type === 'DELETED'))
        signal.addEventListener('abort', () => {
          subscription[Symbol.dispose]()
          remotes[Symbol.dispose]()
        }, { once: true })
      }
      for (const service of reader.list(apiServicesResource)) take(service as unknown as Readonly<APIService>, false)
      followed.resolve(parts)
    },
  }
  return parts
}

const openapiPrefix = '/openapi/v3/'

/** The APIService that a path belongs to: `/apis/GROUP/VERSION` and all below it, and its OpenAPI document. The group of APIServices is never another's. */
function remoteOf(remotes: RemoteServices, openapi: RemoteOpenapi, info: RequestInfo): RemoteService | undefined {
  const { isResourceRequest, apiGroup, apiVersion, path } = info
  if (isResourceRequest) return apiGroup === 'apiregistration.k8s.io' ? undefined : remotes.get(apiServiceName(apiGroup, apiVersion))
  if (path.startsWith(openapiPrefix)) return openapi.v3Server(path.slice(openapiPrefix.length))
  const [root, group = '', version = ''] = path.slice(1).split('/')
  if (root === 'api') return remotes.get('v1.')
  return root === 'apis' && version !== '' && group !== 'apiregistration.k8s.io' ? remotes.get(apiServiceName(group, version)) : undefined
}
