import { typeForKind } from '../../src/api/type-table.ts'
import { encodeProtobuf, protobufMediaType } from '../../src/machinery/protobuf-envelope.ts'
import { Http1Pool } from '../http1.ts'
import { measureCount, measureRate, parallel, rateNote } from '../load.ts'
import { configMap, expectStatus, makeNamespace, pod } from '../objects.ts'
import type { EndpointWork } from '../work.ts'
import { sizeNote, timeOf } from './list-pods.ts'

const headers = `accept: ${protobufMediaType}\r\n`

/** The protobuf of an object given as JSON. */
function encoded(json: string): Uint8Array {
  const object = JSON.parse(json) as { apiVersion: string; kind: string }
  return encodeProtobuf(typeForKind(object.apiVersion, object.kind)!, object)
}

export const protobuf: EndpointWork = {
  name: 'protobuf',
  summary: 'creation and lists in protobuf, which controllers built on client-go speak',
  async measure(endpoint, context) {
    await using namespace = await makeNamespace(endpoint, context)
    using http1 = await Http1Pool.open(endpoint, parallel)
    const create = (resource: string, body: (serial: number) => string) => async (worker: number, serial: number): Promise<void> => {
      const answer = await http1.connections[worker]!.request('POST', namespace.path(resource), { body: encoded(body(serial)), contentType: protobufMediaType, headers })
      expectStatus(answer.status, 201, `creating one of ${resource}`)
    }
    const maps = await measureRate(context, endpoint, parallel, create('configmaps', (serial) => configMap(`a-${serial}`)))
    const pods = await measureRate(context, endpoint, parallel, create('pods', (serial) => pod(`web-${serial}`).replace('"spec":{', '"spec":{"schedulerName":"nobody",')))
    const { connection } = namespace
    await connection.request('DELETE', `${namespace.path('pods')}?gracePeriodSeconds=0`)
    await measureCount(context, parallel, 5000, create('pods', (serial) => pod(`listed-${serial}`, { nodeName: `bench-node-${serial % 500}`, terminationGracePeriodSeconds: 0 })))
    const list = await timeOf(context, async () => {
      const answer = await connection.request('GET', namespace.path('pods'), { headers })
      expectStatus(answer.status, 200, 'a list in protobuf')
      return answer.bodyBytes
    })
    return [
      { name: 'create ConfigMap, protobuf', value: maps.perSecond, unit: '/s', original: 2200, note: `original: JSON; ${rateNote(maps)}` },
      { name: 'create Pod, protobuf', value: pods.perSecond, unit: '/s', original: 1200, note: `original: JSON; ${rateNote(pods)}` },
      { name: 'list 5,000 pods, protobuf', value: list.ms, unit: 'ms', original: 165, note: `original: JSON; ${sizeNote(list.bytes)}` },
    ]
  },
}
