import { semanticEqual } from '../../machinery/equality.ts'
import { fieldErrors, type FieldError } from '../../machinery/field-error.ts'
import { dns1035LabelErrors, dnsSubdomainErrors } from '../../machinery/names.ts'
import { checkCaBundle, checkUrl, checkWebhookService } from '../validation/webhook-client.ts'
import type { CustomResourceConversion, CustomResourceDefinition, CustomResourceDefinitionNames, CustomResourceDefinitionSpec, CustomResourceDefinitionVersion, JSONSchemaProps } from '../types/apiextensions.k8s.io_v1.ts'
import { internalVersion } from './internal-definition.ts'
import { anySchema, hasGranularSetItems, hasLooseMapKeys, hasUnknownTypes, hasUnprunedDefaults, strictSchema, validateSchema, type SchemaOptions } from './schema-validation.ts'
import { deprecationWarningProblems, validateColumns, validateSelectableFields, validateSubresources } from './version-validation.ts'

/** What apiextensions checks of a definition (`pkg/apis/apiextensions/validation`). */
type Definition = Readonly<CustomResourceDefinition>
type Spec = Readonly<CustomResourceDefinitionSpec>
type Version = Readonly<CustomResourceDefinitionVersion>

const conversionVersions = ['v1', 'v1beta1']
const approvalAnnotation = 'api-approved.kubernetes.io'
const approvalHelp = 'https://github.com/kubernetes/enhancements/pull/1111'

/** What updates of older definitions need not keep to. */
interface Options { schema: SchemaOptions; anyReviewVersion: boolean; anyCaBundle: boolean; anySchemaMissing: boolean; unchangedSchemas: ReadonlySet<string>; manySelectable: ReadonlySet<string> }
const strict: Options = { schema: strictSchema, anyReviewVersion: false, anyCaBundle: true, anySchemaMissing: false, unchangedSchemas: new Set(), manySelectable: new Set() }

export function validateDefinition(definition: Definition): FieldError[] {
  const { metadata, spec } = definition
  const out: FieldError[] = []
  for (const field of ['generateName', 'name'] as const) {
    const name = metadata[field] ?? ''
    if (name !== '' && name !== `${spec.names?.plural ?? ''}.${spec.group ?? ''}`) out.push(fieldErrors.invalid(`metadata.${field}`, name, 'must be spec.names.plural+"."+spec.group'))
  }
  return [...out, ...validateSpec(spec, strict), ...validateDefinitionStatus(definition), ...validateStoredVersions(definition), ...validateApproval(definition), ...validatePreserving(spec)]
}

export function validateDefinitionUpdate(definition: Definition, old: Definition): FieldError[] {
  const { spec } = definition
  const isEstablished = old.status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True') === true
  // What stood before the rules became stricter may stay while its spec does.
  const out = semanticEqual(spec, old.spec) ? [] : validateSpec(spec, optionsFor(spec, old, isEstablished))
  const immutable = (field: string, value: unknown, before: unknown): void => {
    if (value !== before) out.push(fieldErrors.invalid(field, value ?? '', 'field is immutable'))
  }
  if (isEstablished) {
    immutable('spec.scope', spec.scope, old.spec.scope)
    immutable('spec.names.kind', spec.names?.kind, old.spec.names.kind)
  }
  immutable('spec.group', spec.group, old.spec.group)
  immutable('spec.names.plural', spec.names?.plural, old.spec.names.plural)
  out.push(...validateDefinitionStatus(definition), ...validateStoredVersions(definition))
  if (approvalState(definition) !== approvalState(old)) out.push(...validateApproval(definition))
  if (old.spec.preserveUnknownFields !== true) out.push(...validatePreserving(spec))
  return out
}

export function validateDefinitionStatus({ status }: Definition): FieldError[] {
  return validateNames(status?.acceptedNames ?? {}, 'status.acceptedNames')
}

const schemaOf = (version: Version | undefined): Readonly<JSONSchemaProps> | undefined => version?.schema?.openAPIV3Schema

