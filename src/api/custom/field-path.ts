import { isJsonObject } from '../../machinery/json-value.ts'
import type { JSONSchemaProps } from '../types/apiextensions.k8s.io_v1.ts'

type Schema = Readonly<JSONSchemaProps>

/** A path through a schema, as field errors write it, and the schema at its end. */
export interface FoundPath { path: string; root: string; schema: Schema | undefined }

/** Names, quoted names and the delimiters between them; a quoted name may hold delimiters. */
function tokensOf(jsonPath: string): string[] {
  return jsonPath.match(/'(?:[^'\\]|\\.)*'|[.[\]]|[^.[\]]+/g) ?? []
}

const escapes: Readonly<Record<string, string>> = { a: '\u0007', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v', "'": "'", '\\': '\\' }

/** A quoted name as it is meant; undefined where an escape is none of CEL's. */
function unescapedName(text: string): string | undefined {
  let isValid = true
  const out = text.replace(/\\(.)/gs, (_, char: string) => {
    if (!Object.hasOwn(escapes, char)) isValid = false
    return escapes[char] ?? ''
  })
  return isValid ? out : undefined
}

/**
 * Follows a path (`.spec.foo`, `.labels['app']`) through a schema, as upstream's CEL package does for selectable fields and
 * the fields that rules point to. Returns what is wrong with it where it leads nowhere.
 */
export function findFieldPath(jsonPath: string, schema: Schema, allowBrackets: boolean): FoundPath | string {
  const tokens = tokensOf(jsonPath)
  let at: Schema | undefined = schema
  let path = ''
  let root = ''
  const step = (name: string): boolean => {
    if (at === undefined) return false
    if (Object.keys(at.properties ?? {}).length > 0) {
      if (!Object.hasOwn(at.properties!, name)) return false
      path = path === '' ? name : `${path}.${name}`
      at = at.properties![name]
    } else {
      if (at.additionalProperties === undefined) return false
      path = `${path}[${name}]`
      at = isJsonObject(at.additionalProperties) ? (at.additionalProperties as JSONSchemaProps) : undefined
    }
    if (root === '') root = path
    return true
  }
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]!
    if (token !== '.' && token !== '[') return `expected [ or . but got: ${token}`
    if (token === '[' && !allowBrackets) return 'array notation is not allowed'
    const name = tokens[++i]
    if (name === undefined) return 'unexpected end of JSON path'
    if (token === '.') {
      if (!step(name)) return 'does not refer to a valid field'
      continue
    }
    if (name.length < 2 || !name.startsWith("'") || !name.endsWith("'")) return `expected single quoted string but got ${name}`
    const unescaped = unescapedName(name.slice(1, -1))
    if (unescaped === undefined) return 'invalid string literal: invalid escape char'
    if (!step(unescaped)) return 'does not refer to a valid field'
    const close = tokens[++i]
    if (close === undefined) return 'unexpected end of JSON path'
    if (close !== ']') return `expected ] but got ${close}`
  }
  return { path, root, schema: at }
}
