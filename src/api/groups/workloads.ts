import type { Job } from '../types/batch_v1.ts'
import type { OpenObject } from '../../machinery/object.ts'
import { autoscalerToV1, autoscalerToV2 } from '../conversions/autoscaling.ts'
import { applyDefaultsFor } from '../defaults/defaults.ts'
import { appsPrinters } from '../printers/apps.ts'
import { autoscalingV1Printers, autoscalingV2Printers } from '../printers/autoscaling.ts'
import { batchPrinters } from '../printers/batch.ts'
import { policyPrinters, schedulingPrinters } from '../printers/small-groups.ts'
import { scale, selectableOr, status } from './description.ts'
import type { BuiltinGroup, BuiltinResource } from './description.ts'

export const appsGroup: BuiltinGroup = {
  group: 'apps',
  versions: [{
    version: 'v1',
    printers: appsPrinters,
    resources: [
      { kind: 'ControllerRevision' },
      { kind: 'DaemonSet', shortNames: ['ds'], categories: ['all'], subresources: [status] },
      { kind: 'Deployment', shortNames: ['deploy'], categories: ['all'], subresources: [scale, status] },
      { kind: 'ReplicaSet', shortNames: ['rs'], categories: ['all'], subresources: [scale, status], selectableFields: selectableOr('0', 'status.replicas') },
      { kind: 'StatefulSet', shortNames: ['sts'], categories: ['all'], subresources: [scale, status] },
    ],
  }],
}

const autoscaler: BuiltinResource = { kind: 'HorizontalPodAutoscaler', shortNames: ['hpa'], categories: ['all'], subresources: [status] }

/** What comes from v1 is stored as v2 would have it: with its defaults. */
function storedAutoscaler(object: OpenObject): OpenObject {
  const stored = autoscalerToV2(object)
  applyDefaultsFor('autoscaling/v2.HorizontalPodAutoscaler')?.(stored)
  return stored
}

export const autoscalingGroup: BuiltinGroup = {
  group: 'autoscaling',
  versions: [
    { version: 'v2', printers: autoscalingV2Printers, resources: [autoscaler] },
    {
      version: 'v1', printers: autoscalingV1Printers,
      resources: [{ ...autoscaler, storage: { storageVersion: 'autoscaling/v2', toStorage: storedAutoscaler, fromStorage: autoscalerToV1 } }],
    },
  ],
}

export const batchGroup: BuiltinGroup = {
  group: 'batch',
  versions: [{
    version: 'v1',
    printers: batchPrinters,
    resources: [
      { kind: 'CronJob', shortNames: ['cj'], categories: ['all'], subresources: [status] },
      { kind: 'Job', categories: ['all'], subresources: [status], selectableFields: { 'status.successful': (job) => String((job as unknown as Job).status?.succeeded ?? 0) } },
    ],
  }],
}

export const policyGroup: BuiltinGroup = {
  group: 'policy',
  versions: [{ version: 'v1', printers: policyPrinters, resources: [{ kind: 'PodDisruptionBudget', shortNames: ['pdb'], subresources: [status] }] }],
}

export const schedulingGroup: BuiltinGroup = {
  group: 'scheduling.k8s.io',
  versions: [
    { version: 'v1', printers: schedulingPrinters, resources: [{ kind: 'PriorityClass', resource: 'priorityclasses', cluster: true, shortNames: ['pc'] }] },
    { version: 'v1alpha2', printers: schedulingPrinters, resources: [{ kind: 'Workload' }, { kind: 'PodGroup', subresources: [status] }] },
  ],
}
