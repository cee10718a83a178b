import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import type { Pod } from '../types/core_v1.ts'
import { checkPodAnnotations } from './pod-spec.ts'
import { appArmorPrefix } from './profile-annotations.ts'

/** On the pods that show the static pods of a node. */
export const mirrorAnnotation = 'kubernetes.io/config.mirror'

/** Annotations that say what a pod is, or what it runs under, are there from the beginning or never. */
export function checkAnnotationUpdates(out: FieldError[], pod: Readonly<Pod>, before: Readonly<Pod>): void {
  const now = pod.metadata.annotations ?? {}
  const then = before.metadata.annotations ?? {}
  const whatOf = (key: string): string => (key === mirrorAnnotation ? 'mirror pod annotation' : key.startsWith(appArmorPrefix) ? 'AppArmor annotations' : '')
  for (const key in then) {
    const what = now[key] === then[key] ? '' : whatOf(key)
    if (what !== '') out.push(fieldErrors.forbidden(`metadata.annotations[${key}]`, `may not remove or update ${what}`))
  }
  for (const key in now) {
    const what = Object.hasOwn(then, key) ? '' : whatOf(key)
    if (what !== '') out.push(fieldErrors.forbidden(`metadata.annotations[${key}]`, `may not add ${what}`))
  }
  checkPodAnnotations(out, 'metadata.annotations', pod.metadata, pod.spec)
}
