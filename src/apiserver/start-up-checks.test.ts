import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HealthCheck } from './health.ts'
import { startUpChecks } from './start-up-checks.ts'

const step = (name: string, failure?: string): HealthCheck => ({ name, check: () => { if (failure !== undefined) throw new Error(failure) } })

test('steps come in kube-apiserver\'s order, whatever ours is, each with the names that stand for parts of it', () => {
  const steps = ['crd-informer-synced', 'own-step', 'priority-and-fairness-config-consumer', 'kube-apiserver-autoregistration'].map((name) => step(`poststarthook/${name}`))
  assert.deepEqual(startUpChecks(step('informer-sync'), steps).map(({ name }) => name.replace('poststarthook/', '')), [
    'start-apiserver-admission-initializer', 'generic-apiserver-start-informers', 'priority-and-fairness-config-consumer', 'priority-and-fairness-filter', 'storage-object-count-tracker-hook',
    'start-apiextensions-informers', 'start-apiextensions-controllers', 'crd-informer-synced', 'storage-readiness', 'kube-apiserver-autoregistration', 'autoregister-completion', 'own-step',
  ])
})

test('a part fails with the step it belongs to', () => {
  const checks = startUpChecks(step('informer-sync'), [step('poststarthook/crd-informer-synced', 'not finished')])
  const failing = checks.filter(({ check }) => { try { return check() !== undefined } catch { return true } })
  assert.deepEqual(failing.map(({ name }) => name), ['start-apiextensions-informers', 'start-apiextensions-controllers', 'crd-informer-synced'].map((name) => `poststarthook/${name}`))
})
