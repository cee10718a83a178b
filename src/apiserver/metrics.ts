import type { Registry } from 'prom-client'
import type { RequestInfo } from './context.ts'
import type { Endpoints } from './endpoints.ts'

/** Requests by what they asked for; names and labels as upstream's `apiserver_request_*`. */
export interface RequestMetrics { observe(info: RequestInfo | undefined, method: string, status: number, durationMs: number): void }

interface Tally { count: number; sumSeconds: number; buckets: number[] }
const bucketSeconds = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60]
const maxSeries = 10_000

/**
 * Counts in plain numbers; the metrics library, which start-up can do without, is loaded when somebody asks for /metrics.
 * `more` gives further series in the text format.
 */
export function requestMetrics(endpoints: Endpoints, more: () => string = () => ''): RequestMetrics {
  const tallies = new Map<string, Tally>()
  let reporter: Promise<(tallies: ReadonlyMap<string, Tally>) => Promise<{ text: string; contentType: string }>> | undefined
  endpoints.add('/metrics', async () => {
    reporter ??= createReporter()
    const { text, contentType } = await (await reporter)(tallies)
    return { status: 200, headers: { 'content-type': contentType }, bytes: `${text}${more()}` }
  })
  return {
    observe(info, method, status, durationMs) {
      const verb = (info?.isResourceRequest === true ? info.verb : method).toUpperCase()
      const key = `${verb}|${info?.apiGroup ?? ''}|${info?.apiVersion ?? ''}|${info?.resource ?? ''}|${info?.subresource ?? ''}|${status}`
      let tally = tallies.get(key)
      if (tally === undefined) {
        if (tallies.size >= maxSeries) return
        tallies.set(key, (tally = { count: 0, sumSeconds: 0, buckets: bucketSeconds.map(() => 0) }))
      }
      const seconds = durationMs / 1000
      tally.count++
      tally.sumSeconds += seconds
      const at = bucketSeconds.findIndex((bound) => seconds <= bound)
      if (at >= 0) tally.buckets[at]!++
    },
  }
}

type Report = (tallies: ReadonlyMap<string, Tally>) => Promise<{ text: string; contentType: string }>

async function createReporter(): Promise<Report> {
  const prometheus = await import('prom-client')
  const registry: Registry = new prometheus.Registry()
  prometheus.collectDefaultMetrics({ register: registry })
  return async (tallies) => ({ text: `${await registry.metrics()}\n${exposition(tallies)}`, contentType: registry.contentType })
}

/** The text format (https://prometheus.io/docs/instrumenting/exposition_formats/) of the tallies. */
function exposition(tallies: ReadonlyMap<string, Tally>): string {
  const total = ['# HELP apiserver_request_total Counter of apiserver requests broken out for each verb, group, version, resource, subresource and HTTP response code.', '# TYPE apiserver_request_total counter']
  const duration = ['# HELP apiserver_request_duration_seconds Response latency distribution in seconds for each verb, group, version, resource, subresource.', '# TYPE apiserver_request_duration_seconds histogram']
  for (const [key, { count, sumSeconds, buckets }] of tallies) {
    const [verb, group, version, resource, subresource, code] = key.split('|').map((part) => part.replaceAll(/[\\"\n]/g, '')) as [string, string, string, string, string, string]
    const labels = `verb="${verb}",group="${group}",version="${version}",resource="${resource}",subresource="${subresource}",code="${code}"`
    total.push(`apiserver_request_total{${labels}} ${count}`)
    let below = 0
    buckets.forEach((inBucket, at) => {
      below += inBucket
      duration.push(`apiserver_request_duration_seconds_bucket{${labels},le="${bucketSeconds[at]!}"} ${below}`)
    })
    duration.push(`apiserver_request_duration_seconds_bucket{${labels},le="+Inf"} ${count}`, `apiserver_request_duration_seconds_sum{${labels}} ${sumSeconds}`, `apiserver_request_duration_seconds_count{${labels}} ${count}`)
  }
  return `${total.join('\n')}\n${duration.join('\n')}\n`
}

