/** A deep copy of JSON data, unfrozen; keeps the order of fields. Owners of fields, which are large and replaced whole, are shared where they are frozen. */
export function cloneJson<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(cloneJson) as T
  const copy: Record<string, unknown> = {}
  for (const key in value) {
    const inner: unknown = value[key]
    const copied = typeof inner === 'object' && inner !== null && !((key === 'managedFields' || key === 'fieldsV1') && Object.isFrozen(inner)) ? cloneJson(inner) : inner
    if (key === '__proto__') Object.defineProperty(copy, key, { value: copied, enumerable: true, configurable: true, writable: true })
    else copy[key] = copied
  }
  return copy as T
}
