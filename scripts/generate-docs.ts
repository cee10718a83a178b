/**
 * Writes `src/api/schema-docs/*.json`, the descriptions of types, fields and parameters that OpenAPI documents and tables show:
 *
 *     node scripts/generate-docs.ts FILE
 *
 * FILE is the OpenAPI document of a kube-apiserver of the version that the tables are of (`kubectl get --raw /openapi/v2`), one that serves every API
 * (`--runtime-config=api/all=true`). Types that it does not publish keep the descriptions they have. A test holds the files against the doc comments of
 * @kubernetes/client-node, which say the same without their line ends.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { definitionName } from '../src/api/openapi/names.ts'
import { tableGroupVersions, typeById, typeNames } from '../src/api/type-table.ts'
import { fileOf } from './generate-types.ts'

/** Fields by name; '' is the type itself. */
export type TypeDocs = Record<string, string>

interface Described { description?: string }
interface Parameter extends Described { $ref?: string; name: string; in: string }
interface Operation { parameters?: Parameter[]; 'x-kubernetes-group-version-kind'?: { kind: string } }
interface PathItem extends Record<string, unknown> { parameters?: Parameter[]; get?: Operation; post?: Operation; put?: Operation; patch?: Operation; delete?: Operation }
interface Document { definitions: Record<string, Described & { properties?: Record<string, Described> }>; parameters: Record<string, Parameter>; paths: Record<string, PathItem> }

export const docsDir = join(import.meta.dirname, '../src/api/schema-docs')

function docsOf({ description, properties = {} }: Document['definitions'][string]): TypeDocs {
  const docs: TypeDocs = description === undefined ? {} : { '': description }
  for (const [name, field] of Object.entries(properties)) if (field.description !== undefined) docs[name] = field.description
  return docs
}

function readDocs(file: string): Record<string, TypeDocs> {
  return readdirSync(docsDir).includes(file) ? JSON.parse(readFileSync(join(docsDir, file), 'utf8')) as Record<string, TypeDocs> : {}
}

/** Options of connections are no definitions: what their fields mean stands at the parameters. */
const connections: Readonly<Record<string, string>> = {
  PodExecOptions: '/api/v1/namespaces/{namespace}/pods/{name}/exec', PodAttachOptions: '/api/v1/namespaces/{namespace}/pods/{name}/attach', PodLogOptions: '/api/v1/namespaces/{namespace}/pods/{name}/log',
  PodPortForwardOptions: '/api/v1/namespaces/{namespace}/pods/{name}/portforward', PodProxyOptions: '/api/v1/namespaces/{namespace}/pods/{name}/proxy',
  ServiceProxyOptions: '/api/v1/namespaces/{namespace}/services/{name}/proxy', NodeProxyOptions: '/api/v1/nodes/{name}/proxy',
}
const generic = ['name', 'namespace', 'pretty', 'body']

/** Parameters that requests of a method have, whatever they are for. */
function parameterDocs(document: Document): Record<string, TypeDocs> {
  const resolved = (parameters: readonly Parameter[] = []): Parameter[] => parameters.map((each) => (each.$ref === undefined ? each : document.parameters[each.$ref.replace('#/parameters/', '')]!))
  const docs: Record<string, TypeDocs> = {}
  const add = (kind: string, parameters: readonly Parameter[]): void => {
    const known = (docs[kind] ??= {})
    for (const { name, description } of parameters) if (description !== undefined) known[name] = description
  }
  const maps = document.paths['/api/v1/namespaces/{namespace}/configmaps']!
  const map = document.paths['/api/v1/namespaces/{namespace}/configmaps/{name}']!
  add('ListOptions', resolved(maps.get!.parameters))
  add('CreateOptions', resolved(maps.post!.parameters))
  add('PatchOptions', resolved(map.patch!.parameters))
  add('DeleteOptions', resolved(map.delete!.parameters))
  add('', resolved(maps.parameters))
  add('', resolved(document.paths['/api/v1/nodes/{name}/proxy/{path}']!.parameters).filter((each) => each.in === 'path' && each.name === 'path'))
  for (const [kind, path] of Object.entries(connections)) add(kind, resolved(document.paths[path]!.parameters).filter((each) => !generic.includes(each.name)))
  return docs
}

/** Documents of every file, by file name, without writing anything. */
export function generateDocs(document: Document): Map<string, string> {
  const out = new Map<string, string>()
  const own = new Set<string>()
  for (const groupVersion of tableGroupVersions()) {
    const file = `${fileOf(groupVersion)}.json`
    const kept = readDocs(file)
    const types: Record<string, TypeDocs> = {}
    for (const name of typeNames(groupVersion)) {
      const definition = definitionName(`${groupVersion}.${name}`)
      own.add(definition)
      const published = document.definitions[definition]
      if (published !== undefined) types[name] = docsOf(published)
      else if (typeById(`${groupVersion}.${name}`) !== undefined && kept[name] !== undefined) types[name] = kept[name]
    }
    if (Object.keys(types).length > 0) out.set(file, `${JSON.stringify(types, undefined, 1)}\n`)
  }
  const others = Object.entries(document.definitions).filter(([name]) => !own.has(name)).map(([name, definition]) => [name, docsOf(definition)] as const)
  out.set('others.json', `${JSON.stringify(Object.fromEntries(others), undefined, 1)}\n`)
  out.set('parameters.json', `${JSON.stringify(parameterDocs(document), undefined, 1)}\n`)
  return out
}

if (import.meta.main) {
  const [file] = process.argv.slice(2)
  if (file === undefined) throw new Error('name the file with the OpenAPI document of a kube-apiserver: kubectl get --raw /openapi/v2 > FILE')
  for (const [name, text] of generateDocs(JSON.parse(readFileSync(file, 'utf8')) as Document)) writeFileSync(join(docsDir, name), text)
}
