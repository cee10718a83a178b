import { semanticEqual } from '../../machinery/equality.ts'
import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { dnsSubdomainErrors, qualifiedNameErrors } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import { parseQuantity, quantitySign } from '../../machinery/quantity.ts'
import type { PersistentVolume } from '../types/core_v1.ts'
import type { CSIDriver, StorageClass, VolumeAttachment } from '../types/storage.k8s.io_v1.ts'
import { checkNodeSelector } from './affinity.ts'
import { specChanges } from './changes.ts'
import { addInvalid, checkOneOf, checkOptionalOneOf, isEmpty } from './check.ts'
import { accessModes } from './claims.ts'
import { validateImmutable } from './object-meta.ts'
import type { Validation } from './validation.ts'
import { checkCsiDriverName, checkPersistentVolumeSource } from './volumes.ts'

function validatePersistentVolume(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { spec } = object as unknown as PersistentVolume
  if ((spec.accessModes ?? []).length === 0) out.push(fieldErrors.required('spec.accessModes'))
  for (const mode of spec.accessModes ?? []) if (!accessModes.includes(mode)) out.push(fieldErrors.notSupported('spec.accessModes', mode, accessModes))
  const capacity = Object.entries(spec.capacity ?? {})
  if (capacity.length === 0) out.push(fieldErrors.required('spec.capacity'))
  else if (spec.capacity?.storage === undefined || capacity.length > 1) out.push(fieldErrors.notSupported('spec.capacity', spec.capacity, ['storage']))
  for (const [name, amount] of capacity) if (quantitySign(parseQuantity(amount)) <= 0) out.push(fieldErrors.invalid(`spec.capacity[${name}]`, amount, 'must be greater than zero'))
  checkOptionalOneOf(out, 'spec.persistentVolumeReclaimPolicy', spec.persistentVolumeReclaimPolicy, ['Delete', 'Recycle', 'Retain'])
  checkPersistentVolumeSource(out, 'spec', spec)
  if (spec.hostPath?.path === '/' && spec.persistentVolumeReclaimPolicy === 'Recycle') out.push(fieldErrors.forbidden('spec.persistentVolumeReclaimPolicy', "may not be 'recycle' for a hostPath mount of '/'"))
  if (!isEmpty(spec.storageClassName)) addInvalid(out, 'spec.storageClassName', spec.storageClassName, dnsSubdomainErrors(spec.storageClassName))
  checkOptionalOneOf(out, 'spec.volumeMode', spec.volumeMode, ['Block', 'Filesystem'])
  const required = spec.nodeAffinity?.required
  if (spec.nodeAffinity !== undefined && required === undefined) out.push(fieldErrors.required('spec.nodeAffinity.required', 'must specify required node constraints'))
  if (required !== undefined) checkNodeSelector(out, 'spec.nodeAffinity.required', required)
  if (spec.local !== undefined && required === undefined) out.push(fieldErrors.required('spec.nodeAffinity', 'Local volume requires node affinity'))
  return out
}

const volumeSettings = new Set(['capacity', 'accessModes', 'claimRef', 'persistentVolumeReclaimPolicy', 'storageClassName', 'mountOptions', 'volumeMode', 'nodeAffinity', 'volumeAttributesClassName'])
const sourceOf = (spec: object): Record<string, unknown> => Object.fromEntries(Object.entries(spec).filter(([key]) => !volumeSettings.has(key)))

export const persistentVolumeValidation: Validation = {
  validate: validatePersistentVolume,
  validateUpdate(object, old) {
    const { spec } = object as unknown as PersistentVolume
    const before = (old as unknown as PersistentVolume).spec
    const out = validatePersistentVolume(object)
    if (!semanticEqual(sourceOf(spec), sourceOf(before))) out.push(fieldErrors.forbidden('spec.persistentvolumesource', `spec.persistentvolumesource is immutable after creation\n${specChanges(sourceOf(before), sourceOf(spec))}`))
    out.push(...validateImmutable(spec.volumeMode, before.volumeMode, 'volumeMode'))
    if (before.nodeAffinity !== undefined && !semanticEqual(spec.nodeAffinity, before.nodeAffinity)) out.push(fieldErrors.invalid('nodeAffinity', spec.nodeAffinity, 'field is immutable'))
    return out
  },
}

