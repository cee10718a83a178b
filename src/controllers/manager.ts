import type { Client } from '../client/client.ts'
import { createEventRecorder, type RunningEventRecorder } from '../client/events.ts'
import { createInformerFactory, type InformerFactory } from '../client/informer.ts'
import { runWithLeaderElection } from '../client/leader-election.ts'
import { withLogFields, type Running, type Runtime } from '../runtime/runtime.ts'
import type { StartController } from './context.ts'
import { startDeploymentController } from './deployment/controller.ts'
import { startEndpointsController } from './endpoints/endpoints-controller.ts'
import { startEndpointSliceController } from './endpoints/slice-controller.ts'
import { startGarbageCollector } from './garbage-collector/controller.ts'
import { startNamespaceController } from './namespace/controller.ts'
import { nodeIpamController, type NodeIpamOptions } from './node/ipam.ts'
import { nodeLifecycleController, type NodeLifecycleOptions } from './node/lifecycle.ts'
import { startTaintEvictionController } from './node/taint-eviction.ts'
import { podGarbageCollector, type PodGarbageCollectorOptions } from './pod-gc/controller.ts'
import { startResourceQuotaController } from './quota/controller.ts'
import { startReplicaSetController } from './replication/replicaset.ts'
import { startReplicationControllerController } from './replication/replicationcontroller.ts'
import { rootCaPublisher } from './serviceaccount/root-ca.ts'
import { startServiceAccountController } from './serviceaccount/service-account.ts'

export interface ControllerManagerOptions {
  runtime: Runtime
  /** The manager's own identity, `system:kube-controller-manager`: shared informers and the lease. */
  client: Client
  /** A client for `system:serviceaccount:kube-system:NAME`. */
  clientFor(account: string): Client
  /** Controllers to run, as upstream's `--controllers`: `*` for all, `name` for one, `-name` for all but one. */
  controllers?: readonly string[]
  /** Run only while holding the lease kube-system/kube-controller-manager, as this candidate; without it, run at once. */
  leaderElection?: { identity: string }
  /** PEM of the authority that pods verify the API server by; without it nothing is published. */
  rootCaPem?: string
  /** Ranges for nodes; without them nodes get none. */
  nodeIpam?: NodeIpamOptions
  nodeLifecycle?: NodeLifecycleOptions
  podGarbageCollector?: PodGarbageCollectorOptions
}

/** A controller, by the names that upstream knows it by: in flags (with its older name), as a service account and as the source of events. */
interface ControllerEntry { name: string; alias: string; account: string; component: string; start: StartController }

function entriesFor(options: Pick<ControllerManagerOptions, 'rootCaPem' | 'nodeIpam' | 'nodeLifecycle' | 'podGarbageCollector'>): ControllerEntry[] {
  const entry = (name: string, alias: string, account: string, component: string, start: StartController): ControllerEntry => ({ name, alias, account, component, start })
  return [
    entry('deployment-controller', 'deployment', 'deployment-controller', 'deployment-controller', startDeploymentController),
    entry('replicaset-controller', 'replicaset', 'replicaset-controller', 'replicaset-controller', startReplicaSetController),
    entry('replicationcontroller-controller', 'replicationcontroller', 'replication-controller', 'replication-controller', startReplicationControllerController),
    entry('namespace-controller', 'namespace', 'namespace-controller', 'namespace-controller', startNamespaceController),
    entry('garbage-collector-controller', 'garbagecollector', 'generic-garbage-collector', 'garbage-collector-controller', startGarbageCollector),
    entry('endpoints-controller', 'endpoint', 'endpoint-controller', 'endpoint-controller', startEndpointsController),
    entry('endpointslice-controller', 'endpointslice', 'endpointslice-controller', 'endpoint-slice-controller', startEndpointSliceController),
    entry('serviceaccount-controller', 'serviceaccount', 'service-account-controller', 'service-account-controller', startServiceAccountController),
    ...(options.rootCaPem === undefined ? [] : [entry('root-ca-certificate-publisher-controller', 'root-ca-cert-publisher', 'root-ca-cert-publisher', 'root-ca-cert-publisher', rootCaPublisher(options.rootCaPem))]),
    entry('node-lifecycle-controller', 'nodelifecycle', 'node-controller', 'node-controller', nodeLifecycleController(options.nodeLifecycle)),
    entry('taint-eviction-controller', 'taint-eviction', 'node-controller', 'taint-eviction-controller', startTaintEvictionController),
    ...(options.nodeIpam === undefined ? [] : [entry('node-ipam-controller', 'nodeipam', 'node-controller', 'cidrAllocator', nodeIpamController(options.nodeIpam))]),
    entry('pod-garbage-collector-controller', 'podgc', 'pod-garbage-collector', 'pod-garbage-collector', podGarbageCollector(options.podGarbageCollector)),
    entry('resourcequota-controller', 'resourcequota', 'resourcequota-controller', 'resourcequota-controller', startResourceQuotaController),
  ]
}

