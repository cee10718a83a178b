import type { KubeObject, WatchEvent } from '../machinery/object.ts'
import { StatusError, isReason } from '../machinery/status.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Client, ResourceType } from './client.ts'

/**
 * Where a reflector puts what it sees. `replace` is the whole content as of one revision, in place of all that came before;
 * `apply` is what changed since, in order, without bookmarks and errors.
 */
export interface ReflectorSink<T extends KubeObject> {
  replace(objects: T[]): void
  apply(events: WatchEvent<T>[]): void
}

export interface ReflectorOptions<T extends KubeObject> {
  client: Client
  runtime: Runtime
  type: ResourceType<T>
  namespace?: string
  labelSelector?: string
  fieldSelector?: string
  metadataOnly?: boolean
  signal: AbortSignal
}

/** client-go's reflector back-off: 800 ms doubling up to 30 s, each up to doubled by jitter, from the start again after two quiet minutes. */
const backOffMs = { base: 800, max: 30_000, resetAfter: 120_000 }
/** The server ends a watch after 5 to 10 minutes, so that watches spread over API servers. */
const minWatchSeconds = 300
const pageSize = 500
/** A watch that ends within this time without an event did not do its work: the next one waits. */
const shortWatchMs = 1000

/**
 * Keeps `sink` equal to a collection until the signal aborts: lists (as a stream where the server can, else in pages), then watches from
 * there, resuming by resourceVersion, and lists anew when that has expired. Never rejects; what fails is logged and tried again.
 */
export async function runReflector<T extends KubeObject>(options: ReflectorOptions<T>, sink: ReflectorSink<T>): Promise<void> {
  const { runtime, signal, type } = options
  const state: State = { resourceVersion: '', listed: false, streams: true }
  let delayMs = backOffMs.base
  let failedAtMs = -Infinity
  while (!signal.aborted) {
    const beganAtMs = runtime.clock.monotonicMs()
    try {
      const eventCount = await listOrWatch(options, sink, state)
      if (eventCount > 0 || runtime.clock.monotonicMs() - beganAtMs >= shortWatchMs) continue
    } catch (error) {
      if (signal.aborted) return
      if (isReason(error, 'Expired', 'Gone')) {
        // Too old to resume: list anew, from what is newest.
        runtime.log.debug('watch expired; listing anew', { resource: type.resource })
        state.resourceVersion = ''
        state.listed = false
        continue
      }
      runtime.log[isTransient(error) ? 'debug' : 'warn'](`cannot list or watch ${type.resource}; trying again`, { resource: type.resource, group: type.group, err: error })
    }
    const nowMs = runtime.clock.monotonicMs()
    if (nowMs - failedAtMs > backOffMs.resetAfter) delayMs = backOffMs.base
    failedAtMs = nowMs
    await pause(options, delayMs * (1 + runtime.random.next()))
    delayMs = Math.min(delayMs * 2, backOffMs.max)
  }
}

interface State { resourceVersion: string; listed: boolean; /** The server knows `sendInitialEvents`. */ streams: boolean }

/** No answer came, or one that says to come back: the server restarts or is busy. */
function isTransient(error: unknown): boolean {
  return !(error instanceof StatusError) || error.code === 429 || error.code >= 500
}

async function pause<T extends KubeObject>({ runtime, signal }: ReflectorOptions<T>, delayMs: number): Promise<void> {
  try {
    await runtime.clock.sleep(delayMs, signal)
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

/** One watch, with a list before it where there is none yet. Answers how many events came. */
async function listOrWatch<T extends KubeObject>(options: ReflectorOptions<T>, sink: ReflectorSink<T>, state: State): Promise<number> {
  if (!state.listed && !state.streams) await listPages(options, sink, state)
  if (state.listed) return watchFrom(options, sink, state, false)
  try {
    return await watchFrom(options, sink, state, true)
  } catch (error) {
    if (state.listed || !isReason(error, 'Invalid', 'BadRequest', 'Forbidden', 'MethodNotAllowed')) throw error
    state.streams = false
    await listPages(options, sink, state)
    return 1
  }
}

async function listPages<T extends KubeObject>(options: ReflectorOptions<T>, sink: ReflectorSink<T>, state: State): Promise<void> {
  const { client, type, namespace, labelSelector, fieldSelector, metadataOnly, signal } = options
  const items: T[] = []
  let token: string | undefined
  do {
    const page = await client.list(type, { namespace, labelSelector, fieldSelector, metadataOnly, signal, limit: pageSize, continue: token })
    items.push(...page.items)
    token = page.metadata.continue
    state.resourceVersion = page.metadata.resourceVersion ?? ''
  } while (token !== undefined && token !== '')
  state.listed = true
  sink.replace(items)
}

async function watchFrom<T extends KubeObject>(options: ReflectorOptions<T>, sink: ReflectorSink<T>, state: State, initial: boolean): Promise<number> {
  const { client, runtime, type, namespace, labelSelector, fieldSelector, metadataOnly, signal } = options
  // Leaving the loop by an error must also end the watch behind it.
  const ended = new AbortController()
  const watch = client.watch(type, {
    namespace, labelSelector, fieldSelector, metadataOnly,
    resourceVersion: state.resourceVersion,
    allowWatchBookmarks: true,
    withoutManagedFields: true,
    timeoutSeconds: Math.floor(minWatchSeconds * (1 + runtime.random.next())),
    ...(initial ? { sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan' as const } : {}),
    signal: AbortSignal.any([signal, ended.signal]),
  })
  let eventCount = 0
  let listing: Map<string, T> | undefined = initial ? new Map() : undefined
  try {
    for await (const batch of watch) {
      eventCount += batch.length
      const changes: WatchEvent<T>[] = []
      for (const event of batch) {
        const { metadata } = event.object
        if (listing === undefined) {
          if (event.type !== 'BOOKMARK') changes.push(event)
          if (metadata.resourceVersion !== undefined) state.resourceVersion = metadata.resourceVersion
        } else if (event.type === 'BOOKMARK') {
          if (metadata.annotations?.['k8s.io/initial-events-end'] !== 'true') continue
          sink.replace([...listing.values()])
          listing = undefined
          state.listed = true
          state.resourceVersion = metadata.resourceVersion ?? ''
        } else {
          const key = `${metadata.namespace ?? ''}/${metadata.name ?? ''}`
          if (event.type === 'DELETED') listing.delete(key)
          else listing.set(key, event.object)
        }
      }
      if (changes.length > 0) sink.apply(changes)
    }
  } finally {
    ended.abort()
  }
  return eventCount
}
