import { request } from 'node:https'
import { isIP } from 'node:net'
import type { WebhookClientConfig } from '../../api/types/apiextensions.k8s.io_v1.ts'
import type { Service } from '../../api/types/core_v1.ts'
import type { EndpointSlice } from '../../api/types/discovery.k8s.io_v1.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { ApiServerCore } from '../core.ts'

/** Where a webhook is, and by which name its certificate must stand. */
interface Target { url: URL; host: string; port: number; serverName: string }

const maxAnswerBytes = 64 << 20

/** POSTs JSON to a webhook by its client configuration and resolves with the parsed answer. Rejects with `Error`s that read as Go's. */
export async function callWebhook(core: ApiServerCore, config: Readonly<WebhookClientConfig>, body: object, timeoutMs: number): Promise<unknown> {
  const target = await targetOf(core, config)
  const payload = Buffer.from(JSON.stringify(body))
  const answer = Promise.withResolvers<Buffer>()
  const called = request({
    host: target.host, port: target.port, method: 'POST', path: `${target.url.pathname}${target.url.search}`,
    headers: { 'host': target.url.host, 'content-type': 'application/json', 'accept': 'application/json', 'content-length': payload.length },
    ...(isIP(target.serverName) === 0 ? { servername: target.serverName } : {}),
    ...(config.caBundle === undefined || config.caBundle === '' ? {} : { ca: Buffer.from(config.caBundle, 'base64').toString('utf8') }),
    agent: false, signal: core.signal,
  }, (response) => {
    const parts: Buffer[] = []
    let sizeBytes = 0
    response.on('data', (part: Buffer) => {
      sizeBytes += part.length
      if (sizeBytes > maxAnswerBytes) response.destroy(new Error(`the answer is larger than ${maxAnswerBytes} bytes`))
      else parts.push(part)
    })
    response.on('error', answer.reject)
    response.on('end', () => {
      const whole = Buffer.concat(parts)
      if ((response.statusCode ?? 0) >= 200 && (response.statusCode ?? 0) < 300) answer.resolve(whole)
      else answer.reject(new Error(`the server answered ${response.statusCode}: ${whole.subarray(0, 500).toString('utf8')}`))
    })
  })
  using _timer = core.runtime.clock.timer(timeoutMs, () => called.destroy(new Error(`Post ${JSON.stringify(target.url.href)}: context deadline exceeded`)))
  called.on('error', (cause) => answer.reject(cause.message.startsWith('Post ') ? cause : new Error(`Post ${JSON.stringify(target.url.href)}: ${cause.message}`, { cause })))
  called.end(payload)
  const bytes = await answer.promise
  return JSON.parse(bytes.toString('utf8'))
}

async function targetOf(core: ApiServerCore, config: Readonly<WebhookClientConfig>): Promise<Target> {
  if (config.url !== undefined && config.url !== '') {
    const url = new URL(config.url)
    const host = url.hostname.replace(/^\[|\]$/g, '')
    return { url, host, port: url.port === '' ? 443 : Number(url.port), serverName: host }
  }
  const { service } = config
  if (service === undefined) throw new Error('the webhook has neither url nor service')
  const port = service.port ?? 443
  const serverName = `${service.name}.${service.namespace}.svc`
  const path = (service.path ?? '').replace(/^\/*/, '/')
  const url = new URL(`https://${serverName}:${port}${path}`)
  return { url, serverName, ...(await endpointOf(core, service.namespace, service.name, port)) }
}

/** A ready endpoint behind a service's port; the service's own address where it has none of its own. */
async function endpointOf(core: ApiServerCore, namespace: string, name: string, port: number): Promise<{ host: string; port: number }> {
  const found = await core.registry.find(core.resource('services'), namespace, name) as (Readonly<OpenObject> & Pick<Service, 'spec'>) | undefined
  if (found === undefined) throw new Error(`service ${JSON.stringify(name)} not found`)
  const wanted = found.spec?.ports?.find((each) => each.port === port)
  if (wanted === undefined) throw new Error(`service ${JSON.stringify(`${namespace}/${name}`)} has no port ${port}`)
  const slices = await core.registry.list(core.resource('endpointslices', 'discovery.k8s.io'), namespace) as unknown as readonly EndpointSlice[]
  for (const slice of slices) {
    if (slice.metadata.labels?.['kubernetes.io/service-name'] !== name) continue
    const slicePort = (slice.ports ?? []).find((each) => (each.name ?? '') === (wanted.name ?? ''))?.port
    const address = slice.endpoints?.find((endpoint) => endpoint.conditions?.ready !== false)?.addresses[0]
    if (slicePort !== undefined && address !== undefined) return { host: address, port: slicePort }
  }
  throw new Error(`no endpoints available for service ${JSON.stringify(name)}`)
}
