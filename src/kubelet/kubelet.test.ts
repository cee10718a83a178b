import assert from 'node:assert/strict'
import { it, describe, before, after } from 'node:test'
import { inOwnNetwork, runInOwnNetwork, startTestContainerd, whyNoContainers, type TestContainerd } from '../../test/support/containerd.ts'
import type { Pod, PodSpec } from '../api/types/core_v1.ts'
import { events, pods } from '../client/resources.ts'
import { createFakeApi, type FakeApi } from '../client/testing/fake-api.ts'
import { jsonLogger } from '../runtime/log.ts'
import { systemRuntime, type TestRuntime } from '../runtime/runtime.ts'
import { startKubelet, type Kubelet } from './kubelet.ts'

const runtime = systemRuntime(jsonLogger((process.env.K8TS_TEST_LOG ?? 'silent') as 'silent'))
const image = 'docker.io/library/busybox:test'

function realPods(): void {
  describe('kubelet on containerd', { timeout: 240_000 }, () => {
    let containerd: TestContainerd
    let api: FakeApi
    let kubelet: Kubelet
    const start = (): Promise<Kubelet> => startKubelet({
      nodeName: 'node-1', nodeIP: '127.0.0.1', client: api.client, runtime, criSocket: containerd.socketPath, rootDirectory: `${containerd.directory}/kubelet`, cgroupRoot: containerd.cgroupRoot,
      clusterDns: { servers: ['10.96.0.10'], domain: 'cluster.local' },
    })
    const until = async (what: string, check: () => boolean, withinMs = 20_000): Promise<void> => {
      const untilMs = runtime.clock.monotonicMs() + withinMs
      while (!check()) {
        if (runtime.clock.monotonicMs() > untilMs) {
          throw new Error(`not within ${withinMs} ms: ${what}\n${JSON.stringify(api.all(pods).map(({ metadata, status }) => ({ metadata: metadata.name, status })), null, 1)}\n${api.all(events).map((event) => `${event.reason} ${event.message}`).join('\n')}`)
        }
        await runtime.clock.sleep(5)
      }
    }
    const get = (name: string): Pod | undefined => api.get(pods, `default/${name}`)
    const seed = (name: string, spec: PodSpec, metadata: Pod['metadata'] = {}): Pod => api.seed(pods, {
      apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'default', generation: 1, ...metadata },
      spec: { nodeName: 'node-1', restartPolicy: 'Always', terminationGracePeriodSeconds: 1, ...spec }, status: { phase: 'Pending', qosClass: 'BestEffort' },
    })
    const reasons = (name: string): string[] => api.all(events).filter((event) => event.involvedObject.name === name).map((event) => event.reason ?? '')
    before(async () => {
      containerd = await startTestContainerd(runtime)
      api = createFakeApi({ ...runtime, clock: runtime.clock } as unknown as TestRuntime)
      kubelet = await start()
      await kubelet.registered
    })
    after(async () => {
      await kubelet?.[Symbol.asyncDispose]()
      await containerd?.[Symbol.asyncDispose]()
    })

    it('runs a pod, tells its status and its events, and ends it', async () => {
      const startMs = runtime.clock.monotonicMs()
      seed('web', { containers: [{ name: 'web', image, command: ['sh', '-c', 'trap "exit 0" TERM; echo hello; while true; do sleep 0.1; done'] }] })
      await until('web runs', () => get('web')?.status?.phase === 'Running')
      console.log('running after', Math.round(runtime.clock.monotonicMs() - startMs), 'ms')
      const status = get('web')!.status!
      assert.match(status.podIP ?? '', /^10\.244\.7\./)
      await until('all its events', () => reasons('web').length >= 3)
      assert.deepEqual(reasons('web').slice(0, 3), ['Pulled', 'Created', 'Started'])
      await api.client.delete(pods, 'default', 'web')
      await until('web is gone', () => get('web') === undefined)
    })
  })
}

if (inOwnNetwork) realPods()
else it('the kubelet runs pods on containerd', { skip: whyNoContainers() ?? false, timeout: 300_000 }, () => runInOwnNetwork(runtime, import.meta.filename))
