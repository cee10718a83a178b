import { createHash } from 'node:crypto'
import { timeText } from '../../machinery/object.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { aesGcm, extendedNonceGcm, seedBytes } from './ciphers.ts'
import { decodeEncryptedObject, encodeEncryptedObject, envelopeProblem, keyIdProblem, type EncryptedObject } from './kms-messages.ts'
import type { EncryptionMetrics } from './encryption-metrics.ts'
import type { KmsPlugin } from './kms-plugin.ts'
import type { Opened, ValueTransformer } from './value-transformer.ts'

const healthyPeriodMs = 60_000
const unhealthyPeriodMs = 10_000
/** A seed may be written with for so long after the plugin has last confirmed its key. */
const writeLifeMs = 180_000
/** How long an answer of the probe stands. */
const probeLifeMs = { healthy: 20_000, unhealthy: 3_000 }
const maxCachedKeys = 1_000

/** A seed that values are written with, and the same as only the plugin can read it. */
interface WriteState { transformer: ValueTransformer; envelope: Omit<EncryptedObject, 'data'>; expiresMs: number }

/**
 * Envelope encryption (KEP-3299): values are encrypted here, with keys from a seed that the plugin has encrypted; it is asked
 * again only when its own key changes, and for seeds that others have written with.
 */
export class KmsTransformer implements ValueTransformer, Disposable {
  readonly #name: string
  readonly #plugin: KmsPlugin
  readonly #runtime: Runtime
  readonly #metrics: EncryptionMetrics
  #write: WriteState | undefined
  #version = ''
  #probe: { failure: Error | undefined; atMs: number } | undefined
  #probing: Promise<void> | undefined
  #timer: Disposable | undefined
  #closed = false
  /** By what identifies a seed; a promise while the plugin is asked. */
  readonly #keys = new Map<string, ValueTransformer | Promise<ValueTransformer>>()

  constructor(name: string, plugin: KmsPlugin, runtime: Runtime, metrics: EncryptionMetrics) {
    this.#metrics = metrics
    this.#name = name
    this.#plugin = plugin
    this.#runtime = runtime
  }

