import type { ResourceClaim, ResourceSlice } from '../types/resource.k8s.io_v1.ts'
import { age, ageColumn, column, fieldColumn, nameColumn, namePrinter, printer } from './columns.ts'
import type { KindPrinter } from './columns.ts'

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
}
