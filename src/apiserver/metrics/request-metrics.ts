import type { ResourceTable } from '../../api/resource.ts'
import type { RequestInfo, ServerRequest, ServerResponse } from '../context.ts'
import { isMutating } from '../flow-control/request-limiter.ts'
import { lasts, whenClosed } from '../request-guards.ts'
import { exponentialBounds, Histograms, Numbers, type MetricFamily, type NumberCell, type Spread } from './families.ts'

const durationBounds = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60]
const sliBounds = durationBounds.slice(2)
const shape = ['group', 'version', 'resource', 'subresource', 'scope', 'component']
const connects = new Set(['exec', 'attach', 'portforward', 'proxy'])
const verbs: Readonly<Record<string, string>> = { get: 'GET', list: 'LIST', watch: 'WATCH', create: 'POST', update: 'PUT', delete: 'DELETE', deletecollection: 'DELETE' }
const methods = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'CONNECT'])
/** Whose bodies are measured, as upstream names the verbs. */
const bodyVerbs: Readonly<Record<string, string>> = { create: 'create', update: 'update', patch: 'patch', delete: 'delete', deletecollection: 'delete_collection' }
const apiServerName = 'system:apiserver'
const peakMs = 1_000

/** What all requests of one shape share, found once for each request. */
interface Series { labels: readonly string[]; verb: string; dryRun: string; codes: Map<number, NumberCell>; duration: Spread; sli: Spread | undefined; sizes: Spread | undefined; bodies: Spread | undefined; self?: NumberCell }

/** The `apiserver_request_*` series and their kin, by upstream's names and labels (apiserver `pkg/endpoints/metrics`). */
export class RequestMetrics {
  readonly #resources: ResourceTable
  readonly #isKnownPath: (path: string) => boolean
  readonly #now: () => number
  readonly #series = new Map<string, Series>()
  /** As `#series`, for what is asked without a dry run: found without putting a key together. */
  readonly #plainSeries = new Map<string, { info: RequestInfo; scope: string; series: Series }[]>()
  readonly #userCells = new Map<string, NumberCell>()
  readonly #total = new Numbers('counter', 'apiserver_request_total', 'Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, component, and HTTP response code.', ['verb', 'dry_run', ...shape, 'code'])
  readonly #duration = new Histograms('apiserver_request_duration_seconds', 'Response latency distribution in seconds for each verb, dry run value, group, version, resource, subresource, scope and component.', ['verb', 'dry_run', ...shape], durationBounds)
  readonly #sli = new Histograms('apiserver_request_sli_duration_seconds', 'Response latency distribution (not counting webhook duration and priority & fairness queue wait times) in seconds for each verb, group, version, resource, subresource, scope and component.', ['verb', ...shape], sliBounds)
  readonly #sizes = new Histograms('apiserver_response_sizes', 'Response size distribution in bytes for each group, version, verb, resource, subresource, scope and component.', ['verb', ...shape], exponentialBounds(1000, 10, 7))
  readonly #longRunning = new Numbers('gauge', 'apiserver_longrunning_requests', 'Gauge of all active long-running apiserver requests broken out by verb, group, version, resource, scope and component. Not all requests are tracked this way.', ['verb', ...shape])
  readonly #terminations = new Numbers('counter', 'apiserver_request_terminations_total', 'Number of requests which apiserver terminated in self-defense.', ['verb', ...shape, 'code'])
  readonly #deprecated = new Numbers('gauge', 'apiserver_requested_deprecated_apis', 'Gauge of deprecated APIs that have been requested, broken out by API group, version, resource, subresource, and removed_release.', ['group', 'version', 'resource', 'subresource', 'removed_release'])
  readonly #inflight = new Numbers('gauge', 'apiserver_current_inflight_requests', 'Maximal number of currently used inflight request limit of this apiserver per request kind in last second.', ['request_kind'])
  readonly #users = new Numbers('counter', 'authenticated_user_requests', 'Counter of authenticated requests broken out by username.', ['username'])
  readonly #attempts = new Numbers('counter', 'authentication_attempts', 'Counter of authenticated attempts.', ['result'])
  readonly #success = this.#attempts.at('success')
  readonly #authenticating = new Histograms('authentication_duration_seconds', 'Authentication duration in seconds broken out by result.', ['result'], exponentialBounds(0.001, 2, 15))
  readonly #successSeconds = this.#authenticating.at('success')
  readonly #filters = new Histograms('apiserver_request_filter_duration_seconds', 'Request filter latency distribution in seconds, for each filter type', ['filter'], [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 5, 10, 15, 30])
  readonly #authenticationFilter = this.#filters.at('authentication')
  readonly #aborts = new Numbers('counter', 'apiserver_request_aborts_total', 'Number of requests which apiserver aborted possibly due to a timeout, for each group, version, verb, resource, subresource and scope', ['verb', 'group', 'version', 'resource', 'subresource', 'scope'])
  readonly #postTimeout = new Numbers('counter', 'apiserver_request_post_timeout_total', 'Tracks the activity of the request handlers after the associated requests have been timed out by the apiserver', ['source', 'status'])
  readonly #self = new Numbers('counter', 'apiserver_selfrequest_total', 'Counter of apiserver self-requests broken out for each verb, API resource and subresource.', ['verb', 'group', 'resource', 'subresource'])
  readonly #bodies = new Histograms('apiserver_request_body_size_bytes', 'Apiserver request body size in bytes broken out by resource and verb.', ['group', 'resource', 'verb'], Array.from({ length: 31 }, (_, at) => 50_000 + at * 100_000))
  readonly #active = { readOnly: { now: 0, peak: 0, sinceMs: 0 }, mutating: { now: 0, peak: 0, sinceMs: 0 } }
  readonly #deprecatedSeen = new WeakSet<object>()

