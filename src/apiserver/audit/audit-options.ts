import { readFile } from 'node:fs/promises'
import type { Runtime } from '../../runtime/runtime.ts'
import { auditModes, buffered, ignoringErrors, truncating, type AuditBackend, type AuditMode, type BatchOptions, type TruncateOptions } from './audit-backend.ts'
import { requestAuditing, type RequestAuditing } from './auditing.ts'
import { parseAuditPolicy } from './audit-policy.ts'

/** Flags that both backends have, under `--audit-log-` and `--audit-webhook-`. */
export interface AuditBackendOptions {
  mode?: AuditMode
  /** `…-batch-buffer-size`, `-max-size`, `-max-wait`, `-throttle-enable`, `-throttle-qps`, `-throttle-burst`. */
  batchBufferSize?: number
  batchMaxSize?: number
  batchMaxWaitMs?: number
  batchThrottleEnable?: boolean
  batchThrottleQps?: number
  batchThrottleBurst?: number
  /** `…-truncate-enabled`, `-max-event-size`, `-max-batch-size`. */
  truncateEnabled?: boolean
  truncateMaxEventSizeBytes?: number
  truncateMaxBatchSizeBytes?: number
  /** `…-version`: `audit.k8s.io/v1`. */
  version?: string
}

export interface AuditLogOptions extends AuditBackendOptions {
  /** `--audit-log-path`; `-` is standard output. */
  path: string
  format?: 'json' | 'legacy'
  maxAgeDays?: number
  maxBackups?: number
  /** Megabytes; 0: no rotation. */
  maxSizeMegabytes?: number
  compress?: boolean
}

export interface AuditWebhookOptions extends AuditBackendOptions {
  /** `--audit-webhook-config-file`. */
  configFile: string
  initialBackoffMs?: number
}

/** The `--audit-*` flags of kube-apiserver; what is left out takes upstream's default. */
export interface AuditOptions {
  /** `--audit-policy-file`; without one nothing is kept. */
  policyFile?: string
  log?: AuditLogOptions
  webhook?: AuditWebhookOptions
}

/** Sends of one webhook under way at once; upstream knows no bound. */
const webhookConcurrency = 16

/** What is wrong with the flags, in upstream's words. */
export function auditOptionProblems({ log, webhook }: AuditOptions): string[] {
  const problems: string[] = []
  if (log !== undefined && log.path !== '') {
    problems.push(...backendProblems('log', log, 'blocking', 1))
    if (log.format !== undefined && !['legacy', 'json'].includes(log.format)) problems.push(`invalid audit log format ${String(log.format)}, allowed formats are ["legacy" "json"]`)
    for (const [flag, value] of [['maxage', log.maxAgeDays], ['maxbackup', log.maxBackups], ['maxsize', log.maxSizeMegabytes]] as const) {
      if (value !== undefined && value < 0) problems.push(`--audit-log-${flag} ${value} can't be a negative number`)
    }
  }
  if (webhook !== undefined && webhook.configFile !== '') problems.push(...backendProblems('webhook', webhook, 'batch', 400))
  return problems
}

function backendProblems(name: string, options: AuditBackendOptions, mode: AuditMode, maxBatchSize: number): string[] {
  const problems: string[] = []
  const chosen = options.mode ?? mode
  const { bufferSize, maxBatchSize: batchSize, throttle } = batchOptions(options, { maxBatchSize, throttled: true, concurrency: 1 })
  if (!auditModes.includes(chosen)) problems.push(`invalid audit ${name} mode ${String(chosen)}, allowed modes are ${JSON.stringify(auditModes.join(','))}`)
  else if (chosen === 'batch') {
    if (bufferSize <= 0) problems.push(`invalid audit batch ${name} buffer size ${bufferSize}, must be a positive number`)
    if (batchSize <= 0) problems.push(`invalid audit batch ${name} max batch size ${batchSize}, must be a positive number`)
    if (throttle !== undefined && throttle.qps <= 0) problems.push(`invalid audit batch ${name} throttle QPS ${throttle.qps}, must be a positive number`)
    if (throttle !== undefined && throttle.burst <= 0) problems.push(`invalid audit batch ${name} throttle burst ${throttle.burst}, must be a positive number`)
  }
  const { maxEventSizeBytes, maxBatchSizeBytes } = truncateOptions(options)
  if (maxEventSizeBytes <= 0) problems.push(`invalid audit truncate ${name} max event size ${maxEventSizeBytes}, must be a positive number`)
  if (maxBatchSizeBytes < maxEventSizeBytes) problems.push(`invalid audit truncate ${name} max batch size ${maxBatchSizeBytes}, must be greater than max event size (${maxEventSizeBytes})`)
  if (options.version !== undefined && options.version !== 'audit.k8s.io/v1') problems.push('invalid group version, allowed versions are [{"audit.k8s.io" "v1"}]')
  return problems
}

