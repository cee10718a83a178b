import { errors } from '../../machinery/status.ts'
import type { ServerResponse } from '../context.ts'
import { prepareViews, viewOf } from '../registry.ts'
import { parseRevision } from '../list-options.ts'
import { answerEntry, type VerbContext } from '../verb-context.ts'

/** GET of one object. Without resourceVersion it sees every acknowledged write; `0` takes what the cache has, else at least that revision. */
export async function get(context: VerbContext): Promise<ServerResponse> {
  const { info, resource, server, request } = context
  const { caches } = server
  const asked = request.query.get('resourceVersion') ?? ''
  let cache
  if (asked === '') cache = caches.freshNow(resource.storagePrefix) ?? (await caches.fresh(resource.storagePrefix))
  else {
    cache = await caches.cache(resource.storagePrefix)
    await caches.waitFor(cache, parseRevision(asked))
  }
  const entry = cache.entries.get(resource.namespaced ? `${info.namespace}/${info.name}` : info.name)
  if (entry === undefined) throw errors.notFound(resource, info.name)
  if (resource.convert !== undefined) await prepareViews(resource, [entry])
  return answerEntry(context, entry, viewOf(resource, entry))
}
