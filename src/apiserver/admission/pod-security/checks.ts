import type { Container, LifecycleHandler, PodSpec, Probe, SecurityContext, SELinuxOptions } from '../../../api/types/core_v1.ts'
import type { ObjectMeta } from '../../../machinery/object.ts'
import type { LevelVersion } from './policy.ts'

/** The checks of the Pod Security Standards, each with the policy versions from which it holds (https://kubernetes.io/docs/concepts/security/pod-security-standards/). */

/** What is wrong with a pod: `reason` in short, `detail` with the names. */
export interface Violation { reason: string; detail: string }

type CheckPod = (spec: PodSpec, metadata: Pick<ObjectMeta, 'annotations'>) => Violation | undefined

interface Check {
  id: string
  /** In rising order of the minor version from which each holds. */
  versions: ReadonlyArray<{ from: number; check: CheckPod }>
  /** The baseline check that this one takes the place of. */
  overrides?: string
}

function containersOf(spec: PodSpec): readonly Container[] {
  return [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...((spec.ephemeralContainers ?? []) as readonly Container[])]
}

function quoted(items: readonly string[]): string {
  return items.length === 0 ? '' : `"${items.join('", "')}"`
}

function plural(singular: string, many: string, count: number): string {
  return count === 1 ? singular : many
}

function sorted(items: Iterable<string>): string[] {
  return [...new Set(items)].sort()
}

function containersText(names: readonly string[]): string {
  return `${plural('container', 'containers', names.length)} ${quoted(names)}`
}

/** `pod and containers "a", "b"`. */
function settersText(isPodBad: boolean, names: readonly string[]): string {
  return [...(isPodBad ? ['pod'] : []), ...(names.length === 0 ? [] : [containersText(names)])].join(' and ')
}

function namesWhere(spec: PodSpec, isBad: (container: Container) => boolean): string[] {
  return containersOf(spec).filter(isBad).map(({ name }) => name)
}

const isWindows = (spec: PodSpec): boolean => spec.os?.name === 'windows'
/** Root in a user namespace of the pod's own is nobody on the node (KEP-127). */
const hasUserNamespace = (spec: PodSpec): boolean => spec.hostUsers === false
const unless = (isExempt: (spec: PodSpec) => boolean, check: CheckPod): CheckPod => (spec, metadata) => (isExempt(spec) ? undefined : check(spec, metadata))

const privilegedContainers: CheckPod = (spec) => {
  const bad = namesWhere(spec, ({ securityContext }) => securityContext?.privileged === true)
  return bad.length === 0 ? undefined : { reason: 'privileged', detail: `${containersText(bad)} must not set securityContext.privileged=true` }
}

const hostNamespaces: CheckPod = (spec) => {
  const used = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((field) => spec[field] === true).map((field) => `${field}=true`)
  return used.length === 0 ? undefined : { reason: 'host namespaces', detail: used.join(', ') }
}

const hostPathVolumes: CheckPod = (spec) => {
  const bad = (spec.volumes ?? []).filter(({ hostPath }) => hostPath !== undefined).map(({ name }) => name)
  return bad.length === 0 ? undefined : { reason: 'hostPath volumes', detail: `${plural('volume', 'volumes', bad.length)} ${quoted(bad)}` }
}

const hostPorts: CheckPod = (spec) => {
  const portsOf = ({ ports = [] }: Container): string[] => ports.filter(({ hostPort = 0 }) => hostPort !== 0).map(({ hostPort }) => String(hostPort))
  const bad = namesWhere(spec, (container) => portsOf(container).length > 0)
  if (bad.length === 0) return undefined
  const ports = sorted(containersOf(spec).flatMap(portsOf))
  return { reason: 'hostPort', detail: `${containersText(bad)} ${plural('uses', 'use', bad.length)} ${plural('hostPort', 'hostPorts', ports.length)} ${ports.join(', ')}` }
}

