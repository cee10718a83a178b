import assert from 'node:assert/strict'
import { test } from 'node:test'
import { builtinResources } from '../../api/builtin.ts'
import type { AdmissionAttributes } from '../context.ts'
import { privilegedContainersCheck } from './privileged.ts'

const resources = builtinResources()

function check(group: string, resource: string, object: Record<string, unknown>): void {
  const description = resources.find(group, 'v1', resource)!
  void privilegedContainersCheck.validate!({ operation: 'CREATE', resource: description, name: 'x', object: { kind: description.kind, metadata: { name: 'x' }, ...object } } as unknown as AdmissionAttributes)
}

test('privileged containers are refused, in pods and in what makes pods', () => {
  const spec = { initContainers: [{ name: 'i', securityContext: { privileged: false } }], containers: [{ name: 'a' }, { name: 'b', securityContext: { privileged: true } }] }
  assert.throws(() => check('', 'pods', { spec }), /^StatusError: Pod "x" is invalid: spec\.containers\[1\]\.securityContext\.privileged: Forbidden: disallowed by cluster policy$|is invalid: spec\.containers\[1\]\.securityContext\.privileged: Forbidden: disallowed by cluster policy/)
  assert.throws(() => check('apps', 'deployments', { spec: { template: { spec } } }), /spec\.template\.spec\.containers\[1\]/)
  assert.throws(() => check('batch', 'cronjobs', { spec: { jobTemplate: { spec: { template: { spec } } } } }), /spec\.jobTemplate\.spec\.template\.spec\.containers\[1\]/)
  check('', 'pods', { spec: { containers: [{ name: 'a' }] } })
  check('', 'pods', {})
})
