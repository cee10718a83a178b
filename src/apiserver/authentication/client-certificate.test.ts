import 'reflect-metadata'
import assert from 'node:assert/strict'
import { webcrypto, X509Certificate as NodeCertificate } from 'node:crypto'
import { test } from 'node:test'
import { BasicConstraintsExtension, ExtendedKeyUsageExtension, Name, X509Certificate, X509CertificateGenerator, type Extension } from '@peculiar/x509'
import type { UserInfo } from '../../api/resource.ts'
import { StatusError } from '../../machinery/status.ts'
import { testRuntime } from '../../runtime/runtime.ts'
import type { ClientCertificates, ServerRequest } from '../context.ts'
import { CertificatePool } from './certificate-pool.ts'
import { clientCertificateAuthenticator } from './client-certificate.ts'
import { proxyCertificateCheck, requestHeaderAuthenticator } from './request-header.ts'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const clientUsage = '1.3.6.1.5.5.7.3.2'
const serverUsage = '1.3.6.1.5.5.7.3.1'

type Subject = ConstructorParameters<typeof Name>[0]
interface Issued { certificate: X509Certificate; keys: webcrypto.CryptoKeyPair }

async function issue(subject: Subject, options: { by?: Issued; ca?: boolean; usage?: string; notAfter?: Date } = {}): Promise<Issued> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']) as webcrypto.CryptoKeyPair
  const { by, ca = false, usage, notAfter = new Date('2026-02-01T00:00:00Z') } = options
  const extensions: Extension[] = [new BasicConstraintsExtension(ca, undefined, true), ...(usage === undefined ? [] : [new ExtendedKeyUsageExtension([usage])])]
  const name = new Name(subject).toString()
  const certificate = await X509CertificateGenerator.create({
    serialNumber: '01', subject: name, issuer: by === undefined ? name : by.certificate.subject, publicKey: keys.publicKey, signingKey: (by?.keys ?? keys).privateKey,
    notBefore: new Date('2026-01-01T00:00:00Z'), notAfter, signingAlgorithm: algorithm, extensions,
  })
  return { certificate, keys }
}

const shown = (...chain: Issued[]): ClientCertificates => chain.map(({ certificate }) => new NodeCertificate(Buffer.from(certificate.rawData))) as unknown as ClientCertificates
const pem = ({ certificate }: Issued): string => certificate.toString('pem')
const at = (day: number): ReturnType<typeof testRuntime> => testRuntime({ startMs: Date.UTC(2026, 0, day) })

const authority = await issue([{ CN: ['ca'] }], { ca: true })
const requestWith = (chain: ClientCertificates | undefined, headers: Record<string, string> = {}): ServerRequest => ({ clientCertificates: chain, headers } as unknown as ServerRequest)
function userOf(chain: ClientCertificates | undefined, pool = pem(authority), runtime = at(2)): UserInfo | undefined {
  return clientCertificateAuthenticator(new CertificatePool(pool), runtime).authenticate(requestWith(chain)) as UserInfo | undefined
}
const refusal = (text: RegExp) => (error: unknown): boolean => error instanceof StatusError && error.code === 401 && error.message === 'Unauthorized' && text.test((error.cause as Error).message)

test('the common name is the user, organisations are groups', async () => {
  const user = userOf(shown(await issue([{ CN: ['ann'] }, { O: ['dev'] }, { O: ['ops'] }], { by: authority, usage: clientUsage })))
  assert.equal(user?.username, 'ann')
  assert.deepEqual(user?.groups, ['dev', 'ops', 'system:authenticated'])
  assert.match(user?.extra?.['authentication.kubernetes.io/credential-id']?.[0] ?? '', /^X509SHA256=[0-9a-f]{64}$/)
})

test('a name that looks like more attributes stays one name', async () => {
  const user = userOf(shown(await issue([{ CN: ['ann\nO=system:masters'] }], { by: authority })))
  assert.equal(user?.username, 'ann\nO=system:masters')
  assert.deepEqual(user?.groups, ['system:authenticated'])
})

test('no certificate or one without a name is nobody', async () => {
  assert.equal(userOf(undefined), undefined)
  assert.equal(userOf(shown(await issue([{ O: ['system:masters'] }], { by: authority }))), undefined)
})

test('certificates of another authority, of none, for servers only, or signed by a leaf are refused', async () => {
  const other = await issue([{ CN: ['ca'] }], { ca: true })
  assert.throws(() => userOf(shown(authority, authority), pem(other)), refusal(/unknown authority/))
  const foreign = await issue([{ CN: ['root'] }, { O: ['system:masters'] }], { by: other })
  assert.throws(() => userOf(shown(foreign)), refusal(/^verifying certificate SN=1, .* failed: x509: certificate signed by unknown authority$/))
  const selfMade = await issue([{ CN: ['root'] }])
  assert.throws(() => userOf(shown(selfMade)), refusal(/unknown authority/))
  const serving = await issue([{ CN: ['ann'] }], { by: authority, usage: serverUsage })
  assert.throws(() => userOf(shown(serving)), refusal(/incompatible key usage/))
  const leaf = await issue([{ CN: ['ann'] }], { by: authority })
  const byLeaf = await issue([{ CN: ['root'] }], { by: leaf })
  assert.throws(() => userOf(shown(byLeaf, leaf)), refusal(/unknown authority/))
})

