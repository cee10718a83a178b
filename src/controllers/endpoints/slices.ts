import type { Node, Pod, Service } from '../../api/types/core_v1.ts'
import type { Endpoint, EndpointPort, EndpointSlice } from '../../api/types/discovery.k8s.io_v1.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { services } from '../../client/resources.ts'
import { controllerReference, isPodReady } from '../pods.ts'
import { copiedLabels, headlessLabel, hostnameOf, isHeadless, targetPort, triggerTimeAnnotation } from './members.ts'

export const serviceNameLabel = 'kubernetes.io/service-name'
export const managedByLabel = 'endpointslice.kubernetes.io/managed-by'
export const managerName = 'endpointslice-controller.k8s.io'

/** Endpoints in one slice, at most: upstream's --max-endpoints-per-slice. */
export const maxPerSlice = 100

export type AddressType = 'IPv4' | 'IPv6'

/** What is to be written so that the slices say what they should. */
export interface SliceChanges { create: EndpointSlice[]; update: EndpointSlice[]; remove: EndpointSlice[] }

export function addressTypesOf(service: Service): AddressType[] {
  const { ipFamilies, clusterIP } = service.spec ?? {}
  if (ipFamilies !== undefined && ipFamilies.length > 0) return ipFamilies as AddressType[]
  return [clusterIP?.includes(':') === true ? 'IPv6' : 'IPv4']
}

function addressOf(pod: Pod, type: AddressType): string | undefined {
  const ips = pod.status?.podIPs?.map(({ ip }) => ip) ?? [pod.status?.podIP]
  return ips.find((ip) => ip !== undefined && ip.includes(':') === (type === 'IPv6'))
}

function endpointOf(service: Service, pod: Pod, address: string, node: Node | undefined): Endpoint {
  const serving = isPodReady(pod)
  const terminating = pod.metadata.deletionTimestamp !== undefined
  const zone = node?.metadata.labels?.['topology.kubernetes.io/zone']
  const hostname = hostnameOf(pod, service)
  const hints = hintsOf(service, pod, zone)
  return {
    addresses: [address],
    conditions: { ready: service.spec?.publishNotReadyAddresses === true || (serving && !terminating), serving, terminating },
    targetRef: { kind: 'Pod', namespace: pod.metadata.namespace, name: pod.metadata.name, uid: pod.metadata.uid },
    ...(pod.spec?.nodeName === undefined ? {} : { nodeName: pod.spec.nodeName }),
    ...(zone === undefined ? {} : { zone }),
    ...(hostname === undefined ? {} : { hostname }),
    ...(hints === undefined ? {} : { hints }),
  }
}

/** Traffic that prefers what is near (KEP 4444, KEP 3015): each endpoint is for its own zone, or node. */
function hintsOf(service: Service, pod: Pod, zone: string | undefined): Endpoint['hints'] {
  const wanted = service.spec?.trafficDistribution
  const near = wanted === 'PreferClose' || wanted === 'PreferSameZone' || wanted === 'PreferSameNode'
  if (!near || zone === undefined) return undefined
  return { forZones: [{ name: zone }], ...(wanted === 'PreferSameNode' && pod.spec?.nodeName !== undefined ? { forNodes: [{ name: pod.spec.nodeName }] } : {}) }
}

function portsOf(service: Service, pod: Pod): EndpointPort[] {
  const ports: EndpointPort[] = []
  for (const servicePort of service.spec?.ports ?? []) {
    const port = targetPort(pod, servicePort)
    if (port === undefined) continue
    const { name = '', protocol = 'TCP', appProtocol } = servicePort
    ports.push({ name, protocol, port, ...(appProtocol === undefined ? {} : { appProtocol }) })
  }
  return ports
}

/** Equal for equal ports, whatever their order. */
function portsId(ports: readonly EndpointPort[] | undefined): string {
  const ids = (ports ?? []).map(({ name = '', protocol = 'TCP', port, appProtocol = '' }) => `${name}/${protocol}/${port}/${appProtocol}`)
  return ids.length < 2 ? (ids[0] ?? '') : ids.sort().join()
}

const podId = (endpoint: Endpoint): string => endpoint.targetRef?.uid ?? endpoint.addresses[0] ?? ''

