import assert from 'node:assert/strict'
import { test } from 'node:test'
import { builtinResources, servableResources } from '../builtin.ts'
import { typeById } from '../type-table.ts'
import { parseRuntimeConfig } from './served.ts'

const rows = servableResources()
const servedBy = (config: string): Set<string> => {
  const isServed = parseRuntimeConfig(config, rows)
  return new Set(rows.filter(isServed).map(({ group, version, resource }) => `${group}/${version}/${resource}`))
}

test('stable versions are served unless told otherwise, and no others', () => {
  const served = servedBy('')
  assert.equal(served.has('/v1/pods'), true)
  assert.equal([...served].some((name) => /beta|alpha/.test(name)), false)
  assert.equal(builtinResources().find('resource.k8s.io', 'v1beta1', 'resourceclaims'), undefined)
})

test('classes, versions and resources are turned on and off, the more special winning', () => {
  const beta = servedBy('api/beta=true')
  for (const name of [
    'resource.k8s.io/v1beta1/resourceclaims', 'resource.k8s.io/v1beta2/devicetaintrules', 'networking.k8s.io/v1beta1/servicecidrs', 'certificates.k8s.io/v1beta1/clustertrustbundles',
    'coordination.k8s.io/v1beta1/leasecandidates', 'admissionregistration.k8s.io/v1beta1/mutatingadmissionpolicies', 'storage.k8s.io/v1beta1/volumeattributesclasses', 'storagemigration.k8s.io/v1beta1/storageversionmigrations',
  ]) assert.equal(beta.has(name), true, name)
  assert.equal([...beta].some((name) => name.includes('alpha')), false)
  assert.deepEqual([...servedBy('api/all=false,v1=true')].every((name) => name.startsWith('/v1/')), true)
  assert.deepEqual([...servedBy('api/all=false,resource.k8s.io/v1beta1')].sort(), ['deviceclasses', 'resourceclaims', 'resourceclaimtemplates', 'resourceslices'].map((name) => `resource.k8s.io/v1beta1/${name}`))
  assert.equal(servedBy('api/beta=true,resource.k8s.io/v1beta1=false').has('resource.k8s.io/v1beta1/resourceclaims'), false)
  assert.equal(servedBy('apps/v1=false,apps/v1/deployments=true').has('apps/v1/deployments'), true)
  assert.equal(servedBy('apps/v1=false,apps/v1/deployments=true').has('apps/v1/daemonsets'), false)
})

test('what is not known is refused', () => {
  assert.throws(() => parseRuntimeConfig('nope/v1=true', rows), /unknown api groups nope\/v1/)
  assert.throws(() => parseRuntimeConfig('api/all=maybe', rows), /invalid value of api\/all: maybe/)
})

test('every version knows its type, and shares the objects of the others', () => {
  const table = builtinResources(() => true)
  for (const resource of table.all()) {
    assert.ok(typeById(resource.typeId ?? ''), `${resource.group}/${resource.version} ${resource.kind}`)
    const [group = '', version = ''] = resource.storageVersion.includes('/') ? resource.storageVersion.split('/') : ['', resource.storageVersion]
    assert.ok(table.find(resource.group === 'events.k8s.io' ? '' : group, version, resource.resource), `${resource.storageVersion} ${resource.resource}`)
  }
  const warningOf = (group: string, version: string, resource: string): string | undefined => table.find(group, version, resource)?.deprecationWarning
  assert.equal(warningOf('storage.k8s.io', 'v1beta1', 'volumeattributesclasses'),
    'storage.k8s.io/v1beta1 VolumeAttributesClass is deprecated in v1.34+, unavailable in v1.37+; use storage.k8s.io/v1 VolumeAttributesClass')
  assert.equal(warningOf('networking.k8s.io', 'v1beta1', 'ipaddresses'), 'networking.k8s.io/v1beta1 IPAddress is deprecated in v1.34+, unavailable in v1.37+')
  assert.equal(warningOf('certificates.k8s.io', 'v1beta1', 'clustertrustbundles'), undefined)
})
