import type { FlowSchema, PriorityLevelConfiguration } from '../../api/types/flowcontrol.apiserver.k8s.io_v1.ts'
import type { Clock } from '../../runtime/clock.ts'
import { QueueSet, type Queuing } from './queue-set.ts'
import { RetryAfter } from './retry-after.ts'
import { shareSeats, type DemandSummary } from './seat-demand.ts'
import { dealProblem } from './shuffle-sharding.ts'

/** How slowly a level forgets a high demand, each adjustment (KEP-1040, "Dispatching"). */
const smoothing = 0.977
/** The part of a level that one request may take. */
const maxSeatsShare = 0.15

/** Reason why a level cannot be used as it is written, and so is as if it were not there; undefined for a good one. */
export function levelProblem({ metadata, spec }: PriorityLevelConfiguration): string | undefined {
  if ((spec.type === 'Limited') !== (spec.limited !== undefined)) return 'broken union structure at the top, for Limited'
  if ((spec.type === 'Exempt') !== (spec.exempt !== undefined)) return 'broken union structure at the top, for Exempt'
  if ((spec.type === 'Exempt') !== (metadata.name === 'exempt')) return 'non-alignment between name and type'
  const response = spec.limited?.limitResponse
  if (response === undefined) return undefined
  if ((response.type === 'Reject') !== (response.queuing === undefined)) return 'broken union structure for limit response'
  const { queues = 0, handSize = 0 } = response.queuing ?? {}
  return response.queuing === undefined ? undefined : dealProblem(queues, handSize)
}

function queuingOf({ spec }: PriorityLevelConfiguration): Queuing {
  if (spec.limited === undefined) return { queues: -1, handSize: 1, queueLengthLimit: 1 }
  const { queues = 0, handSize = 1, queueLengthLimit = 1 } = spec.limited.limitResponse?.queuing ?? {}
  return { queues, handSize, queueLengthLimit }
}

/** One priority level at work: its configuration, its queues, and how many seats it has just now. */
export class PriorityLevel {
  readonly name: string
  readonly queueSet: QueueSet
  readonly retryAfter = new RetryAfter()
  configuration: PriorityLevelConfiguration
  queuing: Queuing
  /** No longer wanted, and waiting for its last requests. */
  isQuiescing = false
  nominal = 0
  lower = 0
  upper = 0
  current = 0
  /** Most seats that one request is worth; 0: no limit. */
  maxSeats = 0
  demand = { highWatermark: 0, average: 0, deviation: 0, smoothed: 0, target: 0 }
  #isNew = true

  constructor(configuration: PriorityLevelConfiguration, clock: Clock) {
    this.name = configuration.metadata.name ?? ''
    this.configuration = configuration
    this.queuing = queuingOf(configuration)
    this.queueSet = new QueueSet(clock)
  }

  get isExempt(): boolean {
    return this.configuration.spec.type === 'Exempt'
  }

  get shares(): number {
    const { limited, exempt } = this.configuration.spec
    return limited !== undefined ? (limited.nominalConcurrencyShares ?? 30) : (exempt?.nominalConcurrencyShares ?? 0)
  }

  reconfigure(configuration: PriorityLevelConfiguration): void {
    this.configuration = configuration
    this.queuing = queuingOf(configuration)
    this.isQuiescing = false
  }

