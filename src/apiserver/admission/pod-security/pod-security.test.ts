import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PodSpec } from '../../../api/types/core_v1.ts'
import { deepFreeze, type KubeObject } from '../../../machinery/object.ts'
import { StatusError } from '../../../machinery/status.ts'
import type { AdmissionAttributes } from '../../context.ts'
import { admissionOf, fakeCore, fakeResource } from '../fake-core.ts'
import { admissionMetricsOf } from '../metrics.ts'
import { detailText, violations } from './checks.ts'
import { podSecurity, podSecurityDefaults } from './plugin.ts'
import { allPrivileged, levelVersionText, policyOf, type Level, type LevelVersion } from './policy.ts'

const latest = (level: Level): LevelVersion => ({ level, minor: Infinity })
const one = (context: object = {}, more: object = {}): PodSpec => ({ containers: [{ name: 'a', image: 'x', securityContext: context, ...more }] } as PodSpec)
/** What restricted asks for, so that a table can break one thing at a time. */
const restrictedContext = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] }, runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } }

test('each check says what it found where', () => {
  const two = { containers: [{ name: 'a', image: 'x' }], initContainers: [{ name: 'i', image: 'x' }] } as PodSpec
  const table: Array<[Level, PodSpec, string]> = [
    ['baseline', one({ privileged: true }), 'privileged (container "a" must not set securityContext.privileged=true)'],
    ['baseline', { ...two, hostNetwork: true, hostPID: true, hostIPC: true }, 'host namespaces (hostNetwork=true, hostPID=true, hostIPC=true)'],
    ['baseline', { ...two, volumes: [{ name: 'v', hostPath: { path: '/' } }, { name: 'w', hostPath: { path: '/' } }] }, 'hostPath volumes (volumes "v", "w")'],
    ['baseline', one({}, { ports: [{ containerPort: 1, hostPort: 80 }, { containerPort: 2, hostPort: 443 }] }), 'hostPort (container "a" uses hostPorts 443, 80)'],
    ['baseline', one({}, { livenessProbe: { httpGet: { host: 'h', port: 1 } }, lifecycle: { preStop: { tcpSocket: { host: 'g', port: 1 } } } }), 'probe or lifecycle host (container "a" uses probe or lifecycle hosts "g", "h")'],
    ['baseline', one({ capabilities: { add: ['NET_RAW', 'CHOWN', 'BPF'] } }), 'non-default capabilities (container "a" must not include "BPF", "NET_RAW" in securityContext.capabilities.add)'],
    ['baseline', one({ procMount: 'Unmasked' }), 'procMount (container "a" must not set securityContext.procMount to "Unmasked")'],
    ['baseline', { ...one({ seLinuxOptions: { type: 'x', user: 'u' } }), securityContext: { seLinuxOptions: { role: 'r' } } }, 'seLinuxOptions (pod and container "a" set forbidden securityContext.seLinuxOptions: type "x"; user may not be set; role may not be set)'],
    ['baseline', { ...one({ seccompProfile: { type: 'Unconfined' } }), securityContext: { seccompProfile: { type: 'Unconfined' } } }, 'seccompProfile (pod and container "a" must not set securityContext.seccompProfile.type to "Unconfined")'],
    ['baseline', { ...two, securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }, { name: 'net.ipv4.tcp_rmem', value: '1' }] } }, 'forbidden sysctls (kernel.msgmax)'],
    ['baseline', { ...one({ windowsOptions: { hostProcess: true } }), securityContext: { windowsOptions: { hostProcess: true } } }, 'hostProcess (pod and container "a" must not set securityContext.windowsOptions.hostProcess=true)'],
    ['baseline', { ...one({ appArmorProfile: { type: 'Unconfined' } }), securityContext: { appArmorProfile: { type: 'Unconfined' } } }, 'forbidden AppArmor profile (pod and container "a" must not set AppArmor profile type to "Unconfined")'],
    ['restricted', two, 'allowPrivilegeEscalation != false (containers "i", "a" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (containers "i", "a" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or containers "i", "a" must set securityContext.runAsNonRoot=true), seccompProfile (pod or containers "i", "a" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'],
    ['restricted', one({ ...restrictedContext, capabilities: { drop: ['ALL'], add: ['CHOWN'] } }), 'unrestricted capabilities (container "a" must not include "CHOWN" in securityContext.capabilities.add)'],
    ['restricted', one({ ...restrictedContext, runAsUser: 0 }), 'runAsUser=0 (container "a" must not set runAsUser=0)'],
    ['restricted', { ...one({ ...restrictedContext, runAsNonRoot: false }), securityContext: { runAsNonRoot: true } }, 'runAsNonRoot != true (container "a" must not set securityContext.runAsNonRoot=false)'],
    ['restricted', { ...one(restrictedContext), volumes: [{ name: 'n', nfs: { server: 's', path: '/' } }, { name: 'e', emptyDir: {} }] }, 'restricted volume types (volume "n" uses restricted volume type "nfs")'],
    ['restricted', { ...one(restrictedContext), volumes: [{ name: 'h', hostPath: { path: '/' } }] }, 'restricted volume types (volume "h" uses restricted volume type "hostPath")'],
    ['restricted', one(restrictedContext), ''],
    ['privileged', { ...one({ privileged: true }), hostPID: true }, ''],
  ]
  for (const [level, spec, text] of table) assert.equal(detailText(violations(latest(level), deepFreeze(spec), {})), text)
})

