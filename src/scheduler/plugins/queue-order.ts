import { unresolvable, type Plugin } from '../framework.ts'

/** Higher priority first, then who has waited longer. */
export const prioritySort: Plugin = {
  name: 'PrioritySort',
  less: (a, b) => a.info.priority > b.info.priority || (a.info.priority === b.info.priority && a.addedMs < b.addedMs),
}

/** Holds pods back until their scheduling gates are removed (KEP-3521). */
export const schedulingGates: Plugin = {
  name: 'SchedulingGates',
  events: [],
  preEnqueue(pod) {
    const gates = pod.spec.schedulingGates ?? []
    return gates.length === 0 ? undefined : unresolvable(`waiting for scheduling gates: [${gates.map((gate) => gate.name).join(' ')}]`)
  },
}
