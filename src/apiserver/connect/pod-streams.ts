import type { Pod } from '../../api/types/core_v1.ts'
import { errors } from '../../machinery/status.ts'
import type { OpenObject } from '../../machinery/object.ts'
import { attributesOf } from '../authentication-filter.ts'
import type { ServerResponse } from '../context.ts'
import { metricSetOf } from '../metrics/metric-set.ts'
import { plainServerError } from '../plain-error.ts'
import type { SubresourceContext, SubresourceHandler } from '../subresources.ts'
import type { BackendAnswer } from './backend.ts'
import { containerOf } from './container-name.ts'
import { proxiedHeaders } from './forwarding.ts'
import { locateKubeletOf, type KubeletClient } from './kubelet-client.ts'
import { hostPort } from './network-errors.ts'
import { choosePortProtocol, forwardPorts } from './port-channels.ts'
import { flag } from './query.ts'
import { chooseProtocol, spdyHeaders, translate, type StreamOptions } from './translator.ts'
import { tunnel, tunnelledProtocols, tunnelProtocol } from './tunnel.ts'
import { passThrough, plainAnswer, wantsWebSocket } from './upgrade.ts'
import { acceptWebSocket, offeredProtocols } from './web-socket.ts'

/** A WebSocket handshake is a GET, but running a command is no mere reading: whoever comes by GET needs `create` as well (since 1.35). */
async function requireCreate({ core, user, info, request }: SubresourceContext): Promise<void> {
  if (info.verb === 'create') return
  const { decision, reason } = await core.authorize({ ...attributesOf(user, info, request.query), verb: 'create' })
  // Upstream names the pod here, not what its user may not do.
  if (decision !== 'allow') throw errors.forbidden({ group: '', resource: 'pods' }, info.name, reason)
}

async function podOf({ core, info: { namespace, name } }: SubresourceContext): Promise<Pod> {
  return await core.registry.get(core.resource('pods'), namespace, name) as unknown as Pod
}

type DialError = (message: string, url: string, cause: unknown) => Error

/** Where the client's own connection is handed on. */
const dialingError: DialError = (message, _url, cause) => plainServerError(`error dialing backend: ${message}`, cause)
/** Where this server is the kubelet's client: it says so as upstream's client library does, on the error channel. */
const sendingError: DialError = (message, url) => errors.internal(new Error(`error sending request: Post ${JSON.stringify(url)}: ${message}`))

/** A stream needs a connection to itself; where the pod's node is comes before that. */
async function requireUpgrade({ core, request }: SubresourceContext, kubelets: KubeletClient, pod: Pod): Promise<void> {
  if (request.upgrade !== undefined) return
  await locateKubeletOf(core, pod.spec.nodeName!, kubelets.addressTypes)
  throw errors.badRequest('Upgrade request required')
}

/** Calls the kubelet of the pod's node. */
async function callKubelet({ core, request, info }: SubresourceContext, kubelets: KubeletClient, pod: Pod, path: string, query: URLSearchParams, headers: Record<string, string | string[]>, method = 'POST', errorOf = dialingError): Promise<BackendAnswer> {
  const nodeName = pod.spec.nodeName ?? ''
  if (nodeName === '') throw errors.badRequest(`pod ${info.name} does not have a host assigned`)
  const location = await locateKubeletOf(core, nodeName, kubelets.addressTypes)
  const text = query.toString()
  const target = text === '' ? path : `${path}?${text}`
  try {
    return await kubelets.send(core, location, { method, path: target, headers, signal: request.signal })
  } catch (cause) {
    throw errorOf((cause as Error).message, `https://${hostPort(location)}${target}`, cause)
  }
}

function optionsOf(query: URLSearchParams): StreamOptions {
  return { stdin: flag(query, 'stdin'), stdout: flag(query, 'stdout'), stderr: flag(query, 'stderr'), tty: flag(query, 'tty') }
}

/** What no kubelet would take, in its words; the pod has been found by then. */
function requireStreams({ stdin, stdout, stderr }: StreamOptions, words: readonly string[] | undefined): void {
  if (words?.length === 0) throw errors.badRequest('you must specify at least one command for the container')
  if (!stdin && !stdout && !stderr) throw errors.badRequest('you must specify at least 1 of stdin, stdout, stderr')
}

/** How kubelets write the options; sorted by name, as Go writes queries. */
function kubeletQuery(options: StreamOptions, command: readonly string[]): URLSearchParams {
  const query = new URLSearchParams()
  if (options.stdin) query.set('input', '1')
  if (options.stdout) query.set('output', '1')
  if (options.stderr) query.set('error', '1')
  if (options.tty) query.set('tty', '1')
  for (const word of command) query.append('command', word)
  query.sort()
  return query
}

