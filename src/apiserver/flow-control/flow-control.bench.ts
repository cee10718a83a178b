import { systemRuntime } from '../../runtime/runtime.ts'
import { defaultFlowSchemas, defaultPriorityLevels } from '../bootstrap/flow-control.ts'
import type { ServerRequest } from '../context.ts'
import { requestInfoOf } from '../request-info.ts'
import { FlowControl } from './flow-control.ts'
import type { Seat } from './request-limiter.ts'

/** What a request costs that finds a free seat: `node flow-control.bench.ts`. */
const runtime = systemRuntime()
const control = new FlowControl(runtime, { seats: 600, objects: () => ({ count: 1000, averageBytes: 1000 }) })
control.configure(defaultPriorityLevels(), defaultFlowSchemas())
const query = new URLSearchParams()
const request = { query } as unknown as ServerRequest
const count = 1_000_000
for (const [name, username, groups, method, path] of [
  ['exempt GET', 'admin', ['system:masters', 'system:authenticated'], 'GET', '/api/v1/namespaces/default/pods/a'],
  ['queued GET', 'jane', ['devs', 'system:authenticated'], 'GET', '/api/v1/namespaces/default/pods/a'],
  ['queued POST', 'jane', ['devs', 'system:authenticated'], 'POST', '/api/v1/namespaces/default/pods'],
  ['queued LIST', 'jane', ['devs', 'system:authenticated'], 'GET', '/api/v1/namespaces/default/pods'],
] as const) {
  const info = requestInfoOf(method, path, query)
  const user = { username, groups }
  const once = (): void => (control.admit({ request, info, user, receivedMs: 0, deadlineMs: 60_000 }) as Seat).release()
  for (let i = 0; i < 100_000; i++) once()
  const startedMs = runtime.clock.monotonicMs()
  for (let i = 0; i < count; i++) once()
  process.stdout.write(`${name.padEnd(12)} ${Math.round(((runtime.clock.monotonicMs() - startedMs) * 1e6) / count)} ns\n`)
}
