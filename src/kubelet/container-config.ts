import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Service } from '../api/types/core_v1.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { ContainerConfig, RuntimeImage, SandboxConfig } from './container-runtime.ts'
import type { CriRequest } from './cri/messages.ts'
import { hostsFile, podHostname, type DnsConfig } from './dns.ts'
import type { PodPlace } from './downward.ts'
import { containerEnv, expandedCommand, type ObjectSource } from './env.ts'
import { expandStrictly } from './expansion.ts'
import { normalisedImageName } from './image-names.ts'
import { containerHash } from './pod-actions.ts'
import { containerAnnotations, containersOf, podLabels, type BoundPod, type PodContainer } from './pods.ts'
import { containerResources, cpuPeriodUs, cpuQuota, cpuShares, podLimits, podRequests } from './resources.ts'
import { containerSecurity, sandboxSecurity } from './security.ts'
import type { MountedVolumes } from './volumes/pod-volumes.ts'
import { prepareSubPath } from './volumes/subpath.ts'

export interface SandboxInput { pod: BoundPod; attempt: number; logsDirectory: string; cgroupParent: string; dns: DnsConfig; clusterDomain: string }

/** `LOGS/NAMESPACE_NAME_UID`, as upstream lays them out. */
export function podLogDirectory(logsDirectory: string, { namespace, name, uid }: { namespace: string; name: string; uid: string }): string {
  return join(logsDirectory, `${namespace}_${name}_${uid}`)
}

function labelsOf(pod: BoundPod): Record<string, string> {
  return { [podLabels.name]: pod.metadata.name, [podLabels.namespace]: pod.metadata.namespace, [podLabels.uid]: pod.metadata.uid }
}

function portMappings(pod: BoundPod): CriRequest<'PortMapping'>[] {
  if (pod.spec.hostNetwork === true) return []
  return containersOf(pod).flatMap(({ container }) => (container.ports ?? []).filter(({ hostPort }) => hostPort !== undefined && hostPort !== 0).map(({ protocol, containerPort, hostPort, hostIP }) => ({
    protocol: (protocol ?? 'TCP') as 'TCP' | 'UDP' | 'SCTP', containerPort, hostPort, hostIp: hostIP ?? '',
  })))
}

export function sandboxConfig({ pod, attempt, logsDirectory, cgroupParent, dns, clusterDomain }: SandboxInput): SandboxConfig {
  const { name, namespace, uid } = pod.metadata
  const { hostname, domain } = podHostname(pod, clusterDomain)
  const limits = podLimits(pod)
  return {
    metadata: { name, uid, namespace, attempt }, logDirectory: podLogDirectory(logsDirectory, pod.metadata), dnsConfig: dns, portMappings: portMappings(pod),
    hostname: pod.spec.hostNetwork === true ? '' : pod.spec.setHostnameAsFQDN === true && domain !== '' ? `${hostname}.${domain}` : hostname,
    labels: { ...pod.metadata.labels, ...labelsOf(pod) }, annotations: pod.metadata.annotations ?? {},
    linux: {
      cgroupParent, securityContext: sandboxSecurity(pod), sysctls: Object.fromEntries((pod.spec.securityContext?.sysctls ?? []).map((sysctl) => [sysctl.name, sysctl.value])),
      resources: {
        cpuShares: cpuShares(podRequests(pod).cpuMilli), cpuPeriod: cpuPeriodUs,
        ...(cpuQuota(limits.cpuMilli) === 0 ? {} : { cpuQuota: cpuQuota(limits.cpuMilli) }), ...(limits.memoryBytes === undefined ? {} : { memoryLimitInBytes: limits.memoryBytes }),
      },
    },
  }
}

export interface ContainerInput {
  pod: BoundPod
  entry: PodContainer
  restartCount: number
  image: RuntimeImage
  volumes: MountedVolumes
  podDirectory: string
  profileRoot: string
  services: readonly Service[]
  objects: ObjectSource
  place: PodPlace
  clusterDomain: string
  nodeHosts: string
  memoryCapacityBytes: number
  /** The container whose processes an ephemeral container looks at. */
  targetId?: string
  runtime: Runtime
}

const propagations = { None: 'PROPAGATION_PRIVATE', HostToContainer: 'PROPAGATION_HOST_TO_CONTAINER', Bidirectional: 'PROPAGATION_BIDIRECTIONAL' } as const

