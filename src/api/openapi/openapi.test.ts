import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Reader } from '../../machinery/protobuf-wire.ts'
import { builtinResources } from '../builtin.ts'
import type { ResourceDescription } from '../resource.ts'
import { openapiV2, openapiV3, openapiV3Index, openapiV3Protobuf } from './documents.ts'

type Json = Record<string, unknown>
const table = builtinResources()
const v2 = openapiV2(table)
const document = JSON.parse(v2.json) as { swagger: string; definitions: Record<string, Json>; parameters: Record<string, Json>; paths: Record<string, Record<string, Json>> }
const apps = JSON.parse(openapiV3(table, 'apis/apps/v1') ?? '') as { components: { schemas: Record<string, Json> }; paths: Record<string, Record<string, Json>> }

function properties(schema: Json | undefined): Record<string, Json> {
  return (schema?.['properties'] ?? {}) as Record<string, Json>
}

function references(value: unknown, found = new Set<string>()): Set<string> {
  if (typeof value === 'object' && value !== null) {
    for (const [key, inner] of Object.entries(value)) {
      if (key === '$ref' && typeof inner === 'string') found.add(inner)
      else references(inner, found)
    }
  }
  return found
}

test('version 2 names types, lists and merges as upstream does', () => {
  const spec = properties(document.definitions['io.k8s.api.core.v1.PodSpec'])
  assert.deepEqual({ ...spec['containers'], description: '' }, {
    description: '', type: 'array', items: { $ref: '#/definitions/io.k8s.api.core.v1.Container' }, 'x-kubernetes-list-map-keys': ['name'], 'x-kubernetes-list-type': 'map',
    'x-kubernetes-patch-merge-key': 'name', 'x-kubernetes-patch-strategy': 'merge',
  })
  assert.deepEqual(document.definitions['io.k8s.api.apps.v1.Deployment']?.['x-kubernetes-group-version-kind'], [{ group: 'apps', kind: 'Deployment', version: 'v1' }])
  assert.deepEqual(document.definitions['io.k8s.api.apps.v1.DeploymentSpec']?.['required'], ['selector', 'template'])
  assert.equal(properties(document.definitions['io.k8s.api.core.v1.ServicePort'])['targetPort']?.['$ref'], '#/definitions/io.k8s.apimachinery.pkg.util.intstr.IntOrString')
  assert.equal(document.definitions['io.k8s.apimachinery.pkg.api.resource.Quantity']?.['type'], 'string')
  assert.ok(document.definitions['io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition'])
  assert.ok(document.definitions['io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService'])
  assert.ok(document.definitions['io.k8s.api.rbac.v1.ClusterRole'])
})

test('every reference of every document leads somewhere', () => {
  for (const reference of references(document)) assert.ok(document.definitions[reference.replace('#/definitions/', '')] ?? document.parameters[reference.replace('#/parameters/', '')], reference)
  for (const path of Object.keys(openapiV3Index(table).paths)) {
    const other = JSON.parse(openapiV3(table, path) ?? '') as typeof apps
    for (const reference of references(other)) assert.ok(other.components.schemas[reference.replace('#/components/schemas/', '')], `${path} ${reference}`)
  }
})

test('version 3 puts references into allOf where something stands beside them', () => {
  const deployment = properties(apps.components.schemas['io.k8s.api.apps.v1.Deployment'])
  assert.deepEqual(deployment['spec']?.['allOf'], [{ $ref: '#/components/schemas/io.k8s.api.apps.v1.DeploymentSpec' }])
  assert.deepEqual(deployment['spec']?.['default'], {})
  assert.equal(properties(apps.components.schemas['io.k8s.api.core.v1.ContainerPort'])['protocol']?.['default'], 'TCP')
  assert.deepEqual(properties(apps.components.schemas['io.k8s.api.core.v1.Container'])['imagePullPolicy']?.['enum'], ['Always', 'IfNotPresent', 'Never'])
  assert.deepEqual(apps.components.schemas['io.k8s.apimachinery.pkg.util.intstr.IntOrString']?.['oneOf'], [{ type: 'integer' }, { type: 'string' }])
})

