import { setOwn } from '../json-value.ts'
import { formOf, type ApplyType } from './apply-type.ts'
import { isZero, mapOf, nullFields } from './compare.ts'

/** A copy of a built-in object as Go's reflection shows it: nothing that `omitempty` leaves out, null for what Go holds as such. */
export function structuredCopy(type: ApplyType, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    const item = type.list?.item
    return value.map((each) => (item === undefined ? each : structuredCopy(item, each)))
  }
  const shape = formOf(type, value) === 'map' ? type.map : undefined
  if (shape === undefined) return value
  const out: Record<string, unknown> = {}
  for (const [name, inner] of Object.entries(mapOf(value)!)) {
    const field = shape.fields.get(name)
    if (inner === undefined || (field?.omitsZero === true && isZero(inner))) continue
    const of = field?.type ?? shape.other
    setOwn(out, name, of === undefined ? inner : structuredCopy(of, inner))
  }
  for (const name of nullFields(shape)) out[name] ??= null
  return out
}