/** Slices of one address type: what exists is kept where it can be, so that few slices change when few pods do. */
export function planSlices(service: Service, type: AddressType, pods: readonly Pod[], nodeOf: (name: string) => Node | undefined, existing: readonly EndpointSlice[], triggerTime: string | undefined): SliceChanges {
  const groups = new Map<string, { ports: EndpointPort[]; endpoints: Map<string, Endpoint> }>()
  for (const pod of pods) {
    const address = addressOf(pod, type)
    if (address === undefined) continue
    const ports = portsOf(service, pod)
    if (ports.length === 0 && (service.spec?.ports ?? []).length > 0) continue
    const id = portsId(ports)
    const group = groups.get(id) ?? { ports, endpoints: new Map<string, Endpoint>() }
    groups.set(id, group)
    const endpoint = endpointOf(service, pod, address, nodeOf(pod.spec?.nodeName ?? ''))
    group.endpoints.set(podId(endpoint), endpoint)
  }
  const changes: SliceChanges = { create: [], update: [], remove: [] }
  const make = (ports: EndpointPort[], endpoints: Endpoint[]): EndpointSlice => newSlice(service, type, ports, endpoints, triggerTime)
  let kept = 0
  const byPorts = Map.groupBy(existing, (slice) => portsId(slice.ports))
  for (const [id, slices] of byPorts) {
    const wanted = groups.get(id)?.endpoints ?? new Map<string, Endpoint>()
    kept += fill(service, slices, wanted, triggerTime, changes)
  }
  for (const { ports, endpoints } of groups.values()) {
    const rest = [...endpoints.values()]
    for (let at = 0; at < rest.length; at += maxPerSlice) changes.create.push(make(ports, rest.slice(at, at + maxPerSlice)))
  }
  if (kept + changes.create.length === 0) keepPlaceholder(service, changes, make([], []))
  return changes
}

/** A service without endpoints still has one slice, so that who follows slices knows it was looked at. */
function keepPlaceholder(service: Service, changes: SliceChanges, placeholder: EndpointSlice): void {
  const spare = changes.remove.pop()
  if (spare === undefined) changes.create.push(placeholder)
  else if ((spare.endpoints ?? []).length > 0 || (spare.ports ?? []).length > 0 || !semanticEqual(labelsFor(service), spare.metadata.labels)) {
    changes.update.push({ ...spare, metadata: { ...spare.metadata, labels: labelsFor(service) }, ports: [], endpoints: [] })
  }
}

/** Puts wanted endpoints into existing slices of their ports, taking them out of `wanted`; answers how many slices stay. */
function fill(service: Service, slices: readonly EndpointSlice[], wanted: Map<string, Endpoint>, triggerTime: string | undefined, changes: SliceChanges): number {
  const labels = labelsFor(service)
  const contents = slices.map((slice) => {
    const endpoints: Endpoint[] = []
    let changed = !semanticEqual(labels, slice.metadata.labels)
    for (const endpoint of slice.endpoints ?? []) {
      const now = wanted.get(podId(endpoint))
      if (now === undefined) {
        changed = true
        continue
      }
      wanted.delete(podId(endpoint))
      endpoints.push(now)
      changed ||= !semanticEqual(now, endpoint)
    }
    return { slice, endpoints, changed }
  })
  // What is new goes first into slices that are written anyway, then into the fullest with room for it.
  const order = [...contents].sort((a, b) => Number(b.changed) - Number(a.changed) || b.endpoints.length - a.endpoints.length)
  for (const content of order) {
    if (content.endpoints.length === 0) continue
    for (const [id, endpoint] of wanted) {
      if (content.endpoints.length >= maxPerSlice) break
      content.endpoints.push(endpoint)
      content.changed = true
      wanted.delete(id)
    }
  }
  let kept = 0
  for (const { slice, endpoints, changed } of contents) {
    if (endpoints.length === 0 && wanted.size > 0) {
      for (const [id, endpoint] of [...wanted].slice(0, maxPerSlice)) {
        endpoints.push(endpoint)
        wanted.delete(id)
      }
      changes.update.push(changedSlice(slice, labels, endpoints, triggerTime))
    } else if (endpoints.length === 0) {
      changes.remove.push(slice)
      continue
    } else if (changed) changes.update.push(changedSlice(slice, labels, endpoints, triggerTime))
    kept++
  }
  return kept
}

function changedSlice(slice: EndpointSlice, labels: Record<string, string>, endpoints: Endpoint[], triggerTime: string | undefined): EndpointSlice {
  const { [triggerTimeAnnotation]: _before, ...annotations } = slice.metadata.annotations ?? {}
  return {
    ...slice, endpoints,
    metadata: { ...slice.metadata, labels, annotations: { ...annotations, ...(triggerTime === undefined ? {} : { [triggerTimeAnnotation]: triggerTime }) } },
  }
}

function labelsFor(service: Service): Record<string, string> {
  return {
    ...copiedLabels(service, [serviceNameLabel, managedByLabel, headlessLabel]),
    ...(isHeadless(service) ? { [headlessLabel]: '' } : {}),
    [serviceNameLabel]: service.metadata.name ?? '', [managedByLabel]: managerName,
  }
}

function newSlice(service: Service, addressType: AddressType, ports: EndpointPort[], endpoints: Endpoint[], triggerTime: string | undefined): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice',
    metadata: {
      generateName: `${service.metadata.name}-`, namespace: service.metadata.namespace, labels: labelsFor(service),
      ...(triggerTime === undefined ? {} : { annotations: { [triggerTimeAnnotation]: triggerTime } }),
      ownerReferences: [controllerReference(services, service)],
    },
    addressType, ports, endpoints,
  }
}
