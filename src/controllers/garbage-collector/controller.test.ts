import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { ResourceType } from '../../client/client.ts'
import { configMaps, customResourceDefinitions, deployments, namespaces, nodes, pods, replicaSets } from '../../client/resources.ts'
import type { KubeObject, OwnerReference } from '../../machinery/object.ts'
import { controllerTest } from '../testing/cluster.ts'
import { startGarbageCollector } from './controller.ts'

function setUp(t: TestContext) {
  const cluster = controllerTest()
  t.after(cluster.stop)
  const { api } = cluster
  const add = <T extends KubeObject>(type: ResourceType<T>, name: string, ...owners: OwnerReference[]): T =>
    api.seed(type, { metadata: { name, ...(type.namespaced ? { namespace: 'default' } : {}), ...(owners.length === 0 ? {} : { ownerReferences: owners }) } } as T)
  const by = (type: ResourceType, owner: KubeObject): OwnerReference =>
    ({ apiVersion: type.group === '' ? type.version : `${type.group}/${type.version}`, kind: type.kind, name: owner.metadata.name!, uid: owner.metadata.uid!, blockOwnerDeletion: true })
  const names = (type: ResourceType): string[] => api.all(type).map((object) => object.metadata.name!)
  return { ...cluster, add, by, names }
}

test('background: dependents go after their owner, through all generations', async (t) => {
  const { api, add, by, names, settle, start } = setUp(t)
  const deployment = add(deployments, 'web')
  const set = add(replicaSets, 'web-1', by(deployments, deployment))
  for (const name of ['a', 'b', 'c']) add(pods, name, by(replicaSets, set))
  add(pods, 'other')
  start(startGarbageCollector)
  await settle()
  assert.deepEqual(names(pods), ['a', 'b', 'c', 'other'])
  await api.client.delete(deployments, 'default', 'web', { propagationPolicy: 'Background' })
  await settle()
  assert.deepEqual([names(replicaSets), names(pods)], [[], ['other']])
})

test('foreground: the owner stays until its blocking dependents are gone', async (t) => {
  const { api, add, by, names, settle, start } = setUp(t)
  const deployment = add(deployments, 'web')
  const set = add(replicaSets, 'web-1', by(deployments, deployment))
  add(pods, 'a', by(replicaSets, set))
  api.change(pods, 'default/a', (pod) => void (pod.metadata.finalizers = ['example.com/wait']))
  start(startGarbageCollector)
  await settle()
  await api.client.delete(deployments, 'default', 'web', { propagationPolicy: 'Foreground' })
  await settle()
  assert.deepEqual([names(deployments), names(replicaSets), names(pods)], [['web'], ['web-1'], ['a']])
  await api.client.patch(pods, 'default', 'a', 'merge', { metadata: { finalizers: null } })
  await settle()
  assert.deepEqual([names(deployments), names(replicaSets), names(pods)], [[], [], []])
})

test('orphan: dependents lose their owner and stay', async (t) => {
  const { api, add, by, names, settle, start } = setUp(t)
  const deployment = add(deployments, 'web')
  add(replicaSets, 'web-1', by(deployments, deployment))
  start(startGarbageCollector)
  await settle()
  await api.client.delete(deployments, 'default', 'web', { propagationPolicy: 'Orphan' })
  await settle()
  assert.deepEqual([names(deployments), names(replicaSets)], [[], ['web-1']])
  assert.deepEqual(api.get(replicaSets, 'default/web-1')?.metadata.ownerReferences, [])
})

test('an object stays while one owner does, and loses the references to those gone', async (t) => {
  const { api, add, by, settle, start, names } = setUp(t)
  const first = add(configMaps, 'first')
  const second = add(configMaps, 'second')
  add(pods, 'p', by(configMaps, first), by(configMaps, second))
  start(startGarbageCollector)
  await settle()
  await api.client.delete(configMaps, 'default', 'first')
  await settle()
  assert.deepEqual(api.get(pods, 'default/p')?.metadata.ownerReferences?.map((owner) => owner.name), ['second'])
  await api.client.delete(configMaps, 'default', 'second')
  await settle()
  assert.deepEqual(names(pods), [])
})

test('a dependent that comes after its owner has gone is deleted; one with a reused name but another uid too', async (t) => {
  const { add, by, settle, start, names } = setUp(t)
  start(startGarbageCollector)
  await settle()
  add(configMaps, 'owner')
  add(pods, 'late', by(configMaps, { metadata: { name: 'gone', uid: 'gone-uid' } }))
  add(pods, 'reused', by(configMaps, { metadata: { name: 'owner', uid: 'older-uid' } }))
  await settle()
  assert.deepEqual(names(pods), [])
})

