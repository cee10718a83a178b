import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { userIdErrors } from '../../machinery/names.ts'
import type { PodSecurityContext, PodSpec, SecurityContext } from '../types/core_v1.ts'
import { addInvalid, checkLocalDescendingPath, checkOptionalOneOf, isEmpty } from './check.ts'
import { internalForm } from './internal-form.ts'
import { checkWindowsOptions } from './pod-os.ts'

interface Profile { type: string; localhostProfile?: string }

function checkSeccomp(out: FieldError[], path: string, profile: Profile | undefined): void {
  if (profile === undefined) return
  if (isEmpty(profile.type)) out.push(fieldErrors.required(`${path}.type`, 'type is required when seccompProfile is set'))
  else checkOptionalOneOf(out, `${path}.type`, profile.type, ['Localhost', 'RuntimeDefault', 'Unconfined'])
  if (profile.type !== 'Localhost') {
    if (profile.localhostProfile !== undefined) out.push(fieldErrors.invalid(`${path}.localhostProfile`, internalForm('Profile', profile), 'can only be set when seccomp type is Localhost'))
  } else if (profile.localhostProfile === undefined) {
    out.push(fieldErrors.required(`${path}.localhostProfile`, 'must be set when seccomp type is Localhost'))
  } else {
    checkLocalDescendingPath(out, `${path}.localhostProfile`, profile.localhostProfile)
  }
}

function checkAppArmor(out: FieldError[], path: string, profile: Profile | undefined): void {
  if (profile === undefined) return
  const { type, localhostProfile } = profile
  if (isEmpty(type)) out.push(fieldErrors.required(`${path}.type`, 'type is required when appArmorProfile is set'))
  else checkOptionalOneOf(out, `${path}.type`, type, ['Localhost', 'RuntimeDefault', 'Unconfined'])
  if (type !== 'Localhost') {
    if (localhostProfile !== undefined && (type === 'RuntimeDefault' || type === 'Unconfined')) out.push(fieldErrors.invalid(`${path}.localhostProfile`, localhostProfile, 'can only be set when AppArmor type is Localhost'))
    return
  }
  if (localhostProfile !== undefined && localhostProfile.trim() !== localhostProfile) out.push(fieldErrors.invalid(`${path}.localhostProfile`, localhostProfile, 'must not be padded with whitespace'))
  else if (isEmpty(localhostProfile)) out.push(fieldErrors.required(`${path}.localhostProfile`, 'must be set when AppArmor type is Localhost'))
  if ((localhostProfile ?? '').length > 4095) out.push(fieldErrors.tooLong(`${path}.localhostProfile`, 4095))
}

const sysctlExpression = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/

function checkSysctls(out: FieldError[], path: string, spec: Readonly<PodSpec>, context: Readonly<PodSecurityContext>): void {
  const seen = new Set<string>()
  for (const [i, { name }] of (context.sysctls ?? []).entries()) {
    const at = `${path}[${i}].name`
    if (isEmpty(name)) out.push(fieldErrors.required(at))
    else if (name.length > 253 || !sysctlExpression.test(name)) {
      out.push(fieldErrors.invalid(at, name, 'must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$'))
    } else if (seen.has(name)) out.push(fieldErrors.duplicate(at, name))
    seen.add(name)
    const dotted = name.replaceAll('/', '.')
    if (spec.hostNetwork === true && dotted.startsWith('net.')) out.push(fieldErrors.invalid(at, name, "may not be specified when 'hostNetwork' is true"))
    if (spec.hostIPC === true && (/^kernel\.(shm|msg|sem)/.test(dotted) || dotted.startsWith('fs.mqueue.'))) out.push(fieldErrors.invalid(at, name, "may not be specified when 'hostIPC' is true"))
  }
}

/** `securityContext` of a pod. */
export function checkPodSecurityContext(out: FieldError[], path: string, spec: Readonly<PodSpec>): void {
  const context = spec.securityContext
  if (context === undefined) return
  for (const field of ['fsGroup', 'runAsUser', 'runAsGroup'] as const) {
    const id = context[field]
    if (id !== undefined) addInvalid(out, `${path}.${field}`, id, userIdErrors(id))
  }
  for (const [i, id] of (context.supplementalGroups ?? []).entries()) addInvalid(out, `${path}.supplementalGroups[${i}]`, id, userIdErrors(id))
  if (spec.shareProcessNamespace === true && spec.hostPID === true) out.push(fieldErrors.invalid(`${path}.shareProcessNamespace`, true, 'ShareProcessNamespace and HostPID cannot both be enabled'))
  checkSysctls(out, `${path}.sysctls`, spec, context)
  checkOptionalOneOf(out, `${path}.fsGroupChangePolicy`, context.fsGroupChangePolicy, ['Always', 'OnRootMismatch'])
  checkSeccomp(out, `${path}.seccompProfile`, context.seccompProfile)
  checkWindowsOptions(out, `${path}.windowsOptions`, context.windowsOptions)
  checkAppArmor(out, `${path}.appArmorProfile`, context.appArmorProfile)
  checkOptionalOneOf(out, `${path}.supplementalGroupsPolicy`, context.supplementalGroupsPolicy, ['Merge', 'Strict'])
  // Labels by mount option are a feature that is off (KEP-1710, SELinuxMount).
  checkOptionalOneOf(out, `${path}.seLinuxChangePolicy`, context.seLinuxChangePolicy, ['Recursive'])
}

/** `securityContext` of a container. */
export function checkSecurityContext(out: FieldError[], path: string, context: Readonly<SecurityContext> | undefined, hostUsers: boolean): void {
  if (context === undefined) return
  if (context.runAsUser !== undefined) addInvalid(out, `${path}.runAsUser`, context.runAsUser, userIdErrors(context.runAsUser))
  if (context.runAsGroup !== undefined) addInvalid(out, `${path}.runAsGroup`, context.runAsGroup, userIdErrors(context.runAsGroup))
  checkOptionalOneOf(out, `${path}.procMount`, context.procMount, ['Default', 'Unmasked'])
  if (hostUsers && context.procMount === 'Unmasked') out.push(fieldErrors.invalid(`${path}.procMount`, context.procMount, '`hostUsers` must be false to use `Unmasked`'))
  checkSeccomp(out, `${path}.seccompProfile`, context.seccompProfile)
  if (context.allowPrivilegeEscalation === false) {
    const shown = internalForm('SecurityContext', context)
    if (context.privileged === true) out.push(fieldErrors.invalid(path, shown, 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true'))
    for (const capability of context.capabilities?.add ?? []) {
      if (capability === 'CAP_SYS_ADMIN') out.push(fieldErrors.invalid(path, shown, 'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN'))
    }
  }
  checkWindowsOptions(out, `${path}.windowsOptions`, context.windowsOptions)
  checkAppArmor(out, `${path}.appArmorProfile`, context.appArmorProfile)
}
