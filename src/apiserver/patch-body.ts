import { typeById } from '../api/type-table.ts'
import { apiVersionOf, type ResourceDescription } from '../api/resource.ts'
import { countKeys, duplicateFields, fieldProblems } from '../machinery/json-duplicates.ts'
import { applyJsonPatch } from '../machinery/json-patch.ts'
import { parseJson } from '../machinery/json-numbers.ts'
import type { JsonObject } from '../machinery/json-value.ts'
import { applyMergePatch } from '../machinery/merge-patch.ts'
import { fieldErrorCause, fieldErrors } from '../machinery/field-error.ts'
import { goPrint } from '../machinery/go-print.ts'
import { jsonSyntaxProblem } from '../machinery/json-syntax.ts'
import { SchemaDecodeError, conversionProblem, maxDepth } from '../machinery/schema-decode.ts'
import type { StructType } from '../machinery/schema-type.ts'
import { StatusError, errors } from '../machinery/status.ts'
import { applyStrategicMergePatch, patchTypeOf } from '../machinery/strategic-merge.ts'
import { kindProblem } from './body-kind.ts'
import type { ServerRequest } from './context.ts'
import { checkDepth } from './json-depth.ts'
import type { BodyKind } from './subresources.ts'

export type PatchKind = 'json' | 'merge' | 'strategic'

const contentTypes: Readonly<Record<string, PatchKind>> = {
  'application/json-patch+json': 'json', 'application/merge-patch+json': 'merge', 'application/strategic-merge-patch+json': 'strategic',
}

/**
 * A patch as sent; `apply` makes the patched object of a plain copy of the current one, `problems` is what strict decoding says of
 * the patch itself, `refusal` what a result that does not fit its type is answered with, `checkKind` throws for a result of another kind.
 */
export interface Patch {
  kind: PatchKind
  text: string
  apply(current: JsonObject): JsonObject
  /** The fields at the top of an object that the patch names; undefined where it may change others, too. */
  touched(): readonly string[] | undefined
  problems(): string[]
  refusal(result: JsonObject, cause: StatusError): StatusError
  checkKind(result: JsonObject, expected: BodyKind): void
}

/**
 * The form of patch that a request has. 415 for one that the resource doesn't take: nothing else of the request is looked at before. Routes of
 * built-in resources name the types that they take, and so say no more; custom resources have none.
 */
