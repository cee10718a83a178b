import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, Subject } from './types/rbac.authorization.k8s.io_v1.ts'
import { controllerRules } from './rbac-controllers.ts'
import { eventsRule, readOnly, readUpdate, readWrite, rule, urls, write } from './rbac-rules.ts'

/**
 * The roles and bindings that every cluster starts with, as Kubernetes documents them ("Using RBAC Authorization", default
 * roles and role bindings) and as release 1.36 creates them with its default feature gates. They carry the label
 * `kubernetes.io/bootstrapping: rbac-defaults` and the annotation that lets a start of the server mend them.
 */

const rbacGroup = 'rbac.authorization.k8s.io'
const aggregate = (to: 'admin' | 'edit' | 'view'): Record<string, string> => ({ [`${rbacGroup}/aggregate-to-${to}`]: 'true' })

/** Start-up adds what is missing from an object with this annotation set to `true`, and leaves alone one that has `false`. */
export const autoUpdateAnnotation = 'rbac.authorization.kubernetes.io/autoupdate'

function bootstrapMetadata(name: string, labels: Record<string, string> = {}, namespace?: string): Role['metadata'] {
  return {
    name, ...(namespace === undefined ? {} : { namespace }),
    labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults', ...labels }, annotations: { [autoUpdateAnnotation]: 'true' },
  }
}

const viewRules: PolicyRule[] = [
  rule(readOnly, '', `pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status endpoints
    persistentvolumeclaims persistentvolumeclaims/status configmaps`),
  rule(readOnly, '', 'limitranges resourcequotas bindings pods/status resourcequotas/status namespaces/status replicationcontrollers/status pods/log'),
  rule(readOnly, '', 'namespaces'),
  rule(readOnly, '"" events.k8s.io', 'events'),
  rule(readOnly, 'discovery.k8s.io', 'endpointslices'),
  rule(readOnly, 'apps', `controllerrevisions statefulsets statefulsets/status statefulsets/scale daemonsets daemonsets/status
    deployments deployments/status deployments/scale replicasets replicasets/status replicasets/scale`),
  rule(readOnly, 'autoscaling', 'horizontalpodautoscalers horizontalpodautoscalers/status'),
  rule(readOnly, 'batch', 'jobs cronjobs cronjobs/status jobs/status'),
  rule(readOnly, 'extensions', `daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses ingresses/status
    replicasets replicasets/scale replicasets/status replicationcontrollers/scale networkpolicies`),
  rule(readOnly, 'policy', 'poddisruptionbudgets poddisruptionbudgets/status'),
  rule(readOnly, 'networking.k8s.io', 'networkpolicies ingresses ingresses/status'),
  rule(readOnly, 'resource.k8s.io', 'resourceclaims resourceclaims/status resourceclaimtemplates'),
]

const editRules: PolicyRule[] = [
  rule(readOnly, '', 'pods/attach pods/proxy pods/exec pods/portforward secrets services/proxy'),
  rule('impersonate', '', 'serviceaccounts'),
  rule(write, '', 'pods pods/attach pods/proxy pods/exec pods/portforward'),
  rule('create', '', 'pods/eviction'),
  rule(write, '', 'replicationcontrollers replicationcontrollers/scale serviceaccounts services services/proxy persistentvolumeclaims configmaps secrets'),
  rule('create', '', 'serviceaccounts/token'),
  rule(write, '"" events.k8s.io', 'events'),
  rule(write, 'apps', `statefulsets statefulsets/scale daemonsets deployments deployments/scale deployments/rollback replicasets replicasets/scale`),
  rule(write, 'autoscaling', 'horizontalpodautoscalers'),
  rule(write, 'batch', 'jobs cronjobs'),
  rule(write, 'extensions', `daemonsets deployments deployments/scale deployments/rollback ingresses replicasets replicasets/scale
    replicationcontrollers/scale networkpolicies`),
  rule(write, 'policy', 'poddisruptionbudgets'),
  rule(write, 'networking.k8s.io', 'networkpolicies ingresses'),
  rule(readWrite, 'coordination.k8s.io', 'leases'),
  rule(write, 'resource.k8s.io', 'resourceclaims resourceclaimtemplates'),
]

