import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { validateLabels } from '../../machinery/labels.ts'
import { dnsLabelErrors, dnsSubdomainErrors, dnsSubdomainUnderscoreErrors, qualifiedNameErrors, rangeError } from '../../machinery/names.ts'
import type { ObjectMeta } from '../../machinery/object.ts'
import type { Container, EphemeralContainer, PodSpec, PodTemplateSpec } from '../types/core_v1.ts'
import { parseQuantity, quantityFromMilli, quantityFromValue, quantityText } from '../../machinery/quantity.ts'
import { amountOf, podLimits, podRequests } from '../pod-resources.ts'
import { checkAffinity, checkSpreadConstraints, checkTolerations } from './affinity.ts'
import { checkRequirements, checkResourceName, isHugePages } from './amounts.ts'
import { addInvalid, checkOneOf, isEmpty } from './check.ts'
import { checkContainers, checkEphemeralContainers, checkInitContainers } from './containers.ts'
import type { PodFacts } from './containers.ts'
import { internalForm } from './internal-form.ts'
import { checkIp } from './ip-fields.ts'
import { validateAnnotations } from './object-meta.ts'
import { checkHostProcess, checkOs, containersWithPath } from './pod-os.ts'
import { checkProfileAnnotations, checkProfilesAgree } from './profile-annotations.ts'
import { checkPodSecurityContext } from './security-context.ts'
import { checkVolumes } from './volumes.ts'

/** Rules of a pod spec, wherever it stands (upstream's `ValidatePodSpec`). */

const dnsPolicies = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None']

function checkDns(out: FieldError[], path: string, { dnsPolicy, dnsConfig }: Readonly<PodSpec>): void {
  if (dnsPolicy === 'None') {
    if (dnsConfig === undefined) {
      out.push(fieldErrors.required(path, 'must provide `dnsConfig` when `dnsPolicy` is None'))
      return
    }
    if ((dnsConfig.nameservers ?? []).length === 0) {
      out.push(fieldErrors.required(`${path}.nameservers`, 'must provide at least one DNS nameserver when `dnsPolicy` is None'))
      return
    }
  }
  const { nameservers = [], searches = [], options = [] } = dnsConfig ?? {}
  if (nameservers.length > 3) out.push(fieldErrors.invalid(`${path}.nameservers`, nameservers, 'must not have more than 3 nameservers'))
  nameservers.forEach((server, i) => checkIp(out, `${path}.nameservers[${i}]`, server))
  if (searches.length > 32) out.push(fieldErrors.invalid(`${path}.searches`, searches, 'must not have more than 32 search paths'))
  if (searches.join(' ').length > 2048) out.push(fieldErrors.invalid(`${path}.searches`, searches, 'must not have more than 2048 characters (including spaces) in the search list'))
  searches.forEach((search, i) => {
    const trimmed = search.replace(/\.$/, '')
    if (search !== '.') addInvalid(out, `${path}.searches[${i}]`, trimmed, dnsSubdomainUnderscoreErrors(trimmed))
  })
  options.forEach((option, i) => {
    if (isEmpty(option.name)) out.push(fieldErrors.required(`${path}.options[${i}]`, 'must not be empty'))
  })
}

function checkGates(out: FieldError[], path: string, spec: Readonly<PodSpec>): void {
  for (const [i, { conditionType }] of (spec.readinessGates ?? []).entries()) addInvalid(out, `${path}.readinessGates[${i}].conditionType`, conditionType, qualifiedNameErrors(conditionType))
  const seen = new Set<string>()
  for (const [i, { name }] of (spec.schedulingGates ?? []).entries()) {
    addInvalid(out, `${path}.schedulingGates[${i}]`, name, qualifiedNameErrors(name))
    if (seen.has(name)) out.push(fieldErrors.duplicate(`${path}.schedulingGates[${i}]`, name))
    seen.add(name)
  }
}

