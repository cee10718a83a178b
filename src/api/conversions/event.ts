import type { OpenObject } from '../../machinery/object.ts'
import type { Event as CoreEvent } from '../types/core_v1.ts'
import type { Event } from '../types/events.k8s.io_v1.ts'

/** Core and events.k8s.io events are one object under two names; upstream's `pkg/apis/events/v1/conversion.go` says which field is which. */

const toCore: ReadonlyArray<[events: string, core: string]> = [
  ['regarding', 'involvedObject'], ['note', 'message'], ['reportingController', 'reportingComponent'], ['deprecatedSource', 'source'],
  ['deprecatedFirstTimestamp', 'firstTimestamp'], ['deprecatedLastTimestamp', 'lastTimestamp'], ['deprecatedCount', 'count'],
]

function renamed(object: Readonly<OpenObject>, apiVersion: string, names: ReadonlyMap<string, string>): OpenObject {
  const out: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(object)) out[names.get(key) ?? key] = value
  out['apiVersion'] = apiVersion
  return out as unknown as OpenObject
}

const eventsToCore = new Map(toCore)
const coreToEvents = new Map(toCore.map(([events, core]) => [core, events]))

/** A new object that shares what is inside with the given one. */
export function coreEventOf(event: Readonly<Event> | Readonly<OpenObject>): OpenObject & CoreEvent {
  const out = renamed(event as Readonly<OpenObject>, 'v1', eventsToCore)
  out['involvedObject'] ??= {}
  return out as unknown as OpenObject & CoreEvent
}

export function eventsEventOf(event: Readonly<CoreEvent> | Readonly<OpenObject>): OpenObject & Event {
  return renamed(event as unknown as Readonly<OpenObject>, 'events.k8s.io/v1', coreToEvents) as unknown as OpenObject & Event
}
