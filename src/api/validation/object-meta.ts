import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { validateLabels } from '../../machinery/labels.ts'
import { dnsLabelErrors, dnsSubdomainErrors, maskTrailingDash, pathSegmentErrors, pathSegmentPrefixErrors, qualifiedNameErrors } from '../../machinery/names.ts'
import type { ManagedFieldsEntry, ObjectMeta, OwnerReference } from '../../machinery/object.ts'

/** Rules of `metadata`, the same for all kinds but for the name (apimachinery `pkg/api/validation`). */

/** What is wrong with a name; `prefix` is true for `generateName`, which gets something appended. */
export type NameRule = (name: string, prefix: boolean) => string[]

export const subdomainName: NameRule = (name, prefix) => dnsSubdomainErrors(prefix ? maskTrailingDash(name) : name)
export const labelName: NameRule = (name, prefix) => dnsLabelErrors(prefix ? maskTrailingDash(name) : name)
export const pathSegmentName: NameRule = (name, prefix) => (prefix ? pathSegmentPrefixErrors(name) : pathSegmentErrors(name))

export const immutableText = 'field is immutable'
export const negativeText = 'must be greater than or equal to 0'
const annotationsLimitBytes = 256 * 1024

/** The value that may not change did. */
export function validateImmutable(value: unknown, old: unknown, path: string): FieldError[] {
  return semanticEqual(value, old) ? [] : [fieldErrors.invalid(path, value, immutableText)]
}

export function validateNonNegative(value: number | undefined, path: string): FieldError[] {
  return value !== undefined && value < 0 ? [fieldErrors.invalid(path, value, negativeText)] : []
}

export function validateAnnotations(annotations: Readonly<Record<string, string>> | undefined, path: string): FieldError[] {
  if (annotations === undefined) return []
  const out: FieldError[] = []
  let sizeBytes = 0
  for (const key of Object.keys(annotations)) {
    for (const message of qualifiedNameErrors(key.toLowerCase())) out.push(fieldErrors.invalid(path, key, message))
    sizeBytes += Buffer.byteLength(key) + Buffer.byteLength(annotations[key] ?? '')
  }
  if (sizeBytes > annotationsLimitBytes) out.push(fieldErrors.tooLong(path, annotationsLimitBytes))
  return out
}

function validateOwnerReferences(owners: readonly OwnerReference[] | undefined, path: string): FieldError[] {
  const out: FieldError[] = []
  let controller = ''
  for (const owner of owners ?? []) {
    const [group, version] = owner.apiVersion?.includes('/') ? owner.apiVersion.split('/') : ['', owner.apiVersion]
    if ((version ?? '') === '') out.push(fieldErrors.invalid(`${path}.apiVersion`, owner.apiVersion ?? '', 'version must not be empty'))
    if ((owner.kind ?? '') === '') out.push(fieldErrors.invalid(`${path}.kind`, owner.kind ?? '', 'must not be empty'))
    if ((owner.name ?? '') === '') out.push(fieldErrors.invalid(`${path}.name`, owner.name ?? '', 'must not be empty'))
    if ((owner.uid ?? '') === '') out.push(fieldErrors.invalid(`${path}.uid`, owner.uid ?? '', 'must not be empty'))
    if (group === '' && version === 'v1' && owner.kind === 'Event') out.push(fieldErrors.invalid(path, owner, '/v1, Kind=Event is disallowed from being an owner'))
    if (owner.controller !== true) continue
    const name = `${owner.kind}/${owner.name}`
    if (controller !== '') out.push(fieldErrors.invalid(path, owners, `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${name}`))
    else controller = name
  }
  return out
}

export function validateFinalizerName(name: string, path: string): FieldError[] {
  return qualifiedNameErrors(name).map((message) => fieldErrors.invalid(path, name, message))
}

