import { isJsonObject } from '../../machinery/json-value.ts'
import type { CustomResourceDefinitionVersion, JSONSchemaProps } from '../types/apiextensions.k8s.io_v1.ts'

/** Whether a version has validation rules; loads nothing to tell. */
export function hasRules(version: Readonly<Pick<CustomResourceDefinitionVersion, 'schema'>>): boolean {
  const schema = version.schema?.openAPIV3Schema
  return schema !== undefined && schemaHasRules(schema)
}

export function schemaHasRules(schema: Readonly<JSONSchemaProps>): boolean {
  if ((schema['x-kubernetes-validations']?.length ?? 0) > 0) return true
  if (isJsonObject(schema.items) && schemaHasRules(schema.items as JSONSchemaProps)) return true
  if (isJsonObject(schema.additionalProperties) && schemaHasRules(schema.additionalProperties as JSONSchemaProps)) return true
  return Object.values(schema.properties ?? {}).some(schemaHasRules)
}
