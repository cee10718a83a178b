import type { APIGroupDiscoveryList } from '../api/types/apidiscovery.k8s.io_v2.ts'
import type { APIGroupList, APIResourceList } from '../api/types/meta_v1.ts'
import type { Client, ResourceType } from './client.ts'

/** A resource that the server serves, in the version it prefers for it. */
export interface DiscoveredResource extends ResourceType { readonly verbs: readonly string[] }

/** What was found, and the groups whose documents could not be read (an aggregated server that is down). */
export interface Discovery { resources: DiscoveredResource[]; failures: Map<string, Error> }

const aggregated = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json'

/** All resources, each once, in its preferred version; subresources left out. Rejects when the server doesn't answer at all. */
export async function discover(client: Client, signal?: AbortSignal): Promise<Discovery> {
  const found: Discovery = { resources: [], failures: new Map() }
  for (const path of ['/api', '/apis']) {
    const document = await read(client, path, aggregated, signal)
    if (isAggregated(document)) addAggregated(document, found)
    else await addLegacy(client, path, document, found, signal)
  }
  return found
}

async function read(client: Client, path: string, accept: string, signal: AbortSignal | undefined): Promise<unknown> {
  const response = await client.request({ method: 'GET', path, headers: { accept }, ...(signal === undefined ? {} : { signal }) })
  return response.value ?? JSON.parse(Buffer.from(await response.bytes()).toString())
}

function isAggregated(document: unknown): document is APIGroupDiscoveryList {
  return (document as { kind?: string }).kind === 'APIGroupDiscoveryList'
}

function addAggregated(document: APIGroupDiscoveryList, found: Discovery): void {
  for (const { metadata, versions } of document.items) {
    const group = metadata?.name ?? ''
    const seen = new Set<string>()
    for (const { version, resources, freshness } of versions ?? []) {
      if (freshness === 'Stale') {
        // What is known of it may be wrong by now, and asking its server may take long.
        found.failures.set(`${group}/${version}`, new Error(`stale GroupVersion discovery: ${group}/${version}`))
        continue
      }
      for (const { resource, responseKind, scope, verbs } of resources ?? []) {
        if (version === undefined || seen.has(resource)) continue
        seen.add(resource)
        found.resources.push({ group, version, resource, kind: responseKind?.kind ?? '', namespaced: scope === 'Namespaced', verbs: verbs ?? [] })
      }
    }
  }
}

async function addLegacy(client: Client, path: string, document: unknown, found: Discovery, signal: AbortSignal | undefined): Promise<void> {
  const groups = path === '/api'
    ? [{ name: '', versions: [...(document as { versions: string[] }).versions].map((version) => ({ version, groupVersion: version })) }]
    : (document as APIGroupList).groups.map(({ name, versions, preferredVersion }) => ({
        name, versions: [...versions].sort((a, b) => Number(b.version === preferredVersion?.version) - Number(a.version === preferredVersion?.version)),
      }))
  for (const { name: group, versions } of groups) {
    const seen = new Set<string>()
    for (const { version, groupVersion } of versions) {
      try {
        const list = (await read(client, `${path}/${groupVersion}`, 'application/json', signal)) as APIResourceList
        for (const { name: resource, kind, namespaced, verbs } of list.resources) {
          if (resource.includes('/') || seen.has(resource)) continue
          seen.add(resource)
          found.resources.push({ group, version, resource, kind, namespaced, verbs })
        }
      } catch (error) {
        if (signal?.aborted === true) throw error
        found.failures.set(groupVersion, error instanceof Error ? error : new Error(String(error)))
      }
    }
  }
}
