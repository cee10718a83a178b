import { Http1Pool } from '../http1.ts'
import { Http2Pool } from '../http2.ts'
import { measureRate, parallel, rateNote } from '../load.ts'
import { configMap, expectStatus, makeNamespace } from '../objects.ts'
import type { EndpointWork } from '../work.ts'

export const get: EndpointWork = {
  name: 'get',
  summary: 'GET of one ConfigMap',
  async measure(endpoint, context) {
    await using namespace = await makeNamespace(endpoint, context)
    const path = `${namespace.path('configmaps')}/one`
    expectStatus((await namespace.connection.request('POST', namespace.path('configmaps'), { body: configMap('one') })).status, 201, 'creating a ConfigMap')
    using http1 = await Http1Pool.open(endpoint, parallel)
    const first = await measureRate(context, endpoint, parallel, async (worker) => expectStatus((await http1.connections[worker]!.request('GET', path)).status, 200, 'GET'))
    using http2 = await Http2Pool.open(endpoint, 4)
    const second = await measureRate(context, endpoint, parallel, async (worker) => expectStatus(await http2.request(worker, 'GET', path), 200, 'GET'))
    return [
      { name: 'GET, HTTP/1.1', value: first.perSecond, unit: '/s', original: 4300, note: rateNote(first) },
      { name: 'GET, HTTP/2', value: second.perSecond, unit: '/s', original: 4300, note: rateNote(second) },
    ]
  },
}
