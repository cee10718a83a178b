import { semanticEqual } from '../../machinery/equality.ts'
import { isJsonObject } from '../../machinery/json-value.ts'

const maxLines = 40

/** What differs between two values, a line each way and field, for messages about fields that may not change. */
export function specChanges(before: unknown, after: unknown): string {
  const lines: string[] = []
  collect('', before, after, lines)
  return lines.slice(0, maxLines).join('\n')
}

function collect(path: string, before: unknown, after: unknown, lines: string[]): void {
  if (lines.length >= maxLines || semanticEqual(before, after)) return
  if (isJsonObject(before) && isJsonObject(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) collect(path === '' ? key : `${path}.${key}`, before[key], after[key], lines)
  } else if (Array.isArray(before) && Array.isArray(after) && before.length === after.length) {
    for (const [i, item] of before.entries()) collect(`${path}[${i}]`, item, after[i], lines)
  } else {
    if (before !== undefined) lines.push(`- ${path}: ${JSON.stringify(before)}`)
    if (after !== undefined) lines.push(`+ ${path}: ${JSON.stringify(after)}`)
  }
}
