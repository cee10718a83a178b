import { isJsonObject } from '../../machinery/json-value.ts'
import type { CustomResourceDefinitionVersion, JSONSchemaProps, ValidationRule } from '../types/apiextensions.k8s.io_v1.ts'

/** Schemas and versions in the shape of upstream's internal types, which is what its errors show of them. */
type Schema = Readonly<JSONSchemaProps>

const mapped = (schemas: Readonly<Record<string, Schema>> | undefined): object | null =>
  schemas === undefined ? null : Object.fromEntries(Object.keys(schemas).toSorted().map((name) => [name, internalSchema(schemas[name]!)]))
const listed = (schemas: readonly Schema[] | undefined): object[] | null => schemas?.map(internalSchema) ?? null
const orBool = (value: unknown): object | null =>
  value === undefined ? null : isJsonObject(value) ? { Allows: true, Schema: internalSchema(value as JSONSchemaProps) } : { Allows: value === true, Schema: null }

/** `items` in that form: a schema, or several. */
export function itemsOf(items: unknown): object | null {
  if (items === undefined) return null
  return Array.isArray(items) ? { Schema: null, JSONSchemas: listed(items as JSONSchemaProps[]) } : { Schema: internalSchema(items as JSONSchemaProps), JSONSchemas: null }
}

function dependenciesOf(dependencies: Readonly<Record<string, unknown>> | undefined): object | null {
  if (dependencies === undefined) return null
  return Object.fromEntries(Object.entries(dependencies).map(([name, each]) => [name, Array.isArray(each) ? { Schema: null, Property: each } : { Schema: internalSchema(each as JSONSchemaProps), Property: null }]))
}

export function internalRule({ rule, message = '', messageExpression = '', reason, fieldPath = '', optionalOldSelf }: Readonly<ValidationRule>): object {
  return { Rule: rule, Message: message, MessageExpression: messageExpression, Reason: reason ?? null, FieldPath: fieldPath, OptionalOldSelf: optionalOldSelf ?? null }
}

export function internalSchema(schema: Schema): Record<string, unknown> {
  const { id = '', $schema = '', $ref, description = '', type = '', nullable = false, format = '', title = '', exclusiveMaximum = false, exclusiveMinimum = false, pattern = '', uniqueItems = false } = schema
  return {
    ID: id, Schema: $schema, Ref: $ref ?? null, Description: description, Type: type, Nullable: nullable, Format: format, Title: title, Default: schema.default ?? null,
    Maximum: schema.maximum ?? null, ExclusiveMaximum: exclusiveMaximum, Minimum: schema.minimum ?? null, ExclusiveMinimum: exclusiveMinimum,
    MaxLength: schema.maxLength ?? null, MinLength: schema.minLength ?? null, Pattern: pattern, MaxItems: schema.maxItems ?? null, MinItems: schema.minItems ?? null,
    UniqueItems: uniqueItems, MultipleOf: schema.multipleOf ?? null, Enum: schema.enum ?? null, MaxProperties: schema.maxProperties ?? null, MinProperties: schema.minProperties ?? null,
    Required: schema.required ?? null, Items: itemsOf(schema.items), AllOf: listed(schema.allOf), OneOf: listed(schema.oneOf), AnyOf: listed(schema.anyOf),
    Not: schema.not === undefined ? null : internalSchema(schema.not), Properties: mapped(schema.properties), AdditionalProperties: orBool(schema.additionalProperties),
    PatternProperties: mapped(schema.patternProperties), Dependencies: dependenciesOf(schema.dependencies), AdditionalItems: orBool(schema.additionalItems), Definitions: mapped(schema.definitions),
    ExternalDocs: schema.externalDocs === undefined ? null : { Description: schema.externalDocs.description ?? '', URL: schema.externalDocs.url ?? '' }, Example: schema.example ?? null,
    XPreserveUnknownFields: schema['x-kubernetes-preserve-unknown-fields'] ?? null, XEmbeddedResource: schema['x-kubernetes-embedded-resource'] ?? false,
    XIntOrString: schema['x-kubernetes-int-or-string'] ?? false, XListMapKeys: schema['x-kubernetes-list-map-keys'] ?? null, XListType: schema['x-kubernetes-list-type'] ?? null,
    XMapType: schema['x-kubernetes-map-type'] ?? null, XValidations: schema['x-kubernetes-validations']?.map(internalRule) ?? null,
  }
}

export function internalVersion(version: Readonly<CustomResourceDefinitionVersion>): object {
  const { schema, subresources, additionalPrinterColumns, selectableFields } = version
  const scale = subresources?.scale
  return {
    Name: version.name ?? '', Served: version.served ?? false, Storage: version.storage ?? false, Deprecated: version.deprecated ?? false, DeprecationWarning: version.deprecationWarning ?? null,
    Schema: schema === undefined ? null : { OpenAPIV3Schema: schema.openAPIV3Schema === undefined ? null : internalSchema(schema.openAPIV3Schema) },
    Subresources: subresources === undefined ? null : {
      Status: subresources.status === undefined ? null : {},
      Scale: scale === undefined ? null : { SpecReplicasPath: scale.specReplicasPath ?? '', StatusReplicasPath: scale.statusReplicasPath ?? '', LabelSelectorPath: scale.labelSelectorPath ?? null },
    },
    AdditionalPrinterColumns: additionalPrinterColumns?.map(({ name = '', type = '', format = '', description = '', priority = 0, jsonPath = '' }) => ({ Name: name, Type: type, Format: format, Description: description, Priority: priority, JSONPath: jsonPath })) ?? null,
    SelectableFields: selectableFields?.map(({ jsonPath = '' }) => ({ JSONPath: jsonPath })) ?? null,
  }
}

/** Whether a field of the internal form is at Go's zero value. */
export function isZero(value: unknown): boolean {
  return value === null || value === '' || value === false || value === 0
}
