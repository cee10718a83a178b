import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseJsonAsWritten } from '../machinery/json-numbers.ts'
import { SchemaDecodeError, decodeObject, fillZeroValues, maxDepth } from '../machinery/schema-decode.ts'
import { duplicateFields } from '../machinery/json-duplicates.ts'
import { typeById } from './type-table.ts'
import type { StructType } from '../machinery/schema-type.ts'

const type = (id: string): StructType => typeById(id) as StructType
const pod = type('v1.Pod')
const deployment = type('apps/v1.Deployment')

function decode(of: StructType, value: unknown): Record<string, unknown> {
  return decodeObject(of, structuredClone(value), { fillZeroValues: false }).value
}

function failure(of: StructType, value: unknown): string {
  try {
    decodeObject(of, JSON.parse(JSON.stringify(value)))
  } catch (error) {
    assert.ok(error instanceof SchemaDecodeError, String(error))
    return error.message
  }
  return 'nothing'
}

describe('unknown fields', () => {
  test('are dropped and named with their path', () => {
    const { value, unknownFields } = decodeObject(deployment, {
      foo: 1, metadata: { name: 'web', labels: { any: 'x' }, bar: {} },
      spec: { replicas: 2, baz: [1], template: { spec: { containers: [{ name: 'a' }, { name: 'b', ports: [{ containerPort: 80, q: 1 }] }] } } },
    }, { fillZeroValues: false })
    assert.deepEqual(unknownFields, ['foo', 'metadata.bar', 'spec.baz', 'spec.template.spec.containers[1].ports[0].q'])
    assert.deepEqual(value, {
      metadata: { name: 'web', labels: { any: 'x' } }, spec: { replicas: 2, template: { spec: { containers: [{ name: 'a' }, { name: 'b', ports: [{ containerPort: 80 }] }] } } },
    })
  })

  test('inside maps of structs are named by key', () => {
    const { unknownFields } = decodeObject(type('apiextensions.k8s.io/v1.JSONSchemaProps'), { properties: { spec: { type: 'object', wrong: 1 } } })
    assert.deepEqual(unknownFields, ['properties.spec.wrong'])
  })

  test('are reported up to a bound', () => {
    const { value, unknownFields } = decodeObject(pod, Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`x${i}`, 1])), { fillZeroValues: false })
    assert.equal(unknownFields.length, 100)
    assert.deepEqual(value, {})
  })
})

test('values of a wrong type fail with the words of Go', () => {
  const cases: Array<[StructType, unknown, string]> = [
    [deployment, { spec: { replicas: '3' } }, 'json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32'],
    [deployment, { spec: { replicas: 1.5 } }, 'json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32'],
    [deployment, { spec: { replicas: 3000000000 } }, 'json: cannot unmarshal number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32'],
    [deployment, { spec: [] }, 'json: cannot unmarshal array into Go struct field Deployment.spec of type v1.DeploymentSpec'],
    [deployment, { spec: { template: { spec: { containers: { name: 'a' } } } } }, 'json: cannot unmarshal object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container'],
    [deployment, { spec: { template: { spec: { containers: [{ image: 5 }] } } } }, 'json: cannot unmarshal number into Go struct field Container.spec.template.spec.containers.image of type string'],
    [deployment, { metadata: { labels: { a: true } } }, 'json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.labels of type string'],
    [deployment, { metadata: { labels: [] } }, 'json: cannot unmarshal array into Go struct field ObjectMeta.metadata.labels of type map[string]string'],
    [deployment, [], 'json: cannot unmarshal array into Go value of type v1.Deployment'],
    [deployment, 'x', 'json: cannot unmarshal string into Go value of type v1.Deployment'],
    [pod, { spec: { containers: [{ resources: { limits: { cpu: 'lots' } } }] } }, "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"],
    [pod, { metadata: { creationTimestamp: 'now' } }, 'parsing time "now" as "2006-01-02T15:04:05Z07:00": cannot parse "now" as "2006"'],
    [type('v1.Secret'), { data: { a: '!' } }, 'illegal base64 data at input byte 0'],
    [type('v1.Service'), { spec: { ports: [{ targetPort: 1.5 }] } }, 'json: cannot unmarshal number 1.5 into Go struct field ServicePort.spec.ports.targetPort of type int32'],
    [pod, { metadata: { creationTimestamp: 5 } }, 'json: cannot unmarshal number into Go struct field ObjectMeta.metadata.creationTimestamp of type string'],
    [pod, { metadata: { ownerReferences: [{ uid: 5 }] } }, 'json: cannot unmarshal number into Go struct field OwnerReference.metadata.ownerReferences.uid of type types.UID'],
    [pod, { spec: { volumes: [{ emptyDir: { medium: 5 } }] } }, 'json: cannot unmarshal number into Go struct field EmptyDirVolumeSource.spec.volumes.VolumeSource.emptyDir.medium of type v1.StorageMedium'],
    [pod, { spec: { hostNetwork: 'yes' } }, 'json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool'],
    [pod, { spec: { containers: [{ imagePullPolicy: 1 }] } }, 'json: cannot unmarshal number into Go struct field Container.spec.containers.imagePullPolicy of type v1.PullPolicy'],
  ]
  for (const [of, value, message] of cases) assert.equal(failure(of, value), message)
})

