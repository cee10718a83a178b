import type { OpenObject } from '../../machinery/object.ts'
import { clusterDefaults } from './cluster.ts'
import { coreDefaults } from './core.ts'
import { networkingDefaults } from './networking.ts'
import { workloadDefaults } from './workloads.ts'

/** Fills in place what a client left out, as upstream's `SetDefaults_*` of the kind. The object is decoded and its own. */
export type Defaulter = (object: OpenObject) => void

const byType = new Map<string, Defaulter>(Object.entries({ ...coreDefaults, ...workloadDefaults, ...networkingDefaults, ...clusterDefaults }))

/** The defaults of a type of the tables, `apps/v1.Deployment`; undefined for kinds that have none. */
export function applyDefaultsFor(typeId: string): Defaulter | undefined {
  return byType.get(typeId)
}

/** Types that have defaults. */
export function defaultedTypes(): string[] {
  return [...byType.keys()]
}
