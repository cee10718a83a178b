import { fieldErrors, fieldErrorText, type FieldError } from '../../machinery/field-error.ts'
import { domainPrefixedPathErrors } from '../../machinery/domain-prefixed-path.ts'
import { decodeConfiguration, type FieldForms } from '../configuration/decode.ts'
import { compileConfigurationExpression, type CompiledExpression } from '../configuration/expression.ts'
import { certificatesOfPem } from './certificate-pool.ts'

/**
 * `AuthenticationConfiguration` of apiserver.config.k8s.io/v1 and v1beta1 (KEP-3331; Kubernetes documentation, "Using Authentication
 * Configuration"): JWT issuers and anonymous access.
 */
export interface AuthenticationConfiguration { jwt: JwtAuthenticator[]; anonymous?: { enabled?: boolean; conditions?: { path?: string }[] } }

export interface JwtAuthenticator {
  issuer: { url?: string; discoveryURL?: string; certificateAuthority?: string; audiences?: string[]; audienceMatchPolicy?: string; egressSelectorType?: string }
  claimValidationRules?: { claim?: string; requiredValue?: string; expression?: string; message?: string }[]
  claimMappings: {
    username?: PrefixedClaim
    groups?: PrefixedClaim
    uid?: { claim?: string; expression?: string }
    extra?: { key?: string; valueExpression?: string }[]
  }
  userValidationRules?: { expression?: string; message?: string }[]
}
interface PrefixedClaim { claim?: string; prefix?: string; expression?: string }

const prefixed: FieldForms = { claim: 'string', prefix: 'string', expression: 'string' }
const fields: FieldForms = {
  jwt: [{
    issuer: { url: 'string', discoveryURL: 'string', certificateAuthority: 'string', audiences: ['string'], audienceMatchPolicy: 'string', egressSelectorType: 'string' },
    claimValidationRules: [{ claim: 'string', requiredValue: 'string', expression: 'string', message: 'string' }],
    claimMappings: { username: prefixed, groups: prefixed, uid: { claim: 'string', expression: 'string' }, extra: [{ key: 'string', valueExpression: 'string' }] },
    userValidationRules: [{ expression: 'string', message: 'string' }],
  }],
  anonymous: { enabled: 'boolean', conditions: [{ path: 'string' }] },
}

/** The expressions of an authenticator, compiled. */
export interface CompiledJwt {
  config: JwtAuthenticator
  claimRules: { expression: CompiledExpression; message: string }[]
  username?: CompiledExpression
  groups?: CompiledExpression
  uid?: CompiledExpression
  extra: { key: string; expression: CompiledExpression }[]
  userRules: { expression: CompiledExpression; message: string }[]
}

export interface CompiledAuthentication { config: AuthenticationConfiguration; jwt: CompiledJwt[] }

/** Reads the file's text. `disallowedIssuers`: those of this server's own service-account tokens. Throws naming every field that is wrong. */
export function parseAuthenticationConfiguration(text: string, disallowedIssuers: readonly string[] = []): CompiledAuthentication {
  const decoded = decodeConfiguration(text, 'AuthenticationConfiguration', ['v1', 'v1beta1', 'v1alpha1'], fields) as Partial<AuthenticationConfiguration>
  const config: AuthenticationConfiguration = { ...decoded, jwt: decoded.jwt ?? [] }
  for (const jwt of config.jwt) {
    jwt.issuer ??= {}
    jwt.claimMappings ??= {}
  }
  return compileAuthenticationConfiguration(config, disallowedIssuers)
}

