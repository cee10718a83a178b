import { goQuoted } from './go-json.ts'
import type { StatusCause } from './status.ts'

/**
 * One thing wrong with an object: apimachinery's `field.Error`. `path` is written as Kubernetes writes it:
 * `spec.template.spec.containers[0].name`, `metadata.labels[app]`.
 */
export interface FieldError { type: FieldErrorType; path: string; badValue?: unknown; detail: string; origin?: string }

export type FieldErrorType = 'required' | 'invalid' | 'duplicate' | 'notSupported' | 'forbidden' | 'tooLong' | 'tooShort' | 'tooMany' | 'tooFew' | 'notFound' | 'internal' | 'typeInvalid'

const words: Record<FieldErrorType, { reason: string; text: string; showsValue: boolean }> = {
  required: { reason: 'FieldValueRequired', text: 'Required value', showsValue: false },
  invalid: { reason: 'FieldValueInvalid', text: 'Invalid value', showsValue: true },
  duplicate: { reason: 'FieldValueDuplicate', text: 'Duplicate value', showsValue: true },
  notSupported: { reason: 'FieldValueNotSupported', text: 'Unsupported value', showsValue: true },
  forbidden: { reason: 'FieldValueForbidden', text: 'Forbidden', showsValue: false },
  tooLong: { reason: 'FieldValueTooLong', text: 'Too long', showsValue: false },
  tooShort: { reason: 'FieldValueTooShort', text: 'Too short', showsValue: false },
  tooFew: { reason: 'FieldValueTooFew', text: 'Too few', showsValue: true },
  tooMany: { reason: 'FieldValueTooMany', text: 'Too many', showsValue: true },
  notFound: { reason: 'FieldValueNotFound', text: 'Not found', showsValue: true },
  internal: { reason: 'InternalError', text: 'Internal error', showsValue: false },
  typeInvalid: { reason: 'FieldValueTypeInvalid', text: 'Invalid value', showsValue: true },
}

/** Stands for a value that is not shown: too long, or secret. */
export const omittedValue: unique symbol = Symbol('omitted')

/** JSON as Go's `encoding/json` writes it: some characters stand escaped. */
export function goJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent).replace(/[<>&\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function valueText(value: unknown): string {
  if (typeof value === 'string') return goQuoted(value)
  if (value === undefined || value === null) return 'null'
  return typeof value === 'object' ? goJson(value) : String(value)
}

/** `Invalid value: "x": must be …`, as upstream's `ErrorBody`. */
export function fieldErrorText(error: FieldError): string {
  const { text, showsValue } = words[error.type]
  // Values of enumerations have a type of their own in Go, and are shown as JSON.
  const value = error.type === 'notSupported' && typeof error.badValue === 'string' ? goJson(error.badValue) : undefined
  const head = showsValue && error.badValue !== omittedValue ? `${text}: ${value ?? valueText(error.badValue)}` : text
  return error.detail === '' ? head : `${head}: ${error.detail}`
}

export function fieldErrorCause(error: FieldError): StatusCause {
  return { reason: words[error.type].reason, message: fieldErrorText(error), field: error.path === '' ? '<nil>' : error.path }
}

export const fieldErrors = {
  required: (path: string, detail = ''): FieldError => ({ type: 'required', path, detail }),
  invalid: (path: string, badValue: unknown, detail: string): FieldError => ({ type: 'invalid', path, badValue, detail }),
  duplicate: (path: string, badValue: unknown): FieldError => ({ type: 'duplicate', path, badValue, detail: '' }),
  /** `supported values: "A", "B"`, sorted by the caller as upstream does for that field. */
  notSupported: (path: string, badValue: unknown, supported: readonly string[]): FieldError =>
    ({ type: 'notSupported', path, badValue, detail: supported.length === 0 ? '' : `supported values: ${supported.map(goQuoted).join(', ')}` }),
  forbidden: (path: string, detail: string): FieldError => ({ type: 'forbidden', path, detail }),
  tooLong: (path: string, maxLength: number): FieldError => ({ type: 'tooLong', path, detail: maxLength < 0 ? 'value is too long' : `may not be more than ${maxLength} ${maxLength === 1 ? 'byte' : 'bytes'}` }),
  tooMany: (path: string, actual: number, max: number): FieldError => ({ type: 'tooMany', path, badValue: actual, detail: `must have at most ${max} ${max === 1 ? 'item' : 'items'}` }),
  notFound: (path: string, badValue: unknown): FieldError => ({ type: 'notFound', path, badValue, detail: '' }),
  internal: (path: string, detail: string): FieldError => ({ type: 'internal', path, detail }),
} as const
