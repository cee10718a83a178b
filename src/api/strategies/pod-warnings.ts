import { labelValueErrors } from '../../machinery/names.ts'
import type { ObjectMeta } from '../../machinery/object.ts'
import { milliValue, parseQuantity, quantityText } from '../../machinery/quantity.ts'
import type { Affinity, Container, ContainerPort, EnvVar, NodeSelectorTerm, PodAffinityTerm, PodSpec, PodTemplateSpec, Volume, VolumeProjection } from '../types/core_v1.ts'
import { appArmorPrefix } from '../validation/profile-annotations.ts'
import { claimSpecWarnings, ipWarnings } from './field-warnings.ts'

/** Warnings about a pod or a pod template: things that are valid and yet most likely a mistake (upstream's `pkg/api/pod/warnings.go`). */

export const oldNodeLabels: Record<string, string> = {
  'beta.kubernetes.io/arch': 'deprecated since v1.14; use "kubernetes.io/arch" instead',
  'beta.kubernetes.io/os': 'deprecated since v1.14; use "kubernetes.io/os" instead',
  'failure-domain.beta.kubernetes.io/region': 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
  'failure-domain.beta.kubernetes.io/zone': 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
  'beta.kubernetes.io/instance-type': 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
}

/** In upstream's order; what a pod's claims ask for stands between the two halves. */
export const oldVolumes: Record<string, string> = {
  photonPersistentDisk: 'deprecated in v1.11, non-functional in v1.16+', gitRepo: 'deprecated in v1.11, and disabled by default in v1.33+', scaleIO: 'deprecated in v1.16, non-functional in v1.22+',
  flocker: 'deprecated in v1.22, non-functional in v1.25+', storageos: 'deprecated in v1.22, non-functional in v1.25+', quobyte: 'deprecated in v1.22, non-functional in v1.25+',
  glusterfs: 'deprecated in v1.25, non-functional in v1.26+', ephemeral: '', cephfs: 'deprecated in v1.28, non-functional in v1.31+', rbd: 'deprecated in v1.28, non-functional in v1.31+',
}

const oldAnnotations: ReadonlyArray<readonly [key: string, text: string]> = [
  ['scheduler.alpha.kubernetes.io/critical-pod', 'non-functional in v1.16+; use the "priorityClassName" field instead'],
  ['security.alpha.kubernetes.io/sysctls', 'non-functional in v1.11+; use the "sysctls" field instead'],
  ['security.alpha.kubernetes.io/unsafe-sysctls', 'non-functional in v1.11+; use the "sysctls" field instead'],
]

const seccompText = 'non-functional in v1.27+; use the "seccompProfile" field instead'
const seccompPodKey = 'seccomp.security.alpha.kubernetes.io/pod'
const seccompPrefix = 'container.seccomp.security.alpha.kubernetes.io/'
const noSelectorText = 'a null labelSelector results in matching no pod'
const none: readonly never[] = []
const containerKinds = ['initContainers', 'containers', 'ephemeralContainers'] as const
const byteResources = ['memory', 'ephemeral-storage'] as const
const wholeAmount = /^\d+(?:[kMGTPE]|[KMGTPE]i)?$/
const required = 'requiredDuringSchedulingIgnoredDuringExecution'
const preferred = 'preferredDuringSchedulingIgnoredDuringExecution'

export function podWarnings(metadata: Readonly<ObjectMeta>, spec: Readonly<PodSpec>): string[] {
  return warningsOf(metadata, spec, 'metadata', 'spec', false)
}

/** `path` is where the template stands: `spec.template`. */
export function podTemplateWarnings(template: Readonly<PodTemplateSpec> | undefined, path: string): string[] {
  return warningsOf(template?.metadata ?? {}, template?.spec ?? { containers: [] }, `${path}.metadata`, `${path}.spec`, true)
}

