import { semanticEqual } from '../../machinery/equality.ts'
import { dnsSubdomainErrors } from '../../machinery/names.ts'
import { timeText } from '../../machinery/object.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { Strategy } from '../resource.ts'
import { validateApproval } from '../validation/certificates.ts'
import { validateNamespaceFinalize } from '../validation/core.ts'
import type { CustomResourceDefinition } from '../types/apiextensions.k8s.io_v1.ts'
import type { APIService } from '../types/apiregistration.k8s.io_v1.ts'
import type { Job } from '../types/batch_v1.ts'
import type { CertificateSigningRequest } from '../types/certificates.k8s.io_v1.ts'
import type { Namespace, Node, PersistentVolume, Secret, ServiceAccount } from '../types/core_v1.ts'
import type { EndpointSlice } from '../types/discovery.k8s.io_v1.ts'

/** Kinds whose strategy does more than keep spec and status apart. Each adds to what `strategies.ts` gives every kind. */

const kubernetesFinalizer = 'kubernetes'

export const namespaceStrategy: Strategy = {
  prepareForCreate(object) {
    const namespace = object as unknown as Namespace
    namespace.status = { phase: 'Active' }
    const spec = (namespace.spec ??= {})
    if (!(spec.finalizers ?? []).includes(kubernetesFinalizer)) spec.finalizers = [...(spec.finalizers ?? []), kubernetesFinalizer]
    if (namespace.metadata.name !== undefined) (namespace.metadata.labels ??= {})['kubernetes.io/metadata.name'] = namespace.metadata.name
  },
  prepareForUpdate(object, old) {
    const namespace = object as unknown as Namespace
    namespace.spec = (old as unknown as Namespace).spec ?? {}
  },
}

/** A node without drivers is the rule, and Go writes its list as null. */
function writeMissingDrivers(object: OpenObject): void {
  const spec = object.spec as { drivers?: unknown[] | null } | undefined
  if (spec !== undefined && (spec.drivers?.length ?? 0) === 0) spec.drivers = null
}

export const csiNodeStrategy: Strategy = { prepareForCreate: writeMissingDrivers, prepareForUpdate: writeMissingDrivers }

/** PUT of `namespaces/finalize`: only `spec.finalizers` changes. */
export const namespaceFinalizeStrategy: Strategy = {
  validateUpdate: validateNamespaceFinalize,
  prepareForUpdate(object, old) {
    const namespace = object as unknown as Namespace
    namespace.status = (old as unknown as Namespace).status
  },
}

/** Nodes register with their status in one request. Configuration by the API is a feature that is gone: who has it may keep it. */
export const nodeStrategy: Strategy = {
  prepareForCreate(object) {
    const node = object as unknown as Node
    node.spec ??= {}
    delete node.spec.configSource
    delete node.status?.config
  },
  prepareForUpdate(object, old) {
    const { spec } = object as unknown as Node
    if ((old as unknown as Node).spec?.configSource === undefined) delete spec?.configSource
  },
}

export const nodeStatusStrategy: Strategy = {
  prepareForUpdate(object, old) {
    if ((old as unknown as Node).status?.config === undefined) delete (object as unknown as Node).status?.config
  },
}

/** Since when a volume has been in its phase is noted by whoever changes it, or for them. */
export const volumeStrategy: Strategy = {
  prepareForCreate(object, { nowMs }) {
    object.status = { phase: 'Pending', lastPhaseTransitionTime: timeText(nowMs) }
  },
}

export const volumeStatusStrategy: Strategy = {
  prepareForUpdate(object, old, { nowMs }) {
    const status = ((object as unknown as PersistentVolume).status ??= {})
    const before = (old as unknown as PersistentVolume).status
    if (status.phase === before?.phase) {
      if (before?.lastPhaseTransitionTime !== undefined) status.lastPhaseTransitionTime ??= before.lastPhaseTransitionTime
    } else if (status.lastPhaseTransitionTime === undefined || status.lastPhaseTransitionTime === before?.lastPhaseTransitionTime) status.lastPhaseTransitionTime = timeText(nowMs)
  },
}

