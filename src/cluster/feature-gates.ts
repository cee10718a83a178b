/** How settled a feature is; `''` is stable. */
export type FeatureStage = 'ALPHA' | 'BETA' | '' | 'DEPRECATED'

export interface FeatureGate { name: string; stage: FeatureStage; isDefault: boolean; /** Cannot be set to anything but its default. */ isLocked: boolean }

interface Names { stage: FeatureStage; isDefault: boolean; isLocked?: true; names: string }

/** What kube-apiserver 1.36 knows by `--feature-gates` (https://kubernetes.io/docs/reference/command-line-tools-reference/feature-gates/). */
const table: readonly Names[] = [
  { stage: 'ALPHA', isDefault: false, names: `APIServingWithRoutine AllowUnsafeMalformedObjectDeletion CBORServingAndStorage CPUManagerPolicyAlphaOptions CSIVolumeHealth ClientsAllowCBOR
    ClientsPreferCBOR CloudControllerManagerWatchBasedRoutesReconciliation CloudControllerManagerWebhook ContainerStopSignals CrossNamespaceVolumeDataSource
    CustomCPUCFSQuotaPeriod DRAConsumableCapacity DRADeviceBindingConditions DRADeviceTaintRules DRADeviceTaints DRAExtendedResource DRAListTypeAttributes
    DRANodeAllocatableResources DRAPartitionableDevices DRAWorkloadResourceClaims EventedPLEG GangScheduling GenericWorkload HPAScaleToZero ImageVolumeWithDigest
    InPlacePodLevelResourcesVerticalScaling InPlacePodVerticalScalingExclusiveCPUs InPlacePodVerticalScalingExclusiveMemory InTreePluginPortworxUnregister
    KubeletInUserNamespace LoggingAlphaOptions ManifestBasedAdmissionControlConfig MemoryQoS MutablePVNodeAffinity MutablePodResourcesForSuspendedJobs
    MutableSchedulingDirectivesForSuspendedJobs NodeDeclaredFeatures PodAndContainerStatsFromCRI PodCertificateProjection PodLogsQuerySplitStreams QOSReserved
    ReduceDefaultCrashLoopBackOffDecay RelaxedServiceNameValidation ResourceHealthStatus ResourceHealthStatusMessage RestartAllContainersOnContainerExits
    RuntimeClassInImageCriApi ShardedListAndWatch StorageCapacityScoring StorageVersionAPI StrictIPCIDRValidation TaintTolerationComparisonOperators
    TopologyAwareWorkloadScheduling TopologyManagerPolicyAlphaOptions UserNamespacesHostNetworkSupport VolumeLimitScaling WindowsCPUAndMemoryAffinity WorkloadAwarePreemption` },
  { stage: 'BETA', isDefault: true, names: `APIResponseCompression APIServerIdentity AllowParsingUserUIDFromCertAuth AuthorizePodWebsocketUpgradeCreatePermission CPUManagerPolicyBetaOptions
    CRDObservedGenerationTracking CSIServiceAccountTokenSecrets ClearingNominatedNodeNameAfterBinding ComponentFlagz ComponentStatusz ConstrainedImpersonation
    ContainerCheckpoint ContainerRestartRules ContextualLogging DRAAdminAccess DRAPrioritizedList DRAResourceClaimDeviceStatus DRASchedulerFilterTimeout
    DeclarativeValidationBeta DeploymentReplicaSetTerminatingReplicas DetectCacheInconsistency DisableCPUQuotaWithExclusiveCPUs EnvFiles
    ExternalServiceAccountTokenSigner GracefulNodeShutdown GracefulNodeShutdownBasedOnPodPriority HPAConfigurableTolerance HostnameOverride ImageVolume
    InOrderInformers InOrderInformersBatchProcess KubeletCrashLoopBackOffMax KubeletEnsureSecretPulledImages KubeletFineGrainedAuthz KubeletPSI
    KubeletPodResourcesDynamicResources KubeletPodResourcesGet KubeletSeparateDiskGC KubeletServiceAccountTokenForCredentialProviders ListFromCacheSnapshot
    LoggingBetaOptions MatchLabelKeysInPodTopologySpread MatchLabelKeysInPodTopologySpreadSelectorMerge MaxUnavailableStatefulSet MutableCSINodeAllocatableCount
    NominatedNodeNameForExpectation OpenAPIEnums OpportunisticBatching PodDeletionCost PodLevelResources PodReadyToStartContainersCondition PodTopologyLabelsAdmission
    PortForwardWebsockets PreventStaticPodAPIReferences ProcMountType ReloadKubeletServerCertificateFile RemoteRequestHeaderUID RotateKubeletServerCertificate
    SELinuxChangePolicy SELinuxMountReadWriteOncePod SchedulerAsyncPreemption SchedulerPopFromBackoffQ ServiceAccountNodeAudienceRestriction
    SizeBasedListCostEstimate StatefulSetSemanticRevisionComparison StorageVersionHash StructuredAuthenticationConfigurationEgressSelector
    StructuredAuthenticationConfigurationJWKSMetrics TokenRequestServiceAccountUIDValidation TopologyManagerPolicyBetaOptions TranslateStreamCloseWebsocketRequests
    UnauthenticatedHTTP2DOSMitigation UnknownVersionInteroperabilityProxy UserNamespacesSupport WatchCacheInitializationPostStartHook WatchList WatchListClient
    WindowsGracefulNodeShutdown` },
  { stage: 'BETA', isDefault: false, names: `ClusterTrustBundle ClusterTrustBundleProjection ConcurrentWatchObjectDecode CoordinatedLeaderElection
    LocalStorageCapacityIsolationFSQuotaMonitoring NodeLogQuery PodCertificateRequest SELinuxMount SchedulerAsyncAPICalls StorageVersionMigrator` },
  { stage: '', isDefault: true, names: 'InformerResourceVersion MutatingAdmissionPolicy TopologyManagerPolicyOptions' },
  { stage: '', isDefault: true, isLocked: true, names: `APIServerTracing AnonymousAuthConfigurableEndpoints AnyVolumeDataSource AuthorizeNodeWithSelectors AuthorizeWithSelectors BtreeWatchCache
    CPUManagerPolicyOptions CRDValidationRatcheting CSIMigrationPortworx ComponentSLIs ConsistentListFromCache CustomResourceFieldSelectors DeclarativeValidation
    DisableAllocatorDualWrite DynamicResourceAllocation ExecProbeTimeout HonorPVReclaimPolicy ImageMaximumGCAge InPlacePodVerticalScaling JobBackoffLimitPerIndex
    JobManagedBy JobPodReplacementPolicy JobSuccessPolicy KubeletCgroupDriverFromCRI KubeletTracing LogarithmicScaleDown MatchLabelKeysInPodAffinity MemoryManager
    MultiCIDRServiceAllocator NFTablesProxyMode NodeInclusionPolicyInPodTopologySpread NodeSwap OrderedNamespaceDeletion PodLifecycleSleepAction
    PodLifecycleSleepActionAllowZero PodObservedGenerationTracking PodSchedulingReadiness PreferSameTrafficDistribution RecoverVolumeExpansionFailure
    RecursiveReadOnlyMounts RelaxedDNSSearchValidation RelaxedEnvironmentVariableValidation ResilientWatchCacheInitialization RetryGenerateName
    SchedulerQueueingHints SeparateTaintEvictionController ServiceAccountTokenJTI ServiceAccountTokenNodeBinding ServiceAccountTokenNodeBindingValidation
    ServiceAccountTokenPodNodeInfo ServiceTrafficDistribution SidecarContainers StreamingCollectionEncodingToJSON StreamingCollectionEncodingToProtobuf
    StructuredAuthenticationConfiguration StructuredAuthorizationConfiguration SupplementalGroupsPolicy SystemdWatchdog TopologyAwareHints VolumeAttributesClass
    WinDSR WinOverlay` },
  { stage: 'DEPRECATED', isDefault: true, names: 'ChangeContainerStatusOnKubeletRestart DisableNodeKubeProxyVersion KubeletPodResourcesListUseActivePods StorageNamespaceIndex' },
  { stage: 'DEPRECATED', isDefault: false, names: `AllowDNSOnlyNodeCSR AllowInsecureKubeletCertificateSigningRequests DeclarativeValidationTakeover GitRepoVolumeDriver
    InPlacePodVerticalScalingAllocatedStatus KMSv1 KubeletRegistrationGetOnExistsOnly WindowsHostNetwork` },
  { stage: 'DEPRECATED', isDefault: true, isLocked: true, names: 'AggregatedDiscoveryRemoveBetaType' },
  { stage: 'DEPRECATED', isDefault: false, isLocked: true, names: 'AllowOverwriteTerminationGracePeriodSeconds SeparateCacheWatchRPC WatchFromStorageWithoutResourceVersion' },
]

