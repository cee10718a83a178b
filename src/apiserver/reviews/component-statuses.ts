import type { ComponentStatus } from '../../api/types/core_v1.ts'
import type { Lease } from '../../api/types/coordination.k8s.io_v1.ts'
import { errors } from '../../machinery/status.ts'
import type { ApiServerCore } from '../core.ts'
import type { SubresourceHandler } from '../subresources.ts'

const components = ['scheduler', 'controller-manager', 'etcd-0'] as const

/** Why a component is unwell; undefined when it is fine. Those that elect a leader are well while somebody renews their lease. */
async function problemOf(core: ApiServerCore, name: typeof components[number]): Promise<string | undefined> {
  if (name === 'etcd-0') return await core.store.healthy().then(() => undefined, (error: unknown) => (error instanceof Error ? error.message : String(error)))
  const lease = await core.registry.find(core.resource('leases', 'coordination.k8s.io'), 'kube-system', `kube-${name}`) as unknown as Lease | undefined
  if (lease?.spec?.renewTime === undefined) return `no kube-${name} holds the lease kube-system/kube-${name}`
  const lateMs = core.runtime.clock.now() - Date.parse(lease.spec.renewTime) - (lease.spec.leaseDurationSeconds ?? 15) * 1000
  return lateMs > 0 ? `the lease kube-system/kube-${name} ran out ${Math.round(lateMs / 1000)}s ago` : undefined
}

async function statusOf(core: ApiServerCore, name: typeof components[number]): Promise<ComponentStatus> {
  const problem = await problemOf(core, name)
  const condition = problem === undefined ? { type: 'Healthy', status: 'True', message: 'ok' } : { type: 'Healthy', status: 'False', message: 'Unhealthy', error: problem }
  return { apiVersion: 'v1', kind: 'ComponentStatus', metadata: { name }, conditions: [condition] }
}

/** `componentstatuses`: deprecated since 1.19, still asked for. */
export const componentStatusHandler: SubresourceHandler = {
  group: '', resource: 'componentstatuses', subresource: '',
  async handle(context) {
    const { core, info } = context
    context.warn('v1 ComponentStatus is deprecated in v1.19+')
    if (info.verb === 'get') {
      const name = components.find((candidate) => candidate === info.name)
      if (name === undefined) throw errors.notFound(context.resource, info.name)
      return context.answer(await statusOf(core, name))
    }
    if (info.verb !== 'list') throw errors.methodNotAllowed(context.resource, info.verb)
    const items = await Promise.all(components.map((name) => statusOf(core, name)))
    return context.answer({ apiVersion: 'v1', kind: 'ComponentStatusList', metadata: {}, items } as never)
  },
}
