import { isJsonObject, jsonEqual, setOwn } from './json-value.ts'
import type { JsonObject } from './json-value.ts'
import { errors } from './status.ts'

/**
 * JSON patch (RFC 6902) as upstream's library reads it (evanphx/json-patch v4), which is milder than the RFC: `replace` sets a
 * key that is not there, a missing `value` is null, negative positions count from a list's end. A patch that isn't one is a bad
 * request, one of more than 10,000 operations too large, one that does not fit the object 422 with the library's words as cause.
 */

interface Operation { op?: unknown; path?: unknown; from?: unknown; value?: unknown }

const maxOperations = 10_000
/** What `copy` may add to an object; the same bound as upstream's, against patches that double a value again and again. */
const maxCopiedBytes = 3 * 1024 * 1024

function goKind(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value
}

/** Checks the shape of a parsed patch. */
function operationsOf(patch: unknown): readonly Operation[] {
  const refuse = (problem: string): never => { throw errors.badRequest(`error decoding patch: json: cannot unmarshal ${problem}`) }
  if (patch === null) return []
  if (!Array.isArray(patch)) return refuse(`${goKind(patch)} into Go value of type []handlers.jsonPatchOp`)
  for (const operation of patch as unknown[]) {
    if (operation === null) continue
    if (!isJsonObject(operation)) return refuse(`${goKind(operation)} into Go value of type handlers.jsonPatchOp`)
    for (const field of ['op', 'path', 'from']) {
      const value = operation[field]
      if (value !== undefined && value !== null && typeof value !== 'string') return refuse(`${goKind(value)} into Go struct field jsonPatchOp.${field} of type string`)
    }
  }
  if (patch.length > maxOperations) throw errors.tooLarge(`Request entity too large: The allowed maximum operations in a JSON patch is ${maxOperations}, got ${patch.length}`)
  return patch.map((operation) => (operation ?? {}) as Operation)
}

/** An operation does not fit the document; the message is the library's. */
class PatchProblem extends Error {}

const missing = 'missing value'

function fail(problem: string): never {
  throw new PatchProblem(problem)
}

/** Applies a parsed patch. The document is not changed. */
export function applyJsonPatch(document: Readonly<JsonObject>, patch: unknown): JsonObject {
  const operations = operationsOf(patch)
  const state = { document: structuredClone(document) as Container, copiedBytes: 0 }
  try {
    for (const operation of operations) applyOperation(state, operation)
  } catch (error) {
    if (error instanceof PatchProblem) throw errors.rejectedPatch(error.message)
    throw error
  }
  if (!isJsonObject(state.document)) throw errors.rejectedPatch('the patched document is not an object')
  return state.document
}

type Container = unknown[] | JsonObject

interface State { document: Container; copiedBytes: number }

function applyOperation(state: State, operation: Operation): void {
  const { op } = operation
  switch (op) {
    case 'add': return add(state, operation)
    case 'remove': return remove(state, operation)
    case 'replace': return replace(state, operation)
    case 'move': return move(state, operation)
    case 'copy': return copy(state, operation)
    case 'test': return test(state, operation)
    default: fail(`Unexpected kind: ${typeof op === 'string' ? op : 'unknown'}`)
  }
}

function pathOf({ path }: Operation, otherwise: string): string {
  return typeof path === 'string' ? path : fail(otherwise)
}

function fromOf({ from, op }: Operation): string {
  return typeof from === 'string' ? from : fail(`${String(op)} operation failed to decode from: operation, missing from field: ${missing}`)
}

const valueOf = ({ value }: Operation): unknown => (value === undefined ? null : structuredClone(value))

interface Place { container: Container; key: string }

/** What holds the last part of a path; undefined where the document has nothing of the kind. */
function find({ document }: State, path: string): Place | undefined {
  const parts = path.split('/')
  if (parts.length < 2) return undefined
  let container: Container = document
  for (const part of parts.slice(1, -1)) {
    const next = getOrUndefined(container, decoded(part))
    if (!Array.isArray(next) && !isJsonObject(next)) return undefined
    container = next
  }
  return { container, key: decoded(parts.at(-1)!) }
}

const decoded = (part: string): string => part.replaceAll(/~[01]/g, (escape) => (escape === '~1' ? '/' : '~'))

function badIndex(index: number): never {
  fail(`Unable to access invalid index: ${index}: invalid index referenced`)
}

function numberOf(key: string, prefix = ''): number {
  return /^[+-]?\d+$/.test(key) ? Number(key) : fail(`${prefix}strconv.Atoi: parsing ${JSON.stringify(key)}: invalid syntax`)
}

/** Position of an item that is there. */
function indexOf(list: readonly unknown[], key: string): number {
  const index = numberOf(key)
  if (index >= list.length || index < -list.length) badIndex(index)
  return index < 0 ? index + list.length : index
}

