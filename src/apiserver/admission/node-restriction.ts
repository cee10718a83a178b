import { apiReferenceOf } from '../../api/pod-references.ts'
import type { TokenRequest } from '../../api/types/authentication.k8s.io_v1.ts'
import type { CertificateSigningRequest } from '../../api/types/certificates.k8s.io_v1.ts'
import type { Node, PersistentVolumeClaim, Pod } from '../../api/types/core_v1.ts'
import type { ResourceSlice } from '../../api/types/resource.k8s.io_v1.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import type { KubeObject } from '../../machinery/object.ts'
import { errors } from '../../machinery/status.ts'
import { mirrorPodAnnotation, nodeNameOf } from '../authorization/node.ts'
import type { AdmissionAttributes, AdmissionPlugin } from '../context.ts'
import type { ApiServerCore } from '../core.ts'
import { mountsAudience } from './pod-audiences.ts'
import { refusal } from './refusal.ts'

/** Labels that a kubelet may set on its own node (`kubelet.kubernetes.io/…` and `node.kubernetes.io/…` besides). */
const kubeletLabels = new Set([
  'kubernetes.io/hostname', 'kubernetes.io/os', 'kubernetes.io/arch', 'beta.kubernetes.io/os', 'beta.kubernetes.io/arch', 'beta.kubernetes.io/instance-type',
  'node.kubernetes.io/instance-type', 'topology.kubernetes.io/zone', 'topology.kubernetes.io/region', 'failure-domain.beta.kubernetes.io/zone', 'failure-domain.beta.kubernetes.io/region',
])
const kubeletLabelDomains = ['kubelet.kubernetes.io', 'node.kubernetes.io']

const isIn = (domain: string, of: string): boolean => domain === of || domain.endsWith(`.${of}`)

/** Labels among `keys` that a kubelet may not touch, sorted. */
export function forbiddenNodeLabels(keys: Iterable<string>): string[] {
  return [...keys].filter((key) => {
    const domain = key.includes('/') ? key.slice(0, key.indexOf('/')) : ''
    if (isIn(domain, 'node-restriction.kubernetes.io')) return true
    const isKubernetes = isIn(domain, 'kubernetes.io') || isIn(domain, 'k8s.io')
    return isKubernetes && !kubeletLabels.has(key) && !kubeletLabelDomains.some((allowed) => isIn(domain, allowed))
  }).toSorted()
}

function changedKeys(a: Readonly<Record<string, string>> = {}, b: Readonly<Record<string, string>> = {}): Set<string> {
  return new Set([...Object.keys(a), ...Object.keys(b)].filter((key) => a[key] !== b[key]))
}

/**
 * What a kubelet writes concerns its own node only (Kubernetes documentation, "NodeRestriction"). The node authorizer has seen the
 * path; this plugin sees the object.
 */
