import { fieldErrors, type FieldError } from '../../machinery/field-error.ts'
import { isJsonObject, jsonEqual } from '../../machinery/json-value.ts'
import { parseJsonPath } from '../../machinery/jsonpath.ts'
import { dns1035LabelErrors, dnsSubdomainErrors } from '../../machinery/names.ts'
import type { CustomResourceConversion, CustomResourceDefinition, CustomResourceDefinitionNames, CustomResourceDefinitionVersion } from '../types/apiextensions.k8s.io_v1.ts'
import { validateStructuralSchema } from './structural.ts'

/** What apiextensions checks of a definition (`pkg/apis/apiextensions/validation`). */
type Definition = Readonly<CustomResourceDefinition>
const conversionVersions = ['v1', 'v1beta1']
const columnTypes = ['boolean', 'date', 'integer', 'number', 'string']
const columnFormats = ['byte', 'date', 'date-time', 'double', 'float', 'int32', 'int64', 'password']
const approvalAnnotation = 'api-approved.kubernetes.io'
const approvalHelp = 'https://github.com/kubernetes/enhancements/pull/1111'

export function validateDefinition(definition: Definition): FieldError[] {
  const { metadata, spec } = definition
  const out: FieldError[] = []
  const wanted = `${spec.names?.plural ?? ''}.${spec.group ?? ''}`
  if (metadata.name !== wanted) out.push(fieldErrors.invalid('metadata.name', metadata.name, 'must be spec.names.plural+"."+spec.group'))
  return [...out, ...validateSpec(definition), ...validateApproval(definition)]
}

