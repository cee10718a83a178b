import { Agent, request as httpsRequest } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { readFile } from 'node:fs/promises'
import { loadKubeconfig, type Kubeconfig } from '../../client/kubeconfig.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { followClientIdentity, type ClientIdentity } from './client-identity.ts'
import { request as httpRequest } from '../../runtime/node-http.ts'

/** How to reach a server that a configuration names. With `files`, certificate, key and authority are read again when these change. */
export interface HttpsTarget extends ClientIdentity {
  serverName?: string
  insecure?: boolean
}

export interface HttpsAnswer { status: number; headers: Record<string, string | string[] | undefined>; bytes: Buffer }

export interface HttpsCall { method: 'GET' | 'POST'; url: string; headers?: Record<string, string>; body?: string; timeoutMs: number; signal?: AbortSignal }

/** Connections to one server, kept open between calls. Disposing closes them. */
export interface HttpsClient extends Disposable { call(call: HttpsCall): Promise<HttpsAnswer> }

const maxAnswerBytes = 8 << 20

export function httpsClient(target: HttpsTarget, runtime: Runtime): HttpsClient {
  let agent = agentFor(target)
  const closing = new AbortController()
  followClientIdentity(target, runtime, closing.signal, (changed) => {
    retireAgent(agent)
    agent = agentFor(changed)
  })
  return {
    call: (call) => answerOf(call, agent, runtime),
    [Symbol.dispose]() {
      closing.abort(new Error('the client is used no more'))
      agent.destroy()
    },
  }
}

function agentFor(target: HttpsTarget): Agent {
  return new Agent({
    keepAlive: true, maxSockets: 64, ...(target.ca === undefined ? {} : { ca: target.ca, allowPartialTrustChain: true }), ...(target.certificate === undefined ? {} : { cert: target.certificate }),
    ...(target.key === undefined ? {} : { key: target.key }), ...(target.serverName === undefined ? {} : { servername: target.serverName }), rejectUnauthorized: target.insecure !== true,
  })
}

/** Ends connections that nobody uses now, and others when they are not used any more. */
export function retireAgent(agent: Agent): void {
  Object.assign(agent, { keepAlive: false })
  for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy()
}

/** The body of an answer, whole. Rejects, and closes the connection, when there is more than `limitBytes` of it. */
export function bytesOf(response: IncomingMessage, limitBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = []
    let sizeBytes = 0
    response.on('data', (part: Buffer) => {
      sizeBytes += part.length
      if (sizeBytes > limitBytes) response.destroy(new Error(`the answer is larger than ${limitBytes} bytes`))
      else parts.push(part)
    })
    response.on('error', reject)
    response.on('end', () => resolve(Buffer.concat(parts)))
  })
}

async function answerOf({ method, url, headers = {}, body, timeoutMs, signal }: HttpsCall, agent: Agent, runtime: Runtime): Promise<HttpsAnswer> {
  const answer = Promise.withResolvers<HttpsAnswer>()
  const what = `${method[0]}${method.slice(1).toLowerCase()} ${JSON.stringify(url)}`
  const isPlain = url.startsWith('http:')
  const called = (isPlain ? httpRequest : httpsRequest)(url, {
    method, headers: { ...headers, ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }) }, ...(isPlain ? {} : { agent }), ...(signal === undefined ? {} : { signal }),
  }, (response) => {
    bytesOf(response, maxAnswerBytes).then((bytes) => answer.resolve({ status: response.statusCode ?? 0, headers: response.headers, bytes }), answer.reject)
  })
  const deadline = 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
  using _timer = runtime.clock.timer(timeoutMs, () => called.destroy(new Error(deadline)), { background: true })
  called.on('error', (cause) => answer.reject(new Error(`${what}: ${cause.message}`, { cause })))
  called.end(body)
  return await answer.promise
}

/** What the current context of a kubeconfig says of a server and of how to stand before it. */
export interface KubeconfigTarget extends HttpsTarget { url: string; authorization(): Promise<string | undefined> }

/** Reads the kubeconfig of a webhook: its cluster is the webhook, its user is this server. Rejects with an Error that names what is missing. */
export async function kubeconfigTarget(path: string): Promise<KubeconfigTarget> {
  return await targetOfKubeconfig(await loadKubeconfig(path), path)
}

export async function targetOfKubeconfig(config: Kubeconfig, path: string): Promise<KubeconfigTarget> {
  const context = config.contexts.find(({ name }) => name === config['current-context'])?.context
  const cluster = config.clusters.find(({ name }) => name === context?.cluster)?.cluster
  if (cluster === undefined) throw new Error(`the kubeconfig ${path} has no current context with a cluster; it must name the webhook`)
  const user = config.users.find(({ name }) => name === context?.user)?.user ?? {}
  const pem = async (data: string | undefined, file: string | undefined): Promise<string | undefined> => {
    if (data !== undefined && data !== '') return Buffer.from(data, 'base64').toString('utf8')
    return file === undefined || file === '' ? undefined : await readFile(file, 'utf8')
  }
  const [ca, certificate, key] = await Promise.all([
    pem(cluster['certificate-authority-data'], cluster['certificate-authority']), pem(user['client-certificate-data'], user['client-certificate']), pem(user['client-key-data'], user['client-key']),
  ])
  const fileOf = (data: string | undefined, file: string | undefined): string | undefined => ((data !== undefined && data !== '') || file === '' ? undefined : file)
  const files = {
    ca: fileOf(cluster['certificate-authority-data'], cluster['certificate-authority']), certificate: fileOf(user['client-certificate-data'], user['client-certificate']),
    key: fileOf(user['client-key-data'], user['client-key']),
  }
  const { token, tokenFile, username } = user
  const password = (user as { password?: string }).password
  return {
    url: cluster.server, files, insecure: cluster['insecure-skip-tls-verify'] === true,
    ...(ca === undefined ? {} : { ca }), ...(certificate === undefined ? {} : { certificate }), ...(key === undefined ? {} : { key }),
    ...(cluster['tls-server-name'] === undefined ? {} : { serverName: cluster['tls-server-name'] }),
    async authorization() {
      if (tokenFile !== undefined && tokenFile !== '') return `Bearer ${(await readFile(tokenFile, 'utf8')).trim()}`
      if (token !== undefined && token !== '') return `Bearer ${token}`
      return username === undefined ? undefined : `Basic ${Buffer.from(`${username}:${password ?? ''}`).toString('base64')}`
    },
  }
}
