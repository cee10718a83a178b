import { compareVersions } from '../../api/resource-table.ts'
import type { APIVersionDiscovery, Catalogue } from '../../api/discovery.ts'
import type { APIService } from '../../api/types/apiregistration.k8s.io_v1.ts'
import type { ResourceTable } from '../../api/resource.ts'
import { sortedByGroupAndVersion } from './api-service.ts'
import { builtinPriority, customPriority, type Priority } from './priorities.ts'
import type { RemoteDiscovery } from './discovery.ts'
import type { RemoteServices } from './remote-services.ts'

/** The group of APIServices is above every other. */
const first: Priority = { group: 20001, version: 0 }
const registrationGroup = 'apiregistration.k8s.io'

export interface CatalogueParts { table: ResourceTable; remotes: RemoteServices; discovery: RemoteDiscovery; services(): readonly APIService[]; generation(): number }

/** One catalogue of what is served here and elsewhere. */
export function catalogueOf({ table, remotes, discovery, services, generation }: CatalogueParts): Catalogue {
  const isServed = (group: string, version: string): boolean => table.versions(group).includes(version)
  return {
    get generation() {
      return `${table.generation} ${generation()} ${discovery.generation}`
    },
    groups() {
      const named = sortedByGroupAndVersion([...services(), ...unregistered(table, services())])
      const groups = named.map((group) => ({ name: group[0]!.spec.group ?? '', versions: group.map(({ spec }) => spec.version ?? '') }))
      const others = groups.filter(({ name }) => name !== '' && name !== registrationGroup)
      const core = groups.filter(({ name }) => name === '')
      return [...core, ...(isServed(registrationGroup, 'v1') ? [{ name: registrationGroup, versions: table.versions(registrationGroup) }] : []), ...others]
    },
    described() {
      const found = new Map<string, Map<string, { priority: Priority; remote?: APIVersionDiscovery }>>()
      const versionsOf = (group: string): Map<string, { priority: Priority; remote?: APIVersionDiscovery }> => {
        const known = found.get(group) ?? new Map<string, { priority: Priority; remote?: APIVersionDiscovery }>()
        found.set(group, known)
        return known
      }
      for (const group of table.groups()) for (const version of table.versions(group)) versionsOf(group).set(version, { priority: priorityOf(group, version) })
      for (const { name, group, version, service } of remotes.all()) {
        const remote = discovery.get(name)
        if (remote !== undefined) versionsOf(group).set(version, { priority: { group: service.spec.groupPriorityMinimum, version: service.spec.versionPriority }, remote })
      }
      const groups = [...found].map(([name, versions]) => ({
        name, priority: Math.max(...[...versions.values()].map(({ priority }) => priority.group)),
        versions: [...versions].sort(([a, left], [b, right]) => right.priority.version - left.priority.version || compareVersions(a, b)).map(([version, { remote }]) => ({ version, ...(remote === undefined ? {} : { remote }) })),
      }))
      return groups.sort((a, b) => b.priority - a.priority || (a.name < b.name ? -1 : 1)).map(({ name, versions }) => ({ name, versions }))
    },
  }
}

function priorityOf(group: string, version: string): Priority {
  return group === registrationGroup ? first : builtinPriority(group, version) ?? customPriority
}

/** What is served and will have its APIService in a moment: the order does not change when it comes. */
function unregistered(table: ResourceTable, services: readonly APIService[]): APIService[] {
  const known = new Set(services.map(({ spec }) => `${spec.group ?? ''}/${spec.version ?? ''}`))
  return table.groups().flatMap((group) => table.versions(group).filter((version) => !known.has(`${group}/${version}`)).map((version) => {
    const priority = priorityOf(group, version)
    return { metadata: { name: `${version}.${group}` }, spec: { group, version, groupPriorityMinimum: priority.group, versionPriority: priority.version } }
  }))
}
