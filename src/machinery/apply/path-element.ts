import { parseJson } from '../json-numbers.ts'
import { isJsonObject } from '../json-value.ts'

/**
 * Path elements of structured merge, kept as the text that FieldsV1 has for them:
 *
 *     f:replicas                              a field of an object
 *     k:{"containerPort":80,"protocol":"TCP"} an item of a list of type map, by its keys in order of their names
 *     v:"example.com/finalizer"               an item of a list of type set
 *     i:3                                     an item by its position; never written, only read
 *
 * Equal elements have equal texts.
 */
export type PathElement = string

/** FieldsV1 that no reader of structured merge would take. */
export class FieldsError extends Error {}

const maxRemembered = 10_000

/** The function, with its answers remembered until they are too many. */
function remembering(make: (text: string) => string): (text: string) => string {
  const answers = new Map<string, string>()
  return (text) => {
    let answer = answers.get(text)
    if (answer === undefined) {
      if (answers.size >= maxRemembered) answers.clear()
      answers.set(text, (answer = make(text)))
    }
    return answer
  }
}

/** The element of a field by its name: the very same string each time, so that sets need not look into it. */
export const fieldElement: (name: string) => PathElement = remembering((name) => `f:${name}`)

/** The element as a key of FieldsV1. */
export const quotedElement: (element: PathElement) => string = remembering((element) => JSON.stringify(element))

const elementsOfQuoted = new Map<string, PathElement>()

/** The element that `quotedElement` has written. Remembered under a text of its own: `text` may be part of a longer one. */
export function elementOfQuoted(text: string): PathElement {
  let element = elementsOfQuoted.get(text)
  if (element === undefined) {
    if (elementsOfQuoted.size >= maxRemembered) elementsOfQuoted.clear()
    const read = JSON.parse(text) as PathElement
    element = read.startsWith('f:') ? fieldElement(read.slice(2)) : read
    elementsOfQuoted.set(quotedElement(element), element)
  }
  return element
}

export function valueElement(value: unknown): PathElement {
  return `v:${jsonText(value)}`
}

/** `keys` are the ones the item has, in order of their names. */
export function keyElement(keys: ReadonlyArray<readonly [name: string, value: unknown]>): PathElement {
  let text = 'k:{'
  for (const [name, value] of keys) text += `${text.length > 3 ? ',' : ''}${jsonText(name)}:${jsonText(value)}`
  return `${text}}`
}

