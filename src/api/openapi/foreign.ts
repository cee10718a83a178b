import type { Schema } from './schemas.ts'

/** What is used of an OpenAPI v2 document that another server made. */
export interface ForeignV2 { paths: Record<string, Schema>; definitions: Record<string, Schema> }

const definitionsPrefix = '#/definitions/'
const parametersPrefix = '#/parameters/'
const methods = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch']

function isObject(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Names in it are another server's to choose: `__proto__` is one like any other. */
function emptyMap(): Record<string, Schema> {
  return Object.create(null) as Record<string, Schema>
}

/** A copy with `change` made to every object in it, innermost first. */
function changed(value: unknown, change: (object: Schema) => unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => changed(item, change))
  if (!isObject(value)) return value
  return change(Object.fromEntries(Object.entries(value).map(([key, item]) => [key, changed(item, change)])))
}

function definitionsIn(value: unknown, found: (name: string) => void): void {
  if (Array.isArray(value)) return value.forEach((item) => definitionsIn(item, found))
  if (!isObject(value)) return
  for (const [key, item] of Object.entries(value)) {
    if (key === '$ref' && typeof item === 'string' && item.startsWith(definitionsPrefix)) found(item.slice(definitionsPrefix.length))
    else definitionsIn(item, found)
  }
}

/** The paths of a document that begin with `prefix` (`/apis/GROUP/VERSION/`), with the definitions that they use; shared parameters are put in their places. */
export function selectV2(document: unknown, prefix: string): ForeignV2 {
  const { paths = {}, definitions = {}, parameters = {} } = (isObject(document) ? document : {}) as { paths?: Record<string, Schema>; definitions?: Record<string, Schema>; parameters?: Record<string, Schema> }
  const inline = (object: Schema): unknown => {
    const { $ref } = object
    return typeof $ref === 'string' && $ref.startsWith(parametersPrefix) ? (parameters[$ref.slice(parametersPrefix.length)] ?? object) : object
  }
  const kept: ForeignV2 = { paths: emptyMap(), definitions: emptyMap() }
  const keep = (name: string): void => {
    if (Object.hasOwn(kept.definitions, name) || !Object.hasOwn(definitions, name)) return
    kept.definitions[name] = definitions[name]!
    definitionsIn(definitions[name], keep)
  }
  for (const [path, item] of Object.entries(paths)) {
    if (!path.startsWith(prefix) && `${path}/` !== prefix) continue
    kept.paths[path] = changed(item, inline) as Schema
    definitionsIn(kept.paths[path], keep)
  }
  return kept
}

/**
 * Adds the documents of other servers to this one's paths and definitions. A path that is there already stays; a definition of the
 * same name but other content comes in as `NAME_v2`, `NAME_v3`, … (kube-openapi's `MergeSpecsIgnorePathConflictRenamingDefinitionsAndParameters`).
 */
export function mergeV2(own: ForeignV2, others: readonly ForeignV2[]): ForeignV2 {
  const merged: ForeignV2 = { paths: Object.assign(emptyMap(), own.paths), definitions: Object.assign(emptyMap(), own.definitions) }
  for (const other of others) {
    const renamed = new Map<string, string>()
    for (const [name, definition] of Object.entries(other.definitions)) {
      const text = JSON.stringify(definition)
      let taken = name
      for (let number = 2; Object.hasOwn(merged.definitions, taken) && JSON.stringify(merged.definitions[taken]) !== text; number++) taken = `${name}_v${number}`
      if (taken !== name) renamed.set(`${definitionsPrefix}${name}`, `${definitionsPrefix}${taken}`)
    }
    const rename = (object: Schema): unknown => (typeof object.$ref === 'string' && renamed.has(object.$ref) ? { ...object, $ref: renamed.get(object.$ref) } : object)
    for (const [name, definition] of Object.entries(other.definitions)) {
      const newName = renamed.get(`${definitionsPrefix}${name}`)?.slice(definitionsPrefix.length) ?? name
      merged.definitions[newName] ??= changed(definition, rename) as Schema
    }
    for (const [path, item] of Object.entries(other.paths)) merged.paths[path] ??= changed(item, rename) as Schema
  }
  return merged
}

/** The OpenAPI v3 form of a v2 document (kube-openapi's `openapiconv`), for servers that know v2 only. */
export function v3FromV2({ paths, definitions }: ForeignV2, info: object): object {
  const point = (object: Schema): unknown => (typeof object.$ref === 'string' && object.$ref.startsWith(definitionsPrefix) ? { ...object, $ref: `#/components/schemas/${object.$ref.slice(definitionsPrefix.length)}` } : object)
  return {
    openapi: '3.0.0', info,
    paths: Object.fromEntries(Object.entries(paths).map(([path, item]) => [path, pathItem(changed(item, point) as Schema)])),
    components: { schemas: changed(definitions, point) },
  }
}

function pathItem(item: Schema): Schema {
  const { parameters, ...rest } = item
  const entries = Object.entries(rest).map(([key, value]) => [key, methods.includes(key) && isObject(value) ? operation(value) : value] as const)
  return { ...Object.fromEntries(entries), ...(Array.isArray(parameters) ? { parameters: (parameters as Schema[]).filter((each) => each.in !== 'body').map(parameter) } : {}) }
}

function operation({ consumes, produces, schemes: _schemes, parameters, responses, ...rest }: Schema): Schema {
  const all = Array.isArray(parameters) ? (parameters as Schema[]) : []
  const body = all.find((each) => each.in === 'body')
  const types = (value: unknown): string[] => (Array.isArray(value) && value.length > 0 ? (value as string[]) : ['*/*'])
  const others = all.filter((each) => each !== body)
  return {
    ...rest,
    ...(others.length === 0 ? {} : { parameters: others.map(parameter) }),
    ...(body === undefined ? {} : { requestBody: { ...(body.required === true ? { required: true } : {}), content: Object.fromEntries(types(consumes).map((type) => [type, { schema: body.schema }])) } }),
    ...(isObject(responses) ? { responses: Object.fromEntries(Object.entries(responses).map(([code, response]) => [code, responseOf(response as Schema, types(produces))])) } : {}),
  }
}

function parameter({ name, in: where, description, required, schema, ...type }: Schema): Schema {
  return { name, in: where, ...(description === undefined ? {} : { description }), ...(required === undefined ? {} : { required }), schema: schema ?? type }
}

function responseOf({ schema, ...rest }: Schema, produces: readonly string[]): Schema {
  return schema === undefined ? rest : { ...rest, content: Object.fromEntries(produces.map((type) => [type, { schema }])) }
}
