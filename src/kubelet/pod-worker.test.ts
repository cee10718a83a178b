import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContainerStatus, PodSpec } from '../api/types/core_v1.ts'
import { nodes, pods } from '../client/resources.ts'
import { RuntimeError } from './container-runtime.ts'
import { startTestKubelet, type TestKubelet } from './testing/test-kubelet.ts'

const image = 'docker.io/library/busybox:test'
const forever = ['sh', '-c', 'trap; forever']
const stubborn = ['sh', '-c', 'forever']
const one = (command: string[], more: Partial<PodSpec['containers'][number]> = {}): PodSpec => ({ containers: [{ name: 'c', image, command, ...more }] })
const phase = (kubelet: TestKubelet, name: string): string | undefined => kubelet.pod(name)?.status?.phase
const status = (kubelet: TestKubelet, name: string): ContainerStatus => kubelet.pod(name)?.status?.containerStatuses?.[0] as ContainerStatus
const callsOf = (kubelet: TestKubelet, ...verbs: string[]): string[] => kubelet.containers.calls.filter((call) => verbs.includes(call.split(' ')[0]!))

test('a bound pod runs without any time passing', async () => {
  await using kubelet = await startTestKubelet()
  kubelet.bind('web', one(forever))
  await kubelet.until('web runs', () => phase(kubelet, 'web') === 'Running')
  assert.deepEqual(kubelet.containers.calls, ['RunPodSandbox web', 'CreateContainer c', 'StartContainer c'])
  const pod = kubelet.pod('web')!
  assert.equal(pod.status?.podIP, '10.0.0.1')
  assert.equal(pod.status?.hostIP, '192.0.2.1')
  assert.equal(pod.status?.observedGeneration, 1)
  assert.deepEqual(pod.status?.conditions?.map(({ type, status: value }) => [type, value]), [['PodReadyToStartContainers', 'True'], ['Initialized', 'True'], ['Ready', 'True'], ['ContainersReady', 'True']])
  assert.equal(pod.status?.conditions?.some(({ reason }) => reason !== undefined), false)
  await kubelet.until('its events', () => kubelet.eventsOf('web').length === 3)
  assert.deepEqual(kubelet.eventsOf('web'), [`Pulled: Container image "${image}" already present on machine`, 'Created: Created container: c', 'Started: Started container c'])
})

test('a deleted pod gets its grace period, loses what it held, and only then leaves the API', async () => {
  await using kubelet = await startTestKubelet()
  kubelet.bind('web', one(stubborn))
  await kubelet.until('web runs', () => phase(kubelet, 'web') === 'Running')
  const { uid } = kubelet.pod('web')!.metadata
  await kubelet.api.client.delete(pods, 'default', 'web', { gracePeriodSeconds: 5 })
  await kubelet.until('it is told to stop', () => callsOf(kubelet, 'StopContainer').length === 1)
  assert.deepEqual(callsOf(kubelet, 'StopContainer'), ['StopContainer c 5'])
  await kubelet.runtime.clock.advance(4900)
  assert.equal(phase(kubelet, 'web'), 'Running')
  assert.ok(kubelet.cgroups.has(uid!))
  await kubelet.until('web is gone', () => kubelet.pod('web') === undefined, { advanceMs: 100, withinMs: 500 })
  assert.equal(kubelet.cgroups.size, 0)
  assert.deepEqual(callsOf(kubelet, 'StopPodSandbox', 'RemovePodSandbox'), ['StopPodSandbox web', 'RemovePodSandbox web'])
  const writes = kubelet.api.requests.filter(({ resource, verb }) => resource === 'pods' && (verb === 'patch' || verb === 'delete'))
  assert.equal(writes.at(-1)?.verb, 'delete')
  const told = (writes.at(-2)!.body as { status: { containerStatuses: ContainerStatus[] } }).status.containerStatuses[0]!
  assert.equal(told.state?.terminated?.exitCode, 137)
  assert.ok(kubelet.eventsOf('web').includes('Killing: Stopping container c'))
})

