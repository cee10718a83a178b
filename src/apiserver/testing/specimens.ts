/** A small valid object of every built-in resource that can be created and deleted, without metadata: what conformance walks through. */

const podSpec = { containers: [{ name: 'c', image: 'registry.example/pause:1' }] }
const template = { metadata: { labels: { app: 'specimen' } }, spec: podSpec }
const selector = { matchLabels: { app: 'specimen' } }
const rules = [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get'] }]
const subjects = [{ kind: 'User', name: 'jane', apiGroup: 'rbac.authorization.k8s.io' }]
const webhook = {
  name: 'hook.example.com', clientConfig: { url: 'https://127.0.0.1:9/hook' }, sideEffects: 'None', admissionReviewVersions: ['v1'],
  rules: [{ operations: ['CREATE'], apiGroups: ['specimens.example.com'], apiVersions: ['v1'], resources: ['nothings'] }],
}
const policyRules = { resourceRules: [{ operations: ['CREATE'], apiGroups: ['specimens.example.com'], apiVersions: ['v1'], resources: ['nothings'] }] }
const deviceRequests = { devices: { requests: [{ name: 'one', exactly: { deviceClassName: 'specimen.example.com' } }] } }
/** A PKCS#10 request for CN=jane, signed with a P-256 key that nobody has kept. */
const certificateRequest = `-----BEGIN CERTIFICATE REQUEST-----
MIHJMHECAQAwDzENMAsGA1UEAwwEamFuZTBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABAbBGvg0rqhBZLka5UKgDMnFS5mY4sRAM70KKByluu7Qe2JUDXTzxamuBPuk
gX5bHNOG5Z6S+4sO4xzICD2tqq2gADAKBggqhkjOPQQDAgNIADBFAiEAsBXAx6tV
HqczWXP4bGw0U+amhaZ3XD1OhqIfiu85HMUCIHRwaus16KG7ISp6eXtGomzzxB8o
ep1s+WMuOmsLo8sp
-----END CERTIFICATE REQUEST-----
`

/** By `resource.group`; metadata names that must have a certain form are given. */
export const specimens: Readonly<Record<string, { name?: string; body: Readonly<Record<string, unknown>> }>> = {
  configmaps: { body: { data: { key: 'value' } } },
  endpoints: { body: { subsets: [{ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80 }] }] } },
  events: { body: { involvedObject: { kind: 'Pod', name: 'p', namespace: 'NAMESPACE' }, reason: 'Tested', message: 'a message', type: 'Normal', source: { component: 'test' } } },
  limitranges: { body: { spec: { limits: [{ type: 'Container', max: { cpu: '100' } }] } } },
  namespaces: { body: {} },
  nodes: { body: {} },
  persistentvolumeclaims: { body: { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } } },
  persistentvolumes: { body: { spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/data' } } } },
  pods: { body: { spec: podSpec } },
  podtemplates: { body: { template } },
  replicationcontrollers: { body: { spec: { replicas: 0, selector: { app: 'specimen' }, template } } },
  resourcequotas: { body: { spec: { hard: { pods: '1000' } } } },
  secrets: { body: { stringData: { key: 'value' } } },
  serviceaccounts: { body: {} },
  services: { body: { spec: { ports: [{ port: 80 }], selector: { app: 'specimen' } } } },
  'apiservices.apiregistration.k8s.io': { name: 'v1.specimens.example.org', body: { spec: { group: 'specimens.example.org', version: 'v1', groupPriorityMinimum: 100, versionPriority: 10, service: { namespace: 'default', name: 'none' }, insecureSkipTLSVerify: true } } },
  'controllerrevisions.apps': { body: { revision: 1, data: { spec: { replicas: 1 } } } },
  'daemonsets.apps': { body: { spec: { selector, template } } },
  'deployments.apps': { body: { spec: { replicas: 0, selector, template } } },
  'replicasets.apps': { body: { spec: { replicas: 0, selector, template } } },
  'statefulsets.apps': { body: { spec: { replicas: 0, serviceName: 'specimen', selector, template } } },
  'events.events.k8s.io': { body: { eventTime: '2026-01-01T00:00:00.000000Z', reportingController: 'example.com/test', reportingInstance: 'test-1', action: 'Testing', reason: 'Tested', type: 'Normal', note: 'a note', regarding: { kind: 'Pod', name: 'p', namespace: 'NAMESPACE' } } },
  'horizontalpodautoscalers.autoscaling': { body: { spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' }, maxReplicas: 3 } } },
  'cronjobs.batch': { body: { spec: { schedule: '0 0 1 1 *', jobTemplate: { spec: { template: { spec: { ...podSpec, restartPolicy: 'Never' } } } } } } },
  'jobs.batch': { body: { spec: { suspend: true, template: { spec: { ...podSpec, restartPolicy: 'Never' } } } } },
  'certificatesigningrequests.certificates.k8s.io': { body: { spec: { request: Buffer.from(certificateRequest).toString('base64'), signerName: 'example.com/specimens', usages: ['client auth'] } } },
  'ingressclasses.networking.k8s.io': { body: { spec: { controller: 'example.com/ingress' } } },
  'ingresses.networking.k8s.io': { body: { spec: { defaultBackend: { service: { name: 's', port: { number: 80 } } } } } },
  'ipaddresses.networking.k8s.io': { name: '10.96.77.1', body: { spec: { parentRef: { resource: 'services', namespace: 'default', name: 's' } } } },
  'networkpolicies.networking.k8s.io': { body: { spec: { podSelector: {} } } },
  'servicecidrs.networking.k8s.io': { body: { spec: { cidrs: ['10.97.0.0/24'] } } },
  'poddisruptionbudgets.policy': { body: { spec: { minAvailable: 1, selector } } },
  'clusterrolebindings.rbac.authorization.k8s.io': { body: { subjects, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' } } },
  'clusterroles.rbac.authorization.k8s.io': { body: { rules } },
  'rolebindings.rbac.authorization.k8s.io': { body: { subjects, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'r' } } },
  'roles.rbac.authorization.k8s.io': { body: { rules } },
  'csidrivers.storage.k8s.io': { body: { spec: { attachRequired: true } } },
  'csinodes.storage.k8s.io': { body: { spec: { drivers: [{ name: 'driver.example.com', nodeID: 'n1' }] } } },
  'csistoragecapacities.storage.k8s.io': { body: { storageClassName: 'fast', capacity: '1Gi' } },
  'storageclasses.storage.k8s.io': { body: { provisioner: 'example.com/disk' } },
  'volumeattachments.storage.k8s.io': { body: { spec: { attacher: 'driver.example.com', nodeName: 'n1', source: { persistentVolumeName: 'pv' } } } },
  'volumeattributesclasses.storage.k8s.io': { body: { driverName: 'driver.example.com', parameters: { iops: '100' } } },
  'mutatingadmissionpolicies.admissionregistration.k8s.io': { body: { spec: { matchConstraints: policyRules, reinvocationPolicy: 'Never', mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression: '[JSONPatch{op: "add", path: "/metadata/labels/x", value: "y"}]' } }] } } },
  'mutatingadmissionpolicybindings.admissionregistration.k8s.io': { body: { spec: { policyName: 'none' } } },
  'mutatingwebhookconfigurations.admissionregistration.k8s.io': { body: { webhooks: [webhook] } },
  'validatingadmissionpolicies.admissionregistration.k8s.io': { body: { spec: { matchConstraints: policyRules, validations: [{ expression: 'true' }] } } },
  'validatingadmissionpolicybindings.admissionregistration.k8s.io': { body: { spec: { policyName: 'none', validationActions: ['Deny'] } } },
  'validatingwebhookconfigurations.admissionregistration.k8s.io': { body: { webhooks: [webhook] } },
  'customresourcedefinitions.apiextensions.k8s.io': { name: 'things.specimens.example.net', body: { spec: { group: 'specimens.example.net', scope: 'Namespaced', names: { plural: 'things', kind: 'Thing' }, versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }] } } },
  'priorityclasses.scheduling.k8s.io': { body: { value: 1000 } },
  'leases.coordination.k8s.io': { body: { spec: { holderIdentity: 'me', leaseDurationSeconds: 30 } } },
  'runtimeclasses.node.k8s.io': { body: { handler: 'fast' } },
  'endpointslices.discovery.k8s.io': { body: { addressType: 'IPv4', endpoints: [{ addresses: ['10.0.0.1'] }], ports: [{ port: 80 }] } },
  'deviceclasses.resource.k8s.io': { body: { spec: {} } },
  'resourceclaims.resource.k8s.io': { body: { spec: deviceRequests } },
  'resourceclaimtemplates.resource.k8s.io': { body: { spec: { spec: deviceRequests } } },
  'resourceslices.resource.k8s.io': { body: { spec: { driver: 'driver.example.com', nodeName: 'n1', pool: { name: 'n1', generation: 1, resourceSliceCount: 1 }, devices: [{ name: 'd0' }] } } },
  'flowschemas.flowcontrol.apiserver.k8s.io': { body: { spec: { priorityLevelConfiguration: { name: 'global-default' }, matchingPrecedence: 9000 } } },
  'prioritylevelconfigurations.flowcontrol.apiserver.k8s.io': { body: { spec: { type: 'Limited', limited: { nominalConcurrencyShares: 2, limitResponse: { type: 'Reject' } } } } },
}
