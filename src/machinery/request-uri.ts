const quoted = (text: string): string => JSON.stringify(text)

/** A URL or path that a request may be for, in its parts. `path` is escaped, `query` as written. */
export interface RequestUri { text: string; scheme: string; host: string; hostname: string; port: string; path: string; query: string }

/**
 * Absolute URLs and absolute paths: what Go's `url.ParseRequestURI` takes, read by `url.Parse`, which knows fragments. The problem
 * where it is none, in Go's words.
 */
export function parseRequestUri(text: string): RequestUri | string {
  const problem = (detail: string): string => `parse ${quoted(text)}: ${detail}`
  if (/[\u0000-\u001f\u007f]/.test(text)) return problem('net/url: invalid control character in URL')
  if (text === '') return problem('empty url')
  if (text === '*') return { text, scheme: '', host: '', hostname: '', port: '', path: '*', query: '' }
  if (text.startsWith(':')) return problem('missing protocol scheme')
  const match = /^(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#.*)?$/s.exec(text)
  if (match === null) return problem('invalid URI for request')
  const [, scheme = '', authority = '', path = '', query = ''] = match
  if (scheme === '' && /^[^/?#]*:/.test(text) && !text.startsWith('/')) return problem('first path segment in URL cannot contain colon')
  if (!text.startsWith('/') && (scheme === '' || (!path.startsWith('/') && match[2] === undefined && path === ''))) return problem('invalid URI for request')
  const badEscape = /%(?![0-9A-Fa-f]{2}).{0,2}/s.exec(`${authority}${path}`)
  if (badEscape !== null) return problem(`invalid URL escape ${quoted(badEscape[0])}`)
  const host = authority.slice(authority.lastIndexOf('@') + 1)
  const odd = /[ <>"\\^`{}|]/.exec(host)
  if (odd !== null) return problem(`invalid character ${quoted(odd[0])} in host name`)
  const parts = /^(\[[0-9A-Fa-f:.%A-Za-z]+\]|[^:[\]]*)(?::(.*))?$/.exec(host)
  if (parts === null) return problem(host.startsWith('[') ? "missing ']' in host" : `invalid port ${quoted(host.slice(host.indexOf(':')))} after host`)
  if (!/^\d*$/.test(parts[2] ?? '')) return problem(`invalid port ${quoted(`:${parts[2]}`)} after host`)
  // What stands behind a scheme and does not begin with a slash is no path.
  const isOpaque = scheme !== '' && match[2] === undefined && !path.startsWith('/')
  return { text, scheme: scheme.toLowerCase(), host, hostname: parts[1]!.replace(/^\[|\]$/g, ''), port: parts[2] ?? '', path: isOpaque ? '' : escapedPath(path), query }
}

/** A path as it was written where that is sound, else escaped. */
function escapedPath(path: string): string {
  if (/^[A-Za-z0-9\-._~!$&'()*+,;=:@[\]/%]*$/.test(path)) return path
  return [...Buffer.from(unescaped(path), 'latin1')].map((byte) => (/[A-Za-z0-9\-._~$&+,/:;=@]/.test(String.fromCharCode(byte)) ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)).join('')
}

/** The bytes of a path, a character each. */
function unescaped(path: string): string {
  return Buffer.from(path).toString('latin1').replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))
}
