import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { SignJWT } from 'jose'
import { stringify } from 'yaml'
import type { UserInfo } from '../../api/resource.ts'
import { StatusError } from '../../machinery/status.ts'
import { memoryLogger } from '../../runtime/log.ts'
import { systemRuntime } from '../../runtime/runtime.ts'
import { loopbackCertificate } from '../testing/certificate.ts'
import { authenticationOfOidcFlags, compileAuthenticationConfiguration, parseAuthenticationConfiguration, type CompiledAuthentication } from './configuration.ts'
import { structuredAuthentication, type StructuredAuthentication } from './structured.ts'

/** A provider on loopback: discovery, keys, and how often it was asked for them. */
interface Provider { url: string; ca: string; keys: { kid: string; alg: string; key: KeyObject; publicKey: KeyObject }[]; asked: string[]; discoveryPath: string; isDown: boolean }

const runtime = systemRuntime(memoryLogger())
const closing = new AbortController()
const core = { runtime, signal: closing.signal }
let server: Server
const provider: Provider = { url: '', ca: '', keys: [], asked: [], discoveryPath: '/.well-known/openid-configuration', isDown: false }

/** What lies elsewhere, by path. */
const distributed = new Map<string, (authorization: string) => string>()

function addKey(kid: string, alg: 'RS256' | 'ES256'): void {
  const { privateKey, publicKey } = alg === 'RS256' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ec', { namedCurve: 'P-256' })
  provider.keys.push({ kid, alg, key: privateKey, publicKey })
}

