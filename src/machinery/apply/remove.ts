import { setOwn } from '../json-value.ts'
import { formOf, type ApplyType } from './apply-type.ts'
import { isEmpty, mapOf } from './compare.ts'
import { FieldSet } from './field-set.ts'
import { itemElement } from './list-items.ts'
import { fieldElement } from './path-element.ts'

/** The value without the fields and items of a set. What is left without content goes as well: null. */
export function removeFields(type: ApplyType, value: unknown, fields: FieldSet): unknown {
  switch (formOf(type, value)) {
    case 'scalar': return value
    case 'list': {
      if (!Array.isArray(value) || value.length === 0 || type.list!.atomic) return null
      const items: unknown[] = []
      for (const item of value as unknown[]) {
        const element = itemElement(type.list!, item)
        if (fields.members.has(element)) continue
        const below = fields.children.get(element)
        items.push(below === undefined || below.isEmpty ? item : removeFields(type.list!.item, item, below))
      }
      return items.length > 0 ? items : null
    }
    case 'map': {
      const map = mapOf(value)
      if (map === undefined || isEmpty(map) || type.map!.atomic) return null
      const out: Record<string, unknown> = {}
      for (const name of Object.keys(map)) {
        const element = fieldElement(name)
        if (map[name] === undefined || fields.members.has(element)) continue
        const below = fields.children.get(element)
        const of = type.map!.fields.get(name)?.type ?? type.map!.other
        setOwn(out, name, below === undefined || below.isEmpty || of === undefined ? map[name] : removeFields(of, map[name], below))
      }
      return isEmpty(out) ? null : out
    }
  }
}

/** The set with the fields of structs added that lead to its members: `a.b` brings `a`, where `a` is a field and not a key of a map. */
export function withNamedFields(type: ApplyType | undefined, set: FieldSet): FieldSet {
  const out = new FieldSet()
  for (const element of set.members) out.addMember(element)
  for (const [element, child] of set.children) {
    let below: ApplyType | undefined
    if (element.startsWith('f:')) {
      const field = type?.map?.fields.get(element.slice(2))
      if (field !== undefined) out.addMember(element)
      below = field?.type ?? type?.map?.other
    } else if (element.startsWith('k:')) below = type?.list?.item
    out.setChild(element, withNamedFields(below, child))
  }
  return out
}

/**
 * The set as the type has it now: where a list, map or struct has become atomic since the set was written, its owner of fields
 * inside owns the whole. The same set where nothing has changed.
 */
export function reconciled(type: ApplyType, set: FieldSet): FieldSet {
  return reconcileLevel(type, set) ?? set
}

function reconcileLevel(type: ApplyType, set: FieldSet): FieldSet | undefined {
  if (set.fits === type) return undefined
  let changed: FieldSet | undefined
  for (const [element, child] of set.children) {
    const below = element.startsWith('f:') ? (type.map?.fields.get(element.slice(2))?.type ?? type.map?.other) : type.list?.item
    if (below === undefined || isDeduced(below)) continue
    const becameAtomic = below.map !== undefined ? below.map.atomic : below.scalar === undefined && below.list?.atomic === true
    const next = becameAtomic ? 'whole' : reconcileLevel(below, child)
    if (next === undefined) continue
    changed ??= set.copy()
    if (next === 'whole') {
      changed.deleteChild(element)
      changed.addMember(element)
    } else changed.setChild(element, next)
  }
  if (changed === undefined) set.fits = type
  return changed
}

function isDeduced(type: ApplyType): boolean {
  return type.map !== undefined && type.map.fields.size === 0 && type.map.other?.scalar === 'untyped'
}
