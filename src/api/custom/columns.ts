import { humanDuration } from '../../machinery/human-duration.ts'
import { findByPath, parseJsonPath, type JsonPath } from '../../machinery/jsonpath.ts'
import { docOf } from '../type-docs.ts'
import type { PrinterColumn, RowPrinter } from '../resource.ts'
import type { CustomResourceColumnDefinition } from '../types/apiextensions.k8s.io_v1.ts'

const ageDefinition: CustomResourceColumnDefinition = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' }

/** Columns and rows of a custom resource: its name, then what the definition adds; its age where that is nothing. */
export function customPrinter(definitions: readonly CustomResourceColumnDefinition[] | undefined): { columns: readonly PrinterColumn[]; printRow: RowPrinter } {
  const own = definitions === undefined || definitions.length === 0 ? [ageDefinition] : definitions
  const cells = own.map(({ type, jsonPath }) => ({ type, path: parseJsonPath(jsonPath) }))
  return {
    columns: [
      { name: 'Name', type: 'string', format: 'name', get description() { return docOf('meta/v1.ObjectMeta', 'name') }, priority: 0 },
      ...own.map((each): PrinterColumn => ({
        name: each.name, type: each.type as PrinterColumn['type'], format: each.format ?? '', priority: each.priority ?? 0,
        get description() { return each.description ?? (each === ageDefinition ? docOf('meta/v1.ObjectMeta', 'creationTimestamp') : `Custom resource definition column (in JSONPath format): ${each.jsonPath}`) },
      })),
    ],
    printRow: (object, nowMs) => [object.metadata.name ?? '', ...cells.map(({ type, path }) => cellOf(type, path, object, nowMs))],
  }
}

/** A value shows only where it is of the column's type; texts show whatever there is. */
function cellOf(type: string, path: JsonPath, object: unknown, nowMs: number): string | number | bigint | boolean | null {
  const [value] = findByPath(path, object)
  if (value === undefined) return null
  // As Go's templates print nothing.
  if (value === null) return type === 'string' ? '<no value>' : null
  switch (type) {
    case 'integer': return typeof value === 'number' ? Math.trunc(value) : typeof value === 'bigint' ? value : null
    case 'number': return typeof value === 'number' || typeof value === 'bigint' ? value : null
    case 'boolean': return typeof value === 'boolean' ? value : null
    case 'string': return typeof value === 'object' ? JSON.stringify(inOrder(value)) : String(value)
    case 'date': {
      if (typeof value !== 'string') return null
      const atMs = Date.parse(value)
      return Number.isNaN(atMs) ? '<invalid>' : humanDuration(nowMs - atMs)
    }
    default: return null
  }
}

/** A value with its fields in the order of their names, as Go writes maps. */
function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, each]) => [name, inOrder(each)]))
}
