import { getOwn, isJsonObject, jsonEqual, setOwn } from './json-value.ts'
import type { JsonObject } from './json-value.ts'
import { errors } from './status.ts'

/**
 * JSON patch (RFC 6902). A patch that isn't one is a bad request, one of more than 10,000 operations too large, one
 * that does not fit the object 422: upstream's answers, with the texts of its patch library as causes.
 */

export interface JsonPatchOperation { op: 'add' | 'remove' | 'replace' | 'move' | 'copy' | 'test'; path: string; from?: string; value?: unknown }

const maxOperations = 10_000
/** What `copy` may add to an object; the same bound as upstream's, against patches that double a value again and again. */
const maxCopiedBytes = 3 * 1024 * 1024

const withValue = new Set(['add', 'replace', 'test'])
const withFrom = new Set(['move', 'copy'])

/** Checks the shape of a parsed patch. */
export function parseJsonPatch(patch: unknown): JsonPatchOperation[] {
  if (!Array.isArray(patch)) throw errors.badRequest('error decoding patch: a JSON patch must be an array of operations')
  if (patch.length > maxOperations) throw errors.tooLarge(`The allowed maximum operations in a JSON patch is ${maxOperations}, got ${patch.length}`)
  for (const operation of patch as unknown[]) {
    if (!isJsonObject(operation)) throw errors.badRequest('error decoding patch: each operation of a JSON patch must be an object')
    const { op, path, from } = operation
    if (typeof op !== 'string' || !(withValue.has(op) || withFrom.has(op) || op === 'remove')) throw errors.rejectedPatch(`Unexpected kind: ${String(op ?? 'unknown')}`)
    if (typeof path !== 'string') throw errors.rejectedPatch(`${op} operation: missing field: path`)
    if (withFrom.has(op) && typeof from !== 'string') throw errors.rejectedPatch(`${op} operation: missing field: from`)
    if (withValue.has(op) && !Object.hasOwn(operation, 'value')) throw errors.rejectedPatch(`${op} operation: missing field: value`)
  }
  return patch as JsonPatchOperation[]
}

/** Applies a parsed patch. The document is not changed. */
export function applyJsonPatch(document: Readonly<JsonObject>, patch: unknown): JsonObject {
  const operations = parseJsonPatch(patch)
  let result: unknown = structuredClone(document)
  let copiedBytes = 0
  for (const operation of operations) {
    if (operation.op === 'copy') {
      copiedBytes += JSON.stringify(read(result, operation.from as string, 'copy')).length
      if (copiedBytes > maxCopiedBytes) throw errors.rejectedPatch(`Unable to complete the copy, the accumulated size increase of copy is ${copiedBytes}, exceeding the limit ${maxCopiedBytes}`)
    }
    result = applyOperation(result, operation)
  }
  if (!isJsonObject(result)) throw errors.rejectedPatch('the patched document is not an object')
  return result
}

function applyOperation(document: unknown, { op, path, from = '', value }: JsonPatchOperation): unknown {
  switch (op) {
    case 'add': return insert(document, path, structuredClone(value), 'add')
    case 'remove': return remove(document, path, 'remove')
    case 'replace': return replace(document, path, structuredClone(value))
    case 'copy': return insert(document, path, structuredClone(read(document, from, 'copy')), 'copy')
    case 'move': {
      if (path.startsWith(`${from}/`)) throw errors.rejectedPatch(`move operation does not apply: "${from}" cannot be moved into itself`)
      const moved = read(document, from, 'move')
      return insert(remove(document, from, 'move'), path, moved, 'move')
    }
    case 'test':
      if (!jsonEqual(find(document, path), value === undefined ? null : value) && !(value === null && find(document, path) === undefined)) {
        throw errors.rejectedPatch(`testing value ${path} failed: test failed`)
      }
      return document
  }
}

function partsOf(path: string, op: string): string[] {
  if (path === '') return []
  if (!path.startsWith('/')) throw errors.rejectedPatch(`${op} operation does not apply: doc is missing path: ${JSON.stringify(path)}: missing value`)
  return path.slice(1).split('/').map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** Position in a list; negative ones count from its end, as upstream's library has it. */
function indexOf(part: string, length: number, path: string): number {
  if (!/^(0|-?[1-9]\d*)$/.test(part)) throw errors.rejectedPatch(`error in ${JSON.stringify(path)}: ${JSON.stringify(part)} is not an index`)
  const index = Number(part)
  return index < 0 ? index + length : index
}

function child(container: unknown, part: string): unknown {
  if (Array.isArray(container)) return /^(0|-?[1-9]\d*)$/.test(part) ? container.at(Number(part)) : undefined
  return isJsonObject(container) ? getOwn(container, part) : undefined
}

function find(document: unknown, path: string): unknown {
  return partsOf(path, 'test').reduce<unknown>((at, part) => child(at, part), document)
}

function read(document: unknown, path: string, op: string): unknown {
  const value = find(document, path)
  if (value === undefined) throw errors.rejectedPatch(`${op} operation does not apply: doc is missing from path: ${JSON.stringify(path)}: missing value`)
  return value
}

interface Place { container: unknown[] | JsonObject; last: string }

function placeOf(document: unknown, path: string, op: string): Place {
  const parts = partsOf(path, op)
  const last = parts.pop() as string
  const container = parts.reduce<unknown>((at, part) => child(at, part), document)
  if (!Array.isArray(container) && !isJsonObject(container)) throw errors.rejectedPatch(`${op} operation does not apply: doc is missing path: ${JSON.stringify(path)}: missing value`)
  return { container, last }
}

function insert(document: unknown, path: string, value: unknown, op: string): unknown {
  if (path === '') return value
  const { container, last } = placeOf(document, path, op)
  if (!Array.isArray(container)) {
    setOwn(container, last, value)
    return document
  }
  const index = last === '-' ? container.length : indexOf(last, container.length + 1, path)
  if (index < 0 || index > container.length) throw errors.rejectedPatch(`${op} operation does not apply: Unable to access invalid index: ${last}: invalid index referenced`)
  container.splice(index, 0, value)
  return document
}

function remove(document: unknown, path: string, op: string): unknown {
  if (path === '') throw errors.rejectedPatch(`${op} operation does not apply: the whole document cannot be removed`)
  const { container, last } = placeOf(document, path, op)
  if (!Array.isArray(container)) {
    if (!Object.hasOwn(container, last)) throw errors.rejectedPatch(`${op} operation does not apply: Unable to remove nonexistent key: ${last}: missing value`)
    delete container[last]
    return document
  }
  const index = indexOf(last, container.length, path)
  if (index < 0 || index >= container.length) throw errors.rejectedPatch(`${op} operation does not apply: Unable to access invalid index: ${last}: invalid index referenced`)
  container.splice(index, 1)
  return document
}

function replace(document: unknown, path: string, value: unknown): unknown {
  if (path === '') return value
  const { container, last } = placeOf(document, path, 'replace')
  if (Array.isArray(container)) {
    const index = indexOf(last, container.length, path)
    if (index < 0 || index >= container.length) throw errors.rejectedPatch(`replace operation does not apply: Unable to access invalid index: ${last}: invalid index referenced`)
    container[index] = value
  } else {
    if (!Object.hasOwn(container, last)) throw errors.rejectedPatch(`replace operation does not apply: doc is missing key: ${path}: missing value`)
    setOwn(container, last, value)
  }
  return document
}
