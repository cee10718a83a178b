import { FieldSet } from './field-set.ts'
import { fieldsText, flat, readFields, readFieldsText } from './fields-text.ts'

/**
 * What a manager owns, as FieldsV1: the text that is stored, and what is made of it when it is asked for. Every object has some of
 * these to itself, and most are never looked at again, so only the text is kept.
 */
export class OwnedFields {
  readonly text: string
  #object: Readonly<Record<string, unknown>> | undefined

  constructor(text: string) {
    this.text = text
  }

  /** The same for the same set. */
  static ofSet(set: FieldSet): OwnedFields {
    return (set.owned ??= new SetFields(flat(fieldsText(set))))
  }

  /** Frozen. */
  get object(): Readonly<Record<string, unknown>> {
    if (this.#object === undefined) {
      this.#object = freezeFields(JSON.parse(this.text) as Record<string, unknown>)
      ofObjects.set(this.#object, this)
    }
    return this.#object
  }

  /** Throws FieldsError. */
  get set(): FieldSet {
    return this.noted(readFields(JSON.parse(this.text)))
  }

  /** A set of these fields, which is known as such from now on. */
  protected noted(set: FieldSet): FieldSet {
    set.owned ??= this
    return set
  }
}

/** Written by us, and so read quickly. */
class SetFields extends OwnedFields {
  override get set(): FieldSet {
    return this.noted(readFieldsText(this.text))
  }
}

/** Shared by many objects, and so read once. */
class InternedFields extends OwnedFields {
  #set: FieldSet | undefined
  override get set(): FieldSet {
    return (this.#set ??= super.set)
  }
}

const ofObjects = new WeakMap<object, OwnedFields>()

function freezeFields<T extends object>(fields: T): T {
  for (const inner of Object.values(fields)) if (typeof inner === 'object' && inner !== null) freezeFields(inner as object)
  return Object.freeze(fields)
}

const maxTextsLength = 512 << 10
const maxTextLength = 64 << 10
/** Objects of one kind mostly have the same fields: what came as text is kept once. */
let recent = new Map<string, OwnedFields>()
let older = new Map<string, OwnedFields>()
let recentLength = 0

/** The fields of a text that `fieldsText` (field-set.ts) has made, or a client; the same for the same text, as long as it is remembered. */
export function internedFields(text: string): OwnedFields {
  let fields = recent.get(text)
  if (fields !== undefined) return fields
  fields = older.get(text) ?? new InternedFields(text)
  if (text.length <= maxTextLength) {
    if (recentLength > maxTextsLength) {
      older = recent
      recent = new Map()
      recentLength = 0
    }
    recentLength += text.length
    recent.set(text, fields)
  }
  return fields
}

/** The text of a FieldsV1 object that this server has made; undefined for other values. */
export function textOfOwned(fields: object): string | undefined {
  return ofObjects.get(fields)?.text
}

/** The set that a FieldsV1 object describes. Throws FieldsError. */
export function setOfFields(fields: Readonly<Record<string, unknown>> | undefined): FieldSet {
  if (fields === undefined) return new FieldSet()
  // A body may hold anything here.
  if (typeof fields !== 'object' || fields === null) return readFields(fields)
  // What came in a body is looked up by its text, so that it need not be read again.
  return (ofObjects.get(fields) ?? internedFields(JSON.stringify(fields))).set
}