test('quantities, times and durations are normalised, int-or-string kept', () => {
  const value = decode(pod, {
    metadata: { creationTimestamp: '2024-05-01T12:00:00+02:00' },
    spec: { containers: [{ name: 'a', resources: { limits: { cpu: 0.5, memory: '1024Mi' } }, livenessProbe: { httpGet: { port: 'web' } } }] },
  })
  assert.deepEqual(value, {
    metadata: { creationTimestamp: '2024-05-01T10:00:00Z' },
    spec: { containers: [{ name: 'a', resources: { limits: { cpu: '500m', memory: '1Gi' } }, livenessProbe: { httpGet: { port: 'web' } } }] },
  })
})

test('null means absent; in lists and maps it is the zero value', () => {
  assert.deepEqual(decode(pod, { metadata: { name: null, labels: { a: null } }, spec: { containers: null, nodeSelector: null }, status: null }), { metadata: { labels: { a: '' } }, spec: {} })
  assert.deepEqual(decode(type('v1.ConfigMap'), { binaryData: { a: null } }), { binaryData: { a: '' } })
})

test('what has no value but is written all the same is null, as from Go: times, and optional lists without omitempty', () => {
  const decoded = (name: string, value: unknown): unknown => decodeObject(type(name), structuredClone(value)).value
  assert.deepEqual(decoded('rbac.authorization.k8s.io/v1.Role', { metadata: {} }), { metadata: {}, rules: null })
  // Empty lists are none once they have been stored.
  assert.deepEqual(decoded('discovery.k8s.io/v1.EndpointSlice', { metadata: {}, addressType: 'IPv4', endpoints: [] }), { metadata: {}, addressType: 'IPv4', endpoints: null, ports: null })
  assert.deepEqual(decoded('v1.PodCondition', { type: 'Ready', status: 'True' }), { type: 'Ready', status: 'True', lastProbeTime: null, lastTransitionTime: null })
  assert.deepEqual(decoded('v1.PodTemplateSpec', {}), { metadata: {}, spec: {} })
  assert.deepEqual(decoded('v1.LimitRange', { metadata: {}, spec: { limits: [] } }), { metadata: {}, spec: { limits: null } })
  assert.deepEqual(decoded('batch/v1.PodFailurePolicy', {}), { rules: null })
  assert.deepEqual(decoded('v1.TypedLocalObjectReference', { kind: 'PersistentVolumeClaim', name: 'a' }), { kind: 'PersistentVolumeClaim', name: 'a', apiGroup: null })
  assert.deepEqual(decoded('v1.AzureFilePersistentVolumeSource', { secretName: 'a', shareName: 'b', secretNamespace: null }), { secretName: 'a', shareName: 'b', secretNamespace: null })
  // What validation asks for is left for it to miss.
  assert.deepEqual(decoded('apps/v1.DeploymentSpec', { selector: null }), { strategy: {}, template: { metadata: {}, spec: {} } })
  assert.deepEqual(decoded('apps/v1.ControllerRevision', { revision: 1 }), { metadata: {}, data: null, revision: 1 })
})

test('zero values are added as Go writes them', () => {
  const { value } = decodeObject(deployment, { metadata: { name: 'web' }, spec: { template: { spec: { containers: [{ name: 'a' }] } } } })
  assert.deepEqual(value, {
    metadata: { name: 'web' }, spec: { strategy: {}, template: { metadata: {}, spec: { containers: [{ name: 'a', resources: {} }] } } }, status: {},
  })
  const service = { metadata: {}, spec: {} }
  fillZeroValues(type('v1.Service'), service)
  assert.deepEqual(service, { metadata: {}, spec: {}, status: { loadBalancer: {} } })
})

test('keys that mean something to JavaScript are data', () => {
  const text = '{"metadata":{"labels":{"__proto__":"a","constructor":"b","toString":"c"}},"__proto__":{"polluted":true},"constructor":1}'
  const { value, unknownFields } = decodeObject(pod, JSON.parse(text), { fillZeroValues: false })
  assert.equal(JSON.stringify(value), '{"metadata":{"labels":{"__proto__":"a","constructor":"b","toString":"c"}}}')
  assert.deepEqual(unknownFields, ['__proto__', 'constructor'])
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined)
})

