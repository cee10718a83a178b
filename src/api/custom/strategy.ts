import { fieldErrors, fieldErrorText, type FieldError } from '../../machinery/field-error.ts'
import { isJsonObject, jsonEqual } from '../../machinery/json-value.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { Strategy } from '../resource.ts'
import { subdomainName, validateObjectMeta, validateObjectMetaUpdate } from '../validation/object-meta.ts'
import type { SchemaNode } from './schema.ts'
import { validateEmbedded, validateListTypes, validateUpdatedValue, validateUpdatedValueAt, validateValue } from './validate.ts'

/** Checks the CEL rules of a schema; `old` undefined for a new object. What is not held against an unchanged value is `tolerated`. */
export type RuleCheck = (object: Readonly<OpenObject>, old: Readonly<OpenObject> | undefined, tolerated?: (error: FieldError) => void) => FieldError[]

export interface CustomStrategyParts {
  namespaced: boolean
  schema(): SchemaNode
  /** Undefined where the schema has no rules. */
  rules: RuleCheck | undefined
  hasStatus: boolean
  /** Of the scale subresource: `.spec.replicas`, `.status.replicas`, `.status.labelSelector`. */
  scale: { specReplicasPath: string; statusReplicasPath: string; labelSelectorPath?: string } | undefined
}

/** Errors that make further checks of the same object pointless (upstream: `hasBlockingErr`). */
const blocking: ReadonlySet<FieldError['type']> = new Set(['required', 'tooLong', 'tooMany', 'typeInvalid', 'notSupported'])
const uncheckedText = 'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation'

function changedBeside(object: Readonly<OpenObject>, old: Readonly<OpenObject>, ignored: ReadonlySet<string>): boolean {
  const fields = new Set([...Object.keys(object), ...Object.keys(old)])
  return [...fields].some((field) => !ignored.has(field) && !jsonEqual(object[field], old[field]))
}

function copyField(object: OpenObject, old: Readonly<OpenObject>, field: string): void {
  if (Object.hasOwn(old, field)) object[field] = old[field]
  else delete object[field]
}

const standardFinalizers: ReadonlySet<string> = new Set(['orphan', 'foregroundDeletion', 'kubernetes'])

/** Finalizers that are new and could be anybody's, as their names say no domain (upstream: `validateKubeFinalizerName`). */
function finalizerWarnings(finalizers: readonly string[] | undefined, before: readonly string[] = []): string[] {
  if (finalizers === undefined || finalizers.length === 0) return []
  const added = [...new Set(finalizers)].filter((name) => !before.includes(name) && !name.includes('/') && !standardFinalizers.has(name)).sort()
  return added.map((name) => `metadata.finalizers: ${JSON.stringify(name)}: prefer a domain-qualified finalizer name${name.includes('.') ? ' including a path (/)' : ''} to avoid accidental conflicts with other finalizer writers`)
}

/** How objects of a definition are written: the main resource (`main`) and through `/status`. */
export function customStrategies(parts: CustomStrategyParts): { main: Strategy; status: Strategy } {
  const { namespaced, hasStatus } = parts
  const unversioned = new Set(hasStatus ? ['metadata', 'apiVersion', 'kind', 'status'] : ['metadata', 'apiVersion', 'kind'])
  const checkAll = (object: Readonly<OpenObject>, old: Readonly<OpenObject> | undefined): FieldError[] => {
    const schema = parts.schema()
    const values = old === undefined ? validateValue(schema, object) : validateUpdatedValue(schema, object, old)
    return checkRules(object, old, [...values, ...checkScale(parts.scale, object), ...validateEmbedded(schema, object), ...checkLists(object, old)])
  }
  /** Through `/status` only the status is held against its schema, which counts as one of its own: texts name fields from there. */
  const checkStatus = (object: Readonly<OpenObject>, old: Readonly<OpenObject>): FieldError[] => {
    const schema = parts.schema().properties.get('status')
    const out = schema === undefined || object.status === undefined ? [] : validateUpdatedValueAt('status', schema, object.status, old.status)
    return checkRules(object, old, [...out, ...checkScale(parts.scale && { ...parts.scale, specReplicasPath: undefined }, object), ...checkLists(object, old)])
  }
  /** An object whose lists broke the rules before may go on so. */
  const checkLists = (object: Readonly<OpenObject>, old: Readonly<OpenObject> | undefined): FieldError[] => {
    const schema = parts.schema()
    const problems = validateListTypes(schema, object)
    return problems.length > 0 && old !== undefined && validateListTypes(schema, old).length > 0 ? [] : problems
  }
  const checkRules = (object: Readonly<OpenObject>, old: Readonly<OpenObject> | undefined, out: FieldError[]): FieldError[] => {
    if (parts.rules === undefined) return out
    if (out.some((error) => blocking.has(error.type))) return [...out, fieldErrors.invalid('', undefined, uncheckedText)]
    const warnings: string[] = []
    const errors = parts.rules(object, old, (error) => warnings.push(`${error.path === '' ? '<nil>' : error.path}: ${fieldErrorText(error)}`))
    if (warnings.length > 0) tolerated.set(object, warnings)
    return [...out, ...errors]
  }
  /** What was wrong with objects as they were before, and is let pass: their writers are warned. */
  const tolerated = new WeakMap<Readonly<OpenObject>, string[]>()
  const toleratedIn = (object: Readonly<OpenObject>): string[] => tolerated.get(object) ?? []
  const warnings = (object: Readonly<OpenObject>, old: Readonly<OpenObject> | undefined): string[] => [...finalizerWarnings(object.metadata.finalizers, old?.metadata.finalizers), ...toleratedIn(object)]
  return {
    main: {
      prepareForCreate(object) {
        if (hasStatus) delete object.status
        object.metadata.generation = 1
      },
      prepareForUpdate(object, old) {
        if (hasStatus) copyField(object, old, 'status')
        if (changedBeside(object, old, unversioned)) object.metadata.generation = (old.metadata.generation ?? 0) + 1
      },
      validate: (object) => [...validateObjectMeta(object.metadata, namespaced, subdomainName), ...checkAll(object, undefined)],
      validateUpdate: (object, old) => [...validateObjectMetaUpdate(object.metadata, old.metadata), ...checkAll(object, old)],
      warnings,
      allowUnconditionalUpdate: false,
      defaultPropagation: 'Background',
    },
    status: {
      // Only status and managedFields are taken from what was sent, as upstream does for custom resources.
      prepareForUpdate(object, old) {
        const { managedFields, resourceVersion } = object.metadata
        for (const field of new Set([...Object.keys(object), ...Object.keys(old)])) {
          if (field !== 'status' && field !== 'metadata') copyField(object, old, field)
        }
        const { managedFields: _replaced, ...kept } = old.metadata
        object.metadata = { ...structuredClone(kept), ...(resourceVersion === undefined ? {} : { resourceVersion }), ...(managedFields === undefined ? {} : { managedFields }) }
      },
      validateUpdate: (object, old) => [...validateObjectMetaUpdate(object.metadata, old.metadata), ...checkStatus(object, old)],
      warnings: toleratedIn,
      allowUnconditionalUpdate: false,
    },
  }
}

