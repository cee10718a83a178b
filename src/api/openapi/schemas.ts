import type { SchemaField, SchemaType, StructType } from '../../machinery/schema-type.ts'
import { docOf } from '../type-docs.ts'
import { ownStructType, typeById } from '../type-table.ts'
import type { ResourceTable } from '../resource.ts'
import { definitionName, specialDefinitions } from './names.ts'

export type Schema = Record<string, unknown>
export type Format = 'v2' | 'v3'
export interface GroupVersionKind { group: string; version: string; kind: string }

/** Kinds that every group version shares, and therefore name all of them. */
const sharedKinds = ['meta/v1.DeleteOptions', 'meta/v1.WatchEvent']

function firstSentence(text: string): string {
  const end = /[.!?](?=\s)/.exec(text)
  return end === null ? text : text.slice(0, end.index + 1)
}

/** Collects the definitions that a document refers to: asking for a reference adds what it refers to. */
export class Definitions {
  readonly format: Format
  readonly schemas: Record<string, Schema> = {}
  readonly #table: ResourceTable

  constructor(format: Format, table: ResourceTable) {
    this.format = format
    this.#table = table
  }

  /** A `$ref` to a type of the tables, with its definition added. */
  ref(typeId: string): Schema {
    const type = typeById(typeId)
    if (type === undefined) throw new Error(`OpenAPI refers to ${typeId}, which the type tables don't hold`)
    return this.#structRef(type)
  }

  /** A `$ref` to one of `specialDefinitions`. */
  special(key: string): Schema {
    const definition = specialDefinitions[key]
    if (definition === undefined) throw new Error(`no special definition ${key}`)
    this.schemas[definition.name] ??= { description: definition.description, ...definition[this.format] }
    return this.#refTo(definition.name)
  }

  add(name: string, schema: Schema): Schema {
    this.schemas[name] = schema
    return this.#refTo(name)
  }

