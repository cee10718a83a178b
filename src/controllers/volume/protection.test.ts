import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PersistentVolume, PersistentVolumeClaim, Pod, Volume } from '../../api/types/core_v1.ts'
import { persistentVolumeClaims, persistentVolumes, pods, volumeAttributesClasses } from '../../client/resources.ts'
import { timeText } from '../../machinery/object.ts'
import { controllerTest } from '../testing/cluster.ts'
import { startAttributesClassProtectionController, startClaimProtectionController, startVolumeProtectionController } from './protection.ts'

const finalizer = 'kubernetes.io/pvc-protection'
const claimMount: Volume = { name: 'data', persistentVolumeClaim: { claimName: 'data' } }

function claim(more: Partial<PersistentVolumeClaim['metadata']> = {}): PersistentVolumeClaim {
  return { metadata: { name: 'data', namespace: 'default', finalizers: [finalizer], ...more }, spec: {} }
}

function pod(nodeName: string, volumes: Volume[], more: Partial<Pod['metadata']> = {}): Pod {
  return { metadata: { name: 'p', namespace: 'default', uid: 'pod-uid', ...more }, spec: { containers: [{ name: 'c', image: 'i' }], volumes, ...(nodeName === '' ? {} : { nodeName }) } }
}

test('a claim that is being deleted goes when no pod on a node uses it', async (t) => {
  const ephemeral: Volume = { name: 'scratch', ephemeral: { volumeClaimTemplate: { metadata: {}, spec: {} } } }
  const owned = { name: 'p-scratch', ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'pod-uid', controller: true }] }
  const deleting = { deletionTimestamp: timeText(0), deletionGracePeriodSeconds: 0 }
  const table: Array<[string, PersistentVolumeClaim, Pod[], boolean]> = [
    ['nobody uses it', claim(deleting), [], false],
    ['a pod on a node', claim(deleting), [pod('n', [claimMount])], true],
    ['a pod that is nowhere yet', claim(deleting), [pod('', [claimMount])], false],
    ['a pod with another claim', claim(deleting), [pod('n', [{ name: 'x', persistentVolumeClaim: { claimName: 'other' } }])], false],
    ['a pod elsewhere', claim(deleting), [pod('n', [claimMount], { namespace: 'other' })], false],
    ['the pod that it was made for', claim({ ...owned, ...deleting }), [pod('n', [ephemeral])], true],
    ['that pod, shut down', claim({ ...owned, ...deleting }), [pod('n', [ephemeral], { ...deleting, finalizers: ['x'] })], false],
    ['a pod with such a volume that it was not made for', claim({ name: 'p-scratch', ...deleting }), [pod('n', [ephemeral])], false],
  ]
  for (const [what, wanted, users, isHeld] of table) {
    const { api, start, settle, stop } = controllerTest()
    t.after(stop)
    for (const user of users) api.seed(pods, user)
    api.seed(persistentVolumeClaims, wanted)
    start(startClaimProtectionController)
    await settle()
    const left = api.all(persistentVolumeClaims)[0]
    assert.equal(left?.metadata.finalizers?.includes(finalizer) ?? false, isHeld, what)
  }
})

test('a claim is let go when its last pod goes, and one without protection gets it', async (t) => {
  const { api, start, settle, stop } = controllerTest()
  t.after(stop)
  api.seed(persistentVolumeClaims, claim({ finalizers: [] }))
  api.seed(pods, pod('n', [claimMount]))
  start(startClaimProtectionController)
  await settle()
  assert.deepEqual(api.all(persistentVolumeClaims)[0]?.metadata.finalizers, [finalizer])
  api.change(persistentVolumeClaims, 'default/data', ({ metadata }) => void (metadata.deletionTimestamp = timeText(0)))
  await settle()
  assert.equal(api.all(persistentVolumeClaims).length, 1)
  api.remove(pods, 'default/p')
  await settle()
  assert.deepEqual(api.all(persistentVolumeClaims).flatMap(({ metadata }) => metadata.finalizers ?? []), [])
})

test('a volume that is being deleted goes when it is bound no more', async (t) => {
  const { api, start, settle, stop } = controllerTest()
  t.after(stop)
  const volume: PersistentVolume = { metadata: { name: 'v', finalizers: [] }, spec: {}, status: { phase: 'Bound' } }
  api.seed(persistentVolumes, volume)
  start(startVolumeProtectionController)
  await settle()
  assert.deepEqual(api.all(persistentVolumes)[0]?.metadata.finalizers, ['kubernetes.io/pv-protection'])
  api.change(persistentVolumes, 'v', ({ metadata }) => void (metadata.deletionTimestamp = timeText(0)))
  await settle()
  assert.deepEqual(api.all(persistentVolumes)[0]?.metadata.finalizers, ['kubernetes.io/pv-protection'])
  api.change(persistentVolumes, 'v', (copy) => void (copy.status = { phase: 'Released' }))
  await settle()
  assert.deepEqual(api.all(persistentVolumes).flatMap(({ metadata }) => metadata.finalizers ?? []), [])
})

test('a class of attributes that is being deleted is held while a volume or a claim names it', async (t) => {
  const users: Array<[string, (api: ReturnType<typeof controllerTest>['api']) => void, boolean]> = [
    ['nobody', () => undefined, false],
    ['a claim that asks for it', (api) => void api.seed(persistentVolumeClaims, { ...claim(), spec: { volumeAttributesClassName: 'gold' } }), true],
    ['a claim that has it', (api) => void api.seed(persistentVolumeClaims, { ...claim(), status: { currentVolumeAttributesClassName: 'gold' } }), true],
    ['a claim that is on its way to it', (api) => void api.seed(persistentVolumeClaims, { ...claim(), status: { modifyVolumeStatus: { status: 'Pending', targetVolumeAttributesClassName: 'gold' } } }), true],
    ['a volume', (api) => void api.seed(persistentVolumes, { metadata: { name: 'v' }, spec: { volumeAttributesClassName: 'gold' } }), true],
    ['others', (api) => void api.seed(persistentVolumes, { metadata: { name: 'v' }, spec: { volumeAttributesClassName: 'silver' } }), false],
  ]
  for (const [what, seed, isHeld] of users) {
    const { api, start, settle, stop } = controllerTest()
    t.after(stop)
    seed(api)
    api.seed(volumeAttributesClasses, { metadata: { name: 'gold' }, driverName: 'd' })
    start(startAttributesClassProtectionController)
    await settle()
    assert.deepEqual(api.all(volumeAttributesClasses)[0]?.metadata.finalizers, ['kubernetes.io/vac-protection'], what)
    api.change(volumeAttributesClasses, 'gold', ({ metadata }) => void (metadata.deletionTimestamp = timeText(0)))
    await settle()
    assert.deepEqual(api.all(volumeAttributesClasses).flatMap(({ metadata }) => metadata.finalizers ?? []), isHeld ? ['kubernetes.io/vac-protection'] : [], what)
  }
})
