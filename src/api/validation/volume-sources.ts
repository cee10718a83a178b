import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { dnsLabelErrors, dnsSubdomainErrors, rangeError } from '../../machinery/names.ts'
import type { FCVolumeSource, ISCSIPersistentVolumeSource, ISCSIVolumeSource, PersistentVolumeSource, QuobyteVolumeSource, SecretReference, VolumeSource } from '../types/core_v1.ts'
import { addInvalid, checkLocalDescendingPath, checkNoBacksteps, checkOptionalOneOf, isEmpty } from './check.ts'

/** Kinds of storage that pods and persistent volumes attach, one function a kind (upstream's `validate…VolumeSource`). */

/** Everything a source of either may hold. */
type Source = Readonly<Omit<VolumeSource, keyof PersistentVolumeSource>> & Readonly<PersistentVolumeSource>
type Check<K extends keyof PersistentVolumeSource | 'gitRepo'> = (out: FieldError[], path: string, source: NonNullable<Source[K]>, context: SourceContext) => void

/** `name` is the volume's; persistent volumes name secrets with their namespace. */
export interface SourceContext { name: string; isPersistent: boolean }

function requireAll(out: FieldError[], path: string, source: object, ...fields: string[]): void {
  for (const field of fields) {
    const value = (source as Record<string, unknown>)[field]
    if (value === undefined || value === '' || (Array.isArray(value) && value.length === 0)) out.push(fieldErrors.required(`${path}.${field}`))
  }
}

const partitionText = rangeError(1, 255)

function checkPartition(out: FieldError[], path: string, partition: number | undefined): void {
  if (partition !== undefined && (partition < 0 || partition > 255)) out.push(fieldErrors.invalid(`${path}.partition`, partition, partitionText))
}

function checkLun(out: FieldError[], path: string, lun: number): void {
  if (lun < 0 || lun > 255) out.push(fieldErrors.invalid(`${path}.lun`, lun, rangeError(0, 255)))
}

function checkNamed(out: FieldError[], path: string, ref: { name?: string; namespace?: string } | undefined, withNamespace: boolean): void {
  if (ref === undefined) return
  if (isEmpty(ref.name)) out.push(fieldErrors.required(`${path}.name`))
  if (withNamespace && isEmpty(ref.namespace)) out.push(fieldErrors.required(`${path}.namespace`))
}

const qualifiedNames = { iqn: /iqn\.\d{4}-\d{2}\.([A-Za-z0-9\-.]+)(:[^,;*&$|\s]+)$/, eui: /^eui.[A-Za-z0-9]{16}$/, naa: /^naa.[A-Za-z0-9]{32}$/ }

function checkInitiator(out: FieldError[], path: string, name: string, unknown: string): void {
  const scheme = (Object.keys(qualifiedNames) as Array<keyof typeof qualifiedNames>).find((prefix) => name.startsWith(prefix))
  if (scheme === undefined) out.push(fieldErrors.invalid(path, name, unknown))
  else if (!qualifiedNames[scheme].test(name)) out.push(fieldErrors.invalid(path, name, 'must be valid format'))
}

function checkIscsi(out: FieldError[], path: string, iscsi: Readonly<ISCSIVolumeSource | ISCSIPersistentVolumeSource>, { name, isPersistent }: SourceContext): void {
  const unknown = isPersistent ? 'must be valid format' : 'must be valid format starting with iqn, eui, or naa'
  const { targetPortal = '', iqn, initiatorName } = iscsi
  if (targetPortal === '') out.push(fieldErrors.required(`${path}.targetPortal`))
  if (isPersistent && isPortalTooLong(name, iscsi)) out.push(fieldErrors.invalid(`${path}.targetportal`, targetPortal, tooLongText))
  if (isEmpty(iqn)) out.push(fieldErrors.required(`${path}.iqn`))
  else checkInitiator(out, `${path}.iqn`, iqn, unknown)
  checkLun(out, path, iscsi.lun ?? 0)
  if ((iscsi.chapAuthDiscovery === true || iscsi.chapAuthSession === true) && iscsi.secretRef === undefined) out.push(fieldErrors.required(`${path}.secretRef`))
  if (isPersistent) checkNamed(out, `${path}.secretRef`, iscsi.secretRef, false)
  if (initiatorName !== undefined) checkInitiator(out, `${path}.initiatorname`, initiatorName, unknown)
}

/** An initiator is told apart by volume and portal; their names together have room in one. */
const tooLongText = 'Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.'

const isPortalTooLong = (name: string, { targetPortal = '', initiatorName }: Readonly<ISCSIVolumeSource | ISCSIPersistentVolumeSource>): boolean =>
  initiatorName !== undefined && `${name}:${targetPortal}`.length > 64

export function checkPortalLength(out: FieldError[], path: string, iscsi: Readonly<ISCSIVolumeSource>, name: string): void {
  if (isPortalTooLong(name, iscsi)) out.push(fieldErrors.invalid(`${path}.name`, name, tooLongText))
}

