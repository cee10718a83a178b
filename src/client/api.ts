import type { KubeList, KubeObject, WatchEvent } from '../machinery/object.ts'
import { StatusError, isReason, type Status, type StatusReason } from '../machinery/status.ts'
import { currentCauses } from '../runtime/causes.ts'
import type { Client, DeleteOptions, ListOptions, PatchType, ResourceType, WatchOptions, WriteOptions } from './client.ts'
import type { ApiRequest, ApiResponse, Transport } from './transport.ts'
import { withoutManagedFields } from './managed-fields.ts'
import { decodeWatch } from './watch-decoder.ts'

const json = 'application/json'
const metadataItem = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json'
const metadataList = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json'

const patchContentTypes: Record<PatchType, string> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
}

/** The path of a collection, of an object, or of its subresource. */
export function resourcePath(type: ResourceType, namespace: string, name = '', subresource = ''): string {
  const root = type.group === '' ? `/api/${type.version}` : `/apis/${type.group}/${type.version}`
  const scope = type.namespaced && namespace !== '' ? `/namespaces/${encodeURIComponent(namespace)}` : ''
  const object = name === '' ? '' : `/${encodeURIComponent(name)}`
  return `${root}${scope}/${type.resource}${object}${subresource === '' ? '' : `/${subresource}`}`
}

function withQuery(path: string, parameters: Record<string, string | number | boolean | undefined>): string {
  let query = ''
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== '') query += `${query === '' ? '?' : '&'}${name}=${encodeURIComponent(value)}`
  }
  return path + query
}

function writeParameters(options: WriteOptions): Record<string, string | undefined> {
  return { dryRun: options.dryRun === true ? 'All' : undefined, fieldManager: options.fieldManager, fieldValidation: options.fieldValidation }
}

function listParameters(options: ListOptions): Record<string, string | number | undefined> {
  const { labelSelector, fieldSelector, limit, resourceVersion, resourceVersionMatch } = options
  return { labelSelector, fieldSelector, limit, continue: options.continue, resourceVersion, resourceVersionMatch }
}

function deleteBody(options: DeleteOptions): { body?: string; headers?: Record<string, string> } {
  const { gracePeriodSeconds, propagationPolicy, preconditions, dryRun } = options
  if (gracePeriodSeconds === undefined && propagationPolicy === undefined && preconditions === undefined && dryRun !== true) return {}
  const body = { kind: 'DeleteOptions', apiVersion: 'v1', gracePeriodSeconds, propagationPolicy, preconditions, ...(dryRun === true ? { dryRun: ['All'] } : {}) }
  return { body: JSON.stringify(body), headers: { 'content-type': json } }
}

async function parsedBody(response: ApiResponse, options: WriteOptions): Promise<unknown> {
  if (response.value !== undefined) return response.value
  const bytes = await response.bytes()
  if (bytes.length === 0) return undefined
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString()
  return JSON.parse(options.withoutManagedFields === true ? withoutManagedFields(text) : text)
}

function isStatus(value: unknown): value is Status {
  return typeof value === 'object' && value !== null && (value as { kind?: unknown }).kind === 'Status'
}

/** What a failed answer says, as an error; a body that isn't a Status (a proxy's page) becomes one. */
async function failureOf(request: ApiRequest, response: ApiResponse): Promise<StatusError> {
  if (isStatus(response.value)) return new StatusError(response.value)
  const text = Buffer.from(await response.bytes()).toString()
  try {
    const parsed: unknown = JSON.parse(text)
    if (isStatus(parsed)) return new StatusError(parsed)
  } catch (cause) {
    return new StatusError(foreignStatus(request, response.status, text.slice(0, 500)), { cause })
  }
  return new StatusError(foreignStatus(request, response.status, text.slice(0, 500)))
}

/** What a code means that comes without a Status, as client-go reads it (`NewGenericServerResponse`). */
const foreignReasons: Readonly<Record<number, StatusReason>> = {
  400: 'BadRequest', 401: 'Unauthorized', 403: 'Forbidden', 404: 'NotFound', 405: 'MethodNotAllowed', 406: 'NotAcceptable', 409: 'Conflict', 410: 'Gone', 415: 'UnsupportedMediaType', 422: 'Invalid',
  429: 'TooManyRequests', 503: 'ServiceUnavailable', 504: 'Timeout',
}

function foreignStatus(request: ApiRequest, code: number, text: string): Status {
  const message = `the server answered ${request.method} ${request.path} with ${code}: ${text}`
  const reason = code === 409 && request.method === 'POST' ? 'AlreadyExists' : (foreignReasons[code] ?? (code >= 500 ? 'InternalError' : undefined))
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, ...(reason === undefined ? {} : { reason }), code }
}

/** Objects of typed calls may leave out what the type says already. */
function bodyOf(type: ResourceType, object: KubeObject): string {
  const apiVersion = type.group === '' ? type.version : `${type.group}/${type.version}`
  return JSON.stringify(object.kind === undefined || object.apiVersion === undefined ? { apiVersion, kind: type.kind, ...object } : object)
}

