import type { UserInfo as ApiUserInfo, SelfSubjectReview, TokenReview } from '../../api/types/authentication.k8s.io_v1.ts'
import type { UserInfo } from '../../api/resource.ts'
import { timeText } from '../../machinery/object.ts'
import { errors, isReason } from '../../machinery/status.ts'
import { tokenCheckers, type AuthenticationOptions } from '../authentication/authenticators.ts'
import type { TokenChecker } from '../authentication/bearer-token.ts'
import type { ApiServerCore } from '../core.ts'
import type { SubresourceHandler } from '../subresources.ts'

const group = 'authentication.k8s.io'

function apiUser({ username, uid, groups, extra }: UserInfo): ApiUserInfo {
  return {
    username, ...(uid === undefined ? {} : { uid }), groups: [...groups],
    ...(extra === undefined ? {} : { extra: Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, [...values]])) }),
  }
}

async function userOfToken(checkers: readonly TokenChecker[], token: string, audiences: readonly string[] | undefined): Promise<UserInfo | undefined> {
  for (const checker of checkers) {
    const user = await checker.check(token, audiences)
    if (user !== undefined) return user
  }
  return undefined
}

/** What a verified token is for: its `aud`, or, for tokens that say nothing, this server. */
function audiencesOf(token: string, own: readonly string[]): readonly string[] {
  try {
    const { aud } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as { aud?: string | string[] }
    return aud === undefined ? own : [aud].flat()
  } catch {
    return own // no JWT: a static token
  }
}

/** `tokenreviews`: whose token is this? */
export function tokenReviewHandler(core: ApiServerCore, options: AuthenticationOptions): SubresourceHandler {
  return {
    group, resource: 'tokenreviews', subresource: '',
    async handle(context) {
      const review = await context.readObject() as unknown as TokenReview
      const token = review.spec?.token ?? ''
      if (token === '') throw errors.badRequest('token is required for TokenReview in authentication')
      await context.admit('CREATE', review)
      const asked = review.spec.audiences ?? []
      const own = options.serviceAccounts?.apiAudiences ?? []
      try {
        const user = await userOfToken(tokenCheckers(options, core), token, asked.length === 0 ? undefined : asked)
        const meant = audiencesOf(token, own)
        const audiences = (asked.length === 0 ? own : asked).filter((audience) => meant.includes(audience))
        if (user === undefined) review.status = { user: {}, error: 'invalid bearer token' }
        else if (asked.length > 0 && audiences.length === 0) review.status = { user: {}, error: `token audiences ${JSON.stringify(meant)} is invalid for the target audiences ${JSON.stringify(asked)}` }
        else review.status = { authenticated: true, user: apiUser(user), ...(audiences.length === 0 ? {} : { audiences }) }
      } catch (error) {
        if (!isReason(error, 'Unauthorized')) throw error
        review.status = { user: {}, error: 'invalid bearer token' }
      }
      return context.answer({ ...review, apiVersion: `${group}/v1`, kind: 'TokenReview' }, 201)
    },
  }
}

/** `selfsubjectreviews`: who am I (`kubectl auth whoami`, KEP-3325). */
export const selfSubjectReviewHandler: SubresourceHandler = {
  group, resource: 'selfsubjectreviews', subresource: '',
  async handle(context) {
    const review = await context.readObject() as unknown as SelfSubjectReview
    await context.admit('CREATE', review)
    review.metadata = { ...review.metadata, creationTimestamp: timeText(context.core.runtime.clock.now()) }
    review.status = { userInfo: apiUser(context.user) }
    return context.answer({ ...review, apiVersion: `${group}/${context.resource.version}`, kind: 'SelfSubjectReview' }, 201)
  },
}
