import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ScalarName, SchemaField, SchemaType, StructType } from '../machinery/schema-type.ts'

/**
 * The type tables in memory. Files are read on first use, one a group version, and types are resolved on first use, so
 * that a process pays for the kinds it handles only.
 */

interface RawField {
  name?: string; inline?: boolean; type: string; proto?: number; pointer?: boolean; omitempty?: boolean; optional?: boolean; required?: boolean
  enum?: string; default?: unknown; listType?: string; listMapKeys?: string[]; mapType?: string; structType?: string
  patchStrategy?: string; patchMergeKey?: string; featureGate?: string; wrapped?: boolean
  /** First API level that has the field, where it is newer than the oldest one read. */
  introduced?: string
  /** First API level without it. */
  removed?: string
}
interface RawType { removed?: string; object?: boolean; structType?: string; fields: RawField[]; lifecycle?: { introduced?: string; deprecated?: string; removed?: string } }
interface SchemaFile { groupVersion: string; removed?: string; enums: Record<string, string[]>; /** Enums that upstream declares as plain constants: other values are allowed. */ openEnums?: string[]; types: Record<string, RawType> }

/** API levels the tables can describe. Served is the latest; objects that an older server stored are read at theirs. */
export type ApiLevel = '1.35' | '1.36'
const latest: ApiLevel = '1.36'

function exists(what: { introduced?: string; removed?: string }, level: ApiLevel): boolean {
  return (what.introduced === undefined || what.introduced <= level) && (what.removed === undefined || what.removed > level)
}

const schemaDir = join(import.meta.dirname, 'schema')
const scalarNames: readonly string[] = [
  'string', 'bool', 'int32', 'int64', 'float64', 'bytes', 'time', 'microTime', 'duration', 'quantity', 'intOrString', 'raw', 'json', 'fieldsV1',
] satisfies ScalarName[]
const unions: Record<string, 'array' | 'bool' | 'stringArray'> = {
  JSONSchemaPropsOrArray: 'array', JSONSchemaPropsOrBool: 'bool', JSONSchemaPropsOrStringArray: 'stringArray',
}

const files = new Map<string, SchemaFile | undefined>()
const types: Record<ApiLevel, Map<string, SchemaType>> = { '1.35': new Map(), '1.36': new Map() }
const scalars = new Map<string, SchemaType>(scalarNames.map((scalar) => [scalar, { kind: 'scalar', scalar: scalar as ScalarName }]))

/** `apps/v1` -> `apps_v1.json`, the core group's `v1` -> `core_v1.json`. */
function fileNameOf(groupVersion: string): string {
  return `${(groupVersion.includes('/') ? groupVersion : `core/${groupVersion}`).replace('/', '_')}.json`
}

function fileOf(groupVersion: string): SchemaFile | undefined {
  if (files.has(groupVersion)) return files.get(groupVersion)
  let file: SchemaFile | undefined
  if (groupVersion.length <= 200 && /^[a-z0-9.-]+(\/[a-z0-9]+)?$/.test(groupVersion)) {
    try {
      file = JSON.parse(readFileSync(join(schemaDir, fileNameOf(groupVersion)), 'utf8')) as SchemaFile
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw new Error(`type table of ${groupVersion} is unreadable`, { cause: error })
      return undefined
    }
  }
  files.set(groupVersion, file)
  return file
}

function splitId(id: string): [groupVersion: string, name: string] {
  const dot = id.lastIndexOf('.')
  return [id.slice(0, dot), id.slice(dot + 1)]
}

function parseType(text: string, level: ApiLevel, wrapped = false): SchemaType {
  if (text.startsWith('[]')) return { kind: 'list', item: parseType(text.slice(2), level), ...(wrapped ? { wrapped } : {}) }
  // A list inside a map cannot stand on the protobuf wire as it is; upstream wraps each (ExtraValue).
  if (text.startsWith('map[string]')) return { kind: 'map', value: parseType(text.slice('map[string]'.length), level, true) }
  const scalar = scalars.get(text)
  if (scalar !== undefined) return scalar
  const type = resolve(text, level)
  if (type === undefined) throw new Error(`type tables name ${text}, which none of them holds`)
  return type
}

function enumOf(id: string): { enum?: readonly string[]; enumGoName?: string } {
  const [groupVersion, name] = splitId(id)
  const file = fileOf(groupVersion)
  const values = file?.openEnums?.includes(name) === true ? undefined : file?.enums[name]
  return { ...(values === undefined ? {} : { enum: values }), enumGoName: `${groupVersion.slice(groupVersion.indexOf('/') + 1)}.${aliases[name] ?? name}` }
}

/** Names that are another's alias in Go, which shows the other. */
const aliases: Readonly<Record<string, string>> = {
  ServiceExternalTrafficPolicyType: 'ServiceExternalTrafficPolicy', ServiceInternalTrafficPolicyType: 'ServiceInternalTrafficPolicy', IPFamilyPolicyType: 'IPFamilyPolicy',
}

