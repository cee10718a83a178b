import type { RuleWithOperations } from '../../../api/types/admissionregistration.k8s.io_v1.ts'
import type { ResourceDescription } from '../../../api/resource.ts'
import type { AdmissionAttributes } from '../../context.ts'

/** What rules look at. */
export interface RuleSubject { operation: string; resource: Pick<ResourceDescription, 'group' | 'version' | 'resource'>; subresource: string; namespace: string }

function isAmong(items: readonly string[] | undefined, wanted: string): boolean {
  return items?.some((item) => item === '*' || item === wanted) ?? false
}

function isInScope(scope: string | undefined, { resource, namespace }: RuleSubject): boolean {
  if (scope === undefined || scope === '*') return true
  // A request for a namespace itself carries its name as namespace; yet namespaces lie in none.
  const isCluster = namespace === '' || (resource.resource === 'namespaces' && resource.group === '')
  return scope === 'Cluster' ? isCluster : scope === 'Namespaced' && !isCluster
}

function namesResource(rule: string, resource: string, subresource: string): boolean {
  const slash = rule.indexOf('/')
  const [ruleResource, ruleSubresource] = slash < 0 ? [rule, ''] : [rule.slice(0, slash), rule.slice(slash + 1)]
  return (ruleResource === '*' || ruleResource === resource) && (ruleSubresource === '*' || ruleSubresource === subresource)
}

/** Whether a rule of a webhook or policy covers a request (admissionregistration API, `RuleWithOperations`). */
export function ruleMatches(rule: Readonly<RuleWithOperations>, subject: RuleSubject): boolean {
  const { operation, resource, subresource } = subject
  return isInScope(rule.scope, subject) && isAmong(rule.operations, operation) && isAmong(rule.apiGroups, resource.group) && isAmong(rule.apiVersions, resource.version)
    && (rule.resources?.some((each) => namesResource(each, resource.resource, subresource)) ?? false)
}

const exemptKinds = new Set([
  'ValidatingWebhookConfiguration', 'MutatingWebhookConfiguration', 'ValidatingAdmissionPolicy', 'ValidatingAdmissionPolicyBinding', 'MutatingAdmissionPolicy', 'MutatingAdmissionPolicyBinding',
])

/** Admission's own configuration is never held up by what it configures: else a bad webhook could not be removed. */
export function isAdmissionConfiguration({ resource }: Pick<AdmissionAttributes, 'resource'>): boolean {
  return resource.group === 'admissionregistration.k8s.io' && exemptKinds.has(resource.kind)
}
