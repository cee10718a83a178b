import { mkdir, readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { composeApiServer, type ComposeOptions } from '../apiserver/compose.ts'
import type { ApiServer } from '../apiserver/server.ts'
import { openStorage } from '../apiserver/storage.ts'
import { createClient } from '../client/api.ts'
import type { Client } from '../client/client.ts'
import { transportFromKubeconfig } from '../client/kubeconfig.ts'
import { runWithLeaderElection } from '../client/leader-election.ts'
import type { ControllerManagerOptions } from '../controllers/manager.ts'
import { addressAt, formatIp, parseCidr } from '../machinery/cidr.ts'
import { withLogFields, type Running, type Runtime } from '../runtime/runtime.ts'
import { openCertificates, type CertificateRequest, type CertificateStore } from './certificates.ts'
import { apiServerServing, identities, writeClientKubeconfig } from './identities.ts'
import { pathsUnder } from './paths.ts'
import { together } from './together.ts'

/** What the API server is told on its command line. */
export interface ApiServerSettings {
  dataDir: string
  securePort: number
  /** Addresses to listen on. */
  bindAddress: readonly string[]
  advertiseAddress?: string
  /** Where to write the administrator's kubeconfig. */
  kubeconfig?: string
  serviceClusterIpRange: string
  /** Empty: the embedded store. */
  etcdServers: readonly string[]
  tokenAuthFile?: string
  enableAdmissionPlugins: readonly string[]
  disableAdmissionPlugins: readonly string[]
}

export interface ControlPlaneSettings extends ApiServerSettings {
  clusterCidr: string
  /** Parts to leave out: `scheduler`, `controller-manager`. */
  disable: readonly string[]
  controllers: readonly string[]
  hollow: number
  hostPodRoutes?: boolean
}

const parts = ['scheduler', 'controller-manager']

function user(name: string, ...groups: string[]): { username: string; groups: string[] } {
  return { username: name, groups: [...groups, 'system:authenticated'] }
}

function serviceAccountUser(name: string): { username: string; groups: string[] } {
  return user(`system:serviceaccount:kube-system:${name}`, 'system:serviceaccounts', 'system:serviceaccounts:kube-system')
}

async function composeOptions(runtime: Runtime, settings: ApiServerSettings, certificates: CertificateStore, componentChecks: ComposeOptions['componentChecks']): Promise<Omit<ComposeOptions, 'store'>> {
  const range = parseCidr(settings.serviceClusterIpRange)
  if (range === undefined) throw new Error(`--service-cluster-ip-range must be a range like 10.96.0.0/16, not "${settings.serviceClusterIpRange}"`)
  const advertiseAddress = settings.advertiseAddress ?? settings.bindAddress.at(-1) ?? '127.0.0.1'
  const reachable = settings.bindAddress.filter((address) => address !== '0.0.0.0' && address !== '::')
  const serving = await certificates.ensure('apiserver', apiServerServing([...new Set(['127.0.0.1', ...reachable, advertiseAddress])], formatIp(addressAt(range, 1))))
  const kubelet = await certificates.ensure('apiserver-kubelet-client', identities.kubeletClient)
  const frontProxy = await certificates.ensure('front-proxy-client', identities.frontProxyClient, certificates.frontProxyAuthority)
  const staticTokens = settings.tokenAuthFile === undefined ? undefined : (await import('../apiserver/authentication/static-token.ts')).parseTokenFile(await readFile(settings.tokenAuthFile, 'utf8'))
  return {
    runtime, listen: settings.bindAddress.map((host) => ({ host, port: settings.securePort })),
    serving: { certificate: serving.certificate, key: serving.key }, clientCa: certificates.authority.certificate,
    serviceAccounts: { signingKeyPem: certificates.serviceAccount.privateKey }, serviceCidr: settings.serviceClusterIpRange,
    advertise: { address: advertiseAddress, port: settings.securePort },
    // Where this server runs there may be no service proxy: aggregated servers are called by their endpoints.
    aggregation: { proxyClient: { certificate: frontProxy.certificate, key: frontProxy.key }, enableAggregatorRouting: true },
    kubelets: { certificate: kubelet.certificate, key: kubelet.key, ca: certificates.authority.certificate },
    admission: { enable: settings.enableAdmissionPlugins, disable: settings.disableAdmissionPlugins },
    ...(staticTokens === undefined ? {} : { authentication: { staticTokens } }),
    ...(componentChecks === undefined ? {} : { componentChecks }),
  }
}

/** Starts the API server on its store. Disposing it closes both. */
async function startServer(runtime: Runtime, settings: ApiServerSettings, componentChecks?: ComposeOptions['componentChecks']): Promise<{ server: ApiServer; running: Running; certificates: CertificateStore }> {
  const paths = pathsUnder(settings.dataDir)
  await mkdir(paths.root, { recursive: true, mode: 0o700 })
  const certificates = await openCertificates(runtime, paths.pki)
  // Whoever finds the server ready finds the credentials too.
  await writeKubeconfigs(runtime, settings, certificates)
  const [options, store] = await Promise.all([
    composeOptions(runtime, settings, certificates, componentChecks),
    openStorage(runtime, settings.etcdServers.length > 0 ? { driver: 'etcd', endpoints: settings.etcdServers } : { driver: 'lmdb', path: paths.store }),
  ])
  let server: ApiServer
  try {
    server = await composeApiServer({ ...options, store })
  } catch (error) {
    await store[Symbol.asyncDispose]()
    throw error
  }
  runtime.log.info('the API server listens', { urls: server.urls })
  return { server, certificates, running: { done: server.done, async [Symbol.asyncDispose]() {
    await server[Symbol.asyncDispose]()
    await store[Symbol.asyncDispose]()
  } } }
}

/** Credentials of the components that may run as processes of their own, beside the data; and the administrator's, where asked for. */
async function writeKubeconfigs(runtime: Runtime, settings: ApiServerSettings, certificates: CertificateStore): Promise<void> {
  const address = settings.bindAddress[0] ?? '127.0.0.1'
  const server = `https://${address === '0.0.0.0' ? '127.0.0.1' : address.includes(':') ? `[${address}]` : address}:${settings.securePort}`
  const files: Array<[string, CertificateRequest, string]> = [
    ['controller-manager', identities.controllerManager, join(settings.dataDir, 'controller-manager.kubeconfig')],
    ['scheduler', identities.scheduler, join(settings.dataDir, 'scheduler.kubeconfig')],
    ...(settings.kubeconfig === undefined ? [] : [['admin', identities.admin, settings.kubeconfig] satisfies [string, CertificateRequest, string]]),
  ]
  for (const [name, identity, file] of files) {
    await writeClientKubeconfig(runtime, file, { name: name === 'admin' ? 'k8ts' : name, server, certificates, pair: await certificates.ensure(name, identity) })
  }
}

export async function startApiServerComponent(runtime: Runtime, settings: ApiServerSettings): Promise<Running> {
  const { running } = await startServer(runtime, settings)
  return running
}

/** API server, controllers, scheduler and hollow nodes in one process, over the direct transport; each with its own identity and rights. */
export async function startControlPlane(runtime: Runtime, settings: ControlPlaneSettings): Promise<Running> {
  for (const part of settings.disable) if (!parts.includes(part)) throw new Error(`--disable knows ${parts.join(' and ')}, not "${part}"`)
  // Where state is shared, somebody else may be leading: then the leases tell. Here it is us or nobody.
  const shared = settings.etcdServers.length > 0
  const started = new Set<string>()
  const checks = parts.map((name) => ({
    name,
    check: async () => {
      if (!started.has(name)) throw new Error(settings.disable.includes(name) ? 'left out with --disable' : 'starting')
      return 'ok'
    },
  }))
  const { server, running, certificates } = await startServer(runtime, settings, shared ? undefined : checks)
  const clientAs = (name: string, ...groups: string[]): Client => createClient(server.transport(user(name, ...groups)))
  const components: Running[] = [running]
  const all = together(components)
  try {
    await server.ready()
    if (!settings.disable.includes('controller-manager')) {
      const { startControllerManager } = await import('../controllers/manager.ts')
      const start = (): Promise<Running> => startControllerManager({
        runtime: withLogFields(runtime, { component: 'controller-manager' }), client: clientAs('system:kube-controller-manager'), clientFor: (name) => createClient(server.transport(serviceAccountUser(name))),
        clusterCidr: settings.clusterCidr, rootCa: certificates.authority.certificate, controllers: settings.controllers,
      })
      components.push(await whileLeading(runtime, clientAs('system:kube-controller-manager'), 'kube-controller-manager', { leaderElect: shared }, start))
      started.add('controller-manager')
    }
    if (!settings.disable.includes('scheduler')) {
      const { startScheduler } = await import('../scheduler/scheduler.ts')
      const client = clientAs('system:kube-scheduler')
      components.push(await whileLeading(runtime, client, 'kube-scheduler', { leaderElect: shared }, () => startScheduler({ runtime: withLogFields(runtime, { component: 'scheduler' }), client })))
      started.add('scheduler')
    }
    if (settings.hostPodRoutes === true) {
      const { startHostRoutes } = await import('../network/pod-network.ts')
      components.push(startHostRoutes({ runtime: withLogFields(runtime, { component: 'host-routes' }), client: clientAs('system:kube-proxy'), clusterCIDR: settings.clusterCidr }))
    }
    if (settings.hollow > 0) {
      const { startHollowNodes } = await import('../simulation/hollow-nodes.ts')
      components.push(await startHollowNodes({ runtime: withLogFields(runtime, { component: 'hollow' }), count: settings.hollow, clientFor: (name) => clientAs(`system:node:${name}`, 'system:nodes') }))
    }
  } catch (error) {
    await all[Symbol.asyncDispose]()
    throw error
  }
  return together(components)
}

interface RemoteSettings { kubeconfig: string; leaderElect?: boolean }

/** Runs `start` at once, or while holding the lease of that name. */
async function whileLeading(runtime: Runtime, client: Client, name: string, settings: { leaderElect?: boolean }, start: () => Promise<Running>): Promise<Running> {
  if (settings.leaderElect !== true) return start()
  const stopped = new AbortController()
  const done = runWithLeaderElection({ client, runtime, namespace: 'kube-system', name, identity: `${hostname()}_${runtime.random.uuid()}`, signal: stopped.signal }, async (leading) => {
    const running = await start()
    await Promise.race([running.done, new Promise((resolve) => leading.addEventListener('abort', resolve, { once: true }))])
    await running[Symbol.asyncDispose]()
  })
  return { done, async [Symbol.asyncDispose]() {
    stopped.abort(new Error('stopping'))
    await done
  } }
}

function closing(transport: AsyncDisposable): Running {
  return { done: new Promise(() => undefined), [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose]() }
}

export async function startSchedulerComponent(runtime: Runtime, settings: RemoteSettings): Promise<Running> {
  const { transport } = await transportFromKubeconfig(settings.kubeconfig, runtime, { userAgent: 'kube-scheduler/v1.36.0' })
  const client = createClient(transport)
  const { startScheduler } = await import('../scheduler/scheduler.ts')
  return together([closing(transport), await whileLeading(runtime, client, 'kube-scheduler', settings, () => startScheduler({ runtime, client }))])
}

export async function startControllerManagerComponent(runtime: Runtime, settings: RemoteSettings & { clusterCidr: string; rootCaFile?: string; controllers: readonly string[] }): Promise<Running> {
  const { transport, server } = await transportFromKubeconfig(settings.kubeconfig, runtime, { userAgent: 'kube-controller-manager/v1.36.0' })
  const client = createClient(transport)
  const [{ serviceAccountClients }, { startControllerManager }] = await Promise.all([import('../controllers/service-account-clients.ts'), import('../controllers/manager.ts')])
  const rootCa = settings.rootCaFile === undefined ? undefined : await readFile(settings.rootCaFile, 'utf8')
  const clients = serviceAccountClients({ runtime, client, server, caData: rootCa })
  const options: ControllerManagerOptions = { runtime, client, clientFor: (name) => clients.clientFor(name), clusterCidr: settings.clusterCidr, rootCa, controllers: settings.controllers }
  return together([closing(transport), closing(clients), await whileLeading(runtime, client, 'kube-controller-manager', settings, () => startControllerManager(options))])
}

/** Hollow nodes against any API server, each acting as its node by impersonation. */
export async function startHollowComponent(runtime: Runtime, settings: { kubeconfig: string; count: number; prefix: string }): Promise<Running> {
  const transports: AsyncDisposable[] = []
  const { loadKubeconfig, transportFromConfig } = await import('../client/kubeconfig.ts')
  const config = await loadKubeconfig(settings.kubeconfig)
  const clients = new Map<string, Client>()
  for (let index = 0; index < settings.count; index++) {
    const name = `${settings.prefix}-${index}`
    const impersonating = { ...config, users: config.users.map((entry) => ({ ...entry, user: { ...entry.user, as: `system:node:${name}`, 'as-groups': ['system:nodes', 'system:authenticated'] } })) }
    const { transport } = await transportFromConfig(impersonating, runtime, { userAgent: 'hollow-kubelet' })
    transports.push(transport)
    clients.set(name, createClient(transport))
  }
  const { startHollowNodes } = await import('../simulation/hollow-nodes.ts')
  const nodes = await startHollowNodes({ runtime, count: settings.count, prefix: settings.prefix, clientFor: (name) => clients.get(name)! })
  return together([...transports.map(closing), nodes])
}
