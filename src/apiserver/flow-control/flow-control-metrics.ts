import type { FlowControl } from './flow-control.ts'
import type { FlowStatistics, Histogram, TimingHistogram } from './flow-statistics.ts'
import type { PriorityLevel } from './priority-level.ts'

type Labels = Readonly<Record<string, string>>
/** So long a peak is shown. */
const peakMs = 1_000

type Sample = readonly [suffix: string, labels: Labels, value: number]

/** Labels by name, as Prometheus' own libraries order them, but the bound of a bucket last. */
function labelText(labels: Labels): string {
  return Object.entries(labels).toSorted(([a], [b]) => (a === 'le' ? 1 : b === 'le' ? -1 : a < b ? -1 : 1)).map(([name, value]) => `${name}="${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`).join(',')
}

function family(name: string, type: 'counter' | 'gauge' | 'histogram', help: string, samples: readonly Sample[]): string[] {
  if (samples.length === 0) return []
  const full = `apiserver_flowcontrol_${name}`
  return [`# HELP ${full} ${help}`, `# TYPE ${full} ${type}`, ...samples.map(([suffix, labels, value]) => `${full}${suffix}${Object.keys(labels).length === 0 ? '' : `{${labelText(labels)}}`} ${value}`)]
}

function histogramSamples(labels: Labels, { bounds, counts, sum, count }: Histogram): Sample[] {
  let below = 0
  const buckets = bounds.map((bound, at): Sample => {
    below += counts[at]!
    return ['_bucket', { ...labels, le: String(bound) }, Math.round(below)]
  })
  return [...buckets, ['_bucket', { ...labels, le: '+Inf' }, Math.round(count)], ['_sum', labels, sum], ['_count', labels, Math.round(count)]]
}

