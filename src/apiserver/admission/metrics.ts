import type { AdmissionOperation } from '../context.ts'

/** Series about admission, with upstream's names (apiserver `pkg/admission/metrics`), counted in plain numbers. */

const stepSeconds = [0.005, 0.025, 0.1, 0.5, 1, 2.5]
const webhookSeconds = [...stepSeconds, 10, 25]
const maxSeries = 5000

/** How long something took, by buckets. */
export class DurationTally {
  readonly #bounds: readonly number[]
  readonly #buckets: number[]
  #count = 0
  #sumSeconds = 0

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.#buckets = bounds.map(() => 0)
  }

  observe(durationMs: number): void {
    const seconds = durationMs / 1000
    this.#count++
    this.#sumSeconds += seconds
    const bounds = this.#bounds
    for (let at = 0; at < bounds.length; at++) {
      if (seconds > bounds[at]!) continue
      this.#buckets[at]!++
      return
    }
  }

  lines(name: string, labels: string): string[] {
    if (this.#count === 0) return []
    let below = 0
    return [
      ...this.#buckets.map((count, i) => `${name}_bucket{${labels},le="${this.#bounds[i]}"} ${(below += count)}`), `${name}_bucket{${labels},le="+Inf"} ${this.#count}`,
      `${name}_sum{${labels}} ${this.#sumSeconds}`, `${name}_count{${labels}} ${this.#count}`,
    ]
  }
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels).map(([name, value]) => `${name}="${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`).join(',')
}

/** One metric: its series by their labels. Beyond a bound no further series are begun. */
class Family<T> {
  readonly #series = new Map<string, T>()
  readonly #make: () => T
  constructor(make: () => T) {
    this.#make = make
  }

  of(labels: Readonly<Record<string, string>>): T {
    const key = labelsText(labels)
    const known = this.#series.get(key)
    if (known !== undefined) return known
    const made = this.#make()
    if (this.#series.size < maxSeries) this.#series.set(key, made)
    return made
  }

  *lines(of: (series: T, labels: string) => string[]): Generator<string> {
    for (const [labels, series] of this.#series) yield* of(series, labels)
  }
}

export type StepType = 'admit' | 'validate'
/** As upstream labels webhooks: mutating ones `admit`, the others `validating`. */
export type WebhookType = 'admit' | 'validating'
export interface WebhookCall { name: string; type: WebhookType; operation: AdmissionOperation; isRejected: boolean; code: number; durationMs: number }

export interface Counter { value: number }

const prefix = 'apiserver_admission_'

export class AdmissionMetrics {
  readonly #steps = new Family(() => new DurationTally(stepSeconds))
  readonly #controllers = new Family(() => new DurationTally(stepSeconds))
  readonly #webhooks = new Family(() => new DurationTally(webhookSeconds))
  readonly #requests = new Family((): Counter => ({ value: 0 }))
  readonly #rejections = new Family((): Counter => ({ value: 0 }))
  readonly #failedOpen = new Family((): Counter => ({ value: 0 }))
  readonly #podSecurity = new Family((): Counter => ({ value: 0 }))
  readonly #podSecurityExemptions = new Family((): Counter => ({ value: 0 }))

  step(type: StepType, operation: AdmissionOperation, isRejected: boolean): DurationTally {
    return this.#steps.of({ operation, rejected: String(isRejected), type })
  }

  controller(name: string, type: StepType, operation: AdmissionOperation, isRejected: boolean): DurationTally {
    return this.#controllers.of({ name, operation, rejected: String(isRejected), type })
  }

  webhook({ name, type, operation, isRejected, code, durationMs }: WebhookCall): void {
    const rejected = String(isRejected)
    this.#webhooks.of({ name, operation, rejected, type }).observe(durationMs)
    this.#requests.of({ code: String(Math.min(code, 600)), name, operation, rejected, type }).value++
  }

  /** `errorType`: `calling_webhook_error`, `apiserver_internal_error` or `no_error`. */
  webhookRejection(name: string, type: WebhookType, operation: AdmissionOperation, errorType: string, code: number): void {
    this.#rejections.of({ error_type: errorType, name, operation, rejection_code: String(Math.min(code, 600)), type }).value++
  }

  webhookFailedOpen(name: string, type: WebhookType): void {
    this.#failedOpen.of({ name, type }).value++
  }

  /** Counts decisions by the Pod Security Standards; `labels` are upstream's. Worth keeping by who counts often. */
  podSecurity(labels: Readonly<Record<'decision' | 'mode' | 'policy_level' | 'policy_version' | 'request_operation' | 'resource' | 'subresource', string>>): Counter {
    return this.#podSecurity.of(labels)
  }

  podSecurityExemption(labels: Readonly<Record<'request_operation' | 'resource' | 'subresource', string>>): void {
    this.#podSecurityExemptions.of(labels).value++
  }

  /** Everything in the text format. */
  text(): string {
    const lines: string[] = []
    const histogram = (name: string, help: string, family: Family<DurationTally>): void => {
      lines.push(`# HELP ${prefix}${name} [STABLE] ${help}`, `# TYPE ${prefix}${name} histogram`, ...family.lines((tally, labels) => tally.lines(`${prefix}${name}`, labels)))
    }
    const counter = (name: string, help: string, family: Family<Counter>): void => {
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} counter`, ...family.lines(({ value }, labels) => [`${name}{${labels}} ${value}`]))
    }
    histogram('step_admission_duration_seconds', 'Admission sub-step latency histogram in seconds, broken out for each operation and API resource and step type (validate or admit).', this.#steps)
    histogram('controller_admission_duration_seconds', 'Admission controller latency histogram in seconds, identified by name and broken out for each operation and API resource and type (validate or admit).', this.#controllers)
    histogram('webhook_admission_duration_seconds', 'Admission webhook latency histogram in seconds, identified by name and broken out for each operation and API resource and type (validate or admit).', this.#webhooks)
    counter(`${prefix}webhook_request_total`, '[ALPHA] Admission webhook request total, identified by name and broken out for each admission type (validating or mutating) and operation. Additional labels specify whether the request was rejected or not and an HTTP status code. Codes greater than 600 are truncated to 600, to keep the metrics cardinality bounded.', this.#requests)
    counter(`${prefix}webhook_rejection_count`, '[ALPHA] Admission webhook rejection count, identified by name and broken out for each admission type (validating or admit) and operation. Additional labels specify an error type (calling_webhook_error or apiserver_internal_error if an error occurred; no_error otherwise) and optionally a non-zero rejection code if the webhook rejects the request with an HTTP status code (honored by the apiserver when the code is greater or equal to 400). Codes greater than 600 are truncated to 600, to keep the metrics cardinality bounded.', this.#rejections)
    counter(`${prefix}webhook_fail_open_count`, '[ALPHA] Admission webhook fail open count, identified by name and broken out for each admission type (validating or mutating).', this.#failedOpen)
    counter('pod_security_evaluations_total', '[STABLE] Number of policy evaluations that occurred, not counting ignored or exempt requests.', this.#podSecurity)
    counter('pod_security_exemptions_total', '[STABLE] Number of exempt requests, not counting ignored or out of scope requests.', this.#podSecurityExemptions)
    return `${lines.join('\n')}\n`
  }
}

const byCore = new WeakMap<object, AdmissionMetrics>()

/** The metrics of one API server. */
export function admissionMetricsOf(core: object): AdmissionMetrics {
  const metrics = byCore.get(core) ?? new AdmissionMetrics()
  byCore.set(core, metrics)
  return metrics
}
