import type { CertificateSigningRequest } from '../../api/types/certificates.k8s.io_v1.ts'
import { runController, watching } from '../../client/controller.ts'
import { certificateSigningRequests } from '../../client/resources.ts'
import { timeText } from '../../machinery/object.ts'
import type { StartController } from '../context.ts'
import type { SigningAuthority } from './authority.ts'
import { hasCondition } from './conditions.ts'

export interface SigningOptions {
  authority: SigningAuthority
  /** The longest life of a certificate (`--cluster-signing-duration`); a year where left out. */
  lifeMs?: number
}

const yearMs = 365 * 24 * 3_600_000
const minLifeMs = 10 * 60_000

/** How long a certificate lives that asks for `expirationSeconds`. */
export function lifeOf(expirationSeconds: number | undefined, maxMs: number): number {
  return expirationSeconds === undefined ? maxMs : Math.min(maxMs, Math.max(minLifeMs, expirationSeconds * 1000))
}

/** Issues what has been approved for the signers of Kubernetes itself; what a signer refuses fails. */
export function certificateSigning({ authority, lifeMs = yearMs }: SigningOptions): StartController {
  return ({ informers, client, runtime }) => {
    const requests = informers.informer(certificateSigningRequests)
    return runController({
      name: 'certificatesigningrequest-signing-controller', runtime, concurrency: 5, sources: [watching(requests)],
      async reconcile(name) {
        const request = requests.get(name)
        if (request === undefined || (request.status?.certificate ?? '') !== '') return
        if (!hasCondition(request, 'Approved') || hasCondition(request, 'Denied') || hasCondition(request, 'Failed')) return
        // The library of certificates is loaded with the first request.
        const { builtinSigners, parseRequest } = await import('./request.ts')
        const { signerName, usages = [], expirationSeconds } = request.spec
        if (!Object.hasOwn(builtinSigners, signerName)) return
        const parsed = parseRequest(request)
        const problem = builtinSigners[signerName]!(parsed, usages)
        const copy = structuredClone(request) as CertificateSigningRequest
        if (problem !== undefined) {
          const condition = { type: 'Failed', status: 'True', reason: 'SignerValidationFailure', message: problem, lastUpdateTime: timeText(runtime.clock.now()) }
          await client.updateStatus(certificateSigningRequests, { ...copy, status: { ...copy.status, conditions: [...(copy.status?.conditions ?? []), condition] } })
          return
        }
        const { signRequest } = await import('./authority.ts')
        const certificate = await signRequest(runtime, authority, parsed, { usages, lifeMs: lifeOf(expirationSeconds, lifeMs) })
        await client.updateStatus(certificateSigningRequests, { ...copy, status: { ...copy.status, certificate: Buffer.from(certificate).toString('base64') } })
      },
    })
  }
}
