import { readFile } from 'node:fs/promises'
import { totalmem } from 'node:os'
import { timeText } from '../../machinery/object.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { ContainerRuntime, RuntimeContainerStats } from '../container-runtime.ts'
import { podLabels } from '../pods.ts'
import type { ObservedPod } from '../runtime-pods.ts'

interface CpuStats { time: string; usageNanoCores?: number; usageCoreNanoSeconds?: number }
interface MemoryStats { time: string; availableBytes?: number; usageBytes?: number; workingSetBytes?: number; rssBytes?: number; pageFaults?: number; majorPageFaults?: number }
interface ContainerStats { name: string; startTime: string; cpu?: CpuStats; memory?: MemoryStats; rootfs?: { time: string; usedBytes?: number; inodesUsed?: number } }
interface PodStats { podRef: { name: string; namespace: string; uid: string }; startTime: string; containers: ContainerStats[]; cpu?: CpuStats; memory?: MemoryStats }
/** `stats/v1alpha1` Summary. */
export interface StatsSummary { node: { nodeName: string; startTime: string; cpu: CpuStats; memory: MemoryStats }; pods: PodStats[] }

export interface NodeStats {
  summary(): Promise<StatsSummary>
  /** The same as /metrics/resource tells it. */
  resourceMetrics(): Promise<string>
}

interface Sample { atMs: number; coreNanoSeconds: number; nanoCores: number | undefined }

/** Shorter than this, a rate would be noise. */
const minRateMs = 1000
const userHz = 100