/** The value at a simple path (`.spec.replicas`). */
export function atPath(object: unknown, path: string): unknown {
  let value: unknown = object
  for (const name of path.split('.').filter((part) => part !== '')) {
    if (!isJsonObject(value) || !Object.hasOwn(value, name)) return undefined
    value = value[name]
  }
  return value
}

/** Sets the value at a simple path, making the objects on the way. */
export function setAtPath(object: Record<string, unknown>, path: string, value: unknown): void {
  const names = path.split('.').filter((part) => part !== '')
  let at = object
  for (const name of names.slice(0, -1)) {
    if (!Object.hasOwn(at, name) || !isJsonObject(at[name])) at[name] = {}
    at = at[name] as Record<string, unknown>
  }
  at[names.at(-1)!] = value
}

const maxInt32 = 2_147_483_647

type ScalePaths = NonNullable<CustomStrategyParts['scale']>

function checkScale(scale: Omit<ScalePaths, 'specReplicasPath'> & { specReplicasPath: string | undefined } | undefined, object: Readonly<OpenObject>): FieldError[] {
  if (scale === undefined) return []
  const out: FieldError[] = []
  for (const path of [scale.specReplicasPath, scale.statusReplicasPath]) {
    if (path === undefined) continue
    const { value, problem } = nestedAt(object, path, 'int64')
    // Upstream's paths begin with the dot that the definition has.
    if (problem !== undefined) out.push(fieldErrors.invalid(path, 0, problem))
    else if (value !== undefined && (value as number) < 0) out.push(fieldErrors.invalid(path, value, 'should be a non-negative integer'))
    else if (value !== undefined && (value as number) > maxInt32) out.push(fieldErrors.invalid(path, value, `should be less than or equal to ${maxInt32}`))
  }
  if (scale.labelSelectorPath !== undefined) {
    const { problem } = nestedAt(object, scale.labelSelectorPath, 'string')
    if (problem !== undefined) out.push(fieldErrors.invalid(scale.labelSelectorPath, '', problem))
  }
  return out
}

/** A value at a simple path, or what is in its way: `NestedInt64` and its kin of apimachinery. */
function nestedAt(object: unknown, path: string, wanted: 'int64' | 'string'): { value?: unknown; problem?: string } {
  const names = path.split('.').filter((part) => part !== '')
  let value: unknown = object
  const refuse = (depth: number, type: string): { problem: string } => ({ problem: `.${names.slice(0, depth).join('.')} accessor error: ${goValue(value)} is of the type ${goTypeOf(value)}, expected ${type}` })
  for (const [i, name] of names.entries()) {
    if (!isJsonObject(value)) return value === null ? {} : refuse(i + 1, 'map[string]interface{}')
    if (!Object.hasOwn(value, name)) return {}
    value = value[name]
  }
  return goTypeOf(value) === wanted ? { value } : refuse(names.length, wanted)
}

/** How Go prints a value of plain JSON, and its type. */
function goValue(value: unknown): string {
  if (value === null) return '<nil>'
  if (Array.isArray(value)) return `[${value.map(goValue).join(' ')}]`
  if (isJsonObject(value)) return `map[${Object.keys(value).toSorted().map((name) => `${name}:${goValue(value[name])}`).join(' ')}]`
  return String(value)
}

function goTypeOf(value: unknown): string {
  if (value === null) return '<nil>'
  if (Array.isArray(value)) return '[]interface {}'
  switch (typeof value) {
    case 'string': return 'string'
    case 'boolean': return 'bool'
    case 'bigint': return 'int64'
    case 'number': return Number.isSafeInteger(value) ? 'int64' : 'float64'
    default: return 'map[string]interface {}'
  }
}