function validateStorageClass(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const storageClass = object as unknown as StorageClass
  if (isEmpty(storageClass.provisioner)) out.push(fieldErrors.required('provisioner', ''))
  else addInvalid(out, 'provisioner', storageClass.provisioner, qualifiedNameErrors(storageClass.provisioner.toLowerCase()))
  if (Object.keys(storageClass.parameters ?? {}).length > 512) out.push(fieldErrors.tooLong('parameters', 512))
  for (const key of Object.keys(storageClass.parameters ?? {})) if (key === '') out.push(fieldErrors.invalid('parameters', key, "field can not be empty."))
  checkOptionalOneOf(out, 'reclaimPolicy', storageClass.reclaimPolicy, ['Delete', 'Retain'])
  if (storageClass.volumeBindingMode === undefined) out.push(fieldErrors.required('volumeBindingMode'))
  else checkOptionalOneOf(out, 'volumeBindingMode', storageClass.volumeBindingMode, ['Immediate', 'WaitForFirstConsumer'])
  return out
}

export const storageClassValidation: Validation = {
  validate: validateStorageClass,
  validateUpdate(object, old) {
    const out: FieldError[] = []
    const forbidden = 'updates to %s are forbidden.'
    if (!semanticEqual(object.parameters, old.parameters)) out.push(fieldErrors.forbidden('parameters', forbidden.replace('%s', 'parameters')))
    if (object.provisioner !== old.provisioner) out.push(fieldErrors.forbidden('provisioner', forbidden.replace('%s', 'provisioner')))
    if (object.reclaimPolicy !== old.reclaimPolicy) out.push(fieldErrors.forbidden('reclaimPolicy', forbidden.replace('%s', 'reclaimPolicy')))
    return [...out, ...validateImmutable(object.volumeBindingMode, old.volumeBindingMode, 'volumeBindingMode')]
  },
}

function validateAttachment(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { spec } = object as unknown as VolumeAttachment
  checkCsiDriverName(out, 'spec.attacher', spec.attacher)
  const { persistentVolumeName, inlineVolumeSpec } = spec.source ?? {}
  if (inlineVolumeSpec === undefined && isEmpty(persistentVolumeName)) out.push(fieldErrors.required('spec.source', 'must specify exactly one of inlineVolumeSpec and persistentVolumeName'))
  if (inlineVolumeSpec !== undefined && !isEmpty(persistentVolumeName)) out.push(fieldErrors.forbidden('spec.source', 'must specify exactly one of inlineVolumeSpec and persistentVolumeName'))
  if (isEmpty(spec.nodeName)) out.push(fieldErrors.required('spec.nodeName'))
  else addInvalid(out, 'spec.nodeName', spec.nodeName, dnsSubdomainErrors(spec.nodeName))
  return out
}

export const volumeAttachmentValidation: Validation = {
  validate: validateAttachment,
  validateUpdate: (object, old) => (semanticEqual(object.spec, old.spec) ? [] : [fieldErrors.invalid('spec', object.spec, 'field is immutable')]),
}

function validateCsiDriver(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { metadata, spec } = object as unknown as CSIDriver
  checkCsiDriverName(out, 'name', metadata.name)
  for (const field of ['attachRequired', 'podInfoOnMount', 'storageCapacity'] as const) if (spec[field] === undefined) out.push(fieldErrors.required(`spec.${field}`))
  checkOptionalOneOf(out, 'spec.fsGroupPolicy', spec.fsGroupPolicy, ['File', 'None', 'ReadWriteOnceWithFSType'])
  for (const mode of spec.volumeLifecycleModes ?? []) checkOneOf(out, 'spec.volumeLifecycleModes', mode, ['Ephemeral', 'Persistent'])
  return out
}

export const csiDriverValidation: Validation = {
  validate: validateCsiDriver,
  validateUpdate(object, old) {
    const { spec } = object as unknown as CSIDriver
    const before = (old as unknown as CSIDriver).spec
    return [...validateCsiDriver(object), ...validateImmutable(spec.attachRequired, before.attachRequired, 'spec.attachedRequired'), ...validateImmutable(spec.volumeLifecycleModes, before.volumeLifecycleModes, 'spec.volumeLifecycleModes')]
  },
}
