import type { Pod, ResourceQuota } from '../../api/types/core_v1.ts'
import { addUsage, listOfUsage, quotaCovers, quotaKinds, usageOf, type Usage } from '../../api/quota.ts'
import type { ResourceType } from '../../client/client.ts'
import { every, runController, watching, type Source, type Wake } from '../../client/controller.ts'
import { discover } from '../../client/discovery.ts'
import type { Informer } from '../../client/informer.ts'
import { persistentVolumeClaims, pods, resourceQuotas, services } from '../../client/resources.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { keyOf, type KubeObject } from '../../machinery/object.ts'
import { zeroQuantity } from '../../machinery/quantity.ts'
import type { ControllerContext, StartController } from '../context.ts'
import { isPodTerminal } from '../pods.ts'

const resyncPeriodMs = 5 * 60_000
const everything = 'all quotas'
/** Kinds whose usage is more than their number: their whole objects are needed. */
const measured: Readonly<Record<string, ResourceType>> = { pods: pods as ResourceType, services: services as ResourceType, persistentvolumeclaims: persistentVolumeClaims as ResourceType }

/** Counts what the objects of each quota's namespace use, and writes it to the quota's status; admission charges against that. */
export const startResourceQuotaController: StartController = (context) => {
  const { informers, runtime, client } = context
  const quotas = informers.informer(resourceQuotas)
  const kinds = new CountedKinds(context, quotas)
  return runController({
    name: 'resourcequota-controller', runtime, concurrency: 5,
    // Admission charges the status before the object it charges for can be seen: counting then would take the charge back.
    sources: [watching(quotas, (quota, old) => (quota === undefined || (old !== undefined && semanticEqual(quota.spec, old.spec)) ? [] : [keyOf(quota)])), kinds, every(runtime, resyncPeriodMs, everything)],
    async reconcile(key, signal) {
      if (key === everything) {
        for (const each of quotas.list()) await count(client, each, kinds, runtime.clock.now(), signal)
        return
      }
      const quota = quotas.get(key)
      if (quota !== undefined) await count(client, quota, kinds, runtime.clock.now(), signal)
    },
  })
}

async function count(client: ControllerContext['client'], quota: ResourceQuota, kinds: CountedKinds, nowMs: number, signal: AbortSignal): Promise<void> {
  const hard = quota.spec?.hard ?? {}
  const total: Usage = new Map()
  for (const kind of quotaKinds(Object.keys(hard))) {
    const informer = await kinds.informer(kind, signal)
    if (informer === undefined) continue
    for (const object of informer.list(quota.metadata.namespace)) if (quotaCovers(quota, kind, object)) addUsage(total, usageOf(kind, object, nowMs))
  }
  const used = listOfUsage(new Map(Object.keys(hard).map((name) => [name, total.get(name) ?? zeroQuantity])))
  if (semanticEqual(quota.status?.hard, hard) && semanticEqual(quota.status?.used, used)) return
  await client.updateStatus(resourceQuotas, { ...quota, status: { hard, used } })
}

/** Informers of the kinds that quotas speak of, made when the first quota does; what frees something wakes the namespace's quotas. */
class CountedKinds implements Source {
  readonly synced = Promise.resolve()
  private readonly context: ControllerContext
  private readonly quotas: Informer<ResourceQuota>
  private readonly known = new Map<string, Promise<Informer | undefined>>()
  private readonly subscriptions: Disposable[] = []
  private wake: Wake | undefined

  constructor(context: ControllerContext, quotas: Informer<ResourceQuota>) {
    this.context = context
    this.quotas = quotas
  }

  start(wake: Wake): Disposable {
    this.wake = wake
    return {
      [Symbol.dispose]: () => {
        this.wake = undefined
        for (const subscription of this.subscriptions) subscription[Symbol.dispose]()
      },
    }
  }

  /** The informer of a kind (`deployments.apps`), in sync; undefined for a kind that the server doesn't serve. */
  async informer(kind: string, signal: AbortSignal): Promise<Informer | undefined> {
    let found = this.known.get(kind)
    if (found === undefined) {
      found = this.open(kind, signal)
      this.known.set(kind, found)
    }
    try {
      const informer = await found
      // A kind that isn't served may be tomorrow.
      if (informer === undefined) this.known.delete(kind)
      await informer?.synced
      return informer
    } catch (error) {
      this.known.delete(kind)
      throw error
    }
  }

  private async open(kind: string, signal: AbortSignal): Promise<Informer | undefined> {
    const whole = measured[kind]
    const type = whole ?? (await discover(this.context.client, signal)).resources.find(({ group, resource, namespaced }) => namespaced && (group === '' ? resource : `${resource}.${group}`) === kind)
    if (type === undefined) return undefined
    const informer = this.context.informers.informer<KubeObject>(type, whole === undefined ? { metadataOnly: true } : {})
    this.subscriptions.push(informer.onChange((object, old) => {
      if (!informer.hasSynced || !frees(kind, object, old)) return
      for (const quota of this.quotas.list((object ?? old)!.metadata.namespace)) this.wake?.(keyOf(quota))
    }))
    return informer
  }
}

/** Additions are charged by admission; what is watched for is what gives back. */
function frees(kind: string, object: KubeObject | undefined, old: KubeObject | undefined): boolean {
  if (object === undefined) return true
  if (old === undefined) return false
  if (kind === 'pods') return isPodTerminal(object as Pod) !== isPodTerminal(old as Pod) || object.metadata.deletionTimestamp !== old.metadata.deletionTimestamp
  return kind === 'services' && !semanticEqual((object as { spec?: object }).spec, (old as { spec?: object }).spec)
}
