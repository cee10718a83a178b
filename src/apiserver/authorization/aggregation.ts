import type { ClusterRole, PolicyRule } from '../../api/types/rbac.authorization.k8s.io_v1.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { labelSelectorMatcher } from '../../machinery/labels.ts'
import { isReason } from '../../machinery/status.ts'
import { appliedBy } from '../bootstrap/ensure.ts'
import type { ApiServerCore } from '../core.ts'

const clusterRoles = 'clusterroles.rbac.authorization.k8s.io'
const retryDelayMs = 1_000
const controllerUser = { username: 'system:serviceaccount:kube-system:clusterrole-aggregation-controller', groups: ['system:serviceaccounts', 'system:serviceaccounts:kube-system', 'system:authenticated'] }

/** The rules that an aggregated role should have: those of every other role its selectors choose, by name, each once. */
export function aggregatedRules(role: ClusterRole, all: readonly ClusterRole[]): PolicyRule[] {
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

/**
 * Keeps the rules of aggregated ClusterRoles what their selectors say, from now until the server stops; resolves after the first
 * pass. Upstream's clusterrole-aggregation controller, run inside the server so that `admin`, `edit` and `view` hold from the start.
 */
export async function runAggregation(core: ApiServerCore): Promise<void> {
  const { reader, runtime, registry, signal } = core
  const resource = core.resource('clusterroles', 'rbac.authorization.k8s.io')

  async function pass(): Promise<void> {
    // A role may be aggregated from aggregated ones (admin from edit from view): repeat until nothing changes.
    for (let round = 0; round < 10; round++) {
      const all = await registry.list(resource) as unknown as readonly ClusterRole[]
      const stale = all.filter((role) => role.aggregationRule !== undefined && !semanticEqual(role.rules, aggregatedRules(role, all)))
      if (stale.length === 0) return
      for (const role of stale) {
        await registry.update(resource, '', role.metadata.name!, (current) => {
          const rules = aggregatedRules(current as unknown as ClusterRole, all)
          return current.aggregationRule === undefined || semanticEqual(current.rules, rules) ? undefined : { ...current, rules: structuredClone(rules) }
        }, { user: controllerUser, manageFields: appliedBy(core, resource, 'clusterrole-aggregation-controller', '', ({ rules }: ClusterRole) => ({ rules })) }).catch((error: unknown) => {
          if (!isReason(error, 'NotFound')) throw error
        })
      }
    }
  }

  let isRunning = false
  let isStale = false
  const wake = (): void => {
    isStale = true
    if (isRunning || signal.aborted) return
    isRunning = true
    void (async () => {
      while (isStale && !signal.aborted) {
        isStale = false
        try {
          await pass()
        } catch (err) {
          if (signal.aborted) return
          runtime.log.warn('aggregating cluster roles failed; trying again', { err, delayMs: retryDelayMs })
          isStale = true
          await runtime.clock.sleep(retryDelayMs, signal).catch(() => undefined)
        }
      }
    })().finally(() => {
      isRunning = false
    })
  }

  await pass()
  const subscription = reader.onChange(clusterRoles, wake)
  signal.addEventListener('abort', () => subscription[Symbol.dispose](), { once: true })
  // Changes between the pass and the subscription.
  wake()
}
