import type { OpenObject } from '../../machinery/object.ts'
import { errors } from '../../machinery/status.ts'
import { attributesOf, requireAllowed } from '../authentication-filter.ts'
import { cloneJson } from '../clone.ts'
import type { ServerResponse } from '../context.ts'
import { withoutDuplicateOwners } from '../owner-references.ts'
import { answerOutcome, fieldManagement, kindOf, readObject, strategyOf, warnIn, writeParameters, type VerbContext } from '../verb-context.ts'

/** PUT of an object, or of a subresource that writes its parent (`status`). */
export async function update(context: VerbContext): Promise<ServerResponse> {
  const { resource, info, request, server, user, subresource } = context
  const { dryRun, validation, options } = writeParameters(request.query, 'UpdateOptions')
  const object = await readObject(context, kindOf(resource), validation)
  checkNames(object, info.name, info.namespace)
  withoutDuplicateOwners(object, warnIn(context))
  const mayCreate = subresource === undefined && resource.strategy.allowCreateOnUpdate === true
  const createFrom = async (): Promise<OpenObject> => {
    await requireAllowed(server.core.authorize, attributesOf(user, { ...info, verb: 'create' }, request.query))
    return cloneJson(object)
  }
  const outcome = await server.registry.updateEntry(resource, info.namespace, info.name, () => cloneJson(object), {
    user, dryRun, admission: options, warn: warnIn(context), audit: context.audit, subresource: info.subresource, strategy: strategyOf(context), manageFields: fieldManagement(context),
    preconditions: { uid: object.metadata.uid ?? '' }, changesNothingGiven: true, ...(mayCreate ? { createFrom } : {}),
  })
  return answerOutcome(context, outcome)
}

/** The object must be the one that the URL names. */
export function checkNames(object: OpenObject, name: string, namespace: string): void {
  const given = object.metadata.name ?? ''
  if (given === '') throw errors.badRequest(`the name of the object (${name} based on URL) was undeterminable: name must be provided`)
  if (given !== name) throw errors.badRequest(`the name of the object (${given}) does not match the name on the URL (${name})`)
  const givenNamespace = object.metadata.namespace ?? ''
  if (namespace !== '' && givenNamespace !== '' && givenNamespace !== namespace) {
    throw errors.badRequest('the namespace of the provided object does not match the namespace sent on the request')
  }
}