function optionsFor(spec: Spec, old: Definition, isEstablished: boolean): Options {
  const before = old.spec.versions ?? []
  const had = (isSuch: (schema: Readonly<JSONSchemaProps>) => boolean): boolean => before.some((version) => schemaOf(version) !== undefined && isSuch(schemaOf(version)!))
  const { webhook } = old.spec.conversion ?? {}
  const reviewVersions = webhook?.conversionReviewVersions ?? []
  const ca = webhook?.clientConfig?.caBundle
  const same = (versions: readonly Version[], isSame: (version: Version, was: Version) => boolean): Set<string> =>
    new Set(versions.filter((version) => before.some((was) => was.name === version.name && isSame(version, was))).map(({ name }) => name))
  return {
    schema: { anyType: had(hasUnknownTypes), unprunedDefaults: had(hasUnprunedDefaults), anySetItems: had(hasGranularSetItems), anyMapKeys: had(hasLooseMapKeys), ignoresRuleCost: false },
    anyReviewVersion: old.spec.conversion !== undefined && reviewVersions.length > 0 && !reviewVersions.some((version) => conversionVersions.includes(version)),
    anyCaBundle: !isEstablished || (ca !== undefined && checkCaBundle(ca, '').length > 0),
    anySchemaMissing: before.some((version) => schemaOf(version) === undefined),
    unchangedSchemas: same(spec.versions ?? [], (version, was) => semanticEqual(schemaOf(version), schemaOf(was))),
    manySelectable: same(spec.versions ?? [], (version, was) => (was.selectableFields?.length ?? 0) > 8 && semanticEqual(version.selectableFields, was.selectableFields)),
  }
}

/** The parts of versions that are the same in all of them; upstream keeps those at the top of the spec, and names them there. */
interface Shared { schema: boolean; subresources: boolean; additionalPrinterColumns: boolean; selectableFields: boolean }

function sharedBy(versions: readonly Version[]): Shared {
  const isShared = (field: keyof Shared): boolean => versions.every((version) => semanticEqual(version[field], versions[0]?.[field]))
  return { schema: isShared('schema'), subresources: isShared('subresources'), additionalPrinterColumns: isShared('additionalPrinterColumns'), selectableFields: isShared('selectableFields') }
}

function withoutShared(version: Version, shared: Shared): Version {
  const { schema, subresources, additionalPrinterColumns, selectableFields, ...rest } = version
  return {
    ...rest, ...(shared.schema || schema === undefined ? {} : { schema }), ...(shared.subresources || subresources === undefined ? {} : { subresources }),
    ...(shared.additionalPrinterColumns || additionalPrinterColumns === undefined ? {} : { additionalPrinterColumns }), ...(shared.selectableFields || selectableFields === undefined ? {} : { selectableFields }),
  } as Version
}

function validateSpec(spec: Spec, options: Options): FieldError[] {
  const out: FieldError[] = []
  const group = spec.group ?? ''
  if (group === '') out.push(fieldErrors.required('spec.group'))
  else if (dnsSubdomainErrors(group).length > 0) out.push(fieldErrors.invalid('spec.group', group, dnsSubdomainErrors(group).join(',')))
  else if (!group.includes('.')) out.push(fieldErrors.invalid('spec.group', group, 'should be a domain with at least one dot'))
  checkEnum('spec.scope', spec.scope, ['Cluster', 'Namespaced'], out)
  const all = spec.versions ?? []
  const shared = sharedBy(all)
  const versions = all.map((version) => withoutShared(version, shared))
  const top: Version | undefined = all[0]
  for (const [i, version] of all.entries()) {
    if (schemaOf(version) !== undefined || (options.anySchemaMissing && version.served !== true)) continue
    out.push(fieldErrors.required(`spec.versions[${i}].schema.openAPIV3Schema`, options.anySchemaMissing ? 'because otherwise all fields are pruned' : ''))
  }
  if (spec.preserveUnknownFields === true && all.some((version) => schemaOf(version) !== undefined && anySchema(schemaOf(version)!, (schema) => schema.default !== undefined))) {
    out.push(fieldErrors.invalid('spec.preserveUnknownFields', true, 'must be false in order to use defaults in the schema'))
  }
  for (const [i, version] of versions.entries()) {
    const problems = dns1035LabelErrors(version.name)
    if (problems.length > 0) out.push(fieldErrors.invalid(`spec.versions[${i}].name`, version.name, problems.join(',')))
    const hasStatus = all[i]!.subresources?.status !== undefined
    out.push(...validateVersion(version, hasStatus, `spec.versions[${i}]`, options))
  }
  const names = all.map(({ name }) => name)
  const shown = (): object[] | null => spec.versions?.map((_, i) => internalVersion(versions[i]!)) ?? null
  if (new Set(names).size < names.length) out.push(fieldErrors.invalid('spec.versions', shown(), 'must contain unique version names'))
  if (all.filter(({ storage }) => storage).length !== 1) out.push(fieldErrors.invalid('spec.versions', shown(), 'must have exactly one version marked as storage version'))
  if (top !== undefined && top.name !== '' && dns1035LabelErrors(top.name).length > 0) out.push(fieldErrors.invalid('spec.version', top.name, dns1035LabelErrors(top.name).join(',')))
  for (const field of ['plural', 'singular', 'kind', 'listKind'] as const) if ((spec.names?.[field] ?? '') === '') out.push(fieldErrors.required(`spec.names.${field}`))
  out.push(...validateNames(spec.names ?? {}, 'spec.names'))
  if (top !== undefined) out.push(...validateShared(top, all, shared, options))
  if (spec.conversion !== undefined) {
    if (spec.conversion.strategy !== 'None' && spec.preserveUnknownFields === true) out.push(fieldErrors.invalid('spec.conversion.strategy', spec.conversion.strategy, 'must be None if spec.preserveUnknownFields is true'))
    out.push(...validateConversion(spec.conversion, 'spec.conversion', options))
  }
  return out
}

