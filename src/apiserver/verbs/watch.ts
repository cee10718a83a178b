import type { WebSocket } from 'ws'
import type { ResourceDescription } from '../../api/resource.ts'
import type { WatchEvent } from '../../machinery/object.ts'
import { errors, toStatusError } from '../../machinery/status.ts'
import type { ServerRequest, ServerResponse } from '../context.ts'
import { listOptionsOf, parseRevision, type ListOptions } from '../list-options.ts'
import { wantsWebSocket } from '../connect/upgrade.ts'
import { acceptWebSocket, offeredProtocols } from '../connect/web-socket.ts'
import { sendMessage } from '../connect/web-socket-stream.ts'
import { metricSetOf } from '../metrics/metric-set.ts'
import type { Encoding, Negotiated } from '../negotiation.ts'
import { prepareViews, selectionView, storedSelection } from '../registry.ts'
import { errorFrame, eventOf, type Representation } from '../representation.ts'
import { isDirect, negotiated, representation, type VerbContext } from '../verb-context.ts'
import type { WatchCache } from '../watch-cache.ts'
import type { Watcher, WatchLine } from '../watcher.ts'

/** Watches without timeoutSeconds end after this time to twice as long (upstream: `--min-request-timeout`). */
const defaultMinTimeoutSeconds = 1800
/** Lines written at once are joined up to about this size. */
const chunkBytes = 256 << 10

/** GET with `watch=true`. What goes wrong once the options have been read is an ERROR event, as upstream answers. */
export async function watch(context: VerbContext): Promise<ServerResponse> {
  const { resource, info, request, server } = context
  const options = listOptionsOf(resource, { ...info, verb: 'watch' }, request.query)
  if (options.resourceVersion !== '') parseRevision(options.resourceVersion)
  const negotiatedForm = negotiated(context, true)
  // Events are no lists: who asks for those in part is sent whole objects.
  const form: Negotiated = negotiatedForm.as === 'PartialObjectMetadataList' ? { ...negotiatedForm, as: '', asVersion: '' } : negotiatedForm
  let watcher: Watcher
  try {
    watcher = await openWatcher(context, options)
  } catch (error) {
    const { status } = toStatusError(error)
    if (isDirect(context)) return { status: 200, headers: {}, events: once([{ type: 'ERROR', object: status }]) }
    if (request.upgrade !== undefined && wantsWebSocket(request)) {
      const webSocket = await accept(request)
      webSocket.send(messageOf(errorFrame(form.encoding, status), form.encoding), () => webSocket.close(1000))
      return { status: 101, headers: {}, hijacked: true }
    }
    return { status: 200, headers: { 'content-type': representation(context, form, true).watchContentType }, stream: once(errorFrame(form.encoding, status)) }
  }
  endWith(context, watcher, options)
  const begun = beginningOf(context, watcher, options)
  if (request.upgrade !== undefined && wantsWebSocket(request)) return { ...await overWebSocket(context, watcher, representation(context, form, true), form.encoding), ...begun }
  if (isDirect(context)) return { status: 200, headers: {}, events: eventsOf(context, watcher), ...begun }
  const shape = representation(context, form, true)
  server.core.runtime.log.debug('watch opened', { resource: resource.resource })
  return { status: 200, headers: { 'content-type': shape.watchContentType }, stream: framesOf(resource, watcher, shape, form.encoding), abandon: abandonOf(watcher), ...begun }
}

/** Resolves when what the watch begins with has been read; nothing where it begins with nothing. */
function beginningOf(context: VerbContext, watcher: Watcher, { sendInitialEvents }: ListOptions): { begun?: Promise<void> } {
  if (watcher.waiting === 0) return {}
  const { core } = context.server
  const { clock } = core.runtime
  const { group, version, resource } = context.resource
  const { name, namespace } = context.info
  const openedMs = clock.monotonicMs()
  return {
    begun: new Promise((resolve) => {
      watcher.onBegun = () => {
        if (sendInitialEvents === true) metricSetOf(core).observe('apiserver_watch_list_duration_seconds', (clock.monotonicMs() - openedMs) / 1000, group, version, resource, name !== '' ? 'resource' : namespace !== '' ? 'namespace' : 'cluster')
        resolve()
      }
    }),
  }
}

