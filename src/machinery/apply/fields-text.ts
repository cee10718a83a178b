import { isJsonObject } from '../json-value.ts'
import { FieldSet } from './field-set.ts'
import { FieldsError, compareElements, elementOfQuoted, quotedElement, readElement, type PathElement } from './path-element.ts'

/** The set as the text of a FieldsV1 object. */
export function fieldsText(set: FieldSet): string {
  return `{${contentText(set)}}`
}

/** Longer ones are rarely found again: they say how one object differs from others. */
const maxSharedLength = 400
const maxShared = 2000
/** Short sets by their content. Nearly all that an object has are as those of another one, and are not kept twice. */
let shared = new Map<string, FieldSet>()
let sharedBefore = new Map<string, FieldSet>()

/** The set that stands for all of this content, if there is one. */
function knownSet(content: string): FieldSet | undefined {
  const known = shared.get(content)
  if (known !== undefined) return known
  const earlier = sharedBefore.get(content)
  return earlier === undefined ? undefined : share(earlier.content!, earlier)
}

function share(content: string, set: FieldSet): FieldSet {
  if (shared.size >= maxShared) {
    sharedBefore = shared
    shared = new Map()
  }
  set.content = flat(content)
  shared.set(set.content, set)
  return set
}

/** The text as one piece: of one put together of hundreds V8 keeps all of them, until somebody looks at a character. */
export function flat(text: string): string {
  return text.charCodeAt(0) < 0 ? '' : text
}

/** What stands between the braces of a set; those below it are shared by the way. */
function contentText(set: FieldSet): string {
  if (set.content !== undefined) return set.content
  const { members, children } = set
  let out = ''
  for (const element of elementsOf(members, children)) {
    const child = children.get(element)
    if (child === undefined) {
      out += `${out === '' ? '' : ','}${quotedElement(element)}:{}`
      continue
    }
    let content = contentText(child)
    if (child.content === undefined && content.length <= maxSharedLength) {
      const same = knownSet(content) ?? share(content, child)
      content = same.content!
      if (same !== child) set.setChild(element, same)
    }
    out += `${out === '' ? '' : ','}${quotedElement(element)}:{${content !== '' && members.has(element) ? '".":{},' : ''}${content}}`
  }
  return out
}

/** In order. */
function elementsOf(members: ReadonlySet<PathElement>, children: ReadonlyMap<PathElement, FieldSet>): Iterable<PathElement> {
  if (children.size === 0 && members.size <= 1) return members
  if (members.size === 0 && children.size === 1) return children.keys()
  const elements = [...members]
  for (const element of children.keys()) if (!members.has(element)) elements.push(element)
  for (let at = 1; at < elements.length; at++) if (compareElements(elements[at - 1]!, elements[at]!) > 0) return elements.sort(compareElements)
  return elements
}

/** Reads a FieldsV1 object. Throws FieldsError for one that is malformed; elements of unknown kinds are left out. */
export function readFields(fields: unknown): FieldSet {
  return readLevel(fields, 0).set ?? new FieldSet()
}

const maxDepth = 200

function readLevel(fields: unknown, depth: number): { set: FieldSet | undefined; isMember: boolean } {
  if (fields === null) return { set: undefined, isMember: true }
  if (!isJsonObject(fields)) throw new FieldsError('expect { or n')
  if (depth > maxDepth) throw new FieldsError('fields are nested too deeply')
  let set: FieldSet | undefined
  let isMember = false
  for (const key of Object.keys(fields)) {
    if (key === '.') {
      isMember = true
      continue
    }
    const element = readElement(key)
    if (element === undefined) continue
    const below = readLevel(fields[key], depth + 1)
    set ??= new FieldSet()
    if (below.isMember) set.addMember(element)
    if (below.set !== undefined) set.setChild(element, below.set)
  }
  return { set, isMember: isMember || set === undefined }
}

/** What `fieldsText` has written, which is quicker to read than any other: what is shared is found by its text, without being read. */
export function readFieldsText(text: string): FieldSet {
  return readContent(text.slice(1, -1))
}

const selfMember = '".":{}'

function readContent(content: string): FieldSet {
  const set = new FieldSet()
  for (let at = 0; at < content.length;) {
    const keyEnd = endOfString(content, at)
    const element = elementOfQuoted(content.slice(at, keyEnd + 1))
    const from = keyEnd + 3
    const end = endOfContent(content, from)
    const isMember = content.startsWith(selfMember, from)
    const below = content.slice(isMember ? Math.min(from + selfMember.length + 1, end) : from, end)
    if (isMember || below === '') set.addMember(element)
    if (below !== '') set.setChild(element, below.length > maxSharedLength ? readContent(below) : (knownSet(below) ?? readShared(below)))
    at = end + 2
  }
  return set
}

/** With a text of its own: a part of the whole would keep all of it. */
function readShared(content: string): FieldSet {
  const set = readContent(content)
  return share(contentText(set), set)
}

/** The index of the quotation mark that ends the string which begins at `at`. */
function endOfString(text: string, at: number): number {
  let end = text.indexOf('"', at + 1)
  while (text.charCodeAt(end - 1) === backslash && isEscaped(text, end)) end = text.indexOf('"', end + 1)
  return end
}

const [backslash, mark, opening, closing] = [0x5c, 0x22, 0x7b, 0x7d]

/** Whether an odd number of backslashes stands before `at`. */
function isEscaped(text: string, at: number): boolean {
  let before = at
  while (text.charCodeAt(before - 1) === backslash) before--
  return (at - before) % 2 === 1
}

/** The index of the brace that closes the object whose content begins at `from`. */
function endOfContent(text: string, from: number): number {
  let depth = 0
  for (let at = from; ; at++) {
    const unit = text.charCodeAt(at)
    if (unit === mark) at = endOfString(text, at)
    else if (unit === opening) depth++
    else if (unit === closing && --depth < 0) return at
  }
}
