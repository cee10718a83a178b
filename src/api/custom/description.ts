import { findByPath, parseJsonPath } from '../../machinery/jsonpath.ts'
import type { JsonObject } from '../../machinery/json-value.ts'
import type { OpenObject } from '../../machinery/object.ts'
import { compareVersions } from '../resource-table.ts'
import type { ResourceDescription, SubresourceDescription, Verb } from '../resource.ts'
import type { CustomResourceDefinition, CustomResourceDefinitionNames, CustomResourceDefinitionVersion } from '../types/apiextensions.k8s.io_v1.ts'
import { customPrinter } from './columns.ts'
import { applySchemaDefaults } from './default.ts'
import { fitEmbeddedMetadata } from './embedded-metadata.ts'
import { prune } from './prune.ts'
import { compileSchema, type SchemaNode } from './schema.ts'
import { customStrategies, type RuleCheck } from './strategy.ts'

const verbs: readonly Verb[] = ['delete', 'deletecollection', 'get', 'list', 'patch', 'create', 'update', 'watch']
const subresourceVerbs: readonly Verb[] = ['get', 'patch', 'update']

/** Where objects of a definition lie in the store. */
export function customStoragePrefix(group: string, plural: string): string {
  return `/registry/${group}/${plural}/`
}

export interface DescriptionParts {
  /** Rules of a version, compiled; undefined for a version without any. */
  rules(version: CustomResourceDefinitionVersion): RuleCheck | undefined
  /** Asks the conversion webhook of the definition. */
  convert?(objects: readonly Readonly<OpenObject>[], apiVersion: string): Promise<OpenObject[]>
}

/** The names that a definition is served under: those it has been accepted with. */
function namesOf(definition: Readonly<CustomResourceDefinition>): CustomResourceDefinitionNames {
  const accepted = definition.status?.acceptedNames
  return accepted === undefined || accepted.plural === '' ? definition.spec.names : accepted
}

/** One description a served version. Schemas are compiled when first needed. */
export function customDescriptions(definition: Readonly<CustomResourceDefinition>, parts: DescriptionParts): ResourceDescription[] {
  const storage = definition.spec.versions.find((version) => version.storage)
  if (storage === undefined) return []
  const schemas = new Map(definition.spec.versions.map((version) => [version.name, lazily(() => compileSchema(version.schema?.openAPIV3Schema))]))
  return definition.spec.versions.filter((version) => version.served).map((version) => describe(definition, version, { storage, schemas, parts }))
}

/** Schemas of all versions, by their names. */
type Schemas = ReadonlyMap<string, () => SchemaNode>
interface Surroundings { storage: CustomResourceDefinitionVersion; schemas: Schemas; parts: DescriptionParts }

function lazily<T>(make: () => T): () => T {
  let made: { value: T } | undefined
  return () => (made ??= { value: make() }).value
}

