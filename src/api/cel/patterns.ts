import { createRequire } from 'node:module'
import type { RE2JS } from 're2js'

/**
 * Regular expressions as Go's regexp takes them (RE2 syntax), matched in linear time: patterns are users' input. Compiled ones are
 * kept, a bounded number of them.
 */
const load = createRequire(import.meta.url)
let engine: typeof import('re2js') | undefined
const kept = new Map<string, RE2JS>()
const keptAtMost = 2000

/** Throws an Error whose message is Go's: `error parsing regexp: missing closing ): `…``. */
export function compilePattern(text: string): RE2JS {
  const known = kept.get(text)
  if (known !== undefined) return known
  let made: RE2JS
  try {
    // Large, and not used by every server: loaded with the first pattern.
    engine ??= load('re2js') as typeof import('re2js')
    made = engine.RE2JS.compile(text)
  } catch (cause) {
    throw new Error(patternProblem(cause), { cause })
  }
  if (kept.size >= keptAtMost) kept.delete(kept.keys().next().value!)
  kept.set(text, made)
  return made
}

function patternProblem(cause: unknown): string {
  const { message, error, input } = cause as { message?: string; error?: string; input?: string | null }
  if (error !== undefined) return `error parsing regexp: ${error}${input === null || input === undefined || input === '' ? '' : `: \`${input}\``}`
  return (message ?? String(cause)).startsWith('error parsing regexp') ? message! : `error parsing regexp: ${message ?? String(cause)}`
}

/** Whether any part of a text matches. */
export function matches(pattern: string, text: string): boolean {
  return compilePattern(pattern).matcher(text).find()
}

/** The parts that match, leftmost first, at most `limit` where it is not negative. */
export function findAll(pattern: string, text: string, limit = -1): string[] {
  const matcher = compilePattern(pattern).matcher(text)
  const out: string[] = []
  while ((limit < 0 || out.length < limit) && matcher.find()) out.push(matcher.group() ?? '')
  return out
}
