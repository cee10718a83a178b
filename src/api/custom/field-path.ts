import { isJsonObject } from '../../machinery/json-value.ts'
import type { JSONSchemaProps } from '../types/apiextensions.k8s.io_v1.ts'

type Schema = Readonly<JSONSchemaProps>

/** A path through a schema, as field errors write it, and the schema at its end. */
export interface FoundPath { path: string; root: string; schema: Schema | undefined }

/** Names, quoted names and the delimiters between them; a quoted name may hold delimiters. */
function tokensOf(jsonPath: string): string[] {
  return jsonPath.match(/'(?:[^'\\]|\\.)*'|[.[\]]|[^.[\]]+/g) ?? []
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
    if (!step(name.slice(1, -1).replace(/\\(.)/g, '$1'))) return 'does not refer to a valid field'
    const close = tokens[++i]
    if (close === undefined) return 'unexpected end of JSON path'
    if (close !== ']') return `expected ] but got ${close}`
  }
  return { path, root, schema: at }
}
