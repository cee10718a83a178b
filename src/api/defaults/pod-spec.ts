import { addQuantities, compareQuantities, parseQuantity, quantityText, roundedUpToMilli } from '../../machinery/quantity.ts'
import type { Container, PersistentVolumeClaimSpec, PodSpec, PodTemplateSpec, Probe, Volume } from '../types/core_v1.ts'

/** Defaults of everything inside a pod spec, shared by pods and by the templates of all workloads (upstream's `pkg/apis/core/v1/defaults.go`). */

type ResourceList = Record<string, string>

/** Resource amounts are kept in thousandths at the finest. */
export function defaultResourceList(list: ResourceList | undefined): void {
  if (list === undefined) return
  for (const name in list) {
    const rounded = roundedUpToMilli(list[name] as string)
    if (rounded !== list[name]) list[name] = rounded
  }
}

/** Tag of an image reference: `latest` where neither tag nor digest is given, '' with a digest alone. */
export function imageTag(image: string): string {
  const at = image.indexOf('@')
  const name = at < 0 ? image : image.slice(0, at)
  const colon = name.indexOf(':', name.lastIndexOf('/') + 1)
  if (colon >= 0) return name.slice(colon + 1)
  return at < 0 ? 'latest' : ''
}

const reference = /^(?:(?:(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[a-fA-F0-9:]+\])(?::\d+)?)\/)?[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*(?::\w[\w.-]{0,127})?(?:@(?:sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128}))?$/
const hexIdentifier = /^[a-f0-9]{64}$/

/** Whether the registries' grammar allows a reference (distribution's `ParseNormalizedNamed`); what it does not allow has no tag. */
function isReference(image: string): boolean {
  return image.length <= 600 && reference.test(image) && !hexIdentifier.test(image) && image.replace(/@.*$/, '').replace(/:[\w.-]*$/, '').length <= 255
}

const pullPolicyOf = (image: string): string => (imageTag(image) === 'latest' && isReference(image) ? 'Always' : 'IfNotPresent')

function defaultProbe(probe: Probe | undefined): void {
  if (probe === undefined) return
  probe.timeoutSeconds ||= 1
  probe.periodSeconds ||= 10
  probe.successThreshold ||= 1
  probe.failureThreshold ||= 3
  defaultHttpGet(probe.httpGet)
  if (probe.grpc !== undefined) probe.grpc.service ??= ''
}

function defaultHttpGet(httpGet: { path?: string; scheme?: string } | undefined): void {
  if (httpGet === undefined) return
  httpGet.path ||= '/'
  httpGet.scheme ||= 'HTTP'
}

function defaultContainer(container: Container): void {
  container.resources ??= {}
  container.imagePullPolicy ||= pullPolicyOf(container.image ?? '')
  container.terminationMessagePath ||= '/dev/termination-log'
  container.terminationMessagePolicy ||= 'File'
  for (const port of container.ports ?? []) port.protocol ||= 'TCP'
  for (const variable of container.env ?? []) {
    const source = variable.valueFrom
    if (source?.fieldRef !== undefined) source.fieldRef.apiVersion ||= 'v1'
    if (source?.resourceFieldRef !== undefined) source.resourceFieldRef.divisor ??= '0'
    if (source?.fileKeyRef !== undefined) source.fileKeyRef.optional ??= false
  }
  defaultResourceList(container.resources.limits)
  defaultResourceList(container.resources.requests)
  defaultProbe(container.livenessProbe)
  defaultProbe(container.readinessProbe)
  defaultProbe(container.startupProbe)
  defaultHttpGet(container.lifecycle?.postStart?.httpGet)
  defaultHttpGet(container.lifecycle?.preStop?.httpGet)
}

const fileMode = 0o644

interface DownwardFiles { items?: Array<{ fieldRef?: { apiVersion?: string }; resourceFieldRef?: { divisor?: string } }> }

function defaultDownwardFiles(files: DownwardFiles | undefined): void {
  for (const { fieldRef, resourceFieldRef } of files?.items ?? []) {
    if (fieldRef !== undefined) fieldRef.apiVersion ||= 'v1'
    if (resourceFieldRef !== undefined) resourceFieldRef.divisor ??= '0'
  }
}

