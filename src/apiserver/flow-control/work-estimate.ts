import type { RequestInfo } from '../context.ts'

/** Seats while a request runs, and seats for a while after it, when watchers are told of what it changed. */
export interface WorkEstimate { readonly initialSeats: number; readonly finalSeats: number; readonly additionalLatencyMs: number }

/** How many objects a resource has, and how large they are on average; undefined when that is not known. */
export type ObjectStatistics = (info: RequestInfo) => { count: number; averageBytes: number } | undefined

const bytesPerSeat = 100_000
/** A list from the cache is streamed, and so never takes more than this at once. */
const streamedBytes = 1_000_000
const maxListSeats = 100
const maxMutatingSeats = 10
const watchesPerSeat = 10
/** Time in which a seat tells ten watchers. */
const eventLatencyMs = 5

export const oneSeat: WorkEstimate = { initialSeats: 1, finalSeats: 0, additionalLatencyMs: 0 }

/** The work of a list, or of the initial state of a watch, by the memory that it takes (upstream: `seatsBasedOnObjectSize`). `maxSeats` of the level; 0: none. */
export function listWork(info: RequestInfo, query: URLSearchParams, statistics: ObjectStatistics, maxSeats: number): WorkEstimate {
  const resourceVersion = query.get('resourceVersion') ?? ''
  const isWatch = info.verb === 'watch'
  const sendsState = isTrue(query.get('sendInitialEvents')) || resourceVersion === '' || resourceVersion === '0'
  if (isWatch && !sendsState) return oneSeat
  const stored = statistics(info)
  if (stored === undefined || stored.count === 0) return oneSeat
  const limit = Number(query.get('limit') ?? 0)
  const limited = limit > 0 && limit < stored.count ? limit : stored.count
  const fromCache = isWatch || !fromStore(query, resourceVersion, limit)
  const selects = (query.get('labelSelector') ?? '') !== '' || (query.get('fieldSelector') ?? '') !== ''
  const objects = info.name !== '' ? 1 : !fromCache && selects ? Math.max(limited, Math.floor(stored.count / 2)) : limited
  const bytes = objects * stored.averageBytes
  const seats = Math.ceil((fromCache ? Math.min(bytes, streamedBytes) : bytes) / bytesPerSeat)
  const most = maxSeats === 0 ? maxListSeats : Math.min(maxSeats, maxListSeats)
  const initialSeats = Math.max(1, Math.min(seats, most))
  return initialSeats === 1 ? oneSeat : { initialSeats, finalSeats: 0, additionalLatencyMs: 0 }
}

/** Lists that the cache cannot answer: of an exact revision, and the later pages of one. */
function fromStore(query: URLSearchParams, resourceVersion: string, limit: number): boolean {
  const match = query.get('resourceVersionMatch') ?? ''
  if (match === 'Exact') return true
  if (match === 'NotOlderThan') return false
  if ((query.get('continue') ?? '') !== '') return true
  return limit > 0 && resourceVersion !== '' && resourceVersion !== '0'
}

function isTrue(value: string | null): boolean {
  return value !== null && value.toLowerCase() !== 'false' && value !== '0'
}

/** The work of a write by how many watchers will be told. */
export function mutatingWork(watchers: number, maxSeats: number): WorkEstimate {
  if (watchers < watchesPerSeat) return oneSeat
  const wanted = Math.ceil(watchers / watchesPerSeat)
  const most = maxSeats === 0 ? maxMutatingSeats : Math.min(maxSeats, maxMutatingSeats)
  const finalSeats = Math.min(wanted, most)
  return { initialSeats: 1, finalSeats, additionalLatencyMs: (wanted * eventLatencyMs) / finalSeats }
}

/** The open watches of one resource, by namespace and name; those that an index on a field finds are not counted, few of them see a change. */
export class WatchTally {
  readonly #counts = new Map<string, number>()

  /** Counts a watch until the result is called. */
  add(info: RequestInfo, query: URLSearchParams): () => void {
    if (info.resource === 'pods' && /(^|,)spec\.nodeName==?[^=,]/.test(query.get('fieldSelector') ?? '')) return () => undefined
    const key = `${info.namespace}/${info.name}`
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
    let isCounted = true
    return () => {
      if (!isCounted) return
      isCounted = false
      const left = (this.#counts.get(key) ?? 1) - 1
      if (left === 0) this.#counts.delete(key)
      else this.#counts.set(key, left)
    }
  }

  /** How many watches a write may concern. */
  interestedIn(info: RequestInfo): number {
    if (this.#counts.size === 0) return 0
    let count = this.#counts.get('/') ?? 0
    if (info.namespace !== '') count += this.#counts.get(`${info.namespace}/`) ?? 0
    if (info.name !== '') count += this.#counts.get(`${info.namespace}/${info.name}`) ?? 0
    return count
  }
}
