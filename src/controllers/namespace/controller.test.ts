import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '../../api/types/core_v1.ts'
import { configMaps, deployments, namespaces, pods } from '../../client/resources.ts'
import { controllerTest, deployment } from '../testing/cluster.ts'
import { startNamespaceController } from './controller.ts'

test('deletes pods, then everything else, then the namespace', async (t) => {
  const { api, start, settle, stop, runtime, finishTerminating } = controllerTest()
  t.after(stop)
  api.seed(namespaces, { metadata: { name: 'team' }, spec: { finalizers: ['kubernetes'] }, status: { phase: 'Active' } })
  api.seed(deployments, { ...deployment('web', 1), metadata: { name: 'web', namespace: 'team' } })
  api.seed(configMaps, { metadata: { name: 'elsewhere', namespace: 'default' } })
  api.seed(configMaps, { metadata: { name: 'c', namespace: 'team' } })
  api.seed(pods, { metadata: { name: 'p', namespace: 'team' }, spec: { containers: [], nodeName: 'n', terminationGracePeriodSeconds: 30 }, status: { phase: 'Running' } } as Pod)
  start(startNamespaceController)
  await settle()
  assert.equal(api.all(configMaps).length, 2)
  await api.client.delete(namespaces, '', 'team')
  await settle()
  const status = api.get(namespaces, 'team')?.status
  assert.equal(status?.phase, 'Terminating')
  assert.deepEqual(status?.conditions?.map((c) => `${c.type}=${c.status} ${c.reason}: ${c.message}`), [
    'NamespaceDeletionDiscoveryFailure=False ResourcesDiscovered: All resources successfully discovered',
    'NamespaceDeletionGroupVersionParsingFailure=False ParsedGroupVersions: All legacy kube types successfully parsed',
    'NamespaceDeletionContentFailure=False ContentDeleted: All content successfully deleted, may be waiting on finalization',
    'NamespaceContentRemaining=True SomeResourcesRemain: Some resources are remaining: pods. has 1 resource instances',
    'NamespaceFinalizersRemaining=False ContentHasNoFinalizers: All content-preserving finalizers finished',
  ])
  assert.equal(api.all(deployments).length, 1)
  finishTerminating()
  await runtime.clock.advance(2000)
  await settle()
  assert.equal(api.get(namespaces, 'team'), undefined)
  assert.deepEqual([api.all(deployments).length, api.all(configMaps).map((c) => c.metadata.name)], [0, ['elsewhere']])
})

test('an object with a finalizer holds the namespace, and its condition says so', async (t) => {
  const { api, start, settle, stop, runtime } = controllerTest()
  t.after(stop)
  api.seed(namespaces, { metadata: { name: 'team' }, spec: { finalizers: ['kubernetes'] }, status: { phase: 'Active' } })
  api.seed(configMaps, { metadata: { name: 'c', namespace: 'team', finalizers: ['example.com/hold'] } })
  start(startNamespaceController)
  await settle()
  await api.client.delete(namespaces, '', 'team')
  await settle()
  const condition = api.get(namespaces, 'team')?.status?.conditions?.find((c) => c.type === 'NamespaceFinalizersRemaining')
  assert.equal(condition?.message, 'Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances')
  await api.client.patch(configMaps, 'team', 'c', 'merge', { metadata: { finalizers: null } })
  await runtime.clock.advance(30_000)
  assert.equal(api.get(namespaces, 'team'), undefined)
})
