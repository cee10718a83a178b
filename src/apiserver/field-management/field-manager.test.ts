import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { builtinResources } from '../../api/builtin.ts'
import { customDescriptions } from '../../api/custom/description.ts'
import type { ResourceDescription } from '../../api/resource.ts'
import type { CustomResourceDefinition } from '../../api/types/apiextensions.k8s.io_v1.ts'
import { typeById } from '../../api/type-table.ts'
import { compare } from '../../machinery/apply/compare.ts'
import { difference, union } from '../../machinery/apply/field-set.ts'
import { fieldsText } from '../../machinery/apply/fields-text.ts'
import { newFieldsText } from '../../machinery/apply/new-fields.ts'
import { FieldSet } from '../../machinery/apply/field-set.ts'
import type { ManagedFieldsEntry, OpenObject } from '../../machinery/object.ts'
import { decodeObject } from '../../machinery/schema-decode.ts'
import { StatusError } from '../../machinery/status.ts'
import { cloneJson } from '../clone.ts'
import { fieldManagerFor, ignoreTimes, keepReadable, managerOf } from './field-manager.ts'
import { applyVersionOf, emptyObject } from './versions.ts'

const table = builtinResources()
const nowMs = Date.UTC(2026, 0, 2, 3, 4, 5)
const time = '2026-01-02T03:04:05Z'

function described(apiVersion: string, kind: string): ResourceDescription {
  const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') as [string, string] : ['', apiVersion]
  return table.findKind(group, version, kind)!
}

/** An object as the server has it after decoding and defaulting. */
function decoded(value: Record<string, unknown>): OpenObject {
  const resource = described(value.apiVersion as string, value.kind as string)
  const object = decodeObject(typeById(resource.typeId!)!, structuredClone(value)).value as unknown as OpenObject
  resource.applyDefaults?.(object)
  return object
}

const deployment = (more: Record<string, unknown> = {}): OpenObject => decoded({
  apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web', labels: { app: 'web' } },
  spec: { selector: { matchLabels: { app: 'web' } }, template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'nginx' }] } }, ...more },
})
const configMap = (data: Record<string, string>, metadata: Record<string, unknown> = {}): OpenObject => decoded({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace: 'n', ...metadata }, data })

const manager = (apiVersion: string, kind: string, subresource = '') => fieldManagerFor(table, described(apiVersion, kind), subresource)
const configMaps = manager('v1', 'ConfigMap')
const deployments = manager('apps/v1', 'Deployment')

async function created(object: OpenObject, name = 'creator'): Promise<OpenObject> {
  await fieldManagerFor(table, described(object.apiVersion!, object.kind!), '').created(object, name, nowMs)
  object.metadata.uid = 'u'
  return object
}

function show(entries: readonly ManagedFieldsEntry[] | undefined): string[] {
  return (entries ?? []).map(({ manager: name, operation, subresource, fieldsV1 }) => `${name} ${operation}${subresource === undefined ? '' : ` ${subresource}`} ${JSON.stringify(fieldsV1)}`)
}

