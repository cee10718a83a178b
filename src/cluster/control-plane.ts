import { mkdir, readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { composeApiServer, type ComposeOptions } from '../apiserver/compose.ts'
import type { ApiServer } from '../apiserver/server.ts'
import { openStorage, type StorageOptions } from '../apiserver/storage.ts'
import { createClient } from '../client/api.ts'
import type { Client } from '../client/client.ts'
import { transportFromKubeconfig } from '../client/kubeconfig.ts'
import { runWithLeaderElection } from '../client/leader-election.ts'
import type { ControllerManagerOptions } from '../controllers/manager.ts'
import { withLogFields, type Running, type Runtime } from '../runtime/runtime.ts'
import { bindAddresses, checkSettings, composeOptions, type ApiServerSettings } from './apiserver-options.ts'
import { openCertificates, type CertificateRequest, type CertificateStore } from './certificates.ts'
import { identities, writeClientKubeconfig } from './identities.ts'
import { pathsUnder } from './paths.ts'
import { storageOptions } from './storage-options.ts'
import { together } from './together.ts'

export interface ControlPlaneSettings extends ApiServerSettings {
  clusterCidr: string
  /** Parts to leave out: `scheduler`, `controller-manager`. */
  disable: readonly string[]
  controllers: readonly string[]
  hollow: number
  hostPodRoutes?: boolean
}

const parts = ['scheduler', 'controller-manager']
const storeRetryMs = 500

function user(name: string, ...groups: string[]): { username: string; groups: string[] } {
  return { username: name, groups: [...groups, 'system:authenticated'] }
}

/** What a component's requests say of it, before the slash the manager of the fields it writes: `kube-scheduler/v1.36.0`. */
function userAgentOf(username: string): string {
  return `${username.startsWith('system:node:') ? 'kubelet' : username.replace(/^system:/, '')}/v1.36.0`
}

function serviceAccountUser(name: string): { username: string; groups: string[] } {
  return user(`system:serviceaccount:kube-system:${name}`, 'system:serviceaccounts', 'system:serviceaccounts:kube-system')
}

/** Starts the API server on its store. Disposing it closes both. `own`: the certificates that it keeps in its data directory. */
async function startServer(runtime: Runtime, settings: ApiServerSettings, componentChecks?: ComposeOptions['componentChecks']): Promise<{ server: ApiServer; running: Running; own: CertificateStore | undefined }> {
  checkSettings(settings)
  const storage = await storageOptions(settings)
  const own = await openOwnCertificates(runtime, settings)
  // Side by side; who is told of a wrong flag shall not wait for the store.
  const giveUp = new AbortController()
  const opening = openPatiently(runtime, storage, settings.flags['storage-initialization-timeout'], giveUp.signal)
  opening.catch(() => undefined)
  const options = await composeOptions(runtime, settings, own).catch(async (error: unknown) => {
    giveUp.abort()
    await opening.then((opened) => opened[Symbol.asyncDispose](), () => undefined)
    throw error
  })
  const store = await opening
  let server: ApiServer
  try {
    server = await composeApiServer({ ...options, store, ...(componentChecks === undefined ? {} : { componentChecks }) })
  } catch (error) {
    await store[Symbol.asyncDispose]()
    throw error
  }
  runtime.log.info('the API server listens', { urls: server.urls })
  return { server, own, running: { done: server.done, async [Symbol.asyncDispose]() {
    await server[Symbol.asyncDispose]()
    await store[Symbol.asyncDispose]()
  } } }
}

/** Opens the store; an etcd that does not answer yet is waited for. */
async function openPatiently(runtime: Runtime, storage: StorageOptions, timeoutMs: number, signal: AbortSignal): ReturnType<typeof openStorage> {
  const startedMs = runtime.clock.monotonicMs()
  for (;;) {
    try {
      return await openStorage(runtime, storage)
    } catch (error) {
      if (storage.driver !== 'etcd' || signal.aborted || runtime.clock.monotonicMs() - startedMs >= timeoutMs) throw error
      runtime.log.warn('the store does not answer yet; trying again', { err: error })
      await runtime.clock.sleep(storeRetryMs, signal)
    }
  }
}

async function openOwnCertificates(runtime: Runtime, settings: ApiServerSettings): Promise<CertificateStore | undefined> {
  const dataDir = settings.flags['data-dir']
  if (dataDir === '') return undefined
  const paths = pathsUnder(dataDir)
  await mkdir(paths.root, { recursive: true, mode: 0o700 })
  const certificates = await openCertificates(runtime, paths.pki)
  // Whoever finds the server ready finds the credentials too.
  await writeKubeconfigs(runtime, settings, certificates)
  return certificates
}

/** Credentials of the components that may run as processes of their own, beside the data; and the administrator's, where asked for. */
async function writeKubeconfigs(runtime: Runtime, settings: ApiServerSettings, certificates: CertificateStore): Promise<void> {
  const { flags } = settings
  const dataDir = flags['data-dir']
  const address = bindAddresses(settings)[0] ?? '127.0.0.1'
  const server = `https://${address === '0.0.0.0' ? '127.0.0.1' : address.includes(':') ? `[${address}]` : address}:${flags['secure-port']}`
  const files: Array<[string, CertificateRequest, string]> = [
    ['controller-manager', identities.controllerManager, join(dataDir, 'controller-manager.kubeconfig')],
    ['scheduler', identities.scheduler, join(dataDir, 'scheduler.kubeconfig')],
    ...(flags['kubeconfig'] === '' ? [] : [['admin', identities.admin, flags['kubeconfig']] satisfies [string, CertificateRequest, string]]),
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
  const shared = settings.flags['etcd-servers'].length > 0
  const started = new Set<string>()
  const checks = parts.map((name) => ({
    name,
    check: async () => {
      if (!started.has(name)) throw new Error(settings.disable.includes(name) ? 'left out with --disable' : 'starting')
      return 'ok'
    },
  }))
  const { server, running, own } = await startServer(runtime, settings, shared ? undefined : checks)
  const clientAs = (name: string, ...groups: string[]): Client => createClient(server.transport(user(name, ...groups), userAgentOf(name)))
  const components: Running[] = [running]
  const all = together(components)
  try {
    await server.ready()
    if (!settings.disable.includes('controller-manager')) {
      const { startControllerManager } = await import('../controllers/manager.ts')
      const start = (): Promise<Running> => startControllerManager({
        runtime: withLogFields(runtime, { component: 'controller-manager' }), client: clientAs('system:kube-controller-manager'), clientFor: (name) => createClient(server.transport(serviceAccountUser(name), userAgentOf('system:kube-controller-manager'))),
        clusterCidr: settings.clusterCidr, rootCa: own?.authority.certificate, controllers: settings.controllers, ...(own === undefined ? {} : { signing: { authority: own.authority }, serviceAccountKey: own.serviceAccount.privateKey }),
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

export async function startControllerManagerComponent(runtime: Runtime, settings: RemoteSettings & { clusterCidr: string; rootCaFile?: string; controllers: readonly string[]; clusterSigningCertFile?: string; clusterSigningKeyFile?: string; serviceAccountPrivateKeyFile?: string }): Promise<Running> {
  const { transport, server, trust } = await transportFromKubeconfig(settings.kubeconfig, runtime, { userAgent: 'kube-controller-manager/v1.36.0' })
  const client = createClient(transport)
  const [{ serviceAccountClients }, { startControllerManager }] = await Promise.all([import('../controllers/service-account-clients.ts'), import('../controllers/manager.ts')])
  const rootCa = settings.rootCaFile === undefined ? undefined : await readFile(settings.rootCaFile, 'utf8')
  const clients = serviceAccountClients({ runtime, client, server, ...trust })
  const { clusterSigningCertFile, clusterSigningKeyFile } = settings
  if ((clusterSigningCertFile === undefined) !== (clusterSigningKeyFile === undefined)) throw new Error('--cluster-signing-cert-file and --cluster-signing-key-file belong together')
  const signing = clusterSigningCertFile === undefined || clusterSigningKeyFile === undefined ? undefined
    : { authority: { certificate: await readFile(clusterSigningCertFile, 'utf8'), key: await readFile(clusterSigningKeyFile, 'utf8') } }
  const options: ControllerManagerOptions = { runtime, client, clientFor: (name) => clients.clientFor(name), clusterCidr: settings.clusterCidr, rootCa, controllers: settings.controllers, ...(signing === undefined ? {} : { signing }),
    ...(settings.serviceAccountPrivateKeyFile === undefined ? {} : { serviceAccountKey: await readFile(settings.serviceAccountPrivateKeyFile, 'utf8') }) }
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