/** The `apiserver_flowcontrol_*` series, in the text format, by upstream's names and labels. */
export function flowControlMetrics(control: FlowControl, nowMs: number): string {
  const flows = [...control.statistics()]
  const levels = control.levels()
  const labelsOf = ({ level, schema }: FlowStatistics): Labels => ({ priority_level: level, flow_schema: schema })
  const perFlow = (name: string, type: 'counter' | 'gauge', help: string, value: (flow: FlowStatistics) => number): string[] => family(name, type, help, flows.map((flow) => ['', labelsOf(flow), value(flow)]))
  const flowHistogram = (name: string, help: string, of: (flow: FlowStatistics) => readonly (readonly [Labels, Histogram])[]): string[] =>
    family(name, 'histogram', help, flows.flatMap((flow) => of(flow).filter(([, { count }]) => count > 0).flatMap(([more, histogram]) => histogramSamples({ ...labelsOf(flow), ...more }, histogram))))
  const perLevel = (name: string, help: string, value: (level: PriorityLevel) => number): string[] => family(name, 'gauge', help, levels.map((level) => ['', { priority_level: level.name }, value(level)]))
  const timing = (labels: Labels, timingHistogram: TimingHistogram): Sample[] => {
    timingHistogram.advance(nowMs)
    return histogramSamples(labels, timingHistogram.histogram)
  }
  const inQueue = control.kinds.filter(({ phase }) => phase === 'waiting').map((gauges): Sample => {
    if (nowMs - gauges.peakMs > peakMs) gauges.peak = gauges.value
    return ['', { request_kind: gauges.kind }, gauges.peak]
  })
  const lines = [
    '# HELP apiserver_current_inqueue_requests Maximal number of queued requests in this apiserver per request kind in last second.', '# TYPE apiserver_current_inqueue_requests gauge',
    ...inQueue.map(([, labels, value]) => `apiserver_current_inqueue_requests{${labelText(labels)}} ${value}`),
    ...family('rejected_requests_total', 'counter', 'Number of requests rejected by API Priority and Fairness subsystem', flows.flatMap((flow) => [...flow.refused].map(([reason, count]): Sample => ['', { ...labelsOf(flow), reason }, count]))),
    ...perFlow('dispatched_requests_total', 'counter', 'Number of requests executed by API Priority and Fairness subsystem', (flow) => flow.dispatched),
    ...perFlow('current_inqueue_requests', 'gauge', 'Number of requests currently pending in queues of the API Priority and Fairness subsystem', (flow) => flow.waitingRequests),
    ...perFlow('current_inqueue_seats', 'gauge', 'Number of seats currently pending in queues of the API Priority and Fairness subsystem', (flow) => flow.waitingSeats),
    ...perFlow('current_executing_requests', 'gauge', 'Number of requests in initial (for a WATCH) or any (for a non-WATCH) execution stage in the API Priority and Fairness subsystem', (flow) => flow.executingRequests),
    ...perFlow('current_executing_seats', 'gauge', 'Concurrency (number of seats) occupied by the currently executing (initial stage for a WATCH, any stage otherwise) requests in the API Priority and Fairness subsystem', (flow) => flow.executingSeats),
    ...perFlow('request_dispatch_no_accommodation_total', 'counter', 'Number of times a dispatch attempt resulted in a non accommodation due to lack of available seats', (flow) => flow.noAccommodation),
    ...flowHistogram('request_queue_length_after_enqueue', 'Length of queue in the API Priority and Fairness subsystem, as seen by each request after it is enqueued', ({ queueLength }) => [[{}, queueLength]]),
    ...flowHistogram('request_wait_duration_seconds', 'Length of time a request spent waiting in its queue', ({ waitExecuted, waitRefused }) => [[{ execute: 'true' }, waitExecuted], [{ execute: 'false' }, waitRefused]]),
    ...flowHistogram('request_execution_seconds', 'Duration of initial stage (for a WATCH) or any (for a non-WATCH) stage of request execution in the API Priority and Fairness subsystem', ({ executionRegular, executionWatch }) => [[{ type: 'regular' }, executionRegular], [{ type: 'watch' }, executionWatch]]),
    ...flowHistogram('watch_count_samples', 'count of watchers for mutating requests in API Priority and Fairness', ({ watchCount }) => [[{}, watchCount]]),
    ...flowHistogram('work_estimated_seats', 'Number of estimated seats (maximum of initial and final seats) associated with requests in API Priority and Fairness', ({ seats }) => [[{}, seats]]),
    ...perLevel('current_r', 'R(time of last change)', ({ queueSet }) => queueSet.currentR),
    ...perLevel('nominal_limit_seats', 'Nominal number of execution seats configured for each priority level', ({ nominal }) => nominal),
    ...perLevel('lower_limit_seats', 'Configured lower bound on number of execution seats available to each priority level', ({ lower }) => lower),
    ...perLevel('upper_limit_seats', 'Configured upper bound on number of execution seats available to each priority level', ({ upper }) => upper),
    ...perLevel('current_limit_seats', 'current derived number of execution seats available to each priority level', ({ current }) => current),
    ...perLevel('demand_seats_high_watermark', 'High watermark, over last adjustment period, of demand_seats', ({ demand }) => demand.highWatermark),
    ...perLevel('demand_seats_average', 'Time-weighted average, over last adjustment period, of demand_seats', ({ demand }) => demand.average),
    ...perLevel('demand_seats_stdev', 'Time-weighted standard deviation, over last adjustment period, of demand_seats', ({ demand }) => demand.deviation),
    ...perLevel('demand_seats_smoothed', 'Smoothed seat demands', ({ demand }) => demand.smoothed),
    ...perLevel('target_seats', 'Seat allocation targets', ({ demand }) => demand.target),
    ...family('seat_fair_frac', 'gauge', 'Fair fraction of server\'s concurrency to allocate to each priority level that can use it', [['', {}, control.fairFraction]]),
    ...family('priority_level_seat_utilization', 'histogram', 'Observations, at the end of every nanosecond, of utilization of seats for any stage of execution (but only initial stage for WATCHes)', levels.flatMap(({ name, queueSet }) => timing({ priority_level: name, phase: 'executing' }, queueSet.gauges.seats))),
    ...family('priority_level_request_utilization', 'histogram', 'Observations, at the end of every nanosecond, of number of requests (as a fraction of the relevant limit) waiting or in any stage of execution (but only initial stage for WATCHes)', levels.flatMap(({ name, queueSet }) => [...timing({ phase: 'executing', priority_level: name }, queueSet.gauges.executing), ...timing({ phase: 'waiting', priority_level: name }, queueSet.gauges.waiting)])),
    ...family('demand_seats', 'histogram', 'Observations, at the end of every nanosecond, of (the number of seats each priority level could use) / (nominal number of seats for that level)', levels.flatMap(({ name, queueSet }) => timing({ priority_level: name }, queueSet.gauges.demand))),
    ...family('read_vs_write_current_requests', 'histogram', 'Observations, at the end of every nanosecond, of the number of requests (as a fraction of the relevant limit) waiting or in regular stage of execution', control.kinds.flatMap(({ kind, phase, histogram }) => timing({ phase, request_kind: kind }, histogram))),
  ]
  return `${lines.join('\n')}\n`
}
