import { FieldSet, fieldsText, readFields } from './field-set.ts'

/**
 * What a manager owns, as FieldsV1: the set, its text, and the object that clients are shown. Made from the text that is stored or
 * from a set; what else is asked for is worked out then. A text worked out is not kept: few ask twice, and it is long.
 */
export class OwnedFields {
  readonly #text: string | undefined
  #object: Readonly<Record<string, unknown>> | undefined
  #set: FieldSet | undefined

  private constructor(text: string | undefined, set: FieldSet | undefined) {
    this.#text = text
    this.#set = set
  }

  static ofText(text: string): OwnedFields {
    return new OwnedFields(text, undefined)
  }

  /** The same for the same set. */
  static ofSet(set: FieldSet): OwnedFields {
    return (set.owned ??= new OwnedFields(undefined, set))
  }

  get text(): string {
    return this.#text ?? fieldsText(this.#set!)
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
    if (this.#set === undefined) {
      this.#set = readFields(this.object)
      this.#set.owned ??= this
    }
    return this.#set
  }

  /** Whether they are the very set, without working one out. */
  isSet(set: FieldSet): boolean {
    return this.#set === set
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
  fields = older.get(text) ?? OwnedFields.ofText(text)
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
