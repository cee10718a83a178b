import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { dnsLabelErrors, dnsSubdomainErrors, environmentNameErrors, httpHeaderNameErrors, portNameErrors, portNumberErrors } from '../../machinery/names.ts'
import type { Container, ContainerPort, EnvFromSource, EnvVar, EphemeralContainer, Lifecycle, LifecycleHandler, Probe, ProbeHandler, Volume, VolumeDevice, VolumeMount } from '../types/core_v1.ts'
import { checkRequirements } from './amounts.ts'
import { addInvalid, checkLocalDescendingPath, checkNoBacksteps, checkNonNegative, checkOneOf, checkOptionalOneOf, checkPortOrName, isEmpty } from './check.ts'
import { checkFieldRef, checkResourceFieldRef } from './field-refs.ts'
import { checkSecurityContext } from './security-context.ts'
import { checkKey } from './volumes.ts'

/** What containers of one pod share. */
export interface PodFacts {
  volumes: ReadonlyMap<string, Volume>
  claimNames: ReadonlySet<string>
  graceSeconds: number | undefined
  restartPolicy: string | undefined
  hostUsers: boolean
  /** `linux`, `windows`; undefined where the pod does not say. */
  os: string | undefined
  /** Init containers that are no sidecars restart for new resources, as they once could. */
  mayRestartInit: boolean
}

export const protocols = ['SCTP', 'TCP', 'UDP']

function checkPorts(out: FieldError[], path: string, ports: readonly ContainerPort[]): void {
  for (let i = 0; i < ports.length; i++) {
    const port = ports[i]!
    const at = `${path}[${i}]`
    if (!isEmpty(port.name)) {
      const messages = portNameErrors(port.name)
      addInvalid(out, `${at}.name`, port.name, messages)
      if (messages.length === 0 && i > 0 && ports.findIndex((other) => other.name === port.name) < i) out.push(fieldErrors.duplicate(`${at}.name`, port.name))
    }
    if (!port.containerPort) out.push(fieldErrors.required(`${at}.containerPort`))
    else addInvalid(out, `${at}.containerPort`, port.containerPort, portNumberErrors(port.containerPort))
    if (port.hostPort) addInvalid(out, `${at}.hostPort`, port.hostPort, portNumberErrors(port.hostPort))
    checkOneOf(out, `${at}.protocol`, port.protocol, protocols)
  }
}

const environmentFields = new Set(['metadata.name', 'metadata.namespace', 'metadata.uid', 'spec.nodeName', 'spec.serviceAccountName', 'status.hostIP', 'status.hostIPs', 'status.podIP', 'status.podIPs'])

function checkValueFrom(out: FieldError[], path: string, variable: Readonly<EnvVar>): void {
  const source = variable.valueFrom
  if (source === undefined) return
  let sources = 0
  if (source.fieldRef !== undefined) {
    sources++
    checkFieldRef(out, `${path}.fieldRef`, source.fieldRef, environmentFields)
  }
  if (source.resourceFieldRef !== undefined) {
    sources++
    checkResourceFieldRef(out, `${path}.resourceFieldRef`, source.resourceFieldRef, false)
  }
  for (const kind of ['configMapKeyRef', 'secretKeyRef'] as const) {
    const ref = source[kind]
    if (ref === undefined) continue
    sources++
    addInvalid(out, `${path}.${kind}.name`, ref.name ?? '', dnsSubdomainErrors(ref.name ?? ''))
    checkKey(out, `${path}.${kind}.key`, ref.key)
  }
  if (source.fileKeyRef !== undefined) {
    sources++
    const { key, volumeName, path: file } = source.fileKeyRef
    if (isEmpty(key)) out.push(fieldErrors.required(`${path}.fileKeyRef.key`))
    else addInvalid(out, `${path}.fileKeyRef.key`, key, environmentNameErrors(key))
    if (isEmpty(volumeName)) out.push(fieldErrors.required(`${path}.fileKeyRef.volumeName`))
    else addInvalid(out, `${path}.fileKeyRef.volumeName`, volumeName, dnsLabelErrors(volumeName))
    if (isEmpty(file)) out.push(fieldErrors.required(`${path}.fileKeyRef.path`))
    else checkNoBacksteps(out, `${path}.fileKeyRef.path`, file)
  }
  if (sources === 0) out.push(fieldErrors.invalid(path, '', 'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`'))
  else if (!isEmpty(variable.value)) out.push(fieldErrors.invalid(path, '', 'may not be specified when `value` is not empty'))
  else if (sources > 1) out.push(fieldErrors.invalid(path, '', 'may not have more than one field specified at a time'))
}

