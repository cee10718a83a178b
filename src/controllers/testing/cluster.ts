import type { Deployment } from '../../api/types/apps_v1.ts'
import type { Pod } from '../../api/types/core_v1.ts'
import { createEventRecorder } from '../../client/events.ts'
import { createInformerFactory } from '../../client/informer.ts'
import { events, pods } from '../../client/resources.ts'
import { createFakeApi, type FakeApi } from '../../client/testing/fake-api.ts'
import { keyOf, timeText } from '../../machinery/object.ts'
import { testRuntime, type Running, type TestRuntime } from '../../runtime/runtime.ts'
import type { ControllerContext, StartController } from '../context.ts'

/** Controllers over a fake API on a clock that stands still. */
export interface ControllerTest {
  readonly runtime: TestRuntime
  readonly api: FakeApi
  readonly context: ControllerContext
  start(...controllers: StartController[]): void
  /** Lets everything happen that needs no time. */
  settle(): Promise<void>
  /** Marks pods as a node would: running and ready (or as `edit` leaves them). */
  makeReady(select?: (pod: Pod) => boolean): void
  /** What the kubelet does in the end: pods that wait for it to stop them go. */
  finishTerminating(): void
  /** Events as `Reason message`, of one object. */
  eventsOf(name: string): string[]
  stop(): Promise<void>
}

export function controllerTest(): ControllerTest {
  const runtime = testRuntime()
  const api = createFakeApi(runtime)
  const informers = createInformerFactory(api.client, runtime)
  const recorder = createEventRecorder({ client: api.client, runtime, component: 'test' })
  const context: ControllerContext = { runtime, client: api.client, informers, recorder }
  const running: Running[] = []
  return {
    runtime, api, context,
    start: (...controllers) => void running.push(...controllers.map((start) => start(context))),
    settle: async () => {
      for (let turn = 0; turn < 12; turn++) await runtime.clock.advance(50)
      await recorder.flush()
    },
    makeReady(select = () => true) {
      for (const pod of api.all(pods)) {
        if (!select(pod) || pod.metadata.deletionTimestamp !== undefined || pod.status?.phase === 'Running') continue
        api.change(pods, keyOf(pod), (copy) => {
          copy.spec!.nodeName = 'node-1'
          copy.status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: timeText(runtime.clock.now()) }] }
        })
      }
    },
    finishTerminating() {
      for (const pod of api.all(pods)) if (pod.metadata.deletionTimestamp !== undefined) api.remove(pods, keyOf(pod))
    },
    eventsOf: (name) => api.all(events).filter((event) => event.involvedObject.name === name).map((event) => `${event.reason} ${event.message}`),
    async stop() {
      await Promise.all(running.map((part) => part[Symbol.asyncDispose]()))
      await informers[Symbol.asyncDispose]()
      await recorder[Symbol.asyncDispose]()
    },
  }
}

/** A Deployment as defaulting leaves it. */
export function deployment(name: string, replicas: number, spec: Partial<NonNullable<Deployment['spec']>> = {}): Deployment {
  return {
    metadata: { name, namespace: 'default', labels: { app: name }, generation: 1 },
    spec: {
      replicas, selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'main', image: 'image:1' }] } },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } }, revisionHistoryLimit: 10, progressDeadlineSeconds: 600,
      ...spec,
    },
  }
}
