import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { validateLabelSelector } from '../../machinery/labels.ts'
import type { OpenObject } from '../../machinery/object.ts'
import { dnsLabelErrors, dnsSubdomainErrors, qualifiedNameErrors } from '../../machinery/names.ts'
import { compareQuantities, parseQuantity, quantitySign, quantityValue } from '../../machinery/quantity.ts'
import type { PersistentVolumeClaim, PersistentVolumeClaimSpec } from '../types/core_v1.ts'
import { addInvalid, checkOptionalOneOf, isEmpty } from './check.ts'
import { internalChanges } from './internal-form.ts'
import { validateImmutable } from './object-meta.ts'
import type { Validation } from './validation.ts'

/** PersistentVolumeClaims, and the templates of them in pods. */

export const accessModes = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod']

/** What updates of older claims need not keep to. */
interface Tolerance { anySelectorValues: boolean; anySourceGroup: boolean }
const strict: Tolerance = { anySelectorValues: false, anySourceGroup: false }

export function checkClaimSpec(out: FieldError[], path: string, spec: Readonly<PersistentVolumeClaimSpec>, tolerance = strict): void {
  if ((spec.accessModes ?? []).length === 0) out.push(fieldErrors.required(`${path}.accessModes`, 'at least 1 access mode is required'))
  out.push(...validateLabelSelector(spec.selector, `${path}.selector`, tolerance.anySelectorValues))
  const modes = spec.accessModes ?? []
  for (const mode of modes) if (!accessModes.includes(mode)) out.push(fieldErrors.notSupported(`${path}.accessModes`, mode, accessModes))
  if (modes.includes('ReadWriteOncePod') && modes.some((mode) => mode !== 'ReadWriteOncePod' && accessModes.includes(mode))) out.push(fieldErrors.forbidden(`${path}.accessModes`, 'may not use ReadWriteOncePod with other access modes'))
  const storage = spec.resources?.requests?.storage
  if (storage === undefined) out.push(fieldErrors.required(`${path}.resources[storage]`))
  else if (quantitySign(parseQuantity(storage)) <= 0) out.push(fieldErrors.invalid(`${path}.resources[storage]`, storage, 'must be greater than zero'))
  if (!isEmpty(spec.storageClassName)) addInvalid(out, `${path}.storageClassName`, spec.storageClassName, dnsSubdomainErrors(spec.storageClassName))
  checkOptionalOneOf(out, `${path}.volumeMode`, spec.volumeMode, ['Block', 'Filesystem'])
  checkSources(out, path, spec, tolerance)
  if (!isEmpty(spec.volumeAttributesClassName)) addInvalid(out, `${path}.volumeAttributesClassName`, spec.volumeAttributesClassName, dnsSubdomainErrors(spec.volumeAttributesClassName))
}

/** Upstream shows a path where the value would be, which has nothing to show. */
const noValue = {}

function checkSources(out: FieldError[], path: string, { dataSource, dataSourceRef }: Readonly<PersistentVolumeClaimSpec>, { anySourceGroup }: Tolerance): void {
  for (const [name, ref] of [['dataSource', dataSource], ['dataSourceRef', dataSourceRef]] as const) {
    if (ref === undefined) continue
    const at = `${path}.${name}`
    if (isEmpty(ref.name)) out.push(fieldErrors.required(`${at}.name`))
    if (isEmpty(ref.kind)) out.push(fieldErrors.required(`${at}.kind`))
    if (!isEmpty(ref.apiGroup)) {
      if (!anySourceGroup) addInvalid(out, `${at}.apiGroup`, ref.apiGroup, dnsSubdomainErrors(ref.apiGroup))
    } else if (ref.kind !== 'PersistentVolumeClaim') out.push(fieldErrors.invalid(at, ref.kind ?? '', "must be 'PersistentVolumeClaim' when referencing the default apiGroup"))
  }
  const namespace = dataSourceRef?.namespace
  if (!isEmpty(namespace)) {
    addInvalid(out, `${path}.dataSourceRef.namespace`, namespace, dnsLabelErrors(namespace))
    if (dataSource !== undefined) out.push(fieldErrors.invalid(path, noValue, 'may not be specified when dataSourceRef.namespace is specified'))
  } else if (dataSource !== undefined && dataSourceRef !== undefined && (dataSource.name !== dataSourceRef.name || dataSource.kind !== dataSourceRef.kind || dataSource.apiGroup !== dataSourceRef.apiGroup)) {
    out.push(fieldErrors.invalid(path, noValue, 'must match dataSourceRef'))
  }
}

/** The spec with the source of its data said in both fields, whichever of them has it (KEP-1495). */
export function withBothSources<T extends PersistentVolumeClaimSpec>(spec: Readonly<T>): T {
  const { dataSource, dataSourceRef } = spec
  if (dataSource !== undefined && dataSourceRef === undefined) return { ...spec, dataSourceRef: { ...dataSource } }
  if (dataSource !== undefined || dataSourceRef === undefined || !isEmpty(dataSourceRef.namespace)) return { ...spec }
  const { namespace: _, ...source } = dataSourceRef
  return { ...spec, dataSource: source }
}

function validateClaim(object: Readonly<OpenObject>, tolerance = strict): FieldError[] {
  const out: FieldError[] = []
  checkClaimSpec(out, 'spec', (object as unknown as PersistentVolumeClaim).spec, tolerance)
  return out
}

function toleranceOf({ spec }: Readonly<PersistentVolumeClaim>): Tolerance {
  return {
    anySelectorValues: validateLabelSelector(spec.selector, '').length > 0,
    anySourceGroup: [spec.dataSource, spec.dataSourceRef].some((source) => typeof source?.apiGroup === 'string'),
  }
}

