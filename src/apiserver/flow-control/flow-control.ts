import type { UserInfo } from '../../api/resource.ts'
import type { FlowSchema, FlowSchemaCondition, PriorityLevelConfiguration } from '../../api/types/flowcontrol.apiserver.k8s.io_v1.ts'
import { timeText, type OpenObject } from '../../machinery/object.ts'
import { isReason } from '../../machinery/status.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { apiServerUser, appliedBy } from '../bootstrap/ensure.ts'
import type { RequestInfo, ServerResponse } from '../context.ts'
import type { ApiServerCore } from '../core.ts'
import { bySchemaOrder, namespacesMatter, schemaMatches } from './flow-matching.ts'
import { FlowStatistics, TimingHistogram } from './flow-statistics.ts'
import { PriorityLevel, adjustSeats, imaginedLevel, imaginedSchema, levelProblem } from './priority-level.ts'
import type { Flow, Ticket } from './queue-set.ts'
import { isLongRunning, isMutating, tooManyRequests, type LimitedRequest, type RequestLimiter, type Seat } from './request-limiter.ts'
import { hashFlow } from './shuffle-sharding.ts'
import { WatchTally, listWork, mutatingWork, oneSeat, type ObjectStatistics, type WorkEstimate } from './work-estimate.ts'

/** Seats are lent and taken back this often. */
const adjustmentPeriodMs = 10_000
const maxQueueWaitMs = 60_000
/** Classifications and flows remembered; past it, they are worked out anew. */
const maxRemembered = 10_000
/** A schema's condition is written at most this often a minute: servers that disagree must not fight. */
const maxConditionWrites = 5
const group = 'flowcontrol.apiserver.k8s.io'
const conditionManager = 'api-priority-and-fairness-config-consumer-v1'
export const flowSchemas = `flowschemas.${group}`
export const priorityLevels = `prioritylevelconfigurations.${group}`

export interface FlowControlOptions {
  /** The server's seats: `--max-requests-inflight` and `--max-mutating-requests-inflight` together. */
  seats: number
  objects: ObjectStatistics
}

/** What a kind of request comes to: the schema that it matches, that schema's level, and what it takes to estimate its work. */
interface Route {
  readonly schema: FlowSchema
  readonly level: PriorityLevel
  readonly statistics: FlowStatistics
  readonly work: 'one' | 'list' | 'write'
  readonly watches: WatchTally | undefined
  readonly distinguisher: '' | 'ByUser' | 'ByNamespace'
  readonly flows: Map<string, Flow>
}

/** Routes of one user, by resource or path; the few requests to one of them are looked through. */
interface UserRoutes { readonly groups: readonly string[]; readonly byWhat: Map<string, KnownRoute[]> }
interface KnownRoute { verb: string; subresource: string; place: string; apiGroup: string; isResource: boolean; route: Route }

const phases = { waiting: [0, 0.001, 0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1], executing: [0, 0.001, 0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1] } as const

/** Reading and writing requests, running or waiting, as a part of all that may. */
export interface KindGauges { readonly kind: 'readOnly' | 'mutating'; readonly phase: 'waiting' | 'executing'; value: number; /** The most there were lately. */ peak: number; peakMs: number; readonly histogram: TimingHistogram }

/**
 * Priority and fairness (https://kubernetes.io/docs/concepts/cluster-administration/flow-control/): classifies requests by the
 * FlowSchema objects, and lets each PriorityLevelConfiguration run as many as it has seats for. Works with the mandatory levels
 * until `follow` has read the objects.
 */
export class FlowControl implements RequestLimiter {
  readonly #runtime: Runtime
  readonly #options: FlowControlOptions
  readonly #levels = new Map<string, PriorityLevel>()
  readonly #statistics = new Map<string, FlowStatistics>()
  readonly #watches = new Map<string, WatchTally>()
  /** What is known of users, by their names; whoever comes with other groups is another. */
  readonly #users = new Map<string, UserRoutes>()
  #routeCount = 0
  #schemas: readonly FlowSchema[] = []
  #namespacesMatter = false
  readonly #conditionWrites = new Map<string, number[]>()
  readonly kinds: readonly KindGauges[]
  fairFraction = 0

  constructor(runtime: Runtime, options: FlowControlOptions) {
    this.#runtime = runtime
    this.#options = options
    const nowMs = runtime.clock.monotonicMs()
    this.kinds = (['readOnly', 'mutating'] as const).flatMap((kind) => (['waiting', 'executing'] as const).map((phase) => ({ kind, phase, value: 0, peak: 0, peakMs: nowMs, histogram: new TimingHistogram(phases[phase], nowMs) })))
    this.configure([], [])
  }