function fieldOf(raw: RawField, level: ApiLevel): SchemaField {
  return {
    name: raw.name ?? '', type: parseType(raw.type, level, raw.wrapped), inline: raw.inline === true, proto: raw.proto ?? 0,
    pointer: raw.pointer === true, omitempty: raw.omitempty === true,
    required: raw.required === true || (raw.optional !== true && raw.omitempty !== true && raw.inline !== true),
    ...(raw.enum === undefined ? {} : enumOf(raw.enum)),
    ...(raw.default === undefined ? {} : { default: raw.default }),
    ...(raw.listType === undefined ? {} : { listType: raw.listType as 'atomic' | 'set' | 'map' }),
    ...(raw.listMapKeys === undefined ? {} : { listMapKeys: raw.listMapKeys }),
    ...(raw.mapType === undefined ? {} : { mapType: raw.mapType as 'atomic' | 'granular' }),
    ...(raw.structType === undefined ? {} : { structType: raw.structType as 'atomic' | 'granular' }),
    ...(raw.patchStrategy === undefined ? {} : { patchStrategy: raw.patchStrategy }),
    ...(raw.patchMergeKey === undefined ? {} : { patchMergeKey: raw.patchMergeKey }),
    ...(raw.featureGate === undefined ? {} : { featureGate: raw.featureGate }),
  }
}

const typeMetaField = (name: string): SchemaField =>
  ({ name, type: { kind: 'scalar', scalar: 'string' }, inline: false, proto: 0, pointer: false, omitempty: true, required: false })

/** A struct whose fields resolve on first look: types refer to one another in circles (JSONSchemaProps). */
class TableStruct implements StructType {
  readonly kind = 'struct' as const
  readonly id: string
  readonly goName: string
  readonly name: string
  readonly isObject: boolean
  readonly #raw: RawType
  readonly #level: ApiLevel
  #fields: readonly SchemaField[] | undefined
  #jsonFields: ReadonlyMap<string, SchemaField> | undefined

  constructor(id: string, raw: RawType, level: ApiLevel) {
    const [groupVersion, name] = splitId(id)
    this.id = id
    this.name = name
    this.goName = `${groupVersion.slice(groupVersion.indexOf('/') + 1)}.${name}`
    this.isObject = raw.object === true
    this.#raw = raw
    this.#level = level
  }

  get fields(): readonly SchemaField[] {
    return (this.#fields ??= this.#raw.fields.filter((raw) => exists(raw, this.#level)).map((raw) => fieldOf(raw, this.#level)))
  }

  get jsonFields(): ReadonlyMap<string, SchemaField> {
    if (this.#jsonFields !== undefined) return this.#jsonFields
    const all = new Map<string, SchemaField>()
    if (this.isObject) for (const name of ['kind', 'apiVersion']) all.set(name, typeMetaField(name))
    for (const field of this.fields) {
      if (!field.inline) all.set(field.name, field)
      else if (field.type.kind === 'struct') for (const [name, inner] of field.type.jsonFields) all.set(name, inner)
    }
    return (this.#jsonFields = all)
  }
}

function resolve(id: string, level: ApiLevel): SchemaType | undefined {
  const known = types[level].get(id)
  if (known !== undefined) return known
  const [groupVersion, name] = splitId(id)
  const file = fileOf(groupVersion)
  const raw = file !== undefined && exists(file, level) && Object.hasOwn(file.types, name) ? file.types[name] : undefined
  if (raw === undefined || !exists(raw, level)) return undefined
  const other = Object.hasOwn(unions, name) ? unions[name] : undefined
  const type: SchemaType = other === undefined
    ? new TableStruct(id, raw, level)
    : { kind: 'union', id, other, props: structOf(`${groupVersion}.JSONSchemaProps`, level) }
  types[level].set(id, type)
  return type
}

function structOf(id: string, level: ApiLevel): StructType {
  const type = resolve(id, level)
  if (type?.kind !== 'struct') throw new Error(`type tables hold no struct ${id}`)
  return type
}

/** The struct of that id, `apps/v1.Deployment`, `v1.Pod`, `meta/v1.ObjectMeta`; undefined where the tables hold none. */
export function typeById(id: string, level: ApiLevel = latest): StructType | undefined {
  const type = resolve(id, level)
  return type?.kind === 'struct' ? type : undefined
}

/**
 * The type of an object by what it says of itself. Kinds that every group version shares (Status, DeleteOptions,
 * WatchEvent, …) are found in `meta/v1`, whatever the group.
 */
export function typeForKind(apiVersion: string, kind: string, level: ApiLevel = latest): StructType | undefined {
  return typeById(`${apiVersion}.${kind}`, level) ?? typeById(`meta/v1.${kind}`, level)
}

/** Group versions that have a table at the latest level, sorted. */
export function tableGroupVersions(): string[] {
  return readdirSync(schemaDir).filter((entry) => entry.endsWith('.json')).map((entry) => {
    const groupVersion = entry.slice(0, -'.json'.length).replace('_', '/')
    return groupVersion.startsWith('core/') ? groupVersion.slice('core/'.length) : groupVersion
  }).filter((groupVersion) => exists(fileOf(groupVersion) ?? {}, latest)).sort()
}

/** Names of the types of one group version, in the order of their table. */
export function typeNames(groupVersion: string): string[] {
  return Object.entries(fileOf(groupVersion)?.types ?? {}).filter(([, type]) => exists(type, latest)).map(([name]) => name)
}

/** `structType` that a type declares for itself (`atomic`: server-side apply owns it whole). */
export function ownStructType(type: StructType): string | undefined {
  const [groupVersion, name] = splitId(type.id)
  return fileOf(groupVersion)?.types[name]?.structType
}

/** Hash of all tables as they are on disk. */
export function tablesFingerprint(): string {
  return (fingerprint ??= fingerprintOf(schemaDir))
}

let fingerprint: string | undefined

/** Hash of the names and contents of a folder's files. */
export function fingerprintOf(dir: string): string {
  const hash = createHash('sha256')
  for (const entry of readdirSync(dir).sort()) hash.update(entry).update(readFileSync(join(dir, entry)))
  return hash.digest('hex')
}
