import { addQuantities, compareQuantities, parseQuantity, quantityFromMilli, quantityFromValue, quantityText, subtractQuantities, zeroQuantity, type Quantity } from '../machinery/quantity.ts'
import type { KubeObject } from '../machinery/object.ts'
import { podLimits, podRequests } from './pod-resources.ts'
import { podContainers } from './pod-references.ts'
import type { Container, PersistentVolumeClaim, Pod, ResourceQuota, ScopedResourceSelectorRequirement, Service } from './types/core_v1.ts'

/**
 * What objects use of a quota: pure functions for the admission plugin, which charges, and the quota controller, which counts
 * anew. Rules: Kubernetes documentation, "Resource Quotas"; upstream's quota evaluators.
 */

/** Amounts by quota resource name: `pods`, `requests.cpu`, `count/deployments.apps`. */
export type Usage = Map<string, Quantity>

const one = quantityFromValue(1)
const standardCompute = new Set(['cpu', 'memory', 'ephemeral-storage'])
/** Kinds that have a quota name of their own beside `count/…`. */
const countedByOwnName = new Set(['configmaps', 'secrets', 'services', 'replicationcontrollers', 'resourcequotas', 'persistentvolumeclaims'])

export function addUsage(total: Usage, more: ReadonlyMap<string, Quantity>): void {
  for (const [resource, amount] of more) total.set(resource, addQuantities(total.get(resource) ?? zeroQuantity, amount))
}

/** `a` less `b`, resource by resource. */
export function subtractUsage(a: ReadonlyMap<string, Quantity>, b: ReadonlyMap<string, Quantity>): Usage {
  const difference: Usage = new Map(a)
  for (const [resource, amount] of b) difference.set(resource, subtractQuantities(difference.get(resource) ?? zeroQuantity, amount))
  return difference
}

export function usageOfList(list: Readonly<Record<string, string>> | undefined): Usage {
  return new Map(Object.entries(list ?? {}).map(([resource, quantity]) => [resource, parseQuantity(quantity)]))
}

export function listOfUsage(usage: ReadonlyMap<string, Quantity>): Record<string, string> {
  return Object.fromEntries([...usage].map(([resource, quantity]) => [resource, quantityText(quantity)]))
}

/** `cpu=1,pods=2`, as error messages show amounts. */
export function usageText(usage: ReadonlyMap<string, Quantity>): string {
  return [...usage].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([resource, quantity]) => `${resource}=${quantityText(quantity)}`).join(',')
}

function quantityOf(resource: string, amount: number): Quantity {
  if (resource === 'cpu') return quantityFromMilli(amount)
  return quantityFromValue(amount, resource === 'memory' || resource === 'ephemeral-storage' || resource.startsWith('hugepages-') ? 'BinarySI' : 'DecimalSI')
}