/** Every feature, in the order of their names. */
export const featureGates: readonly FeatureGate[] = table
  .flatMap(({ stage, isDefault, isLocked, names }) => names.split(/\s+/).map((name): FeatureGate => ({ name, stage, isDefault, isLocked: isLocked === true })))
  .sort((a, b) => (a.name < b.name ? -1 : 1))

const byName = new Map(featureGates.map((gate) => [gate.name, gate]))

/** Why these cannot be set; undefined when they can. */
export function featureGatesProblem(given: Readonly<Record<string, string>>): string | undefined {
  for (const [name, text] of Object.entries(given)) {
    const value = booleanOf(text)
    if (value === undefined) return `invalid value of ${name}=${text}, err: strconv.ParseBool: parsing "${text}": invalid syntax`
    if (name === 'AllAlpha' || name === 'AllBeta') continue
    const gate = byName.get(name)
    if (gate === undefined) return `unrecognized feature gate: ${name}`
    if (gate.isLocked && value !== gate.isDefault) return `cannot set feature gate ${name} to ${value}, feature is locked to ${gate.isDefault}`
  }
  return undefined
}

function booleanOf(text: string): boolean | undefined {
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true
  return ['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text) ? false : undefined
}

/** Whether a feature is on under `--feature-gates`; throws for one that the table lacks. */
export function isFeatureEnabled(given: Readonly<Record<string, string>>, name: string): boolean {
  const gate = byName.get(name)
  if (gate === undefined) throw new Error(`unrecognized feature gate: ${name}`)
  const own = booleanOf(given[name] ?? '')
  if (own !== undefined) return own
  const ofStage = gate.isLocked ? undefined : gate.stage === 'ALPHA' ? given['AllAlpha'] : gate.stage === 'BETA' ? given['AllBeta'] : undefined
  return booleanOf(ofStage ?? '') ?? gate.isDefault
}
