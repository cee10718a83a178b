import type { ResourceDescription, ResourceTable } from './resource.ts'

function kubeVersionRank(version: string): [stage: number, major: number, minor: number] {
  const parts = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version)
  if (parts === null) return [0, 0, 0]
  return [parts[2] === undefined ? 3 : parts[2] === 'beta' ? 2 : 1, Number(parts[1]), Number(parts[3] ?? 0)]
}

/** Orders versions by preference as upstream does: v2, v1, v2beta1, v1beta1, v1alpha1, then others by name. */
export function compareVersions(a: string, b: string): number {
  const left = kubeVersionRank(a)
  const right = kubeVersionRank(b)
  for (let i = 0; i < 3; i++) {
    const difference = (right[i] as number) - (left[i] as number)
    if (difference !== 0) return difference
  }
  return a < b ? -1 : a > b ? 1 : 0
}

interface Version { byResource: Map<string, ResourceDescription>; byKind: Map<string, ResourceDescription> }

/** A table that starts with the built-in groups, in the order given; groups that come later follow by name. */
export function createResourceTable(builtin: readonly ResourceDescription[]): ResourceTable {
  const groups = new Map<string, Map<string, Version>>()
  const builtinGroups = new Set(builtin.map((resource) => resource.group))
  let generation = 0
  let all: readonly ResourceDescription[] | undefined
  let groupNames: readonly string[] | undefined

  const add = (resource: ResourceDescription): void => {
    const versions = groups.get(resource.group) ?? new Map<string, Version>()
    groups.set(resource.group, versions)
    const version = versions.get(resource.version) ?? { byResource: new Map(), byKind: new Map() }
    versions.set(resource.version, version)
    version.byResource.set(resource.resource, resource)
    version.byKind.set(resource.kind, resource)
    changed()
  }
  const changed = (): void => {
    generation++
    all = undefined
    groupNames = undefined
  }
  for (const resource of builtin) add(resource)

  return {
    find: (group, version, resource) => groups.get(group)?.get(version)?.byResource.get(resource),
    findKind: (group, version, kind) => groups.get(group)?.get(version)?.byKind.get(kind),
    all: () => (all ??= [...groups.values()].flatMap((versions) => [...versions.values()].flatMap((version) => [...version.byResource.values()]))),
    versions: (group) => [...(groups.get(group)?.keys() ?? [])].sort(compareVersions),
    groups: () => (groupNames ??= [...groups.keys()].sort((a, b) => {
      const rank = Number(builtinGroups.has(b)) - Number(builtinGroups.has(a))
      return rank !== 0 || builtinGroups.has(a) ? rank : a < b ? -1 : 1
    })),
    add,
    remove(group, version, resource) {
      const versions = groups.get(group)
      const held = versions?.get(version)
      const old = held?.byResource.get(resource)
      if (versions === undefined || held === undefined || old === undefined) return
      held.byResource.delete(resource)
      if (held.byKind.get(old.kind) === old) held.byKind.delete(old.kind)
      if (held.byResource.size === 0) versions.delete(version)
      if (versions.size === 0) groups.delete(group)
      changed()
    },
    get generation() { return generation },
  }
}
