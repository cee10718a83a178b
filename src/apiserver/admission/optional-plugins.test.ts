import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PodSpec, Toleration } from '../../api/types/core_v1.ts'
import type { KubeObject } from '../../machinery/object.ts'
import { StatusError } from '../../machinery/status.ts'
import type { AdmissionAttributes, AdmissionPlugin } from '../context.ts'
import { alwaysAdmit, alwaysDeny } from './always.ts'
import { clusterTrustBundleAttest } from './certificates.ts'
import { eventRateLimit } from './event-rate-limit.ts'
import { admissionOf, fakeCore, fakeResource, testUser } from './fake-core.ts'
import { namespaceAutoProvision, namespaceExists } from './namespaces.ts'
import { ownerReferencesPermissionEnforcement } from './owner-references.ts'
import { extendedResourceToleration } from './pod-defaults.ts'
import { podNodeSelector } from './pod-node-selector.ts'
import { limitPodHardAntiAffinityTopology, nodeDeclaredFeatureValidator, podResizeValidator, podTopologyLabels } from './pod-placement.ts'
import { mergeTolerations, podTolerationRestriction } from './pod-toleration-restriction.ts'
import { resourceQuota } from './resource-quota.ts'
import { denyServiceExternalIPs } from './services.ts'
import { persistentVolumeClaimResize, storageObjectInUseProtection } from './volumes.ts'

/** Admits as a chain would; answers why not, or ''. */
async function admit(plugin: AdmissionPlugin, attributes: AdmissionAttributes): Promise<string> {
  assert.ok(plugin.handles(attributes.operation), `${plugin.name} does not handle ${attributes.operation}`)
  try {
    await plugin.mutate?.(attributes)
    await plugin.validate?.(attributes)
    return ''
  } catch (error) {
    assert.ok(error instanceof StatusError, String(error))
    return `${error.code} ${error.message}`
  }
}

const pods = fakeResource('pods', '', 'Pod')
const pod = (spec: Partial<PodSpec> = {}): KubeObject & { spec: PodSpec } => ({ metadata: { name: 'p', namespace: 'ns' }, spec: { containers: [{ name: 'c', image: 'x' }], ...spec } })

test('AlwaysAdmit and AlwaysDeny do as they are called', async () => {
  assert.equal(await admit(alwaysAdmit, admissionOf('CREATE', pods, pod())), '')
  assert.equal(await admit(alwaysDeny, admissionOf('CREATE', pods, pod())), '403 pods "p" is forbidden: admission control is denying all modifications')
})

test('NamespaceExists and NamespaceAutoProvision: what is missing is refused, or made', async () => {
  const core = fakeCore()
  assert.equal(await admit(namespaceExists(core), admissionOf('CREATE', pods, pod())), '404 namespaces "ns" not found')
  assert.equal(await admit(namespaceAutoProvision(core), admissionOf('CREATE', pods, pod(), { dryRun: true })), '')
  assert.deepEqual(core.writes, [])
  assert.equal(await admit(namespaceAutoProvision(core), admissionOf('CREATE', pods, pod())), '')
  assert.deepEqual(core.writes, ['create namespaces /ns'])
  assert.equal(await admit(namespaceExists(core), admissionOf('CREATE', pods, pod())), '')
})

test('LimitPodHardAntiAffinityTopology allows only nodes to be kept free of others', async () => {
  const term = (topologyKey: string): KubeObject => pod({ affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey }] } } })
  assert.equal(await admit(limitPodHardAntiAffinityTopology, admissionOf('CREATE', pods, term('kubernetes.io/hostname'))), '')
  assert.equal(await admit(limitPodHardAntiAffinityTopology, admissionOf('CREATE', pods, term('zone'))), '403 pods "p" is forbidden: affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey zone but only key kubernetes.io/hostname is allowed')
})

