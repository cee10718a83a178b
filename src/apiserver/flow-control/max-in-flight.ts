import { isLongRunning, isMutating, tooManyRequests, type RequestLimiter, type Seat } from './request-limiter.ts'

/** How many requests may run at once; 0: any number. */
export interface InFlightLimits { readOnly: number; mutating: number }

/**
 * Without priority and fairness: two counters. Whoever comes too much is refused at once, but for the administrators
 * (upstream: `WithMaxInFlightLimit`).
 */
export function maxInFlightLimiter(limits: InFlightLimits): RequestLimiter & { readonly inFlight: InFlightLimits } {
  const inFlight = { readOnly: 0, mutating: 0 }
  const seatOf = (kind: keyof InFlightLimits): Seat => {
    let isHeld = true
    return {
      admitted: true, refusal: () => tooManyRequests(1), mark: () => undefined,
      release: () => {
        if (isHeld) inFlight[kind]--
        isHeld = false
      },
    }
  }
  const refused: Seat = { admitted: false, refusal: () => tooManyRequests(1), mark: () => undefined, release: () => undefined }
  return {
    inFlight,
    admit: ({ info, user }) => {
      if (isLongRunning(info)) return undefined
      const kind = isMutating(info) ? 'mutating' : 'readOnly'
      if (limits[kind] === 0) return undefined
      if (inFlight[kind] >= limits[kind]) return user.groups.includes('system:masters') ? undefined : refused
      inFlight[kind]++
      return seatOf(kind)
    },
  }
}
