import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { dnsSubdomainErrors } from '../../machinery/names.ts'
import type { Container, EphemeralContainer, PodSpec, WindowsSecurityContextOptions } from '../types/core_v1.ts'
import { addInvalid } from './check.ts'

/** What the operating system of a pod demands and forbids (KEP-2802), and Windows' own settings. */

/** Init, regular and ephemeral containers with their paths, in the order upstream visits them. */
export function* containersWithPath(spec: Readonly<PodSpec>, path: string): Generator<[Readonly<Container | EphemeralContainer>, string]> {
  for (const field of ['initContainers', 'containers', 'ephemeralContainers'] as const) {
    for (const [i, container] of (spec[field] ?? []).entries()) yield [container, `${path}.${field}[${i}]`]
  }
}

const linuxOnlyPodFields = [
  'appArmorProfile', 'seLinuxOptions', 'seccompProfile', 'fsGroup', 'fsGroupChangePolicy', 'sysctls', 'runAsUser', 'runAsGroup', 'supplementalGroups', 'supplementalGroupsPolicy', 'seLinuxChangePolicy',
] as const
const linuxOnlyContainerFields = [
  'appArmorProfile', 'seLinuxOptions', 'seccompProfile', 'capabilities', 'readOnlyRootFilesystem', 'privileged', 'allowPrivilegeEscalation', 'procMount', 'runAsUser', 'runAsGroup',
] as const

function checkWindowsPod(out: FieldError[], path: string, spec: Readonly<PodSpec>): void {
  const forbid = (field: string): void => void out.push(fieldErrors.forbidden(`${path}.${field}`, 'cannot be set for a windows pod'))
  const context = spec.securityContext
  for (const field of linuxOnlyPodFields) {
    const value = context?.[field]
    if (value !== undefined && !(field === 'sysctls' && (value as unknown[]).length === 0)) forbid(`securityContext.${field}`)
    // Upstream keeps these with the security context, and checks them in the midst of it.
    if (field === 'seLinuxOptions') {
      if (spec.hostUsers !== undefined) forbid('hostUsers')
      if (spec.hostPID === true) forbid('hostPID')
      if (spec.hostIPC === true) forbid('hostIPC')
    }
    if (field === 'sysctls' && spec.shareProcessNamespace !== undefined) forbid('shareProcessNamespace')
  }
  for (const [container, at] of containersWithPath(spec, path)) {
    for (const field of linuxOnlyContainerFields) if (container.securityContext?.[field] !== undefined) out.push(fieldErrors.forbidden(`${at}.securityContext.${field}`, 'cannot be set for a windows pod'))
  }
}

function checkLinuxPod(out: FieldError[], path: string, spec: Readonly<PodSpec>): void {
  const text = 'windows options cannot be set for a linux pod'
  if (spec.securityContext?.windowsOptions !== undefined) out.push(fieldErrors.forbidden(`${path}.securityContext.windowsOptions`, text))
  for (const [container, at] of containersWithPath(spec, path)) if (container.securityContext?.windowsOptions !== undefined) out.push(fieldErrors.forbidden(`${at}.securityContext.windowsOptions`, text))
}

export function checkOs(out: FieldError[], path: string, spec: Readonly<PodSpec>): void {
  const name = spec.os?.name
  if (spec.os === undefined) return
  if (name === undefined || name === '') out.push(fieldErrors.required(`${path}.os.name`))
  else if (name === 'linux') checkLinuxPod(out, path, spec)
  else if (name === 'windows') checkWindowsPod(out, path, spec)
  else out.push(fieldErrors.notSupported(`${path}.os`, name, ['linux', 'windows']))
}

const netBiosName = /^[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}$/
const domainName = /^[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$/

function userNameProblems(name: string): string[] {
  if (name === '') return ['runAsUserName cannot be an empty string']
  // oxlint-disable-next-line no-control-regex -- what is refused
  if (/[\x00-\x1f\x7f]/.test(name)) return ['runAsUserName cannot contain control characters']
  const parts = name.split('\\')
  if (parts.length > 2) return ['runAsUserName cannot contain more than one backslash']
  const user = parts.at(-1) ?? ''
  const domain = parts.length === 2 ? (parts[0] ?? '') : undefined
  const problems: string[] = []
  if ((domain ?? '').length >= 256) problems.push("runAsUserName's Domain length must be under 256 characters")
  if (domain !== undefined && !netBiosName.test(domain) && !domainName.test(domain)) problems.push("runAsUserName's Domain doesn't match the NetBios nor the DNS format")
  if (user === '') problems.push("runAsUserName's User cannot be empty")
  else if (user.length > 104) problems.push("runAsUserName's User length must not be longer than 104 characters")
  if (/^[. ]+$/.test(user)) problems.push("runAsUserName's User cannot contain only periods or spaces")
  if (/["/\\:;|=,+*?<>@[\]]/.test(user)) problems.push('runAsUserName\'s User cannot contain the following characters: "/\\:;|=,+*?<>@[]')
  return problems
}

const maxCredentialSpecKib = 64

export function checkWindowsOptions(out: FieldError[], path: string, options: Readonly<WindowsSecurityContextOptions> | undefined): void {
  if (options === undefined) return
  const { gmsaCredentialSpecName: specName, gmsaCredentialSpec: spec, runAsUserName } = options
  if (specName !== undefined) addInvalid(out, `${path}.gmsaCredentialSpecName`, specName, dnsSubdomainErrors(specName))
  if (spec === '') out.push(fieldErrors.invalid(`${path}.gmsaCredentialSpec`, spec, 'gmsaCredentialSpec cannot be an empty string'))
  else if (spec !== undefined && Buffer.byteLength(spec) > maxCredentialSpecKib * 1024) out.push(fieldErrors.invalid(`${path}.gmsaCredentialSpec`, spec, `gmsaCredentialSpec size must be under ${maxCredentialSpecKib} KiB`))
  if (runAsUserName !== undefined) addInvalid(out, `${path}.runAsUserName`, runAsUserName, userNameProblems(runAsUserName))
}

function namesHostProcess(containers: ReadonlyArray<Container | EphemeralContainer> | undefined): boolean {
  if (containers !== undefined) for (const { securityContext } of containers) if (securityContext?.windowsOptions?.hostProcess !== undefined) return true
  return false
}

/** Containers that are processes of a Windows host: all or none, and on its network (KEP-1981). */
export function checkHostProcess(out: FieldError[], path: string, spec: Readonly<PodSpec>): void {
  const ofPod = spec.securityContext?.windowsOptions?.hostProcess
  if (ofPod === undefined && !namesHostProcess(spec.initContainers) && !namesHostProcess(spec.containers) && !namesHostProcess(spec.ephemeralContainers)) return
  let total = 0
  let onHost = 0
  for (const [container, at] of containersWithPath(spec, path)) {
    const own = container.securityContext?.windowsOptions?.hostProcess
    total++
    if (ofPod !== undefined && own !== undefined && ofPod !== own) {
      out.push(fieldErrors.invalid(`${at}.securityContext.windowsOptions.hostProcess`, own, `pod hostProcess value must be identical if both are specified, was ${ofPod}`))
    }
    if (own ?? ofPod) onHost++
  }
  if (onHost === 0) return
  if (onHost !== total) out.push(fieldErrors.invalid(path, '', 'If pod contains any hostProcess containers then all containers must be HostProcess containers'))
  if (spec.hostNetwork !== true) out.push(fieldErrors.invalid(`${path}.hostNetwork`, false, 'hostNetwork must be true if pod contains any hostProcess containers'))
}