function warningsOf({ annotations = {} }: Readonly<ObjectMeta>, spec: Readonly<PodSpec>, metaPath: string, specPath: string, isTemplate: boolean): string[] {
  const out: string[] = []
  for (const key in spec.nodeSelector) if (Object.hasOwn(oldNodeLabels, key)) out.push(`${specPath}.nodeSelector[${key}]: ${oldNodeLabels[key]}`)
  if (spec.affinity !== undefined) addNodeAffinity(out, spec.affinity.nodeAffinity, `${specPath}.affinity.nodeAffinity`)
  for (const [i, { topologyKey, labelSelector }] of (spec.topologySpreadConstraints ?? none).entries()) {
    const at = `${specPath}.topologySpreadConstraints[${i}]`
    if (Object.hasOwn(oldNodeLabels, topologyKey)) out.push(`${at}.topologyKey: ${topologyKey} is ${oldNodeLabels[topologyKey]}`)
    if (labelSelector === undefined) out.push(`${at}.labelSelector: ${noSelectorText}`)
  }
  let hasAnnotations = false
  for (const _key in annotations) hasAnnotations = true
  const annotationAt = (key: string): string => `${metaPath}.annotations[${key}]`
  if (hasAnnotations) for (const [key, text] of oldAnnotations) if (annotations[key] !== undefined) out.push(`${annotationAt(key)}: ${text}`)
  const volumes = spec.volumes ?? none
  for (let i = 0; i < volumes.length; i++) addVolume(out, volumes[i]!, specPath, i)
  for (const volume of volumes) addOverlaps(out, volume)
  const aliases = spec.hostAliases ?? none
  for (const [i, { ip }] of aliases.entries()) if (aliases.findIndex((other) => other.ip === ip) < i) out.push(`${specPath}.hostAliases[${i}].ip: duplicate ip ${JSON.stringify(ip)}`)
  const secrets = spec.imagePullSecrets ?? none
  for (const [i, { name = '' }] of secrets.entries()) if (secrets.findIndex((other) => (other.name ?? '') === name) < i) out.push(`${specPath}.imagePullSecrets[${i}].name: duplicate name ${JSON.stringify(name)}`)
  for (const [i, { name = '' }] of secrets.entries()) if (name === '') out.push(`${specPath}.imagePullSecrets[${i}].name: invalid empty name ""`)
  addFractional(out, spec.overhead, specPath, 'overhead')
  if (spec.securityContext?.seccompProfile === undefined && annotations[seccompPodKey] !== undefined) out.push(`${annotationAt(seccompPodKey)}: ${seccompText}`)
  for (const kind of containerKinds) {
    const containers = spec[kind] ?? none
    for (let i = 0; i < containers.length; i++) {
      const container = containers[i]!
      const { seccompProfile, appArmorProfile } = container.securityContext ?? {}
      if (hasAnnotations) {
        const seccompKey = `${seccompPrefix}${container.name}`
        if (seccompProfile === undefined && annotations[seccompKey] !== undefined) out.push(`${annotationAt(seccompKey)}: ${seccompText}`)
        // The strategy of pods speaks of theirs.
        const appArmorKey = isTemplate ? `${appArmorPrefix}${container.name}` : ''
        if (isTemplate && spec.securityContext?.appArmorProfile === undefined && appArmorProfile === undefined && annotations[appArmorKey] !== undefined) {
          out.push(`${annotationAt(appArmorKey)}: deprecated since v1.30; use the "appArmorProfile" field instead`)
        }
      }
      const { resources, env } = container
      if (resources !== undefined || env !== undefined) {
        const at = `${specPath}.${kind}[${i}]`
        addFractionalOf(out, resources, at)
        if (env !== undefined) addHiddenVariables(out, env, at)
      }
    }
  }
  if (mayCollide(spec)) addPorts(out, portsOf(spec, specPath))
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0) out.push(`${specPath}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1`)
  if (spec.affinity !== undefined) for (const kind of ['podAffinity', 'podAntiAffinity'] as const) addPodAffinity(out, spec.affinity[kind], `${specPath}.affinity.${kind}`)
  for (const [i, server] of (spec.dnsConfig?.nameservers ?? none).entries()) out.push(...ipWarnings(`${specPath}.dnsConfig.nameservers[${i}]`, server))
  for (const [i, { ip }] of aliases.entries()) out.push(...ipWarnings(`${specPath}.hostAliases[${i}].ip`, ip))
  return out
}

