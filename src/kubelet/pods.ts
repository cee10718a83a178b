import type { EventTarget } from '../client/events.ts'
import type { Container, EphemeralContainer, Pod } from '../api/types/core_v1.ts'

/** A pod as the API server gives it: named, bound to this node, defaulted. */
export interface BoundPod extends Pod {
  metadata: Pod['metadata'] & { name: string; namespace: string; uid: string }
  spec: NonNullable<Pod['spec']>
}

/** The pod as a `BoundPod`; throws when it lacks what every stored pod has. */
export function boundPod(pod: Pod): BoundPod {
  const { name, namespace, uid } = pod.metadata
  if (name === undefined || namespace === undefined || uid === undefined || pod.spec === undefined) throw new Error(`pod ${namespace ?? ''}/${name ?? ''} has no namespace, uid or spec`)
  return pod as BoundPod
}

/** `web_default(3f2a…)`, as upstream writes a pod in messages. */
export function podText(pod: BoundPod): string {
  return `${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})`
}

export type ContainerKind = 'init' | 'regular' | 'ephemeral'
export type AnyContainer = Container | EphemeralContainer
export interface PodContainer { container: Container; kind: ContainerKind; /** An init container that keeps running (restartPolicy Always). */ sidecar: boolean }

export function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always'
}

/** Every container of a pod: init, regular, ephemeral, each in its order. */
export function containersOf(pod: BoundPod): PodContainer[] {
  return [
    ...(pod.spec.initContainers ?? []).map((container): PodContainer => ({ container, kind: 'init', sidecar: isSidecar(container) })),
    ...pod.spec.containers.map((container): PodContainer => ({ container, kind: 'regular', sidecar: false })),
    ...(pod.spec.ephemeralContainers ?? []).map((container): PodContainer => ({ container: container as Container, kind: 'ephemeral', sidecar: false })),
  ]
}

export function findContainer(pod: BoundPod, name: string): PodContainer | undefined {
  return containersOf(pod).find(({ container }) => container.name === name)
}

const fieldNames: Record<ContainerKind, string> = { init: 'initContainers', regular: 'containers', ephemeral: 'ephemeralContainers' }

export function podTarget(pod: BoundPod): EventTarget {
  const { name, namespace, uid, resourceVersion } = pod.metadata
  return { apiVersion: 'v1', kind: 'Pod', name, namespace, uid, ...(resourceVersion === undefined ? {} : { resourceVersion }) }
}

/** The event target of a container: `spec.containers{web}`. */
export function containerTarget(pod: BoundPod, { container, kind }: PodContainer): EventTarget {
  return { ...podTarget(pod), fieldPath: `spec.${fieldNames[kind]}{${container.name}}` }
}

export function isTerminalPhase(phase: string | undefined): boolean {
  return phase === 'Succeeded' || phase === 'Failed'
}

/** Labels and annotations that sandboxes and containers carry, so that a new kubelet recognises them. */
export const podLabels = { name: 'io.kubernetes.pod.name', namespace: 'io.kubernetes.pod.namespace', uid: 'io.kubernetes.pod.uid', container: 'io.kubernetes.container.name' } as const
export const containerAnnotations = {
  hash: 'io.kubernetes.container.hash', restartCount: 'io.kubernetes.container.restartCount', terminationMessagePath: 'io.kubernetes.container.terminationMessagePath',
  terminationMessagePolicy: 'io.kubernetes.container.terminationMessagePolicy', podGracePeriod: 'io.kubernetes.pod.terminationGracePeriod', ports: 'io.kubernetes.container.ports',
  preStop: 'io.kubernetes.container.preStopHandler',
} as const
