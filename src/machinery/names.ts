/**
 * Name rules of the API, each answering with what is wrong (empty: nothing). Texts are those of apimachinery's
 * `pkg/util/validation` and `pkg/api/validate/content`; people search for them.
 */

export type NameCheck = (value: string) => string[]

const labelPattern = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const labelPatternUnderscore = '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?'
const subdomainPattern = `${labelPattern}(\\.${labelPattern})*`
const subdomainPatternUnderscore = `${labelPatternUnderscore}(\\.${labelPatternUnderscore})*`
const labelKeyPattern = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'

const whole = (pattern: string): RegExp => new RegExp(`^(?:${pattern})$`)
const labelExpression = whole(labelPattern)
const subdomainExpression = whole(subdomainPattern)
const subdomainUnderscoreExpression = whole(subdomainPatternUnderscore)
const labelKeyExpression = whole(labelKeyPattern)
const labelValueExpression = whole(`(${labelKeyPattern})?`)

/** `… (e.g. 'a',  or 'b', regex used for validation is '…')`, blanks as upstream has them. */
export function regexError(message: string, pattern: string, ...examples: string[]): string {
  if (examples.length === 0) return `${message} (regex used for validation is '${pattern}')`
  return `${message} (e.g. ${examples.map((e) => `'${e}', `).join(' or ')}regex used for validation is '${pattern}')`
}

export const maxLengthError = (length: number): string => `must be no more than ${length} characters`
export const rangeError = (low: number, high: number): string => `must be between ${low} and ${high}, inclusive`

/** Length in bytes, which is what limits count; names in range are ASCII, so this is seldom more than `length`. */
function byteLength(value: string): number {
  return value.length <= 20 ? value.length : Buffer.byteLength(value)
}

/** A DNS label (RFC 1123), at most 63 characters: namespaces, container names. */
export function dnsLabelErrors(value: string): string[] {
  const errors: string[] = []
  if (value.length > 63) errors.push(maxLengthError(63))
  if (!labelExpression.test(value)) {
    errors.push(subdomainExpression.test(value) ? 'must not contain dots' : regexError(
      "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
      labelPattern, 'my-name', '123-abc'))
  }
  return errors
}

/** A DNS subdomain (RFC 1123), at most 253 characters: names of most objects. */
export function dnsSubdomainErrors(value: string): string[] {
  const errors: string[] = []
  if (value.length > 253) errors.push(maxLengthError(253))
  if (!subdomainExpression.test(value)) {
    errors.push(regexError(
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
      subdomainPattern, 'example.com'))
  }
  return errors
}

/** As `dnsSubdomainErrors`, in the words of rules that stand in a type's tags: limits count bytes. */
export function longNameErrors(value: string): string[] {
  return dnsSubdomainErrors(value).map((message) => (message === maxLengthError(253) ? 'must be no more than 253 bytes' : message))
}

const subdomainCaselessExpression = new RegExp(subdomainExpression.source, 'i')

/** As `dnsSubdomainErrors`, with capital letters let through: drivers of devices. */
export function dnsSubdomainCaselessErrors(value: string): string[] {
  const errors: string[] = []
  if (value.length > 253) errors.push('must be no more than 253 bytes')
  if (!subdomainCaselessExpression.test(value)) {
    errors.push(regexError("an RFC 1123 subdomain must consist of alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character", subdomainPattern, 'Example.com'))
  }
  return errors
}

/** As `dnsSubdomainErrors`, with underscores let through: search domains. */
export function dnsSubdomainUnderscoreErrors(value: string): string[] {
  const errors: string[] = []
  if (value.length > 253) errors.push(maxLengthError(253))
  if (!subdomainUnderscoreExpression.test(value)) {
    errors.push(regexError(
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character",
      subdomainPatternUnderscore, 'example.com'))
  }
  return errors
}

/** `*.example.com`: hosts of Ingress rules. */
export function wildcardSubdomainErrors(value: string): string[] {
  const pattern = `\\*\\.${subdomainPattern}`
  const errors: string[] = []
  if (value.length > 253) errors.push(maxLengthError(253))
  if (!whole(pattern).test(value)) {
    errors.push(regexError(
      "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
      pattern, '*.example.com'))
  }
  return errors
}

const dns1035Pattern = '[a-z]([-a-z0-9]*[a-z0-9])?'
const dns1035Expression = whole(dns1035Pattern)

/** A DNS label (RFC 1035), which starts with a letter: names of Services. */
export function dns1035LabelErrors(value: string): string[] {
  const errors: string[] = []
  if (value.length > 63) errors.push(maxLengthError(63))
  if (!dns1035Expression.test(value)) {
    errors.push(regexError(
      "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
      dns1035Pattern, 'my-name', 'abc-123'))
  }
  return errors
}

const labelKeyMessage = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"

