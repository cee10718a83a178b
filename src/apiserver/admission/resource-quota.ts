import { addUsage, listOfUsage, missingForQuota, quotaCovers, subtractUsage, usageOf, usageOfList, usageText, type Usage } from '../../api/quota.ts'
import { groupResourceOf } from '../../api/resource.ts'
import type { Pod, ResourceQuota, ScopedResourceSelectorRequirement } from '../../api/types/core_v1.ts'
import { compareQuantities, zeroQuantity } from '../../machinery/quantity.ts'
import { isReason } from '../../machinery/status.ts'
import type { AdmissionAttributes, AdmissionPlugin } from '../context.ts'
import type { ApiServerCore } from '../core.ts'
import { asServer } from '../bootstrap/ensure.ts'
import { whenKnown, type Known } from '../known.ts'
import { refusal } from './refusal.ts'

/** A resource whose use takes a quota: amounts whose name holds one of `matchContains`, pods in one of `matchScopes`. */
export interface LimitedResource { group: string; resource: string; matchContains: readonly string[]; matchScopes: readonly ScopedResourceSelectorRequirement[] }

/** Updates that may use more than before; of everything else only creations count. */
const countedUpdates = new Set(['services', 'persistentvolumeclaims', 'pods/resize'])

/** The part of `usage` that the quota limits. */
function limited(quota: ResourceQuota, usage: Usage): Usage {
  const hard = quota.status?.hard ?? {}
  return new Map([...usage].filter(([resource]) => hard[resource] !== undefined))
}

function pick(list: Readonly<Record<string, string>> | undefined, keys: Iterable<string>): Usage {
  const all = usageOfList(list)
  return new Map([...keys].filter((key) => all.has(key)).map((key) => [key, all.get(key)!]))
}

/** Why the quota has no room for `delta`; undefined when it has. Using less is always fine. */
function overrun(quota: ResourceQuota, delta: Usage): string | undefined {
  const hard = usageOfList(quota.status?.hard)
  const used = usageOfList(quota.status?.used)
  const growing = [...delta].filter(([, amount]) => compareQuantities(amount, zeroQuantity) > 0)
  const unknown = growing.map(([resource]) => resource).filter((resource) => !used.has(resource)).toSorted()
  if (unknown.length > 0) return `status unknown for quota: ${quota.metadata.name}, resources: ${unknown.join(',')}`
  const after: Usage = new Map(used)
  addUsage(after, new Map(growing))
  const exceeded = growing.filter(([resource]) => compareQuantities(after.get(resource)!, hard.get(resource)!) > 0)
  if (exceeded.length === 0) return undefined
  const keys = exceeded.map(([resource]) => resource)
  const [used1, hard1] = [pick(quota.status?.used, keys), pick(quota.status?.hard, keys)]
  return `exceeded quota: ${quota.metadata.name}, requested: ${usageText(new Map(exceeded))}, used: ${usageText(used1)}, limited: ${usageText(hard1)}`
}

/**
 * Holds a namespace to its quotas: what a request uses is added to the quota's status by compare-and-set before the object is
 * written, so that requests at the same time, also on other servers, can't overrun it together. What a request that fails later
 * has charged, the quota controller's next count takes back.
 */
