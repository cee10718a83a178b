import { createHash } from 'node:crypto'
import { apiVersionOf } from './resource.ts'
import type { ResourceDescription, ResourceTable, SubresourceDescription } from './resource.ts'

/**
 * Discovery documents as plain objects, from the resource table: the legacy ones, and the aggregated ones of KEP-3352.
 * Callers cache them by `table.generation`.
 */

export interface APIResource {
  name: string; singularName: string; namespaced: boolean; group?: string; version?: string; kind: string; verbs: string[]
  shortNames?: string[]; categories?: string[]; storageVersionHash?: string
}
/** The one of the core group says nothing of its own version. */
export interface APIResourceList { kind: 'APIResourceList'; apiVersion?: 'v1'; groupVersion: string; resources: APIResource[] }
export interface GroupVersionForDiscovery { groupVersion: string; version: string }
export interface APIGroup { kind?: 'APIGroup'; apiVersion?: 'v1'; name: string; versions: GroupVersionForDiscovery[]; preferredVersion: GroupVersionForDiscovery }
export interface APIGroupList { kind: 'APIGroupList'; apiVersion: 'v1'; groups: APIGroup[] }
export interface APIVersions { kind: 'APIVersions'; versions: string[]; serverAddressByClientCIDRs: Array<{ clientCIDR: string; serverAddress: string }> }

interface ResponseKind { group: string; version: string; kind: string }
export interface APIResourceDiscovery {
  resource: string; responseKind: ResponseKind; scope: 'Namespaced' | 'Cluster'; singularResource: string; verbs: string[]
  shortNames?: string[]; categories?: string[]; subresources?: Array<{ subresource: string; responseKind: ResponseKind; verbs: string[] }>
}
export interface APIVersionDiscovery { version: string; freshness: 'Current' | 'Stale'; /** Left out where there are none. */ resources?: APIResourceDiscovery[] }
export interface APIGroupDiscovery { metadata: { name?: string }; versions: APIVersionDiscovery[] }
export interface APIGroupDiscoveryList { kind: 'APIGroupDiscoveryList'; apiVersion: string; metadata: Record<string, never>; items: APIGroupDiscovery[] }

/** A group and its versions, in order of preference. */
export interface CatalogueGroup { name: string; versions: readonly string[] }
/** `remote` is what another server says of a version that it serves; where it is missing, the table describes it. */
export interface CatalogueVersions { name: string; versions: ReadonlyArray<{ version: string; remote?: APIVersionDiscovery }> }

/** Groups and versions in the order in which discovery shows them. */
export interface Catalogue {
  /** Changes with what the methods return. */
  readonly generation: string
  /** For the documents that name groups and versions only. */
  groups(): readonly CatalogueGroup[]
  /** For those that describe resources as well. */
  described(): readonly CatalogueVersions[]
}

/** What a table holds, and nothing else. */
export function tableCatalogue(table: ResourceTable): Catalogue {
  const groups = (): CatalogueGroup[] => table.groups().map((name) => ({ name, versions: table.versions(name) }))
  return {
    get generation() { return String(table.generation) },
    groups,
    described: () => groups().map(({ name, versions }) => ({ name, versions: versions.map((version) => ({ version })) })),
  }
}

/** Sorted where the kind is built in; custom ones are listed as apiextensions lists them. */
function verbsOf({ typeId }: ResourceDescription, verbs: readonly string[]): string[] {
  return typeId === undefined ? [...verbs] : [...verbs].sort()
}

/** In which version upstream 1.36 stores what is stored here in its newest: its hashes are those that clients know. */
const olderStored: Readonly<Record<string, string>> = {
  'customresourcedefinitions.apiextensions.k8s.io': 'v1beta1', 'mutatingadmissionpolicies.admissionregistration.k8s.io': 'v1beta1',
  'mutatingadmissionpolicybindings.admissionregistration.k8s.io': 'v1beta1', 'devicetaintrules.resource.k8s.io': 'v1alpha3',
}

/** What changes when objects of a resource come to be stored in another version. */
export function storageVersionHash(resource: ResourceDescription): string {
  const slash = resource.storageVersion.indexOf('/')
  const version = olderStored[`${resource.resource}.${resource.group}`] ?? resource.storageVersion.slice(slash + 1)
  const group = slash < 0 ? '' : resource.storageVersion.slice(0, slash)
  return createHash('sha256').update(`${group}/${version}/${resource.kind}`).digest().subarray(0, 8).toString('base64')
}

function resourcesOf(table: ResourceTable, group: string, version: string): ResourceDescription[] {
  return table.all().filter((resource) => resource.group === group && resource.version === version).sort((a, b) => (a.resource < b.resource ? -1 : 1))
}

function mainEntry(resource: ResourceDescription): APIResource {
  return {
    name: resource.resource, singularName: resource.singular, namespaced: resource.namespaced, kind: resource.kind, verbs: verbsOf(resource, resource.verbs),
    ...(resource.shortNames.length === 0 ? {} : { shortNames: [...resource.shortNames] }),
    ...(resource.categories.length === 0 ? {} : { categories: [...resource.categories] }),
    ...(resource.virtual === true ? {} : { storageVersionHash: storageVersionHash(resource) }),
  }
}

