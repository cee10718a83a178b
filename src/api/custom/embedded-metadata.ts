import { fieldErrors, fieldErrorText, type FieldError } from '../../machinery/field-error.ts'
import { isJsonObject, type JsonObject } from '../../machinery/json-value.ts'
import { SchemaDecodeError, decodeObject } from '../../machinery/schema-decode.ts'
import { typeById } from '../type-table.ts'
import { childOf, childPath, type SchemaNode } from './schema.ts'

/**
 * Fits the metadata of embedded resources (`x-kubernetes-embedded-resource`) to ObjectMeta in place, and returns the paths of
 * fields that it doesn't have. Throws SchemaDecodeError where a field has the wrong type.
 */
export function fitEmbeddedMetadata(node: SchemaNode, object: JsonObject): string[] {
  const dropped: string[] = []
  if (!node.has.embedded) return dropped
  try {
    fitBelow(node, object, '', dropped)
  } catch (cause) {
    if (!(cause instanceof Misfit)) throw cause
    throw new SchemaDecodeError(`${cause.problem.path}: ${fieldErrorText(cause.problem)}`)
  }
  return dropped.sort()
}

/**
 * What of the types and metadata of embedded resources has the wrong type; `value` is one where `node` is embedded. Where nothing has,
 * they are fitted in place.
 */
export function embeddedMisfit(node: SchemaNode, value: unknown, path: string): FieldError | undefined {
  try {
    fit(node, value, path, [])
    return undefined
  } catch (cause) {
    if (cause instanceof Misfit) return cause.problem
    throw cause
  }
}

class Misfit extends Error {
  readonly problem: FieldError
  constructor(problem: FieldError) {
    super(problem.detail)
    this.problem = problem
  }
}

function fit(node: SchemaNode, value: unknown, path: string, dropped: string[]): void {
  if (!node.has.embedded) return
  if (Array.isArray(value)) {
    if (node.items !== undefined) for (const [i, item] of value.entries()) fit(node.items, item, `${path}[${i}]`, dropped)
    return
  }
  if (!isJsonObject(value)) return
  if (node.embedded) fitResource(value, path, dropped)
  fitBelow(node, value, path, dropped)
}

function fitBelow(node: SchemaNode, object: JsonObject, path: string, dropped: string[]): void {
  for (const [name, value] of Object.entries(object)) {
    const child = childOf(node, name)
    if (child !== undefined) fit(child, value, childPath(path, name), dropped)
  }
}

function fitResource(resource: JsonObject, path: string, dropped: string[]): void {
  for (const name of ['apiVersion', 'kind']) {
    const value = resource[name]
    if (value !== undefined && typeof value !== 'string') throw misfit(childPath(path, name), value, 'must be a string')
  }
  const { metadata } = resource
  if (metadata === undefined || metadata === null) return
  const at = childPath(path, 'metadata')
  try {
    const { value, unknownFields } = decodeObject(typeById('meta/v1.ObjectMeta')!, metadata)
    resource.metadata = value
    dropped.push(...unknownFields.map((field) => childPath(at, field)))
  } catch (cause) {
    if (!(cause instanceof SchemaDecodeError)) throw cause
    throw misfit(at, metadata, cause.message)
  }
}

function misfit(path: string, value: unknown, detail: string): Misfit {
  return new Misfit(fieldErrors.invalid(path, value, detail))
}
