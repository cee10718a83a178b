import { goQuoted } from '../../machinery/go-json.ts'
import { dnsLabelErrors } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { unknownFormats } from '../custom/unknown-formats.ts'
import type { CustomResourceDefinition } from '../types/apiextensions.k8s.io_v1.ts'
import type { StatefulSet } from '../types/apps_v1.ts'
import type { CronJob, Job } from '../types/batch_v1.ts'
import type { Endpoints, Node, PersistentVolume, PersistentVolumeClaim, PodTemplateSpec, Secret, Service } from '../types/core_v1.ts'
import type { EndpointSlice } from '../types/discovery.k8s.io_v1.ts'
import type { LabelSelector } from '../types/meta_v1.ts'
import type { NetworkPolicy } from '../types/networking.k8s.io_v1.ts'
import type { RuntimeClass } from '../types/node.k8s.io_v1.ts'
import type { ResourceSlice } from '../types/resource.k8s.io_v1.ts'
import type { CSIDriver, CSIStorageCapacity, StorageClass } from '../types/storage.k8s.io_v1.ts'
import { cidrWarnings, claimSpecWarnings, ipWarnings } from './field-warnings.ts'
import { nodeTermWarnings, oldNodeLabels, oldVolumes, podTemplateWarnings } from './pod-warnings.ts'
import { keyPairProblem } from './tls-pair.ts'

/** What is valid and yet most likely a mistake, kind by kind (upstream's `warnings.go` files and `WarningsOnCreate`). Pods have a file of their own. */

type Warn = (object: Readonly<OpenObject>, old: Readonly<OpenObject> | undefined) => string[]

function serviceWarnings(object: Readonly<OpenObject>): string[] {
  const { metadata, spec } = object as unknown as Service
  const { clusterIPs = [], externalIPs = [], loadBalancerIP = '' } = spec
  const out: string[] = []
  const isHeadless = clusterIPs.length === 1 && clusterIPs[0] === 'None'
  const hints = 'service.kubernetes.io/topology-aware-hints'
  if (metadata.annotations?.[hints] !== undefined) out.push(`annotation ${hints} is deprecated, please use service.kubernetes.io/topology-mode instead`)
  if (!isHeadless) for (const [i, ip] of clusterIPs.entries()) out.push(...ipWarnings(`spec.clusterIPs[${i}]`, ip))
  if (isHeadless) {
    if (loadBalancerIP !== '') out.push('spec.loadBalancerIP is ignored for headless services')
    if (externalIPs.length > 0) out.push('spec.externalIPs is ignored for headless services')
    if (spec.sessionAffinity !== 'None') out.push('spec.SessionAffinity is ignored for headless services')
  }
  for (const [i, ip] of externalIPs.entries()) out.push(...ipWarnings(`spec.externalIPs[${i}]`, ip))
  if (externalIPs.length > 0 && !isHeadless && spec.type !== 'ExternalName') out.push('spec.externalIPs is deprecated and may no longer be implemented in some clusters')
  if (loadBalancerIP !== '') out.push(...ipWarnings('spec.loadBalancerIP', loadBalancerIP))
  for (const [i, range] of (spec.loadBalancerSourceRanges ?? []).entries()) out.push(...cidrWarnings(`spec.loadBalancerSourceRanges[${i}]`, range.trim()))
  if (spec.type === 'ExternalName' && externalIPs.length > 0) out.push('spec.externalIPs is ignored when spec.type is "ExternalName"')
  if (spec.type !== 'ExternalName' && (spec.externalName ?? '') !== '') out.push('spec.externalName is ignored when spec.type is not "ExternalName"')
  if (spec.trafficDistribution === 'PreferClose') out.push('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"')
  return out
}

