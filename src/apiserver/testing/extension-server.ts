import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'

export interface SeenRequest { method: string; url: string; headers: IncomingHttpHeaders; proxyName: string | undefined; body: string }

/** How the server answers; changed while it runs. */
export interface ExtensionBehaviour {
  /** Not at all. */
  hangs: boolean
  /** Only the older discovery documents. */
  isLegacy: boolean
  /** Nothing at /openapi/v3. */
  onlyOpenapiV2: boolean
  /** Answers these paths itself. */
  routes: Record<string, (request: IncomingMessage, response: ServerResponse) => void>
}

export interface ExtensionServer extends AsyncDisposable {
  readonly port: number
  readonly seen: SeenRequest[]
  readonly behaviour: ExtensionBehaviour
  /** Sends an event to whoever watches. */
  emit(event: { type: string; object: object }): void
}

export const flunder = (name: string): Record<string, unknown> => ({ kind: 'Flunder', apiVersion: 'wardle.example.com/v1', metadata: { name, namespace: 'default', resourceVersion: '7', uid: `uid-${name}` } })

const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']
const resourceList = {
  kind: 'APIResourceList', apiVersion: 'v1', groupVersion: 'wardle.example.com/v1',
  resources: [{ name: 'flunders', singularName: 'flunder', namespaced: true, kind: 'Flunder', verbs, shortNames: ['fl'] }, { name: 'flunders/status', singularName: '', namespaced: true, kind: 'Flunder', verbs: ['get'] }],
}
const responseKind = { group: 'wardle.example.com', version: 'v1', kind: 'Flunder' }
const aggregatedList = {
  kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2', metadata: {},
  items: [{ metadata: { name: 'wardle.example.com' }, versions: [{ version: 'v1', freshness: 'Current', resources: [{ resource: 'flunders', responseKind, scope: 'Namespaced', singularResource: 'flunder', verbs, shortNames: ['fl'], subresources: [{ subresource: 'status', verbs: ['get'] }] }] }] }],
}
const schema = { type: 'object', description: 'A Flunder.', properties: { spec: { type: 'object' } }, 'x-kubernetes-group-version-kind': [responseKind] }
const openapiV2 = {
  swagger: '2.0', info: { title: 'wardle', version: 'v0' }, parameters: { pretty: { name: 'pretty', in: 'query', type: 'string' } }, definitions: { 'com.example.wardle.v1.Flunder': schema, unused: {} },
  paths: {
    '/apis/wardle.example.com/v1/flunders': { get: { operationId: 'listFlunder', consumes: ['*/*'], produces: ['application/json'], parameters: [{ $ref: '#/parameters/pretty' }], responses: { 200: { description: 'OK', schema: { $ref: '#/definitions/com.example.wardle.v1.Flunder' } } } } },
    '/apis/other.example.com/v1/things': { get: {} },
  },
}
const openapiV3 = { openapi: '3.0.0', info: { title: 'wardle', version: 'v0' }, paths: { '/apis/wardle.example.com/v1/flunders': {} } }

/**
 * An API server of another project: group `wardle.example.com` with Flunders, over HTTPS, for clients whose certificate `clientCa`
 * has signed. Upgrades are echoed.
 */
export async function startExtensionServer(tls: { certificate: string; key: string; clientCa: string }): Promise<ExtensionServer> {
  const seen: SeenRequest[] = []
  const behaviour: ExtensionBehaviour = { hangs: false, isLegacy: false, onlyOpenapiV2: false, routes: {} }
  const watchers = new Set<ServerResponse>()
  const sockets = new Set<Duplex>()
  const note = (request: IncomingMessage): SeenRequest => {
    const socket = request.socket as TLSSocket
    const proxyName = socket.authorized ? (socket.getPeerCertificate().subject.CN as string | undefined) : undefined
    const entry = { method: request.method!, url: request.url!, headers: request.headers, proxyName, body: '' }
    seen.push(entry)
    return entry
  }
  const json = (response: ServerResponse, value: unknown, status = 200, type = 'application/json'): void => void response.writeHead(status, { 'content-type': type }).end(JSON.stringify(value))
  const documents: Record<string, (request: IncomingMessage, response: ServerResponse) => void> = {
    '/apis': (_, response) => (behaviour.isLegacy ? json(response, { kind: 'APIGroupList', apiVersion: 'v1', groups: [] }) : json(response, aggregatedList, 200, 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList')),
    '/apis/wardle.example.com/v1': (_, response) => json(response, resourceList),
    '/openapi/v2': (_, response) => json(response, openapiV2),
    '/openapi/v3': (_, response) => (behaviour.onlyOpenapiV2 ? json(response, {}, 404) : json(response, { paths: { 'apis/wardle.example.com/v1': { serverRelativeURL: '/openapi/v3/apis/wardle.example.com/v1?hash=X' } } })),
    '/openapi/v3/apis/wardle.example.com/v1': (_, response) => json(response, openapiV3),
    '/apis/wardle.example.com/v1/namespaces/default/flunders/a': (_, response) => json(response, flunder('a')),
  }
  const server = createServer({ cert: tls.certificate, key: tls.key, ca: tls.clientCa, requestCert: true, rejectUnauthorized: false }, (request, response) => {
    const entry = note(request)
    if (behaviour.hangs) return
    const { pathname, searchParams } = new URL(request.url!, 'https://server')
    const route = behaviour.routes[pathname] ?? documents[pathname]
    if (route !== undefined) return route(request, response)
    if (!pathname.endsWith('/flunders')) return json(response, { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'NotFound', message: `no ${pathname} here`, code: 404 }, 404)
    if (searchParams.get('watch') !== null) {
      watchers.add(response)
      response.once('close', () => watchers.delete(response))
      return void response.writeHead(200, { 'content-type': 'application/json' }).write(`${JSON.stringify({ type: 'ADDED', object: flunder('a') })}\n`)
    }
    if (request.method !== 'POST') return json(response, { kind: 'FlunderList', apiVersion: 'wardle.example.com/v1', metadata: { resourceVersion: '7' }, items: [flunder('a')] })
    request.on('data', (chunk: Buffer) => (entry.body += chunk.toString()))
    request.on('end', () => json(response, JSON.parse(entry.body), 201))
  })
  server.on('connection', (socket: Duplex) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.on('upgrade', (request, socket: Duplex) => {
    note(request)
    socket.on('error', () => socket.destroy())
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
    socket.pipe(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port, seen, behaviour,
    emit: (event) => {
      for (const watcher of watchers) watcher.write(`${JSON.stringify(event)}\n`)
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
