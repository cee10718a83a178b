import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { createClient } from '../../src/client/api.ts'
import { transportFromKubeconfig } from '../../src/client/kubeconfig.ts'
import { nodes, pods } from '../../src/client/resources.ts'
import { isReason } from '../../src/machinery/status.ts'
import type { Client } from '../../src/client/client.ts'
import type { Endpoint } from '../endpoint.ts'
import { Http1Pool } from '../http1.ts'
import { measureCount } from '../load.ts'
import { expectStatus, makeNamespace, pod, type BenchNamespace } from '../objects.ts'
import { processorMs, processorNote } from '../processes.ts'
import { SkipError, type EndpointWork, type Figure, type WorkContext } from '../work.ts'

const hollowProcess = fileURLToPath(new URL('../hollow-process.ts', import.meta.url))
const registerWithinMs = 60_000
const allWithinMs = 120_000
/** When nothing has happened for so long, nothing will. */
const stalledMs = 20_000

/** Hollow nodes in a process of their own, each Ready; disposing ends the process and deletes the nodes. */
async function startHollow(endpoint: Endpoint, client: Client, context: WorkContext, count: number): Promise<AsyncDisposable> {
  const { clock, random, processes } = context.runtime
  const prefix = `bench-${random.suffix(5)}`
  const child = processes.start(process.execPath, ['--disable-warning=ExperimentalWarning', hollowProcess, endpoint.kubeconfig, String(count), prefix], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    const timer = clock.timer(10_000, () => child.kill('SIGKILL'))
    await exited
    timer[Symbol.dispose]()
    for (let from = 0; from < count; from += 50) {
      await Promise.all(Array.from({ length: Math.min(50, count - from) }, (_, at) => client.delete(nodes, '', `${prefix}-${from + at}`).catch((error: unknown) => {
        if (!isReason(error, 'NotFound')) context.progress(`a hollow node is left: ${String(error)}`)
      })))
    }
  }
  try {
    const untilMs = clock.monotonicMs() + registerWithinMs
    const registered = await Promise.race([once(child.stdout!, 'data').then(() => true), exited.then(() => false), clock.sleep(registerWithinMs, context.signal).then(() => false)])
    if (!registered) throw new Error(`${count} hollow nodes did not register with ${endpoint.name} in ${registerWithinMs / 1000} s`)
    for (;;) {
      const { items } = await client.list(nodes, { resourceVersion: '0' })
      const usable = items.filter((node) => node.metadata.name?.startsWith(prefix) === true && !(node.spec.taints ?? []).some((taint) => taint.effect === 'NoSchedule'))
      if (usable.length === count) break
      if (clock.monotonicMs() > untilMs) throw new SkipError(`only ${usable.length} of ${count} hollow nodes became schedulable on ${endpoint.name}`)
      await clock.sleep(100, context.signal)
    }
  } catch (error) {
    await stop()
    throw error
  }
  return { [Symbol.asyncDispose]: stop }
}

interface Progress { bound: number; running: number; boundAtMs: number; runningAtMs: number }

/** Watches the namespace's pods until all of `count` run, or time is up; `start` is called when the watch stands. */
async function followPods(client: Client, namespace: BenchNamespace, context: WorkContext, count: number, start: () => Promise<void>): Promise<Progress> {
  const { clock } = context.runtime
  const bound = new Set<string>()
  const running = new Set<string>()
  const progress: Progress = { bound: 0, running: 0, boundAtMs: 0, runningAtMs: 0 }
  const { metadata } = await client.list(pods, { namespace: namespace.name })
  const over = new AbortController()
  const beganMs = clock.monotonicMs()
  using _timer = clock.interval(1000, () => {
    const lastMs = Math.max(beganMs, progress.boundAtMs, progress.runningAtMs)
    if (clock.monotonicMs() - lastMs > stalledMs || clock.monotonicMs() - beganMs > allWithinMs) over.abort(new Error('time is up'))
  })
  const started = start()
  try {
    for await (const batch of client.watch(pods, { namespace: namespace.name, resourceVersion: metadata.resourceVersion, withoutManagedFields: true, signal: AbortSignal.any([over.signal, context.signal]) })) {
      for (const { type, object } of batch) {
        const { uid = '' } = object.metadata
        if (type === 'DELETED' || type === 'BOOKMARK') continue
        if (object.spec.nodeName !== undefined && object.spec.nodeName !== '') bound.add(uid)
        if (object.status?.phase === 'Running') running.add(uid)
      }
      if (bound.size > progress.bound) progress.boundAtMs = clock.monotonicMs()
      if (running.size > progress.running) progress.runningAtMs = clock.monotonicMs()
      progress.bound = bound.size
      progress.running = running.size
      if (running.size >= count) break
    }
  } catch (error) {
    // Time being up is told by what was reached.
    if (!over.signal.aborted) throw error
  }
  await started
  return progress
}