function checkResourceClaims(out: FieldError[], path: string, spec: Readonly<PodSpec>, isMirror: boolean): Set<string> {
  const names = new Set<string>()
  for (const [i, claim] of (spec.resourceClaims ?? []).entries()) {
    const at = `${path}[${i}]`
    if (isMirror) {
      out.push(fieldErrors.forbidden('[]', 'static pods do not support resource claims'))
      if (!isEmpty(claim.name)) names.add(claim.name)
      continue
    }
    if (isEmpty(claim.name)) out.push(fieldErrors.required(`${at}.name`))
    else if (names.has(claim.name)) out.push(fieldErrors.duplicate(`${at}.name`, claim.name))
    else {
      addInvalid(out, `${at}.name`, claim.name, dnsLabelErrors(claim.name))
      names.add(claim.name)
    }
    const { resourceClaimName, resourceClaimTemplateName } = claim
    if (resourceClaimName !== undefined && resourceClaimTemplateName !== undefined) out.push(fieldErrors.invalid(at, internalForm('PodResourceClaim', claim), 'at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified'))
    if (resourceClaimName === undefined && resourceClaimTemplateName === undefined) out.push(fieldErrors.invalid(at, internalForm('PodResourceClaim', claim), 'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`'))
    if (resourceClaimName !== undefined) addInvalid(out, `${at}.resourceClaimName`, resourceClaimName, dnsSubdomainErrors(resourceClaimName))
    if (resourceClaimTemplateName !== undefined) addInvalid(out, `${at}.resourceClaimTemplateName`, resourceClaimTemplateName, dnsSubdomainErrors(resourceClaimTemplateName))
  }
  return names
}

/** `resources` of the pod as a whole (KEP-2837). */
function checkPodResources(out: FieldError[], path: string, spec: Readonly<PodSpec>, claimNames: ReadonlySet<string>): void {
  if (spec.resources === undefined) return
  if (spec.os?.name === 'windows') {
    out.push(fieldErrors.forbidden(path, 'may not be set for a windows pod'))
    return
  }
  if (spec.resources.claims !== undefined) out.push(fieldErrors.forbidden(`${path}.claims`, 'claims may not be set for Resources at pod-level'))
  checkRequirements(out, path, spec.resources, claimNames, checkPodResourceName)
  checkContainersFit(out, path, spec)
}

function checkPodResourceName(out: FieldError[], path: string, name: string): void {
  const before = out.length
  checkResourceName(out, path, name)
  if (out.length === before && name !== 'cpu' && name !== 'memory' && !isHugePages(name)) out.push(fieldErrors.notSupported(path, name, ['cpu', 'hugepages-', 'memory']))
}

/** What containers ask for together must not be more than what is asked for the pod; no one's limit may be above the pod's (KEP-2837). */
function checkContainersFit(out: FieldError[], path: string, spec: Readonly<PodSpec>): void {
  const { requests = {}, limits = {} } = spec.resources ?? {}
  const { resources: _own, overhead: _added, ...rest } = spec
  const total = podRequests({ ...rest, containers: spec.containers ?? [] })
  for (const [name, amount] of total) {
    const own = Object.hasOwn(requests, name) ? requests[name] : undefined
    if (own === undefined || amount <= amountOf(name, own)) continue
    const text = quantityText(name === 'cpu' ? quantityFromMilli(amount) : quantityFromValue(amount, parseQuantity(own).format))
    out.push(fieldErrors.invalid(`${path}.requests[${name}]`, own, `must be greater than or equal to aggregate container requests of ${text}`))
  }
  for (const [name, amount] of podLimits({ ...rest, containers: spec.containers ?? [] })) {
    const own = isHugePages(name) && Object.hasOwn(limits, name) ? limits[name] : undefined
    if (own === undefined || amount <= amountOf(name, own)) continue
    out.push(fieldErrors.invalid(`${path}.limits[${name}]`, own, `must be greater than or equal to aggregate container limits of ${quantityText(quantityFromValue(amount, parseQuantity(own).format))}`))
  }
  for (const [i, container] of (spec.containers ?? []).entries()) {
    for (const [name, limit] of Object.entries(container.resources?.limits ?? {})) {
      const own = Object.hasOwn(limits, name) ? limits[name] : undefined
      if (own !== undefined && amountOf(name, limit) > amountOf(name, own)) out.push(fieldErrors.invalid(`${path}.containers[${i}][${name}].limits`, limit, `must be less than or equal to pod limits of ${own}`))
    }
  }
}

function checkHostNetwork(out: FieldError[], path: string, spec: Readonly<PodSpec>, isPod: boolean): void {
  if (spec.hostNetwork !== true) return
  for (const [c, container] of (spec.containers ?? []).entries()) {
    for (const [p, { hostPort = 0, containerPort }] of (container.ports ?? []).entries()) {
      if ((isPod || hostPort !== 0) && hostPort !== containerPort) out.push(fieldErrors.invalid(`${path}.containers[${c}].ports[${p}].hostPort`, hostPort, 'must match `containerPort` when `hostNetwork` is true'))
    }
  }
}

