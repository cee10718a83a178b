import type { IncomingMessage } from 'node:http'
import type { Pod } from '../../api/types/core_v1.ts'
import { fieldErrorCause, fieldErrors, type FieldError } from '../../machinery/field-error.ts'
import { errors } from '../../machinery/status.ts'
import type { ServerResponse } from '../context.ts'
import { plainServerError } from '../plain-error.ts'
import type { SubresourceContext, SubresourceHandler } from '../subresources.ts'
import { callBackend, textOf } from './backend.ts'
import { containerOf } from './container-name.ts'
import { locateKubeletOf, type KubeletClient } from './kubelet-client.ts'
import { hostPort } from './network-errors.ts'
import { flag, wholeNumber } from './query.ts'
import { wantsWebSocket } from './upgrade.ts'
import { streamOverWebSocket } from './web-socket-stream.ts'

interface LogOptions { container: string; query: URLSearchParams; insecure: boolean }

/** core/v1 PodLogOptions, as they go on to the kubelet. */
function logOptions(query: URLSearchParams, podName: string): LogOptions {
  const problems: FieldError[] = []
  const numbers = { sinceSeconds: wholeNumber(query, 'sinceSeconds'), tailLines: wholeNumber(query, 'tailLines'), limitBytes: wholeNumber(query, 'limitBytes') }
  const sinceTime = query.get('sinceTime') ?? ''
  const stream = query.get('stream') ?? ''
  if (numbers.tailLines !== undefined && numbers.tailLines < 0) problems.push(fieldErrors.invalid('tailLines', numbers.tailLines, 'must be greater than or equal to 0'))
  if (numbers.limitBytes !== undefined && numbers.limitBytes < 1) problems.push(fieldErrors.invalid('limitBytes', numbers.limitBytes, 'must be greater than 0'))
  if (numbers.sinceSeconds !== undefined && sinceTime !== '') problems.push(fieldErrors.forbidden('[]', 'at most one of `sinceTime` or `sinceSeconds` may be specified'))
  else if (numbers.sinceSeconds !== undefined && numbers.sinceSeconds < 1) problems.push(fieldErrors.invalid('sinceSeconds', numbers.sinceSeconds, 'must be greater than 0'))
  if (!['', 'All', 'Stdout', 'Stderr'].includes(stream)) problems.push(fieldErrors.notSupported('stream', stream, ['All', 'Stderr', 'Stdout']))
  if ((stream === 'Stdout' || stream === 'Stderr') && numbers.tailLines !== undefined) problems.push(fieldErrors.forbidden('[]', '`tailLines` and specific `stream` are mutually exclusive for now'))
  if (problems.length > 0) throw errors.invalid({ group: '', kind: 'PodLogOptions' }, podName, problems.map(fieldErrorCause))
  const onward = new URLSearchParams()
  for (const name of ['follow', 'previous', 'timestamps']) if (flag(query, name)) onward.set(name, 'true')
  for (const [name, value] of Object.entries(numbers)) if (value !== undefined) onward.set(name, String(value))
  if (sinceTime !== '') onward.set('sinceTime', sinceTime)
  if (stream !== '') onward.set('stream', stream)
  return { container: query.get('container') ?? '', query: onward, insecure: flag(query, 'insecureSkipTLSVerifyBackend') }
}

/** The kubelet's refusal as this server's. */
async function refusalOf(response: IncomingMessage, podName: string): Promise<Error> {
  const text = await textOf(response)
  if (response.statusCode === 400) return errors.badRequest(text)
  if (response.statusCode !== 404) return errors.internal(new Error(text === '' ? `the kubelet answered ${response.statusCode}` : text))
  const error = errors.notFound({ group: '', resource: 'pods/log' }, podName)
  error.status.message = `the server could not find the requested resource ( pods/log ${podName})`
  error.status.details = { ...error.status.details, causes: [{ reason: 'UnexpectedServerResponse', message: text }] }
  return error
}

/** `pods/log`: a container's output, from the kubelet of its node. */
export function podLogHandler(kubelets: KubeletClient): SubresourceHandler {
  async function handle(context: SubresourceContext): Promise<ServerResponse> {
    const { core, request, info: { namespace, name } } = context
    const options = logOptions(request.query, name)
    const pod = await core.registry.get(core.resource('pods'), namespace, name) as unknown as Pod
    const container = containerOf(pod, options.container)
    const nodeName = pod.spec.nodeName ?? ''
    const headers = { 'content-type': 'text/plain' }
    // A pod without a node has said nothing yet.
    if (nodeName === '') return { status: 200, headers, bytes: '' }
    const location = await locateKubeletOf(core, nodeName, kubelets.addressTypes)
    const query = options.query.size === 0 ? '' : `?${options.query.toString()}`
    const path = `/containerLogs/${namespace}/${name}/${container}${query}`
    const answer = await callBackend(core.runtime.clock, kubelets.backend(location, { insecure: options.insecure }), { method: 'GET', path, signal: request.signal }).catch((cause: Error) => {
      throw plainServerError(`Get ${JSON.stringify(`https://${hostPort(location)}${path}`)}: ${cause.message}`, cause)
    })
    if (answer.upgraded) throw errors.internal(new Error('the kubelet switched protocols where it should send a log'))
    const { response } = answer
    if (response.statusCode !== 200) throw await refusalOf(response, name)
    if (wantsWebSocket(request) && request.upgrade !== undefined) {
      return await streamOverWebSocket(request, response, (err) => core.runtime.log.error('a log could not be sent', { pod: name, err }))
    }
    return { status: 200, headers, stream: response }
  }
  return { group: '', resource: 'pods', subresource: 'log', handle }
}
