import { parseIp } from '../../machinery/cidr.ts'
import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { dnsLabelErrors, dnsSubdomainErrors, qualifiedNameErrors, userIdErrors } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { Container, ContainerStatus, Pod, PodExtendedResourceClaimStatus, PodResourceClaim, PodResourceClaimStatus, PodSpec } from '../types/core_v1.ts'
import { addInvalid, checkOptionalOneOf, isEmpty } from './check.ts'
import { checkIp } from './ip-fields.ts'
import { validateImmutable } from './object-meta.ts'
import { checkAnnotationUpdates } from './pod-annotations.ts'

/** What a kubelet may say of a pod, and how it may go on from what it said before (upstream's `ValidatePodStatusUpdate`). */

const all = (spec: Readonly<PodSpec>): Container[] => [...(spec.initContainers ?? []), ...(spec.containers ?? [])]

/** Whether a container that ended so is started again: by a rule of its own, its own policy, or the pod's (KEP-5307). */
function isRestarted({ restartPolicy, restartPolicyRules = [] }: Readonly<Container>, ofPod: string | undefined, exitCode: number): boolean {
  const byPolicy = (policy: string | undefined): boolean => (policy === 'OnFailure' ? exitCode !== 0 : policy !== 'Never')
  if (restartPolicy === undefined) return byPolicy(ofPod)
  const hit = restartPolicyRules.some(({ exitCodes }) => exitCodes !== undefined && (exitCodes.values ?? []).includes(exitCode) === (exitCodes.operator === 'In'))
  return hit || byPolicy(restartPolicy)
}

function checkTransitions(out: FieldError[], path: string, now: readonly ContainerStatus[] = [], before: readonly ContainerStatus[] = [], mayRestart: (name: string, exitCode: number) => boolean): void {
  for (const [i, { name, state }] of before.entries()) {
    if (state?.terminated === undefined) continue
    const next = now.find((status) => status.name === name && status.state?.terminated === undefined)
    if (next !== undefined && !mayRestart(name, state.terminated.exitCode)) out.push(fieldErrors.forbidden(`${path}[${i}].state`, 'may not be transitioned to non-terminated state'))
  }
}

function checkAllTransitions(out: FieldError[], pod: Readonly<Pod>, before: Readonly<Pod>): void {
  const { spec } = before
  const now = pod.status ?? {}
  const then = before.status ?? {}
  const restartsAll = all(spec).some(({ restartPolicyRules = [] }) => restartPolicyRules.some(({ action }) => action === 'RestartAllContainers'))
  if (!restartsAll) {
    const among = (containers: readonly Container[] = []) => (name: string, exitCode: number): boolean => {
      const container = containers.find((other) => other.name === name)
      return container !== undefined && isRestarted(container, spec.restartPolicy, exitCode)
    }
    checkTransitions(out, 'status.containerStatuses', now.containerStatuses, then.containerStatuses, among(spec.containers))
    checkTransitions(out, 'status.initContainerStatuses', now.initContainerStatuses, then.initContainerStatuses, among(spec.initContainers))
  }
  checkTransitions(out, 'status.ephemeralContainerStatuses', now.ephemeralContainerStatuses, then.ephemeralContainerStatuses, () => false)
}

function checkIps(out: FieldError[], path: string, ips: ReadonlyArray<{ ip?: string }> = [], before: ReadonlyArray<{ ip?: string }> = []): void {
  const known = before.map(({ ip = '' }) => ip)
  for (const [i, { ip = '' }] of ips.entries()) checkIp(out, `${path}[${i}]`, ip, known)
  if (ips.length < 2) return
  const families = ips.map(({ ip = '' }) => parseIp(ip)?.family)
  const bad = families.indexOf(undefined)
  if (bad >= 0) out.push(fieldErrors.internal(path, `failed to check for dual stack with error:invalid IP[${bad}]: ${ips[bad]?.ip ?? ''}`))
  if (ips.length > 2 || bad >= 0 || families[0] === families[1]) out.push(fieldErrors.invalid(path, ips.map(({ ip = '' }) => ({ IP: ip })), 'may specify no more than one IP for each IP family'))
}

