/** The benchmark: `npm run bench -- --help` tells the flags, docs/bench.md how to read it. */
import { writeFile } from 'node:fs/promises'
import { cpus, release } from 'node:os'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { jsonLogger } from '../src/runtime/log.ts'
import { systemRuntime } from '../src/runtime/runtime.ts'
import { endpointFromKubeconfig, startControlPlane, type Endpoint } from './endpoint.ts'
import { median } from './load.ts'
import { residentMegabytes } from './processes.ts'
import { renderTable, type Row } from './report.ts'
import { SkipError, type EndpointWork, type Figure, type Work, type WorkContext } from './work.ts'
import { apply } from './works/apply.ts'
import { coldStart } from './works/cold-start.ts'
import { createConfigMaps } from './works/create-config-maps.ts'
import { createPods } from './works/create-pods.ts'
import { definitions } from './works/definitions.ts'
import { fanOut } from './works/fan-out.ts'
import { fuzzing } from './works/fuzz.ts'
import { get } from './works/get.ts'
import { idleMemory } from './works/idle-memory.ts'
import { listPods } from './works/list-pods.ts'
import { manyObjects } from './works/many-objects.ts'
import { mergePatch } from './works/merge-patch.ts'
import { protobuf } from './works/protobuf.ts'
import { schedule } from './works/schedule.ts'
import { up } from './works/up.ts'

const works: readonly Work[] = [coldStart, idleMemory, get, createConfigMaps, createPods, mergePatch, listPods, protobuf, apply, manyObjects, definitions, fanOut, schedule, up, fuzzing]
const runtime = systemRuntime(jsonLogger('error'))
/** No run takes longer: what hangs is ended, and cleaned up after. */
const wholeRunMs = 25 * 60_000

interface Flags { only?: string; quick?: boolean; against?: string; kubeconfig?: string; json?: string; k8ts: string; rounds: string; nodeOptions?: string }

const program = new Command('bench')
  .description('Measures k8ts, prints its figures beside those of the original, and beside any other API endpoint in the same run.')
  .option('--only <names>', `which works, comma-separated: ${works.map((work) => work.name).join(', ')}`)
  .option('--quick', 'short runs that only show that everything works')
  .option('--against <url>', 'run the same work on this API server too, or on a control plane started by the k8ts launcher at this path; alternating, with ratios')
  .option('--kubeconfig <file>', 'credentials for the URL of --against: the current context of this file')
  .option('--json <file>', 'write the figures to this file as well')
  .option('--k8ts <launcher>', 'the k8ts that is measured', fileURLToPath(new URL('../k8ts', import.meta.url)))
  .option('--rounds <n>', 'how often each work on an endpoint is done; the median counts', '1')
  .option('--node-options <options>', 'NODE_OPTIONS of our server, such as "--cpu-prof --cpu-prof-dir=/tmp/profile"')

async function otherEndpoint(flags: Flags, stack: AsyncDisposableStack): Promise<Endpoint | undefined> {
  if (flags.against === undefined) return undefined
  if (!flags.against.startsWith('https:')) return stack.use(await startControlPlane({ runtime, name: 'other', launcher: flags.against })).endpoint
  if (flags.kubeconfig === undefined) throw new Error('--against needs --kubeconfig FILE with the credentials for that server')
  return endpointFromKubeconfig('other', flags.kubeconfig, flags.against)
}

/** The median of each figure over the rounds. */
function combine(rounds: readonly Figure[][]): Figure[] {
  return rounds[0]!.map((figure, at) => {
    const values = rounds.map((round) => round[at]!.value)
    const middle = median(values)
    return { ...(rounds.find((round) => round[at]!.value === middle) ?? rounds[0]!)[at]!, name: figure.name }
  })
}

/** Round by round on one endpoint after the other, so that what disturbs the machine disturbs both. */
async function measureBoth(work: EndpointWork, endpoints: readonly Endpoint[], rounds: number, context: WorkContext): Promise<Row[]> {
  const results = endpoints.map((): Figure[][] => [])
  for (let round = 0; round < rounds; round++) {
    for (const [at, endpoint] of endpoints.entries()) {
      context.progress(`${work.name} on ${endpoint.name}`)
      results[at]!.push(await work.measure(endpoint, context))
    }
  }
  const [ours = [], others] = results.map(combine)
  return ours.map((figure) => ({ work: work.name, figure, other: others?.find((each) => each.name === figure.name) }))
}

function chosenWorks(only: string | undefined): readonly Work[] {
  if (only === undefined) return works
  return only.split(',').map((name) => {
    const work = works.find((each) => each.name === name.trim())
    if (work === undefined) throw new Error(`there is no work ${JSON.stringify(name)}; there is ${works.map((each) => each.name).join(', ')}`)
    return work
  })
}

async function run(flags: Flags, signal: AbortSignal): Promise<boolean> {
  const chosen = chosenWorks(flags.only)
  const context: WorkContext = { runtime, quick: flags.quick === true, launcher: flags.k8ts, signal, progress: (line) => void process.stderr.write(`  ${line}\n`) }
  const rows: Row[] = []
  const skipped: { work: string; reason: string; failed: boolean }[] = []
  await using stack = new AsyncDisposableStack()
  const attempt = async (work: Work, measure: () => Promise<Row[]>): Promise<void> => {
    try {
      rows.push(...await measure())
    } catch (error) {
      signal.throwIfAborted()
      const reason = error instanceof Error ? error.message : String(error)
      skipped.push({ work: work.name, reason, failed: !(error instanceof SkipError) })
    }
  }
  // Works that start servers of their own come first: nothing else runs beside them.
  for (const work of chosen) {
    if (!('measureOwn' in work)) continue
    context.progress(work.name)
    await attempt(work, async () => (await work.measureOwn(context)).map((figure) => ({ work: work.name, figure })))
  }
  const shared = chosen.filter((work): work is EndpointWork => 'measure' in work)
  const other = shared.length > 0 ? await otherEndpoint(flags, stack) : undefined
  if (shared.length > 0) {
    const ours = stack.use(await startControlPlane({ runtime, name: 'k8ts', launcher: flags.k8ts, nodeOptions: flags.nodeOptions })).endpoint
    for (const work of shared) await attempt(work, () => measureBoth(work, other === undefined ? [ours] : [ours, other], Number(flags.rounds), context))
    rows.push({ work: 'all', figure: { name: 'resident memory, after all works', value: await residentMegabytes(runtime, ours.pid!), unit: 'MB' } })
  }
  const machine = `Node ${process.versions.node}, ${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, ${process.platform} ${release()}`
  process.stdout.write(`${renderTable(rows, other?.name)}\n\n${machine}\nOriginal: kube-apiserver 1.20 with etcd 3.4, recorded on two cores, the load generator beside it.\n`)
  for (const { work, reason, failed } of skipped) process.stdout.write(`${work}: ${failed ? 'failed' : 'skipped'}: ${reason}\n`)
  if (flags.json !== undefined) await writeFile(flags.json, `${JSON.stringify({ machine, quick: context.quick, rows, skipped }, undefined, 2)}\n`)
  return !skipped.some((each) => each.failed)
}

const flags = program.parse().opts<Flags>()
const over = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => over.abort(new Error(`ended by ${name}`)))
const limit = runtime.clock.timer(wholeRunMs, () => over.abort(new Error(`not done after ${wholeRunMs / 60_000} minutes`)), { background: true })
try {
  if (!(await run(flags, over.signal))) process.exitCode = 1
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
} finally {
  limit[Symbol.dispose]()
}
