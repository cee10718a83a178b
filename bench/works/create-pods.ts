import { Http1Pool } from '../http1.ts'
import { measureRate, parallel, rateNote } from '../load.ts'
import { expectStatus, makeNamespace, pod } from '../objects.ts'
import type { EndpointWork } from '../work.ts'

export const createPods: EndpointWork = {
  name: 'create-pods',
  summary: 'creation of pods of 2.4 KB through all of admission',
  async measure(endpoint, context) {
    await using namespace = await makeNamespace(endpoint, context)
    const path = namespace.path('pods')
    using http1 = await Http1Pool.open(endpoint, parallel)
    // A scheduler name that nobody answers to: what is measured is the API server.
    const body = (serial: number): string => pod(`web-${serial}`).replace('"spec":{', '"spec":{"schedulerName":"nobody",')
    const rate = await measureRate(context, endpoint, parallel, async (worker, serial) => expectStatus((await http1.connections[worker]!.request('POST', path, { body: body(serial) })).status, 201, 'creating a Pod'))
    return [{ name: 'create Pod, HTTP/1.1', value: rate.perSecond, unit: '/s', original: 1200, note: rateNote(rate) }]
  },
}