function checkClaimStatuses(out: FieldError[], statuses: readonly PodResourceClaimStatus[] = [], claims: readonly PodResourceClaim[] = []): void {
  const names = new Set<string>()
  for (const [i, { name = '', resourceClaimName }] of statuses.entries()) {
    const at = `status.resourceClaimStatuses[${i}]`
    if (!claims.some((claim) => claim.name === name)) out.push(fieldErrors.invalid(`${at}.name`, name, 'must match the name of an entry in `spec.resourceClaims`'))
    if (names.has(name)) out.push(fieldErrors.duplicate(`${at}.name`, name))
    names.add(name)
    if (resourceClaimName !== undefined) addInvalid(out, `${at}.resourceClaimName`, resourceClaimName, dnsSubdomainErrors(resourceClaimName))
  }
}

/** A claim made for resources that containers name as if they were the node's own (KEP-5004). */
function checkExtendedClaim(out: FieldError[], path: string, { requestMappings = [], resourceClaimName }: Readonly<PodExtendedResourceClaimStatus>, spec: Readonly<PodSpec>): void {
  if (requestMappings.length === 0) out.push(fieldErrors.required(`${path}.requestMappings`, 'at least one request mapping is required'))
  const seen = new Set<string>()
  for (const [i, { containerName = '', resourceName = '', requestName = '' }] of requestMappings.entries()) {
    const at = `${path}.requestMappings[${i}]`
    const container = all(spec).findLast(({ name }) => name === containerName)
    if (container === undefined) out.push(fieldErrors.invalid(`${at}.containerName`, containerName, 'must match the name of an entry in spec.initContainers.name or spec.containers.name'))
    else if (!Object.hasOwn(container.resources?.requests ?? {}, resourceName)) {
      out.push(fieldErrors.invalid(`${at}.resourceName`, resourceName, 'must match the extended resource name of an entry in spec.initContainers.resources.requests or spec.containers.resources.requests'))
    }
    addInvalid(out, `${path}.requestName`, requestName, dnsLabelErrors(requestName))
    const key = JSON.stringify([containerName, resourceName, requestName])
    if (seen.has(key)) out.push(fieldErrors.duplicate(`${at}.containerName`, containerName), fieldErrors.duplicate(`${at}.resourceName`, resourceName), fieldErrors.duplicate(`${at}.requestName`, requestName))
    seen.add(key)
  }
  if (isEmpty(resourceClaimName)) out.push(fieldErrors.required(`${path}.resourceClaimName`))
  else addInvalid(out, `${path}.resourceClaimName`, resourceClaimName, dnsSubdomainErrors(resourceClaimName))
}

function checkUsers(out: FieldError[], path: string, statuses: readonly ContainerStatus[] = [], os: string): void {
  for (const [i, { user }] of statuses.entries()) {
    const linux = user?.linux
    const at = `${path}[${i}].user.linux`
    if (linux === undefined) continue
    if (os === 'windows') out.push(fieldErrors.forbidden(at, 'cannot be set for a windows pod'))
    if (os !== 'linux') continue
    addInvalid(out, `${at}.uid`, linux.uid, userIdErrors(linux.uid))
    addInvalid(out, `${at}.gid`, linux.gid, userIdErrors(linux.gid))
    for (const [g, gid] of (linux.supplementalGroups ?? []).entries()) addInvalid(out, `${at}.supplementalGroups[${g}]`, gid, userIdErrors(gid))
  }
}

const maxHealthMessageBytes = 1024

