import type { Container, ObjectFieldSelector, ResourceFieldSelector } from '../api/types/core_v1.ts'
import { milliValue, quantityValue } from '../machinery/quantity.ts'
import type { BoundPod } from './pods.ts'

/** What the downward API tells of the pod's place. */
export interface PodPlace { podIPs: readonly string[]; hostIPs: readonly string[]; allocatable: Readonly<Record<string, string>> }

/** As Go's `%q`, which JSON's strings agree with for printable text. */
const quoted = (text: string): string => JSON.stringify(text)

/** `key="value"` lines sorted by key, as label and annotation files hold them. */
export function mapText(map: Readonly<Record<string, string>> | undefined): string {
  return Object.keys(map ?? {}).sort().map((key) => `${key}=${quoted(map![key]!)}`).join('\n')
}

const subscript = /^metadata\.(labels|annotations)\['(.*)'\]$/

/** The value of a pod field for an environment variable or a file. Throws on a path that the downward API does not have. */
export function podField(pod: BoundPod, { fieldPath }: ObjectFieldSelector, place: PodPlace): string {
  const match = subscript.exec(fieldPath)
  if (match !== null) return pod.metadata[match[1] as 'labels' | 'annotations']?.[match[2]!] ?? ''
  switch (fieldPath) {
    case 'metadata.name': return pod.metadata.name
    case 'metadata.namespace': return pod.metadata.namespace
    case 'metadata.uid': return pod.metadata.uid
    case 'metadata.labels': return mapText(pod.metadata.labels)
    case 'metadata.annotations': return mapText(pod.metadata.annotations)
    case 'spec.nodeName': return pod.spec.nodeName ?? ''
    case 'spec.serviceAccountName': return pod.spec.serviceAccountName ?? ''
    case 'status.hostIP': return place.hostIPs[0] ?? ''
    case 'status.hostIPs': return place.hostIPs.join(',')
    case 'status.podIP': return place.podIPs[0] ?? ''
    case 'status.podIPs': return place.podIPs.join(',')
    default: throw new Error(`unsupported fieldPath: ${fieldPath}`)
  }
}

/** A container's limit or request in units of the divisor, rounded up; an absent limit is what the node can give. */
export function resourceField(pod: BoundPod, container: Container, selector: ResourceFieldSelector, place: PodPlace): string {
  const named = selector.containerName === undefined || selector.containerName === '' ? container : [...(pod.spec.initContainers ?? []), ...pod.spec.containers].find(({ name }) => name === selector.containerName)
  if (named === undefined) throw new Error(`container ${selector.containerName} not found`)
  const dot = selector.resource.indexOf('.')
  const kind = selector.resource.slice(0, dot)
  const resource = selector.resource.slice(dot + 1)
  if (kind !== 'limits' && kind !== 'requests') throw new Error(`Unsupported container resource : ${selector.resource}`)
  const limit = named.resources?.limits?.[resource] ?? (resource.startsWith('hugepages-') ? '0' : (place.allocatable[resource] ?? '0'))
  const value = kind === 'limits' ? limit : (named.resources?.requests?.[resource] ?? named.resources?.limits?.[resource] ?? '0')
  const divisor = selector.divisor === undefined || selector.divisor === '0' || selector.divisor === '' ? '1' : selector.divisor
  if (resource === 'cpu') return String(Math.ceil(milliValue(value) / milliValue(divisor)))
  return String(Math.ceil(quantityValue(value) / quantityValue(divisor)))
}
