import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startControlPlane } from '../endpoint.ts'
import { median } from '../load.ts'
import type { OwnWork } from '../work.ts'

export const coldStart: OwnWork = {
  name: 'cold-start',
  summary: 'from starting ./k8ts server to /readyz 200',
  async measureOwn(context) {
    const runs = context.quick ? 1 : 5
    const fresh: number[] = []
    const existing: number[] = []
    for (let run = 0; run < runs; run++) {
      const dataDirectory = await mkdtemp(join(tmpdir(), 'k8ts-bench-'))
      try {
        for (const times of [fresh, existing]) {
          context.signal.throwIfAborted()
          await using controlPlane = await startControlPlane({ runtime: context.runtime, name: 'k8ts', launcher: context.launcher, dataDirectory })
          times.push(controlPlane.startMs)
        }
      } finally {
        await rm(dataDirectory, { recursive: true, force: true })
      }
    }
    const spread = (times: readonly number[]): string => `${times.length} runs, ${Math.min(...times).toFixed(0)} to ${Math.max(...times).toFixed(0)} ms`
    return [
      { name: 'cold start, new data directory', value: median(fresh), unit: 'ms', target: 1000, note: spread(fresh) },
      { name: 'cold start, existing data', value: median(existing), unit: 'ms', target: 1000, note: spread(existing) },
    ]
  },
}
