import { setOwn } from '../json-value.ts'
import { formOf, sameForm, type ApplyType, type Form, type ListShape, type MapShape } from './apply-type.ts'
import { isEmpty, mapOf } from './compare.ts'
import { itemElement } from './list-items.ts'
import type { PathElement } from './path-element.ts'

/**
 * The live object with the applied one laid over it: leaves of the applied one win, nothing is taken away, and lists are in the
 * applied one's order where that says something. Shares what it leaves alone with both. Undefined where nothing is left.
 */
export function merge(type: ApplyType, live: unknown, applied: unknown): unknown {
  if (applied === undefined) return visit(formOf(type, live), type, live, applied)
  if (live !== undefined && !sameForm(type, live, applied)) return visit(formOf(type, applied), type, live, applied)
  return visit(formOf(type, applied), type, live, applied)
}

function visit(form: Form, type: ApplyType, live: unknown, applied: unknown): unknown {
  switch (form) {
    case 'scalar': return applied === undefined ? live : applied
    case 'map': return mergeMaps(type.map!, live, applied)
    case 'list': return mergeLists(type.list!, live, applied)
  }
}

function mergeMaps(shape: MapShape, live: unknown, applied: unknown): unknown {
  const lefts = mapOf(live)
  const rights = mapOf(applied)
  if (shape.atomic || (isEmpty(lefts) && isEmpty(rights))) return applied === undefined ? live : applied
  const out: Record<string, unknown> = {}
  const take = (name: string): void => {
    const type = shape.fields.get(name)?.type ?? shape.other
    if (type === undefined) return
    const value = merge(type, ownValue(lefts, name), ownValue(rights, name))
    if (value !== undefined) setOwn(out, name, value)
  }
  if (lefts !== undefined) for (const name of Object.keys(lefts)) take(name)
  if (rights !== undefined) for (const name of Object.keys(rights)) if (lefts === undefined || !Object.hasOwn(lefts, name)) take(name)
  return isEmpty(out) ? undefined : out
}

function ownValue(map: Readonly<Record<string, unknown>> | undefined, name: string): unknown {
  return map !== undefined && Object.hasOwn(map, name) ? map[name] : undefined
}

function mergeLists(shape: ListShape, live: unknown, applied: unknown): unknown {
  const lefts = Array.isArray(live) ? (live as unknown[]) : []
  const rights = Array.isArray(applied) ? (applied as unknown[]) : []
  if (shape.atomic || (lefts.length === 0 && rights.length === 0)) return applied === undefined ? live : applied
  const out = mergeItems(shape, lefts, rights)
  return out.length === 0 ? undefined : out
}

/** Items by their elements; of several with one element nothing is known but that they are there. */
function indexed(shape: ListShape, items: readonly unknown[]): { elements: PathElement[]; values: Map<PathElement, unknown> } {
  const elements = items.map((item) => itemElement(shape, item))
  const values = new Map<PathElement, unknown>()
  for (const [i, element] of elements.entries()) values.set(element, values.has(element) ? null : items[i])
  return { elements, values }
}

/**
 * Items in the order of the applied list, with the live ones that it doesn't name kept where they stood among those it does:
 *
 *     live a b c d, applied d b x  ->  a c d b x
 */
function mergeItems(shape: ListShape, lefts: readonly unknown[], rights: readonly unknown[]): unknown[] {
  const left = indexed(shape, lefts)
  const right = indexed(shape, rights)
  const out: unknown[] = []
  const push = (live: unknown, applied: unknown): void => {
    const value = merge(shape.item, live, applied)
    if (value !== undefined) out.push(value)
  }
  const shared = right.elements.filter((element) => left.values.has(element))
  let next = shared.shift()
  const merged = new Set<PathElement>()
  let l = 0
  let r = 0
  while (l < lefts.length || r < rights.length) {
    const leftElement = left.elements[l]
    const rightElement = right.elements[r]
    if (leftElement !== undefined && rightElement !== undefined) {
      if (leftElement === rightElement) {
        merged.add(leftElement)
        push(left.values.get(leftElement), right.values.get(leftElement))
        l++
        r++
        next = shared.shift()
        continue
      }
      if (right.values.has(leftElement) && next !== undefined && next !== leftElement) {
        l++
        continue
      }
    }
    if (leftElement !== undefined) {
      if (!right.values.has(leftElement)) {
        push(lefts[l], undefined)
        l++
        continue
      }
      if (merged.has(leftElement)) l++
    }
    if (rightElement !== undefined) {
      merged.add(rightElement)
      push(left.values.get(rightElement), right.values.get(rightElement))
      r++
      if (next === rightElement) next = shared.shift()
    }
  }
  return out
}
