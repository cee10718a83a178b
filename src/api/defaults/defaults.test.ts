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
    { requests: { cpu: '1' }, limits: { cpu: '1500m' } })
  assert.deepEqual(spec({}, container('a', { limits: { cpu: '1' } })).resources, {})
})

test('quality of service follows from requests and limits', () => {
  const both = { cpu: '1', memory: '1Gi' }
  for (const [containers, expected] of [
    [[container('a', {})], 'BestEffort'], [[container('a', { limits: both, requests: both })], 'Guaranteed'], [[container('a', { limits: both })], 'Guaranteed'],
    [[container('a', { limits: both, requests: { ...both, cpu: '500m' } })], 'Burstable'], [[container('a', { limits: both }), container('b', {})], 'Burstable'],
    [[container('a', { limits: { 'example.com/gpu': '1' } })], 'BestEffort'], [[container('a', { limits: { cpu: '0', memory: '0' } })], 'BestEffort'],
  ] as const) assert.equal(qosClass({ containers } as unknown as PodSpec), expected, JSON.stringify(containers))
})
