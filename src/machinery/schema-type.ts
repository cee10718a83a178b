/**
 * What the codecs need to know of a type, whoever supplies it: the built-in kinds come from `api/type-table.ts`.
 * The model is Go's, since the wire formats are defined by it: structs, lists, maps and a few types with an encoding of their own.
 */

export type ScalarName =
  | 'string' | 'bool' | 'int32' | 'int64' | 'float64' | 'bytes' | 'time' | 'microTime' | 'duration' | 'quantity' | 'intOrString'
  /** A whole object of any kind (`runtime.RawExtension`). */
  | 'raw'
  /** Any JSON value (`apiextensions.JSON`). */
  | 'json'
  | 'fieldsV1'

export interface ScalarType { readonly kind: 'scalar'; readonly scalar: ScalarName }
export interface ListType {
  readonly kind: 'list'
  readonly item: SchemaType
  /** On the protobuf wire a message with `repeated items = 1` (ExtraValue, Verbs). */
  readonly wrapped?: boolean
}
/** Keys are always strings. */
export interface MapType { readonly kind: 'map'; readonly value: SchemaType }
/** JSONSchemaPropsOrArray, …OrBool, …OrStringArray: one of two shapes, told apart by their JSON form. */
export interface UnionType { readonly kind: 'union'; readonly id: string; readonly props: StructType; readonly other: 'array' | 'bool' | 'stringArray' }
export interface StructType {
  readonly kind: 'struct'
  /** `apps/v1.Deployment` */
  readonly id: string
  /** As Go's error texts print it: `v1.Deployment`. */
  readonly goName: string
  /** Bare name: `Deployment`. */
  readonly name: string
  /** Has apiVersion and kind of its own. */
  readonly isObject: boolean
  /** As declared, inline structs unresolved. */
  readonly fields: readonly SchemaField[]
  /** As JSON has them: inline fields replaced by what they hold. */
  readonly jsonFields: ReadonlyMap<string, SchemaField>
}
export type SchemaType = ScalarType | ListType | MapType | UnionType | StructType

export interface SchemaField {
  /** '' for an inline struct. */
  readonly name: string
  readonly type: SchemaType
  /** A struct embedded in its parent: hoisted in JSON; with a protobuf number, a message of its own on that wire. */
  readonly inline: boolean
  /** Protobuf field number; 0: not on that wire. */
  readonly proto: number
  readonly pointer: boolean
  readonly omitempty: boolean
  /** Clients have to set it (OpenAPI's `required`). */
  readonly required: boolean
  /** Allowed values, where upstream declares an enum. */
  readonly enum?: readonly string[]
  /** Go type of an enum: `v1.PullPolicy`. */
  readonly enumGoName?: string
  readonly default?: unknown
  readonly listType?: 'atomic' | 'set' | 'map'
  readonly listMapKeys?: readonly string[]
  readonly mapType?: 'atomic' | 'granular'
  readonly structType?: 'atomic' | 'granular'
  readonly patchStrategy?: string
  readonly patchMergeKey?: string
  readonly featureGate?: string
}

/** The type as Go's `reflect.Type.String()` prints it in decoding errors. */
export function goTypeName(type: SchemaType, enumGoName?: string): string {
  switch (type.kind) {
    case 'list': return `[]${goTypeName(type.item, enumGoName)}`
    case 'map': return type.value.kind === 'scalar' && type.value.scalar === 'quantity' ? 'v1.ResourceList' : `map[string]${goTypeName(type.value)}`
    case 'union': return `v1.${type.id.slice(type.id.lastIndexOf('.') + 1)}`
    case 'struct': return type.goName
    case 'scalar': return enumGoName ?? goScalars[type.scalar]
  }
}

const goScalars: Record<ScalarName, string> = {
  string: 'string', bool: 'bool', int32: 'int32', int64: 'int64', float64: 'float64', bytes: '[]uint8', time: 'v1.Time', microTime: 'v1.MicroTime',
  duration: 'v1.Duration', quantity: 'resource.Quantity', intOrString: 'intstr.IntOrString', raw: 'runtime.RawExtension', json: 'v1.JSON', fieldsV1: 'v1.FieldsV1',
}
