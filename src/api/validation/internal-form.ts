import { semanticEqual } from '../../machinery/equality.ts'
import { fieldErrors, goJson, type FieldError } from '../../machinery/field-error.ts'
import { isJsonObject } from '../../machinery/json-value.ts'
import { unifiedDiff } from '../../machinery/unified-diff.ts'
import { immutableText } from './object-meta.ts'

/**
 * Objects as upstream's validation shows them: it works on types that have no JSON tags, so that texts hold Go's own names,
 * every field, and nothing where nothing is set (`pkg/apis/core/types.go`). Messages about fields that may not change do so.
 */

/**
 * A type a line, its fields in Go's order: the name, `=json` where the name in the API is not that with a small first letter,
 * then how it is kept. Nothing: text. `#`: a number. `?`: true or false. `*`: any of these, or null. `q`: a quantity.
 * `[]X` and `X` are lists and structs, `*X` a struct or null; `+X` has its fields stand in ours; `map`, and `raw` for types
 * that look inside as they do outside, may be null.
 */
const shapes = `
PodSpec: Volumes []Volume, InitContainers []Container, Containers []Container, EphemeralContainers []EphemeralContainer, RestartPolicy, TerminationGracePeriodSeconds *, ActiveDeadlineSeconds *, DNSPolicy=dnsPolicy, NodeSelector map, ServiceAccountName, AutomountServiceAccountToken *, NodeName, SecurityContext *PodSecurityContext, ImagePullSecrets []Name, Hostname, Subdomain, SetHostnameAsFQDN *, Affinity *Affinity, SchedulerName, Tolerations []Toleration, HostAliases []HostAlias, PriorityClassName, Priority *, PreemptionPolicy *, DNSConfig=dnsConfig *PodDNSConfig, ReadinessGates []PodReadinessGate, RuntimeClassName *, Overhead map, EnableServiceLinks *, TopologySpreadConstraints []TopologySpreadConstraint, OS=os *Name, SchedulingGates []Name, ResourceClaims []PodResourceClaim, Resources *ResourceRequirements, HostnameOverride *, SchedulingGroup *PodSchedulingGroup
PodSecurityContext: HostNetwork ?, HostPID ?, HostIPC ?, ShareProcessNamespace *, HostUsers *, SELinuxOptions=seLinuxOptions *SELinuxOptions, WindowsOptions *WindowsOptions, RunAsUser *, RunAsGroup *, RunAsNonRoot *, SupplementalGroups raw, SupplementalGroupsPolicy *, FSGroup=fsGroup *, FSGroupChangePolicy=fsGroupChangePolicy *, Sysctls []NameValue, SeccompProfile *Profile, AppArmorProfile *Profile, SELinuxChangePolicy=seLinuxChangePolicy *
PodTemplateSpec: +ObjectMeta, Spec PodSpec
Container: Name, Image, Command raw, Args raw, WorkingDir, Ports []ContainerPort, EnvFrom []EnvFromSource, Env []EnvVar, Resources ResourceRequirements, ResizePolicy []ResizePolicy, RestartPolicy *, RestartPolicyRules []RestartRule, VolumeMounts []VolumeMount, VolumeDevices []VolumeDevice, LivenessProbe *Probe, ReadinessProbe *Probe, StartupProbe *Probe, Lifecycle *Lifecycle, TerminationMessagePath, TerminationMessagePolicy, ImagePullPolicy, SecurityContext *SecurityContext, Stdin ?, StdinOnce ?, TTY=tty ?
EphemeralContainer: +Container, TargetContainerName
Name: Name
NameValue: Name, Value
Affinity: NodeAffinity *NodeAffinity, PodAffinity *PodAffinity, PodAntiAffinity *PodAffinity
NodeAffinity: RequiredDuringSchedulingIgnoredDuringExecution *NodeSelector, PreferredDuringSchedulingIgnoredDuringExecution []PreferredSchedulingTerm
NodeSelector: NodeSelectorTerms []NodeSelectorTerm
NodeSelectorTerm: MatchExpressions []NodeSelectorRequirement, MatchFields []NodeSelectorRequirement
NodeSelectorRequirement: Key, Operator, Values raw
PreferredSchedulingTerm: Weight #, Preference NodeSelectorTerm
PodAffinity: RequiredDuringSchedulingIgnoredDuringExecution []PodAffinityTerm, PreferredDuringSchedulingIgnoredDuringExecution []WeightedPodAffinityTerm
PodAffinityTerm: LabelSelector raw, Namespaces raw, TopologyKey, NamespaceSelector raw, MatchLabelKeys raw, MismatchLabelKeys raw
WeightedPodAffinityTerm: Weight #, PodAffinityTerm PodAffinityTerm
Toleration: Key, Operator, Value, Effect, TolerationSeconds *
HostAlias: IP=ip, Hostnames raw
PodDNSConfig: Nameservers raw, Searches raw, Options []PodDNSConfigOption
PodDNSConfigOption: Name, Value *
PodReadinessGate: ConditionType
TopologySpreadConstraint: MaxSkew #, TopologyKey, WhenUnsatisfiable, LabelSelector raw, MinDomains *, NodeAffinityPolicy *, NodeTaintsPolicy *, MatchLabelKeys raw
PodResourceClaim: Name, ResourceClaimName *, ResourceClaimTemplateName *
ResourceRequirements: Limits map, Requests map, Claims []ResourceClaim
ResourceClaim: Name, Request
PodSchedulingGroup: PodGroupName *
ContainerPort: Name, HostPort #, ContainerPort #, Protocol, HostIP
EnvFromSource: Prefix, ConfigMapRef *OptionalName, SecretRef *OptionalName
OptionalName: Name, Optional *
EnvVar: Name, Value, ValueFrom *EnvVarSource
EnvVarSource: FieldRef *FieldRef, ResourceFieldRef *ResourceFieldRef, ConfigMapKeyRef *KeyRef, SecretKeyRef *KeyRef, FileKeyRef *FileKeyRef
FieldRef: APIVersion=apiVersion, FieldPath
ResourceFieldRef: ContainerName, Resource, Divisor q
KeyRef: Name, Key, Optional *
FileKeyRef: VolumeName, Path, Key, Optional *
ResizePolicy: ResourceName, RestartPolicy
RestartRule: Action, ExitCodes *RestartExitCodes
RestartExitCodes: Operator, Values raw
VolumeMount: Name, ReadOnly ?, RecursiveReadOnly *, MountPath, SubPath, MountPropagation *, SubPathExpr
VolumeDevice: Name, DevicePath
Probe: Exec *Exec, HTTPGet=httpGet *HTTPGet, TCPSocket=tcpSocket *TCPSocket, GRPC=grpc *GRPC, InitialDelaySeconds #, TimeoutSeconds #, PeriodSeconds #, SuccessThreshold #, FailureThreshold #, TerminationGracePeriodSeconds *
Lifecycle: PostStart *LifecycleHandler, PreStop *LifecycleHandler, StopSignal *
LifecycleHandler: Exec *Exec, HTTPGet=httpGet *HTTPGet, TCPSocket=tcpSocket *TCPSocket, Sleep *Sleep
Exec: Command raw
HTTPGet: Path, Port #, Host, Scheme, HTTPHeaders=httpHeaders []NameValue
TCPSocket: Port #, Host
GRPC: Port #, Service *
Sleep: Seconds #
SecurityContext: Capabilities *Capabilities, Privileged *, SELinuxOptions=seLinuxOptions *SELinuxOptions, WindowsOptions *WindowsOptions, RunAsUser *, RunAsGroup *, RunAsNonRoot *, ReadOnlyRootFilesystem *, AllowPrivilegeEscalation *, ProcMount *, SeccompProfile *Profile, AppArmorProfile *Profile
Capabilities: Add raw, Drop raw
SELinuxOptions: User, Role, Type, Level
WindowsOptions: GMSACredentialSpecName=gmsaCredentialSpecName *, GMSACredentialSpec=gmsaCredentialSpec *, RunAsUserName *, HostProcess *
Profile: Type, LocalhostProfile *
Volume: Name, HostPath *HostPath, EmptyDir *EmptyDir, GCEPersistentDisk=gcePersistentDisk *GCEDisk, AWSElasticBlockStore=awsElasticBlockStore *AWSDisk, GitRepo *GitRepo, Secret *SecretVolume, NFS=nfs *NFS, ISCSI=iscsi *ISCSI, Glusterfs *Glusterfs, PersistentVolumeClaim *ClaimVolume, RBD=rbd *RBD, Quobyte *Quobyte, FlexVolume *Flex, Cinder *Cinder, CephFS=cephfs *CephFS, Flocker *Flocker, DownwardAPI *DownwardVolume, FC=fc *FC, AzureFile *AzureFile, ConfigMap *ConfigMapVolume, VsphereVolume *Vsphere, AzureDisk *AzureDisk, PhotonPersistentDisk *Photon, Projected *Projected, PortworxVolume *Portworx, ScaleIO *ScaleIO, StorageOS=storageos *StorageOS, CSI=csi *CSI, Ephemeral *Ephemeral, Image *Image
HostPath: Path, Type *
EmptyDir: Medium, SizeLimit *
GCEDisk: PDName=pdName, FSType=fsType, Partition #, ReadOnly ?
AWSDisk: VolumeID, FSType=fsType, Partition #, ReadOnly ?
GitRepo: Repository, Revision, Directory
SecretVolume: SecretName, Items []KeyToPath, DefaultMode *, Optional *
NFS: Server, Path, ReadOnly ?
ISCSI: TargetPortal, IQN=iqn, Lun #, ISCSIInterface=iscsiInterface, FSType=fsType, ReadOnly ?, Portals raw, DiscoveryCHAPAuth=chapAuthDiscovery ?, SessionCHAPAuth=chapAuthSession ?, SecretRef *Name, InitiatorName *
Glusterfs: EndpointsName=endpoints, Path, ReadOnly ?
ClaimVolume: ClaimName, ReadOnly ?
RBD: CephMonitors=monitors raw, RBDImage=image, FSType=fsType, RBDPool=pool, RadosUser=user, Keyring, SecretRef *Name, ReadOnly ?
Quobyte: Registry, Volume, ReadOnly ?, User, Group, Tenant
Flex: Driver, FSType=fsType, SecretRef *Name, ReadOnly ?, Options map
Cinder: VolumeID, FSType=fsType, ReadOnly ?, SecretRef *Name
CephFS: Monitors raw, Path, User, SecretFile, SecretRef *Name, ReadOnly ?
Flocker: DatasetName, DatasetUUID
DownwardVolume: Items []DownwardFile, DefaultMode *
DownwardFile: Path, FieldRef *FieldRef, ResourceFieldRef *ResourceFieldRef, Mode *
FC: TargetWWNs raw, Lun *, FSType=fsType, ReadOnly ?, WWIDs=wwids raw
AzureFile: SecretName, ShareName, ReadOnly ?
ConfigMapVolume: Name, Items []KeyToPath, DefaultMode *, Optional *
KeyToPath: Key, Path, Mode *
Vsphere: VolumePath, FSType=fsType, StoragePolicyName, StoragePolicyID
AzureDisk: DiskName, DataDiskURI=diskURI, CachingMode *, FSType=fsType *, ReadOnly *, Kind *
Photon: PdID, FSType=fsType
Projected: Sources []Projection, DefaultMode *
Projection: Secret *KeysProjection, DownwardAPI *DownwardProjection, ConfigMap *KeysProjection, ServiceAccountToken *TokenProjection, ClusterTrustBundle *BundleProjection, PodCertificate *CertificateProjection
KeysProjection: Name, Items []KeyToPath, Optional *
DownwardProjection: Items []DownwardFile
TokenProjection: Audience, ExpirationSeconds #, Path
BundleProjection: Name *, SignerName *, LabelSelector raw, Optional *, Path
CertificateProjection: SignerName, KeyType, MaxExpirationSeconds *, CredentialBundlePath, KeyPath, CertificateChainPath, UserAnnotations map
Portworx: VolumeID, FSType=fsType, ReadOnly ?
ScaleIO: Gateway, System, SecretRef *Name, SSLEnabled=sslEnabled ?, ProtectionDomain, StoragePool, StorageMode, VolumeName, FSType=fsType, ReadOnly ?
StorageOS: VolumeName, VolumeNamespace, FSType=fsType, ReadOnly ?, SecretRef *Name
CSI: Driver, ReadOnly *, FSType=fsType *, VolumeAttributes map, NodePublishSecretRef *Name
Ephemeral: VolumeClaimTemplate *ClaimTemplate
ClaimTemplate: +ObjectMeta, Spec PersistentVolumeClaimSpec
PersistentVolumeClaimSpec: AccessModes raw, Selector raw, Resources ClaimResources, VolumeName, StorageClassName *, VolumeMode *, DataSource *LocalReference, DataSourceRef *Reference, VolumeAttributesClassName *
ClaimResources: Limits map, Requests map
LocalReference: APIGroup=apiGroup *, Kind, Name
Reference: APIGroup=apiGroup *, Kind, Name, Namespace *
Image: Reference, PullPolicy
DeploymentStrategy: Type, RollingUpdate *RollingUpdate
DaemonSetUpdateStrategy: Type, RollingUpdate *RollingUpdate
RollingUpdate: MaxUnavailable #, MaxSurge #
StatefulSetUpdateStrategy: Type, RollingUpdate *StatefulSetRollingUpdate
StatefulSetRollingUpdate: Partition #, MaxUnavailable *
PodFailurePolicy: Rules []PodFailurePolicyRule
PodFailurePolicyRule: Action, OnExitCodes *OnExitCodes, OnPodConditions []OnPodCondition
OnExitCodes: ContainerName *, Operator, Values raw
OnPodCondition: Type, Status
SuccessPolicy: Rules []SuccessPolicyRule
SuccessPolicyRule: SucceededIndexes *, SucceededCount *
UncountedTerminatedPods: Succeeded raw, Failed raw
PersistentVolumeSource: GCEPersistentDisk=gcePersistentDisk *GCEDisk, AWSElasticBlockStore=awsElasticBlockStore *AWSDisk, HostPath *HostPath, Glusterfs *GlusterfsVolume, NFS=nfs *NFS, RBD=rbd *RBDVolume, Quobyte *Quobyte, ISCSI=iscsi *ISCSIVolume, FlexVolume *FlexVolume, Cinder *CinderVolume, CephFS=cephfs *CephFSVolume, FC=fc *FC, Flocker *Flocker, AzureFile *AzureFileVolume, VsphereVolume *Vsphere, AzureDisk *AzureDisk, PhotonPersistentDisk *Photon, PortworxVolume *Portworx, ScaleIO *ScaleIOVolume, Local *Local, StorageOS=storageos *StorageOSVolume, CSI=csi *CSIVolume
GlusterfsVolume: EndpointsName=endpoints, Path, ReadOnly ?, EndpointsNamespace *
RBDVolume: CephMonitors=monitors raw, RBDImage=image, FSType=fsType, RBDPool=pool, RadosUser=user, Keyring, SecretRef *SecretReference, ReadOnly ?
ISCSIVolume: TargetPortal, IQN=iqn, Lun #, ISCSIInterface=iscsiInterface, FSType=fsType, ReadOnly ?, Portals raw, DiscoveryCHAPAuth=chapAuthDiscovery ?, SessionCHAPAuth=chapAuthSession ?, SecretRef *SecretReference, InitiatorName *
FlexVolume: Driver, FSType=fsType, SecretRef *SecretReference, ReadOnly ?, Options map
CinderVolume: VolumeID, FSType=fsType, ReadOnly ?, SecretRef *SecretReference
CephFSVolume: Monitors raw, Path, User, SecretFile, SecretRef *SecretReference, ReadOnly ?
AzureFileVolume: SecretName, ShareName, ReadOnly ?, SecretNamespace *
ScaleIOVolume: Gateway, System, SecretRef *SecretReference, SSLEnabled=sslEnabled ?, ProtectionDomain, StoragePool, StorageMode, VolumeName, FSType=fsType, ReadOnly ?
Local: Path, FSType=fsType *
StorageOSVolume: VolumeName, VolumeNamespace, FSType=fsType, ReadOnly ?, SecretRef *ObjectReference
CSIVolume: Driver, VolumeHandle, ReadOnly ?, FSType=fsType, VolumeAttributes map, ControllerPublishSecretRef *SecretReference, NodeStageSecretRef *SecretReference, NodePublishSecretRef *SecretReference, ControllerExpandSecretRef *SecretReference, NodeExpandSecretRef *SecretReference
SecretReference: Name, Namespace
ObjectReference: Kind, Namespace, Name, UID=uid, APIVersion=apiVersion, ResourceVersion, FieldPath
EventSource: Component, Host
VolumeNodeAffinity: Required *NodeSelector
PersistentVolumeSpec: Capacity map, +PersistentVolumeSource, AccessModes raw, ClaimRef *ObjectReference, PersistentVolumeReclaimPolicy, StorageClassName, MountOptions raw, VolumeMode *, NodeAffinity *VolumeNodeAffinity, VolumeAttributesClassName *
VolumeAttachmentSpec: Attacher, Source VolumeAttachmentSource, NodeName
VolumeAttachmentSource: PersistentVolumeName *, InlineVolumeSpec *PersistentVolumeSpec
CSINodeDriver: Name, NodeID, TopologyKeys raw, Allocatable *VolumeNodeResources
VolumeNodeResources: Count *
ParentReference: Group, Resource, Namespace, Name
CertificateSigningRequestCondition: Type, Status, Reason, Message, LastUpdateTime *, LastTransitionTime *
NonResourceAttributes: Path, Verb
FlowDistinguisherMethod: Type
FlowSchemaSpec: PriorityLevelConfiguration Name, MatchingPrecedence #, DistinguisherMethod *FlowDistinguisherMethod, Rules []PolicyRulesWithSubjects
PolicyRulesWithSubjects: Subjects []FlowSubject, ResourceRules []ResourcePolicyRule, NonResourceRules []NonResourcePolicyRule
FlowSubject: Kind, User *Name, Group *Name, ServiceAccount *ServiceAccountSubject
ServiceAccountSubject: Namespace, Name
ResourcePolicyRule: Verbs raw, APIGroups=apiGroups raw, Resources raw, ClusterScope ?, Namespaces raw
NonResourcePolicyRule: Verbs raw, NonResourceURLs raw
PriorityLevelConfigurationSpec: Type, Limited *LimitedLevel, Exempt *ExemptLevel
LimitedLevel: NominalConcurrencyShares #, LimitResponse LimitResponse, LendablePercent *, BorrowingLimitPercent *
ExemptLevel: NominalConcurrencyShares *, LendablePercent *
LimitResponse: Type, Queuing *QueuingConfiguration
QueuingConfiguration: Queues #, HandSize #, QueueLengthLimit #
ResourceClaimSpec: Devices DeviceClaim
ResourceClaimTemplateSpec: +ObjectMeta, Spec ResourceClaimSpec
DeviceClaim: Requests []DeviceRequest, Constraints []DeviceConstraint, Config []DeviceClaimConfiguration
DeviceRequest: Name, Exactly *ExactDeviceRequest, FirstAvailable []DeviceSubRequest
ExactDeviceRequest: DeviceClassName, Selectors []DeviceSelector, AllocationMode, Count #, AdminAccess *, Tolerations []Toleration, Capacity *DeviceCapacity
DeviceSubRequest: Name, DeviceClassName, Selectors []DeviceSelector, AllocationMode, Count #, Tolerations []Toleration, Capacity *DeviceCapacity
DeviceSelector: CEL=cel *DeviceExpression
DeviceExpression: Expression
DeviceCapacity: Requests map
DeviceConstraint: Requests raw, MatchAttribute *, DistinctAttribute *
DeviceClaimConfiguration: Requests raw, Opaque *OpaqueConfiguration
OpaqueConfiguration: Driver, Parameters *
DeviceAttribute: IntValue=int *, BoolValue=bool *, StringValue=string *, VersionValue=version *, IntValues=ints raw, BoolValues=bools raw, StringValues=strings raw, VersionValues=versions raw
ResourcePoolStatusRequestStatus: PoolCount *, Pools []PoolStatus, Conditions raw
PoolStatus: Driver, PoolName, Generation #, ResourceSliceCount *, TotalDevices *, AllocatedDevices *, AvailableDevices *, UnavailableDevices *, NodeName *, ValidationError *
AllocationResult: Devices DeviceAllocationResult, NodeSelector *NodeSelector, AllocationTimestamp *
DeviceAllocationResult: Results []DeviceRequestAllocationResult, Config []DeviceAllocationConfiguration
DeviceRequestAllocationResult: Request, Driver, Pool, Device, AdminAccess *, Tolerations []Toleration, BindingConditions raw, BindingFailureConditions raw, ShareID *, ConsumedCapacity map
DeviceAllocationConfiguration: Source, Requests raw, Opaque *OpaqueConfiguration
ResourcePoolStatusRequestSpec: Driver, PoolName *, Limit *
PodDisruptionBudgetSpec: MinAvailable *, Selector raw, MaxUnavailable *, UnhealthyPodEvictionPolicy *
`