function batchOptions(options: AuditBackendOptions, defaults: { maxBatchSize: number; throttled: boolean; concurrency: number }): BatchOptions {
  const isThrottled = options.batchThrottleEnable ?? defaults.throttled
  return {
    bufferSize: options.batchBufferSize ?? 10_000, maxBatchSize: options.batchMaxSize ?? defaults.maxBatchSize, maxBatchWaitMs: options.batchMaxWaitMs ?? 30_000, concurrency: defaults.concurrency,
    ...(isThrottled ? { throttle: { qps: options.batchThrottleQps ?? 10, burst: options.batchThrottleBurst ?? 15 } } : {}),
  }
}

function truncateOptions(options: AuditBackendOptions): TruncateOptions {
  return { maxEventSizeBytes: options.truncateMaxEventSizeBytes ?? 100 * 1024, maxBatchSizeBytes: options.truncateMaxBatchSizeBytes ?? 10 * 1024 * 1024 }
}

function inMode(backend: AuditBackend, mode: AuditMode, batch: BatchOptions, runtime: Runtime): AuditBackend {
  return mode === 'batch' ? buffered(backend, batch, runtime) : mode === 'blocking' ? ignoringErrors(backend) : backend
}

/** Opens what the flags ask for: reads the policy, opens the log. Undefined when nothing is to be kept. Rejects with an `Error` that says what is wrong. */
export async function openAudit(options: AuditOptions, runtime: Runtime): Promise<RequestAuditing | undefined> {
  const [problem, ...more] = auditOptionProblems(options)
  if (problem !== undefined) throw new Error(more.length === 0 ? problem : `[${[problem, ...more].join(', ')}]`)
  const { policyFile, log, webhook } = options
  if (policyFile === undefined || policyFile === '') {
    if ((log?.path ?? webhook?.configFile ?? '') !== '') runtime.log.warn('no audit events will be recorded: there is no --audit-policy-file')
    return undefined
  }
  let text: string
  try {
    text = await readFile(policyFile, 'utf8')
  } catch (cause) {
    throw new Error(`loading audit policy file: failed to read file path ${JSON.stringify(policyFile)}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
  const policy = parseAuditPolicy(text, policyFile, (message) => runtime.log.warn(message))
  const backends: AuditBackend[] = []
  if (log !== undefined && log.path !== '') {
    const { logBackend } = await import('./log-backend.ts')
    const backend = await logBackend({
      path: log.path, format: log.format ?? 'json', maxAgeDays: log.maxAgeDays ?? 366, maxBackups: log.maxBackups ?? 100, maxSizeBytes: (log.maxSizeMegabytes ?? 100) * 1024 * 1024, compress: log.compress ?? false,
    }, runtime)
    const wrapped = inMode(backend, log.mode ?? 'blocking', batchOptions(log, { maxBatchSize: 1, throttled: false, concurrency: 1 }), runtime)
    backends.push(log.truncateEnabled === true ? truncating(wrapped, truncateOptions(log), runtime) : wrapped)
  }
  if (webhook !== undefined && webhook.configFile !== '') {
    const { webhookBackend } = await import('./webhook-backend.ts')
    const backend = await webhookBackend({ configFile: webhook.configFile, initialBackoffMs: webhook.initialBackoffMs ?? 10_000 }, runtime)
    const wrapped = inMode(backend, webhook.mode ?? 'batch', batchOptions(webhook, { maxBatchSize: 400, throttled: true, concurrency: webhookConcurrency }), runtime)
    backends.push(webhook.truncateEnabled === true ? truncating(wrapped, truncateOptions(webhook), runtime) : wrapped)
  }
  return backends.length === 0 ? undefined : requestAuditing(runtime, policy, backends)
}
