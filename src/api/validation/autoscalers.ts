import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { dnsLabelErrors, pathSegmentErrors } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import { parseQuantity, quantitySign } from '../../machinery/quantity.ts'
import type {
  ContainerResourceMetricSource, CrossVersionObjectReference, ExternalMetricSource, HorizontalPodAutoscaler, HPAScalingRules, MetricIdentifier, MetricSpec, MetricTarget, ObjectMetricSource,
  PodsMetricSource, ResourceMetricSource,
} from '../types/autoscaling_v2.ts'
import { checkContainerResourceName, checkNonNegativeAmount } from './amounts.ts'
import { addInvalid, checkNonNegative, checkOptionalOneOf, isEmpty } from './check.ts'
import type { Validation } from './validation.ts'

/** HorizontalPodAutoscalers (upstream's `pkg/apis/autoscaling/validation`). */

type VersionRule = 'any' | 'well-formed' | 'with a group'

function versionProblem(apiVersion: string, rule: VersionRule): string | undefined {
  if (rule === 'any') return undefined
  const slashes = apiVersion.split('/').length - 1
  if (slashes > 1) return `unexpected GroupVersion string: ${apiVersion}`
  return rule === 'with a group' && apiVersion.slice(0, Math.max(apiVersion.indexOf('/'), 0)) === '' ? 'apiVersion must specify API group' : undefined
}

function checkReference(out: FieldError[], path: string, reference: Readonly<CrossVersionObjectReference> | undefined, rule: VersionRule): void {
  for (const field of ['kind', 'name'] as const) {
    const value = reference?.[field]
    if (isEmpty(value)) out.push(fieldErrors.required(`${path}.${field}`))
    else addInvalid(out, `${path}.${field}`, value, pathSegmentErrors(value))
  }
  const apiVersion = reference?.apiVersion ?? ''
  const problem = versionProblem(apiVersion, rule)
  if (problem !== undefined) out.push(fieldErrors.invalid(`${path}.apiVersion`, apiVersion, problem))
}

function checkIdentifier(out: FieldError[], path: string, identifier: Readonly<MetricIdentifier> | undefined): void {
  const name = identifier?.name ?? ''
  if (name === '') out.push(fieldErrors.required(`${path}.name`, 'must specify a metric name'))
  else addInvalid(out, `${path}.name`, name, pathSegmentErrors(name))
}

function checkTarget(out: FieldError[], path: string, target: Partial<MetricTarget>): void {
  const { type = '', averageUtilization } = target
  if (type === '') out.push(fieldErrors.required(`${path}.type`, 'must specify a metric target type'))
  if (!['Utilization', 'Value', 'AverageValue'].includes(type)) out.push(fieldErrors.invalid(`${path}.type`, type, 'must be either Utilization, Value, or AverageValue'))
  for (const field of ['value', 'averageValue'] as const) {
    const amount = target[field]
    if (amount !== undefined && quantitySign(parseQuantity(amount)) !== 1) out.push(fieldErrors.invalid(`${path}.${field}`, amount, 'must be positive'))
  }
  if (averageUtilization !== undefined && averageUtilization < 1) out.push(fieldErrors.invalid(`${path}.averageUtilization`, averageUtilization, 'must be greater than 0'))
}

function checkObjectSource(out: FieldError[], path: string, { describedObject, metric, target = { type: '' } }: Readonly<ObjectMetricSource>, rule: VersionRule): void {
  checkReference(out, `${path}.describedObject`, describedObject, rule)
  checkIdentifier(out, `${path}.metric`, metric)
  checkTarget(out, `${path}.target`, target)
  if (target.value === undefined && target.averageValue === undefined) out.push(fieldErrors.required(`${path}.target.averageValue`, 'must set either a target value or averageValue'))
}

function checkExternalSource(out: FieldError[], path: string, { metric, target = { type: '' } }: Readonly<ExternalMetricSource>): void {
  checkIdentifier(out, `${path}.metric`, metric)
  checkTarget(out, `${path}.target`, target)
  if (target.value === undefined && target.averageValue === undefined) out.push(fieldErrors.required(`${path}.target.averageValue`, 'must set either a target value for metric or a per-pod target'))
  if (target.value !== undefined && target.averageValue !== undefined) out.push(fieldErrors.forbidden(`${path}.target.value`, 'may not set both a target value for metric and a per-pod target'))
}

