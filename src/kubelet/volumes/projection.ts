import type { ConfigMap, DownwardAPIVolumeFile, KeyToPath, ProjectedVolumeSource, Secret, Volume } from '../../api/types/core_v1.ts'
import { podField, resourceField, type PodPlace } from '../downward.ts'
import { ObjectNotFound, type ObjectSource } from '../env.ts'
import type { BoundPod } from '../pods.ts'
import type { VolumeFile } from './atomic-writer.ts'

/** Tokens of the pod's service account, fetched and refreshed as they age. */
export interface TokenSource { token(pod: BoundPod, audience: string | undefined, expirationSeconds: number): Promise<string> }

export interface ProjectionInput { pod: BoundPod; objects: ObjectSource; tokens: TokenSource; place: PodPlace }

const defaultMode = 0o644
const defaultTokenSeconds = 3600

function dataOf(object: ConfigMap | Secret): Map<string, Uint8Array> {
  const data = new Map<string, Uint8Array>()
  const secret = object.kind === 'Secret'
  for (const [key, value] of Object.entries(object.data ?? {})) data.set(key, Buffer.from(value, secret ? 'base64' : 'utf8'))
  for (const [key, value] of Object.entries('binaryData' in object ? (object.binaryData ?? {}) : {})) data.set(key, Buffer.from(value, 'base64'))
  return data
}

/** All keys, or those named, as files. */
function keysToFiles(object: ConfigMap | Secret, items: readonly KeyToPath[] | undefined, mode: number, optional: boolean, kind: 'config' | 'secret'): Map<string, VolumeFile> {
  const data = dataOf(object)
  const files = new Map<string, VolumeFile>()
  if (items === undefined || items.length === 0) {
    for (const [key, content] of data) files.set(key, { content, mode })
    return files
  }
  for (const { key, path, mode: own } of items) {
    const content = data.get(key)
    if (content === undefined) {
      if (optional) continue
      throw new Error(`references non-existent ${kind} key: ${key}`)
    }
    files.set(path, { content, mode: own ?? mode })
  }
  return files
}

async function objectFiles<T extends ConfigMap | Secret>(get: () => Promise<T>, items: readonly KeyToPath[] | undefined, mode: number, optional: boolean, kind: 'config' | 'secret'): Promise<Map<string, VolumeFile>> {
  let object: T
  try {
    object = await get()
  } catch (error) {
    if (optional && error instanceof ObjectNotFound) return new Map()
    throw error
  }
  return keysToFiles(object, items, mode, optional, kind)
}

function downwardFiles({ pod, place }: ProjectionInput, items: readonly DownwardAPIVolumeFile[], mode: number): Map<string, VolumeFile> {
  const files = new Map<string, VolumeFile>()
  for (const item of items) {
    const text = item.fieldRef !== undefined ? podField(pod, item.fieldRef, place)
      : item.resourceFieldRef !== undefined ? resourceField(pod, pod.spec.containers[0]!, item.resourceFieldRef, place) : ''
    files.set(item.path, { content: Buffer.from(text), mode: item.mode ?? mode })
  }
  return files
}

/** The user that every container runs as, if they all name the same. */
function commonUser(pod: BoundPod): number | undefined {
  const users = new Set([...(pod.spec.initContainers ?? []), ...pod.spec.containers].map(({ securityContext }) => securityContext?.runAsUser ?? pod.spec.securityContext?.runAsUser))
  return users.size === 1 ? [...users][0] : undefined
}

async function projectedFiles(input: ProjectionInput, source: ProjectedVolumeSource): Promise<Map<string, VolumeFile>> {
  const { pod, objects, tokens } = input
  const mode = source.defaultMode ?? defaultMode
  const files = new Map<string, VolumeFile>()
  const add = (more: Map<string, VolumeFile>): void => more.forEach((file, path) => files.set(path, file))
  for (const part of source.sources ?? []) {
    if (part.configMap !== undefined) {
      const { name = '', items, optional = false } = part.configMap
      add(await objectFiles(() => objects.configMap(pod, name), items, mode, optional, 'config'))
    }
    if (part.secret !== undefined) {
      const { name = '', items, optional = false } = part.secret
      add(await objectFiles(() => objects.secret(pod, name), items, mode, optional, 'secret'))
    }
    if (part.downwardAPI !== undefined) add(downwardFiles(input, part.downwardAPI.items ?? [], mode))
    if (part.serviceAccountToken !== undefined) {
      const { audience, expirationSeconds = defaultTokenSeconds, path } = part.serviceAccountToken
      const user = commonUser(pod)
      const owned = user !== undefined || pod.spec.securityContext?.fsGroup !== undefined
      const content = Buffer.from(await tokens.token(pod, audience, expirationSeconds))
      files.set(path, { content, mode: owned ? 0o600 : mode, ...(user === undefined ? {} : { uid: user }) })
    }
    if (part.clusterTrustBundle !== undefined) throw new Error('projected clusterTrustBundle sources are not supported by this kubelet')
    if (part.podCertificate !== undefined) throw new Error('projected podCertificate sources are not supported by this kubelet')
  }
  return files
}

/** The files of a configMap, secret, downwardAPI or projected volume; undefined for a volume of another kind. */
export async function projectedVolumeFiles(input: ProjectionInput, volume: Volume): Promise<Map<string, VolumeFile> | undefined> {
  const { pod, objects } = input
  if (volume.configMap !== undefined) {
    const { name = '', items, optional = false, defaultMode: mode = defaultMode } = volume.configMap
    return objectFiles(() => objects.configMap(pod, name), items, mode, optional, 'config')
  }
  if (volume.secret !== undefined) {
    const { secretName = '', items, optional = false, defaultMode: mode = defaultMode } = volume.secret
    return objectFiles(() => objects.secret(pod, secretName), items, mode, optional, 'secret')
  }
  if (volume.downwardAPI !== undefined) return downwardFiles(input, volume.downwardAPI.items ?? [], volume.downwardAPI.defaultMode ?? defaultMode)
  if (volume.projected !== undefined) return projectedFiles(input, volume.projected)
  return undefined
}