test('patches take fieldValidation and dryRun, which clients look for before they rely on them', () => {
  for (const paths of [apps.paths, document.paths]) {
    const patch = paths['/apis/apps/v1/namespaces/{namespace}/deployments/{name}']?.['patch']
    assert.ok(patch)
    const names = (patch['parameters'] as Array<{ name?: string; $ref?: string }>).map(({ name, $ref }) => name ?? document.parameters[$ref!.replace('#/parameters/', '')]?.['name'])
    assert.ok(names.includes('fieldValidation') && names.includes('dryRun') && names.includes('force'))
    assert.deepEqual(patch['x-kubernetes-group-version-kind'], { group: 'apps', kind: 'Deployment', version: 'v1' })
    assert.equal(patch['x-kubernetes-action'], 'patch')
    assert.equal(patch['operationId'], 'patchAppsV1NamespacedDeployment')
  }
})

test('the server tells of its discovery, version and keys, in both versions', () => {
  for (const [path, id, tag] of [
    ['/api/', 'getCoreAPIVersions', 'core'], ['/apis/', 'getAPIVersions', 'apis'], ['/apis/rbac.authorization.k8s.io/', 'getRbacAuthorizationAPIGroup', 'rbacAuthorization'],
    ['/apis/apps/v1/', 'getAppsV1APIResources', 'apps_v1'], ['/api/v1/', 'getCoreV1APIResources', 'core_v1'], ['/version/', 'getCodeVersion', 'version'],
    ['/.well-known/openid-configuration/', 'getServiceAccountIssuerOpenIDConfiguration', 'WellKnown'], ['/openid/v1/jwks/', 'getServiceAccountIssuerOpenIDKeyset', 'openid'],
  ] as const) {
    const v3 = JSON.parse(openapiV3(table, path.slice(1, -1)) ?? '') as typeof apps
    assert.ok(openapiV3Index(table).paths[path.slice(1, -1)], path)
    for (const paths of [document.paths, v3.paths]) assert.deepEqual([paths[path]?.['get']?.['operationId'], paths[path]?.['get']?.['tags']], [id, [tag]], path)
  }
  assert.deepEqual(document.paths['/api/v1/namespaces/{namespace}/pods']?.['get']?.['produces'], [
    'application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf', 'application/json;stream=watch', 'application/vnd.kubernetes.protobuf;stream=watch',
  ])
})

test('version 2 tells shared parameters once, by upstream\'s names, but for those that old clients look for', () => {
  assert.deepEqual(document.parameters['pretty-tJGM1-ng']?.['name'], 'pretty')
  assert.deepEqual(document.parameters['body-2Y1dVQaQ'], { name: 'body', in: 'body', schema: { $ref: '#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions' } })
  const collection = document.paths['/api/v1/namespaces/{namespace}/pods']!
  assert.deepEqual(collection['parameters'], [{ $ref: '#/parameters/namespace-vgWSWtn3' }, { $ref: '#/parameters/pretty-tJGM1-ng' }])
  const named = ((collection['post'] as Json)['parameters'] as Json[]).map(({ name, $ref }) => name ?? $ref)
  assert.deepEqual(named, ['body', 'dryRun', '#/parameters/fieldManager-Qy4HdaTW', 'fieldValidation'])
})

test('watches have paths of their own, too, and connections the parameters of their options', () => {
  const watch = document.paths['/api/v1/watch/namespaces/{namespace}/pods/{name}']?.['get']
  assert.deepEqual([watch?.['operationId'], watch?.['x-kubernetes-action']], ['watchCoreV1NamespacedPod', 'watch'])
  assert.equal(document.paths['/apis/apps/v1/watch/deployments']?.['get']?.['operationId'], 'watchAppsV1DeploymentListForAllNamespaces')
  const exec = document.paths['/api/v1/namespaces/{namespace}/pods/{name}/exec']!
  assert.deepEqual([exec['get']?.['x-kubernetes-group-version-kind'], exec['get']?.['description']], [{ group: '', kind: 'PodExecOptions', version: 'v1' }, 'connect GET requests to exec of Pod'])
  assert.deepEqual(Object.keys(document.paths['/api/v1/nodes/{name}/proxy/{path}'] ?? {}).sort(), ['delete', 'get', 'head', 'options', 'parameters', 'patch', 'post', 'put'])
})