function schemaOptions(options: Options, version: string): SchemaOptions {
  return options.unchangedSchemas.has(version) ? { ...options.schema, ignoresRuleCost: true } : options.schema
}

/** What is the same in all versions. */
function validateShared(version: Version, all: readonly Version[], shared: Shared, options: Options): FieldError[] {
  const schema = schemaOf(version)
  const hasStatus = all.some(({ subresources }) => subresources?.status !== undefined)
  const out: FieldError[] = []
  if (shared.schema && schema !== undefined) out.push(...validateSchema(schema, 'spec.validation.openAPIV3Schema', hasStatus, schemaOptions(options, version.name)))
  if (shared.subresources) out.push(...validateSubresources(version.subresources, 'spec.subresources'))
  if (shared.additionalPrinterColumns) out.push(...validateColumns(version.additionalPrinterColumns ?? [], 'spec.additionalPrinterColumns'))
  const fields = shared.selectableFields ? (version.selectableFields ?? []) : []
  if (fields.length === 0) return out
  if (!shared.schema || version.schema === undefined) out.push(fieldErrors.invalid('spec.selectableFields', '', 'may only be set when validations.schema is included'))
  else out.push(...validateSelectableFields(fields, schema ?? {}, 'spec.selectableFields', options.manySelectable.size === all.length))
  return out
}

/** What a version has to itself. */
function validateVersion(version: Version, hasStatus: boolean, path: string, options: Options): FieldError[] {
  const out: FieldError[] = []
  const warning = version.deprecationWarning
  if (warning !== undefined) for (const text of deprecationWarningProblems(version.deprecated === true, warning)) out.push(fieldErrors.invalid(`${path}.deprecationWarning`, warning, text))
  const schema = schemaOf(version)
  if (schema !== undefined) out.push(...validateSchema(schema, `${path}.schema.openAPIV3Schema`, hasStatus, schemaOptions(options, version.name)))
  out.push(...validateSubresources(version.subresources, `${path}.subresources`), ...validateColumns(version.additionalPrinterColumns ?? [], `${path}.additionalPrinterColumns`))
  const fields = version.selectableFields ?? []
  if (fields.length === 0) return out
  if (schema === undefined) out.push(fieldErrors.invalid(`${path}.selectableFields`, '', 'may only be set when `version.schema.openAPIV3Schema` is not included'))
  else out.push(...validateSelectableFields(fields, schema, `${path}.selectableFields`, options.manySelectable.has(version.name)))
  return out
}

function checkEnum(path: string, value: string | undefined, accepted: readonly string[], out: FieldError[]): void {
  if (value === undefined || value === '') out.push(fieldErrors.required(path))
  else if (!accepted.includes(value)) out.push(fieldErrors.notSupported(path, value, accepted))
}

function validateNames(names: Partial<CustomResourceDefinitionNames>, path: string): FieldError[] {
  const out: FieldError[] = []
  const check = (field: string, value: string, isLowered = false): void => {
    const problems = dns1035LabelErrors(isLowered ? value.toLowerCase() : value)
    if (problems.length > 0) out.push(fieldErrors.invalid(`${path}.${field}`, value, `${isLowered ? 'may have mixed case, but should otherwise match: ' : ''}${problems.join(',')}`))
  }
  const { plural = '', singular = '', kind = '', listKind = '', shortNames = [], categories = [] } = names
  if (plural !== '') check('plural', plural)
  if (singular !== '') check('singular', singular)
  if (kind !== '') check('kind', kind, true)
  if (listKind !== '') check('listKind', listKind, true)
  for (const [i, name] of shortNames.entries()) check(`shortNames[${i}]`, name)
  if (kind !== '' && kind === listKind) out.push(fieldErrors.invalid(`${path}.listKind`, listKind, 'kind and listKind may not be the same'))
  for (const [i, name] of categories.entries()) check(`categories[${i}]`, name)
  return out
}

