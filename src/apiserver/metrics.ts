import type { Registry } from 'prom-client'
import type { ResourceDescription, ResourceTable } from '../api/resource.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Store } from '../store/store.ts'
import type { AuthorizationDecision, Authorizer, ServerResponse } from './context.ts'
import type { Endpoints } from './endpoints.ts'
import type { HealthObserver } from './health.ts'
import { exponentialBounds, family, familyBlocks, familyText, Histograms, Numbers, type MetricFamily, type Sample } from './metrics/families.ts'
import type { MetricSet } from './metrics/metric-set.ts'
import { RequestMetrics } from './metrics/request-metrics.ts'
import { ObjectMetrics, StoreMetrics } from './metrics/store-metrics.ts'
import { registered, withStability } from './metrics/stability.ts'
import type { OperatingOptions } from './operating-options.ts'
import { serverVersion } from './version.ts'
import type { WatchCaches } from './watch-caches.ts'
import type { WatchLine } from './watcher.ts'

/** So long a scrape works at a time. */
const sliceMs = 5
const authorizationBounds = exponentialBounds(0.001, 2, 15)

/**
 * All that is counted of a server, in plain numbers; the metrics library, which start-up can do without, is loaded for the process's own
 * figures when somebody asks for /metrics. Names and labels are upstream's.
 */
export class ServerMetrics {
  readonly requests: RequestMetrics
  readonly store: StoreMetrics
  readonly #clock: Clock
  readonly #resources: ResourceTable
  readonly #operating: OperatingOptions
  readonly #health = new Numbers('gauge', 'kubernetes_healthcheck', 'This metric records the result of a single healthcheck.', ['name', 'type'])
  readonly #healthTotal = new Numbers('counter', 'kubernetes_healthchecks_total', 'This metric records the results of all healthcheck.', ['name', 'type', 'status'])
  readonly #decisions = new Numbers('counter', 'authorization_attempts_total', 'Counter of authorization attempts broken down by result. It can be either \'allowed\', \'denied\', \'no-opinion\' or \'error\'.', ['result'])
  readonly #deciding = new Histograms('authorization_duration_seconds', 'Authorization duration in seconds broken out by result.', ['result'], authorizationBounds)
  readonly #watchEvents = new Numbers('counter', 'apiserver_watch_events_total', 'Number of events sent in watch clients', ['group', 'version', 'resource'])
  readonly #watchSizes = new Histograms('apiserver_watch_events_sizes', 'Watch event size distribution in bytes', ['group', 'version', 'resource'], exponentialBounds(1024, 2, 8))
  readonly #startedMs: number
  #process: Promise<Registry> | undefined

  constructor(parts: { clock: Clock; resources: ResourceTable; endpoints: Endpoints; operating: OperatingOptions }) {
    const { clock, resources, endpoints } = parts
    this.#clock = clock
    this.#startedMs = clock.now()
    this.#resources = resources
    this.#operating = parts.operating
    this.requests = new RequestMetrics(resources, (path) => endpoints.has(path), () => clock.monotonicMs())
    this.store = new StoreMetrics(clock, resources)
  }

  readonly observeHealth: HealthObserver = (name, type, isHealthy) => {
    this.#health.at(name, type).value = isHealthy ? 1 : 0
    this.#healthTotal.at(name, type, isHealthy ? 'success' : 'error').value++
  }

