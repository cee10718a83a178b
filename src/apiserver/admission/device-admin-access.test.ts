import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deviceAdminAccessCheck } from './device-admin-access.ts'
import { admissionOf, fakeCore, fakeResource } from './fake-core.ts'

test('devices in use are for namespaces that are labelled for it', async () => {
  const core = fakeCore()
  core.reader.put('namespaces', { metadata: { name: 'plain' } })
  core.reader.put('namespaces', { metadata: { name: 'admin', labels: { 'resource.kubernetes.io/admin-access': 'true' } } })
  const plugin = deviceAdminAccessCheck(core)
  const text = 'Forbidden: admin access to devices requires the `resource.kubernetes.io/admin-access: true` label on the containing namespace'
  const claims = fakeResource('resourceclaims', 'resource.k8s.io', 'ResourceClaim')
  const templates = fakeResource('resourceclaimtemplates', 'resource.k8s.io', 'ResourceClaimTemplate')
  const devices = (adminAccess: boolean): object => ({ devices: { requests: [{ name: 'r', firstAvailable: [] }, { name: 's', exactly: { deviceClassName: 'c', adminAccess } }] } })
  const refusal = async (resource: typeof claims, object: object, more: object = {}, namespace = 'plain'): Promise<string> => {
    try {
      await plugin.validate?.({ ...admissionOf('CREATE', resource, { metadata: { name: 'a', namespace }, ...object }), namespace, ...more })
      return ''
    } catch (error) {
      return (error as Error).message
    }
  }
  assert.equal(await refusal(claims, { spec: devices(true) }), `ResourceClaim.resource.k8s.io "a" is invalid: spec.devices.requests[1].adminAccess: ${text}`)
  assert.equal(await refusal(claims, { spec: devices(false) }), '')
  assert.equal(await refusal(claims, { spec: devices(true) }, {}, 'admin'), '')
  assert.equal(await refusal(claims, { spec: devices(true) }, { operation: 'UPDATE' }), '')
  assert.match(await refusal(templates, { spec: { spec: devices(true) } }), /^ResourceClaimTemplate\.resource\.k8s\.io "a" is invalid: spec\.devices\.requests\[1\]/)
  const allocated = { status: { allocation: { devices: { results: [{ adminAccess: true }] } } } }
  assert.match(await refusal(claims, allocated, { operation: 'UPDATE', subresource: 'status', oldObject: {} }), /status\.allocation\.devices\.results\[0\]\.adminAccess: Forbidden/)
  assert.equal(await refusal(claims, allocated, { operation: 'UPDATE', subresource: 'status', oldObject: allocated }), '')
})
