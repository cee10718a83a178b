import { authorizerValue, AuthorizationAnswers, NeedsAuthorization, resourceCheckValue, type AuthorizationAnswer, type AuthorizationCheck } from '../../../api/cel/authorizer.ts'
import type { Compilation, CompiledExpression } from '../../../api/cel/expression.ts'
import { fromJson } from '../../../api/cel/json-values.ts'
import { CelError, CostExceeded, type CelMap, type Value } from '../../../api/cel/values.ts'
import type { ResourceDescription, UserInfo } from '../../../api/resource.ts'
import type { Namespace } from '../../../api/types/core_v1.ts'
import type { OpenObject } from '../../../machinery/object.ts'
import type { AdmissionAttributes } from '../../context.ts'
import type { ApiServerCore } from '../../core.ts'
import { celRequest } from '../webhooks/review.ts'

/** A request as expressions see it: objects in the version of `target`. */
export interface ExpressionInput {
  attributes: AdmissionAttributes
  target: ResourceDescription
  object: Readonly<OpenObject> | undefined
  oldObject: Readonly<OpenObject> | undefined
  namespace?: Readonly<Namespace> | undefined
  params?: Readonly<OpenObject> | undefined
}

/** An expression's text, and what it was compiled to. */
export interface NamedExpression { name: string; expression: string; compilation: Compilation }

/** One expression's result; `error` is upstream's text. */
export type Evaluated = { value: Value; error?: undefined } | { value?: undefined; error: string }

/** All that may be spent is spent: nothing more is evaluated. */
export class OutOfBudget extends Error {
  constructor() {
    super('validation failed due to running out of cost budget, no further validation rules will be run')
  }
}

/** What expressions of one request (for one policy, binding and parameter) are evaluated with. */
export class Activation {
  readonly #core: ApiServerCore
  readonly #user: UserInfo
  readonly #answers = new AuthorizationAnswers()
  readonly #values: Record<string, unknown>
  #budget: number
  #variablesCost = 0

  constructor(core: ApiServerCore, input: ExpressionInput, budget: number, variables: readonly NamedExpression[] = []) {
    const { attributes, object, oldObject, namespace, params } = input
    this.#core = core
    this.#user = attributes.user
    this.#budget = budget
    const { resource, subresource, name } = attributes
    const values: Record<string, unknown> = {
      object: object ?? null, oldObject: oldObject ?? null, params: params ?? null, namespaceObject: namespace === undefined ? null : fromJson(exposedNamespace(namespace)),
      authorizer: authorizerValue(this.#answers),
      'authorizer.requestResource': resourceCheckValue(this.#answers, { group: resource.group, resource: resource.resource, subresource, namespace: attributes.namespace, name }),
    }
    Object.defineProperty(values, 'request', { get: once(() => fromJson(dense(celRequest({ attributes, target: input.target, object, oldObject })))), enumerable: true })
    this.#values = values
    values.variables = new LazyVariables(variables, (variable) => this.#variable(variable))
  }

  /** For another object in the same place: what a mutation before has made. */
  setObject(object: Readonly<OpenObject> | undefined, variables: readonly NamedExpression[]): void {
    this.#values.object = object ?? null
    this.#values.variables = new LazyVariables(variables, (variable) => this.#variable(variable))
  }

  #variable({ name, compilation }: NamedExpression): Value {
    if (compilation.compiled === undefined) throw new CelError(`composited variable ${JSON.stringify(name)} fails to compile: ${compilation.problem}`)
    const outcome = compilation.compiled.evaluate(this.#values)
    this.#variablesCost += outcome.cost
    if (outcome.error !== undefined) throw new CelError(`composited variable ${JSON.stringify(name)} fails to evaluate: ${outcome.error.message}`)
    return outcome.value
  }

  /** Evaluates; asks the authorizers where the expression does. Throws OutOfBudget. */
  async evaluate(expression: string, compilation: Compilation): Promise<Evaluated> {
    if (compilation.compiled === undefined) return { error: `compilation error: ${compilation.problem}` }
    const outcome = await this.#run(compilation.compiled)
    this.#spend(this.#variablesCost)
    this.#variablesCost = 0
    this.#spend(outcome.cost)
    if (outcome.error instanceof CostExceeded || outcome.error !== undefined) return { error: `expression '${expression}' resulted in error: ${outcome.error.message}` }
    return { value: outcome.value }
  }

  #spend(cost: number): void {
    if (cost > this.#budget) throw new OutOfBudget()
    this.#budget -= cost
  }

  async #run(compiled: CompiledExpression): Promise<ReturnType<CompiledExpression['evaluate']>> {
    for (;;) {
      const spent = this.#variablesCost
      try {
        return compiled.evaluate(this.#values)
      } catch (cause) {
        if (!(cause instanceof NeedsAuthorization)) throw cause
        this.#variablesCost = spent
        this.#answers.set(cause.check, await this.#authorize(cause.check))
      }
    }
  }

  async #authorize({ serviceAccount, verb, path, group = '', resource = '', subresource = '', namespace = '', name = '', fieldSelector, labelSelector }: AuthorizationCheck): Promise<AuthorizationAnswer> {
    const user = serviceAccount === undefined ? this.#user : serviceAccountUser(serviceAccount)
    try {
      const { decision, reason } = await this.#core.authorize({
        user, verb, isResourceRequest: path === undefined, path: path ?? '', apiGroup: group, apiVersion: path === undefined ? '*' : '', resource, subresource, namespace, name,
        ...(fieldSelector === undefined ? {} : { fieldSelector }), ...(labelSelector === undefined ? {} : { labelSelector }),
      })
      return { allowed: decision === 'allow', reason }
    } catch (cause) {
      return { allowed: false, reason: '', error: cause instanceof Error ? cause.message : String(cause) }
    }
  }
}

