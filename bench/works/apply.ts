import { Http1Pool } from '../http1.ts'
import { measureRate, parallel, rateNote } from '../load.ts'
import { configMap, expectStatus, makeNamespace, pod } from '../objects.ts'
import type { EndpointWork } from '../work.ts'

const contentType = 'application/apply-patch+yaml'

export const apply: EndpointWork = {
  name: 'apply',
  summary: 'server-side apply: objects made by it, and objects that each worker applies again with a change',
  async measure(endpoint, context) {
    await using namespace = await makeNamespace(endpoint, context)
    using http1 = await Http1Pool.open(endpoint, parallel)
    const send = async (worker: number, resource: string, name: string, body: string, wanted: number): Promise<void> => {
      const path = `${namespace.path(resource)}/${name}?fieldManager=bench&force=true`
      const answer = await http1.connections[worker]!.request('PATCH', path, { body, contentType, keepBody: true })
      if (answer.status !== wanted) expectStatus(answer.status, wanted, `applying one of ${resource} (${answer.body.toString('utf8', 0, 300)})`)
    }
    const created = await measureRate(context, endpoint, parallel, (worker, serial) => send(worker, 'configmaps', `a-${serial}`, configMap(`a-${serial}`), 201))
    for (const [worker] of http1.connections.entries()) await send(worker, 'configmaps', `c-${worker}`, configMap(`c-${worker}`), 201)
    const changed = await measureRate(context, endpoint, parallel, (worker, serial) => send(worker, 'configmaps', `c-${worker}`, configMap(`c-${worker}`).replace('"value"', `"value-${serial}"`), 200))
    const podOf = (worker: number, note: number): string => pod(`web-${worker}`).replace('"spec":{', '"spec":{"schedulerName":"nobody",').replace('"note":"', `"note":"${note} `)
    for (const [worker] of http1.connections.entries()) await send(worker, 'pods', `web-${worker}`, podOf(worker, -1), 201)
    const pods = await measureRate(context, endpoint, parallel, (worker, serial) => send(worker, 'pods', `web-${worker}`, podOf(worker, serial), 200))
    return [
      { name: 'apply a new ConfigMap', value: created.perSecond, unit: '/s', note: rateNote(created) },
      { name: 'apply a changed ConfigMap', value: changed.perSecond, unit: '/s', note: rateNote(changed) },
      { name: 'apply a changed Pod', value: pods.perSecond, unit: '/s', note: rateNote(pods) },
    ]
  },
}