function validateFinalizers(finalizers: readonly string[] | undefined, path: string): FieldError[] {
  if (finalizers === undefined || finalizers.length === 0) return []
  const out = finalizers.flatMap((name) => validateFinalizerName(name, path))
  if (finalizers.includes('orphan') && finalizers.includes('foregroundDeletion')) {
    out.push(fieldErrors.invalid(path, finalizers, 'finalizer orphan and foregroundDeletion cannot be both set'))
  }
  return out
}

function validateManagedFields(entries: readonly ManagedFieldsEntry[] | undefined, path: string): FieldError[] {
  const out: FieldError[] = []
  if (entries === undefined) return out
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i]!
    if (isManagerInOrder(entry)) continue
    const at = `${path}[${i}]`
    if (entry.operation !== 'Apply' && entry.operation !== 'Update') out.push(fieldErrors.invalid(`${at}.operation`, entry.operation ?? '', 'must be `Apply` or `Update`'))
    if (entry.fieldsType !== undefined && entry.fieldsType !== '' && entry.fieldsType !== 'FieldsV1') out.push(fieldErrors.invalid(`${at}.fieldsType`, entry.fieldsType, 'must be `FieldsV1`'))
    if (Buffer.byteLength(entry.manager ?? '') > 128) out.push(fieldErrors.tooLong(`${at}.manager`, 128))
    if (Buffer.byteLength(entry.subresource ?? '') > 256) out.push(fieldErrors.tooLong(`${at}.subresource`, 256))
  }
  return out
}

/** What all but a few are: few enough characters that their bytes need not be counted. */
function isManagerInOrder({ operation, fieldsType, manager = '', subresource = '' }: ManagedFieldsEntry): boolean {
  return (operation === 'Update' || operation === 'Apply') && fieldsType === 'FieldsV1' && manager.length <= 42 && subresource.length <= 85
}

/** `metadata` of an object about to be created; its name has been generated by now. `isCommonInOrder`: what has no bearing on the name has been found to be valid. */
export function validateObjectMeta(metadata: Readonly<ObjectMeta>, namespaced: boolean, nameRule: NameRule, path = 'metadata', isCommonInOrder = false): FieldError[] {
  const out: FieldError[] = []
  const { name = '', generateName = '', namespace = '' } = metadata
  if (generateName !== '') for (const message of nameRule(generateName, true)) out.push(fieldErrors.invalid(`${path}.generateName`, generateName, message))
  if (name === '') out.push(fieldErrors.required(`${path}.name`, 'name or generateName is required'))
  else for (const message of nameRule(name, false)) out.push(fieldErrors.invalid(`${path}.name`, name, message))
  if (namespaced) {
    if (namespace === '') out.push(fieldErrors.required(`${path}.namespace`))
    else for (const message of dnsLabelErrors(namespace)) out.push(fieldErrors.invalid(`${path}.namespace`, namespace, message))
  } else if (namespace !== '') {
    out.push(fieldErrors.forbidden(`${path}.namespace`, 'not allowed on this type'))
  }
  if ((metadata.generation ?? 0) < 0) out.push(...validateNonNegative(metadata.generation, `${path}.generation`))
  if (!isCommonInOrder) out.push(...validateCommon(metadata, path, true))
  return out
}

function validateCommon(metadata: Readonly<ObjectMeta>, path: string, withFinalizers: boolean): FieldError[] {
  const { labels, annotations, ownerReferences, finalizers, managedFields } = metadata
  if (labels === undefined && annotations === undefined && ownerReferences === undefined && finalizers === undefined && managedFields === undefined) return []
  const out: FieldError[] = []
  if (labels !== undefined) out.push(...validateLabels(labels, `${path}.labels`))
  if (annotations !== undefined) out.push(...validateAnnotations(annotations, `${path}.annotations`))
  if (ownerReferences !== undefined) out.push(...validateOwnerReferences(ownerReferences, `${path}.ownerReferences`))
  if (withFinalizers && finalizers !== undefined) out.push(...validateFinalizers(finalizers, `${path}.finalizers`))
  if (managedFields !== undefined) out.push(...validateManagedFields(managedFields, `${path}.managedFields`))
  return out
}

