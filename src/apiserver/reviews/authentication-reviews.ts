import type { UserInfo as ApiUserInfo, SelfSubjectReview, TokenReview } from '../../api/types/authentication.k8s.io_v1.ts'
import type { UserInfo } from '../../api/resource.ts'
import { timeText, type OpenObject } from '../../machinery/object.ts'
import { errors } from '../../machinery/status.ts'
import { apiAudiencesOf, reviewToken, type AuthenticationOptions } from '../authentication/authenticators.ts'
import { refusalText } from '../authentication/failure.ts'
import type { ApiServerCore } from '../core.ts'
import type { SubresourceHandler } from '../subresources.ts'

const group = 'authentication.k8s.io'

function apiUser({ username, uid, groups, extra }: UserInfo): ApiUserInfo {
  return {
    username, ...(uid === undefined ? {} : { uid }), groups: [...groups],
    ...(extra === undefined ? {} : { extra: Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, [...values]])) }),
  }
}

/** What kube-apiserver's own loopback client adds to every token that isn't its: it stands in all of upstream's errors. */
const loopbackRefusal = 'invalid bearer token'

function errorText(refusal: string): string {
  if (refusal === loopbackRefusal) return loopbackRefusal
  const inner = refusal.startsWith('[') && refusal.endsWith(']') ? refusal.slice(1, -1) : refusal
  return `[${loopbackRefusal}, ${inner}]`
}

/** `tokenreviews`: whose token is this? */
export function tokenReviewHandler(core: ApiServerCore, options: AuthenticationOptions): SubresourceHandler {
  async function review(spec: TokenReview['spec']): Promise<NonNullable<TokenReview['status']>> {
    const asked = spec.audiences ?? []
    try {
      // The server's own list is passed on as it is: checkers know it by identity.
      const answer = await reviewToken(options, core, spec.token ?? '', asked.length === 0 ? apiAudiencesOf(options) : asked)
      if (answer === undefined) return { user: {}, error: loopbackRefusal }
      return { authenticated: true, user: apiUser(answer.user), ...(answer.audiences.length === 0 ? {} : { audiences: [...answer.audiences] }) }
    } catch (error) {
      return { user: {}, error: errorText(refusalText(error)) }
    }
  }

  return {
    group, resource: 'tokenreviews', subresource: '',
    async handle(context) {
      const body = await context.readObject() as unknown as TokenReview
      await context.prepare(body as unknown as OpenObject)
      await context.admit('CREATE', body, undefined, () => {
        if ((body.spec?.token ?? '') === '') throw errors.badRequest('token is required for TokenReview in authentication')
      })
      body.status = await review(body.spec)
      return context.answer({ ...body, apiVersion: `${group}/v1`, kind: 'TokenReview' }, 201)
    },
  }
}

/** `selfsubjectreviews`: who am I (`kubectl auth whoami`, KEP-3325). */
export const selfSubjectReviewHandler: SubresourceHandler = {
  group, resource: 'selfsubjectreviews', subresource: '',
  async handle(context) {
    const review = await context.readObject() as unknown as SelfSubjectReview
    await context.prepare(review as unknown as OpenObject)
    await context.admit('CREATE', review)
    const answer = { kind: 'SelfSubjectReview', apiVersion: `${group}/${context.resource.version}`, metadata: { creationTimestamp: timeText(context.core.runtime.clock.now()) }, status: { userInfo: apiUser(context.user) } }
    return context.answer(answer, 201)
  },
}
