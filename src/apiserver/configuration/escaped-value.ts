import { unescapedName } from '../../api/cel/schema-type.ts'
import { isMap, type CelMap, type Value } from '../../api/cel/values.ts'

/**
 * Data to expressions of authentication, as upstream's `oidc` authenticator shows it: every number is a double, and names that are no identifiers
 * may be escaped at every depth (`claims.kubernetes__dot__io` as well as `claims["kubernetes.io"]`). Of the variable itself (`isVariable`) only names
 * that can be unescaped are found.
 */
export function escapedValue(value: unknown, isVariable = true): Value {
  if (typeof value !== 'object' || value === null) return value as Value
  if (Array.isArray(value)) return value.map((item) => escapedValue(item, false))
  return isMap(value) ? value as Value : new EscapedMap(value as Record<string, unknown>, isVariable)
}

class EscapedMap implements CelMap {
  readonly isCelMap = true
  readonly typeName = 'map'
  readonly #data: Readonly<Record<string, unknown>>
  readonly #isVariable: boolean

  constructor(data: Readonly<Record<string, unknown>>, isVariable: boolean) {
    this.#data = data
    this.#isVariable = isVariable
  }

  get size(): number {
    return Object.keys(this.#data).length
  }

  #nameOf(key: Value): string | undefined {
    if (typeof key !== 'string') return undefined
    const name = unescapedName(key) ?? (this.#isVariable ? undefined : key)
    return name !== undefined && Object.hasOwn(this.#data, name) && this.#data[name] !== undefined ? name : undefined
  }

  get(key: Value): Value | undefined {
    const name = this.#nameOf(key)
    return name === undefined ? undefined : escapedValue(this.#data[name], false)
  }

  has(key: Value): boolean {
    return this.#nameOf(key) !== undefined
  }

  keys(): Iterable<Value> {
    return Object.keys(this.#data)
  }
}
