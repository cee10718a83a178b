import type { ConfigMap, Namespace } from '../../api/types/core_v1.ts'
import type { PriorityClass } from '../../api/types/scheduling.k8s.io_v1.ts'
import { semanticEqual } from '../../machinery/equality.ts'
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

/** What extension API servers need to know of this one's ways to authenticate (kube-system/extension-apiserver-authentication). */
export interface AuthenticationInfo {
  clientCaPem?: string
  requestHeader?: { caPem: string; allowedNames: readonly string[]; usernameHeaders: readonly string[]; groupHeaders: readonly string[]; extraHeaderPrefixes: readonly string[]; uidHeaders?: readonly string[] }
}

/** The ConfigMap's data as upstream's cluster authentication trust controller writes it. */
export function authenticationInfoData(info: AuthenticationInfo): Record<string, string> {
  const { requestHeader } = info
  const list = (values: readonly string[]): string => JSON.stringify(values)
  return {
    ...(info.clientCaPem === undefined ? {} : { 'client-ca-file': info.clientCaPem }),
    ...(requestHeader === undefined ? {} : {
      'requestheader-client-ca-file': requestHeader.caPem, 'requestheader-allowed-names': list(requestHeader.allowedNames),
      'requestheader-username-headers': list(requestHeader.usernameHeaders), 'requestheader-uid-headers': list(requestHeader.uidHeaders ?? []),
      'requestheader-group-headers': list(requestHeader.groupHeaders), 'requestheader-extra-headers-prefix': list(requestHeader.extraHeaderPrefixes),
    }),
  }
}

export async function publishAuthenticationInfo(core: ApiServerCore, info: AuthenticationInfo): Promise<void> {
  const data = authenticationInfoData(info)
  const wanted: ConfigMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'extension-apiserver-authentication', namespace: 'kube-system' }, data }
  await ensure<ConfigMap>(core, core.resource('configmaps'), wanted, (current) => {
    const merged = { ...current.data, ...data }
    return semanticEqual(current.data, merged) ? undefined : { ...current, data: merged }
  })
}