function checkPodsSource(out: FieldError[], path: string, { metric, target = { type: '' } }: Readonly<PodsMetricSource>): void {
  checkIdentifier(out, `${path}.metric`, metric)
  checkTarget(out, `${path}.target`, target)
  if (target.averageValue === undefined) out.push(fieldErrors.required(`${path}.target.averageValue`, 'must specify a positive target averageValue'))
}

function checkResourceTarget(out: FieldError[], path: string, target: Partial<MetricTarget> = {}): void {
  checkTarget(out, path, target)
  if (target.averageUtilization === undefined && target.averageValue === undefined) out.push(fieldErrors.required(`${path}.averageUtilization`, 'must set either a target raw value or a target utilization'))
  if (target.averageUtilization !== undefined && target.averageValue !== undefined) out.push(fieldErrors.forbidden(`${path}.averageValue`, 'may not set both a target raw value and a target utilization'))
}

function checkResourceSource(out: FieldError[], path: string, { name, target }: Readonly<ResourceMetricSource>): void {
  if (isEmpty(name)) out.push(fieldErrors.required(`${path}.name`, 'must specify a resource name'))
  checkResourceTarget(out, `${path}.target`, target)
}

function checkContainerSource(out: FieldError[], path: string, { name, container, target }: Readonly<ContainerResourceMetricSource>): void {
  if (isEmpty(name)) out.push(fieldErrors.required(`${path}.name`, 'must specify a resource name'))
  else checkContainerResourceName(out, `${path}.name`, name)
  if (isEmpty(container)) out.push(fieldErrors.required(`${path}.container`, 'must specify a container'))
  else addInvalid(out, `${path}.container`, container, dnsLabelErrors(container))
  checkResourceTarget(out, `${path}.target`, target)
}

type SourceField = 'object' | 'external' | 'pods' | 'resource' | 'containerResource'
const sourceOf: Readonly<Record<string, SourceField>> = { Object: 'object', Pods: 'pods', Resource: 'resource', External: 'external', ContainerResource: 'containerResource' }
const sourceTypes = Object.keys(sourceOf).sort()
/** In upstream's order: the first one given is looked at, the others are too many. */
const sourceFields: readonly SourceField[] = ['object', 'external', 'pods', 'resource', 'containerResource']

function checkSource(out: FieldError[], path: string, field: SourceField, metric: Readonly<MetricSpec>, rule: VersionRule): void {
  const at = `${path}.${field}`
  if (field === 'object') checkObjectSource(out, at, metric.object as ObjectMetricSource, rule)
  else if (field === 'external') checkExternalSource(out, at, metric.external as ExternalMetricSource)
  else if (field === 'pods') checkPodsSource(out, at, metric.pods as PodsMetricSource)
  else if (field === 'resource') checkResourceSource(out, at, metric.resource as ResourceMetricSource)
  else checkContainerSource(out, at, metric.containerResource as ContainerResourceMetricSource)
}

function checkMetric(out: FieldError[], path: string, metric: Readonly<MetricSpec>, rule: VersionRule): void {
  const type = metric.type ?? ''
  const wanted = Object.hasOwn(sourceOf, type) ? sourceOf[type] : undefined
  if (type === '') out.push(fieldErrors.required(`${path}.type`, 'must specify a metric source type'))
  if (wanted === undefined) out.push(fieldErrors.notSupported(`${path}.type`, type, sourceTypes))
  const present = sourceFields.filter((field) => metric[field] !== undefined)
  if (present[0] !== undefined) checkSource(out, path, present[0], metric, rule)
  if (wanted === undefined) out.push(fieldErrors.notSupported(`${path}.type`, type, sourceTypes))
  else if (metric[wanted] === undefined) out.push(fieldErrors.required(`${path}.${wanted}`, 'must populate information for the given metric source'))
  if (present.length === 1) return
  for (const field of present) if (field !== wanted) out.push(fieldErrors.forbidden(`${path}.${field}`, 'must populate the given metric source only'))
}

