import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testRuntime, type TestRuntime } from '../../runtime/runtime.ts'
import { requestInfoOf } from '../request-info.ts'
import { FlowStatistics } from './flow-statistics.ts'
import { QueueSet, type Flow, type Ticket } from './queue-set.ts'
import { hashFlow } from './shuffle-sharding.ts'
import { oneSeat, type WorkEstimate } from './work-estimate.ts'

const info = requestInfoOf('GET', '/api/v1/namespaces/default/pods/a', new URLSearchParams())
const user = { username: 'u', groups: [] }
const flowOf = (name: string): Flow => ({ statistics: new FlowStatistics('level', 'schema'), distinguisher: name, hash: hashFlow('schema', name) })

function setOf(runtime: TestRuntime, seats: number, queues: number, queueLengthLimit = 10): QueueSet {
  const set = new QueueSet(runtime.clock)
  set.configure({ queues, handSize: Math.min(queues, 2) || 1, queueLengthLimit }, seats, seats)
  return set
}

function start(set: QueueSet, flow: Flow, work: WorkEstimate = oneSeat): Ticket {
  const ticket = set.start(flow, work, user, info)
  if (typeof ticket === 'string') throw new Error(ticket)
  return ticket
}

test('seats are taken, waited for and handed on', () => {
  const set = setOf(testRuntime(), 2, 4)
  const flow = flowOf('a')
  const [first, second, third] = [start(set, flow), start(set, flow), start(set, flow)]
  assert.deepEqual([first.state, second.state, third.state], ['executing', 'executing', 'waiting'])
  let told = false
  third.onDispatch = () => (told = true)
  set.finish(first)
  assert.deepEqual([third.state, told, set.seatsInUse, set.waitingRequests], ['executing', true, 2, 0])
  set.finish(second)
  set.finish(third)
  set.finish(third)
  assert.deepEqual([set.isIdle, set.seatsInUse], [true, 0])
})

test('a level without queues refuses what has no seat', () => {
  const set = setOf(testRuntime(), 1, 0)
  const ticket = start(set, flowOf('a'))
  assert.equal(set.start(flowOf('b'), oneSeat, user, info), 'concurrency-limit')
  set.finish(ticket)
  start(set, flowOf('b'))
})

test('a full queue refuses, and who waits may go', () => {
  const set = setOf(testRuntime(), 1, 1, 2)
  const flow = flowOf('a')
  start(set, flow)
  const waiting = start(set, flow)
  start(set, flow)
  assert.equal(set.start(flow, oneSeat, user, info), 'queue-full')
  set.cancel(waiting)
  assert.deepEqual([waiting.state, set.waitingRequests, set.totals.cancelled], ['over', 1, 1])
  assert.equal(start(set, flow).state, 'waiting')
})

test('an exempt level has no limit', () => {
  const set = setOf(testRuntime(), 0, -1)
  for (let i = 0; i < 100; i++) assert.equal(start(set, flowOf('a')).state, 'executing')
  assert.equal(set.demand.reset(0).max, 100)
})

test('a busy flow does not keep a quiet one waiting behind all of its requests', async () => {
  const runtime = testRuntime()
  const set = setOf(runtime, 1, 64, 100)
  const [elephant, mouse] = [flowOf('elephant'), flowOf('mouse')]
  const order: string[] = []
  const running: Ticket[] = [start(set, elephant)]
  for (let i = 0; i < 20; i++) {
    const ticket = start(set, elephant)
    ticket.onDispatch = () => {
      order.push('elephant')
      running.push(ticket)
    }
  }
  await runtime.clock.advance(5)
  const ticket = start(set, mouse)
  ticket.onDispatch = () => {
    order.push('mouse')
    running.push(ticket)
  }
  while (running.length > 0) {
    await runtime.clock.advance(10)
    set.finish(running.shift()!)
  }
  assert.equal(order.length, 21)
  assert.ok(order.indexOf('mouse') <= 2, `the mouse was served as number ${order.indexOf('mouse') + 1}`)
})

test('wide requests take their seats, and one that is wider than the level runs alone', () => {
  const set = setOf(testRuntime(), 4, 4)
  const wide = { initialSeats: 3, finalSeats: 0, additionalLatencyMs: 0 }
  const first = start(set, flowOf('a'), wide)
  const second = start(set, flowOf('b'), wide)
  assert.deepEqual([first.state, second.state, set.seatsInUse], ['executing', 'waiting', 3])
  set.finish(first)
  assert.equal(second.state, 'executing')
  set.finish(second)
  const giant = start(set, flowOf('c'), { ...wide, initialSeats: 10 })
  assert.equal(giant.state, 'executing')
  assert.equal(start(set, flowOf('d')).state, 'waiting')
})

test('a write holds its seats until the watchers have been told', async () => {
  const runtime = testRuntime()
  const set = setOf(runtime, 2, 4)
  const write = start(set, flowOf('a'), { initialSeats: 1, finalSeats: 2, additionalLatencyMs: 5 })
  assert.equal(set.seatsInUse, 2)
  const next = start(set, flowOf('b'))
  set.finish(write)
  assert.deepEqual([next.state, set.executingRequests, set.seatsInUse], ['waiting', 0, 2])
  await runtime.clock.advance(5)
  assert.deepEqual([next.state, set.seatsInUse], ['executing', 1])
})

test('fewer queues: those with requests stay until these are done', () => {
  const set = setOf(testRuntime(), 1, 8)
  const tickets = Array.from({ length: 12 }, (_, i) => start(set, flowOf(`user-${i}`)))
  set.configure({ queues: 2, handSize: 2, queueLengthLimit: 10 }, 1, 1)
  for (const ticket of tickets) set.finish(tickets.find(({ state }) => state === 'executing') ?? ticket)
  assert.deepEqual([set.isIdle, set.dump().queues.length], [true, 2])
})
