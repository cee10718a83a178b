import assert from 'node:assert/strict'
import { test } from 'node:test'
import { creationCauses, updateCauses, type Changes } from './testing/causes.ts'

/**
 * Cases of upstream's own tests (`TestValidatePodCreate`, `TestValidatePodUpdate` of `pkg/apis/core/validation/validation_test.go`): pods that
 * are refused, and a part of what is said of them; '' where they are taken.
 */

const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: '123' }, spec: { containers: [{ name: 'ctr', image: 'image' }] } }
const c = 'spec.containers[0]'
const appArmor = 'container.apparmor.security.beta.kubernetes.io/'
const seccomp = 'container.seccomp.security.alpha.kubernetes.io/'
const podSeccomp = 'seccomp.security.alpha.kubernetes.io/pod'

const annotated = (key: string, value: string): Changes => ({ [`metadata.annotations[${key}]`]: value })
const tolerating = (...tolerations: object[]): Changes => ({ 'spec.tolerations': tolerations })
const profile = (value: object): Changes => ({ 'spec.securityContext.appArmorProfile': value })
const resources = (requests: object, limits: object): Changes => ({ [`${c}.resources`]: { requests, limits } })
const projected = (source: object): Changes => ({ 'spec.volumes': [{ name: 'projected-volume', projected: { sources: [source] } }] })
const certificate = (changes: object): Changes => projected({ podCertificate: { signerName: 'example.com/foo', keyType: 'ED25519', ...changes } })
const selector = { matchExpressions: [{ key: 'key', operator: 'NotIn', values: ['value1', 'value2'] }] }
const claim = { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } }

/** The same of terms that are wanted and terms that are needed, for pods that draw and pods that repel each other. */
function everywhere(term: object, text: string, labels: Record<string, string> = {}): Array<readonly [Changes, string]> {
  const full = { labelSelector: selector, topologyKey: 'k8s.io/zone', ...term }
  return ['podAffinity', 'podAntiAffinity'].flatMap((kind) => [{ preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 10, podAffinityTerm: full }] }, { requiredDuringSchedulingIgnoredDuringExecution: [full] }].map((terms): [Changes, string] => [
    { 'metadata.labels': labels, [`spec.affinity.${kind}`]: terms }, text,
  ]))
}

const longName = 'a'.repeat(200)
const longVolume = 'b'.repeat(60)

