import { groupResourceOf, type ResourceDescription, type UserInfo } from '../api/resource.ts'
import type { KubeObject } from '../machinery/object.ts'
import type { Clock } from '../runtime/clock.ts'
import type { AdmissionMetrics, DurationTally, StepType } from './admission/metrics.ts'
import type { AdmissionAttributes, AdmissionOperation, AdmissionPlugin, Reinvocation } from './context.ts'
import type { AuditAnnotations } from './core.ts'

/** What admission is told of one request. */
export interface AdmissionRequest {
  operation: AdmissionOperation
  resource: ResourceDescription
  subresource: string
  namespace: string
  name: string
  object: KubeObject | undefined
  oldObject: Readonly<KubeObject> | undefined
  user: UserInfo
  dryRun: boolean
  options: Readonly<Record<string, unknown>>
  warn(message: string): void
  /** Left out: nobody keeps a record. */
  audit?: AuditAnnotations | undefined
}

/** A plugin's turn: what it does, and where its time is noted. */
interface Turn { run(attributes: AdmissionAttributes): Promise<void> | void; passed: DurationTally; refused(): DurationTally }
interface Step { turns: readonly Turn[]; passed: DurationTally; refused(): DurationTally }
type Chosen = Readonly<Record<StepType, Step>>

/** Plugins in order: all that mutate see a request before the first that only validates. */
export class AdmissionChain {
  readonly #plugins: readonly AdmissionPlugin[]
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #metrics: AdmissionMetrics
  /** The plugins that a request meets, worked out once for each operation on each resource. */
  readonly #chosen: Record<AdmissionOperation, WeakMap<ResourceDescription, Chosen>> = { CREATE: new WeakMap(), UPDATE: new WeakMap(), DELETE: new WeakMap(), CONNECT: new WeakMap() }

  constructor(plugins: readonly AdmissionPlugin[], clock: Pick<Clock, 'monotonicMs'>, metrics: AdmissionMetrics) {
    this.#plugins = plugins
    this.#clock = clock
    this.#metrics = metrics
  }

  /** Nothing is returned where no plugin has to wait. */
  mutate(request: AdmissionRequest): Promise<void> | undefined {
    const step = this.#chosenFor(request).admit
    if (step.turns.length === 0) return undefined
    const reinvocation = new OneReinvocation()
    const attributes = attributesOf(request, reinvocation)
    const running = this.#run(step, attributes)
    return running === undefined && !reinvocation.begin() ? undefined : this.#again(running, step, attributes, reinvocation)
  }

  async #again(running: Promise<void> | undefined, step: Step, attributes: AdmissionAttributes, reinvocation: OneReinvocation): Promise<void> {
    await running
    if (reinvocation.isSecondRun || reinvocation.begin()) await this.#run(step, attributes)
  }

  /** As `mutate`. */
  validate(request: AdmissionRequest): Promise<void> | undefined {
    const step = this.#chosenFor(request).validate
    return step.turns.length > 0 ? this.#run(step, attributesOf(request, new OneReinvocation())) : undefined
  }

  /**
   * The turns from `from` on, without a promise as long as none of them makes one. A turn that waits for nothing takes less than the
   * smallest bucket, and no look at the clock.
   */
  #run(step: Step, attributes: AdmissionAttributes, from = 0, startedMs = this.#clock.monotonicMs()): Promise<void> | undefined {
    for (let at = from; at < step.turns.length; at++) {
      const turn = step.turns[at]!
      try {
        const answer = turn.run(attributes)
        if (answer instanceof Promise) return this.#awaited(answer, step, attributes, at, startedMs)
      } catch (error) {
        turn.refused().observe(0)
        step.refused().observe(this.#clock.monotonicMs() - startedMs)
        throw error
      }
      turn.passed.observe(0)
    }
    step.passed.observe(this.#clock.monotonicMs() - startedMs)
    return undefined
  }

  async #awaited(answer: Promise<void>, step: Step, attributes: AdmissionAttributes, at: number, startedMs: number): Promise<void> {
    const turn = step.turns[at]!
    const sinceMs = this.#clock.monotonicMs()
    try {
      await answer
    } catch (error) {
      const nowMs = this.#clock.monotonicMs()
      turn.refused().observe(nowMs - sinceMs)
      step.refused().observe(nowMs - startedMs)
      throw error
    }
    turn.passed.observe(this.#clock.monotonicMs() - sinceMs)
    await this.#run(step, attributes, at + 1, startedMs)
  }

  #chosenFor({ operation, resource }: AdmissionRequest): Chosen {
    const known = this.#chosen[operation].get(resource)
    if (known !== undefined) return known
    const name = groupResourceOf(resource)
    const plugins = this.#plugins.filter((plugin) => plugin.handles(operation) && (plugin.resources?.includes(name) ?? true))
    const metrics = this.#metrics
    const stepOf = (type: StepType, method: 'mutate' | 'validate'): Step => ({
      turns: plugins.filter((plugin) => plugin[method] !== undefined).map((plugin) => ({
        run: plugin[method]!.bind(plugin), passed: metrics.controller(plugin.name, type, operation, false), refused: () => metrics.controller(plugin.name, type, operation, true),
      })),
      passed: metrics.step(type, operation, false), refused: () => metrics.step(type, operation, true),
    })
    const chosen = { admit: stepOf('admit', 'mutate'), validate: stepOf('validate', 'validate') }
    this.#chosen[operation].set(resource, chosen)
    return chosen
  }
}

const ignored = (): void => undefined

function attributesOf(request: AdmissionRequest, reinvocation: Reinvocation): AdmissionAttributes {
  const { resource, namespace, name, audit } = request
  // A request that concerns a namespace itself lies in that namespace.
  const isNamespace = namespace === '' && resource.resource === 'namespaces' && resource.group === ''
  const annotateAudit = audit === undefined ? ignored : (key: string, value: string, level?: 'Request'): void => {
    if (level === undefined || audit.keepsRequest) audit.annotate(key, value)
  }
  return { ...request, namespace: isNamespace ? name : namespace, annotateAudit, reinvocation }
}

class OneReinvocation implements Reinvocation {
  isSecondRun = false
  #isAsked = false
  #state: Map<string, unknown> | undefined

  get state(): Map<string, unknown> {
    return (this.#state ??= new Map())
  }

  request(): void {
    this.#isAsked = true
  }

  /** Whether there is to be a run now; true once at most. */
  begin(): boolean {
    if (this.isSecondRun || !this.#isAsked) return false
    this.isSecondRun = true
    return true
  }
}
