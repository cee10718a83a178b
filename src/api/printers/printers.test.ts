import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { builtinResources } from '../builtin.ts'

const table = builtinResources()
const now = Date.parse('2024-01-10T00:00:00Z')
const metadata = { name: 'x', namespace: 'default', creationTimestamp: '2024-01-09T23:55:00Z' }

/** Cells of a row by column name. */
function row(group: string, version: string, kind: string, object: Record<string, unknown>): Record<string, unknown> {
  const resource = table.findKind(group, version, kind)
  assert.ok(resource)
  const cells = resource.printRow({ metadata, ...object }, now)
  return Object.fromEntries(resource.columns.map(({ name }, index) => [name, cells[index]]))
}

const running = { running: { startedAt: '2024-01-09T23:56:00Z' } }
const containers = [{ name: 'a', image: 'ia' }, { name: 'b', image: 'ib' }]
const container = (name: string, more: object): object => ({ name, ready: false, restartCount: 0, image: '', imageID: '', ...more })

describe('pods', () => {
  const cases: Array<[what: string, pod: { metadata?: object; spec?: object; status?: object }, ready: string, status: string, restarts: string]> = [
    ['just made', { status: { phase: 'Pending' } }, '0/2', 'Pending', '0'],
    ['being created', { status: { phase: 'Pending', containerStatuses: [container('a', { state: { waiting: { reason: 'ContainerCreating' } } })] } }, '0/2', 'ContainerCreating', '0'],
    ['running', { status: { phase: 'Running', containerStatuses: [container('a', { ready: true, state: running }), container('b', { ready: true, state: running })] } }, '2/2', 'Running', '0'],
    ['restarted', {
      status: {
        phase: 'Running', containerStatuses: [
          container('a', { ready: true, state: running, restartCount: 3, lastState: { terminated: { exitCode: 1, finishedAt: '2024-01-09T23:54:00Z' } } }),
          container('b', { ready: true, state: running, restartCount: 1, lastState: { terminated: { exitCode: 1, finishedAt: '2024-01-09T23:50:00Z' } } }),
        ],
      },
    }, '2/2', 'Running', '4 (6m ago)'],
    ['crashing', { status: { phase: 'Running', containerStatuses: [container('a', { state: { waiting: { reason: 'CrashLoopBackOff' } }, restartCount: 5 }), container('b', { ready: true, state: running })] } }, '1/2', 'CrashLoopBackOff', '5'],
    ['completed', { status: { phase: 'Succeeded', containerStatuses: [container('a', { state: { terminated: { exitCode: 0, reason: 'Completed' } } })] } }, '0/2', 'Completed', '0'],
    ['killed by a signal', { status: { phase: 'Failed', containerStatuses: [container('a', { state: { terminated: { exitCode: 137, signal: 9 } } })] } }, '0/2', 'Signal:9', '0'],
    ['failed without a reason', { status: { phase: 'Failed', containerStatuses: [container('a', { state: { terminated: { exitCode: 2 } } })] } }, '0/2', 'ExitCode:2', '0'],
    ['one done, one running, ready', {
      status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }], containerStatuses: [container('a', { state: { terminated: { exitCode: 0, reason: 'Completed' } } }), container('b', { ready: true, state: running })] },
    }, '1/2', 'Running', '0'],
    ['one done, one running, not ready', {
      status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'False' }], containerStatuses: [container('a', { state: { terminated: { exitCode: 0, reason: 'Completed' } } }), container('b', { ready: true, state: running })] },
    }, '1/2', 'NotReady', '0'],
    ['one done, one failed, none ready', {
      status: { phase: 'Failed', containerStatuses: [container('a', { state: { terminated: { exitCode: 0, reason: 'Completed' } } }), container('b', { state: { terminated: { exitCode: 1, reason: 'Error' } } })] },
    }, '0/2', 'Error', '0'],
    ['evicted', { status: { phase: 'Failed', reason: 'Evicted' } }, '0/2', 'Evicted', '0'],
    ['gated', { status: { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }] } }, '0/2', 'SchedulingGated', '0'],
    ['terminating', { metadata: { deletionTimestamp: '2024-01-09T23:59:00Z' }, status: { phase: 'Running', containerStatuses: [container('a', { ready: true, state: running })] } }, '1/2', 'Terminating', '0'],
    ['terminating when done', { metadata: { deletionTimestamp: '2024-01-09T23:59:00Z' }, status: { phase: 'Succeeded', containerStatuses: [container('a', { state: { terminated: { exitCode: 0, reason: 'Completed' } } })] } }, '0/2', 'Completed', '0'],
    ['on a lost node', { metadata: { deletionTimestamp: '2024-01-09T23:59:00Z' }, status: { phase: 'Running', reason: 'NodeLost' } }, '0/2', 'Unknown', '0'],
    ['first init container running', { spec: { initContainers: [{ name: 'i' }, { name: 'j' }] }, status: { phase: 'Pending', initContainerStatuses: [container('i', { state: running }), container('j', { state: { waiting: { reason: 'PodInitializing' } } })] } }, '0/2', 'Init:0/2', '0'],
    ['second init container waiting', {
      spec: { initContainers: [{ name: 'i' }, { name: 'j' }] },
      status: { phase: 'Pending', initContainerStatuses: [container('i', { state: { terminated: { exitCode: 0 } } }), container('j', { state: { waiting: { reason: 'PodInitializing' } } })] },
    }, '0/2', 'Init:1/2', '0'],
    ['init container failed', { spec: { initContainers: [{ name: 'i' }] }, status: { phase: 'Pending', initContainerStatuses: [container('i', { state: { terminated: { exitCode: 3, reason: 'Error' } }, restartCount: 2 })] } }, '0/2', 'Init:Error', '2'],
    ['init container crashing', { spec: { initContainers: [{ name: 'i' }] }, status: { phase: 'Pending', initContainerStatuses: [container('i', { state: { waiting: { reason: 'CrashLoopBackOff' } } })] } }, '0/2', 'Init:CrashLoopBackOff', '0'],
    ['sidecar ready', {
      spec: { initContainers: [{ name: 's', restartPolicy: 'Always' }] },
      status: {
        phase: 'Running', initContainerStatuses: [container('s', { ready: true, started: true, state: running, restartCount: 1 })],
        containerStatuses: [container('a', { ready: true, state: running }), container('b', { ready: true, state: running })],
      },
    }, '3/3', 'Running', '1'],
  ]
  for (const [what, pod, ready, status, restarts] of cases) {
    test(what, () => {
      const cells = row('', 'v1', 'Pod', { metadata: { ...metadata, ...pod.metadata }, spec: { containers, ...pod.spec }, status: pod.status })
      assert.deepEqual([cells['Ready'], cells['Status'], cells['Restarts'], cells['Age']], [ready, status, restarts, '5m'])
    })
  }

  test('those that are done say so beside their cells', () => {
    const conditions = (status: object): unknown => table.findKind('', 'v1', 'Pod')?.rowConditions?.({ metadata, spec: { containers }, status })
    assert.deepEqual(conditions({ phase: 'Failed' }), [{ type: 'Completed', status: 'True', reason: 'Failed', message: 'The pod failed.' }])
    assert.deepEqual(conditions({ phase: 'Succeeded' }), [{ type: 'Completed', status: 'True', reason: 'Succeeded', message: 'The pod has completed successfully.' }])
    assert.equal(conditions({ phase: 'Running' }), undefined)
  })

  test('wide', () => {
    const spec = { containers, nodeName: 'n1', readinessGates: [{ conditionType: 'a' }, { conditionType: 'b' }] }
    const cells = row('', 'v1', 'Pod', { spec, status: { phase: 'Running', podIPs: [{ ip: '10.0.0.1' }], conditions: [{ type: 'a', status: 'True' }] } })
    assert.deepEqual([cells['IP'], cells['Node'], cells['Nominated Node'], cells['Readiness Gates']], ['10.0.0.1', 'n1', '<none>', '1/2'])
    const bare = row('', 'v1', 'Pod', { spec: { containers }, status: {} })
    assert.deepEqual([bare['IP'], bare['Node'], bare['Nominated Node'], bare['Readiness Gates']], ['<none>', '<none>', '<none>', '<none>'])
  })
})

