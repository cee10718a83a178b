import { fieldNamed, type CelField, type CelType } from './types.ts'
import { isMap, parseLooseDuration, parseTimestamp, shapedList, type CelMap, type ListShape, type Value } from './values.ts'

/** Types of lists also say how the list compares. */
export interface ListType extends CelType { readonly shape?: ListShape }

/**
 * What JSON is to an expression, by its declared type: whole numbers are ints where doubles are not declared, texts of a time's
 * format are times. Objects are converted as far as they are looked at.
 */
export function fromJson(value: unknown, type?: CelType): Value {
  switch (typeof value) {
    case 'boolean': return value
    case 'bigint': return type?.kind === 'double' ? Number(value) : value
    case 'number': return type?.kind === 'double' ? value : Number.isInteger(value) ? BigInt(value) : value
    case 'string': return textValue(value, type)
    case 'object': break
    default: return null
  }
  if (value === null) return null
  if (Array.isArray(value)) return listValue(value, type)
  if (isMap(value) || Object.getPrototypeOf(value) !== Object.prototype) return value as Value
  return new JsonValue(value as Record<string, unknown>, type)
}

function textValue(text: string, type: CelType | undefined): Value {
  switch (type?.kind) {
    case 'timestamp': return parseTimestamp(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : text) ?? text
    case 'duration': return parseLooseDuration(text) ?? text
    case 'bytes': return new Uint8Array(Buffer.from(text, 'base64'))
    default: return text
  }
}

function listValue(items: readonly unknown[], type: CelType | undefined): readonly Value[] {
  const itemType = type?.kind === 'list' ? type.params[0] : undefined
  const out = items.map((item) => fromJson(item, itemType))
  const shape = (type as ListType | undefined)?.shape
  return shape === undefined ? out : shapedList(out, shape)
}

/** An object or a map in JSON. */
class JsonValue implements CelMap {
  readonly isCelMap = true
  readonly #raw: Readonly<Record<string, unknown>>
  readonly #type: CelType | undefined
  readonly #fields: ReadonlyMap<string, CelField> | undefined
  readonly #made = new Map<string, Value>()

  constructor(raw: Readonly<Record<string, unknown>>, type: CelType | undefined) {
    this.#raw = raw
    this.#type = type
    this.#fields = type?.kind === 'object' ? type.fields?.() : undefined
  }

  get typeName(): string {
    return this.#type?.kind === 'object' ? this.#type.name : 'map'
  }

  get size(): number {
    return Object.keys(this.#raw).length
  }

  get(key: Value): Value | undefined {
    if (typeof key !== 'string') return undefined
    const known = this.#made.get(key)
    if (known !== undefined) return known
    const field = fieldNamed(this.#fields, key)
    const name = field?.name ?? key
    if (!this.#isSet(name, field)) return undefined
    const value = fromJson(this.#raw[name], field?.type ?? (this.#type?.kind === 'map' ? this.#type.params[1] : undefined))
    this.#made.set(key, value)
    return value
  }

  has(key: Value): boolean {
    if (typeof key !== 'string') return false
    const field = fieldNamed(this.#fields, key)
    return this.#isSet(field?.name ?? key, field)
  }

  /** A declared field that is null counts as missing. */
  #isSet(name: string, field: CelField | undefined): boolean {
    if (!Object.hasOwn(this.#raw, name)) return false
    const value = this.#raw[name]
    return value !== undefined && (value !== null || field === undefined)
  }

  *keys(): Iterable<Value> {
    const names = this.#fields === undefined ? undefined : new Map([...this.#fields].map(([key, { name }]) => [name, key]))
    for (const name of Object.keys(this.#raw)) if (this.#raw[name] !== undefined) yield names?.get(name) ?? name
  }
}
