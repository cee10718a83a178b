import type { OpenObject } from '../machinery/object.ts'

/**
 * Whether two objects differ in nothing but resourceVersion. Compared as data, whatever the order of fields: an update that
 * changes nothing must not be written, or it would wake whoever watches. Fields that are undefined are not there.
 */
export function sameState(a: Readonly<OpenObject>, b: Readonly<OpenObject>): boolean {
  for (const key in a) if (key !== 'metadata' && !sameData(a[key], b[key])) return false
  for (const key in b) if (a[key] === undefined && b[key] !== undefined) return false
  const { resourceVersion: _a, ...metadata } = a.metadata
  const { resourceVersion: _b, ...other } = b.metadata
  return sameData(metadata, other)
}

function sameData(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, at) => sameData(item, b[at]))
  if (Array.isArray(b)) return false
  const left = a as Record<string, unknown>
  const right = b as Record<string, unknown>
  for (const key in left) if (!sameData(left[key], Object.hasOwn(right, key) ? right[key] : undefined)) return false
  for (const key in right) if (right[key] !== undefined && !Object.hasOwn(left, key)) return false
  return true
}
