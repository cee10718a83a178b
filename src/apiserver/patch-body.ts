import { typeById } from '../api/type-table.ts'
import type { ResourceDescription } from '../api/resource.ts'
import { countKeys, duplicateFields, fieldProblems } from '../machinery/json-duplicates.ts'
import { applyJsonPatch } from '../machinery/json-patch.ts'
import type { JsonObject } from '../machinery/json-value.ts'
import { applyMergePatch } from '../machinery/merge-patch.ts'
import { maxDepth } from '../machinery/schema-decode.ts'
import type { StructType } from '../machinery/schema-type.ts'
import { errors } from '../machinery/status.ts'
import { applyStrategicMergePatch, patchTypeOf } from '../machinery/strategic-merge.ts'
import type { ServerRequest } from './context.ts'
import { checkDepth, parseJsonText } from './json-text.ts'

export type PatchKind = 'json' | 'merge' | 'strategic'

const contentTypes: Readonly<Record<string, PatchKind>> = {
  'application/json-patch+json': 'json', 'application/merge-patch+json': 'merge', 'application/strategic-merge-patch+json': 'strategic',
}

/** A patch as sent; `apply` makes the patched object of a plain copy of the current one, `problems` is what strict decoding says of the patch itself. */
export interface Patch { kind: PatchKind; text: string; apply(current: JsonObject): JsonObject; problems(): string[] }

/** Reads a patch for objects of `typeId`; 415 for a form of patch that the resource doesn't take. */
export async function readPatch(request: ServerRequest, resource: ResourceDescription, typeId: string | undefined = resource.typeId): Promise<Patch> {
  const contentType = (request.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase()
  const kind = contentTypes[contentType]
  const type = typeId === undefined ? undefined : typeById(typeId)
  if (kind === undefined || (kind === 'strategic' && type === undefined)) {
    throw errors.unsupportedMediaType([...Object.keys(contentTypes).filter((name) => contentTypes[name] !== 'strategic' || type !== undefined), 'application/apply-patch+yaml'])
  }
  const text = Buffer.from(await request.readBody()).toString('utf8')
  let patch: unknown
  try {
    patch = parseJsonText(text)
    // Each level takes a character at least: short texts need no looking at.
    if (text.length > maxDepth) checkDepth(patch)
  } catch (cause) {
    throw errors.badRequest(`error decoding patch: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
  }
  return { kind, text, apply: (current) => applyPatch(kind, current, patch, type), problems: () => problemsOf(kind, patch, text) }
}

const operationFields = new Set(['op', 'path', 'from', 'value'])

function problemsOf(kind: PatchKind, patch: unknown, text: string): string[] {
  if (kind !== 'json') return duplicateFields(text, keyCountOf(patch)).map((path) => `duplicate field "${path}"`)
  const unknown = Array.isArray(patch) ? patch.flatMap((operation, at) => Object.keys((operation ?? {}) as object).filter((key) => !operationFields.has(key)).map((key) => `[${at}].${key}`)) : []
  if (unknown.length === 0 && countKeys(text) === keyCountOf(patch)) return []
  return fieldProblems(text, unknown).map((problem) => `json patch ${problem}`)
}

function keyCountOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  let count = Array.isArray(value) ? 0 : Object.keys(value).length
  for (const child of Object.values(value)) count += keyCountOf(child)
  return count
}

/** The patched object. `type` is needed for strategic merge patches only. */
export function applyPatch(kind: PatchKind, current: JsonObject, patch: unknown, type: StructType | undefined): JsonObject {
  switch (kind) {
    case 'json': return applyJsonPatch(current, patch)
    case 'merge': return applyMergePatch(current, patch)
    case 'strategic': return applyStrategicMergePatch(current, patch, patchTypeOf(type!))
  }
}
