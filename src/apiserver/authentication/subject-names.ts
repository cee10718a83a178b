import type { X509Certificate } from 'node:crypto'

/**
 * The attributes of a certificate's subject, each with its values in order: `CN`, `O`, or an OID in dots. Read from the text that
 * Node prints: a line for each attribute, with control characters and separators inside of values escaped (RFC 2253). Node's own
 * legacy object is not asked: it takes the process down for a certificate whose public key cannot be loaded.
 */
export function subjectNames(certificate: X509Certificate): ReadonlyMap<string, readonly string[]> {
  const names = new Map<string, string[]>()
  // A line of several attributes joins them with ` + `; a plus sign inside of a value is escaped.
  for (const attribute of (certificate.subject ?? '').split(/\n| (?<!\\)\+ /)) {
    const equals = attribute.indexOf('=')
    if (equals < 0) continue
    const name = attribute.slice(0, equals)
    const values = names.get(name) ?? []
    values.push(unescaped(attribute.slice(equals + 1)))
    names.set(name, values)
  }
  return names
}

/** Hexadecimal pairs stand for bytes below the space or above ASCII's end, other characters for themselves. */
function unescaped(text: string): string {
  return text.includes('\\') ? text.replaceAll(/\\([0-9A-F]{2})|\\(.)/g, (_, hex: string | undefined, plain: string) => (hex === undefined ? plain : String.fromCharCode(Number.parseInt(hex, 16)))) : text
}
