import type { Client } from '../client/client.ts'
import { createEventRecorder, type RunningEventRecorder } from '../client/events.ts'
import { createInformerFactory, type InformerFactory } from '../client/informer.ts'
import type { Running, Runtime } from '../runtime/runtime.ts'
import { startAdmissionPolicyStatusController } from './admission-policy-status/controller.ts'
import { startTokenCleaner } from './bootstrap/cleaner.ts'
import { startBootstrapSigner } from './bootstrap/signer.ts'
import { startCertificateApproving } from './certificates/approving.ts'
import { startCertificateCleaning } from './certificates/cleaning.ts'
import { certificateSigning, type SigningOptions } from './certificates/signing.ts'
import type { StartController } from './context.ts'
import { startDeploymentController } from './deployment/controller.ts'
import { startDisruptionController } from './disruption/controller.ts'
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
import { startRoleAggregation } from './role-aggregation/controller.ts'
import { startServiceCidrController } from './service-cidr/controller.ts'
import { legacyTokenCleaner } from './serviceaccount/legacy-token-cleaner.ts'
import { rootCaPublisher } from './serviceaccount/root-ca.ts'
import { startServiceAccountController } from './serviceaccount/service-account.ts'
import { serviceAccountTokens } from './serviceaccount/token.ts'
import { startAttributesClassProtectionController, startClaimProtectionController, startVolumeProtectionController } from './volume/protection.ts'

export interface ControllerManagerOptions {
  runtime: Runtime
  /** The manager's own identity, `system:kube-controller-manager`: shared informers. */
  client: Client
  /** A client for `system:serviceaccount:kube-system:NAME`. */
  clientFor(account: string): Client
  /** Controllers to run, as upstream's `--controllers`: `*` for all, `name` for one, `-name` for all but one. */
  controllers?: readonly string[]
  /** PEM of the authority that pods verify the API server by; without it nothing is published. */
  rootCa?: string
  /** Range of pod addresses that nodes get theirs from, `10.244.0.0/16`; two separated by a comma for dual-stack. Without it nodes get none. */
  clusterCidr?: string
  /** Prefix of a node's range; 24 for IPv4 and 64 for IPv6 where left out. */
  nodeCidrMaskSizes?: NodeIpamOptions['maskSizes']
  nodeLifecycle?: NodeLifecycleOptions
  /** PEM of the key that signs service-account tokens; without it Secrets of that type stay empty. */
  serviceAccountKey?: string
  /** The authority that signs certificates for kubelets and clients; without it nothing is signed. */
  signing?: SigningOptions
  podGarbageCollector?: PodGarbageCollectorOptions
}

/** A controller, by the names that upstream knows it by: in flags (with its older name), as a service account ('': it acts as the manager) and as the source of events. */
interface ControllerEntry { name: string; alias: string; account: string; component: string; start: StartController; /** `*` doesn't mean it; it must be named. */ isExtra?: boolean }