function subresourceEntry(resource: ResourceDescription, sub: SubresourceDescription): APIResource {
  const kind = responseKind(resource, sub)
  const foreign = kind.group !== resource.group || kind.version !== resource.version
  return {
    name: `${resource.resource}/${sub.name}`, singularName: '', namespaced: resource.namespaced,
    ...(foreign ? { group: kind.group, version: kind.version } : {}), kind: kind.kind, verbs: verbsOf(resource, sub.verbs),
  }
}

function responseKind(resource: ResourceDescription, sub?: SubresourceDescription): ResponseKind {
  if (sub?.kind === undefined) return { group: resource.group, version: resource.version, kind: resource.kind }
  return { group: sub.group ?? resource.group, version: sub.version ?? resource.version, kind: sub.kind }
}

/** As the aggregated document says it: built-in kinds of the same group version stand without them, as in the documents it is made of upstream. */
function aggregatedKind(resource: ResourceDescription, sub?: SubresourceDescription): ResponseKind {
  const kind = responseKind(resource, sub)
  return resource.typeId !== undefined && kind.group === resource.group && kind.version === resource.version ? { group: '', version: '', kind: kind.kind } : kind
}

function subresourcesOf(resource: ResourceDescription): SubresourceDescription[] {
  return resource.typeId === undefined ? [...resource.subresources] : [...resource.subresources].sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** `/api/v1`, `/apis/<group>/<version>`; undefined where nothing of that version is served. */
export function apiResourceList(table: ResourceTable, group: string, version: string): APIResourceList | undefined {
  const resources = resourcesOf(table, group, version)
  if (resources.length === 0) return undefined
  const entriesOf = (some: readonly ResourceDescription[]): APIResource[] => some.flatMap((resource) => [mainEntry(resource), ...resource.subresources.map((sub) => subresourceEntry(resource, sub))])
  const builtin = entriesOf(resources.filter(({ typeId }) => typeId !== undefined)).sort((a, b) => (a.name < b.name ? -1 : 1))
  // Each custom resource with its status, then its scale, as apiextensions writes them.
  const custom = entriesOf(resources.filter(({ typeId }) => typeId === undefined))
  return { kind: 'APIResourceList', ...(group === '' ? {} : { apiVersion: 'v1' }), groupVersion: apiVersionOf({ group, version }), resources: [...builtin, ...custom] }
}

/** `/api`. */
export function apiVersions(table: ResourceTable, serverAddress: string): APIVersions {
  return { kind: 'APIVersions', versions: [...table.versions('')], serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }] }
}

function groupEntry({ name, versions: names }: CatalogueGroup): APIGroup {
  const versions = names.map((version) => ({ groupVersion: `${name}/${version}`, version }))
  return { name, versions, preferredVersion: versions[0] as GroupVersionForDiscovery }
}

/** `/apis`: every group but the core one. */
export function apiGroupList(catalogue: Catalogue): APIGroupList {
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: catalogue.groups().filter(({ name }) => name !== '').map(groupEntry) }
}

/** `/apis/<group>`. */
export function apiGroup(catalogue: Catalogue, group: string): APIGroup | undefined {
  const found = group === '' ? undefined : catalogue.groups().find(({ name }) => name === group)
  return found === undefined || found.versions.length === 0 ? undefined : { kind: 'APIGroup', apiVersion: 'v1', ...groupEntry(found) }
}

function resourceDiscovery(resource: ResourceDescription): APIResourceDiscovery {
  return {
    resource: resource.resource, responseKind: aggregatedKind(resource), scope: resource.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: resource.singular, verbs: verbsOf(resource, resource.verbs),
    ...(resource.shortNames.length === 0 ? {} : { shortNames: [...resource.shortNames] }),
    ...(resource.categories.length === 0 ? {} : { categories: [...resource.categories] }),
    ...(resource.subresources.length === 0 ? {} : {
      subresources: subresourcesOf(resource).map((sub) => ({ subresource: sub.name, responseKind: aggregatedKind(resource, sub), verbs: verbsOf(resource, sub.verbs) })),
    }),
  }
}

function groupDiscovery(table: ResourceTable, { name, versions }: CatalogueVersions): APIGroupDiscovery {
  return {
    metadata: name === '' ? {} : { name },
    versions: versions.map(({ version, remote }) => remote ?? { version, freshness: 'Current', resources: resourcesOf(table, name, version).map(resourceDiscovery) }),
  }
}

/** The aggregated document of `/api` (`legacy`) or `/apis`. */
export function aggregatedDiscovery(table: ResourceTable, path: 'legacy' | 'groups', catalogue: Catalogue = tableCatalogue(table)): APIGroupDiscoveryList {
  const groups = catalogue.described().filter(({ name }) => (name === '') === (path === 'legacy'))
  return { kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2', metadata: {}, items: groups.map((group) => groupDiscovery(table, group)) }
}