/** `pods/exec` and `pods/attach`: SPDY clients are handed through, WebSocket clients translated. */
function execLike(kubelets: KubeletClient, subresource: 'exec' | 'attach'): SubresourceHandler {
  async function handle(context: SubresourceContext): Promise<ServerResponse> {
    const { request, info: { namespace, name } } = context
    await requireCreate(context)
    const asked = optionsOf(request.query)
    const words = subresource === 'exec' ? request.query.getAll('command') : []
    const named = request.query.get('container') ?? ''
    const kind = subresource === 'exec' ? 'PodExecOptions' : 'PodAttachOptions'
    const body = { apiVersion: 'v1', kind, metadata: {}, ...asked, ...(named === '' ? {} : { container: named }), ...(subresource === 'exec' ? { command: words } : {}) }
    const pod = await podOf(context)
    await context.admit('CONNECT', body as OpenObject)
    // What admission has made of the options is what is done.
    const { stdin = false, stdout = false, stderr = false, tty = false, container = '', command = [] } = body as Partial<StreamOptions> & { container?: string; command?: string[] }
    const options = { stdin, stdout, stderr, tty }
    const path = `/${subresource}/${namespace}/${name}/${containerOf(pod, container)}`
    const query = kubeletQuery(options, command)
    if ((pod.spec.nodeName ?? '') === '') throw errors.badRequest(`pod ${name} does not have a host assigned`)
    await requireUpgrade(context, kubelets, pod)
    requireStreams(options, subresource === 'exec' ? command : undefined)
    if (!wantsWebSocket(request)) return passThrough(request, await callKubelet(context, kubelets, pod, path, query, proxiedHeaders(request), request.method))
    const protocol = chooseProtocol(offeredProtocols(request))
    if (protocol === undefined) throw errors.badRequest(`unable to upgrade: unrecognized protocols ${JSON.stringify(offeredProtocols(request))}`)
    const webSocket = await acceptWebSocket(request, protocol.name)
    const set = metricSetOf(context.core)
    set.count('apiserver_websocket_streaming_requests_total', subresource, 'translated_at_apiserver')
    translate(webSocket, protocol, options, () => callKubelet(context, kubelets, pod, path, query, { ...spdyHeaders }, 'POST', sendingError))
      .then(() => set.count('apiserver_stream_translator_requests_total', '200'), (err: unknown) => {
        set.count('apiserver_stream_translator_requests_total', '500')
        context.core.runtime.log.error('a translated stream failed', { path, err })
      })
    return { status: 101, headers: {}, hijacked: true }
  }
  return { group: '', resource: 'pods', subresource, handle }
}

function portsOf(query: URLSearchParams): number[] {
  return query.getAll('ports').flatMap((text) => text.split(',')).map((text) => {
    if (!/^-?\d+$/.test(text)) throw errors.badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`)
    return Number(text)
  })
}

const forwardProtocol = 'portforward.k8s.io'

/** Port-forward for clients that know no SPDY: a pair of channels a port. */
async function portsOverChannels({ core, request }: SubresourceContext, ports: readonly number[], dial: () => Promise<BackendAnswer>): Promise<ServerResponse> {
  const protocol = choosePortProtocol(offeredProtocols(request))
  if (protocol === undefined) throw errors.badRequest(`unable to upgrade: unrecognized protocols ${JSON.stringify(offeredProtocols(request))}`)
  if (ports.length === 0) throw errors.badRequest('query parameter "port" is required')
  const answer = await dial()
  if (!answer.upgraded) return plainAnswer(answer)
  const webSocket = await acceptWebSocket(request, protocol.name).catch((error: unknown) => {
    answer.socket.destroy()
    throw error
  })
  forwardPorts(webSocket, protocol, ports, answer)
  core.runtime.log.debug('ports are forwarded over channels', { ports })
  return { status: 101, headers: {}, hijacked: true }
}

/** `pods/portforward`: SPDY, bare or inside a WebSocket, or WebSocket channels. */
function portForward(kubelets: KubeletClient): SubresourceHandler {
  async function handle(context: SubresourceContext): Promise<ServerResponse> {
    const { request, info: { namespace, name } } = context
    await requireCreate(context)
    const ports = portsOf(request.query)
    const pod = await podOf(context)
    await context.admit('CONNECT', { apiVersion: 'v1', kind: 'PodPortForwardOptions', metadata: {}, ...(ports.length === 0 ? {} : { ports }) } as OpenObject)
    if ((pod.spec.nodeName ?? '') === '') throw errors.badRequest(`pod ${name} does not have a host assigned`)
    await requireUpgrade(context, kubelets, pod)
    const path = `/portForward/${namespace}/${name}`
    const query = new URLSearchParams(ports.length === 0 ? {} : { port: ports.join(',') })
    if (!wantsWebSocket(request)) return passThrough(request, await callKubelet(context, kubelets, pod, path, query, proxiedHeaders(request), request.method))
    const tunnelled = tunnelledProtocols(offeredProtocols(request))
    const set = metricSetOf(context.core)
    set.count('apiserver_websocket_streaming_requests_total', 'portforward', 'translated_at_apiserver')
    if (tunnelled.length === 0) return await portsOverChannels(context, ports, () => callKubelet(context, kubelets, pod, path, query, { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': forwardProtocol }))
    const answer = await callKubelet(context, kubelets, pod, path, query, { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': tunnelled })
    set.count('apiserver_stream_tunnel_requests_total', String(answer.upgraded ? 101 : answer.response.statusCode ?? 0))
    if (!answer.upgraded) return plainAnswer(answer)
    const webSocket = await acceptWebSocket(request, tunnelProtocol(answer.headers['x-stream-protocol-version'])).catch((error: unknown) => {
      answer.socket.destroy()
      throw error
    })
    tunnel(webSocket, answer.socket, answer.head)
    return { status: 101, headers: {}, hijacked: true }
  }
  return { group: '', resource: 'pods', subresource: 'portforward', handle }
}

/** exec, attach and port-forward of pods, by way of their kubelets. */
export function podStreamHandlers(kubelets: KubeletClient): readonly SubresourceHandler[] {
  return [execLike(kubelets, 'exec'), execLike(kubelets, 'attach'), portForward(kubelets)]
}
