import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { authenticationOptions, authorizationOptions } from './access-options.ts'
import { apiServerFlags } from './apiserver-flags.ts'
import type { ApiServerSettings } from './apiserver-options.ts'
import { FlagError, parseFlags } from './flags.ts'

const folder = mkdtempSync(join(tmpdir(), 'k8ts-access-flags-'))
after(() => rmSync(folder, { recursive: true }))

function settings(...args: string[]): ApiServerSettings {
  const { values, given } = parseFlags(apiServerFlags, args)
  return { flags: values, given }
}

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const authentication = (...args: string[]): ReturnType<typeof authenticationOptions> => authenticationOptions(settings(...args), true)
const authorization = (...args: string[]): ReturnType<typeof authorizationOptions> => authorizationOptions(settings(...args), true)
const refused = (text: RegExp) => (error: unknown): boolean => error instanceof FlagError && text.test(error.message)
const configuration = (kind: string, rest: string): string => `apiVersion: apiserver.config.k8s.io/v1\nkind: ${kind}\n${rest}`

test('the oidc flags become one issuer', async () => {
  const options = await authentication('--oidc-issuer-url=https://a.example.com', '--oidc-client-id=k8s', '--oidc-groups-claim=groups', '--oidc-required-claim=hd=acme.com')
  assert.deepEqual(options?.structured?.initial.config.jwt, [{
    issuer: { url: 'https://a.example.com', audiences: ['k8s'] }, claimMappings: { username: { claim: 'sub', prefix: 'https://a.example.com#' }, groups: { claim: 'groups', prefix: '' } },
    claimValidationRules: [{ claim: 'hd', requiredValue: 'acme.com' }],
  }])
  assert.deepEqual(options?.structured?.signingAlgorithms, ['RS256'])
  assert.equal((await authentication())?.structured, undefined)
  await assert.rejects(authentication('--oidc-issuer-url=https://a.example.com'), refused(/oidc-issuer-url and oidc-client-id must be specified together/))
  await assert.rejects(authentication('--oidc-issuer-url=http://a', '--oidc-client-id=k8s'), refused(/URL scheme must be https/))
})

test('a configuration file takes the place of the flags that it speaks of', async () => {
  const path = file('authn', configuration('AuthenticationConfiguration', 'anonymous: {enabled: true, conditions: [{path: /livez}]}\n'))
  assert.deepEqual((await authentication('--authentication-config', path))?.structured?.initial.config, { jwt: [], anonymous: { enabled: true, conditions: [{ path: '/livez' }] } })
  await assert.rejects(authentication('--authentication-config', path, '--oidc-client-id=x'), refused(/authentication-config file and oidc-\* flags are mutually exclusive/))
  await assert.rejects(authentication('--authentication-config', path, '--anonymous-auth=true'), refused(/--anonymous-auth flag cannot be set when anonymous field is configured/))
  await assert.rejects(authentication('--authentication-config', join(folder, 'missing')), refused(/cannot read the file of --authentication-config/))
  await assert.rejects(authentication('--authentication-config', file('wrong', 'kind: x')), refused(/the file of --authentication-config is wrong/))
})

test('whoever may do everything must at least say who they are', async () => {
  assert.equal((await authenticationOptions(settings(), false))?.anonymous, false)
  assert.equal((await authenticationOptions(settings('--authorization-mode=RBAC'), false))?.anonymous, true)
  assert.equal((await authentication())?.anonymous, true)
  assert.equal((await authentication('--anonymous-auth=false'))?.anonymous, false)
})

test('authorizers come in the order of the flag', async () => {
  const types = async (...args: string[]): Promise<string[]> => (await authorization(...args)).authorizers!.map(({ type }) => type)
  assert.deepEqual(await types(), ['Node', 'RBAC'])
  assert.deepEqual((await authorizationOptions(settings(), false)).authorizers!.map(({ type }) => type), ['AlwaysAllow'])
  const webhook = file('webhook', '')
  assert.deepEqual(await types('--authorization-mode=RBAC,Webhook', '--authorization-webhook-config-file', webhook), ['RBAC', 'Webhook'])
  const policy = file('policy', '{"apiVersion": "abac.authorization.kubernetes.io/v1beta1", "kind": "Policy", "spec": {"user": "ann", "resource": "*"}}')
  assert.equal((await authorization('--authorization-mode=ABAC', '--authorization-policy-file', policy)).abacPolicies?.[0]?.user, 'ann')
  await assert.rejects(authorization('--authorization-mode=ABAC'), refused(/authorization policy file not passed/))
  await assert.rejects(authorization('--authorization-mode=RBAC', '--authorization-policy-file', policy), refused(/without mode ABAC/))
  await assert.rejects(authorization('--authorization-mode=Webhook'), refused(/config file not passed/))
  await assert.rejects(authorization('--authorization-mode=RBAC', '--authorization-webhook-config-file', webhook), refused(/without mode Webhook/))
})

test('an authorization file stands alone', async () => {
  const path = file('authz', configuration('AuthorizationConfiguration', 'authorizers: [{type: Node, name: node}, {type: RBAC, name: rbac}]\n'))
  const options = await authorization('--authorization-config', path)
  assert.deepEqual(options.authorizers, [{ type: 'Node', name: 'node' }, { type: 'RBAC', name: 'rbac' }])
  assert.equal(options.file?.path, path)
  await assert.rejects(authorization('--authorization-config', path, '--authorization-mode=RBAC'), refused(/can not be specified when --authorization-mode or --authorization-webhook-\* flags are defined/))
  await assert.rejects(authorization('--authorization-config', file('empty', '')), refused(/empty config data/))
})
