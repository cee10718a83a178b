import { BOOL, BYTES, DOUBLE, DURATION, DYN, INT, listOf, mapOf, namedType, NULL, optionalOf, param, STRING, TIMESTAMP, typeOf, UINT, type CelType } from './types.ts'
import { Duration, isList, isMap, Optional, Timestamp, TypeValue, typeNameOf, Uint, type Value } from './values.ts'

/** One signature of a function, and what it does. The first argument of a method is what it is called on. */
export interface Overload {
  /** `_+_(string,string)`: the signature, which is told apart by. */
  id: string
  isMethod: boolean
  args: readonly CelType[]
  result: CelType
  call(...args: Value[]): Value
}

/** Functions by name. */
export type Library = ReadonlyMap<string, readonly Overload[]>

/** A function as written down: signature, then what it does. */
export type Definition = readonly [signature: string, call: (...args: never[]) => Value]

const named: Readonly<Record<string, CelType>> = {
  bool: BOOL, int: INT, uint: UINT, double: DOUBLE, string: STRING, bytes: BYTES, null: NULL, dyn: DYN, timestamp: TIMESTAMP, duration: DURATION,
  Quantity: namedType('kubernetes.Quantity'), URL: namedType('kubernetes.URL'), IP: namedType('net.IP'), CIDR: namedType('net.CIDR'), Semver: namedType('kubernetes.Semver'), Format: namedType('kubernetes.NamedFormat'),
  Authorizer: namedType('kubernetes.authorization.Authorizer'), PathCheck: namedType('kubernetes.authorization.PathCheck'), GroupCheck: namedType('kubernetes.authorization.GroupCheck'),
  ResourceCheck: namedType('kubernetes.authorization.ResourceCheck'), Decision: namedType('kubernetes.authorization.Decision'),
}

/** The types that libraries add. */
export const libraryTypes = named

/** Reads signatures: `list<T>.indexOf(T): int`, `quantity(string): Quantity`. Single capitals are type parameters. */
class SignatureReader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  type(): CelType {
    const name = /^\w+/.exec(this.#text.slice(this.#at))![0]
    this.#at += name.length
    const params: CelType[] = []
    if (this.#text[this.#at] === '<') {
      do {
        this.#at += 1
        params.push(this.type())
      } while (this.#text[this.#at] === ',')
      this.#at += 1
    }
    if (name === 'list') return listOf(params[0]!)
    if (name === 'map') return mapOf(params[0]!, params[1]!)
    if (name === 'optional') return optionalOf(params[0]!)
    if (name === 'type') return typeOf(params[0]!)
    return named[name] ?? param(name)
  }

  types(until: string): CelType[] {
    const out: CelType[] = []
    while (this.#text[this.#at] !== until) {
      out.push(this.type())
      if (this.#text[this.#at] === ',') this.#at += 1
    }
    this.#at += 1
    return out
  }

  skip(count: number): void {
    this.#at += count
  }
}

/** `namespaced` functions are those whose name holds dots, which signatures of methods have too: they are given by name. */
function readSignature(signature: string, namespaces: ReadonlySet<string>): { name: string; isMethod: boolean; args: CelType[]; result: CelType } {
  const text = signature.replaceAll(' ', '')
  const open = text.indexOf('(')
  const head = text.slice(0, open)
  const dot = head.lastIndexOf('.')
  const isMethod = dot > 0 && !namespaces.has(head.slice(0, dot))
  const reader = new SignatureReader(text)
  const target = isMethod ? [reader.type()] : []
  const name = isMethod ? head.slice(dot + 1) : head
  reader.skip(isMethod ? name.length + 2 : name.length + 1)
  const args = [...target, ...reader.types(')')]
  reader.skip(1)
  return { name, isMethod, args, result: reader.type() }
}

const namespaces: ReadonlySet<string> = new Set(['optional', 'lists', 'sets', 'ip', 'format', 'jsonpatch', 'strings', 'cel', 'math', 'base64'])

export function libraryOf(...definitions: readonly (readonly Definition[])[]): Library {
  const out = new Map<string, Overload[]>()
  for (const [signature, call] of definitions.flat()) {
    const { name, isMethod, args, result } = readSignature(signature, namespaces)
    const overload: Overload = { id: signature.replaceAll(' ', '').replace(/:[^:]*$/, ''), isMethod, args, result, call: call as Overload['call'] }
    out.set(name, [...(out.get(name) ?? []), overload])
  }
  return out
}

/** Whether a value may be passed where this type is declared. What lists and maps hold is not looked at. */
export function fits(value: Value, { kind, name }: CelType): boolean {
  switch (kind) {
    case 'bool': return typeof value === 'boolean'
    case 'int': return typeof value === 'bigint'
    case 'uint': return value instanceof Uint
    case 'double': return typeof value === 'number'
    case 'string': return typeof value === 'string'
    case 'bytes': return value instanceof Uint8Array
    case 'null': return value === null
    case 'timestamp': return value instanceof Timestamp
    case 'duration': return value instanceof Duration
    case 'list': return isList(value)
    case 'map': return isMap(value)
    case 'type': return value instanceof TypeValue
    case 'opaque': return value instanceof Optional
    case 'object': return typeNameOf(value) === name
    default: return true
  }
}
