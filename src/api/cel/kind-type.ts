import type { SchemaField, SchemaType, StructType } from '../../machinery/schema-type.ts'
import { escapedName } from './schema-type.ts'
import { BOOL, BYTES, DOUBLE, DYN, DURATION, INT, listOf, mapOf, objectOf, STRING, TIMESTAMP, type CelField, type CelType } from './types.ts'

/** CEL types of built-in kinds, as upstream makes them of their OpenAPI schemas: for checking policies' expressions. */
const known = new WeakMap<StructType, CelType>()

export function kindType(type: StructType): CelType {
  const made = known.get(type)
  if (made !== undefined) return made
  let fields: ReadonlyMap<string, CelField> | undefined
  const object: CelType = { kind: 'object', name: type.id, params: [], fields: () => (fields ??= fieldsOf(type)) }
  known.set(type, object)
  return object
}

function fieldsOf(type: StructType): ReadonlyMap<string, CelField> {
  const out = new Map<string, CelField>()
  for (const [name, field] of type.jsonFields) {
    const escaped = escapedName(name)
    if (escaped !== undefined) out.set(escaped, { type: fieldType(field), name })
  }
  return out
}

const fieldType = ({ type }: SchemaField): CelType => typeFor(type)

function typeFor(type: SchemaType): CelType {
  switch (type.kind) {
    case 'struct': return kindType(type)
    case 'list': return listOf(typeFor(type.item))
    case 'map': return mapOf(STRING, typeFor(type.value))
    case 'union': return DYN
    case 'scalar': break
  }
  switch (type.scalar) {
    case 'bool': return BOOL
    case 'int32':
    case 'int64': return INT
    case 'float64': return DOUBLE
    case 'bytes': return BYTES
    case 'time':
    case 'microTime': return TIMESTAMP
    case 'duration': return DURATION
    case 'intOrString':
    case 'json': return DYN
    case 'raw':
    case 'fieldsV1': return objectOf('object', {})
    case 'string':
    case 'quantity': return STRING
  }
}
