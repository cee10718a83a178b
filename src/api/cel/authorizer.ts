import type { Definition } from './functions.ts'
import { CelError, Opaque } from './values.ts'

/**
 * The authorizer in expressions (https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-authorizer-library). Expressions
 * cannot wait, authorizers may: a check that has no answer yet stops the evaluation with `NeedsAuthorization`, whoever evaluates
 * asks, and evaluates again.
 */
export interface AuthorizationCheck {
  /** Whose rights: a service account's where `serviceAccount()` named one, else the request's user. */
  serviceAccount?: { namespace: string; name: string }
  verb: string
  path?: string
  group?: string
  resource?: string
  subresource?: string
  namespace?: string
  name?: string
  fieldSelector?: string
  labelSelector?: string
}
export interface AuthorizationAnswer { allowed: boolean; reason: string; error?: string }

/** Thrown through an evaluation; not a CelError, so that no operator swallows it. */
export class NeedsAuthorization extends Error {
  readonly check: AuthorizationCheck
  constructor(check: AuthorizationCheck) {
    super('an authorization check has no answer yet')
    this.check = check
  }
}

/** Answers of one evaluation's checks by their text. */
export class AuthorizationAnswers {
  readonly #known = new Map<string, AuthorizationAnswer>()

  static keyOf(check: AuthorizationCheck): string {
    return JSON.stringify(check, Object.keys(check).concat('namespace', 'name').toSorted())
  }

  set(check: AuthorizationCheck, answer: AuthorizationAnswer): void {
    this.#known.set(AuthorizationAnswers.keyOf(check), answer)
  }

  ask(check: AuthorizationCheck): AuthorizationAnswer {
    const known = this.#known.get(AuthorizationAnswers.keyOf(check))
    if (known === undefined) throw new NeedsAuthorization(check)
    return known
  }
}

interface Held { answers: AuthorizationAnswers; check: Omit<AuthorizationCheck, 'verb'> }
const prefix = 'kubernetes.authorization.'
const held = (value: Opaque): Held => value.held as Held
const made = (type: string, { answers }: Held, check: Held['check']): Opaque => {
  const text = JSON.stringify(check)
  return new Opaque(prefix + type, { answers, check }, (other) => JSON.stringify(held(other).check) === text)
}

export function authorizerValue(answers: AuthorizationAnswers): Opaque {
  return made('Authorizer', { answers, check: {} }, {})
}

/** `authorizer.requestResource`: the check of the resource that the request is for. */
export function resourceCheckValue(answers: AuthorizationAnswers, check: { group: string; resource: string; subresource: string; namespace: string; name: string }): Opaque {
  return made('ResourceCheck', { answers, check: {} }, check)
}

function refined(field: keyof AuthorizationCheck) {
  return (value: Opaque, text: string): Opaque => made('ResourceCheck', held(value), { ...held(value).check, [field]: text })
}

function decide(value: Opaque, verb: string): Opaque {
  const { answers, check } = held(value)
  const answer = answers.ask({ ...check, verb })
  return new Opaque(`${prefix}Decision`, answer)
}

const decision = (value: Opaque): AuthorizationAnswer => value.held as AuthorizationAnswer

export const authorizerLibrary: readonly Definition[] = [
  ['Authorizer.path(string): PathCheck', (value: Opaque, path: string) => {
    if (path.trim() === '') throw new CelError('path must not be empty')
    return made('PathCheck', held(value), { ...held(value).check, path })
  }],
  ['Authorizer.group(string): GroupCheck', (value: Opaque, group: string) => made('GroupCheck', held(value), { ...held(value).check, group })],
  ['Authorizer.serviceAccount(string,string): Authorizer', (value: Opaque, namespace: string, name: string) => {
    if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(namespace)) throw new CelError('Invalid service account namespace')
    if (name.length > 253 || !/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(name)) throw new CelError('Invalid service account name')
    return made('Authorizer', held(value), { serviceAccount: { namespace, name } })
  }],
  ['GroupCheck.resource(string): ResourceCheck', (value: Opaque, resource: string) => {
    if (resource.trim() === '') throw new CelError('resource must not be empty')
    return made('ResourceCheck', held(value), { ...held(value).check, resource })
  }],
  ['ResourceCheck.subresource(string): ResourceCheck', refined('subresource')], ['ResourceCheck.namespace(string): ResourceCheck', refined('namespace')], ['ResourceCheck.name(string): ResourceCheck', refined('name')],
  ['ResourceCheck.fieldSelector(string): ResourceCheck', refined('fieldSelector')], ['ResourceCheck.labelSelector(string): ResourceCheck', refined('labelSelector')],
  ['PathCheck.check(string): Decision', decide], ['ResourceCheck.check(string): Decision', decide],
  ['Decision.allowed(): bool', (value: Opaque) => decision(value).allowed], ['Decision.reason(): string', (value: Opaque) => decision(value).reason],
  ['Decision.errored(): bool', (value: Opaque) => decision(value).error !== undefined], ['Decision.error(): string', (value: Opaque) => decision(value).error ?? ''],
]
