/** How the server is watched over and run, by the flags of kube-apiserver; what is left out takes upstream's default. */
export interface OperatingOptions {
  /** What /flagz shows; left out: there is no /flagz. */
  flags?: Readonly<Record<string, string>>
  /** Feature gate ComponentStatusz: /statusz. */
  statusz?: boolean
  /** `--livez-grace-period`: so long /livez does not mind start-up steps that are not finished. */
  livezGraceMs?: number
  /** `--etcd-healthcheck-timeout` and `--etcd-readycheck-timeout`. */
  storeCheckTimeoutMs?: { health: number; readiness: number }
  /** `--profiling`: /debug/pprof. */
  profiling?: boolean
  /** `--disabled-metrics`: families left out of /metrics. */
  disabledMetrics?: readonly string[]
  /** Feature gates, for the metric kubernetes_feature_enabled. */
  features?: readonly { name: string; stage: string; isEnabled: boolean }[]
  /** `--etcd-count-metric-poll-period`: how often objects are counted; 0: never. */
  countPeriodMs?: number
  /** `--event-ttl`. */
  eventTtlMs?: number
  /** `--lease-reuse-duration-seconds`. */
  leaseReuseMs?: number
  /** Feature gate APIServerIdentity: a lease in kube-system says that this server is there. */
  identity?: boolean
}
