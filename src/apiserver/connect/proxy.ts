import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Pod, Service } from '../../api/types/core_v1.ts'
import type { EndpointSlice } from '../../api/types/discovery.k8s.io_v1.ts'
import { cidrHas, parseCidr, parseIp } from '../../machinery/cidr.ts'
import type { OpenObject } from '../../machinery/object.ts'
import { errors } from '../../machinery/status.ts'
import type { ServerResponse } from '../context.ts'
import type { SubresourceContext, SubresourceHandler } from '../subresources.ts'
import { locateKubelet, sendTo, type BackendAnswer, type BackendRequest, type KubeletClient, type KubeletLocation } from './kubelet-client.ts'
import { forwardedHeaders, passThrough } from './upgrade.ts'

/** What `[scheme:]name[:port]` says. */
export interface ProxyName { scheme: '' | 'http' | 'https'; name: string; port: string }

/** Undefined when the text has another form. */
export function parseProxyName(text: string): ProxyName | undefined {
  const parts = text.split(':')
  if (parts.length === 1) return { scheme: '', name: parts[0]!, port: '' }
  if (parts.length === 2) return { scheme: '', name: parts[0]!, port: parts[1]! }
  const [scheme, name, port] = parts
  return parts.length === 3 && (scheme === '' || scheme === 'http' || scheme === 'https') ? { scheme, name: name!, port: port! } : undefined
}

interface Backend { scheme: 'http' | 'https'; host: string; port: number }

