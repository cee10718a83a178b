import { repackSubsets } from '../../api/endpoint-subsets.ts'
import type { EndpointAddress, EndpointPort, Endpoints, EndpointSubset, Pod, Service } from '../../api/types/core_v1.ts'
import { runController, watching } from '../../client/controller.ts'
import { targetOf } from '../../client/events.ts'
import { endpoints as endpointsType, pods, services } from '../../client/resources.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { isReason } from '../../machinery/status.ts'
import type { StartController } from '../context.ts'
import { isPodReady } from '../pods.ts'
import { copiedLabels, headlessLabel, hostnameOf, isHeadless, podsOf, selectsPods, servicesOf, targetPort, TriggerTimes, triggerTimeAnnotation } from './members.ts'

const managedByLabel = 'endpoints.kubernetes.io/managed-by'
const managerName = 'endpoint-controller'
const overCapacityAnnotation = 'endpoints.kubernetes.io/over-capacity'
/** Addresses in one Endpoints object, at most; the rest is only in slices. */
const maxAddresses = 1000

/** Keeps the Endpoints object of every service that selects pods, for clients that know no slices. */
export const startEndpointsController: StartController = ({ informers, runtime, client, recorder }) => {
  const serviceInformer = informers.informer(services)
  const podInformer = informers.informer(pods)
  const endpointsInformer = informers.informer(endpointsType)
  const triggers = new TriggerTimes()
  const served = new Set<string>()
  return runController({
    name: 'endpoint-controller', runtime, concurrency: 5, rest: { factor: 4, maxMs: 1000 },
    sources: [watching(serviceInformer), watching(podInformer, servicesOf(serviceInformer)), watching(endpointsInformer)],
    async reconcile(key) {
      const service = serviceInformer.get(key)
      const current = endpointsInformer.get(key)
      if (service === undefined) {
        triggers.forget(key)
        // Endpoints of a service that never was (a lock, or made ahead of it) are not ours to delete.
        const ours = served.delete(key) || current?.metadata.labels?.[managedByLabel] === managerName
        if (current !== undefined && ours) await deleteIfThere(() => client.delete(endpointsType, current.metadata.namespace!, current.metadata.name!, { preconditions: { uid: current.metadata.uid } }))
        return
      }
      served.add(key)
      if (!selectsPods(service)) return
      const members = podsOf(service, podInformer)
      const trigger = triggers.next(service, members)
      const wanted = endpointsFor(service, members, current, trigger)
      if (current !== undefined && semanticEqual(current.subsets ?? [], wanted.subsets) && semanticEqual(current.metadata.labels ?? {}, wanted.metadata.labels)
        && current.metadata.annotations?.[overCapacityAnnotation] === wanted.metadata.annotations?.[overCapacityAnnotation]) return
      try {
        if (current === undefined) await client.create(endpointsType, wanted)
        else await client.update(endpointsType, wanted)
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error)
        if (current === undefined) recorder.event(targetOf(services, service), 'Warning', 'FailedToCreateEndpoint', `Failed to create endpoint for service ${key}: ${text}`)
        else if (!isReason(error, 'Conflict')) recorder.event(targetOf(endpointsType, current), 'Warning', 'FailedToUpdateEndpoint', `Failed to update endpoint ${key}: ${text}`)
        throw error
      }
    },
  })
}

async function deleteIfThere(act: () => Promise<unknown>): Promise<void> {
  try {
    await act()
  } catch (error) {
    if (!isReason(error, 'NotFound')) throw error
  }
}

function endpointsFor(service: Service, members: readonly Pod[], current: Endpoints | undefined, trigger: string | undefined): Endpoints {
  const { subsets, truncated } = capped(repackSubsets(subsetsFor(service, members)))
  const { [triggerTimeAnnotation]: _before, [overCapacityAnnotation]: _capacity, ...others } = current?.metadata.annotations ?? {}
  const annotations = { ...others, ...(trigger === undefined ? {} : { [triggerTimeAnnotation]: trigger }), ...(truncated ? { [overCapacityAnnotation]: 'truncated' } : {}) }
  const labels = { ...copiedLabels(service, [headlessLabel, managedByLabel]), ...(isHeadless(service) ? { [headlessLabel]: '' } : {}), [managedByLabel]: managerName }
  return {
    apiVersion: 'v1', kind: 'Endpoints', ...current,
    metadata: { ...current?.metadata, name: service.metadata.name, namespace: service.metadata.namespace, labels, annotations },
    subsets,
  }
}

