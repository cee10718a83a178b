import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import type { Clock } from '../../runtime/clock.ts'
import { RuntimeError, runtimeErrorCodes, type ContainerRuntime } from '../container-runtime.ts'
import { criCodec, type Cri, type CriMessageName, type CriRequest } from './messages.ts'

/** A call that the runtime should answer at once, and one that may pull or wait (upstream's runtimeRequestTimeout is 2 minutes). */
const callTimeoutMs = 120_000
const pullTimeoutMs = 30 * 60_000
const maxMessageBytes = 16 * 1024 * 1024

function runtimeError(error: ServiceError): RuntimeError {
  return new RuntimeError(runtimeErrorCodes[error.code] ?? 'Unknown', error.details, { cause: error })
}

/** Connects to a container runtime's socket (`/run/…/containerd.sock`); the connection is made on the first call and made again when lost. */
export function connectContainerRuntime(socketPath: string, clock: Clock): ContainerRuntime {
  const client = new Client(`unix://${socketPath}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': maxMessageBytes, 'grpc.max_send_message_length': maxMessageBytes, 'grpc.initial_reconnect_backoff_ms': 100, 'grpc.max_reconnect_backoff_ms': 3000,
    'grpc.default_authority': 'localhost',
  })
  const call = <Q extends CriMessageName, A extends CriMessageName>(
    service: 'RuntimeService' | 'ImageService', method: string, requestType: Q, request: CriRequest<Q>, answerType: A, timeoutMs = callTimeoutMs,
  ): Promise<Cri<A>> => new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      `/runtime.v1.${service}/${method}`, (value: CriRequest<Q>) => criCodec.encode(requestType, value), (bytes: Buffer) => criCodec.decode(answerType, bytes) as Cri<A>,
      request, new Metadata(), { deadline: timeoutMs === 0 ? Infinity : clock.now() + timeoutMs },
      (error, answer) => {
        if (error !== null) reject(runtimeError(error))
        else if (answer === undefined) reject(new RuntimeError('Internal', `${method} was answered with nothing`))
        else resolve(answer)
      },
    )
  })
  const missing = (what: string): never => {
    throw new RuntimeError('NotFound', `${what} has no status`)
  }
  const ignoringNotFound = async (work: Promise<unknown>): Promise<void> => {
    try {
      await work
    } catch (error) {
      if (!(error instanceof RuntimeError && error.code === 'NotFound')) throw error
    }
  }

  return {
    version: () => call('RuntimeService', 'Version', 'VersionRequest', { version: '0.1.0' }, 'VersionResponse'),
    status: async () => (await call('RuntimeService', 'Status', 'StatusRequest', {}, 'StatusResponse')).status?.conditions ?? [],
    runPodSandbox: async (config, runtimeHandler = '') => (await call('RuntimeService', 'RunPodSandbox', 'RunPodSandboxRequest', { config, runtimeHandler }, 'PodSandboxId', 2 * callTimeoutMs)).podSandboxId,
    stopPodSandbox: (podSandboxId) => ignoringNotFound(call('RuntimeService', 'StopPodSandbox', 'PodSandboxId', { podSandboxId }, 'Empty')),
    removePodSandbox: (podSandboxId) => ignoringNotFound(call('RuntimeService', 'RemovePodSandbox', 'PodSandboxId', { podSandboxId }, 'Empty')),
    podSandboxStatus: async (podSandboxId) =>
      (await call('RuntimeService', 'PodSandboxStatus', 'PodSandboxId', { podSandboxId }, 'PodSandboxStatusResponse')).status ?? missing(`sandbox ${podSandboxId}`),
    listPodSandboxes: async (filter) => (await call('RuntimeService', 'ListPodSandbox', 'ListPodSandboxRequest', { filter }, 'ListPodSandboxResponse')).items,
    createContainer: async (podSandboxId, config, sandboxConfig) =>
      (await call('RuntimeService', 'CreateContainer', 'CreateContainerRequest', { podSandboxId, config, sandboxConfig }, 'ContainerId')).containerId,
    startContainer: async (containerId) => void (await call('RuntimeService', 'StartContainer', 'ContainerId', { containerId }, 'Empty')),
    stopContainer: (containerId, timeoutSeconds) =>
      ignoringNotFound(call('RuntimeService', 'StopContainer', 'StopContainerRequest', { containerId, timeout: timeoutSeconds }, 'Empty', timeoutSeconds * 1000 + callTimeoutMs)),
    removeContainer: (containerId) => ignoringNotFound(call('RuntimeService', 'RemoveContainer', 'ContainerId', { containerId }, 'Empty')),
    listContainers: async (filter) => (await call('RuntimeService', 'ListContainers', 'ListContainersRequest', { filter }, 'ListContainersResponse')).containers,
    containerStatus: async (containerId) =>
      (await call('RuntimeService', 'ContainerStatus', 'ContainerStatusRequest', { containerId }, 'ContainerStatusResponse')).status ?? missing(`container ${containerId}`),
    updateContainerResources: async (containerId, linux) => void (await call('RuntimeService', 'UpdateContainerResources', 'UpdateContainerResourcesRequest', { containerId, linux }, 'Empty')),
    reopenContainerLog: async (containerId) => void (await call('RuntimeService', 'ReopenContainerLog', 'ReopenContainerLogRequest', { containerId }, 'Empty')),
    execSync: async (containerId, cmd, timeoutSeconds) => {
      const limitMs = timeoutSeconds === 0 ? 0 : timeoutSeconds * 1000 + callTimeoutMs
      const answer = await call('RuntimeService', 'ExecSync', 'ExecSyncRequest', { containerId, cmd, timeout: timeoutSeconds }, 'ExecSyncResponse', limitMs)
      return { stdout: Buffer.from(answer.stdout), stderr: Buffer.from(answer.stderr), exitCode: answer.exitCode }
    },
    exec: async (containerId, cmd, options) => (await call('RuntimeService', 'Exec', 'ExecRequest', { containerId, cmd, ...options }, 'StreamingResponse')).url,
    attach: async (containerId, options) => (await call('RuntimeService', 'Attach', 'AttachRequest', { containerId, ...options }, 'StreamingResponse')).url,
    portForward: async (podSandboxId, port) => (await call('RuntimeService', 'PortForward', 'PortForwardRequest', { podSandboxId, port }, 'StreamingResponse')).url,
    containerStats: async (containerId) =>
      (await call('RuntimeService', 'ContainerStats', 'ContainerId', { containerId }, 'ContainerStatsResponse')).stats ?? missing(`container ${containerId}`),
    listContainerStats: async () => (await call('RuntimeService', 'ListContainerStats', 'ListContainerStatsRequest', {}, 'ListContainerStatsResponse')).stats,
    pullImage: async (image, auth, sandboxConfig) =>
      (await call('ImageService', 'PullImage', 'PullImageRequest', { image: { image }, auth, sandboxConfig }, 'PullImageResponse', pullTimeoutMs)).imageRef,
    imageStatus: async (image) => (await call('ImageService', 'ImageStatus', 'ImageStatusRequest', { image: { image } }, 'ImageStatusResponse')).image,
    listImages: async () => (await call('ImageService', 'ListImages', 'ListImagesRequest', {}, 'ListImagesResponse')).images,
    removeImage: (image) => ignoringNotFound(call('ImageService', 'RemoveImage', 'RemoveImageRequest', { image: { image } }, 'Empty')),
    imageFilesystems: async () => (await call('ImageService', 'ImageFsInfo', 'Empty', {}, 'ImageFsInfoResponse')).imageFilesystems,
    [Symbol.asyncDispose]: () => {
      client.close()
      return Promise.resolve()
    },
  }
}