function networkPolicyWarnings(object: Readonly<OpenObject>): string[] {
  const { spec } = object as unknown as NetworkPolicy
  const peers = [
    ...(spec.ingress ?? []).map(({ from = [] }, i) => [`spec.ingress[${i}].from`, from] as const), ...(spec.egress ?? []).map(({ to = [] }, i) => [`spec.egress[${i}].to`, to] as const),
  ]
  return peers.flatMap(([path, list]) => list.flatMap(({ ipBlock }, i) => {
    if (ipBlock === undefined) return []
    const at = `${path}[${i}].ipBlock`
    return [...cidrWarnings(`${at}.cidr`, ipBlock.cidr), ...(ipBlock.except ?? []).flatMap((except, e) => cidrWarnings(`${at}.except[${e}]`, except))]
  }))
}

/** Those of the controller are not looked at: it writes addresses as they should be. */
function endpointsWarnings(object: Readonly<OpenObject>): string[] {
  const { metadata, subsets = [] } = object as unknown as Endpoints
  if (metadata.labels?.['endpoints.kubernetes.io/managed-by'] === 'endpoint-controller') return []
  return subsets.flatMap((subset, i) => (['addresses', 'notReadyAddresses'] as const).flatMap((field) => (subset[field] ?? []).flatMap(({ ip }, a) => ipWarnings(`subsets[${i}].${field}[${a}].ip`, ip ?? ''))))
}

const endpointSliceWarnings: Warn = (object, old) => {
  const { metadata, addressType, endpoints } = object as unknown as EndpointSlice
  if (addressType === 'FQDN') return old === undefined ? ['spec.addressType: FQDN endpoints are deprecated'] : []
  if (/^endpointslice(mirroring)?-controller\.k8s\.io$/.test(metadata.labels?.['endpointslice.kubernetes.io/managed-by'] ?? '')) return []
  return (endpoints ?? []).flatMap(({ addresses }, i) => (addresses ?? []).flatMap((address, a) => ipWarnings(`endpoints[${i}].addresses[${a}]`, address)))
}

function nodeWarnings(object: Readonly<OpenObject>): string[] {
  const { spec = {} } = object as unknown as Node
  const out: string[] = []
  if (spec.configSource !== undefined) out.push('spec.configSource: the feature is no longer supported')
  if ((spec.externalID ?? '') !== '') out.push('spec.externalID: this field is deprecated, and is unused by Kubernetes')
  for (const [i, cidr] of (spec.podCIDRs ?? []).entries()) out.push(...cidrWarnings(`spec.podCIDRs[${i}]`, cidr))
  return out
}

/** Formats that no value will be held to; those that were there before are not told of again. */
function definitionWarnings(object: Readonly<OpenObject>, old: Readonly<OpenObject> | undefined): string[] {
  const before = new Set(old === undefined ? [] : unknownFormats((old as unknown as CustomResourceDefinition).spec))
  return unknownFormats((object as unknown as CustomResourceDefinition).spec).filter((format) => !before.has(format)).map((format) => `unrecognized format ${JSON.stringify(format)}`)
}

const classAnnotation = 'volume.beta.kubernetes.io/storage-class'
const oldClassText = `metadata.annotations[${classAnnotation}]: deprecated since v1.8; use "storageClassName" attribute instead`

function selectorWarnings({ matchExpressions = [] }: Readonly<LabelSelector>, path: string): string[] {
  return matchExpressions.flatMap(({ key }, i) => (Object.hasOwn(oldNodeLabels, key) ? [`${path}.matchExpressions[${i}].key: ${key} is ${oldNodeLabels[key]}`] : []))
}

