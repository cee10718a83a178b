import type { Lease } from '../../api/types/coordination.k8s.io_v1.ts'
import type { Node, NodeCondition, NodeStatus } from '../../api/types/core_v1.ts'
import type { Client } from '../../client/client.ts'
import type { EventRecorder } from '../../client/events.ts'
import { leases, nodes } from '../../client/resources.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { microTimeText } from '../../machinery/object.ts'
import { isReason } from '../../machinery/status.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { ContainerRuntime } from '../container-runtime.ts'
import { measurePressure, type Machine } from './machine.ts'
import { newNode, nodeStatus, ownLabels, type NodeFindings, type NodeIdentity } from './node-status.ts'

export const leaseNamespace = 'kube-node-lease'
const leaseSeconds = 40
const renewMs = 10_000
const computeMs = 10_000
const reportMs = 5 * 60_000
/** Until the node is ready it is looked at often: nothing can run before. */
const notReadyMs = 250
const retryMs = { first: 200, max: 7000 }

/**
 * Speaks for the node: registers it, keeps its status and its lease.
 * 1. The status is worked out every 10 s (more often while the node isn't ready) and told when it changed, or every 5 minutes.
 * 2. The lease is renewed every 10 s, whatever the status.
 */
export interface NodeAgent extends AsyncDisposable {
  /** Resolves when the node is registered. */
  readonly registered: Promise<void>
  /** Why pods can't have a network now. */
  networkProblem(): string | undefined
  /** Looks again now. */
  refresh(): void
}

export interface NodeAgentOptions {
  client: Client
  runtime: Runtime
  containers: ContainerRuntime
  events: EventRecorder
  machine: Machine
  identity: NodeIdentity
  rootDirectory: string
  registerNode: boolean
  /** Milliseconds since the runtime's pods were last looked at with success. */
  relistAgeMs: () => number
}

const maxRelistAgeMs = 3 * 60_000

/** Reasons of conditions to the events that tell of them. */
const conditionEvents: Record<string, Record<string, string>> = {
  Ready: { True: 'NodeReady', False: 'NodeNotReady' }, MemoryPressure: { True: 'NodeHasInsufficientMemory', False: 'NodeHasSufficientMemory' },
  DiskPressure: { True: 'NodeHasDiskPressure', False: 'NodeHasNoDiskPressure' }, PIDPressure: { True: 'NodeHasInsufficientPID', False: 'NodeHasSufficientPID' },
}

const withoutHeartbeat = ({ conditions, ...rest }: NodeStatus): unknown => ({ ...rest, conditions: conditions?.map((condition) => ({ ...condition, lastHeartbeatTime: undefined })) })