function checkFc(out: FieldError[], path: string, { targetWWNs = [], wwids = [], lun }: Readonly<FCVolumeSource>): void {
  if (targetWWNs.length === 0 && wwids.length === 0) out.push(fieldErrors.required(`${path}.targetWWNs`, 'must specify either targetWWNs or wwids, but not both'))
  if (targetWWNs.length > 0 && wwids.length > 0) out.push(fieldErrors.invalid(`${path}.targetWWNs`, targetWWNs, 'targetWWNs and wwids can not be specified simultaneously'))
  if (targetWWNs.length === 0) return
  if (lun === undefined) out.push(fieldErrors.required(`${path}.lun`, 'lun is required if targetWWNs is specified'))
  else checkLun(out, path, lun)
}

function checkQuobyte(out: FieldError[], path: string, { registry = '', tenant = '', volume }: Readonly<QuobyteVolumeSource>): void {
  const pairs = 'must be a host:port pair or multiple pairs separated by commas'
  if (registry === '') out.push(fieldErrors.required(`${path}.registry`, pairs))
  else if (tenant.length >= 65) out.push(fieldErrors.required(`${path}.tenant`, 'must be a UUID and may not exceed a length of 64 characters'))
  else for (const pair of registry.split(',')) if (!/^(\[[^\]]*\]|[^:]*):[^:]*$/.test(pair)) out.push(fieldErrors.invalid(`${path}.registry`, registry, pairs))
  if (isEmpty(volume)) out.push(fieldErrors.required(`${path}.volume`))
}

function checkAzureDisk(out: FieldError[], path: string, disk: NonNullable<Source['azureDisk']>): void {
  const uri = disk.diskURI ?? ''
  requireAll(out, path, disk, 'diskName', 'diskURI')
  checkOptionalOneOf(out, `${path}.cachingMode`, disk.cachingMode, ['None', 'ReadOnly', 'ReadWrite'])
  checkOptionalOneOf(out, `${path}.kind`, disk.kind, ['Dedicated', 'Managed', 'Shared'])
  if (disk.kind === 'Managed' && !uri.startsWith('/subscriptions/')) {
    out.push(fieldErrors.notSupported(`${path}.diskURI`, uri, ['/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}']))
  }
  if (disk.kind !== undefined && disk.kind !== 'Managed' && !uri.startsWith('https://')) {
    out.push(fieldErrors.notSupported(`${path}.diskURI`, uri, ['https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd']))
  }
}

function checkFlex(out: FieldError[], path: string, flex: { driver: string; options?: Record<string, string> }): void {
  requireAll(out, path, flex, 'driver')
  for (const key of Object.keys(flex.options ?? {})) {
    const namespace = `.${(key.includes('/') ? key.slice(0, key.indexOf('/')) : key).toLowerCase()}`
    if (namespace.endsWith('.kubernetes.io') || namespace.endsWith('.k8s.io')) out.push(fieldErrors.invalid(`${path}.options[${key}]`, key, 'kubernetes.io and k8s.io namespaces are reserved'))
  }
}

const hostPathTypes = ['', 'BlockDevice', 'CharDevice', 'Directory', 'DirectoryOrCreate', 'File', 'FileOrCreate', 'Socket']

export function checkCsiDriverName(out: FieldError[], path: string, name: string | undefined): void {
  if (isEmpty(name)) {
    out.push(fieldErrors.required(path))
    return
  }
  if (name.length > 63) out.push(fieldErrors.tooLong(path, 63))
  addInvalid(out, path, name, dnsSubdomainErrors(name.toLowerCase()))
}

function checkSecretReference(out: FieldError[], path: string, ref: Readonly<SecretReference>): void {
  if (isEmpty(ref.name)) out.push(fieldErrors.required(`${path}.name`))
  else addInvalid(out, `${path}.name`, ref.name, dnsSubdomainErrors(ref.name))
  if (isEmpty(ref.namespace)) out.push(fieldErrors.required(`${path}.namespace`))
  else addInvalid(out, `${path}.namespace`, ref.namespace, dnsLabelErrors(ref.namespace))
}

const csiSecrets = ['controllerPublishSecretRef', 'controllerExpandSecretRef', 'nodePublishSecretRef', 'nodeExpandSecretRef'] as const

