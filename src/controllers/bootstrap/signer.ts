import { createHmac } from 'node:crypto'
import { runController, watching } from '../../client/controller.ts'
import { configMaps, secrets } from '../../client/resources.ts'
import { isReason } from '../../machinery/status.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import type { StartController } from '../context.ts'
import { signingToken, tokenNamespace, tokenSecretType } from './tokens.ts'

const namespace = 'kube-public'
const name = 'cluster-info'
const signaturePrefix = 'jws-kubeconfig-'

/** A JSON Web Signature over `content`, which is left out of it (RFC 7515, appendix F): `HEADER..SIGNATURE`. */
export function detachedSignature(content: string, tokenId: string, tokenSecret: string): string {
  const header = Buffer.from(JSON.stringify({ alg: 'HS256', kid: tokenId })).toString('base64url')
  const payload = Buffer.from(content).toString('base64url')
  return `${header}..${createHmac('sha256', tokenSecret).update(`${header}.${payload}`).digest('base64url')}`
}

/** Signs kube-public/cluster-info with every bootstrap token, so that who holds one can tell that the information is true. */
export const startBootstrapSigner: StartController = ({ informers, client, runtime }) => {
  const info = informers.informer(configMaps, { fieldSelector: `metadata.name=${name}` })
  const tokens = informers.informer(secrets, { fieldSelector: `type=${tokenSecretType}` })
  const key = `${namespace}/${name}`
  return runController({
    name: 'bootstrap-signer-controller', runtime, concurrency: 1, sources: [watching(info, () => [key]), watching(tokens, () => [key])],
    async reconcile() {
      const map = info.get(key)
      const content = map?.data?.kubeconfig
      if (map === undefined || content === undefined) return
      const data = Object.fromEntries(Object.entries(map.data ?? {}).filter(([field]) => !field.startsWith(signaturePrefix)))
      for (const secret of tokens.list()) {
        const token = secret.metadata.namespace === tokenNamespace ? signingToken(secret, runtime.clock.now()) : undefined
        if (token !== undefined) data[`${signaturePrefix}${token.id}`] = detachedSignature(content, token.id, token.secret)
      }
      if (semanticEqual(data, map.data)) return
      await client.update(configMaps, { ...map, data }).catch((error: unknown) => {
        // What has changed or gone meanwhile wakes this key again.
        if (!isReason(error, 'Conflict', 'NotFound')) throw error
      })
    },
  })
}
