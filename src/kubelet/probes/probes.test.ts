import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it, test } from 'node:test'
import type { Probe } from '../../api/types/core_v1.ts'
import { systemClock } from '../../runtime/clock.ts'
import { testRuntime } from '../../runtime/runtime.ts'
import { RuntimeError, type ContainerRuntime } from '../container-runtime.ts'
import { boundPod, type BoundPod } from '../pods.ts'
import type { ObservedPod } from '../runtime-pods.ts'
import { runProbe, type ProbeResult } from './handlers.ts'
import { createProber, type Prober } from './prober.ts'

describe('probe handlers', () => {
  let server: Server
  let port: number
  before(async () => {
    server = createServer((request, response) => {
      if (request.url === '/moved') response.writeHead(302, { location: '/ok' }).end()
      else if (request.url === '/away') response.writeHead(302, { location: 'http://example.invalid/' }).end('bye')
      else if (request.url === '/sick') response.writeHead(503).end()
      else if (request.url === '/slow') return
      else response.end(`${request.headers['user-agent']} ${request.headers['x-a'] ?? ''} ${request.headers.host === 'named' ? 'named' : ''}`)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    port = (server.address() as AddressInfo).port
  })
  after(() => {
    server.closeAllConnections()
    server.close()
  })
  const containers = {
    execSync: async (_: string, command: readonly string[]) => {
      if (command[0] === 'hangs') throw new RuntimeError('Unknown', 'command "hangs" timed out')
      if (command[0] === 'broken') throw new RuntimeError('NotFound', 'no such container')
      return { stdout: Buffer.from('out'), stderr: Buffer.from('err'), exitCode: command[0] === 'true' ? 0 : 1 }
    },
  } as unknown as ContainerRuntime
  const run = (probe: Probe): Promise<ProbeResult> =>
    runProbe(probe, { container: { name: 'c', ports: [{ name: 'web', containerPort: port }] }, containerId: 'id', podIP: '127.0.0.1', nodeIP: '127.0.0.1' }, containers, systemClock())

  it('http', async () => {
    assert.deepEqual(await run({ httpGet: { path: '/ok', port } }), { outcome: 'success', output: 'kube-probe/1.36  ' })
    assert.deepEqual(await run({ httpGet: { port: 'web', httpHeaders: [{ name: 'X-A', value: '1' }, { name: 'Host', value: 'named' }] } }), { outcome: 'success', output: 'kube-probe/1.36 1 named' })
    assert.equal((await run({ httpGet: { path: '/moved', port } })).outcome, 'success')
    assert.equal((await run({ httpGet: { path: '/away', port } })).outcome, 'warning')
    assert.deepEqual(await run({ httpGet: { path: '/sick', port } }), { outcome: 'failure', output: 'HTTP probe failed with statuscode: 503' })
    assert.deepEqual(await run({ httpGet: { path: '/', port: 1 } }), { outcome: 'failure', output: 'Get "http://127.0.0.1:1/": dial tcp 127.0.0.1:1: connect: connection refused' })
    assert.deepEqual(await run({ httpGet: { path: '/slow', port }, timeoutSeconds: 0.05 }), { outcome: 'failure', output: `Get "http://127.0.0.1:${port}/slow": context deadline exceeded (Client.Timeout exceeded while awaiting headers)` })
    await assert.rejects(run({ httpGet: { port: 'none' } }), /port with name none not found/)
  })
  it('tcp', async () => {
    assert.equal((await run({ tcpSocket: { port: 'web' } })).outcome, 'success')
    assert.deepEqual(await run({ tcpSocket: { port: 1 } }), { outcome: 'failure', output: 'dial tcp 127.0.0.1:1: connect: connection refused' })
  })
  it('exec', async () => {
    assert.deepEqual(await run({ exec: { command: ['true'] } }), { outcome: 'success', output: 'outerr' })
    assert.equal((await run({ exec: { command: ['false'] } })).outcome, 'failure')
    assert.deepEqual(await run({ exec: { command: ['hangs'] } }), { outcome: 'failure', output: 'command "hangs" timed out' })
    await assert.rejects(run({ exec: { command: ['broken'] } }), /no such container/)
  })
  it('grpc', async () => {
    const result = await run({ grpc: { port: 1 }, timeoutSeconds: 1 })
    assert.equal(result.outcome, 'failure')
    assert.match(result.output, /failed to connect service "127\.0\.0\.1:1" within 1s/)
  })
})

const http = (more: Partial<Probe> = {}): Probe => ({ httpGet: { port: 80 }, periodSeconds: 10, timeoutSeconds: 1, failureThreshold: 3, successThreshold: 1, ...more })

interface Subject { prober: Prober; runtime: ReturnType<typeof testRuntime>; runs: number; outcome: ProbeResult['outcome']; told: string[]; pod: BoundPod; observed: (id?: string, state?: 'running' | 'exited') => ObservedPod }

function subject(container: { readinessProbe?: Probe; livenessProbe?: Probe; startupProbe?: Probe }): Subject {
  const runtime = testRuntime()
  const self: Subject = {
    runtime, runs: 0, outcome: 'success', told: [], pod: boundPod({ metadata: { name: 'p', namespace: 'n', uid: 'u' }, spec: { containers: [{ name: 'c', ...container }] } }),
    observed: (id = 'one', state = 'running') => ({ uid: 'u', name: 'p', namespace: 'n', sandboxes: [], containers: [{ id, name: 'c', state, startedMs: runtime.clock.now() }] }) as unknown as ObservedPod,
    prober: undefined as unknown as Prober,
  }
  self.prober = createProber({
    runtime, containers: {} as ContainerRuntime, nodeIP: '', onResult: () => undefined, events: { event: (_, __, reason, message) => void self.told.push(`${reason}: ${message}`) },
    run: async () => {
      self.runs++
      return { outcome: self.outcome, output: 'why' }
    },
  })
  return self
}

test('a container that does not listen at once is not punished with a period', async () => {
  const it = subject({ readinessProbe: http({ failureThreshold: 1 }) })
  it.outcome = 'failure'
  it.prober.follow(it.pod, it.observed())
  await it.runtime.clock.advance(450)
  assert.deepEqual([it.runs, it.told], [5, []])
  it.outcome = 'success'
  await it.runtime.clock.advance(100)
  assert.equal(it.prober.readiness('one'), 'success')
  it.outcome = 'failure'
  await it.runtime.clock.advance(9000)
  assert.equal(it.runs, 6, 'from then on it is asked once a period')
  await it.runtime.clock.advance(2000)
  assert.equal(it.prober.readiness('one'), 'failure')
  assert.deepEqual(it.told, ['Unhealthy: Readiness probe failed: why'])
  it.prober[Symbol.dispose]()
})

test('thresholds count what comes in a row', async () => {
  const it = subject({ livenessProbe: http({ periodSeconds: 1, failureThreshold: 3 }) })
  it.prober.follow(it.pod, it.observed())
  await it.runtime.clock.advance(500)
  for (const outcome of ['failure', 'failure', 'success', 'failure', 'failure'] as const) {
    it.outcome = outcome
    await it.runtime.clock.advance(1000)
    assert.equal(it.prober.liveness('one'), 'success')
  }
  it.outcome = 'failure'
  await it.runtime.clock.advance(1000)
  assert.equal(it.prober.liveness('one'), 'failure')
  const { runs } = it
  await it.runtime.clock.advance(5000)
  assert.equal(it.runs, runs, 'a container that is going to be killed is not probed')
  it.prober.follow(it.pod, it.observed('two'))
  assert.equal(it.prober.liveness('two'), 'success')
  assert.equal(it.prober.liveness('one'), undefined)
  it.prober[Symbol.dispose]()
})

test('nothing but the startup probe runs before the container has started by it', async () => {
  const it = subject({ startupProbe: http({ periodSeconds: 1 }), livenessProbe: http({ periodSeconds: 1 }), readinessProbe: http({ periodSeconds: 1, exec: { command: [] } }) })
  it.outcome = 'failure'
  it.prober.follow(it.pod, it.observed())
  await it.runtime.clock.advance(1500)
  assert.ok(it.told.every((text) => text.startsWith('Unhealthy: Startup probe failed')))
  it.outcome = 'success'
  await it.runtime.clock.advance(1100)
  assert.deepEqual([it.prober.startup('one'), it.prober.readiness('one'), it.prober.liveness('one')], ['success', 'success', 'success'])
  it.prober.remove('u')
  const { runs } = it
  await it.runtime.clock.advance(5000)
  assert.equal(it.runs, runs)
  assert.equal(it.runtime.clock.pendingCount, 0)
})