const template = { metadata: { labels: { app: 'web' } }, spec: { containers, nodeSelector: { disk: 'ssd' } } }
const selector = { matchLabels: { app: 'web' } }

const kinds: Array<[group: string, version: string, kind: string, object: Record<string, unknown>, cells: Record<string, unknown>]> = [
  ['', 'v1', 'Node', {
    metadata: { ...metadata, labels: { 'node-role.kubernetes.io/control-plane': '', 'kubernetes.io/role': 'worker' } }, spec: { unschedulable: true },
    status: { conditions: [{ type: 'Ready', status: 'True' }], addresses: [{ type: 'InternalIP', address: '10.0.0.2' }], nodeInfo: { kubeletVersion: 'v1.36.0', osImage: 'Debian', kernelVersion: '6', architecture: 'arm64', containerRuntimeVersion: 'containerd://1.6' } },
  }, {
    Name: 'x', Status: 'Ready,SchedulingDisabled', Roles: 'control-plane,worker', Age: '5m', Version: 'v1.36.0', 'Internal-IP': '10.0.0.2', 'External-IP': '<none>', 'OS-Image': 'Debian',
    'Kernel-Version': '6 (arm64)', 'Container-Runtime': 'containerd://1.6',
  }],
  ['', 'v1', 'Node', { status: { conditions: [{ type: 'Ready', status: 'Unknown' }] } }, {
    Name: 'x', Status: 'NotReady', Roles: '<none>', Age: '5m', Version: '', 'Internal-IP': '<none>', 'External-IP': '<none>', 'OS-Image': '<unknown>', 'Kernel-Version': '<unknown>', 'Container-Runtime': '<unknown>',
  }],
  ['', 'v1', 'Service', {
    spec: { type: 'NodePort', clusterIP: '10.96.0.5', clusterIPs: ['10.96.0.5'], ports: [{ port: 80, nodePort: 30080, protocol: 'TCP' }, { port: 53, protocol: 'UDP' }], selector: { b: '2', a: '1' } },
  }, { Name: 'x', Type: 'NodePort', 'Cluster-IP': '10.96.0.5', 'External-IP': '<none>', 'Port(s)': '80:30080/TCP,53/UDP', Age: '5m', Selector: 'a=1,b=2' }],
  ['', 'v1', 'Service', { spec: { type: 'LoadBalancer', clusterIPs: ['None'] }, status: { loadBalancer: {} } }, {
    Name: 'x', Type: 'LoadBalancer', 'Cluster-IP': 'None', 'External-IP': '<pending>', 'Port(s)': '<none>', Age: '5m', Selector: '<none>',
  }],
  ['', 'v1', 'Endpoints', { subsets: [{ addresses: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }], ports: [{ port: 80 }, { port: 443 }] }] }, { Name: 'x', Endpoints: '10.0.0.1:80,[fd00::1]:80,10.0.0.1:443 + 1 more...', Age: '5m' }],
  ['', 'v1', 'Endpoints', {}, { Name: 'x', Endpoints: '<none>', Age: '5m' }],
  ['', 'v1', 'Event', {
    type: 'Normal', reason: 'Pulled', message: ' done \n', involvedObject: { kind: 'Pod', name: 'p', fieldPath: 'spec.containers{a}' }, source: { component: 'kubelet', host: 'n1' },
    firstTimestamp: '2024-01-09T23:59:00Z', lastTimestamp: '2024-01-09T23:59:30Z', count: 4,
  }, { 'Last Seen': '30s', Type: 'Normal', Reason: 'Pulled', Object: 'pod/p', Subobject: 'spec.containers{a}', Source: 'kubelet, n1', Message: 'done', 'First Seen': '60s', Count: 4, Name: 'x' }],
  ['events.k8s.io', 'v1', 'Event', {
    type: 'Normal', reason: 'Scheduled', note: 'ok', regarding: { kind: 'Pod', name: 'p' }, reportingController: 'default-scheduler', eventTime: '2024-01-09T23:59:00.000000Z',
  }, { 'Last Seen': '60s', Type: 'Normal', Reason: 'Scheduled', Object: 'pod/p', Subobject: '', Source: 'default-scheduler', Message: 'ok', 'First Seen': '60s', Count: 1, Name: 'x' }],
  ['', 'v1', 'Namespace', { status: { phase: 'Active' } }, { Name: 'x', Status: 'Active', Age: '5m' }],
  ['', 'v1', 'Secret', { type: 'Opaque', data: { a: '', b: '' } }, { Name: 'x', Type: 'Opaque', Data: 2, Age: '5m' }],
  ['', 'v1', 'ConfigMap', { data: { a: '' }, binaryData: { b: '' } }, { Name: 'x', Data: 2, Age: '5m' }],
  ['', 'v1', 'PersistentVolumeClaim', {
    spec: { volumeName: 'pv1', storageClassName: 'fast', volumeMode: 'Filesystem' }, status: { phase: 'Bound', capacity: { storage: '1Gi' }, accessModes: ['ReadWriteMany', 'ReadWriteOnce'] },
  }, { Name: 'x', Status: 'Bound', Volume: 'pv1', Capacity: '1Gi', 'Access Modes': 'RWO,RWX', StorageClass: 'fast', VolumeAttributesClass: '<unset>', Age: '5m', VolumeMode: 'Filesystem' }],
  ['', 'v1', 'PersistentVolume', {
    spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], persistentVolumeReclaimPolicy: 'Retain', claimRef: { namespace: 'default', name: 'c' } }, status: { phase: 'Bound' },
  }, {
    Name: 'x', Capacity: '1Gi', 'Access Modes': 'RWO', 'Reclaim Policy': 'Retain', Status: 'Bound', Claim: 'default/c', StorageClass: '', VolumeAttributesClass: '<unset>', Reason: '', Age: '5m', VolumeMode: '<unset>',
  }],
  ['', 'v1', 'ResourceQuota', { status: { hard: { pods: '10', 'limits.cpu': '4', 'requests.cpu': '2' }, used: { pods: '3', 'requests.cpu': '500m' } } }, {
    Name: 'x', Request: 'pods: 3/10, requests.cpu: 500m/2', Limit: 'limits.cpu: 0/4', Age: '5m',
  }],
  ['', 'v1', 'ComponentStatus', { conditions: [{ type: 'Healthy', status: 'True', message: 'ok' }] }, { Name: 'x', Status: 'Healthy', Message: 'ok', Error: '' }],
  ['', 'v1', 'LimitRange', {}, { Name: 'x', 'Created At': '2024-01-09T23:55:00Z' }],
  ['apps', 'v1', 'Deployment', { spec: { replicas: 3, selector, template }, status: { readyReplicas: 1, updatedReplicas: 2, availableReplicas: 1 } }, {
    Name: 'x', Ready: '1/3', 'Up-to-date': 2, Available: 1, Age: '5m', Containers: 'a,b', Images: 'ia,ib', Selector: 'app=web',
  }],
  ['apps', 'v1', 'ReplicaSet', { spec: { replicas: 3, selector: {}, template }, status: { replicas: 2, readyReplicas: 1 } }, {
    Name: 'x', Desired: 3, Current: 2, Ready: 1, Age: '5m', Containers: 'a,b', Images: 'ia,ib', Selector: '<none>',
  }],
  ['apps', 'v1', 'StatefulSet', { spec: { replicas: 2, template }, status: { readyReplicas: 1 } }, { Name: 'x', Ready: '1/2', Age: '5m', Containers: 'a,b', Images: 'ia,ib' }],
  ['apps', 'v1', 'DaemonSet', { spec: { selector, template }, status: { desiredNumberScheduled: 2, currentNumberScheduled: 2, numberReady: 1, updatedNumberScheduled: 2, numberAvailable: 1 } }, {
    Name: 'x', Desired: 2, Current: 2, Ready: 1, 'Up-to-date': 2, Available: 1, 'Node Selector': 'disk=ssd', Age: '5m', Containers: 'a,b', Images: 'ia,ib', Selector: 'app=web',
  }],
  ['apps', 'v1', 'ControllerRevision', { metadata: { ...metadata, ownerReferences: [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'web', uid: '', controller: true }] }, revision: 3 }, {
    Name: 'x', Controller: 'statefulset.apps/web', Revision: 3, Age: '5m',
  }],
  ['batch', 'v1', 'Job', { spec: { completions: 3, selector, template }, status: { succeeded: 3, startTime: '2024-01-09T23:55:00Z', completionTime: '2024-01-09T23:56:30Z', conditions: [{ type: 'Complete', status: 'True' }] } }, {
    Name: 'x', Status: 'Complete', Completions: '3/3', Duration: '90s', Age: '5m', Containers: 'a,b', Images: 'ia,ib', Selector: 'app=web',
  }],
  ['batch', 'v1', 'Job', { spec: { parallelism: 4, template }, status: { startTime: '2024-01-09T23:59:00Z' } }, {
    Name: 'x', Status: 'Running', Completions: '0/1 of 4', Duration: '60s', Age: '5m', Containers: 'a,b', Images: 'ia,ib', Selector: '<none>',
  }],
  ['batch', 'v1', 'CronJob', { spec: { schedule: '* * * * *', suspend: false, jobTemplate: { spec: { template } } }, status: { active: [{}] } }, {
    Name: 'x', Schedule: '* * * * *', Timezone: '<none>', Suspend: 'False', Active: 1, 'Last Schedule': '<none>', Age: '5m', Containers: 'a,b', Images: 'ia,ib', Selector: '<none>',
  }],
  ['autoscaling', 'v2', 'HorizontalPodAutoscaler', {
    spec: {
      scaleTargetRef: { kind: 'Deployment', name: 'web' }, maxReplicas: 5, metrics: [
        { type: 'Resource', resource: { name: 'cpu', target: { averageUtilization: 80 } } }, { type: 'Pods', pods: { metric: { name: 'q' }, target: { averageValue: '10' } } },
        { type: 'External', external: { metric: { name: 'q' }, target: { value: '1' } } },
      ],
    },
    status: { currentReplicas: 2, currentMetrics: [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 12 } } }] },
  }, { Name: 'x', Reference: 'Deployment/web', Targets: 'cpu: 12%/80%, <unknown>/10 + 1 more...', MinPods: '<unset>', MaxPods: 5, Replicas: 2, Age: '5m' }],
  ['networking.k8s.io', 'v1', 'Ingress', { spec: { ingressClassName: 'nginx', tls: [{}], rules: [{ host: 'a' }, { host: 'b' }, { host: 'c' }, { host: 'd' }] }, status: { loadBalancer: { ingress: [{ ip: '1.2.3.4' }] } } }, {
    Name: 'x', Class: 'nginx', Hosts: 'a,b,c + 1 more...', Address: '1.2.3.4', Ports: '80, 443', Age: '5m',
  }],
  ['networking.k8s.io', 'v1', 'NetworkPolicy', { spec: { podSelector: {} } }, { Name: 'x', 'Pod-Selector': '<none>', Age: '5m' }],
  ['networking.k8s.io', 'v1', 'IPAddress', { spec: { parentRef: { group: '', resource: 'services', namespace: 'default', name: 'web' } } }, { Name: 'x', ParentRef: 'services/default/web' }],
  ['discovery.k8s.io', 'v1', 'EndpointSlice', { addressType: 'IPv4', ports: [{ port: 80 }, { name: 'any' }], endpoints: [{ addresses: ['1', '2'] }, { addresses: ['3', '4'] }] }, {
    Name: 'x', AddressType: 'IPv4', Ports: '80,any', Endpoints: '1,2,3 + 1 more...', Age: '5m',
  }],
  ['discovery.k8s.io', 'v1', 'EndpointSlice', { addressType: 'IPv4', ports: [], endpoints: [] }, { Name: 'x', AddressType: 'IPv4', Ports: '<unset>', Endpoints: '<unset>', Age: '5m' }],
  ['', 'v1', 'ServiceAccount', { secrets: [{ name: 's' }] }, { Name: 'x', Age: '5m' }],
  ['batch', 'v1', 'Job', { spec: { completions: 2 }, status: { conditions: [{ type: 'SuccessCriteriaMet', status: 'True' }] } }, { Name: 'x', Status: 'SuccessCriteriaMet', Completions: '0/2', Duration: '', Age: '5m', Containers: '', Images: '', Selector: '<none>' }],
  ['storage.k8s.io', 'v1', 'CSIStorageCapacity', { storageClassName: 's' }, { Name: 'x', 'Created At': metadata.creationTimestamp }],
  ['policy', 'v1', 'PodDisruptionBudget', { spec: { minAvailable: '50%' }, status: { disruptionsAllowed: 1 } }, { Name: 'x', 'Min Available': '50%', 'Max Unavailable': 'N/A', 'Allowed Disruptions': 1, Age: '5m' }],
  ['rbac.authorization.k8s.io', 'v1', 'RoleBinding', { roleRef: { kind: 'Role', name: 'r' }, subjects: [{ kind: 'User', name: 'u' }, { kind: 'Group', name: 'g' }, { kind: 'ServiceAccount', namespace: 'n', name: 's' }, { kind: 'User', name: 'w' }] }, {
    Name: 'x', Role: 'Role/r', Age: '5m', Users: 'u, w', Groups: 'g', ServiceAccounts: 'n/s',
  }],
  ['storage.k8s.io', 'v1', 'StorageClass', { metadata: { ...metadata, annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } }, provisioner: 'p' }, {
    Name: 'x (default)', Provisioner: 'p', ReclaimPolicy: 'Delete', VolumeBindingMode: 'Immediate', AllowVolumeExpansion: false, Age: '5m',
  }],
  ['certificates.k8s.io', 'v1', 'CertificateSigningRequest', {
    spec: { signerName: 's', username: 'u', expirationSeconds: 86400 }, status: { conditions: [{ type: 'Approved' }], certificate: 'abc' },
  }, { Name: 'x', Age: '5m', SignerName: 's', Requestor: 'u', RequestedDuration: '24h', Condition: 'Approved,Issued' }],
  ['apiregistration.k8s.io', 'v1', 'APIService', { spec: {}, status: { conditions: [{ type: 'Available', status: 'True' }] } }, { Name: 'x', Service: 'Local', Available: 'True', Age: '5m' }],
  ['apiregistration.k8s.io', 'v1', 'APIService', { spec: { service: { namespace: 'n', name: 's' } }, status: { conditions: [{ type: 'Available', status: 'False', reason: 'MissingEndpoints' }] } }, {
    Name: 'x', Service: 'n/s', Available: 'False (MissingEndpoints)', Age: '5m',
  }],
  ['flowcontrol.apiserver.k8s.io', 'v1', 'FlowSchema', { spec: { priorityLevelConfiguration: { name: 'p' }, matchingPrecedence: 5 }, status: { conditions: [{ type: 'Dangling', status: 'False' }] } }, {
    Name: 'x', PriorityLevel: 'p', MatchingPrecedence: 5, DistinguisherMethod: '<none>', Age: '5m', MissingPL: 'False',
  }],
  ['resource.k8s.io', 'v1', 'ResourceClaim', { status: { allocation: {}, reservedFor: [{}] } }, { Name: 'x', State: 'allocated,reserved', Age: '5m' }],
  ['admissionregistration.k8s.io', 'v1', 'ValidatingAdmissionPolicyBinding', { spec: { policyName: 'p', paramRef: { name: 'c' } } }, { Name: 'x', PolicyName: 'p', ParamRef: '*/c', Age: '5m' }],
]

