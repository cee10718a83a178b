import { fieldErrorCause, fieldErrors } from '../../machinery/field-error.ts'
import type { JsonObject } from '../../machinery/json-value.ts'
import type { OpenObject } from '../../machinery/object.ts'
import { StatusError, errors } from '../../machinery/status.ts'
import { fitObject, type FieldValidation } from '../body.ts'
import { cloneJson } from '../clone.ts'
import type { ServerResponse } from '../context.ts'
import { withoutDuplicateOwners } from '../owner-references.ts'
import { patchKindOf, readPatch, type Patch } from '../patch-body.ts'
import { answerOutcome, bodyType, fieldManagement, kindOf, strategyOf, warnIn, writeParameters, type VerbContext } from '../verb-context.ts'
import { apply, isApply } from './apply.ts'
import { checkNames } from './update.ts'
import type { BodyKind } from '../subresources.ts'

/**
 * PATCH of an object, or of a subresource that writes its parent. A patch is applied anew when somebody else wrote in
 * between; only one that names a resourceVersion conflicts.
 */
export async function patch(context: VerbContext): Promise<ServerResponse> {
  if (isApply(context)) return await apply(context)
  const { resource, info, request, server, user } = context
  patchKindOf(request, resource)
  const { dryRun, validation, options } = writeParameters(request.query, 'PatchOptions')
  refuseForce(request.query)
  const sent = await readPatch(request, resource)
  context.audit?.sentPatch(sent.text)
  const mayTouchOwners = sent.kind === 'json' || /managedFields|\\u/.test(sent.text)
  const change = (current: Readonly<OpenObject>): OpenObject => {
    // Owners that the patch cannot mean need neither be merged nor checked: they are taken from what stands.
    const { managedFields: _owners, ...metadata } = current.metadata
    const object = patchedObject(context, sent, (mayTouchOwners ? current : { ...current, metadata }) as unknown as JsonObject, validation)
    checkNames(object, info.name, info.namespace)
    withoutDuplicateOwners(object, warnIn(context), true)
    return object
  }
  const outcome = await server.registry.updateEntry(resource, info.namespace, info.name, change, {
    user, dryRun, admission: options, warn: warnIn(context), audit: context.audit, subresource: info.subresource, strategy: strategyOf(context), manageFields: fieldManagement(context),
    changesNothingGiven: true,
  })
  return answerOutcome(context, outcome)
}

export function refuseForce(query: URLSearchParams): void {
  if (query.get('force') === null) return
  throw errors.invalid({ group: 'meta.k8s.io', kind: 'PatchOptions' }, '', [fieldErrorCause(fieldErrors.forbidden('force', 'may not be specified for non-apply patch'))])
}

/** The result of a patch of the object itself. */
function patchedObject(context: VerbContext, sent: Patch, current: JsonObject, validation: FieldValidation): OpenObject {
  const { resource, info } = context
  const patchAll = (object: JsonObject): OpenObject => patched(context, sent, object, kindOf(resource), validation)
  const named = resource.typeId === undefined ? undefined : sent.touched()
  // What `/status` does not write its strategy puts back as it was.
  return named === undefined ? patchAll(current) : patchNamed(current, named, info.subresource === 'status', patchAll)
}

const alwaysNamed = ['kind', 'apiVersion', 'metadata']

/**
 * The result of a patch that names but a few of the fields at the top: only these are given to `patch`, since the others, of an object
 * that fits its type, need neither be merged nor looked at. They are shared with `current`, or copies of what it has.
 */
export function patchNamed(current: JsonObject, named: readonly string[], share: boolean, patch: (part: JsonObject) => OpenObject): OpenObject {
  const isNamed = (name: string): boolean => named.includes(name) || alwaysNamed.includes(name)
  const names = Object.keys(current)
  if (names.every(isNamed)) return patch(current)
  const part: JsonObject = {}
  for (const name of names) if (isNamed(name)) part[name] = current[name]
  let object: OpenObject
  try {
    object = patch(part)
  } catch (error) {
    // What was wrong is told of the whole object.
    if (error instanceof StatusError) return patch(current)
    throw error
  }
  const whole: JsonObject = {}
  for (const name of names) {
    if (!isNamed(name)) whole[name] = share ? current[name] : cloneJson(current[name])
    else if (object[name] !== undefined) whole[name] = object[name]
  }
  for (const name of Object.keys(object)) if (!Object.hasOwn(current, name)) whole[name] = object[name]
  return whole as unknown as OpenObject
}

/** The result of a patch, fitted to its type. */
export function patched(context: VerbContext, sent: Patch, current: JsonObject, kind: BodyKind, validation: FieldValidation): OpenObject {
  // Patch values are shared between retries, and what they leave alone with `current`: fitting works in place.
  const result = cloneJson(sent.apply(current))
  sent.checkKind(result, kind)
  try {
    const problems = validation === 'Ignore' ? [] : sent.problems()
    return fitObject(result, { expected: kind, type: bodyType(context.resource, kind), validation, problems, warn: warnIn(context), prune: context.resource.custom?.prune })
  } catch (cause) {
    if (cause instanceof StatusError && cause.reason === 'BadRequest') throw sent.refusal(result, cause)
    throw cause
  }
}
