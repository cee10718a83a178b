import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errors } from '../machinery/status.ts'
import { testRuntime } from '../runtime/runtime.ts'
import { createClient } from './api.ts'
import { discover } from './discovery.ts'
import { createFakeApi } from './testing/fake-api.ts'
import type { Transport } from './transport.ts'

test('reads the aggregated documents', async () => {
  const { client } = createFakeApi(testRuntime())
  const { resources, failures } = await discover(client)
  assert.deepEqual(resources.find(({ resource }) => resource === 'deployments'), {
    group: 'apps', version: 'v1', resource: 'deployments', kind: 'Deployment', namespaced: true, verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
  })
  assert.equal(failures.size, 0)
})

test('reads the older documents: preferred versions first, subresources left out, groups that fail named', async () => {
  const resource = (name: string, kind: string) => ({ name, kind, namespaced: true, verbs: ['list'] })
  const documents: Record<string, unknown> = {
    '/api': { kind: 'APIVersions', versions: ['v1'] },
    '/api/v1': { resources: [resource('pods', 'Pod'), resource('pods/log', 'Pod')] },
    '/apis': { kind: 'APIGroupList', groups: [
      { name: 'autoscaling', preferredVersion: { version: 'v2' }, versions: [{ version: 'v1', groupVersion: 'autoscaling/v1' }, { version: 'v2', groupVersion: 'autoscaling/v2' }] },
      { name: 'metrics.k8s.io', preferredVersion: { version: 'v1beta1' }, versions: [{ version: 'v1beta1', groupVersion: 'metrics.k8s.io/v1beta1' }] },
    ] },
    '/apis/autoscaling/v1': { resources: [resource('horizontalpodautoscalers', 'HorizontalPodAutoscaler'), resource('old', 'Old')] },
    '/apis/autoscaling/v2': { resources: [resource('horizontalpodautoscalers', 'HorizontalPodAutoscaler')] },
  }
  const transport: Transport = {
    async request({ path }) {
      const value = documents[path] ?? errors.serviceUnavailable('down').status
      return { status: path in documents ? 200 : 503, headers: {}, value, bytes: () => assert.fail('unused'), stream: () => assert.fail('unused') }
    },
    [Symbol.asyncDispose]: async () => undefined,
  }
  const { resources, failures } = await discover(createClient(transport))
  assert.deepEqual(resources.map(({ version, resource: name }) => `${name} ${version}`), ['pods v1', 'horizontalpodautoscalers v2', 'old v1'])
  assert.deepEqual([...failures.keys()], ['metrics.k8s.io/v1beta1'])
})

test('what an aggregated server last said is not taken for what it says now', async () => {
  const version = (name: string, freshness: string): object => ({ version: name, freshness, resources: [{ resource: `things${name}`, scope: 'Namespaced', verbs: ['list'], responseKind: { kind: 'Thing' } }] })
  const documents: Record<string, unknown> = {
    '/api': { kind: 'APIGroupDiscoveryList', items: [] },
    '/apis': { kind: 'APIGroupDiscoveryList', items: [{ metadata: { name: 'example.com' }, versions: [version('v2', 'Stale'), version('v1', 'Current')] }] },
  }
  const transport: Transport = {
    request: async ({ path }) => ({ status: 200, headers: {}, value: documents[path], bytes: () => assert.fail('unused'), stream: () => assert.fail('unused') }),
    [Symbol.asyncDispose]: async () => undefined,
  }
  const { resources, failures } = await discover(createClient(transport))
  assert.deepEqual(resources.map(({ resource }) => resource), ['thingsv1'])
  assert.deepEqual([...failures].map(([id, error]) => [id, error.message]), [['example.com/v2', 'stale GroupVersion discovery: example.com/v2']])
})