for (const [group, version, kind, object, cells] of kinds) {
  test(`${kind}.${group === '' ? version : `${version}.${group}`} shows ${Object.values(cells).slice(1, 4).join(' ')}`, () => {
    assert.deepEqual(row(group, version, kind, object), cells)
  })
}

test('the scale of a workload has columns of its own', () => {
  const scale = table.find('apps', 'v1', 'deployments')?.subresources.find((sub) => sub.name === 'scale')
  assert.deepEqual(scale?.columns?.map((column) => column.name), ['Name', 'Desired', 'Available', 'Age'])
  assert.deepEqual(scale?.printRow?.({ metadata, spec: { replicas: 3 }, status: { replicas: 2 } }, now), ['x', 3, 2, '5m'])
})

test('every column says what it shows', () => {
  const silent = table.all().flatMap(({ kind, columns }) => columns.filter((column) => column.description === '').map((column) => `${kind}.${column.name}`))
  // Upstream looks these up where there is nothing.
  assert.deepEqual([...new Set(silent)], ['RuntimeClass.Handler'])
})

test('an object without creation time has an unknown age', () => {
  const resource = table.findKind('', 'v1', 'Namespace')
  assert.deepEqual(resource?.printRow({ metadata: { name: 'x' } }, now), ['x', '', '<unknown>'])
})