test('nesting without end is refused, not followed', () => {
  let schema: Record<string, unknown> = { type: 'object' }
  for (let i = 0; i < maxDepth; i++) schema = { properties: { a: schema } }
  assert.throws(() => decodeObject(type('apiextensions.k8s.io/v1.JSONSchemaProps'), schema), /exceeded max depth/)
  const deep = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`)
  assert.throws(() => decodeObject(pod, { unknown: deep }), /exceeded max depth/)
  assert.throws(() => decodeObject(type('apps/v1.ControllerRevision'), { data: { deep } }), /exceeded max depth/)
})

test('schemas of definitions take all their forms', () => {
  const props = type('apiextensions.k8s.io/v1.JSONSchemaProps')
  const schema = {
    $ref: '#/x', additionalProperties: false, items: [{ type: 'string' }], dependencies: { a: ['b'], c: { type: 'string' } }, default: { any: [1, null] }, enum: [1, 'a', null],
    properties: { p: { additionalProperties: { type: 'string' }, items: { type: 'integer' }, 'x-kubernetes-int-or-string': true } },
  }
  assert.deepEqual(decode(props, schema), schema)
  assert.equal(failure(props, { dependencies: { a: [1] } }), 'json: cannot unmarshal number into Go value of type string')
  assert.match(failure(props, { items: 5 }), /^json: cannot unmarshal number into Go value of type v1.JSONSchemaProps$/)
})

test('the key count of a clean body tells that nothing stands twice', () => {
  const text = JSON.stringify({ metadata: { labels: { a: 'b' }, managedFields: [{ fieldsV1: { 'f:a': { '.': {} } } }] }, spec: { containers: [{ name: 'x', odd: { y: [{ z: 1 }] } }] } })
  assert.deepEqual(duplicateFields(text, decodeObject(pod, JSON.parse(text)).keyCount), [])
  const twice = text.replace('"name":"x"', '"name":"x","name":"y"')
  assert.deepEqual(duplicateFields(twice, decodeObject(pod, JSON.parse(twice)).keyCount), ['spec.containers[0].name'])
})

test('numbers are read as Go reads them: no fraction and no exponent for an integer, 64 bits exactly, quantities as they were written', () => {
  const decodeText = (name: string, text: string): unknown => decodeObject(type(name), parseJsonAsWritten(text)).value
  const refused = (name: string, text: string): string => {
    try {
      decodeText(name, text)
    } catch (error) {
      return (error as Error).message
    }
    return ''
  }
  assert.equal(refused('apps/v1.Deployment', '{"spec":{"replicas":1.0}}'), 'json: cannot unmarshal number 1.0 into Go struct field DeploymentSpec.spec.replicas of type int32')
  assert.equal(refused('apps/v1.Deployment', '{"spec":{"replicas":1e1}}'), 'json: cannot unmarshal number 1e1 into Go struct field DeploymentSpec.spec.replicas of type int32')
  assert.equal(refused('apps/v1.Deployment', '{"spec":{"replicas":9007199254740993}}'), 'json: cannot unmarshal number 9007199254740993 into Go struct field DeploymentSpec.spec.replicas of type int32')
  assert.equal(refused('apps/v1.Deployment', '{"spec":{"strategy":{"rollingUpdate":{"maxSurge":1.0}}}}'), 'json: cannot unmarshal number 1.0 into Go struct field RollingUpdateDeployment.spec.strategy.rollingUpdate.maxSurge of type int32')
  assert.equal(refused('v1.Pod', '{"spec":{"terminationGracePeriodSeconds":9223372036854775808}}'), 'json: cannot unmarshal number 9223372036854776000 into Go struct field PodSpec.spec.terminationGracePeriodSeconds of type int64')
  assert.equal(refused('v1.Pod', '{"spec":{"nodeName":1.5}}'), 'json: cannot unmarshal number into Go struct field PodSpec.spec.nodeName of type string')
  assert.equal(refused('v1.Pod', '{"spec":1.5}'), 'json: cannot unmarshal number into Go struct field Pod.spec of type v1.PodSpec')
  assert.deepEqual(decodeText('v1.PodSpec', '{"terminationGracePeriodSeconds":9223372036854775807}'), { terminationGracePeriodSeconds: 9223372036854775807n })
  assert.deepEqual(decodeText('v1.ResourceRequirements', '{"limits":{"cpu":0.50,"memory":1e3}}'), { limits: { cpu: '500m', memory: '1e3' } })
  assert.deepEqual(decodeText('apps/v1.ControllerRevision', '{"revision":1,"data":{"a":1.0,"b":[2.5,1e3],"c":9007199254740993}}'), { metadata: {}, data: { a: 1, b: [2.5, 1000], c: 9007199254740993n }, revision: 1 })
})