function checkScalingRules(out: FieldError[], path: string, rules: Readonly<HPAScalingRules>): void {
  const { stabilizationWindowSeconds: window, selectPolicy, policies = [], tolerance } = rules
  if (window !== undefined && window < 0) out.push(fieldErrors.invalid(`${path}.stabilizationWindowSeconds`, window, 'must be greater than or equal to zero'))
  if (window !== undefined && window > 3600) out.push(fieldErrors.invalid(`${path}.stabilizationWindowSeconds`, window, 'must be less than or equal to 3600'))
  checkOptionalOneOf(out, `${path}.selectPolicy`, selectPolicy, ['Disabled', 'Max', 'Min'])
  if (policies.length === 0) out.push(fieldErrors.required(`${path}.policies`, 'must specify at least one Policy'))
  for (const [i, { type, value = 0, periodSeconds = 0 }] of policies.entries()) {
    const at = `${path}.policies[${i}]`
    checkOptionalOneOf(out, `${at}.type`, type ?? '', ['Percent', 'Pods'])
    if (value <= 0) out.push(fieldErrors.invalid(`${at}.value`, value, 'must be greater than zero'))
    if (periodSeconds <= 0) out.push(fieldErrors.invalid(`${at}.periodSeconds`, periodSeconds, 'must be greater than zero'))
    if (periodSeconds > 1800) out.push(fieldErrors.invalid(`${at}.periodSeconds`, periodSeconds, 'must be less than or equal to 1800'))
  }
  checkNonNegativeAmount(out, `${path}.tolerance`, tolerance)
}

/** What was there before is not held to rules that came later. */
function checkAutoscaler(out: FieldError[], { spec }: Readonly<HorizontalPodAutoscaler>, before?: Readonly<HorizontalPodAutoscaler>): void {
  const { minReplicas, maxReplicas = 0, metrics = [], scaleTargetRef } = spec
  const least = before?.spec.minReplicas === 0 ? 0 : 1
  if (minReplicas !== undefined && minReplicas < least) out.push(fieldErrors.invalid('spec.minReplicas', minReplicas, `must be greater than or equal to ${least}`))
  if (maxReplicas === 0) out.push(fieldErrors.required('spec.maxReplicas', 'must be set and greater than 0'))
  else if (maxReplicas < 0) out.push(fieldErrors.invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to 1'))
  if (minReplicas !== undefined && maxReplicas < minReplicas) out.push(fieldErrors.invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`'))
  const old = before?.spec.scaleTargetRef
  const isSameKind = before !== undefined && (old?.apiVersion ?? '') === (scaleTargetRef?.apiVersion ?? '') && (old?.kind ?? '') === (scaleTargetRef?.kind ?? '')
  // Replication controllers are the one kind without a group that can be scaled.
  checkReference(out, 'spec.scaleTargetRef', scaleTargetRef, isSameKind ? 'any' : scaleTargetRef?.kind === 'ReplicationController' ? 'well-formed' : 'with a group')
  const hadBadObject = before?.spec.metrics?.some(({ type, object }) => type === 'Object' && object !== undefined && versionProblem(object.describedObject?.apiVersion ?? '', 'well-formed') !== undefined) === true
  for (const [i, metric] of metrics.entries()) checkMetric(out, `spec.metrics[${i}]`, metric, hadBadObject ? 'any' : 'well-formed')
  if (minReplicas === 0 && !metrics.some(({ type }) => type === 'Object' || type === 'External')) {
    out.push(fieldErrors.forbidden('spec.metrics', 'must specify at least one Object or External metric to support scaling to zero replicas'))
  }
  for (const direction of ['scaleUp', 'scaleDown'] as const) {
    const rules = spec.behavior?.[direction]
    if (rules !== undefined) checkScalingRules(out, `spec.behavior.${direction}`, rules)
  }
}

export const autoscalerValidation: Validation = {
  validate(object: Readonly<OpenObject>) {
    const out: FieldError[] = []
    checkAutoscaler(out, object as unknown as HorizontalPodAutoscaler)
    return out
  },
  validateUpdate(object, old) {
    const out: FieldError[] = []
    checkAutoscaler(out, object as unknown as HorizontalPodAutoscaler, old as unknown as HorizontalPodAutoscaler)
    return out
  },
  validateStatusUpdate(object) {
    const out: FieldError[] = []
    const { status } = object as unknown as HorizontalPodAutoscaler
    for (const field of ['currentReplicas', 'desiredReplicas'] as const) checkNonNegative(out, `status.${field}`, status?.[field])
    return out
  },
}
