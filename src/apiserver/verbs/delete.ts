import { answersDeletedObject } from '../../api/resource.ts'
import { success } from '../../machinery/status.ts'
import type { ServerResponse } from '../context.ts'
import { deleteOptionsOf, warnOfDefaultPropagation } from '../delete-options.ts'
import { answerObject, warnIn, type VerbContext } from '../verb-context.ts'

/** DELETE of one object: the object while it waits for finalizers or its grace period, else a Status or the object as it was. */
export async function deleteOne(context: VerbContext): Promise<ServerResponse> {
  const { resource, info, server, user } = context
  const options = await deleteOptionsOf(context.request, context.server.cbor, (body) => context.audit?.sent(body, resource))
  const admission = { kind: 'DeleteOptions', apiVersion: 'meta.k8s.io/v1', ...options, dryRun: options.dryRun === true ? ['All'] : undefined }
  warnOfDefaultPropagation(resource.strategy, options, warnIn(context))
  const { object, removed } = await server.registry.delete(resource, info.namespace, info.name, { ...options, user, admission, warn: warnIn(context), audit: context.audit })
  if (!removed) return answerObject(context, object, options.orphanDependents === false ? 202 : 200)
  if (answersDeletedObject(resource)) return answerObject(context, object)
  const details = { name: info.name, ...(resource.group === '' ? {} : { group: resource.group }), kind: resource.resource, ...(object.metadata.uid === undefined ? {} : { uid: object.metadata.uid }) }
  return answerObject(context, success(details))
}
