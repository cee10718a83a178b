import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { generateDocs } from '../scripts/generate-docs.ts'
import { generateAll } from '../scripts/generate-types.ts'

const api = join(import.meta.dirname, '..', 'src', 'api')

function assertSame(dir: string, generated: ReadonlyMap<string, string>, command: string): void {
  assert.deepEqual(readdirSync(join(api, dir)).sort(), [...generated.keys()].sort(), `files of src/api/${dir} are not those that ${command} writes`)
  for (const [name, text] of generated) assert.ok(readFileSync(join(api, dir, name), 'utf8') === text, `src/api/${dir}/${name} is out of date: run ${command}`)
}

test('the types are those that the tables say', () => {
  assertSame('types', generateAll(join(api, 'schema')), 'npm run generate')
})

test('the descriptions are those of the client library', () => {
  assertSame('schema-docs', generateDocs(), 'npm run generate')
})
