import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { request as httpsRequest, type RequestOptions } from 'node:https'
import type { Duplex } from 'node:stream'
import type { Node } from '../../api/types/core_v1.ts'
import { errors } from '../../machinery/status.ts'
import type { ApiServerCore } from '../core.ts'

/** How this server shows itself to kubelets, and knows them. */
export interface KubeletClientOptions {
  /** PEM of the certificate (user `kube-apiserver-kubelet-client`, say) and its key. */
  certificate: string
  key: string
  /** PEM of the authority of the kubelets' serving certificates. Left out, they are not verified, as upstream without --kubelet-certificate-authority. */
  ca?: string
  /** Which of a node's addresses to call; the first type that it has. */
  addressTypes?: readonly string[]
}

export interface KubeletLocation { host: string; port: number }

const defaultAddressTypes = ['InternalIP', 'Hostname', 'InternalDNS', 'ExternalDNS', 'ExternalIP']
const defaultKubeletPort = 10250

/** Where the kubelet of a node listens. Rejects when the node is missing or has no address. */
export async function locateKubelet(core: ApiServerCore, nodeName: string, addressTypes: readonly string[] = defaultAddressTypes): Promise<KubeletLocation> {
  const node = await core.registry.get(core.resource('nodes'), '', nodeName) as unknown as Node
  const addresses = node.status?.addresses ?? []
  for (const type of addressTypes) {
    const found = addresses.find((address) => address.type === type && address.address !== '')
    if (found !== undefined) return { host: found.address!, port: node.status?.daemonEndpoints?.kubeletEndpoint?.Port || defaultKubeletPort }
  }
  throw errors.internal(new Error(`no preferred addresses found; known addresses: ${JSON.stringify(addresses.map((address) => `${address.type}:${address.address}`))}`))
}

export interface BackendRequest {
  method: string
  /** With query. */
  path: string
  headers?: Record<string, string | string[]>
  body?: AsyncIterable<Uint8Array>
  signal: AbortSignal
}

/** What a backend answered: a response, or the connection after `101 Switching Protocols`. */
export type BackendAnswer = { upgraded: false; response: IncomingMessage } | { upgraded: true; headers: IncomingHttpHeaders; socket: Duplex; head: Buffer }

export interface KubeletClient {
  readonly addressTypes: readonly string[] | undefined
  send(location: KubeletLocation, request: BackendRequest): Promise<BackendAnswer>
}

export function kubeletClient(options: KubeletClientOptions): KubeletClient {
  const tls: RequestOptions = { cert: options.certificate, key: options.key, ...(options.ca === undefined ? { rejectUnauthorized: false } : { ca: options.ca }) }
  return {
    addressTypes: options.addressTypes,
    send: (location, request) => sendTo({ ...tls, host: location.host, port: location.port }, request, httpsRequest, `https://${location.host}:${location.port}`),
  }
}

type Requester = (options: RequestOptions) => ReturnType<typeof httpsRequest>

/** One request on a connection of its own. A connection that can't be made is a 500 naming the address, as upstream answers. */
export function sendTo(options: RequestOptions, request: BackendRequest, requester: Requester, origin: string): Promise<BackendAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing = requester({ ...options, agent: false, method: request.method, path: request.path, headers: request.headers ?? {}, signal: request.signal })
    outgoing.on('response', (response) => resolve({ upgraded: false, response }))
    outgoing.on('upgrade', (response, socket, head) => resolve({ upgraded: true, headers: response.headers, socket, head }))
    outgoing.on('error', (cause) => reject(errors.internal(new Error(`${titled(request.method)} "${origin}${request.path}": ${cause.message}`, { cause }))))
    void writeBody(outgoing, request.body)
  })
}

function titled(method: string): string {
  return method.charAt(0) + method.slice(1).toLowerCase()
}

async function writeBody(outgoing: ReturnType<typeof httpsRequest>, body: AsyncIterable<Uint8Array> | undefined): Promise<void> {
  try {
    for await (const chunk of body ?? []) {
      if (!outgoing.write(chunk)) await new Promise<void>((resolve) => outgoing.once('drain', resolve).once('close', resolve))
      if (outgoing.destroyed) return
    }
    outgoing.end()
  } catch (error) {
    // The client's body broke off: so does the request.
    outgoing.destroy(error instanceof Error ? error : new Error(String(error)))
  }
}

const maxErrorBytes = 50_000

export async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    sizeBytes += chunk.length
    if (sizeBytes >= maxErrorBytes) break
  }
  return Buffer.concat(chunks).subarray(0, maxErrorBytes).toString('utf8')
}