function volumeWarnings(object: Readonly<OpenObject>): string[] {
  const { metadata, spec = {} } = object as unknown as PersistentVolume
  const out: string[] = []
  const options = 'volume.beta.kubernetes.io/mount-options'
  if (metadata.annotations?.[classAnnotation] !== undefined) out.push(oldClassText)
  if (metadata.annotations?.[options] !== undefined) out.push(`metadata.annotations[${options}]: deprecated since v1.31; use "mountOptions" attribute instead`)
  if (spec.persistentVolumeReclaimPolicy === 'Recycle') out.push('spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.')
  for (const [i, term] of (spec.nodeAffinity?.required?.nodeSelectorTerms ?? []).entries()) out.push(...nodeTermWarnings(term, `spec.nodeAffinity.required.nodeSelectorTerms[${i}]`, false))
  for (const kind of ['cephfs', 'photonPersistentDisk', 'scaleIO', 'storageos', 'glusterfs', 'rbd'] as const) {
    if (spec[kind] !== undefined) out.push(`spec.${kind === 'storageos' ? 'storageOS' : kind}: ${oldVolumes[kind]}`)
  }
  return out
}

function claimWarnings(object: Readonly<OpenObject>): string[] {
  const { metadata, spec } = object as unknown as PersistentVolumeClaim
  return [...(metadata.annotations?.[classAnnotation] === undefined ? [] : [oldClassText]), ...claimSpecWarnings(spec, 'spec')]
}

/** Names that pods' hostnames are made of. */
const podNameWarnings: Warn = ({ metadata }, old) => {
  const errors = old === undefined ? dnsLabelErrors(metadata.name ?? '') : []
  return errors.length === 0 ? [] : [`metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [${errors.join(' ')}]`]
}

/** Updates that are a new generation are looked at, no others. */
const isNewGeneration = (object: Readonly<OpenObject>, old: Readonly<OpenObject> | undefined): boolean => old === undefined || !semanticEqual(object.spec, old.spec)

const templateWarnings: Warn = (object, old) =>
  (isNewGeneration(object, old) ? podTemplateWarnings((object.spec as { template?: PodTemplateSpec } | undefined)?.template, 'spec.template') : [])

const namedTemplateWarnings: Warn = (object, old) => [...podNameWarnings(object, old), ...templateWarnings(object, old)]

function jobSpecWarnings(spec: Readonly<Job['spec']> | undefined, path: string): string[] {
  const isWide = spec?.completionMode === 'Indexed' && (spec.completions ?? 0) > 100_000 && (spec.parallelism ?? 0) > 10_000
  return [
    ...(isWide ? [`${path}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail`] : []),
    ...podTemplateWarnings(spec?.template, `${path}.template`),
  ]
}

const jobWarnings: Warn = (object, old) => [...podNameWarnings(object, old), ...(isNewGeneration(object, old) ? jobSpecWarnings((object as unknown as Job).spec, 'spec') : [])]

const cronJobWarnings: Warn = (object, old) => {
  const { spec } = object as unknown as CronJob
  const out = [...podNameWarnings(object, old), ...(isNewGeneration(object, old) ? jobSpecWarnings(spec.jobTemplate?.spec, 'spec.jobTemplate.spec') : [])]
  // The path is upstream's.
  if (spec.schedule.includes('TZ')) out.push('CRON_TZ or TZ used in spec.spec.schedule is not officially supported, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#time-zones for more details')
  return out
}

const statefulSetWarnings: Warn = (object, old) => {
  const { spec } = object as unknown as StatefulSet
  const out = [...templateWarnings(object, old), ...(spec?.volumeClaimTemplates ?? []).flatMap((claim, i) => claimSpecWarnings(claim.spec, `spec.volumeClaimTemplates[${i}]`))]
  if ((spec?.revisionHistoryLimit ?? 0) < 0) out.push('spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended')
  return out
}

const driverWarnings: Warn = (object, old) => {
  const { tokenRequests = [], serviceAccountTokenInSecrets } = (object as unknown as CSIDriver).spec ?? {}
  if (tokenRequests.length === 0 || serviceAccountTokenInSecrets !== undefined || semanticEqual((old as unknown as CSIDriver | undefined)?.spec.tokenRequests, tokenRequests)) return []
  return ['spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes']
}

