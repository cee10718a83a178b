import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errors } from '../machinery/status.ts'
import { testRuntime } from '../runtime/runtime.ts'
import { LeadershipLostError, runWithLeaderElection } from './leader-election.ts'
import { leases } from './resources.ts'
import { createFakeApi } from './testing/fake-api.ts'

function setUp() {
  const runtime = testRuntime()
  const api = createFakeApi(runtime)
  const candidate = (identity: string) => {
    const stop = new AbortController()
    const state = { leads: false, ended: false }
    const done = runWithLeaderElection({ client: api.client, runtime, namespace: 'kube-system', name: 'test', identity, signal: stop.signal }, async (leading) => {
      state.leads = true
      await new Promise<void>((resolve) => leading.addEventListener('abort', () => resolve(), { once: true }))
      state.leads = false
    }).finally(() => void (state.ended = true))
    return { stop, state, done }
  }
  const holder = (): string | undefined => api.get(leases, 'kube-system/test')?.spec?.holderIdentity
  return { runtime, api, candidate, holder }
}

test('one of two leads; when it stops it gives the lease back and the other leads', async () => {
  const { runtime, api, candidate, holder } = setUp()
  const a = candidate('a')
  await runtime.clock.settle()
  const b = candidate('b')
  await runtime.clock.advance(60_000)
  assert.deepEqual([a.state.leads, b.state.leads, holder()], [true, false, 'a'])
  a.stop.abort(new Error('stop'))
  await runtime.clock.settle()
  await a.done
  await runtime.clock.advance(6000)
  assert.deepEqual([b.state.leads, holder(), api.get(leases, 'kube-system/test')?.spec?.leaseTransitions], [true, 'b', 1])
  b.stop.abort(new Error('stop'))
  await b.done
  assert.equal(runtime.clock.pendingCount, 0)
})

test('a leader that cannot renew for 10 seconds is told so; another follows once the lease has run out', async () => {
  const { runtime, api, candidate, holder } = setUp()
  const a = candidate('a')
  await runtime.clock.settle()
  api.intercept = (request) => (request.verb === 'update' ? errors.serviceUnavailable('down') : undefined)
  const lost = assert.rejects(a.done, LeadershipLostError)
  await runtime.clock.advance(9000)
  assert.equal(a.state.leads, true)
  await runtime.clock.advance(2000)
  await lost
  assert.equal(a.state.leads, false)
  api.intercept = () => undefined
  const b = candidate('b')
  await runtime.clock.advance(12_000)
  assert.equal(holder(), 'a')
  await runtime.clock.advance(9000)
  assert.equal(holder(), 'b')
  b.stop.abort(new Error('stop'))
  await b.done
})