const probeHosts: CheckPod = (spec) => {
  const hosts = (handler: Probe | LifecycleHandler | undefined): string[] => [handler?.httpGet?.host, handler?.tcpSocket?.host].filter((host) => host !== undefined && host !== '') as string[]
  const hostsOf = ({ livenessProbe, readinessProbe, startupProbe, lifecycle }: Container): string[] => [livenessProbe, readinessProbe, startupProbe, lifecycle?.postStart, lifecycle?.preStop].flatMap(hosts)
  const bad = sorted(namesWhere(spec, (container) => hostsOf(container).length > 0))
  if (bad.length === 0) return undefined
  const all = sorted(containersOf(spec).flatMap(hostsOf))
  return { reason: 'probe or lifecycle host', detail: `${containersText(bad)} ${plural('uses', 'use', bad.length)} ${plural('probe or lifecycle host', 'probe or lifecycle hosts', all.length)} ${quoted(all)}` }
}

const appArmorPrefix = 'container.apparmor.security.beta.kubernetes.io/'

const appArmorProfile: CheckPod = (spec, { annotations = {} }) => {
  const badType = (context: { appArmorProfile?: { type: string } } | undefined): string | undefined => {
    const type = context?.appArmorProfile?.type
    return type === undefined || type === 'RuntimeDefault' || type === 'Localhost' ? undefined : type
  }
  const podType = badType(spec.securityContext)
  const bad = namesWhere(spec, ({ securityContext }) => badType(securityContext) !== undefined)
  const notes = Object.entries(annotations)
    .filter(([key, value]) => key.startsWith(appArmorPrefix) && value !== '' && value !== 'runtime/default' && !value.startsWith('localhost/'))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`).sort()
  const values = [...sorted([podType, ...containersOf(spec).map(({ securityContext }) => badType(securityContext))].filter((type) => type !== undefined)), ...notes]
  if (values.length === 0) return undefined
  const setters = [settersText(podType !== undefined, bad), ...(notes.length === 0 ? [] : [plural('annotation', 'annotations', notes.length)])].filter((text) => text !== '')
  return { reason: plural('forbidden AppArmor profile', 'forbidden AppArmor profiles', values.length), detail: `${setters.join(' and ')} must not set AppArmor profile type to ${quoted(values)}` }
}

const defaultCapabilities = new Set(['AUDIT_WRITE', 'CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'MKNOD', 'NET_BIND_SERVICE', 'SETFCAP', 'SETGID', 'SETPCAP', 'SETUID', 'SYS_CHROOT'])

function addedBeyond(allowed: ReadonlySet<string>): (container: Container) => string[] {
  return ({ securityContext }) => (securityContext?.capabilities?.add ?? []).filter((name) => !allowed.has(name))
}

const capabilitiesBaseline: CheckPod = (spec) => {
  const added = addedBeyond(defaultCapabilities)
  const bad = namesWhere(spec, (container) => added(container).length > 0)
  if (bad.length === 0) return undefined
  return { reason: 'non-default capabilities', detail: `${containersText(bad)} must not include ${quoted(sorted(containersOf(spec).flatMap(added)))} in securityContext.capabilities.add` }
}

const capabilitiesRestricted: CheckPod = (spec) => {
  const added = addedBeyond(new Set(['NET_BIND_SERVICE']))
  const keeping = namesWhere(spec, ({ securityContext }) => securityContext?.capabilities?.drop?.includes('ALL') !== true)
  const adding = namesWhere(spec, (container) => added(container).length > 0)
  const details = [
    ...(keeping.length === 0 ? [] : [`${containersText(keeping)} must set securityContext.capabilities.drop=["ALL"]`]),
    ...(adding.length === 0 ? [] : [`${containersText(adding)} must not include ${quoted(sorted(containersOf(spec).flatMap(added)))} in securityContext.capabilities.add`]),
  ]
  return details.length === 0 ? undefined : { reason: 'unrestricted capabilities', detail: details.join('; ') }
}

const allowPrivilegeEscalation: CheckPod = (spec) => {
  const bad = namesWhere(spec, ({ securityContext }) => securityContext?.allowPrivilegeEscalation !== false)
  return bad.length === 0 ? undefined : { reason: 'allowPrivilegeEscalation != false', detail: `${containersText(bad)} must set securityContext.allowPrivilegeEscalation=false` }
}

const procMount: CheckPod = (spec) => {
  const isBad = ({ securityContext }: Container): boolean => securityContext?.procMount !== undefined && securityContext.procMount !== 'Default'
  const bad = containersOf(spec).filter(isBad)
  if (bad.length === 0) return undefined
  return { reason: 'procMount', detail: `${containersText(bad.map(({ name }) => name))} must not set securityContext.procMount to ${quoted(sorted(bad.map(({ securityContext }) => securityContext!.procMount!)))}` }
}

function seLinuxOptions(allowedTypes: ReadonlySet<string>): CheckPod {
  return (spec) => {
    const isBad = ({ type = '', user = '', role = '' }: SELinuxOptions): boolean => !allowedTypes.has(type) || user !== '' || role !== ''
    const podOptions = spec.securityContext?.seLinuxOptions
    const isPodBad = podOptions !== undefined && isBad(podOptions)
    const bad = namesWhere(spec, ({ securityContext }) => securityContext?.seLinuxOptions !== undefined && isBad(securityContext.seLinuxOptions))
    if (!isPodBad && bad.length === 0) return undefined
    const all = [podOptions, ...containersOf(spec).map(({ securityContext }) => securityContext?.seLinuxOptions)].filter((options) => options !== undefined)
    const types = sorted(all.map(({ type = '' }) => type).filter((type) => !allowedTypes.has(type)))
    const problems = [
      ...(types.length === 0 ? [] : [`${plural('type', 'types', types.length)} ${quoted(types)}`]),
      ...(all.some(({ user = '' }) => user !== '') ? ['user may not be set'] : []), ...(all.some(({ role = '' }) => role !== '') ? ['role may not be set'] : []),
    ]
    return { reason: 'seLinuxOptions', detail: `${settersText(isPodBad, bad)} set forbidden securityContext.seLinuxOptions: ${problems.join('; ')}` }
  }
}

const seLinuxTypes = ['', 'container_t', 'container_init_t', 'container_kvm_t']

const seccompAnnotations: CheckPod = (spec, { annotations = {} }) => {
  const keys = ['seccomp.security.alpha.kubernetes.io/pod', ...containersOf(spec).map(({ name }) => `container.seccomp.security.alpha.kubernetes.io/${name}`)]
  const isAllowed = (value: string): boolean => value === 'runtime/default' || value === 'docker/default' || value.startsWith('localhost/')
  const bad = sorted(keys.filter((key) => annotations[key] !== undefined && !isAllowed(annotations[key])).map((key) => `${key}=${JSON.stringify(annotations[key])}`))
  return bad.length === 0 ? undefined : { reason: 'seccompProfile', detail: `forbidden ${plural('annotation', 'annotations', bad.length)} ${bad.join(', ')}` }
}

type WithSeccomp = Pick<SecurityContext, 'seccompProfile'> | undefined
const badSeccomp = (context: WithSeccomp): string | undefined => {
  const type = context?.seccompProfile?.type
  return type === undefined || type === 'RuntimeDefault' || type === 'Localhost' ? undefined : type
}

const seccompBaseline: CheckPod = (spec) => {
  const podType = badSeccomp(spec.securityContext)
  const bad = namesWhere(spec, ({ securityContext }) => badSeccomp(securityContext) !== undefined)
  if (podType === undefined && bad.length === 0) return undefined
  const types = sorted([podType, ...containersOf(spec).map(({ securityContext }) => badSeccomp(securityContext))].filter((type) => type !== undefined))
  return { reason: 'seccompProfile', detail: `${settersText(podType !== undefined, bad)} must not set securityContext.seccompProfile.type to ${quoted(types)}` }
}

const seccompRestricted: CheckPod = (spec, metadata) => {
  const explicit = seccompBaseline(spec, metadata)
  if (explicit !== undefined || spec.securityContext?.seccompProfile !== undefined) return explicit
  const silent = namesWhere(spec, ({ securityContext }) => securityContext?.seccompProfile === undefined)
  return silent.length === 0 ? undefined : { reason: 'seccompProfile', detail: `pod or ${containersText(silent)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"` }
}

const safeSysctls = ['kernel.shm_rmid_forced', 'net.ipv4.ip_local_port_range', 'net.ipv4.tcp_syncookies', 'net.ipv4.ping_group_range', 'net.ipv4.ip_unprivileged_port_start']
const safeSince27 = [...safeSysctls, 'net.ipv4.ip_local_reserved_ports']
const safeSince29 = [...safeSince27, 'net.ipv4.tcp_keepalive_time', 'net.ipv4.tcp_fin_timeout', 'net.ipv4.tcp_keepalive_intvl', 'net.ipv4.tcp_keepalive_probes']
const safeSince32 = [...safeSince29, 'net.ipv4.tcp_rmem', 'net.ipv4.tcp_wmem']

function sysctls(allowed: readonly string[]): CheckPod {
  return (spec) => {
    const bad = (spec.securityContext?.sysctls ?? []).map(({ name }) => name).filter((name) => !allowed.includes(name))
    return bad.length === 0 ? undefined : { reason: 'forbidden sysctls', detail: bad.join(', ') }
  }
}

const windowsHostProcess: CheckPod = (spec) => {
  const isPodBad = spec.securityContext?.windowsOptions?.hostProcess === true
  const bad = namesWhere(spec, ({ securityContext }) => securityContext?.windowsOptions?.hostProcess === true)
  if (!isPodBad && bad.length === 0) return undefined
  return { reason: 'hostProcess', detail: `${settersText(isPodBad, bad)} must not set securityContext.windowsOptions.hostProcess=true` }
}

const unrestrictedVolumes = new Set(['configMap', 'csi', 'downwardAPI', 'emptyDir', 'ephemeral', 'image', 'persistentVolumeClaim', 'projected', 'secret'])
const otherVolumes = [
  'hostPath', 'gcePersistentDisk', 'awsElasticBlockStore', 'gitRepo', 'nfs', 'iscsi', 'glusterfs', 'rbd', 'flexVolume', 'cinder', 'cephfs', 'flocker', 'fc', 'azureFile', 'vsphereVolume', 'quobyte',
  'azureDisk', 'photonPersistentDisk', 'portworxVolume', 'scaleIO', 'storageos',
]

const restrictedVolumes: CheckPod = (spec) => {
  const bad = (spec.volumes ?? []).filter((volume) => !Object.keys(volume).some((field) => unrestrictedVolumes.has(field)))
  if (bad.length === 0) return undefined
  const types = sorted(bad.map((volume) => otherVolumes.find((type) => Object.hasOwn(volume, type)) ?? 'unknown'))
  return {
    reason: 'restricted volume types',
    detail: `${plural('volume', 'volumes', bad.length)} ${quoted(bad.map(({ name }) => name))} ${plural('uses', 'use', bad.length)} ${plural('restricted volume type', 'restricted volume types', types.length)} ${quoted(types)}`,
  }
}

const runAsNonRoot: CheckPod = (spec) => {
  const ofPod = spec.securityContext?.runAsNonRoot
  const bad = namesWhere(spec, ({ securityContext }) => securityContext?.runAsNonRoot === false)
  if (ofPod === false || bad.length > 0) return { reason: 'runAsNonRoot != true', detail: `${settersText(ofPod === false, bad)} must not set securityContext.runAsNonRoot=false` }
  const silent = ofPod === true ? [] : namesWhere(spec, ({ securityContext }) => securityContext?.runAsNonRoot === undefined)
  return silent.length === 0 ? undefined : { reason: 'runAsNonRoot != true', detail: `pod or ${containersText(silent)} must set securityContext.runAsNonRoot=true` }
}

const runAsUser: CheckPod = (spec) => {
  const isPodBad = spec.securityContext?.runAsUser === 0
  const bad = namesWhere(spec, ({ securityContext }) => securityContext?.runAsUser === 0)
  return !isPodBad && bad.length === 0 ? undefined : { reason: 'runAsUser=0', detail: `${settersText(isPodBad, bad)} must not set runAsUser=0` }
}

const always = (check: CheckPod): Check['versions'] => [{ from: 0, check }]

/** By id, as violations are listed. */
const baseline: readonly Check[] = [
  { id: 'appArmorProfile', versions: always(appArmorProfile) },
  { id: 'capabilities_baseline', versions: always(capabilitiesBaseline) },
  { id: 'hostNamespaces', versions: always(hostNamespaces) },
  { id: 'hostPathVolumes', versions: always(hostPathVolumes) },
  { id: 'hostPorts', versions: always(hostPorts) },
  { id: 'hostProbesAndHostLifecycle', versions: [{ from: 34, check: probeHosts }] },
  { id: 'privileged', versions: always(privilegedContainers) },
  { id: 'procMount', versions: [{ from: 0, check: procMount }, { from: 35, check: unless(hasUserNamespace, procMount) }] },
  { id: 'seLinuxOptions', versions: [{ from: 0, check: seLinuxOptions(new Set(seLinuxTypes)) }, { from: 31, check: seLinuxOptions(new Set([...seLinuxTypes, 'container_engine_t'])) }] },
  { id: 'seccompProfile_baseline', versions: [{ from: 0, check: seccompAnnotations }, { from: 19, check: seccompBaseline }] },
  { id: 'sysctls', versions: [{ from: 0, check: sysctls(safeSysctls) }, { from: 27, check: sysctls(safeSince27) }, { from: 29, check: sysctls(safeSince29) }, { from: 32, check: sysctls(safeSince32) }] },
  { id: 'windowsHostProcess', versions: always(windowsHostProcess) },
]

const restricted: readonly Check[] = [
  { id: 'allowPrivilegeEscalation', versions: [{ from: 8, check: allowPrivilegeEscalation }, { from: 25, check: unless(isWindows, allowPrivilegeEscalation) }] },
  { id: 'capabilities_restricted', overrides: 'capabilities_baseline', versions: [{ from: 22, check: capabilitiesRestricted }, { from: 25, check: unless(isWindows, capabilitiesRestricted) }] },
  { id: 'procMount_restricted', overrides: 'procMount', versions: [{ from: 35, check: procMount }] },
  { id: 'restrictedVolumes', overrides: 'hostPathVolumes', versions: always(restrictedVolumes) },
  { id: 'runAsNonRoot', versions: [{ from: 0, check: runAsNonRoot }, { from: 35, check: unless(hasUserNamespace, runAsNonRoot) }] },
  { id: 'runAsUser', versions: [{ from: 23, check: runAsUser }, { from: 35, check: unless(hasUserNamespace, runAsUser) }] },
  { id: 'seccompProfile_restricted', overrides: 'seccompProfile_baseline', versions: [{ from: 19, check: seccompRestricted }, { from: 25, check: unless(isWindows, seccompRestricted) }] },
]

function checkAt({ versions }: Check, minor: number): CheckPod | undefined {
  return versions.findLast(({ from }) => from <= minor)?.check
}

const known = new Map<string, readonly CheckPod[]>()

function checksFor({ level, minor }: LevelVersion): readonly CheckPod[] {
  if (level === 'privileged') return []
  const key = `${level} ${minor}`
  const found = known.get(key)
  if (found !== undefined) return found
  const own = level === 'restricted' ? restricted.filter((check) => checkAt(check, minor) !== undefined) : []
  const overridden = new Set(own.map(({ overrides }) => overrides))
  const checks = [...baseline.filter(({ id }) => !overridden.has(id)), ...own].map((check) => checkAt(check, minor)).filter((check) => check !== undefined)
  // Versions come from labels: only those that differ are worth keeping.
  if (minor <= 100 || minor === Infinity) known.set(key, checks)
  return checks
}

/** Everything that a pod, or a template of one, breaks of a policy. */
export function violations(policy: LevelVersion, spec: PodSpec, metadata: Pick<ObjectMeta, 'annotations'>): Violation[] {
  return checksFor(policy).map((check) => check(spec, metadata)).filter((violation) => violation !== undefined)
}

/** `host namespaces (hostPID=true), hostPath volumes (volume "v")`. */
export function detailText(found: readonly Violation[]): string {
  return found.map(({ reason, detail }) => (detail === '' ? reason : `${reason} (${detail})`)).join(', ')
}

export function reasonText(found: readonly Violation[]): string {
  return found.map(({ reason }) => reason).join(', ')
}

