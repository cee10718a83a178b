import { atomicAny, deduced, type ApplyType, type ListShape, type MapField, type MapShape } from '../../machinery/apply/apply-type.ts'
import { applyTypeById } from '../apply-types.ts'
import type { SchemaNode } from './schema.ts'

/** How server-side apply sees a custom resource: its schema, by the rules of kube-openapi's `schemaconv`. */
export function customApplyType(schema: SchemaNode): ApplyType {
  return typeOf(schema, false, true)
}

function typeOf(node: SchemaNode, preserving: boolean, isObject = node.embedded): ApplyType {
  const preserves = preserving || node.preservesUnknown
  switch (node.type) {
    case 'object': return { map: mapOf(node, preserves, isObject) }
    case 'array': return { list: listOf(node, preserves) }
    case 'integer': case 'number': return { scalar: 'numeric' }
    case 'boolean': return { scalar: 'boolean' }
    case 'string': return { scalar: ['', 'byte'].includes(node.raw.format ?? '') ? 'string' : 'untyped' }
    default: return { scalar: 'untyped', list: listOf(node, preserves), map: mapOf(node, preserves, isObject) }
  }
}

function mapOf(node: SchemaNode, preserves: boolean, isObject: boolean): MapShape {
  const fields = new Map<string, MapField>()
  for (const [name, child] of node.properties) fields.set(name, { type: typeOf(child, preserves), ...(child.default === undefined ? {} : { default: child.default }) })
  if (isObject) {
    for (const name of ['apiVersion', 'kind']) fields.set(name, { type: { scalar: 'string' } })
    fields.set('metadata', { type: applyTypeById('meta/v1.ObjectMeta') })
  }
  const { additional } = node
  const free = preserves || fields.size === 0 ? deduced : undefined
  return { fields, other: additional === undefined ? free : additional === true ? deduced : typeOf(additional, preserves), atomic: node.mapType === 'atomic' }
}

function listOf(node: SchemaNode, preserves: boolean): ListShape {
  const isAtomic = node.listType !== 'set' && node.listType !== 'map'
  return { item: node.items === undefined ? atomicAny : typeOf(node.items, preserves), atomic: isAtomic, keys: node.listType === 'map' ? [...node.listMapKeys].sort() : [] }
}
