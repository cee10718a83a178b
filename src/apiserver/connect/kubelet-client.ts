import type { RequestOptions } from 'node:https'
import type { Node } from '../../api/types/core_v1.ts'
import { plainServerError } from '../plain-error.ts'
import type { ApiServerCore } from '../core.ts'
import { callBackend, type Backend, type BackendAnswer, type BackendRequest } from './backend.ts'

/** How this server shows itself to kubelets, and knows them. */
export interface KubeletClientOptions {
  /** PEM of the certificate (user `kube-apiserver-kubelet-client`, say) and its key. */
  certificate?: string
  key?: string
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
  throw plainServerError(`no preferred addresses found; known addresses: [${addresses.map(({ type, address }) => `{${type} ${address}}`).join(' ')}]`)
}

export interface KubeletClient {
  readonly addressTypes: readonly string[] | undefined
  backend(location: KubeletLocation, options?: { insecure?: boolean }): Backend
  /** Rejects with an `Error` that reads as Go's when no answer comes. */
  send(core: ApiServerCore, location: KubeletLocation, request: BackendRequest): Promise<BackendAnswer>
}

export function kubeletClient(options: KubeletClientOptions): KubeletClient {
  const { certificate: cert, key, ca } = options
  const tls: RequestOptions = { ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }), ...(ca === undefined ? { rejectUnauthorized: false } : { ca }) }
  const backend = ({ host, port }: KubeletLocation, { insecure = false } = {}): Backend => ({ scheme: 'https', host, port, tls: insecure ? { ...tls, rejectUnauthorized: false } : tls })
  return {
    addressTypes: options.addressTypes, backend,
    send: (core, location, request) => callBackend(core.runtime.clock, backend(location), request),
  }
}
