import { testRules } from './testing/causes.ts'

const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'i' }] } }
const selector = { matchLabels: { app: 'web' } }
const noMatch = '`selector` does not match template `labels`'
const needsContainers = 'spec.template.spec.containers: Required value'
const badKey = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
const negative = 'must be greater than or equal to 0'

testRules('a Deployment', { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'd' }, spec: { selector, template } }, [
  [{ spec: {} }, ['spec.selector: Required value', `spec.template.metadata.labels: Invalid value: null: ${noMatch}`, needsContainers]],
  [{ 'spec.selector': undefined }, ['spec.selector: Required value', `spec.template.metadata.labels: Invalid value: {"app":"web"}: ${noMatch}`]],
  [{ 'spec.selector': {} }, ['spec.selector: Invalid value: {}: empty selector is invalid for deployment']],
  // A selector that is none: its pods are not looked at.
  [{ 'spec.selector': { matchLabels: { 'a!': 'b' } }, 'spec.template.spec.containers': [] }, [
    `spec.selector.matchLabels: Invalid value: "a!": ${badKey}`, 'spec.selector: Invalid value: {"matchLabels":{"a!":"b"}}: invalid label selector',
  ]],
  [{ 'spec.selector': { matchExpressions: [{ key: 'app', operator: 'In' }], matchLabels: { b: '2', a: '1' } } }, [
    "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
    'spec.selector: Invalid value: {"matchLabels":{"a":"1","b":"2"},"matchExpressions":[{"key":"app","operator":"In"}]}: invalid label selector',
  ]],
  [{ 'spec.template.metadata.labels': { z: '1', a: '2' } }, [`spec.template.metadata.labels: Invalid value: {"a":"2","z":"1"}: ${noMatch}`]],
  [{ 'spec.template.spec.restartPolicy': 'Never', 'spec.template.spec.activeDeadlineSeconds': 1 }, [
    'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"', 'spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported',
  ]],
  [{ 'spec.template.metadata.annotations': { 'seccomp.security.alpha.kubernetes.io/pod': 'unconfined' }, 'spec.template.spec.securityContext.seccompProfile': { type: 'RuntimeDefault' } }, [
    'spec.template.spec.securityContext.seccompProfile.type: Forbidden: seccomp type in annotation and field must match',
  ]],
  [{ 'spec.strategy': { type: 'Both' } }, ['spec.strategy: Unsupported value: {"Type":"Both","RollingUpdate":null}: supported values: "Recreate", "RollingUpdate"']],
  [{ 'spec.strategy': { type: 'Recreate', rollingUpdate: { maxSurge: 1 } } }, ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"]],
  [{ 'spec.strategy.rollingUpdate': { maxUnavailable: '0%', maxSurge: 0 } }, ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0']],
  [{ 'spec.strategy.rollingUpdate': { maxUnavailable: '101%', maxSurge: 'x' } }, [
    "spec.strategy.rollingUpdate.maxSurge: Invalid value: \"x\": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
    'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%',
  ]],
  [{ 'spec.replicas': -1, 'spec.minReadySeconds': -1, 'spec.revisionHistoryLimit': -1, 'spec.progressDeadlineSeconds': -1 }, [
    `spec.replicas: Invalid value: -1: ${negative}`, `spec.minReadySeconds: Invalid value: -1: ${negative}`, `spec.revisionHistoryLimit: Invalid value: -1: ${negative}`,
    `spec.progressDeadlineSeconds: Invalid value: -1: ${negative}`, 'spec.progressDeadlineSeconds: Invalid value: -1: must be greater than minReadySeconds',
  ]],
], [
  [{}, { 'spec.selector': { matchLabels: { app: 'db' } } }, [
    `spec.template.metadata.labels: Invalid value: {"app":"web"}: ${noMatch}`, 'spec.selector: Invalid value: {"matchLabels":{"app":"db"}}: field is immutable',
  ]],
  [{}, { 'status.replicas': 1, 'status.readyReplicas': 2, 'status.availableReplicas': 3, 'status.terminatingReplicas': -1 }, [
    `status.terminatingReplicas: Invalid value: -1: ${negative}`, 'status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas', 'status.availableReplicas: Invalid value: 3: cannot be greater than status.replicas',
    'status.availableReplicas: Invalid value: 3: cannot be greater than readyReplicas',
  ], 'status'],
  [{ 'status.collisionCount': 2 }, { 'status.collisionCount': undefined }, ['status.collisionCount: Invalid value: 0: cannot be decremented'], 'status'],
])

testRules('a DaemonSet', { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: { name: 'd' }, spec: { selector, template } }, [
  [{ spec: {} }, [`spec.template.metadata.labels: Invalid value: null: ${noMatch}`, needsContainers]],
  [{ 'spec.selector': {} }, ['spec.selector: Invalid value: {}: empty selector is invalid for daemonset']],
  [{ 'spec.updateStrategy': { type: 'X' } }, ['spec.updateStrategy: Unsupported value: {"Type":"X","RollingUpdate":null}: supported values: "RollingUpdate", "OnDelete"']],
  [{ 'spec.updateStrategy.rollingUpdate': { maxUnavailable: 1, maxSurge: '10%' } }, ['spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: "10%": may not be set when maxUnavailable is non-zero']],
  [{ 'spec.updateStrategy.rollingUpdate': { maxUnavailable: 0, maxSurge: 0 } }, ['spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0']],
], [
  [{}, { 'spec.selector': { matchLabels: { app: 'db' } } }, [
    'spec.selector: Invalid value: {"matchLabels":{"app":"db"}}: field is immutable', `spec.template.metadata.labels: Invalid value: {"app":"web"}: ${noMatch}`,
  ]],
])

const claim = { metadata: { name: 'data' }, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } }
const mounts = 'spec.template.spec.containers[0].volumeMounts'

