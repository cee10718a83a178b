/**
 * Finds keys that a JSON text gives twice in one object, which `JSON.parse` cannot tell. Two steps, since nearly every
 * body has none: counting keys is a leap from string to string; only if the count differs from what the parsed value
 * holds is the text walked with its paths.
 */

const quote = 34
const backslash = 92
const colon = 58

/** Index after the closing quote of the string that opens at `start`. */
function stringEnd(text: string, start: number): number {
  let end = text.indexOf('"', start + 1)
  while (end >= 0) {
    let before = end - 1
    while (text.charCodeAt(before) === backslash) before--
    if ((end - before) % 2 === 1) return end + 1
    end = text.indexOf('"', end + 1)
  }
  return text.length
}

function skipSpace(text: string, from: number): number {
  let at = from
  for (let code = text.charCodeAt(at); code === 32 || code === 10 || code === 13 || code === 9; code = text.charCodeAt(at)) at++
  return at
}

/** How many `"key":` a valid JSON text holds. */
export function countKeys(text: string): number {
  let count = 0
  let at = text.indexOf('"')
  while (at >= 0) {
    const end = stringEnd(text, at)
    if (text.charCodeAt(skipSpace(text, end)) === colon) count++
    at = text.indexOf('"', end)
  }
  return count
}

/**
 * Paths of duplicate keys in a valid JSON text, each once, at most 100: `spec.replicas`, `spec.containers[0].name`.
 * `keyCount` is the number of keys in the parsed value (see `decodeObject`).
 */
export function duplicateFields(text: string, keyCount: number): string[] {
  return countKeys(text) === keyCount ? [] : walk(text)
}

interface Level { keys: Set<string> | undefined; path: string; index: number }

function walk(text: string): string[] {
  const found = new Set<string>()
  const levels: Level[] = []
  let at = 0
  /** Path of the value that comes next. */
  let next = ''
  while (at < text.length && found.size < 100) {
    const code = text.charCodeAt(at)
    const level = levels.at(-1)
    if (code === quote) {
      const end = stringEnd(text, at)
      if (level?.keys !== undefined && text.charCodeAt(skipSpace(text, end)) === colon) {
        const key = JSON.parse(text.slice(at, end)) as string
        next = level.path === '' ? key : `${level.path}.${key}`
        if (level.keys.has(key)) found.add(next)
        level.keys.add(key)
      }
      at = end
      continue
    }
    if (code === 123) levels.push({ keys: new Set(), path: next, index: 0 })
    else if (code === 91) {
      levels.push({ keys: undefined, path: next, index: 0 })
      next = `${next}[0]`
    } else if (code === 125 || code === 93) levels.pop()
    else if (code === 44 && level !== undefined && level.keys === undefined) next = `${level.path}[${++level.index}]`
    at++
  }
  return [...found]
}
