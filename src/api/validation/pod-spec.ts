import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { canonicalIpErrors } from '../../machinery/ip-checks.ts'
import { validateLabels } from '../../machinery/labels.ts'
import { dnsLabelErrors, dnsSubdomainErrors, dnsSubdomainUnderscoreErrors, qualifiedNameErrors, rangeError } from '../../machinery/names.ts'
import type { ObjectMeta } from '../../machinery/object.ts'
import type { PodSpec, PodTemplateSpec } from '../types/core_v1.ts'
import { parseQuantity, quantityFromMilli, quantityFromValue, quantityText } from '../../machinery/quantity.ts'
import { amountOf, podRequests } from '../pod-resources.ts'
import { checkAffinity, checkSpreadConstraints, checkTolerations } from './affinity.ts'
import { checkRequirements, isHugePages } from './amounts.ts'
import { addInvalid, checkOneOf, isEmpty } from './check.ts'
import { checkContainers, checkEphemeralContainers, checkInitContainers } from './containers.ts'
import type { PodFacts } from './containers.ts'
import { validateAnnotations } from './object-meta.ts'
import { checkHostProcess, checkOs } from './pod-os.ts'
import { checkProfileAnnotations } from './profile-annotations.ts'
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
  nameservers.forEach((server, i) => addInvalid(out, `${path}.nameservers[${i}]`, server, canonicalIpErrors(server)))
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

function checkResourceClaims(out: FieldError[], path: string, spec: Readonly<PodSpec>): Set<string> {
  const names = new Set<string>()
  for (const [i, claim] of (spec.resourceClaims ?? []).entries()) {
    const at = `${path}[${i}]`
    if (isEmpty(claim.name)) out.push(fieldErrors.required(`${at}.name`))
    else if (names.has(claim.name)) out.push(fieldErrors.duplicate(`${at}.name`, claim.name))
    else {
      addInvalid(out, `${at}.name`, claim.name, dnsLabelErrors(claim.name))
      names.add(claim.name)
    }
    const { resourceClaimName, resourceClaimTemplateName } = claim
    if (resourceClaimName !== undefined && resourceClaimTemplateName !== undefined) out.push(fieldErrors.invalid(at, claim, 'at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified'))
    if (resourceClaimName === undefined && resourceClaimTemplateName === undefined) out.push(fieldErrors.invalid(at, claim, 'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`'))
    if (resourceClaimName !== undefined) addInvalid(out, `${at}.resourceClaimName`, resourceClaimName, dnsSubdomainErrors(resourceClaimName))
    if (resourceClaimTemplateName !== undefined) addInvalid(out, `${at}.resourceClaimTemplateName`, resourceClaimTemplateName, dnsSubdomainErrors(resourceClaimTemplateName))
  }
  return names
}

