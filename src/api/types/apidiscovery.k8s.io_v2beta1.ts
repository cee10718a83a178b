// Generated from src/api/schema by `npm run generate`.
import type { GroupVersionKind, ListMeta, ObjectMeta } from './meta_v1.ts'

export interface APIGroupDiscoveryList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: APIGroupDiscovery[]
}

export interface APIGroupDiscovery {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  versions?: APIVersionDiscovery[]
}

export interface APIVersionDiscovery {
  version: string
  resources?: APIResourceDiscovery[]
  freshness?: string
}

export interface APIResourceDiscovery {
  resource: string
  responseKind?: GroupVersionKind
  scope: string
  singularResource: string
  verbs: string[]
  shortNames?: string[]
  categories?: string[]
  subresources?: APISubresourceDiscovery[]
}

export interface APISubresourceDiscovery {
  subresource: string
  responseKind?: GroupVersionKind
  acceptedTypes?: GroupVersionKind[]
  verbs: string[]
}
