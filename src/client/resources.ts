import type { ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding } from '../api/types/admissionregistration.k8s.io_v1.ts'
import type { CustomResourceDefinition } from '../api/types/apiextensions.k8s.io_v1.ts'
import type { APIService } from '../api/types/apiregistration.k8s.io_v1.ts'
import type { ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet } from '../api/types/apps_v1.ts'
import type { CronJob, Job } from '../api/types/batch_v1.ts'
import type { CertificateSigningRequest } from '../api/types/certificates.k8s.io_v1.ts'
import type { Lease } from '../api/types/coordination.k8s.io_v1.ts'
import type {
  ConfigMap, Endpoints, Event, LimitRange, Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod, PodTemplate, ReplicationController,
  ResourceQuota, Secret, Service, ServiceAccount,
} from '../api/types/core_v1.ts'
import type { EndpointSlice } from '../api/types/discovery.k8s.io_v1.ts'
import type { Ingress, IngressClass, IPAddress, NetworkPolicy, ServiceCIDR } from '../api/types/networking.k8s.io_v1.ts'
import type { RuntimeClass } from '../api/types/node.k8s.io_v1.ts'
import type { PodDisruptionBudget } from '../api/types/policy_v1.ts'
import type { ClusterRole, ClusterRoleBinding, Role, RoleBinding } from '../api/types/rbac.authorization.k8s.io_v1.ts'
import type { PriorityClass } from '../api/types/scheduling.k8s.io_v1.ts'
import type { CSIDriver, CSINode, StorageClass, VolumeAttachment, VolumeAttributesClass } from '../api/types/storage.k8s.io_v1.ts'
import type { KubeObject } from '../machinery/object.ts'
import type { ResourceType } from './client.ts'

function namespaced<T extends KubeObject>(group: string, version: string, resource: string, kind: string): ResourceType<T> {
  return { group, version, resource, kind, namespaced: true }
}

function clusterScoped<T extends KubeObject>(group: string, version: string, resource: string, kind: string): ResourceType<T> {
  return { group, version, resource, kind, namespaced: false }
}

export const pods = namespaced<Pod>('', 'v1', 'pods', 'Pod')
export const podTemplates = namespaced<PodTemplate>('', 'v1', 'podtemplates', 'PodTemplate')
export const services = namespaced<Service>('', 'v1', 'services', 'Service')
export const endpoints = namespaced<Endpoints>('', 'v1', 'endpoints', 'Endpoints')
export const configMaps = namespaced<ConfigMap>('', 'v1', 'configmaps', 'ConfigMap')
export const secrets = namespaced<Secret>('', 'v1', 'secrets', 'Secret')
export const serviceAccounts = namespaced<ServiceAccount>('', 'v1', 'serviceaccounts', 'ServiceAccount')
export const events = namespaced<Event>('', 'v1', 'events', 'Event')
export const limitRanges = namespaced<LimitRange>('', 'v1', 'limitranges', 'LimitRange')
export const resourceQuotas = namespaced<ResourceQuota>('', 'v1', 'resourcequotas', 'ResourceQuota')
export const replicationControllers = namespaced<ReplicationController>('', 'v1', 'replicationcontrollers', 'ReplicationController')
export const persistentVolumeClaims = namespaced<PersistentVolumeClaim>('', 'v1', 'persistentvolumeclaims', 'PersistentVolumeClaim')
export const namespaces = clusterScoped<Namespace>('', 'v1', 'namespaces', 'Namespace')
export const nodes = clusterScoped<Node>('', 'v1', 'nodes', 'Node')
export const persistentVolumes = clusterScoped<PersistentVolume>('', 'v1', 'persistentvolumes', 'PersistentVolume')