const reached = (count: number, of: number): string => (count === of ? '' : `, only ${count} of ${of}`)

function deployment(replicas: number): string {
  const labels = { app: 'bench' }
  const container = { name: 'web', image: 'registry.example.com/web:1.2.3', resources: { requests: { cpu: '100m', memory: '64Mi' } } }
  return JSON.stringify({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'bench' }, spec: { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [container] } } } })
}

async function emptyNamespace(client: Client, namespace: BenchNamespace, context: WorkContext): Promise<void> {
  const untilMs = context.runtime.clock.monotonicMs() + 60_000
  for (;;) {
    await namespace.connection.request('DELETE', `${namespace.path('pods')}?gracePeriodSeconds=0`)
    if ((await client.list(pods, { namespace: namespace.name, limit: 1 })).items.length === 0) return
    if (context.runtime.clock.monotonicMs() > untilMs) throw new Error(`the pods of namespace ${namespace.name} were not deleted within a minute`)
    await context.runtime.clock.sleep(100, context.signal)
  }
}

export const schedule: EndpointWork = {
  name: 'schedule',
  summary: '3,000 pods on 500 hollow nodes, which are a process of their own: created one by one, then by a Deployment',
  async measure(endpoint, context) {
    const { clock } = context.runtime
    const [podCount, nodeCount] = context.quick ? [100, 20] : [3000, 500]
    const { transport } = await transportFromKubeconfig(endpoint.kubeconfig, context.runtime, { userAgent: 'k8ts-bench' })
    await using _transport = transport
    const client = createClient(transport)
    await using namespace = await makeNamespace(endpoint, context)
    await using _hollow = await startHollow(endpoint, client, context, nodeCount)
    using http1 = await Http1Pool.open(endpoint, 32)
    const figures: Figure[] = []

    let startMs = 0
    let usedMs = await processorMs(endpoint.pid)
    const single = await followPods(client, namespace, context, podCount, async () => {
      startMs = clock.monotonicMs()
      await measureCount(context, 32, podCount, async (worker, serial) => expectStatus((await http1.connections[worker]!.request('POST', namespace.path('pods'), { body: pod(`web-${serial}`) })).status, 201, 'creating a Pod'))
    })
    const perSecond = (count: number, atMs: number): number => (count === 0 ? 0 : (count / (atMs - startMs)) * 1000)
    if (single.bound === 0) throw new SkipError(`no scheduler works on ${endpoint.name}`)
    figures.push(
      { name: 'pods scheduled', value: perSecond(single.bound, single.boundAtMs), unit: '/s', original: 350, note: `${podCount} pods, ${nodeCount} nodes${reached(single.bound, podCount)}` },
      { name: 'pods created, scheduled and Running', value: perSecond(single.running, single.runningAtMs), unit: '/s', note: `${podCount} pods${reached(single.running, podCount)}${await processorNote(endpoint.pid, usedMs, single.running)}` },
    )
    await emptyNamespace(client, namespace, context)

    const deployments = `/apis/apps/v1/namespaces/${namespace.name}/deployments`
    usedMs = await processorMs(endpoint.pid)
    const many = await followPods(client, namespace, context, podCount, async () => {
      startMs = clock.monotonicMs()
      expectStatus((await namespace.connection.request('POST', deployments, { body: deployment(podCount) })).status, 201, 'creating a Deployment')
    })
    figures.push({ name: 'pods of one Deployment Running', value: perSecond(many.running, many.runningAtMs), unit: '/s', note: `${podCount} replicas${reached(many.running, podCount)}${await processorNote(endpoint.pid, usedMs, many.running)}` })
    expectStatus((await namespace.connection.request('DELETE', `${deployments}/bench`)).status, 200, 'deleting a Deployment')
    await emptyNamespace(client, namespace, context)
    return figures
  },
}
