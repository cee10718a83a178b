import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { SignJWT } from 'jose'
import { stringify } from 'yaml'
import { loopbackCertificate } from '../../src/apiserver/testing/certificate.ts'
import { singleKubeconfig } from '../../src/client/kubeconfig.ts'
import { ControlPlane } from './control-plane.ts'
import { eventually } from './support.ts'

describe('who may, as kubectl sees it', () => {
  let folder: string
  let server: Server
  let provider: string
  let plane: ControlPlane
  let isWebhookOpen = false
  const key = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const kubectl = (...args: string[]): Promise<string> => plane.sandbox.kubectl(...args)

  /** kubectl with nothing but a token: no certificate wins over it. */
  async function asToken(token: string, ...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
    const ca = join(folder, 'cluster-ca.crt')
    writeFileSync(ca, plane.credentials().ca)
    return await plane.sandbox.run('kubectl', ['--kubeconfig', '/dev/null', '--server', plane.url, '--certificate-authority', ca, '--token', token, ...args])
  }
  const idToken = (claims: Record<string, unknown>): Promise<string> =>
    new SignJWT({ iss: provider, aud: 'kubernetes', ...claims }).setProtectedHeader({ alg: 'RS256', kid: 'k1' }).setIssuedAt().setExpirationTime('5m').sign(key.privateKey)

  const authentication = (prefix: string): string => stringify({
    apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AuthenticationConfiguration',
    jwt: [{
      issuer: { url: provider, audiences: ['kubernetes'], certificateAuthority: certificate },
      claimMappings: { username: { expression: `"${prefix}" + claims.sub` }, groups: { expression: 'claims.roles' } },
      userValidationRules: [{ expression: "!user.username.startsWith('system:')", message: 'no system users' }],
    }],
    anonymous: { enabled: true, conditions: [{ path: '/livez' }, { path: '/readyz' }] },
  })
  let certificate: string

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'k8ts-access-'))
    const tls = await loopbackCertificate(Date.now())
    certificate = tls.certificate
    server = createServer({ cert: tls.certificate, key: tls.key }, (request, response) => {
      response.setHeader('content-type', 'application/json')
      if (request.url === '/.well-known/openid-configuration') return void response.end(JSON.stringify({ issuer: provider, jwks_uri: `${provider}/keys` }))
      if (request.url === '/keys') return void response.end(JSON.stringify({ keys: [{ ...key.publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'RS256', use: 'sig' }] }))
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => response.end(JSON.stringify({ ...JSON.parse(Buffer.concat(chunks).toString()), status: { allowed: isWebhookOpen, reason: 'the webhook said so' } })))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    provider = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
    writeFileSync(join(folder, 'authn.yaml'), authentication('oidc:'))
    writeFileSync(join(folder, 'webhook'), stringify(singleKubeconfig('hook', { server: `${provider}/authorize`, caData: certificate })))
    writeFileSync(join(folder, 'authz.yaml'), stringify({
      apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AuthorizationConfiguration',
      authorizers: [
        { type: 'Node', name: 'node' }, { type: 'RBAC', name: 'rbac' },
        {
          type: 'Webhook', name: 'hook',
          webhook: {
            timeout: '3s', unauthorizedTTL: '1ms', subjectAccessReviewVersion: 'v1', matchConditionSubjectAccessReviewVersion: 'v1', failurePolicy: 'NoOpinion',
            connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: join(folder, 'webhook') }, matchConditions: [{ expression: "request.user == 'oidc:ann'" }],
          },
        },
      ],
    }))
    plane = await ControlPlane.start({ flags: ['--authentication-config', join(folder, 'authn.yaml'), '--authorization-config', join(folder, 'authz.yaml'), '--enable-bootstrap-token-auth'] })
  })
  after(async () => {
    await plane[Symbol.asyncDispose]()
    server.closeAllConnections()
    server.close()
    rmSync(folder, { recursive: true })
  })

  test('a token of a configured issuer names its user; its rights come from RBAC or the webhook', async () => {
    const token = await idToken({ sub: 'ann', roles: ['dev'] })
    await eventually('provider found', async () => {
      const { stdout, stderr } = await asToken(token, 'auth', 'whoami')
      assert.match(stdout, /oidc:ann/, stderr)
    })
    assert.match((await asToken(token, 'get', 'pods')).stderr, /User "oidc:ann" cannot list resource "pods" in API group "" in the namespace "default": the webhook said so/)
    await kubectl('create', 'rolebinding', 'dev', '--clusterrole', 'view', '--group', 'dev')
    await eventually('rights by group', async () => assert.equal((await asToken(token, 'get', 'pods')).code, 0))
    assert.notEqual((await asToken(token, 'get', 'secrets')).code, 0)
    isWebhookOpen = true
    assert.equal((await asToken(token, 'get', 'secrets')).code, 0)
    const system = await asToken(await idToken({ sub: 'x', roles: [], iss: 'https://elsewhere' }), 'get', 'pods')
    assert.match(system.stderr, /You must be logged in to the server|Unauthorized/)
  })

  test('the file takes effect when it changes, and anonymous callers come as far as it says', async () => {
    assert.equal((await plane.sandbox.run('curl', ['-sk', '-o', '/dev/null', '-w', '%{http_code}', `${plane.url}/livez`])).stdout, '200')
    assert.equal((await plane.sandbox.run('curl', ['-sk', '-o', '/dev/null', '-w', '%{http_code}', `${plane.url}/version`])).stdout, '401')
    writeFileSync(join(folder, 'authn.yaml'), authentication('changed:'))
    const token = await idToken({ sub: 'bob', roles: [] })
    await eventually('changed names', async () => assert.match((await asToken(token, 'auth', 'whoami')).stdout, /changed:bob/))
  })

  test('a kubelet joins with a bootstrap token, and a user with an approved certificate', async () => {
    const request = async (name: string, subject: string): Promise<string> => {
      const made = await plane.sandbox.run('openssl', ['req', '-new', '-newkey', 'rsa:2048', '-nodes', '-keyout', join(folder, `${name}.key`), '-subj', subject])
      return Buffer.from(made.stdout).toString('base64')
    }
    await plane.sandbox.apply(
      { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'bootstrap-token-abcdef', namespace: 'kube-system' }, type: 'bootstrap.kubernetes.io/token', stringData: { 'token-id': 'abcdef', 'token-secret': '0123456789abcdef', 'usage-bootstrap-authentication': 'true' } },
      ...['system:node-bootstrapper', 'system:certificates.k8s.io:certificatesigningrequests:nodeclient'].map((name, i) => ({
        apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRoleBinding', metadata: { name: `join-${i}` }, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
        subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: 'system:bootstrappers' }],
      })),
    )
    const csr = (name: string, signerName: string, text: string): string => stringify({
      apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest', metadata: { name }, spec: { request: text, signerName, usages: ['digital signature', 'client auth'] },
    })
    writeFileSync(join(folder, 'n9.yaml'), csr('n9', 'kubernetes.io/kube-apiserver-client-kubelet', await request('n9', '/O=system:nodes/CN=system:node:n9')))
    await eventually('asked', async () => assert.equal((await asToken('abcdef.0123456789abcdef', 'apply', '-f', join(folder, 'n9.yaml'))).code, 0))
    await eventually('issued by itself', async () => assert.match(await kubectl('get', 'csr', 'n9'), /Approved,Issued/))
    writeFileSync(join(folder, 'cat.yaml'), csr('cat', 'kubernetes.io/kube-apiserver-client', await request('cat', '/O=dev/CN=cat')))
    await kubectl('apply', '-f', join(folder, 'cat.yaml'))
    assert.match(await kubectl('get', 'csr', 'cat'), /Pending/)
    await kubectl('certificate', 'approve', 'cat')
    const issued = await eventually('issued', async () => {
      const text = await kubectl('get', 'csr', 'cat', '-o', 'jsonpath={.status.certificate}')
      assert.notEqual(text, '')
      return text
    })
    writeFileSync(join(folder, 'cat.crt'), Buffer.from(String(issued), 'base64'))
    const who = await plane.sandbox.run('kubectl', ['--kubeconfig', '/dev/null', '--server', plane.url, '--certificate-authority', join(folder, 'cluster-ca.crt'), '--client-certificate', join(folder, 'cat.crt'), '--client-key', join(folder, 'cat.key'), 'auth', 'whoami'])
    assert.match(who.stdout, /Username\s+cat\n\S+\s+\[dev system:authenticated\]/, who.stderr)
  })

  test('acting as others, and tokens for accounts', async () => {
    assert.match(await kubectl('auth', 'whoami', '--as', 'system:serviceaccount:default:default'), /system:serviceaccounts:default/)
    const token = await kubectl('create', 'token', 'default', '--duration', '10m')
    assert.match((await asToken(token, 'auth', 'whoami')).stdout, /system:serviceaccount:default:default/)
    assert.match((await asToken(token, 'get', 'pods', '--as', 'root')).stderr, /cannot impersonate-on:user-info:list resource "pods"/)
    await kubectl('delete', 'serviceaccount', 'default')
    assert.match((await asToken(token, 'auth', 'whoami')).stderr, /Unauthorized|must be logged in/)
  })
})
