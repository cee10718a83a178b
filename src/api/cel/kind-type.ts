import type { SchemaField, SchemaType, StructType } from '../../machinery/schema-type.ts'
import { escapedName } from './schema-type.ts'
import { BOOL, BYTES, DOUBLE, DYN, DURATION, INT, listOf, mapOf, objectOf, STRING, TIMESTAMP, type CelField, type CelType } from './types.ts'

/**
 * CEL types of built-in kinds, as upstream makes them of their OpenAPI schemas: for checking policies' expressions. Types of objects are
 * called by where they are: `name`, `name.spec`, `name.spec.containers.@idx`.
 */
export function kindType(type: StructType, name: string): CelType {
  let fields: ReadonlyMap<string, CelField> | undefined
  return { kind: 'object', name, params: [], fields: () => (fields ??= fieldsOf(type, name)) }
}

function fieldsOf(type: StructType, typeName: string): ReadonlyMap<string, CelField> {
  const out = new Map<string, CelField>()
  for (const [name, field] of type.jsonFields) {
    const escaped = escapedName(name)
    if (escaped !== undefined) out.set(escaped, { type: fieldType(field, `${typeName}.${escaped}`), name })
  }
  return out
}

const fieldType = ({ type }: SchemaField, name: string): CelType => typeFor(type, name)

function typeFor(type: SchemaType, name: string): CelType {
  switch (type.kind) {
    case 'struct': return kindType(type, name)
    case 'list': return listOf(typeFor(type.item, `${name}.@idx`))
    case 'map': return mapOf(STRING, typeFor(type.value, `${name}.@elem`))
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
    case 'fieldsV1': return objectOf(name, {})
    case 'string':
    case 'quantity': return STRING
  }
}
