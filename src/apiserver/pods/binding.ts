import type { Binding, Pod } from '../../api/types/core_v1.ts'
import { fieldErrorCause, fieldErrors, fieldErrorText, type FieldError } from '../../machinery/field-error.ts'
import { errors, success } from '../../machinery/status.ts'
import type { ServerResponse } from '../context.ts'
import type { SubresourceContext, SubresourceHandler } from '../subresources.ts'
import { withCondition } from './condition.ts'

const gr = { group: '', resource: 'pods/binding' }

function validate({ target }: Binding): FieldError[] {
  return [
    ...((target?.kind ?? '') !== '' && target.kind !== 'Node' ? [fieldErrors.notSupported('target.kind', target.kind, ['Node', '<empty>'])] : []),
    ...((target?.name ?? '') === '' ? [fieldErrors.required('target.name')] : []),
  ]
}

/** Adds `more` to a map of the pod's metadata. */
function merged(standing: Record<string, string> | undefined, more: Record<string, string> | undefined): Record<string, string> | undefined {
  return more === undefined || Object.keys(more).length === 0 ? standing : { ...standing, ...more }
}

/** The pod with its node: what `pods/binding` means (upstream `BindingREST.setPodNodeAndMetadata`); shares with `pod` what stays. Throws 409 for a pod that can't be bound. */
export function bindPod(pod: Pod, binding: Binding, nowMs: number): Pod {
  const name = pod.metadata.name!
  const refuse = (because: string): Error => errors.conflict(gr, name, because)
  const { annotations, labels } = binding.metadata
  if (pod.metadata.deletionTimestamp !== undefined) throw refuse(`pod ${name} is being deleted, cannot be assigned to a host`)
  if ((pod.spec.nodeName ?? '') !== '') throw refuse(`pod ${name} is already assigned to node ${JSON.stringify(pod.spec.nodeName)}`)
  if ((pod.spec.schedulingGates ?? []).length > 0) throw refuse(`pod ${name} has non-empty .spec.schedulingGates`)
  const bound = {
    ...pod,
    metadata: { ...pod.metadata, annotations: merged(pod.metadata.annotations, annotations), labels: merged(pod.metadata.labels, labels) },
    spec: { ...pod.spec, nodeName: binding.target.name! },
  } as Pod
  // Reason and message were the scheduler's words on why it had not found a node.
  return withCondition(bound, { type: 'PodScheduled', status: 'True' }, nowMs)
}

async function handle(context: SubresourceContext): Promise<ServerResponse> {
  const { core, info: { namespace, name }, user, dryRun } = context
  const binding = await context.readObject({ group: '', version: 'v1', kind: 'Binding' }) as unknown as Binding
  await context.prepare(binding as never, { keepsSystemFields: name !== '' })
  await context.admit('CREATE', binding, undefined, () => {
    if (name !== '' && binding.metadata.name !== name) throw errors.badRequest('name in URL does not match name in Binding object')
    // Upstream gives the bare errors.
    const texts = validate(binding).map((problem) => `${fieldErrorCause(problem).field}: ${fieldErrorText(problem)}`)
    if (texts.length > 0) throw errors.plain(texts.length === 1 ? texts[0]! : `[${texts.join(', ')}]`)
  })
  const pods = core.resource('pods')
  const nowMs = core.runtime.clock.now()
  const { name: podName = '', uid = '', resourceVersion = '' } = binding.metadata
  if (podName === '') throw errors.badRequest('Name parameter required.')
  await core.registry.update(pods, namespace, podName, (pod) => bindPod(pod as unknown as Pod, binding, nowMs) as never, { user, dryRun, subresource: 'binding', strategy: {}, preconditions: { uid, resourceVersion }, changesNothingGiven: true })
  return context.answer(success(undefined, 201) as never, 201)
}

/** `pods/NAME/binding`, and the older `bindings`. */
export const bindingHandlers: readonly SubresourceHandler[] = [
  { group: '', resource: 'pods', subresource: 'binding', handle },
  { group: '', resource: 'bindings', subresource: '', handle },
]