test('a second deletion with a shorter grace period ends the first wait', async () => {
  await using kubelet = await startTestKubelet()
  kubelet.bind('web', one(stubborn))
  await kubelet.until('web runs', () => phase(kubelet, 'web') === 'Running')
  await kubelet.api.client.delete(pods, 'default', 'web', { gracePeriodSeconds: 3600 })
  await kubelet.until('it is told to stop', () => callsOf(kubelet, 'StopContainer').length === 1)
  await kubelet.api.client.delete(pods, 'default', 'web', { gracePeriodSeconds: 1 })
  await kubelet.until('web is gone', () => kubelet.pod('web') === undefined, { advanceMs: 500, withinMs: 2000 })
})

test('a failing container is restarted after 10, 20, 40 seconds, and at once again after ten quiet minutes', async () => {
  await using kubelet = await startTestKubelet()
  const { clock } = kubelet.runtime
  kubelet.bind('crashes', one(['sh', '-c', 'exit 1']))
  const starts = (): number => callsOf(kubelet, 'StartContainer').length
  const times: number[] = []
  const startMs = clock.now()
  for (let count = 1; count <= 5; count++) {
    await kubelet.until(`start ${count}`, () => starts() >= count, { advanceMs: 1000, withinMs: 100_000 })
    times.push(Math.round((clock.now() - startMs) / 1000))
  }
  const gaps = times.slice(1).map((time, at) => time - times[at]!)
  assert.ok(gaps[0]! <= 2, `the first restart comes at once: ${gaps.join(', ')}`)
  for (const [at, least] of [10, 20, 40].entries()) assert.ok(gaps[at + 1]! >= least && gaps[at + 1]! <= least + 3, `restarts came after ${gaps.join(', ')} s`)
  await kubelet.until('it waits again', () => status(kubelet, 'crashes').restartCount === 4 && status(kubelet, 'crashes').state?.waiting?.reason === 'CrashLoopBackOff', { advanceMs: 500, withinMs: 5000 })
  assert.equal(status(kubelet, 'crashes').state?.waiting?.message, `back-off 1m20s restarting failed container=c pod=crashes_default(${kubelet.pod('crashes')!.metadata.uid})`)
  assert.equal(status(kubelet, 'crashes').restartCount, 4)
  assert.equal(status(kubelet, 'crashes').lastState?.terminated?.exitCode, 1)
  assert.ok(kubelet.containers.configs().length <= 2, 'no more than two runs of a container are kept')
})

test('restart policies: OnFailure restarts failures only, Never nothing', async () => {
  await using kubelet = await startTestKubelet()
  kubelet.bind('fails', { restartPolicy: 'Never', ...one(['sh', '-c', 'exit 4']) })
  kubelet.bind('completes', { restartPolicy: 'OnFailure', ...one(['true']) })
  kubelet.bind('retries', { restartPolicy: 'OnFailure', ...one(['false']) })
  await kubelet.until('all have come to their end', () => phase(kubelet, 'fails') === 'Failed' && phase(kubelet, 'completes') === 'Succeeded' && status(kubelet, 'retries').restartCount === 1, { advanceMs: 500, withinMs: 5000 })
  assert.deepEqual(status(kubelet, 'fails').state?.terminated?.exitCode, 4)
  assert.equal(kubelet.pod('fails')!.status?.conditions?.find(({ type }) => type === 'Ready')?.reason, 'PodFailed')
  assert.equal(phase(kubelet, 'retries'), 'Running')
  assert.equal(callsOf(kubelet, 'RemovePodSandbox').length, 0, 'the logs of pods that have ended can still be read')
})

test('init containers run one after another, and a failed one is tried again before the rest', async () => {
  await using kubelet = await startTestKubelet()
  let failures = 1
  kubelet.containers.intercept = (call) => {
    if (call === 'StartContainer b' && failures-- > 0) kubelet.containers.configs().find(({ metadata }) => metadata?.name === 'b')!.command = ['false'] as never
  }
  kubelet.bind('inits', { initContainers: [{ name: 'a', image, command: ['sh', '-c', 'sleep 5'] }, { name: 'b', image, command: ['true'] }], containers: [{ name: 'c', image, command: forever }] })
  await kubelet.until('the first runs', () => kubelet.pod('inits')?.status?.initContainerStatuses?.[0]?.state?.running !== undefined)
  assert.deepEqual(kubelet.pod('inits')!.status!.containerStatuses![0]!.state, { waiting: { reason: 'PodInitializing' } })
  assert.equal(kubelet.pod('inits')!.status!.conditions!.find(({ type }) => type === 'Initialized')?.message, 'containers with incomplete status: [a b]')
  await kubelet.until('the pod runs', () => phase(kubelet, 'inits') === 'Running', { advanceMs: 1000, withinMs: 30_000 })
  assert.deepEqual(callsOf(kubelet, 'StartContainer'), ['StartContainer a', 'StartContainer b', 'StartContainer b', 'StartContainer c'])
})