export function nodeTermWarnings({ matchExpressions = [] }: Readonly<NodeSelectorTerm>, path: string, withValues: boolean): string[] {
  return matchExpressions.flatMap(({ key, values }, i) => {
    const at = `${path}.matchExpressions[${i}]`
    const about = Object.hasOwn(oldNodeLabels, key) ? [`${at}.key: ${key} is ${oldNodeLabels[key]}`] : []
    if (!withValues) return about
    return [...about, ...(values ?? []).flatMap((value, v) => labelValueErrors(value).map((message) => `${at}.values[${v}]: ${value} is invalid, ${message}`))]
  })
}

function addNodeAffinity(out: string[], affinity: Affinity['nodeAffinity'], path: string): void {
  for (const [i, term] of (affinity?.[required]?.nodeSelectorTerms ?? []).entries()) out.push(...nodeTermWarnings(term, `${path}.${required}.nodeSelectorTerms[${i}]`, false))
  for (const [i, { preference }] of (affinity?.[preferred] ?? []).entries()) out.push(...nodeTermWarnings(preference ?? {}, `${path}.${preferred}[${i}].preference`, true))
}

function addPodAffinity(out: string[], affinity: Affinity['podAffinity'], path: string): void {
  const add = (term: Readonly<PodAffinityTerm> | undefined, at: string): void => {
    if (term?.labelSelector === undefined) out.push(`${at}.labelSelector: ${noSelectorText}`)
  }
  for (const [i, term] of (affinity?.[required] ?? []).entries()) add(term, `${path}.${required}[${i}]`)
  for (const [i, { podAffinityTerm }] of (affinity?.[preferred] ?? []).entries()) add(podAffinityTerm, `${path}.${preferred}[${i}].podAffinityTerm`)
}

function addVolume(out: string[], volume: Readonly<Volume>, specPath: string, i: number): void {
  let isOld = false
  for (const kind in volume) isOld ||= oldVolumes[kind] !== undefined
  if (!isOld) return
  const path = `${specPath}.volumes[${i}]`
  for (const [kind, text] of Object.entries(oldVolumes)) {
    if (volume[kind as keyof Volume] === undefined) continue
    if (kind === 'ephemeral') out.push(...claimSpecWarnings(volume.ephemeral?.volumeClaimTemplate?.spec, `${path}.ephemeral.volumeClaimTemplate.spec`))
    else out.push(`${path}.${kind === 'storageos' ? 'storageOS' : kind}: ${text}`)
  }
}

/** Amounts of bytes of a list, in upstream's order of resources. */
function addFractional(out: string[], amounts: Readonly<Record<string, string>> | undefined, path: string, field: string): void {
  if (amounts === undefined) return
  for (const name of byteResources) addFractionalOne(out, amounts, path, field, name)
}

function addFractionalOf(out: string[], resources: Container['resources'], path: string): void {
  const { limits, requests } = resources ?? {}
  if (limits === undefined && requests === undefined) return
  for (const name of byteResources) {
    if (limits !== undefined) addFractionalOne(out, limits, path, 'resources.limits', name)
    if (requests !== undefined) addFractionalOne(out, requests, path, 'resources.requests', name)
  }
}

function addFractionalOne(out: string[], amounts: Readonly<Record<string, string>>, path: string, field: string, name: string): void {
  const amount = amounts[name]
  // A fraction has a point, an exponent or a unit of thousandths or less: digits and the usual units are whole.
  if (amount === undefined || wholeAmount.test(amount) || milliValue(amount) % 1000 === 0) return
  out.push(`${path}.${field}[${name}]: fractional byte value ${JSON.stringify(quantityText(parseQuantity(amount)))} is invalid, must be an integer`)
}

/** More variables than this are better looked up than compared. */
const fewVariables = 16

