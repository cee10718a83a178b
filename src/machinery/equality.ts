/**
 * Semantic equality of objects (`apiequality.Semantic.DeepEqual`): a field that is missing, null or an empty list is
 * the same; order of map keys means nothing. Quantities are equal when their texts are, which are canonical in any
 * object that went through defaulting.
 */
export function semanticEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (isAbsent(a) || isAbsent(b)) return isAbsent(a) && isAbsent(b)
  if (typeof a !== 'object' || typeof b !== 'object') return false
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, i) => semanticEqual(item, b[i]))
  }
  const left = a as Record<string, unknown>
  const right = b as Record<string, unknown>
  for (const key of Object.keys(left)) if (!semanticEqual(left[key], ownValue(right, key))) return false
  for (const key of Object.keys(right)) if (!Object.hasOwn(left, key) && !isAbsent(right[key])) return false
  return true
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null || (Array.isArray(value) && value.length === 0)
}

function ownValue(object: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined
}
