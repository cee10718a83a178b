import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { portNameErrors, portNumberErrors } from '../../machinery/names.ts'
import { negativeText } from './object-meta.ts'

/** Small checks that every kind's rules are made of. They add to `out`, so that valid objects cost no lists. */

export function addInvalid(out: FieldError[], path: string, value: unknown, messages: readonly string[]): void {
  for (const message of messages) out.push(fieldErrors.invalid(path, value, message))
}

/** Required when empty, refused when not among `supported`. */
export function checkOneOf(out: FieldError[], path: string, value: string | undefined, supported: readonly string[]): void {
  if (value === undefined || value === '') out.push(fieldErrors.required(path))
  else if (!supported.includes(value)) out.push(fieldErrors.notSupported(path, value, supported))
}

/** As `checkOneOf`, for fields that may be left out. */
export function checkOptionalOneOf(out: FieldError[], path: string, value: string | undefined, supported: readonly string[]): void {
  if (value !== undefined && !supported.includes(value)) out.push(fieldErrors.notSupported(path, value, supported))
}

export function checkNonNegative(out: FieldError[], path: string, value: number | undefined): void {
  if (value !== undefined && value < 0) out.push(fieldErrors.invalid(path, value, negativeText))
}

export function checkPortOrName(out: FieldError[], path: string, port: number | string | undefined): void {
  if (typeof port === 'string') addInvalid(out, path, port, portNameErrors(port))
  else addInvalid(out, path, port ?? 0, portNumberErrors(port ?? 0))
}

export const isEmpty = (value: string | undefined | null): value is '' | undefined | null => value === undefined || value === null || value === ''

/** A path below some directory: relative, and never up. */
export function checkLocalDescendingPath(out: FieldError[], path: string, value: string): void {
  if (value.startsWith('/')) out.push(fieldErrors.invalid(path, value, 'must be a relative path'))
  checkNoBacksteps(out, path, value)
}

export function checkNoBacksteps(out: FieldError[], path: string, value: string): void {
  if (value.split('/').includes('..')) out.push(fieldErrors.invalid(path, value, "must not contain '..'"))
}

/** Names that start with two dots are the kubelet's own in volumes it writes. */
export function checkLocalNonReservedPath(out: FieldError[], path: string, value: string): void {
  checkLocalDescendingPath(out, path, value)
  if (value.startsWith('..') && !value.startsWith('../')) out.push(fieldErrors.invalid(path, value, "must not start with '..'"))
}
