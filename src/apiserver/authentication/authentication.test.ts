import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { StatusError } from '../../machinery/status.ts'
import { testRuntime } from '../../runtime/runtime.ts'
import { fakeReader, type FakeReader } from '../authorization/fake-reader.ts'
import type { ServerRequest } from '../context.ts'
import { authenticationNotesOf } from './authentication-notes.ts'
import { bearerTokenAuthenticator, bearerTokenOf, warnOfSpace } from './bearer-token.ts'
import { createServiceAccountIssuer, defaultIssuer, jsonWebKeySet, openIdConfiguration, signToken, type PrivateClaims, type ServiceAccountIssuer } from './service-account-issuer.ts'
import { serviceAccountOf, serviceAccountTokenChecker } from './service-account-token.ts'
import { parseTokenFile, staticTokenChecker } from './static-token.ts'

const startMs = Date.UTC(2026, 0, 1)
const startSeconds = startMs / 1000

function request(headers: Record<string, string>): ServerRequest {
  return { headers, path: '/api' } as unknown as ServerRequest
}

function keyPem(type: 'rsa' | 'ec'): string {
  const pair = type === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
}

function cluster(): FakeReader {
  const reader = fakeReader()
  reader.put('serviceaccounts', { metadata: { namespace: 'web', name: 'bot', uid: 'sa-1' } })
  reader.put('pods', { metadata: { namespace: 'web', name: 'web-1', uid: 'pod-1' } })
  return reader
}

const account: PrivateClaims = { namespace: 'web', serviceaccount: { name: 'bot', uid: 'sa-1' } }
const token = (issuer: ServiceAccountIssuer, kubernetes = account, seconds = 3600, audiences = issuer.apiAudiences, subject = 'system:serviceaccount:web:bot'): Promise<string> =>
  signToken(issuer, { audiences, subject, id: 'id-1', issuedAt: startSeconds, expiresAt: startSeconds + seconds, kubernetes })

const isUnauthorized = (error: unknown): boolean => error instanceof StatusError && error.code === 401

for (const type of ['rsa', 'ec'] as const) {
  test(`a service-account token signed with an ${type} key names the account, its groups and its pod`, async () => {
    const issuer = createServiceAccountIssuer({ signingKeyPem: keyPem(type) })
    const checker = serviceAccountTokenChecker({ issuer, reader: cluster(), runtime: testRuntime({ startMs }) })
    const { user } = (await checker.check(await token(issuer, { ...account, pod: { name: 'web-1', uid: 'pod-1' }, node: { name: 'n1', uid: 'node-1' } }), issuer.apiAudiences))!
    assert.deepEqual(user, {
      username: 'system:serviceaccount:web:bot', uid: 'sa-1', groups: ['system:serviceaccounts', 'system:serviceaccounts:web', 'system:authenticated'],
      extra: {
        'authentication.kubernetes.io/credential-id': ['JTI=id-1'], 'authentication.kubernetes.io/node-name': ['n1'], 'authentication.kubernetes.io/node-uid': ['node-1'],
        'authentication.kubernetes.io/pod-name': ['web-1'], 'authentication.kubernetes.io/pod-uid': ['pod-1'],
      },
    })
  })
}

