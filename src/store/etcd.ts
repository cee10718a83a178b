import type { ClientDuplexStream } from '@grpc/grpc-js'
import { Etcd3, type IDuplexStream, type IOptions, type IKeyValue, type IRangeRequest, type IWatchRequest, type IWatchResponse } from 'etcd3'
import type { Runtime } from '../runtime/runtime.ts'
import { checkKey } from './keys.ts'
import { checkTtl } from './leases.ts'
import {
  CompactedError, FutureRevisionError, LeaseNotFoundError, StoreClosedError, StoreFullError, ValueTooLargeError, tombstone,
  type GetResult, type KeyValue, type PutRequest, type RangeOptions, type RangeResult, type Store, type StoreEvent, type StoreEventBatch, type WatchOptions, type WriteResult,
} from './store.ts'
import { WatchHub, type EventLog, type LogPiece } from './watch-hub.ts'

export interface EtcdStoreOptions {
  /** `http://127.0.0.1:2379`, `https://etcd-1:2379`, …; of one cluster. */
  endpoints: readonly string[]
  /** PEM. `ca` verifies the server; `cert` and `key` are what the client shows. */
  tls?: { ca: string | Uint8Array; cert?: string | Uint8Array; key?: string | Uint8Array }
  runtime: Runtime
}

const callTimeoutMs = 10_000
const reconnectDelayMs = { first: 100, most: 5_000 } as const
/** A main watch that has not caught up with what other calls have seen for this long is opened anew, maybe elsewhere. */
const stalledAfterMs = 10_000
/** Changes that a watch which catches up is given at a time. */
const logPieceEvents = 1000
const everyKey = Buffer.of(0)

/**
 * A store in an etcd cluster (API v3). Keys are etcd's keys, revisions are etcd's revisions, values are stored as they are: an
 * original API server or etcdctl sees the same data.
 *
 * 1. A read is linearizable; a write is one etcd transaction, acknowledged by etcd when a majority has it on disk.
 *    A write whose answer is lost is not repeated: it rejects, and may have happened.
 * 2. One watch of the whole key space feeds all watches of this store. Each change anywhere moves all of them on, so none needs
 *    etcd's progress notifications (which older servers may send too early). A watch from the past first reads from a stream of its own.
 * 3. When the connection is lost the main watch opens anew at the revision after the last one seen, and nobody notices. When
 *    etcd has compacted that away meanwhile, all watches end with `CompactedError`.
 */
export async function connectEtcd(options: EtcdStoreOptions): Promise<Store> {
  const client = new Etcd3(clientOptions(options))
  try {
    const { header } = await client.kv.range({ key: everyKey, count_only: true })
    return new EtcdStore(client, options, Number(header.revision))
  } catch (error) {
    client.close()
    throw new Error(`cannot reach etcd at ${options.endpoints.join(', ')}: ${messageOf(error)}`, { cause: error })
  }
}

