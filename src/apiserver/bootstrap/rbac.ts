import { autoUpdateAnnotation, bootstrapClusterRoleBindings, bootstrapClusterRoles, bootstrapRoleBindings, bootstrapRoles } from '../../api/rbac-bootstrap.ts'
import type { ClusterRole, ClusterRoleBinding, Role, RoleBinding, Subject } from '../../api/types/rbac.authorization.k8s.io_v1.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import type { KubeObject } from '../../machinery/object.ts'
import { uncovered } from '../authorization/rbac-rules.ts'
import type { ApiServerCore } from '../core.ts'
import { apiServerUser, ensure } from './ensure.ts'

const group = 'rbac.authorization.k8s.io'

/** Adds missing labels and annotations; true when there were any. */
function mendMetadata(current: KubeObject, wanted: KubeObject): boolean {
  let changed = false
  for (const field of ['labels', 'annotations'] as const) {
    for (const [key, value] of Object.entries(wanted.metadata[field] ?? {})) {
      if (current.metadata[field]?.[key] !== undefined) continue
      current.metadata[field] = { ...current.metadata[field], [key]: value }
      changed = true
    }
  }
  return changed
}

function isLeftAlone(object: KubeObject): boolean {
  return object.metadata.annotations?.[autoUpdateAnnotation] === 'false'
}

/** Adds rules and aggregation selectors that the role lacks; those that an administrator has added stay. */
export function mendRole<T extends Role | ClusterRole>(current: T, wanted: T): T | undefined {
  if (isLeftAlone(current)) return undefined
  let changed = mendMetadata(current, wanted)
  const missing = uncovered(current.rules ?? [], wanted.rules ?? [])
  if (missing.length > 0) {
    current.rules = [...(current.rules ?? []), ...missing]
    changed = true
  }
  return mendAggregation(current, wanted) || changed ? current : undefined
}

/** Makes an aggregated role of what should be one, and none of what shouldn't; true when there was something to do. */
function mendAggregation(current: ClusterRole, wanted: ClusterRole): boolean {
  if (wanted.aggregationRule === undefined) {
    if (current.aggregationRule === undefined) return false
    delete current.aggregationRule
    return true
  }
  const selectors = current.aggregationRule?.clusterRoleSelectors ?? []
  const missing = (wanted.aggregationRule.clusterRoleSelectors ?? []).filter((selector) => !selectors.some((known) => semanticEqual(known, selector)))
  if (missing.length === 0) return false
  current.aggregationRule = { clusterRoleSelectors: [...selectors, ...missing] }
  return true
}

function sameSubject(a: Subject, b: Subject): boolean {
  return a.kind === b.kind && a.name === b.name && (a.namespace ?? '') === (b.namespace ?? '')
}

/** Adds subjects that the binding lacks; those that an administrator has added stay. */
export function mendBinding<T extends RoleBinding | ClusterRoleBinding>(current: T, wanted: T): T | undefined {
  if (isLeftAlone(current)) return undefined
  const changed = mendMetadata(current, wanted)
  const missing = (wanted.subjects ?? []).filter((subject) => !(current.subjects ?? []).some((known) => sameSubject(known, subject)))
  if (missing.length > 0) current.subjects = [...(current.subjects ?? []), ...missing]
  return changed || missing.length > 0 ? current : undefined
}

/** A binding's roleRef can't change: one that refers elsewhere is removed first. */
async function ensureBinding(core: ApiServerCore, resource: 'rolebindings' | 'clusterrolebindings', wanted: RoleBinding | ClusterRoleBinding): Promise<void> {
  const description = core.resource(resource, group)
  const { namespace = '', name = '' } = wanted.metadata
  const standing = await core.registry.find(description, namespace, name) as RoleBinding | undefined
  if (standing !== undefined && !isLeftAlone(standing) && !semanticEqual(standing.roleRef, wanted.roleRef)) {
    await core.registry.delete(description, namespace, name, { user: apiServerUser })
  }
  await ensure(core, description, wanted, mendBinding)
}

/** Brings the default roles and bindings up to date. Rules of aggregated roles are the controller manager's to fill in. */
export async function bootstrapRbac(core: ApiServerCore): Promise<void> {
  const clusterRoles = core.resource('clusterroles', group)
  const roles = core.resource('roles', group)
  // All at once: the store commits them together.
  await Promise.all([
    ...bootstrapClusterRoles().map((role) => ensure(core, clusterRoles, role, mendRole)),
    ...bootstrapRoles().map((role) => ensure(core, roles, role, mendRole)),
    ...bootstrapClusterRoleBindings().map((binding) => ensureBinding(core, 'clusterrolebindings', binding)),
    ...bootstrapRoleBindings().map((binding) => ensureBinding(core, 'rolebindings', binding)),
  ])
}
