import type { Service } from '../api/types/core_v1.ts'
import type { EventRecorder } from '../client/events.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { BackOffs } from './back-off.ts'
import type { PodCgroups } from './cgroups.ts'
import type { ContainerRuntime } from './container-runtime.ts'
import type { ClusterDns, DnsConfig } from './dns.ts'
import type { ImageManager } from './images.ts'
import type { WatchedObjects } from './objects.ts'
import type { StartFailure } from './pod-status.ts'
import type { PodStatuses } from './pod-statuses.ts'
import type { BoundPod } from './pods.ts'
import type { Prober } from './probes/prober.ts'
import type { RuntimePods } from './runtime-pods.ts'
import type { PodTokens } from './tokens.ts'
import type { MountedVolumes, PodVolumes } from './volumes/pod-volumes.ts'

/** What the node is, as far as pods must know. */
export interface NodeFacts { name: string; hostIPs: readonly string[]; allocatable: Readonly<Record<string, string>>; memoryCapacityBytes: number }

/** What all pods of a kubelet share. */
export interface PodContext {
  runtime: Runtime
  containers: ContainerRuntime
  events: EventRecorder
  pods: RuntimePods
  statuses: PodStatuses
  prober: Prober
  images: ImageManager
  volumes: PodVolumes
  cgroups: PodCgroups
  objects: WatchedObjects
  tokens: PodTokens
  restarts: BackOffs
  /** Resolves with the services that pods may know of, once they are known. */
  services(): Promise<readonly Service[]>
  node(): NodeFacts
  cluster: ClusterDns
  hostDns(): Promise<DnsConfig>
  /** The node's /etc/hosts. */
  nodeHosts(): Promise<string>
  /** The runtime's handler for a runtime class; rejects when there is no such class. */
  runtimeHandler(runtimeClassName: string): Promise<string>
  /** Why pods can't have a network now; undefined when they can. */
  networkProblem(): string | undefined
  logsDirectory: string
  profileRoot: string
}

/** What is known of one pod that is being worked on, beyond what the runtime and the API server know. */
export interface PodWork {
  pod: BoundPod
  /** Why containers could not be started last time, by name. */
  startFailures: Map<string, StartFailure>
  volumes: MountedVolumes | undefined
  /** Files of volumes may be out of date. */
  volumesStale: boolean
  /** The pod has failed for a reason of the kubelet's own. */
  failure: { reason: string; message: string } | undefined
  /** Set when a pod must end sooner than it was told first. */
  graceSeconds: number | undefined
  /** Aborted to cut short what waits for the pod's grace period. */
  hurry: AbortController
}