interface Field { name: string; json: string; kind: string }

let fieldsByType: ReadonlyMap<string, readonly Field[]> | undefined

function fieldsOf(type: string): readonly Field[] {
  fieldsByType ??= new Map(shapes.trim().split('\n').map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 2).split(', ').map(parseField)]
  }))
  const fields = fieldsByType.get(type)
  if (fields === undefined) throw new Error(`no internal form of ${type}`)
  return fields
}

function parseField(text: string): Field {
  if (text.startsWith('+')) return { name: '', json: '', kind: text }
  const [names = '', kind = ''] = text.split(' ')
  const [name = '', json = `${name.charAt(0).toLowerCase()}${name.slice(1)}`] = names.split('=')
  return { name, json, kind }
}

/** Fields that stand elsewhere in the API: part of the spec there, of its security context inside. */
const hostFields = ['hostNetwork', 'hostPID', 'hostIPC', 'shareProcessNamespace', 'hostUsers'] as const

/** Maps in Go's order, which is that of their keys. */
export function sorted(value: unknown): unknown {
  if (!isJsonObject(value)) return Array.isArray(value) ? value.map(sorted) : value
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]))
}

/** A label selector in Go's order. metav1's types have JSON tags, and so look the same inside as outside. */
export function selectorForm(value: unknown): unknown {
  if (!isJsonObject(value)) return value
  const { matchLabels, matchExpressions } = value
  return { ...(matchLabels === undefined ? {} : { matchLabels: sorted(matchLabels) }), ...(matchExpressions === undefined ? {} : { matchExpressions }) }
}

