import { posix } from 'node:path'
import { semanticEqual } from '../../machinery/equality.ts'
import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { dnsSubdomainErrors, qualifiedNameErrors, rangeError } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import { parseQuantity, quantitySign, quantityValue } from '../../machinery/quantity.ts'
import type { NodeSelectorTerm, PersistentVolume, PersistentVolumeSpec, TopologySelectorTerm, VolumeNodeAffinity } from '../types/core_v1.ts'
import type { StorageClass, VolumeAttachment, VolumeError } from '../types/storage.k8s.io_v1.ts'
import { checkNodeSelector } from './affinity.ts'
import { addInvalid, checkOptionalOneOf, isEmpty } from './check.ts'
import { accessModes } from './claims.ts'
import { checkParameters, checkProvisioner } from './csi.ts'
import { internalChanges, internalForm, validateImmutableForm } from './internal-form.ts'
import { immutableText, validateImmutable } from './object-meta.ts'
import type { Validation } from './validation.ts'
import { checkCsiDriverName } from './volume-sources.ts'
import { checkPersistentVolumeSource } from './volumes.ts'

/** `inline`: the spec stands in a VolumeAttachment, for a volume that is no object of its own. */
export function checkVolumeSpec(out: FieldError[], path: string, spec: Readonly<PersistentVolumeSpec>, inline: boolean, name = ''): void {
  if (inline) {
    if (spec.claimRef !== undefined) out.push(fieldErrors.forbidden(`${path}.claimRef`, 'may not be specified in the context of inline volumes'))
    if (Object.keys(spec.capacity ?? {}).length > 0) out.push(fieldErrors.forbidden(`${path}.capacity`, 'may not be specified in the context of inline volumes'))
    if (spec.csi === undefined) out.push(fieldErrors.required(`${path}.csi`, 'has to be specified in the context of inline volumes'))
  }
  if ((spec.accessModes ?? []).length === 0) out.push(fieldErrors.required(`${path}.accessModes`))
  for (const mode of spec.accessModes ?? []) if (!accessModes.includes(mode)) out.push(fieldErrors.notSupported(`${path}.accessModes`, mode, accessModes))
  if ((spec.accessModes ?? []).includes('ReadWriteOncePod') && spec.accessModes!.some((mode) => mode !== 'ReadWriteOncePod' && accessModes.includes(mode))) out.push(fieldErrors.forbidden(`${path}.accessModes`, 'may not use ReadWriteOncePod with other access modes'))
  if (!inline) checkCapacity(out, path, spec.capacity)
  if (!isEmpty(spec.persistentVolumeReclaimPolicy)) {
    if (inline) {
      if (spec.persistentVolumeReclaimPolicy !== 'Retain') out.push(fieldErrors.forbidden(`${path}.persistentVolumeReclaimPolicy`, 'may only be Retain in the context of inline volumes'))
    } else checkOptionalOneOf(out, `${path}.persistentVolumeReclaimPolicy`, spec.persistentVolumeReclaimPolicy, ['Delete', 'Recycle', 'Retain'])
  }
  const required = spec.nodeAffinity?.required
  if (spec.nodeAffinity !== undefined) {
    if (inline) out.push(fieldErrors.forbidden(`${path}.nodeAffinity`, 'may not be specified in the context of inline volumes'))
    else if (required === undefined) out.push(fieldErrors.required(`${path}.nodeAffinity.required`, 'must specify required node constraints'))
    else checkNodeSelector(out, `${path}.nodeAffinity.required`, required)
  }
  checkPersistentVolumeSource(out, path, spec, { name, hasAffinity: !inline && spec.nodeAffinity !== undefined })
  if (spec.hostPath !== undefined && posixNormalize(spec.hostPath.path) === '/' && spec.persistentVolumeReclaimPolicy === 'Recycle') {
    out.push(fieldErrors.forbidden(`${path}.persistentVolumeReclaimPolicy`, "may not be 'recycle' for a hostPath mount of '/'"))
  }
  if (!isEmpty(spec.storageClassName)) {
    if (inline) out.push(fieldErrors.forbidden(`${path}.storageClassName`, 'may not be specified in the context of inline volumes'))
    else addInvalid(out, `${path}.storageClassName`, spec.storageClassName, dnsSubdomainErrors(spec.storageClassName))
  }
  if (spec.volumeMode !== undefined) {
    if (inline && spec.volumeMode !== 'Filesystem') out.push(fieldErrors.forbidden(`${path}.volumeMode`, 'may not specify volumeMode other than Filesystem in the context of inline volumes'))
    else checkOptionalOneOf(out, `${path}.volumeMode`, spec.volumeMode, ['Block', 'Filesystem'])
  }
  if (spec.volumeAttributesClassName === undefined || inline) return
  if (spec.volumeAttributesClassName === '') out.push(fieldErrors.required(`${path}.volumeAttributesClassName`, 'an empty string is disallowed'))
  else addInvalid(out, `${path}.volumeAttributesClassName`, spec.volumeAttributesClassName, dnsSubdomainErrors(spec.volumeAttributesClassName))
  if (spec.csi === undefined) out.push(fieldErrors.required(`${path}.csi`, 'has to be specified when using volumeAttributesClassName'))
}