function serviceAccountUser({ namespace, name }: { namespace: string; name: string }): UserInfo {
  return { username: `system:serviceaccount:${namespace}:${name}`, groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'] }
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined
  return () => (made ??= { value: make() }).value
}

/** Without fields that are not there. */
function dense(value: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).filter(([, child]) => child !== undefined).map(([name, child]) => [name, name === 'userInfo' ? dense(child as Record<string, unknown>) : child]))
}

const exposedMetadata = ['name', 'generateName', 'namespace', 'uid', 'resourceVersion', 'generation', 'creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds', 'labels', 'annotations', 'finalizers'] as const

function exposedNamespace({ metadata, spec, status }: Readonly<Namespace>): object {
  return { metadata: Object.fromEntries(exposedMetadata.filter((field) => metadata[field] !== undefined).map((field) => [field, metadata[field]])), spec: spec ?? {}, status: status ?? {} }
}

/** `variables`: each is evaluated when first asked for. */
class LazyVariables implements CelMap {
  readonly isCelMap = true
  readonly typeName = 'kubernetes.variables'
  readonly #variables: ReadonlyMap<string, NamedExpression>
  readonly #evaluate: (variable: NamedExpression) => Value
  readonly #known = new Map<string, Value | CelError>()

  constructor(variables: readonly NamedExpression[], evaluate: (variable: NamedExpression) => Value) {
    this.#variables = new Map(variables.map((variable) => [variable.name, variable]))
    this.#evaluate = evaluate
  }

  get size(): number {
    return this.#variables.size
  }

  has(key: Value): boolean {
    return typeof key === 'string' && this.#variables.has(key)
  }

  keys(): Iterable<Value> {
    return this.#variables.keys()
  }

  get(key: Value): Value | undefined {
    const variable = typeof key === 'string' ? this.#variables.get(key) : undefined
    if (variable === undefined) return undefined
    let known = this.#known.get(variable.name)
    if (known === undefined) {
      try {
        known = this.#evaluate(variable)
      } catch (cause) {
        if (!(cause instanceof CelError)) throw cause
        known = cause
      }
      this.#known.set(variable.name, known)
    }
    if (known instanceof CelError) throw known
    return known
  }
}
