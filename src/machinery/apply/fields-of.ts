import { formOf, type ApplyType } from './apply-type.ts'
import { isEmpty, mapOf } from './compare.ts'
import { FieldSet } from './field-set.ts'
import { itemElement } from './list-items.ts'
import { fieldElement, type PathElement } from './path-element.ts'

/** Every leaf and item that an applied object names: what its applier will own. The object has passed `typeProblems`, but for duplicates. */
export function fieldsOf(type: ApplyType, value: unknown): FieldSet {
  const set = new FieldSet()
  collect(type, value, [], set)
  return set
}

function collect(type: ApplyType, value: unknown, path: PathElement[], set: FieldSet): void {
  switch (formOf(type, value)) {
    case 'scalar': {
      set.insert(path)
      return
    }
    case 'map': {
      if (type.map!.atomic) set.insert(path)
      else collectFields(type, value, path, set)
      return
    }
    case 'list': {
      if (type.list!.atomic) set.insert(path)
      else if (Array.isArray(value)) collectItems(type, value, path, set)
    }
  }
}

function collectFields(type: ApplyType, value: unknown, path: PathElement[], set: FieldSet): void {
  const map = mapOf(value)
  if (map === undefined) return
  const { fields, other } = type.map!
  for (const name of Object.keys(map)) {
    const inner = map[name]
    const known = fields.get(name)
    const of = known?.type ?? other
    if (inner === undefined || of === undefined) continue
    path.push(fieldElement(name))
    collect(of, inner, path, set)
    // Keys of maps belong to who sets them; so does what is empty.
    if (known === undefined || inner === null || (mapOf(inner) !== undefined && isEmpty(mapOf(inner)))) set.insert(path)
    path.pop()
  }
}

function collectItems(type: ApplyType, items: readonly unknown[], path: PathElement[], set: FieldSet): void {
  const elements = items.map((item) => itemElement(type.list!, item))
  const counts = new Map<PathElement, number>()
  for (const element of elements) counts.set(element, (counts.get(element) ?? 0) + 1)
  for (const [i, element] of elements.entries()) {
    path.push(element)
    // Items of one key are owned together, and nothing in them.
    if (counts.get(element) === 1) collect(type.list!.item, items[i], path, set)
    set.insert(path)
    path.pop()
  }
}