/** Watches know no subprotocols; whoever offers one is given it, for browsers insist on an answer. */
async function accept(request: ServerRequest): Promise<WebSocket> {
  const offered = offeredProtocols(request)
  if (offered.length > 1) throw errors.badRequest('a watch over a WebSocket takes one subprotocol at most')
  return await acceptWebSocket(request, offered[0] ?? '')
}

/** Frames of a byte stream begin with their length, which messages have of themselves. */
function messageOf(frame: Uint8Array, encoding: Encoding): Uint8Array | string {
  if (encoding === 'json') return Buffer.from(frame).toString('utf8')
  return encoding === 'protobuf' ? frame.subarray(4) : frame
}

/** Each event a message: text where the encoding is. */
async function overWebSocket(context: VerbContext, watcher: Watcher, shape: Representation, encoding: Encoding): Promise<ServerResponse> {
  const { request, resource, server } = context
  const webSocket = await accept(request).catch((error: unknown) => {
    watcher.end()
    throw error
  })
  webSocket.on('error', () => webSocket.terminate())
  webSocket.once('close', () => watcher.end())
  const send = async (): Promise<void> => {
    let isFirst = true
    for (let lines = await watcher.next(); lines !== undefined; lines = await watcher.next()) {
      if (resource.convert !== undefined) await prepareLines(resource, lines)
      for (const line of lines) {
        await sendMessage(webSocket, messageOf(shape.line(line, isFirst), encoding))
        isFirst = false
      }
    }
  }
  send().catch((err: unknown) => {
    if (webSocket.readyState === webSocket.OPEN) server.core.runtime.log.error('a watch over a WebSocket failed', { resource: resource.resource, err })
  }).finally(() => {
    watcher.end()
    webSocket.close(1000)
  })
  return { status: 101, headers: {}, hijacked: true }
}

async function* once<T>(value: T): AsyncGenerator<T> {
  yield value
}

/** A watcher that starts where the options say, with the initial state if they want it. */
async function openWatcher(context: VerbContext, options: ListOptions): Promise<Watcher> {
  const { caches } = context.server
  const { resource } = context
  const { resourceVersion, sendInitialEvents } = options
  const cache = resourceVersion === '' ? await caches.fresh(resource.storagePrefix) : await caches.cache(resource.storagePrefix)
  const revision = resourceVersion === '' ? 0 : parseRevision(resourceVersion)
  const withState = sendInitialEvents ?? revision === 0
  if (sendInitialEvents === true && revision > 0) await caches.waitFor(cache, revision)
  const from = withState || revision === 0 ? cache.revision : revision
  if (from < cache.oldestRevision) throw errors.expired(`too old resource version: ${from} (${cache.oldestRevision})`)
  const watcher = watchFrom(context, cache, options, from, withState)
  watcher.bookmarks = options.allowBookmarks
  if (sendInitialEvents === true && options.allowBookmarks) watcher.bookmark(cache.revision, true)
  return watcher
}

function watchFrom(context: VerbContext, cache: WatchCache, options: ListOptions, from: number, withState: boolean): Watcher {
  const { resource } = context
  const view = selectionView(resource)
  const selection = storedSelection(resource, options.selection)
  const watcher = cache.watch(selection, view, from)
  watcher.onRead = context.server.watchReader?.(resource)
  if (withState) for (const entry of cache.select(selection, view)) watcher.backlog({ type: 'ADDED', entry, initial: true })
  return watcher
}

