/**
 * Hollow nodes as a process of their own: `node bench/hollow-process.ts KUBECONFIG COUNT PREFIX`. They act as `system:node:NAME` by
 * impersonation, all over the same few connections. Says `ready` when all are registered; SIGTERM ends it.
 */
import { once } from 'node:events'
import { createClient } from '../src/client/api.ts'
import { transportFromKubeconfig } from '../src/client/kubeconfig.ts'
import type { Transport } from '../src/client/transport.ts'
import { jsonLogger } from '../src/runtime/log.ts'
import { systemRuntime } from '../src/runtime/runtime.ts'
import { startHollowNodes } from '../src/simulation/hollow-nodes.ts'

const [kubeconfig = '', count = '0', prefix = 'hollow'] = process.argv.slice(2)
const runtime = systemRuntime(jsonLogger('error'))
const { transport } = await transportFromKubeconfig(kubeconfig, runtime, { userAgent: 'k8ts-bench-hollow' })

function actingAs(nodeName: string): Transport {
  const identity = { 'impersonate-user': `system:node:${nodeName}`, 'impersonate-group': 'system:nodes' }
  return { request: (request) => transport.request({ ...request, headers: { ...request.headers, ...identity } }), [Symbol.asyncDispose]: () => Promise.resolve() }
}

const nodes = await startHollowNodes({ runtime, count: Number(count), prefix, clientFor: (name) => createClient(actingAs(name)) })
process.stdout.write('ready\n')
await once(process, 'SIGTERM')
await nodes[Symbol.asyncDispose]()
await transport[Symbol.asyncDispose]()
