/** How a proxied answer's links are to lead back through this server (upstream's `proxy.Transport`). */
export interface LinkFrame {
  /** Scheme and host that rewritten links get; '' leaves them relative to the host. */
  scheme: string
  host: string
  /** The path in front of the backend's own: `/api/v1/namespaces/x/pods/y/proxy`. */
  prefix: string
  /** `host:port` of the backend. */
  sourceHost: string
  /** The host that the client named. */
  requestHost: string
}

interface UrlParts { scheme: string; host: string | undefined; path: string; rest: string }

/** Undefined for what is no URL. */
function partsOf(text: string): UrlParts | undefined {
  // eslint-disable-next-line no-control-regex
  if (/[\x00-\x20\x7f]/.test(text) || /%(?![0-9A-Fa-f]{2})/.test(text)) return undefined
  const match = /^(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?:\/\/([^/?#]*))?([^?#]*)(.*)$/s.exec(text)
  if (match === null) return undefined
  const [, scheme = '', host, path = '', rest = ''] = match
  // `mailto:x` and its like have no path of their own.
  if (scheme !== '' && host === undefined && !path.startsWith('/')) return { scheme, host, path: '', rest: `${path}${rest}` }
  return { scheme, host, path, rest }
}

/** Two paths made one, without empty, `.` and `..` parts (Go's `path.Join`); a slash at the end stays. */
export function joinedPath(prefix: string, path: string): string {
  const parts: string[] = []
  for (const part of `${prefix}/${path}`.split('/')) {
    if (part === '' || part === '.') continue
    if (part === '..') parts.pop()
    else parts.push(part)
  }
  return `/${parts.join('/')}${path.endsWith('/') && parts.length > 0 ? '/' : ''}`
}

/** Where a link leads: one to the backend itself, by an absolute path, goes through the proxy; others stay as they are. Undefined for what is no URL. */
export function rewrittenLocation(text: string, frame: LinkFrame): string | undefined {
  const parts = partsOf(text)
  if (parts === undefined) return undefined
  const { host, path, rest } = parts
  const isElsewhere = host !== undefined && host !== '' && host !== frame.sourceHost && host !== frame.requestHost
  if (isElsewhere || !path.startsWith('/')) return text
  const keepsHost = host === frame.requestHost && frame.scheme === '' && frame.host === ''
  const scheme = keepsHost ? parts.scheme : frame.scheme
  const newHost = keepsHost ? (host ?? '') : frame.host
  const target = path.startsWith(frame.prefix) ? path : joinedPath(frame.prefix, path)
  return `${scheme === '' ? '' : `${scheme}:`}${newHost === '' ? '' : `//${newHost}`}${target}${rest}`
}

/** Attributes that hold URLs, by element (https://www.w3.org/TR/REC-html40/index/attributes.html). */
const urlAttributes: Readonly<Record<string, readonly string[]>> = {
  a: ['href'], applet: ['codebase'], area: ['href'], audio: ['src'], base: ['href'], blockquote: ['cite'], body: ['background'], button: ['formaction'], command: ['icon'],
  del: ['cite'], embed: ['src'], form: ['action'], frame: ['longdesc', 'src'], head: ['profile'], html: ['manifest'], iframe: ['longdesc', 'src'],
  img: ['longdesc', 'src', 'usemap'], input: ['src', 'usemap', 'formaction'], ins: ['cite'], link: ['href'], object: ['classid', 'codebase', 'data', 'usemap'], q: ['cite'],
  script: ['src'], source: ['src'], video: ['poster', 'src'],
}

/** Elements whose content is text up to their end tag, whatever it looks like. */
const rawText = new Set(['script', 'style', 'textarea', 'title', 'iframe', 'noembed', 'noframes', 'xmp', 'noscript', 'plaintext'])

const attribute = /([^\s"'<>/=]+)(\s*=\s*)("[^"]*"|'[^']*'|[^\s"'>]+)/g

/** The page with the links of its elements rewritten; all else stays byte for byte. */
export function rewrittenHtml(page: string, frame: LinkFrame): string {
  const out: string[] = []
  let lower: string | undefined
  let at = 0
  while (at < page.length) {
    const open = page.indexOf('<', at)
    if (open < 0) break
    out.push(page.slice(at, open))
    if (page.startsWith('<!--', open)) {
      const end = page.indexOf('-->', open + 4)
      at = end < 0 ? page.length : end + 3
      out.push(page.slice(open, at))
      continue
    }
    const name = /^<([A-Za-z][^\s/>]*)/.exec(page.slice(open, open + 64))?.[1]?.toLowerCase()
    const end = tagEnd(page, open)
    const tag = page.slice(open, end)
    at = end
    out.push(name === undefined ? tag : rewrittenTag(tag, name, frame))
    if (name === undefined || !rawText.has(name) || tag.endsWith('/>')) continue
    const close = (lower ??= page.toLowerCase()).indexOf(`</${name}`, at)
    const until = close < 0 ? page.length : close
    out.push(page.slice(at, until))
    at = until
  }
  out.push(page.slice(at))
  return out.join('')
}

/** Behind the `>` that ends a tag; quoted ones do not. */
function tagEnd(page: string, open: number): number {
  let quote = ''
  for (let at = open + 1; at < page.length; at++) {
    const character = page[at]!
    if (quote !== '') {
      if (character === quote) quote = ''
    } else if (character === '>') {
      return at + 1
    } else if ((character === '"' || character === "'") && /=\s*$/.test(page.slice(Math.max(open, at - 8), at))) {
      quote = character
    }
  }
  return page.length
}

function rewrittenTag(tag: string, name: string, frame: LinkFrame): string {
  const names = Object.hasOwn(urlAttributes, name) ? urlAttributes[name]! : []
  if (names.length === 0) return tag
  return tag.replaceAll(attribute, (whole: string, key: string, equals: string, value: string) => {
    if (!names.includes(key.toLowerCase())) return whole
    const isQuoted = value.startsWith('"') || value.startsWith("'")
    const link = (isQuoted ? value.slice(1, -1) : value).replaceAll('&amp;', '&')
    const rewritten = rewrittenLocation(link, frame)
    return rewritten === undefined || rewritten === link ? whole : `${key}${equals}"${rewritten.replaceAll('&', '&amp;').replaceAll('"', '&#34;')}"`
  })
}
