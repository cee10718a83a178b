import { codecFor, type Received, type Sent } from './codec.ts'

/** The part of the container runtime interface, `runtime.v1`, that the kubelet speaks (cri-api `pkg/apis/runtime/v1/api.proto`), as a table. */
const enums = {
  Protocol: ['TCP', 'UDP', 'SCTP'],
  MountPropagation: ['PROPAGATION_PRIVATE', 'PROPAGATION_HOST_TO_CONTAINER', 'PROPAGATION_BIDIRECTIONAL'],
  NamespaceMode: ['POD', 'CONTAINER', 'NODE', 'TARGET'],
  SupplementalGroupsPolicy: ['Merge', 'Strict'],
  ProfileType: ['RuntimeDefault', 'Unconfined', 'Localhost'],
  PodSandboxState: ['SANDBOX_READY', 'SANDBOX_NOTREADY'],
  ContainerState: ['CONTAINER_CREATED', 'CONTAINER_RUNNING', 'CONTAINER_EXITED', 'CONTAINER_UNKNOWN'],
} as const

const messages = {
  Empty: {},
  VersionRequest: { version: '1 string' },
  VersionResponse: { version: '1 string', runtimeName: '2 string', runtimeVersion: '3 string', runtimeApiVersion: '4 string' },

  DNSConfig: { servers: '1 string[]', searches: '2 string[]', options: '3 string[]' },
  PortMapping: { protocol: '1 Protocol', containerPort: '2 int32', hostPort: '3 int32', hostIp: '4 string' },
  Mount: { containerPath: '1 string', hostPath: '2 string', readonly: '3 bool', selinuxRelabel: '4 bool', propagation: '5 MountPropagation', recursiveReadOnly: '8 bool' },
  NamespaceOption: { network: '1 NamespaceMode', pid: '2 NamespaceMode', ipc: '3 NamespaceMode', targetId: '4 string' },
  Int64Value: { value: '1 int64' },
  UInt64Value: { value: '1 uint64' },
  SELinuxOption: { user: '1 string', role: '2 string', type: '3 string', level: '4 string' },
  SecurityProfile: { profileType: '1 ProfileType', localhostRef: '2 string' },
  LinuxSandboxSecurityContext: {
    namespaceOptions: '1 NamespaceOption', selinuxOptions: '2 SELinuxOption', runAsUser: '3 Int64Value', runAsGroup: '8 Int64Value', readonlyRootfs: '4 bool',
    supplementalGroups: '5 int64[]', supplementalGroupsPolicy: '11 SupplementalGroupsPolicy', privileged: '6 bool', seccomp: '9 SecurityProfile', apparmor: '10 SecurityProfile',
  },
  HugepageLimit: { pageSize: '1 string', limit: '2 uint64' },
  LinuxContainerResources: {
    cpuPeriod: '1 int64', cpuQuota: '2 int64', cpuShares: '3 int64', memoryLimitInBytes: '4 int64', oomScoreAdj: '5 int64', cpusetCpus: '6 string', cpusetMems: '7 string',
    hugepageLimits: '8 HugepageLimit[]', unified: '9 map', memorySwapLimitInBytes: '10 int64',
  },
  LinuxPodSandboxConfig: { cgroupParent: '1 string', securityContext: '2 LinuxSandboxSecurityContext', sysctls: '3 map', overhead: '4 LinuxContainerResources', resources: '5 LinuxContainerResources' },
  PodSandboxMetadata: { name: '1 string', uid: '2 string', namespace: '3 string', attempt: '4 uint32' },
  PodSandboxConfig: {
    metadata: '1 PodSandboxMetadata', hostname: '2 string', logDirectory: '3 string', dnsConfig: '4 DNSConfig', portMappings: '5 PortMapping[]', labels: '6 map', annotations: '7 map',
    linux: '8 LinuxPodSandboxConfig',
  },
  RunPodSandboxRequest: { config: '1 PodSandboxConfig', runtimeHandler: '2 string' },
  PodSandboxId: { podSandboxId: '1 string' },
  PodIP: { ip: '1 string' },
  PodSandboxNetworkStatus: { ip: '1 string', additionalIps: '2 PodIP[]' },
  Namespace: { options: '2 NamespaceOption' },
  LinuxPodSandboxStatus: { namespaces: '1 Namespace' },
  PodSandboxStatus: {
    id: '1 string', metadata: '2 PodSandboxMetadata', state: '3 PodSandboxState', createdAt: '4 int64', network: '5 PodSandboxNetworkStatus', linux: '6 LinuxPodSandboxStatus', labels: '7 map',
    annotations: '8 map', runtimeHandler: '9 string',
  },
  PodSandboxStatusResponse: { status: '1 PodSandboxStatus', info: '2 map' },
  PodSandboxStateValue: { state: '1 PodSandboxState' },
  PodSandboxFilter: { id: '1 string', state: '2 PodSandboxStateValue', labelSelector: '3 map' },
  ListPodSandboxRequest: { filter: '1 PodSandboxFilter' },
  PodSandbox: { id: '1 string', metadata: '2 PodSandboxMetadata', state: '3 PodSandboxState', createdAt: '4 int64', labels: '5 map', annotations: '6 map', runtimeHandler: '7 string' },
  ListPodSandboxResponse: { items: '1 PodSandbox[]' },

  ImageSpec: { image: '1 string', annotations: '2 map', userSpecifiedImage: '18 string', runtimeHandler: '19 string', imageRef: '20 string' },
  KeyValue: { key: '1 string', value: '2 string' },
  Capability: { addCapabilities: '1 string[]', dropCapabilities: '2 string[]', addAmbientCapabilities: '3 string[]' },
  LinuxContainerSecurityContext: {
    capabilities: '1 Capability', privileged: '2 bool', namespaceOptions: '3 NamespaceOption', selinuxOptions: '4 SELinuxOption', runAsUser: '5 Int64Value', runAsGroup: '12 Int64Value',
    runAsUsername: '6 string', readonlyRootfs: '7 bool', supplementalGroups: '8 int64[]', supplementalGroupsPolicy: '17 SupplementalGroupsPolicy', noNewPrivs: '11 bool', maskedPaths: '13 string[]',
    readonlyPaths: '14 string[]', seccomp: '15 SecurityProfile', apparmor: '16 SecurityProfile',
  },
  LinuxContainerConfig: { resources: '1 LinuxContainerResources', securityContext: '2 LinuxContainerSecurityContext' },
  LinuxContainerUser: { uid: '1 int64', gid: '2 int64', supplementalGroups: '3 int64[]' },
  ContainerUser: { linux: '1 LinuxContainerUser' },
  ContainerMetadata: { name: '1 string', attempt: '2 uint32' },
  Device: { containerPath: '1 string', hostPath: '2 string', permissions: '3 string' },
  ContainerConfig: {
    metadata: '1 ContainerMetadata', image: '2 ImageSpec', command: '3 string[]', args: '4 string[]', workingDir: '5 string', envs: '6 KeyValue[]', mounts: '7 Mount[]', devices: '8 Device[]',
    labels: '9 map', annotations: '10 map', logPath: '11 string', stdin: '12 bool', stdinOnce: '13 bool', tty: '14 bool', linux: '15 LinuxContainerConfig', stopSignal: '18 int32',
  },
  CreateContainerRequest: { podSandboxId: '1 string', config: '2 ContainerConfig', sandboxConfig: '3 PodSandboxConfig' },
  ContainerId: { containerId: '1 string' },
  StopContainerRequest: { containerId: '1 string', timeout: '2 int64' },
  ContainerStateValue: { state: '1 ContainerState' },
  ContainerFilter: { id: '1 string', state: '2 ContainerStateValue', podSandboxId: '3 string', labelSelector: '4 map' },
  ListContainersRequest: { filter: '1 ContainerFilter' },
  Container: {
    id: '1 string', podSandboxId: '2 string', metadata: '3 ContainerMetadata', image: '4 ImageSpec', imageRef: '5 string', state: '6 ContainerState', createdAt: '7 int64', labels: '8 map',
    annotations: '9 map', imageId: '10 string',
  },
  ListContainersResponse: { containers: '1 Container[]' },
  ContainerStatusRequest: { containerId: '1 string', verbose: '2 bool' },
  ContainerResources: { linux: '1 LinuxContainerResources' },
  ContainerStatus: {
    id: '1 string', metadata: '2 ContainerMetadata', state: '3 ContainerState', createdAt: '4 int64', startedAt: '5 int64', finishedAt: '6 int64', exitCode: '7 int32', image: '8 ImageSpec',
    imageRef: '9 string', reason: '10 string', message: '11 string', labels: '12 map', annotations: '13 map', mounts: '14 Mount[]', logPath: '15 string', resources: '16 ContainerResources',
    imageId: '17 string', user: '18 ContainerUser', stopSignal: '19 int32',
  },
  ContainerStatusResponse: { status: '1 ContainerStatus', info: '2 map' },
  UpdateContainerResourcesRequest: { containerId: '1 string', linux: '2 LinuxContainerResources', annotations: '4 map' },
  ExecSyncRequest: { containerId: '1 string', cmd: '2 string[]', timeout: '3 int64' },
  ExecSyncResponse: { stdout: '1 bytes', stderr: '2 bytes', exitCode: '3 int32' },
  ExecRequest: { containerId: '1 string', cmd: '2 string[]', tty: '3 bool', stdin: '4 bool', stdout: '5 bool', stderr: '6 bool' },
  AttachRequest: { containerId: '1 string', stdin: '2 bool', tty: '3 bool', stdout: '4 bool', stderr: '5 bool' },
  PortForwardRequest: { podSandboxId: '1 string', port: '2 int32[]' },
  StreamingResponse: { url: '1 string' },

  ImageFilter: { image: '1 ImageSpec' },
  ListImagesRequest: { filter: '1 ImageFilter' },
  Image: { id: '1 string', repoTags: '2 string[]', repoDigests: '3 string[]', size: '4 uint64', uid: '5 Int64Value', username: '6 string', spec: '7 ImageSpec', pinned: '8 bool' },
  ListImagesResponse: { images: '1 Image[]' },
  ImageStatusRequest: { image: '1 ImageSpec', verbose: '2 bool' },
  ImageStatusResponse: { image: '1 Image', info: '2 map' },
  AuthConfig: { username: '1 string', password: '2 string', auth: '3 string', serverAddress: '4 string', identityToken: '5 string', registryToken: '6 string' },
  PullImageRequest: { image: '1 ImageSpec', auth: '2 AuthConfig', sandboxConfig: '3 PodSandboxConfig' },
  PullImageResponse: { imageRef: '1 string' },
  RemoveImageRequest: { image: '1 ImageSpec' },

  NetworkConfig: { podCidr: '1 string' },
  RuntimeConfig: { networkConfig: '1 NetworkConfig' },
  UpdateRuntimeConfigRequest: { runtimeConfig: '1 RuntimeConfig' },
  RuntimeCondition: { type: '1 string', status: '2 bool', reason: '3 string', message: '4 string' },
  RuntimeStatus: { conditions: '1 RuntimeCondition[]' },
  StatusRequest: { verbose: '1 bool' },
  StatusResponse: { status: '1 RuntimeStatus', info: '2 map' },

  FilesystemIdentifier: { mountpoint: '1 string' },
  FilesystemUsage: { timestamp: '1 int64', fsId: '2 FilesystemIdentifier', usedBytes: '3 UInt64Value', inodesUsed: '4 UInt64Value' },
  ImageFsInfoResponse: { imageFilesystems: '1 FilesystemUsage[]', containerFilesystems: '2 FilesystemUsage[]' },
  ContainerAttributes: { id: '1 string', metadata: '2 ContainerMetadata', labels: '3 map', annotations: '4 map' },
  CpuUsage: { timestamp: '1 int64', usageCoreNanoSeconds: '2 UInt64Value', usageNanoCores: '3 UInt64Value' },
  MemoryUsage: {
    timestamp: '1 int64', workingSetBytes: '2 UInt64Value', availableBytes: '3 UInt64Value', usageBytes: '4 UInt64Value', rssBytes: '5 UInt64Value', pageFaults: '6 UInt64Value',
    majorPageFaults: '7 UInt64Value',
  },
  ContainerStats: { attributes: '1 ContainerAttributes', cpu: '2 CpuUsage', memory: '3 MemoryUsage', writableLayer: '4 FilesystemUsage' },
  ContainerStatsResponse: { stats: '1 ContainerStats' },
  ContainerStatsFilter: { id: '1 string', podSandboxId: '2 string', labelSelector: '3 map' },
  ListContainerStatsRequest: { filter: '1 ContainerStatsFilter' },
  ListContainerStatsResponse: { stats: '1 ContainerStats[]' },
  ReopenContainerLogRequest: { containerId: '1 string' },
} as const

export const criCodec = codecFor(messages, enums)

export type CriMessageName = keyof typeof messages
/** A CRI message to be sent. */
export type CriRequest<N extends CriMessageName> = Sent<typeof messages, typeof enums, N>
/** A CRI message as received. */
export type Cri<N extends CriMessageName> = Received<typeof messages, typeof enums, N>