/** CPU and memory of the node and its containers, from the runtime and /proc. Rates come from two looks at the counters. */
export function createNodeStats(nodeName: string, containers: ContainerRuntime, pods: () => readonly ObservedPod[], clock: Clock): NodeStats {
  const startTime = timeText(clock.now())
  const samples = new Map<string, Sample>()

  const rate = (key: string, coreNanoSeconds: number): number | undefined => {
    const atMs = clock.monotonicMs()
    const before = samples.get(key)
    if (before !== undefined && atMs - before.atMs < minRateMs) return before.nanoCores
    const nanoCores = before === undefined ? undefined : Math.max(0, Math.round(((coreNanoSeconds - before.coreNanoSeconds) / (atMs - before.atMs)) * 1000))
    samples.set(key, { atMs, coreNanoSeconds, nanoCores })
    return nanoCores
  }
  const nodeCpu = async (): Promise<number> => {
    const [, user, nice, system, , , irq, softirq] = (await readFile('/proc/stat', 'utf8')).split('\n')[0]!.split(/\s+/).map(Number)
    return Math.round(((user! + nice! + system! + irq! + softirq!) / userHz) * 1e9)
  }
  const nodeMemory = async (time: string): Promise<MemoryStats> => {
    const text = await readFile('/proc/meminfo', 'utf8')
    const available = Number(/^MemAvailable:\s+(\d+)/m.exec(text)?.[1] ?? 0) * 1024
    return { time, availableBytes: available, workingSetBytes: totalmem() - available, usageBytes: totalmem() - Number(/^MemFree:\s+(\d+)/m.exec(text)?.[1] ?? 0) * 1024 }
  }
  const ofContainer = (stats: RuntimeContainerStats, startedMs: number): ContainerStats => {
    const id = stats.attributes?.id ?? ''
    const result: ContainerStats = { name: stats.attributes?.labels[podLabels.container] ?? '', startTime: timeText(startedMs) }
    const core = stats.cpu?.usageCoreNanoSeconds?.value
    if (stats.cpu !== undefined && core !== undefined) {
      const nanoCores = stats.cpu.usageNanoCores?.value ?? rate(id, core)
      result.cpu = { time: timeText(stats.cpu.timestamp / 1e6), usageCoreNanoSeconds: core, ...(nanoCores === undefined ? {} : { usageNanoCores: nanoCores }) }
    }
    if (stats.memory !== undefined) {
      const { timestamp, workingSetBytes, availableBytes, usageBytes, rssBytes, pageFaults, majorPageFaults } = stats.memory
      result.memory = {
        time: timeText(timestamp / 1e6), workingSetBytes: workingSetBytes?.value, availableBytes: availableBytes?.value, usageBytes: usageBytes?.value, rssBytes: rssBytes?.value,
        pageFaults: pageFaults?.value, majorPageFaults: majorPageFaults?.value,
      }
    }
    if (stats.writableLayer !== undefined) result.rootfs = { time: timeText(stats.writableLayer.timestamp / 1e6), usedBytes: stats.writableLayer.usedBytes?.value, inodesUsed: stats.writableLayer.inodesUsed?.value }
    return result
  }
  const sum = (values: (number | undefined)[]): number => values.reduce<number>((total, value) => total + (value ?? 0), 0)

  const summary = async (): Promise<StatsSummary> => {
    const all = await containers.listContainerStats()
    const byId = new Map(all.map((stats) => [stats.attributes?.id ?? '', stats]))
    const time = timeText(clock.now())
    const core = await nodeCpu()
    const nanoCores = rate('', core)
    const podStats: PodStats[] = []
    const live = new Set([''])
    for (const pod of pods()) {
      const running = pod.containers.filter(({ state, id }) => state === 'running' && byId.has(id))
      if (running.length === 0) continue
      const stats = running.map((container) => {
        live.add(container.id)
        return ofContainer(byId.get(container.id)!, container.startedMs)
      })
      podStats.push({
        podRef: { name: pod.name, namespace: pod.namespace, uid: pod.uid }, startTime: timeText(pod.sandboxes[0]?.createdMs ?? running[0]!.startedMs), containers: stats,
        cpu: { time, usageNanoCores: sum(stats.map(({ cpu }) => cpu?.usageNanoCores)), usageCoreNanoSeconds: sum(stats.map(({ cpu }) => cpu?.usageCoreNanoSeconds)) },
        memory: { time, workingSetBytes: sum(stats.map(({ memory }) => memory?.workingSetBytes)), rssBytes: sum(stats.map(({ memory }) => memory?.rssBytes)) },
      })
    }
    for (const key of samples.keys()) if (!live.has(key)) samples.delete(key)
    return { node: { nodeName, startTime, cpu: { time, usageCoreNanoSeconds: core, ...(nanoCores === undefined ? {} : { usageNanoCores: nanoCores }) }, memory: await nodeMemory(time) }, pods: podStats }
  }
  return {
    summary,
    async resourceMetrics() {
      const { node, pods: podStats } = await summary()
      const families = new Map<string, { help: string; type: string; lines: string[] }>()
      const add = (name: string, type: string, help: string, labels: string, value: number | undefined, time: string | undefined): void => {
        if (value === undefined || time === undefined) return
        const family = families.get(name) ?? { help, type, lines: [] }
        families.set(name, family)
        family.lines.push(`${name}${labels === '' ? '' : `{${labels}}`} ${value} ${Date.parse(time)}`)
      }
      const seconds = (nanoseconds: number | undefined): number | undefined => (nanoseconds === undefined ? undefined : nanoseconds / 1e9)
      for (const { podRef, containers: stats, cpu, memory } of podStats) {
        for (const { name, cpu: own, memory: ownMemory, startTime: started } of stats) {
          const labels = `container="${name}",namespace="${podRef.namespace}",pod="${podRef.name}"`
          add('container_cpu_usage_seconds_total', 'counter', 'Cumulative cpu time consumed by the container in core-seconds', labels, seconds(own?.usageCoreNanoSeconds), own?.time)
          add('container_memory_working_set_bytes', 'gauge', 'Current working set of the container in bytes', labels, ownMemory?.workingSetBytes, ownMemory?.time)
          add('container_start_time_seconds', 'gauge', 'Start time of the container since unix epoch in seconds', labels, Date.parse(started) / 1000, own?.time)
        }
        const labels = `namespace="${podRef.namespace}",pod="${podRef.name}"`
        add('pod_cpu_usage_seconds_total', 'counter', 'Cumulative cpu time consumed by the pod in core-seconds', labels, seconds(cpu?.usageCoreNanoSeconds), cpu?.time)
        add('pod_memory_working_set_bytes', 'gauge', 'Current working set of the pod in bytes', labels, memory?.workingSetBytes, memory?.time)
      }
      add('node_cpu_usage_seconds_total', 'counter', 'Cumulative cpu time consumed by the node in core-seconds', '', seconds(node.cpu.usageCoreNanoSeconds), node.cpu.time)
      add('node_memory_working_set_bytes', 'gauge', 'Current working set of the node in bytes', '', node.memory.workingSetBytes, node.memory.time)
      add('resource_scrape_error', 'gauge', '1 if there was an error while getting container metrics, 0 otherwise', '', 0, node.cpu.time)
      return [...families].map(([name, { help, type, lines }]) => `# HELP ${name} [STABLE] ${help}\n# TYPE ${name} ${type}\n${lines.join('\n')}\n`).join('')
    },
  }
}
