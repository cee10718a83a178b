import type { Authorizer, ResolvedRules } from '../context.ts'

/** An authorizer that always knows what it can say of a user's rules. */
export interface AuthorizerChain extends Authorizer { rulesFor: NonNullable<Authorizer['rulesFor']> }

/** Asks in order; the first with an opinion decides. Reasons and errors of those without one are joined. */
export function authorizerChain(authorizers: readonly Authorizer[]): AuthorizerChain {
  return {
    name: 'union',
    async authorize(attributes) {
      let reasons: string[] | undefined
      let errors: string[] | undefined
      for (const authorizer of authorizers) {
        const answer = authorizer.authorize(attributes)
        const decision = answer instanceof Promise ? await answer : answer
        if (decision.decision !== 'noOpinion') return decision
        if (decision.reason !== '') (reasons ??= []).push(decision.reason)
        if (decision.error !== undefined) (errors ??= []).push(decision.error)
      }
      const error = errors === undefined ? undefined : errors.length === 1 ? errors[0] : `[${errors.join(', ')}]`
      return { decision: 'noOpinion', reason: reasons?.join('\n') ?? '', ...(error === undefined ? {} : { error }) }
    },
    async rulesFor(user, namespace) {
      const all: ResolvedRules = { resourceRules: [], nonResourceRules: [], incomplete: false, errors: [] }
      for (const authorizer of authorizers) {
        const rules = await authorizer.rulesFor?.(user, namespace)
        if (rules === undefined) continue
        all.resourceRules.push(...rules.resourceRules)
        all.nonResourceRules.push(...rules.nonResourceRules)
        all.incomplete ||= rules.incomplete
        all.errors.push(...rules.errors)
      }
      return all
    },
  }
}
