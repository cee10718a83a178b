import type { KubeObject } from '../machinery/object.ts'
import { keyOf } from '../machinery/object.ts'
import { isReason } from '../machinery/status.ts'
import { withCauses, type Cause } from '../runtime/causes.ts'
import type { Running, Runtime } from '../runtime/runtime.ts'
import type { Informer } from './informer.ts'
import { createWorkQueue, type BackOff } from './queue.ts'
import { TerminalError, type ReconcileKey, type Reconciler } from './reconciler.ts'

/** Wakes a key; `cause` is the change that did it. */
export type Wake = (key: ReconcileKey, cause?: Cause, delayMs?: number) => void

/** Something that wakes keys, and is ready before the first reconcile runs. */
export interface Source {
  readonly synced: Promise<void>
  start(wake: Wake): Disposable
}

/** Keys to wake for a change; the object's own key where left out. `object` is undefined after a deletion, `old` before an addition. */
export type KeysOf<T> = (object: T | undefined, old: T | undefined) => Iterable<ReconcileKey>

export function causeOf(kind: string, object: KubeObject): Cause {
  const { namespace, name = '', resourceVersion = '' } = object.metadata
  return namespace === undefined ? { kind, name, resourceVersion } : { kind, namespace, name, resourceVersion }
}

/** Changes of an informer's objects as a source. */
export function watching<T extends KubeObject>(informer: Informer<T>, keysOf?: KeysOf<T>): Source {
  return {
    synced: informer.synced,
    start: (wake) => informer.onChange((object, old) => {
      const seen = (object ?? old)!
      if (keysOf === undefined) return wake(keyOf(seen), causeOf(informer.type.kind, seen))
      // Most changes wake nobody.
      let cause: Cause | undefined
      for (const key of keysOf(object, old)) wake(key, (cause ??= causeOf(informer.type.kind, seen)))
    }),
  }
}

/** Wakes `key` every `periodMs`, the first time at once. */
export function every(runtime: Runtime, periodMs: number, key = 'tick'): Source {
  return {
    synced: Promise.resolve(),
    start(wake) {
      wake(key)
      return runtime.clock.interval(periodMs, () => wake(key), { background: true })
    },
  }
}

/** An informer that reconciles read without being woken by it. */
export function reading(informer: Informer<never> | Informer): Source {
  return { synced: informer.synced, start: () => ({ [Symbol.dispose]: () => undefined }) }
}

export interface ControllerOptions {
  /** As in logs and causes: `deployment-controller`. */
  name: string
  runtime: Runtime
  sources: readonly Source[]
  reconcile: Reconciler
  /** Reconciles at once, each of another key; 5 where left out. */
  concurrency?: number
  backOff?: BackOff
  /**
   * Keeps a key whose reconcile is long from running all the time: it rests for `factor` times as long as its last run took, at most `maxMs`.
   * What wakes it meanwhile is taken together.
   */
  rest?: { factor: number; maxMs: number }
}

/** Causes kept per waiting key; a busy key needs no more to tell its story. */
const maxCauses = 8
/** Shorter rests are not worth a timer. */
const minRestMs = 10
const maxResting = 1000

/** Runs `reconcile` for every key that its sources wake, as `reconciler.ts` promises. Disposing it waits for reconciles under way. */
export function runController(options: ControllerOptions): Running {
  const { name, runtime, sources, reconcile, concurrency = 5 } = options
  const log = runtime.log.child({ controller: name })
  const queue = createWorkQueue(runtime.clock, options.backOff)
  const stopped = new AbortController()
  const causes = new Map<ReconcileKey, Cause[]>()
  const subscriptions: Disposable[] = []

  const wake: Wake = (key, cause, delayMs = 0) => {
    if (cause !== undefined) {
      const known = causes.get(key)
      if (known === undefined) causes.set(key, [cause])
      else if (known.length < maxCauses) known.push(cause)
    }
    queue.addAfter(key, delayMs)
  }

  const restingUntilMs = new Map<ReconcileKey, number>()
  /** True when the key is put off because it rests. */
  const rests = (key: ReconcileKey): boolean => {
    const untilMs = restingUntilMs.get(key)
    if (untilMs === undefined) return false
    const leftMs = untilMs - runtime.clock.monotonicMs()
    if (leftMs < 1) return !restingUntilMs.delete(key)
    queue.addAfter(key, leftMs)
    queue.done(key)
    return true
  }
  const noteRun = (key: ReconcileKey, beganMs: number): void => {
    if (options.rest === undefined) return
    const nowMs = runtime.clock.monotonicMs()
    const restMs = Math.min((nowMs - beganMs) * options.rest.factor, options.rest.maxMs)
    if (restMs >= minRestMs) restingUntilMs.set(key, nowMs + restMs)
    // Keys that are gone are never asked for again.
    if (restingUntilMs.size > maxResting) for (const [known, untilMs] of restingUntilMs) if (untilMs < nowMs) restingUntilMs.delete(known)
  }

  const carryOut = async (key: ReconcileKey): Promise<void> => {
    if (rests(key)) return
    const beganMs = runtime.clock.monotonicMs()
    const woken = causes.get(key) ?? []
    causes.delete(key)
    try {
      const result = await withCauses({ actor: name, causes: woken }, () => reconcile(key, stopped.signal))
      queue.forget(key)
      if (result?.requeueAfterMs !== undefined) queue.addAfter(key, result.requeueAfterMs)
    } catch (error) {
      if (stopped.signal.aborted) return
      if (error instanceof TerminalError) {
        log.error('reconcile failed; it waits for a change', { key, err: error })
        return queue.forget(key)
      }
      // The cache was behind, or the object has just gone: the next try sees the new state.
      const expected = isReason(error, 'Conflict', 'NotFound')
      log[expected ? 'debug' : 'warn']('reconcile failed; trying again', { key, failures: queue.failures(key) + 1, err: error })
      queue.addRateLimited(key)
    } finally {
      noteRun(key, beganMs)
      queue.done(key)
    }
  }
  const work = async (): Promise<void> => {
    for (let key = await queue.take(); key !== undefined; key = await queue.take()) await carryOut(key)
  }
  const aborted = new Promise<void>((resolve) => stopped.signal.addEventListener('abort', () => resolve(), { once: true }))
  const run = async (): Promise<void> => {
    try {
      await Promise.race([aborted, Promise.all(sources.map((source) => source.synced))])
    } catch (error) {
      log.debug('stopped before its informers were in sync', { err: error })
      return
    }
    if (stopped.signal.aborted) return
    for (const source of sources) subscriptions.push(source.start(wake))
    await Promise.all(Array.from({ length: concurrency }, work))
  }
  const done = run()
  return {
    done,
    async [Symbol.asyncDispose]() {
      stopped.abort(new Error(`the ${name} was stopped`))
      for (const subscription of subscriptions) subscription[Symbol.dispose]()
      queue.shutDown()
      await done
    },
  }
}
