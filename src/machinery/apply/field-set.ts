import { isJsonObject } from '../json-value.ts'
import { FieldsError, compareElements, quotedElement, readElement, type PathElement } from './path-element.ts'

/**
 * A set of fields of an object, as FieldsV1 describes it (https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management):
 * a tree of path elements. `members` are the fields of this level that belong to the set; `children` hold what belongs to it
 * below them, whether they themselves do or not.
 *
 *     {"f:spec":{"f:replicas":{}}}                      members {}            children {f:spec: members {f:replicas}}
 *     {"f:labels":{".":{},"f:app":{}}}                  members {f:labels}    children {f:labels: members {f:app}}
 *
 * Sets are never changed once they are handed on; `insert` is for who builds one.
 */
export class FieldSet {
  readonly members = new Set<PathElement>()
  readonly children = new Map<PathElement, FieldSet>()

  static of(...paths: ReadonlyArray<readonly PathElement[]>): FieldSet {
    const set = new FieldSet()
    for (const path of paths) set.insert(path)
    return set
  }

  get isEmpty(): boolean {
    if (this.members.size > 0) return false
    for (const child of this.children.values()) if (!child.isEmpty) return false
    return true
  }

  /** Adds a field; those above it are not added. The empty path, the whole object, is nobody's. */
  insert(path: readonly PathElement[]): void {
    if (path.length === 0) return
    insertAt(this, path)
  }

  /** The set below `element`, made where there is none. */
  descend(element: PathElement): FieldSet {
    let child = this.children.get(element)
    if (child === undefined) this.children.set(element, (child = new FieldSet()))
    return child
  }

  has(path: readonly PathElement[]): boolean {
    return path.length > 0 && hasAt(this, path)
  }

  /** Calls `visit` with the path of each member: those of a level first, then those below them. The array is reused. */
  forEach(visit: (path: readonly PathElement[]) => void): void {
    walk(this, [], visit)
  }
}

function hasAt(set: FieldSet, path: readonly PathElement[]): boolean {
  let at: FieldSet | undefined = set
  const last = path.length - 1
  for (let i = 0; i < last && at !== undefined; i++) at = at.children.get(path[i]!)
  return at?.members.has(path[last]!) === true
}

function insertAt(set: FieldSet, path: readonly PathElement[]): void {
  let at = set
  for (let i = 0; i < path.length - 1; i++) at = at.descend(path[i]!)
  at.members.add(path[path.length - 1]!)
}

function walk(set: FieldSet, path: PathElement[], visit: (path: readonly PathElement[]) => void): void {
  for (const element of sorted(set.members)) {
    path.push(element)
    visit(path)
    path.pop()
  }
  for (const element of sorted(set.children.keys())) {
    path.push(element)
    walk(set.children.get(element)!, path, visit)
    path.pop()
  }
}

function sorted(elements: Iterable<PathElement>): PathElement[] {
  const list = [...elements]
  return list.length > 1 ? list.sort(compareElements) : list
}

/** What is in either; `a` itself where `b` adds nothing. */
export function union(a: FieldSet, b: FieldSet): FieldSet {
  if (a === b) return a
  if (a.members.size === 0 && a.children.size === 0) return b
  let out: FieldSet | undefined
  for (const element of b.members) if (!a.members.has(element)) (out ??= copyOf(a)).members.add(element)
  for (const [element, other] of b.children) {
    const child = a.children.get(element)
    const both = child === undefined ? other : union(child, other)
    if (both !== child) (out ??= copyOf(a)).children.set(element, both)
  }
  return out ?? a
}

export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  const out = new FieldSet()
  for (const element of b.members) if (a.members.has(element)) out.members.add(element)
  for (const [element, other] of b.children) {
    const child = a.children.get(element)
    if (child === undefined) continue
    const both = intersection(child, other)
    if (!both.isEmpty) out.children.set(element, both)
  }
  return out
}

/** What is in `a` and not in `b`, `a` itself where that is all of it; taking a field away takes nothing below it. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  return subtract(a, b, false)
}

/** What is in `a` and neither in `b` nor below a field of `b`. */
export function recursiveDifference(a: FieldSet, b: FieldSet): FieldSet {
  return subtract(a, b, true)
}

function subtract(a: FieldSet, b: FieldSet, deep: boolean): FieldSet {
  let out: FieldSet | undefined
  for (const element of b.members) {
    if (a.members.has(element)) (out ??= copyOf(a)).members.delete(element)
    if (deep && a.children.has(element)) (out ??= copyOf(a)).children.delete(element)
  }
  for (const [element, other] of b.children) {
    const child = (out ?? a).children.get(element)
    if (child === undefined) continue
    const rest = subtract(child, other, deep)
    if (rest === child) continue
    out ??= copyOf(a)
    if (rest.isEmpty) out.children.delete(element)
    else out.children.set(element, rest)
  }
  return out ?? a
}

function copyOf(set: FieldSet): FieldSet {
  const copy = new FieldSet()
  for (const element of set.members) copy.members.add(element)
  for (const [element, child] of set.children) copy.children.set(element, child)
  return copy
}

/** The set as the text of a FieldsV1 object. */
export function fieldsText(set: FieldSet): string {
  return `{${contentText(set, false)}}`
}

function contentText(set: FieldSet, isMember: boolean): string {
  let out = isMember ? '".":{}' : ''
  const { members, children } = set
  const elements = [...members]
  for (const element of children.keys()) if (!members.has(element)) elements.push(element)
  if (elements.length > 1) elements.sort(compareElements)
  for (const element of elements) {
    const child = children.get(element)
    const content = child === undefined ? '' : contentText(child, members.has(element) && !(child.members.size === 0 && child.children.size === 0))
    out += `${out === '' ? '' : ','}${quotedElement(element)}:{${content}}`
  }
  return out
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
    if (below.isMember) set.members.add(element)
    if (below.set !== undefined) set.children.set(element, below.set)
  }
  return { set, isMember: isMember || set === undefined }
}
