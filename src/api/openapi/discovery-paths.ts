import type { ResourceTable } from '../resource.ts'
import { definitionDoc } from '../type-docs.ts'
import { apiName } from './operations.ts'
import type { Definitions, Schema } from './schemas.ts'

/** A path that tells of the server itself, as OpenAPI describes it: read only, without parameters. */
interface DiscoveryPath { path: string; id: string; description: string; tag: string; types: readonly string[]; answer(definitions: Definitions): Schema }

const anyType = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf']
const text = (): Schema => ({ type: 'string' })

const versionDefinition = 'io.k8s.apimachinery.pkg.version.Info'

function versionInfo(definitions: Definitions): Schema {
  const required = ['major', 'minor', 'gitVersion', 'gitCommit', 'gitTreeState', 'buildDate', 'goVersion', 'compiler', 'platform']
  const optional = ['emulationMajor', 'emulationMinor', 'minCompatibilityMajor', 'minCompatibilityMinor']
  const property = (name: string, isRequired: boolean): Schema => {
    const description = definitionDoc(versionDefinition, name)
    return { ...(description === '' ? {} : { description }), type: 'string', ...(isRequired && definitions.format === 'v3' ? { default: '' } : {}) }
  }
  return definitions.add(versionDefinition, {
    description: definitionDoc(versionDefinition), type: 'object', required,
    properties: Object.fromEntries([...required.map((name) => [name, property(name, true)]), ...optional.map((name) => [name, property(name, false)])]),
  })
}

function lowerFirst(value: string): string {
  return value.charAt(0).toLowerCase() + value.slice(1)
}

/** Groups that are the server's own: definitions make no paths of discovery. */
function builtInVersions(table: ResourceTable): Array<{ group: string; version: string }> {
  const found = new Map<string, { group: string; version: string }>()
  for (const { group, version, typeId } of table.all()) if (typeId !== undefined) found.set(`${group}/${version}`, { group, version })
  return [...found.values()]
}

/** Upstream's paths beside those of resources: discovery, the version, and what issuers of tokens publish. */
export function discoveryPaths(table: ResourceTable): DiscoveryPath[] {
  const versions = builtInVersions(table)
  const meta = (kind: string) => (definitions: Definitions): Schema => definitions.ref(`meta/v1.${kind}`)
  const groups = [...new Set(versions.map(({ group }) => group))].filter((group) => group !== '')
  const nameOf = (group: string): string => apiName({ group, version: '' })
  return [
    { path: '/api/', id: 'getCoreAPIVersions', description: 'get available API versions', tag: 'core', types: anyType, answer: meta('APIVersions') },
    { path: '/apis/', id: 'getAPIVersions', description: 'get available API versions', tag: 'apis', types: anyType, answer: meta('APIGroupList') },
    ...groups.map((group) => ({ path: `/apis/${group}/`, id: `get${nameOf(group)}APIGroup`, description: 'get information of a group', tag: lowerFirst(nameOf(group)), types: anyType, answer: meta('APIGroup') })),
    ...versions.map(({ group, version }) => ({
      path: group === '' ? `/api/${version}/` : `/apis/${group}/${version}/`, id: `get${apiName({ group, version })}APIResources`, description: 'get available resources',
      tag: `${lowerFirst(nameOf(group))}_${version}`, types: anyType, answer: meta('APIResourceList'),
    })),
    { path: '/version/', id: 'getCodeVersion', description: 'get the version information for this server', tag: 'version', types: ['application/json'], answer: versionInfo },
    {
      path: '/.well-known/openid-configuration/', id: 'getServiceAccountIssuerOpenIDConfiguration', tag: 'WellKnown', types: ['application/json'], answer: text,
      description: "get service account issuer OpenID configuration, also known as the 'OIDC discovery doc'",
    },
    {
      path: '/openid/v1/jwks/', id: 'getServiceAccountIssuerOpenIDKeyset', tag: 'openid', types: ['application/jwk-set+json'], answer: text,
      description: 'get service account issuer OpenID JSON Web Key Set (contains public token verification keys)',
    },
  ]
}

/** Where a path's version 3 document is: `/apis/apps/` -> `apis/apps`. */
export function documentOf({ path }: DiscoveryPath): string {
  return path.slice(1, -1)
}

/** The path item of an OpenAPI document of the format that `definitions` have. */
export function discoveryItem({ path, id, description, tag, types, answer }: DiscoveryPath, definitions: Definitions): Schema {
  const schema = answer(definitions)
  const common = { description, operationId: id, tags: [tag] }
  const unauthorized = { description: 'Unauthorized' }
  if (definitions.format === 'v2') return { get: { ...common, ...(path.startsWith('/.well') || path.startsWith('/openid') ? {} : { consumes: types }), produces: types, schemes: ['https'], responses: { 200: { description: 'OK', schema }, 401: unauthorized } } }
  return { get: { ...common, responses: { 200: { description: 'OK', content: Object.fromEntries(types.map((type) => [type, { schema }])) }, 401: unauthorized } } }
}
