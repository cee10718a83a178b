import { atomicAny, deduced, noFields, type ApplyType, type ListShape, type MapField, type MapShape } from '../machinery/apply/apply-type.ts'
import type { ScalarName, SchemaField, SchemaType, StructType } from '../machinery/schema-type.ts'
import { ownStructType, typeById } from './type-table.ts'

/** How server-side apply sees the built-in kinds: the type tables, by the rules of kube-openapi's `schemaconv`. Made on first look, since types refer to one another in circles. */

const untyped: ApplyType = { scalar: 'untyped' }
const scalars: Record<ScalarName, ApplyType> = {
  string: { scalar: 'string' }, bool: { scalar: 'boolean' }, int32: { scalar: 'numeric' }, int64: { scalar: 'numeric' }, float64: { scalar: 'numeric' },
  bytes: { scalar: 'string' }, time: untyped, microTime: untyped, duration: { scalar: 'string' }, quantity: untyped, intOrString: untyped,
  raw: atomicAny, json: deduced, fieldsV1: { map: { fields: noFields, other: deduced, atomic: false } },
}

class StructShape implements MapShape {
  readonly atomic: boolean
  readonly #type: StructType
  #fields: ReadonlyMap<string, MapField> | undefined

  constructor(type: StructType, atomic: boolean) {
    this.#type = type
    this.atomic = atomic
  }

  get fields(): ReadonlyMap<string, MapField> {
    return (this.#fields ??= new Map([...this.#type.jsonFields].map(([name, field]) => [name, fieldOf(field, this.#type.id === 'meta/v1.ObjectMeta')])))
  }

  get other(): ApplyType | undefined {
    return this.#type.jsonFields.size === 0 ? deduced : undefined
  }
}

/** Scalars that `omitempty` leaves out when they are zero; those that are structs in Go always stay. */
const omittable: ReadonlySet<ScalarName> = new Set(['string', 'bool', 'int32', 'int64', 'float64', 'bytes'])

const zeros: Readonly<Record<string, unknown>> = { string: '', bool: false, int32: 0, int64: 0, float64: 0 }

/** Keys of items that are left out have their defaults; those that are always written have, as OpenAPI says, their zero. */
function defaultOf({ type, pointer, omitempty, default: declared }: SchemaField): { default?: unknown } {
  if (declared !== undefined) return { default: declared }
  const zero = type.kind === 'scalar' && !pointer && !omitempty ? zeros[type.scalar] : undefined
  return zero === undefined ? {} : { default: zero }
}

function fieldOf(field: SchemaField, isMeta: boolean): MapField {
  const { type, pointer, omitempty } = field
  const isContainer = type.kind === 'list' || type.kind === 'map'
  const isTime = type.kind === 'scalar' && (type.scalar === 'time' || type.scalar === 'microTime')
  const omitsZero = !pointer && omitempty && (isContainer || (type.kind === 'scalar' && omittable.has(type.scalar)))
  // Times are structs: `omitempty` keeps them, as null. That of an object's creation is left out by `omitzero`.
  const nullWhenUnset = !pointer && ((isContainer && !omitempty) || (isTime && !(isMeta && omitempty)))
  return {
    type: applyTypeOf(type, field),
    ...defaultOf(field),
    ...(omitsZero ? { omitsZero } : {}), ...(nullWhenUnset ? { nullWhenUnset } : {}),
  }
}

const structs = new WeakMap<StructType, { atomic?: ApplyType; granular?: ApplyType }>()

function structTypeOf(type: StructType, wanted: 'atomic' | 'granular' | undefined): ApplyType {
  const form = wanted ?? (ownStructType(type) === 'atomic' ? 'atomic' : 'granular')
  let known = structs.get(type)
  if (known === undefined) structs.set(type, (known = {}))
  return (known[form] ??= { map: new StructShape(type, form === 'atomic') })
}

function applyTypeOf(type: SchemaType, field?: SchemaField): ApplyType {
  switch (type.kind) {
    case 'scalar': return scalars[type.scalar]
    case 'union': return deduced
    case 'struct': return structTypeOf(type, field?.structType ?? field?.mapType)
    case 'map': {
      const value = applyTypeOf(type.value)
      return { map: { fields: noFields, other: value, atomic: field?.mapType === 'atomic' } }
    }
    case 'list': return { list: listShapeOf(type.item, field) }
  }
}

function listShapeOf(item: SchemaType, field: SchemaField | undefined): ListShape {
  const of = applyTypeOf(item)
  if (field?.listType !== undefined) return { item: of, atomic: field.listType === 'atomic', keys: field.listType === 'map' ? [...(field.listMapKeys ?? [])].sort() : [] }
  // Types that say nothing of their own are taken by how they are patched.
  const merges = field?.patchStrategy?.split(',').includes('merge') === true
  return { item: of, atomic: !merges, keys: merges && field?.patchMergeKey !== undefined ? [field.patchMergeKey] : [] }
}

/** The type of `apps/v1.Deployment`; throws for an id that the tables don't have. */
export function applyTypeById(id: string): ApplyType {
  const type = typeById(id)
  if (type === undefined) throw new Error(`type tables hold no struct ${id}`)
  return structTypeOf(type, undefined)
}
