import type { UserInfo } from '../../api/resource.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { RequestInfo } from '../context.ts'
import { levelGauges, type FlowStatistics, type LevelGauges, type Refusal } from './flow-statistics.ts'
import { SeatDemand } from './seat-demand.ts'
import { dealHand } from './shuffle-sharding.ts'
import type { WorkEstimate } from './work-estimate.ts'

/** `queues`: -1 for a level without limits, 0 for one that refuses instead of queueing. */
export interface Queuing { queues: number; handSize: number; queueLengthLimit: number }

/** What belongs together in one queue: a schema's requests of one user or namespace. */
export interface Flow {
  readonly statistics: FlowStatistics
  readonly distinguisher: string
  readonly hash: bigint
  /** The queues it may use, and for how many queues and cards that was dealt. */
  hand?: { queues: number; size: number; cards: readonly number[] }
}

/** What a request is expected to take, in seconds of service, before anything is known (upstream: `estimatedServiceDuration`). */
const estimatedServiceSeconds = 0.003

/** One request in a level: waiting, executing, or over. */
export interface Ticket {
  readonly flow: Flow
  readonly user: UserInfo
  readonly info: RequestInfo
  readonly work: WorkEstimate
  readonly seats: number
  /** Work in seat-seconds. */
  readonly totalWork: number
  readonly arrivalMs: number
  readonly arrivalR: number
  queue: Queue | undefined
  state: 'waiting' | 'executing' | 'over'
  startMs: number
  /** Called when a waiting request may run. */
  onDispatch: (() => void) | undefined
  /** Its neighbours among those that execute: every request comes and goes here, for which a set would be made anew again and again. */
  before: Ticket | undefined
  after: Ticket | undefined
}

class Queue {
  readonly waiting = new Set<Ticket>()
  /** Virtual time at which its next request would start. */
  nextDispatchR = 0
  executing = 0
  seatsInUse = 0
  waitingSeats = 0
  waitingInitialSeats = 0
  waitingWork = 0

  get isActive(): boolean {
    return this.waiting.size > 0 || this.executing > 0
  }

  oldest(): Ticket | undefined {
    for (const ticket of this.waiting) return ticket
    return undefined
  }
}

export interface QueueDump { nextDispatchR: number; waiting: readonly Ticket[]; executing: readonly Ticket[]; executingRequests: number; seatsInUse: number; initialSeatsSum: number; maxSeatsSum: number; totalWorkSum: number }

/**
 * The queues and seats of one priority level: fair queueing for requests that take several seats for a while (KEP-1040,
 * "Fair Queuing for Server Requests"). Virtual time R moves on by the seats that each busy queue gets; a queue's next
 * request starts when the virtual time of its earlier work is over, and the queue whose next request would be done first is
 * served first.
 */
export class QueueSet {
  readonly #clock: Clock
  readonly demand: SeatDemand
  readonly gauges: LevelGauges
  #queuing: Queuing = { queues: 0, handSize: 1, queueLengthLimit: 1 }
  #limit = 0
  #queues: Queue[] = []
  /** The latest of those that execute. */
  #latest: Ticket | undefined
  #activeQueues = 0
  #currentR = 0
  #lastMs: number
  #robin = 0
  #enqueues = 0
  waitingRequests = 0
  waitingSeats = 0
  executingRequests = 0
  seatsInUse = 0
  readonly totals = { dispatched: 0, refused: 0, timedOut: 0, cancelled: 0 }

  constructor(clock: Clock) {
    this.#clock = clock
    const nowMs = clock.monotonicMs()
    this.#lastMs = nowMs
    this.demand = new SeatDemand(nowMs)
    this.gauges = levelGauges(nowMs)
  }

  get limit(): number {
    return this.#limit
  }

  get currentR(): number {
    return this.#currentR
  }

  get isIdle(): boolean {
    return this.waitingRequests === 0 && this.executingRequests === 0
  }

