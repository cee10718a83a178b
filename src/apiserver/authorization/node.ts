import { podClaimNames, podConfigMapNames, podSecretNames } from '../../api/pod-references.ts'
import { nodeRules } from '../../api/rbac-bootstrap.ts'
import type { PersistentVolume, Pod } from '../../api/types/core_v1.ts'
import type { ResourceSlice } from '../../api/types/resource.k8s.io_v1.ts'
import type { VolumeAttachment } from '../../api/types/storage.k8s.io_v1.ts'
import { parseFieldSelector } from '../../machinery/fields.ts'
import { keyOf, splitKey, type KubeObject } from '../../machinery/object.ts'
import type { UserInfo } from '../../api/resource.ts'
import type { AuthorizationAttributes, AuthorizationDecision, Authorizer, ObjectReader, ResolvedRules } from '../context.ts'
import { ruleAllows } from './rbac-rules.ts'
import { readiness } from './readiness.ts'

/** Pods of this annotation stand for static pods; a node makes them itself, so they give it no rights. */
export const mirrorPodAnnotation = 'kubernetes.io/config.mirror'

const allow: AuthorizationDecision = { decision: 'allow', reason: '' }
const no = (reason = ''): AuthorizationDecision => ({ decision: 'noOpinion', reason })

/** The node that a kubelet's user stands for; undefined for other users, '' for a kubelet that names none. */
export function nodeNameOf(user: UserInfo): string | undefined {
  if (!user.username.startsWith('system:node:') || !user.groups.includes('system:nodes')) return undefined
  return user.username.slice('system:node:'.length)
}

/** Objects of a resource by the group that each belongs to, kept from the cache's changes. */
class Groups implements Disposable {
  readonly #keys = new Map<string, Set<string>>()
  readonly #groupOf = new Map<string, string>()
  readonly #reader: ObjectReader
  readonly #resource: string
  readonly #tell: (object: Readonly<KubeObject>) => string | undefined
  readonly #subscription: Disposable

  constructor(reader: ObjectReader, resource: string, tell: (object: Readonly<KubeObject>) => string | undefined) {
    this.#reader = reader
    this.#resource = resource
    this.#tell = tell
    this.#subscription = reader.onChange(resource, ({ type, object }) => this.#note(keyOf(object), type === 'DELETED' ? undefined : tell(object)))
  }

  async load(): Promise<void> {
    await this.#reader.whenReady([this.#resource])
    for (const object of this.#reader.list(this.#resource)) this.#note(keyOf(object), this.#tell(object))
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]()
  }

  #note(key: string, group: string | undefined): void {
    const before = this.#groupOf.get(key)
    if (before === group) return
    if (before !== undefined) {
      const keys = this.#keys.get(before)
      keys?.delete(key)
      if (keys?.size === 0) this.#keys.delete(before)
      this.#groupOf.delete(key)
    }
    if (group === undefined || group === '') return
    this.#groupOf.set(key, group)
    const keys = this.#keys.get(group) ?? new Set<string>()
    this.#keys.set(group, keys.add(key))
  }

  keys(group: string): Iterable<string> {
    return this.#keys.get(group) ?? []
  }
}

/** Secrets that a kubelet needs to mount a volume; those that only the volume's controller uses are not among them. */
function volumeSecrets({ spec }: PersistentVolume): { namespace: string; name: string }[] {
  if (spec === undefined) return []
  const { azureFile, cephfs, cinder, csi, flexVolume, iscsi, rbd, scaleIO, storageos } = spec
  const ownNamespace = spec.claimRef?.namespace ?? ''
  const found: { namespace: string; name: string }[] = []
  const add = (name: string | undefined, namespace: string | null | undefined): void => {
    if (name !== undefined && name !== '') found.push({ name, namespace: (namespace ?? '') === '' ? ownNamespace : namespace! })
  }
  add(azureFile?.secretName, azureFile?.secretNamespace)
  for (const source of [cephfs, cinder, flexVolume, iscsi, rbd, scaleIO, storageos]) add(source?.secretRef?.name, source?.secretRef?.namespace)
  for (const reference of [csi?.nodePublishSecretRef, csi?.nodeStageSecretRef, csi?.nodeExpandSecretRef]) add(reference?.name, reference?.namespace)
  return found
}