async function volumeMounts({ pod, entry, volumes }: ContainerInput, env: ReadonlyMap<string, string>): Promise<CriRequest<'Mount'>[]> {
  const mounts: CriRequest<'Mount'>[] = []
  for (const mount of entry.container.volumeMounts ?? []) {
    const path = volumes.get(mount.name)
    if (path === undefined) throw new Error(`cannot find volume "${mount.name}" to mount into container "${entry.container.name}"`)
    const subPath = mount.subPathExpr !== undefined && mount.subPathExpr !== '' ? expandStrictly(mount.subPathExpr, (name) => env.get(name)) : (mount.subPath ?? '')
    const hostPath = subPath === '' ? path : await prepareSubPath(path, subPath)
    const ofVolume = pod.spec.volumes?.find(({ name }) => name === mount.name)
    const readonlySource = ofVolume?.configMap !== undefined || ofVolume?.secret !== undefined || ofVolume?.downwardAPI !== undefined || ofVolume?.projected !== undefined
    mounts.push({
      containerPath: mount.mountPath.startsWith('/') ? mount.mountPath : join('/', mount.mountPath), hostPath, readonly: mount.readOnly === true || readonlySource,
      propagation: propagations[(mount.mountPropagation ?? 'None') as keyof typeof propagations] ?? 'PROPAGATION_PRIVATE',
    })
  }
  return mounts
}

async function hostsMount({ pod, podDirectory, place, clusterDomain, nodeHosts }: ContainerInput, mounts: readonly CriRequest<'Mount'>[]): Promise<CriRequest<'Mount'> | undefined> {
  if (mounts.some(({ containerPath }) => containerPath === '/etc/hosts')) return undefined
  const hostPath = join(podDirectory, 'etc-hosts')
  await writeFile(hostPath, hostsFile(pod, place.podIPs, clusterDomain, nodeHosts))
  await chmod(hostPath, 0o644)
  return { containerPath: '/etc/hosts', hostPath }
}

async function terminationMount({ entry, podDirectory, runtime }: ContainerInput): Promise<CriRequest<'Mount'> | undefined> {
  const containerPath = entry.container.terminationMessagePath ?? '/dev/termination-log'
  if (containerPath === '') return undefined
  const directory = join(podDirectory, 'containers', entry.container.name)
  await mkdir(directory, { recursive: true })
  const hostPath = join(directory, Buffer.from(runtime.random.bytes(4)).toString('hex'))
  await writeFile(hostPath, '')
  // Whatever user the container runs as may write it.
  await chmod(hostPath, 0o666)
  return { containerPath, hostPath }
}

const stopSignals = ['SIGABRT', 'SIGALRM', 'SIGBUS', 'SIGCHLD', 'SIGCLD', 'SIGCONT', 'SIGFPE', 'SIGHUP', 'SIGILL', 'SIGINT', 'SIGIO', 'SIGIOT', 'SIGKILL', 'SIGPIPE', 'SIGPOLL', 'SIGPROF', 'SIGPWR', 'SIGQUIT', 'SIGSEGV', 'SIGSTKFLT', 'SIGSTOP', 'SIGSYS', 'SIGTERM', 'SIGTRAP', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU', 'SIGURG', 'SIGUSR1', 'SIGUSR2', 'SIGVTALRM', 'SIGWINCH', 'SIGXCPU', 'SIGXFSZ', 'SIGRTMIN']

/** What the runtime is to make of a container; makes the files that it mounts. Throws when the environment or a mount can't be had. */
export async function containerConfig(input: ContainerInput): Promise<ContainerConfig> {
  const { pod, entry: { container }, restartCount, place } = input
  const env = await containerEnv({ pod, container, services: input.services, objects: input.objects, place })
  const mounts = await volumeMounts(input, env)
  for (const extra of [await hostsMount(input, mounts), await terminationMount(input)]) if (extra !== undefined) mounts.push(extra)
  const { command, args } = expandedCommand(container, env)
  const annotations: Record<string, string> = {
    [containerAnnotations.hash]: containerHash(container), [containerAnnotations.restartCount]: String(restartCount),
    [containerAnnotations.terminationMessagePath]: container.terminationMessagePath ?? '/dev/termination-log',
    [containerAnnotations.terminationMessagePolicy]: container.terminationMessagePolicy ?? 'File',
    [containerAnnotations.podGracePeriod]: String(pod.spec.terminationGracePeriodSeconds ?? 30),
  }
  if (container.lifecycle?.preStop !== undefined) annotations[containerAnnotations.preStop] = JSON.stringify(container.lifecycle.preStop)
  if (container.ports !== undefined && container.ports.length > 0) annotations[containerAnnotations.ports] = JSON.stringify(container.ports)
  const stopSignal = container.lifecycle?.stopSignal
  return {
    metadata: { name: container.name, attempt: restartCount }, image: { image: input.image.id, userSpecifiedImage: normalisedImageName(container.image ?? '') }, command, args,
    workingDir: container.workingDir ?? '', envs: [...env].map(([key, value]) => ({ key, value })), mounts, labels: { ...labelsOf(pod), [podLabels.container]: container.name }, annotations,
    logPath: join(container.name, `${restartCount}.log`), stdin: container.stdin === true, stdinOnce: container.stdinOnce === true, tty: container.tty === true,
    linux: { resources: containerResources(pod, container, input.memoryCapacityBytes), securityContext: containerSecurity(pod, container, input.profileRoot, input.targetId) },
    ...(stopSignal === undefined ? {} : { stopSignal: stopSignals.indexOf(stopSignal) + 1 }),
  }
}