export function resourceQuota(core: ApiServerCore, limitedResources: readonly LimitedResource[] = []): AdmissionPlugin {
  const quotas = core.resource('resourcequotas')
  const nowMs = (): number => core.runtime.clock.now()

  /** What the request adds to the quota. */
  function deltaFor(quota: ResourceQuota, attributes: AdmissionAttributes): Usage {
    const name = groupResourceOf(attributes.resource)
    const { object, oldObject } = attributes
    const used = quotaCovers(quota, name, object!) ? usageOf(name, object!, nowMs()) : new Map()
    if (attributes.operation === 'CREATE' || oldObject === undefined) return limited(quota, used)
    const before: Usage = quotaCovers(quota, name, oldObject) ? usageOf(name, oldObject, nowMs()) : new Map()
    return limited(quota, subtractUsage(used, before))
  }

  function check(quota: ResourceQuota, attributes: AdmissionAttributes): Usage {
    const isPod = groupResourceOf(attributes.resource) === 'pods'
    if (isPod && quotaCovers(quota, 'pods', attributes.object!)) {
      const missing = missingForQuota(quota, attributes.object as Pod)
      if (missing !== undefined) throw refusal(attributes, `failed quota: ${quota.metadata.name}: must specify ${missing}`)
    }
    const delta = deltaFor(quota, attributes)
    const because = overrun(quota, delta)
    if (because !== undefined) throw refusal(attributes, because)
    return delta
  }

  async function charge(quota: ResourceQuota, attributes: AdmissionAttributes): Promise<void> {
    await core.registry.update(quotas, attributes.namespace, quota.metadata.name!, (current) => {
      const standing = current as unknown as ResourceQuota
      const delta = new Map([...check(standing, attributes)].filter(([, amount]) => compareQuantities(amount, zeroQuantity) > 0))
      if (delta.size === 0) return undefined
      const used = usageOfList(standing.status?.used)
      addUsage(used, delta)
      return { ...current, status: { ...standing.status, used: { ...standing.status?.used, ...listOfUsage(used) } } }
    }, { ...asServer(core, quotas, 'status'), strategy: {} }).catch((error: unknown) => {
      // A quota that has gone limits nothing.
      if (!isReason(error, 'NotFound')) throw error
    })
  }

  /** What may be used only under a quota must have one (documentation, "Limit Priority Class consumption by default"). */
  function checkCovered(all: readonly ResourceQuota[], attributes: AdmissionAttributes): void {
    const name = groupResourceOf(attributes.resource)
    const object = attributes.object!
    const concerned = limitedResources.filter(({ group, resource }) => groupResourceOf({ group, resource }) === name)
    if (concerned.length === 0) return
    const covering = all.filter((quota) => quotaCovers(quota, name, object))
    const used = [...usageOf(name, object, nowMs()).keys()].filter((key) => concerned.some(({ matchContains }) => matchContains.some((part) => key.includes(part))))
    const uncovered = used.filter((key) => !covering.some((quota) => quota.status?.hard?.[key] !== undefined)).toSorted()
    if (uncovered.length > 0) throw refusal(attributes, `insufficient quota to consume: ${uncovered.join(',')}`)
    const inScope = (scope: ScopedResourceSelectorRequirement): boolean => quotaCovers({ metadata: {}, spec: { scopeSelector: { matchExpressions: [scope] } } }, name, object)
    const names = ({ spec }: ResourceQuota): readonly string[] => [...(spec?.scopes ?? []), ...(spec?.scopeSelector?.matchExpressions ?? []).map(({ scopeName }) => scopeName)]
    const scopes = concerned.flatMap(({ matchScopes }) => matchScopes).filter(inScope).filter(({ scopeName }) => !covering.some((quota) => names(quota).includes(scopeName)))
    if (scopes.length > 0) throw refusal(attributes, `insufficient quota to match these scopes: [${scopes.map(({ scopeName, operator, values = [] }) => `{${scopeName} ${operator} [${values.join(' ')}]}`).join(' ')}]`)
  }

  async function hold(all: readonly ResourceQuota[], attributes: AdmissionAttributes): Promise<void> {
    checkCovered(all, attributes)
    const touched = all.filter((quota) => check(quota, attributes).size > 0)
    if (attributes.dryRun) return
    // Every quota has been found to have room before the first is charged.
    for (const quota of touched) await charge(quota, attributes)
  }

  return {
    name: 'ResourceQuota',
    handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
    validate(attributes) {
      const { namespace, operation, resource, subresource, object } = attributes
      if (namespace === '' || object === undefined || (resource.group === '' && resource.resource === 'resourcequotas' && subresource !== '')) return
      const path = subresource === '' ? groupResourceOf(resource) : `${groupResourceOf(resource)}/${subresource}`
      if (operation === 'CREATE' ? subresource !== '' : !countedUpdates.has(path)) return
      return whenKnown(core.registry.listNow(quotas, namespace) as Known<readonly unknown[]>, (all) => (all.length === 0 && limitedResources.length === 0 ? undefined : hold(all as readonly ResourceQuota[], attributes)))
    },
  }
}