  /** Works out its limits as a part of the server's. */
  setShare(serverLimit: number, shareSum: number): void {
    const { limited, exempt } = this.configuration.spec
    const lendablePercent = limited?.lendablePercent ?? exempt?.lendablePercent ?? 0
    this.nominal = shareSum === 0 ? 0 : Math.ceil((serverLimit * this.shares) / shareSum)
    const lendable = Math.round((this.nominal * lendablePercent) / 100)
    const borrowing = limited?.borrowingLimitPercent === undefined ? serverLimit : Math.round((this.nominal * limited.borrowingLimitPercent) / 100)
    this.lower = this.nominal - lendable
    this.upper = this.nominal + borrowing
    if (this.queuing.queues > 0) this.maxSeats = Math.max(1, Math.min(Math.ceil(this.nominal * maxSeatsShare), Math.floor(this.nominal / this.queuing.handSize)))
    if (this.#isNew) this.current = this.nominal - Math.trunc(lendable / 2)
    this.#isNew = false
  }

  noteDemand({ durationSeconds, average, deviation, max }: DemandSummary): void {
    const { demand } = this
    demand.highWatermark = Math.round(max)
    if (durationSeconds <= 0) return
    demand.average = average
    demand.deviation = deviation
    const envelope = average + deviation
    demand.smoothed = Math.max(envelope, smoothing * demand.smoothed + (1 - smoothing) * envelope)
  }

  /** The seats it may have of what the server has. */
  use(seats: number, serverLimit: number): void {
    this.current = seats
    const denominator = seats > 0 ? seats : Math.max(1, Math.round(serverLimit / 10))
    this.queueSet.configure(this.queuing, seats, denominator)
  }
}

/**
 * Gives each level the seats it needs, out of those that others lend; what nobody needs is shared out by demand (KEP-1040,
 * "Dispatching"). Answers with the fair fraction, for the metrics.
 */
export function adjustSeats(levels: readonly PriorityLevel[], serverLimit: number, nowMs: number): number {
  const limited = levels.filter((level) => !level.isExempt)
  let remaining = levels.reduce((sum, level) => sum + level.nominal, 0)
  const total = remaining
  const needed = new Map<PriorityLevel, number>()
  for (const level of levels) {
    level.noteDemand(level.queueSet.demand.reset(nowMs))
    const { highWatermark, smoothed } = level.demand
    const least = Math.max(level.lower, level.isExempt ? highWatermark : Math.min(level.nominal, highWatermark))
    needed.set(level, least)
    level.demand.target = level.isExempt ? least : Math.max(least, smoothed)
    if (level.isExempt) remaining -= least
  }
  const lowerSum = limited.reduce((sum, level) => sum + level.lower, 0)
  const neededSum = limited.reduce((sum, level) => sum + needed.get(level)!, 0)
  let fraction = 0
  let seatsOf: (level: PriorityLevel, at: number) => number
  if (remaining <= lowerSum) {
    seatsOf = (level) => level.lower
  } else if (remaining <= neededSum) {
    const share = (remaining - lowerSum) / (neededSum - lowerSum)
    seatsOf = (level) => level.lower + Math.round((needed.get(level)! - level.lower) * share)
  } else {
    const shared = shareSeats(total, limited.map((level) => ({ target: level.demand.target, lowerBound: needed.get(level)!, upperBound: level.upper })))
    fraction = shared?.fraction ?? 0
    seatsOf = (level, at) => (shared === undefined ? level.current : Math.round(shared.seats[at]!))
  }
  limited.forEach((level, at) => level.use(seatsOf(level, at), serverLimit))
  for (const level of levels) if (level.isExempt) level.use(needed.get(level)!, serverLimit)
  return fraction
}

/** What is used where the objects are not there: everything of the administrators, and something for all others. */
export function imaginedLevel(name: 'exempt' | 'catch-all'): PriorityLevelConfiguration {
  const spec: PriorityLevelConfiguration['spec'] = name === 'exempt'
    ? { type: 'Exempt', exempt: { nominalConcurrencyShares: 0, lendablePercent: 0 } }
    : { type: 'Limited', limited: { nominalConcurrencyShares: 5, lendablePercent: 0, limitResponse: { type: 'Reject' } } }
  return { metadata: { name }, spec }
}

export function imaginedSchema(name: 'exempt' | 'catch-all'): FlowSchema {
  const groups = name === 'exempt' ? ['system:masters'] : ['system:unauthenticated', 'system:authenticated']
  return {
    metadata: { name },
    spec: {
      priorityLevelConfiguration: { name }, matchingPrecedence: name === 'exempt' ? 1 : 10_000,
      ...(name === 'exempt' ? {} : { distinguisherMethod: { type: 'ByUser' } }),
      rules: [{
        subjects: groups.map((group) => ({ kind: 'Group', group: { name: group } })),
        resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'], clusterScope: true }],
        nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
      }],
    },
  }
}
