import { readFile } from 'node:fs/promises'
import { createClient } from '../client/api.ts'
import type { Client } from '../client/client.ts'
import { transportFromKubeconfig } from '../client/kubeconfig.ts'
import { startKubelet, type KubeletOptions } from '../kubelet/kubelet.ts'
import { startPodNetwork } from '../network/pod-network.ts'
import { startServiceProxy } from '../proxy/service-proxy.ts'
import { withLogFields, type Running, type Runtime } from '../runtime/runtime.ts'
import { together } from './together.ts'

/** What a kubelet is told on its command line; names follow kube-kubelet's flags. */
export interface KubeletSettings {
  kubeconfig: string
  nodeName: string
  nodeIp: string
  containerRuntimeEndpoint: string
  rootDir?: string
  podLogDir?: string
  cgroupRoot?: string
  port: number
  tlsCertFile: string
  tlsPrivateKeyFile: string
  clientCaFile: string
  clusterDns: readonly string[]
  clusterDomain: string
  resolvConf?: string
  nodeLabels: Readonly<Record<string, string>>
  maxPods?: number
}

export interface ProxySettings { kubeconfig: string; nodeName: string; nodeIps: readonly string[]; clusterCidr?: string; healthz?: { host: string; port: number }; metrics?: { host: string; port: number } }

export interface AgentSettings { kubelet: KubeletSettings; proxy: ProxySettings; clusterCidr: string; cniConfDir: string; cniDataDir?: string }

/** A client and its connection, which ends with it. */
async function connect(runtime: Runtime, kubeconfig: string, userAgent: string): Promise<{ client: Client; connection: Running }> {
  const { transport } = await transportFromKubeconfig(kubeconfig, runtime, { userAgent })
  return { client: createClient(transport), connection: { done: new Promise(() => undefined), [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose]() } }
}

/** A kubelet as a component of its own. */
export async function startKubeletComponent(runtime: Runtime, settings: KubeletSettings): Promise<Running> {
  const { client, connection } = await connect(runtime, settings.kubeconfig, 'kubelet/v1.36.0')
  const [certificate, key, clientCa] = await Promise.all([settings.tlsCertFile, settings.tlsPrivateKeyFile, settings.clientCaFile].map((file) => readFile(file, 'utf8')))
  const options: KubeletOptions = {
    runtime, client, nodeName: settings.nodeName, nodeIP: settings.nodeIp, criSocket: settings.containerRuntimeEndpoint, rootDirectory: settings.rootDir,
    podLogsDirectory: settings.podLogDir, cgroupRoot: settings.cgroupRoot, labels: settings.nodeLabels, maxPods: settings.maxPods, resolvConf: settings.resolvConf,
    clusterDns: { servers: settings.clusterDns, domain: settings.clusterDomain },
    server: { address: '0.0.0.0', port: settings.port, certificate: certificate!, key: key!, clientCA: clientCa! },
  }
  return together([connection, await startKubelet(options)])
}

/** A service proxy as a component of its own. */
export async function startProxyComponent(runtime: Runtime, settings: ProxySettings): Promise<Running> {
  const { client, connection } = await connect(runtime, settings.kubeconfig, 'kube-proxy/v1.36.0')
  const proxy = await startServiceProxy({
    runtime: withLogFields(runtime, { component: 'proxy' }), client, nodeName: settings.nodeName, nodeIPs: settings.nodeIps, clusterCIDR: settings.clusterCidr, healthz: settings.healthz, metrics: settings.metrics,
  })
  return together([connection, proxy])
}

/** Everything a node runs beside its container runtime: kubelet, service proxy and pod network, in the network that this process is in. */
export async function startAgent(runtime: Runtime, settings: AgentSettings): Promise<Running> {
  const { client, connection } = await connect(runtime, settings.proxy.kubeconfig, 'kube-proxy/v1.36.0')
  const network = startPodNetwork({
    runtime: withLogFields(runtime, { component: 'network' }), client, nodeName: settings.kubelet.nodeName, nodeIP: settings.kubelet.nodeIp, clusterCIDR: settings.clusterCidr,
    cniConfDirectory: settings.cniConfDir, cniDataDirectory: settings.cniDataDir,
  })
  const [kubelet, proxy] = await Promise.all([startKubeletComponent(runtime, settings.kubelet), startProxyComponent(runtime, settings.proxy)])
  return together([connection, network, proxy, kubelet])
}
