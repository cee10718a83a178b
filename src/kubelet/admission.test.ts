import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Node, PodSpec } from '../api/types/core_v1.ts'
import { admitPod } from './admission.ts'
import { boundPod, type BoundPod } from './pods.ts'

const pod = (spec: Partial<PodSpec>): BoundPod => boundPod({ metadata: { name: 'p', namespace: 'n', uid: 'u' }, spec: { containers: [{ name: 'c' }], ...spec } })
const node: Node = { metadata: { name: 'n1', labels: { zone: 'a', cores: '8' } }, spec: {}, status: { allocatable: { cpu: '2', memory: '4Gi', pods: '2' } } }
const tainted: Node = { ...node, spec: { taints: [{ key: 'gone', value: 'x', effect: 'NoExecute' }, { key: 'busy', effect: 'NoSchedule' }] } }
const affinity = (operator: string, values: string[]): Partial<PodSpec> => ({ affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'cores', operator, values }] }] } } } })
const asking = (cpu: string): Partial<PodSpec> => ({ containers: [{ name: 'c', resources: { requests: { cpu } } }] })
const port = (hostPort: number, hostIP?: string): Partial<PodSpec> => ({ containers: [{ name: 'c', ports: [{ containerPort: 80, hostPort, hostIP }] }] })

const cases: { title: string; spec: Partial<PodSpec>; active?: Partial<PodSpec>[]; on?: Node; reason?: string }[] = [
  { title: 'fits', spec: asking('1'), active: [asking('1')] },
  { title: 'no CPU left', spec: asking('1500m'), active: [asking('1')], reason: 'OutOfcpu' },
  { title: 'no room for pods', spec: {}, active: [{}, {}], reason: 'OutOfpods' },
  { title: 'selector fits', spec: { nodeSelector: { zone: 'a' } } },
  { title: 'selector does not fit', spec: { nodeSelector: { zone: 'b' } }, reason: 'NodeAffinity' },
  { title: 'affinity Gt', spec: affinity('Gt', ['4']) },
  { title: 'affinity Lt', spec: affinity('Lt', ['4']), reason: 'NodeAffinity' },
  { title: 'affinity NotIn', spec: affinity('NotIn', ['8']), reason: 'NodeAffinity' },
  { title: 'port taken', spec: port(80), active: [port(80, '10.0.0.1')], reason: 'NodePorts' },
  { title: 'port free on another address', spec: port(80, '10.0.0.2'), active: [port(80, '10.0.0.1')] },
  { title: 'taint not tolerated', spec: {}, on: tainted, reason: 'TaintToleration' },
  { title: 'taint tolerated', spec: { tolerations: [{ key: 'gone', operator: 'Exists' }] }, on: tainted },
  { title: 'another operating system', spec: { os: { name: 'windows' } }, reason: 'PodOSNotSupported' },
]
for (const { title, spec, active = [], on = node, reason } of cases) {
  test(`admission: ${title}`, () => assert.equal(admitPod(pod(spec), on, active.map(pod))?.reason, reason))
}