test('a token ends with its time, its account and its pod', async (t) => {
  const issuer = createServiceAccountIssuer({ signingKeyPem: keyPem('ec') })
  const podBound: PrivateClaims = { ...account, pod: { name: 'web-1', uid: 'pod-1' } }
  const setUp = async (): Promise<{ reader: FakeReader; runtime: ReturnType<typeof testRuntime>; check: () => Promise<unknown> }> => {
    const reader = cluster()
    const runtime = testRuntime({ startMs })
    const checker = serviceAccountTokenChecker({ issuer, reader, runtime })
    const text = await token(issuer, podBound)
    const check = async (): Promise<unknown> => await checker.check(text, issuer.apiAudiences)
    assert.notEqual(await check(), undefined)
    return { reader, runtime, check }
  }
  await t.test('time', async () => {
    const { runtime, check } = await setUp()
    await runtime.clock.advance(3_599_000)
    assert.notEqual(await check(), undefined)
    // Clocks may differ by a minute.
    await runtime.clock.advance(60_000)
    assert.notEqual(await check(), undefined)
    await runtime.clock.advance(2_000)
    await assert.rejects(check(), isUnauthorized)
  })
  await t.test('account deleted', async () => {
    const { reader, check } = await setUp()
    reader.remove('serviceaccounts', 'web', 'bot')
    await assert.rejects(check(), isUnauthorized)
  })
  await t.test('account made anew under the same name', async () => {
    const { reader, check } = await setUp()
    reader.put('serviceaccounts', { metadata: { namespace: 'web', name: 'bot', uid: 'sa-2' } })
    await assert.rejects(check(), isUnauthorized)
  })
  await t.test('pod gone', async () => {
    const { reader, check } = await setUp()
    reader.remove('pods', 'web', 'web-1')
    await assert.rejects(check(), isUnauthorized)
  })
  await t.test('pod deleted more than a minute ago', async () => {
    const { reader, runtime, check } = await setUp()
    reader.put('pods', { metadata: { namespace: 'web', name: 'web-1', uid: 'pod-1', deletionTimestamp: '2026-01-01T00:00:10Z' } })
    assert.notEqual(await check(), undefined)
    await runtime.clock.advance(71_000)
    await assert.rejects(check(), isUnauthorized)
  })
})

test('tokens of other issuers are left to others, forged ones refused', async () => {
  const issuer = createServiceAccountIssuer({ signingKeyPem: keyPem('ec') })
  const checker = serviceAccountTokenChecker({ issuer, reader: cluster(), runtime: testRuntime({ startMs }) })
  const foreign = createServiceAccountIssuer({ signingKeyPem: keyPem('ec'), issuers: ['https://elsewhere'] })
  assert.equal(await checker.check(await token(foreign), issuer.apiAudiences), undefined)
  assert.equal(await checker.check('no.jwt', issuer.apiAudiences), undefined)
  assert.equal(await checker.check('a.b.c', issuer.apiAudiences), undefined)
  const forged = createServiceAccountIssuer({ signingKeyPem: keyPem('ec') })
  await assert.rejects(async () => await checker.check(await token(forged), issuer.apiAudiences), isUnauthorized)
  await assert.rejects(async () => await checker.check(await token(issuer, account, 3600, ['vault']), issuer.apiAudiences), isUnauthorized)
  // Whose it is stands in what is bound, whatever the subject says.
  const { user } = (await checker.check(await token(issuer, account, 3600, issuer.apiAudiences, 'system:serviceaccount:kube-system:admin'), issuer.apiAudiences))!
  assert.equal(user.username, 'system:serviceaccount:web:bot')
  const [head, , signature] = (await token(issuer)).split('.')
  const payload = Buffer.from(JSON.stringify({ iss: defaultIssuer, aud: [defaultIssuer], exp: startSeconds + 9999, sub: 'system:serviceaccount:web:bot', 'kubernetes.io': account })).toString('base64url')
  await assert.rejects(async () => await checker.check(`${head}.${payload}.${signature}`, issuer.apiAudiences), isUnauthorized)
  const unsigned = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url')
  await assert.rejects(async () => await checker.check(`${unsigned}.${payload}.`, issuer.apiAudiences), isUnauthorized)
})