/** Checks and compiles a configuration (upstream's `ValidateAuthenticationConfiguration`). */
export function compileAuthenticationConfiguration(config: AuthenticationConfiguration, disallowedIssuers: readonly string[] = []): CompiledAuthentication {
  const problems: FieldError[] = []
  const jwt: CompiledJwt[] = []
  if (config.jwt.length > 64) throw invalid([fieldErrors.tooMany('jwt', config.jwt.length, 64)])
  const issuers = new Set<string>()
  const discoveryUrls = new Set<string>()
  for (const [i, each] of config.jwt.entries()) {
    const path = `jwt[${i}]`
    const { url = '', discoveryURL = '' } = each.issuer
    jwt.push(compileJwt(each, path, disallowedIssuers, problems))
    if (issuers.has(url)) problems.push(fieldErrors.duplicate(`${path}.issuer.url`, url))
    issuers.add(url)
    if (discoveryURL !== '' && discoveryUrls.has(discoveryURL)) problems.push(fieldErrors.duplicate(`${path}.issuer.discoveryURL`, discoveryURL))
    discoveryUrls.add(discoveryURL)
  }
  const { anonymous } = config
  if (anonymous !== undefined && anonymous.enabled !== true && (anonymous.conditions ?? []).length > 0) {
    problems.push(fieldErrors.invalid('anonymous.conditions', anonymous.conditions, 'enabled should be set to true when conditions are defined'))
  }
  if (problems.length > 0) throw invalid(problems)
  return { config, jwt }
}

