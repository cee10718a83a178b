import { isJsonObject } from '../../machinery/json-value.ts'
import { parseQuantity, quantitySign } from '../../machinery/quantity.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { HorizontalPodAutoscaler as AutoscalerV1, MetricSpec as MetricSpecV1, MetricStatus as MetricStatusV1 } from '../types/autoscaling_v1.ts'
import type { HorizontalPodAutoscaler, HorizontalPodAutoscalerBehavior, HPAScalingRules, MetricSpec, MetricStatus, MetricTarget } from '../types/autoscaling_v2.ts'

/**
 * HorizontalPodAutoscaler between autoscaling/v1 and v2. What v1 has no field for travels in annotations, in upstream's
 * form (`pkg/apis/autoscaling/v1/conversion.go`), so that an object can be read and written in either version without loss.
 */

const annotations = {
  metrics: 'autoscaling.alpha.kubernetes.io/metrics',
  currentMetrics: 'autoscaling.alpha.kubernetes.io/current-metrics',
  conditions: 'autoscaling.alpha.kubernetes.io/conditions',
  behavior: 'autoscaling.alpha.kubernetes.io/behavior',
} as const

/** Leaves out what is undefined. */
function compact<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T
}

function isCpuUtilization(metric: MetricSpec): boolean {
  return metric.type === 'Resource' && metric.resource?.name === 'cpu' && metric.resource.target.averageUtilization !== undefined
}

function specToV1(metric: MetricSpec): MetricSpecV1 {
  const { object, pods, resource, containerResource, external } = metric
  return compact({
    type: metric.type,
    object: object && compact({ target: object.describedObject, metricName: object.metric.name, targetValue: object.target.value ?? '0', selector: object.metric.selector, averageValue: object.target.averageValue }),
    pods: pods && compact({ metricName: pods.metric.name, targetAverageValue: pods.target.averageValue ?? '0', selector: pods.metric.selector }),
    resource: resource && compact({ name: resource.name, targetAverageUtilization: resource.target.averageUtilization, targetAverageValue: resource.target.averageValue }),
    containerResource: containerResource && compact({
      name: containerResource.name, targetAverageUtilization: containerResource.target.averageUtilization, targetAverageValue: containerResource.target.averageValue, container: containerResource.container,
    }),
    external: external && compact({ metricName: external.metric.name, metricSelector: external.metric.selector, targetValue: external.target.value, targetAverageValue: external.target.averageValue }),
  })
}

function utilizationTarget(utilization: number | undefined, averageValue: string | undefined): MetricTarget {
  return compact({ type: utilization === undefined ? 'AverageValue' : 'Utilization', averageValue, averageUtilization: utilization })
}

function specToV2(metric: MetricSpecV1): MetricSpec {
  const { object, pods, resource, containerResource, external } = metric
  return compact({
    type: metric.type,
    object: object && {
      describedObject: object.target, metric: compact({ name: object.metricName, selector: object.selector }),
      // A value of zero is what v1 cannot leave out.
      target: object.averageValue === undefined ? { type: 'Value', value: object.targetValue } : compact({ type: 'AverageValue', value: quantitySign(parseQuantity(object.targetValue ?? '0')) === 0 ? undefined : object.targetValue, averageValue: object.averageValue }),
    },
    pods: pods && { metric: compact({ name: pods.metricName, selector: pods.selector }), target: { type: 'AverageValue', averageValue: pods.targetAverageValue } },
    resource: resource && { name: resource.name, target: utilizationTarget(resource.targetAverageUtilization, resource.targetAverageValue) },
    containerResource: containerResource && {
      name: containerResource.name, container: containerResource.container, target: utilizationTarget(containerResource.targetAverageUtilization, containerResource.targetAverageValue),
    },
    external: external && {
      metric: compact({ name: external.metricName, selector: external.metricSelector }),
      target: compact({ type: external.targetValue === undefined ? 'AverageValue' : 'Value', value: external.targetValue, averageValue: external.targetAverageValue }),
    },
  })
}