test('deletions answer with the object, where they do, and descriptions keep their lines and values', () => {
  const answer = (path: string): unknown => ((document.paths[path]!['delete']!['responses'] as Record<string, Json>)['200'] as Json)['schema']
  assert.deepEqual(answer('/apis/resource.k8s.io/v1/deviceclasses/{name}'), { $ref: '#/definitions/io.k8s.api.resource.v1.DeviceClass' })
  assert.deepEqual(answer('/api/v1/nodes/{name}'), { $ref: '#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.Status' })
  assert.match(String(properties(document.definitions['io.k8s.api.core.v1.ContainerPort'])['protocol']?.['description']), /\n\nPossible enum values:\n - `"SCTP"` is the SCTP protocol\.\n - `"TCP"` is the TCP protocol\./)
  assert.deepEqual(document.definitions['io.k8s.api.core.v1.SeccompProfile']?.['x-kubernetes-unions'], [{ discriminator: 'type', 'fields-to-discriminateBy': { localhostProfile: 'LocalhostProfile' } }])
})

test('operation ids are unique, and those of upstream', () => {
  const ids = Object.values(document.paths).flatMap((path) => Object.values(path).flatMap((operation) => (typeof operation['operationId'] === 'string' ? [operation['operationId']] : [])))
  assert.equal(new Set(ids).size, ids.length)
  for (const id of [
    'listCoreV1PodForAllNamespaces', 'deleteCoreV1CollectionNamespacedPod', 'connectCoreV1GetNamespacedPodExec', 'readCoreV1NamespacedPodLog', 'replaceAppsV1NamespacedDeploymentScale',
    'createCoreV1NamespacedPodEviction', 'readRbacAuthorizationV1ClusterRole', 'createAuthenticationV1TokenReview', 'createCoreV1NamespacedServiceAccountToken', 'patchCoreV1NodeStatus', 'connectCoreV1GetNamespacedServiceProxyWithPath',
  ]) assert.ok(ids.includes(id), id)
})

test('the protobuf form holds every path and definition', () => {
  const reader = new Reader(v2.protobuf)
  const seen: Record<number, number> = {}
  let definitions = 0
  let paths = 0
  while (reader.at < reader.end) {
    const tag = reader.varint()
    const number = Math.floor(tag / 8)
    seen[number] = (seen[number] ?? 0) + 1
    const outer = reader.enter()
    while ((number === 8 || number === 9) && reader.at < reader.end) {
      const inner = reader.varint()
      if (number === 9) definitions += Number(inner === 10)
      else paths += Number(inner === 18)
      reader.skip(inner % 8)
    }
    reader.leave(outer)
  }
  assert.equal(definitions, Object.keys(document.definitions).length)
  assert.equal(paths, Object.keys(document.paths).length)
  assert.deepEqual(seen, { 1: 1, 2: 1, 8: 1, 9: 1, 10: 1, 12: 1, 13: 1 })
})

test('documents of version 3 have a protobuf form, too', () => {
  const json = openapiV3(table, 'apis/apps/v1')!
  const wanted = JSON.parse(json) as { paths: object; components: { schemas: object } }
  const reader = new Reader(openapiV3Protobuf(json))
  const counts: Record<string, number> = {}
  const count = (name: string): void => void (counts[name] = (counts[name] ?? 0) + 1)
  while (reader.at < reader.end) {
    const number = Math.floor(reader.varint() / 8)
    count(`document ${number}`)
    const outer = reader.enter()
    while ((number === 4 || number === 5) && reader.at < reader.end) {
      const inner = reader.varint()
      if (number === 4) count('path')
      // components: schemas are field 1, a list of named ones.
      if (number === 5 && inner === 10) {
        const schemas = reader.enter()
        while (reader.at < reader.end) {
          count('schema')
          reader.skip(reader.varint() % 8)
        }
        reader.leave(schemas)
      } else reader.skip(inner % 8)
    }
    reader.leave(outer)
  }
  assert.deepEqual(counts, { 'document 1': 1, 'document 2': 1, 'document 4': 1, 'document 5': 1, path: Object.keys(wanted.paths).length, schema: Object.keys(wanted.components.schemas).length })
})

