import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Container, Service } from '../api/types/core_v1.ts'
import { mapText } from './downward.ts'
import { containerEnv, expandedCommand, ObjectNotFound, serviceVariables, type ObjectSource } from './env.ts'
import { expand, expandStrictly } from './expansion.ts'
import { boundPod } from './pods.ts'

const values: Record<string, string> = { A: '1', B: '$(A)' }
const lookup = (name: string): string | undefined => values[name]

test('variables are put in once, dollars may be doubled, the unknown stays', () => {
  const cases: [string, string][] = [['$(A)', '1'], ['x$(A)y$(A)', 'x1y1'], ['$(B)', '$(A)'], ['$$(A)', '$(A)'], ['$$$(A)', '$1'], ['$(NONE)', '$(NONE)'], ['$A $', '$A $'], ['$(A', '$(A'], ['$()', '$()'], ['$$$$', '$$']]
  for (const [text, expected] of cases) assert.equal(expand(text, lookup), expected, text)
  assert.throws(() => expandStrictly('$(NONE)', lookup), /missing value for "NONE"/)
})

const service = (namespace: string, name: string, clusterIP: string, ports: NonNullable<Service['spec']>['ports']): Service => ({ metadata: { name, namespace }, spec: { clusterIP, ports } })
const services = [
  service('default', 'kubernetes', '10.96.0.1', [{ name: 'https', port: 443, protocol: 'TCP' }]), service('team', 'my-db', '10.96.0.9', [{ port: 5432, protocol: 'TCP' }, { name: 'metrics', port: 9000, protocol: 'UDP' }]),
  service('team', 'headless', 'None', [{ port: 1 }]), service('other', 'hidden', '10.96.0.7', [{ port: 1 }]),
]

test('services show as docker links showed', () => {
  const variables = Object.fromEntries(serviceVariables(services, 'team', true))
  assert.deepEqual(variables, {
    KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443', KUBERNETES_SERVICE_PORT_HTTPS: '443', KUBERNETES_PORT: 'tcp://10.96.0.1:443', KUBERNETES_PORT_443_TCP: 'tcp://10.96.0.1:443',
    KUBERNETES_PORT_443_TCP_PROTO: 'tcp', KUBERNETES_PORT_443_TCP_PORT: '443', KUBERNETES_PORT_443_TCP_ADDR: '10.96.0.1',
    MY_DB_SERVICE_HOST: '10.96.0.9', MY_DB_SERVICE_PORT: '5432', MY_DB_SERVICE_PORT_METRICS: '9000', MY_DB_PORT: 'tcp://10.96.0.9:5432', MY_DB_PORT_5432_TCP: 'tcp://10.96.0.9:5432', MY_DB_PORT_5432_TCP_PROTO: 'tcp',
    MY_DB_PORT_5432_TCP_PORT: '5432', MY_DB_PORT_5432_TCP_ADDR: '10.96.0.9', MY_DB_PORT_9000_UDP: 'udp://10.96.0.9:9000', MY_DB_PORT_9000_UDP_PROTO: 'udp', MY_DB_PORT_9000_UDP_PORT: '9000', MY_DB_PORT_9000_UDP_ADDR: '10.96.0.9',
  })
  assert.equal(serviceVariables(services, 'team', false).has('MY_DB_SERVICE_HOST'), false)
})

const objects: ObjectSource = {
  configMap: async (_, name) => {
    if (name !== 'config') throw new ObjectNotFound(`configmap "${name}" not found`)
    return { metadata: { name }, data: { color: 'blue', size: 'xl' } }
  },
  secret: async (_, name) => {
    if (name !== 'secret') throw new ObjectNotFound(`secret "${name}" not found`)
    return { metadata: { name }, data: { password: Buffer.from('hush').toString('base64') } }
  },
}
const envOf = (container: Partial<Container>): Promise<Map<string, string>> => containerEnv({
  pod: boundPod({ metadata: { name: 'p', namespace: 'team', uid: 'u', labels: { app: 'web' }, annotations: { note: 'a "b"' } }, spec: { nodeName: 'n1', serviceAccountName: 'sa', enableServiceLinks: false, containers: [] } }),
  container: { name: 'c', ...container }, services: [], objects, place: { podIPs: ['10.0.0.5', 'fd00::5'], hostIPs: ['192.0.2.1'], allocatable: { cpu: '2', memory: '4Gi' } },
})

test('variables come from everywhere', async () => {
  const env = await envOf({
    resources: { requests: { cpu: '250m' }, limits: { memory: '100Mi' } },
    envFrom: [{ prefix: 'C_', configMapRef: { name: 'config' } }, { secretRef: { name: 'secret' } }, { configMapRef: { name: 'none', optional: true } }],
    env: [
      { name: 'PLAIN', value: 'x$(C_color)$(password)' }, { name: 'C_size', value: 'own' }, { name: 'FROM_MAP', valueFrom: { configMapKeyRef: { name: 'config', key: 'color' } } },
      { name: 'MAYBE', valueFrom: { secretKeyRef: { name: 'secret', key: 'none', optional: true } } }, { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }, { name: 'IPS', valueFrom: { fieldRef: { fieldPath: 'status.podIPs' } } },
      { name: 'LABEL', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } }, { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'requests.cpu', divisor: '1m' } } },
      { name: 'CORES', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } }, { name: 'MEM', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1Ki' } } },
    ],
  })
  assert.deepEqual(Object.fromEntries(env), { C_color: 'blue', C_size: 'own', password: 'hush', PLAIN: 'xbluehush', FROM_MAP: 'blue', IP: '10.0.0.5', IPS: '10.0.0.5,fd00::5', LABEL: 'web', CPU: '250', CORES: '2', MEM: '102400' })
})

test('what is missing is told', async () => {
  const failures: [Partial<Container>, string][] = [
    [{ env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'config', key: 'none' } } }] }, "couldn't find key none in ConfigMap team/config"],
    [{ env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'secret', key: 'none' } } }] }, "couldn't find key none in Secret team/secret"],
    [{ env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'none', key: 'x' } } }] }, 'configmap "none" not found'],
    [{ envFrom: [{ secretRef: { name: 'none' } }] }, 'secret "none" not found'],
  ]
  for (const [container, message] of failures) await assert.rejects(envOf(container), { message })
})

test('commands are expanded, and maps shown sorted and quoted', () => {
  assert.deepEqual(expandedCommand({ name: 'c', command: ['run', '$(A)'], args: ['$(X)', '$$(A)'] }, new Map([['A', '1']])), { command: ['run', '1'], args: ['$(X)', '$(A)'] })
  assert.equal(mapText({ b: '2', a: 'x"y' }), 'a="x\\"y"\nb="2"')
})
