import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { UserInfo } from '../../api/resource.ts'
import type { PodSpec } from '../../api/types/core_v1.ts'
import type { AuthorizationAttributes } from '../context.ts'
import { fakeReader, type FakeReader } from './fake-reader.ts'
import { nodeAuthorizer } from './node.ts'

const kubelet: UserInfo = { username: 'system:node:n1', groups: ['system:nodes', 'system:authenticated'] }

function pod(reader: FakeReader, name: string, spec: Partial<PodSpec>, annotations: Record<string, string> = {}): void {
  reader.put('pods', { metadata: { namespace: 'web', name, uid: name, annotations }, spec: { containers: [], ...spec } } as never)
}

function cluster(): FakeReader {
  const reader = fakeReader()
  pod(reader, 'own', {
    nodeName: 'n1', serviceAccountName: 'bot', imagePullSecrets: [{ name: 'pull' }],
    containers: [{ name: 'c', env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'env-secret', key: 'a' } } }], envFrom: [{ configMapRef: { name: 'env-map' } }] }],
    volumes: [
      { name: 's', secret: { secretName: 'mounted' } }, { name: 'p', projected: { sources: [{ configMap: { name: 'projected' } }, { secret: { name: 'projected-secret' } }] } },
      { name: 'd', persistentVolumeClaim: { claimName: 'data' } }, { name: 'scratch', ephemeral: {} },
    ],
  })
  pod(reader, 'other', { nodeName: 'n2', serviceAccountName: 'other-bot', imagePullSecrets: [{ name: 'other-pull' }] })
  pod(reader, 'mirror', { nodeName: 'n1', imagePullSecrets: [{ name: 'mirror-pull' }] }, { 'kubernetes.io/config.mirror': 'x' })
  // Claims that name a volume give no rights: it is the volume that says whose it is.
  reader.put('persistentvolumeclaims', { metadata: { namespace: 'web', name: 'data' }, spec: { volumeName: 'pv-2' } } as never)
  reader.put('persistentvolumes', { metadata: { name: 'pv-2' }, spec: { claimRef: { namespace: 'web', name: 'of-others' }, azureFile: { secretName: 'not-mine', shareName: 's' } } } as never)
  reader.put('persistentvolumes', { metadata: { name: 'pv-1' }, spec: { claimRef: { namespace: 'web', name: 'data' }, azureFile: { secretName: 'azure', shareName: 's' }, csi: { nodeStageSecretRef: { namespace: 'csi', name: 'stage' } } } } as never)
  return reader
}

function request(verb: string, path: string, more: Partial<AuthorizationAttributes> = {}): AuthorizationAttributes {
  const [, namespace = '', apiGroup = '', resource = '', subresource = '', name = ''] = /^([^:]*):([^/]*)\/([^/=]*)(?:\/([^=]*))?(?:=(.*))?$/.exec(path)!
  return { user: kubelet, verb, isResourceRequest: true, path: '', apiGroup, apiVersion: 'v1', resource, subresource: subresource ?? '', namespace, name: name ?? '', ...more }
}