/** Whether two variables may have the same name. */
function hasTwins(env: readonly EnvVar[]): boolean {
  if (env.length > fewVariables) return true
  for (let i = 1; i < env.length; i++) for (let before = 0; before < i; before++) if (env[before]!.name === env[i]!.name) return true
  return false
}

/** A variable built on its earlier value is no mistake: `PATH=/x:$(PATH)`. */
function addHiddenVariables(out: string[], env: readonly EnvVar[], containerPath: string): void {
  if (!hasTwins(env)) return
  const seen = new Set<string>()
  for (const [i, { name, value = '', valueFrom }] of env.entries()) {
    if (!seen.has(name)) {
      seen.add(name)
      continue
    }
    const reference = `$(${name})`
    if (valueFrom !== undefined || value === reference || !value.includes(reference)) {
      out.push(`${containerPath}.env[${i}]: hides previous definition of ${JSON.stringify(name)}, which may be dropped when using apply`)
    }
  }
}

interface Placed { port: ContainerPort; path: string }

/** Whether the pod has so many ports that they can get in each other's way, or one that says a thing or two of its host. */
function mayCollide(spec: Readonly<PodSpec>): boolean {
  let count = 0
  for (const kind of containerKinds) {
    for (const { ports } of spec[kind] ?? none) {
      if (ports === undefined) continue
      count += ports.length
      for (const { hostIP } of ports) if (hostIP !== undefined) return true
    }
  }
  return count > 1
}

function portsOf(spec: Readonly<PodSpec>, specPath: string): readonly Placed[] {
  let placed: Placed[] | undefined
  for (const kind of containerKinds) {
    for (const [c, { ports }] of (spec[kind] ?? none).entries()) {
      for (const [i, port] of (ports ?? none).entries()) (placed ??= []).push({ port, path: `${specPath}.${kind}[${c}].ports[${i}]` })
    }
  }
  return placed ?? none
}

function addPorts(out: string[], ports: readonly Placed[]): void {
  for (const [i, placed] of ports.entries()) {
    const { name = '', hostPort = 0, containerPort, protocol = 'TCP', hostIP = '' } = placed.port
    if (hostIP !== '' && hostPort === 0) out.push(`${placed.path}: hostIP set without hostPort: {Name:${name} HostPort:0 ContainerPort:${containerPort} Protocol:${protocol} HostIP:${hostIP}}`)
    for (const other of ports.slice(0, i)) {
      const conflict = other.port.containerPort === containerPort && (other.port.protocol ?? 'TCP') === protocol ? conflictOf(placed.port, other.port) : undefined
      if (conflict !== undefined) out.push(`${placed.path}: ${conflict} port definition with ${other.path}`)
    }
  }
  if (ports.length < 2) return
  const named = new Map<string, string>()
  for (const { port: { name = '' }, path } of ports) {
    const other = named.get(name)
    if (name === '') continue
    if (other === undefined) named.set(name, path)
    else out.push(`${path}: duplicate port name ${JSON.stringify(name)} with ${other}, services and probes that select ports by name will use ${other}`)
  }
}

/** How two ports of one number get in each other's way, if they do. */
function conflictOf({ hostIP = '', hostPort = 0 }: Readonly<ContainerPort>, { hostIP: otherIp = '', hostPort: otherPort = 0 }: Readonly<ContainerPort>): string | undefined {
  if (hostIP === otherIp && hostPort === otherPort) return 'duplicate'
  if (hostPort === 0 || otherPort === 0) return 'overlapping'
  return hostPort === otherPort && (hostIP === '') !== (otherIp === '') ? 'dangerously ambiguous' : undefined
}

/** A file, and what of it is said: the kind of source and its name, where it has one. */
interface Written { path: string; source: string; name?: string }

const shown = ({ path, source, name }: Written): string => `${JSON.stringify(path)}${source === '' ? '' : ` (${source}${name === undefined ? '' : ` ${JSON.stringify(name)}`})`}`
const pathsOf = (items: ReadonlyArray<{ path: string }> | undefined, source: string, name?: string): Written[] => (items ?? []).map(({ path }) => ({ path, source, ...(name === undefined ? {} : { name }) }))
const isIn = (path: string, folder: string): boolean => path.startsWith(folder) && (path.length === folder.length || path[folder.length] === '/')