function formOf(kind: string, value: unknown): unknown {
  if (kind === '') return value ?? ''
  if (kind === '#') return value ?? 0
  if (kind === '?') return value ?? false
  if (kind === 'q') return value ?? '0'
  if (kind === '*') return value ?? null
  if (kind === 'map') return isJsonObject(value) && Object.keys(value).length > 0 ? sorted(value) : null
  if (kind === 'raw') return value === undefined || value === null || (Array.isArray(value) && value.length === 0) ? null : selectorForm(value)
  if (kind.startsWith('[]')) return Array.isArray(value) && value.length > 0 ? value.map((item) => internalForm(kind.slice(2), item)) : null
  if (kind.startsWith('*')) return value === undefined || value === null ? null : internalForm(kind.slice(1), value)
  return internalForm(kind, value)
}

/** The value of a type of the API as upstream's own type of the name holds it, ready for `JSON.stringify`. */
export function internalForm(type: string, value: unknown): Record<string, unknown> {
  const given = isJsonObject(value) ? value : {}
  const out: Record<string, unknown> = {}
  if (type === 'PodSpec') return podSpecForm(given)
  for (const { name, json, kind } of fieldsOf(type)) {
    if (kind === '+ObjectMeta') Object.assign(out, isJsonObject(given.metadata) ? metadataForm(given.metadata) : {})
    else if (kind.startsWith('+')) Object.assign(out, internalForm(kind.slice(1), given))
    else out[name] = formOf(kind, given[json])
  }
  return out
}

