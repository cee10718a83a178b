import { errors } from '../../machinery/status.ts'
import type { ServerResponse } from '../context.ts'
import { answerOutcome, fieldManagement, kindOf, readObject, warnIn, writeParameters, type VerbContext } from '../verb-context.ts'
import { withoutDuplicateOwners } from '../owner-references.ts'

/** POST to a collection. */
export async function create(context: VerbContext): Promise<ServerResponse> {
  const { resource, info, request, server, user } = context
  if (resource.namespaced && info.namespace === '') throw errors.badRequest('namespace required: a create must be sent to /namespaces/NAMESPACE/…')
  const { dryRun, validation, options } = writeParameters(request.query, 'CreateOptions')
  const object = await readObject(context, kindOf(resource), validation)
  withoutDuplicateOwners(object, warnIn(context))
  const outcome = await server.registry.createEntry(resource, info.namespace, object, { user, dryRun, admission: options, warn: warnIn(context), audit: context.audit, manageFields: fieldManagement(context) })
  return answerOutcome(context, outcome)
}
