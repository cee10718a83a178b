import { startControlPlane } from '../endpoint.ts'
import type { OwnWork, WorkContext } from '../work.ts'

/** Resident memory as the kernel counts it, shared pages and the mapped store included. */
export async function residentMegabytes(context: WorkContext, pid: number): Promise<number> {
  const { stdout } = await context.runtime.processes.run('ps', ['-o', 'rss=', '-p', String(pid)])
  return (Number(stdout.trim()) * 1024) / 1e6
}

export const idleMemory: OwnWork = {
  name: 'idle-memory',
  summary: 'resident memory of the idle control plane: API server, store, scheduler and controllers in one process',
  async measureOwn(context) {
    await using controlPlane = await startControlPlane({ runtime: context.runtime, name: 'k8ts', launcher: context.launcher })
    const settleSeconds = context.quick ? 2 : 20
    await context.runtime.clock.sleep(settleSeconds * 1000, context.signal)
    return [{ name: 'resident memory, idle', value: await residentMegabytes(context, controlPlane.endpoint.pid!), unit: 'MB', target: 200, note: `after ${settleSeconds} s` }]
  },
}
