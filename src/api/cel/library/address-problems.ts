/** Why a text is no address or network, in the words of Go's `net/netip`. The text is known to be none. */
const quoted = (text: string): string => JSON.stringify(text)

export function ipProblem(text: string): string {
  const first = /[.:%]/.exec(text)?.[0]
  const found = first === '.' ? ipv4Problem(text) : first === ':' ? ipv6Problem(text) : { problem: first === '%' ? 'missing IPv6 address' : 'unable to parse IP' }
  const { problem, at } = found ?? { problem: 'unable to parse IP' }
  return `ParseAddr(${quoted(text)}): ${problem}${at === undefined || at === '' ? '' : ` (at ${quoted(at)})`}`
}

interface Found { problem: string; at?: string }

function ipv4Problem(text: string): Found | undefined {
  let value = 0
  let digits = 0
  let field = 0
  for (let i = 0; i < text.length; i += 1) {
    const char = text[i]!
    if (char >= '0' && char <= '9') {
      if (digits === 1 && value === 0) return { problem: 'IPv4 field has octet with leading zero' }
      value = value * 10 + Number(char)
      digits += 1
      if (value > 255) return { problem: 'IPv4 field has value >255' }
    } else if (char === '.') {
      if (i === 0 || i === text.length - 1 || text[i - 1] === '.') return { problem: 'IPv4 field must have at least one digit', at: text.slice(i) }
      if (field === 3) return { problem: 'IPv4 address too long' }
      field += 1
      value = 0
      digits = 0
    } else return { problem: 'unexpected character', at: text.slice(i) }
  }
  return field < 3 ? { problem: 'IPv4 address too short' } : undefined
}

function ipv6Problem(text: string): Found | undefined {
  const percent = text.indexOf('%')
  if (percent === text.length - 1) return { problem: 'zone must be a non-empty string' }
  let rest = percent < 0 ? text : text.slice(0, percent)
  let ellipsis = -1
  let bytes = 0
  if (rest.startsWith('::')) {
    ellipsis = 0
    rest = rest.slice(2)
    if (rest === '') return undefined
  }
  while (bytes < 16) {
    const hex = /^[0-9A-Fa-f]*/.exec(rest)![0]
    if (hex.length > 4) return { problem: 'each group must have 4 or fewer digits', at: rest }
    if (hex === '') return { problem: 'each colon-separated field must have at least one digit', at: rest }
    if (rest[hex.length] === '.') {
      if (ellipsis < 0 && bytes !== 12) return { problem: 'embedded IPv4 address must replace the final 2 fields of the address', at: rest }
      if (bytes + 4 > 16) return { problem: 'too many hex fields to fit an embedded IPv4 at the end of the address', at: rest }
      const inner = ipv4Problem(rest)
      if (inner !== undefined) return inner
      rest = ''
      bytes += 4
      break
    }
    bytes += 2
    rest = rest.slice(hex.length)
    if (rest === '') break
    if (!rest.startsWith(':')) return { problem: 'unexpected character, want colon', at: rest }
    if (rest.length === 1) return { problem: 'colon must be followed by more characters', at: rest }
    rest = rest.slice(1)
    if (!rest.startsWith(':')) continue
    if (ellipsis >= 0) return { problem: 'multiple :: in address', at: rest }
    ellipsis = bytes
    rest = rest.slice(1)
    if (rest === '') break
  }
  if (rest !== '') return { problem: 'trailing garbage after address', at: rest }
  if (bytes < 16) return ellipsis < 0 ? { problem: 'address string too short' } : undefined
  return ellipsis < 0 ? undefined : { problem: 'the :: must expand to at least one field of zeros' }
}

/** `isAddress`: whether what stands before the slash is an address. */
export function networkProblem(text: string, isAddress: (address: string) => boolean): string {
  const slash = text.lastIndexOf('/')
  const problem = (detail: string): string => `netip.ParsePrefix(${quoted(text)}): ${detail}`
  if (slash < 0) return problem("no '/'")
  const address = text.slice(0, slash)
  if (!isAddress(address)) return problem(ipProblem(address))
  if (address.includes('%')) return problem('IPv6 zones cannot be present in a prefix')
  const bits = text.slice(slash + 1)
  if (!/^(?:\d|[1-9]\d+)$/.test(bits)) return problem(`bad bits after slash: ${quoted(bits)}`)
  return problem('prefix length out of range')
}
