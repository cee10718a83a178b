import { podRequests } from '../../api/pod-resources.ts'
import type { Binding, Node, Pod } from '../../api/types/core_v1.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { milliValue, quantityValue } from '../../machinery/quantity.ts'
import { errors } from '../../machinery/status.ts'
import type { AdmissionAttributes, AdmissionPlugin } from '../context.ts'
import type { ApiServerCore } from '../core.ts'
import { whenKnown, type Known } from '../known.ts'
import { admittedPod, isCore, refusal } from './refusal.ts'

const hostname = 'kubernetes.io/hostname'

/** Pods may keep others off their node only, not off a whole zone. Off by default. */
export const limitPodHardAntiAffinityTopology: AdmissionPlugin = {
  name: 'LimitPodHardAntiAffinityTopology',
  handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
  resources: ['pods'],
  validate(attributes) {
    const pod = admittedPod(attributes)
    for (const { topologyKey } of pod?.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []) {
      if (topologyKey === hostname) continue
      throw errors.forbidden(attributes.resource, pod!.metadata.name ?? '', `affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey ${topologyKey} but only key ${hostname} is allowed`)
    }
  },
}

const topologyLabels = ['topology.kubernetes.io/zone', 'topology.kubernetes.io/region']

/** Pods carry the zone and region of the node that they are bound to (KEP-4742). */
export function podTopologyLabels(core: ApiServerCore): AdmissionPlugin {
  function label(object: AdmissionAttributes['object'], nodeName: string | undefined): void {
    if (object === undefined || nodeName === undefined || nodeName === '') return
    const labels = core.reader.get('nodes', '', nodeName)?.metadata.labels ?? {}
    const found = topologyLabels.filter((key) => labels[key] !== undefined)
    if (found.length > 0) object.metadata.labels = { ...Object.fromEntries(found.map((key) => [key, labels[key]!])), ...object.metadata.labels }
  }

  return {
    name: 'PodTopologyLabels',
    handles: (operation) => operation === 'CREATE',
    resources: ['pods'],
    mutate(attributes) {
      if (isCore(attributes, 'pods')) return label(attributes.object, admittedPod(attributes)?.spec.nodeName)
      if (!isCore(attributes, 'pods', 'binding')) return
      const { target } = attributes.object as Binding
      if (target.kind === 'Node') label(attributes.object, target.name)
    },
  }
}

/** What a pod is resized to must fit its node as a whole, which must run Linux (KEP-1287). */
export function podResizeValidator(core: ApiServerCore): AdmissionPlugin {
  function because(attributes: AdmissionAttributes, reason: string, text: string): Error {
    const error = refusal(attributes, text)
    error.status.details = { ...error.status.details, causes: [{ reason }] }
    return error
  }

  async function check(attributes: AdmissionAttributes): Promise<void> {
    const pod = attributes.object as Pod
    const nodeName = pod.spec.nodeName ?? ''
    if (nodeName === '' || attributes.oldObject?.metadata.generation === pod.metadata.generation) return
    const node = await core.registry.find(core.resource('nodes'), '', nodeName) as Readonly<Node> | undefined
    if (node === undefined) throw refusal(attributes, `node ${JSON.stringify(nodeName)} not found`)
    const requests = podRequests(pod.spec)
    const { cpu = '0', memory = '0' } = node.status?.allocatable ?? {}
    const over = ([['cpu', milliValue(cpu)], ['memory', quantityValue(memory)]] as const)
      .filter(([resource, allocatable]) => (requests.get(resource) ?? 0) > allocatable)
      .map(([resource, allocatable]) => `${resource}, requested: ${requests.get(resource)}, allocatable: ${allocatable}`)
    if (over.length > 0) throw because(attributes, 'NodeCapacity', `Node didn't have enough allocatable resources: ${over.join('; ')}`)
    const system = node.metadata.labels?.['kubernetes.io/os'] ?? ''
    if (system !== 'linux') throw because(attributes, 'UnsupportedPlatform', `pod resize is only supported on linux nodes, node ${JSON.stringify(nodeName)} is ${JSON.stringify(system)}`)
  }

  return {
    name: 'PodResizeValidator',
    handles: (operation) => operation === 'UPDATE',
    resources: ['pods'],
    validate: (attributes) => (isCore(attributes, 'pods', 'resize') ? check(attributes) : undefined),
  }
}

/** Features that a node must declare before a bound pod changes so: name, and whether the change needs it. */
const featuresOfUpdates: ReadonlyArray<readonly [string, (pod: Pod, old: Readonly<Pod>) => boolean]> = [
  ['InPlacePodLevelResourcesVerticalScaling', (pod, old) => !semanticEqual(pod.spec.resources, old.spec.resources)],
  ['InPlacePodVerticalScalingInitContainers', (pod, old) => (old.spec.initContainers ?? []).some((container, i) =>
    container.restartPolicy !== 'Always' && !semanticEqual(container.resources, pod.spec.initContainers?.[i]?.resources))],
]

/** Pods change only in ways that the kubelet of their node says it knows of (KEP-5328). */
export function nodeDeclaredFeatureValidator(core: ApiServerCore): AdmissionPlugin {
  return {
    name: 'NodeDeclaredFeatureValidator',
    handles: (operation) => operation === 'UPDATE',
    resources: ['pods'],
    validate(attributes) {
      if (!isCore(attributes, 'pods') && !isCore(attributes, 'pods', 'resize')) return
      const pod = attributes.object as Pod
      const old = attributes.oldObject as Readonly<Pod>
      const nodeName = pod.spec.nodeName ?? ''
      if (nodeName === '' || old.metadata.generation === pod.metadata.generation) return
      const needed = featuresOfUpdates.filter(([, isNeeded]) => isNeeded(pod, old)).map(([name]) => name)
      if (needed.length === 0) return
      return whenKnown(core.registry.findNow(core.resource('nodes'), '', nodeName) as Known<Readonly<Node> | undefined>, (node) => {
        if (node === undefined) throw refusal(attributes, `node ${JSON.stringify(nodeName)} not found`)
        const missing = needed.filter((name) => !(node.status?.declaredFeatures ?? []).includes(name))
        if (missing.length > 0) throw refusal(attributes, `pod update requires features ${missing.join(', ')} which are not available on node ${JSON.stringify(nodeName)}`)
      })
    },
  }
}
