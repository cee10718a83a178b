import { familyBlocks } from './families.ts'

/** Kubernetes' promise about a series (KEP-1209); those that are not listed are ALPHA. */
const levels: Readonly<Record<string, 'BETA' | 'STABLE'>> = Object.fromEntries([
  ...[
    'apiserver_admission_controller_admission_duration_seconds', 'apiserver_admission_step_admission_duration_seconds', 'apiserver_admission_webhook_admission_duration_seconds',
    'apiserver_current_inflight_requests', 'apiserver_longrunning_requests', 'apiserver_request_duration_seconds', 'apiserver_request_total', 'apiserver_requested_deprecated_apis',
    'apiserver_response_sizes', 'apiserver_storage_objects', 'apiserver_storage_size_bytes', 'kubernetes_healthcheck', 'kubernetes_healthchecks_total',
    'pod_security_evaluations_total', 'pod_security_exemptions_total', 'pod_security_errors_total',
  ].map((name) => [name, 'STABLE'] as const),
  ...[
    'apiserver_authentication_config_controller_automatic_reload_last_timestamp_seconds', 'apiserver_authentication_config_controller_automatic_reloads_total',
    'apiserver_authorization_config_controller_automatic_reload_last_timestamp_seconds', 'apiserver_authorization_config_controller_automatic_reloads_total',
    'apiserver_cel_compilation_duration_seconds', 'apiserver_cel_evaluation_duration_seconds',
    ...['current_executing_requests', 'current_executing_seats', 'current_inqueue_requests', 'dispatched_requests_total', 'nominal_limit_seats', 'rejected_requests_total', 'request_wait_duration_seconds'].map((name) => `apiserver_flowcontrol_${name}`),
    'apiserver_storage_events_received_total', 'apiserver_validating_admission_policy_check_duration_seconds', 'apiserver_validating_admission_policy_check_total', 'apiserver_watch_list_duration_seconds',
    'disabled_metrics_total', 'hidden_metrics_total', 'kubernetes_build_info', 'kubernetes_feature_enabled', 'registered_metrics_total',
    ...['adds_total', 'depth', 'longest_running_processor_seconds', 'queue_duration_seconds', 'retries_total', 'unfinished_work_seconds', 'work_duration_seconds'].map((name) => `workqueue_${name}`),
  ].map((name) => [name, 'BETA'] as const),
])

/** Since when a series is on its way out. */
const deprecated: Readonly<Record<string, string>> = { apiserver_storage_objects: '1.34.0' }

/** Series of the process itself, which promise nothing. */
const unmarked = /^(?:nodejs_|process_)/

/** Series kept over time, whose help has a word of warning before the level. */
const experimental = new Set(['demand_seats', 'priority_level_request_utilization', 'priority_level_seat_utilization', 'read_vs_write_current_requests'].map((name) => `apiserver_flowcontrol_${name}`))

/** The text with the level, and since when it is deprecated, before each help text, as component-base writes them; families without a series are left out. */
export function withStability(text: string): string {
  return text.replaceAll(/^# HELP .*\n# TYPE .*\n(?=# HELP |$(?!\n))/gm, '').replaceAll(/^# HELP (\S+) (?!\[(?:ALPHA|BETA|STABLE)\])/gm, (line, name: string) => {
    if (unmarked.test(name)) return line
    const since = deprecated[name]
    return `# HELP ${name} ${experimental.has(name) ? 'EXPERIMENTAL: ' : ''}[${levels[name] ?? 'ALPHA'}] ${since === undefined ? '' : `(Deprecated since ${since}) `}`
  })
}

/** How many series there are by level and deprecation: `registered_metrics_total`. */
export function registered(text: string): { level: string; since: string; count: number }[] {
  const counts = new Map<string, { level: string; since: string; count: number }>()
  for (const { name, block } of familyBlocks(text)) {
    const level = /^# HELP \S+ \[(ALPHA|BETA|STABLE)\]/.exec(block.replace('EXPERIMENTAL: ', ''))?.[1]
    if (level === undefined) continue
    const since = deprecated[name] ?? ''
    const entry = counts.get(`${level} ${since}`) ?? { level, since, count: 0 }
    entry.count++
    counts.set(`${level} ${since}`, entry)
  }
  return [...counts.values()]
}