const metadataFields = ['name', 'generateName', 'namespace', 'selfLink', 'uid', 'resourceVersion', 'generation', 'creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds', 'labels', 'annotations', 'ownerReferences', 'finalizers', 'managedFields']

/** Metadata in Go's order; its type has JSON tags, too. */
function metadataForm(metadata: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(metadataFields.filter((field) => metadata[field] !== undefined).map((field) => [field, sorted(metadata[field])]))
}

function podSpecForm(given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const out: Record<string, unknown> = {}
  const onHost = Object.fromEntries(hostFields.filter((field) => given[field] !== undefined).map((field) => [field, given[field]]))
  const context = given.securityContext === undefined && Object.keys(onHost).length === 0 ? undefined : { ...(given.securityContext as object | undefined), ...onHost }
  for (const { name, json, kind } of fieldsOf('PodSpec')) out[name] = formOf(kind, json === 'securityContext' ? context : given[json])
  return out
}

/** A value that may not change and did: upstream shows what it is now in the form it has inside. */
export function validateImmutableForm(type: string, value: unknown, old: unknown, path: string): FieldError[] {
  return semanticEqual(value, old) ? [] : [fieldErrors.invalid(path, value === undefined || value === null ? null : internalForm(type, value), immutableText)]
}

/** What differs between two values of a type, or lists of them, as upstream's messages show it (apimachinery's `diff.Diff`). */
export function internalChanges(type: string, before: unknown, after: unknown): string {
  const text = (value: unknown): string => goJson(Array.isArray(value) ? value.map((item) => internalForm(type, item)) : internalForm(type, value), 1)
  return unifiedDiff(text(before), text(after))
}