function checkEnv(out: FieldError[], path: string, env: readonly EnvVar[]): void {
  for (let i = 0; i < env.length; i++) {
    const variable = env[i]!
    if (isEmpty(variable.name)) out.push(fieldErrors.required(`${path}[${i}].name`))
    else {
      const messages = environmentNameErrors(variable.name)
      if (messages.length > 0) addInvalid(out, `${path}[${i}].name`, variable.name, messages)
    }
    if (variable.valueFrom !== undefined) checkValueFrom(out, `${path}[${i}].valueFrom`, variable)
  }
}

function checkEnvFrom(out: FieldError[], path: string, sources: readonly EnvFromSource[]): void {
  for (const [i, source] of sources.entries()) {
    const at = `${path}[${i}]`
    if (!isEmpty(source.prefix)) addInvalid(out, `${at}.prefix`, source.prefix, environmentNameErrors(source.prefix))
    let count = 0
    for (const kind of ['configMapRef', 'secretRef'] as const) {
      const ref = source[kind]
      if (ref === undefined) continue
      count++
      if (isEmpty(ref.name)) out.push(fieldErrors.required(`${at}.${kind}.name`))
      else addInvalid(out, `${at}.${kind}.name`, ref.name, dnsSubdomainErrors(ref.name))
    }
    if (count === 0) out.push(fieldErrors.invalid(path, '', 'must specify one of: `configMapRef` or `secretRef`'))
    else if (count > 1) out.push(fieldErrors.invalid(path, '', 'may not have more than one field specified at a time'))
  }
}

function checkMounts(out: FieldError[], path: string, container: Readonly<Container>, facts: PodFacts): void {
  const { volumeDevices: devices = [], volumeMounts: mounts = [] } = container
  const mountPaths = new Set<string>()
  for (let i = 0; i < mounts.length; i++) {
    const mount = mounts[i]!
    const at = `${path}[${i}]`
    if (isEmpty(mount.name)) out.push(fieldErrors.required(`${at}.name`))
    if (!facts.volumes.has(mount.name)) out.push(fieldErrors.notFound(`${at}.name`, mount.name ?? ''))
    if (isEmpty(mount.mountPath)) out.push(fieldErrors.required(`${at}.mountPath`))
    if (mountPaths.has(mount.mountPath)) out.push(fieldErrors.invalid(`${at}.mountPath`, mount.mountPath ?? '', 'must be unique'))
    mountPaths.add(mount.mountPath)
    if (devices.some((device) => device.name === mount.name)) out.push(fieldErrors.invalid(`${at}.name`, mount.name, 'must not already exist in volumeDevices'))
    if (devices.some((device) => device.devicePath === mount.mountPath)) out.push(fieldErrors.invalid(`${at}.mountPath`, mount.mountPath, 'must not already exist as a path in volumeDevices'))
    if (!isEmpty(mount.subPath)) checkLocalDescendingPath(out, `${path}.subPath`, mount.subPath)
    if (!isEmpty(mount.subPathExpr)) {
      if (!isEmpty(mount.subPath)) out.push(fieldErrors.invalid(`${at}.subPathExpr`, mount.subPathExpr, 'subPathExpr and subPath are mutually exclusive'))
      checkLocalDescendingPath(out, `${path}.subPathExpr`, mount.subPathExpr)
    }
    checkPropagation(out, path, mount, container)
  }
}

function checkPropagation(out: FieldError[], path: string, mount: Readonly<VolumeMount>, container: Readonly<Container>): void {
  const { mountPropagation, recursiveReadOnly } = mount
  checkOptionalOneOf(out, `${path}.mountPropagation`, mountPropagation, ['Bidirectional', 'HostToContainer', 'None'])
  if (mountPropagation === 'Bidirectional' && container.securityContext?.privileged !== true) {
    out.push(fieldErrors.forbidden(`${path}.mountPropagation`, 'Bidirectional mount propagation is available only to privileged containers'))
  }
  checkOptionalOneOf(out, `${path}.recursiveReadOnly`, recursiveReadOnly, ['Disabled', 'Enabled', 'IfPossible'])
  if (recursiveReadOnly !== 'Enabled' && recursiveReadOnly !== 'IfPossible') return
  if (mount.readOnly !== true) out.push(fieldErrors.forbidden(`${path}.recursiveReadOnly`, 'may only be specified when readOnly is true'))
  if (mountPropagation !== undefined && mountPropagation !== 'None') out.push(fieldErrors.forbidden(`${path}.recursiveReadOnly`, 'may only be specified when mountPropagation is None or not specified'))
}

