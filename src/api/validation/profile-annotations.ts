import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import type { ObjectMeta } from '../../machinery/object.ts'
import type { PodSpec } from '../types/core_v1.ts'
import { checkLocalDescendingPath } from './check.ts'
import { containersWithPath } from './pod-os.ts'

/** Security profiles as annotations gave them before there were fields: AppArmor until 1.30, seccomp until 1.19. */

export const appArmorPrefix = 'container.apparmor.security.beta.kubernetes.io/'
const seccompPod = 'seccomp.security.alpha.kubernetes.io/pod'
const seccompPrefix = 'container.seccomp.security.alpha.kubernetes.io/'

function checkSeccompValue(out: FieldError[], path: string, profile: string): void {
  if (profile === 'runtime/default' || profile === 'docker/default' || profile === 'unconfined') return
  if (profile.startsWith('localhost/')) checkLocalDescendingPath(out, path, profile.slice('localhost/'.length))
  else out.push(fieldErrors.invalid(path, profile, 'must be a valid seccomp profile'))
}

/** Each annotation by itself. */
export function checkProfileAnnotations(out: FieldError[], path: string, annotations: Readonly<Record<string, string>>, spec: Readonly<PodSpec>): void {
  for (const key in annotations) {
    const value = annotations[key] as string
    if (key === seccompPod || key.startsWith(seccompPrefix)) checkSeccompValue(out, `${path}.${key}`, value)
    if (!key.startsWith(appArmorPrefix)) continue
    const container = key.slice(appArmorPrefix.length)
    if (![...containersWithPath(spec, '')].some(([{ name }]) => name === container)) out.push(fieldErrors.invalid(`${path}[${key}]`, container, 'container not found'))
    if (value !== '' && value !== 'runtime/default' && value !== 'unconfined' && !value.startsWith('localhost/')) out.push(fieldErrors.invalid(`${path}[${key}]`, value, `invalid AppArmor profile name: ${JSON.stringify(value)}`))
  }
}

interface Profile { type: string; localhostProfile?: string }

function checkMatch(out: FieldError[], path: string, what: string, annotation: string, profile: Profile, defaults: readonly string[]): void {
  const typeMismatch = (): void => void out.push(fieldErrors.forbidden(`${path}.type`, `${what} type in annotation and field must match`))
  if (profile.type === 'Unconfined' && annotation !== 'unconfined') typeMismatch()
  else if (profile.type === 'RuntimeDefault' && !defaults.includes(annotation)) typeMismatch()
  else if (profile.type === 'Localhost') {
    if (!annotation.startsWith('localhost/')) typeMismatch()
    else if (annotation.slice('localhost/'.length) !== profile.localhostProfile) out.push(fieldErrors.forbidden(`${path}.localhostProfile`, `${what} profile in annotation and field must match`))
  }
}

function namesProfile(annotations: Readonly<Record<string, string>>): boolean {
  for (const key in annotations) if (key === seccompPod || key.startsWith(seccompPrefix) || key.startsWith(appArmorPrefix)) return true
  return false
}

/** Annotation and field of a new pod, or of a template, say the same where both are there; `path` is the spec's. */
export function checkProfilesAgree(out: FieldError[], path: string, metadata: Readonly<ObjectMeta>, spec: Readonly<PodSpec>): void {
  const { annotations } = metadata
  if (annotations === undefined || !namesProfile(annotations)) return
  const ofPod = spec.securityContext
  if (ofPod?.seccompProfile !== undefined && annotations[seccompPod] !== undefined) checkMatch(out, `${path}.securityContext.seccompProfile`, 'seccomp', annotations[seccompPod], ofPod.seccompProfile, ['runtime/default', 'docker/default'])
  for (const [{ name, securityContext }, at] of containersWithPath(spec, path)) {
    const annotation = annotations[`${seccompPrefix}${name}`]
    if (securityContext?.seccompProfile !== undefined && annotation !== undefined) checkMatch(out, `${at}.securityContext.seccompProfile`, 'seccomp', annotation, securityContext.seccompProfile, ['runtime/default', 'docker/default'])
  }
  if (spec.os?.name === 'windows') return
  for (const [{ name, securityContext }, at] of containersWithPath(spec, path)) {
    const annotation = annotations[`${appArmorPrefix}${name}`]
    const profile = securityContext?.appArmorProfile ?? ofPod?.appArmorProfile
    if (profile !== undefined && annotation !== undefined) checkMatch(out, `${at}.securityContext.appArmorProfile`, 'apparmor', annotation, profile, ['runtime/default'])
  }
}
