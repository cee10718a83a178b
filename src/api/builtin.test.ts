import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { builtinResources } from './builtin.ts'
import { aggregatedDiscovery, apiGroup, apiGroupList, apiResourceList, apiVersions, storageVersionHash, tableCatalogue } from './discovery.ts'
import { compareVersions } from './resource-table.ts'
import type { ResourceDescription } from './resource.ts'
import { typeById } from './type-table.ts'

const table = builtinResources()
const find = (group: string, version: string, resource: string): ResourceDescription => {
  const found = table.find(group, version, resource)
  assert.ok(found, `${group}/${version} ${resource}`)
  return found
}

describe('the table of built-in resources', () => {
  test('has every group in the order of upstream', () => {
    assert.deepEqual(table.groups(), [
      '', 'apiregistration.k8s.io', 'apps', 'events.k8s.io', 'authentication.k8s.io', 'authorization.k8s.io', 'autoscaling', 'batch', 'certificates.k8s.io',
      'networking.k8s.io', 'policy', 'rbac.authorization.k8s.io', 'storage.k8s.io', 'admissionregistration.k8s.io', 'apiextensions.k8s.io', 'scheduling.k8s.io',
      'coordination.k8s.io', 'node.k8s.io', 'discovery.k8s.io', 'resource.k8s.io', 'flowcontrol.apiserver.k8s.io',
    ])
    assert.deepEqual(table.versions('autoscaling'), ['v2', 'v1'])
  })

  test('names, types, printers and store keys of all fit together', () => {
    const prefixes = new Map<string, string>()
    for (const resource of table.all()) {
      const id = `${resource.group}/${resource.resource}`
      assert.ok(typeById(resource.typeId ?? ''), id)
      if (resource.verbs.includes('list')) assert.ok(typeById(`${resource.typeId ?? ''}List`), `${id} list`)
      assert.equal(resource.columns[0] === undefined, false, id)
      assert.ok(resource.printRow({ metadata: { name: 'x' }, spec: { scaleTargetRef: {}, ports: [] }, roleRef: {}, involvedObject: {}, value: 1 }, 0).length > 0, id)
      assert.equal(resource.printRow({ metadata: { name: 'x' }, spec: { scaleTargetRef: {} }, roleRef: {}, involvedObject: {}, value: 1 }, 0).length, resource.columns.length + (resource.kind === 'IPAddress' ? 1 : 0), id)
      assert.match(resource.storagePrefix, /^\/registry\/.+\/$/)
      const owner = `${resource.storageVersion}.${resource.kind}`
      assert.equal(prefixes.get(resource.storagePrefix) ?? owner, owner, `${resource.storagePrefix} is shared`)
      prefixes.set(resource.storagePrefix, owner)
      assert.equal(new Set(resource.subresources.map((sub) => sub.name)).size, resource.subresources.length)
    }
  })

  test('keys are where upstream keeps them in etcd', () => {
    const prefixes: Array<[string, string, string]> = [
      ['', 'pods', '/registry/pods/'], ['', 'nodes', '/registry/minions/'], ['', 'services', '/registry/services/specs/'], ['', 'endpoints', '/registry/services/endpoints/'],
      ['', 'replicationcontrollers', '/registry/controllers/'], ['', 'events', '/registry/events/'], ['events.k8s.io', 'events', '/registry/events/'],
      ['networking.k8s.io', 'ingresses', '/registry/ingress/'], ['apiextensions.k8s.io', 'customresourcedefinitions', '/registry/apiextensions.k8s.io/customresourcedefinitions/'],
      ['apiregistration.k8s.io', 'apiservices', '/registry/apiregistration.k8s.io/apiservices/'], ['rbac.authorization.k8s.io', 'clusterroles', '/registry/clusterroles/'],
      ['coordination.k8s.io', 'leases', '/registry/leases/'],
    ]
    for (const [group, resource, prefix] of prefixes) assert.equal(find(group, 'v1', resource).storagePrefix, prefix)
  })

  test('field selectors read the text that Go would print', () => {
    const fieldsOf = (resource: ResourceDescription, object: object): Record<string, string> =>
      Object.fromEntries(Object.entries(resource.selectableFields).map(([name, read]) => [name, read({ metadata: {}, ...object })]))
    assert.deepEqual(fieldsOf(find('', 'v1', 'nodes'), {}), { 'spec.unschedulable': 'false' })
    assert.deepEqual(fieldsOf(find('', 'v1', 'nodes'), { spec: { unschedulable: true } }), { 'spec.unschedulable': 'true' })
    assert.deepEqual(fieldsOf(find('batch', 'v1', 'jobs'), { status: { succeeded: 3 } }), { 'status.successful': '3' })
    const pod = fieldsOf(find('', 'v1', 'pods'), { spec: { nodeName: 'n1' }, status: { phase: 'Running', podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }] } })
    assert.equal(pod['spec.nodeName'], 'n1')
    assert.equal(pod['status.phase'], 'Running')
    assert.equal(pod['status.podIPs'], '10.0.0.1,fd00::1')
    assert.equal(pod['spec.hostNetwork'], 'false')
    assert.equal(pod['spec.schedulerName'], '')
    const event = fieldsOf(find('events.k8s.io', 'v1', 'events'), { regarding: { kind: 'Pod', name: 'a' }, reportingController: 'c' })
    assert.equal(event['regarding.name'], 'a')
    assert.equal(event['reportingController'], 'c')
  })

  test('deprecated kinds say so in the words of upstream', () => {
    const warnings = table.all().flatMap((resource) => resource.deprecationWarning ?? [])
    assert.deepEqual(warnings, ['v1 ComponentStatus is deprecated in v1.19+', 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice'])
  })

  test('tables are separate, and count their changes', () => {
    const other = builtinResources()
    const before = other.generation
    const crontab: ResourceDescription = {
      ...find('apps', 'v1', 'deployments'), group: 'stable.example.com', version: 'v1beta1', resource: 'crontabs', singular: 'crontab', kind: 'CronTab', listKind: 'CronTabList',
    }
    other.add(crontab)
    other.add({ ...crontab, version: 'v1' })
    assert.equal(other.generation, before + 2)
    assert.deepEqual(other.versions('stable.example.com'), ['v1', 'v1beta1'])
    assert.equal(other.groups().at(-1), 'stable.example.com')
    assert.equal(other.findKind('stable.example.com', 'v1', 'CronTab')?.resource, 'crontabs')
    assert.equal(table.find('stable.example.com', 'v1', 'crontabs'), undefined)
    other.remove('stable.example.com', 'v1', 'crontabs')
    other.remove('stable.example.com', 'v1beta1', 'crontabs')
    other.remove('stable.example.com', 'v1beta1', 'crontabs')
    assert.equal(other.generation, before + 4)
    assert.equal(other.groups().includes('stable.example.com'), false)
  })
})

