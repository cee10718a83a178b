import { createHash, timingSafeEqual } from 'node:crypto'
import type { UserInfo } from '../../api/resource.ts'
import type { Secret } from '../../api/types/core_v1.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { ObjectReader } from '../context.ts'
import { authenticated } from './user.ts'

const tokenForm = /^([a-z0-9]{6})\.([a-z0-9]{16})$/
const groupForm = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/
const bootstrappers = 'system:bootstrappers'

function dataOf(secret: Secret, key: string): string {
  return Buffer.from(secret.data?.[key] ?? '', 'base64').toString('utf8')
}

function sameText(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}

/**
 * Knows nodes that are about to join by a token `ID.SECRET`, which a Secret `bootstrap-token-ID` of type
 * `bootstrap.kubernetes.io/token` in kube-system stands for (Kubernetes documentation, "Authenticating with Bootstrap Tokens").
 */
export function bootstrapTokenUser(reader: ObjectReader, runtime: Runtime): (token: string) => Promise<UserInfo | undefined> {
  const users = new WeakMap<object, UserInfo>()
  return async (token) => {
    const [, id, secretText] = tokenForm.exec(token) ?? []
    if (id === undefined || secretText === undefined) return undefined
    await reader.whenReady(['secrets'])
    const secret = reader.get('secrets', 'kube-system', `bootstrap-token-${id}`) as Secret | undefined
    const skip = (because: string): undefined => {
      runtime.log.debug('a bootstrap token was not accepted', { secret: `bootstrap-token-${id}`, because })
      return undefined
    }
    if (secret === undefined) return skip('there is no such secret')
    if (secret.metadata.deletionTimestamp !== undefined) return skip('the secret is being deleted')
    if (secret.type !== 'bootstrap.kubernetes.io/token') return skip('the secret has another type')
    if (!sameText(dataOf(secret, 'token-secret'), secretText)) return skip('the secret part differs')
    if (dataOf(secret, 'token-id') !== id) return skip('token-id differs')
    const expiration = dataOf(secret, 'expiration')
    // What is no time counts as past, so that a slip of the pen leaves no token alive.
    if (expiration !== '' && !(Date.parse(expiration) > runtime.clock.now())) return skip('the token has expired')
    if (dataOf(secret, 'usage-bootstrap-authentication') !== 'true') return skip('usage-bootstrap-authentication is not true')
    const known = users.get(secret)
    if (known !== undefined) return known
    const extraGroups = dataOf(secret, 'auth-extra-groups')
    const groups = extraGroups === '' ? [] : extraGroups.split(',')
    if (!groups.every((group) => groupForm.test(group))) return skip('auth-extra-groups has a group that does not begin with system:bootstrappers:')
    const user = authenticated({ username: `system:bootstrap:${id}`, groups: [...new Set([bootstrappers, ...groups])].toSorted() })
    users.set(secret, user)
    return user
  }
}