/** What a kubelet may do at all; the node authorizer narrows it to the kubelet's own node. */
export const nodeRules: readonly PolicyRule[] = [
  rule('create', 'authentication.k8s.io', 'tokenreviews'),
  rule('create', 'authorization.k8s.io', 'subjectaccessreviews localsubjectaccessreviews'),
  rule(readOnly, '', 'services'),
  rule('create get list watch', '', 'nodes'),
  rule('update patch', '', 'nodes/status'),
  rule('update patch', '', 'nodes'),
  rule('create update patch', '"" events.k8s.io', 'events'),
  rule(readOnly, '', 'pods'),
  rule('create delete', '', 'pods'),
  rule('update patch', '', 'pods/status'),
  rule('create', '', 'pods/eviction'),
  rule(readOnly, '', 'secrets configmaps'),
  rule('get', '', 'persistentvolumeclaims persistentvolumes'),
  rule('get', '', 'endpoints'),
  rule('create get list watch', 'certificates.k8s.io', 'certificatesigningrequests'),
  rule('get create update patch delete', 'coordination.k8s.io', 'leases'),
  rule('get', 'storage.k8s.io', 'volumeattachments'),
  rule('create', '', 'serviceaccounts/token'),
  rule('get update patch', '', 'persistentvolumeclaims/status'),
  rule(readOnly, 'storage.k8s.io', 'csidrivers'),
  rule('get create update patch delete', 'storage.k8s.io', 'csinodes'),
  rule(readOnly, 'node.k8s.io', 'runtimeclasses'),
  rule('get', 'resource.k8s.io', 'resourceclaims'),
  rule('deletecollection', 'resource.k8s.io', 'resourceslices'),
  rule('get', '', 'serviceaccounts'),
]

const schedulerRules: PolicyRule[] = [
  eventsRule,
  rule('create', 'coordination.k8s.io', 'leases'),
  rule('get update list watch', 'coordination.k8s.io', 'leases', 'kube-scheduler'),
  rule(readWrite, 'coordination.k8s.io', 'leasecandidates'),
  rule(readOnly, '', 'nodes'),
  rule('get list watch delete', '', 'pods'),
  rule('create', '', 'pods/binding bindings'),
  rule('patch update', '', 'pods/status'),
  rule(readOnly, '', 'services replicationcontrollers'),
  rule(readOnly, 'apps extensions', 'replicasets'),
  rule(readOnly, 'apps', 'statefulsets'),
  rule(readOnly, 'policy', 'poddisruptionbudgets'),
  rule(readOnly, '', 'persistentvolumeclaims persistentvolumes'),
  rule('create', 'authentication.k8s.io', 'tokenreviews'),
  rule('create', 'authorization.k8s.io', 'subjectaccessreviews'),
  rule(readOnly, 'storage.k8s.io', 'csinodes'),
  rule(readOnly, 'storage.k8s.io', 'volumeattachments'),
  rule(readOnly, '', 'namespaces'),
  rule(readOnly, 'storage.k8s.io', 'csidrivers'),
  rule(readOnly, 'storage.k8s.io', 'csistoragecapacities'),
  rule(readOnly, 'resource.k8s.io', 'deviceclasses'),
  rule(readUpdate, 'resource.k8s.io', 'resourceclaims'),
  rule(readUpdate, 'resource.k8s.io', 'resourceclaims/status'),
  rule('update', '', 'pods/finalizers'),
  rule(readOnly, 'resource.k8s.io', 'resourceslices'),
  rule('create delete', 'resource.k8s.io', 'resourceclaims'),
  rule('update patch', 'resource.k8s.io', 'resourceclaims/binding'),
]

const controllerManagerRules: PolicyRule[] = [
  eventsRule,
  rule('create', 'coordination.k8s.io', 'leases'),
  rule('get update', 'coordination.k8s.io', 'leases', 'kube-controller-manager'),
  rule('create', '', 'secrets serviceaccounts'),
  rule('delete', '', 'secrets'),
  rule('get', '', 'namespaces secrets serviceaccounts configmaps'),
  rule('update', '', 'secrets serviceaccounts'),
  rule('create', 'authentication.k8s.io', 'tokenreviews'),
  rule('create', 'authorization.k8s.io', 'subjectaccessreviews'),
  rule('list watch', '*', '*'),
  rule('create', '', 'serviceaccounts/token'),
]

const healthUrls = ['/livez', '/readyz', '/healthz']
const certificates = 'certificates.k8s.io'
const approver = (signer: string): PolicyRule[] => [rule('approve', certificates, 'signers', `kubernetes.io/${signer}`)]