function validateConversion({ strategy, webhook }: Readonly<CustomResourceConversion>, path: string, options: Options): FieldError[] {
  const out: FieldError[] = []
  checkEnum(`${path}.strategy`, strategy, ['None', 'Webhook'], out)
  const versions = webhook?.conversionReviewVersions ?? []
  const config = webhook?.clientConfig
  if (strategy !== 'Webhook') {
    const text = 'should not be set when strategy is not set to Webhook'
    if (config !== undefined) out.push(fieldErrors.forbidden(`${path}.webhookClientConfig`, text))
    if (versions.length > 0) out.push(fieldErrors.forbidden(`${path}.conversionReviewVersions`, text))
    return out
  }
  if (config === undefined) out.push(fieldErrors.required(`${path}.webhookClientConfig`, 'required when strategy is set to Webhook'))
  else {
    const { url, service, caBundle } = config
    if ((url === undefined) === (service === undefined)) out.push(fieldErrors.required(`${path}.webhookClientConfig`, 'exactly one of url or service is required'))
    else if (url !== undefined) checkUrl(out, `${path}.webhookClientConfig.url`, url)
    else checkWebhookService(out, `${path}.webhookClientConfig.service`, service ?? {})
    if (caBundle !== undefined && !options.anyCaBundle) out.push(...checkCaBundle(caBundle, `${path}.webhookClientConfig.caBundle`))
  }
  return [...out, ...validateReviewVersions(versions, `${path}.conversionReviewVersions`, options.anyReviewVersion)]
}

function validateReviewVersions(versions: readonly string[], path: string, anyVersion: boolean): FieldError[] {
  if (versions.length === 0) return [fieldErrors.required(path)]
  const out: FieldError[] = []
  for (const [i, version] of versions.entries()) {
    if (versions.indexOf(version) < i) out.push(fieldErrors.invalid(`${path}[${i}]`, version, 'duplicate version'))
    else for (const text of dns1035LabelErrors(version)) out.push(fieldErrors.invalid(`${path}[${i}]`, version, text))
  }
  if (!anyVersion && !versions.some((version) => conversionVersions.includes(version))) out.push(fieldErrors.invalid(path, versions, `must include at least one of ${conversionVersions.join(', ')}`))
  return out
}

/** A version that objects are stored in cannot go. */
function validateStoredVersions({ spec, status }: Definition): FieldError[] {
  const path = 'status.storedVersions'
  const stored = status?.storedVersions ?? []
  if (stored.length === 0) return [fieldErrors.invalid(path, status?.storedVersions ?? null, 'must have at least one stored version')]
  const out: FieldError[] = []
  const versions = spec.versions ?? []
  for (const { name, storage } of versions) if (storage && !stored.includes(name)) out.push(fieldErrors.invalid(path, stored, `must have the storage version ${name}`))
  for (const [i, name] of stored.entries()) {
    if (versions.some((version) => version.name === name)) continue
    out.push(fieldErrors.invalid(`${path}[${i}]`, name, `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`))
  }
  return out
}

function validatePreserving(spec: Spec): FieldError[] {
  if (spec.preserveUnknownFields !== true) return []
  return [fieldErrors.invalid('spec.preserveUnknownFields', true, 'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead')]
}

function approvalState({ metadata }: Definition): 'missing' | 'bypassed' | 'approved' | 'invalid' {
  const value = metadata.annotations?.[approvalAnnotation]
  if (value === undefined || value === '') return 'missing'
  if (value.startsWith('unapproved')) return 'bypassed'
  return URL.canParse(value) && new URL(value).host !== '' ? 'approved' : 'invalid'
}

export interface Approval { state: 'missing' | 'bypassed' | 'approved' | 'invalid'; message: string }

/**
 * Groups that belong to Kubernetes take definitions only with an approval (https://github.com/kubernetes/enhancements/pull/1111).
 * Undefined for other groups.
 */
export function approvalOf(definition: Definition): Approval | undefined {
  if (!/(^|\.)(k8s|kubernetes)\.io$/.test(definition.spec.group ?? '')) return undefined
  const given = definition.metadata.annotations?.[approvalAnnotation] ?? ''
  const wanted = `protected groups must have approval annotation ${JSON.stringify(approvalAnnotation)}`
  const messages = {
    missing: `${wanted}, see ${approvalHelp}`, invalid: `${wanted} with either a URL or a reason starting with "unapproved", see ${approvalHelp}`,
    bypassed: `not approved: ${JSON.stringify(given)}`, approved: `approved in ${given}`,
  }
  const state = approvalState(definition)
  return { state, message: messages[state] }
}

function validateApproval(definition: Definition): FieldError[] {
  const approval = approvalOf(definition)
  const path = `metadata.annotations[${approvalAnnotation}]`
  switch (approval?.state) {
    case 'missing': return [fieldErrors.required(path, approval.message)]
    case 'invalid': return [fieldErrors.invalid(path, definition.metadata.annotations?.[approvalAnnotation], approval.message)]
    default: return []
  }
}