export function defaultClaimSpec(spec: PersistentVolumeClaimSpec): void {
  spec.volumeMode ??= 'Filesystem'
  spec.resources ??= {}
  defaultResourceList(spec.resources.limits)
  defaultResourceList(spec.resources.requests)
}

function defaultVolume(volume: Volume): void {
  if (Object.keys(volume).every((key) => key === 'name' || volume[key as keyof Volume] === undefined)) volume.emptyDir = {}
  if (volume.secret !== undefined) volume.secret.defaultMode ??= fileMode
  if (volume.configMap !== undefined) volume.configMap.defaultMode ??= fileMode
  if (volume.hostPath !== undefined) volume.hostPath.type ??= ''
  if (volume.downwardAPI !== undefined) {
    volume.downwardAPI.defaultMode ??= fileMode
    defaultDownwardFiles(volume.downwardAPI)
  }
  if (volume.projected !== undefined) {
    volume.projected.defaultMode ??= fileMode
    for (const source of volume.projected.sources ?? []) {
      if (source.serviceAccountToken !== undefined) source.serviceAccountToken.expirationSeconds ??= 3600
      if (source.podCertificate !== undefined) source.podCertificate.maxExpirationSeconds ??= 86400
      defaultDownwardFiles(source.downwardAPI)
    }
  }
  if (volume.ephemeral?.volumeClaimTemplate?.spec !== undefined) defaultClaimSpec(volume.ephemeral.volumeClaimTemplate.spec)
  if (volume.image !== undefined) volume.image.pullPolicy ||= pullPolicyOf(volume.image.reference ?? '')
  defaultOldVolumeKinds(volume)
}

/** Volumes of in-tree drivers that live on as API only. */
export function defaultOldVolumeKinds({ rbd, iscsi, azureDisk, scaleIO }: Pick<Volume, 'rbd' | 'iscsi' | 'azureDisk' | 'scaleIO'>): void {
  if (rbd !== undefined) {
    rbd.pool ||= 'rbd'
    rbd.user ||= 'admin'
    rbd.keyring ||= '/etc/ceph/keyring'
  }
  if (iscsi !== undefined) iscsi.iscsiInterface ||= 'default'
  if (azureDisk !== undefined) {
    azureDisk.cachingMode ??= 'ReadWrite'
    azureDisk.fsType ??= 'ext4'
    azureDisk.readOnly ??= false
    azureDisk.kind ??= 'Shared'
  }
  if (scaleIO !== undefined) {
    scaleIO.storageMode ||= 'ThinProvisioned'
    scaleIO.fsType ||= 'xfs'
  }
}

/** `serviceAccount` is the old name of `serviceAccountName`; both are always written. */
export function syncServiceAccountNames(spec: PodSpec): void {
  const name = spec.serviceAccountName || spec.serviceAccount
  if (name === undefined || name === '') return
  if (spec.serviceAccountName !== name) spec.serviceAccountName = name
  if (spec.serviceAccount !== name) spec.serviceAccount = name
}

export function defaultPodSpec(spec: PodSpec): void {
  spec.dnsPolicy ||= 'ClusterFirst'
  spec.restartPolicy ||= 'Always'
  spec.securityContext ??= {}
  spec.terminationGracePeriodSeconds ??= 30
  spec.schedulerName ||= 'default-scheduler'
  syncServiceAccountNames(spec)
  for (const container of spec.initContainers ?? []) defaultContainer(container)
  for (const container of spec.containers ?? []) defaultContainer(container)
  for (const container of spec.ephemeralContainers ?? []) defaultContainer(container as unknown as Container)
  for (const volume of spec.volumes ?? []) defaultVolume(volume)
  defaultResourceList(spec.overhead)
  if (spec.resources !== undefined) {
    defaultResourceList(spec.resources.limits)
    defaultResourceList(spec.resources.requests)
  }
}

const initAnnotations = ['beta', 'alpha'].flatMap((level) => ['init-containers', 'init-container-statuses'].map((name) => `pod.${level}.kubernetes.io/${name}`))