test('schemas of version 3 keep what they say as protobuf', () => {
  const hex = (schema: object): string => Buffer.from(openapiV3Protobuf(JSON.stringify({ components: { schemas: { a: schema } } }))).toString('hex')
  // Document.components (5) > schemas (1) > additional_properties (1) > name (1) and value (2) > schema (1) or reference (2).
  const wrapped = (value: string): string => {
    const lengthOf = (text: string): string => (text.length / 2).toString(16).padStart(2, '0')
    const named = `0a016112${lengthOf(value)}${value}`
    const list = `0a${lengthOf(named)}${named}`
    const components = `0a${lengthOf(list)}${list}`
    return `2a${lengthOf(components)}${components}`
  }
  const table: [schema: object, value: string][] = [
    [{ $ref: '#/x' }, '12050a03232f78'],
    [{ type: 'string', default: 'd' }, '0a0fca0106737472696e678a02031a0164'],
    [{ default: {} }, '0a038a0200'],
    [{ default: true }, '0a058a02021001'],
    [{ additionalProperties: true }, '0a058202021001'],
    [{ items: { $ref: '#/x' } }, '0a0cf201090a0712050a03232f78'],
    [{ maxLength: 5, required: ['b'] }, '0a067805ba010162'],
    [{ 'x-y': 1 }, '0a0ea2020b0a03782d7912041202310a'],
    // - a: spec.b\n  c: {}\n- ""\n
    [{ 'x-y': [{ a: 'spec.b', c: {} }, ''] }, `0a25a202220a03782d79121b1219${Buffer.from('- a: spec.b\n  c: {}\n- ""\n').toString('hex')}`],
  ]
  for (const [schema, value] of table) assert.equal(hex(schema), wrapped(value), JSON.stringify(schema))
})

test('the index names a document for each group version, and changes with what is served', () => {
  const other = builtinResources()
  const before = openapiV3Index(other).paths
  assert.deepEqual(before, openapiV3Index(table).paths)
  assert.match(before['apis/apps/v1']?.serverRelativeURL ?? '', /^\/openapi\/v3\/apis\/apps\/v1\?hash=[0-9A-F]{128}$/)
  assert.ok(before['api/v1'])
  const crontab = {
    ...(other.find('apps', 'v1', 'deployments') as ResourceDescription), group: 'stable.example.com', resource: 'crontabs', kind: 'CronTab', listKind: 'CronTabList', typeId: undefined,
    subresources: [], schema: { type: 'object', properties: { spec: { type: 'object', properties: { cronSpec: { type: 'string' } } } } },
    selectableFields: { 'spec.cronSpec': () => '' },
  }
  other.add(crontab)
  const after = openapiV3Index(other).paths
  assert.equal(after['apis/apps/v1']?.serverRelativeURL, before['apis/apps/v1']?.serverRelativeURL)
  assert.ok(after['apis/stable.example.com/v1'])
  const custom = JSON.parse(openapiV3(other, 'apis/stable.example.com/v1') ?? '') as typeof apps
  // As the apiextensions server writes them: by its own name, with the media types that it takes.
  assert.deepEqual((custom as unknown as { info: Json }).info, { title: 'Kubernetes CRD Swagger', version: 'v0.1.0' })
  const collection = custom.paths['/apis/stable.example.com/v1/namespaces/{namespace}/crontabs']!
  assert.deepEqual([collection['get']?.['description'], collection['get']?.['tags']], ['list objects of kind CronTab', ['stableExampleCom_v1']])
  assert.deepEqual(Object.keys((collection['post']!['requestBody'] as { content: object }).content), ['application/json', 'application/yaml'])
  assert.equal((properties(properties(custom.components.schemas['com.example.stable.v1.CronTab'])['spec'])['cronSpec'] ?? {})['type'], 'string')
  for (const name of ['CronTab', 'CronTabList']) assert.deepEqual(custom.components.schemas[`com.example.stable.v1.${name}`]!['x-kubernetes-selectable-fields'], [{ fieldPath: 'spec.cronSpec' }])
  assert.equal(openapiV3(table, 'apis/nope/v1'), undefined)
})