const standardFinalizers = ['kubernetes', 'orphan', 'foregroundDeletion']

/** A finalizer is one of Kubernetes' own or says whose it is; all kinds but those of the newer groups ask for it. */
export function checkFinalizerOwner(out: FieldError[], name: string, path: string): void {
  if (!name.includes('/') && !standardFinalizers.includes(name)) out.push(fieldErrors.invalid(path, name, 'name is neither a standard finalizer name nor is it fully qualified'))
}

export function validateFinalizerOwners({ finalizers }: Readonly<ObjectMeta>): FieldError[] {
  if (finalizers === undefined) return []
  const out: FieldError[] = []
  for (const [i, name] of finalizers.entries()) checkFinalizerOwner(out, name, `metadata.finalizers[${i}]`)
  return out
}

/**
 * What every update of every resource is held to before its strategy is asked (`rest.BeforeUpdate`): the rules of creation
 * without the name's, then those of updates. The strategy asks anew, so causes come more than once.
 */
export function validateUpdatedMeta(metadata: Readonly<ObjectMeta>, old: Readonly<ObjectMeta>, isAskedAnew = true): FieldError[] {
  const finalizers = validateFinalizers(metadata.finalizers, 'metadata.finalizers')
  const update = validateChangedMeta(metadata, old, 'metadata')
  const fixed = isAskedAnew ? validateFixedMeta(metadata, old) : []
  if (update.length === 0 && finalizers.length === 0) return fixed
  return [...validateCommon(metadata, 'metadata', true), ...update, ...fixed, ...(isAskedAnew ? update : [])]
}

/** Names and identities never change. */
export function validateFixedMeta(metadata: Readonly<ObjectMeta>, old: Readonly<ObjectMeta>, path = 'metadata'): FieldError[] {
  const out: FieldError[] = []
  for (const field of ['name', 'namespace', 'uid', 'creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds'] as const) {
    if (metadata[field] !== old[field]) out.push(fieldErrors.invalid(`${path}.${field}`, metadata[field], immutableText))
  }
  return out
}

/** `metadata` of an update. The registry holds fast what makes an object the one it is, too: whoever changes it is told twice. */
export function validateObjectMetaUpdate(metadata: Readonly<ObjectMeta>, old: Readonly<ObjectMeta>, path = 'metadata'): FieldError[] {
  return [...validateFixedMeta(metadata, old, path), ...validateChangedMeta(metadata, old, path)]
}

function validateChangedMeta(metadata: Readonly<ObjectMeta>, old: Readonly<ObjectMeta>, path: string): FieldError[] {
  const out: FieldError[] = []
  if (old.deletionTimestamp !== undefined) {
    const added = (metadata.finalizers ?? []).filter((name) => !(old.finalizers ?? []).includes(name)).sort()
    if (added.length > 0) out.push(fieldErrors.forbidden(`${path}.finalizers`, `no new finalizers can be added if the object is being deleted, found new finalizers []string{${[...new Set(added)].map((n) => JSON.stringify(n)).join(', ')}}`))
  }
  if ((metadata.generation ?? 0) < (old.generation ?? 0)) out.push(fieldErrors.invalid(`${path}.generation`, metadata.generation ?? 0, 'must not be decremented'))
  out.push(...validateCommon(metadata, path, false))
  return out
}

/** Metadata of a template that an object is made from: labels and annotations only. */
export function validateTemplateMeta(metadata: Readonly<ObjectMeta> | undefined, path: string): FieldError[] {
  if (metadata === undefined) return []
  const out = [...validateAnnotations(metadata.annotations, `${path}.annotations`), ...validateLabels(metadata.labels, `${path}.labels`)]
  for (const [field, value] of Object.entries(metadata)) {
    if (field !== 'annotations' && field !== 'labels' && value !== undefined && value !== null && value !== '') out.push(fieldErrors.forbidden(`${path}.${field === 'uid' ? 'uID' : field}`, 'cannot be set'))
  }
  return out
}