/** Annotations from before pods had `initContainers` go, here and in templates. */
export function dropInitAnnotations(metadata: { annotations?: Record<string, string> } | undefined): void {
  const annotations = metadata?.annotations
  if (annotations === undefined) return
  for (const name of initAnnotations) if (name in annotations) delete annotations[name]
}

export function defaultPodTemplate(template: PodTemplateSpec | undefined): void {
  dropInitAnnotations(template?.metadata)
  if (template?.spec !== undefined) defaultPodSpec(template.spec)
}

/** What pods get beyond their spec's defaults, and templates do not: requests follow limits, also for the pod as a whole (KEP-2837); ports of the host. */
export function defaultPodResources(spec: PodSpec): void {
  for (const container of [...(spec.containers ?? []), ...(spec.initContainers ?? [])]) {
    const limits = container.resources?.limits
    if (limits !== undefined) fillMissing((container.resources as { requests?: ResourceList }).requests ??= {}, limits)
  }
  spec.enableServiceLinks ??= true
  if (spec.hostNetwork === true) {
    for (const container of [...(spec.containers ?? []), ...(spec.initContainers ?? [])]) {
      for (const port of container.ports ?? []) port.hostPort ||= port.containerPort
    }
  }
  if (spec.resources !== undefined) defaultPodLevelResources(spec, spec.resources)
}

function fillMissing(into: ResourceList, from: ResourceList): void {
  for (const name of Object.keys(from)) if (!Object.hasOwn(into, name)) into[name] = from[name] as string
}

const isHugePages = (name: string): boolean => name.startsWith('hugepages-')
const isPodLevel = (name: string): boolean => name === 'cpu' || name === 'memory' || isHugePages(name)

function defaultPodLevelResources(spec: PodSpec, resources: { limits?: ResourceList; requests?: ResourceList }): void {
  const hasLimits = Object.keys(resources.limits ?? {}).length > 0
  const hasRequests = Object.keys(resources.requests ?? {}).length > 0
  if (!hasLimits && !hasRequests) return
  const containerLimits = aggregated(spec, 'limits')
  const hugePages = Object.fromEntries(Object.entries(containerLimits).filter(([name]) => isHugePages(name) && resources.requests?.[name] === undefined))
  if (Object.keys(hugePages).length > 0) fillMissing((resources.limits ??= {}), hugePages)
  if (Object.keys(resources.limits ?? {}).length > 0) {
    const requests = (resources.requests ??= {})
    fillMissing(requests, Object.fromEntries(Object.entries(aggregated(spec, 'requests')).filter(([name]) => isPodLevel(name) && !isHugePages(name))))
    fillMissing(requests, Object.fromEntries(Object.entries(resources.limits ?? {}).filter(([name]) => isPodLevel(name))))
  }
}

/** Containers and sidecars added up, or the most any init container needs beside the sidecars before it (KEP-753). */
function aggregated(spec: PodSpec, kind: 'limits' | 'requests'): ResourceList {
  const total: ResourceList = {}
  const add = (to: ResourceList, from: ResourceList | undefined): void => {
    for (const [name, amount] of Object.entries(from ?? {})) to[name] = to[name] === undefined ? amount : quantityText(addQuantities(parseQuantity(to[name]), parseQuantity(amount)))
  }
  const raise = (to: ResourceList, from: ResourceList): void => {
    for (const [name, amount] of Object.entries(from)) if (to[name] === undefined || compareQuantities(parseQuantity(to[name]), parseQuantity(amount)) < 0) to[name] = amount
  }
  for (const container of spec.containers ?? []) add(total, container.resources?.[kind])
  const sidecars: ResourceList = {}
  const peak: ResourceList = {}
  for (const container of spec.initContainers ?? []) {
    if (container.restartPolicy === 'Always') {
      add(total, container.resources?.[kind])
      add(sidecars, container.resources?.[kind])
      raise(peak, sidecars)
    } else {
      const own = { ...container.resources?.[kind] }
      add(own, sidecars)
      raise(peak, own)
    }
  }
  raise(total, peak)
  return total
}