/** A pod that has ended, or whose grace period ran out long ago, uses nothing. */
function podCounts(pod: Pod, nowMs: number): boolean {
  if (pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded') return false
  const { deletionTimestamp, deletionGracePeriodSeconds } = pod.metadata
  return deletionTimestamp === undefined || deletionGracePeriodSeconds === undefined || nowMs <= Date.parse(deletionTimestamp) + deletionGracePeriodSeconds * 1000
}

function podUsage(pod: Pod, nowMs: number): Usage {
  const usage: Usage = new Map([['count/pods', one]])
  if (!podCounts(pod, nowMs)) return usage
  usage.set('pods', one)
  for (const [resource, amount] of podRequests(pod.spec)) {
    const quantity = quantityOf(resource, amount)
    usage.set(`requests.${resource}`, quantity)
    if (standardCompute.has(resource) || resource.startsWith('hugepages-')) usage.set(resource, quantity)
  }
  for (const [resource, amount] of podLimits(pod.spec)) if (standardCompute.has(resource)) usage.set(`limits.${resource}`, quantityOf(resource, amount))
  return usage
}

function serviceUsage(service: Service): Usage {
  const usage: Usage = new Map([['count/services', one], ['services', one]])
  const ports = service.spec?.ports ?? []
  if (service.spec?.type === 'LoadBalancer') {
    usage.set('services.loadbalancers', one)
    usage.set('services.nodeports', quantityFromValue(service.spec.allocateLoadBalancerNodePorts === false ? ports.filter((port) => (port.nodePort ?? 0) !== 0).length : ports.length))
  } else if (service.spec?.type === 'NodePort') {
    usage.set('services.nodeports', quantityFromValue(ports.length))
  }
  return usage
}

function claimUsage(claim: PersistentVolumeClaim): Usage {
  const usage: Usage = new Map([['count/persistentvolumeclaims', one], ['persistentvolumeclaims', one]])
  const storageClass = claim.metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ?? claim.spec?.storageClassName ?? ''
  const prefix = `${storageClass}.storageclass.storage.k8s.io/`
  if (storageClass !== '') usage.set(`${prefix}persistentvolumeclaims`, one)
  const requested = claim.spec?.resources?.requests?.storage
  if (requested === undefined) return usage
  const allocated = claim.status?.allocatedResources?.storage
  const [asked, given] = [parseQuantity(requested), allocated === undefined ? undefined : parseQuantity(allocated)]
  const storage = given !== undefined && compareQuantities(given, asked) > 0 ? given : asked
  usage.set('requests.storage', storage)
  if (storageClass !== '') usage.set(`${prefix}requests.storage`, storage)
  return usage
}

/** What one object uses. `groupResource`: `pods`, `deployments.apps`. */
export function usageOf(groupResource: string, object: Readonly<KubeObject>, nowMs: number): Usage {
  if (groupResource === 'pods') return podUsage(object as Pod, nowMs)
  if (groupResource === 'services') return serviceUsage(object as Service)
  if (groupResource === 'persistentvolumeclaims') return claimUsage(object as PersistentVolumeClaim)
  const usage: Usage = new Map([[`count/${groupResource}`, one]])
  if (countedByOwnName.has(groupResource)) usage.set(groupResource, one)
  return usage
}

/** The kinds (`pods`, `deployments.apps`) whose objects a quota's hard limits speak of. */
export function quotaKinds(hard: Iterable<string>): Set<string> {
  const kinds = new Set<string>()
  for (const name of hard) {
    if (name.startsWith('count/')) kinds.add(name.slice('count/'.length))
    else if (name === 'requests.storage' || name.endsWith('.storageclass.storage.k8s.io/requests.storage') || name.endsWith('.storageclass.storage.k8s.io/persistentvolumeclaims')) kinds.add('persistentvolumeclaims')
    else if (name.startsWith('services')) kinds.add('services')
    else if (countedByOwnName.has(name)) kinds.add(name)
    else kinds.add('pods')
  }
  return kinds
}

/** Whether the pod's containers ask for nothing (quality of service BestEffort). */
function isBestEffort(pod: Pod): boolean {
  const asks = (container: { resources?: Container['resources'] }): boolean => [container.resources?.requests, container.resources?.limits]
    .some((list) => Object.entries(list ?? {}).some(([resource, quantity]) => (resource === 'cpu' || resource === 'memory') && compareQuantities(parseQuantity(quantity), zeroQuantity) > 0))
  return !asks(pod.spec) && ![...podContainers(pod.spec)].some(asks)
}

function crossesNamespaces(pod: Pod): boolean {
  const { podAffinity, podAntiAffinity } = pod.spec.affinity ?? {}
  return [podAffinity, podAntiAffinity].some((affinity) => [
    ...(affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []), ...(affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((term) => term.podAffinityTerm),
  ].some((term) => (term.namespaces?.length ?? 0) > 0 || term.namespaceSelector !== undefined))
}

function inScope(pod: Pod, { scopeName, operator, values = [] }: ScopedResourceSelectorRequirement): boolean {
  const isTerminating = pod.spec.activeDeadlineSeconds !== undefined && pod.spec.activeDeadlineSeconds >= 0
  switch (scopeName) {
    case 'Terminating': return isTerminating
    case 'NotTerminating': return !isTerminating
    case 'BestEffort': return isBestEffort(pod)
    case 'NotBestEffort': return !isBestEffort(pod)
    case 'CrossNamespacePodAffinity': return crossesNamespaces(pod)
    case 'PriorityClass': {
      const name = pod.spec.priorityClassName ?? ''
      if (operator === 'Exists') return name !== ''
      if (operator === 'DoesNotExist') return name === ''
      return operator === 'In' ? values.includes(name) : name !== '' && !values.includes(name)
    }
    default: return false
  }
}

/** Whether a quota's scopes take in an object. */
export function quotaCovers(quota: ResourceQuota, groupResource: string, object: Readonly<KubeObject>): boolean {
  const selectors: ScopedResourceSelectorRequirement[] = [
    ...(quota.spec?.scopes ?? []).map((scopeName) => ({ scopeName, operator: 'Exists' })), ...(quota.spec?.scopeSelector?.matchExpressions ?? []),
  ]
  if (selectors.length === 0) return true
  if (groupResource === 'persistentvolumeclaims') {
    const name = (object as PersistentVolumeClaim).spec?.volumeAttributesClassName ?? ''
    return selectors.every(({ scopeName, operator, values = [] }) => scopeName === 'VolumeAttributesClass'
      && (operator === 'Exists' ? name !== '' : operator === 'DoesNotExist' ? name === '' : operator === 'In' ? values.includes(name) : name !== '' && !values.includes(name)))
  }
  return groupResource === 'pods' && selectors.every((selector) => inScope(object as Pod, selector))
}

/**
 * What a pod's containers leave unsaid that the quota limits: `limits.cpu for: c1,c2; requests.memory for: c1`, or undefined.
 * A pod that says it for itself as a whole is fine.
 */
export function missingForQuota(quota: ResourceQuota, pod: Pod): string | undefined {
  const missing = new Map<string, Set<string>>()
  for (const name of Object.keys(quota.status?.hard ?? quota.spec?.hard ?? {})) {
    const [, kind = 'requests', resource = ''] = /^(?:(requests|limits)\.)?(cpu|memory)$/.exec(name) ?? []
    if (resource === '' || pod.spec.resources?.[kind as 'requests' | 'limits']?.[resource] !== undefined) continue
    for (const container of [...pod.spec.containers, ...(pod.spec.initContainers ?? [])]) {
      if (container.resources?.[kind as 'requests' | 'limits']?.[resource] !== undefined) continue
      missing.set(name, (missing.get(name) ?? new Set()).add(container.name))
    }
  }
  if (missing.size === 0) return undefined
  return [...missing].map(([name, containers]) => `${name} for: ${[...containers].toSorted().join(',')}`).toSorted().join('; ')
}
