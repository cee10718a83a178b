import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { configMapKeyErrors, dnsLabelErrors, dnsSubdomainErrors } from '../../machinery/names.ts'
import { parseQuantity, quantitySign } from '../../machinery/quantity.ts'
import type { ClusterTrustBundleProjection, DownwardAPIVolumeFile, KeyToPath, PersistentVolumeSource, PodCertificateProjection, ProjectedVolumeSource, Volume, VolumeProjection, VolumeSource } from '../types/core_v1.ts'
import { validateLabelSelector } from '../../machinery/labels.ts'
import { addInvalid, checkLocalNonReservedPath, checkOneOf, isEmpty } from './check.ts'
import { checkClaimSpec } from './claims.ts'
import { checkFieldRef, checkResourceFieldRef } from './field-refs.ts'
import { validateAnnotations, validateTemplateMeta } from './object-meta.ts'
import { checkSignerName, trustBundleName } from './signer-names.ts'
import { checkAttachedSource, checkPortalLength } from './volume-sources.ts'

/** Volumes of pods, and the sources that persistent volumes share with them. */

const fileModeText = 'must be a number between 0 and 0777 (octal), both inclusive'

function checkMode(out: FieldError[], path: string, mode: number | undefined): void {
  if (mode !== undefined && (mode < 0 || mode > 0o777)) out.push(fieldErrors.invalid(path, mode, fileModeText))
}

