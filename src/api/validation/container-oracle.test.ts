import assert from 'node:assert/strict'
import { test } from 'node:test'
import { creationCauses, updateCauses } from './testing/causes.ts'

/**
 * Cases of upstream's `TestValidateContainers`, `TestValidateEphemeralContainers`, `TestValidateEnv` and `TestValidateEnvFrom`
 * (`pkg/apis/core/validation/validation_test.go`): every cause, in order, by its field and kind.
 */

const image = { name: 'abc', image: 'image' }
const pod = {
  apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' },
  spec: { containers: [{ name: 'ctr', image: 'image' }], volumes: [{ name: 'vol', emptyDir: {} }, { name: 'blk', persistentVolumeClaim: { claimName: 'pvc' } }] },
}

/** `spec.containers[0].name: Required value: …` as `name Required`, under `path`. */
const kindsOf = (causes: readonly string[], path: string): string[] => causes.map((cause) => {
  const [, field = '', kind = ''] = /^(\S+): (Required|Invalid|Unsupported|Duplicate|Forbidden|Not found|Too many)/.exec(cause) ?? []
  return `${field.replace(path, '')} ${kind}`
})

const negative = { tcpSocket: { port: 80 }, initialDelaySeconds: -1, timeoutSeconds: -1, periodSeconds: -1, successThreshold: -1, failureThreshold: -1, terminationGracePeriodSeconds: -1 }
const negatives = ['initialDelaySeconds', 'timeoutSeconds', 'periodSeconds', 'successThreshold', 'failureThreshold', 'terminationGracePeriodSeconds']
const hook = (preStop: object): object => ({ lifecycle: { preStop } })
const resources = (limits: object, requests?: object): object => ({ resources: { limits, ...(requests === undefined ? {} : { requests }) } })

