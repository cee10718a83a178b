import { Http1Pool, openSocket, requestHead } from '../http1.ts'
import { measureCount } from '../load.ts'
import { configMap, expectStatus, makeNamespace } from '../objects.ts'
import type { EndpointWork } from '../work.ts'

const watcherCount = 100
const marker = '{"type":"'

/** Counts the events in the pieces of a watch, also those that lie across two pieces. */
export function eventCounter(): (piece: Buffer) => number {
  let tail = ''
  return (piece) => {
    let count = 0
    const seam = tail + piece.toString('latin1', 0, marker.length - 1)
    if (seam.includes(marker)) count++
    for (let at = piece.indexOf(marker); at >= 0; at = piece.indexOf(marker, at + marker.length)) count++
    const end = piece.toString('latin1', Math.max(0, piece.length - marker.length + 1))
    tail = (tail + end).slice(1 - marker.length)
    return count
  }
}

export const fanOut: EndpointWork = {
  name: 'fan-out',
  summary: `ConfigMaps created before ${watcherCount} watchers`,
  async measure(endpoint, context) {
    const { clock } = context.runtime
    await using namespace = await makeNamespace(endpoint, context)
    const path = namespace.path('configmaps')
    const made = await namespace.connection.request('POST', path, { body: configMap('first'), keepBody: true })
    expectStatus(made.status, 201, 'creating a ConfigMap')
    const { metadata: { resourceVersion } } = JSON.parse(made.body.toString()) as { metadata: { resourceVersion: string } }
    let delivered = 0
    const sockets = await Promise.all(Array.from({ length: watcherCount }, async () => {
      const socket = await openSocket(endpoint)
      const count = eventCounter()
      socket.on('data', (piece: Buffer) => (delivered += count(piece)))
      socket.on('error', () => undefined)
      socket.write(`${requestHead(endpoint, 'GET', `${path}?watch=true&resourceVersion=${resourceVersion}`)}\r\n`)
      return socket
    }))
    try {
      using http1 = await Http1Pool.open(endpoint, 32)
      const send = (prefix: string) => async (worker: number, serial: number): Promise<void> =>
        expectStatus((await http1.connections[worker]!.request('POST', path, { body: configMap(`${prefix}-${serial}`) })).status, 201, 'creating a ConfigMap')
      const untilDelivered = async (count: number): Promise<void> => {
        const untilMs = clock.monotonicMs() + 60_000
        while (delivered < count) {
          if (clock.monotonicMs() > untilMs) throw new Error(`${endpoint.name} delivered ${delivered} of ${count} events in time`)
          await clock.sleep(1, context.signal)
        }
      }
      const warmUp = context.quick ? 20 : 1000
      const counted = context.quick ? 200 : 6000
      await measureCount(context, 32, warmUp, send('warm-up'))
      // The kubelet's root certificates and other ConfigMaps that controllers make are events too.
      await untilDelivered(warmUp * watcherCount)
      await clock.sleep(500, context.signal)
      const before = delivered
      const startMs = clock.monotonicMs()
      const busyBefore = performance.eventLoopUtilization()
      await measureCount(context, 32, counted, send('measured'))
      await untilDelivered(before + counted * watcherCount)
      const tookSeconds = (clock.monotonicMs() - startMs) / 1000
      const busy = performance.eventLoopUtilization(busyBefore).utilization * 100
      return [{ name: `watch events to ${watcherCount} watchers`, value: (counted * watcherCount) / tookSeconds, unit: '/s', original: 89_000, note: `${(counted / tookSeconds).toFixed(0)} creations/s, generator ${busy.toFixed(0)} % busy` }]
    } finally {
      for (const socket of sockets) socket.destroy()
    }
  },
}