/** Ends the watch when the client goes or its time is up; a bookmark says last how far it came. */
function endWith(context: VerbContext, watcher: Watcher, options: ListOptions): void {
  const { clock, random } = context.server.core.runtime
  const { signal } = context.request
  const seconds = options.timeoutSeconds !== undefined && options.timeoutSeconds > 0 ? options.timeoutSeconds : (context.server.minRequestTimeoutSeconds ?? defaultMinTimeoutSeconds) * (1 + random.next())
  const timer = clock.timer(seconds * 1000, () => {
    const cache = context.server.caches.peek(context.resource.storagePrefix)
    if (watcher.bookmarks && cache !== undefined) watcher.bookmark(cache.revision)
    watcher.end()
  }, { background: true })
  const end = (): void => watcher.end()
  signal.addEventListener('abort', end, { once: true })
  watcher.onEnd(() => {
    timer[Symbol.dispose]()
    signal.removeEventListener('abort', end)
  })
  if (signal.aborted) watcher.end()
}

/** A reader that fell too far behind is cut off: it would get no more than what it has not read for long. */
function abandonOf(watcher: Watcher): AbortSignal {
  const abandon = new AbortController()
  watcher.onEnd(() => {
    if (watcher.overflowed) abandon.abort()
  })
  return abandon.signal
}

async function* eventsOf(context: VerbContext, watcher: Watcher): AsyncGenerator<WatchEvent[]> {
  try {
    for (let lines = await watcher.next(); lines !== undefined; lines = await watcher.next()) {
      if (context.resource.convert !== undefined) await prepareLines(context.resource, lines)
      yield lines.map((line) => eventOf(context.resource, line))
    }
  } finally {
    watcher.end()
  }
}

/** Converts what the next events show, where that takes a webhook. */
async function prepareLines(resource: ResourceDescription, lines: readonly WatchLine[]): Promise<void> {
  await prepareViews(resource, lines.flatMap((line) => (line.type === 'BOOKMARK' ? [] : [line.entry])))
}

async function* framesOf(resource: ResourceDescription, watcher: Watcher, shape: Representation, encoding: Encoding): AsyncGenerator<Uint8Array> {
  let isFirst = true
  try {
    for (let lines = await watcher.next(); lines !== undefined; lines = await watcher.next()) {
      if (resource.convert !== undefined) await prepareLines(resource, lines)
      for (let from = 0; from < lines.length;) {
        const { bytes, upTo } = joined(lines, from, shape, isFirst)
        isFirst = false
        from = upTo
        yield bytes
      }
    }
  } catch (error) {
    yield errorFrame(encoding, toStatusError(error).status)
  } finally {
    watcher.end()
  }
}

interface Joined { bytes: Uint8Array; upTo: number }
interface Kept { last: WatchLine; count: number; shareKey: string; bytes: Uint8Array }

/** Joins made lately, by their first line: watchers that read the same lines are written the same bytes. */
const kept = new WeakMap<WatchLine, Kept>()

function joined(lines: readonly WatchLine[], from: number, shape: Representation, isFirst: boolean): Joined {
  const first = lines[from]!
  const last = lines.at(-1)!
  const rest = lines.length - from
  const known = shape.shareKey === undefined ? undefined : kept.get(first)
  if (known !== undefined && known.last === last && known.count === rest && known.shareKey === shape.shareKey) return { bytes: known.bytes, upTo: lines.length }
  const parts: Uint8Array[] = []
  let sizeBytes = 0
  let at = from
  while (at < lines.length && sizeBytes < chunkBytes) {
    const part = shape.line(lines[at]!, isFirst && at === from)
    parts.push(part)
    sizeBytes += part.length
    at++
  }
  const bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts, sizeBytes)
  if (shape.shareKey !== undefined && at === lines.length && parts.length > 1 && last.type !== 'BOOKMARK') kept.set(first, { last, count: rest, shareKey: shape.shareKey, bytes })
  return { bytes, upTo: at }
}
