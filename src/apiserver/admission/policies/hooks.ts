import type { MatchResources, NamedRuleWithOperations, ParamKind, ParamRef } from '../../../api/types/admissionregistration.k8s.io_v1.ts'
import type { Namespace } from '../../../api/types/core_v1.ts'
import type { ResourceDescription } from '../../../api/resource.ts'
import { matchesSelector, selectorFromLabelSelector, type Selector } from '../../../machinery/labels.ts'
import type { KubeObject, OpenObject } from '../../../machinery/object.ts'
import type { AdmissionAttributes } from '../../context.ts'
import type { ApiServerCore } from '../../core.ts'
import { readiness, type Readiness } from '../../authorization/readiness.ts'
import { equivalentsOf } from '../webhooks/equivalents.ts'
import { namespaceOf, selectorsMatch } from '../webhooks/matching.ts'
import { isAdmissionConfiguration, ruleMatches } from '../webhooks/rules.ts'

/** A policy or binding of either kind, as far as both are alike. */
interface PolicyObject extends KubeObject {
  spec: { paramKind?: ParamKind; matchConstraints?: MatchResources; failurePolicy?: string; policyName?: string; paramRef?: ParamRef; matchResources?: MatchResources }
}

/** A policy with the bindings that put it to use. */
export interface PolicyHook<P> { policy: P; name: string; constraints: Constraints; paramKind: ParamKind | undefined; failurePolicy: string; bindings: readonly BindingHook[] }
export interface BindingHook { name: string; object: KubeObject; constraints: Constraints; paramRef: ParamRef | undefined }

interface Constraints { match: MatchResources; namespaceSelector: Selector; objectSelector: Selector }

export interface PolicyHooks<P> {
  readonly readiness: Readiness
  all(): readonly PolicyHook<P>[]
}

function constraintsOf(match: MatchResources = {}): Constraints {
  return { match, namespaceSelector: selectorFromLabelSelector(match.namespaceSelector ?? {}), objectSelector: selectorFromLabelSelector(match.objectSelector ?? {}) }
}

/** Follows policies and their bindings; what is written applies from then on. By name, as mutating policies are run. */
export function configuredPolicies<P extends KubeObject>(core: ApiServerCore, kind: 'validating' | 'mutating'): PolicyHooks<P> {
  const policies = `${kind}admissionpolicies.admissionregistration.k8s.io`
  const bindings = `${kind}admissionpolicybindings.admissionregistration.k8s.io`
  let hooks: readonly PolicyHook<P>[] | undefined
  for (const resource of [policies, bindings]) {
    const subscription = core.reader.onChange(resource, () => {
      hooks = undefined
    })
    core.signal.addEventListener('abort', () => subscription[Symbol.dispose](), { once: true })
  }
  const byName = (a: KubeObject, b: KubeObject): number => (a.metadata.name! < b.metadata.name! ? -1 : 1)

  function collect(): readonly PolicyHook<P>[] {
    const bound = Map.groupBy((core.reader.list(bindings) as readonly PolicyObject[]).toSorted(byName), (binding) => binding.spec.policyName ?? '')
    return (core.reader.list(policies) as readonly (P & PolicyObject)[]).filter((policy) => bound.has(policy.metadata.name!)).toSorted(byName).map((policy) => ({
      policy, name: policy.metadata.name!, constraints: constraintsOf(policy.spec.matchConstraints), paramKind: policy.spec.paramKind, failurePolicy: policy.spec.failurePolicy ?? 'Fail',
      bindings: bound.get(policy.metadata.name!)!.map((binding) => ({ name: binding.metadata.name!, object: binding, constraints: constraintsOf(binding.spec.matchResources), paramRef: binding.spec.paramRef })),
    }))
  }
  return { readiness: readiness(() => core.reader.whenReady([policies, bindings])), all: () => (hooks ??= collect()) }
}

const excluded = new Set([
  'selfsubjectreviews.authentication.k8s.io', 'tokenreviews.authentication.k8s.io',
  'localsubjectaccessreviews.authorization.k8s.io', 'selfsubjectaccessreviews.authorization.k8s.io', 'selfsubjectrulesreviews.authorization.k8s.io', 'subjectaccessreviews.authorization.k8s.io',
])

/** Requests that no policy sees: reviews, which answer the control plane, and the configuration of admission itself. */
export function isExempt(attributes: Pick<AdmissionAttributes, 'resource'>): boolean {
  const { resource } = attributes
  return isAdmissionConfiguration(attributes) || excluded.has(`${resource.resource}.${resource.group}`)
}

