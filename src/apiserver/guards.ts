import type { Runtime } from '../runtime/runtime.ts'
import type { ServerResponse } from './context.ts'
import { crossOrigin, type CrossOrigin } from './cross-origin.ts'
import type { PostStartHook } from './core.ts'
import type { Encryption } from './encryption/encryption.ts'
import type { Endpoints } from './endpoints.ts'
import { FlowControl } from './flow-control/flow-control.ts'
import { addFlowControlDumps } from './flow-control/flow-control-dumps.ts'
import { flowControlMetrics } from './flow-control/flow-control-metrics.ts'
import { maxInFlightLimiter } from './flow-control/max-in-flight.ts'
import type { RequestLimiter } from './flow-control/request-limiter.ts'
import type { ObjectStatistics } from './flow-control/work-estimate.ts'
import type { RequestAuditing } from './audit/auditing.ts'
import type { HealthCheck } from './health.ts'
import { RequestDeadlines, defaultRequestTimeoutMs } from './request-deadline.ts'
import type { RequestGuards } from './request-guards.ts'
import { Shutdown, type ShutdownOptions } from './shutdown.ts'

/** Bounds on what the server takes on, by the flags of kube-apiserver that they stand for; what is left out takes upstream's default. */
export interface GuardOptions {
  /** `--request-timeout`. */
  requestTimeoutMs?: number
  /** `--enable-priority-and-fairness`; when false, the two limits below hold each for itself. */
  priorityAndFairness?: boolean
  /** `--max-requests-inflight` and `--max-mutating-requests-inflight`; 0: no limit. */
  maxRequestsInFlight?: number
  maxMutatingRequestsInFlight?: number
  /** `--goaway-chance`: the part of HTTP/2 requests after which the client is told to connect anew. */
  goawayChance?: number
  /** `--strict-transport-security-directives`. */
  strictTransportSecurity?: readonly string[]
  /** `--cors-allowed-origins`: regular expressions. */
  crossOrigins?: readonly string[]
  /** From `openAudit`; closed by the server when it has drained. */
  audit?: RequestAuditing
  shutdown?: ShutdownOptions
  /** `--min-request-timeout`: how long watches last that do not say so, up to twice as long. */
  minRequestTimeoutSeconds?: number
  /** From `openEncryption`; closed by the server. */
  encryption?: Encryption
}

const defaultLimits = { readOnly: 400, mutating: 200 }
const maxGoawayChance = 0.02

/** What stands around requests, with all that keeps it going. */
export interface Guards extends Disposable {
  readonly guards: RequestGuards
  readonly hooks: readonly PostStartHook[]
  readonly shutdown: Shutdown
  addEndpoints(endpoints: Endpoints): void
  /** For /healthz, /livez and /readyz. */
  readonly checks: readonly HealthCheck[]
  /** Resolves when new requests are refused and those in flight are done, or the time for that is over. */
  drain(endWatches: (graceMs: number) => Promise<void>): Promise<void>
  /** Resolves when requests that do not last are done, or have had their time. */
  drained(): Promise<void>
  /** Series for /metrics, in the text format. */
  metrics(): string
}

export function buildGuards(runtime: Runtime, options: GuardOptions, objects: ObjectStatistics): Guards {
  const { clock } = runtime
  const limits = { readOnly: options.maxRequestsInFlight ?? defaultLimits.readOnly, mutating: options.maxMutatingRequestsInFlight ?? defaultLimits.mutating }
  const deadlines = new RequestDeadlines(clock, options.requestTimeoutMs ?? defaultRequestTimeoutMs)
  const total = limits.readOnly + limits.mutating
  const isFair = options.priorityAndFairness !== false
  if (isFair && total <= 0) throw new Error(`priority and fairness needs seats to share out: --max-requests-inflight (${limits.readOnly}) and --max-mutating-requests-inflight (${limits.mutating}) may not both be 0; raise one or pass --enable-priority-and-fairness=false`)
  const flow = isFair ? new FlowControl(runtime, { seats: total, objects }) : undefined
  const limiter: RequestLimiter | undefined = flow ?? (total === 0 ? undefined : maxInFlightLimiter(limits))
  const shutdown = new Shutdown(clock, options.shutdown ?? {})
  const cors = (options.crossOrigins ?? []).length === 0 ? undefined : crossOrigin(options.crossOrigins!)
  const decorate = decoration(runtime, options, cors)
  return {
    shutdown,
    guards: { deadlines, limiter, auditor: options.audit, refuse: cors === undefined ? (request, info) => shutdown.refuse(request, info) : (request, info) => shutdown.refuse(request, info) ?? cors.preflight(request), ...(decorate === undefined ? {} : { decorate }) },
    hooks: flow === undefined ? [] : [{ name: 'priority-and-fairness-config-consumer', run: (core) => flow.follow(core) }],
    addEndpoints: (endpoints) => {
      if (flow !== undefined) addFlowControlDumps(endpoints, flow, clock)
    },
    metrics: () => `${flow === undefined ? '' : flowControlMetrics(flow, clock.monotonicMs())}${options.audit?.metrics() ?? ''}`,
    drain: async (endWatches) => {
      await shutdown.begin()
      const { sendRetryAfter, watchTerminationGracePeriodMs = 0 } = shutdown.options
      await Promise.all([sendRetryAfter === true ? deadlines.idle(shutdown.drainTimeoutMs) : undefined, watchTerminationGracePeriodMs > 0 ? endWatches(watchTerminationGracePeriodMs) : undefined])
    },
    drained: () => deadlines.idle(shutdown.drainTimeoutMs),
    checks: options.encryption?.checks ?? [],
    [Symbol.dispose]: () => {
      deadlines[Symbol.dispose]()
      options.encryption?.[Symbol.dispose]()
    },
  }
}

/** Headers of every answer; undefined when there are none to add. */
function decoration({ random }: Runtime, { goawayChance = 0, strictTransportSecurity = [] }: GuardOptions, cors: CrossOrigin | undefined): RequestGuards['decorate'] {
  if (goawayChance < 0 || goawayChance > maxGoawayChance) throw new Error(`--goaway-chance can not be less than 0 or greater than ${maxGoawayChance}`)
  if (goawayChance === 0 && strictTransportSecurity.length === 0 && cors === undefined) return undefined
  const directives = strictTransportSecurity.join('; ')
  return (request, headers: ServerResponse['headers']) => {
    cors?.decorate(request, headers)
    if (directives !== '') headers['strict-transport-security'] ??= directives
    if (goawayChance > 0 && random.next() < goawayChance) headers.connection = 'close'
  }
}
