import { timeText } from '../../machinery/object.ts'
import type { Strategy } from '../resource.ts'
import type { DeviceTaint, ResourceClaim, ResourceSlice } from '../types/resource.k8s.io_v1.ts'
import type { DeviceTaintRule } from '../types/resource.k8s.io_v1beta2.ts'

/** Devices and claims to them. */

/** Taints without a time are of now. */
function stampTaints(taints: readonly DeviceTaint[] | undefined, nowMs: number): void {
  for (const taint of taints ?? []) taint.timeAdded ??= timeText(nowMs)
}

const stampSlice: NonNullable<Strategy['prepareForCreate']> = (object, { nowMs }) => {
  for (const device of (object as unknown as ResourceSlice).spec?.devices ?? []) stampTaints(device.taints, nowMs)
}

export const deviceSliceStrategy: Strategy = { prepareForCreate: stampSlice, prepareForUpdate: (object, _old, context) => stampSlice(object, context) }

const stampRule: NonNullable<Strategy['prepareForCreate']> = (object, { nowMs }) => {
  const taint = (object as unknown as DeviceTaintRule).spec?.taint
  if (taint !== undefined) stampTaints([taint], nowMs)
}

export const deviceTaintRuleStrategy: Strategy = { prepareForCreate: stampRule, prepareForUpdate: (object, _old, context) => stampRule(object, context) }

interface DeviceId { driver: string; pool: string; device: string; shareID?: string }
const idOf = ({ driver, pool, device, shareID }: Readonly<DeviceId>): string => JSON.stringify([driver, pool, device, shareID])

/** What is said of devices goes with their allocation, so that clients that don't know of it need not take it away. */
export const resourceClaimStatusStrategy: Strategy = {
  prepareForUpdate(object, old) {
    const claim = object as unknown as ResourceClaim
    const { status } = claim
    if (status?.devices === undefined) return
    const now = new Set((status.allocation?.devices?.results ?? []).map(idOf))
    const gone = new Set(((old as unknown as ResourceClaim).status?.allocation?.devices?.results ?? []).map(idOf).filter((id) => !now.has(id)))
    const kept = status.devices.filter((device) => !gone.has(idOf(device)))
    if (kept.length > 0) status.devices = kept
    else delete status.devices
  },
}