const refusedRanges = ['127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '0.0.0.0/8', '::1/128', '::/128', 'fe80::/10', 'ff00::/8'].map((text) => parseCidr(text)!)

/** The server must not be talked into calling itself or its host's metadata service. */
function requireReachable(host: string): void {
  const address = parseIp(host)
  if (address === undefined || refusedRanges.some((range) => cidrHas(range, address))) throw errors.badRequest('address not allowed')
}

function named(context: SubresourceContext): ProxyName {
  const { name, namespace } = context.info
  const parsed = parseProxyName(name)
  if (parsed === undefined) throw errors.badRequest(`invalid ${context.resource.singular} request ${JSON.stringify(`${namespace}/${name}`)}`)
  return parsed
}

async function podBackend(context: SubresourceContext): Promise<Backend> {
  const { core, info: { namespace } } = context
  const { scheme, name, port } = named(context)
  const pod = await core.registry.get(core.resource('pods'), namespace, name) as unknown as Pod
  const host = pod.status?.podIPs?.[0]?.ip ?? pod.status?.podIP ?? ''
  if (host === '') throw errors.badRequest('address not allowed')
  requireReachable(host)
  const first = pod.spec.containers.flatMap((container) => container.ports ?? [])[0]?.containerPort
  return { scheme: scheme === 'https' ? 'https' : 'http', host, port: port === '' ? (first ?? (scheme === 'https' ? 443 : 80)) : Number(port) }
}

async function serviceBackend(context: SubresourceContext): Promise<Backend> {
  const { core, info: { namespace } } = context
  const { scheme, name, port } = named(context)
  const service = await core.registry.get(core.resource('services'), namespace, name) as unknown as Service
  const ports = service.spec?.ports ?? []
  const wanted = port === '' ? (ports.length === 1 ? ports[0] : undefined) : ports.find((each) => each.name === port || String(each.port) === port)
  if (wanted === undefined) throw port === '' ? errors.badRequest(`a port must be given for service ${name}, which has ${ports.length}`) : errors.serviceUnavailable(`no service port ${JSON.stringify(port)} found for service ${JSON.stringify(name)}`)
  const slices = await core.registry.list(core.resource('endpointslices', 'discovery.k8s.io'), namespace) as unknown as readonly EndpointSlice[]
  const backends = slices.filter((slice) => slice.metadata.labels?.['kubernetes.io/service-name'] === name).flatMap((slice) => {
    const target = (slice.ports ?? []).find((each) => (each.name ?? '') === (wanted.name ?? ''))?.port
    return target === undefined ? [] : (slice.endpoints ?? []).filter((endpoint) => endpoint.conditions?.ready !== false).map((endpoint) => ({ host: endpoint.addresses[0]!, port: target }))
  })
  if (backends.length === 0) throw errors.serviceUnavailable(`no endpoints available for service ${JSON.stringify(name)}`)
  const chosen = backends[core.runtime.random.int(backends.length)]!
  requireReachable(chosen.host)
  return { scheme: scheme === 'https' || (scheme === '' && wanted.name === 'https') ? 'https' : 'http', ...chosen }
}

/** The path behind `/proxy`, as the client wrote it; `/` when there is none. */
function restOf(context: SubresourceContext): { prefix: string; rest: string } {
  const { path } = context.request
  const { name } = context.info
  const marker = `/${name}/proxy`
  const at = path.indexOf(marker)
  const rest = path.slice(at + marker.length)
  const encoded = rest.split('/').map(encodeURIComponent).join('/')
  return { prefix: path.slice(0, at + marker.length), rest: encoded === '' ? '/' : encoded }
}

/** Headers that concern one connection only (RFC 9110, section 7.6.1). */
const hopByHop = new Set(['connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'te', 'trailer', 'transfer-encoding', 'upgrade'])

function answerOf(answer: BackendAnswer, prefix: string): ServerResponse {
  if (answer.upgraded) throw errors.internal(new Error('the backend switched protocols unasked'))
  const { response } = answer
  const headers: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(response.headers)) if (value !== undefined && !hopByHop.has(name)) headers[name] = value
  // A redirect to a path of the backend must come back through here.
  if (typeof headers.location === 'string' && headers.location.startsWith('/')) headers.location = `${prefix}${headers.location}`
  return { status: response.statusCode ?? 502, headers, stream: response }
}

type Send = (request: BackendRequest) => Promise<BackendAnswer>

function proxyHandler(resource: string, kind: string, sender: (context: SubresourceContext) => Promise<Send>): SubresourceHandler {
  return {
    group: '', resource, subresource: 'proxy',
    async handle(context) {
      const { request } = context
      const { prefix, rest } = restOf(context)
      await context.admit('CONNECT', { apiVersion: 'v1', kind, metadata: {}, path: rest } as OpenObject)
      const send = await sender(context)
      const query = request.query.toString()
      const headers = forwardedHeaders(request)
      if (request.upgrade === undefined) for (const name of hopByHop) delete headers[name]
      headers['x-forwarded-uri'] = `${prefix}${rest}`
      headers['x-forwarded-for'] = request.remoteAddress
      const hasBody = request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined || !['GET', 'HEAD', 'OPTIONS'].includes(request.method)
      const answer = await send({
        method: request.method, path: query === '' ? rest : `${rest}?${query}`, headers, signal: request.signal,
        ...(request.upgrade === undefined && hasBody ? { body: request.bodyStream() } : {}),
      })
      return request.upgrade === undefined ? answerOf(answer, prefix) : passThrough(request, answer)
    },
  }
}

function sendToBackend({ scheme, host, port }: Backend): Send {
  // As upstream, what runs in pods is not asked for a certificate that this server could know.
  return (request) => sendTo({ host, port, rejectUnauthorized: false }, request, scheme === 'https' ? httpsRequest : httpRequest, `${scheme}://${host}:${port}`)
}

async function nodeSender(context: SubresourceContext, kubelets: KubeletClient): Promise<Send> {
  const { scheme, name, port } = named(context)
  const kubelet: KubeletLocation = await locateKubelet(context.core, name, kubelets.addressTypes)
  if (port === '' || Number(port) === kubelet.port) return (request) => kubelets.send(kubelet, request)
  requireReachable(kubelet.host)
  return sendToBackend({ scheme: scheme === 'https' ? 'https' : 'http', host: kubelet.host, port: Number(port) })
}

/** `pods/proxy`, `services/proxy` and `nodes/proxy`: HTTP through this server. */
export function proxyHandlers(kubelets: KubeletClient): readonly SubresourceHandler[] {
  return [
    proxyHandler('pods', 'PodProxyOptions', async (context) => sendToBackend(await podBackend(context))),
    proxyHandler('services', 'ServiceProxyOptions', async (context) => sendToBackend(await serviceBackend(context))),
    proxyHandler('nodes', 'NodeProxyOptions', (context) => nodeSender(context, kubelets)),
  ]
}