/** The value at a key; undefined for a key that an object lacks. Lists have what they have. */
function get({ container, key }: Place): unknown {
  if (Array.isArray(container)) return container[indexOf(container, key)]
  return Object.hasOwn(container, key) ? container[key] : undefined
}

function getOrUndefined(container: Container, key: string): unknown {
  try {
    return get({ container, key })
  } catch (error) {
    if (error instanceof PatchProblem) return undefined
    throw error
  }
}

function insertAt({ container, key }: Place, value: unknown): void {
  if (!Array.isArray(container)) return setOwn(container, key, value)
  if (key === '-') return void container.push(value)
  const index = numberOf(key, `value was not a proper array index: '${key}': `)
  const length = container.length + 1
  if (index >= length || index < -length) badIndex(index)
  container.splice(index < 0 ? index + length : index, 0, value)
}

function removeAt({ container, key }: Place): void {
  if (Array.isArray(container)) container.splice(indexOf(container, key), 1)
  else if (Object.hasOwn(container, key)) delete container[key]
  else fail(`Unable to remove nonexistent key: ${key}: ${missing}`)
}

/** Runs a step whose problem is part of a longer sentence. */
function within<T>(sentence: string, step: () => T): T {
  try {
    return step()
  } catch (error) {
    if (error instanceof PatchProblem) fail(`${sentence}: ${error.message}`)
    throw error
  }
}

function add(state: State, operation: Operation): void {
  const path = pathOf(operation, `add operation failed to decode path: ${missing}`)
  const place = find(state, path) ?? fail(`add operation does not apply: doc is missing path: "${path}": ${missing}`)
  within(`error in add for path: '${path}'`, () => insertAt(place, valueOf(operation)))
}

function remove(state: State, operation: Operation): void {
  const path = pathOf(operation, `remove operation failed to decode path: ${missing}`)
  const place = find(state, path) ?? fail(`remove operation does not apply: doc is missing path: "${path}": ${missing}`)
  within(`error in remove for path: '${path}'`, () => removeAt(place))
}

const missingPath = (op: string): string => `${op} operation failed to decode path: operation missing path field: ${missing}`

function replace(state: State, operation: Operation): void {
  const path = pathOf(operation, missingPath('replace'))
  const value = valueOf(operation)
  if (path === '') {
    if (!Array.isArray(value) && !isJsonObject(value)) fail('replace operation value must be object or array')
    state.document = value
    return
  }
  const place = find(state, path) ?? fail(`replace operation does not apply: doc is missing path: ${path}: ${missing}`)
  const { container, key } = place
  if (!Array.isArray(container)) return setOwn(container, key, value)
  if (getOrUndefined(container, key) === undefined) fail(`replace operation does not apply: doc is missing key: ${path}: ${missing}`)
  container[indexOf(container, key)] = value
}

function move(state: State, operation: Operation): void {
  const from = fromOf(operation)
  const source = find(state, from) ?? fail(`move operation does not apply: doc is missing from path: ${from}: ${missing}`)
  const value = within(`error in move for path: '${source.key}'`, () => {
    const moved = get(source)
    removeAt(source)
    return moved
  })
  const path = pathOf(operation, missingPath('move'))
  const target = find(state, path) ?? fail(`move operation does not apply: doc is missing destination path: ${path}: ${missing}`)
  within(`error in move for path: '${path}'`, () => insertAt(target, value))
}

function copy(state: State, operation: Operation): void {
  const from = fromOf(operation)
  const source = find(state, from) ?? fail(`copy operation does not apply: doc is missing from path: ${from}: ${missing}`)
  const value = within(`error in copy for from: '${from}'`, () => get(source)) ?? null
  const path = pathOf(operation, `copy operation failed to decode path: ${missing}`)
  const target = find(state, path) ?? fail(`copy operation does not apply: doc is missing destination path: ${path}: ${missing}`)
  state.copiedBytes += value === null ? 0 : JSON.stringify(value).length
  if (state.copiedBytes > maxCopiedBytes) fail(`Unable to complete the copy, the accumulated size increase of copy is ${state.copiedBytes}, exceeding the limit ${maxCopiedBytes}`)
  within('error while adding value during copy', () => insertAt(target, structuredClone(value)))
}

function test(state: State, operation: Operation): void {
  const path = pathOf(operation, missingPath('test'))
  const wanted = operation.value ?? null
  let value: unknown = state.document
  if (path !== '') {
    const place = find(state, path) ?? fail(`test operation does not apply: is missing path: ${path}: ${missing}`)
    value = within(`error in test for path: '${path}'`, () => get(place)) ?? null
  }
  if (!jsonEqual(value, wanted)) fail(`testing value ${path} failed: test failed`)
}
