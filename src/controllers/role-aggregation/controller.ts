import type { ClusterRole, PolicyRule } from '../../api/types/rbac.authorization.k8s.io_v1.ts'
import { runController, watching } from '../../client/controller.ts'
import { clusterRoles } from '../../client/resources.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { labelSelectorMatcher } from '../../machinery/labels.ts'
import type { StartController } from '../context.ts'

const fieldManager = 'clusterrole-aggregation-controller'

/** The rules that an aggregated role should have: those of every other role its selectors choose, by name, each once. */
export function aggregatedRules(role: Readonly<ClusterRole>, all: readonly Readonly<ClusterRole>[]): PolicyRule[] {
  const matchers = (role.aggregationRule?.clusterRoleSelectors ?? []).map(labelSelectorMatcher)
  const rules: PolicyRule[] = []
  const byName = (a: ClusterRole, b: ClusterRole): number => (a.metadata.name! < b.metadata.name! ? -1 : 1)
  // Selector by selector, and by name within one, so that the outcome does not hang on the cache's order.
  for (const matches of matchers) {
    for (const source of all.filter((candidate) => candidate.metadata.name !== role.metadata.name && matches(candidate.metadata.labels)).toSorted(byName)) {
      for (const rule of source.rules ?? []) if (!rules.some((known) => semanticEqual(known, rule))) rules.push(rule)
    }
  }
  return rules
}

/** Keeps the rules of aggregated ClusterRoles (`admin`, `edit`, `view`) what their selectors say: upstream's `clusterrole-aggregation-controller`. */
export const startRoleAggregation: StartController = ({ informers, runtime, client }) => {
  const roles = informers.informer(clusterRoles)
  // There are few roles, and any may be part of any other: a change wakes all that are aggregated.
  const aggregated = (): string[] => roles.list().filter((role) => role.aggregationRule !== undefined).map((role) => role.metadata.name!)
  return runController({
    name: fieldManager, runtime, sources: [watching(roles, aggregated)],
    async reconcile(name) {
      const role = roles.get(name)
      if (role?.aggregationRule === undefined) return
      const rules = aggregatedRules(role, roles.list())
      if (semanticEqual(role.rules ?? [], rules)) return
      await client.patch(clusterRoles, '', name, 'apply', { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name }, rules }, { fieldManager, force: true })
    },
  })
}
