import { maxDepth } from '../machinery/schema-decode.ts'

/** An escape of one half of a surrogate pair, which may or may not have its other half beside it. */
const surrogateEscape = /\\u[dD][89a-fA-F]/

/** Parses JSON as Go does: lone halves of surrogate pairs become U+FFFD, since no store or wire takes them. Throws SyntaxError. */
export function parseJsonText(text: string): unknown {
  return surrogateEscape.test(text) ? JSON.parse(text, wellFormed) : JSON.parse(text)
}

/** Throws for a value nested deeper than any object may be, before code that follows it down runs out of stack. */
export function checkDepth(value: unknown, depth = 0): void {
  if (typeof value !== 'object' || value === null) return
  if (depth > maxDepth) throw new SyntaxError('exceeded max depth')
  for (const key in value) checkDepth((value as Record<string, unknown>)[key], depth + 1)
}

function wellFormed(_key: string, value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed()
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const keys = Object.keys(value)
  if (keys.every((key) => key.isWellFormed())) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key.toWellFormed(), item]))
}
