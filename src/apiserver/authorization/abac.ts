import type { UserInfo } from '../../api/resource.ts'
import { isJsonObject, type JsonObject } from '../../machinery/json-value.ts'
import type { AuthorizationAttributes, Authorizer } from '../context.ts'

/** One line of an ABAC policy file (Kubernetes documentation, "Using ABAC Authorization"). */
export interface AbacPolicy { user: string; group: string; readonly: boolean; apiGroup: string; resource: string; namespace: string; nonResourcePath: string }

const group = 'abac.authorization.kubernetes.io'
const everybody = 'system:authenticated'

function text(value: JsonObject, field: string): string {
  return typeof value[field] === 'string' ? value[field] : ''
}

function policyOf(line: JsonObject): AbacPolicy {
  const isOld = line.apiVersion === undefined && line.kind === undefined
  if (!isOld && (line.kind !== 'Policy' || (line.apiVersion !== `${group}/v1beta1` && line.apiVersion !== `${group}/v0`))) throw new Error(`unsupported kind ${JSON.stringify(line.kind)} of ${JSON.stringify(line.apiVersion)}; it must be Policy of ${group}/v1beta1`)
  const versionless = isOld || line.apiVersion === `${group}/v0`
  const spec = versionless ? line : (isJsonObject(line.spec) ? line.spec : {})
  const policy: AbacPolicy = {
    user: text(spec, 'user'), group: text(spec, 'group'), readonly: spec.readonly === true, apiGroup: text(spec, 'apiGroup'),
    resource: text(spec, 'resource'), namespace: text(spec, 'namespace'), nonResourcePath: text(spec, 'nonResourcePath'),
  }
  // A star is everybody who has said who they are.
  if (policy.user === '*' || policy.group === '*') Object.assign(policy, { user: '', group: everybody })
  if (!versionless) return policy
  if (policy.user === '' && policy.group === '') policy.group = everybody
  if (policy.namespace === '' && policy.resource === '') policy.nonResourcePath = '*'
  return { ...policy, apiGroup: '*', namespace: policy.namespace === '' ? '*' : policy.namespace, resource: policy.resource === '' ? '*' : policy.resource }
}

/** The policies of a file with one JSON object a line; blank lines and those that begin with # are skipped. Throws naming the line that is wrong. */
export function parseAbacPolicies(file: string): AbacPolicy[] {
  const policies: AbacPolicy[] = []
  for (const [index, raw] of file.split(/\r?\n/).entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    try {
      const value: unknown = JSON.parse(line)
      if (!isJsonObject(value)) throw new Error('it is no object')
      policies.push(policyOf(value))
    } catch (cause) {
      throw new Error(`error reading policy line ${index + 1}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    }
  }
  return policies
}

function subjectMatches(policy: AbacPolicy, user: UserInfo): boolean {
  if (policy.user === '' && policy.group === '') return false
  return (policy.user === '' || policy.user === user.username) && (policy.group === '' || user.groups.includes(policy.group))
}

function matches(policy: AbacPolicy, request: AuthorizationAttributes): boolean {
  if (!subjectMatches(policy, request.user)) return false
  if (policy.readonly && !['get', 'list', 'watch'].includes(request.verb)) return false
  const fits = (pattern: string, value: string): boolean => pattern === '*' || pattern === value
  if (request.isResourceRequest) return fits(policy.namespace, request.namespace) && fits(policy.resource, request.resource) && fits(policy.apiGroup, request.apiGroup)
  const { nonResourcePath: path } = policy
  return path === '*' || path === request.path || (path.endsWith('*') && request.path.startsWith(path.replace(/\*+$/, '')))
}

export function abacAuthorizer(policies: readonly AbacPolicy[]): Authorizer {
  return {
    name: 'ABAC',
    authorize: (request) => (policies.some((policy) => matches(policy, request)) ? { decision: 'allow', reason: '' } : { decision: 'noOpinion', reason: 'No policy matched.' }),
    rulesFor(user, namespace) {
      const own = policies.filter((policy) => subjectMatches(policy, user) && (policy.namespace === '*' || policy.namespace === namespace))
      const verbs = ({ readonly }: AbacPolicy): string[] => (readonly ? ['get', 'list', 'watch'] : ['*'])
      return {
        resourceRules: own.filter(({ resource }) => resource !== '').map((policy) => ({ verbs: verbs(policy), apiGroups: [policy.apiGroup], resources: [policy.resource] })),
        nonResourceRules: own.filter(({ nonResourcePath }) => nonResourcePath !== '').map((policy) => ({ verbs: verbs(policy), nonResourceURLs: [policy.nonResourcePath] })),
        incomplete: false, errors: [],
      }
    },
  }
}
