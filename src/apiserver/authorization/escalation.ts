import { groupResourceOf } from '../../api/resource.ts'
import type { ClusterRole, PolicyRule, RoleBinding } from '../../api/types/rbac.authorization.k8s.io_v1.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { errors } from '../../machinery/status.ts'
import type { AdmissionAttributes, AdmissionPlugin } from '../context.ts'
import type { ApiServerCore } from '../core.ts'
import { rbacIndexOf, type RbacIndex } from './rbac-index.ts'
import { compactRules, quotedList, ruleText, uncovered } from './rbac-rules.ts'

const group = 'rbac.authorization.k8s.io'
const everything: readonly PolicyRule[] = [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }, { verbs: ['*'], nonResourceURLs: ['*'] }]

/** Why `attributes.user` may not hand out `rules`; undefined when all of them are the user's own. */
function escalation(index: RbacIndex, attributes: AdmissionAttributes, rules: readonly PolicyRule[]): string | undefined {
  const { user, namespace } = attributes
  const grants = index.grants(user, namespace)
  const missing = uncovered(grants.rules.map((granted) => granted.rule), rules)
  if (missing.length === 0) return undefined
  const lines = [...new Set(compactRules(missing).map(ruleText))].toSorted()
  const text = `user ${JSON.stringify(user.username)} (groups=${quotedList(user.groups)}) is attempting to grant RBAC permissions not currently held:\n${lines.join('\n')}`
  return grants.errors.length === 0 ? text : `${text}; resolution errors: [${[...new Set(grants.errors)].join(', ')}]`
}

function aggregates(role: Readonly<ClusterRole> | undefined): boolean {
  return (role?.aggregationRule?.clusterRoleSelectors ?? []).length > 0
}

/** The garbage collector may release owner references and finalizers of objects whose rules it doesn't hold. */
function onlyReleasesOwners(attributes: AdmissionAttributes): boolean {
  if (attributes.object === undefined || attributes.oldObject === undefined) return false
  const bare = (object: AdmissionAttributes['oldObject']): unknown => ({ ...object, metadata: { ...object!.metadata, ownerReferences: undefined, finalizers: undefined, managedFields: undefined } })
  return semanticEqual(bare(attributes.object), bare(attributes.oldObject))
}

/**
 * Nobody hands out rights that they don't have (RBAC documentation, "Privilege escalation prevention and bootstrapping"): writing
 * a role needs its rules or the verb `escalate`, writing a binding needs the role's rules or the verb `bind`. Upstream has this in
 * the storage of these kinds, between mutating admission and validation; here it is the last of the mutating plugins, and can't be switched off.
 */
export function escalationCheck(core: ApiServerCore): AdmissionPlugin {
  const index = rbacIndexOf(core)

  async function isAuthorized(attributes: AdmissionAttributes, verb: string, resource: string, name: string): Promise<boolean> {
    const decision = await core.authorize({
      user: attributes.user, verb, isResourceRequest: true, path: '', apiGroup: group, apiVersion: '*', resource, subresource: '', namespace: attributes.namespace, name,
    })
    return decision.decision === 'allow'
  }

  async function checkRole(attributes: AdmissionAttributes): Promise<void> {
    const role = attributes.object as ClusterRole
    const old = attributes.oldObject as ClusterRole | undefined
    // A request that creates names nothing yet.
    if (await isAuthorized(attributes, 'escalate', attributes.resource.resource, attributes.operation === 'CREATE' ? '' : attributes.name)) return
    const because = escalation(index, attributes, role.rules ?? [])
    if (because !== undefined) throw errors.forbidden(attributes.resource, attributes.name, because)
    if ((aggregates(role) || aggregates(old)) && escalation(index, attributes, everything) !== undefined) {
      throw errors.forbidden(attributes.resource, attributes.name, 'must have cluster-admin privileges to use the aggregationRule')
    }
  }

  async function checkBinding(attributes: AdmissionAttributes): Promise<void> {
    // Nothing has been validated yet.
    const { roleRef = { apiGroup: '', kind: '', name: '' } } = attributes.object as Partial<RoleBinding>
    const resource = roleRef.kind === 'ClusterRole' ? 'clusterroles' : roleRef.kind === 'Role' ? 'roles' : undefined
    if (resource !== undefined && await isAuthorized(attributes, 'bind', resource, roleRef.name)) return
    if (resource === undefined) throw errors.plain(`unsupported role reference kind: ${JSON.stringify(roleRef.kind)}`)
    if (resource === 'roles' && attributes.namespace === '') throw errors.badRequest('Namespace parameter required.')
    const rules = index.rulesOf(roleRef, attributes.namespace)
    // Upstream looks the role up on behalf of the request, whose resource the error names.
    if (roleRef.name === undefined || roleRef.name === '') throw errors.badRequest('Name parameter required.')
    if (rules === undefined) throw errors.notFound(attributes.resource, roleRef.name)
    const because = escalation(index, attributes, rules)
    if (because !== undefined) throw errors.forbidden(attributes.resource, attributes.name, because)
  }

  return {
    name: 'RBACEscalation',
    handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
    resources: ['roles', 'rolebindings', 'clusterroles', 'clusterrolebindings'].map((name) => `${name}.${group}`),
    async mutate(attributes) {
      if (attributes.resource.group !== group || attributes.object === undefined || attributes.subresource !== '') return
      if (attributes.user.groups.includes('system:masters') || onlyReleasesOwners(attributes)) return
      await index.readiness.wait()
      if (groupResourceOf(attributes.resource).includes('bindings')) await checkBinding(attributes)
      else await checkRole(attributes)
    },
  }
}
