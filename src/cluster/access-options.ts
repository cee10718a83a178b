import { readFileSync, statSync } from 'node:fs'
import type { AuthorizationOptions } from '../apiserver/authorization/authorizers.ts'
import { authorizersOfFlags, type AuthorizationMode } from '../apiserver/authorization/modes.ts'
import type { ComposeOptions } from '../apiserver/compose.ts'
import { defaultIssuer } from '../apiserver/authentication/service-account-issuer.ts'
import type { ApiServerFlags } from './apiserver-flags.ts'
import type { ApiServerSettings } from './apiserver-options.ts'
import { FlagError } from './flags.ts'

/** The flags that say who one is and what one may, as options of the API server. Configuration files are read here, and again by the server when they change. */

type FlagName = Extract<keyof ApiServerFlags, string>

function textOf(flags: ApiServerFlags, name: FlagName): string {
  try {
    return readFileSync(String(flags[name]), 'utf8')
  } catch (cause) {
    throw new FlagError(`cannot read the file of --${name}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

/** Runs a parser, and says which flag's file it could not read. */
function parsed<T>(name: FlagName, parse: () => T): T {
  try {
    return parse()
  } catch (cause) {
    throw new FlagError(`the file of --${name} is wrong: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

const oidcFlags = [
  'oidc-issuer-url', 'oidc-client-id', 'oidc-ca-file', 'oidc-username-claim', 'oidc-username-prefix', 'oidc-groups-claim', 'oidc-groups-prefix', 'oidc-required-claim', 'oidc-signing-algs',
] as const satisfies readonly FlagName[]

/** Issuers of this server's own tokens, which no other provider may claim. */
function ownIssuers(flags: ApiServerFlags): readonly string[] {
  return flags['service-account-issuer'].length > 0 ? flags['service-account-issuer'] : [defaultIssuer]
}

async function structuredOptions(settings: ApiServerSettings): Promise<NonNullable<ComposeOptions['authentication']>['structured']> {
  const { flags, given } = settings
  const path = flags['authentication-config']
  const isOidc = oidcFlags.some((name) => given.has(name))
  if (path !== '' && isOidc) throw new FlagError('authentication-config file and oidc-* flags are mutually exclusive')
  if (path === '' && !isOidc) return undefined
  const { authenticationOfOidcFlags, compileAuthenticationConfiguration, parseAuthenticationConfiguration } = await import('../apiserver/authentication/configuration.ts')
  if (path !== '') {
    const text = textOf(flags, 'authentication-config')
    const parse = (file: string): ReturnType<typeof parseAuthenticationConfiguration> => {
      const compiled = parseAuthenticationConfiguration(file, ownIssuers(flags))
      if (compiled.config.anonymous !== undefined && given.has('anonymous-auth')) throw new Error('--anonymous-auth flag cannot be set when anonymous field is configured in authentication configuration file')
      return compiled
    }
    return { initial: parsed('authentication-config', () => parse(text)), file: { path, text, parse } }
  }
  if ((flags['oidc-issuer-url'] === '') !== (flags['oidc-client-id'] === '')) throw new FlagError('oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set')
  const config = authenticationOfOidcFlags({
    issuerUrl: flags['oidc-issuer-url'], clientId: flags['oidc-client-id'], ...(flags['oidc-ca-file'] === '' ? {} : { ca: textOf(flags, 'oidc-ca-file') }),
    usernameClaim: flags['oidc-username-claim'], usernamePrefix: flags['oidc-username-prefix'], groupsClaim: flags['oidc-groups-claim'], groupsPrefix: flags['oidc-groups-prefix'],
    requiredClaims: flags['oidc-required-claim'],
  })
  return { initial: parsed('oidc-issuer-url', () => compileAuthenticationConfiguration(config, ownIssuers(flags))), signingAlgorithms: flags['oidc-signing-algs'] }
}

/** The modes of the flags. `isOwn`: the server keeps a cluster of its own, where Node and RBAC are what is meant when nothing is said. */
function modesOf(flags: ApiServerFlags, isOwn: boolean): readonly AuthorizationMode[] {
  if (flags['authorization-mode'].length > 0) return flags['authorization-mode'] as AuthorizationMode[]
  return isOwn ? ['Node', 'RBAC'] : ['AlwaysAllow']
}

/** `--requestheader-*`, `--token-auth-file`, `--enable-bootstrap-token-auth`, `--oidc-*`, `--authentication-*` and their kin. */
export async function authenticationOptions(settings: ApiServerSettings, isOwn: boolean): Promise<ComposeOptions['authentication']> {
  const { flags } = settings
  const staticTokens = flags['token-auth-file'] === '' ? undefined : (await import('../apiserver/authentication/static-token.ts')).parseTokenFile(textOf(flags, 'token-auth-file'))
  const structured = await structuredOptions(settings)
  const webhook = flags['authentication-token-webhook-config-file']
  return {
    // As kube-apiserver: where everything is allowed, callers must at least say who they are.
    anonymous: flags['anonymous-auth'] && (flags['authorization-config'] !== '' || !modesOf(flags, isOwn).includes('AlwaysAllow')), bootstrapTokens: flags['enable-bootstrap-token-auth'], serviceAccountLookup: flags['service-account-lookup'],
    ...(staticTokens === undefined ? {} : { staticTokens }), ...(structured === undefined ? {} : { structured }),
    ...(flags['requestheader-client-ca-file'] === '' ? {} : { requestHeader: requestHeader(flags) }),
    ...(webhook === '' ? {} : { tokenWebhook: { kubeconfig: webhook, version: flags['authentication-token-webhook-version'] as 'v1' | 'v1beta1', cacheTtlMs: flags['authentication-token-webhook-cache-ttl'] } }),
  }
}

function requestHeader(flags: ApiServerFlags): NonNullable<NonNullable<ComposeOptions['authentication']>['requestHeader']> {
  const names = (flag: 'requestheader-username-headers' | 'requestheader-group-headers' | 'requestheader-extra-headers-prefix', key: string): object => (flags[flag].length === 0 ? {} : { [key]: flags[flag] })
  return {
    ca: textOf(flags, 'requestheader-client-ca-file'), caFile: flags['requestheader-client-ca-file'], allowedNames: flags['requestheader-allowed-names'], uidHeaders: flags['requestheader-uid-headers'],
    ...names('requestheader-username-headers', 'usernameHeaders'), ...names('requestheader-group-headers', 'groupHeaders'), ...names('requestheader-extra-headers-prefix', 'extraHeaderPrefixes'),
  }
}

/** What keeps a kubeconfig of a webhook from being read. */
function fileProblem(path: string): string | undefined {
  try {
    return statSync(path).isFile() ? undefined : 'must be a regular file'
  } catch (cause) {
    return `error loading file: ${cause instanceof Error ? cause.message : String(cause)}`
  }
}

/** `--authorization-*`. */
export async function authorizationOptions(settings: ApiServerSettings, isOwn: boolean): Promise<AuthorizationOptions> {
  const { flags, given } = settings
  const path = flags['authorization-config']
  const modes = modesOf(flags, isOwn)
  const isAbac = (types: readonly string[]): boolean => types.includes('ABAC')
  const abac = async (types: readonly string[]): Promise<Pick<AuthorizationOptions, 'abacPolicies'>> => {
    if (flags['authorization-policy-file'] === '') {
      if (isAbac(types)) throw new FlagError('authorization-mode ABAC\'s authorization policy file not passed; give --authorization-policy-file')
      return {}
    }
    if (!isAbac(types)) throw new FlagError('cannot specify --authorization-policy-file without mode ABAC')
    const { parseAbacPolicies } = await import('../apiserver/authorization/abac.ts')
    return { abacPolicies: parsed('authorization-policy-file', () => parseAbacPolicies(textOf(flags, 'authorization-policy-file'))) }
  }
  if (path === '') {
    const kubeconfig = flags['authorization-webhook-config-file']
    if (kubeconfig !== '' && !modes.includes('Webhook')) throw new FlagError('cannot specify --authorization-webhook-config-file without mode Webhook')
    const authorizers = parsed('authorization-mode', () => authorizersOfFlags(modes, kubeconfig === '' ? undefined : {
      kubeconfig, version: flags['authorization-webhook-version'] as 'v1' | 'v1beta1',
      authorizedTtlMs: flags['authorization-webhook-cache-authorized-ttl'], unauthorizedTtlMs: flags['authorization-webhook-cache-unauthorized-ttl'],
    }))
    return { authorizers, ...await abac(modes) }
  }
  if ([...given].some((name) => name === 'authorization-mode' || name.startsWith('authorization-webhook-'))) {
    throw new FlagError('--authorization-config can not be specified when --authorization-mode or --authorization-webhook-* flags are defined')
  }
  const text = textOf(flags, 'authorization-config')
  const { parseAuthorizationConfiguration } = await import('../apiserver/authorization/configuration.ts')
  const parse = (file: string): ReturnType<typeof parseAuthorizationConfiguration> => parseAuthorizationConfiguration(file, fileProblem)
  const authorizers = parsed('authorization-config', () => parse(text))
  return { authorizers, file: { path, text, parse }, ...await abac(authorizers.map(({ type }) => type)) }
}