const posixNormalize = (path: string | undefined): string => posix.normalize(path === undefined || path === '' ? '.' : path)

function checkCapacity(out: FieldError[], path: string, capacity: Readonly<Record<string, string>> | undefined): void {
  const entries = Object.entries(capacity ?? {})
  if (entries.length === 0) out.push(fieldErrors.required(`${path}.capacity`))
  if (capacity?.storage === undefined || entries.length > 1) out.push(fieldErrors.notSupported(`${path}.capacity`, capacity === undefined ? null : Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1))), ['storage']))
  for (const [name, amount] of entries) {
    const at = `${path}.capacity[${name}]`
    if (quantityValue(amount) < 0) out.push(fieldErrors.invalid(at, quantityValue(amount), 'must be a valid resource quantity'))
    if (quantitySign(parseQuantity(amount)) <= 0) out.push(fieldErrors.invalid(at, amount, 'must be greater than zero'))
  }
}

function validatePersistentVolume(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { metadata, spec } = object as unknown as PersistentVolume
  checkVolumeSpec(out, 'spec', spec ?? {}, false, metadata.name)
  if (metadata.annotations?.[mountOptionsKey] !== undefined && !mountedKinds.some((kind) => spec?.[kind] !== undefined)) {
    out.push(fieldErrors.forbidden(`metadata.annotations.${mountOptionsKey}`, 'may not specify mount options for this volume type'))
  }
  return out
}

const mountOptionsKey = 'volume.beta.kubernetes.io/mount-options'
/** Kinds of volumes that take mount options. */
const mountedKinds = [
  'gcePersistentDisk', 'awsElasticBlockStore', 'glusterfs', 'nfs', 'rbd', 'quobyte', 'iscsi', 'cinder', 'cephfs', 'azureFile', 'vsphereVolume', 'azureDisk', 'photonPersistentDisk',
] as const satisfies ReadonlyArray<keyof PersistentVolumeSpec>

const volumeSettings = new Set(['capacity', 'accessModes', 'claimRef', 'persistentVolumeReclaimPolicy', 'storageClassName', 'mountOptions', 'volumeMode', 'nodeAffinity', 'volumeAttributesClassName'])
const sourceOf = (spec: object): Record<string, unknown> => Object.fromEntries(Object.entries(spec).filter(([key]) => !volumeSettings.has(key)))

const newLabels: Readonly<Record<string, string>> = {
  'failure-domain.beta.kubernetes.io/zone': 'topology.kubernetes.io/zone', 'failure-domain.beta.kubernetes.io/region': 'topology.kubernetes.io/region',
  'beta.kubernetes.io/os': 'kubernetes.io/os', 'beta.kubernetes.io/arch': 'kubernetes.io/arch', 'beta.kubernetes.io/instance-type': 'node.kubernetes.io/instance-type',
}

