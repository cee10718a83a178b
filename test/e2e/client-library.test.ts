import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import * as k8s from '@kubernetes/client-node'
import { ControlPlane } from './control-plane.ts'
import { eventually } from './support.ts'

/** The generated client of another project, unmodified: what it sends is understood, what it is told fits its types. */

let plane: ControlPlane
let config: k8s.KubeConfig

before(async () => {
  plane = await ControlPlane.start({ hollow: 1 })
  config = new k8s.KubeConfig()
  config.loadFromFile(join(plane.sandbox.home, 'kubeconfig'))
})
after(() => plane[Symbol.asyncDispose]())

test('every list of what is served fits the types of the client', async () => {
  const wrong: string[] = []
  let lists = 0
  for (const [name, Api] of Object.entries(k8s as unknown as Record<string, new () => k8s.ApiType>)) {
    if (typeof Api !== 'function' || !/^[A-Z]\w+V\d\w*Api$/.test(name)) continue
    const api = config.makeApiClient(Api as never) as unknown as Record<string, (options: object) => Promise<{ items: { metadata?: { name?: string; creationTimestamp?: Date } }[] }>>
    for (const method of Object.getOwnPropertyNames(Object.getPrototypeOf(api)).filter((each) => each.startsWith('list') && !each.endsWith('WithHttpInfo'))) {
      try {
        const { items } = await api[method]!({ namespace: 'default', limit: 5 })
        lists++
        for (const { metadata } of items) if (metadata?.name === undefined || (metadata.creationTimestamp !== undefined && !(metadata.creationTimestamp instanceof Date))) wrong.push(`${name}.${method}`)
      } catch (error) {
        // Versions that are not served by default.
        if (!(error instanceof k8s.ApiException) || error.code !== 404) wrong.push(`${name}.${method}: ${(error as Error).message}`)
      }
    }
  }
  assert.deepEqual(wrong, [])
  assert.ok(lists > 60, `${lists} lists`)
})

test('objects are made, patched in four ways, watched by an informer and deleted', async () => {
  const core = config.makeApiClient(k8s.CoreV1Api)
  const at = { name: 'one', namespace: 'default' }
  const seen: string[] = []
  const informer = k8s.makeInformer(config, '/api/v1/namespaces/default/configmaps', () => core.listNamespacedConfigMap({ namespace: 'default' }))
  for (const event of ['add', 'update', 'delete'] as const) informer.on(event, ({ metadata }) => metadata?.name === 'one' && seen.push(event))
  await informer.start()
  try {
    const created = await core.createNamespacedConfigMap({ namespace: 'default', body: { metadata: { name: 'one' }, data: { a: '1' } } })
    assert.ok(created.metadata?.creationTimestamp instanceof Date)
    await core.patchNamespacedConfigMap({ ...at, body: { data: { b: '2' } } }, k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.MergePatch))
    await core.patchNamespacedConfigMap({ ...at, body: { data: { c: '3' } } }, k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.StrategicMergePatch))
    await core.patchNamespacedConfigMap({ ...at, body: [{ op: 'replace', path: '/data/a', value: '9' }] })
    const applied = await core.patchNamespacedConfigMap(
      { ...at, fieldManager: 'client', force: true, body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'one' }, data: { d: '4' } } }, k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.ServerSideApply),
    )
    assert.deepEqual(applied.data, { a: '9', b: '2', c: '3', d: '4' })
    assert.equal((await core.deleteNamespacedConfigMap(at)).status, 'Success')
    await eventually('the informer saw it all', async () => assert.deepEqual(seen, ['add', 'update', 'update', 'update', 'update', 'delete']))
    const missing = await core.readNamespacedConfigMap(at).then(() => undefined, (error: unknown) => error)
    assert.ok(missing instanceof k8s.ApiException && missing.code === 404)
  } finally {
    await informer.stop()
  }
})

test('kinds are found by discovery', async () => {
  const objects = k8s.KubernetesObjectApi.makeApiClient(config)
  const labels = { app: 'web' }
  const deployment: k8s.V1Deployment = {
    apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web', namespace: 'default' },
    spec: { replicas: 1, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'registry.example/pause:1' }] } } },
  }
  assert.equal((await objects.create(deployment)).spec?.strategy?.type, 'RollingUpdate')
  assert.equal((await objects.list<k8s.V1Deployment>('apps/v1', 'Deployment', 'default')).items.length, 1)
  const patched = await objects.patch<k8s.V1Deployment>({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web', namespace: 'default' }, spec: { replicas: 2 } } as k8s.V1Deployment)
  assert.equal(patched.spec?.replicas, 2)
  assert.equal((await objects.delete(deployment)).status, 'Success')
})
