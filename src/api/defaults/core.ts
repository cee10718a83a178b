import type { OpenObject } from '../../machinery/object.ts'
import type { Endpoints, LimitRange, Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod, PodTemplate, ReplicationController, ResourceQuota, Secret, Service } from '../types/core_v1.ts'
import { defaultClaimSpec, defaultOldVolumeKinds, defaultPodResources, defaultPodSpec, defaultPodTemplate, defaultResourceList, dropInitAnnotations } from './pod-spec.ts'
import type { Defaulter } from './defaults.ts'

function defaultPod(object: OpenObject): void {
  const { spec, metadata, status } = object as unknown as Pod
  dropInitAnnotations(metadata)
  if (status !== undefined) syncAddresses(status)
  if (spec === undefined) return
  defaultPodSpec(spec)
  defaultPodResources(spec)
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0) spec.terminationGracePeriodSeconds = 1
}

/** `podIP` is the first of `podIPs`; where they differ, the single one is right. */
function syncAddresses(status: NonNullable<Pod['status']>): void {
  const { podIP = '', podIPs = [] } = status
  if (podIP !== '' && podIPs[0]?.ip !== podIP) status.podIPs = [{ ip: podIP }]
  else if (podIP === '' && podIPs[0]?.ip) status.podIP = podIPs[0].ip
}

function defaultService(object: OpenObject): void {
  const service = object as unknown as Service
  const spec = (service.spec ??= {})
  spec.sessionAffinity ||= 'None'
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig
  if (spec.sessionAffinity === 'ClientIP' && spec.sessionAffinityConfig?.clientIP?.timeoutSeconds === undefined) {
    spec.sessionAffinityConfig = { clientIP: { timeoutSeconds: 10800 } }
  }
  spec.type ||= 'ClusterIP'
  for (const port of spec.ports ?? []) {
    port.protocol ||= 'TCP'
    if ((port.targetPort === undefined || port.targetPort === 0 || port.targetPort === '') && port.targetPort !== port.port) port.targetPort = port.port
  }
  const external = spec.type === 'LoadBalancer' || spec.type === 'NodePort' || (spec.type === 'ClusterIP' && (spec.externalIPs ?? []).length > 0)
  if (external) spec.externalTrafficPolicy ||= 'Cluster'
  if (spec.type === 'NodePort' || spec.type === 'LoadBalancer' || spec.type === 'ClusterIP') spec.internalTrafficPolicy ??= 'Cluster'
  if (spec.type === 'LoadBalancer') {
    spec.allocateLoadBalancerNodePorts ??= true
    for (const ingress of service.status?.loadBalancer?.ingress ?? []) if (ingress.ip !== undefined && ingress.ip !== '') ingress.ipMode ??= 'VIP'
  }
}

function defaultReplicationController(object: OpenObject): void {
  const { metadata, spec } = object as unknown as ReplicationController
  if (spec === undefined) return
  spec.replicas ??= 1
  const labels = spec.template?.metadata?.labels
  if (labels !== undefined) {
    if (Object.keys(spec.selector ?? {}).length === 0) spec.selector = { ...labels }
    if (Object.keys(metadata.labels ?? {}).length === 0) metadata.labels = { ...labels }
  }
  defaultPodTemplate(spec.template)
}

/** Besides the type, `stringData` becomes `data`: it is for writing only. */
function defaultSecret(object: OpenObject): void {
  const secret = object as unknown as Secret
  secret.type ||= 'Opaque'
  if (secret.stringData === undefined) return
  const data = { ...secret.data }
  for (const [key, text] of Object.entries(secret.stringData)) Object.defineProperty(data, key, { value: Buffer.from(text, 'utf8').toString('base64'), enumerable: true, writable: true, configurable: true })
  if (Object.keys(data).length > 0) secret.data = data
  delete secret.stringData
}

function defaultPersistentVolume(object: OpenObject): void {
  const volume = object as unknown as PersistentVolume
  const status = (volume.status ??= {})
  status.phase ||= 'Pending'
  if (volume.spec === undefined) return
  volume.spec.persistentVolumeReclaimPolicy ||= 'Retain'
  volume.spec.volumeMode ??= 'Filesystem'
  if (volume.spec.hostPath !== undefined) volume.spec.hostPath.type ??= ''
  defaultResourceList(volume.spec.capacity)
  defaultOldVolumeKinds(volume.spec as Parameters<typeof defaultOldVolumeKinds>[0])
}

export function defaultPersistentVolumeClaim(object: OpenObject): void {
  const claim = object as unknown as PersistentVolumeClaim
  const status = (claim.status ??= {})
  status.phase ||= 'Pending'
  if (claim.spec !== undefined) defaultClaimSpec(claim.spec)
  defaultResourceList(status.capacity)
}

function defaultEndpoints(object: OpenObject): void {
  for (const subset of (object as unknown as Endpoints).subsets ?? []) for (const port of subset.ports ?? []) port.protocol ||= 'TCP'
}

function defaultNamespace(object: OpenObject): void {
  const namespace = object as unknown as Namespace
  const status = (namespace.status ??= {})
  status.phase ||= 'Active'
  const { metadata } = namespace
  if (metadata.name !== undefined && metadata.name !== '') (metadata.labels ??= {})['kubernetes.io/metadata.name'] = metadata.name
}

/** `podCIDR` is the first of `podCIDRs`; where they differ, the single one is right. */
function syncCidrs(spec: NonNullable<Node['spec']>): void {
  const { podCIDR = '', podCIDRs = [] } = spec
  if (podCIDR !== '' && podCIDRs[0] !== podCIDR) spec.podCIDRs = [podCIDR]
  else if (podCIDR === '' && podCIDRs[0]) spec.podCIDR = podCIDRs[0]
}

function defaultNode(object: OpenObject): void {
  const { spec, status } = object as unknown as Node
  if (spec !== undefined) syncCidrs(spec)
  if (status === undefined) return
  defaultResourceList(status.capacity)
  if (status.allocatable === undefined && status.capacity !== undefined) status.allocatable = { ...status.capacity }
  defaultResourceList(status.allocatable)
}

/** What containers get is the least that was said: max, then default, then min. */
function defaultLimitRange(object: OpenObject): void {
  for (const item of (object as unknown as LimitRange).spec?.limits ?? []) {
    for (const field of ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const) defaultResourceList(item[field])
    if (item.type !== 'Container') continue
    const limits = { ...item.max, ...item.default }
    const requests = { ...item.min, ...limits, ...item.defaultRequest }
    if (Object.keys(limits).length > 0) item.default = limits
    if (Object.keys(requests).length > 0) item.defaultRequest = requests
  }
}

function defaultResourceQuota(object: OpenObject): void {
  const quota = object as unknown as ResourceQuota
  defaultResourceList(quota.spec?.hard)
}

export const coreDefaults: Record<string, Defaulter> = {
  'v1.Pod': defaultPod,
  'v1.PodTemplate': (object) => defaultPodTemplate((object as unknown as PodTemplate).template),
  'v1.Service': defaultService,
  'v1.ReplicationController': defaultReplicationController,
  'v1.Secret': defaultSecret,
  'v1.PersistentVolume': defaultPersistentVolume,
  'v1.PersistentVolumeClaim': defaultPersistentVolumeClaim,
  'v1.Endpoints': defaultEndpoints,
  'v1.Namespace': defaultNamespace,
  'v1.Node': defaultNode,
  'v1.LimitRange': defaultLimitRange,
  'v1.ResourceQuota': defaultResourceQuota,
}
