import { apiServerId } from '../bootstrap/identity-lease.ts'
import { labelHash, type MetricSet } from '../metrics/metric-set.ts'
import type { Clock } from '../../runtime/clock.ts'

/** The names of gRPC's status codes, by number. */
const grpcCodes = ['OK', 'Canceled', 'Unknown', 'InvalidArgument', 'DeadlineExceeded', 'NotFound', 'AlreadyExists', 'PermissionDenied', 'ResourceExhausted', 'FailedPrecondition', 'Aborted', 'OutOfRange', 'Unimplemented', 'Internal', 'Unavailable', 'DataLoss', 'Unauthenticated']

/** A gRPC status code by its name. */
export function grpcCodeName(code: number): string {
  return grpcCodes[code] ?? `Code(${code})`
}

function statusOf(error: unknown): string {
  for (let each = error; each instanceof Error; each = each.cause) if ('code' in each && typeof each.code === 'number') return grpcCodeName(each.code)
  return 'unknown-non-grpc'
}

export type Direction = 'from_storage' | 'to_storage'
const maxKeyIds = 100

/** Counts what becomes of values and of the keys that protect them. */
export class EncryptionMetrics {
  readonly set: MetricSet
  readonly clock: Clock
  /** The resource whose values lie under a storage key, as metrics name it. */
  resourceOf: (key: string) => string = () => ''
  readonly #server = labelHash(apiServerId())
  /** Hashes of key IDs, which are few; the oldest go. */
  readonly #hashes = new Map<string, string>()

  constructor(set: MetricSet, clock: Clock) {
    this.set = set
    this.clock = clock
  }

  transformed(direction: Direction, prefix: string, key: string, begunMs: number, error?: unknown): void {
    this.set.count('apiserver_storage_transformation_operations_total', this.resourceOf(key), direction, prefix, error === undefined ? 'OK' : statusOf(error))
    if (error === undefined) this.set.observe('apiserver_storage_transformation_duration_seconds', (this.clock.monotonicMs() - begunMs) / 1000, direction, prefix)
  }

  called(provider: string, method: string, begunMs: number, code: number): void {
    this.set.observe('apiserver_envelope_encryption_kms_operations_latency_seconds', (this.clock.monotonicMs() - begunMs) / 1000, provider, method, grpcCodeName(code))
  }

  keyUsed(direction: Direction, provider: string, keyId: string): void {
    const labels = [direction, provider, this.#hash(keyId), this.#server] as const
    this.set.count('apiserver_envelope_encryption_key_id_hash_total', ...labels)
    this.set.set('apiserver_envelope_encryption_key_id_hash_last_timestamp_seconds', this.clock.now() / 1000, ...labels)
  }

  /** What a plugin's status names as its key. */
  keyNamed(provider: string, keyId: string, problem: string | undefined): void {
    if (problem === undefined) this.set.set('apiserver_envelope_encryption_key_id_hash_status_last_timestamp_seconds', this.clock.now() / 1000, provider, this.#hash(keyId), this.#server)
    else this.set.count('apiserver_envelope_encryption_invalid_key_id_from_status_total', provider, keyId === '' ? 'empty' : 'too_long')
  }

  seedsKnown(provider: string, count: number): void {
    this.set.set('apiserver_envelope_encryption_dek_source_cache_size', count, provider)
  }

  seedMissed(): void {
    this.set.count('apiserver_storage_envelope_transformation_cache_misses_total')
  }

  seedMade(begunMs: number): void {
    this.set.observe('apiserver_storage_data_key_generation_duration_seconds', (this.clock.monotonicMs() - begunMs) / 1000)
  }

  #hash(keyId: string): string {
    let hash = this.#hashes.get(keyId)
    if (hash === undefined) {
      if (this.#hashes.size >= maxKeyIds) this.#hashes.delete(this.#hashes.keys().next().value!)
      this.#hashes.set(keyId, hash = labelHash(keyId))
    }
    return hash
  }
}
