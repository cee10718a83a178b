import type { FieldError } from '../machinery/field-error.ts'
import type { KubeObject, OpenObject } from '../machinery/object.ts'
import type { SchemaNode } from './custom/schema.ts'

/** Who asks; what strategies and admission may know of the caller. */
export interface UserInfo { username: string; uid?: string; groups: readonly string[]; extra?: Record<string, readonly string[]> }

/** What a strategy may use besides the objects; `api/` itself knows no clock and no chance. */
export interface StrategyContext {
  nowMs: number
  user: UserInfo
  /** '' for the main resource, else `status`, `scale`, … */
  subresource: string
  dryRun: boolean
  /** Adds a `Warning: 299` header to the answer. */
  warn(message: string): void
}

/**
 * What is special about a kind, in upstream's terms (`rest.RESTCreateStrategy` and its kin). Objects are in the resource's
 * own version, defaulted, and may be changed in place by the `prepare` hooks only.
 */
export interface Strategy {
  /** Drops what a client may not set on creation (usually `status`) and fills what the server owns. */
  prepareForCreate?(object: OpenObject, context: StrategyContext): void
  /** Carries over from `old` what this request may not change; raises `metadata.generation` where the spec changed. */
  prepareForUpdate?(object: OpenObject, old: Readonly<OpenObject>, context: StrategyContext): void
  validate?(object: Readonly<OpenObject>, context: StrategyContext): FieldError[]
  validateUpdate?(object: Readonly<OpenObject>, old: Readonly<OpenObject>, context: StrategyContext): FieldError[]
  warnings?(object: Readonly<OpenObject>, old: Readonly<OpenObject> | undefined): string[]
  /** PUT of a name that does not exist creates it. */
  allowCreateOnUpdate?: boolean
  /** PUT without resourceVersion is taken as a blind write; true where left out. */
  allowUnconditionalUpdate?: boolean
  /** Grace period in seconds that a deletion of `object` gets when the client asks for `requested` (undefined: the default); 0 deletes at once. */
  gracePeriodSeconds?(object: Readonly<OpenObject>, requested: number | undefined): number
  /** Finalizers that a deletion puts on the object first. */
  deletionFinalizers?: readonly string[]
  /** What a deletion that begins, and waits, says in the object. */
  beginDeletion?(object: OpenObject, nowMs: number): void
  /** What happens to dependents when the client doesn't say, or, where they are unsupported, whatever it says; Background where left out. */
  defaultPropagation?: 'Orphan' | 'Background' | 'Unsupported'
  /** The warning for who deletes without saying what shall happen to dependents. */
  defaultPropagationWarning?: string
}

/** `priority` 0 columns always show, higher ones with `-o wide`. The value may be a string, number or boolean; times are `date` columns holding RFC 3339. */
export interface PrinterColumn {
  name: string
  type: 'string' | 'integer' | 'number' | 'boolean' | 'date'
  format?: string
  description: string
  priority?: number
}

/** Cells of one object's row, as `metav1.TableRow` holds them (times already rendered as ages: `5m`). */
export type RowPrinter = (object: Readonly<OpenObject>, nowMs: number) => Array<string | number | bigint | boolean | null>

/** Of a `metav1.TableRow`: what is notable about its object. */
export interface RowCondition { type: string; status: string; reason: string; message: string }
/** Undefined where nothing is. */
export type RowConditions = (object: Readonly<OpenObject>) => readonly RowCondition[] | undefined

export type Verb = 'create' | 'get' | 'list' | 'watch' | 'update' | 'patch' | 'delete' | 'deletecollection'

export interface SubresourceDescription {
  /** `status`, `scale`, `binding`, `eviction`, `log`, `exec`, `token`, … */
  name: string
  verbs: readonly Verb[]
  /** Kind of the body where it isn't the parent's: `autoscaling/v1 Scale`. */
  group?: string
  version?: string
  kind?: string
  /** Strategy of `status`-like subresources, which write the parent object. */
  strategy?: Strategy
  /** How the body shows in tables, where it isn't the parent's kind. */
  columns?: readonly PrinterColumn[]
  printRow?: RowPrinter
}

/** What only custom resources have. */
export interface CustomTraits {
  /** The structural schema, compiled when first asked for: what pruning, defaulting and apply walk along with objects. */
  schema(): SchemaNode
  /** Drops fields that the schema, or the type of embedded metadata, doesn't specify, in place; returns their paths. Throws SchemaDecodeError. */
  prune(object: Record<string, unknown>): string[]
  /** Simple paths behind the scale subresource: `.spec.replicas`. */
  scale?: { specReplicasPath: string; statusReplicasPath: string; labelSelectorPath?: string }
}