/** A qualified name, `[prefix/]name`: keys of labels and annotations, finalizers, resource names. */
export function qualifiedNameErrors(value: string): string[] {
  const errors: string[] = []
  const slash = value.indexOf('/')
  let name = value
  if (slash >= 0) {
    if (value.includes('/', slash + 1)) {
      return [`a valid label key ${regexError(labelKeyMessage, labelKeyPattern, 'MyName', 'my.name', '123-abc')} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`]
    }
    const prefix = value.slice(0, slash)
    name = value.slice(slash + 1)
    if (prefix === '') errors.push('prefix part must be non-empty')
    else for (const message of dnsSubdomainErrors(prefix)) errors.push(`prefix part ${message.replace(/^must be no more than (\d+) characters$/, 'must be no more than $1 bytes')}`)
  }
  if (name === '') errors.push('name part must be non-empty')
  else if (byteLength(name) > 63) errors.push('name part must be no more than 63 bytes')
  if (!labelKeyExpression.test(name)) errors.push(`name part ${regexError(labelKeyMessage, labelKeyPattern, 'MyName', 'my.name', '123-abc')}`)
  return errors
}

/** The value of a label: empty, or at most 63 characters. */
export function labelValueErrors(value: string): string[] {
  const errors: string[] = []
  if (value.length > 63 || byteLength(value) > 63) errors.push('must be no more than 63 bytes')
  if (!labelValueExpression.test(value)) {
    errors.push(regexError(
      "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
      `(${labelKeyPattern})?`, 'MyValue', 'my_value', '12345'))
  }
  return errors
}

/** A name used as one part of a URL path: RBAC objects and others whose names are free otherwise. */
export function pathSegmentErrors(value: string): string[] {
  if (value === '.' || value === '..') return [`may not be '${value}'`]
  return pathSegmentPrefixErrors(value)
}

/** What client-go says of a name that it will not ask for; undefined for one that it does. */
export function resourceNameProblem(name: string): string | undefined {
  if (name === '') return 'resource name may not be empty'
  const problems = pathSegmentErrors(name)
  return problems.length === 0 ? undefined : `invalid resource name ${JSON.stringify(name)}: [${problems.join(' ')}]`
}

export function pathSegmentPrefixErrors(value: string): string[] {
  return ['/', '%'].filter((part) => value.includes(part)).map((part) => `may not contain '${part}'`)
}

/** Environment variables: any printable ASCII but `=` (KEP-4369). */
export function environmentNameErrors(value: string): string[] {
  if (value === '') return ['environment variable name must be non-empty']
  return /^[\x20-\x3c\x3e-\x7e]+$/.test(value) ? [] : ["a valid environment variable name must consist only of printable ASCII characters other than '='"]
}

/** Keys of ConfigMaps and Secrets. */
export function configMapKeyErrors(value: string): string[] {
  const errors: string[] = []
  if (value.length > 253) errors.push(maxLengthError(253))
  if (!/^[-._a-zA-Z0-9]+$/.test(value)) {
    errors.push(regexError("a valid config key must consist of alphanumeric characters, '-', '_' or '.'", '[-._a-zA-Z0-9]+', 'key.name', 'KEY_NAME', 'key-name'))
  }
  if (value === '.') errors.push("must not be '.'")
  else if (value === '..') errors.push("must not be '..'")
  else if (value.startsWith('..')) errors.push("must not start with '..'")
  return errors
}

/** Names of container and service target ports (IANA service names). */
export function portNameErrors(value: string): string[] {
  const errors: string[] = []
  if (Buffer.byteLength(value) > 15) errors.push(maxLengthError(15))
  if (!/^[-a-z0-9]+$/.test(value)) errors.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)')
  if (!/[a-z]/.test(value)) errors.push('must contain at least one letter (a-z)')
  if (value.includes('--')) errors.push('must not contain consecutive hyphens')
  if (value.startsWith('-') || value.endsWith('-')) errors.push('must not begin or end with a hyphen')
  return errors
}

export function portNumberErrors(port: number): string[] {
  return Number.isInteger(port) && port >= 1 && port <= 65535 ? [] : [rangeError(1, 65535)]
}

/** User and group ids of security contexts. */
export function userIdErrors(id: number): string[] {
  return id >= 0 && id <= 2147483647 ? [] : [rangeError(0, 2147483647)]
}

export function percentErrors(value: string): string[] {
  return /^[0-9]+%$/.test(value) ? [] : [regexError("a valid percent string must be a numeric string followed by an ending '%'", '[0-9]+%', '1%', '93%')]
}

export function httpHeaderNameErrors(value: string): string[] {
  return /^[-A-Za-z0-9]+$/.test(value) ? [] : [regexError("a valid HTTP header must consist of alphanumeric characters or '-'", '[-A-Za-z0-9]+', 'X-Header-Name')]
}

export function cIdentifierErrors(value: string): string[] {
  const pattern = '[A-Za-z_][A-Za-z0-9_]*'
  return whole(pattern).test(value) ? [] : [regexError("a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'", pattern, 'my_name', 'MY_NAME', 'MyName')]
}

/** `generateName` stands for a name with something behind it: a trailing dash is no mistake there. */
export function maskTrailingDash(name: string): string {
  return name.length > 1 && name.endsWith('-') ? `${name.slice(0, -2)}a` : name
}
