import { formatGoDuration } from '../../machinery/schema-time.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { ServerRequest, ServerResponse } from '../context.ts'
import type { Endpoints } from '../endpoints.ts'
import type { FlowControl } from './flow-control.ts'
import type { QueueDump, Ticket } from './queue-set.ts'

const text = { 'content-type': 'text/plain; charset=utf-8' }
const neverText = '0001-01-01T00:00:00Z'

/** `/debug/api_priority_and_fairness/…`: what is in the levels and queues just now, in upstream's tables. */
export function addFlowControlDumps(endpoints: Endpoints, control: FlowControl, clock: Clock): void {
  const add = (name: string, rows: (request: ServerRequest) => string[][]): void =>
    endpoints.addUnlisted(`/debug/api_priority_and_fairness/${name}`, (request): ServerResponse => ({ status: 200, headers: { ...text }, bytes: tableText(rows(request)) }))
  add('dump_priority_levels', () => levelRows(control))
  add('dump_queues', () => queueRows(control))
  add('dump_requests', (request) => requestRows(control, clock, (request.query.get('includeRequestDetails') ?? '') !== ''))
}

function levelRows(control: FlowControl): string[][] {
  const head = ['PriorityLevelName', 'ActiveQueues', 'IsIdle', 'IsQuiescing', 'WaitingRequests', 'ExecutingRequests', 'DispatchedRequests', 'RejectedRequests', 'TimedoutRequests', 'CancelledRequests']
  return [head, ...control.levels().map(({ name, queueSet, isQuiescing }) => {
    const { totals } = queueSet
    const active = queueSet.dump().queues.filter(({ waiting }) => waiting.length > 0).length
    return [name, active, queueSet.isIdle, isQuiescing, queueSet.waitingRequests, queueSet.executingRequests, totals.dispatched, totals.refused, totals.timedOut, totals.cancelled].map(String)
  })]
}

function queueRows(control: FlowControl): string[][] {
  const head = ['PriorityLevelName', 'Index', 'PendingRequests', 'ExecutingRequests', 'SeatsInUse', 'NextDispatchR', 'InitialSeatsSum', 'MaxSeatsSum', 'TotalWorkSum']
  const row = (level: string, queue: QueueDump, index: number): string[] => [
    level, String(index), String(queue.waiting.length), String(queue.executingRequests), String(queue.seatsInUse), seatSecondsText(queue.nextDispatchR),
    String(queue.initialSeatsSum), String(queue.maxSeatsSum), seatSecondsText(queue.totalWorkSum),
  ]
  return [head, ...control.levels().flatMap(({ name, queueSet }) => queueSet.dump().queues.map((queue, index) => row(name, queue, index)))]
}

function requestRows(control: FlowControl, clock: Clock, withDetails: boolean): string[][] {
  const head = ['PriorityLevelName', 'FlowSchemaName', 'QueueIndex', 'RequestIndexInQueue', 'FlowDistingsher', 'ArriveTime', 'InitialSeats', 'FinalSeats', 'AdditionalLatency', 'StartTime']
  const details = ['UserName', 'Verb', 'APIPath', 'Namespace', 'Name', 'APIVersion', 'Resource', 'SubResource']
  const timeOf = (monotonicMs: number): string => new Date(clock.now() - clock.monotonicMs() + monotonicMs).toISOString()
  const row = (level: string, queue: number, index: number, { flow, work, arrivalMs, startMs, state, user, info }: Ticket): string[] => [
    level, flow.statistics.schema, String(queue), String(index), flow.distinguisher, timeOf(arrivalMs), String(work.initialSeats), String(work.finalSeats),
    formatGoDuration(BigInt(Math.round(work.additionalLatencyMs * 1e6))), state === 'waiting' ? neverText : timeOf(startMs),
    ...(withDetails ? [user.username, info.verb, info.path, info.namespace, info.name, info.apiGroup === '' ? info.apiVersion : `${info.apiGroup}/${info.apiVersion}`, info.resource, info.subresource] : []),
  ]
  return [withDetails ? [...head, ...details] : head, ...control.levels().flatMap(({ name, queueSet }) => {
    const { queues, queueless } = queueSet.dump()
    return [
      ...queues.flatMap((queue, at) => [...queue.waiting.map((ticket, index) => row(name, at, index, ticket)), ...queue.executing.map((ticket) => row(name, at, -1, ticket))]),
      ...queueless.map((ticket) => row(name, -1, -1, ticket)),
    ]
  })]
}

/** Upstream's form of seat-seconds: `12.34567890ss`. */
function seatSecondsText(value: number): string {
  return `${Math.max(value, 0).toFixed(8)}ss`
}

/** Columns as Go's tabwriter sets them: at least 8 wide, one space between, the last as it is. */
function tableText(rows: readonly string[][]): string {
  const widths: number[] = []
  for (const row of rows) row.forEach((cell, at) => (widths[at] = Math.max(widths[at] ?? 8, cell.length + 2)))
  return rows.map((row) => `${row.map((cell, at) => (at === row.length - 1 ? cell : `${cell},`.padEnd(widths[at]!))).join('')}\n`).join('')
}
