import type { FlagRow } from './flags.ts'

/** What `k8ts server` takes beside the flags of the API server. */
export const serverFlags = [
  { name: 'cluster-cidr', kind: 'string', default: '10.244.0.0/16', group: 'Control plane', description: 'Range of pod addresses.' },
  { name: 'disable', kind: 'stringSlice', default: [], group: 'Control plane', description: 'Parts to leave out: scheduler, controller-manager.' },
  { name: 'controllers', kind: 'stringSlice', default: ['*'], group: 'Control plane', description: 'Controllers to run: "*" for all, "-name" to leave one out.' },
  { name: 'hollow', kind: 'int', default: 0, min: 0, group: 'Control plane', description: 'Simulated nodes to run beside it.' },
  { name: 'host-pod-routes', kind: 'bool', default: false, group: 'Control plane', description: 'Keep this machine\'s routes to the pods of its node machines.' },
] as const satisfies readonly FlagRow[]
