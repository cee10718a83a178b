import type { Namespace } from '../../../api/types/core_v1.ts'
import type { ResourceDescription } from '../../../api/resource.ts'
import { matchesSelector, type Labels, type Selector } from '../../../machinery/labels.ts'
import { errors } from '../../../machinery/status.ts'
import type { AdmissionAttributes } from '../../context.ts'
import type { ApiServerCore } from '../../core.ts'
import { whenKnown, type Known } from '../../known.ts'
import type { Hook } from './configurations.ts'
import { equivalentsOf } from './equivalents.ts'
import { ruleMatches } from './rules.ts'

/** A webhook that a request may concern, and the version of the resource in which it wants to see it. */
export interface Invocation { readonly hook: Hook; readonly target: ResourceDescription }

type Asked = Pick<AdmissionAttributes, 'operation' | 'resource' | 'subresource' | 'namespace'>

/** The first rule that fits decides; with matchPolicy Equivalent also one for another version of the same resource. */
function invocationOf(core: ApiServerCore, hook: Hook, asked: Asked): Invocation | undefined {
  const rules = hook.webhook.rules ?? []
  if (rules.some((rule) => ruleMatches(rule, asked))) return { hook, target: asked.resource }
  if (hook.webhook.matchPolicy === 'Exact') return undefined
  const equivalents = equivalentsOf(core.resources, asked.resource, asked.subresource)
  for (const rule of rules) {
    const target = equivalents.find((resource) => ruleMatches(rule, { ...asked, resource }))
    if (target !== undefined) return { hook, target }
  }
  return undefined
}

const none: readonly Invocation[] = []

/** Which webhooks' rules cover a request; worked out once for each kind of request, until configurations or resources change. */
export class RuleIndex {
  readonly #core: ApiServerCore
  #hooks: readonly Hook[] = []
  #generation = -1
  #known = new WeakMap<ResourceDescription, Map<string, readonly Invocation[]>>()

  constructor(core: ApiServerCore) {
    this.#core = core
  }

  candidates(hooks: readonly Hook[], attributes: AdmissionAttributes): readonly Invocation[] {
    if (hooks.length === 0) return none
    const { generation } = this.#core.resources
    if (hooks !== this.#hooks || generation !== this.#generation) {
      this.#hooks = hooks
      this.#generation = generation
      this.#known = new WeakMap()
    }
    const { operation, resource, subresource, namespace } = attributes
    let ofResource = this.#known.get(resource)
    if (ofResource === undefined) this.#known.set(resource, ofResource = new Map())
    const key = `${operation} ${subresource} ${namespace === '' ? 'cluster' : 'namespaced'}`
    let found = ofResource.get(key)
    if (found === undefined) {
      found = hooks.map((hook) => invocationOf(this.#core, hook, attributes)).filter((invocation) => invocation !== undefined)
      ofResource.set(key, found)
    }
    return found
  }
}

function isEverything({ requirements, nothing }: Selector): boolean {
  return requirements.length === 0 && nothing !== true
}

/** The namespace that a request lies in. Throws NotFound. */
export function namespaceOf(core: ApiServerCore, name: string): Known<Namespace> {
  const resource = core.resource('namespaces')
  // From the registry, which knows labels that were written a moment ago.
  return whenKnown(core.registry.findNow(resource, '', name), (found) => {
    if (found === undefined) throw errors.notFound(resource, name)
    return found as unknown as Namespace
  })
}

/** Labels by which a namespaceSelector judges a request: those of its namespace, or of the namespace it writes. */
async function namespaceLabels(core: ApiServerCore, { operation, resource, subresource, namespace, object }: AdmissionAttributes): Promise<Labels> {
  if (resource.resource === 'namespaces' && subresource === '' && (operation === 'CREATE' || operation === 'UPDATE')) return object?.metadata.labels
  return (await namespaceOf(core, namespace)).metadata.labels
}

/** Whether the selectors of a webhook or policy let a request through. `object` is as the request stands now. */
export async function selectorsMatch(core: ApiServerCore, selectors: Pick<Hook, 'namespaceSelector' | 'objectSelector'>, attributes: AdmissionAttributes, object = attributes.object): Promise<boolean> {
  const { namespaceSelector, objectSelector } = selectors
  if (!isEverything(objectSelector)) {
    // Options of a connection have no labels, not even none.
    if (attributes.operation === 'CONNECT') return false
    const selects = (each: AdmissionAttributes['object'] | AdmissionAttributes['oldObject']): boolean => each?.metadata !== undefined && matchesSelector(objectSelector, each.metadata.labels)
    if (!selects(object) && !selects(attributes.oldObject)) return false
  }
  if (isEverything(namespaceSelector)) return true
  // What lies in no namespace is exempt from no webhook.
  if (attributes.namespace === '' && attributes.resource.resource !== 'namespaces') return true
  return matchesSelector(namespaceSelector, await namespaceLabels(core, attributes))
}