test('sidecars start before the regular containers and stop after them', async () => {
  await using kubelet = await startTestKubelet()
  kubelet.bind('job', { restartPolicy: 'Never', initContainers: [{ name: 'side', image, restartPolicy: 'Always', command: forever }], containers: [{ name: 'c', image, command: ['sh', '-c', 'sleep 3'] }] })
  await kubelet.until('it has succeeded', () => phase(kubelet, 'job') === 'Succeeded', { advanceMs: 500, withinMs: 10_000 })
  assert.deepEqual(callsOf(kubelet, 'StartContainer', 'StopContainer').map((call) => call.split(' ').slice(0, 2).join(' ')), ['StartContainer side', 'StartContainer c', 'StopContainer side'])
})

test('a pod whose sandbox dies gets a new one, and its containers with it', async () => {
  await using kubelet = await startTestKubelet()
  kubelet.bind('web', one(forever))
  await kubelet.until('web runs', () => phase(kubelet, 'web') === 'Running')
  kubelet.containers.breakSandbox('web')
  await kubelet.until('it runs again', () => status(kubelet, 'web').restartCount === 1 && status(kubelet, 'web').ready, { advanceMs: 500, withinMs: 5000 })
  assert.equal(callsOf(kubelet, 'RunPodSandbox').length, 2)
  assert.ok(kubelet.eventsOf('web').includes('SandboxChanged: Pod sandbox changed, it will be killed and re-created.'))
})

test('an image that cannot be pulled is tried again with back-off', async () => {
  await using kubelet = await startTestKubelet()
  kubelet.bind('pulls', { containers: [{ name: 'c', image: 'registry.example/app:1', imagePullPolicy: 'IfNotPresent', command: forever }] })
  await kubelet.until('the pull fails', () => status(kubelet, 'pulls')?.state?.waiting?.reason === 'ErrImagePull')
  await kubelet.until('it backs off', () => status(kubelet, 'pulls').state?.waiting?.reason === 'ImagePullBackOff', { advanceMs: 500, withinMs: 5000 })
  assert.match(status(kubelet, 'pulls').state?.waiting?.message ?? '', /^Back-off pulling image "registry\.example\/app:1": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image/)
  assert.equal(callsOf(kubelet, 'PullImage').length, 1)
  kubelet.containers.registry.set('registry.example/app:1', { id: 'sha256:app', repoTags: ['registry.example/app:1'], repoDigests: ['registry.example/app@sha256:0'], size: 77, username: '', pinned: false })
  await kubelet.until('it runs', () => phase(kubelet, 'pulls') === 'Running', { advanceMs: 1000, withinMs: 30_000 })
  assert.equal(callsOf(kubelet, 'PullImage').length, 2)
  await kubelet.until('the pull is told', () => kubelet.eventsOf('pulls').some((text) => /^Pulled: Successfully pulled image "registry\.example\/app:1" in 0s \(0s including waiting\)\. Image size: 77 bytes\.$/.test(text)))
})