const rows: ReadonlyArray<readonly [changes: object, expected: readonly string[]]> = [
  [{ name: '' }, ['name Required']], [{ image: '' }, ['image Required']], [{ name: 'a'.repeat(64) }, ['name Invalid']], [{ name: 'a.b.c' }, ['name Invalid']],
  [{ volumeMounts: [{ name: 'anything', mountPath: '/foo' }] }, ['volumeMounts[0].name Not found']],
  [hook({ exec: {} }), ['lifecycle.preStop.exec.command Required']], [hook({ httpGet: { path: '/', scheme: 'HTTP' } }), ['lifecycle.preStop.httpGet.port Invalid']],
  [hook({ tcpSocket: {} }), ['lifecycle.preStop.tcpSocket.port Invalid']], [hook({ tcpSocket: { port: 0 } }), ['lifecycle.preStop.tcpSocket.port Invalid']], [hook({}), ['lifecycle.preStop Required']],
  [{ readinessProbe: { tcpSocket: { port: 80 }, terminationGracePeriodSeconds: 10 } }, ['readinessProbe.terminationGracePeriodSeconds Invalid']], [{ livenessProbe: { tcpSocket: {} } }, ['livenessProbe.tcpSocket.port Invalid']],
  [{ livenessProbe: {} }, ['livenessProbe Required']], [{ livenessProbe: { tcpSocket: { port: 80 }, successThreshold: 2 } }, ['livenessProbe.successThreshold Invalid']], [{ startupProbe: { tcpSocket: { port: 80 }, successThreshold: 2 } }, ['startupProbe.successThreshold Invalid']],
  [{ livenessProbe: negative }, [...negatives, 'successThreshold'].map((field) => `livenessProbe.${field} Invalid`)], [{ startupProbe: negative }, [...negatives, 'successThreshold'].map((field) => `startupProbe.${field} Invalid`)],
  [{ readinessProbe: negative }, [...negatives, 'terminationGracePeriodSeconds'].map((field) => `readinessProbe.${field} Invalid`)],
  [{ terminationMessagePolicy: 'Unknown' }, ['terminationMessagePolicy Unsupported']],
  // Here requests come of limits.
  ...['disk', 'attachable-volumes-aws-ebs'].map((name): [object, string[]] => [resources({ [name]: '10' }), ['limits', 'limits', 'requests', 'requests'].map((kind) => `resources.${kind}[${name}] Invalid`)]),
  [{ resources: { requests: { cpu: '-10', memory: '0' } } }, ['resources.requests[cpu] Invalid']],
  [resources({ cpu: '5', memory: '3' }, { cpu: '6', memory: '3' }), ['resources.requests Invalid']], [resources({ cpu: '5', memory: '3' }, { cpu: '5', memory: '4' }), ['resources.requests Invalid']],
  [{ resizePolicy: [{ resourceName: 'memory', restartPolicy: 'RestartContainerrrr' }] }, ['resizePolicy Unsupported']], [{ resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'RestartNotRequired' }] }, ['resizePolicy Unsupported']],
  // The environment.
  [{ env: [{ name: '' }] }, ['env[0].name Required']],
  [{ env: [{ name: 'a', value: 'b', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } } }] }, ['env[0].valueFrom Invalid']],
  ...["metadata.whoops", "metadata.name['key']"].map((fieldPath): [object, string[]] => [{ env: [{ name: 'a', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath } } }] }, ['env[0].valueFrom.fieldRef.fieldPath Invalid']]),
  ...['metadata.labels', 'metadata.annotations', 'status.phase'].map((fieldPath): [object, string[]] => [{ env: [{ name: 'a', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath } } }] }, ['env[0].valueFrom.fieldRef.fieldPath Unsupported']]),
  ...["metadata.annotations['invalid~key']", "metadata.labels['Www.k8s.io/test']"].map((fieldPath): [object, string[]] => [{ env: [{ name: 'a', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath } } }] }, ['env[0].valueFrom.fieldRef Invalid']]),
  [{ envFrom: [{ configMapRef: { name: '' } }] }, ['envFrom[0].configMapRef.name Required']], [{ envFrom: [{ configMapRef: { name: '$' } }] }, ['envFrom[0].configMapRef.name Invalid']], [{ envFrom: [{ secretRef: { name: '&' } }] }, ['envFrom[0].secretRef.name Invalid']],
  [{ envFrom: [{}] }, ['envFrom Invalid']], [{ envFrom: [{ secretRef: { name: 'abc' }, configMapRef: { name: 'abc' } }] }, ['envFrom Invalid']],
  ...([
    [{ key: '' }, ['key Required']], [{ key: 'bad=key' }, ['key Invalid']], [{ volumeName: '' }, ['volumeName Required', 'volumeName Not found']], [{ path: '' }, ['path Required']], [{ path: '../etc/passwd' }, ['path Invalid']], [{ key: '', optional: true }, ['key Required']],
  ] as const).map(([changes, expected]): [object, string[]] => [
    { env: [{ name: 'foo', valueFrom: { fileKeyRef: { volumeName: 'vol', path: 'path/to/file.env', key: 'MY_VAR', ...changes } } }] }, expected.map((line) => `env[0].valueFrom.fileKeyRef.${line}`),
  ]),
]

for (const [changes, expected] of rows) {
  test(`a container with ${JSON.stringify(changes).slice(0, 150)} is refused`, () => {
    assert.deepEqual(kindsOf(creationCauses(pod, { 'spec.containers': [{ ...image, ...changes }] }), 'spec.containers[0].'), expected)
  })
}

test('containers whose names or host ports are taken are refused', () => {
  const at = (ports: number, name: string): object => ({ ...image, name, ports: [{ containerPort: ports, hostPort: 80, protocol: 'TCP' }] })
  assert.deepEqual(kindsOf(creationCauses(pod, { 'spec.containers': [image, image] }), 'spec.'), ['containers[1].name Duplicate'])
  assert.deepEqual(kindsOf(creationCauses(pod, { 'spec.containers': [at(80, 'abc'), at(81, 'def')] }), 'spec.'), ['containers[1].ports[0].hostPort Duplicate'])
  assert.deepEqual(creationCauses(pod, { 'spec.containers[0].ports': [{ containerPort: 80, hostPort: 80, protocol: 'TCP' }, { containerPort: 80, hostPort: 80, protocol: 'UDP' }] }), [])
})

const probed = { tcpSocket: { port: 80 }, successThreshold: 1 }
const sidecar = { restartPolicy: 'Always' }
const port = { containerPort: 8080, hostPort: 8080, protocol: 'TCP' }

