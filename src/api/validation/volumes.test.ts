import { testRules } from './testing/causes.ts'

const label = (name: string): string =>
  `Invalid value: "${name}": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`

const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec: { serviceAccountName: 'default', containers: [{ name: 'c', image: 'i' }], volumes: [{ name: 'v', emptyDir: {} }] } }
const at = 'spec.volumes[0]'

/** A source of the pod's only volume, and what is wrong with it. */
const source = (kind: string, value: object, ...causes: string[]): [Record<string, unknown>, string[]] => [{ [at]: { name: 'v', [kind]: value } }, causes.map((cause) => `${at}.${cause}`)]

testRules('a Pod with a volume', pod, [
  [{ [at]: { name: 'v', emptyDir: {}, nfs: { server: 's', path: '/' } } }, [`${at}.nfs: Forbidden: may not specify more than 1 volume type`]],
  source('hostPath', { path: '/a/../b' }, 'hostPath.path: Invalid value: "/a/../b": must not contain \'..\''),
  source('gitRepo', { repository: '', directory: '/x' }, 'gitRepo.repository: Required value', 'gitRepo.directory: Invalid value: "/x": must be a relative path'),
  source('gcePersistentDisk', { pdName: '', partition: 300 }, 'persistentDisk.pdName: Required value', 'persistentDisk.partition: Invalid value: 300: must be between 1 and 255, inclusive'),
  source('awsElasticBlockStore', { volumeID: 'v', partition: -1 }, 'awsElasticBlockStore.partition: Invalid value: -1: must be between 1 and 255, inclusive'),
  source('nfs', { server: '', path: 'a' }, 'nfs.server: Required value', 'nfs.path: Invalid value: "a": must be an absolute path'),
  source('iscsi', { targetPortal: 't', iqn: 'x', lun: 256, chapAuthSession: true },
    'iscsi.iqn: Invalid value: "x": must be valid format starting with iqn, eui, or naa', 'iscsi.lun: Invalid value: 256: must be between 0 and 255, inclusive', 'iscsi.secretRef: Required value'),
  source('iscsi', { targetPortal: 't', iqn: 'iqn.2015-02.example.com:test', lun: 0 }),
  source('fc', { targetWWNs: ['a'] }, 'fc.lun: Required value: lun is required if targetWWNs is specified'),
  source('fc', {}, 'fc.targetWWNs: Required value: must specify either targetWWNs or wwids, but not both'),
  source('quobyte', { registry: 'a', volume: 'v' }, 'quobyte.registry: Invalid value: "a": must be a host:port pair or multiple pairs separated by commas'),
  source('glusterfs', { endpoints: '', path: 'p' }, 'glusterfs.endpoints: Required value'),
  source('flocker', {}, 'flocker: Required value: one of datasetName and datasetUUID is required'),
  source('rbd', { monitors: [], image: '' }, 'rbd.monitors: Required value', 'rbd.image: Required value'),
  source('cinder', { volumeID: 'v', secretRef: {} }, 'cinder.secretRef.name: Required value'),
  source('flexVolume', { driver: 'd', options: { 'a.k8s.io/x': '' } }, 'flexVolume.options[a.k8s.io/x]: Invalid value: "a.k8s.io/x": kubernetes.io and k8s.io namespaces are reserved'),
  source('azureDisk', { diskName: 'd', diskURI: 'x', kind: 'Managed' },
    'azureDisk.diskURI: Unsupported value: "x": supported values: "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"'),
  source('scaleIO', { gateway: 'g', system: 's' }, 'scaleIO.volumeName: Required value'),
  source('storageos', { volumeName: 'A' }, `storageos.volumeName: ${label('A')}`),
  source('csi', { driver: '' }, 'csi.driver: Required value'),
  source('secret', { secretName: 's', defaultMode: 1000, items: [{ key: '', path: '../x' }] },
    'secret.defaultMode: Invalid value: 1000: must be a number between 0 and 0777 (octal), both inclusive', 'secret.items[0].key: Required value', 'secret.items[0].path: Invalid value: "../x": must not contain \'..\''),
  source('ephemeral', { volumeClaimTemplate: { metadata: { name: 'x' }, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1' } } } } }, 'ephemeral.volumeClaimTemplate.metadata.name: Forbidden: cannot be set'),
  source('projected', { sources: [{ secret: { name: 's' }, configMap: { name: 'c' } }] }, 'projected.sources[0]: Forbidden: may not specify more than 1 volume type per source'),
  source('projected', { sources: [{ configMap: { name: 'c', items: [{ key: 'k', path: 'p' }] } }, { configMap: { name: 'd', items: [{ key: 'k', path: 'p' }] } }] }, 'projected: Invalid value: "d": conflicting duplicate paths'),
  source('projected', { sources: [{ serviceAccountToken: { path: '', expirationSeconds: 1 } }] }, 'projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 1: may not specify a duration less than 10 minutes', 'projected.path: Required value'),
  source('projected', { sources: [{ clusterTrustBundle: { path: 'p' } }] }, 'projected.sources[0].clusterTrustBundle: Required value: either name or signerName must be specified'),
])

const onZone = (key: string): object => ({ required: { nodeSelectorTerms: [{ matchExpressions: [{ key, operator: 'In', values: ['a'] }] }] } })
const volume = { apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name: 'v' }, spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], nfs: { server: 's', path: '/' } } }
testRules('a PersistentVolume', volume, [
  [{ 'spec.accessModes': [] }, ['spec.accessModes: Required value']],
  [{ 'spec.accessModes': ['ReadWriteOncePod', 'ReadOnlyMany'] }, ['spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes']],
  [{ 'metadata.annotations': { 'volume.beta.kubernetes.io/mount-options': 'ro' }, 'spec.nfs': undefined, 'spec.hostPath': { path: '/x' } }, ['metadata.annotations.volume.beta.kubernetes.io/mount-options: Forbidden: may not specify mount options for this volume type']],
  [{ 'spec.capacity': {} }, ['spec.capacity: Required value', 'spec.capacity: Unsupported value: null: supported values: "storage"']],
  [{ 'spec.capacity.storage': '0' }, ['spec.capacity[storage]: Invalid value: "0": must be greater than zero']],
  [{ 'spec.nfs': undefined }, ['spec: Required value: must specify a volume type']],
  [{ 'spec.nfs': undefined, 'spec.local': { path: '/d' } }, ['spec.nodeAffinity: Required value: Local volume requires node affinity']],
  [{ 'spec.nfs': undefined, 'spec.hostPath': { path: '/.' }, 'spec.persistentVolumeReclaimPolicy': 'Recycle' }, ["spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'"]],
  [{ 'spec.nfs': undefined, 'spec.csi': { driver: 'd', volumeHandle: '', nodePublishSecretRef: { name: 's' } } }, ['spec.csi.volumeHandle: Required value', 'spec.csi.nodePublishSecretRef.namespace: Required value']],
  [{ 'spec.volumeAttributesClassName': 'gold' }, ['spec.csi: Required value: has to be specified when using volumeAttributesClassName']],
  [{ 'spec.volumeMode': 'X' }, ['spec.volumeMode: Unsupported value: "X": supported values: "Block", "Filesystem"']],
], [
  [{}, { 'spec.capacity.storage': '2Gi' }, []],
  [{}, { 'spec.volumeMode': 'Block' }, ['volumeMode: Invalid value: "Block": field is immutable']],
  [{ 'spec.nodeAffinity': onZone('failure-domain.beta.kubernetes.io/zone') }, { 'spec.nodeAffinity': onZone('topology.kubernetes.io/zone') }, []],
  [{ 'spec.nodeAffinity': onZone('topology.kubernetes.io/zone') }, { 'spec.nodeAffinity': onZone('other') }, [
    'nodeAffinity: Invalid value: {"Required":{"NodeSelectorTerms":[{"MatchExpressions":[{"Key":"other","Operator":"In","Values":["a"]}],"MatchFields":null}]}}: field is immutable, except for updating from beta label to GA',
  ]],
])
