import type { Container, PodSpec, Volume } from './types/core_v1.ts'

/** Every container of a pod, of whatever sort. */
export function* podContainers(spec: PodSpec): Generator<Container> {
  yield* spec.initContainers ?? []
  yield* spec.containers ?? []
  yield* (spec.ephemeralContainers ?? []) as Container[]
}

function* volumeSecrets(volume: Volume): Generator<string | undefined> {
  yield volume.secret?.secretName
  yield volume.csi?.nodePublishSecretRef?.name
  yield volume.azureFile?.secretName
  for (const source of [volume.cephfs, volume.cinder, volume.flexVolume, volume.iscsi, volume.rbd, volume.scaleIO, volume.storageos]) yield source?.secretRef?.name
  for (const source of volume.projected?.sources ?? []) yield source.secret?.name
}

/** Names of the secrets, in the pod's namespace, that a pod refers to. */
export function podSecretNames(spec: PodSpec): Set<string> {
  const names = new Set<string | undefined>()
  for (const reference of spec.imagePullSecrets ?? []) names.add(reference.name)
  for (const volume of spec.volumes ?? []) for (const name of volumeSecrets(volume)) names.add(name)
  for (const container of podContainers(spec)) {
    for (const source of container.envFrom ?? []) names.add(source.secretRef?.name)
    for (const variable of container.env ?? []) names.add(variable.valueFrom?.secretKeyRef?.name)
  }
  return withoutBlanks(names)
}

/** Names of the config maps, in the pod's namespace, that a pod refers to. */
export function podConfigMapNames(spec: PodSpec): Set<string> {
  const names = new Set<string | undefined>()
  for (const volume of spec.volumes ?? []) {
    names.add(volume.configMap?.name)
    for (const source of volume.projected?.sources ?? []) names.add(source.configMap?.name)
  }
  for (const container of podContainers(spec)) {
    for (const source of container.envFrom ?? []) names.add(source.configMapRef?.name)
    for (const variable of container.env ?? []) names.add(variable.valueFrom?.configMapKeyRef?.name)
  }
  return withoutBlanks(names)
}

/** Names of the claims that a pod mounts; a generic ephemeral volume's claim is named after pod and volume (KEP-1698). */
export function podClaimNames(podName: string, spec: PodSpec): Set<string> {
  const names = new Set<string | undefined>()
  for (const volume of spec.volumes ?? []) {
    names.add(volume.persistentVolumeClaim?.claimName)
    if (volume.ephemeral !== undefined) names.add(`${podName}-${volume.name}`)
  }
  return withoutBlanks(names)
}

const volumeReferences: ReadonlyArray<readonly [keyof Volume, string]> = [
  ['configMap', 'configmaps (via configmap volumes)'], ['secret', 'secrets (via secret volumes)'], ['csi', 'csidrivers (via CSI volumes)'], ['glusterfs', 'endpoints (via glusterFS volumes)'],
  ['persistentVolumeClaim', 'persistentvolumeclaims'], ['ephemeral', 'persistentvolumeclaims (via ephemeral volumes)'], ['azureFile', 'secrets (via azureFile volumes)'],
]
const projectedReferences = [
  ['configMap', 'configmaps (via projected volumes)'], ['secret', 'secrets (via projected volumes)'], ['serviceAccountToken', 'serviceaccounts (via projected volumes)'],
  ['clusterTrustBundle', 'clustertrustbundles'], ['podCertificate', 'podcertificates'],
] as const

/** The first sort of API objects that a pod refers to, in upstream's words (`podutil.HasAPIObjectReference`); undefined for one that needs nothing of the API. */
export function apiReferenceOf(spec: PodSpec): string | undefined {
  if ((spec.serviceAccountName ?? '') !== '') return 'serviceaccounts'
  if (podSecretNames(spec).size > 0) return 'secrets'
  if (podConfigMapNames(spec).size > 0) return 'configmaps'
  if ((spec.resourceClaims ?? []).length > 0) return 'resourceclaims'
  for (const volume of spec.volumes ?? []) {
    const found = volumeReferences.find(([field]) => volume[field] !== undefined) ?? (volume.projected?.sources ?? []).flatMap((source) => projectedReferences.filter(([field]) => source[field] !== undefined))[0]
    if (found !== undefined) return found[1]
  }
  return undefined
}

function withoutBlanks(names: Set<string | undefined>): Set<string> {
  names.delete(undefined)
  names.delete('')
  return names as Set<string>
}
