import type { Runtime } from '../../runtime/runtime.ts'
import { isLongRunning } from '../flow-control/request-limiter.ts'
import type { Auditor } from '../request-guards.ts'
import type { AuditBackend } from './audit-backend.ts'
import { decideAudit, type AuditLevel, type AuditPolicy } from './audit-policy.ts'
import { RequestAudit } from './request-audit.ts'

/** Keeps records of requests; disposing it waits until all have been written, or cannot be. */
export interface RequestAuditing extends Auditor, AsyncDisposable {
  /** `apiserver_audit_*`, in the text format. */
  metrics(): string
}

/** Records by a policy, into one or more backends. */
export function requestAuditing(runtime: Runtime, policy: AuditPolicy, backends: readonly AuditBackend[]): RequestAuditing {
  const { clock, log } = runtime
  const levels = new Map<AuditLevel, number>()
  let events = 0
  let rejected = 0
  return {
    begin(request, info, user, auditId, startedMs) {
      const decision = decideAudit(policy, user, info)
      levels.set(decision.level, (levels.get(decision.level) ?? 0) + 1)
      if (decision.level === 'None') return undefined
      // Wall time is read once; stages are as far from it as the monotonic clock says.
      const receivedMicros = Math.round((clock.now() - (clock.monotonicMs() - startedMs)) * 1000)
      return new RequestAudit({
        decision, auditId, request, info, user, isLongRunning: isLongRunning(info), receivedMicros,
        nowMicros: () => receivedMicros + Math.round((clock.monotonicMs() - startedMs) * 1000),
        warn: (message, fields) => log.warn(message, fields),
        sink: (event) => {
          events++
          const pending: Promise<boolean>[] = []
          let isKept = true
          for (const backend of backends) {
            const answer = backend.process([event])
            if (answer instanceof Promise) pending.push(answer)
            else isKept &&= answer
          }
          const settled = (kept: boolean): boolean => {
            if (!kept) rejected++
            return kept
          }
          return pending.length === 0 ? settled(isKept) : Promise.all(pending).then((answers) => settled(isKept && answers.every(Boolean)))
        },
      })
    },
    metrics() {
      const counter = (name: string, help: string, samples: readonly string[]): string => `# HELP ${name} ${help}\n# TYPE ${name} counter\n${samples.map((sample) => `${name}${sample}\n`).join('')}`
      const failures = new Map<string, number>()
      for (const { name, failed } of backends.flatMap((backend) => backend.failures())) failures.set(name, (failures.get(name) ?? 0) + failed)
      return counter('apiserver_audit_event_total', 'Counter of audit events generated and sent to the audit backend.', [` ${events}`])
        + counter('apiserver_audit_requests_rejected_total', 'Counter of apiserver requests rejected due to an error in audit logging backend.', [` ${rejected}`])
        + counter('apiserver_audit_level_total', 'Counter of policy levels for audit events (1 per request).', [...levels].map(([level, count]) => `{level="${level}"} ${count}`))
        + counter('apiserver_audit_error_total', 'Counter of audit events that failed to be audited properly. Plugin identifies the plugin affected by the error.', [...failures].map(([name, count]) => `{plugin="${name}"} ${count}`))
    },
    [Symbol.asyncDispose]: async () => void (await Promise.all(backends.map((backend) => backend[Symbol.asyncDispose]()))),
  }
}
