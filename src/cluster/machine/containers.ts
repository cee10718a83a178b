import type { ContainerRuntime } from '../../kubelet/container-runtime.ts'
import type { Runtime } from '../../runtime/runtime.ts'

/** Asks a node's containerd as a kubelet would. The client is loaded only when there are nodes to be asked. */
export async function withContainers<T>(runtime: Runtime, socket: string, work: (containers: ContainerRuntime) => Promise<T>): Promise<T> {
  const { connectContainerRuntime } = await import('../../kubelet/cri/client.ts')
  await using containers = connectContainerRuntime(socket, runtime.clock)
  return await work(containers)
}

/** Whether containerd serves kubelets: it opens its socket a moment before it has looked through the containers it finds. */
export async function servesPods(runtime: Runtime, socket: string): Promise<boolean> {
  return withContainers(runtime, socket, (containers) => containers.status().then(() => true, () => false))
}