test('kinds of device taints and pools show what upstream shows', () => {
  const all = builtinResources(() => true, () => true)
  const cells = (version: string, kind: string, object: object): unknown[] => [...all.findKind('resource.k8s.io', version, kind)!.printRow({ metadata, ...object }, now)]
  assert.deepEqual(cells('v1beta2', 'DeviceTaintRule', { spec: { taint: { key: 'k', value: 'v', effect: 'NoExecute', timeAdded: '2024-01-09T23:58:00Z' } } }), ['x', 'k', 'v', 'NoExecute', '2m', '5m'])
  assert.deepEqual(cells('v1alpha3', 'ResourcePoolStatusRequest', { spec: { driver: 'd' } }), ['x', 'd', '-', '-', '-', '-', '-', 0, 'Pending', '<none>'])
  const pools = [{ generation: 1, totalDevices: 3, availableDevices: 1, allocatedDevices: 2 }, { generation: 1, totalDevices: 4, validationError: 'broken' }]
  const complete = { type: 'Complete', status: 'True', lastTransitionTime: '2024-01-09T23:59:00Z', reason: 'r', message: '' }
  assert.deepEqual(cells('v1alpha3', 'ResourcePoolStatusRequest', { spec: { driver: 'd' }, status: { poolCount: 3, pools, conditions: [complete] } }), ['x', 'd', '7', '1', '2', '0', '1', 3, 'Complete (2/3 pools)', '60s'])
  assert.deepEqual(cells('v1alpha3', 'ResourcePoolStatusRequest', { spec: { driver: 'd' }, status: { poolCount: 0, conditions: [{ ...complete, type: 'Failed' }] } }), ['x', 'd', '-', '-', '-', '-', '-', 0, 'Failed', '<none>'])
})