/** Name, rules, and the labels beside the bootstrap one. */
const plainRoles: ReadonlyArray<readonly [string, readonly PolicyRule[], Record<string, string>?]> = [
  ['cluster-admin', [rule('*', '*', '*'), urls('*', '*')]],
  ['system:discovery', [urls('get', ...healthUrls, '/version', '/version/', '/openapi', '/openapi/*', '/api', '/api/*', '/apis', '/apis/*')]],
  ['system:monitoring', [
    urls('get', '/metrics', '/metrics/slis', '/flagz', '/statusz', ...healthUrls, ...healthUrls.map((url) => `${url}/*`)), rule('get', '', 'nodes/metrics'),
  ]],
  ['system:basic-user', [rule('create', 'authorization.k8s.io', 'selfsubjectaccessreviews selfsubjectrulesreviews'), rule('create', 'authentication.k8s.io', 'selfsubjectreviews')]],
  ['system:public-info-viewer', [urls('get', ...healthUrls, '/version', '/version/')]],
  ['system:aggregate-to-admin', [rule('create', 'authorization.k8s.io', 'localsubjectaccessreviews'), rule(readWrite, rbacGroup, 'roles rolebindings')], aggregate('admin')],
  ['system:aggregate-to-edit', editRules, aggregate('edit')],
  ['system:aggregate-to-view', viewRules, aggregate('view')],
  ['system:heapster', [rule(readOnly, '', 'events pods nodes namespaces'), rule(readOnly, 'extensions', 'deployments')]],
  ['system:node', nodeRules],
  ['system:node-problem-detector', [rule('get', '', 'nodes'), rule('patch', '', 'nodes/status'), eventsRule]],
  ['system:node-bootstrapper', [rule('create get list watch', certificates, 'certificatesigningrequests')]],
  ['system:auth-delegator', [rule('create', 'authentication.k8s.io', 'tokenreviews'), rule('create', 'authorization.k8s.io', 'subjectaccessreviews')]],
  ['system:kube-aggregator', [rule(readOnly, '', 'services endpoints')]],
  ['system:kube-controller-manager', controllerManagerRules],
  ['system:kube-dns', [rule('list watch', '', 'endpoints services')]],
  ['system:persistent-volume-provisioner', [
    rule('get list watch create delete', '', 'persistentvolumes'), rule('get list watch update', '', 'persistentvolumeclaims'),
    rule(readOnly, 'storage.k8s.io', 'storageclasses'), rule('watch', '', 'events'), eventsRule,
  ]],
  ['system:certificates.k8s.io:certificatesigningrequests:nodeclient', [rule('create', certificates, 'certificatesigningrequests/nodeclient')]],
  ['system:certificates.k8s.io:certificatesigningrequests:selfnodeclient', [rule('create', certificates, 'certificatesigningrequests/selfnodeclient')]],
  ['system:volume-scheduler', [
    rule(readUpdate, '', 'persistentvolumes'), rule(readOnly, 'storage.k8s.io', 'storageclasses'), rule(readUpdate, '', 'persistentvolumeclaims'),
  ]],
  ['system:certificates.k8s.io:legacy-unknown-approver', approver('legacy-unknown')],
  ['system:certificates.k8s.io:kubelet-serving-approver', approver('kubelet-serving')],
  ['system:certificates.k8s.io:kube-apiserver-client-approver', approver('kube-apiserver-client')],
  ['system:certificates.k8s.io:kube-apiserver-client-kubelet-approver', approver('kube-apiserver-client-kubelet')],
  ['system:service-account-issuer-discovery', [
    urls('get', '/.well-known/openid-configuration', '/.well-known/openid-configuration/', '/openid/v1/jwks', '/openid/v1/jwks/'),
  ]],
  ['system:kubelet-api-admin', [
    rule(readOnly, '', 'nodes'), rule('proxy', '', 'nodes'), rule('*', '', 'nodes/proxy nodes/metrics nodes/stats nodes/log'),
    rule('*', '', 'nodes/pods nodes/healthz nodes/configz'),
  ]],
  ['system:node-proxier', [
    rule('list watch', '', 'services endpoints'), rule(readOnly, '', 'nodes'), eventsRule,
    rule('list watch', 'networking.k8s.io', 'servicecidrs'), rule('list watch', 'discovery.k8s.io', 'endpointslices'),
  ]],
  ['system:kube-scheduler', schedulerRules],
]

const aggregatedRoles: ReadonlyArray<readonly ['admin' | 'edit' | 'view', Record<string, string>]> = [
  ['admin', {}], ['edit', aggregate('admin')], ['view', aggregate('edit')],
]

/** Every default ClusterRole, complete objects without server-set fields. */
export function bootstrapClusterRoles(): ClusterRole[] {
  const head = { apiVersion: `${rbacGroup}/v1`, kind: 'ClusterRole' }
  return [
    ...plainRoles.map(([name, rules, labels]) => ({ ...head, metadata: bootstrapMetadata(name, labels), rules: [...rules] })),
    // On the wire an empty list of rules is null; the aggregation controller fills it in.
    ...aggregatedRoles.map(([name, labels]) => ({
      ...head, metadata: bootstrapMetadata(name, labels), aggregationRule: { clusterRoleSelectors: [{ matchLabels: aggregate(name) }] }, rules: null as unknown as PolicyRule[],
    })),
    ...Object.entries(controllerRules).map(([name, rules]) => ({ ...head, metadata: bootstrapMetadata(`system:controller:${name}`), rules: [...rules] })),
  ]
}

