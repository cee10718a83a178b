import type { Authorizer } from '../context.ts'
import type { CorePart } from '../core.ts'
import { nodeAuthorizer } from './node.ts'
import { rbacIndexOf } from './rbac-index.ts'
import { privilegedAuthorizer, rbacAuthorizer } from './rbac.ts'

/** By the names of `--authorization-mode`. */
export type AuthorizationMode = 'Node' | 'RBAC' | 'AlwaysAllow' | 'AlwaysDeny'

const allowEverything: Authorizer = { name: 'AlwaysAllow', authorize: () => ({ decision: 'allow', reason: '' }) }
const denyEverything: Authorizer = { name: 'AlwaysDeny', authorize: () => ({ decision: 'noOpinion', reason: 'Everything is forbidden.' }) }

/** The authorizers in the order in which they are asked; members of system:masters come before all. */
export function createAuthorizers(modes: readonly AuthorizationMode[] = ['Node', 'RBAC']): CorePart<Authorizer>[] {
  const byMode: Record<AuthorizationMode, CorePart<Authorizer>> = {
    Node: (core) => nodeAuthorizer(core.reader, core.signal),
    RBAC: (core) => rbacAuthorizer(rbacIndexOf(core)),
    AlwaysAllow: () => allowEverything,
    AlwaysDeny: () => denyEverything,
  }
  return [() => privilegedAuthorizer, ...modes.map((mode) => byMode[mode])]
}