const resourceSliceWarnings: Warn = (object) => {
  const driver = (object as unknown as ResourceSlice).spec?.driver ?? ''
  return driver === driver.toLowerCase() ? [] : [`spec.driver: driver names should be lowercase; ${goQuoted(driver)} contains uppercase characters`]
}

const ingressClassKey = 'kubernetes.io/ingress.class'
const mountableSecretsKey = 'kubernetes.io/enforce-mountable-secrets'

const secretWarnings: Warn = (object) => {
  const { type, data = {} } = object as unknown as Secret
  if (type !== 'kubernetes.io/tls') return []
  const textOf = (key: string): string => Buffer.from(data[key] ?? '', 'base64').toString('latin1')
  const problem = keyPairProblem(textOf('tls.crt'), textOf('tls.key'))
  return problem === undefined ? [] : [problem]
}

const byKind: Readonly<Record<string, Warn>> = {
  services: serviceWarnings,
  endpoints: endpointsWarnings,
  nodes: nodeWarnings,
  persistentvolumes: volumeWarnings,
  persistentvolumeclaims: claimWarnings,
  podtemplates: (object, old) => (old === undefined || !semanticEqual(object.template, old.template) ? podTemplateWarnings(object.template as PodTemplateSpec | undefined, 'template') : []),
  replicationcontrollers: namedTemplateWarnings,
  secrets: secretWarnings,
  serviceaccounts: ({ metadata }) => (metadata.annotations?.[mountableSecretsKey] === undefined ? []
    : [`metadata.annotations[${mountableSecretsKey}]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets`]),
  'deployments.apps': namedTemplateWarnings,
  'replicasets.apps': namedTemplateWarnings,
  'daemonsets.apps': templateWarnings,
  'statefulsets.apps': statefulSetWarnings,
  'jobs.batch': jobWarnings,
  'cronjobs.batch': cronJobWarnings,
  'networkpolicies.networking.k8s.io': networkPolicyWarnings,
  'ingresses.networking.k8s.io': ({ metadata, spec }, old) => (old === undefined && metadata.annotations?.[ingressClassKey] !== undefined && (spec as { ingressClassName?: string } | undefined)?.ingressClassName === undefined
    ? [`annotation "${ingressClassKey}" is deprecated, please use 'spec.ingressClassName' instead`] : []),
  'endpointslices.discovery.k8s.io': endpointSliceWarnings,
  'storageclasses.storage.k8s.io': (object) => ((object as unknown as StorageClass).allowedTopologies ?? []).flatMap(({ matchLabelExpressions = [] }, i) =>
    matchLabelExpressions.flatMap(({ key }, e) => (Object.hasOwn(oldNodeLabels, key) ? [`allowedTopologies[${i}].matchLabelExpressions[${e}].key: ${oldNodeLabels[key]}`] : []))),
  'csistoragecapacities.storage.k8s.io': (object) => {
    const { nodeTopology } = object as unknown as CSIStorageCapacity
    if (nodeTopology === undefined) return []
    return [...selectorWarnings(nodeTopology, 'nodeTopology'), ...Object.keys(nodeTopology.matchLabels ?? {}).filter((key) => Object.hasOwn(oldNodeLabels, key)).map((key) => `nodeTopology.matchLabels.${key}: ${oldNodeLabels[key]}`)]
  },
  'csidrivers.storage.k8s.io': driverWarnings,
  'resourceslices.resource.k8s.io': resourceSliceWarnings,
  'customresourcedefinitions.apiextensions.k8s.io': definitionWarnings,
  'runtimeclasses.node.k8s.io': (object) => Object.keys((object as unknown as RuntimeClass).scheduling?.nodeSelector ?? {})
    .filter((key) => Object.hasOwn(oldNodeLabels, key)).map((key) => `scheduling.nodeSelector: ${oldNodeLabels[key]}`),
}

/** The warnings of a kind; undefined: it has none. */
export function kindWarningsFor(groupResource: string): Warn | undefined {
  return Object.hasOwn(byKind, groupResource) ? byKind[groupResource] : undefined
}