/** The typed client over any transport. */
export function createClient(transport: Transport): Client {
  const request = async (apiRequest: ApiRequest): Promise<ApiResponse> => {
    const causes = currentCauses()
    const response = await transport.request(causes === undefined ? apiRequest : { ...apiRequest, causes })
    if (response.status >= 400) throw await failureOf(apiRequest, response)
    return response
  }
  const call = async <T>(apiRequest: ApiRequest, options: WriteOptions = {}): Promise<T> => (await parsedBody(await request(apiRequest), options)) as T
  const write = <T>(method: ApiRequest['method'], path: string, body: string, options: WriteOptions): Promise<T> =>
    call<T>({ method, path: withQuery(path, writeParameters(options)), body, headers: { ...plain, 'content-type': json }, ...signalOf(options) }, options)

  const shares = transport.sharesObjects === true
  // Without the header a server in the same process hands over its objects, unencoded.
  const plain: Record<string, string> = shares ? {} : { accept: json }
  const accepting = (options: { metadataOnly?: boolean }, form: string): Record<string, string> => (options.metadataOnly === true && !shares ? { accept: form } : plain)

  const client: Client = {
    transport,
    request,
    get(type, namespace, name, options = {}) {
      const path = withQuery(resourcePath(type, namespace, name), { resourceVersion: options.resourceVersion })
      return call({ method: 'GET', path, headers: accepting(options, metadataItem), ...signalOf(options) })
    },
    async find(type, namespace, name, options = {}) {
      try {
        return await client.get(type, namespace, name, options)
      } catch (error) {
        if (isReason(error, 'NotFound')) return undefined
        throw error
      }
    },
    async list<T extends KubeObject>(type: ResourceType<T>, options: ListOptions = {}) {
      const path = withQuery(resourcePath(type, options.namespace ?? ''), listParameters(options))
      const list = await call<KubeList<T>>({ method: 'GET', path, headers: accepting(options, metadataList), ...signalOf(options) })
      return list.items === undefined || list.items === null ? { ...list, items: [] } : list
    },
    watch: (type, options) => watch(request, type, options, accepting(options, metadataItem)),
    create: (type, object, options = {}) => write('POST', resourcePath(type, object.metadata.namespace ?? ''), bodyOf(type, object), options),
    createSubresource: (type, namespace, name, subresource, body, options = {}) =>
      write('POST', resourcePath(type, namespace, name, subresource), JSON.stringify(body), options),
    update: (type, object, options = {}) => write('PUT', objectPath(type, object), bodyOf(type, object), options),
    updateStatus: (type, object, options = {}) => write('PUT', objectPath(type, object, 'status'), bodyOf(type, object), options),
    patch(type, namespace, name, patchType, patch, options = {}) {
      const path = withQuery(resourcePath(type, namespace, name, options.subresource), { ...writeParameters(options), force: options.force })
      return call({ method: 'PATCH', path, body: JSON.stringify(patch), headers: { ...plain, 'content-type': patchContentTypes[patchType] }, ...signalOf(options) }, options)
    },
    delete(type, namespace, name, options = {}) {
      const { body, headers } = deleteBody(options)
      return call({ method: 'DELETE', path: resourcePath(type, namespace, name), headers: { ...plain, ...headers }, ...(body === undefined ? {} : { body }), ...signalOf(options) })
    },
    async deleteCollection(type, options) {
      const { body, headers } = deleteBody(options)
      const path = withQuery(resourcePath(type, options.namespace ?? ''), listParameters(options))
      await call({ method: 'DELETE', path, headers: { ...plain, ...headers }, ...(body === undefined ? {} : { body }), ...signalOf(options) })
    },
  }
  return client
}

function signalOf(options: { signal?: AbortSignal }): { signal?: AbortSignal } {
  return options.signal === undefined ? {} : { signal: options.signal }
}

function objectPath(type: ResourceType, object: KubeObject, subresource = ''): string {
  const { namespace = '', name = '' } = object.metadata
  if (name === '') throw new Error(`a ${type.kind} without a name cannot be written to`)
  return resourcePath(type, namespace, name, subresource)
}

async function* watch<T extends KubeObject>(request: Client['request'], type: ResourceType<T>, options: WatchOptions, headers: Record<string, string>): AsyncIterable<WatchEvent<T>[]> {
  const { labelSelector, fieldSelector, resourceVersion, resourceVersionMatch, allowWatchBookmarks, sendInitialEvents, timeoutSeconds, signal } = options
  const parameters = { watch: true, labelSelector, fieldSelector, resourceVersion, resourceVersionMatch, allowWatchBookmarks, sendInitialEvents, timeoutSeconds }
  const path = withQuery(resourcePath(type, options.namespace ?? ''), parameters)
  try {
    const response = await request({ method: 'GET', path, headers, signal })
    if (signal.aborted) return
    for await (const batch of response.events ?? decodeWatch(response.stream(), options.withoutManagedFields === true ? withoutManagedFields : undefined)) {
      const failed = batch.findIndex((event) => event.type === 'ERROR')
      if (failed < 0) {
        yield batch as WatchEvent<T>[]
        continue
      }
      if (failed > 0) yield batch.slice(0, failed) as WatchEvent<T>[]
      throw new StatusError(batch[failed]!.object as unknown as Status)
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
