import { semanticEqual } from '../../machinery/equality.ts'
import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { qosClass } from '../qos.ts'
import type { Container, Pod, PodSpec, ResourceRequirements } from '../types/core_v1.ts'

/** Changes of a running pod's resources (KEP-1287; of the pod as a whole, KEP-5419): amounts of CPU and memory, and nothing else. */

type ResourceList = Readonly<Record<string, string>>

const isRemoved = (now: ResourceList = {}, before: ResourceList = {}): boolean => Object.keys(before).some((name) => !Object.hasOwn(now, name))

/** The new amounts with those of CPU and memory as they were. */
function withOldComputeAmounts(now: ResourceList | undefined, before: ResourceList | undefined): Record<string, string> | undefined {
  if (now === undefined && before === undefined) return undefined
  const { cpu: _cpu, memory: _memory, ...others } = now ?? {}
  return { ...others, ...(before?.cpu === undefined ? {} : { cpu: before.cpu }), ...(before?.memory === undefined ? {} : { memory: before.memory }) }
}

/** Claims are left out, as upstream leaves them out: containers that use some cannot be resized. */
function withOldCompute(now: Readonly<ResourceRequirements> | undefined, before: Readonly<ResourceRequirements> | undefined): ResourceRequirements {
  const limits = withOldComputeAmounts(now?.limits, before?.limits)
  const requests = withOldComputeAmounts(now?.requests, before?.requests)
  return { ...(limits === undefined ? {} : { limits }), ...(requests === undefined ? {} : { requests }) }
}

const isBlank = (resources: Readonly<ResourceRequirements> | undefined): boolean => Object.keys(resources?.requests ?? {}).length + Object.keys(resources?.limits ?? {}).length === 0

/** Empty lists of amounts are as good as none. */
function sameResources(now: Readonly<ResourceRequirements> | undefined, before: Readonly<ResourceRequirements> | undefined): boolean {
  return (['limits', 'requests'] as const).every((kind) => semanticEqual(now?.[kind] ?? {}, before?.[kind] ?? {})) && semanticEqual(now?.claims, before?.claims)
}

const sameContainer = (now: Readonly<Container>, before: Readonly<Container>): boolean =>
  sameResources(now.resources, before.resources) && semanticEqual({ ...now, resources: undefined }, { ...before, resources: undefined })

/** Of the pod as a whole; answers with what it has once CPU and memory are as they were. */
function checkPodLevel(out: FieldError[], pod: Readonly<Pod>, before: Readonly<Pod>): ResourceRequirements | undefined {
  const now = pod.spec.resources
  const then = before.spec.resources
  if (isBlank(now) && isBlank(then)) return now
  if (then !== undefined && now === undefined) {
    out.push(fieldErrors.forbidden('spec.resources', 'pod-level resources cannot be removed'))
    return now
  }
  for (const kind of ['requests', 'limits'] as const) {
    if (isRemoved(now?.[kind], then?.[kind])) out.push(fieldErrors.forbidden(`spec.resources.${kind}`, `pod-level resource ${kind} cannot be removed`))
  }
  const restored = { ...now, ...withOldCompute(now, then) }
  const left = then === undefined && isBlank(restored) && (restored.claims ?? []).length === 0 ? undefined : restored
  if (!sameResources(left, then)) out.push(fieldErrors.forbidden('spec', 'only cpu and memory resources are mutable at pod-level'))
  return left
}

/** Containers stay as many, in their order, and keep their names. */
function checkOrder(out: FieldError[], spec: Readonly<PodSpec>, before: Readonly<PodSpec>): boolean {
  const count = out.length
  for (const field of ['containers', 'initContainers'] as const) {
    const now = spec[field] ?? []
    const then = before[field] ?? []
    if (now.length !== then.length) out.push(fieldErrors.forbidden(`spec.${field}`, `${field} may not be added or removed on resize`))
    else {
      for (const [i, { name }] of then.entries()) {
        if (now[i]?.name !== name) out.push(fieldErrors.forbidden(`spec.${field}[${i}].name`, `${field} may not be renamed or reordered on resize`))
      }
    }
  }
  return out.length === count
}

/** Nodes that can resize tell of the resources of what runs on them. */
function isSupportedByNode({ status }: Readonly<Pod>): boolean {
  const running = status?.containerStatuses?.find(({ state }) => state?.running !== undefined)
  return running === undefined || running.resources !== undefined
}

/** What a resize from `before` to `pod` breaks. */
export function checkResize(out: FieldError[], pod: Readonly<Pod>, before: Readonly<Pod>): void {
  const oldClass = before.status?.qosClass || qosClass(before.spec)
  if (oldClass !== qosClass(pod.spec)) out.push(fieldErrors.invalid('spec', pod.status?.qosClass ?? '', 'Pod QOS Class may not change as a result of resizing'))
  if (!isSupportedByNode(before)) out.push(fieldErrors.forbidden('spec', 'Pod running on node without support for resize'))
  const podLevel = checkPodLevel(out, pod, before)
  if (!checkOrder(out, pod.spec, before.spec)) return
  for (const field of ['initContainers', 'containers'] as const) {
    for (const [i, container] of (before.spec[field] ?? []).entries()) {
      for (const kind of ['requests', 'limits'] as const) {
        if (isRemoved(pod.spec[field]?.[i]?.resources?.[kind], container.resources?.[kind])) out.push(fieldErrors.forbidden(`spec.${field}[${i}].resources.${kind}`, `resource ${kind} cannot be removed`))
      }
    }
  }
  const restored = { containers: restoredContainers(out, pod.spec, before.spec), initContainers: restoredInitContainers(out, pod.spec, before.spec) }
  if (out.length > 0) return
  const rest = { ...pod.spec, containers: [], initContainers: [], resources: undefined }
  const same = semanticEqual(rest, { ...before.spec, containers: [], initContainers: [], resources: undefined }) && sameResources(podLevel, before.spec.resources)
    && restored.containers.every((container, i) => sameContainer(container, before.spec.containers[i] as Container))
    && restored.initContainers.every((container, i) => sameContainer(container, before.spec.initContainers?.[i] as Container))
  if (!same) out.push(fieldErrors.forbidden('spec', 'only cpu and memory resources are mutable'))
}

function restoredContainers(out: FieldError[], spec: Readonly<PodSpec>, before: Readonly<PodSpec>): Container[] {
  return (spec.containers ?? []).map((container, i) => {
    const old = before.containers[i] as Container
    const restored = { ...container, resources: withOldCompute(container.resources, old.resources) }
    if (!sameContainer(restored, old)) out.push(fieldErrors.forbidden('spec', 'only cpu and memory resources are mutable'))
    return restored
  })
}

function restoredInitContainers(out: FieldError[], spec: Readonly<PodSpec>, before: Readonly<PodSpec>): Container[] {
  return (spec.initContainers ?? []).map((container, i) => {
    const at = `spec.initContainers[${i}]`
    const old = before.initContainers?.[i] as Container
    const restored = { ...container, resources: withOldCompute(container.resources, old.resources) }
    if (!sameContainer(restored, old)) out.push(fieldErrors.forbidden(at, 'only cpu and memory resources for init or sidecar containers are mutable'))
    if (!sameContainer(container, old) && container.restartPolicy !== 'Always') {
      for (const policy of container.resizePolicy ?? []) {
        if (policy.restartPolicy === 'RestartContainer') out.push(fieldErrors.forbidden(at, 'non-sidecar init containers with a resize policy of RestartContainer cannot be resized'))
      }
    }
    return restored
  })
}