test('PodNodeSelector merges the namespace\'s selector and keeps to its whitelist', async () => {
  const table: Array<[string | undefined, Record<string, string>, Record<string, string> | undefined, string, Record<string, string> | undefined]> = [
    [undefined, { clusterDefaultNodeSelector: 'zone=a' }, { disk: 'ssd' }, '', { zone: 'a', disk: 'ssd' }],
    ['zone=b', { clusterDefaultNodeSelector: 'zone=a' }, undefined, '', { zone: 'b' }],
    ['zone=b', {}, { zone: 'a' }, '403 pods "p" is forbidden: pod node label selector conflicts with its namespace node label selector', undefined],
    ['zone=b', { ns: 'zone=b,os=linux' }, { os: 'linux' }, '', { zone: 'b', os: 'linux' }],
    ['zone=b', { ns: 'os=linux' }, undefined, '403 pods "p" is forbidden: pod node label selector labels conflict with its namespace whitelist', undefined],
    ['zone', {}, undefined, '500 invalid selector: [zone]', undefined],
  ]
  for (const [annotation, configured, own, refusal, wanted] of table) {
    const core = fakeCore()
    core.reader.put('namespaces', { metadata: { name: 'ns', ...(annotation === undefined ? {} : { annotations: { 'scheduler.alpha.kubernetes.io/node-selector': annotation } }) } })
    const object = pod(own === undefined ? {} : { nodeSelector: own })
    assert.equal(await admit(podNodeSelector(core, configured), admissionOf('CREATE', pods, object)), refusal)
    if (wanted !== undefined) assert.deepEqual(object.spec.nodeSelector, wanted)
  }
  const core = fakeCore()
  core.reader.put('namespaces', { metadata: { name: 'ns' } })
  const object = pod()
  await admit(podNodeSelector(core), admissionOf('CREATE', pods, object))
  assert.equal(object.spec.nodeSelector, undefined)
})

test('tolerations that others cover are left out of a merged list', () => {
  const table: Array<[Toleration[], Toleration[], Toleration[]]> = [
    [[{ key: 'a', operator: 'Exists' }], [{ key: 'a', operator: 'Equal', value: 'x', effect: 'NoSchedule' }], [{ key: 'a', operator: 'Exists' }]],
    [[{ key: 'a', operator: 'Equal', value: 'x' }], [{ operator: 'Exists' }], [{ operator: 'Exists' }]],
    [[{ key: 'a', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 5 }], [{ key: 'a', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 9 }], [{ key: 'a', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 9 }]],
    [[{ key: 'a', operator: 'Equal', value: 'x' }], [{ key: 'a', operator: 'Equal', value: 'y' }], [{ key: 'a', operator: 'Equal', value: 'x' }, { key: 'a', operator: 'Equal', value: 'y' }]],
    [[{ key: 'a', operator: 'Exists' }], [{ key: 'a', operator: 'Exists' }], [{ key: 'a', operator: 'Exists' }]],
  ]
  for (const [first, second, merged] of table) assert.deepEqual(mergeTolerations(first, second), merged)
})

test('PodTolerationRestriction gives a namespace\'s tolerations and refuses others', async () => {
  const core = fakeCore()
  const annotate = (annotations: Record<string, string>): void => core.reader.put('namespaces', { metadata: { name: 'ns', annotations } })
  annotate({ 'scheduler.alpha.kubernetes.io/defaultTolerations': '[{"key":"team","operator":"Exists"}]', 'scheduler.alpha.kubernetes.io/tolerationsWhitelist': '[{"key":"team","operator":"Exists"}]' })
  const object = pod()
  assert.equal(await admit(podTolerationRestriction(core), admissionOf('CREATE', pods, object)), '')
  assert.deepEqual(object.spec.tolerations, [{ key: 'team', operator: 'Exists' }])
  const other = pod({ tolerations: [{ key: 'gpu', operator: 'Exists' }] })
  assert.equal(await admit(podTolerationRestriction(core), admissionOf('UPDATE', pods, other)), '500 pod tolerations (possibly merged with namespace default tolerations) conflict with its namespace whitelist')
  annotate({ 'scheduler.alpha.kubernetes.io/defaultTolerations': '[{"key":' })
  assert.equal(await admit(podTolerationRestriction(core), admissionOf('CREATE', pods, pod())), '500 unexpected end of JSON input')
  annotate({})
  const configured = podTolerationRestriction(core, { default: [{ key: 'all', operator: 'Exists' }], whitelist: [] })
  const busy = pod({ containers: [{ name: 'c', resources: { requests: { cpu: '1' } } }] })
  assert.equal(await admit(configured, admissionOf('CREATE', pods, busy)), '')
  assert.deepEqual(busy.spec.tolerations, [{ key: 'all', operator: 'Exists' }, { key: 'node.kubernetes.io/memory-pressure', operator: 'Exists', effect: 'NoSchedule' }])
})

