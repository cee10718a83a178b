import type { OpenObject } from '../../machinery/object.ts'
import type { Strategy } from '../resource.ts'
import type { PersistentVolumeClaim, PersistentVolumeClaimSpec } from '../types/core_v1.ts'
import { withBothSources } from '../validation/claims.ts'

/** PersistentVolumeClaims: where their data comes from is said in two fields, of which the older takes less. */

const hasSource = ({ dataSource, dataSourceRef }: Readonly<PersistentVolumeClaimSpec>): boolean => dataSource !== undefined || dataSourceRef !== undefined

/** `dataSource` has always lost what it does not know; `dataSourceRef` keeps it, but goes itself where it names another namespace, which is a feature that is off. */
function normalizeSources(object: OpenObject, old?: Readonly<PersistentVolumeClaimSpec>): void {
  const claim = object as unknown as PersistentVolumeClaim
  if (claim.spec === undefined || !hasSource(claim.spec)) return
  const { dataSource, dataSourceRef } = claim.spec
  if ((dataSourceRef?.namespace ?? '') !== '' && old?.dataSourceRef === undefined) delete claim.spec.dataSourceRef
  if ((old === undefined || !hasSource(old)) && dataSource !== undefined && claim.spec.dataSourceRef === undefined) {
    const group = dataSource.apiGroup ?? ''
    const isKnown = dataSource.kind === 'PersistentVolumeClaim' ? group === '' : dataSource.kind === 'VolumeSnapshot' && group === 'snapshot.storage.k8s.io'
    if (!isKnown) delete claim.spec.dataSource
  }
  claim.spec = withBothSources(claim.spec)
}

export const claimStrategy: Strategy = {
  prepareForCreate: (object) => normalizeSources(object),
  prepareForUpdate: (object, old) => normalizeSources(object, (old as unknown as PersistentVolumeClaim).spec),
}
