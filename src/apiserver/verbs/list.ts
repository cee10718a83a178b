import { apiVersionOf } from '../../api/resource.ts'
import type { ListMeta } from '../../machinery/object.ts'
import { errors } from '../../machinery/status.ts'
import { CompactedError, FutureRevisionError, prefixEnd } from '../../store/store.ts'
import type { ServerResponse } from '../context.ts'
import { decodeContinue, encodeContinue } from '../continue-token.ts'
import { listOptionsOf, parseListRevision, type ListOptions } from '../list-options.ts'
import { bodyOf } from '../long-body.ts'
import { prepareViews, selectionView, storedSelection, viewOf } from '../registry.ts'
import { selects } from '../selection.ts'
import { entryOf, type StoredEntry } from '../stored-object.ts'
import { isDirect, negotiated, representation, requireFit, type VerbContext } from '../verb-context.ts'
import { tooLarge } from '../watch-caches.ts'

const tooOldList = 'The resourceVersion for the provided list is too old.'
const tooOldContinue = 'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.'
/** Keys read from the store at a time, for states that the cache no longer has. */
const storePageKeys = 1000

/** A list or a part of one. */
export interface ListPage { entries: StoredEntry[]; meta: ListMeta }

/** GET of a collection, by the table at https://kubernetes.io/docs/reference/using-api/api-concepts/#semantics-for-get-and-list. */
export async function list(context: VerbContext): Promise<ServerResponse> {
  const { resource } = context
  const form = negotiated(context)
  requireFit(context, form, true)
  return await answerPage(context, form, await listPage(context, listOptionsOf(resource, context.info, context.request.query)))
}

/** A list in the form that was asked for. */
export async function answerPage(context: VerbContext, form: ReturnType<typeof negotiated>, page: ListPage): Promise<ServerResponse> {
  const { resource } = context
  if (resource.convert !== undefined) await prepareViews(resource, page.entries)
  if (isDirect(context)) {
    const items = page.entries.map((entry) => viewOf(resource, entry))
    return { status: 200, headers: {}, value: { kind: resource.listKind, apiVersion: apiVersionOf(resource), metadata: page.meta, items } }
  }
  const shape = representation(context, form)
  return { status: 200, headers: { 'content-type': shape.contentType }, ...bodyOf(shape.list(page.entries, page.meta)) }
}

export async function listPage(context: VerbContext, options: ListOptions): Promise<ListPage> {
  const { caches } = context.server
  const { storagePrefix } = context.resource
  const { resourceVersion, match, continueToken } = options
  if (continueToken !== '') return await continued(context, options)
  if (resourceVersion === '') return fromCache(context, options, await caches.fresh(storagePrefix), '', options.limit)
  const revision = parseListRevision(resourceVersion)
  const cache = await caches.cache(storagePrefix)
  // Without resourceVersionMatch a limited list at a revision is exact; at "0" the limit does not hold (both as upstream).
  const exact = match === 'Exact' || (match === '' && options.limit > 0 && revision > 0)
  if (exact) return await atRevision(context, options, revision, '', tooOldList)
  await caches.waitFor(cache, revision)
  return fromCache(context, options, cache, '', revision === 0 ? 0 : options.limit)
}

async function continued(context: VerbContext, options: ListOptions): Promise<ListPage> {
  const { resourceVersion, continueToken } = options
  const { revision, startKey } = decodeContinue(continueToken)
  if (resourceVersion !== '' && resourceVersion !== '0') throw errors.badRequest('specifying resource version is not allowed when using continue')
  if (revision > 0) return await atRevision(context, options, revision, startKey, tooOldContinue)
  return fromCache(context, options, await context.server.caches.fresh(context.resource.storagePrefix), startKey, options.limit)
}

function fromCache(context: VerbContext, options: ListOptions, cache: Awaited<ReturnType<VerbContext['server']['caches']['cache']>>, startKey: string, limit: number, revision = cache.revision): ListPage {
  const { selection } = options
  const { resource } = context
  const entries: StoredEntry[] = []
  let more = false
  for (const entry of cache.select(storedSelection(resource, selection), selectionView(resource), startKey)) {
    if (limit > 0 && entries.length === limit) {
      more = true
      break
    }
    entries.push(entry)
  }
  cache.counts.lists++
  cache.counts.listed += entries.length
  const meta: ListMeta = { resourceVersion: String(revision) }
  if (more) {
    const nextKey = `${entries.at(-1)!.key}\0`
    meta.continue = encodeContinue({ revision, startKey: nextKey })
    if (selection.isWhole) meta.remainingItemCount = cache.count(selection.namespace, nextKey)
  }
  return { entries, meta }
}

/** The state at a revision: from the cache if nothing changed since, else from the store's history. */
async function atRevision(context: VerbContext, options: ListOptions, revision: number, startKey: string, tooOldText: string): Promise<ListPage> {
  const { caches, core } = context.server
  const { resource } = context
  const { selection, limit } = options
  const cache = await caches.fresh(resource.storagePrefix)
  if (cache.isUnchangedSince(revision)) return fromCache(context, options, cache, startKey, limit, revision)
  const scope = selection.namespace === '' ? resource.storagePrefix : `${resource.storagePrefix}${selection.namespace}/`
  const end = prefixEnd(scope)
  let start = `${resource.storagePrefix}${startKey}` > scope ? `${resource.storagePrefix}${startKey}` : scope
  const entries: StoredEntry[] = []
  try {
    for (;;) {
      const { kvs, more, count } = await core.store.range(start, end, { revision, limit: storePageKeys })
      for (const [at, kv] of kvs.entries()) {
        const entry = entryOf(kv, resource.storagePrefix)
        if (!selects(selection, entry, selectionView(resource))) continue
        if (limit > 0 && entries.length === limit) {
          const meta: ListMeta = { resourceVersion: String(revision), continue: encodeContinue({ revision, startKey: `${entries.at(-1)!.key}\0` }) }
          if (selection.isWhole) meta.remainingItemCount = count - at
          return { entries, meta }
        }
        entries.push(entry)
      }
      if (!more || kvs.length === 0) return { entries, meta: { resourceVersion: String(revision) } }
      start = `${kvs.at(-1)!.key}\0`
    }
  } catch (cause) {
    if (cause instanceof CompactedError) {
      throw errors.expired(tooOldText, startKey === '' ? undefined : encodeContinue({ revision: -1, startKey }))
    }
    if (cause instanceof FutureRevisionError) throw tooLarge(revision, cache.revision)
    throw cause
  }
}