/** The affinity with those old labels renamed that `wanted` has the new names of. */
function withNewLabels(affinity: Readonly<VolumeNodeAffinity>, wanted: Readonly<VolumeNodeAffinity> | undefined): VolumeNodeAffinity {
  const terms = (affinity.required?.nodeSelectorTerms ?? []).map((term, i) => {
    const renamed = (field: 'matchExpressions' | 'matchFields'): NodeSelectorTerm => {
      const list = term[field]
      return list === undefined ? {} : { [field]: list.map((requirement, k) => (newLabels[requirement.key] === wanted?.required?.nodeSelectorTerms?.[i]?.[field]?.[k]?.key ? { ...requirement, key: newLabels[requirement.key] ?? requirement.key } : requirement)) }
    }
    return { ...renamed('matchExpressions'), ...renamed('matchFields') }
  })
  return affinity.required === undefined ? affinity : { ...affinity, required: { ...affinity.required, nodeSelectorTerms: terms } }
}

export const persistentVolumeValidation: Validation = {
  validate: validatePersistentVolume,
  validateUpdate(object, old) {
    const { spec } = object as unknown as PersistentVolume
    const before = (old as unknown as PersistentVolume).spec
    // Upstream's strategy asks for the whole, and so do the rules of updates.
    const whole = validatePersistentVolume(object)
    const out = [...whole, ...whole]
    const source = sourceOf(spec)
    const sourceBefore = sourceOf(before)
    // Secrets of expansion may be named later, once.
    const csi = source.csi as { controllerExpandSecretRef?: unknown } | undefined
    const csiBefore = sourceBefore.csi as { controllerExpandSecretRef?: unknown } | undefined
    if (csi !== undefined && csiBefore !== undefined && csiBefore.controllerExpandSecretRef === undefined) source.csi = { ...csi, controllerExpandSecretRef: undefined }
    if (!semanticEqual(source, sourceBefore)) out.push(fieldErrors.forbidden('spec.persistentvolumesource', `spec.persistentvolumesource is immutable after creation\n${internalChanges('PersistentVolumeSource', sourceBefore, source)}`))
    out.push(...validateImmutable(spec.volumeMode, before.volumeMode, 'volumeMode'))
    if (before.nodeAffinity !== undefined && !semanticEqual(spec.nodeAffinity, withNewLabels(before.nodeAffinity, spec.nodeAffinity))) {
      out.push(fieldErrors.invalid('nodeAffinity', spec.nodeAffinity === undefined ? null : internalForm('VolumeNodeAffinity', spec.nodeAffinity), `${immutableText}, except for updating from beta label to GA`))
    }
    if ((spec.volumeAttributesClassName ?? '') !== (before.volumeAttributesClassName ?? '') && spec.volumeAttributesClassName === undefined) {
      out.push(fieldErrors.forbidden('spec.volumeAttributesClassName', 'update from non-nil value to nil is forbidden'))
    }
    return out
  },
}

function checkTopologies(out: FieldError[], path: string, terms: readonly TopologySelectorTerm[]): void {
  const seen: string[] = []
  for (const [i, { matchLabelExpressions = [] }] of terms.entries()) {
    const keys = new Set<string>()
    for (const [e, { key = '', values = [] }] of matchLabelExpressions.entries()) {
      const at = `${path}[${i}].matchLabelExpressions[${e}]`
      if (values.length === 0) out.push(fieldErrors.required(`${at}.values`))
      values.forEach((value, v) => { if (values.indexOf(value) < v) out.push(fieldErrors.duplicate(`${at}.values[${v}]`, value)) })
      addInvalid(out, `${at}.key`, key, qualifiedNameErrors(key))
      if (keys.has(key)) out.push(fieldErrors.duplicate(`${at}.key`, key))
      keys.add(key)
    }
    const whole = JSON.stringify(matchLabelExpressions.map(({ key, values = [] }) => [key, [...values].sort()]).sort())
    // Upstream compares with as many empty terms as there are terms, and with each one before.
    const times = seen.filter((other) => other === whole).length + (matchLabelExpressions.length === 0 ? terms.length : 0)
    for (let n = 0; n < times; n++) out.push(fieldErrors.duplicate(`${path}[${i}].matchLabelExpressions`, ''))
    seen.push(whole)
  }
}

