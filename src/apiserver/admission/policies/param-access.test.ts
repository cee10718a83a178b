import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StatusError } from '../../../machinery/status.ts'
import type { AdmissionAttributes, AuthorizationAttributes } from '../../context.ts'
import type { ApiServerCore } from '../../core.ts'
import { paramAccessCheck } from './param-access.ts'

const asked: AuthorizationAttributes[] = []
const core = {
  authorize: (attributes: AuthorizationAttributes) => {
    asked.push(attributes)
    return { decision: attributes.namespace === 'mine' ? 'allow' : 'noOpinion', reason: '' }
  },
  resources: { findKind: (group: string, version: string, kind: string) => (kind === 'ConfigMap' ? { group, version, kind, resource: 'configmaps' } : undefined) },
  resource: (resource: string) => ({ resource }),
  registry: { find: () => Promise.resolve({ spec: { paramKind: { apiVersion: 'v1', kind: 'ConfigMap' } } }) },
} as unknown as ApiServerCore
const check = paramAccessCheck(core)

async function refusal(plural: string, kind: string, spec: object, more: object = {}): Promise<string | undefined> {
  asked.length = 0
  const attributes = { operation: 'CREATE', subresource: '', name: 'x', user: { username: 'bob', groups: ['dev'] }, resource: { group: 'admissionregistration.k8s.io', resource: plural, kind }, object: { metadata: { name: 'x' }, spec }, ...more }
  try {
    await check.validate!(attributes as unknown as AdmissionAttributes)
    return undefined
  } catch (error) {
    return (error as StatusError).status.message
  }
}

test('a policy with parameters needs the right to read all of them', async () => {
  const paramKind = { apiVersion: 'v1', kind: 'ConfigMap' }
  assert.equal(await refusal('validatingadmissionpolicies', 'ValidatingAdmissionPolicy', { paramKind }), 'ValidatingAdmissionPolicy.admissionregistration.k8s.io "x" is invalid: spec.paramKind: Forbidden: user &{bob  [dev] map[]} must have "get" permission on all objects of the referenced paramKind (kind=ConfigMap, apiVersion=v1)')
  assert.deepEqual([asked[0]!.resource, asked[0]!.namespace, asked[0]!.name], ['configmaps', '*', '*'])
  assert.equal(await refusal('mutatingadmissionpolicies', 'MutatingAdmissionPolicy', {}), undefined)
  assert.equal(await refusal('mutatingadmissionpolicies', 'MutatingAdmissionPolicy', { paramKind }, { oldObject: { spec: { paramKind } } }), undefined, 'what stands stays')
  assert.equal(await refusal('mutatingadmissionpolicies', 'MutatingAdmissionPolicy', { paramKind }, { user: { username: 'admin', groups: ['system:masters'] } }), undefined)
})

test('a binding with a parameter needs the right to read it', async () => {
  const spec = (namespace: string): object => ({ policyName: 'p', paramRef: { name: 'limits', namespace } })
  assert.equal(await refusal('validatingadmissionpolicybindings', 'ValidatingAdmissionPolicyBinding', spec('mine')), undefined)
  assert.deepEqual([asked[0]!.resource, asked[0]!.namespace, asked[0]!.name], ['configmaps', 'mine', 'limits'])
  assert.match((await refusal('validatingadmissionpolicybindings', 'ValidatingAdmissionPolicyBinding', spec('yours')))!, /spec\.paramRef: Forbidden: user &\{bob  \[dev\] map\[\]\} does not have "get" permission on the object referenced by paramRef$/)
})
