import type { UserInfo } from '../../api/resource.ts'

/** The headers by which a front proxy tells who is asking, as this server sends them. */
export const requestHeaders = { username: ['X-Remote-User'], uid: ['X-Remote-Uid'], group: ['X-Remote-Group'], extraPrefix: ['X-Remote-Extra-'] } as const

const extraPrefix = 'x-remote-extra-'

/** Replaces what a client sent under these names: only a front proxy may say who somebody is. */
export function setIdentity(headers: Record<string, string | string[]>, user: UserInfo): void {
  for (const name of Object.keys(headers)) {
    const lower = name.toLowerCase()
    if (lower === 'x-remote-user' || lower === 'x-remote-uid' || lower === 'x-remote-group' || lower.startsWith(extraPrefix)) delete headers[name]
  }
  headers['X-Remote-User'] = user.username
  if (user.uid !== undefined && user.uid !== '') headers['X-Remote-Uid'] = user.uid
  if (user.groups.length > 0) headers['X-Remote-Group'] = [...user.groups]
  for (const [key, values] of Object.entries(user.extra ?? {})) if (values.length > 0) headers[`X-Remote-Extra-${escapedKey(key)}`] = [...values]
}

/** Characters that a header name can't have are percent-encoded, and `%` itself (client-go's `headerKeyEscape`). */
function escapedKey(key: string): string {
  return [...Buffer.from(key)].map((byte) => {
    const character = String.fromCharCode(byte)
    return /[!#$&'*+\-.^_`|~0-9A-Za-z]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }).join('')
}