  /** An authorizer that is counted. */
  authorizer(authorize: Authorizer['authorize']): Authorizer['authorize'] {
    const cells = Object.fromEntries((['allowed', 'denied', 'no-opinion', 'error'] as const).map((result) => [result, { count: this.#decisions.at(result), seconds: this.#deciding.at(result) }]))
    const [allowed, denied, noOpinion] = [cells['allowed']!, cells['denied']!, cells['no-opinion']!]
    const count = (durationMs: number, { decision }: AuthorizationDecision): void => {
      const cell = decision === 'allow' ? allowed : decision === 'deny' ? denied : noOpinion
      cell.count.value++
      cell.seconds.observe(durationMs / 1000)
    }
    return (attributes) => {
      const answer = authorize(attributes)
      if (!(answer instanceof Promise)) {
        // What is known at once takes a few microseconds: two looks at the clock would take as long.
        count(0, answer)
        return answer
      }
      const begunMs = this.#clock.monotonicMs()
      return answer.then((decision) => {
        count(this.#clock.monotonicMs() - begunMs, decision)
        return decision
      }, (error: unknown) => {
        cells['error']!.count.value++
        throw error
      })
    }
  }

  watchReader(resource: ResourceDescription): (lines: readonly WatchLine[]) => void {
    const events = this.#watchEvents.at(resource.group, resource.version, resource.resource)
    const sizes = this.#watchSizes.at(resource.group, resource.version, resource.resource)
    return (lines) => {
      events.value += lines.length
      for (const line of lines) if (line.type !== 'BOOKMARK') sizes.observe(line.entry.bytes.length)
    }
  }

  /** Adds /metrics and /metrics/slis; `more` gives further families in the text format. */
  addEndpoints(endpoints: Endpoints, parts: { store: Store; caches: WatchCaches; set: MetricSet; more(): string }): void {
    const objects = new ObjectMetrics({ store: parts.store, caches: parts.caches, resources: this.#resources, clock: this.#clock, periodMs: this.#operating.countPeriodMs ?? 60_000 })
    const disabled = new Set(this.#operating.disabledMetrics ?? [])
    const enabled = (text: string): string => (disabled.size === 0 ? text : familyBlocks(text).filter(({ name }) => !disabled.has(name)).map(({ block }) => block).join(''))
    const { minor, emulationMinor, minCompatibilityMinor } = serverVersion
    parts.set.set('version_info', 1, 'kube', `1.${minor}`, `1.${emulationMinor}`, `1.${minCompatibilityMinor}`)
    endpoints.add('/metrics', async () => {
      const own = [...this.requests.families(), ...this.store.families(), ...await objects.families(), ...this.#families(), ...parts.set.families()]
      const text = `${await this.#printed(own)}${withStability(`${await this.#processText()}${parts.more()}`)}`
      return this.#answer(enabled(`${text}${withStability(registrySeries(text, disabled.size).map(familyText).join(''))}`))
    })
    endpoints.add('/metrics/slis', async () => {
      const start = familyBlocks(await this.#processText()).filter(({ name }) => name === 'process_start_time_seconds').map(({ block }) => block.trimEnd() + '\n')
      return this.#answer(withStability(`${[this.#health, this.#healthTotal].map(familyText).join('')}${start.join('')}`))
    })
  }

  /** Whatever is asked for: upstream serves OpenMetrics to nobody. The header tells since when the numbers count. */
  #answer(text: string): ServerResponse {
    return { status: 200, headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8; escaping=underscores', 'process-start-time-unix': String(Math.floor(this.#startedMs / 1000)) }, bytes: text }
  }

  /** The text of many families, made in slices, so that other requests get their turn. */
  async #printed(families: readonly MetricFamily[]): Promise<string> {
    const parts: string[] = []
    let sinceMs = this.#clock.monotonicMs()
    for (const each of families) {
      parts.push(withStability(familyText(each)))
      if (this.#clock.monotonicMs() - sinceMs < sliceMs) continue
      await new Promise<void>((resolve) => this.#clock.immediate(resolve))
      sinceMs = this.#clock.monotonicMs()
    }
    return parts.join('')
  }

  #families(): MetricFamily[] {
    const { gitVersion, gitCommit, gitTreeState, buildDate, goVersion, compiler, platform, major, minor } = serverVersion
    const build = { major, minor, git_version: gitVersion, git_commit: gitCommit, git_tree_state: gitTreeState, build_date: buildDate, go_version: goVersion, compiler, platform }
    const features = (this.#operating.features ?? []).map(({ name, stage, isEnabled }) => ({ labels: [['name', name], ['stage', stage]] as const, value: isEnabled ? 1 : 0 }))
    return [
      this.#decisions, this.#deciding, this.#watchEvents, this.#watchSizes,
      family('gauge', 'kubernetes_build_info', 'A metric with a constant \'1\' value labeled by major, minor, git version, git commit, git tree state, build date, Go version, and compiler from which Kubernetes was built, and platform on which it is running.', [{ labels: Object.entries(build), value: 1 }]),
      family('gauge', 'kubernetes_feature_enabled', 'This metric records the data about the stage and enablement of a k8s feature.', features),
    ]
  }

  async #processText(): Promise<string> {
    this.#process ??= processRegistry()
    const { user, system } = process.cpuUsage()
    // The library counts processor time from when it was loaded.
    const library = familyBlocks(await (await this.#process).metrics()).filter(({ name }) => !name.startsWith('process_cpu_'))
    const cpu = family('counter', 'process_cpu_seconds_total', 'Total user and system CPU time spent in seconds.', [{ labels: [], value: (user + system) / 1e6 }])
    return `${library.map(({ block }) => `${block.trimEnd()}\n`).join('').replaceAll(/ Nan$/gm, ' NaN')}${familyText(cpu)}`
  }
}

/** What upstream's registry tells of itself. */
function registrySeries(text: string, disabled: number): MetricFamily[] {
  const one = (value: number): Sample[] => [{ labels: [], value }]
  return [
    family('counter', 'registered_metrics_total', 'The count of registered metrics broken by stability level and deprecation version.', registered(text).map(({ level, since, count }) => ({ labels: [['stability_level', level], ['deprecated_version', since]], value: count }))),
    family('counter', 'disabled_metrics_total', 'The count of disabled metrics.', one(disabled)),
    family('counter', 'hidden_metrics_total', 'The count of hidden metrics.', one(0)),
  ]
}

async function processRegistry(): Promise<Registry> {
  const prometheus = await import('prom-client')
  const registry: Registry = new prometheus.Registry()
  prometheus.collectDefaultMetrics({ register: registry })
  return registry
}
