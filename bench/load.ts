import type { Endpoint } from './endpoint.ts'
import { processorMs } from './processes.ts'
import type { WorkContext } from './work.ts'

/** Requests under way at once, each on a connection of its own (HTTP/1.1) or shared among a few sessions (HTTP/2). */
export const parallel = 64

export interface Rate { perSecond: number; p50Ms: number; p99Ms: number; /** How much of its core the load generator used: near 100, it is what was measured. */ generatorPercent: number; /** Processor time of the server for one request, all its threads; undefined where it is not ours. */ serverMs: number | undefined }

/** The value that `percent` of the sorted values do not exceed. */
export function percentile(sorted: ArrayLike<number>, percent: number): number {
  if (sorted.length === 0) return NaN
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))]!
}

export function median(values: readonly number[]): number {
  return percentile([...values].sort((a, b) => a - b), 50)
}

/** Keeps `workers` requests under way, first to warm up and then for the measured time. `once` is told a number that it gets only once. */
export async function measureRate(context: WorkContext, endpoint: Endpoint, workers: number, send: (worker: number, serial: number) => Promise<void>): Promise<Rate> {
  const { clock } = context.runtime
  const [warmUpMs, measuredMs] = context.quick ? [200, 500] : [1500, 4000]
  let serial = 0
  const run = async (durationMs: number): Promise<{ tookMs: number; latencies: number[] }> => {
    const startMs = clock.monotonicMs()
    const endMs = startMs + durationMs
    const latencies: number[] = []
    await Promise.all(Array.from({ length: workers }, async (_, worker) => {
      for (let fromMs = clock.monotonicMs(); fromMs < endMs;) {
        context.signal.throwIfAborted()
        await send(worker, serial++)
        const nowMs = clock.monotonicMs()
        latencies.push(nowMs - fromMs)
        fromMs = nowMs
      }
    }))
    return { tookMs: clock.monotonicMs() - startMs, latencies }
  }
  await run(warmUpMs)
  const before = performance.eventLoopUtilization()
  const usedBeforeMs = await processorMs(endpoint.pid)
  const { tookMs, latencies } = await run(measuredMs)
  const generatorPercent = performance.eventLoopUtilization(before).utilization * 100
  const usedAfterMs = await processorMs(endpoint.pid)
  const serverMs = usedBeforeMs === undefined || usedAfterMs === undefined ? undefined : (usedAfterMs - usedBeforeMs) / latencies.length
  const sorted = Float64Array.from(latencies).sort()
  return { perSecond: (latencies.length / tookMs) * 1000, p50Ms: percentile(sorted, 50), p99Ms: percentile(sorted, 99), generatorPercent, serverMs }
}

/** Sends `count` requests, `workers` at a time; answers how long that took. */
export async function measureCount(context: WorkContext, workers: number, count: number, send: (worker: number, serial: number) => Promise<void>): Promise<number> {
  const { clock } = context.runtime
  const startMs = clock.monotonicMs()
  let next = 0
  await Promise.all(Array.from({ length: workers }, async (_, worker) => {
    for (let serial = next++; serial < count; serial = next++) {
      context.signal.throwIfAborted()
      await send(worker, serial)
    }
  }))
  return clock.monotonicMs() - startMs
}

export function rateNote({ p50Ms, p99Ms, generatorPercent, serverMs }: Rate): string {
  const server = serverMs === undefined ? '' : `, server ${(serverMs * 1000).toFixed(0)} us CPU each`
  return `p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms, generator ${generatorPercent.toFixed(0)} % busy${server}`
}