const refused: ReadonlyArray<readonly [Changes, string]> = [
  ...everywhere({ matchLabelKeys: ['/simple'] }, 'prefix part must be non-empty'),
  ...everywhere({ mismatchLabelKeys: ['/simple'] }, 'prefix part must be non-empty'),
  // The first requirement comes of matchLabelKeys.
  ...everywhere({ matchLabelKeys: ['key'], labelSelector: { matchExpressions: [{ key: 'key', operator: 'NotIn', values: ['value2'] }] } }, 'exists in both matchLabelKeys and labelSelector', { key: 'value1' }),
  ...everywhere({ matchLabelKeys: ['samekey'], mismatchLabelKeys: ['samekey'] }, 'exists in both matchLabelKeys and mismatchLabelKeys'),
  [tolerating({ key: 'nospecialchars^=@', operator: 'Equal', value: 'bar', effect: 'NoSchedule' }), 'spec.tolerations[0].key'],
  [tolerating({ key: 'foo', operator: 'In', value: 'bar', effect: 'NoSchedule' }), 'spec.tolerations[0].operator'],
  [tolerating({ key: 'foo', operator: 'Exists', value: 'bar', effect: 'NoSchedule' }), 'spec.tolerations[0].operator'],
  [tolerating({ operator: 'Equal', value: 'bar', effect: 'NoSchedule' }), 'spec.tolerations[0].operator'],
  [tolerating({ key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoSchedule', tolerationSeconds: 20 }), 'spec.tolerations[0].effect'],
  [tolerating({ key: 'node.kubernetes.io/sla', operator: 'Lt', value: '950', effect: 'NoSchedule' }), 'Unsupported value: "Lt"'],
  [tolerating({ key: 'node.kubernetes.io/sla', operator: 'Gt', value: '950', effect: 'NoSchedule' }), 'Unsupported value: "Gt"'],
  [annotated(podSeccomp, 'foo'), 'must be a valid seccomp profile'],
  [annotated(`${seccomp}foo`, 'foo'), 'must be a valid seccomp profile'],
  [annotated(seccomp, 'foo'), 'name part must be non-empty'],
  [annotated(`${seccomp}foo`, ''), 'must be a valid seccomp profile'],
  [{ ...annotated(podSeccomp, 'unconfined'), 'spec.securityContext.seccompProfile': { type: 'RuntimeDefault' } }, 'seccomp type in annotation and field must match'],
  [{ ...annotated(`${seccomp}ctr`, 'unconfined'), [`${c}.securityContext.seccompProfile`]: { type: 'RuntimeDefault' } }, 'seccomp type in annotation and field must match'],
  [annotated(podSeccomp, 'localhost//foo'), 'must be a relative path'],
  [annotated(podSeccomp, 'localhost/../foo'), "must not contain '..'"],
  [{ 'spec.initContainers': [{ name: 'init-ctr', image: 'image' }], ...annotated(`${appArmor}ctr`, 'runtime/default'), ...annotated(`${appArmor}init-ctr`, 'runtime/default'), ...annotated(`${appArmor}fake-ctr`, 'runtime/default') }, `metadata.annotations[${appArmor}fake-ctr]`],
  [annotated(`${appArmor}ctr`, 'bad-name'), 'invalid AppArmor profile name'],
  [annotated(`${appArmor}ctr`, 'runtime/foo'), 'invalid AppArmor profile name'],
  [profile({ type: 'test' }), 'Unsupported value: "test"'],
  [{ [`${c}.securityContext.appArmorProfile`]: { type: 'test' } }, 'Unsupported value: "test"'],
  [profile({ type: '' }), 'Required value: type is required when appArmorProfile is set'],
  [profile({ type: 'Localhost' }), 'Required value: must be set when AppArmor type is Localhost'],
  [profile({ type: 'Localhost', localhostProfile: '' }), 'Required value: must be set when AppArmor type is Localhost'],
  [profile({ type: 'RuntimeDefault', localhostProfile: 'foo-bar' }), 'Invalid value: "foo-bar"'],
  [profile({ type: 'Localhost', localhostProfile: 'foo-bar ' }), 'Invalid value: "foo-bar "'],
  [profile({ type: 'Localhost', localhostProfile: 'a'.repeat(4096) }), 'Too long: may not be more than 4095 bytes'],
  [{ ...annotated(`${appArmor}ctr`, 'runtime/default'), [`${c}.securityContext.appArmorProfile`]: { type: 'Unconfined' } }, 'Forbidden: apparmor type in annotation and field must match'],
  [{ ...annotated(`${appArmor}ctr`, 'localhost/foo'), [`${c}.securityContext.appArmorProfile`]: { type: 'Localhost', localhostProfile: 'bar' } }, 'Forbidden: apparmor profile in annotation and field must match'],
  [resources({ 'invalid-name': '2' }, { 'invalid-name': '2' }), 'must be a standard resource for containers'],
  [resources({ 'example.com/a': '2' }, { 'example.com/a': '1' }), 'must be equal to example.com/a'],
  [resources({ 'example.com/a': '2' }, {}), 'Limit must be set'],
  [resources({ 'example.com/a': '500m' }, {}), 'must be an integer'],
  [resources({ 'example.com/a': '5' }, { 'example.com/a': '2.5' }), 'must be an integer'],
  [{ 'spec.initContainers': [{ name: 'invalid', image: 'image', resources: { requests: { 'example.com/a': '2.5' }, limits: { 'example.com/a': '2.5' } } }] }, 'must be an integer'],
  [annotated('kubernetes.io/config.mirror', ''), 'mirror'],
  [annotated('kubernetes.io/config.mirror', 'foo'), 'mirror'],
  [projected({ serviceAccountToken: { audience: 'foo-audience', expirationSeconds: 6000, path: 'foo-path' } }), 'must not be specified when serviceAccountName is not set'],
  [projected({ clusterTrustBundle: { path: 'foo-path', signerName: 'example.com/foo', labelSelector: { matchLabels: { version: 'live' } }, name: 'foo' } }), 'only one of name and signerName may be used'],
  [projected({ clusterTrustBundle: { path: 'foo-path', name: '' } }), 'must be a valid object name'],
  [projected({ clusterTrustBundle: { path: 'foo-path', signerName: '', labelSelector: { matchLabels: { foo: 'bar' } } } }), 'must be a valid signer name'],
  [projected({ clusterTrustBundle: { path: 'foo-path', signerName: 'example.com/foo/invalid' } }), 'must be a fully qualified domain and path of the form'],
  [certificate({ signerName: undefined, credentialBundlePath: 'credbundle.pem' }), 'Required value'],
  [certificate({ signerName: 'example.com/foo/invalid', credentialBundlePath: 'credbundle.pem' }), 'must be a fully qualified domain and path of the form'],
  [certificate({ keyType: 'BAD', credentialBundlePath: 'credbundle.pem' }), 'Unsupported value: "BAD"'],
  [certificate({}), 'Required value: specify at least one of credentialBundlePath, keyPath, and certificateChainPath'],
  [certificate({ keyPath: 'same.pem', certificateChainPath: 'same.pem' }), 'conflicting duplicate paths'],
  [certificate({ credentialBundlePath: '/absolute.pem' }), 'must be a relative path'],
  [certificate({ keyPath: '/absolute.pem', certificateChainPath: 'certificates.pem' }), 'must be a relative path'],
  [certificate({ keyPath: 'key.pem', certificateChainPath: '/certificates.pem' }), 'must be a relative path'],
  [certificate({ keyPath: 'key.pem', certificateChainPath: 'certificates.pem', userAnnotations: { 'only/one/slash': 'bar' } }), "regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix"],
  [certificate({ keyPath: 'key.pem', certificateChainPath: 'certificates.pem', userAnnotations: { [`${'a'.repeat(254)}/foo`]: 'bar' } }), 'prefix part must be no more than 253 bytes'],
  [certificate({ keyPath: 'key.pem', certificateChainPath: 'certificates.pem', userAnnotations: { 'domain/a': 'd'.repeat(256 * 1024) } }), 'may not be more than 262144 bytes'],
  [{ 'metadata.name': longName, 'spec.volumes': [{ name: 'pvc', persistentVolumeClaim: { claimName: 'my-pvc' } }, { name: longVolume, ephemeral: { volumeClaimTemplate: claim } }] },
    `spec.volumes[1].name: Invalid value: "${longVolume}": PVC name "${longName}-${longVolume}": must be no more than 253 characters`],
  [{ 'spec.volumes': [{ name: 'pvc-volume', persistentVolumeClaim: { claimName: '123-ephemeral-volume' } }, { name: 'ephemeral-volume', ephemeral: { volumeClaimTemplate: claim } }] },
    'spec.volumes[0].persistentVolumeClaim.claimName: Invalid value: "123-ephemeral-volume": must not reference a PVC that gets created for an ephemeral volume'],
  ...['text', '008', '+10'].map((cost): [Changes, string] => [annotated('controller.kubernetes.io/pod-deletion-cost', cost), `metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: "${cost}": must be a 32bit integer`]),
  [{ 'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution': { nodeSelectorTerms: [{ matchExpressions: [{ key: 'foo', operator: 'In', values: ['-1'] }] }] } },
    'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].values[0]: Invalid value: "-1": a valid label must be an empty string or consist of alphanumeric characters'],
  [{ 'spec.nodeName': 'node', 'spec.schedulingGates': [{ name: 'foo' }] }, 'spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared'],
]

const context = (value: object): Changes => ({ 'spec.securityContext': value })
const tolerated = { key: 'foo', operator: 'Equal', value: 'bar', effect: 'NoSchedule' }
const hosts = (ip: string, ...hostnames: string[]): Changes => ({ 'spec.hostAliases': [{ ip, hostnames }] })
const searches = (count: number): Changes => ({ 'spec.dnsConfig': { searches: Array.from({ length: count }, (_, i) => `s${i}`) } })
const searchText = (first: number): Changes => ({ 'spec.dnsConfig': { searches: Array.from({ length: 32 }, (_, i) => 'a'.repeat(i === 0 ? first : 63)) } })

/** `TestValidatePodSpec` and `TestValidatePodDNSConfig`, whose causes upstream does not look at. */
const refusedFields: ReadonlyArray<readonly [Changes, field: string]> = [
  [{ 'spec.volumes': [{}] }, 'spec.volumes[0].name'], [{ 'spec.containers': [] }, 'spec.containers'], [{ 'spec.containers': [{}] }, `${c}.name`], [{ 'spec.initContainers': [{}] }, 'spec.initContainers[0].name'],
  [{ 'spec.dnsPolicy': 'invalid' }, 'spec.dnsPolicy'], [{ 'spec.serviceAccountName': 'invalidName' }, 'spec.serviceAccountName'], [{ 'spec.restartPolicy': 'UnknowPolicy' }, 'spec.restartPolicy'],
  [{ 'spec.hostNetwork': true, [`${c}.ports`]: [{ hostPort: 8080, containerPort: 2600, protocol: 'TCP' }] }, `${c}.ports[0].hostPort`],
  [hosts('999.999.999.999', 'host1'), 'spec.hostAliases[0].ip'], [hosts('001.002.003.004', 'host1'), 'spec.hostAliases[0].ip'], [hosts('12.34.56.78', '@#$^#@#$'), 'spec.hostAliases[0].hostnames[0]'],
  [context({ supplementalGroups: [2147483648, 1234] }), 'spec.securityContext.supplementalGroups[0]'], [context({ supplementalGroups: [-1, 1234] }), 'spec.securityContext.supplementalGroups[0]'],
  ...[-1, 2147483648].flatMap((id): Array<[Changes, string]> => [[context({ runAsUser: id }), 'spec.securityContext.runAsUser'], [context({ fsGroup: id }), 'spec.securityContext.fsGroup']]),
  [{ 'spec.activeDeadlineSeconds': 0 }, 'spec.activeDeadlineSeconds'], [{ 'spec.activeDeadlineSeconds': 2147483648 }, 'spec.activeDeadlineSeconds'], [{ 'spec.nodeName': 'node name' }, 'spec.nodeName'],
  [{ 'spec.priorityClassName': 'InvalidName' }, 'spec.priorityClassName'], [{ 'spec.hostPID': true, 'spec.shareProcessNamespace': true }, 'spec.securityContext.shareProcessNamespace'], [{ 'spec.runtimeClassName': 'invalid/sandbox' }, 'spec.runtimeClassName'],
  ...['', 'invalid'].flatMap((policy): Array<[Changes, string]> => [
    [context({ fsGroupChangePolicy: policy }), 'spec.securityContext.fsGroupChangePolicy'], [context({ supplementalGroupsPolicy: policy }), 'spec.securityContext.supplementalGroupsPolicy'],
  ]),
  [{ 'spec.readinessGates': [{ conditionType: 'invalid/condition/type' }] }, 'spec.readinessGates[0].conditionType'],
  [{ 'spec.dnsConfig': { nameservers: ['127.0.0.1', '10.0.0.10', '8.8.8.8', '1.2.3.4'] } }, 'spec.dnsConfig.nameservers'], [searches(33), 'spec.dnsConfig.searches'], [searchText(65), 'spec.dnsConfig.searches'],
  [{ 'spec.dnsConfig': { searches: ['custom?'] } }, 'spec.dnsConfig.searches[0]'], [{ 'spec.dnsConfig': { nameservers: ['invalid'] } }, 'spec.dnsConfig.nameservers[0]'],
  [{ 'spec.dnsConfig': { options: [{ value: '3' }] } }, 'spec.dnsConfig.options[0]'], [{ 'spec.dnsPolicy': 'None', 'spec.dnsConfig': { searches: ['custom'] } }, 'spec.dnsConfig.nameservers'],
]

for (const [changes, field] of refusedFields) {
  test(`a pod with ${JSON.stringify(changes).slice(0, 150)} is refused for ${field}`, () => {
    const causes = creationCauses(pod, changes)
    assert.ok(causes.some((cause) => cause.startsWith(`${field}: `)), `${field} is not among ${JSON.stringify(causes)}`)
  })
}

const taken: readonly Changes[] = [
  { 'spec.hostNetwork': true, [`${c}.ports`]: [{ hostPort: 8080, containerPort: 8080, protocol: 'TCP' }] },
  context({ supplementalGroups: [0], runAsUser: 0, fsGroup: 0 }), context({ supplementalGroups: [2147483647], runAsUser: 2147483647, fsGroup: 2147483647 }), { 'spec.hostIPC': true }, { 'spec.hostPID': true },
  hosts('12.34.56.78', 'host1.foo', 'host2.bar'), { 'spec.overhead': {} }, { [`${c}.resizePolicy`]: [{ resourceName: 'cpu', restartPolicy: 'NotRequired' }] }, context({ supplementalGroupsPolicy: 'Strict' }),
  { 'spec.resources': { limits: { cpu: '100m', memory: '200Mi' } }, 'spec.os': { name: 'linux' } }, searches(32), searchText(64), { 'spec.dnsConfig': { nameservers: ['FE80::0202:B3FF:FE1E:8329'] } },
  { 'spec.affinity.nodeAffinity': { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [] }] }, preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 10, preference: { matchExpressions: [] } }] } },
  { 'spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution': [{ labelSelector: selector, topologyKey: 'zone', namespaces: ['ns'], namespaceSelector: selector }] },
  tolerating({ ...tolerated, effect: 'NoExecute', tolerationSeconds: 60 }), tolerating({ operator: 'Exists', effect: 'NoSchedule' }), tolerating({ key: 'foo', value: 'bar', effect: 'NoSchedule' }), tolerating({ key: 'foo', operator: 'Equal', value: 'bar' }),
  tolerating({ key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: -2 }),
  annotated(podSeccomp, 'runtime/default'), annotated(podSeccomp, 'unconfined'), annotated(podSeccomp, 'localhost/foo'), annotated(`${seccomp}foo`, 'localhost/foo'),
  context({ seccompProfile: { type: 'Localhost', localhostProfile: 'filename.json' } }), annotated(`${appArmor}ctr`, 'runtime/default'), annotated(`${appArmor}ctr`, 'localhost/foo'),
  profile({ type: 'Localhost', localhostProfile: 'example-org/application-foo' }), { ...annotated(`${appArmor}ctr`, 'localhost/foo'), ...profile({ type: 'Localhost', localhostProfile: 'foo' }) },
  context({ sysctls: [{ name: 'kernel.shmmni', value: '32768' }, { name: 'kernel.shmmax', value: '1000000000' }, { name: 'knet.ipv4.route.min_pmtu', value: '1000' }] }), resources({ 'example.com/a': '10' }, { 'example.com/a': '10' }),
  { 'spec.serviceAccountName': 'some-service-account', ...projected({ serviceAccountToken: { audience: 'foo-audience', expirationSeconds: 6000, path: 'foo-path' } }) },
  projected({ clusterTrustBundle: { path: 'foo-path', name: 'foo' } }), projected({ clusterTrustBundle: { path: 'foo-path', signerName: 'example.com/foo', labelSelector: { matchLabels: { version: 'live' } } } }),
  certificate({ credentialBundlePath: 'credbundle.pem', maxExpirationSeconds: 3600 }), certificate({ keyPath: 'key.pem', certificateChainPath: 'certificates.pem', userAnnotations: { 'test.domain/attribute': 'test-value' } }),
  { 'spec.volumes': [{ name: 'pvc', persistentVolumeClaim: { claimName: 'my-pvc' } }, { name: 'ephemeral', ephemeral: { volumeClaimTemplate: claim } }] }, annotated('controller.kubernetes.io/pod-deletion-cost', '-100'),
  { 'metadata.labels': { key2: 'value1', key3: 'value1' }, 'spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution': [{ labelSelector: selector, topologyKey: 'k8s.io/zone', matchLabelKeys: ['key2'], mismatchLabelKeys: ['key3'] }] },
  { 'spec.schedulingGates': [{ name: 'foo' }] },
]

