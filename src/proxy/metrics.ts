/** What happened in a sync. */
export interface SyncFigures { durationMs: number; rulesWritten: number; services: number; atMs: number }

/** The proxy's figures, under the names kube-proxy gives them. */
export interface ProxyMetrics {
  synced(figures: SyncFigures): void
  failed(): void
  text(): Promise<string>
  readonly contentType: string
}

export async function createProxyMetrics(): Promise<ProxyMetrics> {
  const { Counter, Gauge, Histogram, Registry } = await import('prom-client')
  const registry = new Registry()
  const registers = [registry]
  const prefix = 'kubeproxy_sync_proxy_rules'
  const duration = new Histogram({ name: `${prefix}_duration_seconds`, help: 'SyncProxyRules latency in seconds', registers, buckets: Array.from({ length: 15 }, (_, index) => 0.001 * 2 ** index) })
  const last = new Gauge({ name: `${prefix}_last_timestamp_seconds`, help: 'The last time proxy rules were successfully synced', registers })
  const rules = new Counter({ name: `${prefix}_written_total`, help: 'Rules written to the kernel', registers })
  const failures = new Counter({ name: `${prefix}_iptables_restore_failures_total`, help: 'Cumulative proxy iptables restore failures', registers })
  const ports = new Gauge({ name: 'kubeproxy_service_ports', help: 'Service ports that rules are in place for', registers })
  return {
    synced({ durationMs, rulesWritten, services, atMs }) {
      duration.observe(durationMs / 1000)
      last.set(atMs / 1000)
      rules.inc(rulesWritten)
      ports.set(services)
    },
    failed: () => failures.inc(),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  }
}
