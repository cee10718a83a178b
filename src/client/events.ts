import type { Event } from '../api/types/core_v1.ts'
import { timeText, type KubeObject } from '../machinery/object.ts'
import { StatusError, isReason } from '../machinery/status.ts'
import type { Running, Runtime } from '../runtime/runtime.ts'
import type { Client } from './client.ts'
import { events } from './resources.ts'

/** What an event is about. `fieldPath` names a part: `spec.containers{web}`. */
export interface EventTarget { apiVersion: string; kind: string; namespace?: string; name: string; uid?: string; resourceVersion?: string; fieldPath?: string }

/**
 * Writes core/v1 Events in the background, correlated as client-go's `EventCorrelator` does:
 * 1. The same event again raises `count` of the one that stands.
 * 2. More than 10 events within 10 minutes that differ in their message only become one, `(combined from similar events): …`.
 * 3. One object gets at most 25 events of a source at once, and one every 5 minutes from then on.
 * 4. At most 1000 events wait to be written; further ones are dropped. A recorder never delays nor fails its caller.
 */
export interface EventRecorder {
  event(target: EventTarget, type: 'Normal' | 'Warning', reason: string, message: string): void
}

export interface RunningEventRecorder extends EventRecorder, Running {
  /** Resolves when everything recorded so far is written or given up. */
  flush(): Promise<void>
}

export interface EventRecorderOptions {
  client: Client
  runtime: Runtime
  /** `deployment-controller`, `kubelet`, `default-scheduler`. */
  component: string
  /** The node the component runs on, where that says something (kubelet). */
  host?: string
}

/** The target for an object whose apiVersion and kind may be left out because its type is known. */
export function targetOf(type: { group: string; version: string; kind: string }, object: KubeObject, fieldPath?: string): EventTarget {
  const { namespace, name = '', uid, resourceVersion } = object.metadata
  return {
    apiVersion: type.group === '' ? type.version : `${type.group}/${type.version}`, kind: type.kind, name,
    ...(namespace === undefined ? {} : { namespace }), ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }), ...(fieldPath === undefined ? {} : { fieldPath }),
  }
}

const maxQueued = 1000
const maxKnown = 4096
const similar = { max: 10, withinMs: 10 * 60_000 }
const spam = { burst: 25, refillMs: 5 * 60_000 }
const maxAttempts = 12
const retryMs = 10_000
/** Events are written this many at once, each series in order. */
const writers = 4

interface Recorded { target: EventTarget; type: 'Normal' | 'Warning'; reason: string; message: string; atMs: number }
interface Series { count: number; firstTimestamp: string; name: string }
interface Similar { messages: Set<string>; lastMs: number }

/** A map that forgets what was used longest ago. */
class RecentMap<V> {
  private readonly entries = new Map<string, V>()
  get(key: string): V | undefined {
    const value = this.entries.get(key)
    if (value !== undefined) this.set(key, value)
    return value
  }
  set(key: string, value: V): void {
    this.entries.delete(key)
    this.entries.set(key, value)
    if (this.entries.size > maxKnown) this.entries.delete(this.entries.keys().next().value!)
  }
}

/** Decides what becomes of an event; see the rules at `EventRecorder`. */
class Correlator {
  private readonly buckets = new RecentMap<{ tokens: number; atMs: number }>()
  private readonly similars = new RecentMap<Similar>()
  readonly series = new RecentMap<Series>()

  /** Key of the series that the event belongs to, and its message; undefined when it is dropped. */
  correlate(event: Recorded): { key: string; message: string } | undefined {
    const { target: t, type, reason, atMs } = event
    const object = [t.kind, t.namespace, t.name, t.uid, t.apiVersion].join('\0')
    const about = [object, t.fieldPath, type, reason].join('\0')
    const known = this.similars.get(about)
    const group = known === undefined || atMs - known.lastMs > similar.withinMs ? { messages: new Set<string>(), lastMs: atMs } : known
    if (group.messages.size < similar.max) group.messages.add(event.message)
    group.lastMs = atMs
    this.similars.set(about, group)
    const combined = group.messages.size >= similar.max
    if (!this.allow(object, atMs)) return undefined
    return combined ? { key: about, message: `(combined from similar events): ${event.message}` } : { key: `${about}\0${event.message}`, message: event.message }
  }

  private allow(object: string, atMs: number): boolean {
    const bucket = this.buckets.get(object) ?? { tokens: spam.burst, atMs }
    bucket.tokens = Math.min(spam.burst, bucket.tokens + (atMs - bucket.atMs) / spam.refillMs)
    bucket.atMs = atMs
    this.buckets.set(object, bucket)
    if (bucket.tokens < 1) return false
    bucket.tokens--
    return true
  }
}

