import type { Cri, CriRequest } from './cri/messages.ts'

export type SandboxConfig = CriRequest<'PodSandboxConfig'>
export type ContainerConfig = CriRequest<'ContainerConfig'>
export type RuntimeResources = CriRequest<'LinuxContainerResources'>
export type RegistryAuth = CriRequest<'AuthConfig'>
export type Sandbox = Cri<'PodSandbox'>
export type SandboxStatus = Cri<'PodSandboxStatus'>
export type RuntimeContainer = Cri<'Container'>
export type RuntimeContainerStatus = Cri<'ContainerStatus'>
export type RuntimeImage = Cri<'Image'>
export type RuntimeCondition = Cri<'RuntimeCondition'>
export type RuntimeContainerStats = Cri<'ContainerStats'>

/** gRPC status codes by name; `message` of a RuntimeError reads as Go's gRPC prints it. */
export const runtimeErrorCodes = [
  'OK', 'Canceled', 'Unknown', 'InvalidArgument', 'DeadlineExceeded', 'NotFound', 'AlreadyExists', 'PermissionDenied', 'ResourceExhausted', 'FailedPrecondition', 'Aborted', 'OutOfRange',
  'Unimplemented', 'Internal', 'Unavailable', 'DataLoss', 'Unauthenticated',
] as const
export type RuntimeErrorCode = (typeof runtimeErrorCodes)[number]

/** The container runtime refused or failed: `rpc error: code = NotFound desc = …`. */
export class RuntimeError extends Error {
  readonly code: RuntimeErrorCode
  readonly description: string
  constructor(code: RuntimeErrorCode, description: string, options?: ErrorOptions) {
    super(`rpc error: code = ${code} desc = ${description}`, options)
    this.name = 'RuntimeError'
    this.code = code
    this.description = description
  }
}

export function isNotFound(error: unknown): boolean {
  return error instanceof RuntimeError && error.code === 'NotFound'
}

/** Options of an exec or attach session. */
export interface StreamOptions { stdin: boolean; stdout: boolean; stderr: boolean; tty: boolean }

/**
 * What runs containers: the container runtime interface (CRI) as the kubelet uses it. Times of statuses are nanoseconds
 * since the Unix epoch. Every method rejects with `RuntimeError`. Stopping and removing what is gone already succeeds.
 */
export interface ContainerRuntime extends AsyncDisposable {
  version(): Promise<Cri<'VersionResponse'>>
  /** The conditions RuntimeReady and NetworkReady. */
  status(): Promise<RuntimeCondition[]>
  /** Makes and starts a pod's sandbox: its namespaces, its network and its pause container. The id. */
  runPodSandbox(config: SandboxConfig, runtimeHandler?: string): Promise<string>
  /** Kills what runs in the sandbox and takes its network down. */
  stopPodSandbox(id: string): Promise<void>
  removePodSandbox(id: string): Promise<void>
  podSandboxStatus(id: string): Promise<SandboxStatus>
  listPodSandboxes(filter?: CriRequest<'PodSandboxFilter'>): Promise<Sandbox[]>
  createContainer(sandboxId: string, config: ContainerConfig, sandboxConfig: SandboxConfig): Promise<string>
  startContainer(id: string): Promise<void>
  /** Sends the stop signal, and SIGKILL `timeoutSeconds` later if it still runs; resolves when it has ended. */
  stopContainer(id: string, timeoutSeconds: number): Promise<void>
  removeContainer(id: string): Promise<void>
  listContainers(filter?: CriRequest<'ContainerFilter'>): Promise<RuntimeContainer[]>
  containerStatus(id: string): Promise<RuntimeContainerStatus>
  updateContainerResources(id: string, resources: RuntimeResources): Promise<void>
  reopenContainerLog(id: string): Promise<void>
  /** Runs a command to its end. With `timeoutSeconds` 0 there is no limit; past the limit it rejects with DeadlineExceeded. */
  execSync(id: string, command: readonly string[], timeoutSeconds: number): Promise<{ stdout: Buffer; stderr: Buffer; exitCode: number }>
  /** A URL where the runtime's streaming server serves one session. */
  exec(id: string, command: readonly string[], options: StreamOptions): Promise<string>
  attach(id: string, options: StreamOptions): Promise<string>
  portForward(sandboxId: string, ports: readonly number[]): Promise<string>
  containerStats(id: string): Promise<RuntimeContainerStats>
  listContainerStats(): Promise<RuntimeContainerStats[]>
  /** The image's reference as the runtime names it. */
  pullImage(image: string, auth?: RegistryAuth, sandboxConfig?: SandboxConfig): Promise<string>
  /** Undefined when the image is not there. */
  imageStatus(image: string): Promise<RuntimeImage | undefined>
  listImages(): Promise<RuntimeImage[]>
  removeImage(image: string): Promise<void>
  imageFilesystems(): Promise<Cri<'FilesystemUsage'>[]>
}
