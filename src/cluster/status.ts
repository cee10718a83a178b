import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createClient } from '../client/api.ts'
import type { Client } from '../client/client.ts'
import { transportFromKubeconfig } from '../client/kubeconfig.ts'
import { nodes } from '../client/resources.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { findMachine } from './machine/machine.ts'
import { clusterPaths } from './paths.ts'
import { isAlive, processRegister, type ProcessRecord } from './process-record.ts'
import { clusterNames, readState, requireCluster } from './state.ts'

export interface ClusterSummary { name: string; status: 'Running' | 'Stopped' | 'Unknown'; nodes: number; hollow: number; server: string }

export interface PartStatus { name: string; status: string; pid?: number; memoryMiB?: number; detail: string }

/** A client with the rights of the cluster's administrator. Dispose its transport. */
export async function adminClient(runtime: Runtime, name: string): Promise<Client> {
  const { paths } = await requireCluster(name)
  const { transport } = await transportFromKubeconfig(paths.kubeconfig, runtime, { userAgent: 'k8ts' })
  return createClient(transport)
}

async function serverRecord(runtime: Runtime, name: string): Promise<ProcessRecord | undefined> {
  const record = await processRegister(clusterPaths(name).root).read('server')
  return record !== undefined && await isAlive(runtime, record) ? record : undefined
}

export async function listClusters(runtime: Runtime): Promise<ClusterSummary[]> {
  return Promise.all((await clusterNames()).map(async (name): Promise<ClusterSummary> => {
    const state = await readState(clusterPaths(name).state).catch(() => undefined)
    if (state === undefined) return { name, status: 'Unknown', nodes: 0, hollow: 0, server: '' }
    const running = await serverRecord(runtime, name) !== undefined
    return { name, status: running ? 'Running' : 'Stopped', nodes: state.nodes.length, hollow: state.hollow, server: `https://127.0.0.1:${state.apiPort}` }
  }))
}

/** Resident memory of a process, from `/proc/PID/status`; undefined where that can't be told. */
async function residentMiB(pid: number): Promise<number | undefined> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(text)?.[1]
  return kilobytes === undefined ? undefined : Math.round(Number(kilobytes) / 1024)
}

async function partOf(name: string, record: ProcessRecord | undefined, detail: string): Promise<PartStatus> {
  if (record === undefined) return { name, status: 'Stopped', detail }
  const memoryMiB = await residentMiB(record.pid)
  return { name, status: 'Running', pid: record.pid, detail, ...(memoryMiB === undefined ? {} : { memoryMiB }) }
}

/** Every process of a cluster and every node as the API server sees it. `healthy` when all run and all nodes are Ready. */
export async function clusterStatus(runtime: Runtime, name: string): Promise<{ parts: PartStatus[]; healthy: boolean }> {
  const { paths, state } = await requireCluster(name)
  const server = await serverRecord(runtime, name)
  const parts = [await partOf('control plane', server, `https://127.0.0.1:${state.apiPort}`)]
  for (const node of state.nodes) {
    const machine = await findMachine(runtime, { name: node, clusterDirectory: paths.root, directory: join(paths.machines, node) })
    for (const process of ['containerd', 'agent']) parts.push(await partOf(`${node} ${process}`, await machine?.findProcess(process), machine?.address ?? ''))
  }
  if (server !== undefined) {
    const client = await adminClient(runtime, name)
    try {
      for (const node of (await client.list(nodes)).items) {
        const ready = node.status?.conditions?.find((each) => each.type === 'Ready')
        parts.push({ name: `node ${node.metadata.name}`, status: ready?.status === 'True' ? 'Ready' : 'NotReady', detail: ready?.status === 'True' ? '' : ready?.message ?? 'never reported' })
      }
    } catch (error) {
      parts.push({ name: 'API', status: 'Failing', detail: error instanceof Error ? error.message : String(error) })
    } finally {
      await client.transport[Symbol.asyncDispose]()
    }
  }
  return { parts, healthy: parts.every((part) => part.status === 'Running' || part.status === 'Ready') }
}

export async function clusterKubeconfig(name: string): Promise<{ path: string; text: string }> {
  const { paths } = await requireCluster(name)
  return { path: paths.kubeconfig, text: await readFile(paths.kubeconfig, 'utf8') }
}
