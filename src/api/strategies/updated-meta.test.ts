import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OpenObject } from '../../machinery/object.ts'
import { statusStrategyFor, strategyFor } from './strategies.ts'

const context = { nowMs: 0, user: { username: 'u', groups: [] }, subresource: '', dryRun: false, warn: () => undefined }

function counts(strategy: ReturnType<typeof strategyFor>): number[] {
  const old = { metadata: { name: 'a', namespace: 'default', uid: 'u' }, spec: {} } as unknown as OpenObject
  const told = (change: object, field: string): number =>
    strategy.validateUpdate!({ ...old, metadata: { ...old.metadata, ...change } } as OpenObject, old, context).filter(({ path }) => path.startsWith(field)).length
  return [told({ uid: 'x' }, 'metadata.uid'), told({ finalizers: ['x'] }, 'metadata.finalizers'), told({ labels: { a: '-' } }, 'metadata.labels')]
}

test('causes in metadata are told as often as upstream asks for them: by its strategies, beside the registry', () => {
  const table: Array<[group: string, resource: string, counts: [uid: number, finalizers: number, labels: number]]> = [
    ['apps', 'deployments', [1, 1, 3]], ['networking.k8s.io', 'networkpolicies', [1, 1, 3]], ['coordination.k8s.io', 'leases', [1, 0, 3]],
    ['networking.k8s.io', 'ingresses', [1, 2, 4]], ['batch', 'jobs', [1, 2, 4]], ['node.k8s.io', 'runtimeclasses', [1, 0, 4]],
    ['storage.k8s.io', 'csinodes', [0, 1, 3]], ['admissionregistration.k8s.io', 'validatingadmissionpolicybindings', [0, 0, 3]],
    ['policy', 'poddisruptionbudgets', [0, 0, 2]],
  ]
  for (const [group, resource, wanted] of table) assert.deepEqual(counts(strategyFor(group, resource)), wanted, resource)
  assert.deepEqual(counts(statusStrategyFor('batch', 'cronjobs')), [0, 0, 2])
  assert.deepEqual(counts(statusStrategyFor('certificates.k8s.io', 'certificatesigningrequests/approval')), [1, 2, 4])
})
