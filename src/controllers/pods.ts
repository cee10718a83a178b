import type { Pod, PodCondition, PodTemplateSpec } from '../api/types/core_v1.ts'
import type { KubeObject, OwnerReference } from '../machinery/object.ts'
import { controllerOf, timeText } from '../machinery/object.ts'
import type { ResourceType } from '../client/client.ts'
import type { Informer } from '../client/informer.ts'

/** Milliseconds of an API time; 0 when it is not set. */
export function timeMs(text: string | undefined): number {
  return text === undefined || text === '' ? 0 : Date.parse(text)
}

export function podCondition(pod: Pod, type: string): PodCondition | undefined {
  return pod.status?.conditions?.find((condition) => condition.type === type)
}

export function isPodReady(pod: Pod): boolean {
  return podCondition(pod, 'Ready')?.status === 'True'
}

/** Since when the pod is available is known: ready for at least `minReadySeconds`. */
export function isPodAvailable(pod: Pod, minReadySeconds: number, nowMs: number): boolean {
  const ready = podCondition(pod, 'Ready')
  if (ready?.status !== 'True') return false
  return minReadySeconds === 0 || timeMs(ready.lastTransitionTime) + minReadySeconds * 1000 <= nowMs
}

/** Succeeded or Failed: it will never run again. */
export function isPodTerminal(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'
}

/** Counts as a replica. */
export function isPodActive(pod: Pod): boolean {
  return !isPodTerminal(pod) && pod.metadata.deletionTimestamp === undefined
}

/** The reference by which `owner` manages what it makes (`metav1.NewControllerRef`). */
export function controllerReference(type: ResourceType, owner: KubeObject): OwnerReference {
  return {
    apiVersion: type.group === '' ? type.version : `${type.group}/${type.version}`, kind: type.kind, name: owner.metadata.name ?? '', uid: owner.metadata.uid ?? '',
    controller: true, blockOwnerDeletion: true,
  }
}

/** A pod as its owner's template describes it. Its name comes from the server. */
export function podFromTemplate(template: PodTemplateSpec, type: ResourceType, owner: KubeObject): Pod {
  const { labels, annotations, finalizers } = template.metadata ?? {}
  return {
    apiVersion: 'v1', kind: 'Pod',
    metadata: {
      generateName: `${owner.metadata.name ?? ''}-`, namespace: owner.metadata.namespace,
      ...(labels === undefined ? {} : { labels }), ...(annotations === undefined ? {} : { annotations }), ...(finalizers === undefined ? {} : { finalizers }),
      ownerReferences: [controllerReference(type, owner)],
    },
    spec: template.spec,
  }
}

const byController = 'controller'

/** Makes `ownedAndOrphans` quick: an index by the controller's uid, orphans by their namespace. */
export function indexByController<T extends KubeObject>(informer: Informer<T>): void {
  informer.addIndex(byController, (object) => [controllerOf(object)?.uid ?? `orphans of ${object.metadata.namespace ?? ''}`])
}

/** Objects that `owner` manages. */
export function ownedBy<T extends KubeObject>(informer: Informer<T>, owner: KubeObject): T[] {
  return informer.byIndex(byController, owner.metadata.uid ?? '')
}

/** Objects that `owner` manages, and those of its namespace that nobody does: the candidates of a claim. */
export function ownedAndOrphans<T extends KubeObject>(informer: Informer<T>, owner: KubeObject): T[] {
  return [...ownedBy(informer, owner), ...informer.byIndex(byController, `orphans of ${owner.metadata.namespace ?? ''}`)]
}

/** A status patch that says why the pod is about to be deleted (KEP 3329), with its phase set where given. */
export function disruptionPatch(pod: Pod, reason: string, message: string, nowMs: number, phase?: string): object {
  const condition = { type: 'DisruptionTarget', status: 'True', reason, message, lastTransitionTime: timeText(nowMs) }
  return { metadata: { uid: pod.metadata.uid }, status: { ...(phase === undefined ? {} : { phase }), conditions: [condition] } }
}
