import type { ContainerStatus } from '../../api/types/core_v1.ts'
import type { LogQuery } from '../logs/read.ts'
import { findContainer, type BoundPod } from '../pods.ts'
import type { ObservedContainer, ObservedPod } from '../runtime-pods.ts'

/** An answer of the server that is no success. */
export class HttpError extends Error {
  readonly status: number
  constructor(status: number, message: string, options?: ErrorOptions) {
    super(message, options)
    this.status = status
  }
}

function whole(query: URLSearchParams, name: string, least: number): number | undefined {
  const text = query.get(name)
  if (text === null || text === '') return undefined
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < least) throw new HttpError(422, `{"message": "Invalid request: ${name} must be a whole number of at least ${least}"}`)
  return value
}

/** Options of a log request, checked. */
export function logQuery(query: URLSearchParams, nowMs: number): LogQuery & { previous: boolean } {
  const truth = (name: string): boolean => ['true', '1'].includes(query.get(name) ?? '')
  const sinceSeconds = whole(query, 'sinceSeconds', 1)
  const sinceTime = query.get('sinceTime')
  const stream = query.get('stream') ?? 'All'
  if (stream !== 'All' && stream !== 'Stdout' && stream !== 'Stderr') throw new HttpError(422, '{"message": "Invalid request: stream must be All, Stdout or Stderr"}')
  const sinceMs = sinceSeconds !== undefined ? nowMs - sinceSeconds * 1000 : sinceTime !== null && sinceTime !== '' ? Date.parse(sinceTime) : undefined
  if (Number.isNaN(sinceMs)) throw new HttpError(422, '{"message": "Invalid request: sinceTime must be a time as RFC 3339 writes it"}')
  const tailLines = whole(query, 'tailLines', 0)
  const limitBytes = whole(query, 'limitBytes', 1)
  return {
    follow: truth('follow'), timestamps: truth('timestamps'), previous: truth('previous'), stream,
    ...(sinceMs === undefined ? {} : { sinceMs }), ...(tailLines === undefined ? {} : { tailLines }), ...(limitBytes === undefined ? {} : { limitBytes }),
  }
}

const idOf = (containerID: string | undefined): string | undefined => containerID?.replace(/^[^:]+:\/\//, '') || undefined

/** The run of a container whose log is asked for. Throws what upstream says when there is none (`validateContainerLogStatus`). */
export function containerForLog(pod: BoundPod, observed: ObservedPod | undefined, statuses: readonly ContainerStatus[], name: string, previous: boolean): ObservedContainer {
  if (findContainer(pod, name) === undefined) throw new HttpError(404, `container "${name}" not found in pod "${pod.metadata.name}"\n`)
  const what = `container "${name}" in pod "${pod.metadata.name}"`
  const bad = (message: string): never => {
    throw new HttpError(400, message)
  }
  const runs = (observed?.containers ?? []).filter((container) => container.name === name && container.state !== 'created')
  const status = statuses.find((candidate) => candidate.name === name)
  const byId = (id: string | undefined): ObservedContainer | undefined => runs.find((container) => container.id === id)
  if (previous) {
    const told = idOf(status?.lastState?.terminated?.containerID)
    // What the status tells of may have made way for a later run that has ended, too.
    const last = byId(told) ?? (told === undefined && runs[0]?.state !== 'running' ? undefined : runs.find(({ state }) => state === 'exited'))
    return last ?? bad(`previous terminated ${what} not found`)
  }
  const newest = runs[0]
  if (newest !== undefined) return newest
  const waiting = status?.state?.waiting
  if (status?.state?.terminated !== undefined || status?.lastState?.terminated !== undefined) return bad(`${what} is terminated`)
  if (waiting === undefined) return bad(`${what} is not available`)
  if (waiting.reason === 'ErrImagePull') return bad(`${what} is waiting to start: image can't be pulled`)
  if (waiting.reason === 'ImagePullBackOff') return bad(`${what} is waiting to start: trying and failing to pull image`)
  return bad(waiting.reason === undefined ? `${what} is waiting to start - no logs yet` : `${what} is waiting to start: ${waiting.reason}`)
}