/** `NAMESPACE/NAME` of the claim that a volume says it is for. */
function claimOf({ spec }: PersistentVolume): string | undefined {
  const { namespace = '', name = '' } = spec?.claimRef ?? {}
  return name === '' ? undefined : `${namespace}/${name}`
}

/** Objects with a claim to be read by a node, as upstream's node authorizer graph ties them to pods. */
class Relations implements Disposable {
  readonly #reader: ObjectReader
  readonly #podsOfNodes: Groups
  readonly #volumesOfClaims: Groups

  constructor(reader: ObjectReader) {
    this.#reader = reader
    this.#podsOfNodes = new Groups(reader, 'pods', (pod) => (pod as Pod).spec?.nodeName)
    this.#volumesOfClaims = new Groups(reader, 'persistentvolumes', (volume) => claimOf(volume as PersistentVolume))
  }

  async load(): Promise<void> {
    await Promise.all([this.#podsOfNodes.load(), this.#volumesOfClaims.load()])
  }

  [Symbol.dispose](): void {
    this.#podsOfNodes[Symbol.dispose]()
    this.#volumesOfClaims[Symbol.dispose]()
  }

  /** The pods of a node that give it rights, in `namespace` or (undefined) in all. */
  * #pods(nodeName: string, namespace?: string): Generator<Pod> {
    for (const key of this.#podsOfNodes.keys(nodeName)) {
      const place = splitKey(key)
      if (namespace !== undefined && place.namespace !== namespace) continue
      const pod = this.#reader.get('pods', place.namespace, place.name) as Pod | undefined
      if (pod?.spec !== undefined && pod.metadata.annotations?.[mirrorPodAnnotation] === undefined) yield pod
    }
  }

  #some(nodeName: string, namespace: string | undefined, test: (pod: Pod) => boolean): boolean {
    for (const pod of this.#pods(nodeName, namespace)) if (test(pod)) return true
    return false
  }

  /** Volumes that are claimed by pods of the node. The volume's own word counts: whoever makes a claim may name any volume in it. */
  * #volumes(nodeName: string): Generator<PersistentVolume> {
    for (const pod of this.#pods(nodeName)) {
      for (const claimName of podClaimNames(pod.metadata.name ?? '', pod.spec)) {
        for (const name of this.#volumesOfClaims.keys(`${pod.metadata.namespace ?? ''}/${claimName}`)) {
          const volume = this.#reader.get('persistentvolumes', '', name) as PersistentVolume | undefined
          if (volume !== undefined) yield volume
        }
      }
    }
  }