const initRows: ReadonlyArray<readonly [containers: readonly object[], expected: readonly string[]]> = [
  [[{ name: '' }], ['[0].name Required']], [[{ name: 'ctr' }], ['[0].name Duplicate']], [[{ terminationMessagePolicy: 'Unknown' }], ['[0].terminationMessagePolicy Unsupported']], [[{}, {}], ['[1].name Duplicate']],
  [[{ ports: [port, port] }], ['[0].ports[1].hostPort Duplicate']], [[{ lifecycle: { preStop: { exec: { command: ['ls', '-l'] } } } }], ['[0].lifecycle Forbidden']],
  ...['livenessProbe', 'readinessProbe', 'startupProbe'].map((field): [object[], string[]] => [[{ [field]: probed }], [`[0].${field} Forbidden`]]), [[{ startupProbe: negative }], ['[0].startupProbe Forbidden']],
  ...['OnFailure', 'Never', 'invalid', ''].map((restartPolicy): [object[], string[]] => [[{ restartPolicy }], restartPolicy === 'Never' || restartPolicy === 'OnFailure' ? [] : ['[0].restartPolicy Unsupported']]),
  [[{ ...sidecar, startupProbe: { ...probed, successThreshold: 2 } }], ['[0].startupProbe.successThreshold Invalid']], [[{ ...sidecar, livenessProbe: { ...probed, successThreshold: 2 } }], ['[0].livenessProbe.successThreshold Invalid']],
  [[{ ...sidecar, readinessProbe: { ...probed, terminationGracePeriodSeconds: 10 } }], ['[0].readinessProbe.terminationGracePeriodSeconds Invalid']],
  [[{ ...sidecar, ...hook({ exec: {} }) }], ['[0].lifecycle.preStop.exec.command Required']], [[{ ...sidecar, ...hook({ httpGet: { path: '/', scheme: 'HTTP' } }) }], ['[0].lifecycle.preStop.httpGet.port Invalid']],
  [[{ ...sidecar, ...hook({ tcpSocket: { port: 0 } }) }], ['[0].lifecycle.preStop.tcpSocket.port Invalid']], [[{ ...sidecar, ...hook({}) }], ['[0].lifecycle.preStop Required']],
  [[{ resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' }] }], ['[0].resizePolicy[0].restartPolicy Invalid']], [[{ ...sidecar, resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' }] }], []],
]

for (const [containers, expected] of initRows) {
  test(`init containers ${JSON.stringify(containers).slice(0, 150)} are ${expected.length === 0 ? 'taken' : 'refused'}`, () => {
    assert.deepEqual(kindsOf(creationCauses(pod, { 'spec.initContainers': containers.map((container) => ({ ...image, ...container })) }), 'spec.initContainers'), expected)
  })
}

const gpu = { 'example.com/gpu': '1' }
const mapping = { containerName: 'ctr', resourceName: 'example.com/gpu', requestName: 'container-0-request-0' }
const extended = (...requestMappings: object[]): object => ({ 'status.extendedResourceClaimStatus': { resourceClaimName: 'xyz', requestMappings } })
const claimed = (...statuses: object[]): object => ({ 'status.resourceClaimStatuses': statuses })

const statusRows: ReadonlyArray<readonly [changes: object, text: string]> = [
  [claimed({ name: 'no-such-claim', resourceClaimName: 'my-claim' }), 'status.resourceClaimStatuses[0].name: Invalid value: "no-such-claim": must match the name of an entry in `spec.resourceClaims`'],
  [claimed({ name: 'my-claim', resourceClaimName: '%$!#' }), 'status.resourceClaimStatuses[0].resourceClaimName: Invalid value: "%$!#": a lowercase RFC 1123 subdomain must consist of'],
  [claimed({ name: 'my-claim', resourceClaimName: 'a' }, { name: 'my-other-claim' }, { name: 'my-other-claim' }), 'status.resourceClaimStatuses[2].name: Duplicate value: "my-other-claim"'],
  [claimed({ name: 'my-claim', resourceClaimName: 'a' }, { name: 'my-other-claim' }), ''],
  [extended(mapping), ''], [extended(), 'at least one request mapping is required'], [extended(mapping, mapping), 'Duplicate value: "ctr"'], [extended(mapping, { ...mapping, requestName: 'container-1-request-0' }), ''],
  [extended({ ...mapping, containerName: 'abc' }), 'Invalid value: "abc": must match the name of an entry in spec.initContainers.name or spec.containers.name'],
]