function checkDevices(out: FieldError[], path: string, devices: readonly VolumeDevice[], mounts: readonly VolumeMount[], facts: PodFacts): void {
  const paths = new Set<string>()
  const names = new Set<string>()
  for (const [i, { name, devicePath }] of devices.entries()) {
    const at = `${path}[${i}]`
    const volume = facts.volumes.get(name)
    if (isEmpty(name)) out.push(fieldErrors.required(`${at}.name`))
    if (names.has(name)) out.push(fieldErrors.invalid(`${at}.name`, name, 'must be unique'))
    if (volume !== undefined && volume.persistentVolumeClaim === undefined && volume.ephemeral === undefined) {
      out.push(fieldErrors.invalid(`${at}.name`, name, 'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode'))
    }
    if (volume === undefined) out.push(fieldErrors.notFound(`${at}.name`, name ?? ''))
    if (isEmpty(devicePath)) out.push(fieldErrors.required(`${at}.devicePath`))
    if (paths.has(devicePath ?? '')) out.push(fieldErrors.invalid(`${at}.devicePath`, devicePath ?? '', 'must be unique'))
    if ((devicePath ?? '').split('/').includes('..')) out.push(fieldErrors.invalid(`${at}.devicePath`, devicePath, "can not contain backsteps ('..')"))
    else paths.add(devicePath ?? '')
    if (mounts.some((mount) => mount.name === name)) out.push(fieldErrors.invalid(`${at}.name`, name, 'must not already exist in volumeMounts'))
    if (mounts.some((mount) => mount.mountPath === devicePath)) out.push(fieldErrors.invalid(`${at}.devicePath`, devicePath, 'must not already exist as a path in volumeMounts'))
    if (!isEmpty(name)) names.add(name)
  }
}

const handlerKinds = ['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep'] as const

function checkHandler(out: FieldError[], path: string, handler: Readonly<ProbeHandler & LifecycleHandler>, facts: PodFacts): void {
  let first = true
  for (const kind of handlerKinds) {
    if (handler[kind] === undefined) continue
    if (first) checkHandlerKind(out, `${path}.${kind}`, handler, kind, facts)
    else out.push(fieldErrors.forbidden(`${path}.${kind}`, 'may not specify more than 1 handler type'))
    first = false
  }
  if (first) out.push(fieldErrors.required(path, 'must specify a handler type'))
}

function checkHandlerKind(out: FieldError[], path: string, { exec, httpGet, tcpSocket, grpc, sleep }: Readonly<ProbeHandler & LifecycleHandler>, kind: (typeof handlerKinds)[number], { graceSeconds }: PodFacts): void {
  if (kind === 'exec' && (exec?.command ?? []).length === 0) out.push(fieldErrors.required(`${path}.command`))
  if (kind === 'httpGet' && httpGet !== undefined) {
    if (isEmpty(httpGet.path)) out.push(fieldErrors.required(`${path}.path`))
    checkPortOrName(out, `${path}.port`, httpGet.port)
    if (httpGet.scheme !== 'HTTP' && httpGet.scheme !== 'HTTPS') out.push(fieldErrors.notSupported(`${path}.scheme`, httpGet.scheme ?? '', ['HTTP', 'HTTPS']))
    for (const header of httpGet.httpHeaders ?? []) addInvalid(out, `${path}.httpHeaders`, header.name, httpHeaderNameErrors(header.name))
  }
  if (kind === 'tcpSocket') checkPortOrName(out, `${path}.port`, tcpSocket?.port)
  if (kind === 'grpc') checkPortOrName(out, `${path}.port`, grpc?.port)
  if (kind === 'sleep' && sleep !== undefined && graceSeconds !== undefined && (sleep.seconds < 0 || sleep.seconds > graceSeconds)) {
    out.push(fieldErrors.invalid(path, sleep.seconds, `must be non-negative and less than terminationGracePeriodSeconds (${graceSeconds})`))
  }
}