/** Ranges without a name get one. */
export const limitRangeStrategy: Strategy = {
  prepareForCreate({ metadata }) {
    if ((metadata.name ?? '') === '' && metadata.uid !== undefined) metadata.name = metadata.uid
  },
}

export const secretStrategy: Strategy = {
  prepareForUpdate(object, old) {
    const secret = object as unknown as Secret
    secret.type ||= (old as unknown as Secret).type
  },
}

/** Of the secrets that an account names, the names are kept. */
function cleanSecrets(object: OpenObject): void {
  const account = object as unknown as ServiceAccount
  if (account.secrets !== undefined) account.secrets = account.secrets.map(({ name }) => ({ name }))
}

export const serviceAccountStrategy: Strategy = { prepareForCreate: cleanSecrets, prepareForUpdate: cleanSecrets }

/** Who asks is what the server saw, never what the request says. */
export const apiServiceStrategy: Strategy = {
  // What the server answers itself is there from the start.
  prepareForCreate(object, { nowMs }) {
    const { spec } = object as unknown as APIService
    if (spec?.service !== undefined) return
    object.status = { conditions: [{ type: 'Available', status: 'True', lastTransitionTime: timeText(nowMs), reason: 'Local', message: 'Local APIServices are always available' }] }
  },
}

export const certificateRequestStrategy: Strategy = {
  prepareForCreate(object, { user }) {
    const request = object as unknown as CertificateSigningRequest
    request.spec.username = user.username
    if (user.uid === undefined) delete request.spec.uid
    else request.spec.uid = user.uid
    request.spec.groups = [...user.groups]
    if (user.extra === undefined) delete request.spec.extra
    else request.spec.extra = Object.fromEntries(Object.entries(user.extra).map(([key, values]) => [key, [...values]]))
  },
  prepareForUpdate(object, old) {
    object.spec = old.spec
  },
}

/** `certificatesigningrequests/approval`: only conditions change. */
export const certificateApprovalStrategy: Strategy = {
  validateUpdate: validateApproval,
  prepareForUpdate(object, old, { nowMs }) {
    const request = object as unknown as CertificateSigningRequest
    const before = old as unknown as CertificateSigningRequest
    request.spec = before.spec
    const conditions = request.status?.conditions
    request.status = { ...before.status, ...(conditions === undefined ? {} : { conditions }) }
    if (conditions === undefined) delete request.status.conditions
    stampConditions(request, before, nowMs)
  },
}

export const certificateStatusStrategy: Strategy = {
  prepareForUpdate(object, old, { nowMs }) {
    const request = object as unknown as CertificateSigningRequest
    const before = old as unknown as CertificateSigningRequest
    for (const type of ['Approved', 'Denied']) keepConditions(request, before, type)
    stampConditions(request, before, nowMs)
  },
}

/** Decisions stay as they were, whatever is said of them; ones that come or go are for validation to refuse. */
function keepConditions(request: CertificateSigningRequest, before: Readonly<CertificateSigningRequest>, type: string): void {
  const conditions = request.status?.conditions ?? []
  const kept = (before.status?.conditions ?? []).filter((condition) => condition.type === type)
  if (conditions.filter((condition) => condition.type === type).length !== kept.length) return
  for (const [at, condition] of conditions.entries()) if (condition.type === type) conditions[at] = structuredClone(kept.shift()!)
}

/** Conditions without times are of now, or since when they have been as they are. */
function stampConditions(request: CertificateSigningRequest, before: Readonly<CertificateSigningRequest>, nowMs: number): void {
  for (const condition of request.status?.conditions ?? []) {
    condition.lastUpdateTime ||= timeText(nowMs)
    condition.lastTransitionTime ||= before.status?.conditions?.find(({ type, status }) => type === condition.type && status === condition.status)?.lastTransitionTime || timeText(nowMs)
  }
}

