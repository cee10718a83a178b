/**
 * `npm run golden -- DIR`: reads every .json, .yaml and .pb file of a folder with one object each, writes the object in all
 * three encodings, reads those back, and compares. The files of one name hold the same object, so each is also compared
 * with its siblings; protobuf has to be equal byte for byte. Kubernetes publishes such folders as `testdata/HEAD` of k8s.io/api.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { parse, stringify } from 'yaml'
import { typeForKind } from '../src/api/type-table.ts'
import type { ApiLevel } from '../src/api/type-table.ts'
import type { StructType } from '../src/machinery/schema-type.ts'
import { decodeProtobuf, encodeProtobuf, isProtobuf } from '../src/machinery/protobuf-envelope.ts'
import { decodeObject } from '../src/machinery/schema-decode.ts'

type Encoding = '.json' | '.yaml' | '.pb'
const encodings: readonly Encoding[] = ['.json', '.yaml', '.pb']

/** How the files of one name are read and written: which type they hold, at which API level. */
interface Codec { typeOf(apiVersion: string, kind: string): StructType }

function codecFor(name: string, level: ApiLevel): Codec {
  return {
    typeOf(apiVersion, kind) {
      // WatchEvent has neither apiVersion nor kind; the file name tells.
      const type = kind === '' ? typeForKind('v1', name.split('.').at(-2) ?? '', level) : typeForKind(apiVersion, kind, level)
      if (type === undefined) throw new Error(`API ${level} has no ${apiVersion} ${kind}`)
      return type
    },
  }
}

function typeOfObject(codec: Codec, object: Record<string, unknown>): StructType {
  const { apiVersion = '', kind = '' } = object as { apiVersion?: string; kind?: string }
  return codec.typeOf(apiVersion, kind)
}

function read(bytes: Uint8Array, encoding: Encoding, codec: Codec): Record<string, unknown> {
  if (encoding === '.pb') return decodeProtobuf(bytes, codec.typeOf)
  const text = Buffer.from(bytes).toString('utf8')
  const parsed = (encoding === '.json' ? JSON.parse(text) : parse(text, { schema: 'core', version: '1.1' })) as Record<string, unknown>
  const { value, unknownFields } = decodeObject(typeOfObject(codec, parsed), parsed)
  if (unknownFields.length > 0) throw new Error(`unknown fields: ${unknownFields.join(', ')}`)
  return value
}

function write(object: Record<string, unknown>, encoding: Encoding, codec: Codec): Uint8Array {
  if (encoding === '.json') return Buffer.from(JSON.stringify(object))
  if (encoding === '.yaml') return Buffer.from(stringify(object, { schema: 'core', version: '1.1', aliasDuplicateObjects: false }))
  return encodeProtobuf(typeOfObject(codec, object), object)
}

/** First place where two values differ, for the report. A field that is null says the same as one that is absent. */
export function difference(a: unknown, b: unknown, path = ''): string | undefined {
  if (isDeepStrictEqual(a ?? undefined, b ?? undefined)) return undefined
  if (typeof a === 'object' && typeof b === 'object' && a !== null && b !== null) {
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
      const found = difference((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key], `${path}/${key}`)
      if (found !== undefined) return found
    }
    if (Array.isArray(a) === Array.isArray(b)) return undefined
  }
  return `${path === '' ? '/' : path}: ${JSON.stringify(a)} is not ${JSON.stringify(b)}`
}

/** Checks one file; returns what is wrong with it. Objects of an older API level than served are read at theirs. */
export function checkFile(dir: string, name: string): string[] {
  const problems = checkAt(dir, name, codecFor(name, '1.36'))
  return problems.length > 0 && checkAt(dir, name, codecFor(name, '1.35')).length === 0 ? [] : problems
}

function checkAt(dir: string, name: string, codec: Codec): string[] {
  const encoding = extname(name) as Encoding
  const bytes = readFileSync(join(dir, name))
  const problems: string[] = []
  let object: Record<string, unknown>
  try {
    object = read(bytes, encoding, codec)
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)]
  }
  for (const other of encodings) try {
    const written = write(object, other, codec)
    const again = difference(object, read(written, other, codec))
    if (again !== undefined) problems.push(`through ${other}: ${again}`)
    const sibling = join(dir, name.slice(0, -encoding.length) + other)
    if (!existsSync(sibling)) continue
    const expected = readFileSync(sibling)
    if (other === '.pb') {
      if (!isProtobuf(expected) || !expected.equals(written)) problems.push(`as .pb: ${written.length} bytes differ from the ${expected.length} expected`)
    } else {
      const differs = difference(object, other === '.json' ? JSON.parse(expected.toString('utf8')) : parse(expected.toString('utf8'), { schema: 'core', version: '1.1' }))
      if (differs !== undefined) problems.push(`against ${other}: ${differs}`)
    }
  } catch (error) {
    problems.push(`through ${other}: ${error instanceof Error ? error.message : String(error)}`)
  }
  return problems
}

if (import.meta.main) {
  const dir = process.argv[2]
  if (dir === undefined) {
    process.stderr.write('Name a folder with .json, .yaml and .pb files: npm run golden -- DIR\n')
    process.exit(2)
  }
  let passed = 0
  let failed = 0
  for (const name of readdirSync(dir).filter((entry) => encodings.includes(extname(entry) as Encoding)).sort()) {
    const problems = checkFile(dir, name)
    if (problems.length === 0) passed++
    else failed++
    for (const problem of problems) process.stdout.write(`${name}: ${problem}\n`)
  }
  process.stdout.write(`${passed} passed, ${failed} failed\n`)
  process.exitCode = failed === 0 ? 0 : 1
}
