import { typeForKind } from '../api/type-table.ts'
import { parseJson } from '../machinery/json-numbers.ts'
import type { OpenObject } from '../machinery/object.ts'
import { decodeProtobuf, isProtobuf } from '../machinery/protobuf-envelope.ts'

/**
 * What an original API server has left in etcd and this one would have written otherwise: built-in kinds in protobuf, and
 * CustomResourceDefinitions in v1beta1, the version in which upstream still keeps them.
 */
export function foreignObject(value: Buffer): OpenObject {
  const object = (isProtobuf(value) ? decodeProtobuf(value, typeForKind) : parseJson(value.toString('utf8'))) as unknown as OpenObject
  return isOldDefinition(object) ? definitionOf(object as unknown as OldDefinition) : object
}

const oldVersion = 'apiextensions.k8s.io/v1beta1'

function isOldDefinition(object: OpenObject): boolean {
  return object.apiVersion === oldVersion && object.kind === 'CustomResourceDefinition'
}

/** Whether the beginning of a stored object says that it is a definition in v1beta1. */
export function beginsOldDefinition(head: Buffer): boolean {
  return head.includes(oldVersion)
}

type Fields = Readonly<Record<string, unknown>>
interface OldVersion { schema?: unknown; subresources?: unknown; additionalPrinterColumns?: readonly Fields[]; selectableFields?: unknown }
interface OldDefinition extends OpenObject {
  spec: OldVersion & {
    version?: string
    versions?: readonly OldVersion[]
    validation?: unknown
    preserveUnknownFields?: boolean
    conversion?: { strategy?: string; webhookClientConfig?: unknown; conversionReviewVersions?: readonly string[] }
  }
}

/** A definition of v1beta1 in v1 (upstream: `Convert_v1beta1_CustomResourceDefinitionSpec_To_apiextensions_…` and from there to v1). */
function definitionOf(old: OldDefinition): OpenObject {
  const { version, versions = [], validation, subresources, additionalPrinterColumns, selectableFields, conversion, preserveUnknownFields, ...rest } = old.spec
  const all: readonly OldVersion[] = versions.length > 0 ? versions : [{ name: version ?? '', served: true, storage: true } as OldVersion]
  const { strategy = 'None', webhookClientConfig, conversionReviewVersions = ['v1beta1'] } = conversion ?? {}
  return {
    ...old, apiVersion: 'apiextensions.k8s.io/v1',
    spec: {
      ...rest,
      versions: all.map((each) => {
        const columns = each.additionalPrinterColumns ?? additionalPrinterColumns
        const { additionalPrinterColumns: _columns, ...kept } = each
        return {
          ...kept,
          ...withValue('schema', each.schema ?? validation), ...withValue('subresources', each.subresources ?? subresources), ...withValue('selectableFields', each.selectableFields ?? selectableFields),
          ...(columns === undefined ? {} : { additionalPrinterColumns: columns.map(({ JSONPath, ...column }) => ({ ...column, jsonPath: JSONPath })) }),
        }
      }),
      conversion: strategy === 'Webhook' ? { strategy, webhook: { ...withValue('clientConfig', webhookClientConfig), conversionReviewVersions } } : { strategy },
      // What v1beta1 takes for granted, v1 has to say.
      ...(preserveUnknownFields === false ? {} : { preserveUnknownFields: true }),
    },
  }
}

function withValue(name: string, value: unknown): Record<string, unknown> {
  return value === undefined || value === null ? {} : { [name]: value }
}