  constructor(resources: ResourceTable, isKnownPath: (path: string) => boolean, now: () => number) {
    this.#resources = resources
    this.#isKnownPath = isKnownPath
    this.#now = now
  }

  /** A request has come; of the long-running ones only their beginning counts. */
  started(info: RequestInfo): void {
    const active = this.#active[isMutating(info) ? 'mutating' : 'readOnly']
    if (++active.now <= active.peak) return
    active.peak = active.now
    active.sinceMs = this.#now()
  }

  /** Its answer is known. `info` is undefined for a request that could not be understood. */
  answered(info: RequestInfo | undefined, request: ServerRequest, response: ServerResponse, durationMs: number): void {
    if (info === undefined) return
    this.#active[isMutating(info) ? 'mutating' : 'readOnly'].now--
    const series = this.#seriesOf(info, request)
    if (series === undefined) return
    const { status } = response
    let code = series.codes.get(status)
    if (code === undefined) series.codes.set(status, (code = this.#total.at(series.verb, series.dryRun, ...series.labels, String(status))))
    code.value++
    const seconds = durationMs / 1000
    series.duration.observe(seconds)
    series.sli?.observe(seconds)
    // Inside the process nothing is encoded unless somebody looks.
    if (series.sizes !== undefined && request.directUser === undefined) series.sizes.observe(response.body?.sizeBytes ?? response.bytes?.length ?? 0)
    if (series.bodies !== undefined && request.directUser === undefined && status !== 413) series.bodies.observe(Number(request.headers['content-length'] ?? 0))
    if (request.directUser?.username === apiServerName) {
      const [group, , resource, subresource] = series.labels as [string, string, string, string]
      series.self ??= this.#self.at(series.verb, group, resource, subresource)
      series.self.value++
    }
    if (status === 429 || status === 504) this.#terminations.at(series.verb, ...series.labels, String(status)).value++
    if (!lasts(response)) {
      if (request.isAbandoned === true) this.#aborts.at(series.verb, ...series.labels.slice(0, 5)).value++
      return
    }
    const open = this.#longRunning.at(series.verb, ...series.labels)
    open.value++
    whenClosed(response, () => void open.value--)
  }

  /** An answer that came after its deadline, which nobody hears any more. */
  late({ status }: ServerResponse): void {
    this.#postTimeout.at('timeout-handler', status >= 400 ? 'error' : 'ok').value++
  }

  /** `sinceMs`: when the request came. */
  authenticated(username: string, sinceMs: number): void {
    const seconds = (this.#now() - sinceMs) / 1000
    this.#success.value++
    this.#successSeconds.observe(seconds)
    this.#authenticationFilter.observe(seconds)
    const user = shortUser(username)
    let cell = this.#userCells.get(user)
    if (cell === undefined) this.#userCells.set(user, (cell = this.#users.at(user)))
    cell.value++
  }

  /** Nobody knows the caller: because there were no credentials, or wrong ones. */
  refused({ headers, clientCertificates }: ServerRequest, sinceMs: number): void {
    const result = headers.authorization === undefined && clientCertificates === undefined ? 'failure' : 'error'
    const seconds = (this.#now() - sinceMs) / 1000
    this.#attempts.at(result).value++
    this.#authenticating.at(result).observe(seconds)
    this.#authenticationFilter.observe(seconds)
  }

  /** How long one of the steps on the way of every request takes, by the name of upstream's filter. */
  filter(name: 'audit' | 'constrainedimpersonation' | 'impersonation' | 'priorityandfairness' | 'authorization'): Spread {
    return this.#filters.at(name)
  }

  #seriesOf(info: RequestInfo, request: ServerRequest): Series | undefined {
    if (!info.isResourceRequest || request.query.size > 0) return this.#seriesByKey(info, request)
    const scope = scopeOf(info)
    const known = this.#plainSeries.get(info.resource)
    for (const each of known ?? []) {
      const { info: of } = each
      if (each.scope === scope && of.verb === info.verb && of.subresource === info.subresource && of.apiGroup === info.apiGroup && of.apiVersion === info.apiVersion && info.verb !== 'patch') return each.series
    }
    const series = this.#seriesByKey(info, request)
    if (series !== undefined && info.verb !== 'patch') {
      if (known === undefined) this.#plainSeries.set(info.resource, [{ info, scope, series }])
      else known.push({ info, scope, series })
    }
    return series
  }

  #seriesByKey(info: RequestInfo, request: ServerRequest): Series | undefined {
    const dryRun = request.query.size === 0 || !request.query.has('dryRun') ? '' : request.query.get('dryRun') === 'All' ? 'All' : 'invalid'
    const isApply = info.verb === 'patch' && request.headers['content-type']?.startsWith('application/apply-patch') === true
    const scope = scopeOf(info)
    const key = info.isResourceRequest ? `${isApply ? 'apply' : info.verb}|${info.apiGroup}|${info.apiVersion}|${info.resource}|${info.subresource}|${scope}|${dryRun}` : `${request.method} ${info.path}`
    const known = this.#series.get(key)
    if (known !== undefined) return known
    const made = info.isResourceRequest ? this.#resourceSeries(info, isApply, scope, dryRun) : this.#pathSeries(info.path, request.method)
    if (made !== undefined) this.#series.set(key, made)
    return made
  }

  /** Nothing is kept of what this server does not serve: names in requests are endless. */
  #resourceSeries(info: RequestInfo, isApply: boolean, scope: string, dryRun: string): Series | undefined {
    const { apiGroup, apiVersion, resource, subresource } = info
    const description = this.#resources.find(apiGroup, apiVersion, resource)
    if (description === undefined || (subresource !== '' && !description.subresources.some(({ name }) => name === subresource))) return undefined
    if (description.deprecationWarning !== undefined && !this.#deprecatedSeen.has(description)) {
      this.#deprecatedSeen.add(description)
      const removed = /unavailable in v([\d.]+)\+/.exec(description.deprecationWarning)?.[1] ?? ''
      this.#deprecated.at(apiGroup, apiVersion, resource, subresource, removed).value = 1
    }
    const verb = connects.has(subresource) ? 'CONNECT' : isApply ? 'APPLY' : info.verb === 'patch' ? 'PATCH' : (verbs[info.verb] ?? 'OTHER')
    return this.#make(verb, dryRun, [apiGroup, apiVersion, resource, subresource, scope, 'apiserver'], info.verb)
  }

  #pathSeries(path: string, method: string): Series | undefined {
    return this.#isKnownPath(path) ? this.#make(methods.has(method) ? method : 'OTHER', '', ['', '', '', path, '', '']) : undefined
  }

