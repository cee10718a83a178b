/**
 * Writes `src/api/schema-docs/*.json`, the descriptions of types and fields that OpenAPI documents and tables show, from
 * the doc comments of @kubernetes/client-node (generated from Kubernetes' own OpenAPI document). Part of `npm run generate`; a test holds them together.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tableGroupVersions, typeById, typeNames } from '../src/api/type-table.ts'
import type { StructType } from '../src/machinery/schema-type.ts'
import { fileOf } from './generate-types.ts'

const root = join(import.meta.dirname, '..')
const modelsDir = join(root, 'node_modules/@kubernetes/client-node/dist/gen/models')

/** Fields by name; '' is the type itself. */
export type TypeDocs = Record<string, string>

/** `\'` and `\"` are escaped in the comments, and nothing else is. */
function unescape(text: string): string {
  return text.replace(/\\(['"])/g, '$1').replace(/\*\\\//g, '*/').trim()
}

function upperFirst(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** Model files a type can be in: names that several groups have are prefixed with the group (`CoreV1Event`). */
function modelNames(groupVersion: string, name: string): string[] {
  const [group, version] = groupVersion.includes('/') ? groupVersion.split('/') as [string, string] : ['core', groupVersion]
  const prefix = upperFirst(group.split('.')[0] as string)
  return [`${prefix}${upperFirst(version)}${name}`, `${upperFirst(version)}${name}`]
}

function readModel(model: string): TypeDocs | undefined {
  const path = join(modelsDir, `${model}.d.ts`)
  if (!existsSync(path)) return undefined
  const text = readFileSync(path, 'utf8')
  const docs: TypeDocs = {}
  const type = /\/\*\*\n\* (.*)\n\*\/\nexport declare class/.exec(text)
  if (type !== null) docs[''] = unescape(type[1] as string)
  for (const [, doc, name] of text.matchAll(/\/\*\*\n {4}\* (.*)\n {4}\*\/\n {4}'([^']+)'\??:/g)) docs[name as string] = unescape(doc as string)
  for (const [, name] of text.matchAll(/^ {4}'([^']+)'\??:/gm)) docs[name as string] ??= ''
  return docs
}

/** In the models of client-node, fields whose names are reserved words are spelled `_enum`. */
function fieldDocs(type: StructType, model: TypeDocs): TypeDocs | undefined {
  const docs: TypeDocs = model[''] === undefined ? {} : { '': model[''] }
  for (const [name, doc] of Object.entries(model)) {
    if (name === '') continue
    const field = [name, name.replace(/^_/, ''), `$${name}`, name.replace(/^x_kubernetes_/, 'x-kubernetes-').replaceAll('_', '-')]
      .find((candidate) => type.jsonFields.has(candidate))
    if (field === undefined) return undefined
    if (doc !== '') docs[field] = doc
  }
  return docs
}

/** Documents of every file, by file name, without writing anything. */
export function generateDocs(): Map<string, string> {
  const out = new Map<string, string>()
  for (const groupVersion of tableGroupVersions()) {
    const types: Record<string, TypeDocs> = {}
    for (const name of typeNames(groupVersion)) {
      const type = typeById(`${groupVersion}.${name}`)
      if (type === undefined) continue
      for (const model of modelNames(groupVersion, name)) {
        const read = readModel(model)
        const docs = read === undefined ? undefined : fieldDocs(type, read)
        if (docs === undefined) continue
        types[name] = docs
        break
      }
    }
    if (Object.keys(types).length > 0) out.set(`${fileOf(groupVersion)}.json`, `${JSON.stringify(types, undefined, 1)}\n`)
  }
  return out
}

if (import.meta.main) {
  const target = join(root, 'src/api/schema-docs')
  rmSync(target, { recursive: true, force: true })
  mkdirSync(target, { recursive: true })
  for (const [name, text] of generateDocs()) writeFileSync(join(target, name), text)
}