test('what is wrong with a token is told in upstream\'s words', async () => {
  const { SignJWT } = await import('jose')
  const issuer = createServiceAccountIssuer({ signingKeyPem: keyPem('rsa') })
  const checker = serviceAccountTokenChecker({ issuer, reader: cluster(), runtime: testRuntime({ startMs }) })
  const signed = (claims: object, header: object = {}): Promise<string> => new SignJWT({ iss: defaultIssuer, aud: [defaultIssuer], exp: startSeconds + 600, 'kubernetes.io': account, ...claims })
    .setProtectedHeader({ alg: 'RS256', kid: issuer.signing!.id, ...header }).sign(issuer.signing!.key)
  const cases: [Promise<string>, string][] = [
    [signed({}, { kid: 'unknown' }), 'invalid signature, no keys found'],
    [signed({ exp: 'soon' }), 'go-jose/go-jose/jwt: expected number value to unmarshal NumericDate'],
    [signed({ 'kubernetes.io': undefined }), 'resource name may not be empty'],
    [signed({ 'kubernetes.io': { ...account, namespace: '' } }), 'the server could not find the requested resource'],
    [signed({ 'kubernetes.io': { ...account, serviceaccount: { name: 'none', uid: 'x' } } }), 'serviceaccounts "none" not found'],
    [signed({ iss: 'kubernetes/serviceaccount' }), 'sub claim is missing'],
    [signed({ iss: 'kubernetes/serviceaccount', aud: ['vault'] }), `token audiences ["vault"] is invalid for the target audiences ["${defaultIssuer}"]`],
  ]
  for (const [text, refusal] of cases) {
    const of = await text
    await assert.rejects(async () => await checker.check(of, issuer.apiAudiences), (error: unknown) => isUnauthorized(error) && assert.equal(((error as Error).cause as Error).message, refusal) === undefined)
  }
  const own = await signed({}, { kid: 5 as unknown as string })
  assert.equal(await checker.check(own, issuer.apiAudiences), undefined)
})

test('a bound token that is used for longer than its client should is noted', async () => {
  const { SignJWT } = await import('jose')
  const issuer = createServiceAccountIssuer({ signingKeyPem: keyPem('rsa') })
  const checker = serviceAccountTokenChecker({ issuer, reader: cluster(), runtime: testRuntime({ startMs }) })
  const signed = (warnafter: number): Promise<string> => new SignJWT({ iss: defaultIssuer, aud: [defaultIssuer], sub: 'system:serviceaccount:web:bot', exp: startSeconds + 600, 'kubernetes.io': { ...account, warnafter } })
    .setProtectedHeader({ alg: 'RS256', kid: issuer.signing!.id }).sign(issuer.signing!.key)
  assert.equal((await checker.check(await signed(startSeconds + 1), issuer.apiAudiences))?.notes, undefined)
  assert.deepEqual((await checker.check(await signed(startSeconds - 9), issuer.apiAudiences))?.notes, {
    warnings: [], annotations: { 'authentication.k8s.io/stale-token': 'subject: system:serviceaccount:web:bot, seconds after warning threshold: 9' },
  })
})

test('a legacy token lives as long as its secret holds it', async () => {
  const { SignJWT } = await import('jose')
  const issuer = createServiceAccountIssuer({ signingKeyPem: keyPem('rsa') })
  const reader = cluster()
  const checker = serviceAccountTokenChecker({ issuer, reader, runtime: testRuntime({ startMs }) })
  const prefix = 'kubernetes.io/serviceaccount/'
  const legacy = await new SignJWT({ [`${prefix}namespace`]: 'web', [`${prefix}secret.name`]: 'bot-token', [`${prefix}service-account.name`]: 'bot', [`${prefix}service-account.uid`]: 'sa-1' })
    .setProtectedHeader({ alg: 'RS256' }).setIssuer('kubernetes/serviceaccount').setSubject('system:serviceaccount:web:bot').sign(issuer.signing!.key)
  await assert.rejects(async () => await checker.check(legacy, issuer.apiAudiences), isUnauthorized)
  reader.put('secrets', { metadata: { namespace: 'web', name: 'bot-token', uid: 's-1' }, data: { token: Buffer.from(legacy).toString('base64') } } as never)
  const known = await checker.check(legacy, issuer.apiAudiences)
  assert.equal(known?.user.username, 'system:serviceaccount:web:bot')
  assert.deepEqual(known.notes, { warnings: [], annotations: { 'authentication.k8s.io/legacy-token-manual-secret': 'bot-token' } })
  // What an account lists was made by a controller of old.
  reader.put('serviceaccounts', { metadata: { namespace: 'web', name: 'bot', uid: 'sa-1' }, secrets: [{ name: 'bot-token' }] } as never)
  const request = { headers: { authorization: `Bearer ${legacy}` } } as unknown as ServerRequest
  await bearerTokenAuthenticator([checker], issuer.apiAudiences).authenticate(request)
  assert.deepEqual(authenticationNotesOf(request), {
    warnings: ['Use tokens from the TokenRequest API or manually created secret-based tokens instead of auto-generated secret-based tokens.'],
    annotations: { 'authentication.k8s.io/legacy-token-autogenerated-secret': 'bot-token' },
  })
  reader.put('secrets', { metadata: { namespace: 'web', name: 'bot-token', uid: 's-1' }, data: { token: Buffer.from('other').toString('base64') } } as never)
  await assert.rejects(async () => await checker.check(legacy, issuer.apiAudiences), isUnauthorized)
})

