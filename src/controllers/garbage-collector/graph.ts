import type { ResourceType } from '../../client/client.ts'
import type { KubeObject, OwnerReference } from '../../machinery/object.ts'

export const foregroundFinalizer = 'foregroundDeletion'
export const orphanFinalizer = 'orphan'

/**
 * An object in the graph of owners. To stay small in memory the graph holds only objects that name an owner, that are named as one, or
 * that wait for their dependents: an object alone is not in it.
 */
export interface GraphNode {
  readonly uid: string
  /** What it is called; of an owner that only its dependents have named, what they say. */
  identity: Identity
  owners: readonly OwnerReference[]
  readonly dependents: Set<GraphNode>
  beingDeleted: boolean
  /** Waits for its blocking dependents to be gone. */
  deletingDependents: boolean
  /** Named by a dependent and not yet seen itself: it may not exist. */
  virtual: boolean
}

export interface Identity { apiVersion: string; kind: string; namespace: string; name: string; /** Set once the object itself was seen. */ type?: ResourceType }

/** What a change of the graph asks for. */
export interface GraphActions { tryDelete(uid: string): void; tryOrphan(uid: string): void }

function needsNode(object: KubeObject): boolean {
  const { ownerReferences, deletionTimestamp, finalizers } = object.metadata
  return (ownerReferences ?? []).length > 0 || (deletionTimestamp !== undefined && (finalizers ?? []).some((name) => name === foregroundFinalizer || name === orphanFinalizer))
}

export class OwnerGraph {
  private readonly nodes = new Map<string, GraphNode>()
  private readonly actions: GraphActions
  constructor(actions: GraphActions) {
    this.actions = actions
  }

  get(uid: string): GraphNode | undefined {
    return this.nodes.get(uid)
  }
  get size(): number {
    return this.nodes.size
  }

  /** An object was seen, new or changed. */
  observe(type: ResourceType, object: KubeObject): void {
    const { uid = '', namespace = '', name = '' } = object.metadata
    const known = this.nodes.get(uid)
    if (known === undefined && !needsNode(object)) return
    const node = known ?? this.add(uid)
    node.identity = { apiVersion: type.group === '' ? type.version : `${type.group}/${type.version}`, kind: type.kind, namespace, name, type }
    const firstSeen = node.virtual
    node.virtual = false
    const before = node.owners
    this.setOwners(node, object.metadata.ownerReferences ?? [])
    if (firstSeen) this.checkDependents(node)
    const finalizers = object.metadata.finalizers ?? []
    const deleted = object.metadata.deletionTimestamp !== undefined
    const startsDeleting = deleted && !node.beingDeleted
    node.beingDeleted = deleted
    if (deleted && finalizers.includes(orphanFinalizer)) this.actions.tryOrphan(uid)
    else if (deleted && finalizers.includes(foregroundFinalizer)) {
      if (!node.deletingDependents) for (const dependent of node.dependents) this.actions.tryDelete(dependent.uid)
      node.deletingDependents = true
      this.actions.tryDelete(uid)
    }
    if (startsDeleting && !node.deletingDependents) this.wakeWaitingOwners(node)
    this.checkOwners(node, node.owners.filter(({ uid: owner }) => !before.some((reference) => reference.uid === owner)))
  }

  /** An object is gone (or was never there: a virtual one that could not be found). */
  remove(uid: string): void {
    const node = this.nodes.get(uid)
    if (node === undefined) return
    this.setOwners(node, [], true)
    this.nodes.delete(uid)
    for (const dependent of node.dependents) this.actions.tryDelete(dependent.uid)
  }

  /** Every node of a resource, to find those that vanished unseen. */
  *ofResource(group: string, resource: string): Iterable<GraphNode> {
    for (const node of this.nodes.values()) if (node.identity.type?.group === group && node.identity.type.resource === resource) yield node
  }

  /** Looks again at dependents of owners of a kind that nobody has seen: only now can it be told whether they exist. */
  retryUnseen(group: string, kind: string): void {
    for (const { virtual, identity, dependents } of this.nodes.values()) {
      if (!virtual || identity.kind !== kind || groupOf(identity.apiVersion) !== group) continue
      for (const dependent of dependents) this.actions.tryDelete(dependent.uid)
    }
  }

  private add(uid: string): GraphNode {
    const node: GraphNode = { uid, identity: { apiVersion: '', kind: '', namespace: '', name: '' }, owners: [], dependents: new Set(), beingDeleted: false, deletingDependents: false, virtual: true }
    this.nodes.set(uid, node)
    return node
  }

  private setOwners(node: GraphNode, owners: readonly OwnerReference[], removed = false): void {
    const before = node.owners
    if (before.length === 0 && owners.length === 0) return
    node.owners = owners
    for (const { uid } of before) {
      const owner = this.nodes.get(uid)
      if (owner === undefined) continue
      const still = owners.find((reference) => reference.uid === uid)
      if (still === undefined) owner.dependents.delete(node)
      // A dependent less, or one that blocks no more: a waiting owner may go now.
      if (owner.deletingDependents && (still?.blockOwnerDeletion !== true || removed)) this.actions.tryDelete(uid)
      this.forgetLoneOwner(owner)
    }
    for (const reference of owners) {
      const owner = this.nodes.get(reference.uid) ?? this.addVirtual(reference, node.identity.namespace)
      owner.dependents.add(node)
      if (!before.some(({ uid }) => uid === reference.uid) && owner.deletingDependents) this.actions.tryDelete(node.uid)
    }
  }

  /** An owner that owns nothing more and has no other reason to be in the graph leaves it. */
  private forgetLoneOwner(owner: GraphNode): void {
    if (owner.dependents.size === 0 && owner.owners.length === 0 && !owner.deletingDependents && !owner.beingDeleted) this.nodes.delete(owner.uid)
  }

  private addVirtual({ uid, apiVersion, kind, name }: OwnerReference, namespace: string): GraphNode {
    const node = this.add(uid)
    node.identity = { apiVersion, kind, name, namespace }
    return node
  }

  /** New references to an owner that nobody has seen, which may have gone before, or that is called otherwise than they say. */
  private checkOwners(node: GraphNode, added: readonly OwnerReference[]): void {
    if (added.some((reference) => !isOwnerOf(this.nodes.get(reference.uid), reference, node))) this.actions.tryDelete(node.uid)
  }

  /** An owner was seen that dependents have named: they may have named it wrongly. */
  private checkDependents(owner: GraphNode): void {
    for (const dependent of owner.dependents) {
      const reference = dependent.owners.find(({ uid }) => uid === owner.uid)
      if (reference !== undefined && !isOwnerOf(owner, reference, dependent)) this.actions.tryDelete(dependent.uid)
    }
  }

  private wakeWaitingOwners(node: GraphNode): void {
    for (const { uid } of node.owners) if (this.nodes.get(uid)?.deletingDependents === true) this.actions.tryDelete(uid)
  }
}

/** Whether an owner is known and is what a dependent calls it. An owner with a namespace owns only in its own. */
function isOwnerOf(owner: GraphNode | undefined, { kind, name }: OwnerReference, dependent: GraphNode): boolean {
  if (owner === undefined || owner.virtual) return false
  const { identity } = owner
  return identity.kind === kind && identity.name === name && (identity.namespace === '' || identity.namespace === dependent.identity.namespace)
}

function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf('/')
  return slash < 0 ? '' : apiVersion.slice(0, slash)
}