const probeNumbers = ['initialDelaySeconds', 'timeoutSeconds', 'periodSeconds', 'successThreshold', 'failureThreshold'] as const

function checkProbe(out: FieldError[], path: string, probe: Readonly<Probe> | undefined, kind: 'liveness' | 'readiness' | 'startup', facts: PodFacts): void {
  if (probe === undefined) return
  checkHandler(out, path, probe, facts)
  for (const field of probeNumbers) {
    const value = probe[field]
    if (value !== undefined && value < 0) checkNonNegative(out, `${path}.${field}`, value)
  }
  const grace = probe.terminationGracePeriodSeconds
  if (grace !== undefined && grace <= 0) out.push(fieldErrors.invalid(`${path}.terminationGracePeriodSeconds`, grace, 'must be greater than 0'))
  if (kind === 'readiness') {
    if (grace !== undefined) out.push(fieldErrors.invalid(`${path}.terminationGracePeriodSeconds`, grace, 'must not be set for readinessProbes'))
  } else if (probe.successThreshold !== 1) {
    out.push(fieldErrors.invalid(`${path}.successThreshold`, probe.successThreshold ?? 0, 'must be 1'))
  }
}

const signals = [
  'SIGABRT', 'SIGALRM', 'SIGBUS', 'SIGCHLD', 'SIGCLD', 'SIGCONT', 'SIGFPE', 'SIGHUP', 'SIGILL', 'SIGINT', 'SIGIO', 'SIGIOT', 'SIGKILL', 'SIGPIPE', 'SIGPOLL', 'SIGPROF', 'SIGPWR', 'SIGQUIT', 'SIGRTMAX',
  ...Array.from({ length: 14 }, (_, i) => `SIGRTMAX-${i + 1}`), 'SIGRTMIN', ...Array.from({ length: 15 }, (_, i) => `SIGRTMIN+${i + 1}`), 'SIGSEGV', 'SIGSTKFLT', 'SIGSTOP', 'SIGSYS', 'SIGTERM', 'SIGTRAP',
  'SIGTSTP', 'SIGTTIN', 'SIGTTOU', 'SIGURG', 'SIGUSR1', 'SIGUSR2', 'SIGVTALRM', 'SIGWINCH', 'SIGXCPU', 'SIGXFSZ',
].sort()
const windowsSignals = ['SIGKILL', 'SIGTERM']

/** Which signals there are is the operating system's word, which the pod has to give (KEP-4960). */
function checkStopSignal(out: FieldError[], path: string, signal: string, os: string | undefined): void {
  if (os === undefined) out.push(fieldErrors.forbidden(path, 'may not be set for containers with empty `spec.os.name`'))
  else if (os === 'windows') checkOptionalOneOf(out, path, signal, windowsSignals)
  else if (os === 'linux') checkOptionalOneOf(out, path, signal, signals)
}

function checkLifecycle(out: FieldError[], path: string, lifecycle: Readonly<Lifecycle>, facts: PodFacts): void {
  if (lifecycle.postStart !== undefined) checkHandler(out, `${path}.postStart`, lifecycle.postStart, facts)
  if (lifecycle.preStop !== undefined) checkHandler(out, `${path}.preStop`, lifecycle.preStop, facts)
  if (lifecycle.stopSignal !== undefined) checkStopSignal(out, `${path}.stopSignal`, lifecycle.stopSignal, facts.os)
}

function checkProbes(out: FieldError[], path: string, container: Readonly<Container>, facts: PodFacts): void {
  if (container.lifecycle !== undefined) checkLifecycle(out, `${path}.lifecycle`, container.lifecycle, facts)
  checkProbe(out, `${path}.livenessProbe`, container.livenessProbe, 'liveness', facts)
  checkProbe(out, `${path}.readinessProbe`, container.readinessProbe, 'readiness', facts)
  checkProbe(out, `${path}.startupProbe`, container.startupProbe, 'startup', facts)
}

