import { Http1Pool } from '../http1.ts'
import { measureRate, parallel, rateNote } from '../load.ts'
import { configMap, expectStatus, makeNamespace } from '../objects.ts'
import type { EndpointWork } from '../work.ts'

export const mergePatch: EndpointWork = {
  name: 'patch',
  summary: 'merge patches, each worker its own ConfigMap',
  async measure(endpoint, context) {
    await using namespace = await makeNamespace(endpoint, context)
    const path = namespace.path('configmaps')
    using http1 = await Http1Pool.open(endpoint, parallel)
    await Promise.all(http1.connections.map(async (connection, worker) => expectStatus((await connection.request('POST', path, { body: configMap(`c-${worker}`) })).status, 201, 'creating a ConfigMap')))
    const rate = await measureRate(context, endpoint, parallel, async (worker, serial) => expectStatus((await http1.connections[worker]!.request('PATCH', `${path}/c-${worker}`, { body: `{"data":{"key":"${serial}"}}`, contentType: 'application/merge-patch+json' })).status, 200, 'a merge patch'))
    return [{ name: 'merge patch, HTTP/1.1', value: rate.perSecond, unit: '/s', original: 1800, note: rateNote(rate) }]
  },
}