function clientOptions({ endpoints, tls, runtime }: EtcdStoreOptions): IOptions {
  const buffer = (pem: string | Uint8Array): Buffer => (typeof pem === 'string' ? Buffer.from(pem) : Buffer.from(pem))
  const addresses = endpoints.map((endpoint) => endpoint.replace(/^https?:\/\//, '').replace(/\/$/, ''))
  // Given addresses, gRPC itself keeps to an endpoint that answers; a list of names is left to etcd3, which takes turns.
  const hosts = addresses.length > 1 && addresses.every((address) => /^\d+\.\d+\.\d+\.\d+:\d+$/.test(address)) ? `ipv4:${addresses.join(',')}` : [...endpoints]
  // No policy of etcd3's: it would repeat writes that may have happened.
  const once = { execute: async (work: (context: { signal: AbortSignal }) => unknown) => work({ signal: new AbortController().signal }) } as unknown as NonNullable<NonNullable<IOptions['faultHandling']>['global']>
  return {
    hosts,
    ...(tls === undefined ? {} : { credentials: { rootCertificate: buffer(tls.ca), ...(tls.key === undefined || tls.cert === undefined ? {} : { privateKey: buffer(tls.key), certChain: buffer(tls.cert) }) } }),
    faultHandling: { global: once, host: () => once },
    defaultCallOptions: (call) => (call.isStream ? {} : { deadline: runtime.clock.now() + callTimeoutMs }),
    grpcOptions: {
      'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1, 'grpc.keepalive_time_ms': 10_000, 'grpc.keepalive_timeout_ms': 5_000,
      'grpc.initial_reconnect_backoff_ms': reconnectDelayMs.first, 'grpc.max_reconnect_backoff_ms': reconnectDelayMs.most,
    },
  }
}

type WatchStream = ClientDuplexStream<IWatchRequest, IWatchResponse>

class EtcdStore implements Store {
  readonly driver = 'etcd'
  readonly #client: Etcd3
  readonly #endpoints: string
  readonly #runtime: Runtime
  readonly #hub: WatchHub
  readonly #closing = new AbortController()
  readonly #mainWatch: Promise<void>
  readonly #watchdog: Disposable
  /** The greatest revision in any answer. */
  #newest: number
  /** What etcd has said about compaction so far. */
  #oldest = 1
  #pending = new Set<Promise<unknown>>()
  #mainStream: WatchStream | undefined

  constructor(client: Etcd3, options: EtcdStoreOptions, revision: number) {
    this.#client = client
    this.#endpoints = options.endpoints.join(', ')
    this.#runtime = options.runtime
    this.#newest = revision
    const log: EventLog = { oldest: () => this.#oldest, read: (from, upTo) => this.#readLog(from, upTo) }
    this.#hub = new WatchHub(options.runtime.clock, log, revision)
    this.#mainWatch = this.#keepWatching()
    let before = revision
    this.#watchdog = options.runtime.clock.interval(stalledAfterMs, () => {
      if (this.#hub.revision < before) this.#mainStream?.destroy(new Error('the watch has fallen behind'))
      before = this.#newest
    }, { background: true })
  }

  async currentRevision(): Promise<number> {
    const { header } = await this.#read({ key: everyKey, count_only: true })
    return this.#saw(header.revision)
  }

  async get(key: string, options: { revision?: number } = {}): Promise<GetResult> {
    checkKey(key)
    const { header, kvs } = await this.#read({ key: Buffer.from(key), revision: options.revision ?? 0 })
    return { kv: kvs[0] === undefined ? undefined : keyValue(kvs[0]), revision: this.#saw(header.revision) }
  }

  async range(start: string, end: string, options: RangeOptions = {}): Promise<RangeResult> {
    const from = Buffer.from(start)
    const to = Buffer.from(end)
    if (from.compare(to) >= 0) return { kvs: [], count: 0, more: false, revision: await this.currentRevision() }
    const { header, kvs, count, more } = await this.#read({
      key: from, range_end: to, revision: options.revision ?? 0, limit: options.limit ?? 0, keys_only: options.keysOnly === true, count_only: options.countOnly === true,
    })
    return { kvs: kvs.map(keyValue), count: Number(count), more, revision: this.#saw(header.revision) }
  }

  async put(request: PutRequest): Promise<WriteResult> {
    checkKey(request.key)
    const key = Buffer.from(request.key)
    const put = { key, value: asBuffer(request.value), lease: request.leaseId ?? 0, prev_kv: true }
    const result = await this.#write(key, request.expected, { request_put: put }, request.leaseId)
    return result.succeeded ? accepted(result.revision, result.responses[0]?.response_put?.prev_kv) : refused(result.revision, result.responses[0]?.response_range?.kvs[0])
  }

  async delete(key: string, options: { expected?: number } = {}): Promise<WriteResult> {
    checkKey(key)
    const keyBytes = Buffer.from(key)
    const result = await this.#write(keyBytes, options.expected, { request_delete_range: { key: keyBytes, prev_kv: true } })
    return result.succeeded ? accepted(result.revision, result.responses[0]?.response_delete_range?.prev_kvs[0]) : refused(result.revision, result.responses[0]?.response_range?.kvs[0])
  }

  watch(start: string, end: string, options: WatchOptions): AsyncIterable<StoreEventBatch> {
    return this.#hub.watch(start, end, options, Math.max(this.#newest, this.#hub.revision))
  }

  async compact(revision: number): Promise<void> {
    try {
      await this.#call(() => this.#client.kv.compact({ revision, physical: false }), revision)
      this.#oldest = Math.max(this.#oldest, revision)
    } catch (error) {
      if (!(error instanceof CompactedError)) throw error
    }
  }

  async grantLease(ttlSeconds: number): Promise<number> {
    checkTtl(ttlSeconds)
    // etcd would choose from 63 bits, more than a number holds.
    const ID = 1 + this.#runtime.random.int(2 ** 47)
    await this.#call(() => this.#client.leaseClient.leaseGrant({ TTL: ttlSeconds, ID }))
    return ID
  }

  async keepAlive(leaseId: number): Promise<void> {
    await this.#call(async () => {
      const stream = asGrpc(await this.#client.leaseClient.leaseKeepAlive({ deadline: this.#runtime.clock.now() + callTimeoutMs }))
      try {
        const answered = firstAnswer(stream)
        stream.write({ ID: leaseId })
        if (Number((await answered).TTL) <= 0) throw new LeaseNotFoundError(leaseId)
      } finally {
        endStream(stream)
      }
    }, 0, leaseId)
  }

  async revokeLease(leaseId: number): Promise<void> {
    const { header } = await this.#call(() => this.#client.leaseClient.leaseRevoke({ ID: leaseId }), 0, leaseId)
    this.#saw(header.revision)
  }

  /** As etcd's own health check: a linearizable read, and no alarm that stops writes. */
  async healthy(): Promise<void> {
    await this.currentRevision()
    const { alarms } = await this.#call(() => this.#client.maintenance.alarm({ action: 'Get' }))
    if (alarms.length > 0) throw new Error(`etcd at ${this.#endpoints} has raised an alarm: ${alarms.map(({ alarm }) => alarm).join(', ')}`)
  }

  async sizeBytes(): Promise<number> {
    return Number((await this.#call(() => this.#client.maintenance.status())).dbSize)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing.signal.aborted) return
    this.#closing.abort(new StoreClosedError())
    this.#watchdog[Symbol.dispose]()
    await Promise.allSettled(this.#pending)
    if (this.#mainStream !== undefined) endStream(this.#mainStream)
    await this.#mainWatch
    this.#hub.fail(new StoreClosedError())
    this.#client.close()
  }

  #saw(revision: string): number {
    this.#newest = Math.max(this.#newest, Number(revision))
    return Number(revision)
  }

  /** A read may be repeated: once after a pause, which is long enough for a new connection. */
  async #read(request: IRangeRequest): ReturnType<Etcd3['kv']['range']> {
    const read = (): ReturnType<Etcd3['kv']['range']> => this.#call(() => this.#client.kv.range(request), Number(request.revision ?? 0))
    try {
      return await read()
    } catch (error) {
      if (!isUnavailable(error)) throw error
      await this.#runtime.clock.sleep(reconnectDelayMs.first * 3, this.#closing.signal)
      return read()
    }
  }

  async #write(key: Buffer, expected: number | undefined, request: NonNullable<Parameters<Etcd3['kv']['txn']>[0]['success']>[number], leaseId?: number) {
    const { header, succeeded, responses } = await this.#call(() => this.#client.kv.txn({
      compare: expected === undefined ? [] : [{ result: 'Equal', target: 'Mod', key, mod_revision: expected }], success: [request], failure: [{ request_range: { key } }],
    }), 0, leaseId)
    return { revision: this.#saw(header.revision), succeeded, responses }
  }

  /** Makes a call and gives its error the store's meaning. */
  async #call<T>(call: () => Promise<T>, revision = 0, leaseId = 0): Promise<T> {
    if (this.#closing.signal.aborted) throw new StoreClosedError()
    const pending = call()
    this.#pending.add(pending)
    try {
      return await pending
    } catch (error) {
      const message = messageOf(error)
      if (message.includes('required revision has been compacted')) throw new CompactedError(await this.#compactRevision(revision + 1))
      if (message.includes('required revision is a future revision')) throw new FutureRevisionError(revision, this.#newest)
      if (message.includes('requested lease not found')) throw new LeaseNotFoundError(leaseId)
      if (message.includes('database space exceeded')) throw new StoreFullError(`etcd at ${this.#endpoints} has used up its space quota; compact, defragment and disarm its alarm, or raise the quota`, { cause: error })
      if (/request is too large|message larger than max/.test(message)) throw new ValueTooLargeError(undefined, { cause: error })
      throw error
    } finally {
      this.#pending.delete(pending)
    }
  }

  /** etcd tells how far it has compacted only to a watch that asks for too much. */
  async #compactRevision(atLeast: number): Promise<number> {
    const stream = await this.#openWatch(1)
    try {
      for (let answer = await firstAnswer(stream); ; answer = await firstAnswer(stream)) {
        if (!answer.canceled && answer.created) continue
        this.#oldest = Math.max(this.#oldest, Number(answer.compact_revision))
        return Math.max(atLeast, this.#oldest)
      }
    } finally {
      endStream(stream)
    }
  }

  async #openWatch(from: number): Promise<WatchStream> {
    const stream = asGrpc(await this.#client.watchClient.watch())
    stream.write({ create_request: { key: everyKey, range_end: everyKey, start_revision: from, prev_kv: true } })
    return stream
  }

  /** The main watch, opened anew for as long as the store is open. */
  async #keepWatching(): Promise<void> {
    let delayMs: number = reconnectDelayMs.first
    while (!this.#closing.signal.aborted) {
      try {
        this.#mainStream = await this.#openWatch(this.#hub.revision + 1)
        if (this.#closing.signal.aborted) endStream(this.#mainStream)
        else await this.#follow(this.#mainStream, () => (delayMs = reconnectDelayMs.first))
      } catch (err) {
        if (this.#closing.signal.aborted) return
        if (err instanceof CompactedError) this.#hub.skipTo(err.compactRevision, this.#learn(err))
        else this.#runtime.log.warn('lost the watch of etcd; opening it again', { endpoints: this.#endpoints, delayMs, err })
      }
      try {
        await this.#runtime.clock.sleep(delayMs, this.#closing.signal)
      } catch {
        // Closing ends the sleep; the loop sees it.
      }
      delayMs = Math.min(delayMs * 2, reconnectDelayMs.most)
    }
  }

  /** Publishes what a stream brings, until it ends. */
  #follow(stream: WatchStream, onAnswer: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      stream.on('data', (answer: IWatchResponse) => {
        onAnswer()
        if (answer.canceled) {
          endStream(stream)
          return reject(cancellation(answer))
        }
        if (answer.events.length === 0) return
        const events = answer.events.map(storeEvent)
        const { revision } = events.at(-1)!
        if (revision <= this.#hub.revision) return
        this.#newest = Math.max(this.#newest, revision)
        this.#hub.publish(events.filter((event) => event.revision > this.#hub.revision), revision)
      })
      stream.on('error', reject)
      stream.on('end', resolve)
      stream.on('close', resolve)
    })
  }

  /** The changes from `from` up to `upTo`, or the first of them, by a stream of its own. All revisions up to `upTo` exist. */
  async #readLog(from: number, upTo: number): Promise<LogPiece> {
    const stream = await this.#openWatch(from)
    try {
      return await new Promise((resolve, reject) => {
        const events: StoreEvent[] = []
        stream.on('data', (answer: IWatchResponse) => {
          if (answer.canceled) return reject(this.#closing.signal.aborted ? new StoreClosedError() : this.#learn(cancellation(answer)))
          for (const event of answer.events.map(storeEvent)) if (event.revision <= upTo) events.push(event)
          const reached = Number(answer.events.at(-1)?.kv.mod_revision ?? 0)
          if (reached >= upTo) resolve({ events, next: upTo + 1 })
          else if (events.length >= logPieceEvents) resolve({ events, next: reached + 1 })
        })
        stream.on('error', reject)
        stream.on('end', () => reject(new Error('etcd ended a watch')))
      })
    } finally {
      endStream(stream)
    }
  }

  #learn(error: Error): Error {
    if (error instanceof CompactedError) this.#oldest = Math.max(this.#oldest, error.compactRevision)
    return error
  }
}

