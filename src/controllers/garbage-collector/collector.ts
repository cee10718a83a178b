import type { Client, ResourceType } from '../../client/client.ts'
import type { DiscoveredResource } from '../../client/discovery.ts'
import type { EventRecorder } from '../../client/events.ts'
import type { KubeObject, OwnerReference } from '../../machinery/object.ts'
import { isReason } from '../../machinery/status.ts'
import { foregroundFinalizer, orphanFinalizer, type GraphNode, type OwnerGraph } from './graph.ts'

/** Kinds to resources, as discovery tells them. */
export interface KindMap { find(apiVersion: string, kind: string): DiscoveredResource | undefined }

/** Owners known to be gone: a uid never comes back. Who names it from another namespace, or by another kind or name, does not speak for others that name it. */
const maxAbsent = 500

interface OwnerClasses { solid: OwnerReference[]; dangling: OwnerReference[]; waiting: OwnerReference[] }

/**
 * Decides and carries out what becomes of one object, always by what the server says now, never by the graph alone: the graph only says
 * whom to look at.
 */
export class Collector {
  private readonly client: Client
  private readonly graph: OwnerGraph
  private readonly kinds: KindMap
  private readonly recorder: EventRecorder
  private readonly absent = new Set<string>()

  constructor(client: Client, graph: OwnerGraph, kinds: KindMap, recorder: EventRecorder) {
    this.client = client
    this.graph = graph
    this.kinds = kinds
    this.recorder = recorder
  }

  private typeOf({ identity }: GraphNode): ResourceType {
    const type = identity.type ?? this.kinds.find(identity.apiVersion, identity.kind)
    if (type === undefined) throw new Error(`no matches for kind "${identity.kind}" in version "${identity.apiVersion}"`)
    return type
  }

  private async read(node: GraphNode): Promise<KubeObject | undefined> {
    const type = this.typeOf(node)
    const found = await this.client.find(type, type.namespaced ? node.identity.namespace : '', node.identity.name, { metadataOnly: true })
    return found?.metadata.uid === node.uid ? found : undefined
  }

  /** Deletes the object if no owner keeps it; frees it of owners that are gone; lets go one whose dependents are gone. */
  async tryDelete(uid: string): Promise<void> {
    const node = this.graph.get(uid)
    if (node === undefined || (node.beingDeleted && !node.deletingDependents)) return
    const latest = await this.read(node)
    if (latest === undefined) return this.graph.remove(uid)
    if (node.deletingDependents) return this.letGoIfUnblocked(node, latest)
    const owners = latest.metadata.ownerReferences ?? []
    if (owners.length === 0) return
    const { solid, dangling, waiting } = await this.classify(node, owners)
    if (solid.length > 0) {
      const useless = [...dangling, ...waiting].map((owner) => owner.uid)
      if (useless.length > 0) await this.removeOwners(node, useless)
      return
    }
    // A dependent with dependents of its own, of an owner that waits: they go first, too.
    if (waiting.length > 0 && node.dependents.size > 0) {
      if ([...node.dependents].some((dependent) => dependent.deletingDependents)) await this.unblockOwners(node, latest)
      return this.deleteObject(node, latest, 'Foreground')
    }
    const finalizers = latest.metadata.finalizers ?? []
    const policy = finalizers.includes(orphanFinalizer) ? 'Orphan' : finalizers.includes(foregroundFinalizer) ? 'Foreground' : 'Background'
    await this.deleteObject(node, latest, policy)
  }

  /** Takes the owner's reference out of its dependents, then lets the owner go. */
  async tryOrphan(uid: string): Promise<void> {
    const node = this.graph.get(uid)
    if (node === undefined) return
    const results = await Promise.allSettled([...node.dependents].map((dependent) => this.removeOwners(dependent, [uid])))
    const failed = results.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    await this.removeFinalizer(node, orphanFinalizer)
  }

  private async letGoIfUnblocked(node: GraphNode, latest: KubeObject): Promise<void> {
    const blocking = [...node.dependents].filter((dependent) => dependent.owners.some((owner) => owner.uid === node.uid && owner.blockOwnerDeletion === true))
    if (blocking.length === 0) return this.removeFinalizer(node, foregroundFinalizer, latest)
    for (const dependent of blocking) if (!dependent.deletingDependents) await this.tryDelete(dependent.uid)
  }

