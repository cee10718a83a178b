import type { RequestOptions } from 'node:https'
import type { Node } from '../../api/types/core_v1.ts'
import { errors, isReason } from '../../machinery/status.ts'
import { followClientIdentity, type ClientIdentity } from '../configuration/client-identity.ts'
import { plainServerError } from '../plain-error.ts'
import type { ApiServerCore } from '../core.ts'
import { callBackend, type Backend, type BackendAnswer, type BackendRequest } from './backend.ts'

/** How this server shows itself to kubelets (as user `kube-apiserver-kubelet-client`, say), and knows them. Without `ca` they are not verified, as upstream without --kubelet-certificate-authority. */
export interface KubeletClientOptions extends ClientIdentity {
  /** Which of a node's addresses to call; the first type that it has. */
  addressTypes?: readonly string[]
}

export interface KubeletLocation { host: string; port: number }

const defaultAddressTypes = ['InternalIP', 'Hostname', 'InternalDNS', 'ExternalDNS', 'ExternalIP']
const defaultKubeletPort = 10250

/** Where the kubelet of a pod's node listens. A node that is missing is named as what the request was about: a pod. */
export async function locateKubeletOf(core: ApiServerCore, nodeName: string, addressTypes?: readonly string[]): Promise<KubeletLocation> {
  try {
    return await locateKubelet(core, nodeName, addressTypes)
  } catch (cause) {
    throw isReason(cause, 'NotFound') ? errors.notFound({ group: '', resource: 'pods' }, nodeName) : cause
  }
}

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
  /** Reads certificate, key and authority again when their files change, until the server stops. */
  follow(core: ApiServerCore): void
  backend(location: KubeletLocation, options?: { insecure?: boolean }): Backend
  /** Rejects with an `Error` that reads as Go's when no answer comes. */
  send(core: ApiServerCore, location: KubeletLocation, request: BackendRequest): Promise<BackendAnswer>
}

function tlsOptions({ certificate: cert, key, ca }: ClientIdentity): RequestOptions {
  return { ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }), ...(ca === undefined ? { rejectUnauthorized: false } : { ca, allowPartialTrustChain: true }) }
}

export function kubeletClient(options: KubeletClientOptions): KubeletClient {
  let tls = tlsOptions(options)
  const backend = ({ host, port }: KubeletLocation, { insecure = false } = {}): Backend => ({ scheme: 'https', host, port, tls: insecure ? { ...tls, rejectUnauthorized: false } : tls })
  return {
    addressTypes: options.addressTypes, backend,
    follow: ({ runtime, signal }) => followClientIdentity(options, runtime, signal, (changed) => {
      tls = tlsOptions(changed)
    }),
    send: (core, location, request) => callBackend(core.runtime.clock, backend(location), request),
  }
}
