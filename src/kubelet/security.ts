import { join } from 'node:path'
import type { Container, PodSecurityContext, SeccompProfile, SecurityContext } from '../api/types/core_v1.ts'
import type { RuntimeImage } from './container-runtime.ts'
import type { CriRequest } from './cri/messages.ts'
import { podText, type BoundPod } from './pods.ts'

const maskedPaths = [
  '/proc/asound', '/proc/acpi', '/proc/interrupts', '/proc/kcore', '/proc/keys', '/proc/latency_stats', '/proc/timer_list', '/proc/timer_stats', '/proc/sched_debug', '/proc/scsi', '/sys/firmware',
  '/sys/devices/virtual/powercap',
]
const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger']

const int64 = (value: number | undefined): { value: number } | undefined => (value === undefined ? undefined : { value })

/** The container's settings over the pod's. */
export function effectiveUser(pod: BoundPod, container: Container): { runAsUser?: number; runAsGroup?: number; runAsNonRoot?: boolean } {
  const own: SecurityContext = container.securityContext ?? {}
  const shared: PodSecurityContext = pod.spec.securityContext ?? {}
  return { runAsUser: own.runAsUser ?? shared.runAsUser, runAsGroup: own.runAsGroup ?? shared.runAsGroup, runAsNonRoot: own.runAsNonRoot ?? shared.runAsNonRoot }
}

/** Why the container may not run although it must not be root; undefined when it may. `image` tells the user that the image names. */
export function nonRootViolation(pod: BoundPod, container: Container, image: Pick<RuntimeImage, 'uid' | 'username'> | undefined): string | undefined {
  const { runAsUser, runAsNonRoot } = effectiveUser(pod, container)
  if (runAsNonRoot !== true) return undefined
  const where = `(pod: "${podText(pod)}", container: ${container.name})`
  if (runAsUser !== undefined) return runAsUser === 0 ? `container's runAsUser breaks non-root policy ${where}` : undefined
  const username = image?.username ?? ''
  if (username !== '') return `container has runAsNonRoot and image has non-numeric user (${username}), cannot verify user is non-root ${where}`
  if (image?.uid === undefined || image.uid.value === 0) return `container has runAsNonRoot and image will run as root ${where}`
  return undefined
}

function seccomp(profile: SeccompProfile | undefined, profileRoot: string): CriRequest<'SecurityProfile'> {
  switch (profile?.type) {
    case 'RuntimeDefault': return { profileType: 'RuntimeDefault' }
    case 'Localhost': return { profileType: 'Localhost', localhostRef: join(profileRoot, profile.localhostProfile ?? '') }
    default: return { profileType: 'Unconfined' }
  }
}

function appArmor(profile: { type: string; localhostProfile?: string } | undefined): CriRequest<'SecurityProfile'> | undefined {
  switch (profile?.type) {
    case 'RuntimeDefault': return { profileType: 'RuntimeDefault' }
    case 'Unconfined': return { profileType: 'Unconfined' }
    case 'Localhost': return { profileType: 'Localhost', localhostRef: profile.localhostProfile ?? '' }
    default: return undefined
  }
}

/** The namespaces that a pod shares with its node and among its containers. */
export function podNamespaces(pod: BoundPod): CriRequest<'NamespaceOption'> {
  return {
    network: pod.spec.hostNetwork === true ? 'NODE' : 'POD', ipc: pod.spec.hostIPC === true ? 'NODE' : 'POD',
    pid: pod.spec.hostPID === true ? 'NODE' : pod.spec.shareProcessNamespace === true ? 'POD' : 'CONTAINER',
  }
}

function groups(pod: BoundPod): number[] {
  const { supplementalGroups = [], fsGroup } = pod.spec.securityContext ?? {}
  return fsGroup === undefined ? supplementalGroups : [...supplementalGroups, fsGroup]
}

const groupsPolicy = (pod: BoundPod): 'Merge' | 'Strict' => (pod.spec.securityContext?.supplementalGroupsPolicy === 'Strict' ? 'Strict' : 'Merge')

function seLinux(options: SecurityContext['seLinuxOptions']): CriRequest<'SELinuxOption'> | undefined {
  return options === undefined ? undefined : { user: options.user, role: options.role, type: options.type, level: options.level }
}

export function sandboxSecurity(pod: BoundPod): CriRequest<'LinuxSandboxSecurityContext'> {
  const { runAsUser, runAsGroup, seLinuxOptions } = pod.spec.securityContext ?? {}
  return {
    namespaceOptions: podNamespaces(pod), runAsUser: int64(runAsUser), runAsGroup: int64(runAsGroup), supplementalGroups: groups(pod), supplementalGroupsPolicy: groupsPolicy(pod),
    privileged: [...(pod.spec.initContainers ?? []), ...pod.spec.containers].some(({ securityContext }) => securityContext?.privileged === true),
    seccomp: { profileType: 'RuntimeDefault' }, selinuxOptions: seLinux(seLinuxOptions),
  }
}

/** A container's security settings. `targetId` is the container whose processes an ephemeral container shares. */
export function containerSecurity(pod: BoundPod, container: Container, profileRoot: string, targetId?: string): CriRequest<'LinuxContainerSecurityContext'> {
  const own: SecurityContext = container.securityContext ?? {}
  const shared: PodSecurityContext = pod.spec.securityContext ?? {}
  const { runAsUser, runAsGroup } = effectiveUser(pod, container)
  const privileged = own.privileged === true
  const unmasked = own.procMount === 'Unmasked' || privileged
  return {
    capabilities: { addCapabilities: own.capabilities?.add ?? [], dropCapabilities: own.capabilities?.drop ?? [] },
    privileged, namespaceOptions: { ...podNamespaces(pod), ...(targetId === undefined ? {} : { pid: 'TARGET', targetId }) },
    runAsUser: int64(runAsUser), runAsGroup: int64(runAsGroup), readonlyRootfs: own.readOnlyRootFilesystem === true,
    supplementalGroups: groups(pod), supplementalGroupsPolicy: groupsPolicy(pod),
    // Only an explicit false forbids: then also for privileged containers the API server has refused it.
    noNewPrivs: own.allowPrivilegeEscalation === false,
    maskedPaths: unmasked ? [] : maskedPaths, readonlyPaths: unmasked ? [] : readonlyPaths,
    seccomp: privileged ? { profileType: 'Unconfined' } : seccomp(own.seccompProfile ?? shared.seccompProfile, profileRoot),
    apparmor: appArmor(own.appArmorProfile ?? shared.appArmorProfile), selinuxOptions: seLinux(own.seLinuxOptions ?? shared.seLinuxOptions),
  }
}