describe('a new object', () => {
  test('belongs to its creator, but for what is its identity and what it has by itself', async () => {
    const { metadata } = await created(deployment())
    assert.deepEqual(metadata.managedFields, [{
      manager: 'creator', operation: 'Update', apiVersion: 'apps/v1', time, fieldsType: 'FieldsV1',
      fieldsV1: {
        'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
        'f:spec': {
          'f:progressDeadlineSeconds': {}, 'f:replicas': {}, 'f:revisionHistoryLimit': {}, 'f:selector': {},
          'f:strategy': { 'f:rollingUpdate': { '.': {}, 'f:maxSurge': {}, 'f:maxUnavailable': {} }, 'f:type': {} },
          'f:template': {
            'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
            'f:spec': {
              'f:containers': { 'k:{"name":"c"}': { '.': {}, 'f:image': {}, 'f:imagePullPolicy': {}, 'f:name': {}, 'f:resources': {}, 'f:terminationMessagePath': {}, 'f:terminationMessagePolicy': {} } },
              'f:dnsPolicy': {}, 'f:restartPolicy': {}, 'f:schedulerName': {}, 'f:securityContext': {}, 'f:terminationGracePeriodSeconds': {},
            },
          },
        },
      },
    }])
  })

  test('what the strategy puts back is nobody\'s', async () => {
    const request = await created(decoded({ apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest', metadata: { name: 'r', labels: { a: 'b' } }, spec: { request: 'eA==', signerName: 'a/b', usages: ['client auth'] }, status: { certificate: 'eA==' } }))
    assert.deepEqual(show(request.metadata.managedFields), ['creator Update {"f:metadata":{"f:labels":{".":{},"f:a":{}}}}'])
    const namespace = await created(decoded({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'n', labels: { a: 'b' } }, spec: { finalizers: ['kubernetes'] } }))
    assert.deepEqual(show(namespace.metadata.managedFields), ['creator Update {"f:metadata":{"f:labels":{".":{},"f:a":{},"f:kubernetes.io/metadata.name":{}}},"f:spec":{"f:finalizers":{}}}'])
    const empty = await created(decoded({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 's' } }))
    assert.equal(empty.metadata.managedFields, undefined)
  })

  test('who resizes a pod owns all that the request changes, whatever comes of it', async () => {
    const pod = decoded({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec: { containers: [{ name: 'c', image: 'i' }] } })
    const next = cloneJson(await created(pod))
    next.spec = { ...(next.spec as object), containers: [{ name: 'c', image: 'j', resources: { limits: { cpu: '1' } } }] }
    await manager('v1', 'Pod', 'resize').updated(next, pod, 'resizer', nowMs)
    assert.match(show(next.metadata.managedFields).at(-1) ?? '', /^resizer Update resize .*"f:image":\{\}.*"f:limits"/)
  })

  test('times that are not set are owned, as Go holds them as null', async () => {
    const pod = decoded({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec: { containers: [{ name: 'c', image: 'i' }] } })
    const next = cloneJson(await created(pod))
    ;(next as OpenObject).status = { ...(next.status as object), conditions: [{ type: 'Ready', status: 'True' }] }
    await manager('v1', 'Pod', 'status').updated(next, pod, 'kubelet', nowMs)
    assert.equal(show(next.metadata.managedFields)[1], 'kubelet Update status {"f:status":{"f:conditions":{".":{},"k:{\\"type\\":\\"Ready\\"}":{".":{},"f:lastProbeTime":{},"f:lastTransitionTime":{},"f:status":{},"f:type":{}}}}}')
  })

  test('zero values that Go leaves out are not owned', async () => {
    const pod = await created(decoded({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', labels: {} }, spec: { hostNetwork: false, containers: [{ name: 'c', image: 'i', stdin: false, args: [] }] } }))
    assert.doesNotMatch(show(pod.metadata.managedFields)[0]!, /hostNetwork|stdin|args|labels/)
  })

  test('one walk tells the same as a comparison with an empty object', async () => {
    const skipMetadata = new Set(['name', 'namespace', 'uid'])
    for (const object of [deployment({ replicas: 0, paused: true }), configMap({ a: 'b', 'c"d': 'e', '10': 'x', '9': 'y' }, { annotations: { a: '' }, finalizers: ['b/c', 'a/b'], generateName: 'g-' }), decoded({
      apiVersion: 'v1', kind: 'Service', metadata: { name: 's', ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'x' }] },
      spec: { selector: { a: 'b' }, ports: [{ port: 80 }, { port: 443, name: 'b', protocol: 'UDP' }], clusterIPs: ['None'] }, status: { loadBalancer: { ingress: [{ ip: '1.1.1.1' }] } },
    }), decoded({
      apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec: {
        containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80 }, { containerPort: 80 }], env: [{ name: 'B', value: 'b' }, { name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }, { name: 'a"<b>', value: 'c' }, { name: 'B', value: 'd' }], resources: { limits: { cpu: '1' } } }],
        volumes: [{ name: 'v', emptyDir: {} }, { name: 'w', projected: { sources: [{ configMap: { name: 'x' } }] } }], tolerations: [{ key: 'a' }], affinity: { nodeAffinity: {} },
      }, status: { conditions: [{ type: 'Ready', status: 'True' }] },
    })]) {
      const { type, typed } = applyVersionOf(described(object.apiVersion!, object.kind!), '')
      const empty = emptyObject(object.kind!, object.apiVersion!, described(object.apiVersion!, object.kind!).typeId)
      const { added, modified } = compare(type, empty, object, typed)
      const strip = FieldSet.of(['f:metadata'], ['f:apiVersion'], ['f:kind'], ...[...skipMetadata].map((name) => ['f:metadata', `f:${name}`]))
      assert.equal(`{${newFieldsText(type, object, { empty, typed, skip: new Set(['apiVersion', 'kind']), skipMetadata })}}`, fieldsText(difference(union(added, modified), strip)))
    }
  })

  test('owners given with it lose what it sets, and keep what it does not', async () => {
    const object = configMap({ a: 'b' })
    object.metadata.managedFields = [{ manager: 'backup', operation: 'Apply', apiVersion: 'v1', time, fieldsType: 'FieldsV1', fieldsV1: { 'f:data': { 'f:a': {}, 'f:z': {} } } }]
    assert.deepEqual(show((await created(object)).metadata.managedFields), ['backup Apply {"f:data":{"f:z":{}}}', 'creator Update {"f:data":{".":{},"f:a":{}}}'])
  })
})