  levels(): readonly PriorityLevel[] {
    return [...this.#levels.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  statistics(): Iterable<FlowStatistics> {
    return this.#statistics.values()
  }

  admit(limited: LimitedRequest): Seat | undefined | Promise<Seat> {
    const { info, user, request } = limited
    const isWatch = info.verb === 'watch'
    if (!isWatch && isLongRunning(info)) return undefined
    const route = this.#route(user, info)
    const { level } = route
    const work = workOf(route, info, request.query, this.#options.objects)
    const ticket = level.queueSet.start(flowOf(route, user, info), work, user, info)
    if (typeof ticket === 'string') {
      level.retryAfter.refused(this.#runtime.clock.now())
      return new FlowSeat(this, route, undefined, undefined, 0)
    }
    if (ticket.state === 'waiting') return this.#wait(route, ticket, limited)
    return this.#seated(route, ticket, limited)
  }

  /** Notes that a request has begun or stopped to wait or run. */
  count(kind: number, delta: number, nowMs: number): void {
    const gauges = this.kinds[kind]!
    gauges.value += delta
    if (gauges.value >= gauges.peak) {
      gauges.peak = gauges.value
      gauges.peakMs = nowMs
    }
    gauges.histogram.set(gauges.value, nowMs)
  }

  #seated(route: Route, ticket: Ticket, { info, request }: LimitedRequest): Seat {
    const kind = isMutating(info) ? 3 : 1
    this.count(kind, 1, ticket.startMs)
    return new FlowSeat(this, route, ticket, info.verb === 'watch' ? route.watches?.add(info, request.query) : undefined, kind)
  }

  /** Waits for a seat: at most a quarter of the request's time, and not for clients that have gone. */
  #wait(route: Route, ticket: Ticket, limited: LimitedRequest): Promise<Seat> {
    const { clock } = this.#runtime
    const { signal } = limited.request
    const waitMs = Math.min((limited.deadlineMs - limited.receivedMs) / 4, maxQueueWaitMs) - (clock.monotonicMs() - limited.receivedMs)
    const kind = isMutating(limited.info) ? 2 : 0
    this.count(kind, 1, ticket.arrivalMs)
    return new Promise((resolve) => {
      const settle = (seat: () => Seat): void => {
        timer[Symbol.dispose]()
        signal.removeEventListener('abort', giveUp)
        this.count(kind, -1, clock.monotonicMs())
        resolve(seat())
      }
      const giveUp = (): void => {
        if (ticket.state !== 'waiting') return
        route.level.queueSet.cancel(ticket)
        route.level.retryAfter.refused(clock.now())
        settle(() => new FlowSeat(this, route, undefined, undefined, 0))
      }
      const timer = clock.timer(Math.max(waitMs, 0), giveUp, { background: true })
      signal.addEventListener('abort', giveUp, { once: true })
      ticket.onDispatch = () => settle(() => this.#seated(route, ticket, limited))
      if (signal.aborted) giveUp()
    })
  }

  #route(user: UserInfo, info: RequestInfo): Route {
    const what = info.isResourceRequest ? info.resource : info.path
    const place = this.#namespacesMatter || info.namespace === '' ? info.namespace : '.'
    let routes = this.#users.get(user.username)
    if (routes === undefined || !sameGroups(routes.groups, user.groups)) routes = this.#newUser(user)
    let known = routes.byWhat.get(what)
    if (known === undefined) routes.byWhat.set(what, (known = []))
    for (const each of known) {
      if (each.verb === info.verb && each.subresource === info.subresource && each.place === place && each.apiGroup === info.apiGroup && each.isResource === info.isResourceRequest) return each.route
    }
    const route = this.#makeRoute(user, info)
    if (this.#routeCount++ >= maxRemembered) {
      this.#users.clear()
      this.#routeCount = 0
    } else {
      known.push({ verb: info.verb, subresource: info.subresource, place, apiGroup: info.apiGroup, isResource: info.isResourceRequest, route })
    }
    return route
  }

  #newUser({ username, groups }: UserInfo): UserRoutes {
    if (this.#users.size >= maxRemembered) this.#users.clear()
    const routes: UserRoutes = { groups, byWhat: new Map() }
    this.#users.set(username, routes)
    return routes
  }

  #makeRoute(user: UserInfo, info: RequestInfo): Route {
    const schema = this.#schemas.find((each) => schemaMatches(each, user, info)) ?? this.#schemas.at(-1)!
    const level = this.#levels.get(schema.spec.priorityLevelConfiguration.name)!
    const name = schema.metadata.name ?? ''
    const isResource = info.isResourceRequest && info.verb !== ''
    const method = level.queuing.queues > 1 ? schema.spec.distinguisherMethod?.type : undefined
    return {
      schema, level, statistics: this.#statisticsOf(level.name, name),
      work: !isResource ? 'one' : info.verb === 'list' || info.verb === 'watch' ? 'list' : ['create', 'update', 'patch', 'delete'].includes(info.verb) && !(info.resource === 'serviceaccounts' && info.subresource === 'token') ? 'write' : 'one',
      watches: isResource ? this.#watchesOf(`${info.apiGroup}/${info.resource}`) : undefined,
      distinguisher: method === 'ByUser' || method === 'ByNamespace' ? method : '', flows: new Map(),
    }
  }

