/** Field selectors: `status.phase=Running,metadata.name!=x`. Grammar and texts follow apimachinery's `pkg/fields`. */

export interface FieldTerm { readonly field: string; readonly operator: '=' | '!='; readonly value: string }
/** All terms must hold; none is everything. */
export interface FieldSelector { readonly terms: readonly FieldTerm[] }

/** Splits at commas that no backslash escapes. */
function splitTerms(text: string): string[] {
  const terms: string[] = []
  let start = 0
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === ',') {
      terms.push(text.slice(start, i))
      start = i + 1
    }
  }
  return [...terms, text.slice(start)]
}

function unescapeValue(text: string): string {
  let out = ''
  for (let i = 0; i < text.length; i++) {
    const ch = text[i] as string
    if (ch === '\\') {
      const next = text[++i]
      if (next !== '\\' && next !== ',' && next !== '=') throw new Error(`invalid field selector: invalid escape sequence: \\${next ?? ''}`)
      out += next
    } else if (ch === ',' || ch === '=') {
      throw new Error(`invalid field selector: unescaped character in value: ${ch.charCodeAt(0)}`)
    } else {
      out += ch
    }
  }
  return out
}

export function escapeFieldValue(value: string): string {
  return value.replace(/[\\,=]/g, '\\$&')
}

/** Throws an `Error` with upstream's text; at the API it is a bad request. */
export function parseFieldSelector(text: string): FieldSelector {
  const terms: FieldTerm[] = []
  for (const part of splitTerms(text).sort()) {
    if (part === '') continue
    const found = /!=|==|=/.exec(part)
    if (found === null) throw new Error(`invalid selector: '${text}'; can't understand '${part}'`)
    const value = unescapeValue(part.slice(found.index + found[0].length))
    // Nothing of nothing is everything.
    if (found.index > 0 || value !== '') terms.push({ field: part.slice(0, found.index), operator: found[0] === '!=' ? '!=' : '=', value })
  }
  return { terms }
}

/** `valueOf` gives the value of a field, '' where it isn't set. */
export function matchesFields(selector: FieldSelector, valueOf: (field: string) => string): boolean {
  return selector.terms.every(({ field, operator, value }) => (valueOf(field) === value) === (operator === '='))
}

export function fieldSelectorText(selector: FieldSelector): string {
  return selector.terms.map(({ field, operator, value }) => `${field}${operator}${escapeFieldValue(value)}`).join(',')
}

/** The one value a field must have, if the selector demands one. */
export function exactFieldMatch(selector: FieldSelector, field: string): string | undefined {
  return selector.terms.find((term) => term.field === field && term.operator === '=')?.value
}