test('a dependent whose new owner has never been is deleted', async (t) => {
  const { api, add, settle, start, names } = setUp(t)
  add(pods, 'adopted')
  start(startGarbageCollector)
  await settle()
  assert.deepEqual(names(pods), ['adopted'])
  await api.client.patch(pods, 'default', 'adopted', 'merge', { metadata: { ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'never', uid: 'was' }] } })
  await settle()
  assert.deepEqual(names(pods), [])
})

test('a cluster-scoped object with a namespaced owner is not deleted, but an event tells', async (t) => {
  const { add, by, settle, start, names, eventsOf } = setUp(t)
  const owner = add(configMaps, 'owner')
  add(nodes, 'node', by(configMaps, owner))
  add(pods, 'p', by(namespaces, add(namespaces, 'n')))
  start(startGarbageCollector)
  await settle()
  assert.deepEqual([names(nodes), names(pods)], [['node'], ['p']])
  assert.match(eventsOf('node')[0] ?? '', /^OwnerRefInvalidNamespace ownerRef \[v1\/ConfigMap/)
})

test('a dependent in another namespace than its owner is deleted with an event, and those in the right one stay', async (t) => {
  const { api, add, by, settle, start, names, eventsOf } = setUp(t)
  const owner = add(configMaps, 'owner')
  start(startGarbageCollector)
  await settle()
  add(pods, 'first', by(configMaps, owner))
  await settle()
  api.change(configMaps, 'default/owner', (map) => void (map.data = { seen: 'true' }))
  await settle()
  api.seed(pods, { metadata: { name: 'stranger', namespace: 'elsewhere', ownerReferences: [by(configMaps, owner)] } } as KubeObject as never)
  await settle()
  add(pods, 'second', by(configMaps, owner), { apiVersion: 'v1', kind: 'ConfigMap', name: 'never', uid: 'was' })
  await settle()
  assert.deepEqual(names(pods), ['first', 'second'])
  assert.match(eventsOf('stranger')[0] ?? '', /^OwnerRefInvalidNamespace ownerRef \[v1\/ConfigMap, namespace: elsewhere, name: owner, uid: .*\] does not exist in namespace "elsewhere"$/)
})

test('an object deleted while the watch was down takes its dependents along', async (t) => {
  const { api, runtime, add, by, settle, start, names } = setUp(t)
  const set = add(replicaSets, 'web-1')
  add(pods, 'a', by(replicaSets, set))
  const set2 = add(replicaSets, 'web-2', by(configMaps, add(configMaps, 'keeps')))
  add(pods, 'b', by(replicaSets, set2))
  start(startGarbageCollector)
  await settle()
  api.breakWatches()
  api.remove(replicaSets, 'default/web-2')
  api.breakWatches({ forget: true })
  await runtime.clock.advance(120_000)
  assert.deepEqual(names(pods), ['a'])
})

test('objects of a definition that has just come are seen within a second, as owners and as dependents', async (t) => {
  const { api, add, by, runtime, settle, start, names } = setUp(t)
  const widgets: ResourceType = { group: 'example.com', version: 'v1', resource: 'widgets', kind: 'Widget', namespaced: true }
  add(pods, 'of-nobody', by(widgets, { metadata: { name: 'gone', uid: 'gone-uid' } }))
  add(pods, 'of-one-to-come', by(widgets, { metadata: { name: 'first', uid: 'first-uid' } }))
  const owner = add(configMaps, 'owner')
  start(startGarbageCollector)
  await settle()
  // Nobody knows yet what a Widget is, and whoever tried has to wait longer and longer before trying again.
  await runtime.clock.advance(300_000)
  assert.deepEqual(names(pods), ['of-nobody', 'of-one-to-come'])
  api.serve(widgets)
  api.seed(widgets, { metadata: { name: 'first', namespace: 'default', uid: 'first-uid' } })
  add(widgets, 'owned', by(configMaps, owner))
  add(customResourceDefinitions, 'widgets.example.com')
  await settle()
  assert.deepEqual(names(pods), ['of-one-to-come'])
  await api.client.delete(configMaps, 'default', 'owner')
  await api.client.delete(widgets, 'default', 'first')
  await settle()
  assert.deepEqual([names(widgets), names(pods)], [[], []])
})
