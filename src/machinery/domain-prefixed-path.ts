import { fieldErrors, type FieldError } from './field-error.ts'
import { dnsSubdomainErrors, regexError } from './names.ts'

const pathPattern = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+"
const pathExpression = new RegExp(`^${pathPattern}$`)

/** What is wrong with a path like `acme.io/foo` (apimachinery `IsDomainPrefixedPath`): signer names, keys of users' extra. `path` is the field's. */
export function domainPrefixedPathErrors(path: string, value: string): FieldError[] {
  if (value === '') return [fieldErrors.required(path)]
  const slash = value.indexOf('/')
  const host = value.slice(0, slash)
  const rest = value.slice(slash + 1)
  if (slash <= 0 || rest === '') return [fieldErrors.invalid(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")')]
  return [
    ...dnsSubdomainErrors(host).map((problem) => fieldErrors.invalid(path, host, problem)),
    ...(pathExpression.test(rest) ? [] : [fieldErrors.invalid(path, rest, regexError('Invalid path', pathPattern))]),
  ]
}
