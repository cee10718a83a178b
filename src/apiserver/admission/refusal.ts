import { errors, isReason, type StatusError } from '../../machinery/status.ts'
import type { Pod } from '../../api/types/core_v1.ts'
import type { AdmissionAttributes } from '../context.ts'

/** `pods "web-" is forbidden: because`: the name asked for, or what it will be made from. */
export function refusal(attributes: AdmissionAttributes, because: string | Error): StatusError {
  if (isReason(because, 'Forbidden')) return because
  const { object } = attributes
  const name = [attributes.name, object?.metadata?.name, object?.metadata?.generateName].find((candidate) => candidate !== undefined && candidate !== '')
  return errors.forbidden(attributes.resource, name ?? 'Unknown', typeof because === 'string' ? because : because.message)
}

/** True for a request that writes the object itself, of core kind `resource`. */
export function isCore(attributes: AdmissionAttributes, resource: string, subresource = ''): boolean {
  return attributes.resource.group === '' && attributes.resource.resource === resource && attributes.subresource === subresource
}

/** The pod of a request that writes one; undefined for other requests, and for pods that validation will refuse for want of a spec. */
export function admittedPod(attributes: AdmissionAttributes, subresource = ''): Pod | undefined {
  if (!isCore(attributes, 'pods', subresource)) return undefined
  const pod = attributes.object as Pod | undefined
  return pod?.spec !== undefined && Array.isArray(pod.spec.containers) ? pod : undefined
}
