import type {
  ComponentStatus, ConfigMap, Endpoints, Event, Namespace, Node, NodeSystemInfo, PersistentVolume, PersistentVolumeClaim, PodTemplate, ReplicationController, ResourceQuota,
  Secret, Service,
} from '../types/core_v1.ts'
import { age, ageColumn, column, containerCells, fieldColumn, firstThree, labelsText, nameColumn, namePrinter, orNone, plainPrinter, printer, since, templateColumns } from './columns.ts'
import type { KindPrinter } from './columns.ts'
import { podPrinter } from './pod.ts'

type LoadBalancer = { ingress?: ReadonlyArray<{ ip?: string; hostname?: string }> }

/** Addresses of a load balancer, sorted. */
export function loadBalancerText(status: LoadBalancer | undefined): string {
  return [...new Set((status?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || '').filter((text) => text !== ''))].sort().join(',')
}

/** `ReadWriteOnce,ReadOnlyMany` as `RWO,ROX`, in upstream's order. */
export function accessModesText(modes: readonly string[] | undefined): string {
  const short: Array<[string, string]> = [['ReadWriteOnce', 'RWO'], ['ReadOnlyMany', 'ROX'], ['ReadWriteMany', 'RWX'], ['ReadWriteOncePod', 'RWOP']]
  return short.filter(([mode]) => modes?.includes(mode) === true).map(([, text]) => text).join(',')
}

function storageClassOf(object: { metadata: { annotations?: Record<string, string> }; spec: { storageClassName?: string } }): string {
  return object.metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ?? object.spec.storageClassName ?? ''
}

function externalAddress(service: Service): string {
  const { type, externalIPs = [], externalName } = service.spec
  switch (type) {
    case 'ClusterIP':
    case 'NodePort': return orNone(externalIPs.join(','))
    case 'LoadBalancer': {
      const addresses = [loadBalancerText(service.status?.loadBalancer), ...externalIPs].filter((text) => text !== '').join(',')
      return addresses === '' ? '<pending>' : addresses
    }
    case 'ExternalName': return externalName ?? ''
    default: return '<unknown>'
  }
}

const servicePrinter = printer<Service>([
  nameColumn,
  fieldColumn('Type', 'string', 'v1.ServiceSpec', 'type'),
  fieldColumn('Cluster-IP', 'string', 'v1.ServiceSpec', 'clusterIP'),
  fieldColumn('External-IP', 'string', 'v1.ServiceSpec', 'externalIPs'),
  fieldColumn('Port(s)', 'string', 'v1.ServiceSpec', 'ports'),
  ageColumn,
  fieldColumn('Selector', 'string', 'v1.ServiceSpec', 'selector', 1),
], (service, nowMs) => {
  const ports = (service.spec.ports ?? []).map(({ port, nodePort = 0, protocol }) => `${port}${nodePort > 0 ? `:${nodePort}` : ''}/${protocol ?? 'TCP'}`).join(',')
  const clusterIP = service.spec.clusterIPs?.[0] ?? service.spec.clusterIP
  return [service.metadata.name ?? '', service.spec.type ?? '', orNone(clusterIP), externalAddress(service), orNone(ports), age(service, nowMs), labelsText(service.spec.selector)]
})