function describe(definition: Readonly<CustomResourceDefinition>, version: CustomResourceDefinitionVersion, { storage, schemas, parts }: Surroundings): ResourceDescription {
  const { group, scope } = definition.spec
  const names = namesOf(definition)
  const namespaced = scope === 'Namespaced'
  const schema = schemas.get(version.name)!
  const scale = version.subresources?.scale
  const hasStatus = version.subresources?.status !== undefined
  const strategies = customStrategies({ namespaced, schema, rules: parts.rules(version), hasStatus, scale })
  return {
    group, version: version.name, resource: names.plural, kind: names.kind, namespaced, verbs,
    singular: names.singular ?? names.kind.toLowerCase(),
    listKind: names.listKind ?? `${names.kind}List`,
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    subresources: subresourcesOf(version, strategies.status),
    // What a schema leaves open as a whole is published, and applied, as if it had none.
    schema: (definition.spec.preserveUnknownFields === true ? undefined : version.schema?.openAPIV3Schema as Record<string, unknown> | undefined) ?? { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
    custom: { schema, prune: (object) => [...pruneBy(definition, schema(), object), ...fitEmbeddedMetadata(schema(), object)], ...(scale === undefined ? {} : { scale }) },
    storagePrefix: customStoragePrefix(group, names.plural),
    storageVersion: `${group}/${storage.name}`,
    ...viewsOf(definition, version, { storage, schemas, parts }),
    ...customPrinter(version.additionalPrinterColumns),
    selectableFields: Object.fromEntries((version.selectableFields ?? []).map(({ jsonPath }) => [jsonPath.replace(/^\./, ''), fieldReader(jsonPath)])),
    applyDefaults: (object) => fillDefaults(schema(), object),
    strategy: strategies.main,
    ...(version.deprecated === true ? { deprecationWarning: version.deprecationWarning ?? deprecationOf(definition, version) } : {}),
  }
}

/** Definitions from before v1 may keep all that their schemas don't name. */
function pruneBy({ spec }: Readonly<CustomResourceDefinition>, schema: SchemaNode, object: JsonObject): string[] {
  return spec.preserveUnknownFields === true ? [] : prune(schema, object)
}

function deprecationOf({ spec }: Readonly<CustomResourceDefinition>, { name }: CustomResourceDefinitionVersion): string {
  const { group, names: { kind } } = spec
  const [better] = spec.versions.filter((each) => each.served && each.deprecated !== true && compareVersions(each.name, name) < 0).map((each) => each.name).sort(compareVersions)
  return `${group}/${name} ${kind} is deprecated${better === undefined ? '' : `; use ${group}/${better} ${kind}`}`
}

function subresourcesOf(version: CustomResourceDefinitionVersion, strategy: SubresourceDescription['strategy'] & object): SubresourceDescription[] {
  const { status, scale } = version.subresources ?? {}
  return [
    ...(status === undefined ? [] : [{ name: 'status', verbs: subresourceVerbs, strategy }]),
    ...(scale === undefined ? [] : [{ name: 'scale', verbs: subresourceVerbs, group: 'autoscaling', version: 'v1', kind: 'Scale' }]),
  ]
}

/** Defaults, without what ObjectMeta doesn't have in the metadata of embedded resources: a definition may give that, too. */
function fillDefaults(schema: SchemaNode, object: OpenObject): void {
  applySchemaDefaults(schema, object)
  if (schema.has.defaults && schema.has.embedded) fitEmbeddedMetadata(schema, object)
}

/**
 * How stored objects come to be seen in a version: pruned and filled with defaults by the schema of the version that they are
 * stored in, then converted, then pruned by that of the version asked for, whose defaults are for what comes in only (as
 * apiextensions' `crdConversionRESTOptionsGetter`). Nothing needs to be done where every object was written by this very
 * schema, and in this version: then stored bytes are served as they are.
 */
function viewsOf(definition: Readonly<CustomResourceDefinition>, version: CustomResourceDefinitionVersion, { storage, schemas, parts: { convert } }: Surroundings): Pick<ResourceDescription, 'view' | 'convert'> {
  const { versions, group } = definition.spec
  const storedVersions = definition.status?.storedVersions ?? []
  const isStoredOnly = version === storage && storedVersions.every((name) => name === storage.name)
  if (isStoredOnly && (definition.metadata.generation ?? 1) === 1 && versions.every((each) => each === version || !each.served)) return {}
  const { generation = 0, uid = '' } = definition.metadata
  const apiVersion = `${group}/${version.name}`
  return {
    view: {
      key: `object ${apiVersion} ${uid} ${generation}`,
      stored(object) {
        const schema = schemas.get(object.apiVersion!.slice(group.length + 1))?.()
        if (schema === undefined) return object
        pruneBy(definition, schema, object)
        fillDefaults(schema, object)
        return object
      },
      of(object) {
        object.apiVersion = apiVersion
        pruneBy(definition, schemas.get(version.name)!(), object)
        return object
      },
    },
    ...(convert === undefined || isStoredOnly ? {} : { convert }),
  }
}

function fieldReader(jsonPath: string): (object: Readonly<OpenObject>) => string {
  const path = parseJsonPath(jsonPath)
  return (object) => {
    const [value] = findByPath(path, object)
    return value === undefined || value === null ? '' : String(value)
  }
}
