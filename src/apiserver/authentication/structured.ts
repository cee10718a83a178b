import type { UserInfo } from '../../api/resource.ts'
import type { ApiServerCore } from '../core.ts'
import { onFileChange } from '../configuration/reload.ts'
import { configurationReloads } from '../metrics/configuration-reloads.ts'
import { labelHash, metricSetOf } from '../metrics/metric-set.ts'
import { audienceAgnostic, checkToken, type TokenChecker } from './bearer-token.ts'
import type { CompiledAuthentication } from './configuration.ts'
import { allSigningAlgorithms, jwtUser } from './jwt-authenticator.ts'
import { jwtProvider, type JwtProvider } from './jwt-provider.ts'
import { cachedChecker } from './token-cache.ts'

export interface StructuredAuthenticationOptions {
  /** What holds at the start; `parseAuthenticationConfiguration` or `compileAuthenticationConfiguration` make it. */
  initial: CompiledAuthentication
  /** Signatures to accept; all that are safe where left out (RS256 by default with the flags). */
  signingAlgorithms?: readonly string[]
  /** The file that `initial` was read from, `text` as it was then: read again when it changes. */
  file?: { path: string; text: string; parse(text: string): CompiledAuthentication }
}

/** JWT issuers and anonymous access by configuration, exchanged as a whole when the file changes. */
export interface StructuredAuthentication {
  readonly checker: TokenChecker
  /** Whether anonymous callers are let in on a path; undefined where the configuration doesn't say. */
  allowsAnonymous(path: string): boolean | undefined
}

interface InForce { config: CompiledAuthentication; checkers: readonly TokenChecker[]; providers: Map<string, JwtProvider> }

const tokenCacheTtlMs = 10_000
/** A new provider must answer within this time, or what was in force stays so (upstream: one minute). */
const newProviderWaitMs = 60_000

export function structuredAuthentication(options: StructuredAuthenticationOptions, own: readonly string[], core: Pick<ApiServerCore, 'runtime' | 'signal'>): StructuredAuthentication {
  const set = metricSetOf(core)
  const { runtime, signal } = core
  const algorithms = options.signingAlgorithms ?? allSigningAlgorithms
  const unknown = algorithms.find((algorithm) => !allSigningAlgorithms.includes(algorithm))
  if (unknown !== undefined) throw new Error(`oidc: unsupported signing alg: ${JSON.stringify(unknown)}`)

  /** Counts the time that tokens of an issuer take; those of others are nobody's business. */
  function measured(check: (token: string) => Promise<UserInfo | undefined>, issuerUrl: string): typeof check {
    const hash = labelHash(issuerUrl)
    const note = (result: 'success' | 'failure', begunMs: number): void => set.observe('apiserver_authentication_jwt_authenticator_latency_seconds', (runtime.clock.monotonicMs() - begunMs) / 1000, result, hash)
    return async (token) => {
      const begunMs = runtime.clock.monotonicMs()
      try {
        const user = await check(token)
        if (user !== undefined) note('success', begunMs)
        return user
      } catch (error) {
        note('failure', begunMs)
        throw error
      }
    }
  }

  /** Issuers that are configured as before keep their provider, and so their keys. */
  function build(config: CompiledAuthentication, before?: InForce): InForce {
    const providers = new Map<string, JwtProvider>()
    const checkers = config.jwt.map((jwt) => {
      const { issuer } = jwt.config
      const key = JSON.stringify(issuer)
      const provider = before?.providers.get(key) ?? jwtProvider(issuer, runtime, set)
      providers.set(key, provider)
      const checker = audienceAgnostic('jwt', own, measured(jwtUser({ jwt, provider, algorithms, runtime }), issuer.url ?? ''))
      return cachedChecker(checker, { successTtlMs: tokenCacheTtlMs }, runtime, set)
    })
    return { config, checkers, providers }
  }

  function dispose(gone: InForce, kept: InForce | undefined): void {
    for (const [key, provider] of gone.providers) if (kept?.providers.get(key) !== provider) provider[Symbol.dispose]()
  }

  let inForce = build(options.initial)
  signal.addEventListener('abort', () => dispose(inForce, undefined), { once: true })

  async function exchange(config: CompiledAuthentication): Promise<void> {
    const next = build(config, inForce)
    const added = [...next.providers.values()].filter((provider) => provider.problem !== undefined)
    const waiting = new AbortController()
    await Promise.race([Promise.all(added.map(({ ready }) => ready)), runtime.clock.sleep(newProviderWaitMs, waiting.signal).catch(() => undefined)])
    waiting.abort()
    const missing = added.find(({ problem }) => problem !== undefined)
    if (missing !== undefined || signal.aborted) {
      dispose(next, inForce)
      throw new Error(`a JWT issuer of the new configuration can't be used: ${missing?.problem ?? 'the server is stopping'}`)
    }
    const before = inForce
    inForce = next
    dispose(before, next)
  }

  const { file } = options
  if (file !== undefined) onFileChange({ path: file.path, text: file.text, runtime, signal, apply: (text) => exchange(file.parse(text)), noted: configurationReloads(set, 'authentication', runtime, file.text) })

  return {
    checker: { name: 'structured', check: (token, audiences) => checkToken(inForce.checkers, token, audiences) },
    allowsAnonymous(path) {
      const { anonymous } = inForce.config.config
      if (anonymous === undefined) return undefined
      const conditions = anonymous.conditions ?? []
      return anonymous.enabled === true && (conditions.length === 0 || conditions.some((condition) => condition.path === path))
    },
  }
}
