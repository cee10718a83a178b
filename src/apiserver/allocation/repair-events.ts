import { microTimeText } from '../../machinery/object.ts'
import { isReason } from '../../machinery/status.ts'
import { asServer } from '../bootstrap/ensure.ts'
import type { ApiServerCore } from '../core.ts'

/** What an event is about. */
export interface EventSubject { apiVersion: string; kind: string; namespace?: string; name: string; uid?: string; resourceVersion?: string }

/** Events of one name and subject are not told again within this time. */
const quietMs = 10 * 60_000
const maxRemembered = 1_000

/** Tells by events what repairs have found, as upstream's repair controllers do; each thing once in a while. */
export class RepairEvents {
  readonly #core: ApiServerCore
  readonly #reporter: string
  readonly #told = new Map<string, number>()

  constructor(core: ApiServerCore, reporter: string) {
    this.#core = core
    this.#reporter = reporter
  }

  async warn(subject: EventSubject, reason: string, action: string, note: string): Promise<void> {
    const { runtime, registry, signal } = this.#core
    const nowMs = runtime.clock.now()
    const key = `${subject.kind}/${subject.namespace ?? ''}/${subject.name} ${reason}`
    if (nowMs - (this.#told.get(key) ?? -Infinity) < quietMs) return
    if (this.#told.size >= maxRemembered) this.#told.delete(this.#told.keys().next().value!)
    this.#told.set(key, nowMs)
    runtime.log.warn(note, { reason })
    const namespace = subject.namespace ?? 'default'
    const event = {
      apiVersion: 'events.k8s.io/v1', kind: 'Event', metadata: { name: `${subject.name}.${runtime.random.suffix(16)}`, namespace },
      eventTime: microTimeText(nowMs), reportingController: this.#reporter, reportingInstance: `${this.#reporter}-${runtime.random.suffix(5)}`,
      action, reason, note, type: 'Warning', regarding: { ...subject },
    }
    try {
      const events = this.#core.resource('events', 'events.k8s.io')
      await registry.create(events, namespace, event as never, asServer(this.#core, events))
    } catch (err) {
      // A namespace that ends takes no events.
      if (!signal.aborted && !isReason(err, 'Forbidden', 'NotFound')) runtime.log.warn('an event could not be written', { reason, err })
    }
  }
}
