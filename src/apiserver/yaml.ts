import { LineCounter, isMap, isScalar, isSeq, parseDocument, stringify, type Node } from 'yaml'
import { errors } from '../machinery/status.ts'

/** Aliases may not blow a small text up to more than this many nodes each. */
const maxAliasCount = 100

// Kubernetes reads YAML 1.1's booleans and octal numbers as Go's library does: those of 1.2 plus `yes`/`no` left as text.
// Keys are compared by `yamlDuplicates`: the library's own way takes time by the square of their number.
const reading = { version: '1.2', schema: 'core', uniqueKeys: false, prettyErrors: false, merge: true } as const

export interface ParsedYaml {
  /** As JSON data. */
  value: unknown
  /** Each key that a map has twice, as goyaml says it: `line 3: key "a" already set in map`; at most 100. */
  duplicates(): string[]
}

const maxDuplicates = 100

/** The one YAML document of a body. Keys must be text; throws 400. */
export function readYaml(text: string): ParsedYaml {
  try {
    const lines = new LineCounter()
    const document = parseDocument(text, { ...reading, lineCounter: lines })
    const [problem] = document.errors
    if (problem !== undefined) throw problem
    return { value: document.toJS({ maxAliasCount }) as unknown, duplicates: () => duplicateKeys(document.contents, lines) }
  } catch (cause) {
    throw errors.badRequest(`error converting YAML to JSON: yaml: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
  }
}

export function parseYaml(text: string): unknown {
  return readYaml(text).value
}

function duplicateKeys(root: Node | null, lines: LineCounter): string[] {
  const found: string[] = []
  const visit = (node: Node | null): void => {
    if (isSeq(node)) for (const item of node.items) visit(item as Node)
    if (!isMap(node)) return
    const keys = new Set<unknown>()
    for (const { key, value } of node.items) {
      visit(value as Node | null)
      if (!isScalar(key)) continue
      if (keys.has(key.value) && found.length < maxDuplicates) found.push(`line ${lines.linePos(key.range![0]).line}: key ${JSON.stringify(key.value)} already set in map`)
      keys.add(key.value)
    }
  }
  visit(root)
  return found
}

export function yamlText(value: unknown): string {
  return stringify(value, { lineWidth: 0, aliasDuplicateObjects: false, version: '1.1' })
}
