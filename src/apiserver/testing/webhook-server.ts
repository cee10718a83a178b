import type { ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { testAuthority } from './authority.ts'
import type { Json } from './http-client.ts'

/** Answers one AdmissionReview: what `response` holds beside the uid. Undefined leaves the caller waiting. */
export type Review = (request: Json) => object | undefined

export interface WebhookServer extends AsyncDisposable {
  readonly port: number
  /** PEM in base64, for `caBundle`. */
  readonly caBundle: string
  /** What it shows itself with, PEM in base64. */
  readonly certificate: string
  /** By path, `/deny`; changed while the server runs. */
  readonly routes: Record<string, Review>
  /** Answers the raw body instead, for webhooks that make no sense. */
  readonly raw: Record<string, (review: Json, response: ServerResponse) => void>
  /** The reviews so far, with the path they came to. */
  readonly seen: Array<{ path: string; url: string; review: Json; headers: Record<string, unknown>; connection: string }>
  clientConfig(path: string): { url: string; caBundle: string }
}

/** Admission webhooks over HTTPS on loopback, with an authority of their own. For tests. */
export async function startWebhookServer(nowMs: number, hosts: readonly string[] = ['127.0.0.1']): Promise<WebhookServer> {
  const authority = await testAuthority(nowMs, 'webhook-ca')
  const { certificate, key } = await authority.issue('webhook', hosts)
  const routes: WebhookServer['routes'] = {}
  const raw: WebhookServer['raw'] = {}
  const seen: WebhookServer['seen'] = []
  const sockets = new Set<Duplex>()
  const server = createServer({ cert: certificate, key }, (request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const review = JSON.parse(Buffer.concat(parts).toString('utf8')) as Json
      const path = request.url!.replace(/\?.*$/, '')
      seen.push({ path, url: request.url!, review, headers: request.headers, connection: `${request.socket.remotePort}` })
      if (raw[path] !== undefined) return raw[path](review, response)
      const answer = routes[path]?.(review.request)
      if (answer === undefined && routes[path] !== undefined) return
      response.writeHead(routes[path] === undefined ? 404 : 200, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ kind: review.kind, apiVersion: review.apiVersion, response: { uid: review.request.uid, ...answer } }))
    })
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const caBundle = Buffer.from(authority.certificate).toString('base64')
  return {
    port, caBundle, certificate: Buffer.from(certificate).toString('base64'), routes, raw, seen,
    clientConfig: (path) => ({ url: `https://127.0.0.1:${port}${path}`, caBundle }),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => void server.close(() => resolve()))
    },
  }
}

/** The `patch` of a response, from the operations of a JSON patch. */
export function jsonPatch(...operations: object[]): { allowed: true; patchType: 'JSONPatch'; patch: string } {
  return { allowed: true, patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(operations)).toString('base64') }
}