function entriesFor(options: Omit<ControllerManagerOptions, 'runtime' | 'client' | 'clientFor'>): ControllerEntry[] {
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
    entry('legacy-serviceaccount-token-cleaner-controller', 'legacy-service-account-token-cleaner', 'legacy-service-account-token-cleaner', 'legacy-service-account-token-cleaner', legacyTokenCleaner()),
    ...(options.serviceAccountKey === undefined ? [] : [entry('serviceaccount-token-controller', 'serviceaccount-token', '', 'serviceaccount-token-controller', serviceAccountTokens({ signingKey: options.serviceAccountKey, ...(options.rootCa === undefined ? {} : { rootCa: options.rootCa }) }))]),
    ...(options.rootCa === undefined ? [] : [entry('root-ca-certificate-publisher-controller', 'root-ca-cert-publisher', 'root-ca-cert-publisher', 'root-ca-cert-publisher', rootCaPublisher(options.rootCa))]),
    entry('node-lifecycle-controller', 'nodelifecycle', 'node-controller', 'node-controller', nodeLifecycleController(options.nodeLifecycle)),
    entry('taint-eviction-controller', 'taint-eviction', 'node-controller', 'taint-eviction-controller', startTaintEvictionController),
    ...(options.clusterCidr === undefined ? [] : [entry('node-ipam-controller', 'nodeipam', 'node-controller', 'cidrAllocator', nodeIpamController({ clusterCidrs: options.clusterCidr.split(','), maskSizes: options.nodeCidrMaskSizes }))]),
    entry('pod-garbage-collector-controller', 'podgc', 'pod-garbage-collector', 'pod-garbage-collector', podGarbageCollector(options.podGarbageCollector)),
    entry('disruption-controller', 'disruption', 'disruption-controller', 'controllermanager', startDisruptionController),
    entry('service-cidr-controller', 'service-cidr', 'service-cidrs-controller', 'service-cidr-controller', startServiceCidrController),
    entry('clusterrole-aggregation-controller', 'clusterrole-aggregation', 'clusterrole-aggregation-controller', 'clusterrole-aggregation-controller', startRoleAggregation),
    entry('resourcequota-controller', 'resourcequota', 'resourcequota-controller', 'resourcequota-controller', startResourceQuotaController),
    entry('persistentvolumeclaim-protection-controller', 'pvc-protection', 'pvc-protection-controller', 'pvc-protection-controller', startClaimProtectionController),
    entry('persistentvolume-protection-controller', 'pv-protection', 'pv-protection-controller', 'pv-protection-controller', startVolumeProtectionController),
    entry('volumeattributesclass-protection-controller', 'vac-protection', 'volumeattributesclass-protection-controller', 'volumeattributesclass-protection-controller', startAttributesClassProtectionController),
    ...(options.signing === undefined ? [] : [entry('certificatesigningrequest-signing-controller', 'csrsigning', 'certificate-controller', 'certificate-controller', certificateSigning(options.signing))]),
    entry('certificatesigningrequest-approving-controller', 'csrapproving', 'certificate-controller', 'certificate-controller', startCertificateApproving),
    entry('certificatesigningrequest-cleaner-controller', 'csrcleaner', 'certificate-controller', 'certificate-controller', startCertificateCleaning),
    entry('validatingadmissionpolicy-status-controller', 'validatingadmissionpolicy-status', 'validatingadmissionpolicy-status-controller', 'validatingadmissionpolicy-status-controller', startAdmissionPolicyStatusController),
    { ...entry('bootstrap-signer-controller', 'bootstrapsigner', 'bootstrap-signer', 'bootstrap-signer', startBootstrapSigner), isExtra: true },
    { ...entry('token-cleaner-controller', 'tokencleaner', 'token-cleaner', 'token-cleaner', startTokenCleaner), isExtra: true },
  ]
}

/** Names that `controllers` may hold. */
export function controllerNames(): string[] {
  const known = entriesFor({ rootCa: '', clusterCidr: '', signing: { authority: { certificate: '', key: '' } } }).map(({ name }) => name)
  return [...known, 'serviceaccount-token-controller'].sort()
}

/** Of the entries, those that the list of `--controllers` asks for. Throws on a name that no controller has. */
function selected(entries: readonly ControllerEntry[], wanted: readonly string[]): ControllerEntry[] {
  const known = controllerNames()
  for (const word of wanted) {
    const name = word.replace(/^[-+]/, '')
    if (name !== '*' && !known.includes(name) && !entries.some(({ alias }) => alias === name)) throw new Error(`there is no controller ${JSON.stringify(name)}; there are ${known.join(', ')}`)
  }
  return entries.filter(({ name, alias, isExtra }) => {
    if (wanted.includes(`-${name}`) || wanted.includes(`-${alias}`)) return false
    return (wanted.includes('*') && isExtra !== true) || wanted.includes(name) || wanted.includes(alias)
  })
}

/** Starts the controllers, at once: where several managers may run, the caller holds the lease while this one does. */
export async function startControllerManager(options: ControllerManagerOptions): Promise<Running> {
  return startControllers(options, selected(entriesFor(options), options.controllers ?? ['*']))
}

function startControllers({ runtime, client, clientFor }: ControllerManagerOptions, entries: readonly ControllerEntry[]): Running {
  const informers: InformerFactory = createInformerFactory(client, runtime)
  const recorders: RunningEventRecorder[] = []
  const running = entries.map(({ account, component, start }) => {
    const own = account === '' ? client : clientFor(account)
    const recorder = createEventRecorder({ client: own, runtime, component })
    recorders.push(recorder)
    return start({ runtime, client: own, recorder, informers })
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