test('probes: readiness shows in the status, a failed liveness probe restarts', async () => {
  await using kubelet = await startTestKubelet()
  const execs = kubelet.containers.execs
  execs.set('ready', { exitCode: 1, output: 'not yet' })
  execs.set('alive', { exitCode: 0, output: '' })
  kubelet.bind('probed', one(forever, {
    readinessProbe: { exec: { command: ['ready'] }, periodSeconds: 2, failureThreshold: 1, successThreshold: 1, timeoutSeconds: 1 },
    livenessProbe: { exec: { command: ['alive'] }, periodSeconds: 5, initialDelaySeconds: 10, failureThreshold: 2, successThreshold: 1, timeoutSeconds: 1 },
  }))
  const ready = (): string | undefined => kubelet.pod('probed')?.status?.conditions?.find(({ type }) => type === 'Ready')?.status
  await kubelet.until('it runs, unready', () => phase(kubelet, 'probed') === 'Running' && ready() === 'False')
  await kubelet.until('it is probed', () => callsOf(kubelet, 'ExecSync').length > 0, { advanceMs: 1, withinMs: 10 })
  assert.equal(ready(), 'False')
  execs.set('ready', { exitCode: 0, output: '' })
  await kubelet.until('it is ready', () => ready() === 'True', { advanceMs: 1000, withinMs: 4000 })
  assert.equal(callsOf(kubelet, 'ExecSync').includes('ExecSync alive'), false, 'no liveness probe within its initial delay')
  execs.set('alive', { exitCode: 1, output: 'dead' })
  await kubelet.until('it is restarted', () => status(kubelet, 'probed').restartCount === 1, { advanceMs: 1000, withinMs: 30_000 })
  for (const text of ['Unhealthy: Readiness probe failed: not yet', 'Unhealthy: Liveness probe failed: dead', 'Killing: Container c failed liveness probe, will be restarted']) {
    await kubelet.until(text, () => kubelet.eventsOf('probed').includes(text))
  }
})

test('a failed postStart hook ends the container', async () => {
  await using kubelet = await startTestKubelet()
  kubelet.containers.execs.set('hook', { exitCode: 2, output: 'no' })
  kubelet.bind('hooked', one(forever, { lifecycle: { postStart: { exec: { command: ['hook'] } } } }))
  await kubelet.until('it waits', () => status(kubelet, 'hooked')?.state?.waiting?.reason === 'PostStartHookError')
  assert.ok(kubelet.eventsOf('hooked').includes('FailedPostStartHook: PostStartHook failed'))
})

test('a preStop hook has the grace period, and no more', async () => {
  await using kubelet = await startTestKubelet()
  kubelet.bind('hooked', one(stubborn, { lifecycle: { preStop: { sleep: { seconds: 60 } } } }))
  await kubelet.until('it runs', () => phase(kubelet, 'hooked') === 'Running')
  await kubelet.api.client.delete(pods, 'default', 'hooked', { gracePeriodSeconds: 10 })
  await kubelet.until('it is told to stop', () => callsOf(kubelet, 'StopContainer').length === 1, { advanceMs: 1000, withinMs: 12_000 })
  assert.deepEqual(callsOf(kubelet, 'StopContainer'), ['StopContainer c 2'])
  await kubelet.until('it is gone', () => kubelet.pod('hooked') === undefined, { advanceMs: 1000, withinMs: 5000 })
})

test('a pod past its deadline fails', async () => {
  await using kubelet = await startTestKubelet()
  kubelet.bind('late', { activeDeadlineSeconds: 20, ...one(forever) })
  await kubelet.until('it runs', () => phase(kubelet, 'late') === 'Running')
  await kubelet.until('it has failed', () => phase(kubelet, 'late') === 'Failed', { advanceMs: 1000, withinMs: 22_000 })
  assert.equal(kubelet.pod('late')!.status!.reason, 'DeadlineExceeded')
  assert.deepEqual(callsOf(kubelet, 'StopPodSandbox'), ['StopPodSandbox late'])
})

test('a pod that the node cannot take fails with the reason', async () => {
  await using kubelet = await startTestKubelet({ capacity: { cpu: '2', memory: '4Gi' } })
  await kubelet.until('the node is there', () => kubelet.api.get(nodes, 'node-1') !== undefined)
  kubelet.bind('large', one(forever, { resources: { requests: { cpu: '3' } } }))
  kubelet.bind('elsewhere', { nodeSelector: { disk: 'ssd' }, ...one(forever) })
  await kubelet.until('both have failed', () => phase(kubelet, 'large') === 'Failed' && phase(kubelet, 'elsewhere') === 'Failed')
  assert.equal(kubelet.pod('large')!.status!.reason, 'OutOfcpu')
  assert.equal(kubelet.pod('large')!.status!.message, "Pod was rejected: Node didn't have enough resource: cpu, requested: 3000, used: 0, capacity: 2000")
  assert.equal(kubelet.pod('elsewhere')!.status!.reason, 'NodeAffinity')
  assert.equal(callsOf(kubelet, 'RunPodSandbox').length, 0)
})

