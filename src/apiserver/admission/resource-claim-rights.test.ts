import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { UserInfo } from '../../api/resource.ts'
import type { KubeObject } from '../../machinery/object.ts'
import { StatusError } from '../../machinery/status.ts'
import { admissionOf, fakeCore, fakeResource } from './fake-core.ts'
import { resourceClaimRights } from './resource-claim-rights.ts'

const claims = fakeResource('resourceclaims', 'resource.k8s.io', 'ResourceClaim')
const device = (name: string, more: object = {}): object => ({ driver: 'gpu.example.com', pool: 'p', device: name, ...more })
const allocated = (node = 'n1'): object => ({ nodeSelector: { nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }] }] }, devices: { results: [device('d1')] } })
const driver: UserInfo = { username: 'system:serviceaccount:kube-system:driver', groups: [], extra: { 'authentication.kubernetes.io/node-name': ['n1'] } }
const scheduler: UserInfo = { username: 'scheduler', groups: [] }

/** What the update of a status is refused for, '' when it is not; `rights`: `verb subresource namespace/name`. */
async function change(user: UserInfo, before: object, now: object, rights: readonly string[], options: { isGranular?: boolean; kind?: string } = {}): Promise<string> {
  const core = fakeCore()
  core.allow = ({ verb, subresource, namespace, name }) => rights.includes(`${verb} ${subresource} ${namespace}/${name}`)
  const claim = (status: object): KubeObject => ({ metadata: { namespace: 'web', name: 'c' }, status }) as unknown as KubeObject
  try {
    await resourceClaimRights(core, options.isGranular).mutate!(admissionOf('UPDATE', claims, claim(now), { subresource: 'status', oldObject: claim(before), user, namespace: 'web', name: 'c', options: { kind: options.kind ?? 'UpdateOptions' } }))
    return ''
  } catch (error) {
    assert.ok(error instanceof StatusError && error.reason === 'Invalid', String(error))
    return error.message
  }
}

test('what is allocated or reserved changes by the right to bind', async () => {
  const allocation = allocated()
  assert.equal(
    await change(scheduler, {}, { allocation }, []),
    'ResourceClaim.resource.k8s.io "c" is invalid: status: Forbidden: changing status.allocation or status.reservedFor requires resource="resourceclaims/binding", verb="update" permission: '
    + 'resourceclaims.resource.k8s.io is forbidden: User "scheduler" cannot update resource "resourceclaims/binding" in API group "resource.k8s.io" at the cluster scope',
  )
  assert.equal(await change(scheduler, {}, { allocation }, ['update binding /']), '')
  assert.match(await change(scheduler, { allocation }, { allocation, reservedFor: [{ resource: 'pods', name: 'a', uid: 'u' }] }, ['update binding /'], { kind: 'PatchOptions' }), /verb="patch" permission/)
  // Devices go with their allocation.
  assert.equal(await change(scheduler, { allocation, devices: [device('d1')] }, { devices: [device('d1')] }, ['update binding /']), '')
  assert.equal(await change(scheduler, {}, { allocation }, [], { isGranular: false }), '')
})

test('devices are told of by the right to their driver, on the own node or on any', async () => {
  const allocation = allocated()
  const told = { allocation, devices: [device('d1', { data: { a: 1 } })] }
  assert.match(await change(driver, { allocation }, told, []), /status\.devices: Forbidden: changing status\.devices requires resource="resourceclaims\/driver", verb="\[associated-node:update arbitrary-node:update\]" permission: .*cannot associated-node:update resource "resourceclaims\/driver" in API group "resource\.k8s\.io" in the namespace "web"$/)
  assert.equal(await change(driver, { allocation }, told, ['associated-node:update driver web/gpu.example.com']), '')
  assert.equal(await change(driver, { allocation }, told, ['arbitrary-node:update driver web/gpu.example.com']), '')
  assert.match(await change(driver, { allocation: allocated('n2') }, { ...told, allocation: allocated('n2') }, ['associated-node:update driver web/gpu.example.com']), /verb="\[arbitrary-node:update\]"/)
  assert.match(await change(driver, told, { allocation }, ['associated-node:update driver web/other.example.com']), /status\.devices: Forbidden/)
  assert.equal(await change(driver, told, told, []), '')
})

test('admin access needs a label of the namespace', async () => {
  const core = fakeCore()
  const namespace = (name: string, labels: object): void => core.reader.put('namespaces', { metadata: { name, labels } } as unknown as KubeObject)
  namespace('web', {})
  namespace('admin', { 'resource.kubernetes.io/admin-access': 'true' })
  const devices = { devices: { requests: [{ name: 'a', exactly: { deviceClassName: 'gpu' } }, { name: 'b', exactly: { deviceClassName: 'gpu', adminAccess: true } }] } }
  const create = (into: string, kind: string, spec: object): Promise<void> | void => resourceClaimRights(core).mutate!(
    admissionOf('CREATE', fakeResource(`${kind.toLowerCase()}s`, 'resource.k8s.io', kind), { metadata: { namespace: into, name: 'c' }, spec } as unknown as KubeObject, { namespace: into, user: scheduler }),
  )
  for (const [kind, spec] of [['ResourceClaim', devices], ['ResourceClaimTemplate', { spec: devices }]] as const) {
    await assert.rejects(async () => await create('web', kind, spec), /spec\.devices\.requests\[1\]\.adminAccess: Forbidden: admin access to devices requires the `resource\.kubernetes\.io\/admin-access: true` label on the containing namespace$/)
    await create('admin', kind, spec)
  }
})