function checkResizePolicies(out: FieldError[], path: string, container: Readonly<Container>, { restartPolicy }: PodFacts): void {
  if (container.resizePolicy === undefined) return
  const seen = new Set<string>()
  for (const [i, policy] of container.resizePolicy.entries()) {
    if (seen.has(policy.resourceName)) out.push(fieldErrors.duplicate(`${path}[${i}]`, policy.resourceName))
    seen.add(policy.resourceName)
    checkOneOf(out, path, policy.resourceName, ['cpu', 'memory'])
    checkOneOf(out, path, policy.restartPolicy, ['NotRequired', 'RestartContainer'])
    if (restartPolicy === 'Never' && policy.restartPolicy !== 'NotRequired') out.push(fieldErrors.invalid(path, policy.restartPolicy, "must be 'NotRequired' when pod `restartPolicy` is 'Never'"))
  }
}

const messagePolicies = ['File', 'FallbackToLogsOnError']
const pullPolicies = ['Always', 'IfNotPresent', 'Never']

/** What init, regular and ephemeral containers have in common. */
function checkCommon(out: FieldError[], path: string, container: Readonly<Container>, facts: PodFacts): void {
  if (isEmpty(container.name)) out.push(fieldErrors.required(`${path}.name`))
  else addInvalid(out, `${path}.name`, container.name, dnsLabelErrors(container.name))
  if (isEmpty(container.image)) out.push(fieldErrors.required(`${path}.image`))
  checkOneOf(out, `${path}.terminationMessagePolicy`, container.terminationMessagePolicy, messagePolicies)
  if (container.ports !== undefined) checkPorts(out, `${path}.ports`, container.ports)
  if (container.env !== undefined) checkEnv(out, `${path}.env`, container.env)
  if (container.envFrom !== undefined) checkEnvFrom(out, `${path}.envFrom`, container.envFrom)
  if (container.volumeMounts !== undefined) checkMounts(out, `${path}.volumeMounts`, container, facts)
  if (container.volumeDevices !== undefined) checkDevices(out, `${path}.volumeDevices`, container.volumeDevices, container.volumeMounts ?? [], facts)
  checkOneOf(out, `${path}.imagePullPolicy`, container.imagePullPolicy, pullPolicies)
  if (container.resources !== undefined) checkRequirements(out, `${path}.resources`, container.resources, facts.claimNames)
  checkResizePolicies(out, `${path}.resizePolicy`, container, facts)
  checkSecurityContext(out, `${path}.securityContext`, container.securityContext, facts.hostUsers)
}

function checkHostPorts(out: FieldError[], path: string, containers: readonly Container[]): void {
  if (!containers.some(({ ports }) => ports?.some(({ hostPort }) => hostPort) === true)) return
  const seen = new Set<string>()
  for (const [c, container] of containers.entries()) {
    for (const [i, port] of (container.ports ?? []).entries()) {
      if (!port.hostPort) continue
      const key = `${port.protocol}/${port.hostIP ?? ''}/${port.hostPort}`
      if (seen.has(key)) out.push(fieldErrors.duplicate(`${path}[${c}].ports[${i}].hostPort`, key))
      seen.add(key)
    }
  }
}

export function checkContainers(out: FieldError[], path: string, containers: readonly Container[] | undefined, facts: PodFacts): void {
  if (containers === undefined || containers.length === 0) {
    out.push(fieldErrors.required(path))
    return
  }
  const names = new Set<string>()
  for (let i = 0; i < containers.length; i++) {
    const container = containers[i]!
    const at = `${path}[${i}]`
    const name = container.name ?? ''
    checkCommon(out, at, container, facts)
    if (names.has(name)) out.push(fieldErrors.duplicate(`${at}.name`, name))
    names.add(name)
    checkProbes(out, at, container, facts)
    checkRestartRules(out, at, container)
  }
  checkHostPorts(out, path, containers)
}

const restartPolicies = ['Always', 'Never', 'OnFailure']
const ruleActions = ['Restart', 'RestartAllContainers']

/** `restartPolicy` and `restartPolicyRules` of a single container (KEP-5307). */
function checkRestartRules(out: FieldError[], path: string, { restartPolicy, restartPolicyRules: rules = [] }: Readonly<Container>): void {
  if (restartPolicy === undefined) {
    if (rules.length > 0) out.push(fieldErrors.required(`${path}.restartPolicy`, 'must specify restartPolicy when restart rules are used'))
  } else checkOptionalOneOf(out, `${path}.restartPolicy`, restartPolicy, restartPolicies)
  if (rules.length > 20) out.push(fieldErrors.tooMany(`${path}.restartPolicyRules`, rules.length, 20))
  if (rules.length === 0) return
  for (const [i, { action, exitCodes }] of rules.entries()) {
    const at = `${path}.restartPolicyRules[${i}]`
    checkOptionalOneOf(out, `${at}.action`, action ?? '', ruleActions)
    if (exitCodes === undefined) {
      out.push(fieldErrors.required(`${at}.exitCodes`, 'must be specified'))
      continue
    }
    const { operator, values = [] } = exitCodes
    checkOptionalOneOf(out, `${at}.exitCodes.operator`, operator ?? '', ['In', 'NotIn'])
    if (values.length > 255) out.push(fieldErrors.tooMany(`${at}.exitCodes.values`, values.length, 255))
  }
}

