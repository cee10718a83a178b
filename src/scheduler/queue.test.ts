import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeClock } from '../runtime/clock.ts'
import { podInfoOf } from './node-info.ts'
import { prioritySort, schedulingGates } from './plugins/queue-order.ts'
import { SchedulingQueue } from './queue.ts'
import { testPod } from './testing/objects.ts'

function makeQueue(): { queue: SchedulingQueue; clock: ReturnType<typeof fakeClock> } {
  const clock = fakeClock()
  const queue = new SchedulingQueue({ clock, less: prioritySort.less!, preEnqueue: (info) => schedulingGates.preEnqueue!(info.pod), mayHelp: (pod, event) => pod.refusedBy.has(event.resource) })
  return { queue, clock }
}

const info = (name: string, priority = 0) => podInfoOf(testPod(name, { spec: { priority } }))

test('pods come out by priority, then by age', async () => {
  const { queue, clock } = makeQueue()
  queue.add(info('old'))
  await clock.advance(1)
  queue.add(info('young'))
  queue.add(info('urgent', 100))
  assert.deepEqual([queue.pop(), queue.pop(), queue.pop(), queue.pop()].map((each) => each?.info.pod.metadata.name), ['urgent', 'old', 'young', undefined])
})

test('a pod put aside comes back when something that may help happens, after its back-off', async () => {
  const { queue, clock } = makeQueue()
  queue.add(info('p'))
  queue.pop()
  queue.putAside('default/p', new Set(['Node']))
  queue.notify({ resource: 'Service', action: 'add' })
  assert.equal(queue.counts().putAside, 1)
  queue.notify({ resource: 'Node', action: 'add' })
  assert.equal(queue.counts().backOff, 1)
  assert.equal(queue.pop(), undefined)
  await clock.advance(1000)
  assert.equal(queue.pop()?.attempts, 2)
})

test('an event during a pod\'s own cycle is not missed', async () => {
  const { queue, clock } = makeQueue()
  queue.add(info('p'))
  queue.pop()
  queue.notify({ resource: 'Node', action: 'add' })
  queue.putAside('default/p', new Set(['Node']))
  await clock.advance(1000)
  assert.equal(queue.counts().active, 1)
})

test('back-off doubles up to ten seconds', async () => {
  const { queue, clock } = makeQueue()
  queue.add(info('p'))
  for (const waitMs of [1000, 2000, 4000, 8000, 10_000, 10_000]) {
    queue.pop()
    queue.backOff('default/p')
    await clock.advance(waitMs - 1)
    assert.equal(queue.counts().active, 0)
    await clock.advance(1)
    assert.equal(queue.counts().active, 1)
  }
})

test('a pod put aside is tried again after five minutes whatever happened', async () => {
  const { queue, clock } = makeQueue()
  queue.add(info('p'))
  queue.pop()
  queue.putAside('default/p', new Set())
  await clock.advance(5 * 60_000)
  assert.equal(queue.counts().active, 1)
})

test('a gated pod waits until its gates are gone', () => {
  const { queue } = makeQueue()
  queue.add(podInfoOf(testPod('p', { spec: { schedulingGates: [{ name: 'wait' }] } })))
  assert.equal(queue.pop(), undefined)
  queue.update(podInfoOf(testPod('p')))
  assert.equal(queue.pop()?.info.key, 'default/p')
})

test('a removed pod does not come out, and the order of the rest stays', () => {
  const { queue } = makeQueue()
  for (const [name, priority] of [['a', 1], ['b', 5], ['c', 3], ['d', 4]] as const) queue.add(info(name, priority))
  queue.remove('default/b')
  assert.deepEqual([queue.pop(), queue.pop(), queue.pop()].map((each) => each?.info.pod.metadata.name), ['d', 'c', 'a'])
})