test('EventRateLimit counts by what each limit is of, and lets more through with time', async () => {
  const core = fakeCore()
  const events = fakeResource('events', '', 'Event')
  const event = (namespace: string): AdmissionAttributes => admissionOf('CREATE', events, { metadata: { name: 'e', namespace }, involvedObject: { name: 'o' } } as KubeObject)
  const plugin = eventRateLimit(core, [{ type: 'Namespace', qps: 1, burst: 2, cacheSize: 2 }, { type: 'Server', qps: 100, burst: 100, cacheSize: 1 }])
  assert.deepEqual([await admit(plugin, event('a')), await admit(plugin, event('a'))], ['', ''])
  assert.equal(await admit(plugin, event('a')), '429 Too many requests: limit reached on type Namespace for key a')
  assert.equal(await admit(plugin, event('b')), '')
  assert.equal(await admit(plugin, { ...event('a'), dryRun: true }), '')
  await core.runtime.clock.advance(1000)
  assert.equal(await admit(plugin, event('a')), '')
  assert.equal(await admit(plugin, admissionOf('CREATE', fakeResource('events', 'events.k8s.io', 'Event'), { metadata: { name: 'e', namespace: 'a' } })), '')
})

test('ExtendedResourceToleration tolerates the taints of devices asked for', async () => {
  const object = pod({ containers: [{ name: 'c', resources: { requests: { 'example.com/gpu': '1', 'cpu': '1', 'a.kubernetes.io/x': '1' } } }], initContainers: [{ name: 'i', resources: { requests: { 'acme.com/fpga': '1' } } }] })
  await admit(extendedResourceToleration, admissionOf('CREATE', pods, object))
  await admit(extendedResourceToleration, admissionOf('CREATE', pods, object))
  assert.deepEqual(object.spec.tolerations, ['acme.com/fpga', 'example.com/gpu'].map((key) => ({ key, operator: 'Exists', effect: 'NoSchedule' })))
})

test('DenyServiceExternalIPs lets what stands stand', async () => {
  const services = fakeResource('services')
  const service = (externalIPs: string[]): KubeObject => ({ metadata: { name: 's' }, spec: { externalIPs } } as KubeObject)
  assert.equal(await admit(denyServiceExternalIPs, admissionOf('CREATE', services, service(['1.2.3.4']))), '403 services "s" is forbidden: Use of external IPs is denied by admission control')
  assert.equal(await admit(denyServiceExternalIPs, admissionOf('UPDATE', services, service(['1.2.3.4']), { oldObject: service(['1.2.3.4', '1.2.3.5']) })), '')
  assert.match(await admit(denyServiceExternalIPs, admissionOf('UPDATE', services, service(['1.2.3.4']), { oldObject: service([]) })), /^403/)
})

test('volumes, claims and classes of attributes are protected from their creation on', async () => {
  const claim: KubeObject = { metadata: { name: 'c', finalizers: ['x'] } }
  for (let i = 0; i < 2; i++) await admit(storageObjectInUseProtection, admissionOf('CREATE', fakeResource('persistentvolumeclaims'), claim))
  assert.deepEqual(claim.metadata.finalizers, ['x', 'kubernetes.io/pvc-protection'])
  const volume: KubeObject = { metadata: { name: 'v' } }
  await admit(storageObjectInUseProtection, admissionOf('CREATE', fakeResource('persistentvolumes'), volume))
  assert.deepEqual(volume.metadata.finalizers, ['kubernetes.io/pv-protection'])
  const attributes: KubeObject = { metadata: { name: 'a' } }
  await admit(storageObjectInUseProtection, admissionOf('CREATE', fakeResource('volumeattributesclasses', 'storage.k8s.io'), attributes))
  assert.deepEqual(attributes.metadata.finalizers, ['kubernetes.io/vac-protection'])
})

test('a claim grows when it is bound and its class allows it', async () => {
  const core = fakeCore()
  core.reader.put('storageclasses.storage.k8s.io', { metadata: { name: 'elastic' }, allowVolumeExpansion: true } as KubeObject)
  const claim = (storage: string, storageClassName = 'elastic', phase = 'Bound'): KubeObject => ({ metadata: { name: 'c', namespace: 'ns' }, spec: { storageClassName, resources: { requests: { storage } } }, status: { phase } } as KubeObject)
  const ask = (wanted: KubeObject, oldObject: KubeObject): Promise<string> => admit(persistentVolumeClaimResize(core), admissionOf('UPDATE', fakeResource('persistentvolumeclaims'), wanted, { oldObject }))
  assert.equal(await ask(claim('2Gi'), claim('1Gi')), '')
  assert.equal(await ask(claim('1Gi', 'none'), claim('1Gi', 'none', 'Pending')), '')
  assert.equal(await ask(claim('2Gi'), claim('1Gi', 'elastic', 'Pending')), '403 persistentvolumeclaims "c" is forbidden: Only bound persistent volume claims can be expanded')
  assert.equal(await ask(claim('2Gi', 'none'), claim('1Gi', 'none')), '403 persistentvolumeclaims "c" is forbidden: only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize')
})

