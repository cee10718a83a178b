import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { JsonObject } from '../../machinery/json-value.ts'
import { parseAdmissionConfiguration, parseEventLimits, parseLimitedResources, parseNodeSelectors, parsePodSecurity, parseTolerationRestriction, readAdmissionConfiguration } from './configuration.ts'
import { admissionPluginNames, defaultAdmissionPlugins } from './plugin-names.ts'
import { createAdmissionPlugins } from './plugins.ts'

let folder: string
before(async () => void (folder = await mkdtemp(join(tmpdir(), 'k8ts-admission-'))))
after(() => rm(folder, { recursive: true }))

const head = 'apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\n'

test('plugins by name, with their paths beside the file', () => {
  assert.deepEqual(parseAdmissionConfiguration(`${head}plugins: [{name: A, path: a.yaml}, {name: B, path: /b}, {name: C, configuration: {x: 1}}, {name: D}]`, '/etc/k/adm.yaml'), [
    { name: 'A', path: '/etc/k/a.yaml', configuration: undefined }, { name: 'B', path: '/b', configuration: undefined }, { name: 'C', path: '', configuration: { x: 1 } }, { name: 'D', path: '', configuration: undefined },
  ])
  assert.deepEqual(parseAdmissionConfiguration('podNodeSelectorPluginConfig: {a: b=c}', '/f').map(({ name }) => name), ['ImagePolicyWebhook', 'PodNodeSelector'])
})

test('files that are none say why', () => {
  const table: Array<[string, RegExp]> = [
    ['[', /^Error: yaml: /], ['- a', /must be a mapping/], ['a: b', /Object 'Kind' is missing/], ['apiVersion: v1\nkind: Pod', /no kind "Pod" is registered for version "v1"/],
    [`${head}plugin: []`, /strict decoding error: unknown field "plugin"/], [`${head}plugins: [{name: A, file: b}]`, /unknown field "plugins\[0\]\.file"/],
    [`${head}plugins: []\nplugins: []`, /unique/], [`${head}plugins: {}`, /plugins: must be a list/], [`${head}plugins: [{name: 7}]`, /name: must be a string/],
  ]
  for (const [text, message] of table) assert.throws(() => parseAdmissionConfiguration(text, '/f'), message, text)
})

test('each plugin\'s part is checked', () => {
  const podSecurity = { apiVersion: 'pod-security.admission.config.k8s.io/v1', kind: 'PodSecurityConfiguration' }
  const limits = { apiVersion: 'eventratelimit.admission.k8s.io/v1alpha1', kind: 'Configuration' }
  const tolerations = { apiVersion: 'podtolerationrestriction.admission.k8s.io/v1alpha1', kind: 'Configuration' }
  const quota = { apiVersion: 'apiserver.config.k8s.io/v1', kind: 'ResourceQuotaConfiguration' }
  const table: Array<[(value: JsonObject) => unknown, JsonObject, RegExp]> = [
    [parsePodSecurity, { ...podSecurity, defaults: { enforce: 'strict' } }, /^Error: defaults\.enforce: Invalid value: "strict": must be one of privileged, baseline, restricted$/],
    [parsePodSecurity, { ...podSecurity, defaults: { 'warn-version': '1.2' } }, /defaults\.warn-version: Invalid value: "1\.2": must be "latest" or "v1\.x"/],
    [parsePodSecurity, { ...podSecurity, defaults: { level: 'x' } }, /unknown field "defaults\.level"/],
    [parsePodSecurity, { ...podSecurity, exemptions: { namespaces: ['a', 'B'] } }, /exemptions\.namespaces\[1\]: Invalid value: "B"/],
    [parsePodSecurity, { ...podSecurity, exemptions: { usernames: ['a', 'a'] } }, /exemptions\.usernames\[1\]: Duplicate value: "a"/],
    [parsePodSecurity, { ...podSecurity, kind: 'Other' }, /no kind "Other"/],
    [parseEventLimits, { ...limits }, /limits: Invalid value: \[\]: must not be empty/],
    [parseEventLimits, { ...limits, limits: [{ type: 'Node', qps: 1, burst: 1 }] }, /limits\[0\]\.type: Unsupported value: "Node"/],
    [parseEventLimits, { ...limits, limits: [{ type: 'User', qps: 0, burst: 1 }] }, /limits\[0\]\.qps: Invalid value: 0: must be positive/],
    [parseTolerationRestriction, { ...tolerations, default: [{ operator: 'Like' }] }, /default\[0\]\.operator: Unsupported value: "Like"/],
    [parseNodeSelectors, { podNodeSelectorPluginConfig: { a: 'b' } }, /invalid selector: \[b\]/],
    [parseLimitedResources, { ...quota, limitedResources: [{ matchContains: ['a'] }] }, /limitedResources\[0\]\.resource: Required value/],
  ]
  for (const [parse, value, message] of table) assert.throws(() => parse(value), message)
  assert.deepEqual(parseEventLimits({ ...limits, limits: [{ type: 'User', qps: 2, burst: 3 }] }), [{ type: 'User', qps: 2, burst: 3, cacheSize: 4096 }])
  assert.deepEqual(parsePodSecurity({ ...podSecurity, defaults: { enforce: 'baseline', 'enforce-version': 'v1.30' } }).defaults.enforce, { level: 'baseline', minor: 30 })
})