/** Files of a volume that stand where another is, or would need its directory. */
function overlapsOf(files: readonly Written[]): string[] {
  const out: string[] = []
  const before: Written[] = []
  for (const file of files) {
    const now = file.path.endsWith('/') ? { ...file, path: file.path.replace(/\/+$/, '') } : file
    for (const other of before) {
      if (now.path !== '' && other.path !== '' && (isIn(other.path, now.path) || isIn(now.path, other.path))) out.push(`${shown(now)} with ${shown(other)}`)
    }
    before.push(now)
  }
  return out
}

function addOverlaps(out: string[], { name, configMap, secret, downwardAPI, projected }: Readonly<Volume>): void {
  const add = (description: string, files: readonly Written[]): void => {
    if (files.length > 1) for (const overlap of overlapsOf(files)) out.push(`volume ${JSON.stringify(name)} (${description}): overlapping paths: ${overlap}`)
  }
  if (configMap?.items !== undefined) add(`ConfigMap ${JSON.stringify(configMap.name ?? '')}`, pathsOf(configMap.items, ''))
  if (secret?.items !== undefined) add(`Secret ${JSON.stringify(secret.secretName ?? '')}`, pathsOf(secret.items, ''))
  if (downwardAPI !== undefined) add('DownwardAPI', pathsOf(downwardAPI.items, ''))
  if (projected === undefined) return
  for (const source of projected.sources ?? none) if (isEmpty(source)) out.push(`volume ${JSON.stringify(name)} (Projected) has no sources provided`)
  if (mayOverlap(projected.sources ?? none)) add('Projected', (projected.sources ?? []).flatMap(projectedPaths))
}

/** Whether it is worth while to look at the files one by one. */
function mayOverlap(sources: readonly VolumeProjection[]): boolean {
  const paths: string[] = []
  for (const { configMap, secret, downwardAPI, serviceAccountToken, clusterTrustBundle, podCertificate } of sources) {
    if (podCertificate !== undefined) return true
    for (const { path } of configMap?.items ?? secret?.items ?? downwardAPI?.items ?? none) paths.push(path)
    if (serviceAccountToken !== undefined) paths.push(serviceAccountToken.path)
    if (clusterTrustBundle !== undefined) paths.push(clusterTrustBundle.path)
  }
  for (let i = 0; i < paths.length; i++) {
    if (paths[i]!.endsWith('/')) return true
    for (let other = 0; other < paths.length; other++) if (other !== i && isIn(paths[i]!, paths[other]!)) return true
  }
  return false
}

function isEmpty(source: Readonly<VolumeProjection>): boolean {
  for (const kind in source) if (source[kind as keyof VolumeProjection] !== undefined) return false
  return true
}

function projectedPaths(source: Readonly<VolumeProjection>): Written[] {
  const { configMap, secret, downwardAPI, serviceAccountToken, clusterTrustBundle, podCertificate } = source
  if (configMap?.items !== undefined) return pathsOf(configMap.items, 'ConfigMap', configMap.name ?? '')
  if (secret?.items !== undefined) return pathsOf(secret.items, 'Secret', secret.name ?? '')
  if (downwardAPI?.items !== undefined) return pathsOf(downwardAPI.items, 'DownwardAPI')
  if (serviceAccountToken !== undefined) return pathsOf([serviceAccountToken], 'ServiceAccountToken')
  if (clusterTrustBundle !== undefined) return pathsOf([clusterTrustBundle], 'ClusterTrustBundle', clusterTrustBundle.name ?? clusterTrustBundle.signerName ?? '')
  const { certificateChainPath = '', keyPath = '', credentialBundlePath = '' } = podCertificate ?? {}
  return [{ path: certificateChainPath, source: 'PodCertificate chain' }, { path: keyPath, source: 'PodCertificate key' }, { path: credentialBundlePath, source: 'PodCertificate credential bundle' }].filter(({ path }) => path !== '')
}
