import { startControlPlane } from '../endpoint.ts'
import { residentMegabytes } from '../processes.ts'
import type { OwnWork } from '../work.ts'

export const idleMemory: OwnWork = {
  name: 'idle-memory',
  summary: 'resident memory of the idle control plane: API server, store, scheduler and controllers in one process',
  async measureOwn(context) {
    await using controlPlane = await startControlPlane({ runtime: context.runtime, name: 'k8ts', launcher: context.launcher })
    const settleSeconds = context.quick ? 2 : 20
    await context.runtime.clock.sleep(settleSeconds * 1000, context.signal)
    return [{ name: 'resident memory, idle', value: await residentMegabytes(context.runtime, controlPlane.endpoint.pid!), unit: 'MB', target: 200, note: `after ${settleSeconds} s` }]
  },
}