/** One resource in one version: drives routing, discovery, OpenAPI, defaults, validation, tables, RBAC names and protobuf. */
export interface ResourceDescription {
  group: string
  version: string
  /** Plural, lower case: `pods`. */
  resource: string
  singular: string
  kind: string
  listKind: string
  namespaced: boolean
  shortNames: readonly string[]
  categories: readonly string[]
  verbs: readonly Verb[]
  subresources: readonly SubresourceDescription[]
  /** Id in the type tables: `apps/v1.Deployment`. Undefined for custom resources, which carry `schema`. */
  typeId?: string
  /** OpenAPI schema of a custom resource (`spec.versions[].schema.openAPIV3Schema` of its definition). */
  schema?: Readonly<Record<string, unknown>>
  /** What a custom resource has beside it. */
  custom?: CustomTraits
  /** Key prefix in the store: `/registry/pods/`; resources that share it (two versions, core and events.k8s.io events) share objects. */
  storagePrefix: string
  /** The version objects are stored in, `apps/v1`; where it differs from this one, `toStorage`/`fromStorage` convert. */
  storageVersion: string
  toStorage?(object: OpenObject): OpenObject
  fromStorage?(object: OpenObject): OpenObject
  /**
   * Where stored objects may be of another form than this version's (a definition that has changed, another version):
   * makes a copy of one into what is served. `key` names the result in caches.
   */
  view?: {
    readonly key: string
    /** Makes in place what is stored as the schema of its own version has it now. */
    stored(object: OpenObject): OpenObject
    /** Makes of an object in another version one in this. */
    of(object: OpenObject): OpenObject
  }
  /** Conversion between versions that has to ask a webhook; views are then made ahead of reading, and writes wait for it. */
  convert?(objects: readonly Readonly<OpenObject>[], apiVersion: string): Promise<OpenObject[]>
  /** Not stored: created, answered, forgotten (reviews, componentstatuses). */
  virtual?: boolean
  columns: readonly PrinterColumn[]
  printRow: RowPrinter
  /** What a row of a table says of its object beside the cells. */
  rowConditions?: RowConditions | undefined
  /** Field selectors beside metadata.name and metadata.namespace. */
  selectableFields: Record<string, (object: Readonly<OpenObject>) => string>
  /** Fills defaults in place, as upstream's `SetDefaults_*` do. */
  applyDefaults?(object: OpenObject): void
  strategy: Strategy
  /** Sent as `Warning` header on every use, where the version is deprecated. */
  deprecationWarning?: string
}

/** `apps/v1`, or `v1` for the core group. */
export function apiVersionOf(resource: { group: string; version: string }): string {
  return resource.group === '' ? resource.version : `${resource.group}/${resource.version}`
}

/** `deployments.apps`, or `pods`: the name of a resource whatever its version, used by caches, quotas and RBAC messages. */
export function groupResourceOf(resource: { group: string; resource: string }): string {
  return resource.group === '' ? resource.resource : `${resource.resource}.${resource.group}`
}

/** The store key of an object. */
export function storageKeyOf(resource: ResourceDescription, namespace: string, name: string): string {
  return resource.namespaced ? `${resource.storagePrefix}${namespace}/${name}` : `${resource.storagePrefix}${name}`
}

/** Every resource served. Built-in ones are there from the start; custom ones come and go. */
export interface ResourceTable {
  find(group: string, version: string, resource: string): ResourceDescription | undefined
  findKind(group: string, version: string, kind: string): ResourceDescription | undefined
  all(): readonly ResourceDescription[]
  /** Versions of a group in order of preference. */
  versions(group: string): readonly string[]
  groups(): readonly string[]
  add(resource: ResourceDescription): void
  remove(group: string, version: string, resource: string): void
  /** Rises with every change: discovery and OpenAPI documents are cached by it. */
  readonly generation: number
}

export type { KubeObject }

/** Kinds whose deletion answers with the deleted object instead of a Status (upstream: `ReturnDeletedObject`). */
const returned = new Set([
  'pods', 'services', 'serviceaccounts', 'podtemplates', 'persistentvolumes', 'persistentvolumeclaims', 'resourcequotas',
  'storageclasses.storage.k8s.io', 'csidrivers.storage.k8s.io', 'csinodes.storage.k8s.io', 'volumeattachments.storage.k8s.io', 'volumeattributesclasses.storage.k8s.io',
  'deviceclasses.resource.k8s.io', 'devicetaintrules.resource.k8s.io', 'resourceclaims.resource.k8s.io', 'resourceclaimtemplates.resource.k8s.io', 'resourcepoolstatusrequests.resource.k8s.io',
  'resourceslices.resource.k8s.io',
])

/** Whether deleting one answers with the object that is gone. */
export function answersDeletedObject({ group, resource }: { group: string; resource: string }): boolean {
  return returned.has(group === '' ? resource : `${resource}.${group}`)
}
