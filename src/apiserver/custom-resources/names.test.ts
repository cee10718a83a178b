import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CustomResourceDefinition } from '../../api/types/apiextensions.k8s.io_v1.ts'
import { applyNameDecision, conditionOf, decideNames } from './names.ts'

const now = '2026-01-01T00:00:00Z'

function decided(group: string, more: { annotations?: Record<string, string>; conversion?: object } = {}): CustomResourceDefinition {
  const { annotations, ...spec } = more
  const definition = {
    apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: `foos.${group}`, ...(annotations === undefined ? {} : { annotations }) },
    spec: { group, scope: 'Cluster', names: { plural: 'foos', singular: 'foo', kind: 'Foo', listKind: 'FooList' }, versions: [], ...spec },
  } as unknown as CustomResourceDefinition
  applyNameDecision(definition, decideNames(definition, { resources: new Set(), kinds: new Set() }), now)
  return definition
}

test('definitions of groups that belong to Kubernetes say whether they are approved', () => {
  const approved = (value?: string, group = 'sigs.k8s.io'): unknown[] => {
    const condition = conditionOf(decided(group, value === undefined ? {} : { annotations: { 'api-approved.kubernetes.io': value } }), 'KubernetesAPIApprovalPolicyConformant')
    return condition === undefined ? [] : [condition.status, condition.reason, condition.message]
  }
  const wanted = 'protected groups must have approval annotation "api-approved.kubernetes.io"'
  const help = 'see https://github.com/kubernetes/enhancements/pull/1111'
  assert.deepEqual(approved(undefined, 'example.com'), [])
  assert.deepEqual(approved('https://example.com/1'), ['True', 'ApprovedAnnotation', 'approved in https://example.com/1'])
  assert.deepEqual(approved('unapproved, an experiment'), ['False', 'UnapprovedAnnotation', 'not approved: "unapproved, an experiment"'])
  assert.deepEqual(approved(), ['False', 'MissingAnnotation', `${wanted}, ${help}`])
  assert.deepEqual(approved('yes'), ['False', 'InvalidAnnotation', `${wanted} with either a URL or a reason starting with "unapproved", ${help}`])
})

test('a definition whose conversion webhook has a bundle without certificates is not established', () => {
  const conversion = (caBundle: string): object => ({ conversion: { strategy: 'Webhook', webhook: { conversionReviewVersions: ['v1'], clientConfig: { url: 'https://localhost', caBundle } } } })
  const established = (caBundle: string): unknown[] => {
    const { status, reason, message } = conditionOf(decided('example.com', conversion(caBundle)), 'Established')!
    return [status, reason, message]
  }
  assert.deepEqual(established(Buffer.from('no certificate').toString('base64')), ['False', 'InvalidCABundle', 'The conversion webhook CABundle is invalid'])
  assert.deepEqual(established(''), ['True', 'InitialNamesAccepted', 'the initial names have been accepted'])
})
