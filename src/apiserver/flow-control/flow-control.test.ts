import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { UserInfo } from '../../api/resource.ts'
import type { FlowSchema } from '../../api/types/flowcontrol.apiserver.k8s.io_v1.ts'
import { testRuntime, type TestRuntime } from '../../runtime/runtime.ts'
import { defaultFlowSchemas, defaultPriorityLevels } from '../bootstrap/flow-control.ts'
import type { ServerRequest } from '../context.ts'
import { requestInfoOf } from '../request-info.ts'
import { FlowControl } from './flow-control.ts'
import { flowControlMetrics } from './flow-control-metrics.ts'
import { maxInFlightLimiter } from './max-in-flight.ts'
import type { LimitedRequest, Seat } from './request-limiter.ts'
import { RetryAfter } from './retry-after.ts'
import { shareSeats } from './seat-demand.ts'
import { dealHand, dealProblem } from './shuffle-sharding.ts'
import { WatchTally, listWork, mutatingWork } from './work-estimate.ts'

const authenticated = (username: string, ...groups: string[]): UserInfo => ({ username, groups: [...groups, 'system:authenticated'] })

function limited(runtime: TestRuntime, user: UserInfo, method: string, url: string, signal = new AbortController().signal): LimitedRequest {
  const [path = '', text = ''] = url.split('?')
  const query = new URLSearchParams(text)
  const receivedMs = runtime.clock.monotonicMs()
  return { request: { query, signal } as unknown as ServerRequest, info: requestInfoOf(method, path, query), user, receivedMs, deadlineMs: receivedMs + 60_000 }
}

function controlOf(runtime: TestRuntime, seats = 600): FlowControl {
  const control = new FlowControl(runtime, { seats, objects: () => undefined })
  control.configure(defaultPriorityLevels(), defaultFlowSchemas())
  return control
}

/** Name of the level that a request goes to, by the seats in use. */
async function levelOf(control: FlowControl, request: LimitedRequest): Promise<string> {
  const seat = await control.admit(request)
  const busy = control.levels().filter(({ queueSet }) => queueSet.executingRequests > 0).map(({ name }) => name)
  seat?.release()
  seat?.watchEnded?.()
  return busy.join()
}

test('requests go to the level of the first schema that matches, by upstream\'s defaults', async () => {
  const runtime = testRuntime()
  const control = controlOf(runtime)
  const account = (namespace: string): UserInfo => authenticated(`system:serviceaccount:${namespace}:default`, 'system:serviceaccounts', `system:serviceaccounts:${namespace}`)
  const pods = '/api/v1/namespaces/default/pods'
  for (const [user, method, url, expected] of [
    [authenticated('admin', 'system:masters'), 'GET', pods, 'exempt'],
    [{ username: 'system:anonymous', groups: ['system:unauthenticated'] }, 'GET', '/healthz', 'exempt'],
    [{ username: 'system:anonymous', groups: ['system:unauthenticated'] }, 'GET', '/healthz/etcd', 'exempt'],
    [{ username: 'system:anonymous', groups: ['system:unauthenticated'] }, 'GET', '/version', 'global-default'],
    [authenticated('system:kube-scheduler'), 'PUT', '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler', 'leader-election'],
    [authenticated('system:kube-scheduler'), 'GET', pods, 'workload-high'],
    [authenticated('system:node:a', 'system:nodes'), 'PATCH', '/api/v1/nodes/a/status', 'node-high'],
    [authenticated('system:node:a', 'system:nodes'), 'GET', pods, 'system'],
    [account('kube-system'), 'GET', pods, 'workload-high'],
    [account('default'), 'GET', pods, 'workload-low'],
    [authenticated('jane'), 'GET', pods, 'global-default'],
    [{ username: 'stranger', groups: [] }, 'GET', pods, 'catch-all'],
  ] as const) assert.equal(await levelOf(control, limited(runtime, user, method, url)), expected, `${user.username} ${method} ${url}`)
})

test('seats are shared out by nominal shares, lent and borrowed', async () => {
  const runtime = testRuntime()
  const control = controlOf(runtime)
  const levels = new Map(control.levels().map((level) => [level.name, level]))
  assert.deepEqual(['system', 'node-high', 'leader-election', 'workload-high', 'workload-low', 'global-default', 'catch-all', 'exempt'].map((name) => [levels.get(name)!.nominal, levels.get(name)!.lower]), [
    [74, 50], [98, 73], [25, 25], [98, 49], [245, 24], [49, 24], [13, 13], [0, 0],
  ])
  const busy = levels.get('global-default')!
  const seats: (Seat | undefined | Promise<Seat>)[] = []
  for (let i = 0; i < 300; i++) seats.push(control.admit(limited(runtime, authenticated(`user-${i}`), 'GET', '/version')))
  assert.ok(busy.queueSet.waitingRequests > 0)
  await runtime.clock.advance(10_000)
  control.adjust()
  assert.ok(busy.current > 250, `borrowed: ${busy.current}`)
  assert.equal(busy.queueSet.seatsInUse, Math.min(busy.current, 300))
  for (const seat of seats) void Promise.resolve(seat).then((each) => each?.release())
  await runtime.clock.settle()
  assert.equal(control.levels().reduce((sum, { queueSet }) => sum + queueSet.executingRequests, 0), 0)
  assert.match(flowControlMetrics(control, runtime.clock.monotonicMs()), /apiserver_flowcontrol_dispatched_requests_total\{flow_schema="global-default",priority_level="global-default"\} 300/)
})