test('storage versions and migrations show what upstream shows', () => {
  const all = builtinResources(() => true, () => true)
  const cells = (group: string, version: string, kind: string, object: object): unknown[] => [...all.findKind(group, version, kind)!.printRow({ metadata, ...object }, now)]
  const storageVersions = ['a', 'b', 'c', 'd'].map((apiServerID) => ({ apiServerID, encodingVersion: 'v1' }))
  assert.deepEqual(cells('internal.apiserver.k8s.io', 'v1alpha1', 'StorageVersion', { status: { storageVersions, commonEncodingVersion: 'v1' } }), ['x', 'v1', 'a=v1,b=v1,c=v1 + 1 more...', '5m'])
  assert.deepEqual(cells('internal.apiserver.k8s.io', 'v1alpha1', 'StorageVersion', { status: {} }), ['x', '<unset>', '<none>', '5m'])
  const conditions = [{ type: 'Running', status: 'False' }, { type: 'Succeeded', status: 'True' }]
  assert.deepEqual(cells('storagemigration.k8s.io', 'v1beta1', 'StorageVersionMigration', { spec: { resource: { group: 'apps', resource: 'deployments' } }, status: { conditions } }), ['x', 'deployments.apps', 'Succeeded'])
  assert.deepEqual(cells('storagemigration.k8s.io', 'v1beta1', 'StorageVersionMigration', { spec: { resource: { resource: 'pods' } } }), ['x', 'pods', 'Unknown'])
})