/** What does not go with users of the pod's own (KEP-127). */
function checkHostUsers(out: FieldError[], path: string, spec: Readonly<PodSpec>): void {
  if (spec.hostUsers !== false) return
  for (const [field, name] of [['hostNetwork', 'hostNetwork'], ['hostPID', 'HostPID'], ['hostIPC', 'HostIPC']] as const) {
    if (spec[field] === true) out.push(fieldErrors.forbidden(`${path}.${name}`, 'when `hostUsers` is false'))
  }
  for (const [container, at] of containersWithPath(spec, path)) {
    if ((container.volumeDevices ?? []).length > 0) out.push(fieldErrors.forbidden(`${at}.volumeDevices`, 'when `hostUsers` is false'))
  }
}

/** A name for the pod that is no part of the cluster's DNS (KEP-4762). */
function checkHostnameOverride(out: FieldError[], path: string, spec: Readonly<PodSpec>): void {
  const name = spec.hostnameOverride
  const at = `${path}.hostnameOverride`
  if (name === undefined) return
  if (spec.setHostnameAsFQDN === true) out.push(fieldErrors.forbidden(at, 'may not be specified when setHostnameAsFQDN is true'))
  if (spec.hostNetwork === true) out.push(fieldErrors.forbidden(at, 'may not be specified when hostNetwork is true'))
  if (name.length > 64) out.push(fieldErrors.tooLong(at, 64))
  addInvalid(out, at, name, dnsSubdomainErrors(name))
}

function namesFiles(containers: ReadonlyArray<Container | EphemeralContainer> | undefined): boolean {
  return containers?.some(({ env }) => env?.some(({ valueFrom }) => valueFrom?.fileKeyRef !== undefined) === true) === true
}

/** Variables that come from files are read from volumes that live as long as the pod (KEP-3721). */
function checkFileVariables(out: FieldError[], path: string, spec: Readonly<PodSpec>): void {
  if (!namesFiles(spec.initContainers) && !namesFiles(spec.containers) && !namesFiles(spec.ephemeralContainers)) return
  for (const [container, at] of containersWithPath(spec, path)) {
    for (const [i, { valueFrom }] of (container.env ?? []).entries()) {
      if (valueFrom?.fileKeyRef === undefined) continue
      const name = valueFrom.fileKeyRef.volumeName ?? ''
      const volume = (spec.volumes ?? []).findLast((other) => other.name === name)
      if (volume === undefined) out.push(fieldErrors.notFound(`${at}.env[${i}].valueFrom.fileKeyRef.volumeName`, name))
      else if (volume.emptyDir === undefined) out.push(fieldErrors.invalid(`${at}.env[${i}].valueFrom.fileKeyRef.volumeName`, name, 'referenced volume must be of type emptyDir'))
    }
  }
}

function checkSubdomain(out: FieldError[], path: string, name: string | undefined): void {
  if (!isEmpty(name)) addInvalid(out, path, name, dnsSubdomainErrors(name))
}

/** `podName` is '' where the spec is a template's; `isMirror`: the pod shows a static one. */
export interface PodSpecOptions { podName: string; isPod: boolean; isMirror?: boolean; mayRestartInit?: boolean }

export function checkPodSpec(out: FieldError[], path: string, spec: Readonly<PodSpec>, options: PodSpecOptions): void {
  const graceSeconds = spec.terminationGracePeriodSeconds
  if (graceSeconds === undefined) out.push(fieldErrors.required(`${path}.terminationGracePeriodSeconds`))
  const volumes = checkVolumes(out, `${path}.volumes`, spec.volumes, options.podName)
  const claimNames = checkResourceClaims(out, `${path}.resourceClaims`, spec, options.isMirror === true)
  const facts: PodFacts = { volumes, claimNames, graceSeconds, restartPolicy: spec.restartPolicy, hostUsers: spec.hostUsers !== false, os: spec.os === undefined ? undefined : (spec.os.name ?? ''), mayRestartInit: options.mayRestartInit === true }
  checkContainers(out, `${path}.containers`, spec.containers, facts)
  if (spec.initContainers !== undefined) checkInitContainers(out, `${path}.initContainers`, spec.initContainers, spec.containers, facts)
  if (spec.ephemeralContainers !== undefined) checkEphemeralContainers(out, `${path}.ephemeralContainers`, spec.ephemeralContainers, [...(spec.containers ?? []), ...(spec.initContainers ?? [])], facts)
  checkPodResources(out, `${path}.resources`, spec, claimNames)
  checkHostNetwork(out, path, spec, options.isPod)
  checkOneOf(out, `${path}.restartPolicy`, spec.restartPolicy, ['Always', 'OnFailure', 'Never'])
  checkOneOf(out, `${path}.dnsPolicy`, spec.dnsPolicy, dnsPolicies)
  if (spec.nodeSelector !== undefined) out.push(...validateLabels(spec.nodeSelector, `${path}.nodeSelector`))
  checkPodSecurityContext(out, `${path}.securityContext`, spec)
  checkAffinity(out, `${path}.affinity`, spec.affinity)
  checkDns(out, `${path}.dnsConfig`, spec)
  checkGates(out, path, spec)
  checkSpreadConstraints(out, `${path}.topologySpreadConstraints`, spec.topologySpreadConstraints)
  checkHostProcess(out, path, spec)
  checkHostUsers(out, path, spec)
  checkHostnameOverride(out, path, spec)
  checkPlainFields(out, path, spec)
  if (spec.overhead !== undefined) checkRequirements(out, `${path}.overhead`, { limits: spec.overhead }, claimNames)
  checkOs(out, path, spec)
  if (spec.schedulingGroup !== undefined) {
    const name = spec.schedulingGroup.podGroupName
    const at = `${path}.schedulingGroup.podGroupName`
    if (name === undefined) out.push(fieldErrors.invalid(at, null, 'must specify one of: `podGroupName`'))
    else addInvalid(out, at, name, dnsSubdomainErrors(name))
  }
  checkFileVariables(out, path, spec)
}