test('owner references take the right to delete, and to set finalizers of owners that they hold up', async () => {
  const core = fakeCore()
  const owner = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'o', uid: 'u' }
  const resources = { findKind: (_group: string, _version: string, kind: string) => (kind === 'Deployment' ? fakeResource('deployments', 'apps', kind) : undefined) }
  const plugin = ownerReferencesPermissionEnforcement(Object.defineProperty(core, 'resources', { value: resources }))
  const owned = (...ownerReferences: object[]): KubeObject => ({ metadata: { name: 'p', namespace: 'ns', ownerReferences: ownerReferences as [] } })
  const ask = (operation: 'CREATE' | 'UPDATE', object: KubeObject, oldObject?: KubeObject): Promise<string> => admit(plugin, admissionOf(operation, pods, object, { oldObject }))
  assert.equal(await ask('CREATE', owned(owner)), '')
  assert.match(await ask('UPDATE', owned(owner), owned()), /^403 pods "p" is forbidden: cannot set an ownerRef on a resource you can't delete: /)
  assert.equal(await ask('UPDATE', owned(owner), owned(owner)), '')
  assert.match(await ask('CREATE', owned({ ...owner, blockOwnerDeletion: true })), /cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on/)
  assert.match(await ask('CREATE', owned({ ...owner, kind: 'Odd', blockOwnerDeletion: true })), /cannot find RESTMapping for APIVersion apps\/v1 Kind Odd/)
  core.allow = ({ verb, resource, subresource, name }) => verb === 'update' && resource === 'deployments' && subresource === 'finalizers' && name === 'o'
  assert.equal(await ask('CREATE', owned({ ...owner, blockOwnerDeletion: true })), '')
})

test('pods carry the zone of the node that they are bound to, and keep their own', async () => {
  const core = fakeCore()
  core.reader.put('nodes', { metadata: { name: 'n', labels: { 'topology.kubernetes.io/zone': 'z', 'topology.kubernetes.io/region': 'r', 'other': 'x' } } })
  const binding = { metadata: { name: 'p', labels: { 'topology.kubernetes.io/zone': 'own' } }, target: { kind: 'Node', name: 'n' } } as KubeObject
  await admit(podTopologyLabels(core), admissionOf('CREATE', pods, binding, { subresource: 'binding' }))
  assert.deepEqual(binding.metadata.labels, { 'topology.kubernetes.io/zone': 'own', 'topology.kubernetes.io/region': 'r' })
  const object = pod({ nodeName: 'n' })
  await admit(podTopologyLabels(core), admissionOf('CREATE', pods, object))
  assert.deepEqual(object.metadata.labels, { 'topology.kubernetes.io/zone': 'z', 'topology.kubernetes.io/region': 'r' })
})

test('a pod is resized to what its node can hold', async () => {
  const core = fakeCore()
  core.reader.put('nodes', { metadata: { name: 'n', labels: { 'kubernetes.io/os': 'linux' } }, status: { allocatable: { cpu: '2', memory: '1Gi' } } } as KubeObject)
  const resized = (cpu: string, nodeName = 'n'): KubeObject => ({ ...pod({ nodeName, containers: [{ name: 'c', resources: { requests: { cpu, memory: '1Gi' } } }] }), metadata: { name: 'p', namespace: 'ns', generation: 2 } })
  const ask = (object: KubeObject): Promise<string> => admit(podResizeValidator(core), admissionOf('UPDATE', pods, object, { subresource: 'resize', oldObject: { metadata: { generation: 1 } } }))
  assert.equal(await ask(resized('2')), '')
  assert.equal(await ask(resized('2500m')), '403 pods "p" is forbidden: Node didn\'t have enough allocatable resources: cpu, requested: 2500, allocatable: 2000')
  assert.equal(await ask(resized('1', 'gone')), '403 pods "p" is forbidden: node "gone" not found')
  core.reader.put('nodes', { metadata: { name: 'n' }, status: { allocatable: { cpu: '2', memory: '1Gi' } } } as KubeObject)
  assert.equal(await ask(resized('1')), '403 pods "p" is forbidden: pod resize is only supported on linux nodes, node "n" is ""')
})

