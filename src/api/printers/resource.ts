import type { ResourceClaim, ResourceSlice } from '../types/resource.k8s.io_v1.ts'
import type { ResourcePoolStatusRequest } from '../types/resource.k8s.io_v1alpha3.ts'
import type { DeviceTaintRule } from '../types/resource.k8s.io_v1beta2.ts'
import { age, ageColumn, column, fieldColumn, nameColumn, namePrinter, printer, since } from './columns.ts'
import type { Cell, KindPrinter } from './columns.ts'

/** `pending`, `allocated,reserved`, `deleted,allocated`. */
function claimState({ metadata, status }: ResourceClaim): string {
  const deleted = metadata.deletionTimestamp !== undefined
  const states = deleted ? ['deleted'] : []
  if (status?.allocation === undefined) {
    if (!deleted) states.push('pending')
  } else {
    states.push('allocated')
    if ((status.reservedFor?.length ?? 0) > 0) states.push('reserved')
  }
  return states.join(',')
}

/** Devices by what became of them, summed over all pools, `-` where nobody has counted yet. */
function poolCells({ metadata, spec, status }: ResourcePoolStatusRequest, nowMs: number): Cell[] {
  const decisive = status?.conditions?.find(({ type, status: state }) => state === 'True' && (type === 'Complete' || type === 'Failed'))
  const pools = status?.pools ?? []
  const counts = status === undefined || decisive?.type === 'Failed' ? Array.from({ length: 5 }, () => '-')
    : [...(['totalDevices', 'availableDevices', 'allocatedDevices', 'unavailableDevices'] as const).map((field) => String(pools.reduce((sum, pool) => sum + (pool[field] ?? 0), 0))),
      String(pools.filter(({ validationError }) => validationError !== undefined).length)]
  const poolCount = status?.poolCount ?? 0
  const isComplete = decisive?.type === 'Complete'
  const state = isComplete && poolCount > pools.length ? `Complete (${pools.length}/${poolCount} pools)` : (decisive?.type ?? 'Pending')
  return [metadata.name ?? '', spec.driver, ...counts, poolCount, state, isComplete ? since(decisive.lastTransitionTime, nowMs) : '<none>']
}

export const resourcePrinters: Record<string, KindPrinter> = {
  DeviceClass: namePrinter,
  ResourceClaimTemplate: namePrinter,
  ResourceClaim: printer<ResourceClaim>([nameColumn, column('State', 'string', 'A summary of the current state (allocated, pending, reserved, etc.).'), ageColumn],
    (claim, nowMs) => [claim.metadata.name ?? '', claimState(claim), age(claim, nowMs)]),
  ResourceSlice: printer<ResourceSlice>([
    nameColumn,
    fieldColumn('Node', 'string', 'resource.k8s.io/v1.ResourceSliceSpec', 'nodeName'),
    fieldColumn('Driver', 'string', 'resource.k8s.io/v1.ResourceSliceSpec', 'driver'),
    fieldColumn('Pool', 'string', 'resource.k8s.io/v1.ResourcePool', 'name'),
    ageColumn,
  ], (slice, nowMs) => [slice.metadata.name ?? '', slice.spec.nodeName ?? '', slice.spec.driver, slice.spec.pool?.name ?? '', age(slice, nowMs)]),
  DeviceTaintRule: printer<DeviceTaintRule>([
    nameColumn, ...(['key', 'value', 'effect', 'timeAdded'] as const).map((field) => fieldColumn(`${field[0]?.toUpperCase()}${field.slice(1)}`, 'string', 'resource.k8s.io/v1.DeviceTaint', field)), ageColumn,
  ], (rule, nowMs) => {
    const { key, value, effect, timeAdded } = rule.spec.taint ?? {}
    return [rule.metadata.name ?? '', key ?? '', value ?? '', effect ?? '', timeAdded === undefined ? '' : since(timeAdded, nowMs), age(rule, nowMs)]
  }),
  ResourcePoolStatusRequest: printer<ResourcePoolStatusRequest>([
    nameColumn, column('Driver', 'string', 'The driver to query pools for.'), column('Total', 'string', 'Total number of devices across all pools.'),
    column('Available', 'string', 'Number of available devices across all pools.'), column('Allocated', 'string', 'Number of allocated devices across all pools.'),
    column('Unavailable', 'string', 'Number of unavailable devices across all pools.'), column('Errors', 'string', 'Number of pools with validation errors.'),
    column('Pools', 'integer', 'Total number of matching pools.'), column('Status', 'string', 'Processing status.'), column('Completed', 'string', 'Time since the observation completed.'),
  ], poolCells),
}
