import type { Pod, Service, ServicePort } from '../../api/types/core_v1.ts'
import type { Informer } from '../../client/informer.ts'
import { matchesSelector, selectorFromSet } from '../../machinery/labels.ts'
import { keyOf, timeText } from '../../machinery/object.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { isPodReady, isPodTerminal, podCondition, timeMs } from '../pods.ts'

export const triggerTimeAnnotation = 'endpoints.kubernetes.io/last-change-trigger-time'
export const headlessLabel = 'service.kubernetes.io/headless'

export const isHeadless = (service: Service): boolean => service.spec?.clusterIP === 'None'

/** A service whose endpoints come from pods: it has a selector and is not just another name. */
export function selectsPods(service: Service): boolean {
  return service.spec?.type !== 'ExternalName' && service.spec?.selector !== undefined && Object.keys(service.spec.selector).length > 0
}

/** Pods that a service stands for, those that end included; without an address or with all work done they are not endpoints. */
export function podsOf(service: Service, pods: Informer<Pod>): Pod[] {
  const selector = selectorFromSet(service.spec?.selector)
  return pods.list(service.metadata.namespace ?? '').filter((pod) => matchesSelector(selector, pod.metadata.labels) && (pod.status?.podIP ?? '') !== '' && !isPodTerminal(pod))
}

/** The number that a service port leads to on a pod; undefined when the pod has no port of that name. */
export function targetPort(pod: Pod, { targetPort: target, port, protocol = 'TCP' }: ServicePort): number | undefined {
  if (target === undefined || target === 0) return port
  if (typeof target === 'number') return target
  // Sidecars (init containers that restart) serve too.
  const sidecars = (pod.spec?.initContainers ?? []).filter((container) => container.restartPolicy === 'Always')
  for (const container of [...(pod.spec?.containers ?? []), ...sidecars]) {
    const found = container.ports?.find((candidate) => candidate.name === target && (candidate.protocol ?? 'TCP') === protocol)
    if (found !== undefined) return found.containerPort
  }
  return undefined
}

/** The name by which DNS knows the pod under its headless service. */
export function hostnameOf(pod: Pod, service: Service): string | undefined {
  const { hostname, subdomain } = pod.spec ?? {}
  return hostname !== undefined && hostname !== '' && subdomain === service.metadata.name && pod.metadata.namespace === service.metadata.namespace ? hostname : undefined
}

/** What of a pod its services' endpoints depend on. */
function endpointFacts(pod: Pod): unknown {
  const { spec, status, metadata } = pod
  return [status?.podIPs ?? status?.podIP, isPodReady(pod), isPodTerminal(pod), metadata.deletionTimestamp === undefined, spec?.nodeName, spec?.hostname, spec?.subdomain, metadata.labels]
}

/** Keys of the services that a change of a pod concerns. */
export function servicesOf(services: Informer<Service>): (pod: Pod | undefined, old: Pod | undefined) => string[] {
  return (pod, old) => {
    if (pod !== undefined && old !== undefined && semanticEqual(endpointFacts(pod), endpointFacts(old))) return []
    const seen = (pod ?? old)!
    return services.list(seen.metadata.namespace ?? '').filter((service) => {
      if (!selectsPods(service)) return false
      const selector = selectorFromSet(service.spec?.selector)
      return matchesSelector(selector, seen.metadata.labels) || (old !== undefined && matchesSelector(selector, old.metadata.labels))
    }).map(keyOf)
  }
}

/**
 * When what a service's endpoints show last changed, for the annotation by which propagation delay is measured: the earliest change of the
 * service or its pods since the last look.
 */
export class TriggerTimes {
  /** Per service: its creation, and each pod's (by uid) last change of readiness, as the API writes times. */
  private readonly known = new Map<string, { created: string | undefined; pods: Map<string, string> }>()

  /** The annotation's value, or undefined when nothing changed. */
  next(service: Service, pods: readonly Pod[]): string | undefined {
    const key = keyOf(service)
    const before = this.known.get(key)
    const { creationTimestamp: created } = service.metadata
    const now = new Map<string, string>()
    let earliestMs = before?.created === created ? Infinity : timeMs(created)
    for (const pod of pods) {
      const changed = podCondition(pod, 'Ready')?.lastTransitionTime
      const uid = pod.metadata.uid ?? ''
      if (changed === undefined) continue
      now.set(uid, changed)
      if (before?.pods.get(uid) !== changed) earliestMs = Math.min(earliestMs, timeMs(changed))
    }
    this.known.set(key, { created, pods: now })
    return earliestMs === Infinity ? undefined : timeText(earliestMs)
  }

  forget(key: string): void {
    this.known.delete(key)
  }
}

/** Labels of the service without those that the endpoints' controller sets itself. */
export function copiedLabels(service: Service, reserved: readonly string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(service.metadata.labels ?? {}).filter(([key]) => !reserved.includes(key)))
}
