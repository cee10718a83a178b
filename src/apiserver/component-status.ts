import type { ComponentStatus } from '../api/types/core_v1.ts'
import type { Lease } from '../api/types/coordination.k8s.io_v1.ts'
import { errors } from '../machinery/status.ts'
import type { ServerResponse } from './context.ts'
import type { ApiServerCore } from './core.ts'
import type { SubresourceContext, SubresourceHandler } from './subresources.ts'

/** A component of the control plane: `check` answers what it says of itself (`ok`), and rejects when it is not well. */
export interface ComponentCheck { name: string; check(): Promise<string> }

/** Well while somebody holds the component's leader election lease. */
export function leaseCheck(core: ApiServerCore, name: string, lease: string): ComponentCheck {
  return {
    name,
    async check() {
      const held = (await core.registry.find(core.resource('leases', 'coordination.k8s.io'), 'kube-system', lease)) as Readonly<Lease> | undefined
      const { holderIdentity = '', renewTime, leaseDurationSeconds = 15 } = held?.spec ?? {}
      if (holderIdentity === '' || renewTime === undefined) throw new Error(`nobody holds the lease kube-system/${lease}`)
      if (Date.parse(renewTime) + leaseDurationSeconds * 1000 < core.runtime.clock.now()) throw new Error(`the lease kube-system/${lease} was last renewed at ${renewTime}`)
      return 'ok'
    },
  }
}

/** componentstatuses: made on the spot from checks, in upstream's form; only read. */
export function componentStatusHandler(core: ApiServerCore, checks?: readonly ComponentCheck[]): SubresourceHandler {
  const store: ComponentCheck = { name: 'etcd-0', check: async () => (await core.store.healthy(), 'ok') }
  const all = [...(checks ?? [leaseCheck(core, 'scheduler', 'kube-scheduler'), leaseCheck(core, 'controller-manager', 'kube-controller-manager')]), store]
  return {
    group: '', resource: 'componentstatuses', subresource: '',
    async handle(context: SubresourceContext): Promise<ServerResponse> {
      const { info } = context
      context.warn('v1 ComponentStatus is deprecated in v1.19+')
      if (info.verb === 'get') {
        const one = all.find((check) => check.name === info.name)
        if (one === undefined) throw errors.notFound({ group: '', resource: 'componentstatus' }, info.name)
        return context.answer(await statusOf(one))
      }
      const items = await Promise.all(all.filter((check) => info.name === '' || check.name === info.name).map(statusOf))
      return context.answerList(items)
    },
  }
}

async function statusOf({ name, check }: ComponentCheck): Promise<ComponentStatus & { metadata: object }> {
  const object = (status: 'True' | 'False', message: string, error?: string): ComponentStatus & { metadata: object } => ({
    kind: 'ComponentStatus', apiVersion: 'v1', metadata: { name },
    conditions: [{ type: 'Healthy', status, ...(message === '' ? {} : { message }), ...(error === undefined ? {} : { error }) }],
  })
  try {
    return object('True', await check())
  } catch (error) {
    return object('False', 'Unhealthy', error instanceof Error ? error.message : String(error))
  }
}