test('annotations of old are looked at where their version did', () => {
  const annotations = { 'seccomp.security.alpha.kubernetes.io/pod': 'unconfined', 'container.apparmor.security.beta.kubernetes.io/a': 'unconfined' }
  assert.equal(detailText(violations({ level: 'baseline', minor: 18 }, one(), { annotations })), 'forbidden AppArmor profile (annotation must not set AppArmor profile type to "container.apparmor.security.beta.kubernetes.io/a="unconfined""), seccompProfile (forbidden annotation seccomp.security.alpha.kubernetes.io/pod="unconfined")')
  assert.match(detailText(violations(latest('baseline'), one(), { annotations })), /^forbidden AppArmor profile \(annotation must[^)]*\)$/)
})

test('versions: what came later is not asked for earlier, and what was relaxed stays strict', () => {
  const reasons = (level: Level, minor: number, spec: PodSpec): string => violations({ level, minor }, spec, {}).map(({ reason }) => reason).join()
  assert.equal(reasons('restricted', 7, one()), 'runAsNonRoot != true')
  assert.equal(reasons('restricted', 8, one()), 'allowPrivilegeEscalation != false,runAsNonRoot != true')
  assert.equal(reasons('restricted', 19, one({ ...restrictedContext, capabilities: {}, seccompProfile: undefined })), 'seccompProfile')
  assert.equal(reasons('restricted', 22, { ...one(), os: { name: 'windows' } }), 'allowPrivilegeEscalation != false,unrestricted capabilities,runAsNonRoot != true,seccompProfile')
  assert.equal(reasons('restricted', 25, { ...one({ runAsNonRoot: true }), os: { name: 'windows' } }), '')
  assert.equal(reasons('baseline', 31, { ...one(), securityContext: { sysctls: [{ name: 'net.ipv4.tcp_rmem', value: '1' }] } }), 'forbidden sysctls')
  assert.equal(reasons('baseline', 30, one({ seLinuxOptions: { type: 'container_engine_t' } })), 'seLinuxOptions')
  assert.equal(reasons('baseline', 31, one({ seLinuxOptions: { type: 'container_engine_t' } })), '')
  const inNamespace = { ...one({ ...restrictedContext, runAsNonRoot: undefined, runAsUser: 0, procMount: 'Unmasked' }), hostUsers: false }
  assert.equal(reasons('baseline', 34, inNamespace), 'procMount')
  assert.equal(reasons('baseline', 35, inNamespace), '')
  assert.equal(reasons('restricted', 34, inNamespace), 'procMount,runAsNonRoot != true,runAsUser=0')
  assert.equal(reasons('restricted', 35, inNamespace), 'procMount')
  assert.equal(reasons('restricted', 1000, inNamespace), 'procMount')
})

