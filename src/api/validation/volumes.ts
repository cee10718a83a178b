import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { configMapKeyErrors, dnsLabelErrors, dnsSubdomainErrors } from '../../machinery/names.ts'
import { parseQuantity, quantitySign } from '../../machinery/quantity.ts'
import type { DownwardAPIVolumeFile, KeyToPath, PersistentVolumeSource, ProjectedVolumeSource, Volume } from '../types/core_v1.ts'
import { addInvalid, checkLocalNonReservedPath, checkNoBacksteps, checkOptionalOneOf, isEmpty } from './check.ts'
import { checkClaimSpec } from './claims.ts'
import { checkFieldRef, checkResourceFieldRef } from './field-refs.ts'

/** Volumes of pods, and the sources that persistent volumes share with them. */

const fileModeText = 'must be a number between 0 and 0777 (octal), both inclusive'

function checkMode(out: FieldError[], path: string, mode: number | undefined): void {
  if (mode !== undefined && (mode < 0 || mode > 0o777)) out.push(fieldErrors.invalid(path, mode, fileModeText))
}

function checkItems(out: FieldError[], path: string, items: readonly KeyToPath[] | undefined): void {
  for (const [i, item] of (items ?? []).entries()) {
    const at = `${path}[${i}]`
    if (isEmpty(item.key)) out.push(fieldErrors.required(`${at}.key`))
    if (isEmpty(item.path)) out.push(fieldErrors.required(`${at}.path`))
    else checkLocalNonReservedPath(out, `${at}.path`, item.path)
    checkMode(out, `${at}.mode`, item.mode)
  }
}

const volumeFields = new Set([
  'metadata.name', 'metadata.namespace', 'metadata.labels', 'metadata.annotations', 'metadata.uid',
])

