import type { Pod, PodCondition, PodStatus } from '../api/types/core_v1.ts'
import type { Client } from '../client/client.ts'
import { pods } from '../client/resources.ts'
import { semanticEqual } from '../machinery/equality.ts'
import { isReason } from '../machinery/status.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { ownedConditions } from './pod-status.ts'
import type { BoundPod } from './pods.ts'

/** The fields of a pod's status that the kubelet owns, conditions aside. */
const ownedFields = [
  'phase', 'hostIP', 'hostIPs', 'podIP', 'podIPs', 'startTime', 'qosClass', 'containerStatuses', 'initContainerStatuses', 'ephemeralContainerStatuses', 'reason', 'message', 'observedGeneration',
] as const
/** Lists that a strategic merge patch merges by address: what goes must be named. */
const addressLists = new Set<string>(['hostIPs', 'podIPs'])

/** The strategic merge patch that turns `base` into `wanted` in the fields that the kubelet owns; undefined when there is nothing to say. */
export function statusPatch(uid: string, base: PodStatus, wanted: PodStatus): unknown {
  const status: Record<string, unknown> = {}
  for (const field of ownedFields) {
    const value = wanted[field]
    if (semanticEqual(value, base[field])) continue
    if (field === 'qosClass' && base.qosClass !== undefined) continue
    if (!addressLists.has(field)) {
      status[field] = value ?? null
      continue
    }
    const addresses = (value ?? []) as { ip: string }[]
    const gone = ((base[field] ?? []) as { ip: string }[]).filter(({ ip }) => !addresses.some((address) => address.ip === ip))
    status[field] = [...addresses, ...gone.map(({ ip }) => ({ $patch: 'delete', ip }))]
  }
  const conditions = (wanted.conditions ?? []).flatMap((condition): unknown[] => {
    const before = base.conditions?.find(({ type }) => type === condition.type)
    if (!(ownedConditions as readonly string[]).includes(condition.type) || semanticEqual(condition, before)) return []
    // Conditions are merged by type: what one no longer says must be taken back.
    const gone = Object.keys(before ?? {}).filter((field) => condition[field as keyof PodCondition] === undefined)
    return [{ ...condition, ...Object.fromEntries(gone.map((field) => [field, null])) }]
  })
  if (conditions.length > 0) status.conditions = conditions
  return Object.keys(status).length === 0 ? undefined : { metadata: { uid }, status }
}

/**
 * The statuses of this node's pods, told to the API server.
 * 1. `get` answers what was set last, told or not.
 * 2. One request a pod at a time, the newest status only; nothing is sent that the server already has.
 * 3. `finish` deletes the pod for good after its last status was told; never before.
 * 4. A pod that is gone from the server, or is another one by now, is nobody's business any more.
 */
export interface PodStatuses extends AsyncDisposable {
  get(uid: string): PodStatus | undefined
  set(pod: BoundPod, status: PodStatus): void
  /** What the server shows now; tells it anew when that isn't what was set. */
  shown(pod: BoundPod): void
  /** Removes the pod from the API (grace period 0, this uid). Resolves when it is gone. */
  finish(pod: BoundPod): Promise<void>
  forget(uid: string): void
}

interface Entry { pod: BoundPod; wanted: PodStatus; base: PodStatus; sending: Promise<void> | undefined; gone: boolean; correctedMs: number }

const retry = { initialMs: 500, maxMs: 10_000 }
const correctEveryMs = 10_000

export function createPodStatuses(client: Client, runtime: Runtime): PodStatuses {
  const { clock, log } = runtime
  const entries = new Map<string, Entry>()
  const stopped = new AbortController()

  const isGone = (error: unknown): boolean => isReason(error, 'NotFound') || isReason(error, 'Conflict') || isReason(error, 'Gone')
  /** Tries until it works or there is no pod to tell of. */
  const persist = async (entry: Entry, what: string, work: () => Promise<void>): Promise<void> => {
    for (let delayMs = retry.initialMs; ; delayMs = Math.min(delayMs * 2, retry.maxMs)) {
      try {
        return await work()
      } catch (error) {
        if (stopped.signal.aborted) return
        if (isGone(error)) {
          entry.gone = true
          return
        }
        log.warn(`cannot ${what}; trying again`, { pod: `${entry.pod.metadata.namespace}/${entry.pod.metadata.name}`, err: error })
        try {
          await clock.sleep(delayMs, stopped.signal)
        } catch {
          // Only the end of the kubelet wakes it.
          return
        }
      }
    }
  }
  const sendAll = async (entry: Entry): Promise<void> => {
    const { namespace, name, uid } = entry.pod.metadata
    while (!entry.gone && !stopped.signal.aborted) {
      const { wanted } = entry
      const patch = statusPatch(uid, entry.base, wanted)
      if (patch === undefined) return
      await persist(entry, 'tell the status of a pod', async () => {
        const answer: Pod = await client.patch(pods, namespace, name, 'strategic', patch, { subresource: 'status', signal: stopped.signal })
        // What was just told is told, however the answer reads: it is not said twice (2).
        entry.base = { ...answer.status, ...pickOwned(wanted), conditions: wanted.conditions }
      })
    }
  }
  const kick = (entry: Entry): Promise<void> => {
    entry.sending ??= sendAll(entry).finally(() => {
      entry.sending = undefined
    })
    return entry.sending
  }

  return {
    get: (uid) => entries.get(uid)?.wanted,
    set(pod, status) {
      const { uid } = pod.metadata
      const entry = entries.get(uid)
      if (entry !== undefined) {
        entry.pod = pod
        if (semanticEqual(entry.wanted, status)) return
        entry.wanted = status
        void kick(entry)
        return
      }
      const fresh: Entry = { pod, wanted: status, base: pod.status ?? {}, sending: undefined, gone: false, correctedMs: 0 }
      entries.set(uid, fresh)
      void kick(fresh)
    },
    shown(pod) {
      const entry = entries.get(pod.metadata.uid)
      if (entry === undefined || entry.gone || entry.sending !== undefined || clock.now() - entry.correctedMs < correctEveryMs) return
      const shown = pod.status ?? {}
      if (statusPatch(pod.metadata.uid, shown, entry.wanted) === undefined) return
      entry.correctedMs = clock.now()
      entry.base = shown
      void kick(entry)
    },
    async finish(pod) {
      const { uid, namespace, name } = pod.metadata
      const entry: Entry = entries.get(uid) ?? { pod, wanted: pod.status ?? {}, base: pod.status ?? {}, sending: undefined, gone: false, correctedMs: 0 }
      await kick(entry)
      if (entry.gone || stopped.signal.aborted) return
      await persist(entry, 'remove a pod that has ended', async () => {
        await client.delete(pods, namespace, name, { gracePeriodSeconds: 0, preconditions: { uid }, signal: stopped.signal })
      })
    },
    forget: (uid) => void entries.delete(uid),
    async [Symbol.asyncDispose]() {
      stopped.abort(new Error('the kubelet stops'))
      await Promise.all([...entries.values()].map((entry) => entry.sending))
    },
  }
}

function pickOwned(status: PodStatus): Partial<PodStatus> {
  return Object.fromEntries(ownedFields.map((field) => [field, status[field]]))
}