for (const [changes, text] of statusRows) {
  test(`a pod's status with ${JSON.stringify(changes).slice(0, 150)} is ${text === '' ? 'taken' : 'refused'}`, () => {
    const spec = { 'spec.containers[0].resources': { requests: gpu, limits: gpu }, 'spec.resourceClaims': [{ name: 'my-claim', resourceClaimName: 'a' }, { name: 'my-other-claim', resourceClaimName: 'b' }] }
    const causes = updateCauses(pod, spec, changes as Record<string, unknown>, 'status')
    if (text === '') assert.deepEqual(causes, [])
    else assert.ok(causes.some((cause) => cause.includes(text)), JSON.stringify(causes))
  })
}

const debug = { name: 'debug', image: 'image', imagePullPolicy: 'IfNotPresent', terminationMessagePolicy: 'File' }
const probe = { tcpSocket: { port: 80 }, successThreshold: 1 }

const ephemeralRows: ReadonlyArray<readonly [containers: readonly object[], expected: readonly string[]]> = [
  [[debug], []], [[debug, { ...debug, name: 'debug2' }], []], [[{ ...debug, targetContainerName: 'ctr' }], []],
  [[{
    ...debug, command: ['bash'], args: ['bash'], workingDir: '/', envFrom: [{ configMapRef: { name: 'dummy', optional: true } }], env: [{ name: 'TEST', value: 'TRUE' }], volumeMounts: [{ name: 'vol', mountPath: '/vol' }],
    volumeDevices: [{ name: 'blk', devicePath: '/dev/block' }], terminationMessagePath: '/dev/termination-log', securityContext: { capabilities: { add: ['SYS_ADMIN'] } }, stdin: true, stdinOnce: true, tty: true,
  }], []],
  [[{ ...debug, name: 'ctr' }], ['[0].name Duplicate']], [[{ ...debug, name: 'ictr' }], ['[0].name Duplicate']], [[debug, debug], ['[1].name Duplicate']],
  [[{ ...debug, name: '' }], ['[0].name Required']], [[{ ...debug, image: ' image' }], ['[0].image Invalid']], [[{ ...debug, imagePullPolicy: 'PullThreeTimes' }], ['[0].imagePullPolicy Unsupported']],
  [[{ ...debug, targetContainerName: 'bogus' }], ['[0].targetContainerName Not found']], [[debug, { ...debug, name: 'debugception', targetContainerName: 'debug' }], ['[1].targetContainerName Not found']],
  ...Object.entries({
    lifecycle: { preStop: { exec: { command: ['ls', '-l'] } } }, livenessProbe: probe, ports: [{ protocol: 'TCP', containerPort: 80 }], readinessProbe: probe, startupProbe: probe, resources: { limits: { cpu: '10' } },
    resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'NotRequired' }], restartPolicy: 'Always',
  }).map(([field, value]): [object[], string[]] => [[{ ...debug, [field]: value }], [`[0].${field} Forbidden`]]),
  [[{ ...debug, lifecycle: { preStop: { exec: { command: [] } } } }], ['[0].lifecycle Forbidden']], [[{ ...debug, restartPolicy: 'OnFailure' }], ['[0].restartPolicy Forbidden']], [[{ ...debug, restartPolicy: '' }], ['[0].restartPolicy Forbidden']],
  [[{ ...debug, volumeMounts: [{ name: 'vol', mountPath: '/vol' }, { name: 'vol', mountPath: '/volsub', subPath: 'foo' }] }], ['[0].volumeMounts[1].subPath Forbidden']],
  [[{ ...debug, volumeMounts: [{ name: 'vol', mountPath: '/vol' }, { name: 'vol', mountPath: '/volsub', subPathExpr: '$(POD_NAME)' }] }], ['[0].volumeMounts[1].subPathExpr Forbidden']],
]

for (const [containers, expected] of ephemeralRows) {
  test(`ephemeral containers ${JSON.stringify(containers).slice(0, 150)} are ${expected.length === 0 ? 'taken' : 'refused'}`, () => {
    const causes = updateCauses(pod, { 'spec.initContainers': [{ ...image, name: 'ictr' }] }, { 'spec.ephemeralContainers': containers }, 'ephemeralcontainers')
    assert.deepEqual(kindsOf(causes, 'spec.ephemeralContainers'), expected)
  })
}
