import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TokenRequest } from '../../api/types/authentication.k8s.io_v1.ts'
import type { KubeObject } from '../../machinery/object.ts'
import { StatusError } from '../../machinery/status.ts'
import { admissionOf, fakeCore, fakeResource, type FakeCore } from './fake-core.ts'
import { nodeRestriction } from './node-restriction.ts'

const kubelet = { username: 'system:node:n1', groups: ['system:nodes', 'system:authenticated'] }

function cluster(): FakeCore {
  const core = fakeCore()
  const put = (resource: string, object: object): void => core.reader.put(resource, object as KubeObject)
  put('pods', {
    metadata: { namespace: 'web', name: 'p', uid: 'pod-1' },
    spec: {
      nodeName: 'n1',
      volumes: [
        { name: 'api', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } }, { name: 'vault', projected: { sources: [{ serviceAccountToken: { path: 'token', audience: 'vault' } }] } },
        { name: 'inline', csi: { driver: 'inline.example.com' } }, { name: 'data', persistentVolumeClaim: { claimName: 'data' } }, { name: 'scratch', ephemeral: {} },
      ],
    },
  })
  put('csidrivers.storage.k8s.io', { metadata: { name: 'inline.example.com' }, spec: { tokenRequests: [{ audience: 'inline' }] } })
  put('csidrivers.storage.k8s.io', { metadata: { name: 'disk.example.com' }, spec: { tokenRequests: [{ audience: 'disk' }] } })
  for (const [claim, volume] of [['data', 'pv-1'], ['p-scratch', 'pv-2']]) {
    put('persistentvolumeclaims', { metadata: { namespace: 'web', name: claim }, spec: { volumeName: volume } })
    put('persistentvolumes', { metadata: { name: volume }, spec: { csi: { driver: volume === 'pv-1' ? 'disk.example.com' : 'gone.example.com' } } })
  }
  return core
}

async function ask(core: FakeCore, audiences: string[], uid = 'pod-1'): Promise<string> {
  const request = { metadata: { namespace: 'web', name: 'bot' }, spec: { audiences, boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'p', uid } } } as unknown as TokenRequest
  try {
    await nodeRestriction(core).mutate!(admissionOf('CREATE', fakeResource('serviceaccounts'), request as unknown as KubeObject, { subresource: 'token', user: kubelet }))
    return ''
  } catch (error) {
    assert.ok(error instanceof StatusError && error.code === 403, String(error))
    return error.message
  }
}

test('a kubelet asks for tokens of audiences that its pod mounts', async () => {
  const core = cluster()
  for (const audiences of [[], ['vault'], ['inline'], ['disk']]) assert.equal(await ask(core, audiences), '', audiences.join())
  assert.equal(await ask(core, ['other']), 'serviceaccounts "bot" is forbidden: audience "other" not found in pod spec volume, system:node:n1 is not authorized to request tokens for this audience')
  assert.equal(await ask(core, ['vault', 'disk']), 'serviceaccounts "bot" is forbidden: node may only request 0 or 1 audiences')
  assert.match(await ask(core, ['vault'], 'pod-2'), /does not match the UID in record/)
})

test('the right to an audience is as good as a volume', async () => {
  const core = cluster()
  const asked: string[] = []
  core.allow = ({ verb, resource, namespace, name }) => {
    asked.push(`${verb} ${resource} ${namespace}/${name}`)
    return resource === 'registry.example.com'
  }
  assert.equal(await ask(core, ['registry.example.com']), '')
  assert.deepEqual(asked, ['request-serviceaccounts-token-audience registry.example.com web/bot'])
})

test('a kubelet tells of its own pods, and not which claims are theirs', async () => {
  const before = { metadata: { namespace: 'web', name: 'p', labels: { a: 'b' } }, spec: { nodeName: 'n1' }, status: { resourceClaimStatuses: [{ name: 'gpu', resourceClaimName: 'own' }] } }
  const refusalOf = async (change: object, old: object = before): Promise<string> => {
    const attributes = admissionOf('UPDATE', fakeResource('pods'), { ...before, ...change } as unknown as KubeObject, { subresource: 'status', user: kubelet, oldObject: old as KubeObject })
    return await Promise.resolve(nodeRestriction(cluster()).mutate!(attributes)).then(() => '', (error: Error) => error.message.replace(/^pods "p" is forbidden: /, ''))
  }
  const table: [change: object, wanted: string, old?: object][] = [
    [{ status: { ...before.status, phase: 'Running' } }, ''],
    [{ status: { resourceClaimStatuses: [{ name: 'gpu', resourceClaimName: 'of-others' }] } }, 'node "n1" cannot update resource claim statues'],
    [{ status: { ...before.status, extendedResourceClaimStatus: { resourceClaimName: 'of-others', requestMappings: [] } } }, 'node "n1" cannot update extended resource claim status'],
    [{ metadata: { ...before.metadata, labels: {} } }, 'node "n1" cannot update labels through pod status'],
    [{}, 'node "n1" can only update pod status for pods with spec.nodeName set to itself', { ...before, spec: { nodeName: 'n2' } }],
  ]
  for (const [change, wanted, old] of table) assert.equal(await refusalOf(change, old), wanted)
})

test('a kubelet\'s mirror pods need nothing of the API', async () => {
  const core = cluster()
  core.reader.put('nodes', { metadata: { name: 'n1', uid: 'node-1' } } as KubeObject)
  const mirror = async (spec: object): Promise<string> => {
    const metadata = { namespace: 'web', name: 'm', annotations: { 'kubernetes.io/config.mirror': 'x' }, ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'n1', uid: 'node-1', controller: true }] }
    try {
      await nodeRestriction(core).mutate!(admissionOf('CREATE', fakeResource('pods'), { metadata, spec: { nodeName: 'n1', containers: [], ...spec } } as unknown as KubeObject, { user: kubelet }))
      return ''
    } catch (error) {
      return (error as Error).message.replace('pods "m" is forbidden: node "n1" can not create pods that reference ', '')
    }
  }
  const volume = (source: object): object => ({ volumes: [{ name: 'v', ...source }] })
  const cases: [object, string][] = [
    [{}, ''], [volume({ hostPath: { path: '/' } }), ''], [volume({ projected: { sources: [{ downwardAPI: {} }] } }), ''],
    [{ serviceAccountName: 'a' }, 'serviceaccounts'], [volume({ secret: { secretName: 's' } }), 'secrets'], [volume({ secret: {} }), 'secrets (via secret volumes)'],
    [volume({ persistentVolumeClaim: { claimName: 'c' } }), 'persistentvolumeclaims'], [volume({ ephemeral: {} }), 'persistentvolumeclaims (via ephemeral volumes)'],
    [volume({ csi: { driver: 'd' } }), 'csidrivers (via CSI volumes)'], [volume({ projected: { sources: [{ downwardAPI: {} }, { serviceAccountToken: { path: 't' } }] } }), 'serviceaccounts (via projected volumes)'],
    [{ resourceClaims: [{ name: 'c' }] }, 'resourceclaims'],
  ]
  for (const [spec, reference] of cases) assert.equal(await mirror(spec), reference, JSON.stringify(spec))
})

test('a pod that is not there is called by its kind', async () => {
  const eviction = admissionOf('CREATE', fakeResource('pods'), { metadata: { namespace: 'web', name: 'none' } } as KubeObject, { subresource: 'eviction', user: kubelet })
  await assert.rejects(async () => await nodeRestriction(cluster()).mutate!(eviction), /^StatusError: pod "none" not found$/)
})
