import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { docsDir, type TypeDocs } from '../scripts/generate-docs.ts'
import { fileOf, generateAll } from '../scripts/generate-types.ts'
import { tableGroupVersions, typeById, typeNames } from '../src/api/type-table.ts'
import type { StructType } from '../src/machinery/schema-type.ts'

const api = join(import.meta.dirname, '..', 'src', 'api')

function assertSame(dir: string, generated: ReadonlyMap<string, string>, command: string): void {
  assert.deepEqual(readdirSync(join(api, dir)).sort(), [...generated.keys()].sort(), `files of src/api/${dir} are not those that ${command} writes`)
  for (const [name, text] of generated) assert.ok(readFileSync(join(api, dir, name), 'utf8') === text, `src/api/${dir}/${name} is out of date: run ${command}`)
}

test('the types are those that the tables say', () => {
  assertSame('types', generateAll(join(api, 'schema')), 'npm run generate')
})

const modelsDir = join(import.meta.dirname, '..', 'node_modules/@kubernetes/client-node/dist/gen/models')

/** `\'` and `\"` are escaped in the comments, and nothing else is. */
function unescaped(text: string): string {
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
  if (type !== null) docs[''] = unescaped(type[1] as string)
  for (const [, doc, name] of text.matchAll(/\/\*\*\n {4}\* (.*)\n {4}\*\/\n {4}'([^']+)'\??:/g)) docs[name as string] = unescaped(doc as string)
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

/** What is left of both where client-node has no line ends, no lists of values, and escapes of its own. */
function flattened(text: string): string {
  return text.replace(/\s*Possible enum values:\n? - [^]*$/, '').replaceAll(/[\s\\_]+/g, '')
}

test('the descriptions are those of the client library', () => {
  let compared = 0
  const everyDoc = readdirSync(docsDir).flatMap((name) => Object.values(JSON.parse(readFileSync(join(docsDir, name), 'utf8')) as Record<string, TypeDocs>))
  const ofTypes = new Set(everyDoc.map((docs) => flattened(docs[''] ?? '')))
  for (const groupVersion of tableGroupVersions()) {
    const file = join(docsDir, `${fileOf(groupVersion)}.json`)
    const types = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) as Record<string, TypeDocs> : {}
    for (const name of typeNames(groupVersion)) {
      const type = typeById(`${groupVersion}.${name}`)
      const model = type === undefined ? undefined : modelNames(groupVersion, name).map(readModel).find((each) => each !== undefined && fieldDocs(type, each) !== undefined)
      if (type === undefined || model === undefined) continue
      for (const [field, text] of Object.entries(fieldDocs(type, model)!)) {
        // Of a field of another type it says what is said of that type.
        if (field !== '' && ofTypes.has(flattened(text))) continue
        assert.equal(flattened(types[name]?.[field] ?? ''), flattened(text), `${groupVersion}.${name} ${field}: src/api/schema-docs is out of date, see scripts/generate-docs.ts`)
        compared++
      }
    }
  }
  assert.ok(compared > 3000, `only ${compared} descriptions were found in the client library`)
})