export function patchKindOf(request: ServerRequest, resource: ResourceDescription, typeId: string | undefined = resource.typeId): PatchKind {
  const contentType = (request.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase()
  const kind = contentTypes[contentType]
  const type = typeId === undefined ? undefined : typeById(typeId)
  // Custom resources take none, be it for their Scale.
  const takesStrategic = type !== undefined && resource.custom === undefined
  if (kind === undefined && resource.typeId !== undefined) throw errors.unsupportedMediaTypeHere()
  if (kind === undefined || (kind === 'strategic' && !takesStrategic)) {
    throw errors.unsupportedMediaType([...Object.keys(contentTypes).filter((name) => contentTypes[name] !== 'strategic' || takesStrategic), 'application/apply-patch+yaml'])
  }
  return kind
}

/** Reads a patch for objects of `typeId`. Throws what `patchKindOf` throws. */
export async function readPatch(request: ServerRequest, resource: ResourceDescription, typeId: string | undefined = resource.typeId): Promise<Patch> {
  const kind = patchKindOf(request, resource, typeId)
  const type = typeId === undefined ? undefined : typeById(typeId)
  const text = Buffer.from(await request.readBody()).toString('utf8')
  // Whether it can be read matters only where there is something to be patched.
  let parsed: { patch: unknown } | undefined
  const patch = (): unknown => (parsed ??= { patch: parsePatch(kind, text) }).patch
  return {
    kind, text, apply: (current) => applyPatch(kind, current, patch(), type), touched: () => touchedBy(kind, patch()), problems: () => problemsOf(kind, patch(), text),
    refusal: (result, cause) => refusal(kind, patch(), result, cause),
    checkKind: (result, expected) => checkKind(kind, patch(), result, expected, type === undefined),
  }
}

function touchedBy(kind: PatchKind, patch: unknown): string[] | undefined {
  if (kind === 'json') return undefined
  const names = Object.keys(patch as object)
  // Directives are about the object as a whole.
  return names.some((name) => name.startsWith('$')) ? undefined : names
}

function parsePatch(kind: PatchKind, text: string): unknown {
  let patch: unknown
  try {
    patch = parseJson(text)
    // Each level takes a character at least: short texts need no looking at.
    if (text.length > maxDepth) checkDepth(patch)
  } catch (cause) {
    const problem = jsonSyntaxProblem(text) ?? (cause instanceof Error ? cause.message : String(cause))
    throw errors.badRequest(kind === 'strategic' ? problem : `error decoding patch: ${problem}`, cause)
  }
  return kind === 'json' ? patch : mapOf(kind, patch)
}

/** Patches other than JSON patches are objects; Go reads null as one that has nothing, which merge patches may not be. */
function mapOf(kind: PatchKind, patch: unknown): unknown {
  if (patch === null && kind === 'strategic') return {}
  if (patch === null) throw errors.badRequest('Invalid JSON Patch')
  if (typeof patch === 'object' && !Array.isArray(patch)) return patch
  const what = Array.isArray(patch) ? 'array' : typeof patch === 'boolean' ? 'bool' : typeof patch === 'bigint' ? 'number' : typeof patch
  const problem = `json: cannot unmarshal ${what} into Go value of type map[string]interface {}`
  throw errors.badRequest(kind === 'strategic' ? problem : `error decoding patch: ${problem}`)
}

/** Upstream shows a strategic merge patch as Go prints it, and of the others the object that came out. */
function refusal(kind: PatchKind, patch: unknown, result: JsonObject, cause: StatusError): StatusError {
  const decoding = cause.cause
  const problem = kind === 'strategic' && decoding instanceof SchemaDecodeError ? conversionProblem(decoding) : cause.message.replace(/^.* cannot be handled as a [^:]*: /, '')
  return invalidPatch(kind, patch, result, problem)
}

function invalidPatch(kind: PatchKind, patch: unknown, result: JsonObject, problem: string): StatusError {
  const shown = kind === 'strategic' ? goPrint(patch) : JSON.stringify(Object.fromEntries(Object.keys(result).sort().map((key) => [key, result[key]])))
  return errors.invalid({ group: '', kind: '' }, '', [fieldErrorCause(fieldErrors.invalid('patch', shown, problem))])
}

/** A strategic merge patch cannot change what an object is: the fields are set anew. Others make one of another kind, which is decoded as such. */
function checkKind(kind: PatchKind, patch: unknown, result: JsonObject, expected: BodyKind, isCustom: boolean): void {
  const apiVersion = apiVersionOf(expected)
  if (result.kind === expected.kind && result.apiVersion === apiVersion) return
  const given = { kind: typeof result.kind === 'string' ? result.kind : '', apiVersion: typeof result.apiVersion === 'string' ? result.apiVersion : '' }
  if (!isCustom && kind !== 'strategic') {
    const problem = kindProblem(given, expected)
    if (problem !== undefined && problem !== 'other version') throw invalidPatch(kind, patch, result, problem)
  }
  if (isCustom) {
    const { name } = (result.metadata ?? {}) as { name?: string }
    const causes = [...(given.kind === expected.kind ? [] : [fieldErrors.invalid('kind', given.kind, `must be ${expected.kind}`)]), ...(given.apiVersion === apiVersion ? [] : [fieldErrors.invalid('apiVersion', given.apiVersion, `must be ${apiVersion}`)])]
    throw errors.invalid({ group: given.apiVersion.includes('/') ? given.apiVersion.replace(/\/.*/, '') : '', kind: given.kind }, name ?? '', causes.map(fieldErrorCause))
  }
  result.kind = expected.kind
  result.apiVersion = apiVersion
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