test('versions are ordered by stability, then number', () => {
  const order = ['v10', 'v2', 'v1', 'v11beta2', 'v10beta3', 'v3beta1', 'v12alpha1', 'v11alpha2', 'foo1', 'foo10']
  assert.deepEqual([...order].reverse().sort(compareVersions), order)
})

describe('discovery', () => {
  test('lists resources with their subresources, sorted', () => {
    const list = apiResourceList(table, '', 'v1')
    const entry = (name: string) => list?.resources.find((resource) => resource.name === name)
    assert.deepEqual(entry('pods'), {
      name: 'pods', singularName: 'pod', namespaced: true, kind: 'Pod', verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
      shortNames: ['po'], categories: ['all'], storageVersionHash: storageVersionHash(find('', 'v1', 'pods')),
    })
    assert.deepEqual(entry('pods/eviction'), { name: 'pods/eviction', singularName: '', namespaced: true, group: 'policy', version: 'v1', kind: 'Eviction', verbs: ['create'] })
    assert.deepEqual(entry('pods/exec'), { name: 'pods/exec', singularName: '', namespaced: true, kind: 'PodExecOptions', verbs: ['create', 'get'] })
    assert.equal(entry('namespaces')?.verbs.includes('deletecollection'), false)
    const names = list?.resources.map((resource) => resource.name) ?? []
    assert.deepEqual(names, [...names].sort())
    assert.equal(apiResourceList(table, 'apps', 'v9'), undefined)
  })

  test('storage version hashes are upstream\'s', () => {
    // Published by kube-apiserver since 1.14.
    assert.equal(storageVersionHash(find('', 'v1', 'pods')), 'xPOwRZ+Yhw8=')
    assert.deepEqual(builtinResources(() => true, () => true).all().filter(({ resource }) => resource.startsWith('storageversion')).map(({ storagePrefix }) => storagePrefix), ['/registry/storageversions/', '/registry/storageversionmigrations/'])
    assert.equal(storageVersionHash(find('apps', 'v1', 'deployments')), '8aSe+NMegvE=')
    assert.equal(storageVersionHash(find('', 'v1', 'nodes')), 'XwShjMxG9Fs=')
    assert.equal(storageVersionHash(find('apiextensions.k8s.io', 'v1', 'customresourcedefinitions')), 'jfWCUB31mvA=')
    assert.equal(storageVersionHash(find('admissionregistration.k8s.io', 'v1', 'mutatingadmissionpolicies')), 'LYmCf+UMVdg=')
    assert.equal(storageVersionHash(find('admissionregistration.k8s.io', 'v1', 'mutatingadmissionpolicybindings')), '90V5FRZZ3Zg=')
  })

  test('groups name their preferred version', () => {
    assert.equal(apiGroupList(tableCatalogue(table)).groups.some((group) => group.name === ''), false)
    assert.deepEqual(apiGroup(tableCatalogue(table), 'autoscaling'), {
      kind: 'APIGroup', apiVersion: 'v1', name: 'autoscaling', versions: [{ groupVersion: 'autoscaling/v2', version: 'v2' }, { groupVersion: 'autoscaling/v1', version: 'v1' }],
      preferredVersion: { groupVersion: 'autoscaling/v2', version: 'v2' },
    })
    assert.equal(apiGroup(tableCatalogue(table), 'nope'), undefined)
    assert.deepEqual(apiVersions(table, '127.0.0.1:6443').versions, ['v1'])
  })

  test('the aggregated document holds the same in one', () => {
    const legacy = aggregatedDiscovery(table, 'legacy')
    assert.equal(legacy.apiVersion, 'apidiscovery.k8s.io/v2')
    assert.equal(legacy.items.length, 1)
    const groups = aggregatedDiscovery(table, 'groups')
    const deployments = groups.items.find((group) => group.metadata.name === 'apps')?.versions[0]?.resources?.find((resource) => resource.resource === 'deployments')
    assert.deepEqual(deployments?.subresources, [
      { subresource: 'scale', responseKind: { group: 'autoscaling', version: 'v1', kind: 'Scale' }, verbs: ['get', 'patch', 'update'] },
      { subresource: 'status', responseKind: { group: '', version: '', kind: 'Deployment' }, verbs: ['get', 'patch', 'update'] },
    ])
    assert.equal(deployments?.scope, 'Namespaced')
    assert.deepEqual(deployments?.responseKind, { group: '', version: '', kind: 'Deployment' })
  })
})