test('pods wait for the network, except those on the node\'s own', async () => {
  await using kubelet = await startTestKubelet()
  kubelet.containers.networkReady = false
  const ready = (): string | undefined => kubelet.api.get(nodes, 'node-1')?.status?.conditions?.find(({ type }) => type === 'Ready')?.status
  await kubelet.until('the node is not ready', () => ready() === 'False', { advanceMs: 1000, withinMs: 30_000 })
  kubelet.bind('web', one(forever))
  kubelet.bind('host', { hostNetwork: true, ...one(forever) })
  await kubelet.until('the host pod runs', () => phase(kubelet, 'host') === 'Running')
  assert.equal(kubelet.pod('host')!.status!.podIP, '192.0.2.1')
  assert.deepEqual(callsOf(kubelet, 'RunPodSandbox'), ['RunPodSandbox host'])
  await kubelet.until('it is told why', () => kubelet.eventsOf('web').length > 0)
  assert.match(kubelet.eventsOf('web')[0]!, /^NetworkNotReady: network is not ready: container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized$/)
  kubelet.containers.networkReady = true
  await kubelet.until('it runs', () => phase(kubelet, 'web') === 'Running', { advanceMs: 250, withinMs: 5000 })
})

test('a sandbox that cannot be made is tried again', async () => {
  await using kubelet = await startTestKubelet()
  let failures = 2
  kubelet.containers.intercept = (call) => {
    if (call.startsWith('RunPodSandbox') && failures-- > 0) throw new RuntimeError('Unknown', 'failed to setup network for sandbox')
  }
  kubelet.bind('web', one(forever))
  await kubelet.until('it runs', () => phase(kubelet, 'web') === 'Running', { advanceMs: 250, withinMs: 10_000 })
  assert.ok(kubelet.eventsOf('web').includes('FailedCreatePodSandBox: Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox'))
})

test('a new kubelet takes over what runs, ends what was deleted meanwhile and removes what nobody knows', async () => {
  await using kubelet = await startTestKubelet()
  for (const name of ['stays', 'deleted', 'forgotten']) kubelet.bind(name, one(forever))
  await kubelet.until('all run', () => ['stays', 'deleted', 'forgotten'].every((name) => phase(kubelet, name) === 'Running'))
  const { containerID } = status(kubelet, 'stays')
  kubelet.containers.calls.length = 0
  kubelet.api.change(pods, 'default/deleted', (pod) => Object.assign(pod.metadata, { deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 1 }))
  const { kubelet: old } = kubelet
  await old[Symbol.asyncDispose]()
  kubelet.api.remove(pods, 'default/forgotten')
  await kubelet.restart()
  await kubelet.until('the others are gone', () => kubelet.pod('deleted') === undefined && callsOf(kubelet, 'RemovePodSandbox').length === 2)
  assert.equal(status(kubelet, 'stays').containerID, containerID)
  assert.deepEqual(callsOf(kubelet, 'RunPodSandbox', 'CreateContainer', 'StartContainer'), [])
})

test('the API server is told once of each change, and again when it shows something else', async () => {
  await using kubelet = await startTestKubelet()
  kubelet.bind('web', one(forever))
  await kubelet.until('web runs', () => phase(kubelet, 'web') === 'Running')
  await kubelet.runtime.clock.advance(60_000)
  const patches = (): number => kubelet.api.requests.filter(({ verb, resource, subresource }) => verb === 'patch' && resource === 'pods' && subresource === 'status').length
  const before = patches()
  await kubelet.runtime.clock.advance(60_000)
  assert.equal(patches(), before)
  kubelet.api.change(pods, 'default/web', (pod) => {
    pod.status!.phase = 'Pending'
  })
  await kubelet.until('it is put right', () => phase(kubelet, 'web') === 'Running', { advanceMs: 1000, withinMs: 20_000 })
})
