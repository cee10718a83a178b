import type { Deployment } from '../api/types/apps_v1.ts'
import type { Service } from '../api/types/core_v1.ts'
import type { Client } from '../client/client.ts'
import { deployments, pods, services } from '../client/resources.ts'
import { isReason } from '../machinery/status.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { demoImage } from './images/local-images.ts'
import { runningMachines } from './load.ts'
import { requireCluster } from './state.ts'
import { adminClient } from './status.ts'
import type { UpProgress } from './up.ts'

export interface DemoOptions { runtime: Runtime; name: string; remove: boolean; progress: UpProgress & { done(text: string): void } }

const namespace = 'default'
const demo = 'k8ts-demo'
const labels = { app: demo }
const replicas = 3
const requests = 6
const readyWithinMs = 60_000

function deployment(): Deployment {
  const container = {
    name: 'web', image: demoImage, ports: [{ containerPort: 80 }],
    env: [{ name: 'NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } }],
    readinessProbe: { httpGet: { path: '/', port: 80 }, periodSeconds: 1 },
  }
  return { metadata: { name: demo, namespace, labels }, spec: { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [container] } } } }
}

function service(): Service {
  return { metadata: { name: demo, namespace, labels }, spec: { type: 'NodePort', selector: labels, ports: [{ port: 80, targetPort: 80 }] } }
}

async function createUnlessThere(work: Promise<unknown>): Promise<void> {
  await work.catch((error: unknown) => {
    if (!isReason(error, 'AlreadyExists')) throw error
  })
}

async function removeDemo(client: Client): Promise<void> {
  for (const deletion of [client.delete(deployments, namespace, demo), client.delete(services, namespace, demo)]) {
    await deletion.catch((error: unknown) => {
      if (!isReason(error, 'NotFound')) throw error
    })
  }
}

async function untilReady(runtime: Runtime, client: Client): Promise<void> {
  const untilMs = runtime.clock.monotonicMs() + readyWithinMs
  for (;;) {
    const found = await client.get(deployments, namespace, demo)
    if ((found.status?.readyReplicas ?? 0) >= replicas) return
    if (runtime.clock.monotonicMs() > untilMs) {
      const waiting = (await client.list(pods, { namespace, labelSelector: `app=${demo}` })).items.flatMap((pod) => pod.status?.containerStatuses?.map((each) => `${pod.metadata.name}: ${each.state?.waiting?.reason ?? 'not ready'}`) ?? [`${pod.metadata.name}: ${pod.status?.phase ?? 'Pending'}`])
      throw new Error(`the demo's pods are not ready after ${readyWithinMs / 1000} s: ${waiting.join('; ')}`)
    }
    await runtime.clock.sleep(50)
  }
}

/** The first answer of a new service may come before the nodes know it. */
async function ask(runtime: Runtime, url: string): Promise<string> {
  const untilMs = runtime.clock.monotonicMs() + 10_000
  for (;;) {
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(2000), headers: { connection: 'close' } })
      if (response.ok) return (await response.text()).trim()
      throw new Error(`status ${response.status}`)
    } catch (error) {
      if (runtime.clock.monotonicMs() > untilMs) throw new Error(`${url} does not answer`, { cause: error })
      await runtime.clock.sleep(100)
    }
  }
}

/** Runs a web app of three pods behind a Service and asks it a few times, at the Service's own address; or removes it again. */
export async function runDemo(options: DemoOptions): Promise<void> {
  const { runtime, name, remove, progress } = options
  const { paths, state } = await requireCluster(name)
  const client = await adminClient(runtime, name)
  try {
    if (remove) {
      progress.step('Removing the demo')
      await removeDemo(client)
      return progress.done('The demo is gone.')
    }
    if (state.nodes.length === 0) throw new Error(`cluster "${name}" has only hollow nodes, which run no containers: there is nothing that could answer`)
    const [machine] = await runningMachines(runtime, paths, state.nodes)
    progress.step(`Creating Deployment and Service "${demo}"`)
    await createUnlessThere(client.create(deployments, deployment()))
    await createUnlessThere(client.create(services, service()))
    progress.step(`Waiting for its ${replicas} pods`)
    await untilReady(runtime, client)
    const { spec } = await client.get(services, namespace, demo)
    const url = `http://${spec.clusterIP}/`
    progress.step(`Asking ${url} ${requests} times`)
    const answers: string[] = []
    for (let i = 0; i < requests; i++) answers.push(await ask(runtime, url))
    progress.done(answers.map((answer) => `   ${answer}`).join('\n'))
    progress.note(`\nIn a browser: http://${machine?.address ?? ''}:${spec.ports?.[0]?.nodePort ?? ''}/   ("k8ts demo --remove" takes it away again)`)
  } finally {
    await client.transport[Symbol.asyncDispose]()
  }
}
