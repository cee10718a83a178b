import type { Runtime } from '../../runtime/runtime.ts'
import { eventJson, truncated, type AuditEvent } from './audit-event.ts'

/** Takes events. Answers, or resolves with, false when some of them were lost. Disposing it writes what it still holds. */
export interface AuditBackend extends AsyncDisposable {
  process(events: readonly AuditEvent[]): Promise<boolean> | boolean
  /** Events lost, by the part that lost them. */
  failures(): readonly { name: string; failed: number }[]
}

/** `batch`: the answer does not wait for the event; `blocking`: it does; `blocking-strict`: and fails when the event of its receipt is lost. */
export type AuditMode = 'batch' | 'blocking' | 'blocking-strict'
export const auditModes: readonly AuditMode[] = ['batch', 'blocking', 'blocking-strict']

export interface BatchOptions {
  bufferSize: number
  maxBatchSize: number
  /** A batch that is not full is sent after this time. */
  maxBatchWaitMs: number
  throttle?: { qps: number; burst: number }
  /** Batches that may be on their way at once. */
  concurrency: number
}

export interface TruncateOptions { maxEventSizeBytes: number; maxBatchSizeBytes: number }

/** What is lost is no reason to refuse a request. */
export function ignoringErrors(inner: AuditBackend): AuditBackend {
  return {
    process: (events) => {
      const answer = inner.process(events)
      return answer instanceof Promise ? answer.then(() => true) : true
    },
    failures: () => inner.failures(),
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  }
}

/** Takes large objects out of events that are too large, and splits batches that are. */
export function truncating(inner: AuditBackend, options: TruncateOptions, runtime: Runtime): AuditBackend {
  let failed = 0
  return {
    async process(events) {
      const batches: AuditEvent[][] = []
      let room = 0
      for (const event of events) {
        const [fitting, sizeBytes] = fit(event, options.maxEventSizeBytes)
        if (sizeBytes > options.maxEventSizeBytes) {
          failed++
          runtime.log.error('an audit event is lost: it is too large even after truncating', { auditID: event.auditID, sizeBytes })
          continue
        }
        if (batches.length === 0 || sizeBytes > room) {
          batches.push([])
          room = options.maxBatchSizeBytes
        }
        batches.at(-1)!.push(fitting)
        room -= sizeBytes
      }
      const answers = await Promise.all(batches.map((batch) => inner.process(batch)))
      return answers.every(Boolean)
    },
    failures: () => [...inner.failures(), { name: 'truncate', failed }],
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  }
}

function fit(event: AuditEvent, maxBytes: number): [event: AuditEvent, sizeBytes: number] {
  const sizeBytes = Buffer.byteLength(eventJson(event))
  if (sizeBytes <= maxBytes || (event.level !== 'Request' && event.level !== 'RequestResponse')) return [event, sizeBytes]
  const shorter = truncated(event)
  return [shorter, Buffer.byteLength(eventJson(shorter))]
}

/** How long the last batches are waited for when the server stops. */
const flushTimeoutMs = 10_000

/** Holds events back until a batch is full or its time has come. When the buffer is full events are lost, and counted. */
export function buffered(inner: AuditBackend, options: BatchOptions, runtime: Runtime): AuditBackend {
  const { clock, log } = runtime
  let buffer: AuditEvent[] = []
  let timer: Disposable | undefined
  let failed = 0
  let closed = false
  const sending = new Set<Promise<void>>()
  const bucket = options.throttle === undefined ? undefined : tokenBucket(options.throttle, clock.monotonicMs())

  const send = (events: readonly AuditEvent[]): void => {
    const sent = (async () => void (await inner.process(events)))().catch((err: unknown) => log.error('a batch of audit events could not be processed', { err })).finally(() => {
      sending.delete(sent)
      pump(false)
    })
    sending.add(sent)
  }
  /** Sends what may be sent; `isDue`: also a batch that is not full. */
  const pump = (isDue: boolean): void => {
    let due = isDue || closed
    while (buffer.length > 0 && (due || buffer.length >= options.maxBatchSize) && sending.size < options.concurrency) {
      const delayMs = closed ? 0 : (bucket?.take(clock.monotonicMs()) ?? 0)
      if (delayMs > 0) {
        timer?.[Symbol.dispose]()
        timer = clock.timer(delayMs, onTimer, { background: true })
        return
      }
      send(buffer.splice(0, options.maxBatchSize))
      due = isDue && buffer.length >= options.maxBatchSize || closed
    }
    if (buffer.length > 0 && sending.size < options.concurrency) timer ??= clock.timer(options.maxBatchWaitMs, onTimer, { background: true })
  }
  const onTimer = (): void => {
    timer = undefined
    pump(true)
  }
  return {
    process(events) {
      for (const event of events) {
        if (closed || buffer.length >= options.bufferSize) {
          failed++
          if (failed % 1000 === 1) log.error(closed ? 'audit backend shut down' : 'audit buffer queue blocked', { lost: failed })
        } else {
          buffer.push(event)
        }
      }
      pump(false)
      return true
    },
    failures: () => [...inner.failures(), { name: 'buffered', failed }],
    async [Symbol.asyncDispose]() {
      closed = true
      timer?.[Symbol.dispose]()
      timer = undefined
      const late = Promise.withResolvers<void>()
      using _limit = clock.timer(flushTimeoutMs, late.resolve)
      const flushed = (async () => {
        for (pump(true); sending.size > 0 || buffer.length > 0; pump(true)) await Promise.race(sending)
      })()
      await Promise.race([flushed, late.promise])
      if (buffer.length > 0) {
        failed += buffer.length
        log.error('audit events are lost: they could not be sent before the server stopped', { lost: buffer.length })
        buffer = []
      }
      await inner[Symbol.asyncDispose]()
    },
  }
}

/** `take` answers with 0 and takes a token, or tells how long it is until there is one. */
function tokenBucket({ qps, burst }: { qps: number; burst: number }, startMs: number): { take(nowMs: number): number } {
  let tokens = burst
  let lastMs = startMs
  return {
    take(nowMs) {
      tokens = Math.min(burst, tokens + ((nowMs - lastMs) / 1000) * qps)
      lastMs = nowMs
      if (tokens < 1) return Math.ceil(((1 - tokens) / qps) * 1000)
      tokens--
      return 0
    },
  }
}