  /** Takes a new configuration; queues that are no longer wanted stay until they are empty. `denominator` scales the gauges. */
  configure(queuing: Queuing, limit: number, denominator: number): void {
    const nowMs = this.#sync()
    this.#queuing = queuing.queues > 0 ? queuing : { ...queuing, handSize: this.#queuing.handSize, queueLengthLimit: this.#queuing.queueLengthLimit }
    this.#limit = limit
    while (this.#queues.length < queuing.queues) this.#queues.push(new Queue())
    this.#dropSurplus()
    this.gauges.waiting.setDenominator(Math.max(queuing.queueLengthLimit, 1) * Math.max(queuing.queues, 1), nowMs)
    this.gauges.executing.setDenominator(denominator, nowMs)
    this.gauges.seats.setDenominator(denominator, nowMs)
    this.gauges.demand.setDenominator(denominator, nowMs)
    this.#dispatch(nowMs)
  }

  /** A ticket that executes or waits; or the reason of refusal. */
  start(flow: Flow, work: WorkEstimate, user: UserInfo, info: RequestInfo): Ticket | Refusal {
    const nowMs = this.#sync()
    const seats = Math.max(work.initialSeats, work.finalSeats)
    const totalWork = work.initialSeats * estimatedServiceSeconds + (work.finalSeats * work.additionalLatencyMs) / 1000
    const ticket: Ticket = {
      flow, user, info, work, seats, totalWork, arrivalMs: nowMs, arrivalR: this.#currentR, queue: undefined, state: 'executing', startMs: nowMs, onDispatch: undefined, before: undefined, after: undefined,
    }
    const { queues, queueLengthLimit } = this.#queuing
    if (queues < 1) {
      if (!this.#fits(seats)) return this.#refuse(flow, 'concurrency-limit')
      this.#execute(ticket, nowMs)
      return ticket
    }
    const queue = this.#choose(flow)
    if (this.seatsInUse >= this.#limit && queue.waiting.size >= queueLengthLimit) return this.#refuse(flow, 'queue-full')
    if (!queue.isActive) queue.nextDispatchR = this.#currentR
    ticket.queue = queue
    // With seats free and nobody waiting there is nothing to be fair about.
    if (this.waitingRequests === 0 && this.seatsInUse < this.#limit && this.#fits(seats)) {
      this.#execute(ticket, nowMs)
      return ticket
    }
    this.#enqueue(ticket, queue, nowMs)
    this.#dispatch(nowMs)
    return ticket
  }

  /** Takes a waiting ticket back: its time is up, or the client has gone. */
  cancel(ticket: Ticket): void {
    if (ticket.state !== 'waiting') return
    const nowMs = this.#sync()
    this.#leaveQueue(ticket)
    ticket.state = 'over'
    this.totals.refused++
    this.totals.cancelled++
    ticket.flow.statistics.refuse('time-out')
    ticket.flow.statistics.waitRefused.observe((nowMs - ticket.arrivalMs) / 1000)
    this.#bound(ticket.queue!)
    this.#noteDemand(nowMs)
  }

  /** Says that a request is done. Its seats are free at once, or when the watchers have been told of its change. Answers with the time. */
  finish(ticket: Ticket): number {
    const nowMs = this.#sync()
    if (ticket.state !== 'executing') return nowMs
    const { statistics } = ticket.flow
    const { queue, work } = ticket
    const seconds = (nowMs - ticket.startMs) / 1000
    ticket.state = 'over'
    this.executingRequests--
    this.#leaveExecuting(ticket)
    statistics.executingRequests--
    ;(ticket.info.verb === 'watch' ? statistics.executionWatch : statistics.executionRegular).observe(seconds)
    this.gauges.executing.set(this.executingRequests, nowMs)
    if (queue !== undefined) {
      queue.executing--
      if (!queue.isActive) this.#activeQueues--
      queue.nextDispatchR -= work.initialSeats * (estimatedServiceSeconds - seconds)
      this.#bound(queue)
    }
    if (work.additionalLatencyMs <= 0) this.#free(ticket, nowMs)
    else this.#clock.timer(work.additionalLatencyMs, () => this.#free(ticket, this.#sync()), { background: true })
    return nowMs
  }

  /** Queues with what waits in them and runs from them, and what runs without a queue. */
  dump(): { queues: QueueDump[]; queueless: Ticket[] } {
    const byQueue = new Map<Queue | undefined, Ticket[]>()
    for (const ticket of this.#executing()) {
      const list = byQueue.get(ticket.queue)
      if (list === undefined) byQueue.set(ticket.queue, [ticket])
      else list.push(ticket)
    }
    const queues = this.#queues.map((queue) => ({
      nextDispatchR: queue.nextDispatchR, waiting: [...queue.waiting], executing: byQueue.get(queue) ?? [], executingRequests: queue.executing, seatsInUse: queue.seatsInUse,
      initialSeatsSum: queue.waitingInitialSeats, maxSeatsSum: queue.waitingSeats, totalWorkSum: queue.waitingWork,
    }))
    return { queues, queueless: byQueue.get(undefined) ?? [] }
  }