  /** Asks the plugin once, and from then on again and again. Whether it answers or not is for `check` to say. */
  async start(): Promise<void> {
    await this.check().catch((err: unknown) => this.#runtime.log.warn('a KMS plugin is not healthy', { name: this.#name, err }))
    this.#schedule()
  }

  /** Rejects when the plugin is not healthy, or what is written could not be read again. */
  async check(): Promise<void> {
    const nowMs = this.#runtime.clock.monotonicMs()
    const known = this.#probe
    if (known !== undefined && nowMs - known.atMs < (known.failure === undefined ? probeLifeMs.healthy : probeLifeMs.unhealthy)) {
      if (known.failure !== undefined) throw known.failure
      return
    }
    await (this.#probing ??= this.#ask().finally(() => (this.#probing = undefined)))
  }

  seal(value: Uint8Array, key: string): Buffer {
    const { transformer, envelope, expiresMs } = this.#writeState()
    const nowMs = this.#runtime.clock.now()
    if (nowMs > expiresMs) throw new Error(`encryptedDEKSource with keyID hash ${JSON.stringify(hashOf(envelope.keyId))} expired at ${timeText(expiresMs)} (current time is ${timeText(nowMs)})`)
    const sealed = encodeEncryptedObject({ ...envelope, data: transformer.seal(value, key) })
    this.#metrics.keyUsed('to_storage', this.#name, envelope.keyId)
    return sealed
  }

  open(stored: Buffer, key: string): Opened | Promise<Opened> {
    const object = decodeEncryptedObject(stored)
    const mark = markOf(object)
    const id = identityOf(object)
    const known = this.#keys.get(id) ?? this.#fetch(id, object)
    const opened = (transformer: ValueTransformer): Opened => {
      const { data } = transformer.open(object.data, key) as Opened
      this.#metrics.keyUsed('from_storage', this.#name, object.keyId)
      return { data, mark }
    }
    return known instanceof Promise ? known.then(opened) : opened(known)
  }

  currentMark(): string {
    return this.#write === undefined ? '?' : markOf(this.#write.envelope)
  }

  [Symbol.dispose](): void {
    this.#closed = true
    this.#timer?.[Symbol.dispose]()
    this.#plugin[Symbol.dispose]()
  }

  #writeState(): WriteState {
    if (this.#write === undefined) throw new Error(`the KMS plugin ${this.#name} has not given a key to write with yet`)
    return this.#write
  }

  #remember(id: string, key: ValueTransformer | Promise<ValueTransformer>): void {
    if (this.#keys.size >= maxCachedKeys) this.#keys.delete(this.#keys.keys().next().value!)
    this.#keys.set(id, key)
    this.#metrics.seedsKnown(this.#name, this.#keys.size)
  }

  /** Has the plugin open a seed; all who need the same wait for one call. */
  #fetch(id: string, { dekSource, keyId, annotations, sourceType }: EncryptedObject): Promise<ValueTransformer> {
    const { random } = this.#runtime
    this.#metrics.seedMissed()
    const fetched = this.#plugin.decrypt({ ciphertext: dekSource, uid: random.uuid(), keyId, annotations }).then((key) => {
      const transformer = sourceType === 'hkdf-seed' ? extendedNonceGcm(key, random) : aesGcm(key, random, '')
      this.#keys.set(id, transformer)
      return transformer
    }, (cause: unknown) => {
      this.#keys.delete(id)
      throw new Error(`failed to decrypt DEK, error: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    })
    this.#remember(id, fetched)
    return fetched
  }

  #schedule(): void {
    if (this.#closed) return
    const periodMs = this.#probe?.failure === undefined ? healthyPeriodMs : unhealthyPeriodMs
    this.#timer = this.#runtime.clock.timer(periodMs, () => {
      this.#probe = undefined
      void this.start()
    }, { background: true })
  }

  async #ask(): Promise<void> {
    const { clock } = this.#runtime
    let failure: Error | undefined
    try {
      await this.#askOnce()
    } catch (cause) {
      failure = cause instanceof Error ? cause : new Error(String(cause))
    }
    this.#probe = { failure, atMs: clock.monotonicMs() }
    if (failure !== undefined) throw failure
  }

  async #askOnce(): Promise<void> {
    const status = await this.#plugin.status().catch((cause: unknown) => {
      throw new Error(`failed to perform status section of the healthz check for KMS Provider ${this.#name}, error: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    })
    const problems: string[] = []
    if (status.healthz !== 'ok') problems.push(`got unexpected healthz status: ${status.healthz}`)
    if (status.version !== 'v2' && status.version !== 'v2beta1') problems.push(`expected KMSv2 API version v2, got ${status.version}`)
    else if (this.#version !== '' && this.#version !== status.version) problems.push(`KMSv2 API version should not change after the initial status response version ${this.#version}, got ${status.version}`)
    else this.#version = status.version
    const keyProblem = keyIdProblem(status.keyId)
    this.#metrics.keyNamed(this.#name, status.keyId, keyProblem)
    if (keyProblem !== undefined) problems.push(`got invalid KMSv2 KeyID hash ${JSON.stringify(hashOf(status.keyId))}: ${keyProblem}`)
    else await this.#rotate(status.keyId).catch((cause: unknown) => problems.push(cause instanceof Error ? cause.message : String(cause)))
    if (problems.length > 0) throw new Error(`kmsv2 Provider ${this.#name} is not healthy, error: ${problems.length === 1 ? problems[0]! : `[${problems.join(', ')}]`}`)
  }

  /** A new seed when the plugin's key has changed; else the one there is lives on. */
  async #rotate(keyId: string): Promise<void> {
    const { clock, random } = this.#runtime
    const expiresMs = clock.now() + writeLifeMs
    if (this.#write !== undefined && this.#write.envelope.keyId === keyId) {
      this.#write.expiresMs = expiresMs
      return
    }
    const begunMs = clock.monotonicMs()
    const seed = Buffer.from(random.bytes(seedBytes))
    this.#metrics.seedMade(begunMs)
    const uid = random.uuid()
    const encrypted = await this.#plugin.encrypt(seed, uid).catch((cause: unknown) => {
      throw new Error(`failed to rotate DEK uid=${JSON.stringify(uid)}: failed to encrypt DEK, error: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    })
    const envelope = { keyId: encrypted.keyId, dekSource: encrypted.ciphertext, annotations: encrypted.annotations, sourceType: 'hkdf-seed' as const }
    const problem = envelopeProblem(envelope) ?? (encrypted.keyId === keyId ? undefined : `the plugin encrypts with keyID hash ${JSON.stringify(hashOf(encrypted.keyId))}, but its status names ${JSON.stringify(hashOf(keyId))}`)
    if (problem !== undefined) throw new Error(`failed to rotate DEK uid=${JSON.stringify(uid)}: ${problem}`)
    const transformer = extendedNonceGcm(seed, random)
    this.#write = { transformer, envelope, expiresMs }
    this.#remember(identityOf(envelope), transformer)
  }
}

function hashOf(text: string): string {
  return text === '' ? '' : `sha256:${createHash('sha256').update(text).digest('hex')}`
}

/** Values under the plugin's current key need not be written again, whatever seed they were written with. */
function markOf({ keyId, sourceType }: Omit<EncryptedObject, 'data'>): string {
  return `${sourceType}:${hashOf(keyId)}`
}

function identityOf({ keyId, dekSource, annotations, sourceType }: Omit<EncryptedObject, 'data'>): string {
  const hash = createHash('sha256').update(`${sourceType}\0${keyId}\0${dekSource.length}\0`).update(dekSource)
  for (const [name, value] of [...annotations].sort(([a], [b]) => (a < b ? -1 : 1))) hash.update(`\0${name}\0${value.length}\0`).update(value)
  return hash.digest('base64url')
}