  #statisticsOf(level: string, schema: string): FlowStatistics {
    const key = `${level}\n${schema}`
    let statistics = this.#statistics.get(key)
    if (statistics === undefined) this.#statistics.set(key, (statistics = new FlowStatistics(level, schema)))
    return statistics
  }

  #watchesOf(resource: string): WatchTally {
    let tally = this.#watches.get(resource)
    if (tally === undefined) this.#watches.set(resource, (tally = new WatchTally()))
    return tally
  }

  /** Takes new objects in. Levels that are gone stay until they are idle; the mandatory ones are always there. */
  configure(levels: readonly PriorityLevelConfiguration[], schemas: readonly FlowSchema[]): void {
    const { clock, log } = this.#runtime
    const wanted = new Map<string, PriorityLevelConfiguration>()
    for (const level of levels) {
      const problem = levelProblem(level)
      if (problem === undefined) wanted.set(level.metadata.name ?? '', level)
      else log.warn('a PriorityLevelConfiguration is left aside, because its spec is broken', { name: level.metadata.name, problem })
    }
    for (const name of ['exempt', 'catch-all'] as const) if (!wanted.has(name)) wanted.set(name, this.#levels.get(name)?.configuration ?? imaginedLevel(name))
    for (const [name, configuration] of wanted) {
      const level = this.#levels.get(name)
      if (level === undefined) this.#levels.set(name, new PriorityLevel(configuration, clock))
      else level.reconfigure(configuration)
    }
    for (const [name, level] of this.#levels) {
      if (wanted.has(name)) continue
      if (level.queueSet.isIdle) this.#levels.delete(name)
      else level.isQuiescing = true
    }
    const usable = schemas.filter((schema) => wanted.has(schema.spec.priorityLevelConfiguration.name)).sort(bySchemaOrder)
    if (!usable.some(({ metadata }) => metadata.name === 'exempt')) usable.unshift(imaginedSchema('exempt'))
    if (!usable.some(({ metadata }) => metadata.name === 'catch-all')) usable.push(imaginedSchema('catch-all'))
    this.#schemas = usable
    this.#namespacesMatter = namespacesMatter(usable)
    this.#users.clear()
    this.#routeCount = 0
    const all = [...this.#levels.values()]
    const shareSum = all.reduce((sum, level) => sum + level.shares, 0)
    for (const level of all) level.setShare(this.#options.seats, shareSum)
    const nowMs = clock.monotonicMs()
    const limits = { executing: all.reduce((sum, level) => sum + level.nominal, 0), waiting: all.reduce((sum, { queuing }) => sum + Math.max(queuing.queues, 0) * queuing.queueLengthLimit, 0) }
    for (const gauges of this.kinds) gauges.histogram.setDenominator(limits[gauges.phase], nowMs)
    this.adjust()
  }

  /** Lends seats from levels that do not need them to those that do. */
  adjust(): void {
    for (const [name, level] of this.#levels) if (level.isQuiescing && level.queueSet.isIdle) this.#levels.delete(name)
    this.fairFraction = adjustSeats([...this.#levels.values()], this.#options.seats, this.#runtime.clock.monotonicMs())
  }

  /** Reads the objects, follows their changes until the server stops, and writes back which schemas dangle. */
  async follow(core: ApiServerCore): Promise<void> {
    const { reader, signal } = core
    await reader.whenReady([flowSchemas, priorityLevels])
    const digest = (): void => {
      if (signal.aborted) return
      const levels = reader.list(priorityLevels) as unknown as PriorityLevelConfiguration[]
      const schemas = reader.list(flowSchemas) as unknown as FlowSchema[]
      this.configure(levels, schemas)
      const names = new Set(levels.filter((level) => levelProblem(level) === undefined).map(({ metadata }) => metadata.name ?? ''))
      for (const schema of schemas) void this.#writeCondition(core, schema, names)
    }
    let isDue = false
    const soon = (): void => {
      if (isDue) return
      isDue = true
      this.#runtime.clock.immediate(() => {
        isDue = false
        digest()
      })
    }
    const subscriptions = [reader.onChange(flowSchemas, soon), reader.onChange(priorityLevels, soon)]
    const timer = this.#runtime.clock.interval(adjustmentPeriodMs, () => this.adjust(), { background: true })
    signal.addEventListener('abort', () => {
      timer[Symbol.dispose]()
      for (const subscription of subscriptions) subscription[Symbol.dispose]()
    }, { once: true })
    digest()
  }

  async #writeCondition(core: ApiServerCore, schema: FlowSchema, levels: ReadonlySet<string>): Promise<void> {
    const name = schema.metadata.name ?? ''
    const wanted = danglingCondition(schema, levels)
    if (wanted === undefined || this.#writesTooOften(name)) return
    const resource = core.resource('flowschemas', group)
    const strategy = resource.subresources.find((each) => each.name === 'status')?.strategy
    try {
      const condition = { ...wanted, lastTransitionTime: timeText(this.#runtime.clock.now()) }
      await core.registry.update(resource, '', name, (current) => {
        const status = ((current as unknown as FlowSchema).status ??= {})
        status.conditions = [...(status.conditions ?? []).filter((each) => each.type !== wanted.type), condition]
        return current as OpenObject
      }, {
        user: apiServerUser, subresource: 'status', manageFields: appliedBy(core, resource, conditionManager, 'status', () => ({ status: { conditions: [condition] } })), ...(strategy === undefined ? {} : { strategy }),
      })
    } catch (err) {
      // The next change, or the next server, sees to it.
      if (!isReason(err, 'NotFound') && !core.signal.aborted) this.#runtime.log.warn('the condition of a FlowSchema could not be written', { name, err })
    }
  }

  #writesTooOften(name: string): boolean {
    const nowMs = this.#runtime.clock.monotonicMs()
    const recent = (this.#conditionWrites.get(name) ?? []).filter((atMs) => atMs > nowMs - 60_000)
    const isTooOften = recent.length > maxConditionWrites
    this.#conditionWrites.set(name, isTooOften ? recent : [...recent, nowMs])
    return isTooOften
  }
}

/** The condition that a schema should have; undefined when it has it. */
function danglingCondition(schema: FlowSchema, levels: ReadonlySet<string>): FlowSchemaCondition | undefined {
  const level = schema.spec.priorityLevelConfiguration.name
  const found = levels.has(level)
  const wanted = {
    type: 'Dangling', status: found ? 'False' : 'True', reason: found ? 'Found' : 'NotFound',
    message: `This FlowSchema references the PriorityLevelConfiguration object named ${JSON.stringify(level)} ${found ? 'and it exists' : 'but there is no such object'}`,
  }
  const standing = schema.status?.conditions?.find((each) => each.type === 'Dangling')
  return standing?.status === wanted.status && standing.reason === wanted.reason && standing.message === wanted.message ? undefined : wanted
}

function sameGroups(a: readonly string[], b: readonly string[]): boolean {
  if (a === b) return true
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

function flowOf(route: Route, user: UserInfo, info: RequestInfo): Flow {
  const distinguisher = route.distinguisher === '' ? '' : route.distinguisher === 'ByUser' ? user.username : info.namespace
  let flow = route.flows.get(distinguisher)
  if (flow === undefined) {
    if (route.flows.size >= maxRemembered) route.flows.clear()
    flow = { statistics: route.statistics, distinguisher, hash: hashFlow(route.schema.metadata.name ?? '', distinguisher) }
    route.flows.set(distinguisher, flow)
  }
  return flow
}

function workOf(route: Route, info: RequestInfo, query: URLSearchParams, objects: ObjectStatistics): WorkEstimate {
  if (route.work === 'one') return oneSeat
  if (route.work === 'list') return listWork(info, query, objects, route.level.maxSeats)
  const watchers = route.watches?.interestedIn(info) ?? 0
  route.statistics.watchCount.observe(watchers)
  return mutatingWork(watchers, route.level.maxSeats)
}

class FlowSeat implements Seat {
  readonly watchEnded: (() => void) | undefined
  readonly #owner: FlowControl
  readonly #route: Route
  readonly #ticket: Ticket | undefined
  readonly #kind: number

  constructor(owner: FlowControl, route: Route, ticket: Ticket | undefined, watchEnded: (() => void) | undefined, kind: number) {
    this.#owner = owner
    this.#route = route
    this.#ticket = ticket
    this.watchEnded = watchEnded
    this.#kind = kind
  }

  get admitted(): boolean {
    return this.#ticket !== undefined
  }

  refusal(): ServerResponse {
    return tooManyRequests(this.#route.level.retryAfter.seconds)
  }

  mark(headers: ServerResponse['headers']): void {
    const { schema, level } = this.#route
    headers['x-kubernetes-pf-flowschema-uid'] = schema.metadata.uid ?? ''
    headers['x-kubernetes-pf-prioritylevel-uid'] = level.configuration.metadata.uid ?? ''
  }

  release(): void {
    if (this.#ticket?.state !== 'executing') return
    const nowMs = this.#route.level.queueSet.finish(this.#ticket)
    this.#owner.count(this.#kind, -1, nowMs)
  }
}