/** One subset for each combination of port numbers among the pods, in an order of its own so that equal contents are equal objects. */
function subsetsFor(service: Service, members: readonly Pod[]): EndpointSubset[] {
  const groups = new Map<string, { ports: EndpointPort[]; ready: EndpointAddress[]; notReady: EndpointAddress[] }>()
  const family = service.spec?.ipFamilies?.[0] === 'IPv6'
  for (const pod of members) {
    if (pod.metadata.deletionTimestamp !== undefined && service.spec?.publishNotReadyAddresses !== true) continue
    const ip = pod.status?.podIPs?.map((entry) => entry.ip).find((text) => text?.includes(':') === family) ?? pod.status?.podIP
    if (ip === undefined) continue
    const ports = endpointPorts(service, pod)
    if (ports.length === 0 && !(isHeadless(service) && (service.spec?.ports ?? []).length === 0)) continue
    const id = ports.map(({ name, port, protocol, appProtocol }) => `${name}/${protocol}/${port}/${appProtocol}`).sort().join()
    const group = groups.get(id) ?? { ports, ready: [], notReady: [] }
    groups.set(id, group)
    const hostname = hostnameOf(pod, service)
    const address: EndpointAddress = {
      ip, ...(hostname === undefined ? {} : { hostname }), ...(pod.spec?.nodeName === undefined ? {} : { nodeName: pod.spec.nodeName }),
      targetRef: { kind: 'Pod', namespace: pod.metadata.namespace, name: pod.metadata.name, uid: pod.metadata.uid },
    }
    const ready = service.spec?.publishNotReadyAddresses === true || isPodReady(pod)
    group[ready ? 'ready' : 'notReady'].push(address)
  }
  const byIp = (a: EndpointAddress, b: EndpointAddress): number => (a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : 0)
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, { ports, ready, notReady }]) => ({
    ...(ready.length === 0 ? {} : { addresses: ready.sort(byIp) }), ...(notReady.length === 0 ? {} : { notReadyAddresses: notReady.sort(byIp) }), ...(ports.length === 0 ? {} : { ports }),
  }))
}

function endpointPorts(service: Service, pod: Pod): EndpointPort[] {
  return (service.spec?.ports ?? []).flatMap((servicePort) => {
    const port = targetPort(pod, servicePort)
    const { name, protocol = 'TCP', appProtocol } = servicePort
    return port === undefined ? [] : [{ ...(name === undefined || name === '' ? {} : { name }), port, protocol, ...(appProtocol === undefined ? {} : { appProtocol }) }]
  })
}

/** Ready addresses first: a client must rather miss one that doesn't answer. */
function capped(subsets: EndpointSubset[]): { subsets: EndpointSubset[]; truncated: boolean } {
  const count = subsets.reduce((sum, { addresses = [], notReadyAddresses = [] }) => sum + addresses.length + notReadyAddresses.length, 0)
  if (count <= maxAddresses) return { subsets, truncated: false }
  let room = maxAddresses
  const ready = subsets.map(({ addresses = [] }) => {
    const taken = addresses.slice(0, room)
    room -= taken.length
    return taken
  })
  const capacity = subsets.map((subset, at) => {
    const notReady = (subset.notReadyAddresses ?? []).slice(0, room)
    room -= notReady.length
    const { addresses: _a, notReadyAddresses: _n, ...rest } = subset
    return { ...(ready[at]!.length === 0 ? {} : { addresses: ready[at]! }), ...(notReady.length === 0 ? {} : { notReadyAddresses: notReady }), ...rest }
  })
  return { subsets: capacity.filter((subset) => subset.addresses !== undefined || subset.notReadyAddresses !== undefined), truncated: true }
}