function cancellation(answer: IWatchResponse): Error {
  const compactRevision = Number(answer.compact_revision)
  return compactRevision > 0 ? new CompactedError(compactRevision) : new Error(`etcd cancelled a watch: ${answer.cancel_reason}`)
}

function keyValue(kv: IKeyValue): KeyValue {
  return { key: kv.key.toString(), value: kv.value, createRevision: Number(kv.create_revision), modRevision: Number(kv.mod_revision), version: Number(kv.version), leaseId: Number(kv.lease) }
}

function storeEvent({ type, kv, prev_kv }: IWatchResponse['events'][number]): StoreEvent {
  const current = keyValue(kv)
  const previous = absent(prev_kv) ? undefined : keyValue(prev_kv)
  if (type === 'Delete') return { type: 'delete', key: current.key, kv: tombstone(current.key, current.modRevision), previous, revision: current.modRevision }
  return { type: 'put', key: current.key, kv: current, previous, revision: current.modRevision }
}

/** A message that was not sent is null, whatever its type says. */
function absent(kv: IKeyValue | null | undefined): kv is null | undefined { return kv === null || kv === undefined }

function accepted(revision: number, previous: IKeyValue | null | undefined): WriteResult {
  return { ok: true, revision, previous: absent(previous) ? undefined : keyValue(previous) }
}