/** Health of devices (KEP-4680): of resources that the container asks for, each device once. */
function checkDeviceHealth(out: FieldError[], path: string, statuses: readonly ContainerStatus[] = [], containers: readonly Container[] = []): void {
  for (const [i, status] of statuses.entries()) {
    const container = containers.find(({ name }) => name === status.name)
    for (const [j, { name, resources = [] }] of (status.allocatedResourcesStatus ?? []).entries()) {
      const at = `${path}[${i}].allocatedResourcesStatus[${j}]`
      if (container !== undefined && name.startsWith('claim:')) {
        const known = (container.resources?.claims ?? []).map((claim) => `claim:${claim.name}${isEmpty(claim.request) ? '' : `/${claim.request}`}`)
        if (!known.includes(name)) out.push(fieldErrors.invalid(`${at}.name`, name, "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' or 'claim:<claimName>' if request is empty"))
      } else if (container !== undefined && !Object.hasOwn(container.resources?.requests ?? {}, name)) out.push(fieldErrors.invalid(`${at}.name`, name, "must match one of the container's resource requests"))
      const seen = new Set<string>()
      for (const [k, { resourceID, health = '', message }] of resources.entries()) {
        checkOptionalOneOf(out, `${at}.resources[${k}].health`, health, ['Healthy', 'Unhealthy', 'Unknown'])
        if (message === '') out.push(fieldErrors.required(`${at}.resources[${k}].message`, 'must be non-empty if specified'))
        else if (message !== undefined && Buffer.byteLength(message) > maxHealthMessageBytes) out.push(fieldErrors.tooLong(`${at}.resources[${k}].message`, maxHealthMessageBytes))
        if (seen.has(resourceID)) out.push(fieldErrors.duplicate(`${at}.resources[${k}].resourceID`, resourceID))
        seen.add(resourceID)
      }
    }
  }
}

const systemConditions = new Set(['PodScheduled', 'Ready', 'Initialized'])
const countText = 'must be a non-negative integer'

export function validatePodStatusUpdate(object: Readonly<OpenObject>, old: Readonly<OpenObject>): FieldError[] {
  const pod = object as unknown as Pod
  const before = old as unknown as Pod
  const out: FieldError[] = []
  const status = pod.status ?? {}
  const then = before.status ?? {}
  const { spec } = pod
  checkAnnotationUpdates(out, pod, before)
  for (const [i, { type, observedGeneration = 0 }] of (status.conditions ?? []).entries()) {
    if (observedGeneration < 0) out.push(fieldErrors.invalid(`status.conditions[${i}].observedGeneration`, observedGeneration, countText))
    if (!systemConditions.has(type)) addInvalid(out, `status.conditions[${i}].Type`, type, qualifiedNameErrors(type))
  }
  const nominated = status.nominatedNodeName
  if (!isEmpty(nominated) && nominated !== then.nominatedNodeName) {
    addInvalid(out, 'status.nominatedNodeName', nominated, dnsSubdomainErrors(nominated))
    if (!isEmpty(before.spec.nodeName)) out.push(fieldErrors.forbidden('status.nominatedNodeName', 'may not be set on pods that are already bound to a node'))
  }
  if ((status.observedGeneration ?? 0) < 0) out.push(fieldErrors.invalid('status.observedGeneration', status.observedGeneration, countText))
  out.push(...validateImmutable(status.qosClass, then.qosClass, 'status.qosClass'))
  checkAllTransitions(out, pod, before)
  checkClaimStatuses(out, status.resourceClaimStatuses, spec.resourceClaims)
  if (status.extendedResourceClaimStatus !== undefined) checkExtendedClaim(out, 'status.extendedResourceClaimStatus', status.extendedResourceClaimStatus, spec)
  checkIps(out, 'status.podIPs', status.podIPs, then.podIPs)
  const hostIp = status.hostIPs?.[0]?.ip ?? ''
  if (status.hostIPs !== undefined && status.hostIPs.length > 0 && (status.hostIP ?? '') !== hostIp) out.push(fieldErrors.invalid('status.hostIPs[0].ip', hostIp, 'must be equal to `hostIP`'))
  checkIps(out, 'status.hostIPs', status.hostIPs, then.hostIPs)
  const os = spec.os?.name ?? 'linux'
  for (const field of ['containerStatuses', 'initContainerStatuses', 'ephemeralContainerStatuses'] as const) checkUsers(out, `status.${field}`, status[field], os)
  checkDeviceHealth(out, 'status.containerStatuses', status.containerStatuses, spec.containers)
  checkDeviceHealth(out, 'status.initContainerStatuses', status.initContainerStatuses, spec.initContainers)
  for (const [i, { allocatedResourcesStatus = [] }] of (status.ephemeralContainerStatuses ?? []).entries()) {
    if (allocatedResourcesStatus.length > 0) out.push(fieldErrors.forbidden(`status.ephemeralContainerStatuses[${i}].allocatedResourcesStatus`, 'must not be specified in container status'))
  }
  return out
}
