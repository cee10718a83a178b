import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Container, PodSpec } from '../api/types/core_v1.ts'
import { boundPod, type BoundPod } from './pods.ts'
import { containerResources, cpuQuota, cpuShares, oomScoreAdj, podLimits, podRequests, qosClassOf } from './resources.ts'

const container = (name: string, requests?: Record<string, string>, limits?: Record<string, string>, more: Partial<Container> = {}): Container => ({ name, resources: { requests, limits }, ...more })
const pod = (spec: PodSpec): BoundPod => boundPod({ metadata: { name: 'p', namespace: 'n', uid: 'u' }, spec })
const Gi = 1024 ** 3

test('quality of service', () => {
  assert.equal(qosClassOf(pod({ containers: [container('a')] })), 'BestEffort')
  assert.equal(qosClassOf(pod({ containers: [container('a', { cpu: '1' })] })), 'Burstable')
  assert.equal(qosClassOf(pod({ containers: [container('a', { cpu: '1', memory: '1Gi' }, { cpu: '1000m', memory: '1Gi' })] })), 'Guaranteed')
  assert.equal(qosClassOf(pod({ containers: [container('a', undefined, { cpu: '1', memory: '1Gi' })] })), 'Guaranteed')
  assert.equal(qosClassOf(pod({ containers: [container('a', undefined, { cpu: '1', memory: '1Gi' }), container('b')] })), 'Burstable')
})

test('a pod asks for its running containers or its largest init step, whichever is more', () => {
  const spec: PodSpec = {
    initContainers: [container('init', { cpu: '3' }), container('side', { cpu: '500m', memory: '1Gi' }, undefined, { restartPolicy: 'Always' }), container('late', { cpu: '100m', memory: '4Gi' })],
    containers: [container('a', { cpu: '1', memory: '1Gi' }), container('b', { cpu: '1' })], overhead: { cpu: '250m' },
  }
  assert.deepEqual(podRequests(pod(spec)), { cpuMilli: 3250, memoryBytes: 5 * Gi })
})

test('a pod is limited only where all its containers are', () => {
  assert.deepEqual(podLimits(pod({ containers: [container('a', undefined, { cpu: '1', memory: '1Gi' }), container('b', undefined, { memory: '1Gi' })] })), { memoryBytes: 2 * Gi })
})

test('shares and quotas', () => {
  assert.deepEqual([undefined, 0, 1, 500, 1000, 1_000_000].map(cpuShares), [2, 2, 2, 512, 1024, 262_144])
  assert.deepEqual([undefined, 0, 5, 500, 2000].map(cpuQuota), [0, 0, 1000, 50_000, 200_000])
})

test('the kernel ends best-effort containers first and guaranteed ones last', () => {
  const adjust = (spec: PodSpec): number => oomScoreAdj(pod(spec), spec.containers[0]!, 4 * Gi)
  assert.equal(adjust({ containers: [container('a')] }), 1000)
  assert.equal(adjust({ containers: [container('a', undefined, { cpu: '1', memory: '1Gi' })] }), -997)
  assert.equal(adjust({ containers: [container('a', { memory: '1Gi' })] }), 750)
  assert.equal(adjust({ containers: [container('a', { cpu: '1' })] }), 999)
  assert.equal(adjust({ containers: [container('a', { memory: '4Gi' })] }), 3)
  assert.equal(adjust({ priority: 2_000_001_000, containers: [container('a')] }), -997)
})

test('what the runtime is told of a container', () => {
  const spec: PodSpec = { containers: [container('a', { cpu: '250m' }, { cpu: '500m', memory: '64Mi' })] }
  assert.deepEqual(containerResources(pod(spec), spec.containers[0]!, 4 * Gi), { cpuShares: 256, oomScoreAdj: 985, cpuQuota: 50_000, cpuPeriod: 100_000, memoryLimitInBytes: 64 * 1024 * 1024 })
})