test('a chain may lead over certificates that the client sends along, and is remembered without them', async () => {
  const middle = await issue([{ CN: ['middle'] }], { by: authority, ca: true })
  const leaf = await issue([{ CN: ['ann'] }], { by: middle })
  const authenticator = clientCertificateAuthenticator(new CertificatePool(pem(authority)), at(2))
  assert.throws(() => userOf(shown(leaf)), refusal(/unknown authority/))
  assert.equal((authenticator.authenticate(requestWith(shown(leaf, middle))) as UserInfo).username, 'ann')
  assert.equal((authenticator.authenticate(requestWith(shown(leaf))) as UserInfo).username, 'ann')
})

test('a certificate that has run out on an open connection is refused', async () => {
  const runtime = at(31)
  const authenticator = clientCertificateAuthenticator(new CertificatePool(pem(authority)), runtime)
  const request = requestWith(shown(await issue([{ CN: ['ann'] }], { by: authority })))
  assert.ok(authenticator.authenticate(request))
  await runtime.clock.advance(2 * 86_400_000)
  assert.throws(() => authenticator.authenticate(request), refusal(/certificate has expired or is not yet valid/))
})

test('one credential has one user object, for answers to be remembered with', async () => {
  const authenticator = clientCertificateAuthenticator(new CertificatePool(pem(authority)), at(2))
  const request = requestWith(shown(await issue([{ CN: ['ann'] }], { by: authority })))
  assert.equal(authenticator.authenticate(request), authenticator.authenticate(request))
})

test('a front proxy says who is calling, if its certificate is of its own authority and name', async () => {
  const proxies = await issue([{ CN: ['front-proxy-ca'] }], { ca: true })
  const proxy = shown(await issue([{ CN: ['front-proxy-client'] }], { by: proxies }))
  const options = { ca: pem(proxies), allowedNames: ['front-proxy-client'], uidHeaders: ['X-Remote-Uid'] }
  const authenticator = requestHeaderAuthenticator(options, at(2))
  const headers = { 'x-remote-user': 'ann', 'x-remote-uid': 'u1', 'x-remote-group': 'dev, ops', 'x-remote-extra-acme.com%2fscope': 'all' }
  assert.deepEqual(authenticator.authenticate(requestWith(proxy, headers)), {
    username: 'ann', uid: 'u1', groups: ['dev', 'ops', 'system:authenticated'], extra: { 'acme.com/scope': ['all'] },
  })
  assert.equal(authenticator.authenticate(requestWith(proxy)), undefined)
  assert.equal(authenticator.authenticate(requestWith(undefined, headers)), undefined)
  const client = shown(await issue([{ CN: ['front-proxy-client'] }], { by: authority }))
  assert.throws(() => authenticator.authenticate(requestWith(client, headers)), refusal(/unknown authority/))
  const stranger = shown(await issue([{ CN: ['stranger'] }], { by: proxies }))
  assert.throws(() => authenticator.authenticate(requestWith(stranger, headers)), refusal(/^x509: subject with cn=stranger is not in the allowed list$/))
  // Whom nobody else knows hears of a certificate that is no proxy's, user named or not.
  const check = proxyCertificateCheck(options, at(2), new CertificatePool(pem(proxies)))
  assert.equal(check.authenticate(requestWith(proxy)), undefined)
  assert.equal(check.authenticate(requestWith(undefined)), undefined)
  assert.throws(() => check.authenticate(requestWith(stranger)), refusal(/^x509: subject with cn=stranger is not in the allowed list$/))
  // The proxies' authority makes no users of its own.
  assert.throws(() => userOf(proxy), refusal(/unknown authority/))
})

test('a group whose name holds commas stays one group', async () => {
  const proxies = await issue([{ CN: ['front-proxy-ca'] }], { ca: true })
  const proxy = shown(await issue([{ CN: ['p'] }], { by: proxies }))
  const rawHeaders = ['X-Remote-User', 'ann', 'X-Remote-Group', 'cn=dev,dc=acme', 'X-Remote-Group', 'ops']
  const request = { ...requestWith(proxy, { 'x-remote-user': 'ann', 'x-remote-group': 'cn=dev,dc=acme, ops' }), rawHeaders }
  assert.deepEqual((requestHeaderAuthenticator({ ca: pem(proxies) }, at(2)).authenticate(request) as UserInfo).groups, ['cn=dev,dc=acme', 'ops', 'system:authenticated'])
})