function checkItems(out: FieldError[], path: string, items: readonly KeyToPath[] | undefined): void {
  if (items === undefined) return
  for (let i = 0; i < items.length; i++) {
    const item = items[i]!
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
  const claim = (at: string, wanted: string | undefined, shown = wanted): void => {
    if (isEmpty(wanted)) return
    if (paths.has(wanted)) out.push(fieldErrors.invalid(at, shown, 'conflicting duplicate paths'))
    paths.add(wanted)
  }
  for (const [i, source] of (volume.sources ?? []).entries()) {
    const at = `${path}.sources[${i}]`
    for (const kind of ['secret', 'configMap'] as const) {
      const projection = source[kind]
      if (projection === undefined) continue
      if (isEmpty(projection.name)) out.push(fieldErrors.required(`${at}.${kind}.name`))
      checkItems(out, `${at}.${kind}.items`, projection.items)
      for (const item of projection.items ?? []) claim(path, item.path, projection.name ?? '')
    }
    for (const file of source.downwardAPI?.items ?? []) {
      checkDownwardFile(out, `${at}.downwardAPI`, file)
      claim(path, file.path)
    }
    const { serviceAccountToken: token, clusterTrustBundle: bundle, podCertificate } = source
    if (token !== undefined) {
      const seconds = token.expirationSeconds ?? 3600
      if (seconds < 600) out.push(fieldErrors.invalid(`${at}.serviceAccountToken.expirationSeconds`, seconds, 'may not specify a duration less than 10 minutes'))
      if (seconds > 2 ** 32) out.push(fieldErrors.invalid(`${at}.serviceAccountToken.expirationSeconds`, seconds, 'may not specify a duration larger than 2^32 seconds'))
      // Upstream leaves the source out of this path.
      if (isEmpty(token.path)) out.push(fieldErrors.required(`${path}.path`))
      else checkLocalNonReservedPath(out, `${path}.path`, token.path)
    }
    if (bundle !== undefined) {
      checkTrustBundle(out, `${at}.clusterTrustBundle`, bundle)
      claim(path, bundle.path)
    }
    if (podCertificate !== undefined) {
      checkPodCertificate(out, `${at}.podCertificate`, podCertificate)
      for (const field of certificatePaths) claim(path, podCertificate[field])
    }
    let kinds = 0
    for (const kind in source) if (source[kind as keyof VolumeProjection] !== undefined) kinds++
    if (kinds > 1) out.push(fieldErrors.forbidden(at, 'may not specify more than 1 volume type per source'))
  }
}

function checkTrustBundle(out: FieldError[], path: string, bundle: Readonly<ClusterTrustBundleProjection>): void {
  const { name, signerName, labelSelector } = bundle
  if (name !== undefined && signerName !== undefined) out.push(fieldErrors.invalid(path, bundle, 'only one of name and signerName may be used'))
  else if (name !== undefined) {
    if (name === '') out.push(fieldErrors.required(`${path}.name`, 'must be a valid object name'))
    const parts = name.split(':')
    const rule = trustBundleName(parts.length > 2 ? `${parts[0]}/${parts[1]}` : '')
    addInvalid(out, `${path}.name`, name, rule(name, false).map((message) => `not a valid clustertrustbundlename: ${message}`))
    if (labelSelector !== undefined) out.push(fieldErrors.invalid(`${path}.labelSelector`, labelSelector, 'labelSelector must be unset if name is specified'))
  } else if (signerName !== undefined) {
    if (signerName === '') out.push(fieldErrors.required(`${path}.signerName`, 'must be a valid signer name'))
    checkSignerName(out, `${path}.signerName`, signerName)
    out.push(...validateLabelSelector(labelSelector, `${path}.labelSelector`))
  } else out.push(fieldErrors.required(path, 'either name or signerName must be specified'))
  if (isEmpty(bundle.path)) out.push(fieldErrors.required(`${path}.path`))
  else checkLocalNonReservedPath(out, `${path}.path`, bundle.path)
}

const certificatePaths = ['credentialBundlePath', 'keyPath', 'certificateChainPath'] as const
const keyTypes = ['RSA3072', 'RSA4096', 'ECDSAP256', 'ECDSAP384', 'ECDSAP521', 'ED25519']

function checkPodCertificate(out: FieldError[], path: string, certificate: Readonly<PodCertificateProjection>): void {
  checkSignerName(out, `${path}.signerName`, certificate.signerName)
  if (!keyTypes.includes(certificate.keyType ?? '')) out.push(fieldErrors.notSupported(`${path}.keyType`, certificate.keyType ?? '', keyTypes))
  const seconds = certificate.maxExpirationSeconds
  const maxSeconds = certificate.signerName?.split('/')[0]?.endsWith('kubernetes.io') === true ? 86400 : 91 * 86400
  if (seconds !== undefined && seconds < 3600) out.push(fieldErrors.invalid(`${path}.maxExpirationSeconds`, seconds, 'if provided, maxExpirationSeconds must be >= 3600'))
  if (seconds !== undefined && seconds > maxSeconds) out.push(fieldErrors.invalid(`${path}.maxExpirationSeconds`, seconds, `if provided, maxExpirationSeconds must be <= ${maxSeconds}`))
  for (const field of certificatePaths) {
    const value = certificate[field]
    if (!isEmpty(value)) checkLocalNonReservedPath(out, `${path}.${field}`, value)
  }
  if (certificatePaths.every((field) => isEmpty(certificate[field]))) out.push(fieldErrors.required(path, 'specify at least one of credentialBundlePath, keyPath, and certificateChainPath'))
  out.push(...validateAnnotations(certificate.userAnnotations, `${path}.userAnnotations`))
}

/** In the order in which upstream looks for them: the first that is set is the one, others are too many. Some have another name in causes. */
const sourceKinds: ReadonlyArray<{ kind: keyof VolumeSource; inCauses: string }> = ([
  ['emptyDir'], ['hostPath'], ['gitRepo'], ['gcePersistentDisk'], ['awsElasticBlockStore'], ['secret'], ['nfs'], ['iscsi'], ['glusterfs'], ['flocker'], ['persistentVolumeClaim'], ['rbd'], ['cinder'],
  ['cephfs', 'cephFS'], ['quobyte'], ['downwardAPI', 'downwarAPI'], ['fc'], ['flexVolume'], ['configMap'], ['azureFile'], ['vsphereVolume'], ['photonPersistentDisk'], ['portworxVolume'], ['azureDisk'],
  ['storageos'], ['projected'], ['scaleIO'], ['csi'], ['ephemeral'], ['image'],
] satisfies ReadonlyArray<readonly [kind: keyof VolumeSource, inCauses?: string]>).map(([kind, inCauses]) => ({ kind, inCauses: inCauses ?? kind }))

function checkVolumeSource(out: FieldError[], path: string, volume: Readonly<Volume>, podName: string): void {
  let first = true
  for (const { kind, inCauses } of sourceKinds) {
    if (volume[kind] === undefined) continue
    if (first) checkSourceOf(out, path, volume, kind, podName)
    else out.push(fieldErrors.forbidden(`${path}.${inCauses}`, 'may not specify more than 1 volume type'))
    if (kind === 'iscsi' && volume.iscsi !== undefined) checkPortalLength(out, path, volume.iscsi, volume.name ?? '')
    first = false
  }
  if (first) out.push(fieldErrors.required(path, 'must specify a volume type'))
}

function checkSourceOf(out: FieldError[], path: string, volume: Readonly<Volume>, kind: keyof VolumeSource, podName: string): void {
  const { emptyDir, secret, configMap, persistentVolumeClaim, downwardAPI, projected, image } = volume
  if (kind === 'emptyDir') {
    if (emptyDir?.sizeLimit !== undefined && quantitySign(parseQuantity(emptyDir.sizeLimit)) < 0) out.push(fieldErrors.forbidden(`${path}.emptyDir.sizeLimit`, 'SizeLimit field must be a valid resource quantity'))
  } else if (kind === 'secret' && secret !== undefined) {
    if (isEmpty(secret.secretName)) out.push(fieldErrors.required(`${path}.secret.secretName`))
    checkMode(out, `${path}.secret.defaultMode`, secret.defaultMode)
    checkItems(out, `${path}.secret.items`, secret.items)
  } else if (kind === 'configMap' && configMap !== undefined) {
    if (isEmpty(configMap.name)) out.push(fieldErrors.required(`${path}.configMap.name`))
    checkMode(out, `${path}.configMap.defaultMode`, configMap.defaultMode)
    checkItems(out, `${path}.configMap.items`, configMap.items)
  } else if (kind === 'persistentVolumeClaim') {
    if (isEmpty(persistentVolumeClaim?.claimName)) out.push(fieldErrors.required(`${path}.persistentVolumeClaim.claimName`))
  } else if (kind === 'downwardAPI' && downwardAPI !== undefined) {
    checkMode(out, `${path}.downwardAPI.defaultMode`, downwardAPI.defaultMode)
    for (const file of downwardAPI.items ?? []) checkDownwardFile(out, `${path}.downwardAPI`, file)
  } else if (kind === 'projected' && projected !== undefined) checkProjected(out, `${path}.projected`, projected)
  else if (kind === 'image' && image !== undefined) {
    if (isEmpty(image.reference)) out.push(fieldErrors.required(`${path}.image.reference`))
    checkOneOf(out, `${path}.image.pullPolicy`, image.pullPolicy, ['Always', 'IfNotPresent', 'Never'])
  } else if (kind === 'ephemeral') checkEphemeral(out, path, volume, podName)
  else checkAttachedSource(out, path, volume, kind, { name: volume.name, isPersistent: false })
}

function checkEphemeral(out: FieldError[], path: string, { name, ephemeral }: Readonly<Volume>, podName: string): void {
  const template = ephemeral?.volumeClaimTemplate
  if (template === undefined) out.push(fieldErrors.required(`${path}.ephemeral.volumeClaimTemplate`))
  else {
    out.push(...validateTemplateMeta(template.metadata, `${path}.ephemeral.volumeClaimTemplate.metadata`))
    checkClaimSpec(out, `${path}.ephemeral.volumeClaimTemplate.spec`, template.spec)
  }
  // The claim is named after pod and volume; a name that cannot be is better refused now.
  const claimName = `${podName}-${name}`
  if (podName !== '' && !isEmpty(name)) addInvalid(out, `${path}.name`, name, dnsSubdomainErrors(claimName).map((message) => `PVC name ${JSON.stringify(claimName)}: ${message}`))
}

/** All volumes of a pod spec; answers with the valid ones by name, for the mounts. */
export function checkVolumes(out: FieldError[], path: string, volumes: readonly Volume[] | undefined, podName: string): ReadonlyMap<string, Volume> {
  const byName = new Map<string, Volume>()
  if (volumes === undefined) return byName
  const createdClaims = podName === '' || !volumes.some(({ ephemeral }) => ephemeral !== undefined) ? [] : volumes.filter(({ ephemeral }) => ephemeral !== undefined).map(({ name }) => `${podName}-${name}`)
  for (const [i, volume] of volumes.entries()) {
    const at = `${path}[${i}]`
    const before = out.length
    checkVolumeSource(out, at, volume, podName)
    if (isEmpty(volume.name)) out.push(fieldErrors.required(`${at}.name`))
    else addInvalid(out, `${at}.name`, volume.name, dnsLabelErrors(volume.name))
    if (byName.has(volume.name)) out.push(fieldErrors.duplicate(`${at}.name`, volume.name))
    if (out.length === before) byName.set(volume.name, volume)
    const claimName = volume.persistentVolumeClaim?.claimName
    if (claimName !== undefined && createdClaims.includes(claimName)) {
      out.push(fieldErrors.invalid(`${at}.persistentVolumeClaim.claimName`, claimName, 'must not reference a PVC that gets created for an ephemeral volume'))
    }
  }
  return byName
}

/** As `sourceKinds`, of persistent volumes. */
const persistentKinds: ReadonlyArray<{ kind: keyof PersistentVolumeSource; inCauses: string }> = ([
  ['hostPath'], ['gcePersistentDisk'], ['awsElasticBlockStore'], ['glusterfs'], ['flocker'], ['nfs'], ['rbd'], ['quobyte'], ['cephfs', 'cephFS'], ['iscsi'], ['cinder'], ['fc'], ['flexVolume'], ['azureFile'],
  ['vsphereVolume'], ['photonPersistentDisk'], ['portworxVolume'], ['azureDisk'], ['scaleIO'], ['local'], ['storageos'], ['csi'],
] satisfies ReadonlyArray<readonly [kind: keyof PersistentVolumeSource, inCauses?: string]>).map(([kind, inCauses]) => ({ kind, inCauses: inCauses ?? kind }))

export function checkPersistentVolumeSource(out: FieldError[], path: string, source: Readonly<PersistentVolumeSource>, { name, hasAffinity }: { name: string; hasAffinity: boolean }): void {
  let isOne = false
  for (const { kind, inCauses } of persistentKinds) {
    if (source[kind] === undefined) continue
    // Upstream looks at a flexVolume whatever stands before it.
    if (!isOne || kind === 'flexVolume') {
      checkAttachedSource(out, path, source, kind, { name, isPersistent: true })
      if (kind === 'local' && !hasAffinity) out.push(fieldErrors.required(`${path}.nodeAffinity`, 'Local volume requires node affinity'))
    } else out.push(fieldErrors.forbidden(`${path}.${inCauses}`, 'may not specify more than 1 volume type'))
    isOne = true
  }
  if (!isOne) out.push(fieldErrors.required(path, 'must specify a volume type'))
}

/** Keys of ConfigMaps and Secrets that env and volumes name. */
export function checkKey(out: FieldError[], path: string, key: string | undefined): void {
  if (isEmpty(key)) out.push(fieldErrors.required(path))
  else addInvalid(out, path, key, configMapKeyErrors(key))
}