function statusToV1(metric: MetricStatus): MetricStatusV1 {
  const { object, pods, resource, containerResource, external } = metric
  return compact({
    type: metric.type,
    object: object && compact({ target: object.describedObject, metricName: object.metric.name, currentValue: object.current.value ?? '0', selector: object.metric.selector, averageValue: object.current.averageValue }),
    pods: pods && compact({ metricName: pods.metric.name, currentAverageValue: pods.current.averageValue ?? '0', selector: pods.metric.selector }),
    resource: resource && compact({ name: resource.name, currentAverageUtilization: resource.current.averageUtilization, currentAverageValue: resource.current.averageValue ?? '0' }),
    containerResource: containerResource && compact({
      name: containerResource.name, currentAverageUtilization: containerResource.current.averageUtilization,
      currentAverageValue: containerResource.current.averageValue ?? '0', container: containerResource.container,
    }),
    external: external && compact({ metricName: external.metric.name, metricSelector: external.metric.selector, currentValue: external.current.value ?? '0', currentAverageValue: external.current.averageValue }),
  })
}

function statusToV2(metric: MetricStatusV1): MetricStatus {
  const { object, pods, resource, containerResource, external } = metric
  return compact({
    type: metric.type,
    object: object && {
      describedObject: object.target, metric: compact({ name: object.metricName, selector: object.selector }), current: compact({ value: object.currentValue, averageValue: object.averageValue }),
    },
    pods: pods && { metric: compact({ name: pods.metricName, selector: pods.selector }), current: { averageValue: pods.currentAverageValue } },
    resource: resource && { name: resource.name, current: compact({ averageUtilization: resource.currentAverageUtilization, averageValue: resource.currentAverageValue }) },
    containerResource: containerResource && {
      name: containerResource.name, container: containerResource.container,
      current: compact({ averageUtilization: containerResource.currentAverageUtilization, averageValue: containerResource.currentAverageValue }),
    },
    external: external && {
      metric: compact({ name: external.metricName, selector: external.metricSelector }), current: compact({ value: external.currentValue, averageValue: external.currentAverageValue }),
    },
  })
}

/** What an annotation holds, or undefined where there is none or its text is none of a list of objects, or an object. */
function parseAnnotation<T extends object>(object: { metadata: { annotations?: Record<string, string> } }, key: string): T | undefined {
  const text = object.metadata.annotations?.[key]
  if (text === undefined) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return (Array.isArray(value) ? value.every(isJsonObject) : isJsonObject(value)) ? value as T : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function parseAnnotationList<T extends object>(object: { metadata: { annotations?: Record<string, string> } }, key: string): T[] | undefined {
  const value = parseAnnotation<T[]>(object, key)
  return Array.isArray(value) ? value : undefined
}

/** Upstream writes its internal type, whose names are Go's, and reads them whatever their case. */
function behaviorText({ scaleUp, scaleDown }: Readonly<HorizontalPodAutoscalerBehavior>): string {
  const rulesOf = (rules: HPAScalingRules | undefined): unknown => (rules === undefined ? null : {
    StabilizationWindowSeconds: rules.stabilizationWindowSeconds ?? null, SelectPolicy: rules.selectPolicy ?? null,
    Policies: rules.policies?.map(({ type, value, periodSeconds }) => ({ Type: type, Value: value, PeriodSeconds: periodSeconds })) ?? null, Tolerance: rules.tolerance ?? null,
  })
  return JSON.stringify({ ScaleUp: rulesOf(scaleUp), ScaleDown: rulesOf(scaleDown) })
}

const behaviorFields = ['scaleUp', 'scaleDown', 'stabilizationWindowSeconds', 'selectPolicy', 'policies', 'tolerance', 'type', 'value', 'periodSeconds']

function withApiNames(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withApiNames)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== null).map(([key, field]) => [behaviorFields.find((name) => name.toLowerCase() === key.toLowerCase()) ?? key, withApiNames(field)]))
}