/** Texts that JSON and Go write alike, as they are. */
const plain = /^[^"\\<>&\u0000-\u001f\u2028\u2029\ud800-\udfff]*$/

/** JSON as Go writes it: keys in order, and what HTML would mistake escaped. */
function jsonText(value: unknown): string {
  if (typeof value === 'string') return plain.test(value) ? `"${value}"` : escaped(JSON.stringify(value))
  if (Array.isArray(value)) return `[${value.map(jsonText).join(',')}]`
  if (isJsonObject(value)) return `{${Object.keys(value).sort().map((key) => `${escaped(JSON.stringify(key))}:${jsonText(value[key])}`).join(',')}}`
  return JSON.stringify(value ?? null)
}

const htmlish = /[<>&\u2028\u2029]/

function escaped(text: string): string {
  return htmlish.test(text) ? text.replace(/[<>&\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`) : text
}

const maxKnown = 10_000
const known = new Map<string, PathElement>()

/** Whether JSON has a text as it is, also where Go writes it, and where it stands in a text itself. */
export function isPlainText(text: string): boolean {
  return plain.test(text)
}

/** The element that a key of FieldsV1 stands for; undefined for kinds of elements that later versions may have. Throws FieldsError. */
export function readElement(text: string): PathElement | undefined {
  if (text.startsWith('f:')) return text
  const seen = known.get(text)
  if (seen !== undefined) return seen
  if (text.length < 2) throw new FieldsError('key must be 2 characters long:')
  if (text[1] !== ':') throw new FieldsError(`missing colon: ${text}`)
  const element = parsed(text)
  if (element === undefined) return undefined
  if (known.size >= maxKnown) known.clear()
  known.set(text, element)
  return element
}

function parsed(text: string): PathElement | undefined {
  switch (text[0]) {
    case 'v': return valueElement(contentIn(text))
    case 'k': {
      const keys = contentIn(text)
      if (!isJsonObject(keys)) throw new FieldsError(`keys of an item must be an object: ${text}`)
      return keyElement(Object.keys(keys).sort().map((name) => [name, keys[name]] as const))
    }
    case 'i': {
      if (!/^i:[+-]?\d+$/.test(text)) throw new FieldsError(`strconv.Atoi: parsing ${JSON.stringify(text.slice(2))}: invalid syntax`)
      return `i:${Number(text.slice(2))}`
    }
    default: return undefined
  }
}

function contentIn(text: string): unknown {
  try {
    return parseJson(text.slice(2))
  } catch (cause) {
    throw new FieldsError(`parsing key as path element: ${text}`, { cause })
  }
}

const kinds = 'fkvi'
const parsedKeys = new Map<PathElement, ReadonlyArray<readonly [string, unknown]> | unknown>()

function contentOf(element: PathElement): unknown {
  if (parsedKeys.has(element)) return parsedKeys.get(element)
  const value = parseJson(element.slice(2))
  const content = element[0] === 'k' ? Object.entries(value as Record<string, unknown>) : value
  if (parsedKeys.size >= maxKnown) parsedKeys.clear()
  parsedKeys.set(element, content)
  return content
}

/** The order in which FieldsV1 lists elements: fields, then keyed items, values and positions, each in their own order. */
export function compareElements(a: PathElement, b: PathElement): number {
  if (a === b) return 0
  if (a[0] !== b[0]) return kinds.indexOf(a[0]!) - kinds.indexOf(b[0]!)
  switch (a[0]) {
    case 'f': return a < b ? -1 : 1
    case 'k': return compareKeys(contentOf(a) as Array<[string, unknown]>, contentOf(b) as Array<[string, unknown]>)
    default: return compareValues(contentOf(a), contentOf(b))
  }
}

function compareKeys(a: ReadonlyArray<readonly [string, unknown]>, b: ReadonlyArray<readonly [string, unknown]>): number {
  for (let i = 0; ; i++) {
    const left = a[i]
    const right = b[i]
    if (left === undefined || right === undefined) return left === right ? 0 : left === undefined ? -1 : 1
    if (left[0] !== right[0]) return left[0] < right[0] ? -1 : 1
    const order = compareValues(left[1], right[1])
    if (order !== 0) return order
  }
}

const ranks: Record<string, number> = { number: 0, bigint: 0, string: 1, boolean: 2, list: 3, object: 4, null: 5 }

function rankOf(value: unknown): number {
  return ranks[value === null ? 'null' : Array.isArray(value) ? 'list' : typeof value] ?? 5
}

function compareValues(a: unknown, b: unknown): number {
  const rank = rankOf(a) - rankOf(b)
  if (rank !== 0) return rank
  if (typeof a === 'object' && a !== null) {
    const left = jsonText(a)
    const right = jsonText(b)
    return left === right ? 0 : left < right ? -1 : 1
  }
  const left = a as string | number | bigint | boolean
  const right = b as string | number | bigint | boolean
  return left === right ? 0 : left < right ? -1 : 1
}

/** As error messages name it: `.spec`, `[name="web"]`, `[="a"]`. */
export function elementText(element: PathElement): string {
  switch (element[0]) {
    case 'f': return `.${element.slice(2)}`
    case 'k': return `[${(contentOf(element) as Array<[string, unknown]>).map(([name, value]) => `${name}=${plainText(value)}`).join(',')}]`
    case 'v': return `[=${plainText(contentOf(element))}]`
    default: return `[${element.slice(2)}]`
  }
}

function plainText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(plainText).join(',')}]`
  if (isJsonObject(value)) return Object.entries(value).map(([key, inner]) => `${key}=${plainText(inner)}`).join('')
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}

/** A whole path as messages name it: `.spec.template.spec.containers[name="web"].image`. */
export function pathText(path: readonly PathElement[]): string {
  return path.map(elementText).join('')
}
