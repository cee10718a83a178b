import type { Endpoints, Pod, Service } from '../../api/types/core_v1.ts'
import type { EndpointSlice } from '../../api/types/discovery.k8s.io_v1.ts'
import { cidrHas, parseCidr, parseIp } from '../../machinery/cidr.ts'
import type { OpenObject } from '../../machinery/object.ts'
import { errors } from '../../machinery/status.ts'
import type { ServerResponse } from '../context.ts'
import { plainServerError } from '../plain-error.ts'
import type { SubresourceContext, SubresourceHandler } from '../subresources.ts'
import { callBackend, type Backend, type BackendAnswer } from './backend.ts'
import { escapedPath, hasBody, methodOf, proxiedHeaders, returnedHeaders } from './forwarding.ts'
import { htmlAnswer } from './html-answer.ts'
import { locateKubelet, type KubeletClient } from './kubelet-client.ts'
import { hostPort } from './network-errors.ts'
import { joinedPath, rewrittenLocation, type LinkFrame } from './proxy-rewriting.ts'
import { passThrough } from './upgrade.ts'

/** What `[scheme:]name[:port]` says. */
export interface ProxyName { scheme: '' | 'http' | 'https'; name: string; port: string }

/** Undefined when the text has another form. */
export function parseProxyName(text: string): ProxyName | undefined {
  const parts = text.split(':')
  const [scheme, name, port] = parts.length === 3 ? [parts[0]!, parts[1]!, parts[2]!] : ['', parts[0]!, parts[1] ?? '']
  if (parts.length > 3 || name === '' || (scheme !== '' && scheme !== 'http' && scheme !== 'https')) return undefined
  return { scheme, name, port }
}