  #make(verb: string, dryRun: string, labels: readonly string[], infoVerb = ''): Series {
    const [group = '', , resource = ''] = labels
    const bodyVerb = bodyVerbs[infoVerb]
    return {
      labels, verb, dryRun, codes: new Map(), duration: this.#duration.at(verb, dryRun, ...labels), sli: dryRun === '' ? this.#sli.at(verb, ...labels) : undefined,
      sizes: verb === 'GET' || verb === 'LIST' ? this.#sizes.at(verb, ...labels) : undefined,
      bodies: bodyVerb === undefined || verb === 'CONNECT' ? undefined : this.#bodies.at(group, resource, bodyVerb),
    }
  }

  families(): MetricFamily[] {
    for (const kind of ['readOnly', 'mutating'] as const) {
      const active = this.#active[kind]
      if (this.#now() - active.sinceMs > peakMs) active.peak = active.now
      this.#inflight.at(kind).value = Math.max(active.peak, active.now, 0)
    }
    return [this.#total, this.#duration, this.#sli, this.#sizes, this.#longRunning, this.#terminations, this.#deprecated, this.#inflight, this.#users, this.#attempts, this.#authenticating, this.#aborts, this.#postTimeout, this.#self, this.#bodies, this.#filters]
  }
}

function scopeOf(info: RequestInfo): string {
  return info.name !== '' || info.verb === 'create' ? 'resource' : info.namespace !== '' ? 'namespace' : info.isResourceRequest ? 'cluster' : ''
}

/** Few names for many users (upstream: `compressUsername`). */
function shortUser(username: string): string {
  if (['admin', 'client', 'kube_proxy', 'kubelet', 'system:serviceaccount:kube-system:default'].includes(username)) return username
  return username.includes('@') ? 'email_id' : 'other'
}
