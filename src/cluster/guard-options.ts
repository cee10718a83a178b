import type { AuditBackendOptions } from '../apiserver/audit/audit-options.ts'
import type { GuardOptions } from '../apiserver/guards.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { ApiServerSettings } from './apiserver-options.ts'
import type { ApiServerFlags } from './apiserver-flags.ts'
import { FlagError } from './flags.ts'

/** Limits on requests, deadlines, audit, encryption at rest and shutdown. Opens what the flags name: the audit log, connections to KMS plugins. */
export async function guardOptions(runtime: Runtime, { flags }: ApiServerSettings): Promise<GuardOptions> {
  const [audit, encryption] = await Promise.all([auditOf(runtime, flags), encryptionOf(runtime, flags)])
  return {
    requestTimeoutMs: flags['request-timeout'], minRequestTimeoutSeconds: flags['min-request-timeout'], priorityAndFairness: flags['enable-priority-and-fairness'],
    maxRequestsInFlight: flags['max-requests-inflight'], maxMutatingRequestsInFlight: flags['max-mutating-requests-inflight'], goawayChance: flags['goaway-chance'],
    strictTransportSecurity: flags['strict-transport-security-directives'], crossOrigins: flags['cors-allowed-origins'],
    shutdown: {
      delayMs: flags['shutdown-delay-duration'], sendRetryAfter: flags['shutdown-send-retry-after'], watchTerminationGracePeriodMs: flags['shutdown-watch-termination-grace-period'],
      drainTimeoutMs: flags['request-timeout'],
    },
    ...(audit === undefined ? {} : { audit }), ...(encryption === undefined ? {} : { encryption }),
  }
}

async function auditOf(runtime: Runtime, flags: ApiServerFlags): Promise<GuardOptions['audit']> {
  if (flags['audit-policy-file'] === '' && flags['audit-log-path'] === '' && flags['audit-webhook-config-file'] === '') return undefined
  const { openAudit } = await import('../apiserver/audit/audit-options.ts')
  try {
    return await openAudit({
      policyFile: flags['audit-policy-file'],
      ...(flags['audit-log-path'] === '' ? {} : {
        log: {
          ...backendOf(flags, 'log'), path: flags['audit-log-path'], format: flags['audit-log-format'] as 'json', maxAgeDays: flags['audit-log-maxage'], maxBackups: flags['audit-log-maxbackup'],
          maxSizeMegabytes: flags['audit-log-maxsize'], compress: flags['audit-log-compress'],
        },
      }),
      ...(flags['audit-webhook-config-file'] === '' ? {} : { webhook: { ...backendOf(flags, 'webhook'), configFile: flags['audit-webhook-config-file'], initialBackoffMs: flags['audit-webhook-initial-backoff'] } }),
    }, runtime)
  } catch (cause) {
    throw new FlagError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

function backendOf(flags: ApiServerFlags, name: 'log' | 'webhook'): AuditBackendOptions {
  return {
    mode: flags[`audit-${name}-mode`] as 'batch', version: flags[`audit-${name}-version`], batchBufferSize: flags[`audit-${name}-batch-buffer-size`], batchMaxSize: flags[`audit-${name}-batch-max-size`],
    batchMaxWaitMs: flags[`audit-${name}-batch-max-wait`], batchThrottleEnable: flags[`audit-${name}-batch-throttle-enable`], batchThrottleQps: flags[`audit-${name}-batch-throttle-qps`],
    batchThrottleBurst: flags[`audit-${name}-batch-throttle-burst`], truncateEnabled: flags[`audit-${name}-truncate-enabled`], truncateMaxBatchSizeBytes: flags[`audit-${name}-truncate-max-batch-size`],
    truncateMaxEventSizeBytes: flags[`audit-${name}-truncate-max-event-size`],
  }
}

async function encryptionOf(runtime: Runtime, flags: ApiServerFlags): Promise<GuardOptions['encryption']> {
  const configFile = flags['encryption-provider-config']
  if (configFile === '') {
    if (flags['encryption-provider-config-automatic-reload']) throw new FlagError('--encryption-provider-config-automatic-reload must be set with --encryption-provider-config')
    return undefined
  }
  const { openEncryption } = await import('../apiserver/encryption/encryption.ts')
  try {
    return await openEncryption({ configFile, automaticReload: flags['encryption-provider-config-automatic-reload'] }, runtime)
  } catch (cause) {
    throw new FlagError(`--encryption-provider-config: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}