test('the published keys verify what the server signs', async () => {
  const { createLocalJWKSet, jwtVerify } = await import('jose')
  const issuer = createServiceAccountIssuer({ signingKeyPem: keyPem('rsa') })
  const { payload } = await jwtVerify(await token(issuer), createLocalJWKSet(jsonWebKeySet(issuer)), { currentDate: new Date(startMs), issuer: defaultIssuer })
  assert.equal(payload.sub, 'system:serviceaccount:web:bot')
  assert.deepEqual(openIdConfiguration(issuer), {
    issuer: defaultIssuer, jwks_uri: `${defaultIssuer}/openid/v1/jwks`, response_types_supported: ['id_token'], subject_types_supported: ['public'], id_token_signing_alg_values_supported: ['RS256'],
  })
  assert.ok(jsonWebKeySet(issuer).keys.every((key) => key.d === undefined))
})

test('a token file is read as upstream reads it', () => {
  assert.deepEqual(parseTokenFile('abc,ann,u1,"dev,ops"\n\nxyz,bob,u2\n'), [
    { token: 'abc', username: 'ann', uid: 'u1', groups: ['dev', 'ops'] }, { token: 'xyz', username: 'bob', uid: 'u2', groups: [] },
  ])
  assert.throws(() => parseTokenFile('abc,ann\n'), /line 1/)
})

test('a bearer token that nobody knows is refused, never anonymous', async () => {
  const authenticator = bearerTokenAuthenticator([staticTokenChecker([{ token: 'abc', username: 'ann', groups: ['dev'] }], ['api'])], ['api'])
  assert.equal(await authenticator.authenticate(request({})), undefined)
  assert.deepEqual(await authenticator.authenticate(request({ authorization: 'Bearer abc' })), { username: 'ann', groups: ['dev', 'system:authenticated'] })
  await assert.rejects(async () => await authenticator.authenticate(request({ authorization: 'Bearer abd' })), isUnauthorized)
})

test('a WebSocket client may send its token as a subprotocol', () => {
  const encoded = Buffer.from('abc').toString('base64url')
  assert.equal(bearerTokenOf(request({ 'sec-websocket-protocol': `base64url.bearer.authorization.k8s.io.${encoded}, v5.channel.k8s.io` })), 'abc')
  assert.throws(() => bearerTokenOf(request({ 'sec-websocket-protocol': `base64url.bearer.authorization.k8s.io.${encoded}` })), isUnauthorized)
  assert.equal(bearerTokenOf(request({ 'sec-websocket-protocol': 'v5.channel.k8s.io' })), undefined)
})

test('only whole usernames name a service account', () => {
  assert.deepEqual(serviceAccountOf('system:serviceaccount:web:bot'), { namespace: 'web', name: 'bot' })
  for (const username of ['ann', 'system:serviceaccount:web', 'system:serviceaccount:web:', 'system:serviceaccount:a:b:c']) assert.equal(serviceAccountOf(username), undefined)
})

test('who leaves a space too many before a token is nobody, and is told why', () => {
  const of = (authorization?: string): [string | undefined, string[]] => {
    const warnings: string[] = []
    const request = { headers: authorization === undefined ? {} : { authorization } } as unknown as ServerRequest
    warnOfSpace(request, warnings)
    return [bearerTokenOf(request), warnings]
  }
  assert.deepEqual(of('Bearer  abc'), [undefined, ['the provided Authorization header contains extra space before the bearer token, and is ignored']])
  assert.deepEqual(of('Bearer abc  d'), ['abc', []])
  for (const none of [undefined, '', 'Bearer', 'Bearer ', 'bear abc', 'Bearer: abc', 'Basic  abc']) assert.deepEqual(of(none), [undefined, []], none)
})
