import type { Pod, PodSpec } from '../../api/types/core_v1.ts'
import type { PriorityClass } from '../../api/types/scheduling.k8s.io_v1.ts'
import type { OpenObject } from '../../machinery/object.ts'
import { systemPriorityClasses } from '../bootstrap/system-objects.ts'
import type { AdmissionAttributes, AdmissionPlugin } from '../context.ts'
import type { ApiServerCore } from '../core.ts'
import { whenKnown, type Known } from '../known.ts'
import { admittedPod, refusal } from './refusal.ts'

/** Turns a pod's priority class into its priority, and keeps the classes to one global default (KEP-268). */
export function priorityAdmission(core: ApiServerCore): AdmissionPlugin {
  const classes = core.resource('priorityclasses', 'scheduling.k8s.io')

  /** What the same list, which nobody has changed since, came to. */
  let last: { all: readonly Readonly<OpenObject>[]; chosen: PriorityClass | undefined } | undefined

  function classNamed(name: string): Known<PriorityClass | undefined> {
    // The system's own classes hold even before the server has written them.
    return whenKnown(core.registry.findNow(classes, '', name) as Known<PriorityClass | undefined>, (found) => found ?? systemPriorityClasses.find((candidate) => candidate.metadata.name === name))
  }

  /** The least of those marked as default: there may be two for a moment. */
  function defaultClass(): Known<PriorityClass | undefined> {
    return whenKnown(core.registry.listNow(classes), chosenOf)
  }

  function chosenOf(all: readonly Readonly<OpenObject>[]): PriorityClass | undefined {
    if (last?.all === all) return last.chosen
    let chosen: PriorityClass | undefined
    for (const candidate of all as unknown as readonly PriorityClass[]) if (candidate.globalDefault === true && (chosen === undefined || candidate.value < chosen.value)) chosen = candidate
    last = { all, chosen }
    return chosen
  }

  function setPriority(attributes: AdmissionAttributes, spec: PodSpec, named: string, chosen: PriorityClass | undefined): void {
    if (chosen === undefined && named !== '') throw refusal(attributes, `no PriorityClass with name ${named} was found`)
    const priority = chosen?.value ?? 0
    const preemptionPolicy = chosen?.preemptionPolicy ?? 'PreemptLowerPriority'
    if (spec.priority !== undefined && spec.priority !== priority) {
      throw refusal(attributes, `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${priority} from the given PriorityClass name`)
    }
    if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== preemptionPolicy) {
      throw refusal(attributes, `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; priority admission controller computed ${preemptionPolicy} from the given PriorityClass name`)
    }
    if (chosen !== undefined) spec.priorityClassName = chosen.metadata.name!
    spec.priority = priority
    spec.preemptionPolicy = preemptionPolicy
  }

  return {
    name: 'Priority',
    handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
    resources: ['pods', 'priorityclasses.scheduling.k8s.io'],
    mutate(attributes) {
      const pod = admittedPod(attributes)
      if (pod === undefined) return
      if (attributes.operation === 'CREATE') {
        const named = pod.spec.priorityClassName ?? ''
        return whenKnown(named === '' ? defaultClass() : classNamed(named), (chosen) => setPriority(attributes, pod.spec, named, chosen))
      }
      const old = attributes.oldObject as Pod
      // A client that does not know these fields leaves them out; they never change.
      if (pod.spec.priority === undefined && old.spec.priority !== undefined) pod.spec.priority = old.spec.priority
      if (pod.spec.preemptionPolicy === undefined && old.spec.preemptionPolicy !== undefined) pod.spec.preemptionPolicy = old.spec.preemptionPolicy
    },
    validate(attributes) {
      if (attributes.resource.group !== 'scheduling.k8s.io' || attributes.resource.resource !== 'priorityclasses') return
      const wanted = attributes.object as PriorityClass
      if (wanted.globalDefault !== true) return
      return whenKnown(defaultClass(), (standing) => {
        if (standing !== undefined && standing.metadata.name !== wanted.metadata.name) {
          throw refusal(attributes, `PriorityClass ${standing.metadata.name} is already marked as default. Only one default can exist`)
        }
      })
    },
  }
}
