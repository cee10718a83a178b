import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { validateLabelSelector } from '../../machinery/labels.ts'
import type { OpenObject } from '../../machinery/object.ts'
import { dnsSubdomainErrors } from '../../machinery/names.ts'
import { compareQuantities, parseQuantity, quantitySign } from '../../machinery/quantity.ts'
import type { PersistentVolumeClaim, PersistentVolumeClaimSpec } from '../types/core_v1.ts'
import { addInvalid, checkOptionalOneOf, isEmpty } from './check.ts'
import { checkNonNegativeAmount } from './amounts.ts'
import { specChanges } from './changes.ts'
import { validateImmutable } from './object-meta.ts'
import type { Validation } from './validation.ts'

export const accessModes = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod']

export function checkClaimSpec(out: FieldError[], path: string, spec: Readonly<PersistentVolumeClaimSpec>): void {
  if ((spec.accessModes ?? []).length === 0) out.push(fieldErrors.required(`${path}.accessModes`, 'at least 1 access mode is required'))
  out.push(...validateLabelSelector(spec.selector, `${path}.selector`))
  for (const mode of spec.accessModes ?? []) if (!accessModes.includes(mode)) out.push(fieldErrors.notSupported(`${path}.accessModes`, mode, accessModes))
  if ((spec.accessModes ?? []).includes('ReadWriteOncePod') && (spec.accessModes ?? []).length > 1) out.push(fieldErrors.forbidden(`${path}.accessModes`, 'may not use ReadWriteOncePod with other access modes'))
  const storage = spec.resources?.requests?.storage
  if (storage === undefined) out.push(fieldErrors.required(`${path}.resources[storage]`))
  else if (quantitySign(parseQuantity(storage)) <= 0) out.push(fieldErrors.invalid(`${path}.resources[storage]`, storage, 'must be greater than zero'))
  if (!isEmpty(spec.storageClassName)) addInvalid(out, `${path}.storageClassName`, spec.storageClassName, dnsSubdomainErrors(spec.storageClassName))
  checkOptionalOneOf(out, `${path}.volumeMode`, spec.volumeMode, ['Block', 'Filesystem'])
  const { dataSource, dataSourceRef } = spec
  for (const [name, ref] of [['dataSource', dataSource], ['dataSourceRef', dataSourceRef]] as const) {
    if (ref === undefined) continue
    if (isEmpty(ref.name)) out.push(fieldErrors.required(`${path}.${name}.name`))
    if (isEmpty(ref.kind)) out.push(fieldErrors.required(`${path}.${name}.kind`))
    if (isEmpty(ref.apiGroup) && ref.kind !== 'PersistentVolumeClaim') out.push(fieldErrors.invalid(`${path}.${name}`, ref.kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup"))
  }
  if (dataSource !== undefined && dataSourceRef !== undefined && (dataSource.name !== dataSourceRef.name || dataSource.kind !== dataSourceRef.kind || (dataSource.apiGroup ?? '') !== (dataSourceRef.apiGroup ?? ''))) {
    out.push(fieldErrors.invalid(path, `${path}.dataSource`, 'must match dataSourceRef'))
  }
}

function validateClaim(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  checkClaimSpec(out, 'spec', (object as unknown as PersistentVolumeClaim).spec)
  return out
}

/** Claims are immutable but for the binding, and the size asked for once bound. */
function validateClaimUpdate(object: Readonly<OpenObject>, old: Readonly<OpenObject>): FieldError[] {
  const claim = object as unknown as PersistentVolumeClaim
  const before = old as unknown as PersistentVolumeClaim
  const out = validateClaim(object)
  const munged: PersistentVolumeClaimSpec = { ...claim.spec }
  if (isEmpty(before.spec.volumeName)) munged.volumeName = before.spec.volumeName
  if (before.spec.storageClassName === undefined && claim.spec.storageClassName !== undefined) munged.storageClassName = undefined
  if (claim.status?.phase === 'Bound') {
    munged.volumeAttributesClassName = before.spec.volumeAttributesClassName
    munged.resources = { ...munged.resources, requests: { ...munged.resources?.requests } }
    const size = before.spec.resources?.requests?.storage
    if (size !== undefined) (munged.resources.requests as Record<string, string>).storage = size
  }
  if (!semanticEqual(munged, before.spec)) {
    out.push(fieldErrors.forbidden('spec', `spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n${specChanges(before.spec, munged)}`))
  }
  const newSize = claim.spec.resources?.requests?.storage
  const oldSize = before.spec.resources?.requests?.storage
  if (newSize !== undefined && oldSize !== undefined && compareQuantities(parseQuantity(newSize), parseQuantity(oldSize)) < 0
    && compareQuantities(parseQuantity(newSize), parseQuantity(before.status?.capacity?.storage ?? '0')) <= 0) {
    out.push(fieldErrors.forbidden('spec.resources.requests.storage', 'field can not be less than status.capacity'))
  }
  out.push(...validateImmutable(claim.spec.volumeMode, before.spec.volumeMode, 'volumeMode'))
  return out
}

export const claimValidation: Validation = {
  validate: validateClaim,
  validateUpdate: validateClaimUpdate,
  validateStatusUpdate(object) {
    const out: FieldError[] = []
    for (const [name, amount] of Object.entries((object as unknown as PersistentVolumeClaim).status?.capacity ?? {})) checkNonNegativeAmount(out, `status.capacity[${name}]`, amount)
    return out
  },
}
