import { X509Certificate } from 'node:crypto'
import type { CertificateSigningRequest } from '../../api/types/certificates.k8s.io_v1.ts'
import { every, reading, runController } from '../../client/controller.ts'
import { certificateSigningRequests } from '../../client/resources.ts'
import { isReason } from '../../machinery/status.ts'
import type { StartController } from '../context.ts'
import { conditionOf, hasCondition } from './conditions.ts'

const hourMs = 3_600_000
const pollMs = hourMs
/** How long requests stay once they are decided, and while they wait. */
const keepMs = { Approved: hourMs, Denied: hourMs, Failed: hourMs, pending: 24 * hourMs } as const

function hasRunOut({ status }: Readonly<CertificateSigningRequest>, nowMs: number): boolean {
  const pem = Buffer.from(status?.certificate ?? '', 'base64').toString('utf8')
  if (pem === '') return false
  try {
    return new X509Certificate(pem).validToDate.getTime() < nowMs
  } catch {
    return false // what is no certificate is cleaned up with its approval
  }
}

/** Whether nobody needs a request any longer (upstream's csrcleaner). */
export function isOver(request: Readonly<CertificateSigningRequest>, nowMs: number): boolean {
  const olderThan = (time: string | undefined, ageMs: number): boolean => time !== undefined && nowMs - Date.parse(time) > ageMs
  const isIssued = (request.status?.certificate ?? '') !== ''
  const decided = (type: 'Approved' | 'Denied' | 'Failed'): boolean => olderThan(conditionOf(request, type)?.lastUpdateTime, keepMs[type])
  if (isIssued && decided('Approved')) return true
  if (decided('Denied') || decided('Failed')) return true
  const isPending = !hasCondition(request, 'Approved') && !hasCondition(request, 'Denied') && !hasCondition(request, 'Failed')
  const isUnissued = hasCondition(request, 'Approved') && !isIssued
  if ((isPending || isUnissued) && olderThan(request.metadata.creationTimestamp, keepMs.pending)) return true
  return hasRunOut(request, nowMs)
}

/** Deletes requests that are over, once an hour. */
export const startCertificateCleaning: StartController = ({ informers, client, runtime }) => {
  const requests = informers.informer(certificateSigningRequests)
  return runController({
    name: 'certificatesigningrequest-cleaner-controller', runtime, concurrency: 1, sources: [every(runtime, pollMs), reading(requests as never)],
    async reconcile() {
      for (const request of requests.list()) {
        if (!isOver(request, runtime.clock.now())) continue
        await client.delete(certificateSigningRequests, '', request.metadata.name!).catch((error: unknown) => {
          if (!isReason(error, 'NotFound')) throw error
        })
      }
    },
  })
}
