import { createClient } from '../../src/client/api.ts'
import { transportFromKubeconfig } from '../../src/client/kubeconfig.ts'
import { pods } from '../../src/client/resources.ts'
import { median } from '../load.ts'
import { SkipError, type OwnWork, type WorkContext } from '../work.ts'

const image = 'k8ts.local/demo:v1'
const upWithinMs = 120_000

/** One cluster of one node, from `up` to its first pod Running, and down again. */
async function upOnce(context: WorkContext): Promise<{ upMs: number; runningMs: number }> {
  const { runtime, launcher } = context
  const { clock, processes } = runtime
  const name = `bench-${runtime.random.suffix(5)}`
  const startMs = clock.monotonicMs()
  try {
    await processes.run(launcher, ['up', '--name', name], { timeoutMs: upWithinMs, signal: context.signal })
    const upMs = clock.monotonicMs() - startMs
    const { stdout } = await processes.run(launcher, ['kubeconfig', '--name', name, '--path'])
    const { transport } = await transportFromKubeconfig(stdout.trim(), runtime, { userAgent: 'k8ts-bench' })
    await using _transport = transport
    const client = createClient(transport)
    const made = await client.create(pods, { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'first', namespace: 'default' }, spec: { containers: [{ name: 'demo', image }] } })
    const over = new AbortController()
    using _timer = clock.timer(upWithinMs, () => over.abort(new Error(`the first pod was not Running after ${upWithinMs / 1000} s`)))
    const watch = client.watch(pods, { namespace: 'default', resourceVersion: made.metadata.resourceVersion, fieldSelector: 'metadata.name=first', signal: AbortSignal.any([over.signal, context.signal]) })
    for await (const batch of watch) {
      if (batch.some(({ object }) => object.status?.phase === 'Running')) return { upMs, runningMs: clock.monotonicMs() - startMs }
    }
    throw new Error('the watch of the first pod ended before it was Running')
  } finally {
    await processes.run(launcher, ['down', '--name', name], { timeoutMs: upWithinMs })
  }
}

export const up: OwnWork = {
  name: 'up',
  summary: './k8ts up with one real node, to the first pod Running',
  async measureOwn(context) {
    if (process.platform !== 'linux' || process.getuid?.() !== 0) throw new SkipError('a real node needs Linux and root')
    const runs = []
    for (let run = 0; run < (context.quick ? 1 : 3); run++) runs.push(await upOnce(context))
    return [
      { name: 'up, one node Ready', value: median(runs.map((run) => run.upMs)) / 1000, unit: 's' },
      { name: 'up, first pod Running', value: median(runs.map((run) => run.runningMs)) / 1000, unit: 's', target: 8, note: `${runs.length} runs, at most ${(Math.max(...runs.map((run) => run.runningMs)) / 1000).toFixed(1)} s` },
    ]
  },
}
