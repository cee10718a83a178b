import { Http1Pool } from '../http1.ts'
import { Http2Pool } from '../http2.ts'
import { measureRate, parallel, rateNote } from '../load.ts'
import { configMap, expectStatus, makeNamespace } from '../objects.ts'
import type { EndpointWork } from '../work.ts'

export const createConfigMaps: EndpointWork = {
  name: 'create-configmaps',
  summary: 'creation of ConfigMaps of 350 bytes, each durable before it is acknowledged',
  async measure(endpoint, context) {
    await using namespace = await makeNamespace(endpoint, context)
    const path = namespace.path('configmaps')
    using http1 = await Http1Pool.open(endpoint, parallel)
    const first = await measureRate(context, endpoint, parallel, async (worker, serial) => expectStatus((await http1.connections[worker]!.request('POST', path, { body: configMap(`a-${serial}`) })).status, 201, 'creating a ConfigMap'))
    using http2 = await Http2Pool.open(endpoint, 4)
    const second = await measureRate(context, endpoint, parallel, async (worker, serial) => expectStatus(await http2.request(worker, 'POST', path, configMap(`b-${serial}`)), 201, 'creating a ConfigMap'))
    return [
      { name: 'create ConfigMap, HTTP/1.1', value: first.perSecond, unit: '/s', original: 2200, note: rateNote(first) },
      { name: 'create ConfigMap, HTTP/2', value: second.perSecond, unit: '/s', original: 2200, note: rateNote(second) },
    ]
  },
}
