import type { Namespace } from '../../api/types/core_v1.ts'
import type { PriorityClass } from '../../api/types/scheduling.k8s.io_v1.ts'
import type { ApiServerCore } from '../core.ts'
import { ensure } from './ensure.ts'

/** The namespaces that every cluster has. */
export const systemNamespaces = ['default', 'kube-system', 'kube-public', 'kube-node-lease'] as const

export async function bootstrapNamespaces(core: ApiServerCore): Promise<void> {
  const namespaces = core.resource('namespaces')
  await Promise.all(systemNamespaces.map((name) => ensure<Namespace>(core, namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name }, spec: {} })))
}

/** Classes that a user can't make: names with `system-` are reserved. */
export const systemPriorityClasses: readonly PriorityClass[] = [
  {
    apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata: { name: 'system-node-critical' }, value: 2_000_001_000,
    description: 'Used for system critical pods that must not be moved from their current node.',
  },
  {
    apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata: { name: 'system-cluster-critical' }, value: 2_000_000_000,
    description: 'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
  },
]

export async function bootstrapPriorityClasses(core: ApiServerCore): Promise<void> {
  const resource = core.resource('priorityclasses', 'scheduling.k8s.io')
  await Promise.all(systemPriorityClasses.map((wanted) => ensure(core, resource, wanted)))
}
