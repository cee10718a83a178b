import assert from 'node:assert/strict'
import { hostname } from 'node:os'
import { test } from 'node:test'
import { memoryLogger } from '../../runtime/log.ts'
import { systemRuntime } from '../../runtime/runtime.ts'
import { memoryStore } from '../../store/memory.ts'
import { startTestServer } from '../testing/server.ts'
import { apiServerId, identityLeaseHooks } from './identity-lease.ts'

test('a server is known by a lease in kube-system; those of servers that are gone are removed', async () => {
  assert.match(apiServerId('a'), /^apiserver-[a-z2-7]{26}$/)
  assert.notEqual(apiServerId('a'), apiServerId('b'))
  assert.equal(apiServerId('a'), apiServerId('a'))
  const runtime = systemRuntime(memoryLogger())
  await using store = memoryStore(runtime)
  await using server = await startTestServer(runtime, store)
  const { core } = server
  const resource = core.resource('leases', 'coordination.k8s.io')
  const user = { username: 'system:apiserver', groups: ['system:masters'] }
  const gone = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'apiserver-gone', namespace: 'kube-system', labels: { 'apiserver.kubernetes.io/identity': 'kube-apiserver' } }, spec: { holderIdentity: 'x', leaseDurationSeconds: 3600, renewTime: '2020-01-01T00:00:00.000000Z' } }
  await core.registry.create(resource, 'kube-system', gone as never, { user })
  await core.registry.create(resource, 'kube-system', { ...gone, metadata: { name: 'other', namespace: 'kube-system' } } as never, { user })
  const hooks = identityLeaseHooks('192.0.2.1:6443')
  for (const hook of hooks) await hook.run(core)
  const leases = await core.registry.list(resource, 'kube-system') as unknown as { metadata: { name: string; labels?: Record<string, string>; annotations?: Record<string, string> }; spec: { leaseDurationSeconds: number; acquireTime?: string } }[]
  assert.deepEqual(leases.map(({ metadata }) => metadata.name).sort(), [apiServerId(hostname()), 'other'].sort())
  const own = leases.find(({ metadata }) => metadata.name.startsWith('apiserver-'))!
  assert.deepEqual(own.metadata.labels, { 'apiserver.kubernetes.io/identity': 'kube-apiserver', 'kubernetes.io/hostname': hostname() })
  assert.deepEqual(own.metadata.annotations, { 'kubernetes.io/peer-advertise-address': '192.0.2.1:6443' })
  assert.equal(own.spec.leaseDurationSeconds, 3600)
  assert.equal(own.spec.acquireTime, undefined)
  for (const hook of hooks) await hook.stop?.(core)
  assert.equal(await core.registry.find(resource, 'kube-system', apiServerId(hostname())), undefined)
})