test('who waits too long, or goes away, gets no seat', async () => {
  const runtime = testRuntime()
  const control = controlOf(runtime, 8)
  const user = authenticated('jane')
  const held: (Seat | undefined)[] = []
  let waiting: Promise<Seat> | undefined
  while (waiting === undefined) {
    const seat = control.admit(limited(runtime, user, 'GET', '/version'))
    if (seat instanceof Promise) waiting = seat
    else held.push(seat)
  }
  const client = new AbortController()
  const leaving = control.admit(limited(runtime, user, 'GET', '/version', client.signal)) as Promise<Seat>
  client.abort()
  assert.equal((await leaving).admitted, false)
  await runtime.clock.advance(14_999)
  let answer: Seat | undefined
  void waiting.then((seat) => (answer = seat))
  await runtime.clock.settle()
  assert.equal(answer, undefined)
  await runtime.clock.advance(1)
  assert.equal(answer!.admitted, false)
  assert.deepEqual(answer!.refusal(), {
    status: 429, headers: { 'retry-after': '1', 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' }, bytes: 'Too many requests, please try again later.\n',
  })
  for (const seat of held) seat?.release()
  assert.equal(runtime.clock.pendingCount, 0)
})

test('a schema of an own level takes its requests, and a level in use outlives its object', async () => {
  const runtime = testRuntime()
  const control = controlOf(runtime)
  const schema: FlowSchema = {
    metadata: { name: 'jane', uid: 'schema-uid' },
    spec: { priorityLevelConfiguration: { name: 'janes' }, matchingPrecedence: 10, rules: [{ subjects: [{ kind: 'User', user: { name: 'jane' } }], resourceRules: [{ verbs: ['list'], apiGroups: [''], resources: ['pods'], namespaces: ['a'], clusterScope: false }] }] },
  }
  const level = { metadata: { name: 'janes', uid: 'level-uid' }, spec: { type: 'Limited', limited: { nominalConcurrencyShares: 1, limitResponse: { type: 'Reject' } } } }
  control.configure([...defaultPriorityLevels(), level], [...defaultFlowSchemas(), schema])
  assert.equal(await levelOf(control, limited(runtime, authenticated('jane'), 'GET', '/api/v1/namespaces/b/pods')), 'global-default')
  const seat = (await control.admit(limited(runtime, authenticated('jane'), 'GET', '/api/v1/namespaces/a/pods')))!
  const headers: Record<string, string> = {}
  seat.mark(headers)
  assert.deepEqual(headers, { 'x-kubernetes-pf-flowschema-uid': 'schema-uid', 'x-kubernetes-pf-prioritylevel-uid': 'level-uid' })
  control.configure(defaultPriorityLevels(), defaultFlowSchemas())
  assert.ok(control.levels().some(({ name, isQuiescing }) => name === 'janes' && isQuiescing))
  seat.release()
  control.adjust()
  assert.ok(!control.levels().some(({ name }) => name === 'janes'))
})

test('without objects there are the mandatory levels', async () => {
  const runtime = testRuntime()
  const control = new FlowControl(runtime, { seats: 10, objects: () => undefined })
  assert.deepEqual(control.levels().map(({ name, current }) => [name, current]), [['catch-all', 10], ['exempt', 0]])
  assert.equal(await levelOf(control, limited(runtime, authenticated('admin', 'system:masters'), 'GET', '/version')), 'exempt')
  assert.equal(await levelOf(control, limited(runtime, authenticated('jane'), 'GET', '/version')), 'catch-all')
})

test('long-running requests are no matter of the limiter, but watches are while they begin', () => {
  const runtime = testRuntime()
  const control = controlOf(runtime)
  const user = authenticated('jane')
  assert.equal(control.admit(limited(runtime, user, 'POST', '/api/v1/namespaces/a/pods/b/exec')), undefined)
  assert.equal(control.admit(limited(runtime, user, 'GET', '/api/v1/namespaces/a/pods/b/log')), undefined)
  assert.ok(control.admit(limited(runtime, user, 'GET', '/api/v1/pods?watch=1')) !== undefined)
})

test('lists are worth seats by their size, writes by their watchers', () => {
  const list = (url: string, count: number, averageBytes: number): number => {
    const query = new URLSearchParams(url.split('?')[1] ?? '')
    return listWork(requestInfoOf('GET', url.split('?')[0]!, query), query, () => ({ count, averageBytes }), 0).initialSeats
  }
  assert.equal(list('/api/v1/pods', 10, 1000), 1)
  assert.equal(list('/api/v1/pods', 500, 1000), 5)
  assert.equal(list('/api/v1/pods', 50_000, 1000), 10, 'streamed from the cache')
  assert.equal(list('/api/v1/pods?resourceVersionMatch=Exact&resourceVersion=7', 50_000, 1000), 100, 'from the store')
  assert.equal(list('/api/v1/pods?limit=100', 50_000, 1000), 1)
  assert.equal(list('/api/v1/pods?watch=1&resourceVersion=7', 50_000, 1000), 1)
  assert.equal(list('/api/v1/pods?watch=1', 50_000, 1000), 10)
  assert.deepEqual(mutatingWork(9, 0), { initialSeats: 1, finalSeats: 0, additionalLatencyMs: 0 })
  assert.deepEqual(mutatingWork(25, 0), { initialSeats: 1, finalSeats: 3, additionalLatencyMs: 5 })
  assert.deepEqual(mutatingWork(200, 4), { initialSeats: 1, finalSeats: 4, additionalLatencyMs: 25 })
  const tally = new WatchTally()
  const watch = (url: string): (() => void) => tally.add(requestInfoOf('GET', url.split('?')[0]!, new URLSearchParams(url.split('?')[1])), new URLSearchParams(url.split('?')[1]))
  const ends = ['/api/v1/pods?watch=1', '/api/v1/namespaces/a/pods?watch=1', '/api/v1/namespaces/b/pods?watch=1', '/api/v1/pods?watch=1&fieldSelector=spec.nodeName%3Dx'].map(watch)
  const write = requestInfoOf('PUT', '/api/v1/namespaces/a/pods/p', new URLSearchParams())
  assert.equal(tally.interestedIn(write), 2)
  for (const end of ends) end()
  assert.equal(tally.interestedIn(write), 0)
})

test('hands are dealt without repetition, and alike for the same hash', () => {
  for (let hash = 0n; hash < 2000n; hash += 7n) {
    const hand = dealHand(hash * 0x9e3779b97f4a7c15n & 0xffffffffffffffffn, 12, 5)
    assert.equal(new Set(hand).size, 5)
    assert.ok(hand.every((card) => card >= 0 && card < 12))
  }
  assert.deepEqual(dealHand(1234567n, 64, 4), dealHand(1234567n, 64, 4))
  assert.equal(dealProblem(128, 6), undefined)
  assert.match(dealProblem(8, 9)!, /greater than deckSize/)
  assert.match(dealProblem(1024, 7)!, /entropy/)
})

test('seats are shared in proportion, within bounds', () => {
  assert.deepEqual(shareSeats(10, [{ target: 1, lowerBound: 0, upperBound: 10 }, { target: 4, lowerBound: 0, upperBound: 10 }])!.seats.map((seats) => Math.round(seats * 1e6) / 1e6), [2, 8])
  assert.deepEqual(shareSeats(10, [{ target: 1, lowerBound: 5, upperBound: 10 }, { target: 9, lowerBound: 0, upperBound: 10 }])!.seats.map((seats) => Math.round(seats * 1e6) / 1e6), [5, 5])
  assert.equal(shareSeats(10, [{ target: 1, lowerBound: 0, upperBound: 4 }]), undefined)
})

test('refused clients are told to stay away longer while many are refused', () => {
  const retryAfter = new RetryAfter()
  let nowMs = 1_000_000
  for (let second = 0; second < 20; second++, nowMs += 1000) for (let i = 0; i < 200; i++) retryAfter.refused(nowMs)
  assert.equal(retryAfter.seconds, 16)
  for (let second = 0; second < 100; second++, nowMs += 100_000) retryAfter.refused(nowMs)
  assert.equal(retryAfter.seconds, 1)
})

test('without fairness two limits hold, but not for administrators', () => {
  const runtime = testRuntime()
  const limiter = maxInFlightLimiter({ readOnly: 1, mutating: 1 })
  const get = limited(runtime, authenticated('jane'), 'GET', '/version')
  const seat = limiter.admit(get) as Seat
  assert.equal((limiter.admit(get) as Seat).admitted, false)
  assert.equal((limiter.admit(limited(runtime, authenticated('jane'), 'POST', '/api/v1/namespaces')) as Seat).admitted, true)
  assert.equal(limiter.admit(limited(runtime, authenticated('admin', 'system:masters'), 'GET', '/version')), undefined)
  assert.equal(limiter.admit(limited(runtime, authenticated('jane'), 'GET', '/api/v1/pods?watch=1')), undefined)
  seat.release()
  seat.release()
  assert.deepEqual(limiter.inFlight, { readOnly: 0, mutating: 1 })
})
