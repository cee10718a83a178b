import type { Logger } from '../runtime/log.ts'
import type { ServerRequest, ServerResponse } from './context.ts'
import type { Endpoints } from './endpoints.ts'

/** One named check; rejecting or throwing makes it fail. */
export interface HealthCheck {
  name: string
  check(): Promise<void> | void
  /** Says nothing about readiness. */
  isOfLivenessOnly?: boolean
}

/** Told of each check's outcome, for the metrics; `type` is `healthz`, `livez` or `readyz`. */
export type HealthObserver = (name: string, type: string, isHealthy: boolean) => void

export interface HealthOptions {
  /** What makes the server alive. */
  live: readonly HealthCheck[]
  /** What is to be done once: part of health and readiness at once, of liveness when the grace period is over. */
  boot: readonly HealthCheck[]
  /** What counts for readiness only, before the boot sequence and after it. */
  ready: readonly HealthCheck[]
  last: readonly HealthCheck[]
  /** Whether unfinished boot steps make the server not alive by now. */
  isGraceOver?(): boolean
  observe?: HealthObserver
  log?: Logger
}

const text = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' }

/**
 * /healthz, /livez and /readyz with a path a check, `?verbose` and `?exclude=name`, in upstream's form
 * (https://kubernetes.io/docs/reference/using-api/health-checks/).
 */
export function addHealthEndpoints(endpoints: Endpoints, options: HealthOptions): void {
  const { live, boot, ready, last, isGraceOver = () => true } = options
  const patient = boot.map((step): HealthCheck => ({ name: step.name, check: () => (isGraceOver() ? step.check() : undefined) }))
  const trees = [['healthz', [...live, ...boot]], ['livez', [...live, ...patient]], ['readyz', [...live.filter(({ isOfLivenessOnly }) => isOfLivenessOnly !== true), ...ready, ...boot, ...last]]] as const
  for (const [name, checks] of trees) {
    endpoints.add(`/${name}`, (request) => answerAll(name, checks, request, options))
    for (const check of checks) {
      endpoints.add(`/${name}/${check.name}`, async () => {
        const failure = await failureOf(check)
        return failure === undefined ? { status: 200, headers: { 'content-type': text['content-type'] }, bytes: 'ok' } : { status: 500, headers: { ...text }, bytes: `internal server error: ${failure}\n` }
      })
    }
  }
}

async function failureOf(health: HealthCheck): Promise<string | undefined> {
  try {
    await health.check()
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

async function answerAll(name: string, checks: readonly HealthCheck[], request: ServerRequest, { observe, log }: HealthOptions): Promise<ServerResponse> {
  const excluded = new Set(request.query.getAll('exclude'))
  const unknown = new Set(excluded)
  const lines: string[] = []
  const failures: string[] = []
  for (const check of checks) {
    if (excluded.has(check.name)) {
      unknown.delete(check.name)
      lines.push(`[+]${check.name} excluded: ok`)
      continue
    }
    const failure = await failureOf(check)
    observe?.(check.name, name, failure === undefined)
    // Reasons may say more than a stranger should know: they are in the log and behind the check's own path.
    lines.push(failure === undefined ? `[+]${check.name} ok` : `[-]${check.name} failed: reason withheld`)
    if (failure !== undefined) failures.push(`${check.name}: ${failure}`)
  }
  if (unknown.size > 0) lines.push(`warn: some health checks cannot be excluded: no matches for ${[...unknown].toSorted().map((each) => JSON.stringify(each)).join(',')}`)
  const body = `${lines.join('\n')}\n`
  if (failures.length > 0) {
    log?.debug('a health check failed', { endpoint: name, failures })
    return { status: 500, headers: { ...text }, bytes: `${body}${name} check failed\n` }
  }
  return { status: 200, headers: { ...text }, bytes: request.query.has('verbose') ? `${body}${name} check passed\n` : 'ok' }
}

/** A check that fails until something has been done once. */
export class Gate implements HealthCheck {
  readonly name: string
  #open = false
  #failure: Error | undefined

  constructor(name: string) {
    this.name = name
  }

  open(): void {
    this.#open = true
    this.#failure = undefined
  }

  fail(error: Error): void {
    this.#failure = error
  }

  check(): void {
    if (this.#failure !== undefined) throw this.#failure
    if (!this.#open) throw new Error('not finished')
  }

  get isOpen(): boolean {
    return this.#open
  }
}