before(async () => {
  const tls = await loopbackCertificate(runtime.clock.now())
  server = createServer({ cert: tls.certificate, key: tls.key }, (request, response) => {
    provider.asked.push(request.url!)
    response.setHeader('content-type', 'application/json')
    if (provider.isDown) response.writeHead(503).end('down')
    else if (request.url === provider.discoveryPath || request.url === '/elsewhere/discovery') response.end(JSON.stringify({ issuer: provider.url, jwks_uri: `${provider.url}/keys` }))
    else if (request.url === '/keys') response.end(JSON.stringify({ keys: [{ kty: 'oct', k: 'AAAA' }, ...provider.keys.map(({ kid, alg, publicKey }) => ({ ...publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' }))] }))
    else if (distributed.has(request.url!)) response.end(distributed.get(request.url!)!(request.headers.authorization ?? ''))
    else response.writeHead(404).end('{}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  provider.url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  provider.ca = tls.certificate
  addKey('first', 'RS256')
})
after(() => {
  closing.abort(new Error('done'))
  server.closeAllConnections()
  server.close()
})

const now = (): number => Math.floor(runtime.clock.now() / 1000)
function token(claims: Record<string, unknown> = {}, signedBy = provider.keys[0]!, header: Record<string, unknown> = {}): Promise<string> {
  return new SignJWT({ iss: provider.url, aud: 'k8s', sub: 'ann', exp: now() + 300, ...claims }).setProtectedHeader({ alg: signedBy.alg, kid: signedBy.kid, ...header }).sign(signedBy.key)
}

/** A configuration with one issuer, the loopback provider. */
function configured(jwt: Record<string, unknown> = {}, issuer: Record<string, unknown> = {}): string {
  return stringify({
    apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AuthenticationConfiguration',
    jwt: [{ issuer: { url: provider.url, certificateAuthority: provider.ca, audiences: ['k8s'], ...issuer }, claimMappings: { username: { claim: 'sub', prefix: 'oidc:' } }, ...jwt }],
  })
}

interface Ready { authentication: StructuredAuthentication; check(token: string): Promise<UserInfo | undefined> }

/** Resolves when the provider has been found. */
async function start(initial: CompiledAuthentication, more: Partial<Parameters<typeof structuredAuthentication>[0]> = {}): Promise<Ready> {
  const authentication = structuredAuthentication({ initial, ...more }, ['api'], core)
  const check = async (text: string): Promise<UserInfo | undefined> => (await authentication.checker.check(text, ['api']))?.user
  await until(async () => {
    const problem = await Promise.resolve(authentication.checker.check(await token(), ['api'])).then(() => '', (error: Error) => String((error.cause as Error).message))
    return !problem.includes('not initialized')
  })
  return { authentication, check }
}

async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (await holds()) return
    await runtime.clock.sleep(10)
  }
  assert.fail('it did not come about in time')
}

const refusal = (text: RegExp) => (error: unknown): boolean => {
  assert.ok(error instanceof StatusError && error.code === 401 && error.message === 'Unauthorized', String(error))
  assert.match((error.cause as Error).message, text)
  return true
}

test('the flags accept a token of the issuer for the client, and prefix its names', async () => {
  const config = authenticationOfOidcFlags({ issuerUrl: provider.url, clientId: 'k8s', ca: provider.ca, groupsClaim: 'groups', groupsPrefix: 'oidc:', requiredClaims: { hd: 'acme.com' } })
  const { check } = await start(compileAuthenticationConfiguration(config), { signingAlgorithms: ['RS256'] })
  const user = await check(await token({ groups: ['dev', 'ops'], hd: 'acme.com', jti: 'x1' }))
  assert.deepEqual(user, { username: `${provider.url}#ann`, groups: ['oidc:dev', 'oidc:ops', 'system:authenticated'], extra: { 'authentication.kubernetes.io/credential-id': ['JTI=x1'] } })
  assert.deepEqual((await check(await token({ groups: 'dev', hd: 'acme.com' })))?.groups, ['oidc:dev', 'system:authenticated'])
  await assert.rejects(check(await token({ hd: 'evil.com' })), refusal(/^oidc: required claim hd value does not match. Got = evil.com, want = acme.com$/))
  await assert.rejects(check(await token()), refusal(/^oidc: required claim hd not present in ID token$/))
})

test('tokens of others are left to others; expired, foreign, forged and unsigned ones are refused', async () => {
  const { check } = await start(parseAuthenticationConfiguration(configured()))
  assert.equal((await check(await token()))?.username, 'oidc:ann')
  assert.equal(await check(await token({ iss: 'https://elsewhere' })), undefined)
  for (const text of ['', 'a.b', 'a.b.c', 'x'.repeat(70_000)]) assert.equal(await check(text), undefined)
  await assert.rejects(check(await token({ exp: now() - 1 })), refusal(/token is expired/))
  await assert.rejects(check(await token({ exp: 'soon' })), refusal(/token is expired/))
  await assert.rejects(check(await token({ aud: 'other' })), refusal(/^oidc: verify token: oidc: expected audience in \["k8s"\] got \["other"\]$/))
  await assert.rejects(check(await token({ nbf: now() + 400 })), refusal(/before the nbf/))
  assert.ok(await check(await token({ nbf: now() + 200 })))
  const forger = { ...provider.keys[0]!, key: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey }
  await assert.rejects(check(await token({}, forger)), refusal(/failed to verify id token signature/))
  const [, payload] = (await token()).split('.')
  const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`
  await assert.rejects(check(unsigned), refusal(/unexpected signature algorithm "none"/))
  const secret = await new SignJWT({ iss: provider.url, aud: 'k8s', sub: 'root', exp: now() + 300 }).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(provider.keys[0]!.publicKey.export({ type: 'spki', format: 'pem' })))
  await assert.rejects(check(secret), refusal(/unexpected signature algorithm "HS256"/))
  await assert.rejects(check(await token({ sub: 7 })), refusal(/^oidc: parse username claims "sub": json: cannot unmarshal number/))
})

test('keys are kept, and asked for again when a token is signed with a new one', async () => {
  const { check } = await start(parseAuthenticationConfiguration(configured()))
  await check(await token())
  provider.asked.length = 0
  await check(await token({ jti: 'a' }))
  await check(await token({ jti: 'b' }))
  assert.deepEqual(provider.asked, [])
  addKey('second', 'ES256')
  assert.equal((await check(await token({}, provider.keys[1])))?.username, 'oidc:ann')
  assert.deepEqual(provider.asked, ['/keys'])
  provider.keys.pop()
})

test('expressions map claims and rules refuse', async () => {
  const { check } = await start(parseAuthenticationConfiguration(configured({
    claimMappings: {
      username: { expression: 'claims.email_verified ? claims.email : claims.sub' }, groups: { expression: 'claims.roles.split(",")' }, uid: { claim: 'oid' },
      extra: [{ key: 'acme.com/team', valueExpression: 'claims.team' }],
    },
    claimValidationRules: [{ expression: 'claims.exp - claims.iat <= 600.0', message: 'total token lifetime must not exceed 10 minutes' }],
    userValidationRules: [{ expression: "!user.username.startsWith('system:')", message: 'username cannot use the system: prefix' }, { expression: "user.groups.all(group, !group.startsWith('system:'))", message: 'no system groups' }],
  })))
  const claims = { email: 'ann@acme.com', email_verified: true, roles: 'dev,ops', oid: 'u1', team: ['red'], iat: now() }
  assert.deepEqual(await check(await token(claims)), { username: 'ann@acme.com', uid: 'u1', groups: ['dev', 'ops', 'system:authenticated'], extra: { 'acme.com/team': ['red'] } })
  await assert.rejects(check(await token({ ...claims, exp: now() + 3600 })), refusal(/^oidc: error evaluating claim validation expression: validation expression 'claims.exp - claims.iat <= 600.0' failed: total token lifetime/))
  await assert.rejects(check(await token({ ...claims, email: 'system:admin' })), refusal(/username cannot use the system: prefix$/))
  await assert.rejects(check(await token({ ...claims, roles: 'system:masters' })), refusal(/no system groups$/))
  await assert.rejects(check(await token({ ...claims, roles: undefined })), refusal(/error evaluating group claim expression/))
})

test('discovery may be elsewhere than the issuer, and an issuer may have several audiences', async () => {
  provider.discoveryPath = '/nowhere'
  try {
    const { check } = await start(parseAuthenticationConfiguration(configured({}, { discoveryURL: `${provider.url}/elsewhere/discovery`, audiences: ['a', 'b'], audienceMatchPolicy: 'MatchAny' })))
    assert.ok(await check(await token({ aud: ['x', 'b'] })))
    await assert.rejects(check(await token({ aud: ['x'] })), refusal(/expected audience/))
  } finally {
    provider.discoveryPath = '/.well-known/openid-configuration'
  }
})

test('a provider that is not there yet refuses its tokens at once', async () => {
  provider.isDown = true
  try {
    const authentication = structuredAuthentication({ initial: parseAuthenticationConfiguration(configured()) }, ['api'], core)
    await assert.rejects(async () => await authentication.checker.check(await token(), ['api']), refusal(/^oidc: authenticator not initialized$/))
  } finally {
    provider.isDown = false
  }
})

test('a file that changes takes effect; one that is wrong or whose issuer is missing does not', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'k8ts-authn-'))
  try {
    const path = join(directory, 'authn.yaml')
    const text = configured()
    await writeFile(path, text)
    const { authentication, check } = await start(parseAuthenticationConfiguration(text), { file: { path, text, parse: parseAuthenticationConfiguration } })
    assert.equal((await check(await token()))?.username, 'oidc:ann')
    await writeFile(path, configured({ claimMappings: { username: { claim: 'sub', prefix: 'changed:' } } }) + stringify({ anonymous: { enabled: true, conditions: [{ path: '/livez' }] } }))
    await until(async () => (await check(await token()))?.username === 'changed:ann')
    assert.deepEqual(['/livez', '/api'].map((each) => authentication.allowsAnonymous(each)), [true, false])
    await writeFile(path, 'kind: Nonsense')
    await runtime.clock.sleep(1_300)
    assert.equal((await check(await token()))?.username, 'changed:ann')
  } finally {
    await rm(directory, { recursive: true })
  }
})

test('what is wrong with a configuration is said in upstream\'s words', () => {
  const problem = (jwt: Record<string, unknown>, issuer: Record<string, unknown> = {}): string => {
    try {
      parseAuthenticationConfiguration(configured(jwt, issuer), ['https://own'])
      return ''
    } catch (error) {
      return (error as Error).message
    }
  }
  const cases: [Record<string, unknown>, Record<string, unknown>, string][] = [
    [{}, { url: 'http://a' }, 'jwt[0].issuer.url: Invalid value: "http://a": URL scheme must be https'],
    [{}, { url: 'https://own' }, 'jwt[0].issuer.url: Invalid value: "https://own": URL must not overlap with disallowed issuers: [https://own]'],
    [{}, { audiences: [] }, 'jwt[0].issuer.audiences: Required value: at least one jwt[0].issuer.audiences is required'],
    [{}, { audiences: ['a', 'b'] }, 'jwt[0].issuer.audienceMatchPolicy: Invalid value: "": audienceMatchPolicy must be MatchAny for multiple audiences'],
    [{}, { certificateAuthority: 'x' }, 'jwt[0].issuer.certificateAuthority: Invalid value: "<omitted>": data does not contain any valid RSA or ECDSA certificates'],
    [{ claimMappings: {} }, {}, 'jwt[0].claimMappings.username: Required value: claim or expression is required'],
    [{ claimMappings: { username: { claim: 'sub' } } }, {}, 'jwt[0].claimMappings.username.prefix: Required value: prefix is required when claim is set. It can be set to an empty string to disable prefixing'],
    [{ claimMappings: { username: { claim: 'sub', prefix: '', expression: 'claims.sub' } } }, {}, 'jwt[0].claimMappings.username: Invalid value: "": claim and expression can\'t both be set'],
    [{ claimMappings: { username: { expression: 'claims.email' } } }, {}, 'jwt[0].claimMappings.username.expression: Invalid value: "claims.email": claims.email_verified must be used in claimMappings.username.expression or claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used in claimMappings.username.expression'],
    [{ claimMappings: { username: { claim: 'sub', prefix: '' }, extra: [{ key: 'kubernetes.io/x', valueExpression: 'claims.a' }] } }, {}, 'jwt[0].claimMappings.extra[0].key: Invalid value: "kubernetes.io/x": k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use'],
    [{ claimValidationRules: [{}] }, {}, 'jwt[0].claimValidationRules[0]: Required value: claim or expression is required'],
    [{ surplus: 1 }, {}, 'strict decoding error: unknown field "jwt[0].surplus"'],
  ]
  for (const [jwt, issuer, expected] of cases) assert.equal(problem(jwt, issuer), expected)
  assert.match(problem({ userValidationRules: [{ expression: 'nobody.username == ""' }] }), /^jwt\[0\]\.userValidationRules\[0\]\.expression: Invalid value: .*compilation failed: .*undeclared reference to 'nobody'/)
  assert.throws(() => parseAuthenticationConfiguration(''), /^Error: empty config data$/)
  assert.throws(() => parseAuthenticationConfiguration('apiVersion: v1\nkind: Pod'), /no kind "Pod" is registered/)
  assert.throws(() => parseAuthenticationConfiguration(`${configured()}jwt: []`), /strict decoding error/)
})

test('groups that lie elsewhere are fetched, as a token of their own', async () => {
  const { check } = await start(parseAuthenticationConfiguration(configured({ claimMappings: { username: { claim: 'sub', prefix: '' }, groups: { claim: 'groups', prefix: 'oidc:' } } })))
  const pointing = (path: string, more: Record<string, unknown> = {}): Promise<string> => token({ _claim_names: { groups: 'src1' }, _claim_sources: { src1: { endpoint: `${provider.url}${path}`, access_token: 'opens' } }, jti: path, ...more })
  const groups = await token({ groups: ['a', 'b'] })
  distributed.set('/groups', (authorization) => (authorization === 'Bearer opens' ? groups : 'closed'))
  assert.deepEqual((await check(await pointing('/groups')))?.groups, ['oidc:a', 'oidc:b', 'system:authenticated'])
  assert.deepEqual((await check(await pointing('/groups', { groups: 'own' })))?.groups, ['oidc:own', 'system:authenticated'], 'what the token itself says counts')
  assert.deepEqual((await check(await pointing('/groups', { _claim_names: { roles: 'src1' } })))?.groups, ['system:authenticated'])
  assert.deepEqual((await check(await pointing('/groups', { _claim_sources: { src1: { JWT: 'x.y.z' } } })))?.groups, ['system:authenticated'], 'aggregated claims are none')
  const stale = await token({ groups: ['a'], exp: now() - 100 })
  const forged = await token({ groups: ['a'], iss: 'https://127.0.0.1:1' })
  const foreign = await token({ groups: ['a'], aud: 'other' })
  for (const [path, text] of [['/stale', stale], ['/forged', forged], ['/foreign', foreign], ['/none', await token()], ['/text', 'text']] as const) distributed.set(path, () => text)
  for (const [path, more, expected] of [
    ['/stale', {}, /^oidc: could not expand distributed claims: verify distributed claim token: oidc: token is expired/],
    ['/forged', {}, /verifying untrusted issuer https:\/\/127.0.0.1:1 failed: verifier not initialized for issuer: "https:\/\/127.0.0.1:1"$/],
    ['/foreign', {}, /verify distributed claim token: oidc: expected audience in \["k8s"\] got \["other"\]$/],
    ['/none', {}, /jwt returned by distributed claim endpoint ".*\/none" did not contain claim: groups$/],
    ['/text', {}, /getting untrusted issuer from endpoint .* failed for claim "groups": malformed token$/],
    ['/missing', {}, /while getting distributed claim "groups": error while getting distributed claim JWT: 404$/],
    ['/groups', { _claim_sources: undefined }, /oidc: no claim sources$/],
    ['/groups', { _claim_names: { groups: 'src2' } }, /id token _claim_names contained a source src2 missing in _claims_sources$/],
    ['/groups', { _claim_names: 'x' }, /oidc: error parsing distributed claim names/],
  ] as const) await assert.rejects(check(await pointing(path, more)), refusal(expected), path)
})
