import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { parse } from 'yaml'
import { testRuntime } from '../runtime/runtime.ts'
import { kubeconfigText, loadKubeconfig, mergeIntoKubeconfigFile, mergeKubeconfigs, removeFromKubeconfigFile, singleKubeconfig, transportFromConfig } from './kubeconfig.ts'

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'kubeconfig-'))
  t.after(() => rm(path, { recursive: true }))
  return path
}

const cluster = (name: string) => singleKubeconfig(name, { server: `https://${name}:6443`, caData: 'CA', certData: 'CERT', keyData: 'KEY' })

test('puts a context into a file that has others, keeps what it does not know, and takes it out again', async (t) => {
  const file = join(await folder(t), 'config')
  await writeFile(file, 'apiVersion: v1\nkind: Config\ncurrent-context: work\nextensions: [{name: x}]\nclusters: [{name: work, cluster: {server: "https://work", certificate-authority: ca.pem}}]\nusers: [{name: me, user: {token: t}}]\ncontexts: [{name: work, context: {cluster: work, user: me}}]\n')
  await mergeIntoKubeconfigFile(file, cluster('k8ts-default'), 'u')
  const merged = await loadKubeconfig(file)
  assert.equal(merged['current-context'], 'k8ts-default')
  assert.deepEqual(merged.contexts.map(({ name }) => name), ['k8ts-default', 'work'])
  assert.deepEqual(merged.clusters[0]?.cluster['certificate-authority-data'], Buffer.from('CA').toString('base64'))
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  await removeFromKubeconfigFile(file, 'k8ts-default', 'u')
  const left = await loadKubeconfig(file)
  assert.deepEqual([left.contexts, left.clusters, left.users].map((list) => list.map(({ name }) => name)), [['work'], ['work'], ['me']])
  assert.equal(left['current-context'], undefined)
  assert.equal(left.clusters[0]?.cluster['certificate-authority'], join(file, '..', 'ca.pem'))
})

test('a file that is not there is an empty one to merge into, a broken one is an error that names it', async (t) => {
  const path = await folder(t)
  await mergeIntoKubeconfigFile(join(path, 'new', 'config'), cluster('a'), 'u')
  assert.match(await readFile(join(path, 'new', 'config'), 'utf8'), /current-context: a/)
  await removeFromKubeconfigFile(join(path, 'none'), 'a', 'u')
  await writeFile(join(path, 'broken'), '{{{')
  await assert.rejects(loadKubeconfig(join(path, 'broken')), /cannot read the kubeconfig .*broken/)
  await writeFile(join(path, 'pod'), 'kind: Pod')
  await assert.rejects(loadKubeconfig(join(path, 'pod')), /its kind is Pod, not Config/)
})

test('of merged files the first that names something wins', () => {
  const merged = mergeKubeconfigs([cluster('a'), cluster('b'), { ...cluster('a'), 'current-context': 'b' }])
  assert.deepEqual(merged.contexts.map(({ name }) => name), ['a', 'b'])
  assert.equal(merged['current-context'], 'a')
})

test('says what is wrong with a context', async () => {
  const runtime = testRuntime()
  const config = cluster('a')
  await assert.rejects(transportFromConfig(config, runtime, { context: 'b' }), /the kubeconfig has no context "b"; it has a/)
  await assert.rejects(transportFromConfig({ ...config, 'current-context': undefined }, runtime), /names no current context/)
  await assert.rejects(transportFromConfig({ ...config, users: [{ name: 'a', user: { exec: {} } }] }, runtime), /authenticates by exec, which is not supported/)
  const { namespace, server, trust, transport } = await transportFromConfig(config, runtime)
  assert.deepEqual([namespace, server, trust.caData], ['default', 'https://a:6443', 'CA'])
  await transport[Symbol.asyncDispose]()
})

test('what is written reads back as it was, whatever it holds', () => {
  const awkward = ['', 'true', 'No', '~', 'null', '1', '1e3', '0x1f', '- a', 'a: b', 'a #b', ' a', 'a ', 'ü', '\n', '"', "'", '*a', '&a', '!a', '%a', '@a', '`', '{', '[', ',', '?', ':', 'a:', '2001-01-01', '1:20', '.inf', '<<', '=', 'a\tb', '/x/y', 'https://[::1]:6443', '__proto__']
  const config = {
    ...cluster('k8ts-default'),
    preferences: { colors: true, count: 3, none: null, empty: {}, list: [], nested: [[1, [2, 'x']], { deep: [{ a: 'b', c: [] }] }, []] },
    extensions: awkward.map((text) => ({ name: text, [`key ${text}`]: text })),
  }
  for (const version of ['1.1', '1.2'] as const) assert.deepEqual(parse(kubeconfigText(config), { version }), config)
  assert.match(kubeconfigText(config), /^apiVersion: v1\nkind: Config\nclusters:\n  - name: k8ts-default\n    cluster:\n      server: https:\/\/k8ts-default:6443\n/)
})
