import type { OpenObject } from '../../machinery/object.ts'
import type { DaemonSet, Deployment, ReplicaSet, StatefulSet } from '../types/apps_v1.ts'
import type { HorizontalPodAutoscaler as AutoscalerV1 } from '../types/autoscaling_v1.ts'
import type { HorizontalPodAutoscaler, HPAScalingRules } from '../types/autoscaling_v2.ts'
import type { CronJob, Job } from '../types/batch_v1.ts'
import { defaultPersistentVolumeClaim } from './core.ts'
import type { Defaulter } from './defaults.ts'
import { defaultPodTemplate } from './pod-spec.ts'

function defaultDeployment(object: OpenObject): void {
  const { spec } = object as unknown as Deployment
  if (spec === undefined) return
  spec.replicas ??= 1
  const strategy = (spec.strategy ??= {})
  strategy.type ||= 'RollingUpdate'
  if (strategy.type === 'RollingUpdate') {
    const rolling = (strategy.rollingUpdate ??= {})
    rolling.maxUnavailable ??= '25%'
    rolling.maxSurge ??= '25%'
  }
  spec.revisionHistoryLimit ??= 10
  spec.progressDeadlineSeconds ??= 600
  defaultPodTemplate(spec.template)
}

/** In v1 a number of the DaemonSet's spec stands in an annotation, and so always is there. */
export const templateGenerationKey = 'deprecated.daemonset.template.generation'

function defaultDaemonSet(object: OpenObject): void {
  const { metadata, spec } = object as unknown as DaemonSet
  if (spec === undefined) return
  ;(metadata.annotations ??= {})[templateGenerationKey] ??= '0'
  const strategy = (spec.updateStrategy ??= {})
  strategy.type ||= 'RollingUpdate'
  if (strategy.type === 'RollingUpdate') {
    const rolling = (strategy.rollingUpdate ??= {})
    rolling.maxUnavailable ??= 1
    rolling.maxSurge ??= 0
  }
  spec.revisionHistoryLimit ??= 10
  defaultPodTemplate(spec.template)
}

function defaultStatefulSet(object: OpenObject): void {
  const { spec } = object as unknown as StatefulSet
  if (spec === undefined) return
  spec.podManagementPolicy ||= 'OrderedReady'
  const strategy = (spec.updateStrategy ??= {})
  if ((strategy.type ?? '') === '') {
    strategy.type = 'RollingUpdate'
    strategy.rollingUpdate ??= {}
  }
  if (strategy.type === 'RollingUpdate' && strategy.rollingUpdate !== undefined) strategy.rollingUpdate.partition ??= 0
  const retention = (spec.persistentVolumeClaimRetentionPolicy ??= {})
  retention.whenDeleted ||= 'Retain'
  retention.whenScaled ||= 'Retain'
  spec.replicas ??= 1
  spec.revisionHistoryLimit ??= 10
  defaultPodTemplate(spec.template)
  for (const claim of spec.volumeClaimTemplates ?? []) {
    // Claims are of one type, whatever was written of it.
    if (claim.apiVersion !== 'v1') claim.apiVersion = 'v1'
    if (claim.kind !== 'PersistentVolumeClaim') claim.kind = 'PersistentVolumeClaim'
    defaultPersistentVolumeClaim(claim as unknown as OpenObject)
  }
}

function defaultReplicaSet(object: OpenObject): void {
  const { spec } = object as unknown as ReplicaSet
  if (spec === undefined) return
  spec.replicas ??= 1
  defaultPodTemplate(spec.template)
}

function defaultJob(object: OpenObject): void {
  const { metadata, spec } = object as unknown as Job
  if (spec === undefined) return
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1
  spec.parallelism ??= 1
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : 2147483647
  const labels = spec.template?.metadata?.labels
  if (labels !== undefined && Object.keys(metadata.labels ?? {}).length === 0) {
    // One map, as upstream's: what the template's labels get from the server the job gets, too.
    metadata.labels = labels
  }
  spec.completionMode ??= 'NonIndexed'
  spec.suspend ??= false
  spec.manualSelector ??= false
  spec.podReplacementPolicy ??= spec.podFailurePolicy === undefined ? 'TerminatingOrFailed' : 'Failed'
  for (const rule of spec.podFailurePolicy?.rules ?? []) for (const pattern of rule.onPodConditions ?? []) pattern.status ||= 'True'
  defaultPodTemplate(spec.template)
}

function defaultCronJob(object: OpenObject): void {
  const { spec } = object as unknown as CronJob
  if (spec === undefined) return
  spec.concurrencyPolicy ||= 'Allow'
  spec.suspend ??= false
  spec.successfulJobsHistoryLimit ??= 3
  spec.failedJobsHistoryLimit ??= 1
  const job = spec.jobTemplate?.spec
  for (const rule of job?.podFailurePolicy?.rules ?? []) for (const pattern of rule.onPodConditions ?? []) pattern.status ||= 'True'
  defaultPodTemplate(job?.template)
}

function defaultScaleDown(rules: HPAScalingRules): void {
  rules.selectPolicy ??= 'Max'
  rules.policies ??= [{ type: 'Percent', value: 100, periodSeconds: 15 }]
}

function defaultScaleUp(rules: HPAScalingRules): void {
  rules.selectPolicy ??= 'Max'
  rules.stabilizationWindowSeconds ??= 0
  rules.policies ??= [{ type: 'Pods', value: 4, periodSeconds: 15 }, { type: 'Percent', value: 100, periodSeconds: 15 }]
}

function defaultAutoscaler(object: OpenObject): void {
  const { spec } = object as unknown as HorizontalPodAutoscaler
  if (spec === undefined) return
  spec.minReplicas ??= 1
  if ((spec.metrics ?? []).length === 0) spec.metrics = [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } }]
  if (spec.behavior === undefined) return
  defaultScaleUp((spec.behavior.scaleUp ??= {}))
  defaultScaleDown((spec.behavior.scaleDown ??= {}))
}

function defaultAutoscalerV1(object: OpenObject): void {
  const { metadata, spec } = object as unknown as AutoscalerV1
  if (spec === undefined) return
  spec.minReplicas ??= 1
  if (metadata.annotations?.['autoscaling.alpha.kubernetes.io/metrics'] === undefined) spec.targetCPUUtilizationPercentage ??= 80
}

export const workloadDefaults: Record<string, Defaulter> = {
  'apps/v1.Deployment': defaultDeployment,
  'apps/v1.DaemonSet': defaultDaemonSet,
  'apps/v1.StatefulSet': defaultStatefulSet,
  'apps/v1.ReplicaSet': defaultReplicaSet,
  'batch/v1.Job': defaultJob,
  'batch/v1.CronJob': defaultCronJob,
  'autoscaling/v1.HorizontalPodAutoscaler': defaultAutoscalerV1,
  'autoscaling/v2.HorizontalPodAutoscaler': defaultAutoscaler,
}
