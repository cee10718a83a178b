import type { ListShape } from './apply-type.ts'
import { keyElement, valueElement, type PathElement } from './path-element.ts'

/** A list whose items cannot be told apart, or a value that its type does not allow. */
export class ItemError extends Error {}

/** The element by which an item of a list of type map or set goes. Throws ItemError for one that has none. */
export function itemElement(list: ListShape, item: unknown): PathElement {
  if (list.atomic) throw new ItemError('invalid indexing of non-associative list')
  return list.keys.length > 0 ? keyedElement(list, item) : setElement(item)
}

function keyedElement(list: ListShape, item: unknown): PathElement {
  if (item === null || item === undefined) throw new ItemError('associative list with keys may not have a null element')
  if (typeof item !== 'object' || Array.isArray(item)) throw new ItemError('associative list with keys may not have non-map elements')
  const present: Array<readonly [string, unknown]> = []
  for (const name of list.keys) {
    const value = Object.hasOwn(item, name) ? (item as Record<string, unknown>)[name] : undefined
    if (value !== undefined) {
      present.push([name, value])
      continue
    }
    const { map } = list.item
    if (map === undefined) throw new ItemError(`couldn't find default value for ${name}: associative list may not have non-map types`)
    const fallback = map.fields.get(name)?.default
    if (fallback !== undefined && fallback !== null) present.push([name, fallback])
  }
  if (present.length === 0) {
    throw new ItemError(`associative list with keys has an element that omits all key fields [${list.keys.map((key) => JSON.stringify(key)).join(' ')}] (and doesn't have default values for any key fields)`)
  }
  return keyElement(present)
}

function setElement(item: unknown): PathElement {
  if (Array.isArray(item)) throw new ItemError('not supported: associative list with lists as elements')
  if (item === null || item === undefined) throw new ItemError("associative list without keys has an element that's an explicit null")
  if (typeof item === 'object') throw new ItemError("associative list without keys has an element that's a map type")
  return valueElement(item)
}
