import { humanDuration } from '../../machinery/human-duration.ts'
import { labelSelectorText } from '../../machinery/labels.ts'
import type { CronJob, Job } from '../types/batch_v1.ts'
import { age, ageColumn, column, containerCells, fieldColumn, nameColumn, printer, since, templateColumns } from './columns.ts'
import type { KindPrinter } from './columns.ts'

function jobStatus(job: Job): string {
  const has = (type: string) => job.status?.conditions?.find((condition) => condition.type === type)?.status === 'True'
  if (has('Complete')) return 'Complete'
  if (has('Failed')) return 'Failed'
  if (job.metadata.deletionTimestamp !== undefined) return 'Terminating'
  if (has('Suspended')) return 'Suspended'
  if (has('FailureTarget')) return 'FailureTarget'
  return has('SuccessCriteriaMet') ? 'SuccessCriteriaMet' : 'Running'
}

function completionsText({ spec, status }: Job): string {
  const succeeded = status?.succeeded ?? 0
  if (spec.completions !== undefined) return `${succeeded}/${spec.completions}`
  return (spec.parallelism ?? 0) > 1 ? `${succeeded}/1 of ${spec.parallelism}` : `${succeeded}/1`
}

function jobDuration({ status }: Job, nowMs: number): string {
  if (status?.startTime === undefined) return ''
  return humanDuration((status.completionTime === undefined ? nowMs : Date.parse(status.completionTime)) - Date.parse(status.startTime))
}

export const batchPrinters: Record<string, KindPrinter> = {
  Job: printer<Job>([
    nameColumn,
    column('Status', 'string', 'Status of the job.'),
    fieldColumn('Completions', 'string', 'batch/v1.JobStatus', 'succeeded'),
    column('Duration', 'string', 'Time required to complete the job.'),
    ageColumn, ...templateColumns(1),
    fieldColumn('Selector', 'string', 'batch/v1.JobSpec', 'selector', 1),
  ], (job, nowMs) => [
    job.metadata.name ?? '', jobStatus(job), completionsText(job), jobDuration(job, nowMs), age(job, nowMs),
    ...containerCells(job.spec.template?.spec?.containers), labelSelectorText(job.spec.selector),
  ]),
  CronJob: printer<CronJob>([
    nameColumn,
    fieldColumn('Schedule', 'string', 'batch/v1.CronJobSpec', 'schedule'),
    fieldColumn('Timezone', 'string', 'batch/v1.CronJobSpec', 'timeZone'),
    fieldColumn('Suspend', 'boolean', 'batch/v1.CronJobSpec', 'suspend'),
    fieldColumn('Active', 'integer', 'batch/v1.CronJobStatus', 'active'),
    fieldColumn('Last Schedule', 'string', 'batch/v1.CronJobStatus', 'lastScheduleTime'),
    ageColumn, ...templateColumns(1),
    fieldColumn('Selector', 'string', 'batch/v1.JobSpec', 'selector', 1),
  ], (cronJob, nowMs) => [
    cronJob.metadata.name ?? '', cronJob.spec.schedule, cronJob.spec.timeZone ?? '<none>', cronJob.spec.suspend === undefined ? '<unset>' : cronJob.spec.suspend ? 'True' : 'False',
    cronJob.status?.active?.length ?? 0, cronJob.status?.lastScheduleTime === undefined ? '<none>' : since(cronJob.status.lastScheduleTime, nowMs), age(cronJob, nowMs),
    ...containerCells(cronJob.spec.jobTemplate?.spec?.template?.spec?.containers), labelSelectorText(cronJob.spec.jobTemplate?.spec?.selector),
  ]),
}
