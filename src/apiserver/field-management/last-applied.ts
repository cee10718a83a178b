import { parseJson } from '../../machinery/json-numbers.ts'
import { compare } from '../../machinery/apply/compare.ts'
import { difference, type FieldSet } from '../../machinery/apply/field-set.ts'
import { fieldsOf } from '../../machinery/apply/fields-of.ts'
import type { ApplyVersion, FieldConflict } from '../../machinery/apply/updater.ts'
import { typeProblems } from '../../machinery/apply/validate.ts'
import { isJsonObject, type JsonObject } from '../../machinery/json-value.ts'
import type { OpenObject } from '../../machinery/object.ts'
import { cloneJson } from '../clone.ts'

/**
 * What kubectl's client-side apply leaves behind, and how its server-side apply takes over from that: only for the manager
 * `kubectl`; who wants none of it names another (KEP-555, "Upgrading from client-side apply").
 */
const annotation = 'kubectl.kubernetes.io/last-applied-configuration'
export const upgradingManager = 'kubectl'
const annotationsLimitBytes = 256 * 1024

/** Conflicts but for those with fields that client-side apply had set, and that stand as it set them. */
export function conflictsBesideLastApplied(conflicts: readonly FieldConflict[], live: Readonly<OpenObject>, version: ApplyVersion): readonly FieldConflict[] {
  const owned = fieldsOfLastApplied(live, version)
  return owned === undefined ? conflicts : conflicts.filter(({ path }) => !owned.has(path))
}

function fieldsOfLastApplied(live: Readonly<OpenObject>, version: ApplyVersion): FieldSet | undefined {
  const text = live.metadata.annotations?.[annotation] ?? ''
  if (text === '') return undefined
  let applied: unknown
  try {
    applied = parseJson(text)
  } catch (error) {
    // Whoever wrote it: an annotation that says nothing allows nothing.
    if (error instanceof SyntaxError) return undefined
    throw error
  }
  if (!isJsonObject(applied) || applied.apiVersion !== version.apiVersion || typeProblems(version.type, applied) !== undefined) return undefined
  const { modified, added, removed } = compare(version.type, applied, live, false)
  return difference(difference(difference(fieldsOf(version.type, applied), modified), added), removed)
}

/** Brings the annotation, where there is one, in line with what was applied. */
export function syncLastApplied(object: OpenObject, applied: Readonly<JsonObject>): void {
  const { annotations } = object.metadata
  if ((annotations?.[annotation] ?? '') === '') return
  const copy = cloneJson(applied) as JsonObject & { metadata?: { annotations?: Record<string, string> } }
  delete copy.metadata?.annotations?.[annotation]
  annotations![annotation] = `${sortedText(copy)}\n`
  const sizeBytes = Object.entries(annotations!).reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0)
  if (sizeBytes > annotationsLimitBytes) delete annotations![annotation]
}

/** JSON with keys in order, as Go writes maps. */
function sortedText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sortedText).join(',')}]`
  if (isJsonObject(value)) return `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${sortedText(value[key])}`).join(',')}}`
  return JSON.stringify(value ?? null)
}
