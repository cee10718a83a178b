import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PodSpec } from '../types/core_v1.ts'
import { podTemplateWarnings, podWarnings } from './pod-warnings.ts'

const container = { name: 'c', image: 'i' }
const port = (containerPort: number, more: object = {}): object => ({ containerPort, protocol: 'TCP', ...more })
const volume = (source: object): object => ({ volumes: [{ name: 'v', ...source }] })
const items = (...paths: string[]): object => ({ items: paths.map((path) => ({ key: 'k', path })) })
const podAffinity = { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'a' }], preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, podAffinityTerm: { topologyKey: 'a' } }] }
const terms = (key: string, values: string[]): object => ({ matchExpressions: [{ key, operator: 'In', values }] })
const labelText = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
const seccompText = 'non-functional in v1.27+; use the "seccompProfile" field instead'

const rows: ReadonlyArray<readonly [spec: object, annotations: Record<string, string>, expected: readonly string[]]> = [
  [{ affinity: { nodeAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [terms('beta.kubernetes.io/os', ['-'])] },
    preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, preference: terms('kubernetes.io/arch', ['ok', '-1']) }],
  } } }, {}, [
    'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].key: beta.kubernetes.io/os is deprecated since v1.14; use "kubernetes.io/os" instead',
    `spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0].values[1]: -1 is invalid, ${labelText}`,
  ]],
  [{ affinity: { podAffinity, podAntiAffinity: podAffinity } }, {}, ['podAffinity', 'podAntiAffinity'].flatMap((kind) => [
    `spec.affinity.${kind}.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector: a null labelSelector results in matching no pod`,
    `spec.affinity.${kind}.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.labelSelector: a null labelSelector results in matching no pod`,
  ])],
  [{}, { 'security.alpha.kubernetes.io/sysctls': '', 'scheduler.alpha.kubernetes.io/critical-pod': '', 'seccomp.security.alpha.kubernetes.io/pod': 'x', 'container.seccomp.security.alpha.kubernetes.io/c': 'x', 'container.seccomp.security.alpha.kubernetes.io/other': 'x' }, [
    'metadata.annotations[scheduler.alpha.kubernetes.io/critical-pod]: non-functional in v1.16+; use the "priorityClassName" field instead',
    'metadata.annotations[security.alpha.kubernetes.io/sysctls]: non-functional in v1.11+; use the "sysctls" field instead',
    `metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]: ${seccompText}`,
    `metadata.annotations[container.seccomp.security.alpha.kubernetes.io/c]: ${seccompText}`,
  ]],
  [{ securityContext: { seccompProfile: { type: 'Unconfined' } } }, { 'seccomp.security.alpha.kubernetes.io/pod': 'x' }, []],
  [volume({ gitRepo: {} }), {}, ['spec.volumes[0].gitRepo: deprecated in v1.11, and disabled by default in v1.33+']],
  [volume({ ephemeral: { volumeClaimTemplate: { spec: { resources: { requests: { storage: '0.5' } } } } } }), {}, [
    'spec.volumes[0].ephemeral.volumeClaimTemplate.spec.resources.requests[storage]: fractional byte value "500m" is invalid, must be an integer',
  ]],
  [volume({ configMap: { name: 'm', ...items('a/b', 'a', 'ab', 'a/') } }), {}, [
    'volume "v" (ConfigMap "m"): overlapping paths: "a" with "a/b"', 'volume "v" (ConfigMap "m"): overlapping paths: "a" with "a/b"', 'volume "v" (ConfigMap "m"): overlapping paths: "a" with "a"',
  ]],
  [volume({ secret: { secretName: 's', ...items('a', 'a') } }), {}, ['volume "v" (Secret "s"): overlapping paths: "a" with "a"']],
  [volume({ projected: { sources: [{ configMap: { name: 'm', ...items('t/x') } }, {}, { serviceAccountToken: { path: 't' } }] } }), {}, [
    'volume "v" (Projected) has no sources provided', 'volume "v" (Projected): overlapping paths: "t" (ServiceAccountToken) with "t/x" (ConfigMap "m")',
  ]],
  [{ hostAliases: [{ ip: '1.1.1.1' }, { ip: '1.1.1.1' }, { ip: '01.1.1.1' }], dnsConfig: { nameservers: ['::FF'] } }, {}, [
    'spec.hostAliases[1].ip: duplicate ip "1.1.1.1"', 'spec.dnsConfig.nameservers[0]: IPv6 address "::FF" should be in RFC 5952 canonical format ("::ff")',
    'spec.hostAliases[2].ip: non-standard IP address "01.1.1.1" is invalid: use "1.1.1.1"',
  ]],
  [{ imagePullSecrets: [{ name: 'a' }, {}, { name: 'a' }, { name: '' }] }, {}, [
    'spec.imagePullSecrets[2].name: duplicate name "a"', 'spec.imagePullSecrets[3].name: duplicate name ""', 'spec.imagePullSecrets[1].name: invalid empty name ""', 'spec.imagePullSecrets[3].name: invalid empty name ""',
  ]],
  [{ overhead: { memory: '1m' }, terminationGracePeriodSeconds: -1 }, {}, [
    'spec.overhead[memory]: fractional byte value "1m" is invalid, must be an integer', 'spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1',
  ]],
  [{ containers: [{ ...container, env: [{ name: 'A', value: 'a' }, { name: 'A', value: '$(A)b' }, { name: 'A', value: '$(A)' }, { name: 'A', valueFrom: {} }] }] }, {}, [2, 3].map((i) =>
    `spec.containers[0].env[${i}]: hides previous definition of "A", which may be dropped when using apply`)],
  [{ containers: [{ ...container, ports: [port(80, { name: 'http' }), port(80, { hostPort: 80 }), port(80, { hostPort: 80, hostIP: '1.1.1.1' }), port(81, { hostIP: '1.1.1.1' })] }, { ...container, ports: [port(90, { name: 'http' }), port(80)] }] }, {}, [
    'spec.containers[0].ports[1]: overlapping port definition with spec.containers[0].ports[0]', 'spec.containers[0].ports[2]: overlapping port definition with spec.containers[0].ports[0]',
    'spec.containers[0].ports[2]: dangerously ambiguous port definition with spec.containers[0].ports[1]',
    'spec.containers[0].ports[3]: hostIP set without hostPort: {Name: HostPort:0 ContainerPort:81 Protocol:TCP HostIP:1.1.1.1}',
    'spec.containers[1].ports[1]: duplicate port definition with spec.containers[0].ports[0]', 'spec.containers[1].ports[1]: overlapping port definition with spec.containers[0].ports[1]',
    'spec.containers[1].ports[1]: overlapping port definition with spec.containers[0].ports[2]',
    'spec.containers[1].ports[0]: duplicate port name "http" with spec.containers[0].ports[0], services and probes that select ports by name will use spec.containers[0].ports[0]',
  ]],
]

for (const [spec, annotations, expected] of rows) {
  test(`warnings of a pod with ${JSON.stringify(spec).slice(0, 120)}`, () => assert.deepEqual(podWarnings({ annotations }, { containers: [container], ...spec } as PodSpec), expected))
}

test('templates are told of annotations of AppArmor, with the path of the template', () => {
  const annotations = { 'container.apparmor.security.beta.kubernetes.io/c': 'unconfined' }
  assert.deepEqual(podTemplateWarnings({ metadata: { annotations }, spec: { containers: [container], nodeSelector: { 'beta.kubernetes.io/os': 'linux' } } }, 'spec.template'), [
    'spec.template.spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead',
    'spec.template.metadata.annotations[container.apparmor.security.beta.kubernetes.io/c]: deprecated since v1.30; use the "appArmorProfile" field instead',
  ])
  assert.deepEqual(podTemplateWarnings({ metadata: { annotations }, spec: { containers: [container], securityContext: { appArmorProfile: { type: 'Unconfined' } } } }, 'spec.template'), [])
})