const classAnnotation = 'volume.beta.kubernetes.io/storage-class'

/** A class that an annotation named, or none did, may be written into the field; says whether that is all that happened to it. */
function isClassNamed(claim: Readonly<PersistentVolumeClaim>, before: Readonly<PersistentVolumeClaim>): boolean {
  const old = before.metadata.annotations?.[classAnnotation]
  return before.spec.storageClassName === undefined && claim.spec.storageClassName !== undefined && (old === undefined || claim.spec.storageClassName === old)
}

function checkClassAnnotation(out: FieldError[], claim: Readonly<PersistentVolumeClaim>, before: Readonly<PersistentVolumeClaim>): void {
  const old = before.metadata.annotations?.[classAnnotation]
  const now = claim.metadata.annotations?.[classAnnotation]
  const isMoved = old !== undefined && isClassNamed(claim, before) && (now === undefined || now === old)
  if (!isMoved && (now ?? '') !== (old ?? '')) out.push(fieldErrors.invalid(`metadata.annotations.${classAnnotation}`, now ?? '', 'field is immutable'))
}

/** Once a class of attributes has been applied there is one for good (KEP-3751). */
function checkAttributesClass(out: FieldError[], name: string | undefined, before: Readonly<PersistentVolumeClaim>): void {
  if (name === before.spec.volumeAttributesClassName || before.status?.currentVolumeAttributesClassName === undefined) return
  const applied = 'is forbidden when status.currentVolumeAttributesClassName is not nil'
  if (name === undefined) out.push(fieldErrors.forbidden('spec.volumeAttributesClassName', `update to nil ${applied}`))
  else if (name === '') out.push(fieldErrors.forbidden('spec.volumeAttributesClassName', `update to empty string ${applied}`))
}

/** Claims are immutable but for the binding, the class of attributes, and the size asked for once bound. */
function validateClaimUpdate(object: Readonly<OpenObject>, old: Readonly<OpenObject>): FieldError[] {
  const claim = object as unknown as PersistentVolumeClaim
  const before = old as unknown as PersistentVolumeClaim
  const out = validateClaim(object, toleranceOf(before))
  const oldSpec = withBothSources(before.spec)
  const munged: PersistentVolumeClaimSpec = { ...claim.spec }
  if (isEmpty(oldSpec.volumeName)) oldSpec.volumeName = munged.volumeName
  checkClassAnnotation(out, claim, before)
  if (isClassNamed(claim, before)) munged.storageClassName = undefined
  if (claim.status?.phase === 'Bound') {
    munged.volumeAttributesClassName = oldSpec.volumeAttributesClassName
    // A size that was never asked for is zero, and so is what upstream puts there.
    if (munged.resources?.requests !== undefined) munged.resources = { ...munged.resources, requests: { ...munged.resources.requests, storage: before.spec.resources?.requests?.storage ?? '0' } }
  }
  if (!semanticEqual(munged, oldSpec)) {
    out.push(fieldErrors.forbidden('spec', `spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n${internalChanges('PersistentVolumeClaimSpec', oldSpec, munged)}`))
  }
  const newSize = parseQuantity(claim.spec.resources?.requests?.storage ?? '0')
  const oldSize = parseQuantity(before.spec.resources?.requests?.storage ?? '0')
  if (compareQuantities(newSize, oldSize) < 0 && compareQuantities(newSize, parseQuantity(before.status?.capacity?.storage ?? '0')) <= 0) {
    out.push(fieldErrors.forbidden('spec.resources.requests.storage', 'field can not be less than status.capacity'))
  }
  out.push(...validateImmutable(claim.spec.volumeMode, before.spec.volumeMode, 'volumeMode'))
  checkAttributesClass(out, claim.spec.volumeAttributesClassName, before)
  return out
}

const resizeStates = ['ControllerResizeInProgress', 'ControllerResizeInfeasible', 'NodeResizePending', 'NodeResizeInProgress', 'NodeResizeInfeasible'].sort()

/** Of a claim's own resources only the storage can be meant. */
function checkClaimResource(out: FieldError[], path: string, name: string): boolean {
  const messages = qualifiedNameErrors(name)
  addInvalid(out, path, name, messages)
  if (messages.length > 0) return false
  if (name === 'storage' || (name.includes('/') && !name.includes('kubernetes.io/'))) return true
  out.push(fieldErrors.notSupported(path, name, ['storage']))
  return false
}

function checkBasicAmount(out: FieldError[], path: string, amount: string): void {
  if (quantitySign(parseQuantity(amount)) < 0) out.push(fieldErrors.invalid(path, quantityValue(amount), 'must be a valid resource quantity'))
}

export const claimValidation: Validation = {
  validate: (object) => validateClaim(object),
  validateUpdate: validateClaimUpdate,
  validateStatusUpdate(object) {
    const out: FieldError[] = []
    const { spec, status = {} } = object as unknown as PersistentVolumeClaim
    if ((spec.accessModes ?? []).length === 0) out.push(fieldErrors.required('Spec.accessModes'))
    for (const [name, amount] of Object.entries(status.capacity ?? {})) checkBasicAmount(out, `status.capacity[${name}]`, amount)
    for (const [name, state] of Object.entries(status.allocatedResourceStatuses ?? {})) {
      const at = 'status.allocatedResourceStatuses'
      checkClaimResource(out, at, name)
      // Upstream shows the name of the resource.
      if (!resizeStates.includes(state)) out.push(fieldErrors.notSupported(at, name, resizeStates))
    }
    for (const [name, amount] of Object.entries(status.allocatedResources ?? {})) {
      const at = 'status.allocatedResources'
      if (checkClaimResource(out, at, name)) checkBasicAmount(out, `${at}[${name}]`, amount)
    }
    return out
  },
}
