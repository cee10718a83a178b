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
  if (countKeys(text) === keyCount) return []
  const found = new Set<string>()
  walk(text, new Set(), (path, isDuplicate) => {
    if (isDuplicate) found.add(path)
    return found.size < maxFound
  })
  return [...found]
}

/**
 * What strict decoding says of the fields of a valid JSON text, in the order in which a reader meets them, each once. Unknown
 * fields that are duplicates too are unknown only, and nobody looks into them, as in sigs.k8s.io/json.
 */
export function fieldProblems(text: string, unknownFields: readonly string[]): string[] {
  const unknown = new Set(unknownFields)
  const found = new Set<string>()
  walk(text, unknown, (path, isDuplicate) => {
    if (unknown.has(path)) found.add(`unknown field "${path}"`)
    else if (isDuplicate) found.add(`duplicate field "${path}"`)
    return found.size < maxFound
  })
  return [...found]
}

const maxFound = 100

interface Level { keys: Set<string> | undefined; path: string; index: number; silent: boolean }

/** Calls `visit` for every key with its path until it answers false; what is inside of `skipped` paths is passed over. */
function walk(text: string, skipped: ReadonlySet<string>, visit: (path: string, isDuplicate: boolean) => boolean): void {
  const levels: Level[] = []
  let at = 0
  /** Path of the value that comes next. */
  let next = ''
  let silent = false
  while (at < text.length) {
    const code = text.charCodeAt(at)
    const level = levels.at(-1)
    if (code === quote) {
      const end = stringEnd(text, at)
      if (level?.keys !== undefined && text.charCodeAt(skipSpace(text, end)) === colon) {
        const key = JSON.parse(text.slice(at, end)) as string
        next = level.path === '' ? key : `${level.path}.${key}`
        if (!level.silent && !visit(next, level.keys.has(key))) return
        silent = level.silent || skipped.has(next)
        level.keys.add(key)
      }
      at = end
      continue
    }
    if (code === 123) levels.push({ keys: new Set(), path: next, index: 0, silent })
    else if (code === 91) {
      levels.push({ keys: undefined, path: next, index: 0, silent })
      next = `${next}[0]`
    } else if (code === 125 || code === 93) levels.pop()
    else if (code === 44 && level !== undefined && level.keys === undefined) {
      next = `${level.path}[${++level.index}]`
      silent = level.silent
    }
    at++
  }
}