function checkPodResourceName(out: FieldError[], path: string, name: string): void {
  if (name !== 'cpu' && name !== 'memory' && !isHugePages(name)) out.push(fieldErrors.notSupported(path, name, ['cpu', 'hugepages-', 'memory']))
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

function checkHostUsers(out: FieldError[], path: string, spec: Readonly<PodSpec>): void {
  if (spec.hostUsers !== false) return
  for (const [field, name] of [['hostNetwork', 'hostNetwork'], ['hostPID', 'HostPID'], ['hostIPC', 'HostIPC']] as const) {
    if (spec[field] === true) out.push(fieldErrors.forbidden(`${path}.${name}`, 'when `pod.Spec.HostUsers` is false'))
  }
}

/** Fields that hold one name. */
function checkNames(out: FieldError[], path: string, spec: Readonly<PodSpec>): void {
  for (const field of ['serviceAccountName', 'nodeName', 'priorityClassName', 'runtimeClassName'] as const) {
    const value = spec[field]
    if (!isEmpty(value)) addInvalid(out, `${path}.${field}`, value, dnsSubdomainErrors(value))
  }
  for (const field of ['hostname', 'subdomain'] as const) {
    const value = spec[field]
    if (!isEmpty(value)) addInvalid(out, `${path}.${field}`, value, dnsLabelErrors(value))
  }
  checkHostnameOverride(out, path, spec)
}

/** A name for the pod that is no part of the cluster's DNS (KEP-4762). */
function checkHostnameOverride(out: FieldError[], path: string, spec: Readonly<PodSpec>): void {
  const name = spec.hostnameOverride
  if (name === undefined) return
  addInvalid(out, `${path}.hostnameOverride`, name, name.length > 64 ? ['must be no more than 64 characters'] : dnsSubdomainErrors(name))
  if (spec.setHostnameAsFQDN === true) out.push(fieldErrors.forbidden(`${path}.setHostnameAsFQDN`, 'may not be set to true if hostnameOverride is specified'))
  if (spec.hostNetwork === true) out.push(fieldErrors.forbidden(`${path}.hostNetwork`, 'may not be set to true if hostnameOverride is specified'))
}

/** `podName` is '' where the spec is a template's. */
export function checkPodSpec(out: FieldError[], path: string, spec: Readonly<PodSpec>, options: { podName: string; isPod: boolean }): void {
  const graceSeconds = spec.terminationGracePeriodSeconds
  if (graceSeconds === undefined) out.push(fieldErrors.required(`${path}.terminationGracePeriodSeconds`))
  const volumes = checkVolumes(out, `${path}.volumes`, spec.volumes, options.podName)
  const claimNames = checkResourceClaims(out, `${path}.resourceClaims`, spec)
  const facts: PodFacts = { volumes, claimNames, graceSeconds, restartPolicy: spec.restartPolicy, hostUsers: spec.hostUsers !== false, os: spec.os?.name }
  checkContainers(out, `${path}.containers`, spec.containers, facts)
  if (spec.initContainers !== undefined) checkInitContainers(out, `${path}.initContainers`, spec.initContainers, spec.containers, facts)
  if (spec.ephemeralContainers !== undefined) checkEphemeralContainers(out, `${path}.ephemeralContainers`, spec.ephemeralContainers, [...(spec.containers ?? []), ...(spec.initContainers ?? [])], facts)
  if (spec.resources !== undefined) {
    if (spec.resources.claims !== undefined) out.push(fieldErrors.forbidden(`${path}.resources.claims`, 'claims cannot be set for Resources at pod-level'))
    checkRequirements(out, `${path}.resources`, spec.resources, claimNames, checkPodResourceName)
    checkContainersFit(out, `${path}.resources`, spec)
  }
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
  checkNames(out, path, spec)
  const deadline = spec.activeDeadlineSeconds
  if (deadline !== undefined && (deadline < 1 || deadline > 2147483647)) out.push(fieldErrors.invalid(`${path}.activeDeadlineSeconds`, deadline, rangeError(1, 2147483647)))
  checkTolerations(out, `${path}.tolerations`, spec.tolerations)
  for (const [i, alias] of (spec.hostAliases ?? []).entries()) {
    addInvalid(out, `${path}.hostAliases[${i}].ip`, alias.ip, canonicalIpErrors(alias.ip ?? ''))
    for (const [h, hostname] of (alias.hostnames ?? []).entries()) addInvalid(out, `${path}.hostAliases[${i}].hostnames[${h}]`, hostname, dnsSubdomainErrors(hostname))
  }
  if (spec.preemptionPolicy !== undefined) checkOneOf(out, `${path}.preemptionPolicy`, spec.preemptionPolicy, ['PreemptLowerPriority', 'Never'])
  if (spec.overhead !== undefined) checkRequirements(out, `${path}.overhead`, { limits: spec.overhead }, claimNames)
  checkOs(out, path, spec)
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
export function checkPodTemplate(out: FieldError[], path: string, template: Readonly<PodTemplateSpec>): void {
  const metadata = template.metadata ?? {}
  out.push(...validateLabels(metadata.labels, `${path}.labels`), ...validateAnnotations(metadata.annotations, `${path}.annotations`))
  checkPodAnnotations(out, `${path}.annotations`, metadata, template.spec ?? { containers: [] })
  if (template.spec === undefined) out.push(fieldErrors.required(`${path}.spec`))
  else {
    checkPodSpec(out, `${path}.spec`, template.spec, { podName: '', isPod: false })
    if ((template.spec.ephemeralContainers ?? []).length > 0) out.push(fieldErrors.forbidden(`${path}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template'))
  }
}