test('a bound pod changes only in ways that its node declares', async () => {
  const core = fakeCore()
  const node = (declaredFeatures: string[]): void => core.reader.put('nodes', { metadata: { name: 'n' }, status: { declaredFeatures } } as unknown as KubeObject)
  const of = (generation: number, spec: object): KubeObject => ({ metadata: { name: 'p', namespace: 'ns', generation }, spec: { nodeName: 'n', containers: [{ name: 'c' }], ...spec } }) as unknown as KubeObject
  const ask = (before: object, now: object, subresource = 'resize'): Promise<string> =>
    admit(nodeDeclaredFeatureValidator(core), admissionOf('UPDATE', pods, of(2, now), { subresource, oldObject: of(1, before) }))
  const whole = (cpu: string): object => ({ resources: { requests: { cpu } } })
  const init = (cpu: string, more: object = {}): object => ({ initContainers: [{ name: 'i', resources: { requests: { cpu } }, ...more }] })
  assert.equal(await ask(whole('1'), whole('2')), '403 pods "p" is forbidden: node "n" not found')
  node([])
  assert.equal(await ask({ ...whole('1'), ...init('1') }, { ...whole('2'), ...init('2') }), '403 pods "p" is forbidden: pod update requires features InPlacePodLevelResourcesVerticalScaling, InPlacePodVerticalScalingInitContainers which are not available on node "n"')
  assert.equal(await ask(init('1', { restartPolicy: 'Always' }), init('2', { restartPolicy: 'Always' })), '')
  assert.equal(await ask({}, { nodeName: '', ...whole('2') }, ''), '')
  node(['InPlacePodLevelResourcesVerticalScaling'])
  assert.equal(await ask(whole('1'), whole('2')), '')
})

test('a trust bundle of a signer takes the verb attest', async () => {
  const core = fakeCore()
  const bundle = (signerName: string, more: object = {}): KubeObject => ({ metadata: { name: 'b', ...more }, spec: { signerName } } as KubeObject)
  const bundles = fakeResource('clustertrustbundles', 'certificates.k8s.io', 'ClusterTrustBundle')
  assert.equal(await admit(clusterTrustBundleAttest(core), admissionOf('CREATE', bundles, bundle(''))), '')
  assert.equal(await admit(clusterTrustBundleAttest(core), admissionOf('CREATE', bundles, bundle('a.com/b'))), '403 clustertrustbundles.certificates.k8s.io "b" is forbidden: user not permitted to attest for signerName "a.com/b"')
  assert.equal(await admit(clusterTrustBundleAttest(core), admissionOf('UPDATE', bundles, bundle('a.com/b', { finalizers: ['x'] }), { oldObject: bundle('a.com/b') })), '')
  core.allow = ({ verb, name }) => verb === 'attest' && name === 'a.com/*'
  assert.equal(await admit(clusterTrustBundleAttest(core), admissionOf('CREATE', bundles, bundle('a.com/b'))), '')
})

test('what may be used only under a quota is refused without one', async () => {
  const core = fakeCore()
  const plugin = resourceQuota(core, [
    { group: '', resource: 'persistentvolumeclaims', matchContains: ['.storageclass.storage.k8s.io/requests.storage'], matchScopes: [] },
    { group: '', resource: 'pods', matchContains: [], matchScopes: [{ scopeName: 'PriorityClass', operator: 'In', values: ['high'] }] },
  ])
  const claim = { metadata: { name: 'c', namespace: 'ns' }, spec: { storageClassName: 'gold', resources: { requests: { storage: '1Gi' } } } } as KubeObject
  assert.equal(await admit(plugin, admissionOf('CREATE', fakeResource('persistentvolumeclaims'), claim)), '403 persistentvolumeclaims "c" is forbidden: insufficient quota to consume: gold.storageclass.storage.k8s.io/requests.storage')
  assert.equal(await admit(plugin, admissionOf('CREATE', pods, pod({ priorityClassName: 'high' }), { user: testUser })), '403 pods "p" is forbidden: insufficient quota to match these scopes: [{PriorityClass In [high]}]')
  assert.equal(await admit(plugin, admissionOf('CREATE', pods, pod())), '')
  const scopeSelector = { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: ['high'] }] }
  core.reader.put('resourcequotas', { metadata: { name: 'q', namespace: 'ns' }, spec: { hard: { pods: '5' }, scopeSelector }, status: { hard: { pods: '5' }, used: { pods: '0' } } } as KubeObject)
  assert.equal(await admit(plugin, admissionOf('CREATE', pods, pod({ priorityClassName: 'high' }))), '')
})
