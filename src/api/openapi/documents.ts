import { createHash } from 'node:crypto'
import { apiVersionOf } from '../resource.ts'
import type { ResourceDescription, ResourceTable } from '../resource.ts'
import { docsFingerprint } from '../type-docs.ts'
import { tablesFingerprint } from '../type-table.ts'
import { discoveryItem, discoveryPaths, documentOf } from './discovery-paths.ts'
import { mergeV2, v3FromV2, type ForeignV2 } from './foreign.ts'
import { encodeOpenapiV2, encodeOpenapiV3 } from './gnostic.ts'
import { pathItemV2, pathItemV3, pathsOf } from './operations.ts'
import { Definitions } from './schemas.ts'
import type { Format, Schema } from './schemas.ts'
import { shareParameters } from './shared-parameters.ts'

/**
 * OpenAPI documents of what a table serves: one of version 2 for everything, in JSON and protobuf, and one of version 3 per
 * group version. Building takes tens of milliseconds; callers keep the result as long as `table.generation` stays.
 */

const info = { title: 'Kubernetes', version: '1.36' }
/** What the apiextensions server, which makes those of custom resources, calls itself. */
const customInfo = { title: 'Kubernetes CRD Swagger', version: 'v0.1.0' }

function sortedObject<T>(entries: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(entries).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function describe(resources: readonly ResourceDescription[], format: Format, discovery: ReturnType<typeof discoveryPaths>): { paths: Record<string, Schema>; schemas: Record<string, Schema> } {
  const definitions = new Definitions(format, format === 'v3' && resources[0] !== undefined ? { groupVersion: apiVersionOf(resources[0]), isCustom: resources[0].typeId === undefined } : undefined)
  const paths: Record<string, Schema> = {}
  for (const resource of resources) {
    for (const path of pathsOf(resource, definitions)) paths[path.path] = format === 'v2' ? pathItemV2(path) : pathItemV3(path)
  }
  for (const path of discovery) paths[path.path] = discoveryItem(path, definitions)
  return { paths: sortedObject(paths), schemas: sortedObject(definitions.schemas) }
}

/** The document of `/openapi/v2`: as JSON, and as the protobuf that client-go asks for. `foreign` are those of other servers, to be merged in. */
export function openapiV2(table: ResourceTable, foreign: readonly ForeignV2[] = []): { json: string; protobuf: Uint8Array } {
  const { paths: inFull, schemas } = describe(table.all(), 'v2', discoveryPaths(table))
  const { paths: ownPaths, parameters } = shareParameters(inFull)
  const { paths, definitions } = foreign.length === 0 ? { paths: ownPaths, definitions: schemas } : mergeV2({ paths: ownPaths, definitions: schemas }, foreign)
  const document = {
    swagger: '2.0', info, paths, definitions, parameters,
    securityDefinitions: { BearerToken: { description: 'Bearer Token authentication', type: 'apiKey', name: 'authorization', in: 'header' } },
    security: [{ BearerToken: [] }],
  }
  return { json: JSON.stringify(document), protobuf: encodeOpenapiV2(document) }
}

function pathOf(groupVersion: string): string {
  return groupVersion.includes('/') ? `apis/${groupVersion}` : `api/${groupVersion}`
}

function resourcesAt(table: ResourceTable, groupVersionPath: string): ResourceDescription[] {
  return table.all().filter((resource) => pathOf(apiVersionOf(resource)) === groupVersionPath)
}

/** Changes whenever the document of a group version would. */
function fingerprint(resources: readonly ResourceDescription[]): string {
  const hash = createHash('sha512').update(tablesFingerprint()).update(docsFingerprint())
  for (const { group, version, resource, kind, namespaced, verbs, subresources, schema } of resources) {
    hash.update(JSON.stringify([group, version, resource, kind, namespaced, verbs, subresources.map((sub) => [sub.name, sub.verbs, sub.kind]), schema]))
  }
  return hash.digest('hex').toUpperCase()
}

/** The answer of `/openapi/v3`: where each group version's document is; the hash lets clients keep it for ever. */
export function openapiV3Index(table: ResourceTable): { paths: Record<string, { serverRelativeURL: string }> } {
  const paths: Record<string, { serverRelativeURL: string }> = {}
  for (const group of table.groups()) {
    for (const version of table.versions(group)) {
      const path = pathOf(apiVersionOf({ group, version }))
      paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${fingerprint(resourcesAt(table, path))}` }
    }
  }
  // Those of the server itself change with the groups it has, which their own entries tell.
  for (const path of discoveryPaths(table)) paths[documentOf(path)] ??= { serverRelativeURL: `/openapi/v3/${documentOf(path)}?hash=${fingerprint([])}` }
  return { paths: sortedObject(paths) }
}

/** The document of `/openapi/v3/<path>` (`api/v1`, `apis/apps/v1`, `version`) as JSON; undefined where nothing of that version is served. */
export function openapiV3(table: ResourceTable, groupVersionPath: string): string | undefined {
  const resources = resourcesAt(table, groupVersionPath)
  const discovery = discoveryPaths(table).filter((path) => documentOf(path) === groupVersionPath)
  if (resources.length === 0 && discovery.length === 0) return undefined
  const { paths, schemas } = describe(resources, 'v3', discovery)
  if (resources[0] !== undefined && resources.every(({ typeId }) => typeId === undefined)) return JSON.stringify({ openapi: '3.0.0', info: customInfo, paths, components: { schemas } })
  return JSON.stringify({
    openapi: '3.0.0', info, paths,
    components: { ...(Object.keys(schemas).length === 0 ? {} : { schemas }), securitySchemes: { BearerToken: { description: 'Bearer Token authentication', type: 'apiKey', name: 'authorization', in: 'header' } } },
  })
}

/** The v3 document made of what a server that knows v2 only says. */
export function openapiV3OfForeign(foreign: ForeignV2): string {
  return JSON.stringify(v3FromV2(foreign, info))
}

/** A v3 document, which is JSON, as protobuf. */
export function openapiV3Protobuf(json: string): Uint8Array {
  return encodeOpenapiV3(JSON.parse(json) as object)
}
