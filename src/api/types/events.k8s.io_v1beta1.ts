// Generated from src/api/schema by `npm run generate`.
import type { ListMeta, ObjectMeta } from './meta_v1.ts'
import type { EventSource, ObjectReference } from './core_v1.ts'

export interface Event {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  eventTime: string
  series?: EventSeries
  reportingController?: string
  reportingInstance?: string
  action?: string
  reason?: string
  regarding?: ObjectReference
  related?: ObjectReference
  note?: string
  type?: string
  deprecatedSource?: EventSource
  deprecatedFirstTimestamp?: string
  deprecatedLastTimestamp?: string
  deprecatedCount?: number
}

export interface EventSeries {
  count: number
  lastObservedTime: string
}

export interface EventList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: Event[]
}
