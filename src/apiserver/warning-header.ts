/** Values of `Warning` headers (RFC 7234 5.5), as upstream's recorder writes them. */

const maxTotalRunes = 4 * 1024
const maxItemRunes = 256

/** One header's value, its text as UTF-8 in the bytes of a Latin-1 string, which is what Node's headers are; undefined where the text cannot be one. */
function headerOf(text: string): string | undefined {
  if (/\p{Cc}/u.test(text)) return undefined
  const quoted = text.replaceAll(/[\\"]/g, '\\$&')
  return `299 - "${/^[\x20-\x7e]*$/.test(quoted) ? quoted : Buffer.from(quoted, 'utf8').toString('latin1')}"`
}

/**
 * Each text once, in order. Texts with control characters are left out. Where all together are longer than 4096 characters, each is cut to 256, and
 * those that come when the bound is reached go.
 */
export function warningHeaders(warnings: readonly string[]): string[] {
  const texts = [...new Set(warnings)].filter((text) => text !== '')
  const whole = texts.map(headerOf).filter((header) => header !== undefined)
  if (texts.reduce((sum, text) => sum + (headerOf(text) === undefined ? 0 : text.length), 0) <= maxTotalRunes) return whole
  const cut: string[] = []
  let written = 0
  for (const text of texts) {
    if (written >= maxTotalRunes) break
    const runes = [...text].slice(0, maxItemRunes)
    const header = headerOf(runes.join(''))
    if (header === undefined) continue
    written += runes.length
    cut.push(header)
  }
  return cut
}
