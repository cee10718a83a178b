import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PodSpec } from '../../api/types/core_v1.ts'
import type { KubeObject } from '../../machinery/object.ts'
import { StatusError } from '../../machinery/status.ts'
import type { AdmissionAttributes, AdmissionPlugin } from '../context.ts'
import { runtimeClass } from './class-defaults.ts'
import { admissionOf, fakeCore, fakeResource } from './fake-core.ts'
import { limitRanger } from './limit-ranger.ts'
import { alwaysPullImages } from './pod-defaults.ts'
import { serviceAccountAdmission } from './service-account.ts'

/** What webhooks make of a pod after a plugin has seen it is checked by the same plugin again. */

const pods = fakeResource('pods', '', 'Pod')
const pod = (spec: Partial<PodSpec> = {}, annotations?: Record<string, string>): KubeObject & { spec: PodSpec } =>
  ({ metadata: { name: 'p', namespace: 'ns', ...(annotations === undefined ? {} : { annotations }) }, spec: { containers: [{ name: 'c', image: 'x' }], ...spec } })

async function refusalOf(plugin: AdmissionPlugin, attributes: AdmissionAttributes): Promise<string> {
  try {
    await plugin.validate!(attributes)
    return ''
  } catch (error) {
    assert.ok(error instanceof StatusError, String(error))
    return error.message.replace('pods "p" is forbidden: ', '')
  }
}

test('a pod has an account that is there, and the secrets that it may mount', async () => {
  const core = fakeCore()
  const own = (annotations: Record<string, string>): KubeObject => ({ metadata: { name: 'a', namespace: 'ns', annotations }, secrets: [{ name: 'mine' }], imagePullSecrets: [{ name: 'pull' }] } as KubeObject)
  core.reader.put('serviceaccounts', own({ 'kubernetes.io/enforce-mountable-secrets': 'true' }))
  const plugin = serviceAccountAdmission(core)
  const env = (name: string): PodSpec['containers'] => [{ name: 'c', image: 'x', env: [{ name: 'V', valueFrom: { secretKeyRef: { name, key: 'k' } } }] }]
  const because = 'is not allowed because service account a does not reference that secret'
  const table: Array<[Partial<PodSpec>, string]> = [
    [{}, 'no service account specified for pod ns/p'],
    [{ serviceAccountName: 'gone' }, 'error looking up service account ns/gone: serviceaccount "gone" not found'],
    [{ serviceAccountName: 'a', containers: env('mine'), imagePullSecrets: [{ name: 'pull' }] }, ''],
    [{ serviceAccountName: 'a', containers: env('other') }, `container c with envVar V referencing secret.secretName="other" ${because}`],
    [{ serviceAccountName: 'a', initContainers: [{ name: 'i', envFrom: [{ secretRef: { name: 'other' } }] }] }, `init container i with envFrom referencing secret.secretName="other" ${because}`],
    [{ serviceAccountName: 'a', volumes: [{ name: 'v', secret: { secretName: 'other' } }] }, `volume with secret.secretName="other" ${because}`],
    [{ serviceAccountName: 'a', imagePullSecrets: [{ name: 'pull' }, { name: 'other' }] }, 'imagePullSecrets[1].name="other" is not allowed because service account a does not reference that imagePullSecret'],
  ]
  for (const [spec, refusal] of table) assert.equal(await refusalOf(plugin, admissionOf('CREATE', pods, pod(spec))), refusal)
  const debugged = pod({ serviceAccountName: 'a', ephemeralContainers: [{ ...env('other')[0]!, name: 'e' }] as never })
  assert.equal(await refusalOf(plugin, admissionOf('UPDATE', pods, debugged, { subresource: 'ephemeralcontainers' })), `ephemeral container e with envVar V referencing secret.secretName="other" ${because}`)
  core.reader.put('serviceaccounts', own({}))
  assert.equal(await refusalOf(plugin, admissionOf('CREATE', pods, pod({ serviceAccountName: 'a', containers: env('other') }))), '')
})

test('a mirror pod has neither account nor secrets', async () => {
  const plugin = serviceAccountAdmission(fakeCore())
  const mirror = (spec: Partial<PodSpec>): Promise<string> => refusalOf(plugin, admissionOf('CREATE', pods, pod(spec, { 'kubernetes.io/config.mirror': 'x' })))
  assert.equal(await mirror({}), '')
  assert.equal(await mirror({ serviceAccountName: 'a' }), 'a mirror pod may not reference service accounts')
  assert.equal(await mirror({ volumes: [{ name: 'v', secret: { secretName: 's' } }] }), 'a mirror pod may not reference secrets')
  assert.equal(await mirror({ volumes: [{ name: 'v', projected: { sources: [{ serviceAccountToken: { path: 't' } }] } }] }), 'a mirror pod may not use ServiceAccountToken volume projections')
})

test('overhead is what the runtime class says, and nothing without one', async () => {
  const core = fakeCore()
  core.reader.put('runtimeclasses.node.k8s.io', { metadata: { name: 'vm' }, overhead: { podFixed: { cpu: '1' } } } as KubeObject)
  const ask = (spec: Partial<PodSpec>): Promise<string> => refusalOf(runtimeClass(core), admissionOf('CREATE', pods, pod(spec)))
  assert.equal(await ask({ runtimeClassName: 'vm', overhead: { cpu: '1' } }), '')
  for (const overhead of [{ cpu: '2' }, undefined]) assert.equal(await ask({ runtimeClassName: 'vm', ...(overhead === undefined ? {} : { overhead }) }), 'pod rejected: Pod\'s Overhead doesn\'t match RuntimeClass\'s defined Overhead')
  assert.equal(await ask({ overhead: { cpu: '1' } }), 'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead')
})

test('a resize keeps to the namespace\'s limits, other updates of a pod are not asked', async () => {
  const core = fakeCore()
  core.reader.put('limitranges', { metadata: { name: 'l', namespace: 'ns' }, spec: { limits: [{ type: 'Container', max: { cpu: '1' } }] } } as KubeObject)
  const big = pod({ containers: [{ name: 'c', resources: { limits: { cpu: '2' }, requests: { cpu: '2' } } }] })
  assert.equal(await refusalOf(limitRanger(core), admissionOf('UPDATE', pods, big, { subresource: 'resize' })), 'maximum cpu usage per Container is 1, but limit is 2')
  assert.equal(await refusalOf(limitRanger(core), admissionOf('UPDATE', pods, big)), '')
})

test('images are pulled always, unless an update brings none that are new', async () => {
  const lax = pod({ initContainers: [{ name: 'i', image: 'y', imagePullPolicy: 'IfNotPresent' }], volumes: [{ name: 'v', image: { reference: 'z' } }] })
  assert.equal(await refusalOf(alwaysPullImages, admissionOf('CREATE', pods, lax)), 'spec.initContainers[0].imagePullPolicy: Unsupported value: "IfNotPresent": supported values: "Always"')
  assert.equal(await refusalOf(alwaysPullImages, admissionOf('UPDATE', pods, lax, { oldObject: lax })), '')
  await alwaysPullImages.mutate!(admissionOf('CREATE', pods, lax))
  assert.equal(await refusalOf(alwaysPullImages, admissionOf('CREATE', pods, lax)), '')
  assert.equal(lax.spec.volumes![0]!.image!.pullPolicy, 'Always')
})