/** `10.0.0.1:80,10.0.0.2:80 + 3 more...` */
function endpointsText({ subsets = [] }: Endpoints): string {
  if (subsets.length === 0) return '<none>'
  const all = subsets.flatMap(({ addresses = [], ports = [] }) => {
    if (ports.length === 0) return addresses.map(({ ip }) => ip)
    return ports.flatMap(({ port }) => addresses.map(({ ip }) => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`)))
  })
  return firstThree(all, '')
}

const nodePrinter = printer<Node>([
  nameColumn,
  column('Status', 'string', 'The status of the node'),
  column('Roles', 'string', 'The roles of the node'),
  ageColumn,
  fieldColumn('Version', 'string', 'v1.NodeSystemInfo', 'kubeletVersion'),
  fieldColumn('Internal-IP', 'string', 'v1.NodeStatus', 'addresses', 1),
  fieldColumn('External-IP', 'string', 'v1.NodeStatus', 'addresses', 1),
  fieldColumn('OS-Image', 'string', 'v1.NodeSystemInfo', 'osImage', 1),
  fieldColumn('Kernel-Version', 'string', 'v1.NodeSystemInfo', 'kernelVersion', 1),
  fieldColumn('Container-Runtime', 'string', 'v1.NodeSystemInfo', 'containerRuntimeVersion', 1),
], (node, nowMs) => {
  const ready = node.status?.conditions?.find((condition) => condition.type === 'Ready')
  const status = ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady'
  const address = (type: string) => orNone(node.status?.addresses?.find((candidate) => candidate.type === type)?.address)
  const info = node.status?.nodeInfo
  return [
    node.metadata.name ?? '', node.spec?.unschedulable === true ? `${status},SchedulingDisabled` : status, orNone(nodeRoles(node).join(',')), age(node, nowMs),
    info?.kubeletVersion ?? '', address('InternalIP'), address('ExternalIP'), info?.osImage || '<unknown>', kernelText(info), info?.containerRuntimeVersion || '<unknown>',
  ]
})

/** `6.1.0 (arm64)`. */
function kernelText(info: NodeSystemInfo | undefined): string {
  const version = info?.kernelVersion || '<unknown>'
  return info?.architecture ? `${version} (${info.architecture})` : version
}

/** From labels `node-role.kubernetes.io/ROLE` and `kubernetes.io/role=ROLE`, sorted. */
function nodeRoles(node: Node): string[] {
  const roles = new Set<string>()
  for (const [key, value] of Object.entries(node.metadata.labels ?? {})) {
    if (key.startsWith('node-role.kubernetes.io/')) roles.add(key.slice('node-role.kubernetes.io/'.length))
    else if (key === 'kubernetes.io/role') roles.add(value)
  }
  roles.delete('')
  return [...roles].sort()
}

/** Rows of core and events.k8s.io events, which share their columns. */
export const eventPrinter = printer<Event>([
  fieldColumn('Last Seen', 'string', 'v1.Event', 'lastTimestamp'),
  fieldColumn('Type', 'string', 'v1.Event', 'type'),
  fieldColumn('Reason', 'string', 'v1.Event', 'reason'),
  fieldColumn('Object', 'string', 'v1.Event', 'involvedObject'),
  fieldColumn('Subobject', 'string', 'v1.ObjectReference', 'fieldPath', 1),
  fieldColumn('Source', 'string', 'v1.Event', 'source', 1),
  fieldColumn('Message', 'string', 'v1.Event', 'message'),
  fieldColumn('First Seen', 'string', 'v1.Event', 'firstTimestamp', 1),
  fieldColumn('Count', 'string', 'v1.Event', 'count', 1),
  { ...nameColumn, priority: 1, get description() { return nameColumn.description } },
], (event, nowMs) => {
  const firstSeen = since(event.firstTimestamp ?? event.eventTime, nowMs)
  const lastSeen = event.series === undefined ? ((event.lastTimestamp ?? '') === '' ? firstSeen : since(event.lastTimestamp, nowMs)) : since(event.series.lastObservedTime, nowMs)
  const count = event.series === undefined ? event.count || 1 : event.series.count ?? 0
  const { kind = '', name = '', fieldPath = '' } = event.involvedObject
  const component = event.source?.component || event.reportingComponent || ''
  const instance = event.source?.host || event.reportingInstance || ''
  return [
    lastSeen, event.type ?? '', event.reason ?? '', name === '' ? kind.toLowerCase() : `${kind.toLowerCase()}/${name}`, fieldPath,
    instance === '' ? component : `${component}, ${instance}`, (event.message ?? '').trim(), firstSeen, count, event.metadata.name ?? '',
  ]
})

const persistentVolumePrinter = printer<PersistentVolume>([
  nameColumn,
  fieldColumn('Capacity', 'string', 'v1.PersistentVolumeSpec', 'capacity'),
  fieldColumn('Access Modes', 'string', 'v1.PersistentVolumeSpec', 'accessModes'),
  fieldColumn('Reclaim Policy', 'string', 'v1.PersistentVolumeSpec', 'persistentVolumeReclaimPolicy'),
  fieldColumn('Status', 'string', 'v1.PersistentVolumeStatus', 'phase'),
  fieldColumn('Claim', 'string', 'v1.PersistentVolumeSpec', 'claimRef'),
  column('StorageClass', 'string', 'StorageClass of the pv'),
  column('VolumeAttributesClass', 'string', 'VolumeAttributesClass of the pv'),
  fieldColumn('Reason', 'string', 'v1.PersistentVolumeStatus', 'reason'),
  ageColumn,
  fieldColumn('VolumeMode', 'string', 'v1.PersistentVolumeSpec', 'volumeMode', 1),
], (volume, nowMs) => [
  volume.metadata.name ?? '', volume.spec.capacity?.['storage'] ?? '0', accessModesText(volume.spec.accessModes), volume.spec.persistentVolumeReclaimPolicy ?? '',
  volume.metadata.deletionTimestamp === undefined ? volume.status?.phase ?? '' : 'Terminating',
  volume.spec.claimRef === undefined ? '' : `${volume.spec.claimRef.namespace ?? ''}/${volume.spec.claimRef.name ?? ''}`,
  storageClassOf(volume), volume.spec.volumeAttributesClassName ?? '<unset>', volume.status?.reason ?? '', age(volume, nowMs), volume.spec.volumeMode ?? '<unset>',
])

const persistentVolumeClaimPrinter = printer<PersistentVolumeClaim>([
  nameColumn,
  fieldColumn('Status', 'string', 'v1.PersistentVolumeClaimStatus', 'phase'),
  fieldColumn('Volume', 'string', 'v1.PersistentVolumeClaimSpec', 'volumeName'),
  fieldColumn('Capacity', 'string', 'v1.PersistentVolumeClaimStatus', 'capacity'),
  fieldColumn('Access Modes', 'string', 'v1.PersistentVolumeClaimStatus', 'accessModes'),
  column('StorageClass', 'string', 'StorageClass of the pvc'),
  column('VolumeAttributesClass', 'string', 'VolumeAttributesClass of the pvc'),
  ageColumn,
  fieldColumn('VolumeMode', 'string', 'v1.PersistentVolumeClaimSpec', 'volumeMode', 1),
], (claim, nowMs) => {
  const volume = claim.spec.volumeName ?? ''
  return [
    claim.metadata.name ?? '', claim.metadata.deletionTimestamp === undefined ? claim.status?.phase ?? '' : 'Terminating', volume,
    volume === '' ? '' : claim.status?.capacity?.['storage'] ?? '0', volume === '' ? '' : accessModesText(claim.status?.accessModes),
    storageClassOf(claim), claim.spec.volumeAttributesClassName ?? '<unset>', age(claim, nowMs), claim.spec.volumeMode ?? '<unset>',
  ]
})

/** `requests.cpu: 1/2, pods: 3/10`, and the same for names that start with `limits.`. */
const resourceQuotaPrinter = printer<ResourceQuota>([
  nameColumn,
  column('Request', 'string', 'Request represents a minimum amount of cpu/memory that a container may consume.'),
  column('Limit', 'string', 'Limits control the maximum amount of cpu/memory that a container may use independent of contention on the node.'),
  ageColumn,
], (quota, nowMs) => {
  const hard = Object.entries(quota.status?.hard ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))
  const text = (limits: boolean) => hard.filter(([name]) => name.startsWith('limits.') === limits)
    .map(([name, value]) => `${name}: ${quota.status?.used?.[name] ?? '0'}/${value}`).join(', ')
  return [quota.metadata.name ?? '', text(false), text(true), age(quota, nowMs)]
})

const componentStatusPrinter = printer<ComponentStatus>([
  nameColumn,
  column('Status', 'string', 'Status of the component conditions'),
  column('Message', 'string', 'Message of the component conditions'),
  column('Error', 'string', 'Error of the component conditions'),
], (component) => {
  const healthy = component.conditions?.find((condition) => condition.type === 'Healthy')
  const status = healthy === undefined ? 'Unknown' : healthy.status === 'True' ? 'Healthy' : 'Unhealthy'
  return [component.metadata.name ?? '', status, healthy?.message ?? '', healthy?.error ?? '']
})

export const corePrinters: Record<string, KindPrinter> = {
  Pod: podPrinter,
  Service: servicePrinter,
  Node: nodePrinter,
  Event: eventPrinter,
  PersistentVolume: persistentVolumePrinter,
  PersistentVolumeClaim: persistentVolumeClaimPrinter,
  ResourceQuota: resourceQuotaPrinter,
  ComponentStatus: componentStatusPrinter,
  Namespace: printer<Namespace>([nameColumn, column('Status', 'string', 'The status of the namespace'), ageColumn],
    (namespace, nowMs) => [namespace.metadata.name ?? '', namespace.status?.phase ?? '', age(namespace, nowMs)]),
  ConfigMap: printer<ConfigMap>([nameColumn, fieldColumn('Data', 'string', 'v1.ConfigMap', 'data'), ageColumn],
    (map, nowMs) => [map.metadata.name ?? '', Object.keys(map.data ?? {}).length + Object.keys(map.binaryData ?? {}).length, age(map, nowMs)]),
  Secret: printer<Secret>([nameColumn, fieldColumn('Type', 'string', 'v1.Secret', 'type'), fieldColumn('Data', 'string', 'v1.Secret', 'data'), ageColumn],
    (secret, nowMs) => [secret.metadata.name ?? '', secret.type ?? '', Object.keys(secret.data ?? {}).length, age(secret, nowMs)]),
  ServiceAccount: namePrinter,
  Endpoints: printer<Endpoints>([nameColumn, fieldColumn('Endpoints', 'string', 'v1.Endpoints', 'subsets'), ageColumn],
    (endpoints, nowMs) => [endpoints.metadata.name ?? '', endpointsText(endpoints), age(endpoints, nowMs)]),
  PodTemplate: printer<PodTemplate>([nameColumn, ...templateColumns(0), column('Pod Labels', 'string', 'The labels for the pod template.')],
    (template) => [template.metadata.name ?? '', ...containerCells(template.template?.spec?.containers), labelsText(template.template?.metadata?.labels)]),
  ReplicationController: printer<ReplicationController>([
    nameColumn,
    fieldColumn('Desired', 'integer', 'v1.ReplicationControllerSpec', 'replicas'),
    fieldColumn('Current', 'integer', 'v1.ReplicationControllerStatus', 'replicas'),
    fieldColumn('Ready', 'integer', 'v1.ReplicationControllerStatus', 'readyReplicas'),
    ageColumn, ...templateColumns(1),
    fieldColumn('Selector', 'string', 'v1.ReplicationControllerSpec', 'selector', 1),
  ], (controller, nowMs) => [
    controller.metadata.name ?? '', controller.spec.replicas ?? 0, controller.status?.replicas ?? 0, controller.status?.readyReplicas ?? 0, age(controller, nowMs),
    ...containerCells(controller.spec.template?.spec?.containers), labelsText(controller.spec.selector),
  ]),
  LimitRange: plainPrinter,
}
