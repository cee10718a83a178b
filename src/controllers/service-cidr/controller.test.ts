import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { IPAddress, ServiceCIDR } from '../../api/types/networking.k8s.io_v1.ts'
import { ipAddresses, serviceCIDRs } from '../../client/resources.ts'
import { timeText } from '../../machinery/object.ts'
import { controllerTest } from '../testing/cluster.ts'
import { startServiceCidrController } from './controller.ts'

const finalizer = 'networking.k8s.io/service-cidr-finalizer'

function range(name: string, cidrs: string[], more: Partial<ServiceCIDR['metadata']> = {}): ServiceCIDR {
  return { metadata: { name, ...more }, spec: { cidrs } }
}

function address(name: string, managedBy = 'ipallocator.k8s.io'): IPAddress {
  return { metadata: { name, labels: { 'ipaddress.kubernetes.io/managed-by': managedBy } }, spec: { parentRef: { resource: 'services', namespace: 'default', name: 'x' } } }
}

test('a range that has come is held and ready', async (t) => {
  const { api, start, settle, stop } = controllerTest()
  t.after(stop)
  api.seed(serviceCIDRs, range('a', ['10.1.0.0/24']))
  start(startServiceCidrController)
  await settle()
  const { metadata, status } = api.get(serviceCIDRs, 'a')!
  assert.deepEqual(metadata.finalizers, [finalizer])
  assert.deepEqual(status?.conditions?.map(({ type, status: is, message }) => [type, is, message]), [['Ready', 'True', 'Kubernetes Service CIDR is ready']])
})

test('a range that is being deleted goes when no address needs it', async (t) => {
  const deleting = { deletionTimestamp: timeText(0), finalizers: [finalizer] }
  const cases: [string, ServiceCIDR[], IPAddress[], boolean][] = [
    ['nobody uses it', [], [], false],
    ['an address of its own is in use', [], [address('10.1.0.7')], true],
    ['an address of somebody else\'s', [], [address('10.1.0.7', 'other')], false],
    ['an address elsewhere', [], [address('10.2.0.7')], false],
    ['a wider range has it', [range('b', ['10.0.0.0/8'])], [address('10.1.0.7')], false],
    ['another range has that address', [range('b', ['10.1.0.0/29'])], [address('10.1.0.7')], false],
    ['another range has not', [range('b', ['10.1.0.128/25'])], [address('10.1.0.7')], true],
  ]
  for (const [what, others, addresses, isHeld] of cases) {
    const { api, runtime, start, settle, stop } = controllerTest()
    t.after(stop)
    for (const other of others) api.seed(serviceCIDRs, other)
    for (const each of addresses) api.seed(ipAddresses, each)
    api.seed(serviceCIDRs, range('a', ['10.1.0.0/24'], { ...deleting, deletionTimestamp: timeText(runtime.clock.now()) }))
    start(startServiceCidrController)
    await settle()
    assert.notEqual(api.get(serviceCIDRs, 'a'), undefined, `${what}: allocators are given time to hear of it`)
    await runtime.clock.advance(12_000)
    await settle()
    const left = api.get(serviceCIDRs, 'a')
    assert.equal(left !== undefined, isHeld, what)
    if (isHeld) assert.deepEqual(left?.status?.conditions?.map(({ status, reason }) => [status, reason]), [['False', 'Terminating']], what)
  }
})
