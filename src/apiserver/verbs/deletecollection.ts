import { isReason } from '../../machinery/status.ts'
import type { ServerResponse } from '../context.ts'
import { deleteOptionsOf, warnOfDefaultPropagation } from '../delete-options.ts'
import { listOptionsOf } from '../list-options.ts'
import { negotiated, requireFit, warnIn, type VerbContext } from '../verb-context.ts'
import { answerPage, listPage } from './list.ts'

/** Deletions under way at once (upstream: `--delete-collection-workers` is 1; group commits make several cheap here). */
const workers = 16

/** DELETE of a collection: every object that the selectors name, each as if deleted alone. Answers with the list of them as they were. */
export async function deleteCollection(context: VerbContext): Promise<ServerResponse> {
  const { resource, server, user, info, request } = context
  const form = negotiated(context)
  requireFit(context, form, true)
  const options = await deleteOptionsOf(request, context.server.cbor, (body) => context.audit?.sent(body, resource))
  const { entries, meta } = await listPage(context, listOptionsOf(resource, { ...info, verb: 'list' }, request.query))
  const admission = { kind: 'DeleteOptions', apiVersion: 'meta.k8s.io/v1', ...options, dryRun: options.dryRun === true ? ['All'] : undefined }
  warnOfDefaultPropagation(resource.strategy, options, warnIn(context))
  const queue = [...entries].reverse()
  const work = async (): Promise<void> => {
    for (let entry = queue.pop(); entry !== undefined; entry = queue.pop()) {
      try {
        await server.registry.delete(resource, entry.namespace, entry.name, { ...options, user, admission, warn: warnIn(context), audit: context.audit, ofCollection: true })
      } catch (error) {
        // Somebody else may have been quicker: what is gone needs no deletion.
        if (!isReason(error, 'NotFound')) throw error
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(workers, entries.length) }, work))
  return await answerPage(context, form, { entries, meta: { resourceVersion: meta.resourceVersion } as typeof meta })
}
