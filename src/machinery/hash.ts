/** Hashes that show in names and labels: `pod-template-hash`, revisions of StatefulSets and DaemonSets. */

/** FNV-1a, 32 bits, of the UTF-8 bytes. */
export function fnv32a(text: string): number {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(text, 'utf8')) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash >>> 0
}

/** Letters and digits that form no words and are not mistaken for one another (`rand.SafeEncodeString`). */
const safeCharacters = 'bcdfghjklmnpqrstvwxz2456789'

export function safeEncode(text: string): string {
  let out = ''
  for (const byte of Buffer.from(text, 'utf8')) out += safeCharacters[byte % safeCharacters.length]
  return out
}

/** JSON with sorted keys and without undefined: equal objects give equal texts. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item ?? null)).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, inner]) => inner !== undefined).sort(([a], [b]) => (a < b ? -1 : 1))
    return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${canonicalJson(inner)}`).join(',')}}`
  }
  return JSON.stringify(value) ?? 'null'
}

/** Hash of an object for names, e.g. `7d8f5c4b6c`; `collisionCount` makes another one after a clash. */
export function objectHash(value: unknown, collisionCount?: number): string {
  return safeEncode(String(fnv32a(canonicalJson(value) + (collisionCount === undefined ? '' : `#${collisionCount}`))))
}
