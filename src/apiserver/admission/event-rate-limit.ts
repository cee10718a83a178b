import type { Event } from '../../api/types/core_v1.ts'
import { errors } from '../../machinery/status.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { AdmissionAttributes, AdmissionPlugin } from '../context.ts'
import type { ApiServerCore } from '../core.ts'
import { isCore } from './refusal.ts'

export type EventLimitType = 'Server' | 'Namespace' | 'User' | 'SourceAndObject'
/** `qps` a second, `burst` at once, for each of the last `cacheSize` keys. */
export interface EventLimit { type: EventLimitType; qps: number; burst: number; cacheSize: number }

export const defaultEventCacheSize = 4096

const keys: Readonly<Record<EventLimitType, (attributes: AdmissionAttributes) => string>> = {
  Server: () => '', Namespace: ({ namespace }) => namespace, User: ({ user }) => user.username,
  SourceAndObject: ({ object }) => {
    const { source = {}, involvedObject = {} } = object as Event
    const { kind, namespace, name, uid, apiVersion } = involvedObject
    return [source.component, source.host, kind, namespace, name, uid, apiVersion].join('')
  },
}

interface Bucket { tokens: number; atMs: number }

/** Token buckets by key, the least recently used of them forgotten. */
function limiter({ type, qps, burst, cacheSize }: EventLimit, clock: Clock): (attributes: AdmissionAttributes) => Error | undefined {
  const buckets = new Map<string, Bucket>()
  return (attributes) => {
    const key = keys[type](attributes)
    const nowMs = clock.monotonicMs()
    const bucket = buckets.get(key) ?? { tokens: burst, atMs: nowMs }
    buckets.delete(key)
    buckets.set(key, bucket)
    if (buckets.size > cacheSize) buckets.delete(buckets.keys().next().value!)
    bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) / 1000) * qps)
    bucket.atMs = nowMs
    if (bucket.tokens >= 1) {
      bucket.tokens--
      return undefined
    }
    const error = errors.tooManyRequests(`Too many requests: limit reached on type ${type} for key ${key}`, 0)
    delete error.status.details
    return error
  }
}

/** Keeps clients from flooding the store with events. Off by default; needs limits. */
export function eventRateLimit({ runtime }: ApiServerCore, limits: readonly EventLimit[] = []): AdmissionPlugin {
  const limiters = limits.map((limit) => limiter(limit, runtime.clock))
  return {
    name: 'EventRateLimit',
    handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
    resources: ['events'],
    validate(attributes) {
      if (attributes.dryRun || !isCore(attributes, 'events')) return
      let refused: Error | undefined
      // Every limit counts the event, also when another has refused it.
      for (const limit of limiters) refused = limit(attributes) ?? refused
      if (refused !== undefined) throw refused
    },
  }
}
