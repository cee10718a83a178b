import { applyDefaultsFor } from './defaults/defaults.ts'
import { authenticationGroup, authorizationGroup, certificatesGroup, rbacGroup } from './groups/access.ts'
import { coreGroup } from './groups/core.ts'
import { allVerbs } from './groups/description.ts'
import type { BuiltinGroup, BuiltinResource, BuiltinVersion } from './groups/description.ts'
import { admissionregistrationGroup, apiextensionsGroup, apiregistrationGroup, flowcontrolGroup } from './groups/extension.ts'
import { coordinationGroup, discoveryGroup, eventsGroup, networkingGroup } from './groups/networking.ts'
import { nodeGroup, resourceGroup, storageGroup } from './groups/node-resources.ts'
import { appsGroup, autoscalingGroup, batchGroup, policyGroup, schedulingGroup } from './groups/workloads.ts'
import { plainPrinter } from './printers/columns.ts'
import { createResourceTable } from './resource-table.ts'
import type { ResourceDescription, ResourceTable } from './resource.ts'
import { strategyFor, subresourceStrategyFor } from './strategies/strategies.ts'

/** Groups in the order that upstream's discovery lists them. */
const groups: readonly BuiltinGroup[] = [
  coreGroup, apiregistrationGroup, appsGroup, eventsGroup, authenticationGroup, authorizationGroup, autoscalingGroup, batchGroup, certificatesGroup,
  networkingGroup, policyGroup, rbacGroup, storageGroup, admissionregistrationGroup, apiextensionsGroup, schedulingGroup, coordinationGroup, nodeGroup,
  discoveryGroup, resourceGroup, flowcontrolGroup,
]

function describe(group: string, { version, printers }: BuiltinVersion, builtin: BuiltinResource): ResourceDescription {
  const { kind, virtual, storage, deprecated } = builtin
  const resource = builtin.resource ?? `${kind.toLowerCase()}s`
  const groupVersion = group === '' ? version : `${group}/${version}`
  const typeId = `${groupVersion}.${kind}`
  const { columns, printRow } = printers[kind] ?? plainPrinter
  const applyDefaults = applyDefaultsFor(typeId)
  return {
    group, version, resource, kind, typeId, columns, printRow,
    singular: kind.toLowerCase(),
    listKind: `${kind}List`,
    namespaced: builtin.cluster !== true,
    shortNames: builtin.shortNames ?? [],
    categories: builtin.categories ?? [],
    verbs: builtin.verbs ?? allVerbs,
    subresources: (builtin.subresources ?? []).map((subresource) => {
      const strategy = subresource.kind === undefined ? subresourceStrategyFor(group, resource, subresource.name) : undefined
      return strategy === undefined ? subresource : { ...subresource, strategy }
    }),
    storagePrefix: builtin.storagePrefix ?? `/registry/${resource}/`,
    storageVersion: storage?.storageVersion ?? groupVersion,
    ...(storage?.toStorage === undefined ? {} : { toStorage: storage.toStorage }),
    ...(storage?.fromStorage === undefined ? {} : { fromStorage: storage.fromStorage }),
    ...(virtual === undefined ? {} : { virtual }),
    selectableFields: builtin.selectableFields ?? {},
    ...(applyDefaults === undefined ? {} : { applyDefaults }),
    strategy: strategyFor(group, resource),
    ...(deprecated === undefined ? {} : { deprecationWarning: `${groupVersion} ${kind} is deprecated in ${deprecated.since}+${deprecated.use === undefined ? '' : `; use ${deprecated.use}`}` }),
  }
}

/** Every resource that an API server of this level serves by default, in a table of its own: custom resources are added to it. */
export function builtinResources(): ResourceTable {
  return createResourceTable(groups.flatMap(({ group, versions }) => versions.flatMap((version) => version.resources.map((resource) => describe(group, version, resource)))))
}