export function validateDefinitionUpdate(definition: Definition, old: Definition): FieldError[] {
  const { spec } = definition
  // What stood before the rules became stricter may stay while its spec does.
  const out = jsonEqual(spec, old.spec) ? [] : validateDefinition(definition)
  if (old.status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True') !== true) return out
  for (const [field, value, before] of [
    ['spec.scope', spec.scope, old.spec.scope], ['spec.names.kind', spec.names?.kind, old.spec.names.kind],
    ['spec.group', spec.group, old.spec.group], ['spec.names.plural', spec.names?.plural, old.spec.names.plural],
  ] as const) if (value !== before) out.push(fieldErrors.invalid(field, value, 'field is immutable'))
  // A version that objects are stored in cannot go.
  for (const [i, stored] of (definition.status?.storedVersions ?? []).entries()) {
    if (!(spec.versions ?? []).some((version) => version.name === stored)) {
      out.push(fieldErrors.invalid(`status.storedVersions[${i}]`, stored, `missing from spec.versions; ${stored} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${stored} and removes ${stored} from status.storedVersions`))
    }
  }
  return out
}

export function validateDefinitionStatus(definition: Definition): FieldError[] {
  const stored = definition.status?.storedVersions ?? []
  const versions = definition.spec?.versions ?? []
  const storage = versions.find((version) => version.storage)?.name
  const out: FieldError[] = []
  for (const [i, name] of stored.entries()) if (!versions.some((version) => version.name === name)) out.push(fieldErrors.invalid(`status.storedVersions[${i}]`, name, 'must appear in spec.versions'))
  if (storage !== undefined && !stored.includes(storage)) out.push(fieldErrors.invalid('status.storedVersions', stored, `must have the storage version ${storage}`))
  return out
}

function validateSpec({ spec }: Definition): FieldError[] {
  const out: FieldError[] = []
  const group = spec.group ?? ''
  if (group === '') out.push(fieldErrors.required('spec.group'))
  else if (dnsSubdomainErrors(group).length > 0) out.push(fieldErrors.invalid('spec.group', group, dnsSubdomainErrors(group).join(',')))
  else if (!group.includes('.')) out.push(fieldErrors.invalid('spec.group', group, 'should be a domain with at least one dot'))
  if (spec.scope === undefined || spec.scope === '') out.push(fieldErrors.required('spec.scope'))
  else if (spec.scope !== 'Namespaced' && spec.scope !== 'Cluster') out.push(fieldErrors.notSupported('spec.scope', spec.scope, ['Cluster', 'Namespaced']))
  if (spec.preserveUnknownFields === true) out.push(fieldErrors.invalid('spec.preserveUnknownFields', true, 'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead'))
  const versions = spec.versions ?? []
  const seen = new Set<string>()
  let storages = 0
  for (const [i, version] of versions.entries()) {
    const path = `spec.versions[${i}]`
    if (version.storage) storages++
    if (seen.has(version.name)) out.push(fieldErrors.invalid('spec.versions', version.name, 'must contain unique version names'))
    seen.add(version.name)
    const problems = dns1035LabelErrors(version.name)
    if (problems.length > 0) out.push(fieldErrors.invalid(`${path}.name`, version.name, problems.join(',')))
    out.push(...validateVersion(version, path))
  }
  if (storages !== 1) out.push(fieldErrors.invalid('spec.versions', versions, 'must have exactly one version marked as storage version'))
  out.push(...validateNames(spec.names ?? { plural: '', kind: '' }, 'spec.names'))
  if (spec.conversion !== undefined) out.push(...validateConversion(spec.conversion, 'spec.conversion'))
  return out
}

function validateNames(names: CustomResourceDefinitionNames, path: string): FieldError[] {
  const out: FieldError[] = []
  const check = (field: string, value: string | undefined, lowered = false): void => {
    const problems = dns1035LabelErrors(lowered ? (value ?? '').toLowerCase() : (value ?? ''))
    if (problems.length > 0) out.push(fieldErrors.invalid(`${path}.${field}`, value ?? '', problems.join(',')))
  }
  if (names.plural === undefined || names.plural === '') out.push(fieldErrors.required(`${path}.plural`))
  else check('plural', names.plural)
  if (names.singular !== undefined && names.singular !== '') check('singular', names.singular)
  if (names.kind === undefined || names.kind === '') out.push(fieldErrors.required(`${path}.kind`))
  else check('kind', names.kind, true)
  if (names.listKind !== undefined && names.listKind !== '') check('listKind', names.listKind, true)
  for (const [i, name] of (names.shortNames ?? []).entries()) check(`shortNames[${i}]`, name)
  for (const [i, name] of (names.categories ?? []).entries()) check(`categories[${i}]`, name)
  if (names.kind !== '' && names.kind === names.listKind) out.push(fieldErrors.invalid(`${path}.listKind`, names.listKind, 'kind and listKind may not be the same'))
  return out
}

function validateVersion(version: CustomResourceDefinitionVersion, path: string): FieldError[] {
  const out: FieldError[] = []
  if (version.deprecationWarning !== undefined) {
    if (version.deprecated !== true) out.push(fieldErrors.invalid(`${path}.deprecationWarning`, version.deprecationWarning, 'can only be set for deprecated versions'))
    if (version.deprecationWarning === '') out.push(fieldErrors.invalid(`${path}.deprecationWarning`, '', 'must not be empty, use null to default deprecation warning message'))
    else if (Buffer.byteLength(version.deprecationWarning) > 256) out.push(fieldErrors.invalid(`${path}.deprecationWarning`, version.deprecationWarning, 'must be <= 256 bytes'))
  }
  const schema = version.schema?.openAPIV3Schema
  if (schema === undefined) out.push(fieldErrors.required(`${path}.schema.openAPIV3Schema`, 'schemas are required'))
  else out.push(...validateStructuralSchema(schema, `${path}.schema.openAPIV3Schema`))
  out.push(...validateScale(version, path), ...validateColumns(version, path), ...validateSelectable(version, path))
  return out
}

function validateScale({ subresources }: CustomResourceDefinitionVersion, path: string): FieldError[] {
  const { scale } = subresources ?? {}
  if (scale === undefined) return []
  const out: FieldError[] = []
  const check = (field: string, value: string | undefined, roots: readonly string[]): void => {
    const at = `${path}.subresources.scale.${field}`
    if (value === undefined || value === '') {
      if (field !== 'labelSelectorPath') out.push(fieldErrors.required(at))
    } else if (!/^(\.[A-Za-z_][\w-]*)+$/.test(value)) out.push(fieldErrors.invalid(at, value, 'should be a simple json path'))
    else if (!roots.some((root) => value.startsWith(root))) out.push(fieldErrors.invalid(at, value, `should be a json path under ${roots.join(' or ')}`))
  }
  check('specReplicasPath', scale.specReplicasPath, ['.spec.'])
  check('statusReplicasPath', scale.statusReplicasPath, ['.status.'])
  check('labelSelectorPath', scale.labelSelectorPath, ['.status.', '.spec.'])
  return out
}

function checkJsonPath(out: FieldError[], path: string, value: string | undefined): void {
  if (value === undefined || value === '') {
    out.push(fieldErrors.required(path))
    return
  }
  if (!value.startsWith('.')) {
    out.push(fieldErrors.invalid(path, value, 'must be a simple json path starting with .'))
    return
  }
  try {
    parseJsonPath(value)
  } catch (cause) {
    out.push(fieldErrors.invalid(path, value, cause instanceof Error ? cause.message : String(cause)))
  }
}

function validateColumns({ additionalPrinterColumns = [] }: CustomResourceDefinitionVersion, path: string): FieldError[] {
  const out: FieldError[] = []
  for (const [i, column] of additionalPrinterColumns.entries()) {
    const at = `${path}.additionalPrinterColumns[${i}]`
    if (column.name === undefined || column.name === '') out.push(fieldErrors.required(`${at}.name`))
    if (column.type === undefined || column.type === '') out.push(fieldErrors.required(`${at}.type`, `must be one of ${columnTypes.join(',')}`))
    else if (!columnTypes.includes(column.type)) out.push(fieldErrors.invalid(`${at}.type`, column.type, `must be one of ${columnTypes.join(',')}`))
    if (column.format !== undefined && column.format !== '' && !columnFormats.includes(column.format)) out.push(fieldErrors.invalid(`${at}.format`, column.format, `must be one of ${columnFormats.join(',')}`))
    checkJsonPath(out, `${at}.jsonPath`, column.jsonPath)
  }
  return out
}

const maxSelectable = 8

function validateSelectable({ selectableFields = [], schema }: CustomResourceDefinitionVersion, path: string): FieldError[] {
  const out: FieldError[] = []
  const seen = new Set<string>()
  if (selectableFields.length > maxSelectable) out.push(fieldErrors.tooMany(`${path}.selectableFields`, selectableFields.length, maxSelectable))
  for (const [i, { jsonPath }] of selectableFields.entries()) {
    const at = `${path}.selectableFields[${i}].jsonPath`
    const before = out.length
    checkJsonPath(out, at, jsonPath)
    if (out.length > before) continue
    if (seen.has(jsonPath)) out.push(fieldErrors.duplicate(at, jsonPath))
    seen.add(jsonPath)
    if (jsonPath.startsWith('.metadata.')) {
      out.push(fieldErrors.invalid(at, jsonPath, 'must not point to fields in metadata'))
      continue
    }
    let node: unknown = schema?.openAPIV3Schema
    for (const name of jsonPath.slice(1).split('.')) {
      const properties: unknown = isJsonObject(node) ? node.properties : undefined
      node = isJsonObject(properties) && Object.hasOwn(properties, name) ? properties[name] : undefined
    }
    const type = isJsonObject(node) ? node.type : undefined
    if (node === undefined) out.push(fieldErrors.invalid(at, jsonPath, `is an invalid path: does not refer to a valid field`))
    else if (type !== 'string' && type !== 'boolean' && type !== 'integer') out.push(fieldErrors.invalid(at, jsonPath, 'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.'))
  }
  return out
}

function validateConversion(conversion: Readonly<CustomResourceConversion>, path: string): FieldError[] {
  const { strategy, webhook } = conversion
  if (strategy === undefined || strategy === '') return [fieldErrors.required(`${path}.strategy`)]
  if (strategy !== 'None' && strategy !== 'Webhook') return [fieldErrors.notSupported(`${path}.strategy`, strategy, ['None', 'Webhook'])]
  if (strategy === 'None') return webhook === undefined ? [] : [fieldErrors.forbidden(`${path}.webhook`, "should not be set when strategy is not set to Webhook")]
  const out: FieldError[] = []
  const config = webhook?.clientConfig
  if (config === undefined) out.push(fieldErrors.required(`${path}.webhookClientConfig`, 'required when strategy is set to Webhook'))
  else if ((config.url === undefined) === (config.service === undefined)) out.push(fieldErrors.required(`${path}.webhookClientConfig`, 'exactly one of url or service is required'))
  else if (config.url !== undefined) {
    if (!URL.canParse(config.url)) out.push(fieldErrors.required(`${path}.webhookClientConfig.url`, 'url must be a valid URL: parse error; desired format: https://host[/path]'))
    else if (new URL(config.url).protocol !== 'https:') out.push(fieldErrors.invalid(`${path}.webhookClientConfig.url`, new URL(config.url).protocol.replace(':', ''), "'https' is the only allowed URL scheme; desired format: https://host[/path]"))
  } else {
    if ((config.service?.name ?? '') === '') out.push(fieldErrors.required(`${path}.webhookClientConfig.service.name`, 'service name is required'))
    if ((config.service?.namespace ?? '') === '') out.push(fieldErrors.required(`${path}.webhookClientConfig.service.namespace`, 'service namespace is required'))
  }
  const versions = webhook?.conversionReviewVersions ?? []
  if (versions.length === 0) out.push(fieldErrors.required(`${path}.conversionReviewVersions`))
  else if (!versions.some((version) => conversionVersions.includes(version))) out.push(fieldErrors.invalid(`${path}.conversionReviewVersions`, versions, 'must include at least one of v1, v1beta1'))
  return out
}

/** Groups that belong to Kubernetes take definitions only with an approval (https://github.com/kubernetes/enhancements/pull/1111). */
function validateApproval({ metadata, spec }: Definition): FieldError[] {
  const group = spec.group ?? ''
  if (!/(^|\.)(k8s|kubernetes)\.io$/.test(group) || group.endsWith('x-k8s.io')) return []
  const path = `metadata.annotations[${approvalAnnotation}]`
  const value = metadata.annotations?.[approvalAnnotation]
  if (value === undefined) return [fieldErrors.required(path, `protected groups must have approval annotation ${JSON.stringify(approvalAnnotation)}, see ${approvalHelp}`)]
  if (value.startsWith('unapproved') || (URL.canParse(value) && new URL(value).host !== '')) return []
  return [fieldErrors.invalid(path, value, `protected groups must have approval annotation ${JSON.stringify(approvalAnnotation)} with either a URL or a reason starting with "unapproved", see ${approvalHelp}`)]
}

