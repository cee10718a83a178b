import { every, runController, type Source, type Wake } from '../../client/controller.ts'
import { discover, type DiscoveredResource } from '../../client/discovery.ts'
import { runReflector } from '../../client/reflector.ts'
import { keyOf, type KubeObject } from '../../machinery/object.ts'
import type { Running } from '../../runtime/runtime.ts'
import { together, type ControllerContext, type StartController } from '../context.ts'
import { Collector, type KindMap } from './collector.ts'
import { OwnerGraph } from './graph.ts'

/** Events own nothing and are owned by nothing, and there are many. */
const ignored = new Set(['events.', 'events.events.k8s.io'])
const discoveryPeriodMs = 30_000
/** After definitions of custom resources have changed: several often change together. */
const discoveryDelayMs = 200
const definitions = 'customresourcedefinitions.apiextensions.k8s.io'
/** A resource that cannot be listed holds the others up no longer than this. */
const syncTimeoutMs = 30_000

/** Follows every resource's metadata, and deletes or frees what its owners' end concerns. */
export const startGarbageCollector: StartController = (context) => {
  const { client, runtime, recorder } = context
  const wakes: Record<'delete' | 'orphan' | 'discover', Wake | undefined> = { delete: undefined, orphan: undefined, discover: undefined }
  const graph = new OwnerGraph({ tryDelete: (uid) => wakes.delete?.(uid), tryOrphan: (uid) => wakes.orphan?.(uid) })
  const kinds = new KindTable()
  const collector = new Collector(client, graph, kinds, recorder)
  const monitors = new Monitors(context, graph, kinds, () => wakes.discover?.('tick', undefined, discoveryDelayMs))
  const source = (which: 'delete' | 'orphan' | 'discover'): Source => ({
    synced: Promise.resolve(),
    start(wake) {
      wakes[which] = wake
      return { [Symbol.dispose]: () => void (wakes[which] = undefined) }
    },
  })
  const name = 'garbage-collector-controller'
  const ready = (): Promise<void> => monitors.synced
  return together(
    runController({ name, runtime, concurrency: 20, sources: [source('delete')], reconcile: (uid) => ready().then(() => collector.tryDelete(uid)) }),
    runController({ name, runtime, concurrency: 20, sources: [source('orphan')], reconcile: (uid) => ready().then(() => collector.tryOrphan(uid)) }),
    runController({ name, runtime, concurrency: 1, sources: [every(runtime, discoveryPeriodMs), source('discover')], reconcile: (_key, signal) => monitors.refresh(signal) }),
    monitors,
  )
}

class KindTable implements KindMap {
  private kinds = new Map<string, DiscoveredResource>()
  /** Answers those that were not known before. */
  set(resources: readonly DiscoveredResource[]): DiscoveredResource[] {
    const before = this.kinds
    this.kinds = new Map(resources.map((type) => [`${type.group}/${type.kind}`, type]))
    return [...this.kinds].filter(([id]) => !before.has(id)).map(([, type]) => type)
  }
  /** Any version of the group serves: an object is the same in each. */
  find(apiVersion: string, kind: string): DiscoveredResource | undefined {
    const slash = apiVersion.indexOf('/')
    return this.kinds.get(`${slash < 0 ? '' : apiVersion.slice(0, slash)}/${kind}`)
  }
}

/** One metadata watch for each resource that can be deleted, as discovery tells them. */
class Monitors implements Running {
  readonly done: Promise<void>
  readonly synced: Promise<void>
  private readonly context: ControllerContext
  private readonly graph: OwnerGraph
  private readonly kinds: KindTable
  private readonly onDefinitionsChanged: () => void
  private readonly stopped = new AbortController()
  private readonly running = new Map<string, { stop: AbortController; done: Promise<void>; synced: Promise<void> }>()
  private readonly resolveSynced: () => void
  private readonly timeout: Disposable

  constructor(context: ControllerContext, graph: OwnerGraph, kinds: KindTable, onDefinitionsChanged: () => void) {
    this.onDefinitionsChanged = onDefinitionsChanged
    this.context = context
    this.graph = graph
    this.kinds = kinds
    const { promise, resolve } = Promise.withResolvers<void>()
    this.synced = promise
    this.resolveSynced = resolve
    this.timeout = context.runtime.clock.timer(syncTimeoutMs, resolve, { background: true })
    this.done = new Promise((settle) => this.stopped.signal.addEventListener('abort', () => settle(), { once: true }))
  }

  async refresh(signal: AbortSignal): Promise<void> {
    const { resources, failures } = await discover(this.context.client, signal)
    for (const { group, kind } of this.kinds.set(resources)) this.graph.retryUnseen(group, kind)
    const wanted = new Map(resources.filter(watchable).map((type) => [`${type.resource}.${type.group}`, type]))
    for (const [id, type] of wanted) if (!ignored.has(id) && !this.running.has(id) && !this.stopped.signal.aborted) this.running.set(id, this.monitor(type))
    for (const [id, monitor] of this.running) {
      // A group that could not be asked just now has not gone.
      if (wanted.has(id) || failures.size > 0) continue
      this.running.delete(id)
      monitor.stop.abort(new Error(`${id} is not served any more`))
    }
    // Before every resource has been seen once, an owner that is missing may only not have been seen yet; the server is asked anyway.
    void Promise.all([...this.running.values()].map(({ synced }) => synced)).then(this.resolveSynced)
  }

  private monitor(type: DiscoveredResource): { stop: AbortController; done: Promise<void>; synced: Promise<void> } {
    const { client, runtime } = this.context
    const stop = new AbortController()
    const signal = AbortSignal.any([stop.signal, this.stopped.signal])
    const { promise: synced, resolve } = Promise.withResolvers<void>()
    signal.addEventListener('abort', () => resolve(), { once: true })
    const done = runReflector({ client, runtime, type, metadataOnly: true, signal }, {
      replace: (objects: KubeObject[]) => {
        const seen = new Set<string>()
        for (const object of objects) {
          seen.add(object.metadata.uid ?? keyOf(object))
          this.graph.observe(type, object)
        }
        for (const node of this.graph.ofResource(type.group, type.resource)) if (!seen.has(node.uid)) this.graph.remove(node.uid)
        this.graph.retryUnseen(type.group, type.kind)
        resolve()
      },
      apply: (events) => {
        if (`${type.resource}.${type.group}` === definitions) this.onDefinitionsChanged()
        for (const event of events) {
          if (event.type === 'DELETED') this.graph.remove(event.object.metadata.uid ?? '')
          else this.graph.observe(type, event.object)
        }
      },
    })
    return { stop, done, synced }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stopped.abort(new Error('the garbage collector was stopped'))
    this.timeout[Symbol.dispose]()
    this.resolveSynced()
    await Promise.all([...this.running.values()].map(({ done }) => done))
  }
}

function watchable({ verbs }: DiscoveredResource): boolean {
  return ['delete', 'list', 'watch'].every((verb) => verbs.includes(verb))
}