describe('an update', () => {
  test('moves what it changes to who makes it', async () => {
    const old = await created(configMap({ a: 'b', c: 'd' }))
    const next = configMap({ a: 'b', c: 'x', e: 'f' })
    await configMaps.updated(next, old, 'other', nowMs + 1000)
    assert.deepEqual(show(next.metadata.managedFields), ['creator Update {"f:data":{".":{},"f:a":{}}}', 'other Update {"f:data":{"f:c":{},"f:e":{}}}'])
    assert.deepEqual(next.metadata.managedFields!.map((entry) => entry.time), [time, '2026-01-02T03:04:06Z'])
  })

  test('that changes nothing changes no owner', async () => {
    const old = await created(configMap({ a: 'b' }))
    const next = cloneJson(old)
    await configMaps.updated(next, old, 'other', nowMs + 1000)
    assert.deepEqual(next.metadata.managedFields, old.metadata.managedFields)
  })

  test('may set owners, or have them forgotten, but not through a subresource', async () => {
    const old = await created(configMap({ a: 'b' }))
    const set = [{ manager: 'x', operation: 'Apply', apiVersion: 'v1', fieldsType: 'FieldsV1', fieldsV1: { 'f:data': { 'f:a': {} } } }]
    const after = async (managedFields: ManagedFieldsEntry[] | undefined, of = configMaps): Promise<string[]> => {
      const next = configMap({ a: 'b' })
      if (managedFields !== undefined) next.metadata.managedFields = structuredClone(managedFields)
      await of.updated(next, old, 'other', nowMs)
      return show(next.metadata.managedFields)
    }
    const kept = ['creator Update {"f:data":{".":{},"f:a":{}}}']
    assert.deepEqual(await after(set), ['x Apply {"f:data":{"f:a":{}}}'])
    assert.deepEqual(await after(undefined), kept)
    assert.deepEqual(await after([{ ...set[0], apiVersion: '' }]), kept)
    assert.deepEqual(await after([{}]), [])
    assert.deepEqual(await after([]), [])
    assert.deepEqual(await after(set, manager('v1', 'ConfigMap', 'status')), kept)
  })

  test('of an object whose owners are not known leaves it at that', async () => {
    const next = configMap({ a: 'x' })
    await configMaps.updated(next, { ...configMap({ a: 'b' }), metadata: { name: 'a', uid: 'u' } }, 'other', nowMs)
    assert.equal(next.metadata.managedFields, undefined)
  })

  test('owners of other versions of the kind lose what it changes', async () => {
    const v1 = decoded({ apiVersion: 'autoscaling/v1', kind: 'HorizontalPodAutoscaler', metadata: { name: 'h', namespace: 'n' }, spec: { maxReplicas: 3, targetCPUUtilizationPercentage: 50, scaleTargetRef: { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' } } })
    await created(v1, 'one')
    const resource = described('autoscaling/v1', 'HorizontalPodAutoscaler')
    const old = { ...described('autoscaling/v2', 'HorizontalPodAutoscaler').fromStorage?.(resource.toStorage!(cloneJson(v1))) ?? resource.toStorage!(cloneJson(v1)), apiVersion: 'autoscaling/v2' } as OpenObject
    const next = cloneJson(old) as OpenObject & { spec: { metrics: Array<{ resource: { target: { averageUtilization: number } } }> } }
    next.spec.metrics[0]!.resource.target.averageUtilization = 80
    await manager('autoscaling/v2', 'HorizontalPodAutoscaler').updated(next, old, 'two', nowMs)
    assert.deepEqual(show(next.metadata.managedFields), ['one Update {"f:spec":{"f:maxReplicas":{},"f:minReplicas":{},"f:scaleTargetRef":{}}}', 'two Update {"f:spec":{"f:metrics":{}}}'])
  })
})

describe('apply', () => {
  const patch = (data: Record<string, string> | undefined, more: Record<string, unknown> = {}): Record<string, unknown> => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace: 'n', ...more }, ...(data === undefined ? {} : { data }) })

  test('makes an object, owned without its containers', async () => {
    const object = await configMaps.applied(undefined, patch({ a: 'b' }, { labels: { x: 'y' } }), 'me', false, nowMs)
    assert.deepEqual(object.data, { a: 'b' })
    assert.deepEqual(object.metadata.managedFields, [{ manager: 'me', operation: 'Apply', apiVersion: 'v1', time, fieldsType: 'FieldsV1', fieldsV1: { 'f:data': { 'f:a': {} }, 'f:metadata': { 'f:labels': { 'f:x': {} } } } }])
  })

  test('of the same again keeps its time; a second applier of the same has none', async () => {
    const object = { ...(await configMaps.applied(undefined, patch({ a: 'b' }), 'me', false, nowMs)) }
    object.metadata.uid = 'u'
    const again = await configMaps.applied(object, patch({ a: 'b' }), 'me', false, nowMs + 5000)
    assert.deepEqual(again.metadata.managedFields, object.metadata.managedFields)
    const shared = await configMaps.applied(object, patch({ a: 'b' }), 'you', false, nowMs + 5000)
    assert.deepEqual(shared.metadata.managedFields!.map(({ manager: name, time: at }) => [name, at]), [['you', undefined], ['me', time]])
  })

  test('to an object whose owners are not known gives what stands to before-first-apply', async () => {
    const live = configMap({ a: 'b', c: 'd' })
    live.metadata.uid = 'u'
    const object = await configMaps.applied(live, patch({ a: 'b' }), 'me', false, nowMs)
    assert.deepEqual(show(object.metadata.managedFields), ['me Apply {"f:data":{"f:a":{}}}', 'before-first-apply Update {"f:data":{".":{},"f:a":{},"f:c":{}}}'])
  })

  test('conflicts with owners of other values, unless forced', async () => {
    const live = await created(configMap({ a: 'b' }), 'kubectl-create')
    await assert.rejects(configMaps.applied(live, patch({ a: 'c' }), 'me', false, nowMs), (error) => error instanceof StatusError && error.message === 'Apply failed with 1 conflict: conflict with "kubectl-create" using v1: .data.a')
    const forced = await configMaps.applied(live, patch({ a: 'c' }), 'me', true, nowMs)
    assert.deepEqual(show(forced.metadata.managedFields), ['me Apply {"f:data":{"f:a":{}}}', 'kubectl-create Update {"f:data":{}}'])
  })

  const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration'
  const clientSide = async (data: Record<string, string>, standing = data): Promise<OpenObject> =>
    await created(configMap(standing, { annotations: { [lastApplied]: JSON.stringify(patch(data)) } }), 'kubectl-client-side-apply')

  test('by kubectl takes over from client-side apply, and keeps its annotation up', async () => {
    const object = await configMaps.applied(await clientSide({ a: 'b' }), patch({ a: 'c' }), 'kubectl', false, nowMs)
    assert.deepEqual(object.data, { a: 'c' })
    assert.equal(object.metadata.annotations![lastApplied], '{"apiVersion":"v1","data":{"a":"c"},"kind":"ConfigMap","metadata":{"name":"a","namespace":"n"}}\n')
    assert.deepEqual(show(object.metadata.managedFields)[0], 'kubectl Apply {"f:data":{"f:a":{}}}')
  })

  test('by kubectl conflicts where what stands is not what was applied, or another names itself', async () => {
    const conflict = /Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using v1: .data.a/
    await assert.rejects(configMaps.applied(await clientSide({ a: 'b' }, { a: 'changed' }), patch({ a: 'c' }), 'kubectl', false, nowMs), conflict)
    await assert.rejects(configMaps.applied(await clientSide({ a: 'b' }), patch({ a: 'c' }), 'other', false, nowMs), conflict)
  })

  test('takes no other kind, no owners and nothing that the type does not know', async () => {
    for (const [configuration, code, message] of [
      [{ ...patch({}), kind: 'Secret' }, 400, 'invalid object type: /v1, Kind=Secret'],
      [{ ...patch({}), apiVersion: 'v2' }, 400, 'invalid object type: /v2, Kind=ConfigMap'],
      [patch({}, { managedFields: [] }), 400, 'metadata.managedFields must be nil'],
      [{ ...patch({}), spec: {} }, 500, 'failed to create typed patch object (n/a; /v1, Kind=ConfigMap): .spec: field not declared in schema'],
      [{ ...patch({}), data: { a: 1 } }, 500, 'failed to create typed patch object (n/a; /v1, Kind=ConfigMap): .data.a: expected string, got &value.valueUnstructured{Value:1}'],
    ] as const) {
      await assert.rejects(configMaps.applied(undefined, configuration, 'me', false, nowMs), (error) => error instanceof StatusError && error.code === code && error.message === message, message)
    }
  })

  test('in another version of the kind takes over what was applied in the first', async () => {
    const target = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' }
    const v1 = described('autoscaling/v1', 'HorizontalPodAutoscaler')
    const first = await manager('autoscaling/v1', 'HorizontalPodAutoscaler').applied(undefined, { apiVersion: 'autoscaling/v1', kind: 'HorizontalPodAutoscaler', metadata: { name: 'h' }, spec: { maxReplicas: 3, targetCPUUtilizationPercentage: 50, scaleTargetRef: target } }, 'me', false, nowMs)
    const live = { ...v1.toStorage!(decoded({ ...first, metadata: { ...first.metadata, uid: 'u' } } as unknown as Record<string, unknown>)), apiVersion: 'autoscaling/v2' } as OpenObject
    const second = await manager('autoscaling/v2', 'HorizontalPodAutoscaler').applied(live, { apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler', metadata: { name: 'h' }, spec: { maxReplicas: 4, scaleTargetRef: target } }, 'me', false, nowMs)
    // The reference is owned whole in v1, field by field in v2.
    assert.deepEqual(show(second.metadata.managedFields), ['me Apply {"f:spec":{"f:maxReplicas":{},"f:scaleTargetRef":{"f:apiVersion":{},"f:kind":{},"f:name":{}}}}'])
    // What was stored with the metrics of v2 keeps them, as on kube-apiserver: no field of v1 lies there.
    const { maxReplicas, metrics } = (second as unknown as { spec: { maxReplicas: number; metrics?: readonly { resource: { target: unknown } }[] } }).spec
    assert.deepEqual([maxReplicas, metrics?.map((each) => each.resource.target)], [4, [{ type: 'Utilization', averageUtilization: 50 }]])
  })

  test('of a status owns nothing but status', async () => {
    const live = await created(deployment())
    const object = await manager('apps/v1', 'Deployment', 'status').applied(live, { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web', labels: { app: 'other' } }, spec: { replicas: 9 }, status: { replicas: 2 } }, 'me', false, nowMs)
    assert.deepEqual(show(object.metadata.managedFields).filter((line) => line.startsWith('me')), ['me Apply status {"f:status":{"f:replicas":{}}}'])
  })

  test('removes what it gives up, down to containers of lists', async () => {
    const configuration = (containers: unknown[]): Record<string, unknown> => ({
      apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' }, spec: { selector: { matchLabels: { a: 'b' } }, template: { metadata: { labels: { a: 'b' } }, spec: { containers } } },
    })
    const one = await deployments.applied(undefined, configuration([{ name: 'a', image: 'x', env: [{ name: 'E', value: '1' }] }, { name: 'b', image: 'y' }]), 'me', false, nowMs)
    const live = decoded({ ...one, metadata: { ...one.metadata, uid: 'u' } } as unknown as Record<string, unknown>)
    const two = await deployments.applied(live, configuration([{ name: 'a', image: 'x' }]), 'me', false, nowMs)
    const { containers } = (two as unknown as { spec: { template: { spec: { containers: Array<{ name: string; env?: unknown }> } } } }).spec.template.spec
    assert.deepEqual(containers.map(({ name, env }) => [name, env]), [['a', undefined]])
  })
})

describe('custom resources', () => {
  const definition = {
    apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: 'things.example.com', generation: 1 },
    spec: {
      group: 'example.com', scope: 'Namespaced', names: { plural: 'things', kind: 'Thing' },
      versions: [{
        name: 'v1', served: true, storage: true, subresources: { status: {} },
        schema: { openAPIV3Schema: { type: 'object', properties: {
          spec: { type: 'object', properties: {
            ports: { type: 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['protocol', 'port'], items: { type: 'object', required: ['port'], properties: { port: { type: 'integer' }, protocol: { type: 'string', default: 'TCP' }, name: { type: 'string' } } } },
            tags: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } }, list: { type: 'array', items: { type: 'string' } },
            whole: { type: 'object', 'x-kubernetes-map-type': 'atomic', properties: { a: { type: 'string' } } }, keys: { type: 'object', additionalProperties: { type: 'string' } },
            any: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }, size: { 'x-kubernetes-int-or-string': true },
            template: { type: 'object', 'x-kubernetes-embedded-resource': true, 'x-kubernetes-preserve-unknown-fields': true },
          } },
          status: { type: 'object', properties: { ready: { type: 'boolean' } } },
        } } },
      }],
    },
  } as unknown as CustomResourceDefinition
  const [things] = customDescriptions(definition, { rules: () => undefined })
  const thing = (spec: Record<string, unknown>): Record<string, unknown> => ({ apiVersion: 'example.com/v1', kind: 'Thing', metadata: { name: 't', namespace: 'n', finalizers: ['a/b'] }, spec })
  const own = fieldManagerFor(table, things!, '')

  test('are owned by their schema', async () => {
    const object = await own.applied(undefined, thing({
      ports: [{ port: 80, name: 'x' }], tags: ['t'], list: ['l'], whole: { a: 'b' }, keys: { k: 'v' }, any: { deep: { er: 1 }, l: [{ a: 1 }] }, size: '5', template: { apiVersion: 'v1', kind: 'Pod', metadata: { labels: { a: 'b' } }, spec: { x: 1 } },
    }), 'me', false, nowMs)
    assert.deepEqual(object.metadata.managedFields![0]!.fieldsV1, {
      'f:metadata': { 'f:finalizers': { 'v:"a/b"': {} } },
      'f:spec': {
        'f:any': { 'f:deep': { '.': {}, 'f:er': {} }, 'f:l': {} }, 'f:keys': { 'f:k': {} }, 'f:list': {}, 'f:ports': { 'k:{"port":80,"protocol":"TCP"}': { '.': {}, 'f:name': {}, 'f:port': {} } }, 'f:size': {}, 'f:tags': { 'v:"t"': {} },
        'f:template': { 'f:apiVersion': {}, 'f:kind': {}, 'f:metadata': { 'f:labels': { 'f:a': {} } }, 'f:spec': { '.': {}, 'f:x': {} } }, 'f:whole': {},
      },
    })
  })

  test('take no fields that the schema does not know', async () => {
    await assert.rejects(own.applied(undefined, thing({ other: 1 }), 'me', false, nowMs), /failed to create typed patch object \(n\/t; example.com\/v1, Kind=Thing\): .spec.other: field not declared in schema/)
  })

  test('created otherwise, containers are owned too', async () => {
    const object = thing({ tags: ['t'] }) as OpenObject
    await own.created(object, 'creator', nowMs)
    assert.deepEqual(show(object.metadata.managedFields), ['creator Update {"f:metadata":{"f:finalizers":{".":{},"v:\\"a/b\\"":{}}},"f:spec":{".":{},"f:tags":{".":{},"v:\\"t\\"":{}}}}'])
  })
})

describe('around admission', () => {
  const entries: ManagedFieldsEntry[] = [{ manager: 'a', operation: 'Update', apiVersion: 'v1', time, fieldsType: 'FieldsV1', fieldsV1: {} }]

  test('owners that admission has made unreadable are as before, with a warning', () => {
    const object = configMap({})
    object.metadata.managedFields = [{ ...entries[0], apiVersion: '' }]
    const warnings: string[] = []
    keepReadable(object, entries, (message) => warnings.push(message))
    assert.equal(object.metadata.managedFields, entries)
    assert.deepEqual(warnings, ['.metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating admission controller; please fix your requests: apiVersion must not be empty'])
  })

  test('times alone are no change', async () => {
    const old = await created(configMap({ a: 'b' }))
    const later = (data: Record<string, string>): OpenObject => {
      const next = configMap(data)
      next.metadata = { ...old.metadata, managedFields: old.metadata.managedFields!.map((entry) => ({ ...entry, time: 'later' })) }
      ignoreTimes(next, old)
      return next
    }
    assert.deepEqual(later({ a: 'b' }).metadata.managedFields!.map((entry) => entry.time), [time])
    assert.deepEqual(later({ a: 'c' }).metadata.managedFields!.map((entry) => entry.time), ['later'])
  })
})

test('the manager is what the request names, else what its user agent begins with', () => {
  assert.equal(managerOf('me', 'kubectl/v1'), 'me')
  assert.equal(managerOf('', 'kubectl-create/v1.33 (linux)'), 'kubectl-create')
  assert.equal(managerOf(null, 'Mozilla'), 'Mozilla')
  assert.equal(managerOf(undefined, undefined), '')
  assert.equal(managerOf(undefined, 'a\u0000b\u200bc'), 'abc')
  assert.equal(managerOf(undefined, `${'é'.repeat(100)}/1`), 'é'.repeat(64))
})
