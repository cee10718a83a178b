// Generated from src/api/schema by `npm run generate`.
import type { JobSpec } from './batch_v1.ts'
import type { ListMeta, ObjectMeta } from './meta_v1.ts'
import type { ObjectReference } from './core_v1.ts'

export interface JobTemplateSpec {
  metadata: ObjectMeta
  spec: JobSpec
}

export interface CronJob {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: CronJobSpec
  status?: CronJobStatus
}

export interface CronJobList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: CronJob[]
}

export interface CronJobSpec {
  schedule: string
  timeZone?: string
  startingDeadlineSeconds?: number
  concurrencyPolicy?: string
  suspend?: boolean
  jobTemplate: JobTemplateSpec
  successfulJobsHistoryLimit?: number
  failedJobsHistoryLimit?: number
}

export interface CronJobStatus {
  active?: ObjectReference[]
  lastScheduleTime?: string
  lastSuccessfulTime?: string
}