test('a kubelet reaches what concerns its node and nothing else', async (t) => {
  const unrelated = "no relationship found between node 'n1' and this object"
  const cases: Array<[string, string, true | string, Partial<AuthorizationAttributes>?]> = [
    ['get', 'web:/secrets=pull', true], ['get', 'web:/secrets=env-secret', true], ['get', 'web:/secrets=mounted', true], ['get', 'web:/secrets=projected-secret', true],
    ['watch', 'web:/secrets=pull', true], ['get', 'csi:/secrets=stage', true], ['get', 'web:/secrets=azure', true], ['get', 'web:/secrets=not-mine', unrelated],
    ['get', 'web:/secrets=other-pull', unrelated], ['get', 'elsewhere:/secrets=pull', unrelated], ['get', 'web:/secrets=mirror-pull', unrelated],
    ['list', 'web:/secrets', 'No Object name found'], ['list', ':/secrets', 'can only read namespaced object of this type'], ['update', 'web:/secrets=pull', 'can only read resources of this type'],
    ['get', 'web:/configmaps=env-map', true], ['get', 'web:/configmaps=projected', true], ['get', 'web:/configmaps=other', unrelated],
    ['get', 'web:/persistentvolumeclaims=data', true], ['get', 'web:/persistentvolumeclaims=own-scratch', true], ['get', 'web:/persistentvolumeclaims=other', unrelated],
    ['update', 'web:/persistentvolumeclaims/status=data', true], ['delete', 'web:/persistentvolumeclaims=data', 'can only get individual resources of this type'],
    ['get', ':/persistentvolumes=pv-1', true], ['get', ':/persistentvolumes=pv-2', unrelated],
    ['create', 'web:/serviceaccounts/token=bot', true], ['create', 'web:/serviceaccounts/token=other-bot', unrelated], ['get', 'web:/serviceaccounts=bot', true],
    ['get', 'web:/pods=own', true], ['get', 'web:/pods=other', unrelated], ['list', ':/pods', 'can only list/watch pods with spec.nodeName field selector'],
    ['list', ':/pods', true, { fieldSelector: 'spec.nodeName=n1' }], ['watch', ':/pods', true, { fieldSelector: 'spec.nodeName=n1,status.phase!=Failed' }],
    ['list', ':/pods', 'can only list/watch pods with spec.nodeName field selector', { fieldSelector: 'spec.nodeName=n2' }],
    ['list', ':/pods', 'can only list/watch pods with spec.nodeName field selector', { fieldSelector: 'spec.nodeName!=n1' }],
    ['patch', 'web:/pods/status=own', true], ['update', 'web:/pods=own', ''], ['create', 'web:/pods/exec=own', ''],
    ['get', ':/nodes=n1', true], ['get', ':/nodes=n2', "node 'n1' cannot read 'n2', only its own Node object"], ['list', ':/nodes', "node 'n1' cannot read all nodes, only its own Node object"],
    ['update', ':/nodes/status=n1', true], ['delete', ':/nodes=n1', ''],
    ['update', 'kube-node-lease:coordination.k8s.io/leases=n1', true], ['update', 'kube-node-lease:coordination.k8s.io/leases=n2', 'can only access node lease with the same name as the requesting node'],
    ['get', 'kube-system:coordination.k8s.io/leases=n1', 'can only access leases in the "kube-node-lease" system namespace'],
    ['list', ':/services', true], ['create', 'web:/events', true], ['create', ':authentication.k8s.io/tokenreviews', true], ['list', ':rbac.authorization.k8s.io/clusterroles', ''],
  ]
  const authorizer = nodeAuthorizer(cluster(), new AbortController().signal)
  for (const [verb, path, wanted, more] of cases) {
    await t.test(`${verb} ${path} ${more?.fieldSelector ?? ''}`, async () => {
      const answer = await authorizer.authorize(request(verb, path, more))
      assert.deepEqual(answer, wanted === true ? { decision: 'allow', reason: '' } : { decision: 'noOpinion', reason: wanted })
    })
  }
})

test('rights come and go with the pods of the node', async () => {
  const reader = cluster()
  const authorizer = nodeAuthorizer(reader, new AbortController().signal)
  const decision = async (): Promise<string> => (await authorizer.authorize(request('get', 'web:/secrets=late'))).decision
  assert.equal(await decision(), 'noOpinion')
  pod(reader, 'late', { imagePullSecrets: [{ name: 'late' }] })
  assert.equal(await decision(), 'noOpinion')
  pod(reader, 'late', { nodeName: 'n1', imagePullSecrets: [{ name: 'late' }] })
  assert.equal(await decision(), 'allow')
  reader.remove('pods', 'web', 'late')
  assert.equal(await decision(), 'noOpinion')
})

test('rights to a volume and its secrets come and go with whose claim it says it is for', async () => {
  const reader = cluster()
  const authorizer = nodeAuthorizer(reader, new AbortController().signal)
  const decisions = async (): Promise<string[]> => await Promise.all([':/persistentvolumes=pv-3', 'web:/secrets=late'].map(async (path) => (await authorizer.authorize(request('get', path))).decision))
  const volume = (claim: string): void => reader.put('persistentvolumes', { metadata: { name: 'pv-3' }, spec: { claimRef: { namespace: 'web', name: claim }, azureFile: { secretName: 'late', shareName: 's' } } } as never)
  assert.deepEqual(await decisions(), ['noOpinion', 'noOpinion'])
  volume('data')
  assert.deepEqual(await decisions(), ['allow', 'allow'])
  volume('of-others')
  assert.deepEqual(await decisions(), ['noOpinion', 'noOpinion'])
  volume('data')
  reader.remove('persistentvolumes', '', 'pv-3')
  assert.deepEqual(await decisions(), ['noOpinion', 'noOpinion'])
})

test('only members of system:nodes with a node name are kubelets', async () => {
  const authorizer = nodeAuthorizer(cluster(), new AbortController().signal)
  for (const user of [{ username: 'system:node:n1', groups: [] }, { username: 'ann', groups: ['system:authenticated'] }, { username: 'ann', groups: ['system:nodes'] }]) {
    assert.deepEqual(await authorizer.authorize(request('get', 'web:/secrets=pull', { user })), { decision: 'noOpinion', reason: '' })
  }
  const answer = await authorizer.authorize(request('get', 'web:/secrets=pull', { user: { username: 'system:node:', groups: ['system:nodes'] } }))
  assert.deepEqual(answer, { decision: 'noOpinion', reason: 'unknown node for user "system:node:"' })
})