/** The version of the resource in which the rules want to see the request; undefined where they don't. */
function ruled(core: ApiServerCore, rules: readonly NamedRuleWithOperations[], matchPolicy: string | undefined, attributes: AdmissionAttributes): ResourceDescription | undefined {
  const fits = (rule: NamedRuleWithOperations, resource: ResourceDescription): boolean =>
    ruleMatches(rule, { ...attributes, resource }) && ((rule.resourceNames ?? []).length === 0 || rule.resourceNames!.includes(attributes.name))
  if (rules.some((rule) => fits(rule, attributes.resource))) return attributes.resource
  if (matchPolicy === undefined || matchPolicy === 'Exact') return undefined
  const equivalents = equivalentsOf(core.resources, attributes.resource, attributes.subresource)
  for (const rule of rules) {
    const found = equivalents.find((resource) => fits(rule, resource))
    if (found !== undefined) return found
  }
  return undefined
}

/** The version in which a policy or binding looks at the request; undefined where it doesn't. Rejects where its namespace is not to be found. */
export async function matched(core: ApiServerCore, { match, ...selectors }: Constraints, attributes: AdmissionAttributes, object = attributes.object): Promise<ResourceDescription | undefined> {
  if ((match.excludeResourceRules ?? []).length > 0 && ruled(core, match.excludeResourceRules!, match.matchPolicy, attributes) !== undefined) return undefined
  const rules = match.resourceRules ?? []
  const target = rules.length === 0 ? attributes.resource : ruled(core, rules, match.matchPolicy, attributes)
  if (target === undefined) return undefined
  return await selectorsMatch(core, selectors, attributes, object) ? target : undefined
}

/** The namespace object of the request; none for what lies in none, namespaces included. */
export async function requestNamespace(core: ApiServerCore, { resource, namespace }: AdmissionAttributes): Promise<Namespace | undefined> {
  if (namespace === '' || (resource.kind === 'Namespace' && resource.group === '')) return undefined
  return await namespaceOf(core, namespace)
}

/** A policy is not usable as it is configured: its failure policy decides. */
export class PolicyConfigurationError extends Error {}

/** The resource that a policy's parameters are of. Throws a PolicyConfigurationError for one that is not served. */
export function paramResource(core: ApiServerCore, { apiVersion = '', kind = '' }: ParamKind): ResourceDescription {
  const slash = apiVersion.indexOf('/')
  const found = core.resources.findKind(slash < 0 ? '' : apiVersion.slice(0, slash), apiVersion.slice(slash + 1), kind)
  if (found === undefined) throw new PolicyConfigurationError(`failed to find resource referenced by paramKind: '${slash < 0 ? `/${apiVersion}` : apiVersion}, Kind=${kind}'`)
  return found
}

/** The parameters that a binding evaluates its policy with: one `undefined` where there are to be none. */
export async function collectParams(core: ApiServerCore, paramKind: ParamKind | undefined, paramRef: ParamRef | undefined, namespace: string): Promise<readonly (Readonly<OpenObject> | undefined)[]> {
  if (paramKind === undefined || paramRef === undefined) return [undefined]
  const resource = paramResource(core, paramKind)
  const named = paramRef.namespace ?? ''
  if (!resource.namespaced && named !== '') throw new PolicyConfigurationError('paramRef.namespace must not be provided for a cluster-scoped `paramKind`')
  const within = named === '' ? namespace : named
  if (resource.namespaced && within === '') throw new PolicyConfigurationError('cannot use namespaced paramRef in policy binding that matches cluster-scoped resources')
  const found = await findParams(core, resource, paramRef, resource.namespaced ? within : '')
  if (found.length === 0 && paramRef.parameterNotFoundAction === 'Deny') throw new PolicyConfigurationError('no params found for policy binding with `Deny` parameterNotFoundAction')
  return found
}

async function findParams(core: ApiServerCore, resource: ResourceDescription, { name = '', selector }: ParamRef, namespace: string): Promise<readonly Readonly<OpenObject>[]> {
  if (name !== '') {
    const found = await core.registry.find(resource, namespace, name)
    return found === undefined ? [] : [found]
  }
  if (selector === undefined) throw new PolicyConfigurationError('one of name or selector must be provided')
  const wanted = selectorFromLabelSelector(selector)
  return (await core.registry.list(resource, namespace)).filter((each) => matchesSelector(wanted, each.metadata.labels))
}