/** Names that `controllers` may hold. */
export function controllerNames(): string[] {
  return entriesFor({ rootCaPem: '', nodeIpam: { clusterCidrs: [] } }).map(({ name }) => name).sort()
}

/** Of the entries, those that the list of `--controllers` asks for. Throws on a name that no controller has. */
function selected(entries: readonly ControllerEntry[], wanted: readonly string[]): ControllerEntry[] {
  const known = controllerNames()
  for (const word of wanted) {
    const name = word.replace(/^[-+]/, '')
    if (name !== '*' && !known.includes(name) && !entries.some(({ alias }) => alias === name)) throw new Error(`there is no controller ${JSON.stringify(name)}; there are ${known.join(', ')}`)
  }
  return entries.filter(({ name, alias }) => {
    if (wanted.includes(`-${name}`) || wanted.includes(`-${alias}`)) return false
    return wanted.includes('*') || wanted.includes(name) || wanted.includes(alias)
  })
}

/**
 * Starts the controllers (with leader election, once the lease is held). `done` rejects when the lease is lost: the process must end then,
 * for another may lead.
 */
export async function startControllerManager(options: ControllerManagerOptions): Promise<Running> {
  const entries = selected(entriesFor(options), options.controllers ?? ['*'])
  if (options.leaderElection === undefined) return startControllers(options, entries)
  const { runtime, client, leaderElection } = options
  const stopped = new AbortController()
  const recorder = createEventRecorder({ client, runtime, component: leaderElection.identity })
  const done = runWithLeaderElection({ client, runtime, namespace: 'kube-system', name: 'kube-controller-manager', identity: leaderElection.identity, recorder, signal: stopped.signal }, async (leading) => {
    const controllers = startControllers(options, entries)
    if (!leading.aborted) await new Promise<void>((resolve) => leading.addEventListener('abort', () => resolve(), { once: true }))
    await controllers[Symbol.asyncDispose]()
  })
  const settled = done.catch((error: unknown) => runtime.log.error('the controller manager ends', { err: error }))
  return {
    done,
    async [Symbol.asyncDispose]() {
      stopped.abort(new Error('the controller manager was stopped'))
      await settled
      await recorder[Symbol.asyncDispose]()
    },
  }
}

function startControllers({ runtime, client, clientFor }: ControllerManagerOptions, entries: readonly ControllerEntry[]): Running {
  const informers: InformerFactory = createInformerFactory(client, runtime)
  const recorders: RunningEventRecorder[] = []
  const running = entries.map(({ name, account, component, start }) => {
    const own = clientFor(account)
    const recorder = createEventRecorder({ client: own, runtime, component })
    recorders.push(recorder)
    return start({ runtime: withLogFields(runtime, { controller: name }), client: own, recorder, informers })
  })
  const { promise: done, resolve } = Promise.withResolvers<void>()
  return {
    done,
    async [Symbol.asyncDispose]() {
      await Promise.all(running.map((part) => part[Symbol.asyncDispose]()))
      await informers[Symbol.asyncDispose]()
      await Promise.all(recorders.map((part) => part[Symbol.asyncDispose]()))
      resolve()
    },
  }
}
