import { onFileChange } from '../configuration/reload.ts'
import type { Authorizer } from '../context.ts'
import type { ApiServerCore, CorePart } from '../core.ts'
import { abacAuthorizer, type AbacPolicy } from './abac.ts'
import { authorizerChain } from './chain.ts'
import type { AuthorizationMode, AuthorizerSettings } from './modes.ts'
import { nodeAuthorizer } from './node.ts'
import { rbacIndexOf } from './rbac-index.ts'
import { privilegedAuthorizer, rbacAuthorizer } from './rbac.ts'
import { webhookAuthorizer } from './webhook.ts'

export type { AuthorizationMode, AuthorizerSettings } from './modes.ts'

export interface AuthorizationOptions {
  /** In the order in which they are asked; Node and RBAC where left out. `authorizersOfFlags` and `parseAuthorizationConfiguration` make them. */
  authorizers?: readonly AuthorizerSettings[]
  /** What `ABAC` goes by. */
  abacPolicies?: readonly AbacPolicy[]
  /** The file that `authorizers` was read from, `text` as it was then: read again when it changes. */
  file?: { path: string; text: string; parse(text: string): AuthorizerSettings[] }
}

const allowEverything: Authorizer = {
  name: 'AlwaysAllow', authorize: () => ({ decision: 'allow', reason: '' }),
  rulesFor: () => ({ resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }], nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }], incomplete: false, errors: [] }),
}
const denyEverything: Authorizer = { name: 'AlwaysDeny', authorize: () => ({ decision: 'noOpinion', reason: 'Everything is forbidden.' }) }

/** Makes authorizers by their settings; those that follow the cluster's objects are made once, however often settings change. */
function factory(options: AuthorizationOptions, core: ApiServerCore): (settings: AuthorizerSettings) => Authorizer {
  const once = new Map<AuthorizationMode, Authorizer>()
  const make = (settings: AuthorizerSettings): Authorizer => {
    switch (settings.type) {
      case 'Node': return nodeAuthorizer(core.reader, core.signal)
      case 'RBAC': return rbacAuthorizer(rbacIndexOf(core))
      case 'ABAC': return abacAuthorizer(options.abacPolicies ?? [])
      case 'AlwaysAllow': return allowEverything
      case 'AlwaysDeny': return denyEverything
      case 'Webhook': return webhookAuthorizer(settings.webhook, core)
    }
  }
  return (settings) => {
    if (settings.type === 'Webhook') return make(settings)
    const made = once.get(settings.type) ?? make(settings)
    once.set(settings.type, made)
    return made
  }
}

const defaults: readonly AuthorizerSettings[] = [{ type: 'Node', name: 'node' }, { type: 'RBAC', name: 'rbac' }]

/** The authorizers in the order in which they are asked; members of system:masters come before all. */
export function createAuthorizers(options: AuthorizationOptions = {}): CorePart<Authorizer>[] {
  const { authorizers = defaults, file } = options
  if (file === undefined) {
    const makers = new WeakMap<ApiServerCore, (settings: AuthorizerSettings) => Authorizer>()
    const makerFor = (core: ApiServerCore): (settings: AuthorizerSettings) => Authorizer => {
      const maker = makers.get(core) ?? factory(options, core)
      makers.set(core, maker)
      return maker
    }
    return [() => privilegedAuthorizer, ...authorizers.map((settings) => (core: ApiServerCore) => makerFor(core)(settings))]
  }
  return [() => privilegedAuthorizer, (core) => reloadable(options, authorizers, file, core)]
}

/** A chain that is exchanged as a whole when its file changes. */
function reloadable(options: AuthorizationOptions, initial: readonly AuthorizerSettings[], file: NonNullable<AuthorizationOptions['file']>, core: ApiServerCore): Authorizer {
  const make = factory(options, core)
  let inForce = authorizerChain(initial.map(make))
  onFileChange({
    path: file.path, text: file.text, runtime: core.runtime, signal: core.signal,
    apply: (text) => {
      inForce = authorizerChain(file.parse(text).map(make))
    },
  })
  return { name: 'configuration', authorize: (request) => inForce.authorize(request), rulesFor: (user, namespace) => inForce.rulesFor(user, namespace) }
}