testRules('a StatefulSet', { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name: 's' }, spec: { selector, template, serviceName: 's', volumeClaimTemplates: [claim] } }, [
  [{ [mounts]: [{ name: 'data', mountPath: '/data' }] }, []],
  [{ [mounts]: [{ name: 'other', mountPath: '/data' }] }, [`${mounts}[0].name: Not found: "other"`]],
  // Names the controller gives are not looked at.
  [{ 'spec.template.spec.hostname': 'A', 'spec.template.spec.subdomain': 'B' }, []],
  [{ 'metadata.name': 'a.b' }, ['metadata.name: Invalid value: "a.b": must not contain dots']],
  [{ 'spec.serviceName': 'A' }, [
    "spec.serviceName: Invalid value: \"A\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
  ]],
  [{ 'spec.volumeClaimTemplates[0].spec': { accessModes: [] } }, [
    'spec.volumeClaimTemplates[0].spec.accessModes: Required value: at least 1 access mode is required', 'spec.volumeClaimTemplates[0].spec.resources[storage]: Required value',
  ]],
  [{ 'spec.selector': { matchLabels: { 'a!': 'b' } } }, [`spec.selector.matchLabels: Invalid value: "a!": ${badKey}`, 'spec.selector: Invalid value: {"matchLabels":{"a!":"b"}}']],
  [{ 'spec.updateStrategy': { type: 'OnDelete', rollingUpdate: { partition: 1 } } }, [
    'spec.updateStrategy.rollingUpdate: Invalid value: {"Partition":1,"MaxUnavailable":null}: only allowed for updateStrategy \'RollingUpdate\'',
  ]],
  [{ 'spec.podManagementPolicy': 'X', 'spec.persistentVolumeClaimRetentionPolicy': { whenScaled: 'X' } }, [
    "spec.podManagementPolicy: Invalid value: \"X\": must be 'OrderedReady' or 'Parallel'", 'spec.persistentVolumeClaimRetentionPolicy.whenScaled: Unsupported value: "X": supported values: "Retain", "Delete"',
  ]],
], [
  [{}, { 'spec.serviceName': 'A' }, [
    "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
  ]],
  [{}, { 'status.replicas': 1, 'status.availableReplicas': 1 }, ['status.availableReplicas: Invalid value: 1: cannot be greater than status.readyReplicas'], 'status'],
])

testRules('a ReplicationController', { apiVersion: 'v1', kind: 'ReplicationController', metadata: { name: 'r' }, spec: { selector: { app: 'web' }, template } }, [
  [{ spec: {} }, ['spec.selector: Required value', 'spec.template: Required value']],
  [{ 'spec.selector': { app: 'db' } }, [`spec.template.metadata.labels: Invalid value: {"app":"web"}: ${noMatch}`]],
  [{ 'spec.template.spec.restartPolicy': 'OnFailure' }, ['spec.template.spec.restartPolicy: Unsupported value: "OnFailure": supported values: "Always"']],
])

testRules('a ControllerRevision', { apiVersion: 'apps/v1', kind: 'ControllerRevision', metadata: { name: 'r' }, data: { spec: {} }, revision: 1 }, [
  [{ data: undefined, revision: -1 }, [`revision: Invalid value: -1: ${negative}`, 'data: Required value: data is mandatory']],
  [{ data: 'text' }, ['data: Required value: data must be a valid JSON object']],
], [
  [{}, { revision: 2 }, []],
  [{}, { data: { spec: { a: 1 } } }, ['data: Invalid value: {"spec":{"a":1}}: field is immutable']],
])