export const customResourceDefinitionStrategy: Strategy = {
  // Instances go first; the API server takes it off when they have gone.
  deletionFinalizers: ['customresourcecleanup.apiextensions.k8s.io'],
  beginDeletion(object, nowMs) {
    const { status } = object as unknown as CustomResourceDefinition
    if (status === undefined) return
    const message = 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon'
    const condition = { type: 'Terminating', status: 'True', lastTransitionTime: timeText(nowMs), reason: 'InstanceDeletionPending', message } as const
    status.conditions = [...(status.conditions ?? []).filter(({ type }) => type !== condition.type), condition] as unknown as typeof status.conditions
  },
  prepareForCreate(object) {
    const definition = object as unknown as CustomResourceDefinition
    const stored = definition.spec.versions?.find((version) => version.storage)?.name
    definition.status = { conditions: null, acceptedNames: { plural: '', kind: '' }, storedVersions: stored === undefined ? null : [stored] } as unknown as CustomResourceDefinition['status']
  },
  prepareForUpdate(object) {
    const definition = object as unknown as CustomResourceDefinition
    const stored = definition.spec.versions?.find((version) => version.storage)?.name
    const known = definition.status?.storedVersions ?? []
    if (stored !== undefined && definition.status !== undefined && !known.includes(stored)) definition.status = { ...definition.status, storedVersions: [...known, stored] }
  },
}

const jobUidLabel = 'batch.kubernetes.io/controller-uid'
const jobNameLabel = 'batch.kubernetes.io/job-name'

/** Jobs get a selector of their own, by uid, unless the client manages it. */
export const jobStrategy: Strategy = {
  defaultPropagation: 'Orphan',
  defaultPropagationWarning: 'child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning',
  prepareForCreate(object) {
    const job = object as unknown as Job
    if (job.spec.manualSelector === true) return
    const { uid = '', name = '' } = job.metadata
    const template = (job.spec.template.metadata ??= {})
    const labels = (template.labels ??= {})
    // The first pair are the old names, which are kept for those who select by them.
    labels['controller-uid'] ??= uid
    labels['job-name'] ??= name
    labels[jobUidLabel] ??= uid
    labels[jobNameLabel] ??= name
    const selector = (job.spec.selector ??= {})
    ;(selector.matchLabels ??= {})[jobUidLabel] ??= uid
    if (Object.keys(job.metadata.labels ?? {}).length === 0) job.metadata.labels = labels
  },
}

const hostnameLabel = 'kubernetes.io/hostname'

/** Topology is no field of v1 any more: what was there stays while the endpoints do, and the node's name moves to its field. */
function dropTopology(slice: EndpointSlice, old?: Readonly<EndpointSlice>): void {
  if (old !== undefined && semanticEqual(old.endpoints, slice.endpoints)) return
  const known = new Set((old?.endpoints ?? []).map(({ deprecatedTopology }) => deprecatedTopology?.[hostnameLabel]))
  for (const endpoint of slice.endpoints ?? []) {
    const node = endpoint.deprecatedTopology?.[hostnameLabel]
    if (endpoint.nodeName === undefined && node !== undefined && known.has(node) && dnsSubdomainErrors(node).length === 0) endpoint.nodeName = node
    delete endpoint.deprecatedTopology
  }
}

/** Any change beside the metadata is a new generation of the slice. */
export const endpointSliceStrategy: Strategy = {
  prepareForCreate(object) {
    object.metadata.generation = 1
    dropTopology(object as unknown as EndpointSlice)
  },
  prepareForUpdate(object, old) {
    dropTopology(object as unknown as EndpointSlice, old as unknown as EndpointSlice)
    const { metadata, ...now } = object as unknown as EndpointSlice
    const { metadata: before, ...then } = old as unknown as EndpointSlice
    if (!semanticEqual(now, then) || !semanticEqual(metadata.labels, before.labels)) (object as OpenObject).metadata.generation = (before.generation ?? 0) + 1
  },
}
