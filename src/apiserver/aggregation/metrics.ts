import type { APIService } from '../../api/types/apiregistration.k8s.io_v1.ts'
import { isAvailable } from './api-service.ts'

const maxSeries = 1_000

function reasonOf(service: Readonly<APIService>): string {
  return service.status?.conditions?.find(({ type }) => type === 'Available')?.reason ?? ''
}

/** Counts an APIService that has become unavailable, by name and reason; `losses` holds `name|reason`. */
export function noteLoss(before: Readonly<APIService> | undefined, now: Readonly<APIService> | undefined, losses: Map<string, number>): void {
  if (now === undefined || isAvailable(now) || reasonOf(now) === '') return
  if (before !== undefined && !isAvailable(before) && reasonOf(before) !== '') return
  const key = `${now.metadata.name ?? ''}|${reasonOf(now)}`
  if (losses.has(key) || losses.size < maxSeries) losses.set(key, (losses.get(key) ?? 0) + 1)
}

/** kube-aggregator's series, in the text format. */
export function unavailableSeries(services: readonly Readonly<APIService>[], losses: ReadonlyMap<string, number>): string {
  const lines = ['# HELP aggregator_unavailable_apiservice [ALPHA] Gauge of APIServices which are marked as unavailable broken down by APIService name.', '# TYPE aggregator_unavailable_apiservice gauge']
  for (const service of services) lines.push(`aggregator_unavailable_apiservice{name="${service.metadata.name ?? ''}"} ${isAvailable(service) ? 0 : 1}`)
  if (losses.size > 0) lines.push('# HELP aggregator_unavailable_apiservice_total [ALPHA] Counter of APIServices which are marked as unavailable broken down by APIService name and reason.', '# TYPE aggregator_unavailable_apiservice_total counter')
  for (const [key, count] of losses) {
    const [name, reason] = key.split('|')
    lines.push(`aggregator_unavailable_apiservice_total{name="${name}",reason="${reason}"} ${count}`)
  }
  return `${lines.join('\n')}\n`
}
