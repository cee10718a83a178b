import type { AuthorizationAttributes, AuthorizationDecision, Authorizer, ResolvedRules } from '../context.ts'

/** An authorizer that always knows what it can say of a user's rules. */
export interface AuthorizerChain extends Authorizer { rulesFor: NonNullable<Authorizer['rulesFor']> }

/** One request on its way along the chain. What is known at once is answered at once: most requests cost no promise. */
class Asked {
  readonly #authorizers: readonly Authorizer[]
  readonly #attributes: AuthorizationAttributes
  #reasons: string[] | undefined
  #errors: string[] | undefined

  constructor(authorizers: readonly Authorizer[], attributes: AuthorizationAttributes) {
    this.#authorizers = authorizers
    this.#attributes = attributes
  }

  from(first: number): AuthorizationDecision | Promise<AuthorizationDecision> {
    for (let at = first; at < this.#authorizers.length; at++) {
      const answer = this.#authorizers[at]!.authorize(this.#attributes)
      if (answer instanceof Promise) return answer.then((decision) => (this.#isLast(decision) ? decision : this.from(at + 1)))
      if (this.#isLast(answer)) return answer
    }
    const errors = this.#errors
    const error = errors === undefined ? undefined : errors.length === 1 ? errors[0] : `[${errors.join(', ')}]`
    return { decision: 'noOpinion', reason: this.#reasons?.join('\n') ?? '', ...(error === undefined ? {} : { error }) }
  }

  /** Notes why there is no opinion. */
  #isLast({ decision, reason, error }: AuthorizationDecision): boolean {
    if (decision !== 'noOpinion') return true
    if (reason !== '') (this.#reasons ??= []).push(reason)
    if (error !== undefined) (this.#errors ??= []).push(error)
    return false
  }
}

/** Asks in order; the first with an opinion decides. Reasons and errors of those without one are joined. */
export function authorizerChain(authorizers: readonly Authorizer[]): AuthorizerChain {
  return {
    name: 'union',
    authorize: (attributes) => new Asked(authorizers, attributes).from(0),
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
