import { applyDefaultsFor } from './defaults/defaults.ts'
import { authenticationGroup, authorizationGroup, certificatesGroup, rbacGroup } from './groups/access.ts'
import { coreGroup } from './groups/core.ts'
import { allVerbs } from './groups/description.ts'
import type { BuiltinGroup, BuiltinResource, BuiltinVersion } from './groups/description.ts'
import { admissionregistrationGroup, apiextensionsGroup, apiregistrationGroup, flowcontrolGroup, internalGroup, storagemigrationGroup } from './groups/extension.ts'
import { coordinationGroup, discoveryGroup, eventsGroup, networkingGroup } from './groups/networking.ts'
import { nodeGroup, resourceGroup, storageGroup } from './groups/node-resources.ts'
import { withoutDisabledFields } from './feature-fields.ts'
import type { FeatureEnabled } from './feature-fields.ts'
import { isFeatureEnabled } from './feature-gates.ts'
import { isServedByDefault, stabilityOf } from './groups/served.ts'
import type { ServedRow } from './groups/served.ts'
import { appsGroup, autoscalingGroup, batchGroup, policyGroup, schedulingGroup } from './groups/workloads.ts'
import { plainPrinter } from './printers/columns.ts'
import { createResourceTable } from './resource-table.ts'
import type { ResourceDescription, ResourceTable, Strategy } from './resource.ts'
import { convertedStrategy } from './strategies/converted.ts'
import { strategyFor, subresourceStrategyFor } from './strategies/strategies.ts'

/** Groups in the order that upstream's discovery lists them. */
const groups: readonly BuiltinGroup[] = [
  coreGroup, apiregistrationGroup, appsGroup, eventsGroup, authenticationGroup, authorizationGroup, autoscalingGroup, batchGroup, certificatesGroup,
  networkingGroup, policyGroup, rbacGroup, storageGroup, admissionregistrationGroup, apiextensionsGroup, schedulingGroup, coordinationGroup, nodeGroup,
  discoveryGroup, resourceGroup, flowcontrolGroup, internalGroup, storagemigrationGroup,
]

function describe(group: string, { version, printers }: BuiltinVersion, builtin: BuiltinResource, isEnabled: FeatureEnabled): ResourceDescription {
  const { kind, virtual, storage, deprecated } = builtin
  const resource = builtin.resource ?? `${kind.toLowerCase()}s`
  const groupVersion = group === '' ? version : `${group}/${version}`
  const typeId = `${groupVersion}.${kind}`
  const { columns, printRow, rowConditions } = printers[kind] ?? plainPrinter
  const applyDefaults = applyDefaultsFor(typeId)
  // Strategies know one form of a kind. Events are the exception: their rules name the fields of either form.
  const { toStorage, fromStorage } = storage ?? {}
  const inThisVersion = (strategy: Strategy, subresource = ''): Strategy => {
    const gated = withoutDisabledFields(strategy, group, resource, subresource, isEnabled)
    return toStorage === undefined || fromStorage === undefined || kind === 'Event' ? gated : convertedStrategy(gated, toStorage, fromStorage)
  }
  return {
    group, version, resource, kind, typeId, columns, printRow, ...(rowConditions === undefined ? {} : { rowConditions }),
    singular: kind.toLowerCase(),
    listKind: `${kind}List`,
    namespaced: builtin.cluster !== true,
    shortNames: builtin.shortNames ?? [],
    categories: builtin.categories ?? [],
    verbs: builtin.verbs ?? allVerbs,
    subresources: (builtin.subresources ?? []).map((subresource) => {
      const strategy = subresource.kind === undefined ? subresourceStrategyFor(group, resource, subresource.name) : undefined
      return strategy === undefined ? subresource : { ...subresource, strategy: inThisVersion(strategy, subresource.name) }
    }),
    storagePrefix: builtin.storagePrefix ?? `/registry/${resource}/`,
    storageVersion: storage?.storageVersion ?? groupVersion,
    ...(toStorage === undefined ? {} : { toStorage }),
    ...(fromStorage === undefined ? {} : { fromStorage }),
    ...(virtual === undefined ? {} : { virtual }),
    selectableFields: builtin.selectableFields ?? {},
    ...(applyDefaults === undefined ? {} : { applyDefaults }),
    strategy: inThisVersion(strategyFor(group, resource)),
    ...(deprecated === undefined ? {} : { deprecationWarning: deprecationText(`${groupVersion} ${kind}`, deprecated) }),
  }
}

function deprecationText(what: string, { since, removed, use }: NonNullable<BuiltinResource['deprecated']>): string {
  return `${what} is deprecated in ${since}+${removed === undefined ? '' : `, unavailable in ${removed}+`}${use === undefined ? '' : `; use ${use}`}`
}

const isOnByDefault: FeatureEnabled = (gate) => isFeatureEnabled({}, gate)

const allDescriptions = function* (isServed: (row: ServedRow) => boolean, isEnabled: FeatureEnabled): Generator<ResourceDescription> {
  for (const { group, versions } of groups) {
    for (const version of versions) {
      for (const builtin of version.resources) {
        const resource = builtin.resource ?? `${builtin.kind.toLowerCase()}s`
        if (isServed(rowOf(group, version.version, resource))) yield describe(group, version, builtin, isEnabled)
      }
    }
  }
}

function rowOf(group: string, version: string, resource: string): ServedRow {
  const stability = stabilityOf(version)
  return { group, version, resource, stability, byDefault: stability === 'stable' }
}

/** Every built-in resource in every version that this level knows, served by default or not: what `--runtime-config` chooses from. */
export function servableResources(): ServedRow[] {
  return groups.flatMap(({ group, versions }) => versions.flatMap(({ version, resources }) =>
    resources.map(({ kind, resource }) => rowOf(group, version, resource ?? `${kind.toLowerCase()}s`))))
}

/**
 * The built-in resources that an API server of this level serves, in a table of its own: custom resources are added to it.
 * Without `isServed`: those that upstream serves by default, which are the stable versions. Without `isEnabled`: features are as they are by default.
 */
export function builtinResources(isServed: (row: ServedRow) => boolean = isServedByDefault, isEnabled: FeatureEnabled = isOnByDefault): ResourceTable {
  return createResourceTable([...allDescriptions(isServed, isEnabled)])
}
