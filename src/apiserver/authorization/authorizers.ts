import { onFileChange } from '../configuration/reload.ts'
import type { AuthorizationDecision, Authorizer } from '../context.ts'
import type { ApiServerCore, CorePart } from '../core.ts'
import { metricSetOf } from '../metrics/metric-set.ts'
import { configurationReloads } from '../metrics/configuration-reloads.ts'
import { abacAuthorizer, type AbacPolicy } from './abac.ts'
import { authorizerChain, type AuthorizerChain } from './chain.ts'
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

type Make = (settings: AuthorizerSettings, signal: AbortSignal) => Authorizer

/** Makes authorizers by their settings; those that follow the cluster's objects are made once, however often settings change. `signal` ends a webhook's connections. */
function factory(options: AuthorizationOptions, core: ApiServerCore): Make {
  const once = new Map<AuthorizationMode, Authorizer>()
  const make = (type: Exclude<AuthorizationMode, 'Webhook'>): Authorizer => {
    switch (type) {
      case 'Node': return nodeAuthorizer(core.reader, core.signal)
      case 'RBAC': return rbacAuthorizer(rbacIndexOf(core))
      case 'ABAC': return abacAuthorizer(options.abacPolicies ?? [])
      case 'AlwaysAllow': return allowEverything
      case 'AlwaysDeny': return denyEverything
    }
  }
  return (settings, signal) => {
    if (settings.type === 'Webhook') return counted(core, settings, webhookAuthorizer(settings.webhook, { runtime: core.runtime, signal }, metricSetOf(core)))
    const made = once.get(settings.type) ?? make(settings.type)
    once.set(settings.type, made)
    return counted(core, settings, made)
  }
}

/** The same authorizer, its decisions counted; to have no opinion is none. */
function counted(core: ApiServerCore, { type, name }: AuthorizerSettings, authorizer: Authorizer): Authorizer {
  const set = metricSetOf(core)
  const decisions = 'apiserver_authorization_decisions_total'
  const noted = (answer: AuthorizationDecision): AuthorizationDecision => {
    if (answer.decision !== 'noOpinion') (answer.decision === 'allow' ? allowed() : denied()).value++
    return answer
  }
  const allowed = once(() => set.number(decisions, type, name, 'allowed'))
  const denied = once(() => set.number(decisions, type, name, 'denied'))
  return {
    ...authorizer,
    authorize(attributes) {
      const answer = authorizer.authorize(attributes)
      return answer instanceof Promise ? answer.then(noted) : noted(answer)
    },
  }
}

function once<T>(make: () => T): () => T {
  let made: T | undefined
  return () => (made ??= make())
}

const defaults: readonly AuthorizerSettings[] = [{ type: 'Node', name: 'node' }, { type: 'RBAC', name: 'rbac' }]

/** The authorizers in the order in which they are asked; members of system:masters come before all. */
export function createAuthorizers(options: AuthorizationOptions = {}): CorePart<Authorizer>[] {
  const { authorizers = defaults, file } = options
  if (file === undefined) {
    const makers = new WeakMap<ApiServerCore, Make>()
    const makerFor = (core: ApiServerCore): Make => {
      const maker = makers.get(core) ?? factory(options, core)
      makers.set(core, maker)
      return maker
    }
    return [() => privilegedAuthorizer, ...authorizers.map((settings) => (core: ApiServerCore) => makerFor(core)(settings, core.signal))]
  }
  return [() => privilegedAuthorizer, (core) => reloadable(options, authorizers, file, core)]
}

/** Requests that have begun with webhooks of the file before may end with them. */
const retireMs = 60_000

/** A chain that is exchanged as a whole when its file changes. */
function reloadable(options: AuthorizationOptions, initial: readonly AuthorizerSettings[], file: NonNullable<AuthorizationOptions['file']>, core: ApiServerCore): Authorizer {
  const make = factory(options, core)
  const build = (all: readonly AuthorizerSettings[]): { chain: AuthorizerChain; retire: AbortController } => {
    const retire = new AbortController()
    const signal = AbortSignal.any([core.signal, retire.signal])
    return { chain: authorizerChain(all.map((settings) => make(settings, signal))), retire }
  }
  let inForce = build(initial)
  onFileChange({
    path: file.path, text: file.text, runtime: core.runtime, signal: core.signal, noted: configurationReloads(metricSetOf(core), 'authorization', core.runtime, file.text),
    apply: (text) => {
      const next = build(file.parse(text))
      const { retire } = inForce
      inForce = next
      core.runtime.clock.timer(retireMs, () => retire.abort(new Error('the authorization file has changed')), { background: true })
    },
  })
  return { name: 'configuration', authorize: (request) => inForce.chain.authorize(request), rulesFor: (user, namespace) => inForce.chain.rulesFor(user, namespace) }
}