function validateStorageClass(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const storageClass = object as unknown as StorageClass
  checkProvisioner(out, 'provisioner', storageClass.provisioner)
  checkParameters(out, 'parameters', storageClass.parameters, true)
  checkOptionalOneOf(out, 'reclaimPolicy', storageClass.reclaimPolicy === '' ? undefined : storageClass.reclaimPolicy, ['Delete', 'Retain'])
  if (storageClass.volumeBindingMode === undefined) out.push(fieldErrors.required('volumeBindingMode'))
  else checkOptionalOneOf(out, 'volumeBindingMode', storageClass.volumeBindingMode, ['Immediate', 'WaitForFirstConsumer'])
  checkTopologies(out, 'allowedTopologies', storageClass.allowedTopologies ?? [])
  return out
}

export const storageClassValidation: Validation = {
  validate: validateStorageClass,
  validateUpdate(object, old) {
    return [
      ...validateStorageClass(object), ...validateImmutable(object.parameters, old.parameters, 'parameters'), ...validateImmutable(object.provisioner ?? '', old.provisioner, 'provisioner'),
      ...validateImmutable(object.reclaimPolicy, old.reclaimPolicy, 'reclaimPolicy'), ...validateImmutable(object.volumeBindingMode, old.volumeBindingMode, 'volumeBindingMode'),
    ]
  },
}

const maxAttachmentBytes = 256 * 1024
const maxErrorBytes = 1024

function checkVolumeError(out: FieldError[], path: string, error: Readonly<VolumeError> | undefined): void {
  if (Buffer.byteLength(error?.message ?? '') > maxErrorBytes) out.push(fieldErrors.tooLong(`${path}.message`, maxAttachmentBytes))
  if ((error?.errorCode ?? 0) < 0) out.push(fieldErrors.invalid(`${path}.errorCode`, error?.errorCode, rangeError(0, 2147483647)))
}

function validateAttachment(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { spec, status } = object as unknown as VolumeAttachment
  const { persistentVolumeName, inlineVolumeSpec } = spec?.source ?? {}
  const one = 'must specify exactly one of inlineVolumeSpec and persistentVolumeName'
  checkCsiDriverName(out, 'spec.attacher', spec?.attacher)
  if (inlineVolumeSpec === undefined && persistentVolumeName === undefined) out.push(fieldErrors.required('spec.source', one))
  else if (inlineVolumeSpec !== undefined && persistentVolumeName !== undefined) out.push(fieldErrors.forbidden('spec.source', one))
  else if (persistentVolumeName === '') out.push(fieldErrors.required('spec.source.persistentVolumeName', 'must specify non empty persistentVolumeName'))
  else if (inlineVolumeSpec !== undefined) checkVolumeSpec(out, 'spec.source.inlineVolumeSpec', inlineVolumeSpec, true)
  addInvalid(out, 'spec.nodeName', spec?.nodeName ?? '', dnsSubdomainErrors(spec?.nodeName ?? ''))
  const sizeBytes = Object.entries(status?.attachmentMetadata ?? {}).reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0)
  if (sizeBytes > maxAttachmentBytes) out.push(fieldErrors.tooLong('status.attachmentMetadata', maxAttachmentBytes))
  checkVolumeError(out, 'status.attachError', status?.attachError)
  checkVolumeError(out, 'status.detachError', status?.detachError)
  if (persistentVolumeName !== undefined) addInvalid(out, 'spec.source.persistentVolumeName', persistentVolumeName, dnsSubdomainErrors(persistentVolumeName))
  return out
}

export const volumeAttachmentValidation: Validation = {
  validate: validateAttachment,
  validateUpdate: (object, old) => [...validateAttachment(object), ...validateImmutableForm('VolumeAttachmentSpec', object.spec, old.spec, 'spec')],
  validateStatusUpdate: (object, old) => [...validateAttachment(object), ...validateImmutableForm('VolumeAttachmentSpec', object.spec, old.spec, 'spec')],
}
