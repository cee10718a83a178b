import { errors } from '../../machinery/status.ts'
import type { ServerResponse } from '../context.ts'
import { prepareViews, viewOf } from '../registry.ts'
import { parseRevision } from '../list-options.ts'
import { answerEntry, type VerbContext } from '../verb-context.ts'
import type { WatchCache } from '../watch-cache.ts'

/** GET of one object. Without resourceVersion it sees every acknowledged write; `0` takes what the cache has, else at least that revision. */
export function get(context: VerbContext): ServerResponse | Promise<ServerResponse> {
  const { resource, server, request } = context
  const { caches } = server
  if (request.query.size > 0 && request.query.has('export')) refuseExport(request.query.get('export')!)
  const asked = request.query.size === 0 ? '' : (request.query.get('resourceVersion') ?? '')
  if (asked !== '') return caches.cache(resource.storagePrefix).then(async (cache) => {
    await caches.waitFor(cache, parseRevision(asked))
    return answerFrom(context, cache)
  })
  const cache = caches.freshNow(resource.storagePrefix)
  return cache === undefined ? caches.fresh(resource.storagePrefix).then((loaded) => answerFrom(context, loaded)) : answerFrom(context, cache)
}

/** The parameter is gone since 1.21, and not silently. */
function refuseExport(value: string): void {
  if (value !== '0' && value.toLowerCase() !== 'false') throw errors.badRequest('the export parameter, deprecated since v1.14, is no longer supported')
}

function answerFrom(context: VerbContext, cache: WatchCache): ServerResponse | Promise<ServerResponse> {
  const { info, resource } = context
  const entry = cache.entries.get(resource.namespaced ? `${info.namespace}/${info.name}` : info.name)
  if (entry === undefined) throw errors.noObject(resource, info.name)
  if (resource.convert !== undefined) return prepareViews(resource, [entry]).then(() => answerEntry(context, entry, viewOf(resource, entry)))
  return answerEntry(context, entry, viewOf(resource, entry))
}
