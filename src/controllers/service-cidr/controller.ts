import type { IPAddress, ServiceCIDR } from '../../api/types/networking.k8s.io_v1.ts'
import type { Client } from '../../client/client.ts'
import { runController, watching } from '../../client/controller.ts'
import { ipAddresses, serviceCIDRs } from '../../client/resources.ts'
import { cidrHas, parseCidr, parseIp, type Cidr } from '../../machinery/cidr.ts'
import { timeText } from '../../machinery/object.ts'
import type { StartController } from '../context.ts'

const finalizer = 'networking.k8s.io/service-cidr-finalizer'
const managedBy = 'ipaddress.kubernetes.io/managed-by'
const allocator = 'ipallocator.k8s.io'
/** So long after a deletion has begun allocators may not have heard of it. */
const graceMs = 10_000

/**
 * Ranges of Service addresses are ready when they are there, and stay while addresses of theirs, that no other range has, are in use
 * (KEP-1880, upstream's `service-cidr-controller`).
 */
export const startServiceCidrController: StartController = ({ informers, runtime, client, recorder }) => {
  const cidrs = informers.informer(serviceCIDRs)
  const addresses = informers.informer(ipAddresses)
  const holding = (object: IPAddress | undefined, old: IPAddress | undefined): string[] => {
    const ip = parseIp((object ?? old)?.metadata.name ?? '')
    return ip === undefined ? [] : cidrs.list().filter((each) => rangesOf(each).some((range) => cidrHas(range, ip))).map((each) => each.metadata.name!)
  }
  // A range that comes or goes may set another free.
  const overlapping = (object: ServiceCIDR | undefined, old: ServiceCIDR | undefined): string[] => {
    const own = rangesOf((object ?? old)!)
    const others = cidrs.list().filter((each) => rangesOf(each).some((range) => own.some((mine) => contains(mine, range) || contains(range, mine)))).map((each) => each.metadata.name!)
    return [...new Set([(object ?? old)!.metadata.name!, ...others])]
  }
  return runController({
    name: 'service-cidr-controller', runtime, sources: [watching(cidrs, overlapping), watching(addresses, holding)],
    async reconcile(name) {
      const standing = cidrs.get(name)
      if (standing === undefined) return
      const { deletionTimestamp, finalizers = [] } = standing.metadata
      const nowMs = runtime.clock.now()
      if (deletionTimestamp === undefined) {
        const held = finalizers.includes(finalizer) ? standing : await client.update(serviceCIDRs, { ...standing, metadata: { ...standing.metadata, finalizers: [...finalizers, finalizer] } })
        try {
          return await setReady(client, held, { status: 'True', reason: '', message: 'Kubernetes Service CIDR is ready' }, nowMs)
        } catch (error) {
          recorder.event({ apiVersion: 'networking.k8s.io/v1', kind: 'ServiceCIDR', name, ...(standing.metadata.uid === undefined ? {} : { uid: standing.metadata.uid }) }, 'Warning', 'KubernetesServiceCIDRError', 'The ServiceCIDR Status can not be set to Ready=True')
          throw error
        }
      }
      if (!finalizers.includes(finalizer)) return
      if (!canGo(standing, cidrs.list(), addresses.list())) {
        const message = 'There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR'
        return await setReady(client, standing, { status: 'False', reason: 'Terminating', message }, nowMs)
      }
      const requeueAfterMs = Date.parse(deletionTimestamp) + graceMs - nowMs
      if (requeueAfterMs > 0) return { requeueAfterMs }
      await client.update(serviceCIDRs, { ...standing, metadata: { ...standing.metadata, finalizers: finalizers.filter((each) => each !== finalizer) } })
    },
  })
}

function rangesOf(object: Readonly<ServiceCIDR>): Cidr[] {
  return (object.spec?.cidrs ?? []).flatMap((text) => parseCidr(text) ?? [])
}

function contains(outer: Cidr, inner: Cidr): boolean {
  return outer.family === inner.family && outer.prefix <= inner.prefix && cidrHas(outer, { family: inner.family, value: inner.base })
}

/** Whether another range has all of it, or nobody uses an address that only this one has. */
function canGo(object: Readonly<ServiceCIDR>, all: readonly Readonly<ServiceCIDR>[], addresses: readonly Readonly<IPAddress>[]): boolean {
  const own = rangesOf(object)
  const others = all.filter((each) => each.metadata.name !== object.metadata.name).flatMap(rangesOf)
  if (own.every((range) => others.some((other) => contains(other, range)))) return true
  return !addresses.some(({ metadata }) => {
    const ip = parseIp(metadata.name ?? '')
    if (ip === undefined || metadata.labels?.[managedBy] !== allocator) return false
    return own.some((range) => cidrHas(range, ip)) && !others.some((range) => cidrHas(range, ip))
  })
}

async function setReady(client: Client, object: Readonly<ServiceCIDR>, wanted: { status: string; reason: string; message: string }, nowMs: number): Promise<void> {
  const conditions = object.status?.conditions ?? []
  const before = conditions.find(({ type }) => type === 'Ready')
  // What the API server has said of the default range is as good.
  if (before?.status === wanted.status && (wanted.status === 'True' || before.message === wanted.message)) return
  const lastTransitionTime = before?.status === wanted.status ? before.lastTransitionTime : timeText(nowMs)
  const condition = { type: 'Ready', ...wanted, lastTransitionTime }
  await client.updateStatus(serviceCIDRs, { ...object, status: { conditions: [...conditions.filter(({ type }) => type !== 'Ready'), condition] } } as ServiceCIDR)
}
