import { fieldErrorCause, fieldErrors } from '../../machinery/field-error.ts'
import type { JsonObject } from '../../machinery/json-value.ts'
import type { OpenObject } from '../../machinery/object.ts'
import { StatusError, errors } from '../../machinery/status.ts'
import { fitObject, type FieldValidation } from '../body.ts'
import { cloneJson } from '../clone.ts'
import type { ServerResponse } from '../context.ts'
import { withoutDuplicateOwners } from '../owner-references.ts'
import { readPatch, type Patch } from '../patch-body.ts'
import { answerOutcome, bodyType, kindOf, strategyOf, warnIn, writeParameters, type VerbContext } from '../verb-context.ts'
import { checkNames } from './update.ts'
import type { BodyKind } from '../subresources.ts'

/**
 * PATCH of an object, or of a subresource that writes its parent. A patch is applied anew when somebody else wrote in
 * between; only one that names a resourceVersion conflicts.
 */
export async function patch(context: VerbContext): Promise<ServerResponse> {
  const { resource, info, request, server, user } = context
  const { dryRun, validation, options } = writeParameters(request.query, 'PatchOptions')
  const sent = await readPatch(request, resource)
  const change = (current: OpenObject): OpenObject => {
    const object = patched(context, sent, current as unknown as JsonObject, kindOf(resource), validation)
    checkNames(object, info.name, info.namespace)
    withoutDuplicateOwners(object, warnIn(context))
    return object
  }
  const outcome = await server.registry.updateEntry(resource, info.namespace, info.name, change, {
    user, dryRun, admission: options, warn: warnIn(context), subresource: info.subresource, strategy: strategyOf(context),
  })
  return answerOutcome(context, outcome)
}

/** The result of a patch, fitted to its type. */
export function patched(context: VerbContext, sent: Patch, current: JsonObject, kind: BodyKind, validation: FieldValidation): OpenObject {
  // Patch values are shared between retries, and what they leave alone with `current`: fitting works in place.
  const result = cloneJson(sent.apply(current))
  const refuse = (problem: string): StatusError =>
    errors.invalid({ group: '', kind: '' }, '', [fieldErrorCause(fieldErrors.invalid('patch', sent.text, problem))])
  const apiVersion = current.apiVersion
  if (result.kind !== current.kind || result.apiVersion !== apiVersion) {
    throw errors.badRequest(`the patch changes kind or apiVersion, which cannot change: ${String(result.kind)} in ${String(result.apiVersion)} is not ${String(current.kind)} in ${String(apiVersion)}`)
  }
  try {
    return fitObject(result, { expected: kind, type: bodyType(context.resource, kind), validation, warn: warnIn(context), prune: context.resource.custom?.prune })
  } catch (cause) {
    if (cause instanceof StatusError && cause.reason === 'BadRequest') throw refuse(cause.message.replace(/^.* cannot be handled as a [^:]*: /, ''))
    throw cause
  }
}
