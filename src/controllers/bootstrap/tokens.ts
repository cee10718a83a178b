import type { Secret } from '../../api/types/core_v1.ts'

/** Secrets `bootstrap-token-ID` in kube-system stand for tokens `ID.SECRET` of nodes that are about to join. */
export const tokenSecretType = 'bootstrap.kubernetes.io/token'
export const tokenNamespace = 'kube-system'
const namePrefix = 'bootstrap-token-'

export function tokenField(secret: Readonly<Secret>, key: string): string {
  return Buffer.from(secret.data?.[key] ?? '', 'base64').toString('utf8')
}

/** When the token ends, in milliseconds since the epoch; undefined for never. What is no time has ended. */
export function tokenExpiryMs(secret: Readonly<Secret>): number | undefined {
  const text = tokenField(secret, 'expiration')
  if (text === '') return undefined
  const ms = Date.parse(text)
  return Number.isNaN(ms) ? 0 : ms
}

/** Identifier and secret of a token that signs cluster information; undefined for one that is wrong, over, or not for that. */
export function signingToken(secret: Readonly<Secret>, nowMs: number): { id: string; secret: string } | undefined {
  const id = tokenField(secret, 'token-id')
  const text = tokenField(secret, 'token-secret')
  if (secret.type !== tokenSecretType || !/^[a-z0-9]{6}$/.test(id) || text === '' || secret.metadata.name !== `${namePrefix}${id}`) return undefined
  const endsMs = tokenExpiryMs(secret)
  if (endsMs !== undefined && endsMs <= nowMs) return undefined
  return tokenField(secret, 'usage-bootstrap-signing') === 'true' ? { id, secret: text } : undefined
}
