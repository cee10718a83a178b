import { semanticEqual } from '../../machinery/equality.ts'
import type { CustomResourceDefinitionSpec } from '../types/apiextensions.k8s.io_v1.ts'
import { isKnownFormat } from './formats.ts'
import { anySchema } from './schema-validation.ts'

/** Formats in the schemas of a definition that no value will be held to, as often as they occur. */
export function unknownFormats({ versions = [] }: Readonly<CustomResourceDefinitionSpec>): string[] {
  const out: string[] = []
  const schemas = versions.flatMap(({ schema }) => schema?.openAPIV3Schema ?? [])
  // One schema for all versions counts once, as upstream keeps it.
  for (const schema of schemas.filter((each, i) => i === 0 || schemas.length < versions.length || schemas.some((other) => !semanticEqual(each, other)))) {
    anySchema(schema, ({ type = '', format = '' }) => {
      if (format !== '' && !isKnownFormat(type, format)) out.push(format)
      return false
    })
  }
  return out
}
