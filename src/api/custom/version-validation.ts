import { fieldErrors, type FieldError } from '../../machinery/field-error.ts'
import type { CustomResourceColumnDefinition, CustomResourceSubresources, JSONSchemaProps, SelectableField } from '../types/apiextensions.k8s.io_v1.ts'
import { findFieldPath } from './field-path.ts'

/** What apiextensions checks of the parts of a version that are beside its schema. */
const columnTypes = ['boolean', 'date', 'integer', 'number', 'string']
const columnFormats = ['byte', 'date', 'date-time', 'double', 'float', 'int32', 'int64', 'password']
const maxSelectable = 8

/** Warnings about versions that are to go: short, and fit to be shown. */
export function deprecationWarningProblems(isDeprecated: boolean, warning: string): string[] {
  if (!isDeprecated) return ['can only be set for deprecated versions']
  const out: string[] = []
  if (Buffer.byteLength(warning) > 256) out.push('must be <= 256 characters long')
  if (warning === '') out.push('must not be an empty string')
  const odd = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.exec(warning)
  if (odd !== null) out.push(`must only contain printable UTF-8 characters; non-printable character found at index ${Buffer.byteLength(warning.slice(0, odd.index))}`)
  return out
}

function isSimplePath(out: FieldError[], path: string, value: string): boolean {
  if (value.startsWith('.')) return true
  out.push(fieldErrors.invalid(path, value, 'must be a simple json path starting with .'))
  return false
}

export function validateSubresources(subresources: Readonly<CustomResourceSubresources> | undefined, path: string): FieldError[] {
  const { scale } = subresources ?? {}
  if (scale === undefined) return []
  const out: FieldError[] = []
  const check = (field: 'specReplicasPath' | 'statusReplicasPath' | 'labelSelectorPath', roots: readonly string[], where: string): void => {
    const at = `${path}.scale.${field}`
    const value = scale[field] ?? ''
    if (value === '') {
      if (field !== 'labelSelectorPath') out.push(fieldErrors.required(at))
    } else if (isSimplePath(out, at, value) && !roots.some((root) => value.startsWith(root))) out.push(fieldErrors.invalid(at, value, `should be a json path under ${where}`))
  }
  check('specReplicasPath', ['.spec.'], '.spec')
  check('statusReplicasPath', ['.status.'], '.status')
  check('labelSelectorPath', ['.spec.', '.status.'], 'either .spec or .status')
  return out
}

export function validateColumns(columns: readonly Readonly<CustomResourceColumnDefinition>[], path: string): FieldError[] {
  const out: FieldError[] = []
  for (const [i, { name = '', type = '', format = '', jsonPath = '' }] of columns.entries()) {
    const at = `${path}[${i}]`
    if (name === '') out.push(fieldErrors.required(`${at}.name`))
    const known = `must be one of ${columnTypes.join(',')}`
    if (type === '') out.push(fieldErrors.required(`${at}.type`, known))
    else if (!columnTypes.includes(type)) out.push(fieldErrors.invalid(`${at}.type`, type, known))
    if (format !== '' && !columnFormats.includes(format)) out.push(fieldErrors.invalid(`${at}.format`, format, `must be one of ${columnFormats.join(',')}`))
    if (jsonPath === '') out.push(fieldErrors.required(`${at}.JSONPath`))
    else isSimplePath(out, `${at}.JSONPath`, jsonPath)
  }
  return out
}

/** `anyNumber`: there were too many before, and they stand unchanged. */
export function validateSelectableFields(fields: readonly Readonly<SelectableField>[], schema: Readonly<JSONSchemaProps>, path: string, anyNumber: boolean): FieldError[] {
  const out: FieldError[] = []
  const seen = new Set<string>()
  for (const [i, { jsonPath = '' }] of fields.entries()) {
    const at = `${path}[${i}].jsonPath`
    if (jsonPath === '') {
      out.push(fieldErrors.required(at))
      continue
    }
    const found = findFieldPath(jsonPath, schema, false)
    if (typeof found === 'string') {
      out.push(fieldErrors.invalid(at, jsonPath, `is an invalid path: ${found}`))
      continue
    }
    if (found.root === 'metadata') out.push(fieldErrors.invalid(at, jsonPath, 'must not point to fields in metadata'))
    if (!['string', 'boolean', 'integer'].includes(found.schema?.type ?? '')) out.push(fieldErrors.invalid(at, jsonPath, 'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.'))
    if (seen.has(found.path)) out.push(fieldErrors.duplicate(at, jsonPath))
    seen.add(found.path)
  }
  if (seen.size > maxSelectable && !anyNumber) out.push(fieldErrors.tooMany(path, seen.size, maxSelectable))
  return out
}
