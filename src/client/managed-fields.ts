const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const colon = 0x3a

/** How objects begin, alone and as an event of a watch, the way Go and this server write them. */
const heads = /(^|\n)(?:\{"type":"[A-Z]+","object":)?\{"kind":"[^"\\\n]*","apiVersion":"[^"\\\n]*","metadata":\{/g
const key = 'managedFields'

/**
 * The JSON of an object, or of watch events one a line, without `metadata.managedFields`: these are up to half of what an object
 * is, each of their keys is a field to a parser, and hardly anybody who reads objects looks at them. Text of another form is given back as it is.
 */
export function withoutManagedFields(text: string): string {
  if (!text.includes(`"${key}":[`)) return text
  const kept: string[] = []
  let from = 0
  heads.lastIndex = 0
  for (let head = heads.exec(text); head !== null; head = heads.exec(text)) {
    const found = findOwners(text, heads.lastIndex)
    if (found === undefined) continue
    kept.push(text.slice(from, found.start))
    from = found.end
    heads.lastIndex = found.end
  }
  return kept.length === 0 ? text : kept.join('') + text.slice(from)
}

/** Where the list stands in the metadata that begins at `at`, with the comma before or after it. */
function findOwners(text: string, at: number): { start: number; end: number } | undefined {
  let depth = 0
  for (let i = at; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit === quote) {
      const end = endOfString(text, i)
      if (depth === 0 && end === i + key.length + 1 && text.charCodeAt(end + 1) === colon && text.startsWith(key, i + 1)) {
        const after = endOfList(text, end + 2)
        if (after === undefined) return undefined
        return text.charCodeAt(i - 1) === comma ? { start: i - 1, end: after } : { start: i, end: text.charCodeAt(after) === comma ? after + 1 : after }
      }
      i = end
    } else if (unit === 0x7b || unit === 0x5b) depth++
    else if ((unit === 0x7d || unit === 0x5d) && --depth < 0) return undefined
  }
  return undefined
}

/** The index behind a list that begins at `at`; undefined where there is none. */
function endOfList(text: string, at: number): number | undefined {
  if (text[at] !== '[') return undefined
  let depth = 0
  for (let i = at; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit === quote) i = endOfString(text, i)
    else if (unit === 0x7b || unit === 0x5b) depth++
    else if ((unit === 0x7d || unit === 0x5d) && --depth === 0) return i + 1
  }
  return undefined
}

/** The index of the quotation mark that ends the string which begins at `at`. */
function endOfString(text: string, at: number): number {
  for (let i = at + 1; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit === quote) return i
    if (unit === backslash) i++
  }
  return text.length
}
