import type { PostStartHook } from '../core.ts'
import { publishAuthenticationInfo, type AuthenticationInfo } from './authentication-info.ts'
import { bootstrapFlowControl } from './flow-control.ts'
import { bootstrapKubernetesService, type KubernetesServiceOptions } from './kubernetes-service.ts'
import { bootstrapRbac } from './rbac.ts'
import { bootstrapNamespaces, bootstrapPriorityClasses } from './system-objects.ts'

export interface BootstrapOptions {
  /** Left out: no `kubernetes` Service (a server that nothing in a cluster calls). */
  kubernetesService?: KubernetesServiceOptions
  authenticationInfo?: AuthenticationInfo
}

/** What a server sees to after it has started; hooks are named as upstream's and run side by side. */
export function bootstrapHooks(options: BootstrapOptions): PostStartHook[] {
  const { kubernetesService, authenticationInfo } = options
  return [
    { name: 'start-system-namespaces-controller', run: bootstrapNamespaces },
    { name: 'rbac/bootstrap-roles', run: bootstrapRbac },
    { name: 'scheduling/bootstrap-system-priority-classes', run: bootstrapPriorityClasses },
    { name: 'priority-and-fairness-config-producer', run: bootstrapFlowControl },
    ...(kubernetesService === undefined ? [] : [{ name: 'bootstrap-controller', run: (core) => bootstrapKubernetesService(core, kubernetesService) } satisfies PostStartHook]),
    ...(authenticationInfo === undefined ? [] : [{ name: 'start-cluster-authentication-info-controller', run: (core) => publishAuthenticationInfo(core, authenticationInfo) } satisfies PostStartHook]),
  ]
}
