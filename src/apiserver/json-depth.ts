import { maxDepth } from '../machinery/schema-decode.ts'

/** Throws for a value nested deeper than any object may be, before code that follows it down runs out of stack. */
export function checkDepth(value: unknown, depth = 0): void {
  if (typeof value !== 'object' || value === null) return
  if (depth > maxDepth) throw new SyntaxError('exceeded max depth')
  for (const key in value) checkDepth((value as Record<string, unknown>)[key], depth + 1)
}
