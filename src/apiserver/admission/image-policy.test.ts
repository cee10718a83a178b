import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { PodSpec } from '../../api/types/core_v1.ts'
import type { KubeObject } from '../../machinery/object.ts'
import { StatusError } from '../../machinery/status.ts'
import { systemRuntime } from '../../runtime/runtime.ts'
import type { AdmissionAttributes } from '../context.ts'
import { startWebhookServer, type WebhookServer } from '../testing/webhook-server.ts'
import { readAdmissionConfiguration } from './configuration.ts'
import { admissionOf, fakeCore, fakeResource } from './fake-core.ts'
import { imagePolicyWebhook } from './image-policy.ts'

let backend: WebhookServer
let folder: string
before(async () => {
  backend = await startWebhookServer(systemRuntime().clock.now())
  folder = await mkdtemp(join(tmpdir(), 'k8ts-images-'))
})
after(async () => {
  await backend[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

const pods = fakeResource('pods', '', 'Pod')
const pod = (...images: string[]): KubeObject & { spec: PodSpec } => ({
  metadata: { name: 'p', namespace: 'ns', annotations: { 'x.image-policy.k8s.io/ticket': '7', 'other': 'no' } }, spec: { containers: images.map((image, i) => ({ name: `c${i}`, image })) },
})

async function setUp(more: string, server = backend.clientConfig('/images').url): Promise<(object: KubeObject, more?: Partial<AdmissionAttributes>) => Promise<string>> {
  await writeFile(join(folder, 'kubeconfig'), JSON.stringify({
    'apiVersion': 'v1', 'kind': 'Config', 'clusters': [{ name: 'c', cluster: { server, 'certificate-authority-data': backend.caBundle } }], 'users': [{ name: 'u', user: { token: 'let-me-in' } }],
    'contexts': [{ name: 'x', context: { cluster: 'c', user: 'u' } }], 'current-context': 'x',
  }))
  await writeFile(join(folder, 'admission.yaml'), `imagePolicy: {kubeConfigFile: ${join(folder, 'kubeconfig')}, retryBackoff: 1, ${more}}`)
  const { imagePolicy } = await readAdmissionConfiguration(join(folder, 'admission.yaml'))
  const core = Object.defineProperty(fakeCore(), 'runtime', { value: systemRuntime() })
  const plugin = imagePolicyWebhook(core, imagePolicy!)
  backend.seen.length = 0
  return async (object, attributes = {}) => {
    try {
      await plugin.validate!(admissionOf('CREATE', pods, object, attributes))
      return ''
    } catch (error) {
      assert.ok(error instanceof StatusError, String(error))
      return error.message
    }
  }
}

test('a backend judges the images of pods, and is asked once for the same', async () => {
  backend.raw['/images'] = (review, response) => {
    const bad = review.spec.containers.some(({ image }: { image: string }) => image.includes('bad'))
    response.end(JSON.stringify({ apiVersion: 'imagepolicy.k8s.io/v1alpha1', kind: 'ImageReview', status: bad ? { allowed: false, reason: 'bad image' } : { allowed: true, auditAnnotations: { seen: 'yes' } } }))
  }
  const ask = await setUp('defaultAllow: false')
  const notes: string[] = []
  assert.equal(await ask(pod('good', 'fine'), { annotateAudit: (key, value) => void notes.push(`${key}=${value}`) }), '')
  assert.deepEqual(notes, ['imagepolicywebhook.image-policy.k8s.io/seen=yes'])
  assert.deepEqual(backend.seen[0]!.review.spec, { containers: [{ image: 'good' }, { image: 'fine' }], annotations: { 'x.image-policy.k8s.io/ticket': '7' }, namespace: 'ns' })
  assert.equal(backend.seen[0]!.headers.authorization, 'Bearer let-me-in')
  assert.equal(await ask(pod('good', 'fine')), '')
  assert.equal(await ask(pod('bad')), 'pods "p" is forbidden: image policy webhook backend denied one or more images: bad image')
  assert.equal(backend.seen.length, 2)
  assert.equal(await ask(pod('bad'), { operation: 'UPDATE', oldObject: pod('bad') }), '')
})

test('a backend that fails is asked again, and then its pods are let in or not as configured', async () => {
  let failures = 2
  backend.raw['/images'] = (_review, response) => {
    response.writeHead(failures-- > 0 ? 500 : 200, { 'content-type': 'application/json' }).end(JSON.stringify({ status: { allowed: true } }))
  }
  assert.equal(await (await setUp('defaultAllow: false'))(pod('a')), '')
  assert.equal(backend.seen.length, 3)
  assert.match(await (await setUp('defaultAllow: false', 'https://127.0.0.1:1/'))(pod('a')), /^pods "p" is forbidden: Post "https:\/\/127\.0\.0\.1:1\/\?timeout=30s": dial tcp 127\.0\.0\.1:1: connect: connection refused$/)
  const open = pod('a')
  assert.equal(await (await setUp('defaultAllow: true', 'https://127.0.0.1:1/'))(open), '')
  assert.equal(open.metadata.annotations?.['alpha.image-policy.k8s.io/failed-open'], 'true')
})