/** Fields that are looked at one by one, in upstream's order. */
function checkPlainFields(out: FieldError[], path: string, spec: Readonly<PodSpec>): void {
  checkSubdomain(out, `${path}.serviceAccountName`, spec.serviceAccountName)
  checkSubdomain(out, `${path}.nodeName`, spec.nodeName)
  const deadline = spec.activeDeadlineSeconds
  if (deadline !== undefined && (deadline < 1 || deadline > 2147483647)) out.push(fieldErrors.invalid(`${path}.activeDeadlineSeconds`, deadline, rangeError(1, 2147483647)))
  for (const field of ['hostname', 'subdomain'] as const) {
    const value = spec[field]
    if (!isEmpty(value)) addInvalid(out, `${path}.${field}`, value, dnsLabelErrors(value))
  }
  checkTolerations(out, `${path}.tolerations`, spec.tolerations)
  for (const [i, alias] of (spec.hostAliases ?? []).entries()) {
    checkIp(out, `${path}.hostAliases[${i}].ip`, alias.ip ?? '')
    for (const [h, hostname] of (alias.hostnames ?? []).entries()) addInvalid(out, `${path}.hostAliases[${i}].hostnames[${h}]`, hostname, dnsSubdomainErrors(hostname))
  }
  checkSubdomain(out, `${path}.priorityClassName`, spec.priorityClassName)
  const { runtimeClassName } = spec
  if (runtimeClassName !== undefined) addInvalid(out, `${path}.runtimeClassName`, runtimeClassName, dnsSubdomainErrors(runtimeClassName))
  if (spec.preemptionPolicy !== undefined) checkOneOf(out, `${path}.preemptionPolicy`, spec.preemptionPolicy, ['PreemptLowerPriority', 'Never'])
}

/** Annotations that mean something to pods. */
export function checkPodAnnotations(out: FieldError[], path: string, metadata: Readonly<ObjectMeta>, spec: Readonly<PodSpec>): void {
  const annotations = metadata.annotations
  if (annotations === undefined) return
  const mirror = annotations['kubernetes.io/config.mirror']
  if (mirror !== undefined && isEmpty(spec.nodeName)) out.push(fieldErrors.invalid(`${path}[kubernetes.io/config.mirror]`, mirror, 'must set spec.nodeName if mirror pod annotation is set'))
  const cost = annotations['controller.kubernetes.io/pod-deletion-cost']
  if (cost !== undefined && (!/^(0|-?[1-9]\d{0,9})$/.test(cost) || Math.abs(Number(cost)) > 2147483647)) {
    out.push(fieldErrors.invalid(`${path}[controller.kubernetes.io/pod-deletion-cost]`, cost, 'must be a 32bit integer'))
  }
  checkProfileAnnotations(out, path, annotations, spec)
}

/** The template of a workload: labels, annotations and spec. */
export function checkPodTemplate(out: FieldError[], path: string, { metadata = {}, spec = { containers: [] } }: Readonly<Partial<PodTemplateSpec>> = {}): void {
  out.push(...validateLabels(metadata.labels, `${path}.labels`), ...validateAnnotations(metadata.annotations, `${path}.annotations`))
  checkPodAnnotations(out, `${path}.annotations`, metadata, spec)
  checkPodSpec(out, `${path}.spec`, spec, { podName: '', isPod: false })
  checkProfilesAgree(out, `${path}.spec`, metadata, spec)
  if ((spec.ephemeralContainers ?? []).length > 0) out.push(fieldErrors.forbidden(`${path}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template'))
}
