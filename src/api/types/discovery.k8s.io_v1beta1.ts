// Generated from src/api/schema by `npm run generate`.
import type { ListMeta, ObjectMeta } from './meta_v1.ts'
import type { ObjectReference } from './core_v1.ts'

export interface EndpointSlice {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  addressType: string
  endpoints: Endpoint[]
  ports: EndpointPort[]
}

export interface Endpoint {
  addresses: string[]
  conditions?: EndpointConditions
  hostname?: string
  targetRef?: ObjectReference
  topology?: Record<string, string>
  nodeName?: string
  hints?: EndpointHints
}

export interface EndpointConditions {
  ready?: boolean
  serving?: boolean
  terminating?: boolean
}

export interface EndpointHints {
  forZones?: ForZone[]
  forNodes?: ForNode[]
}

export interface ForZone {
  name: string
}

export interface ForNode {
  name: string
}

export interface EndpointPort {
  name?: string
  protocol?: string
  port?: number
  appProtocol?: string
}

export interface EndpointSliceList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: EndpointSlice[]
}
