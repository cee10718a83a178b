import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Pod, PodSpec } from '../../api/types/core_v1.ts'
import { events, pods } from '../../client/resources.ts'
import { createFakeApi, type FakeApi } from '../../client/testing/fake-api.ts'
import { testRuntime, type TestRuntime } from '../../runtime/runtime.ts'
import { startKubelet, type Kubelet, type KubeletOptions } from '../kubelet.ts'
import { createFakeContainerRuntime, type FakeContainerRuntime } from './fake-container-runtime.ts'

/** A whole kubelet on a fake clock, a fake API and a fake container runtime. */
export interface TestKubelet extends AsyncDisposable {
  readonly runtime: TestRuntime
  readonly api: FakeApi
  readonly containers: FakeContainerRuntime
  readonly kubelet: Kubelet
  readonly rootDirectory: string
  /** Uids with a cgroup. */
  readonly cgroups: Set<string>
  bind(name: string, spec: PodSpec, metadata?: Pod['metadata']): Pod
  pod(name: string): Pod | undefined
  /** `reason: message` of the pod's events, in order. */
  eventsOf(name: string): string[]
  /** Waits for real I/O, without moving time; with `advanceMs` moves time on by that much between looks, up to `withinMs`. */
  until(what: string, check: () => boolean, time?: { advanceMs: number; withinMs: number }): Promise<void>
  /** Stops the kubelet and starts another one in its place. */
  restart(): Promise<void>
}

/** How often a condition is looked at before it is given up; each look lets I/O run. */
const maxLooks = 400

export async function startTestKubelet(options: Partial<KubeletOptions> = {}): Promise<TestKubelet> {
  const runtime = testRuntime()
  const api = createFakeApi(runtime)
  const containers = createFakeContainerRuntime(runtime.clock)
  const rootDirectory = await mkdtemp(join(tmpdir(), 'k8ts-kubelet-'))
  const cgroups = new Set<string>()
  const start = (): Promise<Kubelet> => startKubelet({
    nodeName: 'node-1', nodeIP: '192.0.2.1', client: api.client, runtime, criSocket: '/nowhere', rootDirectory, containers, clusterDns: { servers: ['10.96.0.10'], domain: 'cluster.local' },
    cgroups: {
      parentOf: (pod) => `/test/pod${pod.metadata.uid}`, ensure: async (pod) => void cgroups.add(pod.metadata.uid), remove: async (uid) => void cgroups.delete(uid), list: async () => [...cgroups],
    },
    ...options,
  })
  let kubelet = await start()
  await runtime.clock.settle()
  const until: TestKubelet['until'] = async (what, check, time) => {
    for (let elapsedMs = 0; ;) {
      for (let look = 0; look < maxLooks; look++) {
        if (check()) return
        await runtime.clock.settle()
      }
      if (time === undefined || elapsedMs >= time.withinMs) {
        const told = api.all(pods).map(({ metadata, status }) => ({ name: metadata.name, deletionTimestamp: metadata.deletionTimestamp, status }))
        throw new Error(`did not happen: ${what}\n${JSON.stringify(told, null, 1)}\n${containers.calls.join('\n')}\n${runtime.log.lines.map(({ message, fields }) => `${message} ${String(fields.err ?? '')}`).join('\n')}`)
      }
      await runtime.clock.advance(time.advanceMs)
      elapsedMs += time.advanceMs
    }
  }
  return {
    runtime, api, containers, rootDirectory, cgroups, until,
    get kubelet() {
      return kubelet
    },
    bind: (name, spec, metadata = {}) => api.seed(pods, {
      apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'default', generation: 1, ...metadata },
      spec: { nodeName: 'node-1', restartPolicy: 'Always', terminationGracePeriodSeconds: 30, ...spec }, status: { phase: 'Pending', qosClass: 'BestEffort' },
    }),
    pod: (name) => api.get(pods, `default/${name}`),
    eventsOf: (name) => api.all(events).filter((event) => event.involvedObject.name === name).map((event) => `${event.reason}: ${event.message}`),
    async restart() {
      await kubelet[Symbol.asyncDispose]()
      kubelet = await start()
      await runtime.clock.settle()
    },
    async [Symbol.asyncDispose]() {
      await kubelet[Symbol.asyncDispose]()
      await containers[Symbol.asyncDispose]()
      await rm(rootDirectory, { recursive: true, force: true })
    },
  }
}
