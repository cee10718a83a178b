import { errors } from '../machinery/status.ts'
import type { ServerRequest, ServerResponse } from './context.ts'
import type { Endpoints } from './endpoints.ts'

/** One named check; rejecting or throwing makes it fail. */
export interface HealthCheck { name: string; check(): Promise<void> | void }

const text = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' }

/**
 * /healthz, /livez and /readyz with a path a check, `?verbose` and `?exclude=name`, in upstream's form
 * (https://kubernetes.io/docs/reference/using-api/health-checks/). `readyOnly` checks do not count for the other two.
 */
export function addHealthEndpoints(endpoints: Endpoints, live: readonly HealthCheck[], readyOnly: () => readonly HealthCheck[]): void {
  const trees = [['healthz', () => live], ['livez', () => live], ['readyz', () => [...live, ...readyOnly()]]] as const
  for (const [name, checks] of trees) {
    endpoints.add(`/${name}`, (request) => answerAll(name, checks(), request))
    endpoints.addTree(`/${name}/`, async (request) => {
      const wanted = request.path.slice(name.length + 2)
      const check = checks().find((each) => each.name === wanted)
      if (check === undefined) return undefined
      const failure = await failureOf(check)
      return failure === undefined ? { status: 200, headers: { ...text }, bytes: 'ok' } : { status: 500, headers: { ...text }, bytes: `internal server error: ${failure}\n` }
    })
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

async function answerAll(name: string, checks: readonly HealthCheck[], request: ServerRequest): Promise<ServerResponse> {
  const excluded = new Set(request.query.getAll('exclude'))
  const lines: string[] = []
  let failed = false
  for (const check of checks) {
    if (excluded.delete(check.name)) {
      lines.push(`[+]${check.name} excluded: ok`)
      continue
    }
    const failure = await failureOf(check)
    // Reasons may say more than a stranger should know: they are in the log and behind the check's own path.
    lines.push(failure === undefined ? `[+]${check.name} ok` : `[-]${check.name} failed: reason withheld`)
    failed ||= failure !== undefined
  }
  for (const unknown of excluded) lines.push(`warn: some health checks cannot be excluded: no matches for ${JSON.stringify(unknown)}`)
  const body = `${lines.join('\n')}\n`
  if (failed) return { status: 500, headers: { ...text }, bytes: `${body}${name} check failed\n` }
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
    if (!this.#open) throw errors.serviceUnavailable('not finished')
  }

  get isOpen(): boolean {
    return this.#open
  }
}
