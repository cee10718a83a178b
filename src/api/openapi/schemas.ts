import type { SchemaField, SchemaType, StructType } from '../../machinery/schema-type.ts'
import { definitionDoc, docOf } from '../type-docs.ts'
import { ownStructType, tableGroupVersions, typeById } from '../type-table.ts'
import { definitionName, specialDefinitions } from './names.ts'

export type Schema = Record<string, unknown>
export type Format = 'v2' | 'v3'
interface About { groupVersion: string; isCustom: boolean }
export interface GroupVersionKind { group: string; version: string; kind: string }

/** Kinds that every group version of upstream's schemes has, and which therefore name all of them, served or not; in documents of one group version that one. */
const sharedKinds = ['meta/v1.DeleteOptions', 'meta/v1.WatchEvent']
const elsewhere = /^(?:apidiscovery\.k8s\.io|meta|metrics\.k8s\.io)\//
/** Those that the apiextensions server has not. */
const notWithCustom = /^(?:admission|apiextensions|apiregistration|imagepolicy)\.k8s\.io\//
let groupVersions: readonly string[] | undefined

function schemeGroupVersions(): readonly string[] {
  return (groupVersions ??= [...tableGroupVersions().filter((each) => !elsewhere.test(each)), 'apiextensions.k8s.io/v1beta1', 'apiregistration.k8s.io/v1beta1'].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1)))
}

function nameOf(groupVersion: string): string {
  return groupVersion.includes('/') ? groupVersion : `/${groupVersion}`
}

/** Which field says what of the others holds (KEP-1027): by their names, what the discriminator says for each. */
const unions: Readonly<Record<string, { discriminator?: string; fields: Readonly<Record<string, string>> }>> = {
  'v1.AppArmorProfile': { discriminator: 'type', fields: { localhostProfile: 'LocalhostProfile' } },
  'v1.SeccompProfile': { discriminator: 'type', fields: { localhostProfile: 'LocalhostProfile' } },
  'v1.PodSchedulingGroup': { fields: { podGroupName: 'PodGroupName' } },
  'flowcontrol.apiserver.k8s.io/v1.LimitResponse': { discriminator: 'type', fields: { queuing: 'Queuing' } },
  'flowcontrol.apiserver.k8s.io/v1.PriorityLevelConfigurationSpec': { discriminator: 'type', fields: { exempt: 'Exempt', limited: 'Limited' } },
  'flowcontrol.apiserver.k8s.io/v1.Subject': { discriminator: 'kind', fields: { group: 'Group', serviceAccount: 'ServiceAccount', user: 'User' } },
  'scheduling.k8s.io/v1alpha2.PodGroupSchedulingPolicy': { fields: { basic: 'Basic', gang: 'Gang' } },
  'scheduling.k8s.io/v1alpha2.PodGroupTemplateReference': { fields: { workload: 'Workload' } },
}

function unionsOf(typeId: string): Schema {
  const union = Object.hasOwn(unions, typeId) ? unions[typeId] : undefined
  if (union === undefined) return {}
  const { discriminator, fields } = union
  return { 'x-kubernetes-unions': [{ ...(discriminator === undefined ? {} : { discriminator }), 'fields-to-discriminateBy': fields }] }
}

function described(description: string): Schema {
  return description === '' ? {} : { description }
}

/** Collects the definitions that a document refers to: asking for a reference adds what it refers to. */
export class Definitions {
  readonly format: Format
  readonly schemas: Record<string, Schema> = {}
  readonly #about: About | undefined

  /** `about` is the group version of a document about one. */
  constructor(format: Format, about?: About) {
    this.format = format
    this.#about = about
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
    this.schemas[definition.name] ??= { ...described(definitionDoc(definition.name) || docOf(`apiextensions.k8s.io/v1.${definition.name.slice(definition.name.lastIndexOf('.') + 1)}`)), ...definition[this.format] }
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
    const properties: Record<string, Schema> = {}
    const required: string[] = []
    for (const [name, field] of type.jsonFields) {
      properties[name] = this.#property(type, name, field)
      if (field.required) required.push(name)
    }
    const kinds = this.#kindsOf(type)
    return {
      ...described(docOf(type.id)), type: 'object',
      ...(Object.keys(properties).length === 0 ? {} : { properties }), ...(required.length === 0 ? {} : { required }),
      ...(kinds.length === 0 ? {} : { 'x-kubernetes-group-version-kind': kinds }),
      ...unionsOf(type.id),
      ...(ownStructType(type) === undefined ? {} : { 'x-kubernetes-map-type': ownStructType(type) }),
    }
  }

  #kindsOf(type: StructType): GroupVersionKind[] {
    if (sharedKinds.includes(type.id)) {
      const named = this.#about?.isCustom === false ? [...new Set(['v1', this.#about.groupVersion])] : schemeGroupVersions().filter((each) => this.#about === undefined || !notWithCustom.test(each))
      return named.map((groupVersion) => {
        const [group, version] = nameOf(groupVersion).split('/') as [string, string]
        return { group, kind: type.name, version }
      })
    }
    if (!type.isObject) return []
    const groupVersion = type.id.slice(0, type.id.lastIndexOf('.'))
    const slash = groupVersion.indexOf('/')
    const group = slash < 0 || groupVersion.startsWith('meta/') ? '' : groupVersion.slice(0, slash)
    return [{ group, kind: type.name, version: groupVersion.slice(slash + 1) }]
  }

  #property(owner: StructType, name: string, field: SchemaField): Schema {
    const extra: Schema = {
      ...described(docOf(owner.id, name)),
      ...(field.enum === undefined || field.type.kind !== 'scalar' ? {} : { enum: field.enum.toSorted() }),
      ...(field.listType === undefined ? {} : { 'x-kubernetes-list-type': field.listType }),
      ...(field.listMapKeys === undefined ? {} : { 'x-kubernetes-list-map-keys': field.listMapKeys }),
      ...(field.mapType ?? field.structType ? { 'x-kubernetes-map-type': field.mapType ?? field.structType } : {}),
      ...(field.patchStrategy === undefined ? {} : { 'x-kubernetes-patch-strategy': field.patchStrategy }),
      ...(field.patchMergeKey === undefined ? {} : { 'x-kubernetes-patch-merge-key': field.patchMergeKey }),
      ...this.#defaultOf(field),
    }
    return this.#withSiblings(this.#typeSchema(field.type, field.enum), extra)
  }

  /** In v3 declared defaults, and the zero values of fields that are always written, as upstream has them. */
  #defaultOf(field: SchemaField): Schema {
    if (this.format === 'v2') return {}
    if (field.default !== undefined) return { default: field.default }
    if (field.pointer) return {}
    if (field.type.kind === 'struct') return { default: {} }
    if (field.type.kind !== 'scalar' || field.omitempty) return {}
    const zeros: Record<string, unknown> = { string: '', bool: false, int32: 0, int64: 0, float64: 0 }
    const zero = zeros[field.type.scalar]
    return zero === undefined ? {} : { default: zero }
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
      case 'map': return { type: 'object', additionalProperties: this.#inner(type.value, values) }
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
    return values === undefined || type.kind !== 'scalar' ? schema : { ...schema, enum: values.toSorted() }
  }
}
