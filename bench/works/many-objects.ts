import { Http1Connection, Http1Pool } from '../http1.ts'
import { measureCount, percentile } from '../load.ts'
import { configMap, expectStatus, makeNamespace } from '../objects.ts'
import type { EndpointWork, WorkContext } from '../work.ts'
import { listInChunks, sizeNote } from './list-pods.ts'

/** How often the other client asks. */
const probeEveryMs = 2
/** Issue and promise: nobody else waits longer than this while a large namespace is listed in chunks. */
const longestWaitMs = 50

/** Asks for a small object again and again until `work` is done; answers how long each answer took, sorted. */
async function probeDuring(context: WorkContext, connection: Http1Connection, path: string, work: () => Promise<void>): Promise<Float64Array> {
  const { clock } = context.runtime
  const waits: number[] = []
  let over = false
  const probing = (async () => {
    while (!over) {
      const fromMs = clock.monotonicMs()
      expectStatus((await connection.request('GET', path)).status, 200, `GET ${path}`)
      waits.push(clock.monotonicMs() - fromMs)
      await clock.sleep(probeEveryMs, context.signal)
    }
  })()
  try {
    await work()
  } finally {
    over = true
    await probing
  }
  return Float64Array.from(waits).sort()
}

export const manyObjects: EndpointWork = {
  name: 'many-objects',
  summary: 'a namespace of 50,000 ConfigMaps, listed in chunks while another client reads one object',
  async measure(endpoint, context) {
    await using namespace = await makeNamespace(endpoint, context)
    const path = namespace.path('configmaps')
    const count = context.quick ? 5000 : 50_000
    {
      using http1 = await Http1Pool.open(endpoint, 64)
      const ms = await measureCount(context, 64, count, async (worker, serial) => expectStatus((await http1.connections[worker]!.request('POST', path, { body: configMap(`c-${serial}`) })).status, 201, 'creating a ConfigMap'))
      context.progress(`made ${count} ConfigMaps in ${(ms / 1000).toFixed(1)} s`)
    }
    const { clock } = context.runtime
    const probe = await Http1Connection.open(endpoint)
    try {
      let bytes = 0
      let tookMs = 0
      const quiet = await probeDuring(context, probe, `${path}/c-1`, () => clock.sleep(2000, context.signal))
      const waits = await probeDuring(context, probe, `${path}/c-1`, async () => {
        const fromMs = clock.monotonicMs()
        for (let round = 0; round < 3; round++) bytes = await listInChunks(namespace.connection, path)
        tookMs = (clock.monotonicMs() - fromMs) / 3
      })
      const note = `event-loop delay as a client sees it: p99 ${percentile(waits, 99).toFixed(1)} ms; without the list ${quiet.at(-1)!.toFixed(1)} ms at most`
      return [
        { name: `list ${count.toLocaleString('en-US')} ConfigMaps, limit=500`, value: tookMs, unit: 'ms', note: sizeNote(bytes) },
        { name: 'longest wait of another client meanwhile', value: waits.at(-1)!, unit: 'ms', target: longestWaitMs, note },
      ]
    } finally {
      probe.close()
    }
  },
}