export function nodeRestriction(core: ApiServerCore): AdmissionPlugin {
  const pods = core.resource('pods')
  const nodes = core.resource('nodes')

  /** Rejects as upstream's informers do, which call a pod by its kind. */
  async function standingPod(namespace: string, name: string): Promise<Pod> {
    const pod = await core.registry.find(pods, namespace, name)
    if (pod === undefined) throw errors.notFound({ group: '', resource: 'pod' }, name)
    return pod as unknown as Pod
  }

  async function checkMirrorPod(nodeName: string, attributes: AdmissionAttributes, quoted: string): Promise<void> {
    const pod = attributes.object as Pod
    const refuse = (because: string): Error => refusal(attributes, because)
    if (pod.metadata.annotations?.[mirrorPodAnnotation] === undefined) throw refuse(`pod does not have "${mirrorPodAnnotation}" annotation, node ${quoted} can only create mirror pods`)
    if (pod.spec?.nodeName !== nodeName) throw refuse(`node ${quoted} can only create pods with spec.nodeName set to itself`)
    const owners = pod.metadata.ownerReferences ?? []
    const [owner] = owners
    if (owners.length > 1) throw refuse(`node ${quoted} can only create pods with a single owner reference set to itself`)
    if (owner === undefined || owner.apiVersion !== 'v1' || owner.kind !== 'Node' || owner.name !== nodeName) throw refuse(`node ${quoted} can only create pods with an owner reference set to itself`)
    if (owner.controller !== true) throw refuse(`node ${quoted} can only create pods with a controller owner reference set to itself`)
    if (owner.blockOwnerDeletion === true) throw refuse(`node ${quoted} must not set blockOwnerDeletion on an owner reference`)
    const node = await core.registry.get(nodes, '', nodeName)
    if (owner.uid !== node.metadata.uid) throw refuse(`node ${nodeName} UID mismatch: expected ${owner.uid} got ${node.metadata.uid}`)
    const reference = apiReferenceOf(pod.spec)
    if (reference !== undefined) throw refuse(`node ${quoted} can not create pods that reference ${reference}`)
  }

  async function checkPod(nodeName: string, attributes: AdmissionAttributes, quoted: string): Promise<void> {
    const { operation, namespace, name, subresource } = attributes
    if (subresource === '' && operation === 'CREATE') return await checkMirrorPod(nodeName, attributes, quoted)
    if (subresource === '' && operation === 'DELETE') {
      const pod = (attributes.oldObject ?? await standingPod(namespace, name)) as Pod
      if (pod.spec.nodeName !== nodeName) throw refusal(attributes, `node ${quoted} can only delete pods with spec.nodeName set to itself`)
      return
    }
    if (subresource === 'status' && operation === 'UPDATE') {
      const [before, after] = [attributes.oldObject as Pod, attributes.object as Pod]
      if (before.spec.nodeName !== nodeName) throw refusal(attributes, `node ${quoted} can only update pod status for pods with spec.nodeName set to itself`)
      if (!semanticEqual(before.metadata.labels ?? {}, after.metadata.labels ?? {})) throw refusal(attributes, `node ${quoted} cannot update labels through pod status`)
      if (!semanticEqual(before.status?.resourceClaimStatuses, after.status?.resourceClaimStatuses)) throw refusal(attributes, `node ${quoted} cannot update resource claim statues`)
      // What stands there gives the node a right to the claim.
      if (!semanticEqual(before.status?.extendedResourceClaimStatus, after.status?.extendedResourceClaimStatus)) throw refusal(attributes, `node ${quoted} cannot update extended resource claim status`)
      return
    }
    if (subresource === 'eviction' && operation === 'CREATE') {
      const podName = name === '' ? (attributes.object?.metadata.name ?? '') : name
      if (podName === '') throw refusal(attributes, 'could not determine pod from request data')
      const pod = await standingPod(namespace, podName)
      if (pod.spec.nodeName !== nodeName) throw refusal(attributes, `node ${nodeName} can only evict pods with spec.nodeName set to itself`)
      return
    }
    if (subresource === '') throw refusal(attributes, `unexpected operation "${operation}", node ${quoted} can only create and delete mirror pods`)
    if (subresource === 'status' || subresource === 'eviction') throw refusal(attributes, `unexpected operation "${operation}"`)
    throw refusal(attributes, `unexpected pod subresource ${JSON.stringify(subresource)}, only 'status' and 'eviction' are allowed`)
  }

  function checkNode(nodeName: string, attributes: AdmissionAttributes, quoted: string): void {
    const requested = attributes.name === '' ? (attributes.object?.metadata.name ?? '') : attributes.name
    if (requested !== nodeName) throw refusal(attributes, `node ${quoted} is not allowed to modify node ${JSON.stringify(requested)}`)
    const node = attributes.object as Node | undefined
    if (node === undefined) return
    const old = attributes.oldObject as Node | undefined
    const forbidden = forbiddenNodeLabels(changedKeys(node.metadata.labels, old?.metadata.labels))
    if (attributes.operation === 'CREATE') {
      if (node.spec?.configSource !== undefined) throw refusal(attributes, `node ${quoted} is not allowed to create pods with a non-nil configSource`)
      if (forbidden.length > 0) throw refusal(attributes, `node ${quoted} is not allowed to set the following labels: ${forbidden.join(', ')}`)
      return
    }
    if (node.spec?.configSource !== undefined && !semanticEqual(node.spec.configSource, old?.spec?.configSource)) {
      throw refusal(attributes, `node ${quoted} is not allowed to update configSource to a new non-nil configSource`)
    }
    if (!semanticEqual(node.spec?.taints, old?.spec?.taints)) throw refusal(attributes, `node ${quoted} is not allowed to modify taints`)
    if (forbidden.length > 0) throw refusal(attributes, `is not allowed to modify labels: ${forbidden.join(', ')}`)
    if (!semanticEqual(node.metadata.ownerReferences, old?.metadata.ownerReferences)) throw refusal(attributes, `node ${quoted} is not allowed to modify ownerReferences`)
  }

  async function checkToken(nodeName: string, attributes: AdmissionAttributes): Promise<void> {
    const reference = (attributes.object as TokenRequest).spec.boundObjectRef
    if (reference?.apiVersion !== 'v1' || reference.kind !== 'Pod' || (reference.name ?? '') === '') throw refusal(attributes, 'node requested token not bound to a pod')
    if ((reference.uid ?? '') === '') throw refusal(attributes, 'node requested token with a pod binding without a uid')
    const pod = await standingPod(attributes.namespace, reference.name!)
    if (pod.metadata.uid !== reference.uid) {
      throw refusal(attributes, `the UID in the bound object reference (${reference.uid}) does not match the UID in record. The object might have been deleted and then recreated`)
    }
    if (pod.spec.nodeName !== nodeName) throw refusal(attributes, 'node requested token bound to a pod scheduled on a different node')
    await checkAudience(attributes, pod)
  }

  /** A kubelet asks for tokens that its pods mount, or that it has been given the right to (feature ServiceAccountNodeAudienceRestriction). */
  async function checkAudience(attributes: AdmissionAttributes, pod: Pod): Promise<void> {
    const audiences = (attributes.object as TokenRequest).spec.audiences ?? []
    if (audiences.length > 1) throw refusal(attributes, 'node may only request 0 or 1 audiences')
    const [audience = ''] = audiences
    if (await mountsAudience(core, pod, audience)) return
    const { decision } = await core.authorize({
      user: attributes.user, verb: 'request-serviceaccounts-token-audience', isResourceRequest: true, path: '', apiGroup: '', apiVersion: '*', resource: audience, subresource: '',
      namespace: attributes.namespace, name: attributes.name,
    })
    if (decision !== 'allow') throw refusal(attributes, `audience ${JSON.stringify(audience)} not found in pod spec volume, ${attributes.user.username} is not authorized to request tokens for this audience`)
  }

  /** Kubelets ask for certificates of their own name only. */
  async function checkCertificateRequest(nodeName: string, attributes: AdmissionAttributes): Promise<void> {
    const { spec } = attributes.object as CertificateSigningRequest
    if (spec.signerName !== 'kubernetes.io/kubelet-serving' && spec.signerName !== 'kubernetes.io/kube-apiserver-client-kubelet') return
    const { commonNameOf } = await import('./certificate-subject.ts')
    let commonName: string
    try {
      commonName = commonNameOf(spec.request)
    } catch (cause) {
      throw refusal(attributes, `unable to parse csr: ${cause instanceof Error ? cause.message : String(cause)}`)
    }
    if (commonName !== `system:node:${nodeName}`) throw refusal(attributes, `can only create a node CSR with CN=system:node:${nodeName}`)
  }

  function checkClaimStatus(attributes: AdmissionAttributes, quoted: string): void {
    const bare = (object: Readonly<KubeObject> | undefined): unknown => {
      const claim = object as PersistentVolumeClaim
      const { capacity: _capacity, conditions: _conditions, allocatedResources: _amounts, allocatedResourceStatuses: _statuses, ...status } = claim.status ?? {}
      return { ...claim, metadata: { ...claim.metadata, resourceVersion: undefined, managedFields: undefined }, status }
    }
    if (!semanticEqual(bare(attributes.object), bare(attributes.oldObject))) {
      throw refusal(attributes, `node ${quoted} is not allowed to update fields other than status.capacity and status.conditions`)
    }
  }

  return {
    name: 'NodeRestriction',
    handles: (operation) => operation !== 'CONNECT',
    mutate(attributes) {
      const nodeName = nodeNameOf(attributes.user)
      if (nodeName === undefined) return
      if (nodeName === '') throw refusal(attributes, `could not determine node from user ${JSON.stringify(attributes.user.username)}`)
      const quoted = JSON.stringify(nodeName)
      const { resource, operation, subresource, name } = attributes
      const objectName = name === '' ? attributes.object?.metadata.name : name
      switch (`${resource.group}/${resource.resource}`) {
        case '/pods': return checkPod(nodeName, attributes, quoted)
        case '/nodes': return checkNode(nodeName, attributes, quoted)
        case '/serviceaccounts': return operation === 'CREATE' && subresource === 'token' ? checkToken(nodeName, attributes) : undefined
        case '/persistentvolumeclaims':
          if (subresource !== 'status') throw refusal(attributes, 'may only update PVC status')
          return checkClaimStatus(attributes, quoted)
        case 'coordination.k8s.io/leases':
          if (attributes.namespace !== 'kube-node-lease') throw refusal(attributes, 'can only access leases in the "kube-node-lease" system namespace')
          if (objectName !== nodeName) throw refusal(attributes, 'can only access node lease with the same name as the requesting node')
          return
        case 'certificates.k8s.io/certificatesigningrequests':
          return operation === 'CREATE' && subresource === '' ? checkCertificateRequest(nodeName, attributes) : undefined
        case 'storage.k8s.io/csinodes':
          if (objectName !== nodeName) throw refusal(attributes, 'can only access CSINode with the same name as the requesting node')
          return
        case 'resource.k8s.io/resourceslices':
          if (((attributes.object ?? attributes.oldObject) as ResourceSlice | undefined)?.spec.nodeName !== nodeName) throw refusal(attributes, `can only ${operation === 'DELETE' ? 'delete' : 'create'} ResourceSlice with the same NodeName as the requesting node`)
          return
        default:
      }
    },
  }
}