export function createEventRecorder(options: EventRecorderOptions): RunningEventRecorder {
  const { runtime } = options
  const log = runtime.log.child({ component: options.component })
  const stopped = new AbortController()
  const correlator = new Correlator()
  const queues = Array.from({ length: writers }, (): Array<() => Promise<void>> => [])
  const busy: Array<Promise<void> | undefined> = queues.map(() => undefined)
  let queued = 0
  let dropped = 0
  let sequence = 0

  const drain = async (lane: number): Promise<void> => {
    for (let work = queues[lane]!.shift(); work !== undefined; work = queues[lane]!.shift()) {
      if (!stopped.signal.aborted) await work()
      queued--
    }
    busy[lane] = undefined
  }
  const enqueue = (key: string, work: () => Promise<void>): void => {
    const lane = laneOf(key)
    queued++
    queues[lane]!.push(work)
    // Detached from the caller: what it is woken by is not what writes the event.
    busy[lane] ??= Promise.resolve().then(() => drain(lane))
  }

  return {
    event(target, type, reason, message) {
      if (stopped.signal.aborted) return
      if (queued >= maxQueued) {
        // Said when it begins and when it is over: a line for each would slow down what is too slow already.
        if (dropped++ === 0) log.warn('too many events wait to be written; further ones are dropped', { reason, name: target.name })
        return
      }
      if (dropped > 0 && queued < maxQueued / 2) {
        log.warn('events are written again', { dropped })
        dropped = 0
      }
      const recorded: Recorded = { target, type, reason, message, atMs: runtime.clock.now() }
      const place = correlator.correlate(recorded)
      if (place === undefined) return
      const nanos = BigInt(Math.floor(recorded.atMs)) * 1_000_000n + BigInt(sequence++ % 1_000_000)
      enqueue(place.key, () => writeEvent(options, log, stopped.signal, correlator, { ...recorded, message: place.message }, place.key, nanos.toString(16)))
    },
    async flush() {
      await Promise.all(busy)
    },
    done: new Promise((resolve) => stopped.signal.addEventListener('abort', () => resolve(), { once: true })),
    async [Symbol.asyncDispose]() {
      stopped.abort(new Error('the event recorder was stopped'))
      await Promise.all(busy)
    },
  }
}

function laneOf(key: string): number {
  let sum = 0
  for (let at = 0; at < key.length; at++) sum = (sum * 31 + key.charCodeAt(at)) | 0
  return Math.abs(sum) % writers
}

/** One event to the server: a patch of its series, or a new one. Gives up after a while; an event is never worth stopping for. */
async function writeEvent(options: EventRecorderOptions, log: Runtime['log'], signal: AbortSignal, correlator: Correlator, recorded: Recorded, key: string, suffix: string): Promise<void> {
  const namespace = recorded.target.namespace === undefined || recorded.target.namespace === '' ? 'default' : recorded.target.namespace
  const timestamp = timeText(recorded.atMs)
  for (let attempt = 1; attempt <= maxAttempts; attempt++) {
    try {
      const known = correlator.series.get(key)
      if (known !== undefined) {
        try {
          const count = known.count + 1
          await options.client.patch(events, namespace, known.name, 'strategic', { count, lastTimestamp: timestamp, message: recorded.message }, { signal })
          correlator.series.set(key, { ...known, count })
          return
        } catch (error) {
          // It has outlived its time on the server: it begins anew, with its count.
          if (!isReason(error, 'NotFound')) throw error
        }
      }
      const series: Series = { count: (known?.count ?? 0) + 1, firstTimestamp: known?.firstTimestamp ?? timestamp, name: `${recorded.target.name}.${suffix}` }
      await options.client.create(events, eventOf(options, recorded, namespace, series, timestamp), { signal })
      correlator.series.set(key, series)
      return
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof StatusError && error.code < 500 && error.code !== 429) {
        // Refused (its namespace ends, no right): sending it again would be refused again.
        return log.debug('event refused', { reason: recorded.reason, name: recorded.target.name, err: error })
      }
      log.debug('cannot write an event; trying again', { reason: recorded.reason, attempt, err: error })
      await options.runtime.clock.sleep(attempt === 1 ? retryMs * options.runtime.random.next() : retryMs, signal).catch((aborted: unknown) => {
        if (!signal.aborted) throw aborted
      })
      if (signal.aborted) return
    }
  }
  log.warn('an event could not be written', { reason: recorded.reason, name: recorded.target.name })
}

function eventOf({ component, host }: EventRecorderOptions, recorded: Recorded, namespace: string, series: Series, lastTimestamp: string): Event {
  const { target, type, reason, message } = recorded
  return {
    apiVersion: 'v1', kind: 'Event',
    metadata: { name: series.name, namespace },
    involvedObject: { ...target },
    reason, message, type,
    source: { component, ...(host === undefined ? {} : { host }) },
    firstTimestamp: series.firstTimestamp, lastTimestamp, count: series.count,
    reportingComponent: component, reportingInstance: host ?? '',
  }
}