function refused(revision: number, kv: IKeyValue | null | undefined): WriteResult {
  return { ok: false, revision, kv: absent(kv) ? undefined : keyValue(kv) }
}

function asBuffer(value: Uint8Array): Buffer { return Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength) }

function messageOf(error: unknown): string { return error instanceof Error ? error.message : String(error) }

function isUnavailable(error: unknown): boolean {
  return error instanceof Error && (error.constructor.name === 'GRPCUnavailableError' || error.constructor.name === 'GRPCCancelledError')
}

/** etcd3 hands out gRPC's own streams under a type without `cancel`. */
function asGrpc<Q, A>(stream: IDuplexStream<Q, A>): ClientDuplexStream<Q, A> {
  return stream as unknown as ClientDuplexStream<Q, A>
}

function firstAnswer<Q, A>(stream: ClientDuplexStream<Q, A>): Promise<A> {
  return new Promise((resolve, reject) => {
    stream.once('data', resolve)
    stream.once('error', reject)
    stream.once('end', () => reject(new Error('etcd ended the stream without an answer')))
  })
}

/** Cancelling makes gRPC report an error, which is then nobody's. */
function endStream(stream: { on(event: 'error', listener: () => void): unknown; cancel(): void }): void {
  stream.on('error', () => undefined)
  stream.cancel()
}
