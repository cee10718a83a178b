import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import type { Secret, ServiceAccount } from '../../api/types/core_v1.ts'
import { runController, watching } from '../../client/controller.ts'
import { secrets, serviceAccounts } from '../../client/resources.ts'
import { isReason } from '../../machinery/status.ts'
import type { StartController } from '../context.ts'

const secretType = 'kubernetes.io/service-account-token'
const nameAnnotation = 'kubernetes.io/service-account.name'
const uidAnnotation = 'kubernetes.io/service-account.uid'
const claimPrefix = 'kubernetes.io/serviceaccount/'

export interface TokenControllerOptions {
  /** PEM of the private key (RSA or EC) that signs service-account tokens (`--service-account-private-key-file`). */
  signingKey: string
  /** PEM of the authority that pods verify the API server by. */
  rootCa?: string
}

function algorithmOf(key: KeyObject): string {
  if (key.asymmetricKeyType === 'rsa') return 'RS256'
  const byCurve: Readonly<Record<string, string>> = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' }
  const algorithm = byCurve[key.asymmetricKeyDetails?.namedCurve ?? '']
  if (algorithm === undefined) throw new Error('the service-account key must be RSA or EC P-256, P-384 or P-521')
  return algorithm
}

const base64 = (text: string): string => Buffer.from(text).toString('base64')

/**
 * Fills Secrets of type `kubernetes.io/service-account-token` with a token of the account that they name, and deletes those whose
 * account is gone (Kubernetes documentation, "Manually create a long-lived API token for a ServiceAccount").
 */
export function serviceAccountTokens({ signingKey, rootCa }: TokenControllerOptions): StartController {
  const key = createPrivateKey(signingKey)
  const keyId = createHash('sha256').update(createPublicKey(key).export({ type: 'spki', format: 'der' })).digest('base64url')

  async function tokenOf(secret: Readonly<Secret>, account: Readonly<ServiceAccount>): Promise<string> {
    const { SignJWT } = await import('jose')
    const { namespace = '', name = '', uid = '' } = account.metadata
    return await new SignJWT({
      [`${claimPrefix}namespace`]: namespace, [`${claimPrefix}secret.name`]: secret.metadata.name, [`${claimPrefix}service-account.name`]: name, [`${claimPrefix}service-account.uid`]: uid,
    }).setProtectedHeader({ alg: algorithmOf(key), kid: keyId }).setIssuer('kubernetes/serviceaccount').setSubject(`system:serviceaccount:${namespace}:${name}`).sign(key)
  }

  return ({ informers, client, runtime }) => {
    const tokens = informers.informer(secrets, { fieldSelector: `type=${secretType}` })
    const accounts = informers.informer(serviceAccounts)
    const ofAccount = (account: ServiceAccount): string[] => tokens.list()
      .filter(({ metadata }) => metadata.namespace === account.metadata.namespace && metadata.annotations?.[nameAnnotation] === account.metadata.name)
      .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)
    return runController({
      name: 'serviceaccount-token-controller', runtime, concurrency: 5, sources: [watching(tokens), watching(accounts, (account, old) => ofAccount((account ?? old)!))],
      async reconcile(secretKey) {
        const secret = tokens.get(secretKey)
        const { namespace = '', annotations = {}, uid } = secret?.metadata ?? {}
        const accountName = annotations[nameAnnotation] ?? ''
        if (secret === undefined || secret.metadata.deletionTimestamp !== undefined || accountName === '') return
        // The informer may be behind: whether an account is gone is asked of the server.
        const account = accounts.get(`${namespace}/${accountName}`) ?? await client.find(serviceAccounts, namespace, accountName)
        const wantedUid = annotations[uidAnnotation] ?? ''
        if (account === undefined || (wantedUid !== '' && wantedUid !== account.metadata.uid)) {
          await client.delete(secrets, namespace, secret.metadata.name!, uid === undefined ? {} : { preconditions: { uid } }).catch((error: unknown) => {
            if (!isReason(error, 'NotFound', 'Conflict')) throw error
          })
          return
        }
        const has = (field: string, text: string): boolean => secret.data?.[field] === base64(text)
        const hasToken = (secret.data?.token ?? '') !== ''
        if (hasToken && wantedUid !== '' && has('namespace', namespace) && (rootCa === undefined || has('ca.crt', rootCa))) return
        await client.update(secrets, {
          ...secret, metadata: { ...secret.metadata, annotations: { ...annotations, [uidAnnotation]: account.metadata.uid! } },
          data: { ...secret.data, namespace: base64(namespace), ...(rootCa === undefined ? {} : { 'ca.crt': base64(rootCa) }), token: hasToken ? secret.data!.token! : base64(await tokenOf(secret, account)) },
        })
      },
    })
  }
}