  secret(nodeName: string, namespace: string, name: string): boolean {
    if (this.#some(nodeName, namespace, (pod) => podSecretNames(pod.spec).has(name))) return true
    for (const volume of this.#volumes(nodeName)) {
      for (const reference of volumeSecrets(volume)) if (reference.namespace === namespace && reference.name === name) return true
    }
    return false
  }

  configMap(nodeName: string, namespace: string, name: string): boolean {
    return this.#some(nodeName, namespace, (pod) => podConfigMapNames(pod.spec).has(name))
  }

  claim(nodeName: string, namespace: string, name: string): boolean {
    return this.#some(nodeName, namespace, (pod) => podClaimNames(pod.metadata.name ?? '', pod.spec).has(name))
  }

  volume(nodeName: string, name: string): boolean {
    const { name: claimName, namespace = '' } = (this.#reader.get('persistentvolumes', '', name) as PersistentVolume | undefined)?.spec?.claimRef ?? {}
    return claimName !== undefined && this.claim(nodeName, namespace, claimName)
  }

  serviceAccount(nodeName: string, namespace: string, name: string): boolean {
    return this.#some(nodeName, namespace, (pod) => pod.spec.serviceAccountName === name)
  }

  resourceClaim(nodeName: string, namespace: string, name: string): boolean {
    return this.#some(nodeName, namespace, (pod) => (pod.spec.resourceClaims ?? []).some((reference) => reference.resourceClaimName === name)
      || (pod.status?.resourceClaimStatuses ?? []).some((status) => status.resourceClaimName === name)
      || pod.status?.extendedResourceClaimStatus?.resourceClaimName === name)
  }

  volumeAttachment(nodeName: string, name: string): boolean {
    const attachment = this.#reader.get('volumeattachments.storage.k8s.io', '', name) as VolumeAttachment | undefined
    return attachment?.spec.nodeName === nodeName
  }

  resourceSlice(nodeName: string, name: string): boolean {
    const slice = this.#reader.get('resourceslices.resource.k8s.io', '', name) as ResourceSlice | undefined
    return slice?.spec.nodeName === nodeName
  }
}

const nothingToTell = (): ResolvedRules => ({ resourceRules: [], nonResourceRules: [], incomplete: false, errors: [] })

function selects(request: AuthorizationAttributes, field: string, value: string): boolean {
  if (request.fieldSelector === undefined || request.fieldSelector === '') return false
  try {
    return parseFieldSelector(request.fieldSelector).terms.some((term) => term.field === field && term.operator === '=' && term.value === value)
  } catch {
    return false // a selector that is wrong selects nothing here; the list verb answers it with 400
  }
}

/**
 * What a kubelet may do: all that `system:node` says, but of secrets, config maps, claims, volumes, accounts, pods, leases and
 * nodes only its own (Kubernetes documentation, "Using Node Authorization"; KEP-4601).
 */
export function nodeAuthorizer(reader: ObjectReader, signal: AbortSignal): Authorizer {
  const relations = new Relations(reader)
  signal.addEventListener('abort', () => relations[Symbol.dispose](), { once: true })
  const loaded = readiness(async () => {
    await relations.load()
    await reader.whenReady(['volumeattachments.storage.k8s.io', 'resourceslices.resource.k8s.io'])
  })

  function related(nodeName: string, isRelated: () => boolean): AuthorizationDecision {
    return isRelated() ? allow : no(`no relationship found between node '${nodeName}' and this object`)
  }

  function get(nodeName: string, request: AuthorizationAttributes, isRelated: () => boolean): AuthorizationDecision {
    if (request.verb !== 'get') return no('can only get individual resources of this type')
    if (request.subresource !== '') return no('cannot get subresource')
    return request.name === '' ? no('No Object name found') : related(nodeName, isRelated)
  }

  function read(nodeName: string, request: AuthorizationAttributes, isRelated: () => boolean): AuthorizationDecision {
    if (!['get', 'list', 'watch'].includes(request.verb)) return no('can only read resources of this type')
    if (request.subresource !== '') return no('cannot read subresource')
    if (request.namespace === '') return no('can only read namespaced object of this type')
    return request.name === '' ? no('No Object name found') : related(nodeName, isRelated)
  }

  function node(nodeName: string, { verb, subresource, name }: AuthorizationAttributes): AuthorizationDecision {
    if (subresource === 'status') return verb === 'update' || verb === 'patch' ? allow : no()
    if (subresource !== '') return no()
    if (['create', 'update', 'patch'].includes(verb)) return allow
    if (!['get', 'list', 'watch'].includes(verb)) return no()
    if (name === nodeName) return allow
    return no(name === '' ? `node '${nodeName}' cannot read all nodes, only its own Node object` : `node '${nodeName}' cannot read '${name}', only its own Node object`)
  }

  function pod(nodeName: string, request: AuthorizationAttributes): AuthorizationDecision {
    const { verb, subresource, namespace, name } = request
    if (subresource === 'status') return verb === 'update' || verb === 'patch' ? allow : no()
    if (subresource === 'eviction') return verb === 'create' ? allow : no()
    if (subresource !== '') return no()
    if (verb === 'create' || verb === 'delete') return allow
    const isOwn = (): boolean => (reader.get('pods', namespace, name) as Pod | undefined)?.spec?.nodeName === nodeName
    if (verb === 'get') return get(nodeName, request, isOwn)
    if (verb !== 'list' && verb !== 'watch') return no()
    if (selects(request, 'spec.nodeName', nodeName)) return allow
    return name === '' ? no('can only list/watch pods with spec.nodeName field selector') : related(nodeName, isOwn)
  }

  function serviceAccount(nodeName: string, request: AuthorizationAttributes): AuthorizationDecision {
    const { verb, subresource, namespace, name } = request
    const isRelated = (): boolean => relations.serviceAccount(nodeName, namespace, name)
    if (verb === 'get' && subresource === '') return read(nodeName, request, isRelated)
    if (verb !== 'create' || name === '') return no('can only create tokens for individual service accounts')
    return subresource === 'token' ? related(nodeName, isRelated) : no('can only create token subresource of serviceaccount')
  }

  function lease(nodeName: string, { verb, namespace, name }: AuthorizationAttributes): AuthorizationDecision {
    if (!['get', 'create', 'update', 'patch', 'delete'].includes(verb)) return no('can only get, create, update, patch, or delete a node lease')
    if (namespace !== 'kube-node-lease') return no('can only access leases in the "kube-node-lease" system namespace')
    // On creation the name is in the body only: NodeRestriction checks it.
    return verb === 'create' || name === nodeName ? allow : no('can only access node lease with the same name as the requesting node')
  }

  function csiNode(nodeName: string, { verb, subresource, name }: AuthorizationAttributes): AuthorizationDecision {
    if (!['get', 'create', 'update', 'patch', 'delete'].includes(verb)) return no('can only get, create, update, patch, or delete a CSINode')
    if (subresource !== '') return no('cannot authorize CSINode subresources')
    return verb === 'create' || name === nodeName ? allow : no('can only access CSINode with the same name as the requesting node')
  }

  function resourceSlice(nodeName: string, request: AuthorizationAttributes): AuthorizationDecision {
    const { verb, subresource, name } = request
    if (subresource !== '') return no('cannot authorize ResourceSlice subresources')
    if (verb === 'create') return allow
    if (['get', 'update', 'patch', 'delete'].includes(verb)) return name === '' ? no('No Object name found') : related(nodeName, () => relations.resourceSlice(nodeName, name))
    if (['watch', 'list', 'deletecollection'].includes(verb)) {
      return selects(request, 'spec.nodeName', nodeName) ? allow : no('can only list/watch/deletecollection resourceslices with nodeName field selector')
    }
    return no('only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection')
  }

  function decide(nodeName: string, request: AuthorizationAttributes): AuthorizationDecision {
    const { namespace, name, subresource, verb } = request
    switch (request.isResourceRequest ? `${request.apiGroup}/${request.resource}` : '') {
      case '/secrets': return read(nodeName, request, () => relations.secret(nodeName, namespace, name))
      case '/configmaps': return read(nodeName, request, () => relations.configMap(nodeName, namespace, name))
      case '/persistentvolumeclaims':
        if (subresource !== 'status') return get(nodeName, request, () => relations.claim(nodeName, namespace, name))
        return verb === 'update' || verb === 'patch' ? related(nodeName, () => relations.claim(nodeName, namespace, name)) : no('can only get/update/patch this type')
      case '/persistentvolumes': return get(nodeName, request, () => relations.volume(nodeName, name))
      case 'resource.k8s.io/resourceclaims': return get(nodeName, request, () => relations.resourceClaim(nodeName, namespace, name))
      case 'storage.k8s.io/volumeattachments': return get(nodeName, request, () => relations.volumeAttachment(nodeName, name))
      case '/serviceaccounts': return serviceAccount(nodeName, request)
      case 'coordination.k8s.io/leases': return lease(nodeName, request)
      case 'storage.k8s.io/csinodes': return csiNode(nodeName, request)
      case 'resource.k8s.io/resourceslices': return resourceSlice(nodeName, request)
      case '/nodes': return node(nodeName, request)
      case '/pods': return pod(nodeName, request)
      default: return nodeRules.some((rule) => ruleAllows(rule, request)) ? allow : no()
    }
  }

  return {
    name: 'Node',
    authorize(request) {
      const nodeName = nodeNameOf(request.user)
      if (nodeName === undefined) return no()
      if (nodeName === '') return no(`unknown node for user ${JSON.stringify(request.user.username)}`)
      return loaded.isReady ? decide(nodeName, request) : loaded.wait().then(() => decide(nodeName, request))
    },
    rulesFor: (user) => (nodeNameOf(user) === undefined ? nothingToTell() : { ...nothingToTell(), incomplete: true, errors: ['node authorizer does not support user rule resolution'] }),
  }
}