function invalid(problems: readonly FieldError[]): Error {
  const texts = [...new Set(problems.map((problem) => `${problem.path}: ${fieldErrorText(problem)}`))]
  return new Error(texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`)
}

function urlProblems(text: string, path: string, disallowed: readonly string[]): FieldError[] {
  const problems: FieldError[] = []
  if (disallowed.includes(text)) problems.push(fieldErrors.invalid(path, text, `URL must not overlap with disallowed issuers: [${disallowed.toSorted().join(' ')}]`))
  let url: URL
  try {
    url = new URL(text)
  } catch {
    // A URL without a scheme is one to Go, and the scheme is what it lacks.
    return [...problems, fieldErrors.invalid(path, text, 'URL scheme must be https')]
  }
  if (url.protocol !== 'https:') problems.push(fieldErrors.invalid(path, text, 'URL scheme must be https'))
  if (url.username !== '' || url.password !== '') problems.push(fieldErrors.invalid(path, text, 'URL must not contain a username or password'))
  if (url.search !== '') problems.push(fieldErrors.invalid(path, text, 'URL must not contain a query'))
  if (url.hash !== '') problems.push(fieldErrors.invalid(path, text, 'URL must not contain a fragment'))
  return problems
}

function issuerProblems(issuer: JwtAuthenticator['issuer'], path: string, disallowed: readonly string[]): FieldError[] {
  const { url = '', discoveryURL = '', audiences = [], audienceMatchPolicy = '', certificateAuthority = '', egressSelectorType = '' } = issuer
  const problems = url === '' ? [fieldErrors.required(`${path}.url`)] : urlProblems(url, `${path}.url`, disallowed)
  if (discoveryURL !== '') {
    if (url !== '' && url.replace(/\/+$/, '') === discoveryURL.replace(/\/+$/, '')) problems.push(fieldErrors.invalid(`${path}.discoveryURL`, discoveryURL, 'discoveryURL must be different from URL'))
    problems.push(...urlProblems(discoveryURL, `${path}.discoveryURL`, []))
  }
  problems.push(...audienceProblems(audiences, audienceMatchPolicy, path))
  if (certificateAuthority !== '') {
    try {
      certificatesOfPem(certificateAuthority)
    } catch (cause) {
      problems.push(fieldErrors.invalid(`${path}.certificateAuthority`, '<omitted>', cause instanceof Error ? cause.message : String(cause)))
    }
  }
  if (egressSelectorType !== '') {
    problems.push(fieldErrors.invalid(`${path}.egressSelectorType`, egressSelectorType, ['controlplane', 'cluster'].includes(egressSelectorType)
      ? 'this server has no egress selectors; leave egressSelectorType out' : 'egress selector must be either controlplane or cluster'))
  }
  return problems
}

function audienceProblems(audiences: readonly string[], policy: string, path: string): FieldError[] {
  if (audiences.length === 0) return [fieldErrors.required(`${path}.audiences`, `at least one ${path}.audiences is required`)]
  const problems = audiences.flatMap((audience, i) => [
    ...(audience === '' ? [fieldErrors.required(`${path}.audiences[${i}]`)] : []),
    ...(audiences.indexOf(audience) < i ? [fieldErrors.duplicate(`${path}.audiences[${i}]`, audience)] : []),
  ])
  if (audiences.length > 1 && policy !== 'MatchAny') problems.push(fieldErrors.invalid(`${path}.audienceMatchPolicy`, policy, 'audienceMatchPolicy must be MatchAny for multiple audiences'))
  if (audiences.length === 1 && policy !== '' && policy !== 'MatchAny') problems.push(fieldErrors.invalid(`${path}.audienceMatchPolicy`, policy, 'audienceMatchPolicy must be empty or MatchAny for single audience'))
  return problems
}

function compiled(text: string, variable: 'claims' | 'user', returns: 'bool' | 'any', path: string, problems: FieldError[]): CompiledExpression | undefined {
  try {
    return compileConfigurationExpression(text, variable, returns)
  } catch (cause) {
    problems.push(fieldErrors.invalid(path, text, cause instanceof Error ? cause.message : String(cause)))
    return undefined
  }
}

function compileJwt(config: JwtAuthenticator, path: string, disallowed: readonly string[], problems: FieldError[]): CompiledJwt {
  problems.push(...issuerProblems(config.issuer, `${path}.issuer`, disallowed))
  const out: CompiledJwt = { config, claimRules: [], extra: [], userRules: [] }
  compileClaimRules(out, `${path}.claimValidationRules`, problems)
  compileMappings(out, `${path}.claimMappings`, problems)
  const seen = new Set<string>()
  for (const [i, { expression = '', message = '' }] of (config.userValidationRules ?? []).entries()) {
    const at = `${path}.userValidationRules[${i}].expression`
    if (expression === '') problems.push(fieldErrors.required(at))
    else if (seen.has(expression)) problems.push(fieldErrors.duplicate(at, expression))
    else {
      const made = compiled(expression, 'user', 'bool', at, problems)
      if (made !== undefined) out.userRules.push({ expression: made, message })
    }
    seen.add(expression)
  }
  return out
}

function compileClaimRules(out: CompiledJwt, path: string, problems: FieldError[]): void {
  const claims = new Set<string>()
  const expressions = new Set<string>()
  for (const [i, { claim = '', requiredValue = '', expression = '', message = '' }] of (out.config.claimValidationRules ?? []).entries()) {
    const at = `${path}[${i}]`
    if (claim !== '' && expression !== '') problems.push(fieldErrors.invalid(at, claim, "claim and expression can't both be set"))
    else if (claim === '' && expression === '') problems.push(fieldErrors.required(at, 'claim or expression is required'))
    else if (claim !== '') {
      if (message !== '') problems.push(fieldErrors.invalid(`${at}.message`, message, 'may not be specified when claim is set'))
      if (claims.has(claim)) problems.push(fieldErrors.duplicate(`${at}.claim`, claim))
      claims.add(claim)
    } else {
      if (requiredValue !== '') problems.push(fieldErrors.invalid(`${at}.requiredValue`, requiredValue, 'may not be specified when expression is set'))
      if (expressions.has(expression)) {
        problems.push(fieldErrors.duplicate(`${at}.expression`, expression))
        continue
      }
      expressions.add(expression)
      const made = compiled(expression, 'claims', 'bool', `${at}.expression`, problems)
      if (made !== undefined) out.claimRules.push({ expression: made, message })
    }
  }
}

function compilePrefixed(mapping: PrefixedClaim, path: string, isRequired: boolean, problems: FieldError[]): CompiledExpression | undefined {
  const { claim = '', expression = '', prefix } = mapping
  if (expression !== '' && claim !== '') problems.push(fieldErrors.invalid(path, '', "claim and expression can't both be set"))
  else if (expression === '' && claim === '') {
    if (isRequired) problems.push(fieldErrors.required(path, 'claim or expression is required'))
  } else if (expression !== '') {
    if (prefix !== undefined) problems.push(fieldErrors.invalid(`${path}.prefix`, prefix, 'may not be specified when expression is set'))
    return compiled(expression, 'claims', 'any', `${path}.expression`, problems)
  } else if (prefix === undefined) problems.push(fieldErrors.required(`${path}.prefix`, 'prefix is required when claim is set. It can be set to an empty string to disable prefixing'))
  return undefined
}

function compileMappings(out: CompiledJwt, path: string, problems: FieldError[]): void {
  const { username = {}, groups = {}, uid = {}, extra = [] } = out.config.claimMappings
  out.username = compilePrefixed(username, `${path}.username`, true, problems)
  out.groups = compilePrefixed(groups, `${path}.groups`, false, problems)
  if ((uid.claim ?? '') !== '' && (uid.expression ?? '') !== '') problems.push(fieldErrors.invalid(`${path}.uid`, '', "claim and expression can't both be set"))
  else if ((uid.expression ?? '') !== '') out.uid = compiled(uid.expression!, 'claims', 'any', `${path}.uid.expression`, problems)
  const keys = new Set<string>()
  for (const [i, { key = '', valueExpression = '' }] of extra.entries()) {
    const at = `${path}.extra[${i}]`
    problems.push(...domainPrefixedPathErrors(`${at}.key`, key))
    if (key !== key.toLowerCase()) problems.push(fieldErrors.invalid(`${at}.key`, key, 'must be lowercase'))
    if (/^([^/]*\.)?(kubernetes|k8s)\.io\//.test(key)) problems.push(fieldErrors.invalid(`${at}.key`, key, 'k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use'))
    if (keys.has(key)) {
      problems.push(fieldErrors.duplicate(`${at}.key`, key))
      continue
    }
    keys.add(key)
    if (valueExpression === '') {
      problems.push(fieldErrors.required(`${at}.valueExpression`))
      continue
    }
    const made = compiled(valueExpression, 'claims', 'any', `${at}.valueExpression`, problems)
    if (made !== undefined) out.extra.push({ key, expression: made })
  }
  const usesVerified = [out.username, ...out.extra.map((each) => each.expression), ...out.claimRules.map((each) => each.expression)].some((each) => each?.selects('email_verified') === true)
  if (out.username?.selects('email') === true && !usesVerified) {
    problems.push(fieldErrors.invalid(`${path}.username.expression`, username.expression, 'claims.email_verified must be used in claimMappings.username.expression or claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used in claimMappings.username.expression'))
  }
}

/** The `--oidc-*` flags. */
export interface OidcFlags {
  issuerUrl: string
  clientId: string
  /** PEM of `--oidc-ca-file`. */
  ca?: string
  /** `sub` where left out. */
  usernameClaim?: string
  /** `-` for none; where left out, the issuer's URL and `#`, but nothing for the claim `email`. */
  usernamePrefix?: string
  groupsClaim?: string
  groupsPrefix?: string
  requiredClaims?: Readonly<Record<string, string>>
}

/** The flags as the file would say it. */
export function authenticationOfOidcFlags(flags: OidcFlags): AuthenticationConfiguration {
  const { issuerUrl, clientId, ca, usernameClaim = 'sub', usernamePrefix = '', groupsClaim = '', groupsPrefix = '', requiredClaims = {} } = flags
  const implied = usernameClaim === 'email' ? '' : `${issuerUrl}#`
  return {
    jwt: [{
      issuer: { url: issuerUrl, audiences: [clientId], ...(ca === undefined ? {} : { certificateAuthority: ca }) },
      claimMappings: {
        username: { claim: usernameClaim, prefix: usernamePrefix === '' ? implied : usernamePrefix === '-' ? '' : usernamePrefix },
        ...(groupsClaim === '' ? {} : { groups: { claim: groupsClaim, prefix: groupsPrefix } }),
      },
      claimValidationRules: Object.entries(requiredClaims).map(([claim, requiredValue]) => ({ claim, requiredValue })),
    }],
  }
}
