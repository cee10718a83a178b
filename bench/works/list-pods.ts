import { Http1Pool, type Http1Connection } from '../http1.ts'
import { measureCount, median } from '../load.ts'
import { expectStatus, makeNamespace, pod } from '../objects.ts'
import type { EndpointWork, WorkContext } from '../work.ts'

const tableHeader = 'accept: application/json;as=Table;v=v1;g=meta.k8s.io,application/json\r\n'

/** The median time and the size of what `list` fetched. */
export async function timeOf(context: WorkContext, list: () => Promise<number>): Promise<{ ms: number; bytes: number }> {
  const { clock } = context.runtime
  const times: number[] = []
  let bytes = 0
  for (let round = 0; round < (context.quick ? 3 : 15); round++) {
    const fromMs = clock.monotonicMs()
    bytes = await list()
    times.push(clock.monotonicMs() - fromMs)
  }
  return { ms: median(times), bytes }
}

async function listAll(connection: Http1Connection, path: string, headers = ''): Promise<number> {
  const answer = await connection.request('GET', path, { headers })
  expectStatus(answer.status, 200, `GET ${path}`)
  return answer.bodyBytes
}

/** Follows `continue` to the end, as kubectl does. */
export async function listInChunks(connection: Http1Connection, path: string): Promise<number> {
  let bytes = 0
  for (let token = ''; ;) {
    const answer = await connection.request('GET', `${path}?limit=500${token === '' ? '' : `&continue=${encodeURIComponent(token)}`}`, { keepBody: true })
    expectStatus(answer.status, 200, 'a chunk of a list')
    bytes += answer.bodyBytes
    token = /"continue":"([^"]+)"/.exec(answer.body.toString('latin1', 0, 1000))?.[1] ?? ''
    if (token === '') return bytes
  }
}

export const sizeNote = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`

export const listPods: EndpointWork = {
  name: 'list',
  summary: 'lists of 5,000 pods: whole, in chunks, as a table, of one node',
  async measure(endpoint, context) {
    await using namespace = await makeNamespace(endpoint, context)
    const path = namespace.path('pods')
    using http1 = await Http1Pool.open(endpoint, 32)
    const body = (serial: number): string => pod(`web-${serial}`, { nodeName: `bench-node-${serial % 500}`, terminationGracePeriodSeconds: 0 })
    await measureCount(context, 32, 5000, async (worker, serial) => expectStatus((await http1.connections[worker]!.request('POST', path, { body: body(serial) })).status, 201, 'creating a Pod'))
    const { connection } = namespace
    const whole = await timeOf(context, () => listAll(connection, path))
    const chunks = await timeOf(context, () => listInChunks(connection, path))
    const table = await timeOf(context, () => listAll(connection, path, tableHeader))
    const node = await timeOf(context, () => listAll(connection, `${path}?fieldSelector=spec.nodeName%3Dbench-node-7`))
    return [
      { name: 'list 5,000 pods', value: whole.ms, unit: 'ms', original: 165, note: sizeNote(whole.bytes) },
      { name: 'list 5,000 pods, limit=500', value: chunks.ms, unit: 'ms', note: sizeNote(chunks.bytes) },
      { name: 'list 5,000 pods, as a table', value: table.ms, unit: 'ms', note: sizeNote(table.bytes) },
      { name: 'list the pods of one node of 500', value: node.ms, unit: 'ms', note: sizeNote(node.bytes) },
    ]
  },
}
