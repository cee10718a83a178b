/**
 * Texts of field sets, put together piece by piece and remembered: objects made one after the other mostly own the same fields, and
 * for these the very same string comes out, without a character being written. A shape is what has been put together so far; from it
 * lead ways to the shapes with one more piece:
 *
 *     (start) --image--> "f:image":{} --name--> "f:image":{},"f:name":{} --ports,"…"--> …
 */
export interface Shape {
  readonly before: Shape | undefined
  readonly label: string
  readonly inner: string
  whole: string | undefined
  /** Where the walk went from here last time. */
  last: Shape | undefined
  /** All ways from here, by label and what the piece holds; undefined while there is one at most. */
  ways: Map<string, Map<string, Shape>> | undefined
}

const maxShapes = 5000

export class TextShapes {
  readonly #openingOf: (label: string) => string
  readonly #opening: string
  #start: Shape
  #count = 0

  /** `openingOf` gives what stands before the content of a piece; `self` is set where the struct, map or list itself is owned too. */
  constructor(openingOf: (label: string) => string, self: boolean) {
    this.#openingOf = openingOf
    this.#opening = self ? '".":{},' : ''
    this.#start = makeShape(undefined, '', '')
  }

  start(): Shape {
    // Labels come from clients: what has grown too much is begun anew.
    if (this.#count > maxShapes) {
      this.#start = makeShape(undefined, '', '')
      this.#count = 0
    }
    return this.#start
  }

  /** The shape with one more piece, which holds `inner` between its braces. */
  with(shape: Shape, label: string, inner: string): Shape {
    const { last } = shape
    if (last !== undefined && last.label === label && last.inner === inner) return last
    return (shape.last = this.#way(shape, label, inner))
  }

  /** The text of all pieces; '' without any. */
  text(shape: Shape): string {
    return (shape.whole ??= this.#join(shape))
  }

  #way(shape: Shape, label: string, inner: string): Shape {
    const ways = (shape.ways ??= waysWith(shape.last))
    let byInner = ways.get(label)
    if (byInner === undefined) ways.set(label, (byInner = new Map()))
    let next = byInner.get(inner)
    if (next === undefined) {
      byInner.set(inner, (next = makeShape(shape, label, inner)))
      this.#count++
    }
    return next
  }

  #join(shape: Shape): string {
    const pieces: string[] = []
    for (let at = shape; at.before !== undefined; at = at.before) pieces.push(`${this.#openingOf(at.label)}${at.inner}}`)
    return pieces.length === 0 ? '' : `${this.#opening}${pieces.reverse().join(',')}`
  }
}

function makeShape(before: Shape | undefined, label: string, inner: string): Shape {
  return { before, label, inner, whole: undefined, last: undefined, ways: undefined }
}

function waysWith(only: Shape | undefined): Map<string, Map<string, Shape>> {
  return new Map(only === undefined ? [] : [[only.label, new Map([[only.inner, only]])]])
}