test('labels make a policy; what they get wrong is enforced strictly and neither audited nor warned of', () => {
  const text = (labels: Record<string, string>): string[] => {
    const { policy, problems } = policyOf(Object.fromEntries(Object.entries(labels).map(([key, value]) => [`pod-security.kubernetes.io/${key}`, value])), allPrivileged)
    return [...Object.values(policy).map(levelVersionText), ...problems.map(({ path, detail }) => `${path}: ${detail}`)]
  }
  assert.deepEqual(text({}), ['privileged:latest', 'privileged:latest', 'privileged:latest'])
  assert.deepEqual(text({ 'enforce': 'baseline', 'enforce-version': 'v1.24' }), ['baseline:v1.24', 'privileged:latest', 'baseline:v1.24'])
  assert.deepEqual(text({ 'enforce': 'baseline', 'warn': 'privileged', 'audit': 'restricted' }), ['baseline:latest', 'restricted:latest', 'privileged:latest'])
  assert.deepEqual(text({ 'enforce': 'x', 'audit': 'y', 'warn-version': '1.2' }), [
    'restricted:latest', 'privileged:latest', 'privileged:latest', 'metadata.labels[pod-security.kubernetes.io/enforce]: must be one of privileged, baseline, restricted',
    'metadata.labels[pod-security.kubernetes.io/audit]: must be one of privileged, baseline, restricted', 'metadata.labels[pod-security.kubernetes.io/warn-version]: must be "latest" or "v1.x"',
  ])
})

interface Outcome { refusal: string; warnings: string[]; audit: Record<string, string> }

function setUp(labels: Record<string, string>, exemptions: Partial<typeof podSecurityDefaults.exemptions> = {}): { core: ReturnType<typeof fakeCore>; ask(resource: string, object: KubeObject, more?: Partial<AdmissionAttributes>): Promise<Outcome> } {
  const core = fakeCore()
  core.reader.put('namespaces', { metadata: { name: 'ns', labels: Object.fromEntries(Object.entries(labels).map(([key, value]) => [`pod-security.kubernetes.io/${key}`, value])) } })
  const plugin = podSecurity(core, { ...podSecurityDefaults, exemptions: { ...podSecurityDefaults.exemptions, ...exemptions } })
  return {
    core,
    async ask(resource, object, more = {}) {
      const outcome: Outcome = { refusal: '', warnings: [], audit: {} }
      const [plural, group = ''] = [resource.split('.')[0]!, resource.split('.').slice(1).join('.')]
      try {
        await plugin.validate!(admissionOf('CREATE', fakeResource(plural, group), object, { namespace: 'ns', warn: (text) => void outcome.warnings.push(text), annotateAudit: (key, value) => void (outcome.audit[key] = value), ...more }))
      } catch (error) {
        assert.ok(error instanceof StatusError, String(error))
        outcome.refusal = `${error.code} ${error.message}`
      }
      return outcome
    },
  }
}

const pod = (spec: PodSpec, name = 'p'): KubeObject => ({ metadata: { name, namespace: 'ns' }, spec } as KubeObject)

test('a pod is refused, warned of and noted by its namespace\'s modes', async () => {
  const { ask } = setUp({ enforce: 'baseline', warn: 'restricted', audit: 'restricted' })
  const refused = await ask('pods', pod({ ...one(restrictedContext), hostPID: true }))
  assert.deepEqual(refused, {
    refusal: '403 pods "p" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostPID=true)', warnings: [],
    audit: { 'pod-security.kubernetes.io/enforce-policy': 'baseline:latest', 'pod-security.kubernetes.io/audit-violations': 'would violate PodSecurity "restricted:latest": host namespaces (hostPID=true)' },
  })
  const warned = await ask('pods', pod(one({ ...restrictedContext, runAsUser: 0 })))
  assert.deepEqual([warned.refusal, warned.warnings], ['', ['would violate PodSecurity "restricted:latest": runAsUser=0 (container "a" must not set runAsUser=0)']])
})

test('workloads are warned of and never refused', async () => {
  const { ask } = setUp({ enforce: 'baseline' })
  const template = { spec: { ...one(), hostPID: true } }
  for (const [resource, object] of [['deployments.apps', { spec: { template } }], ['cronjobs.batch', { spec: { jobTemplate: { spec: { template } } } }], ['podtemplates', { template }]] as const) {
    const { refusal, warnings } = await ask(resource, { metadata: { name: 'w' }, ...object } as unknown as KubeObject)
    assert.deepEqual([refusal, warnings], ['', ['would violate PodSecurity "baseline:latest": host namespaces (hostPID=true)']], resource)
  }
  assert.deepEqual((await ask('replicationcontrollers', { metadata: { name: 'w' }, spec: {} } as unknown as KubeObject)).warnings, [])
})

