import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tableGroupVersions, typeById, typeForKind, typeNames } from './type-table.ts'

test('a type has its fields with wire numbers, inline fields flattened for JSON', () => {
  const volume = typeById('v1.Volume')
  assert.deepEqual(volume?.fields.map(({ name, inline, proto }) => [name, inline, proto]), [['name', false, 1], ['', true, 2]])
  assert.equal(volume.jsonFields.get('hostPath')?.proto, 1)
  assert.equal(volume.jsonFields.has('name'), true)
})

test('objects have apiVersion and kind, their parts do not', () => {
  assert.equal(typeById('apps/v1.Deployment')?.jsonFields.has('apiVersion'), true)
  assert.equal(typeById('apps/v1.DeploymentSpec')?.jsonFields.has('apiVersion'), false)
})

test('types that hold themselves resolve', () => {
  const props = typeById('apiextensions.k8s.io/v1.JSONSchemaProps')
  const not = props?.jsonFields.get('not')?.type
  assert.equal(not?.kind === 'struct' && not, props)
})

test('every type of every table resolves with all its fields', () => {
  let count = 0
  for (const groupVersion of tableGroupVersions()) {
    for (const name of typeNames(groupVersion)) count += typeById(`${groupVersion}.${name}`)?.jsonFields.size ?? 0
  }
  assert.ok(count > 4000)
})

test('kinds shared by all groups are found from any', () => {
  assert.equal(typeForKind('apps/v1', 'DeleteOptions')?.id, 'meta/v1.DeleteOptions')
  assert.equal(typeForKind('v1', 'Status')?.id, 'meta/v1.Status')
  assert.equal(typeForKind('v1', 'Pod')?.id, 'v1.Pod')
})

test('what is not there is undefined, whatever it is called', () => {
  for (const id of ['v1.Nope', 'nope/v1.Pod', 'v1.constructor', 'v1.__proto__', '../../x/v1.Pod', 'Pod', '']) assert.equal(typeById(id), undefined, id)
})

test('fields and kinds of an older level are seen at that level only', () => {
  assert.equal(typeById('v1.PodSpec')?.jsonFields.has('workloadRef'), false)
  assert.equal(typeById('v1.PodSpec', '1.35')?.jsonFields.has('workloadRef'), true)
  assert.equal(typeById('v1.PodSpec', '1.35')?.jsonFields.has('schedulingGroup'), false)
  assert.equal(typeForKind('autoscaling/v2beta2', 'HorizontalPodAutoscaler'), undefined)
  assert.notEqual(typeForKind('autoscaling/v2beta2', 'HorizontalPodAutoscaler', '1.35'), undefined)
})