const forbiddenForInit = ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const

export function checkInitContainers(out: FieldError[], path: string, containers: readonly Container[] | undefined, regular: readonly Container[] | undefined, facts: PodFacts): void {
  const names = new Set((regular ?? []).map((container) => container.name ?? ''))
  for (const [i, container] of (containers ?? []).entries()) {
    const at = `${path}[${i}]`
    const { name = '', restartPolicy, restartPolicyRules = [] } = container
    checkCommon(out, at, container, facts)
    if (restartPolicy !== undefined) checkRestartRules(out, at, container)
    else if (restartPolicyRules.length > 0) out.push(fieldErrors.required(`${at}.restartPolicy`, 'must specify restartPolicy when restart rules are used'))
    if (names.has(name)) out.push(fieldErrors.duplicate(`${at}.name`, name))
    else if (name !== '') names.add(name)
    // They run one by one, so each is looked at by itself; the place in upstream's path is always the first.
    checkHostPorts(out, path, [container])
    if (restartPolicy === 'Always') {
      checkProbes(out, at, container, facts)
      continue
    }
    for (const field of forbiddenForInit) if (container[field] !== undefined) out.push(fieldErrors.forbidden(`${at}.${field}`, 'may not be set for init containers without restartPolicy=Always'))
    if (facts.mayRestartInit) continue
    for (const [p, policy] of (container.resizePolicy ?? []).entries()) {
      if (policy.restartPolicy === 'RestartContainer') out.push(fieldErrors.invalid(`${at}.resizePolicy[${p}].restartPolicy`, policy.restartPolicy, "must not be set to 'RestartContainer' for non-sidecar initContainers"))
    }
  }
}

/** In the order of upstream's type. */
const forbiddenForEphemeral = ['ports', 'resources', 'resizePolicy', 'restartPolicy', 'restartPolicyRules', 'livenessProbe', 'readinessProbe', 'startupProbe', 'lifecycle'] as const

export function checkEphemeralContainers(out: FieldError[], path: string, containers: readonly EphemeralContainer[] | undefined, others: readonly Container[], facts: PodFacts): void {
  const otherNames = new Set(others.map((container) => container.name))
  const names = new Set(otherNames)
  for (const [i, ephemeral] of (containers ?? []).entries()) {
    const at = `${path}[${i}]`
    const container = ephemeral as unknown as Container
    checkCommon(out, at, container, facts)
    checkImagePadding(out, at, container)
    if (names.has(container.name)) out.push(fieldErrors.duplicate(`${at}.name`, container.name))
    names.add(container.name)
    if (!isEmpty(ephemeral.targetContainerName) && !otherNames.has(ephemeral.targetContainerName)) out.push(fieldErrors.notFound(`${at}.targetContainerName`, ephemeral.targetContainerName))
    const { resources } = container
    const noResources = resources === undefined || Object.keys(resources).length === 0
    for (const field of forbiddenForEphemeral) if (container[field] !== undefined && !(field === 'resources' && noResources)) out.push(fieldErrors.forbidden(`${at}.${field}`, 'cannot be set for an Ephemeral Container'))
    for (const [m, mount] of (container.volumeMounts ?? []).entries()) {
      for (const field of ['subPath', 'subPathExpr'] as const) if (!isEmpty(mount[field])) out.push(fieldErrors.forbidden(`${at}.volumeMounts[${m}].${field}`, 'cannot be set for an Ephemeral Container'))
    }
  }
}

/** Checked for pods only: templates of old may hold such names. */
export function checkImagePadding(out: FieldError[], path: string, { image }: Readonly<Container>): void {
  if (image !== undefined && image.trim() !== image) out.push(fieldErrors.invalid(`${path}.image`, image, 'must not have leading or trailing whitespace'))
}