test('updates that change no image, subresources that carry no pod, and exemptions pass', async () => {
  const bad = { ...one(), hostPID: true }
  const { ask } = setUp({ enforce: 'baseline' }, { usernames: ['boss'], runtimeClasses: ['vm'] })
  const old = { oldObject: pod(bad), operation: 'UPDATE' as const }
  assert.equal((await ask('pods', pod(bad), old)).refusal, '')
  assert.match((await ask('pods', pod({ ...bad, containers: [{ name: 'a', image: 'y' }] }), old)).refusal, /^403/)
  assert.match((await ask('pods', pod({ ...bad, ephemeralContainers: [{ name: 'e', image: 'y' }] }), { ...old, subresource: 'ephemeralcontainers' })).refusal, /^403/)
  assert.equal((await ask('pods', pod(bad), { subresource: 'binding' })).refusal, '')
  assert.deepEqual((await ask('pods', pod(bad), { user: { username: 'boss', groups: [] } })).audit, { 'pod-security.kubernetes.io/exempt': 'user' })
  assert.deepEqual((await ask('pods', pod({ ...bad, runtimeClassName: 'vm' }))).audit, { 'pod-security.kubernetes.io/exempt': 'runtimeClass' })
  assert.deepEqual((await setUp({ enforce: 'baseline' }, { namespaces: ['ns'] }).ask('pods', pod(bad))).audit, { 'pod-security.kubernetes.io/exempt': 'namespace' })
})

test('a stricter namespace warns of its pods, one of each controller first, those alike together', async () => {
  const { core, ask } = setUp({})
  const bad = { ...one(), hostPID: true }
  for (const name of ['c', 'a', 'b']) core.reader.put('pods', pod(bad, name))
  core.reader.put('pods', pod({ ...one(), hostNetwork: true, hostPID: true, volumes: [{ name: 'v', hostPath: { path: '/' } }] }, 'z'))
  core.reader.put('pods', pod(one(), 'fine'))
  const labels = { 'pod-security.kubernetes.io/enforce': 'baseline' }
  const namespace = { metadata: { name: 'ns', labels } }
  const update = { operation: 'UPDATE' as const, oldObject: { metadata: { name: 'ns' } }, name: 'ns' }
  assert.deepEqual((await ask('namespaces', namespace, update)).warnings, [
    'existing pods in namespace "ns" violate the new PodSecurity enforce level "baseline:latest"', 'a (and 2 other pods): host namespaces', 'z: host namespaces, hostPath volumes',
  ])
  assert.deepEqual((await ask('namespaces', namespace, { ...update, oldObject: { metadata: { name: 'ns', labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } } } })).warnings, [])
})

test('labels that mean nothing are refused, unless they stood before', async () => {
  const { ask } = setUp({})
  const odd = { metadata: { name: 'ns', labels: { 'pod-security.kubernetes.io/warn': 'loud' } } }
  assert.match((await ask('namespaces', odd)).refusal, /^422 .*metadata\.labels\[pod-security\.kubernetes\.io\/warn\]: Invalid value: "loud": must be one of privileged, baseline, restricted$/)
  assert.equal((await ask('namespaces', odd, { operation: 'UPDATE', oldObject: odd })).refusal, '')
})

test('decisions are counted', async () => {
  const { core, ask } = setUp({ 'enforce': 'baseline', 'enforce-version': 'v1.99', 'warn': 'restricted' }, { usernames: ['boss'] })
  await ask('pods', pod(one()))
  await ask('pods', pod({ ...one(), hostPID: true }))
  await ask('pods', pod(one()), { user: { username: 'boss', groups: [] } })
  const text = admissionMetricsOf(core).text()
  for (const line of [
    'pod_security_evaluations_total{decision="allow",mode="enforce",policy_level="baseline",policy_version="future",request_operation="create",resource="pod",subresource=""} 1',
    'pod_security_evaluations_total{decision="deny",mode="enforce",policy_level="baseline",policy_version="future",request_operation="create",resource="pod",subresource=""} 1',
    'pod_security_evaluations_total{decision="deny",mode="warn",policy_level="restricted",policy_version="latest",request_operation="create",resource="pod",subresource=""} 1',
    'pod_security_exemptions_total{request_operation="create",resource="pod",subresource=""} 1',
  ]) assert.ok(text.includes(`${line}\n`), line)
})