/** What is no global unicast address: the server must not be talked into calling itself or its host's metadata service. */
const refusedRanges = ['127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '0.0.0.0/32', '255.255.255.255/32', '::1/128', '::/128', 'fe80::/10', 'ff00::/8'].map((text) => parseCidr(text)!)

function isReachable(host: string): boolean {
  const address = parseIp(host)
  return address !== undefined && !refusedRanges.some((range) => cidrHas(range, address))
}

function named(context: SubresourceContext): ProxyName {
  const { name } = context.info
  const parsed = parseProxyName(name)
  if (parsed === undefined) throw errors.badRequest(`invalid ${context.resource.singular} request ${JSON.stringify(name)}`)
  return parsed
}

function backendAt(scheme: ProxyName['scheme'], host: string, port: number): Backend {
  // As upstream, what runs in pods is not asked for a certificate that this server could know.
  return { scheme: scheme === 'https' ? 'https' : 'http', host, port, tls: { rejectUnauthorized: false } }
}

function portNumber(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw errors.serviceUnavailable(`error trying to reach service: dial tcp: address ${text}: invalid port`)
  return Number(text)
}

async function podBackend(context: SubresourceContext): Promise<Backend> {
  const { core, info: { namespace } } = context
  const { scheme, name, port } = named(context)
  const pod = await core.registry.get(core.resource('pods'), namespace, name) as unknown as Pod
  const host = pod.status?.podIPs?.[0]?.ip ?? ''
  if (!isReachable(host)) throw errors.badRequest('address not allowed')
  const first = pod.spec.containers.find(({ ports }) => (ports ?? []).length > 0)?.ports?.[0]?.containerPort
  return backendAt(scheme, host, port === '' ? (first ?? (scheme === 'https' ? 443 : 80)) : portNumber(port))
}

interface Address { ip: string; port: number; pod: string | undefined }

async function serviceBackend(context: SubresourceContext): Promise<Backend> {
  const { core, info: { namespace, name: id } } = context
  const { scheme, name, port } = named(context)
  const service = await core.registry.find(core.resource('services'), namespace, name) as unknown as Service | undefined
  const portName = await nameOfPort(service, context, name, port)
  const addresses = await addressesOf(context, namespace, name, portName)
  if (addresses === undefined) throw errors.notFound(context.resource, name)
  // From a random one on: the first that is a pod's, and so may be called.
  const from = addresses.length === 0 ? 0 : core.runtime.random.int(addresses.length)
  for (let index = 0; index < addresses.length; index++) {
    const address = addresses[(from + index) % addresses.length]!
    if (await isPodAddress(context, namespace, address)) return backendAt(scheme, address.ip, address.port)
  }
  throw errors.serviceUnavailable(`no endpoints available for service ${JSON.stringify(addresses.length === 0 ? name : id)}`)
}

/** A port that is given by its number has the name that the service gives it. */
async function nameOfPort(service: Service | undefined, context: SubresourceContext, name: string, port: string): Promise<string> {
  if (!/^[+-]?\d+$/.test(port)) return port
  if (service === undefined) throw errors.notFound(context.resource, name)
  const found = service.spec?.ports?.find((each) => each.port === Number(port))
  if (found === undefined) throw errors.serviceUnavailable(`no service port ${Number(port)} found for service ${JSON.stringify(name)}`)
  return found.name ?? ''
}

/** The ready addresses behind a service's port; undefined where the service has no endpoints object of either kind. */
async function addressesOf({ core }: SubresourceContext, namespace: string, name: string, portName: string): Promise<Address[] | undefined> {
  const slices = (await core.registry.list(core.resource('endpointslices', 'discovery.k8s.io'), namespace) as unknown as readonly EndpointSlice[])
    .filter((slice) => slice.metadata.labels?.['kubernetes.io/service-name'] === name)
  if (slices.length > 0) {
    return slices.flatMap(({ ports, endpoints }) => {
      const port = (ports ?? []).find((each) => (each.name ?? '') === portName)?.port
      if (port === undefined) return []
      return (endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false).map(({ addresses, targetRef }) => ({ ip: addresses[0]!, port, pod: targetRef?.kind === 'Pod' ? targetRef.name : undefined }))
    })
  }
  const endpoints = await core.registry.find(core.resource('endpoints'), namespace, name) as unknown as Endpoints | undefined
  if (endpoints === undefined) return undefined
  return (endpoints.subsets ?? []).flatMap(({ ports, addresses }) => {
    const port = (ports ?? []).find((each) => (each.name ?? '') === portName)?.port
    return port === undefined ? [] : (addresses ?? []).map(({ ip, targetRef }) => ({ ip, port, pod: targetRef?.name }))
  })
}

/** Only pods are called: whoever may write endpoints must not send this server elsewhere. */
async function isPodAddress({ core }: SubresourceContext, namespace: string, { ip, pod }: Address): Promise<boolean> {
  if (pod === undefined) return false
  const found = await core.registry.find(core.resource('pods'), namespace, pod) as unknown as Pod | undefined
  return found?.status?.podIPs?.some((each) => each.ip === ip) ?? false
}

async function nodeBackend(context: SubresourceContext, kubelets: KubeletClient): Promise<Backend> {
  const { scheme, name, port } = named(context)
  const kubelet = await locateKubelet(context.core, name, kubelets.addressTypes)
  if (port === '' || Number(port) === kubelet.port) return kubelets.backend(kubelet)
  if (!isReachable(kubelet.host)) throw errors.badRequest('address not allowed')
  return backendAt(scheme, kubelet.host, portNumber(port))
}

/** The path up to `/proxy`, and the one behind it: '' when there is none. */
function pathsOf({ request: { path }, info }: SubresourceContext): { prefix: string; rest: string } {
  const marker = `/${info.name}/proxy`
  const at = path.indexOf(marker) + marker.length
  const behind = path.slice(at)
  return { prefix: path.slice(0, at), rest: behind === '' ? '' : joinedPath('', behind) }
}

async function answerOf(context: SubresourceContext, answer: BackendAnswer, frame: LinkFrame): Promise<ServerResponse> {
  if (answer.upgraded) {
    answer.socket.destroy()
    throw plainServerError('the backend switched protocols unasked')
  }
  const { response } = answer
  const headers = returnedHeaders(answer)
  const status = response.statusCode ?? 502
  const { location } = headers
  if (typeof location === 'string' && location !== '') {
    const rewritten = rewrittenLocation(location, frame)
    if (rewritten === undefined) throw errors.internal(new Error(`error trying to parse Location header: parse ${JSON.stringify(location)}`))
    return { status, headers: { ...headers, location: rewritten }, stream: response }
  }
  const type = String(headers['content-type'] ?? '').split(';')[0]!.trim()
  if (type !== 'text/html' || context.request.isHead === true) return { status, headers, stream: response }
  return await htmlAnswer(status, headers, response, frame)
}

function proxyHandler(resource: string, kind: string, locate: (context: SubresourceContext) => Promise<Backend>): SubresourceHandler {
  return {
    group: '', resource, subresource: 'proxy',
    async handle(context) {
      const { request, core } = context
      const { prefix, rest } = pathsOf(context)
      await context.admit('CONNECT', { apiVersion: 'v1', kind, metadata: {}, path: rest } as OpenObject)
      const backend = await locate(context)
      const query = request.rawQuery ?? request.query.toString()
      const suffix = query === '' ? '' : `?${query}`
      // Relative links of a page at the root work only below a path that ends with a slash.
      if (rest === '' && request.upgrade === undefined && request.method === 'GET') return { status: 301, headers: { location: `${escapedPath(prefix)}/${suffix}` }, bytes: '' }
      const headers = proxiedHeaders(request)
      if (request.upgrade === undefined) headers['x-forwarded-uri'] = escapedPath(`${prefix}${rest}`)
      let answer: BackendAnswer
      try {
        answer = await callBackend(core.runtime.clock, backend, {
          method: methodOf(request), path: `${escapedPath(rest === '' ? '/' : rest)}${suffix}`, headers, signal: request.signal,
          ...(request.upgrade === undefined && hasBody(request) ? { body: request.bodyStream() } : {}),
        })
      } catch (cause) {
        const text = cause instanceof Error ? cause.message : String(cause)
        throw request.upgrade === undefined ? errors.serviceUnavailable(`error trying to reach service: ${text}`, cause) : plainServerError(`error dialing backend: ${text}`, cause)
      }
      if (request.upgrade !== undefined) return passThrough(request, answer)
      return await answerOf(context, answer, { scheme: '', host: '', prefix: escapedPath(prefix), sourceHost: hostPort(backend), requestHost: request.headers.host ?? request.headers[':authority'] ?? '' })
    },
  }
}

/** `pods/proxy`, `services/proxy` and `nodes/proxy`: HTTP through this server. */
export function proxyHandlers(kubelets: KubeletClient): readonly SubresourceHandler[] {
  return [
    proxyHandler('pods', 'PodProxyOptions', podBackend),
    proxyHandler('services', 'ServiceProxyOptions', serviceBackend),
    proxyHandler('nodes', 'NodeProxyOptions', (context) => nodeBackend(context, kubelets)),
  ]
}