for (const changes of taken) test(`a pod with ${JSON.stringify(changes).slice(0, 150)} is taken`, () => assert.deepEqual(creationCauses(pod, changes), []))

for (const [changes, text] of refused) {
  test(`a pod with ${JSON.stringify(changes).slice(0, 180)} is refused`, () => {
    const causes = creationCauses(pod, changes)
    assert.ok(causes.some((cause) => cause.includes(text)), `${text} is not among ${JSON.stringify(causes)}`)
  })
}

const fixed = 'spec: Forbidden: pod updates may not change fields'
const requests = (cpu: string, memory: string): Changes => ({ [`${c}.resources.requests`]: { cpu, memory } })
const limits = (cpu: string, memory: string): Changes => ({ [`${c}.resources.limits`]: { cpu, memory } })
const deadline = (seconds: number | undefined): Changes => ({ 'spec.activeDeadlineSeconds': seconds })
const other = { name: 'bar', image: 'bar:V1' }
const keyed = { key: 'key1', value: 'value1', operator: 'Equal', effect: 'NoExecute' }
const onNode = { 'spec.nodeName': 'node1' }

const mirror = 'kubernetes.io/config.mirror'
const gated = (...names: string[]): Changes => ({ 'spec.schedulingGates': names.map((name) => ({ name })) })
const selected = (value: object | undefined): Changes => ({ 'spec.nodeSelector': value })
const needs = (...terms: object[]): Changes => ({ 'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution': { nodeSelectorTerms: terms } })
const prefers = (...expressions: object[]): Changes => ({ 'spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution': [{ weight: 1, preference: { matchExpressions: expressions } }] })
const expression = (key: string, value: string): object => ({ key, operator: 'In', values: [value] })
const expr = expression('expr', 'foo')
const named = expression('metadata.name', 'foo')
const wanted = { matchExpressions: [expr] }
const both = { matchExpressions: [expr], matchFields: [named] }
const more = { matchExpressions: [expr, expression('expr2', 'foo2')], matchFields: [named] }
const terms = 'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms'
const init = { name: 'ictr', image: 'image:v1' }
const restarting = { ...init, resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' }] }

const updates: ReadonlyArray<readonly [before: Changes, changes: Changes, text: string]> = [
  [{}, { 'metadata.labels': { foo: 'bar' }, 'metadata.annotations': { foo: 'bar' } }, ''],
  [{ 'spec.containers[1]': other }, { 'spec.containers': pod.spec.containers }, 'may not add or remove containers'],
  [{}, { 'spec.containers[1]': other }, 'may not add or remove containers'],
  [{ 'spec.initContainers': [{ name: 'foo', image: 'foo:V1' }, other] }, { 'spec.initContainers': [{ name: 'foo', image: 'foo:V2' }] }, 'may not add or remove containers'],
  [{}, { [`${c}.image`]: 'foo:V1' }, ''],
  [{ 'spec.initContainers': [other] }, { 'spec.initContainers[0].image': 'foo:V1' }, ''],
  [{}, { [`${c}.image`]: '' }, `${c}.image`],
  [{ 'spec.initContainers': [other] }, { 'spec.initContainers[0].image': '' }, 'spec.initContainers[0].image'],
  [{}, { 'spec.ephemeralContainers': [{ name: 'ephemeral', image: 'busybox' }] }, fixed],
  [deadline(30), {}, ''], [{}, deadline(30), ''], [deadline(31), deadline(30), ''],
  [deadline(30), deadline(31), 'spec.activeDeadlineSeconds'], [{}, deadline(-30), 'spec.activeDeadlineSeconds'], [deadline(30), deadline(-30), 'spec.activeDeadlineSeconds'],
  [deadline(30), deadline(0), 'spec.activeDeadlineSeconds'], [{}, deadline(0), 'spec.activeDeadlineSeconds'], [deadline(30), deadline(undefined), 'spec.activeDeadlineSeconds'],
  [limits('100m', '1Gi'), limits('200m', '1Gi'), fixed], [limits('100m', '200Mi'), limits('100m', '100Mi'), fixed],
  [requests('200m', '0'), requests('100m', '0'), fixed], [requests('0', '100Mi'), requests('0', '200Mi'), fixed],
  [{ ...limits('100m', '100Mi'), ...requests('100m', '100Mi') }, limits('200m', '200Mi'), fixed], [requests('100m', '100Mi'), limits('200m', '200Mi'), fixed],
  [{}, { ...limits('200m', '200Mi'), ...requests('100m', '100Mi') }, fixed], [{ ...limits('200m', '200Mi'), ...requests('100m', '100Mi') }, { [`${c}.resources`]: {} }, fixed],
  [{}, { 'spec.securityContext': { fsGroupChangePolicy: 'OnRootMismatch' } }, fixed],
  [{ [`${c}.ports`]: [{ hostPort: 8000, containerPort: 80 }] }, { [`${c}.ports`]: [{ hostPort: 8080, containerPort: 80 }] }, fixed],
  [{ ...onNode, ...tolerating({ key: 'key1', value: 'value1' }) }, tolerating({ key: 'key1', value: 'value2' }), 'spec.tolerations: Forbidden'],
  [{ ...onNode, ...tolerating({ ...keyed, tolerationSeconds: 10 }) }, tolerating({ ...keyed, value: 'value2' }), 'spec.tolerations: Forbidden'],
  [{ ...onNode, ...tolerating({ ...keyed, tolerationSeconds: 20 }) }, tolerating({ ...keyed, tolerationSeconds: 10 }), ''],
  [tolerating({ key: 'key1', value: 'value1' }), tolerating({ key: 'key1', value: 'value2' }), 'spec.tolerations: Forbidden'],
  [{ ...onNode, ...tolerating({ key: 'key1', value: 'value1' }) }, {}, ''],
  [{ ...onNode, ...tolerating({ ...keyed, tolerationSeconds: 10 }) }, tolerating({ ...keyed, tolerationSeconds: 20 }, { ...keyed, key: 'key2', value: 'value2', tolerationSeconds: 30 }), ''],
  [{ ...onNode, ...tolerating({ ...keyed, tolerationSeconds: 10 }) }, tolerating({ ...keyed, tolerationSeconds: 20 }, { ...keyed, key: 'key2', value: 'value2', effect: 'NoSchedule', tolerationSeconds: 30 }), 'spec.tolerations[1].effect'],
  [{}, { 'spec.nodeName': 'foo' }, fixed],
  [onNode, annotated(mirror, ''), `metadata.annotations[${mirror}]`], [{ ...onNode, ...annotated(mirror, '') }, { 'metadata.annotations': undefined }, `metadata.annotations[${mirror}]`], [{ ...onNode, ...annotated(mirror, 'bar') }, annotated(mirror, 'foo'), `metadata.annotations[${mirror}]`],
  [{ 'spec.priorityClassName': 'foo-priority' }, { 'spec.priorityClassName': 'bar-priority' }, fixed], [{ 'spec.priorityClassName': 'foo-priority' }, { 'spec.priorityClassName': undefined }, fixed],
  [{ 'spec.terminationGracePeriodSeconds': -1 }, { 'spec.terminationGracePeriodSeconds': 1 }, ''], [{ 'spec.terminationGracePeriodSeconds': -1 }, { 'spec.terminationGracePeriodSeconds': 0 }, fixed],
  [{ 'spec.os': { name: 'linux' }, 'spec.securityContext': { seLinuxOptions: { role: 'dummy' } } }, { 'spec.os': { name: 'windows' } }, fixed],
  [{ 'spec.os': { name: 'linux' }, 'spec.securityContext': { seLinuxOptions: { role: 'dummy' } } }, { 'spec.os': { name: 'windows' } }, 'spec.securityContext.seLinuxOptions: Forbidden'],
  [{}, { 'spec.os': { name: 'dummy' } }, fixed],
  [{ 'spec.initContainers': [init] }, { 'spec.initContainers': [restarting] }, 'spec.initContainers[0].resizePolicy[0].restartPolicy: Invalid value: "RestartContainer": must not be set to \'RestartContainer\' for non-sidecar initContainers'],
  [{ 'spec.initContainers': [restarting] }, { 'spec.initContainers[0].image': 'image:v2' }, ''],
  [{}, gated('foo'), "Forbidden: only deletion is allowed, but found new scheduling gate 'foo'"], [gated('foo', 'bar'), gated('baz'), "Forbidden: only deletion is allowed, but found new scheduling gate 'baz'"], [gated('foo'), gated(), ''],
  [gated('baz'), selected({ foo: 'bar' }), ''], [selected({ foo: 'bar' }), selected({ foo: 'bar', foo2: 'bar2' }), fixed], [{ ...gated('baz'), ...selected({ foo: 'bar' }) }, selected(undefined), 'spec.nodeSelector: Invalid value:'],
  [{ ...gated('baz'), ...selected({ foo: 'bar' }) }, { ...gated(), ...selected({ foo: 'bar', foo2: 'bar2' }) }, ''], [{ ...gated('baz'), ...selected({ foo: 'bar' }) }, selected({ foo: 'new value' }), 'spec.nodeSelector: Invalid value:'],
  [{ ...gated('baz'), ...needs(wanted) }, needs(more), ''], [needs(wanted), needs(more), fixed], [{ ...gated('baz'), ...needs(wanted) }, { ...gated(), ...needs(more) }, ''],
  [{ ...gated('baz'), ...needs(wanted) }, { 'spec.affinity.nodeAffinity': {} }, `${terms}: Invalid value:`], [{ ...gated('baz'), ...needs(wanted) }, { 'spec.affinity': {} }, `${terms}: Invalid value:`],
  [{ ...gated('baz'), ...needs(wanted) }, needs({ matchFields: [named] }), `${terms}[0]: Invalid value:`], [{ ...gated('baz'), ...needs(both) }, needs(wanted), `${terms}[0]: Invalid value:`],
  [{ ...gated('baz'), ...needs(both) }, needs({ ...both, matchExpressions: [expression('expr', 'bar')] }), `${terms}[0]: Invalid value:`], [{ ...gated('baz'), ...needs(both) }, needs({ ...both, matchFields: [expression('metadata.name', 'bar')] }), `${terms}[0]: Invalid value:`],
  [{ ...gated('baz'), ...needs(both) }, needs(both, wanted), `${terms}: Invalid value:`], [{ ...gated('baz'), ...needs({}) }, needs(wanted), `${terms}[0]: Invalid value:`],
  [{ ...gated('baz'), ...prefers(expr) }, prefers(expression('expr', 'foo2')), ''], [{ ...gated('baz'), ...prefers(expr) }, prefers(expr, expression('expr2', 'foo2')), ''], [{ ...gated('baz'), ...prefers(expr) }, { 'spec.affinity': undefined }, ''],
  [gated('baz'), needs(wanted), ''], [gated('baz'), { ...needs(wanted), 'spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution': [{ topologyKey: 'foo', labelSelector: { matchLabels: { foo: 'bar' } } }] }, fixed],
]

for (const [before, changes, text] of updates) {
  test(`a pod with ${JSON.stringify(before).slice(0, 80)} that becomes one with ${JSON.stringify(changes).slice(0, 100)} is ${text === '' ? 'taken' : 'refused'}`, () => {
    const causes = updateCauses(pod, before, changes)
    if (text === '') assert.deepEqual(causes, [])
    else assert.ok(causes.some((cause) => cause.includes(text)), `${text} is not among ${JSON.stringify(causes)}`)
  })
}
