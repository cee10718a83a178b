import { parseDocument, stringify } from 'yaml'
import { errors } from '../machinery/status.ts'

/** Aliases may not blow a small text up to more than this many nodes each. */
const maxAliasCount = 100

/** The one YAML document of a body, as JSON data. Keys must be text; throws 400. */
export function parseYaml(text: string): unknown {
  try {
    // Kubernetes reads YAML 1.1's booleans and octal numbers as Go's library does: those of 1.2 plus `yes`/`no` left as text.
    const document = parseDocument(text, { version: '1.2', schema: 'core', uniqueKeys: false, prettyErrors: false, merge: true })
    const [problem] = document.errors
    if (problem !== undefined) throw problem
    return document.toJS({ maxAliasCount }) as unknown
  } catch (cause) {
    throw errors.badRequest(`error converting YAML to JSON: yaml: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
  }
}

export function yamlText(value: unknown): string {
  return stringify(value, { lineWidth: 0, aliasDuplicateObjects: false, version: '1.1' })
}