const user = (name: string): Subject => ({ apiGroup: rbacGroup, kind: 'User', name })
const group = (name: string): Subject => ({ apiGroup: rbacGroup, kind: 'Group', name })
const systemAccount = (name: string): Subject => ({ kind: 'ServiceAccount', name, namespace: 'kube-system' })

const clusterBindings: Record<string, Subject[]> = {
  'cluster-admin': [group('system:masters')],
  'system:monitoring': [group('system:monitoring')],
  'system:discovery': [group('system:authenticated')],
  'system:basic-user': [group('system:authenticated')],
  'system:public-info-viewer': [group('system:authenticated'), group('system:unauthenticated')],
  'system:node-proxier': [user('system:kube-proxy')],
  'system:kube-controller-manager': [user('system:kube-controller-manager')],
  'system:kube-dns': [systemAccount('kube-dns')],
  'system:kube-scheduler': [user('system:kube-scheduler')],
  'system:volume-scheduler': [user('system:kube-scheduler')],
  'system:service-account-issuer-discovery': [group('system:serviceaccounts')],
  // Kubelets get their rights from the node authorizer; the binding stays, empty, so that a start takes out subjects of old.
  'system:node': [],
}

/** Every default ClusterRoleBinding; each is named like its role. */
export function bootstrapClusterRoleBindings(): ClusterRoleBinding[] {
  const controllers = Object.keys(controllerRules).map((name): [string, Subject[]] => [`system:controller:${name}`, [systemAccount(name)]])
  return [...Object.entries(clusterBindings), ...controllers].map(([name, subjects]) => ({
    apiVersion: `${rbacGroup}/v1`, kind: 'ClusterRoleBinding', metadata: bootstrapMetadata(name),
    roleRef: { apiGroup: rbacGroup, kind: 'ClusterRole', name }, ...(subjects.length === 0 ? {} : { subjects }),
  }))
}

const leaderLocking = (component: string, ...accounts: string[]): readonly [string, string, PolicyRule[], Subject[]] => [
  'kube-system', `system::leader-locking-${component}`,
  ['leases', 'leasecandidates'].map((resource) => rule('get watch list create update', 'coordination.k8s.io', resource)),
  [user(`system:${component}`), ...accounts.map(systemAccount)],
]

/** Namespace, name, rules, and whom a binding of the same name gives the role to (none: no binding). */
const namespaceRoles: ReadonlyArray<readonly [string, string, PolicyRule[], Subject[]]> = [
  ['kube-system', 'extension-apiserver-authentication-reader', [rule(readOnly, '', 'configmaps', 'extension-apiserver-authentication')], []],
  ['kube-system', 'system:controller:bootstrap-signer', [rule(readOnly, '', 'secrets')], [systemAccount('bootstrap-signer')]],
  ['kube-system', 'system:controller:cloud-provider', [rule('create get list watch', '', 'configmaps')], [systemAccount('cloud-provider')]],
  ['kube-system', 'system:controller:token-cleaner', [rule('get list watch delete', '', 'secrets'), eventsRule], [systemAccount('token-cleaner')]],
  leaderLocking('kube-controller-manager', 'kube-controller-manager', 'leader-election-controller'),
  leaderLocking('kube-scheduler', 'kube-scheduler'),
  ['kube-public', 'system:controller:bootstrap-signer', [rule(readOnly, '', 'configmaps'), rule('update', '', 'configmaps', 'cluster-info'), eventsRule], [systemAccount('bootstrap-signer')]],
]

/** Every default Role, in kube-system and kube-public. */
export function bootstrapRoles(): Role[] {
  return namespaceRoles.map(([namespace, name, rules]) => ({ apiVersion: `${rbacGroup}/v1`, kind: 'Role', metadata: bootstrapMetadata(name, {}, namespace), rules }))
}

/** Every default RoleBinding. */
export function bootstrapRoleBindings(): RoleBinding[] {
  const bind = (namespace: string, name: string, role: string, subjects: Subject[]): RoleBinding => ({
    apiVersion: `${rbacGroup}/v1`, kind: 'RoleBinding', metadata: bootstrapMetadata(name, {}, namespace), roleRef: { apiGroup: rbacGroup, kind: 'Role', name: role }, subjects,
  })
  return [
    bind('kube-system', 'system::extension-apiserver-authentication-reader', 'extension-apiserver-authentication-reader', [user('system:kube-controller-manager'), user('system:kube-scheduler')]),
    ...namespaceRoles.filter(([, , , subjects]) => subjects.length > 0).map(([namespace, name, , subjects]) => bind(namespace, name, name, subjects)),
  ]
}
