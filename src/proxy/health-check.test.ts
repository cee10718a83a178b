import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testRuntime } from '../runtime/runtime.ts'
import { closeServer, healthCheckServers, listen } from './health-check.ts'

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = await listen(() => undefined, 0, '127.0.0.1')
  const { port } = server.address() as { port: number }
  await closeServer(server)
  return port
}

test('a load balancer hears 200 while the node has endpoints, 503 when not, and nothing once the service is gone', async () => {
  const port = await freePort()
  let healthy = true
  await using servers = healthCheckServers(testRuntime(), () => healthy)
  const ask = () => fetch(`http://127.0.0.1:${port}/`)
  await servers.update(new Map([[port, { namespace: 'default', name: 'web', localEndpoints: 2 }]]))
  const good = await ask()
  assert.deepEqual([good.status, await good.json(), good.headers.get('x-load-balancing-endpoint-weight')],
    [200, { service: { namespace: 'default', name: 'web' }, localEndpoints: 2, serviceProxyHealthy: true }, '2'])
  healthy = false
  assert.equal((await ask()).status, 503)
  healthy = true
  await servers.update(new Map([[port, { namespace: 'default', name: 'web', localEndpoints: 0 }]]))
  assert.equal((await ask()).status, 503)
  await servers.update(new Map())
  await assert.rejects(ask())
})

test('a port that somebody else holds is reported, and taken once it is free', async () => {
  const other = await listen((_request, response) => void response.end(), 0)
  const { port } = other.address() as { port: number }
  const runtime = testRuntime()
  await using servers = healthCheckServers(runtime, () => true)
  const health = new Map([[port, { namespace: 'default', name: 'web', localEndpoints: 1 }]])
  await servers.update(health)
  assert.equal(runtime.log.lines.at(-1)?.level, 'error')
  await closeServer(other)
  await servers.update(health)
  assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200)
})
