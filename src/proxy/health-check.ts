import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Runtime } from '../runtime/runtime.ts'
import type { ServiceRules } from './service-rules.ts'
import { createServer } from '../runtime/node-http.ts'

/** What a load balancer is told of one Service with `externalTrafficPolicy: Local`. */
export interface ServiceHealth { namespace: string; name: string; localEndpoints: number }

/** The ports to answer on, with what to say there. Ports of one Service count each endpoint address once. */
export function serviceHealth(services: Iterable<ServiceRules>): Map<number, ServiceHealth> {
  const health = new Map<number, ServiceHealth>()
  for (const service of services) {
    if (service.healthCheckNodePort === undefined) continue
    const known = health.get(service.healthCheckNodePort)
    const localEndpoints = Math.max(service.localReadyCount, known?.localEndpoints ?? 0)
    health.set(service.healthCheckNodePort, { namespace: service.namespace, name: service.serviceName, localEndpoints })
  }
  return health
}

/** Listens, and resolves when it does; rejects when the address is taken. */
export function listen(handler: (request: IncomingMessage, response: ServerResponse) => void, port: number, host?: string): Promise<Server> {
  const server = createServer(handler)
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => reject(new Error(`cannot listen on ${host ?? ''}:${port}: ${cause.message}`, { cause })))
    server.listen(port, host, () => resolve(server))
  })
}

export async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeAllConnections()
  await closed
}

/** Answers on the health check ports of Services, as kube-proxy does: 200 when this node has endpoints, else 503. */
export interface HealthCheckServers extends AsyncDisposable {
  update(health: ReadonlyMap<number, ServiceHealth>): Promise<void>
}

export function healthCheckServers(runtime: Runtime, isProxyHealthy: () => boolean): HealthCheckServers {
  const servers = new Map<number, Server>()
  let current: ReadonlyMap<number, ServiceHealth> = new Map()
  const answer = (port: number) => (_request: IncomingMessage, response: ServerResponse): void => {
    const health = current.get(port)
    const localEndpoints = health?.localEndpoints ?? 0
    const serviceProxyHealthy = isProxyHealthy()
    response.writeHead(localEndpoints > 0 && serviceProxyHealthy ? 200 : 503, {
      'content-type': 'application/json', 'x-content-type-options': 'nosniff', 'x-load-balancing-endpoint-weight': String(localEndpoints),
    })
    response.end(JSON.stringify({ service: { namespace: health?.namespace, name: health?.name }, localEndpoints, serviceProxyHealthy }))
  }
  return {
    async update(health) {
      current = health
      for (const [port, server] of servers) {
        if (health.has(port)) continue
        servers.delete(port)
        await closeServer(server)
      }
      for (const port of health.keys()) {
        if (servers.has(port)) continue
        try {
          servers.set(port, await listen(answer(port), port))
        } catch (error) {
          // Tried again with the next sync: somebody else holds the port.
          runtime.log.error('cannot answer health checks of a service', { port, err: error })
        }
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...servers.values()].map(closeServer))
      servers.clear()
    },
  }
}