function behaviorOf(given: { metadata: { annotations?: Record<string, string> } }): HorizontalPodAutoscalerBehavior | undefined {
  const behavior = withApiNames(parseAnnotation(given, annotations.behavior)) as HorizontalPodAutoscalerBehavior | undefined
  return behavior?.scaleUp === undefined && behavior?.scaleDown === undefined ? undefined : behavior
}

function withoutOwn(all: Readonly<Record<string, string>> | undefined): Record<string, string> {
  const own: readonly string[] = Object.values(annotations)
  return Object.fromEntries(Object.entries(all ?? {}).filter(([key]) => !own.includes(key)))
}

function metadataWith(object: Readonly<OpenObject>, all: Record<string, string>): OpenObject['metadata'] {
  const { annotations: _old, ...metadata } = object.metadata
  return Object.keys(all).length === 0 ? metadata : { ...metadata, annotations: all }
}

/** v2 -> v1, as a new object. */
export function autoscalerToV1(given: Readonly<OpenObject>): OpenObject {
  const { spec, status } = given as unknown as HorizontalPodAutoscaler
  const all = withoutOwn(given.metadata.annotations)
  const { metrics = [], behavior, ...sharedSpec } = spec ?? {}
  const cpu = metrics.find(isCpuUtilization)
  const others = metrics.filter((metric) => !isCpuUtilization(metric))
  if (others.length > 0) all[annotations.metrics] = JSON.stringify(others.map(specToV1))
  if (behavior !== undefined) all[annotations.behavior] = behaviorText(behavior)
  const { currentMetrics, conditions, ...sharedStatus } = status ?? {}
  if ((currentMetrics?.length ?? 0) > 0) all[annotations.currentMetrics] = JSON.stringify(currentMetrics?.map(statusToV1))
  if (conditions !== undefined && conditions.length > 0) all[annotations.conditions] = JSON.stringify(conditions)
  const currentCpu = currentMetrics?.find((metric) => metric.type === 'Resource' && metric.resource?.name === 'cpu')?.resource?.current.averageUtilization
  return {
    kind: 'HorizontalPodAutoscaler', apiVersion: 'autoscaling/v1', metadata: metadataWith(given, all),
    spec: compact({ ...sharedSpec, targetCPUUtilizationPercentage: cpu?.resource?.target.averageUtilization }),
    status: compact({ currentReplicas: 0, desiredReplicas: 0, ...sharedStatus, currentCPUUtilizationPercentage: currentCpu }),
  }
}

/** v1 -> v2, as a new object. */
export function autoscalerToV2(given: Readonly<OpenObject>): OpenObject {
  const { spec, status } = given as unknown as AutoscalerV1
  const { targetCPUUtilizationPercentage, ...sharedSpec } = spec ?? {}
  const metrics = (parseAnnotationList<MetricSpecV1>(given, annotations.metrics) ?? []).map(specToV2)
  if (targetCPUUtilizationPercentage !== undefined) metrics.push({ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: targetCPUUtilizationPercentage } } })
  const { currentCPUUtilizationPercentage, currentReplicas = 0, ...sharedStatus } = status ?? {}
  const kept = parseAnnotationList<MetricStatusV1>(given, annotations.currentMetrics)?.map(statusToV2)
  const currentMetrics: MetricStatus[] | undefined = kept ?? (currentCPUUtilizationPercentage === undefined
    ? undefined : [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: currentCPUUtilizationPercentage } } }])
  // As Go writes what is not there.
  const statusV2 = compact({ ...sharedStatus, currentReplicas: currentReplicas === 0 ? undefined : currentReplicas, currentMetrics: currentMetrics ?? null, conditions: parseAnnotationList(given, annotations.conditions) })
  return {
    kind: 'HorizontalPodAutoscaler', apiVersion: 'autoscaling/v2', metadata: metadataWith(given, withoutOwn(given.metadata.annotations)),
    spec: compact({ ...sharedSpec, metrics: metrics.length === 0 ? undefined : metrics, behavior: behaviorOf(given) }),
    status: statusV2,
  }
}
