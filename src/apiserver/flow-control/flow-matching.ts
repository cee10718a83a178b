import type { UserInfo } from '../../api/resource.ts'
import type { FlowSchema, NonResourcePolicyRule, PolicyRulesWithSubjects, ResourcePolicyRule, Subject } from '../../api/types/flowcontrol.apiserver.k8s.io_v1.ts'
import type { RequestInfo } from '../context.ts'

/** The order in which schemas are asked: by precedence, then by name. */
export function bySchemaOrder(a: FlowSchema, b: FlowSchema): number {
  const difference = (a.spec?.matchingPrecedence ?? 0) - (b.spec?.matchingPrecedence ?? 0)
  if (difference !== 0) return difference
  return (a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1
}

/** Whether one of the schema's rules is about this user and this request. */
export function schemaMatches(schema: FlowSchema, user: UserInfo, info: RequestInfo): boolean {
  return (schema.spec?.rules ?? []).some((rule) => ruleMatches(rule, user, info))
}

function ruleMatches(rule: PolicyRulesWithSubjects, user: UserInfo, info: RequestInfo): boolean {
  if (!rule.subjects.some((subject) => subjectMatches(subject, user))) return false
  if (info.isResourceRequest) return (rule.resourceRules ?? []).some((each) => resourceMatches(each, info))
  return (rule.nonResourceRules ?? []).some((each) => pathMatches(each, info))
}

function subjectMatches({ kind, user, group, serviceAccount }: Subject, { username, groups }: UserInfo): boolean {
  switch (kind) {
    case 'User': return user !== undefined && (user.name === '*' || user.name === username)
    case 'Group': return group !== undefined && (group.name === '*' || groups.includes(group.name))
    case 'ServiceAccount': {
      if (serviceAccount === undefined) return false
      const prefix = `system:serviceaccount:${serviceAccount.namespace}:`
      return serviceAccount.name === '*' ? username.startsWith(prefix) : username === prefix + serviceAccount.name
    }
    default: return false
  }
}

function resourceMatches(rule: ResourcePolicyRule, info: RequestInfo): boolean {
  const resource = info.subresource === '' ? info.resource : `${info.resource}/${info.subresource}`
  if (!lists(rule.verbs, info.verb) || !lists(rule.resources, resource) || !lists(rule.apiGroups, info.apiGroup)) return false
  return info.namespace === '' ? rule.clusterScope === true : lists(rule.namespaces ?? [], info.namespace)
}

function pathMatches(rule: NonResourcePolicyRule, info: RequestInfo): boolean {
  if (!lists(rule.verbs, info.verb)) return false
  return rule.nonResourceURLs.some((url) => {
    if (url === '*' || url === info.path) return true
    const prefix = url.endsWith('*') ? url.slice(0, -1) : url
    return info.path.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`)
  })
}

/** The star counts only where it stands alone. */
function lists(list: readonly string[], value: string): boolean {
  return (list.length === 1 && list[0] === '*') || list.includes(value)
}

/** True when a rule of some schema tells namespaces apart: else it is enough to know whether a request has one. */
export function namespacesMatter(schemas: readonly FlowSchema[]): boolean {
  return schemas.some((schema) => (schema.spec?.rules ?? []).some((rule) => (rule.resourceRules ?? []).some(({ namespaces }) => (namespaces?.length ?? 0) > 0 && namespaces?.[0] !== '*')))
}
