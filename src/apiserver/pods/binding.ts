import type { Binding, Pod } from '../../api/types/core_v1.ts'
import { fieldErrorCause, fieldErrors, type FieldError } from '../../machinery/field-error.ts'
import { timeText } from '../../machinery/object.ts'
import { errors, success } from '../../machinery/status.ts'
import type { ServerResponse } from '../context.ts'
import type { SubresourceContext, SubresourceHandler } from '../subresources.ts'

const gr = { group: '', resource: 'pods/binding' }

function validate({ target, metadata }: Binding): FieldError[] {
  return [
    ...((target?.kind ?? '') !== '' && target.kind !== 'Node' ? [fieldErrors.notSupported('target.kind', target.kind, ['Node', '<empty>'])] : []),
    ...((target?.name ?? '') === '' ? [fieldErrors.required('target.name')] : []),
    ...((metadata.name ?? '') === '' ? [fieldErrors.required('metadata.name')] : []),
  ]
}

/** Adds `more` to a map of the pod's metadata; refuses to change what stands there. */
function merged(standing: Record<string, string> | undefined, more: Record<string, string> | undefined): Record<string, string> | undefined {
  return more === undefined || Object.keys(more).length === 0 ? standing : { ...standing, ...more }
}

/** Gives the pod its node: what `pods/binding` means (upstream `BindingREST.setPodNodeAndMetadata`). Throws 409 for a pod that can't be bound. */
export function bindPod(pod: Pod, binding: Binding, nowMs: number): Pod {
  const name = pod.metadata.name!
  const refuse = (because: string): Error => errors.conflict(gr, name, because)
  const { uid, resourceVersion, annotations, labels } = binding.metadata
  if ((uid ?? '') !== '' && uid !== pod.metadata.uid) throw refuse(`Precondition failed: UID in precondition: ${uid}, UID in object meta: ${pod.metadata.uid}`)
  if ((resourceVersion ?? '') !== '' && resourceVersion !== pod.metadata.resourceVersion) {
    throw refuse(`Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${pod.metadata.resourceVersion}`)
  }
  if (pod.metadata.deletionTimestamp !== undefined) throw refuse(`pod ${name} is being deleted, cannot be assigned to a host`)
  if ((pod.spec.nodeName ?? '') !== '') throw refuse(`pod ${name} is already assigned to node ${JSON.stringify(pod.spec.nodeName)}`)
  if ((pod.spec.schedulingGates ?? []).length > 0) throw refuse(`pod ${name} has non-empty .spec.schedulingGates`)
  const conditions = pod.status?.conditions ?? []
  const before = conditions.find((condition) => condition.type === 'PodScheduled')
  const lastTransitionTime = before?.status === 'True' ? before.lastTransitionTime : timeText(nowMs)
  const observedGeneration = pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }
  return {
    ...pod,
    metadata: { ...pod.metadata, annotations: merged(pod.metadata.annotations, annotations), labels: merged(pod.metadata.labels, labels) },
    spec: { ...pod.spec, nodeName: binding.target.name! },
    // Reason, message and probe time are the scheduler's words on why it had not found a node.
    status: {
      ...pod.status,
      conditions: [...conditions.filter((condition) => condition !== before), { type: 'PodScheduled', status: 'True', lastProbeTime: null as unknown as string, lastTransitionTime, ...observedGeneration }],
    },
  }
}

async function handle(context: SubresourceContext): Promise<ServerResponse> {
  const { core, info: { namespace, name }, user, dryRun } = context
  const binding = await context.readObject({ group: '', version: 'v1', kind: 'Binding' }) as unknown as Binding
  binding.metadata ??= {}
  if (name !== '' && (binding.metadata.name ?? '') !== '' && binding.metadata.name !== name) throw errors.badRequest('name in URL does not match name in Binding object')
  if (name !== '') binding.metadata.name = name
  binding.metadata.namespace ??= namespace
  if (binding.metadata.namespace !== namespace) throw errors.badRequest('the namespace of the provided object does not match the namespace sent on the request')
  const problems = validate(binding)
  if (problems.length > 0) throw errors.invalid({ group: '', kind: 'Binding' }, binding.metadata.name ?? '', problems.map(fieldErrorCause))
  await context.admit('CREATE', binding)
  const pods = core.resource('pods')
  const nowMs = core.runtime.clock.now()
  await core.registry.update(pods, namespace, binding.metadata.name!, (pod) => bindPod(pod as unknown as Pod, binding, nowMs) as never, { user, dryRun, subresource: 'binding', strategy: {} })
  return context.answer(success(undefined, 201) as never, 201)
}

/** `pods/NAME/binding`, and the older `bindings`. */
export const bindingHandlers: readonly SubresourceHandler[] = [
  { group: '', resource: 'pods', subresource: 'binding', handle },
  { group: '', resource: 'bindings', subresource: '', handle },
]
