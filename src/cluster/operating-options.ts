import type { OperatingOptions } from '../apiserver/operating-options.ts'
import { apiServerFlags } from './apiserver-flags.ts'
import type { ApiServerSettings } from './apiserver-options.ts'
import { featureGates, isFeatureEnabled } from '../api/feature-gates.ts'
import { formatFlagValue } from './flags.ts'

/** Health, metrics, pages and periods. */
export function operatingOptions({ flags }: ApiServerSettings): OperatingOptions {
  const gates = flags['feature-gates']
  const shown = Object.fromEntries(apiServerFlags.map((row) => [row.name, formatFlagValue(row, flags[row.name])]))
  return {
    ...(isFeatureEnabled(gates, 'ComponentFlagz') ? { flags: shown } : {}), statusz: isFeatureEnabled(gates, 'ComponentStatusz'),
    livezGraceMs: flags['livez-grace-period'], storeCheckTimeoutMs: { health: flags['etcd-healthcheck-timeout'], readiness: flags['etcd-readycheck-timeout'] },
    profiling: flags['profiling'], disabledMetrics: flags['disabled-metrics'], countPeriodMs: flags['etcd-count-metric-poll-period'],
    features: featureGates.map(({ name, stage }) => ({ name, stage, isEnabled: isFeatureEnabled(gates, name) })),
    eventTtlMs: flags['event-ttl'], leaseReuseMs: flags['lease-reuse-duration-seconds'] * 1000, identity: isFeatureEnabled(gates, 'APIServerIdentity'),
  }
}