const checks: { readonly [K in keyof PersistentVolumeSource | 'gitRepo']-?: Check<K> } = {
  hostPath(out, path, hostPath) {
    if (isEmpty(hostPath.path)) out.push(fieldErrors.required(`${path}.path`))
    else {
      checkNoBacksteps(out, `${path}.path`, hostPath.path)
      checkOptionalOneOf(out, `${path}.type`, hostPath.type, hostPathTypes)
    }
  },
  gitRepo(out, path, repository) {
    requireAll(out, path, repository, 'repository')
    checkLocalDescendingPath(out, `${path}.directory`, repository.directory ?? '')
  },
  gcePersistentDisk(out, path, disk) {
    // Upstream names it differently in paths.
    const at = path.replace(/gcePersistentDisk$/, 'persistentDisk')
    requireAll(out, at, disk, 'pdName')
    checkPartition(out, at, disk.partition)
  },
  awsElasticBlockStore(out, path, disk) {
    requireAll(out, path, disk, 'volumeID')
    checkPartition(out, path, disk.partition)
  },
  nfs(out, path, nfs) {
    requireAll(out, path, nfs, 'server', 'path')
    if (!(nfs.path ?? '').startsWith('/')) out.push(fieldErrors.invalid(`${path}.path`, nfs.path ?? '', 'must be an absolute path'))
  },
  iscsi: checkIscsi,
  fc: checkFc,
  quobyte: checkQuobyte,
  azureDisk: checkAzureDisk,
  flexVolume: checkFlex,
  glusterfs(out, path, glusterfs) {
    requireAll(out, path, glusterfs, 'endpoints', 'path')
    const namespace = glusterfs.endpointsNamespace
    if (namespace === '') out.push(fieldErrors.invalid(`${path}.endpointsNamespace`, '', 'if the endpointnamespace is set, it must be a valid namespace name'))
    else if (namespace !== undefined) addInvalid(out, `${path}.endpointsNamespace`, namespace, dnsLabelErrors(namespace))
  },
  flocker(out, path, { datasetName = '', datasetUUID = '' }) {
    if (datasetName === '' && datasetUUID === '') out.push(fieldErrors.required(path, 'one of datasetName and datasetUUID is required'))
    if (datasetName !== '' && datasetUUID !== '') out.push(fieldErrors.invalid(path, 'resource', 'datasetName and datasetUUID can not be specified simultaneously'))
    if (datasetName.includes('/')) out.push(fieldErrors.invalid(`${path}.datasetName`, datasetName, "must not contain '/'"))
  },
  rbd: (out, path, rbd) => requireAll(out, path, rbd, 'monitors', 'image'),
  cephfs: (out, path, cephfs) => requireAll(out, path, cephfs, 'monitors'),
  cinder(out, path, cinder, { isPersistent }) {
    requireAll(out, path, cinder, 'volumeID')
    checkNamed(out, `${path}.secretRef`, cinder.secretRef, isPersistent)
  },
  azureFile(out, path, file) {
    requireAll(out, path, file, 'secretName', 'shareName')
    if (file.secretNamespace === '') out.push(fieldErrors.required(`${path}.secretNamespace`))
  },
  vsphereVolume: (out, path, volume) => requireAll(out, path, volume, 'volumePath'),
  photonPersistentDisk: (out, path, disk) => requireAll(out, path, disk, 'pdID'),
  portworxVolume: (out, path, volume) => requireAll(out, path, volume, 'volumeID'),
  scaleIO: (out, path, volume) => requireAll(out, path, volume, 'gateway', 'system', 'volumeName'),
  local(out, path, local) {
    if (isEmpty(local.path)) out.push(fieldErrors.required(`${path}.path`))
    else checkNoBacksteps(out, `${path}.path`, local.path)
  },
  storageos(out, path, { volumeName, volumeNamespace, secretRef }, { isPersistent }) {
    if (isEmpty(volumeName)) out.push(fieldErrors.required(`${path}.volumeName`))
    else addInvalid(out, `${path}.volumeName`, volumeName, dnsLabelErrors(volumeName))
    if (!isEmpty(volumeNamespace)) addInvalid(out, `${path}.volumeNamespace`, volumeNamespace, dnsLabelErrors(volumeNamespace))
    checkNamed(out, `${path}.secretRef`, secretRef, isPersistent)
  },
  csi(out, path, csi, { isPersistent }) {
    checkCsiDriverName(out, `${path}.driver`, csi.driver)
    if (isPersistent) {
      requireAll(out, path, csi, 'volumeHandle')
      for (const field of csiSecrets) {
        const ref = csi[field]
        if (ref !== undefined) checkSecretReference(out, `${path}.${field}`, ref)
      }
    } else if (csi.nodePublishSecretRef !== undefined) {
      const { name } = csi.nodePublishSecretRef
      if (isEmpty(name)) out.push(fieldErrors.required(`${path}.nodePublishSecretRef.name`))
      else addInvalid(out, `${path}.name`, name, dnsSubdomainErrors(name))
    }
  },
}

/** The source of that kind, if it is one of these and is set. */
export function checkAttachedSource(out: FieldError[], path: string, source: Readonly<PersistentVolumeSource | VolumeSource>, kind: string, context: SourceContext): void {
  if (!Object.hasOwn(checks, kind)) return
  const value = (source as Record<string, unknown>)[kind]
  if (value !== undefined) (checks[kind as keyof typeof checks] as Check<'hostPath'>)(out, `${path}.${kind}`, value as NonNullable<Source['hostPath']>, context)
}