export function startNodeAgent(options: NodeAgentOptions): NodeAgent {
  const { client, containers, events, identity, machine } = options
  const { clock, log } = options.runtime
  const stopped = new AbortController()
  const { signal } = stopped
  const target = { apiVersion: 'v1', kind: 'Node', name: identity.name, uid: identity.name }
  let network: string | undefined = 'container runtime status check may not have completed yet'
  let told: NodeStatus | undefined
  let toldMs = -Infinity
  let wake: (() => void) | undefined
  let runtimeVersion = ''

  const runtimeProblems = async (): Promise<string[]> => {
    try {
      if (runtimeVersion === '') {
        const version = await containers.version()
        runtimeVersion = `${version.runtimeName}://${version.runtimeVersion.split('~')[0]!.replace(/^v/, '')}`
      }
      const conditions = await containers.status()
      const problems: string[] = []
      const runtimeReady = conditions.find(({ type }) => type === 'RuntimeReady')
      if (runtimeReady?.status !== true) problems.push(`container runtime not ready: RuntimeReady=false reason:${runtimeReady?.reason ?? ''} message:${runtimeReady?.message ?? ''}`)
      const networkReady = conditions.find(({ type }) => type === 'NetworkReady')
      network = networkReady?.status === true ? undefined : `container runtime network not ready: NetworkReady=false reason:${networkReady?.reason ?? ''} message:${networkReady?.message ?? ''}`
      return network === undefined ? problems : [...problems, network]
    } catch (error) {
      log.warn('cannot ask the container runtime how it is', { err: error })
      return ['container runtime is down']
    }
  }
  const findings = async (): Promise<NodeFindings> => {
    const problems = await runtimeProblems()
    const relistAgeMs = options.relistAgeMs()
    if (relistAgeMs > maxRelistAgeMs) problems.push(`PLEG is not healthy: pleg was last seen active ${Math.floor(relistAgeMs / 1000)}s ago; threshold is 3m0s`)
    const images = problems.includes('container runtime is down') ? [] : await containers.listImages()
    return { machine, identity, pressure: await measurePressure(options.rootDirectory), problems, runtimeVersion, images, nowMs: clock.now() }
  }
  const tellChanges = (before: readonly NodeCondition[], after: readonly NodeCondition[]): void => {
    for (const { type, status } of after) {
      const reason = conditionEvents[type]?.[status]
      if (reason === undefined || before.find((condition) => condition.type === type)?.status === status) continue
      if (type === 'Ready' && status === 'False' && before.length === 0) continue
      events.event(target, 'Normal', reason, `Node ${identity.name} status is now: ${reason}`)
    }
  }
  const report = async (): Promise<boolean> => {
    const status = nodeStatus(await findings(), told)
    const ready = status.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') === true
    const changed = told === undefined || !semanticEqual(withoutHeartbeat(told), withoutHeartbeat(status))
    if (!changed && clock.monotonicMs() - toldMs < reportMs) return ready
    await client.patch(nodes, '', identity.name, 'strategic', { status }, { subresource: 'status', signal })
    tellChanges(told?.conditions ?? [], status.conditions ?? [])
    told = status
    toldMs = clock.monotonicMs()
    return ready
  }
  const register = async (): Promise<void> => {
    const node = newNode(await findings())
    try {
      const created = await client.create(nodes, node, { signal })
      told = created.status
      tellChanges([], node.status?.conditions ?? [])
      return
    } catch (error) {
      if (!isReason(error, 'AlreadyExists')) throw error
    }
    const existing: Node = await client.get(nodes, '', identity.name, { signal })
    told = existing.status
    const labels = ownLabels(machine, identity)
    const current = existing.metadata.labels ?? {}
    if (Object.entries(labels).some(([key, value]) => current[key] !== value)) await client.patch(nodes, '', identity.name, 'merge', { metadata: { labels } }, { signal })
  }
  /** Tries until it works or the agent stops. False when it stopped. */
  const persist = async (what: string, work: () => Promise<void>): Promise<boolean> => {
    for (let delayMs = retryMs.first; !signal.aborted; delayMs = Math.min(delayMs * 2, retryMs.max)) {
      try {
        await work()
        return true
      } catch (error) {
        if (signal.aborted) return false
        log.warn(`cannot ${what}; trying again`, { err: error })
        await pause(delayMs)
      }
    }
    return false
  }
  const pause = (delayMs: number): Promise<void> => new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const timer = clock.timer(delayMs, () => resolve(), { background: true })
    const end = (): void => {
      timer[Symbol.dispose]()
      resolve()
    }
    wake = end
    signal.addEventListener('abort', end, { once: true })
  })

  const { promise: registered, resolve: isRegistered } = Promise.withResolvers<void>()
  const statusLoop = async (): Promise<void> => {
    events.event(target, 'Normal', 'Starting', 'Starting kubelet.')
    if (options.registerNode) await persist('register the node', register)
    isRegistered()
    while (!signal.aborted) {
      let ready = false
      await persist('tell the status of the node', async () => {
        ready = await report()
      })
      await pause(ready ? computeMs : notReadyMs)
    }
  }
  const renew = async (lease: Lease | undefined): Promise<Lease> => {
    const spec = { holderIdentity: identity.name, leaseDurationSeconds: leaseSeconds, renewTime: microTimeText(clock.now()) }
    if (lease !== undefined) {
      try {
        return await client.update(leases, { ...lease, spec: { ...lease.spec, ...spec } }, { signal })
      } catch (error) {
        if (!isReason(error, 'Conflict', 'NotFound')) throw error
      }
    }
    const found = await client.find(leases, leaseNamespace, identity.name, { signal })
    if (found !== undefined) return client.update(leases, { ...found, spec: { ...found.spec, ...spec } }, { signal })
    const node = await client.get(nodes, '', identity.name, { signal })
    return client.create(leases, {
      apiVersion: 'coordination.k8s.io/v1', kind: 'Lease',
      metadata: { name: identity.name, namespace: leaseNamespace, ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: identity.name, uid: node.metadata.uid ?? '' }] }, spec,
    }, { signal })
  }
  const leaseLoop = async (): Promise<void> => {
    await registered
    let lease: Lease | undefined
    while (!signal.aborted) {
      await persist('renew the lease of the node', async () => {
        lease = await renew(lease)
      })
      // Its own pause: a look at the node must not renew the lease early, nor a renewal hide a look.
      await new Promise<void>((resolve) => {
        if (signal.aborted) return resolve()
        const timer = clock.timer(renewMs, resolve, { background: true })
        signal.addEventListener('abort', () => {
          timer[Symbol.dispose]()
          resolve()
        }, { once: true })
      })
    }
  }
  const loops = Promise.all([statusLoop(), leaseLoop()])
  return {
    registered,
    networkProblem: () => network,
    refresh: () => wake?.(),
    async [Symbol.asyncDispose]() {
      stopped.abort(new Error('the kubelet stops'))
      await loops
    },
  }
}
