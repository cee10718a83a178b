import { compareVersions } from '../../api/resource-table.ts'
import type { APIService, APIServiceCondition } from '../../api/types/apiregistration.k8s.io_v1.ts'

/** How the resource is called in caches. */
export const apiServicesResource = 'apiservices.apiregistration.k8s.io'

/** Every APIService is named so: `v1.apps`, and `v1.` for the core group. */
export function apiServiceName(group: string, version: string): string {
  return `${version}.${group}`
}

/** The group version that a name stands for. */
export function groupVersionOf(name: string): { group: string; version: string } {
  const dot = name.indexOf('.')
  return dot < 0 ? { group: '', version: name } : { group: name.slice(dot + 1), version: name.slice(0, dot) }
}

/** Groups by falling `groupPriorityMinimum`, then by name; in each the versions by falling `versionPriority`, then as Kubernetes versions compare. */
export function sortedByGroupAndVersion(services: readonly APIService[]): APIService[][] {
  const nameOf = (service: APIService): string => service.metadata.name ?? ''
  const sorted = [...services].sort((a, b) => b.spec.groupPriorityMinimum - a.spec.groupPriorityMinimum || (nameOf(a) < nameOf(b) ? -1 : 1))
  const groups = new Map<string, APIService[]>()
  for (const service of sorted) {
    const { group = '' } = service.spec
    const known = groups.get(group)
    if (known === undefined) groups.set(group, [service])
    else known.push(service)
  }
  for (const group of groups.values()) group.sort((a, b) => b.spec.versionPriority - a.spec.versionPriority || compareVersions(a.spec.version ?? '', b.spec.version ?? ''))
  return [...groups.values()]
}

export function isAvailable(service: Readonly<APIService>): boolean {
  return service.status?.conditions?.some(({ type, status }) => type === 'Available' && status === 'True') ?? false
}

export type Availability = Pick<APIServiceCondition, 'status' | 'reason' | 'message'>

export const localAvailability: Availability = { status: 'True', reason: 'Local', message: 'Local APIServices are always available' }

/** The conditions with `Available` as it is now; undefined where they say so already. `time` is taken when the status changes. */
export function withAvailability(conditions: readonly APIServiceCondition[], availability: Availability, time: string): APIServiceCondition[] | undefined {
  const old = conditions.find(({ type }) => type === 'Available')
  if (old === undefined) return [...conditions, { type: 'Available', status: availability.status, lastTransitionTime: time, ...wordsOf(availability) }]
  if (old.status === availability.status && (old.reason ?? '') === (availability.reason ?? '') && (old.message ?? '') === (availability.message ?? '')) return undefined
  const lastTransitionTime = old.status === availability.status ? old.lastTransitionTime : time
  const made: APIServiceCondition = { type: 'Available', status: availability.status, ...(lastTransitionTime === undefined ? {} : { lastTransitionTime }), ...wordsOf(availability) }
  return conditions.map((condition) => (condition === old ? made : condition))
}

function wordsOf({ reason, message }: Availability): { reason?: string; message?: string } {
  return { ...(reason === undefined ? {} : { reason }), ...(message === undefined ? {} : { message }) }
}