function checkDownwardFile(out: FieldError[], path: string, file: DownwardAPIVolumeFile): void {
  if (isEmpty(file.path)) out.push(fieldErrors.required(`${path}.path`))
  else checkLocalNonReservedPath(out, `${path}.path`, file.path)
  if (file.fieldRef !== undefined) {
    checkFieldRef(out, `${path}.fieldRef`, file.fieldRef, volumeFields)
    if (file.resourceFieldRef !== undefined) out.push(fieldErrors.invalid(path, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously'))
  } else if (file.resourceFieldRef !== undefined) {
    checkResourceFieldRef(out, `${path}.resourceFieldRef`, file.resourceFieldRef, true)
  } else {
    out.push(fieldErrors.required(path, 'one of fieldRef and resourceFieldRef is required'))
  }
  checkMode(out, `${path}.mode`, file.mode)
}

function checkProjected(out: FieldError[], path: string, volume: Readonly<ProjectedVolumeSource>): void {
  checkMode(out, `${path}.defaultMode`, volume.defaultMode)
  const paths = new Set<string>()
  const claim = (at: string, wanted: string | undefined): void => {
    if (isEmpty(wanted)) return
    if (paths.has(wanted)) out.push(fieldErrors.invalid(at, wanted, 'conflicting duplicate paths'))
    paths.add(wanted)
  }
  for (const [i, source] of (volume.sources ?? []).entries()) {
    const at = `${path}.sources[${i}]`
    const kinds = Object.keys(source).filter((key) => source[key as keyof typeof source] !== undefined)
    if (kinds.length > 1) out.push(fieldErrors.forbidden(at, 'may not specify more than 1 volume type'))
    else if (kinds.length === 0) out.push(fieldErrors.required(at, 'must specify a volume type'))
    for (const kind of ['secret', 'configMap'] as const) {
      const projection = source[kind]
      if (projection === undefined) continue
      if (isEmpty(projection.name)) out.push(fieldErrors.required(`${at}.${kind}.name`))
      checkItems(out, `${at}.${kind}.items`, projection.items)
      for (const item of projection.items ?? []) claim(`${at}.${kind}.path`, item.path)
    }
    for (const file of source.downwardAPI?.items ?? []) {
      checkDownwardFile(out, `${at}.downwardAPI`, file)
      claim(`${at}.downwardAPI.path`, file.path)
    }
    const token = source.serviceAccountToken
    if (token !== undefined) {
      const seconds = token.expirationSeconds ?? 3600
      if (seconds < 600) out.push(fieldErrors.invalid(`${at}.serviceAccountToken.expirationSeconds`, seconds, 'may not specify a duration less than 10 minutes'))
      if (seconds > 2 ** 32) out.push(fieldErrors.invalid(`${at}.serviceAccountToken.expirationSeconds`, seconds, 'may not specify a duration larger than 2^32 seconds'))
      if (isEmpty(token.path)) out.push(fieldErrors.required(`${at}.serviceAccountToken.path`))
      else checkLocalNonReservedPath(out, `${at}.serviceAccountToken.path`, token.path)
      claim(at, token.path)
    }
    const bundle = source.clusterTrustBundle
    if (bundle !== undefined) {
      if (isEmpty(bundle.name) === isEmpty(bundle.signerName)) out.push(isEmpty(bundle.name)
        ? fieldErrors.required(`${at}.clusterTrustBundle`, 'either name or signerName must be specified')
        : fieldErrors.invalid(`${at}.clusterTrustBundle`, bundle, 'only one of name and signerName may be used'))
      if (isEmpty(bundle.path)) out.push(fieldErrors.required(`${at}.clusterTrustBundle.path`))
      else claim(`${at}.clusterTrustBundle.path`, bundle.path)
    }
  }
}

const hostPathTypes = ['', 'BlockDevice', 'CharDevice', 'Directory', 'DirectoryOrCreate', 'File', 'FileOrCreate', 'Socket']

/** Sources that pods and persistent volumes both have. */
function checkSharedSources(out: FieldError[], path: string, source: Readonly<Pick<PersistentVolumeSource, 'hostPath' | 'nfs'>>): void {
  if (source.hostPath !== undefined) {
    if (isEmpty(source.hostPath.path)) out.push(fieldErrors.required(`${path}.hostPath.path`))
    else checkNoBacksteps(out, `${path}.hostPath.path`, source.hostPath.path)
    checkOptionalOneOf(out, `${path}.hostPath.type`, source.hostPath.type, hostPathTypes)
  }
  if (source.nfs !== undefined) {
    if (isEmpty(source.nfs.server)) out.push(fieldErrors.required(`${path}.nfs.server`))
    if (isEmpty(source.nfs.path)) out.push(fieldErrors.required(`${path}.nfs.path`))
    else if (!source.nfs.path.startsWith('/')) out.push(fieldErrors.invalid(`${path}.nfs.path`, source.nfs.path, 'must be an absolute path'))
  }
}

export function checkCsiDriverName(out: FieldError[], path: string, name: string | undefined): void {
  if (isEmpty(name)) {
    out.push(fieldErrors.required(path))
    return
  }
  if (name.length > 63) out.push(fieldErrors.tooLong(path, 63))
  addInvalid(out, path, name, dnsSubdomainErrors(name.toLowerCase()))
}

/** What every source cannot do without, for kinds that the cluster's own code never looks into. */
const requiredFields: Record<string, readonly string[]> = {
  gcePersistentDisk: ['pdName'], awsElasticBlockStore: ['volumeID'], gitRepo: ['repository'], iscsi: ['targetPortal', 'iqn'], glusterfs: ['endpoints', 'path'], rbd: ['monitors', 'image'],
  flexVolume: ['driver'], cinder: ['volumeID'], cephfs: ['monitors'], azureFile: ['secretName', 'shareName'], vsphereVolume: ['volumePath'], quobyte: ['registry', 'volume'],
  azureDisk: ['diskName', 'diskURI'], photonPersistentDisk: ['pdID'], portworxVolume: ['volumeID'], scaleIO: ['gateway', 'system'],
}

function checkRequiredFields(out: FieldError[], path: string, source: Readonly<Record<string, unknown>>): void {
  for (const kind in requiredFields) {
    const value = source[kind] as Record<string, unknown> | undefined
    if (value === undefined) continue
    for (const field of requiredFields[kind] as readonly string[]) {
      const content = value[field]
      if (content === undefined || content === '' || (Array.isArray(content) && content.length === 0)) out.push(fieldErrors.required(`${path}.${kind}.${field}`))
    }
  }
}

function checkOneSource(out: FieldError[], path: string, source: Readonly<object>, ignore: ReadonlySet<string>, none: string): void {
  let first = true
  for (const [key, value] of Object.entries(source)) {
    if (ignore.has(key) || value === undefined) continue
    if (!first) out.push(fieldErrors.forbidden(`${path}.${key}`, 'may not specify more than 1 volume type'))
    first = false
  }
  if (first) out.push(fieldErrors.required(path, none))
}

const nameOnly = new Set(['name'])

function checkVolumeSource(out: FieldError[], path: string, volume: Readonly<Volume>, podName: string): void {
  checkOneSource(out, path, volume, nameOnly, 'must specify a volume type')
  checkSharedSources(out, path, volume)
  checkRequiredFields(out, path, volume as unknown as Record<string, unknown>)
  const { emptyDir, secret, configMap, persistentVolumeClaim, downwardAPI, projected, ephemeral, csi, image } = volume
  if (emptyDir?.sizeLimit !== undefined && quantitySign(parseQuantity(emptyDir.sizeLimit)) < 0) out.push(fieldErrors.forbidden(`${path}.emptyDir.sizeLimit`, 'SizeLimit field must be a valid resource quantity'))
  if (secret !== undefined) {
    if (isEmpty(secret.secretName)) out.push(fieldErrors.required(`${path}.secret.secretName`))
    checkMode(out, `${path}.secret.defaultMode`, secret.defaultMode)
    checkItems(out, `${path}.secret.items`, secret.items)
  }
  if (configMap !== undefined) {
    if (isEmpty(configMap.name)) out.push(fieldErrors.required(`${path}.configMap.name`))
    checkMode(out, `${path}.configMap.defaultMode`, configMap.defaultMode)
    checkItems(out, `${path}.configMap.items`, configMap.items)
  }
  if (persistentVolumeClaim !== undefined && isEmpty(persistentVolumeClaim.claimName)) out.push(fieldErrors.required(`${path}.persistentVolumeClaim.claimName`))
  if (downwardAPI !== undefined) {
    checkMode(out, `${path}.downwardAPI.defaultMode`, downwardAPI.defaultMode)
    for (const file of downwardAPI.items ?? []) checkDownwardFile(out, `${path}.downwardAPI`, file)
  }
  if (projected !== undefined) checkProjected(out, `${path}.projected`, projected)
  if (csi !== undefined) {
    checkCsiDriverName(out, `${path}.csi.driver`, csi.driver)
    if (csi.nodePublishSecretRef !== undefined && isEmpty(csi.nodePublishSecretRef.name)) out.push(fieldErrors.required(`${path}.csi.nodePublishSecretRef.name`))
  }
  if (image !== undefined) {
    if (isEmpty(image.reference)) out.push(fieldErrors.required(`${path}.image.reference`))
    checkOptionalOneOf(out, `${path}.image.pullPolicy`, image.pullPolicy, ['Always', 'IfNotPresent', 'Never'])
  }
  if (ephemeral !== undefined) {
    const template = ephemeral.volumeClaimTemplate
    if (template === undefined) out.push(fieldErrors.required(`${path}.ephemeral.volumeClaimTemplate`))
    else checkClaimSpec(out, `${path}.ephemeral.volumeClaimTemplate.spec`, template.spec)
    // The claim is named after pod and volume; a name that cannot be is better refused now.
    if (podName !== '') addInvalid(out, `${path}.ephemeral.volumeClaimTemplate.metadata.name`, `${podName}-${volume.name}`, dnsSubdomainErrors(`${podName}-${volume.name}`))
  }
}

/** All volumes of a pod spec; answers with them by name, for the mounts. */
export function checkVolumes(out: FieldError[], path: string, volumes: readonly Volume[] | undefined, podName: string): ReadonlyMap<string, Volume> {
  const byName = new Map<string, Volume>()
  for (const [i, volume] of (volumes ?? []).entries()) {
    const at = `${path}[${i}]`
    checkVolumeSource(out, at, volume, podName)
    if (isEmpty(volume.name)) out.push(fieldErrors.required(`${at}.name`))
    else {
      addInvalid(out, `${at}.name`, volume.name, dnsLabelErrors(volume.name))
      if (byName.has(volume.name)) out.push(fieldErrors.duplicate(`${at}.name`, volume.name))
      else byName.set(volume.name, volume)
    }
  }
  return byName
}

const notSources = new Set(['capacity', 'accessModes', 'claimRef', 'persistentVolumeReclaimPolicy', 'storageClassName', 'mountOptions', 'volumeMode', 'nodeAffinity', 'volumeAttributesClassName'])

export function checkPersistentVolumeSource(out: FieldError[], path: string, source: Readonly<PersistentVolumeSource>): void {
  checkOneSource(out, path, source, notSources, 'must specify a volume type')
  checkSharedSources(out, path, source)
  checkRequiredFields(out, path, source as unknown as Record<string, unknown>)
  if (source.local !== undefined) {
    if (isEmpty(source.local.path)) out.push(fieldErrors.required(`${path}.local.path`))
    else checkNoBacksteps(out, `${path}.local.path`, source.local.path)
  }
  if (source.csi !== undefined) {
    checkCsiDriverName(out, `${path}.csi.driver`, source.csi.driver)
    if (isEmpty(source.csi.volumeHandle)) out.push(fieldErrors.required(`${path}.csi.volumeHandle`))
  }
}

/** Keys of ConfigMaps and Secrets that env and volumes name. */
export function checkKey(out: FieldError[], path: string, key: string | undefined): void {
  if (isEmpty(key)) out.push(fieldErrors.required(path))
  else addInvalid(out, path, key, configMapKeyErrors(key))
}
