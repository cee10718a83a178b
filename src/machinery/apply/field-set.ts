import type { ApplyType } from './apply-type.ts'
import type { OwnedFields } from './owned-fields.ts'
import { compareElements, type PathElement } from './path-element.ts'

const noMembers: ReadonlySet<PathElement> = new Set()
const noChildren: ReadonlyMap<PathElement, FieldSet> = new Map()

/**
 * A set of fields of an object, as FieldsV1 describes it (https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management):
 * a tree of path elements. `members` are the fields of this level that belong to the set; `children` hold what belongs to it
 * below them, whether they themselves do or not.
 *
 *     {"f:spec":{"f:replicas":{}}}                      members {}            children {f:spec: members {f:replicas}}
 *     {"f:labels":{".":{},"f:app":{}}}                  members {f:labels}    children {f:labels: members {f:app}}
 *
 * Sets are never changed once they are handed on, but that parts of them give way to equal ones (`fieldsText`); what changes a set is
 * for who builds one.
 */
export class FieldSet {
  /** Made when there is something in them: most sets have but one of the two, and every object has sets. */
  #members: Set<PathElement> | undefined
  #children: Map<PathElement, FieldSet> | undefined
  /** See `fieldsText`. */
  content: string | undefined
  /** The type that the set is known to fit (see `reconciled`). */
  fits: ApplyType | undefined
  /** What has been made of the set, or the set of. */
  owned: OwnedFields | undefined

  static of(...paths: ReadonlyArray<readonly PathElement[]>): FieldSet {
    const set = new FieldSet()
    for (const path of paths) set.insert(path)
    return set
  }

  get members(): ReadonlySet<PathElement> {
    return this.#members ?? noMembers
  }

  get children(): ReadonlyMap<PathElement, FieldSet> {
    return this.#children ?? noChildren
  }

  get isEmpty(): boolean {
    if (this.members.size > 0) return false
    for (const child of this.children.values()) if (!child.isEmpty) return false
    return true
  }

  addMember(element: PathElement): void {
    (this.#members ??= new Set()).add(element)
  }

  deleteMember(element: PathElement): void {
    this.#members?.delete(element)
  }

  setChild(element: PathElement, child: FieldSet): void {
    (this.#children ??= new Map()).set(element, child)
  }

  deleteChild(element: PathElement): void {
    this.#children?.delete(element)
  }

  /** Adds a field; those above it are not added. The empty path, the whole object, is nobody's. */
  insert(path: readonly PathElement[]): void {
    if (path.length > 0) insertAt(this, path)
  }

  /** The set below `element`, made where there is none. */
  descend(element: PathElement): FieldSet {
    let child = this.#children?.get(element)
    if (child === undefined) this.setChild(element, (child = new FieldSet()))
    return child
  }

  has(path: readonly PathElement[]): boolean {
    return path.length > 0 && hasAt(this, path)
  }

  /** Calls `visit` with the path of each member: those of a level first, then those below them. The array is reused. */
  forEach(visit: (path: readonly PathElement[]) => void): void {
    walk(this, [], visit)
  }

  /** A set of its own, with the same sets below. */
  copy(): FieldSet {
    const copy = new FieldSet()
    if (this.#members !== undefined && this.#members.size > 0) copy.#members = new Set(this.#members)
    if (this.#children !== undefined && this.#children.size > 0) copy.#children = new Map(this.#children)
    return copy
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
  at.addMember(path[path.length - 1]!)
}

/** Adds paths to a set in the order of a walk: where one goes the way of the one before it, that way is not looked for anew. */
export class PathInserter {
  readonly set = new FieldSet()
  readonly #way: PathElement[] = []
  readonly #levels: FieldSet[] = []
  #depth = 0

  insert(path: readonly PathElement[]): void {
    const last = path.length - 1
    if (last < 0) return
    let at = 0
    while (at < last && at < this.#depth && this.#way[at] === path[at]) at++
    let level = at === 0 ? this.set : this.#levels[at - 1]!
    for (; at < last; at++) {
      level = level.descend(path[at]!)
      this.#way[at] = path[at]!
      this.#levels[at] = level
    }
    this.#depth = last
    level.addMember(path[last]!)
  }
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
  for (const element of b.members) if (!a.members.has(element)) (out ??= a.copy()).addMember(element)
  for (const [element, other] of b.children) {
    const child = a.children.get(element)
    const both = child === undefined ? other : union(child, other)
    if (both !== child) (out ??= a.copy()).setChild(element, both)
  }
  return out ?? a
}

/** Nothing. */
export const noFields = new FieldSet()

export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  if (a === b) return a
  let out: FieldSet | undefined
  for (const element of b.members) if (a.members.has(element)) (out ??= new FieldSet()).addMember(element)
  for (const [element, other] of b.children) {
    const child = a.children.get(element)
    if (child === undefined) continue
    const both = intersection(child, other)
    if (!both.isEmpty) (out ??= new FieldSet()).setChild(element, both)
  }
  return out ?? noFields
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
  if (a === b) return noFields
  let out: FieldSet | undefined
  for (const element of b.members) {
    if (a.members.has(element)) (out ??= a.copy()).deleteMember(element)
    if (deep && a.children.has(element)) (out ??= a.copy()).deleteChild(element)
  }
  for (const [element, other] of b.children) {
    const child = (out ?? a).children.get(element)
    if (child === undefined) continue
    const rest = subtract(child, other, deep)
    if (rest === child) continue
    out ??= a.copy()
    if (rest.isEmpty) out.deleteChild(element)
    else out.setChild(element, rest)
  }
  return out ?? a
}