  #refTo(name: string): Schema {
    return { $ref: `${this.format === 'v2' ? '#/definitions/' : '#/components/schemas/'}${name}` }
  }

  #structRef(type: StructType): Schema {
    const name = definitionName(type.id)
    if (this.schemas[name] === undefined) {
      const schema: Schema = {}
      this.schemas[name] = schema // before its fields: types hold themselves
      Object.assign(schema, this.#structSchema(type))
    }
    return this.#refTo(name)
  }

  #structSchema(type: StructType): Schema {
    const description = docOf(type.id)
    const properties: Record<string, Schema> = {}
    const required: string[] = []
    for (const [name, field] of type.jsonFields) {
      properties[name] = this.#property(type, name, field)
      if (field.required) required.push(name)
    }
    const kinds = this.#kindsOf(type)
    return {
      ...(description === '' ? {} : { description }), type: 'object',
      ...(Object.keys(properties).length === 0 ? {} : { properties }), ...(required.length === 0 ? {} : { required: required.sort() }),
      ...(kinds.length === 0 ? {} : { 'x-kubernetes-group-version-kind': kinds }),
      ...(ownStructType(type) === undefined ? {} : { 'x-kubernetes-map-type': ownStructType(type) }),
    }
  }

  #kindsOf(type: StructType): GroupVersionKind[] {
    if (sharedKinds.includes(type.id)) {
      return this.#table.groups().flatMap((group) => this.#table.versions(group).map((version) => ({ group, version, kind: type.name })))
    }
    if (!type.isObject) return []
    const groupVersion = type.id.slice(0, type.id.lastIndexOf('.'))
    const slash = groupVersion.indexOf('/')
    const group = slash < 0 || groupVersion.startsWith('meta/') ? '' : groupVersion.slice(0, slash)
    return [{ group, kind: type.name, version: groupVersion.slice(slash + 1) }]
  }

  #property(owner: StructType, name: string, field: SchemaField): Schema {
    // client-node says nothing of fields that refer to another type. What that type is helps more than silence; readers of v2 show it anyway.
    const description = docOf(owner.id, name) || (this.format === 'v3' && field.type.kind === 'struct' ? firstSentence(docOf(field.type.id)) : '')
    const extra: Schema = {
      ...(description === '' ? {} : { description }),
      ...(field.enum === undefined || field.type.kind !== 'scalar' ? {} : { enum: field.enum.filter((value) => value !== '') }),
      ...(field.listType === undefined ? {} : { 'x-kubernetes-list-type': field.listType }),
      ...(field.listMapKeys === undefined ? {} : { 'x-kubernetes-list-map-keys': field.listMapKeys }),
      ...(field.mapType ?? field.structType ? { 'x-kubernetes-map-type': field.mapType ?? field.structType } : {}),
      ...(field.patchStrategy === undefined ? {} : { 'x-kubernetes-patch-strategy': field.patchStrategy }),
      ...(field.patchMergeKey === undefined ? {} : { 'x-kubernetes-patch-merge-key': field.patchMergeKey }),
      ...this.#defaultOf(field),
    }
    return this.#withSiblings(this.#typeSchema(field.type, field.enum), extra)
  }

  /** Declared defaults, and in v3 the zero values of fields that are always written, as upstream has them. */
  #defaultOf(field: SchemaField): Schema {
    if (field.default !== undefined) return { default: field.default }
    if (this.format === 'v2' || field.pointer) return {}
    if (field.type.kind === 'struct' || (field.type.kind === 'scalar' && (field.type.scalar === 'time' || field.type.scalar === 'raw' || field.type.scalar === 'quantity'))) return { default: {} }
    if (field.type.kind !== 'scalar' || field.omitempty) return {}
    const zeros: Record<string, unknown> = { string: '', bool: false, int32: 0, int64: 0, float64: 0 }
    const zero = zeros[field.type.scalar]
    return zero === undefined || (field.enum !== undefined && !field.enum.includes('')) ? {} : { default: zero }
  }

  /** OpenAPI v3 allows nothing beside a `$ref`, so it goes into `allOf`; v2 readers take the siblings. */
  #withSiblings(schema: Schema, extra: Schema): Schema {
    if (schema['$ref'] === undefined || Object.keys(extra).length === 0) return { ...schema, ...extra }
    return this.format === 'v2' ? { ...extra, ...schema } : { ...extra, allOf: [schema] }
  }

  #typeSchema(type: SchemaType, values?: readonly string[]): Schema {
    switch (type.kind) {
      case 'struct': return this.#structRef(type)
      case 'union': return this.special(type.other)
      case 'list': return { type: 'array', items: this.#inner(type.item, values) }
      case 'map': return { type: 'object', additionalProperties: this.#inner(type.value) }
      case 'scalar':
        switch (type.scalar) {
          case 'string': return { type: 'string' }
          case 'bool': return { type: 'boolean' }
          case 'int32':
          case 'int64': return { type: 'integer', format: type.scalar }
          case 'float64': return { type: 'number', format: 'double' }
          case 'bytes': return { type: 'string', format: 'byte' }
          default: return this.special(type.scalar)
        }
    }
  }

  #inner(type: SchemaType, values?: readonly string[]): Schema {
    const schema = this.#typeSchema(type)
    if (this.format === 'v2') return values === undefined || type.kind !== 'scalar' ? schema : { ...schema, enum: values.filter((value) => value !== '') }
    const zero = type.kind === 'struct' || (type.kind === 'scalar' && type.scalar === 'quantity') ? {} : type.kind === 'scalar' ? { string: '', int32: 0, int64: 0 }[type.scalar as string] : undefined
    return this.#withSiblings(schema, {
      ...(values === undefined || type.kind !== 'scalar' ? {} : { enum: values.filter((value) => value !== '') }),
      ...(zero === undefined || values !== undefined ? {} : { default: zero }),
    })
  }
}