  private async classify(node: GraphNode, owners: readonly OwnerReference[]): Promise<OwnerClasses> {
    const classes: OwnerClasses = { solid: [], dangling: [], waiting: [] }
    for (const owner of owners) classes[await this.classOf(node, owner)].push(owner)
    return classes
  }

  private async classOf(node: GraphNode, owner: OwnerReference): Promise<keyof OwnerClasses> {
    const { namespace, name } = node.identity
    const coordinates = ownerText(owner, namespace)
    if (this.absent.has(coordinates)) return 'dangling'
    const type = this.kinds.find(owner.apiVersion, owner.kind)
    if (type === undefined) throw new Error(`no matches for kind "${owner.kind}" in version "${owner.apiVersion}"`)
    const known = this.graph.get(owner.uid)
    if (type.namespaced && (namespace === '' || (known?.virtual === false && known.identity.namespace !== namespace))) {
      const { apiVersion, kind } = node.identity
      this.recorder.event({ apiVersion, kind, name, uid: node.uid, ...(namespace === '' ? {} : { namespace }) }, 'Warning', 'OwnerRefInvalidNamespace', `ownerRef [${coordinates}] does not exist in namespace ${JSON.stringify(namespace)}`)
      // A namespaced owner cannot own what has no namespace: wrong, but no reason to delete it.
      if (namespace === '') return 'solid'
    }
    const found = await this.client.find(type, type.namespaced ? namespace : '', owner.name, { metadataOnly: true })
    if (found === undefined || found.metadata.uid !== owner.uid) {
      this.noteAbsent(coordinates)
      return 'dangling'
    }
    return found.metadata.deletionTimestamp !== undefined && (found.metadata.finalizers ?? []).includes(foregroundFinalizer) ? 'waiting' : 'solid'
  }

  private noteAbsent(coordinates: string): void {
    this.absent.add(coordinates)
    if (this.absent.size > maxAbsent) this.absent.delete(this.absent.values().next().value!)
  }

  private async deleteObject(node: GraphNode, { metadata }: KubeObject, propagationPolicy: 'Orphan' | 'Foreground' | 'Background'): Promise<void> {
    try {
      // Somebody who adopts it now changes its revision, and keeps it.
      const preconditions = { uid: node.uid, ...(metadata.resourceVersion === undefined ? {} : { resourceVersion: metadata.resourceVersion }) }
      await this.client.delete(this.typeOf(node), node.identity.namespace, node.identity.name, { propagationPolicy, preconditions })
    } catch (error) {
      if (!isReason(error, 'NotFound')) throw error
    }
  }

  private async patch(node: GraphNode, patch: unknown): Promise<void> {
    try {
      await this.client.patch(this.typeOf(node), node.identity.namespace, node.identity.name, 'merge', patch)
    } catch (error) {
      if (!isReason(error, 'NotFound')) throw error
    }
  }

  private async removeOwners(node: GraphNode, uids: readonly string[]): Promise<void> {
    const latest = await this.read(node)
    if (latest === undefined) return
    const owners = latest.metadata.ownerReferences ?? []
    const kept = owners.filter((owner) => !uids.includes(owner.uid))
    if (kept.length < owners.length) await this.patch(node, { metadata: { resourceVersion: latest.metadata.resourceVersion, ownerReferences: kept } })
  }

  /** A cycle of owners that wait for one another would never end. */
  private async unblockOwners(node: GraphNode, { metadata }: KubeObject): Promise<void> {
    const ownerReferences = (metadata.ownerReferences ?? []).map((owner) => ({ ...owner, blockOwnerDeletion: false }))
    await this.patch(node, { metadata: { uid: node.uid, ownerReferences } })
  }

  private async removeFinalizer(node: GraphNode, finalizer: string, known?: KubeObject): Promise<void> {
    const latest = known ?? (await this.read(node))
    const finalizers = latest?.metadata.finalizers ?? []
    if (latest === undefined || !finalizers.includes(finalizer)) return
    await this.patch(node, { metadata: { resourceVersion: latest.metadata.resourceVersion, finalizers: finalizers.filter((name) => name !== finalizer) } })
  }
}

/** An owner as somebody in `namespace` names it. */
function ownerText({ apiVersion, kind, name, uid }: OwnerReference, namespace: string): string {
  return `${apiVersion}/${kind}, namespace: ${namespace}, name: ${name}, uid: ${uid}`
}