test('a file is read with all that it points to, and errors name the plugin', async () => {
  const file = join(folder, 'admission.yaml')
  await writeFile(join(folder, 'selectors.yaml'), 'podNodeSelectorPluginConfig: {ns: "a=b"}')
  await writeFile(join(folder, 'kubeconfig'), 'apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: "https://images.example"}}]\nusers: [{name: "*", user: {token: t}}]\ncontexts: [{name: x, context: {cluster: c, user: "*"}}]\ncurrent-context: x')
  await writeFile(file, `${head}plugins:
- {name: PodNodeSelector, path: selectors.yaml}
- {name: LimitRanger, configuration: {any: thing}}
- {name: ImagePolicyWebhook, configuration: {imagePolicy: {kubeConfigFile: ${join(folder, 'kubeconfig')}, allowTTL: 60, denyTTL: -1}}}
- {name: MutatingAdmissionWebhook, configuration: {apiVersion: apiserver.config.k8s.io/v1, kind: WebhookAdmissionConfiguration, kubeConfigFile: ${join(folder, 'kubeconfig')}}}`)
  const { podNodeSelector, imagePolicy, mutatingWebhooks, ...rest } = await readAdmissionConfiguration(file)
  assert.deepEqual([podNodeSelector, rest], [{ ns: 'a=b' }, {}])
  assert.deepEqual([imagePolicy?.target, imagePolicy?.allowTtlMs, imagePolicy?.denyTtlMs, imagePolicy?.retryBackoffMs], [{ url: 'https://images.example' }, 60_000, 0, 500])
  assert.deepEqual(await mutatingWebhooks?.headersFor({ url: 'https://any.example/x' }), { authorization: 'Bearer t' })
  await writeFile(file, `${head}plugins: [{name: PodSecurity, path: missing.yaml}]`)
  await assert.rejects(readAdmissionConfiguration(file), /^Error: couldn't init admission plugin "PodSecurity": ENOENT/)
  await assert.rejects(readAdmissionConfiguration(join(folder, 'none')), /unable to read admission control configuration from ".*none"/)
})

test('plugins are chosen by name', () => {
  assert.ok(createAdmissionPlugins().length < createAdmissionPlugins({ enable: ['AlwaysPullImages'] }).length)
  assert.equal(createAdmissionPlugins({ disable: ['PodSecurity'] }).length, createAdmissionPlugins().length - 1)
  assert.throws(() => createAdmissionPlugins({ enable: ['PodSecurityPolicy'] }), /enable-admission-plugins plugin "PodSecurityPolicy" is unknown; the plugins are AlwaysAdmit, /)
  assert.throws(() => createAdmissionPlugins({ enable: ['AlwaysDeny'], disable: ['AlwaysDeny'] }), /AlwaysDeny in enable-admission-plugins and disable-admission-plugins overlapped/)
  assert.deepEqual([admissionPluginNames[0], admissionPluginNames.at(-1)], ['AlwaysAdmit', 'AlwaysDeny'])
  assert.ok(admissionPluginNames.indexOf('MutatingAdmissionWebhook') < admissionPluginNames.indexOf('ValidatingAdmissionPolicy'))
  assert.ok(!defaultAdmissionPlugins.includes('AlwaysPullImages'))
})
