import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OpenObject } from '../../machinery/object.ts'
import { qosClass } from '../qos.ts'
import { typeById } from '../type-table.ts'
import type { PodSpec } from '../types/core_v1.ts'
import { applyDefaultsFor, defaultedTypes } from './defaults.ts'
import { imageTag } from './pod-spec.ts'

test('the tag of an image is found whatever the registry looks like', () => {
  for (const [image, tag] of [
    ['busybox', 'latest'], ['busybox:1.36', '1.36'], ['localhost:5000/app', 'latest'], ['localhost:5000/app:v2', 'v2'], ['app@sha256:abc', ''], ['app:v1@sha256:abc', 'v1'], ['', 'latest'],
  ] as const) assert.equal(imageTag(image), tag, image)
})

test('every defaulted type is in the type tables, and defaulting twice changes nothing', () => {
  for (const id of defaultedTypes()) {
    assert.ok(typeById(id) !== undefined, id)
    const apply = applyDefaultsFor(id)
    const object: OpenObject = { metadata: { name: 'x' }, spec: { template: { spec: { containers: [{ name: 'a', image: 'b' }] } }, containers: [{ name: 'a', image: 'b' }], names: { kind: 'K', plural: 'ks' } } }
    apply?.(object)
    const once = structuredClone(object)
    apply?.(object)
    assert.deepEqual(object, once, id)
  }
  assert.equal(applyDefaultsFor('v1.ConfigMap'), undefined)
})

test('an object without a spec is left as it is, not broken', () => {
  for (const id of defaultedTypes()) applyDefaultsFor(id)?.({ metadata: {} })
})

const container = (name: string, resources: object, more: object = {}): object => ({ name, image: 'x:1', resources, ...more })

test('pod-level resources follow from the containers (KEP-2837)', () => {
  const spec = (resources: object, ...containers: object[]): PodSpec => {
    const object = { metadata: {}, spec: { resources, containers } } as unknown as OpenObject
    applyDefaultsFor('v1.Pod')?.(object)
    return object.spec as PodSpec
  }
  assert.deepEqual(spec({ limits: { cpu: '2', memory: '1Gi' } }, container('a', { requests: { cpu: '500m' } }), container('b', { requests: { cpu: '250m' } })).resources,
    { limits: { cpu: '2', memory: '1Gi' }, requests: { cpu: '750m', memory: '1Gi' } })
  assert.deepEqual(spec({ requests: { cpu: '1' } }, container('a', { limits: { cpu: '1', memory: '1Gi' } }), container('b', { limits: { cpu: '500m' } })).resources,
    { requests: { cpu: '1' } })
  assert.deepEqual(spec({}, container('a', { limits: { cpu: '1' } })).resources, {})
})

test('pods get what their templates do not: ports of the host, a grace period that can be, one set of addresses', () => {
  const object = {
    metadata: { annotations: { 'pod.beta.kubernetes.io/init-containers': '[]', a: 'b' } }, status: { podIP: '10.0.0.1', podIPs: [{ ip: '10.0.0.2' }] },
    spec: { hostNetwork: true, terminationGracePeriodSeconds: -5, containers: [container('a', {}, { ports: [{ containerPort: 80 }] })] },
  }
  const template = { metadata: {}, template: structuredClone({ metadata: object.metadata, spec: object.spec }) } as unknown as OpenObject & { template: { metadata: { annotations: object }; spec: PodSpec } }
  const pod = object as unknown as OpenObject & { spec: PodSpec; status: object }
  applyDefaultsFor('v1.Pod')?.(pod)
  assert.deepEqual([pod.spec.containers[0]?.ports?.[0]?.hostPort, pod.spec.terminationGracePeriodSeconds, pod.metadata.annotations, pod.status], [80, 1, { a: 'b' }, { podIP: '10.0.0.1', podIPs: [{ ip: '10.0.0.1' }] }])
  applyDefaultsFor('v1.PodTemplate')?.(template)
  assert.deepEqual([template.template.spec.containers[0]?.ports?.[0]?.hostPort, template.template.spec.terminationGracePeriodSeconds, template.template.metadata.annotations], [undefined, -5, { a: 'b' }])
})

test('images that are no references are not the latest', () => {
  for (const [image, expected] of [['a', 'Always'], ['h.b:5000/a/b-c:latest', 'Always'], ['A', 'IfNotPresent'], ['a b', 'IfNotPresent'], ['a/', 'IfNotPresent'], ['x_y!', 'IfNotPresent'], ['Host/a', 'Always'], ['', 'IfNotPresent']] as const) {
    const object = { metadata: {}, spec: { containers: [{ name: 'c', image }] } } as unknown as OpenObject & { spec: PodSpec }
    applyDefaultsFor('v1.Pod')?.(object)
    assert.equal(object.spec.containers[0]?.imagePullPolicy, expected, image)
  }
})

test('quality of service follows from requests and limits', () => {
  const both = { cpu: '1', memory: '1Gi' }
  for (const [containers, expected] of [
    [[container('a', {})], 'BestEffort'], [[container('a', { limits: both, requests: both })], 'Guaranteed'], [[container('a', { limits: both })], 'Guaranteed'],
    [[container('a', { limits: both, requests: { ...both, cpu: '500m' } })], 'Burstable'], [[container('a', { limits: both }), container('b', {})], 'Burstable'],
    [[container('a', { limits: { 'example.com/gpu': '1' } })], 'BestEffort'], [[container('a', { limits: { cpu: '0', memory: '0' } })], 'BestEffort'],
  ] as const) assert.equal(qosClass({ containers } as unknown as PodSpec), expected, JSON.stringify(containers))
})
