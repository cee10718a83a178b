import type { HorizontalPodAutoscaler as HorizontalPodAutoscalerV1, Scale } from '../types/autoscaling_v1.ts'
import type { HorizontalPodAutoscaler, MetricSpec, MetricStatus } from '../types/autoscaling_v2.ts'
import { age, ageColumn, fieldColumn, nameColumn, printer } from './columns.ts'
import type { KindPrinter } from './columns.ts'

type Target = { value?: string; averageValue?: string; averageUtilization?: number }

function percent(value: number | undefined): string | undefined {
  return value === undefined ? undefined : `${value}%`
}

/** `cpu: 30%/80%`, `4/10 (avg)`: what is, by what should be. */
function metricText(spec: MetricSpec, status: MetricStatus | undefined): string {
  const unknown = '<unknown>'
  const ofValue = (target: Target, current: Target | undefined) => (target.averageValue === undefined
    ? `${current?.value ?? unknown}/${target.value ?? '0'}`
    : `${current?.averageValue ?? unknown}/${target.averageValue} (avg)`)
  const ofResource = (name: string, target: Target, current: Target | undefined) => (target.averageValue === undefined
    ? `${name}: ${percent(current?.averageUtilization) ?? unknown}/${percent(target.averageUtilization) ?? '<auto>'}`
    : `${name}: ${current?.averageValue ?? unknown}/${target.averageValue}`)
  if (spec.type === 'External' && spec.external !== undefined) return ofValue(spec.external.target, status?.external?.current)
  if (spec.type === 'Object' && spec.object !== undefined) return ofValue(spec.object.target, status?.object?.current)
  if (spec.type === 'Pods' && spec.pods !== undefined) return `${status?.pods?.current.averageValue ?? unknown}/${spec.pods.target.averageValue ?? '0'}`
  if (spec.type === 'Resource' && spec.resource !== undefined) return ofResource(spec.resource.name, spec.resource.target, status?.resource?.current)
  if (spec.type === 'ContainerResource' && spec.containerResource !== undefined) return ofResource(spec.containerResource.name, spec.containerResource.target, status?.containerResource?.current)
  return '<unknown type>'
}

function metricsText(specs: readonly MetricSpec[], statuses: readonly MetricStatus[]): string {
  if (specs.length === 0) return '<none>'
  const all = specs.map((spec, index) => metricText(spec, statuses[index]))
  const shown = all.slice(0, 2).join(', ')
  return all.length > 2 ? `${shown} + ${all.length - 2} more...` : shown
}

const columns = [
  nameColumn,
  fieldColumn('Reference', 'string', 'autoscaling/v2.HorizontalPodAutoscalerSpec', 'scaleTargetRef'),
  fieldColumn('Targets', 'string', 'autoscaling/v2.HorizontalPodAutoscalerSpec', 'metrics'),
  fieldColumn('MinPods', 'string', 'autoscaling/v2.HorizontalPodAutoscalerSpec', 'minReplicas'),
  fieldColumn('MaxPods', 'string', 'autoscaling/v2.HorizontalPodAutoscalerSpec', 'maxReplicas'),
  fieldColumn('Replicas', 'string', 'autoscaling/v2.HorizontalPodAutoscalerStatus', 'currentReplicas'),
  ageColumn,
]

type Common = Pick<HorizontalPodAutoscalerV1, 'metadata'> & { spec: Pick<HorizontalPodAutoscalerV1['spec'], 'scaleTargetRef' | 'minReplicas' | 'maxReplicas'>; status?: { currentReplicas?: number } }

function row(scaler: Common, targets: string, nowMs: number): Array<string | number> {
  const { scaleTargetRef, minReplicas, maxReplicas } = scaler.spec
  return [
    scaler.metadata.name ?? '', `${scaleTargetRef.kind}/${scaleTargetRef.name}`, targets, minReplicas === undefined ? '<unset>' : String(minReplicas),
    maxReplicas, scaler.status?.currentReplicas ?? 0, age(scaler, nowMs),
  ]
}

export const autoscalingV2Printers: Record<string, KindPrinter> = {
  HorizontalPodAutoscaler: printer<HorizontalPodAutoscaler>(columns,
    (scaler, nowMs) => row(scaler, metricsText(scaler.spec.metrics ?? [], scaler.status?.currentMetrics ?? []), nowMs)),
}

export const autoscalingV1Printers: Record<string, KindPrinter> = {
  HorizontalPodAutoscaler: printer<HorizontalPodAutoscalerV1>(columns, (scaler, nowMs) => {
    const target = percent(scaler.spec.targetCPUUtilizationPercentage)
    const current = percent(scaler.status?.currentCPUUtilizationPercentage) ?? '<unknown>'
    return row(scaler, target === undefined ? '<none>' : `cpu: ${current}/${target}`, nowMs)
  }),
}

/** Rows of the scale subresource. */
export const scalePrinter: KindPrinter = printer<Scale>([
  { ...nameColumn, format: '', get description() { return nameColumn.description } },
  fieldColumn('Desired', 'integer', 'autoscaling/v1.ScaleSpec', 'replicas'),
  fieldColumn('Available', 'integer', 'autoscaling/v1.ScaleStatus', 'replicas'),
  ageColumn,
], (scale, nowMs) => [scale.metadata.name ?? '', scale.spec?.replicas ?? 0, scale.status?.replicas ?? 0, age(scale, nowMs)])