  /** In the order in which they began. */
  #executing(): Ticket[] {
    const all: Ticket[] = []
    for (let at = this.#latest; at !== undefined; at = at.before) all.push(at)
    return all.reverse()
  }

  #leaveExecuting(ticket: Ticket): void {
    const { before, after } = ticket
    if (after === undefined) this.#latest = before
    else after.before = before
    if (before !== undefined) before.after = after
    ticket.before = ticket.after = undefined
  }

  #refuse(flow: Flow, reason: Refusal): Refusal {
    this.totals.refused++
    flow.statistics.refuse(reason)
    return reason
  }

  /** Moves virtual time on to now. */
  #sync(): number {
    const nowMs = this.#clock.monotonicMs()
    if (this.#activeQueues > 0) {
      const busySeats = Math.min(this.seatsInUse + this.waitingSeats, this.#limit)
      this.#currentR += ((busySeats / this.#activeQueues) * (nowMs - this.#lastMs)) / 1000
    }
    this.#lastMs = nowMs
    return nowMs
  }

  /** Of the flow's hand the queue with the least work waiting, beginning elsewhere each time. */
  #choose(flow: Flow): Queue {
    const { queues, handSize } = this.#queuing
    let { hand } = flow
    if (hand === undefined || hand.queues !== queues || hand.size !== handSize) hand = flow.hand = { queues, size: handSize, cards: queues === 1 ? [0] : dealHand(flow.hash, queues, handSize) }
    const { cards } = hand
    const offset = this.#enqueues++ % cards.length
    let best = this.#queues[cards[offset]!]!
    for (let i = 1; i < cards.length && best.waitingWork > 0; i++) {
      const queue = this.#queues[cards[(offset + i) % cards.length]!]!
      if (queue.waitingWork < best.waitingWork) best = queue
    }
    return best
  }

  #enqueue(ticket: Ticket, queue: Queue, nowMs: number): void {
    const { statistics } = ticket.flow
    if (!queue.isActive) this.#activeQueues++
    ticket.state = 'waiting'
    queue.waiting.add(ticket)
    queue.waitingSeats += ticket.seats
    queue.waitingInitialSeats += ticket.work.initialSeats
    queue.waitingWork += ticket.totalWork
    this.waitingRequests++
    this.waitingSeats += ticket.seats
    statistics.waitingRequests++
    statistics.waitingSeats += ticket.seats
    statistics.queueLength.observe(queue.waiting.size)
    this.#bound(queue)
    this.gauges.waiting.set(this.waitingRequests, nowMs)
    this.#noteDemand(nowMs)
  }

  #leaveQueue(ticket: Ticket): void {
    const queue = ticket.queue!
    const { statistics } = ticket.flow
    queue.waiting.delete(ticket)
    if (!queue.isActive) this.#activeQueues--
    queue.waitingSeats -= ticket.seats
    queue.waitingInitialSeats -= ticket.work.initialSeats
    queue.waitingWork = queue.waiting.size === 0 ? 0 : queue.waitingWork - ticket.totalWork
    this.waitingRequests--
    this.waitingSeats -= ticket.seats
    statistics.waitingRequests--
    statistics.waitingSeats -= ticket.seats
    this.gauges.waiting.set(this.waitingRequests, this.#lastMs)
  }

  #dispatch(nowMs: number): void {
    while (this.waitingRequests > 0 && this.seatsInUse < this.#limit) {
      const ticket = this.#next()
      if (ticket === undefined) return
      this.#leaveQueue(ticket)
      ticket.state = 'executing'
      this.#execute(ticket, nowMs)
      this.#bound(ticket.queue!)
      ticket.onDispatch?.()
    }
  }

  /** The request that would be done first in virtual time, if there is room for it. */
  #next(): Ticket | undefined {
    let soonest = Infinity
    let best: Ticket | undefined
    let bestAt = this.#robin
    const count = this.#queues.length
    for (let i = 0; i < count; i++) {
      this.#robin = (this.#robin + 1) % count
      const queue = this.#queues[this.#robin]!
      const ticket = queue.waiting.size === 0 ? undefined : queue.oldest()
      if (ticket === undefined) continue
      const finishR = queue.nextDispatchR + ticket.totalWork
      if (finishR >= soonest) continue
      soonest = finishR
      best = ticket
      bestAt = this.#robin
    }
    if (best === undefined) return undefined
    if (!this.#fits(best.seats)) {
      best.flow.statistics.noAccommodation++
      return undefined
    }
    this.#robin = bestAt
    return best
  }

  /** What asks for more than there is runs alone. */
  #fits(seats: number): boolean {
    if (this.#queuing.queues < 0) return true
    if (seats > this.#limit) return this.executingRequests === 0
    return this.seatsInUse + seats <= this.#limit
  }

  #execute(ticket: Ticket, nowMs: number): void {
    const { queue, seats, flow: { statistics } } = ticket
    ticket.startMs = nowMs
    this.executingRequests++
    this.seatsInUse += seats
    ticket.before = this.#latest
    if (this.#latest !== undefined) this.#latest.after = ticket
    this.#latest = ticket
    this.totals.dispatched++
    statistics.dispatched++
    statistics.executingRequests++
    statistics.executingSeats += seats
    statistics.seats.observe(seats)
    if (this.#queuing.queues >= 0) statistics.waitExecuted.observe((nowMs - ticket.arrivalMs) / 1000)
    if (queue !== undefined) {
      if (!queue.isActive) this.#activeQueues++
      queue.executing++
      queue.seatsInUse += seats
      queue.nextDispatchR += ticket.totalWork
    }
    this.gauges.executing.set(this.executingRequests, nowMs)
    this.gauges.seats.set(this.seatsInUse, nowMs)
    this.#noteDemand(nowMs)
  }

  #free(ticket: Ticket, nowMs: number): void {
    this.seatsInUse -= ticket.seats
    ticket.flow.statistics.executingSeats -= ticket.seats
    if (ticket.queue !== undefined) ticket.queue.seatsInUse -= ticket.seats
    this.gauges.seats.set(this.seatsInUse, nowMs)
    this.#noteDemand(nowMs)
    if (this.#queues.length > this.#queuing.queues) this.#dropSurplus()
    if (this.waitingRequests > 0) this.#dispatch(nowMs)
  }

  /** No request starts, in virtual time, before it came: a queue that was idle saves nothing up. */
  #bound(queue: Queue): void {
    const oldest = queue.waiting.size === 0 ? undefined : queue.oldest()
    if (oldest !== undefined && queue.nextDispatchR < oldest.arrivalR) queue.nextDispatchR = oldest.arrivalR
  }

  #dropSurplus(): void {
    const wanted = Math.max(this.#queuing.queues, 0)
    while (this.#queues.length > wanted) {
      const last = this.#queues.at(-1)!
      if (last.isActive || last.seatsInUse > 0) return
      this.#queues.pop()
    }
    if (this.#robin >= this.#queues.length) this.#robin = 0
  }

  #noteDemand(nowMs: number): void {
    const demand = this.seatsInUse + this.waitingSeats
    this.demand.set(demand, nowMs)
    this.gauges.demand.set(demand, nowMs)
  }
}
