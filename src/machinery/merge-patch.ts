import { errors } from './status.ts'
import { getOwn, isJsonObject, setOwn } from './json-value.ts'
import type { JsonObject } from './json-value.ts'

/**
 * JSON merge patch (RFC 7386). Answers with a new value that shares what the patch leaves alone; neither argument is
 * changed. At the API the patch must be an object: anything else is a bad request.
 */
export function applyMergePatch(target: Readonly<JsonObject>, patch: unknown): JsonObject {
  if (!isJsonObject(patch)) throw errors.badRequest('error decoding patch: a merge patch must be a JSON object')
  return merge(target, patch) as JsonObject
}

function merge(target: unknown, patch: unknown): unknown {
  if (!isJsonObject(patch)) return patch
  const result: JsonObject = isJsonObject(target) ? { ...target } : {}
  for (const key of Object.keys(patch)) {
    const value = patch[key]
    if (value === null) delete result[key]
    else setOwn(result, key, merge(getOwn(result, key), value))
  }
  return result
}

/** The merge patch that turns `from` into `to`; undefined when they are equal. */
export function createMergePatch(from: Readonly<JsonObject>, to: Readonly<JsonObject>): JsonObject | undefined {
  const patch: JsonObject = {}
  for (const key of Object.keys(to)) {
    const before = getOwn(from, key)
    const after = to[key]
    if (after === undefined) continue
    if (isJsonObject(before) && isJsonObject(after)) {
      const inner = createMergePatch(before, after)
      if (inner !== undefined) setOwn(patch, key, inner)
    } else if (JSON.stringify(before) !== JSON.stringify(after)) {
      setOwn(patch, key, after)
    }
  }
  for (const key of Object.keys(from)) if (from[key] !== undefined && getOwn(to, key) === undefined) setOwn(patch, key, null)
  return Object.keys(patch).length === 0 ? undefined : patch
}
