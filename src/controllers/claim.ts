import type { Client, ResourceType } from '../client/client.ts'
import { controllerOf, type KubeObject } from '../machinery/object.ts'
import type { Labels } from '../machinery/labels.ts'
import { isReason } from '../machinery/status.ts'
import { controllerReference } from './pods.ts'

export interface ClaimOptions<Owner extends KubeObject, T extends KubeObject> {
  client: Client
  ownerType: ResourceType<Owner>
  owner: Owner
  type: ResourceType<T>
  matches: (labels: Labels) => boolean
  /** Candidates that must not be adopted or released for another reason than their labels are left out. */
  candidates: readonly T[]
}

/**
 * Which of the candidates `owner` manages, after adopting orphans that its selector matches and releasing what it no longer matches
 * (upstream's ControllerRefManager). An owner being deleted adopts and releases nothing.
 */
export async function claim<Owner extends KubeObject, T extends KubeObject>(options: ClaimOptions<Owner, T>): Promise<T[]> {
  const { owner, matches, candidates } = options
  const ownerDeleted = owner.metadata.deletionTimestamp !== undefined
  const claimed: T[] = []
  let checked: Promise<void> | undefined
  for (const candidate of candidates) {
    const controller = controllerOf(candidate)
    if (controller !== undefined) {
      if (controller.uid !== owner.metadata.uid) continue
      if (matches(candidate.metadata.labels)) claimed.push(candidate)
      else if (!ownerDeleted) await release(options, candidate)
      continue
    }
    if (ownerDeleted || candidate.metadata.deletionTimestamp !== undefined || !matches(candidate.metadata.labels)) continue
    checked ??= mayAdopt(options)
    await checked
    const adopted = await adopt(options, candidate)
    if (adopted !== undefined) claimed.push(adopted)
  }
  return claimed
}

/** The cache may not know yet that the owner is being deleted, which is when adopting would resurrect what the garbage collector orphans. */
async function mayAdopt<Owner extends KubeObject, T extends KubeObject>({ client, ownerType, owner }: ClaimOptions<Owner, T>): Promise<void> {
  const { namespace = '', name = '', uid } = owner.metadata
  const fresh = await client.get(ownerType, namespace, name)
  if (fresh.metadata.uid !== uid) throw new Error(`original ${ownerType.kind} ${namespace}/${name} is gone: got uid ${fresh.metadata.uid}, wanted ${uid}`)
  if (fresh.metadata.deletionTimestamp !== undefined) throw new Error(`${namespace}/${name} has just been deleted at ${fresh.metadata.deletionTimestamp}`)
}

async function adopt<Owner extends KubeObject, T extends KubeObject>({ client, ownerType, owner, type }: ClaimOptions<Owner, T>, object: T): Promise<T | undefined> {
  const { namespace = '', name = '', uid } = object.metadata
  try {
    return await client.patch(type, namespace, name, 'strategic', { metadata: { ownerReferences: [controllerReference(ownerType, owner)], uid } })
  } catch (error) {
    if (isReason(error, 'NotFound')) return undefined
    throw error
  }
}

async function release<Owner extends KubeObject, T extends KubeObject>({ client, owner, type }: ClaimOptions<Owner, T>, object: T): Promise<void> {
  const { namespace = '', name = '', uid } = object.metadata
  try {
    await client.patch(type, namespace, name, 'strategic', { metadata: { ownerReferences: [{ $patch: 'delete', uid: owner.metadata.uid }], uid } })
  } catch (error) {
    // Gone, or another object of that name: nothing of ours is left to release.
    if (!isReason(error, 'NotFound', 'Invalid')) throw error
  }
}