export const deployments = namespaced<Deployment>('apps', 'v1', 'deployments', 'Deployment')
export const replicaSets = namespaced<ReplicaSet>('apps', 'v1', 'replicasets', 'ReplicaSet')
export const statefulSets = namespaced<StatefulSet>('apps', 'v1', 'statefulsets', 'StatefulSet')
export const daemonSets = namespaced<DaemonSet>('apps', 'v1', 'daemonsets', 'DaemonSet')
export const controllerRevisions = namespaced<ControllerRevision>('apps', 'v1', 'controllerrevisions', 'ControllerRevision')
export const jobs = namespaced<Job>('batch', 'v1', 'jobs', 'Job')
export const cronJobs = namespaced<CronJob>('batch', 'v1', 'cronjobs', 'CronJob')
export const leases = namespaced<Lease>('coordination.k8s.io', 'v1', 'leases', 'Lease')
export const endpointSlices = namespaced<EndpointSlice>('discovery.k8s.io', 'v1', 'endpointslices', 'EndpointSlice')
export const podDisruptionBudgets = namespaced<PodDisruptionBudget>('policy', 'v1', 'poddisruptionbudgets', 'PodDisruptionBudget')
export const ingresses = namespaced<Ingress>('networking.k8s.io', 'v1', 'ingresses', 'Ingress')
export const networkPolicies = namespaced<NetworkPolicy>('networking.k8s.io', 'v1', 'networkpolicies', 'NetworkPolicy')
export const ingressClasses = clusterScoped<IngressClass>('networking.k8s.io', 'v1', 'ingressclasses', 'IngressClass')
export const ipAddresses = clusterScoped<IPAddress>('networking.k8s.io', 'v1', 'ipaddresses', 'IPAddress')
export const serviceCIDRs = clusterScoped<ServiceCIDR>('networking.k8s.io', 'v1', 'servicecidrs', 'ServiceCIDR')
export const runtimeClasses = clusterScoped<RuntimeClass>('node.k8s.io', 'v1', 'runtimeclasses', 'RuntimeClass')
export const priorityClasses = clusterScoped<PriorityClass>('scheduling.k8s.io', 'v1', 'priorityclasses', 'PriorityClass')
export const storageClasses = clusterScoped<StorageClass>('storage.k8s.io', 'v1', 'storageclasses', 'StorageClass')
export const csiDrivers = clusterScoped<CSIDriver>('storage.k8s.io', 'v1', 'csidrivers', 'CSIDriver')
export const csiNodes = clusterScoped<CSINode>('storage.k8s.io', 'v1', 'csinodes', 'CSINode')
export const volumeAttributesClasses = clusterScoped<VolumeAttributesClass>('storage.k8s.io', 'v1', 'volumeattributesclasses', 'VolumeAttributesClass')
export const volumeAttachments = clusterScoped<VolumeAttachment>('storage.k8s.io', 'v1', 'volumeattachments', 'VolumeAttachment')
export const roles = namespaced<Role>('rbac.authorization.k8s.io', 'v1', 'roles', 'Role')
export const roleBindings = namespaced<RoleBinding>('rbac.authorization.k8s.io', 'v1', 'rolebindings', 'RoleBinding')
export const clusterRoles = clusterScoped<ClusterRole>('rbac.authorization.k8s.io', 'v1', 'clusterroles', 'ClusterRole')
export const clusterRoleBindings = clusterScoped<ClusterRoleBinding>('rbac.authorization.k8s.io', 'v1', 'clusterrolebindings', 'ClusterRoleBinding')
export const certificateSigningRequests = clusterScoped<CertificateSigningRequest>('certificates.k8s.io', 'v1', 'certificatesigningrequests', 'CertificateSigningRequest')
export const customResourceDefinitions = clusterScoped<CustomResourceDefinition>('apiextensions.k8s.io', 'v1', 'customresourcedefinitions', 'CustomResourceDefinition')
export const apiServices = clusterScoped<APIService>('apiregistration.k8s.io', 'v1', 'apiservices', 'APIService')
export const validatingAdmissionPolicies = clusterScoped<ValidatingAdmissionPolicy>('admissionregistration.k8s.io', 'v1', 'validatingadmissionpolicies', 'ValidatingAdmissionPolicy')
export const validatingAdmissionPolicyBindings = clusterScoped<ValidatingAdmissionPolicyBinding>('admissionregistration.k8s.io', 'v1', 'validatingadmissionpolicybindings', 'ValidatingAdmissionPolicyBinding')
