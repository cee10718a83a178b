import type { ResourceDescription } from '../../api/resource.ts'
import type { MatchCondition } from '../../api/types/admissionregistration.k8s.io_v1.ts'
import type { KubeObject, OpenObject } from '../../machinery/object.ts'
import type { AdmissionAttributes } from '../context.ts'
import type { ApiServerCore } from '../core.ts'
import { compileConditions } from './policies/compile.ts'
import { conditionsHold, type ConditionsOutcome, type ConditionsOwner } from './policies/conditions.ts'

/** A request as match conditions see it: objects in the version of `target`. */
export interface MatchInput {
  attributes: AdmissionAttributes
  target: ResourceDescription
  object: Readonly<KubeObject> | undefined
  oldObject: Readonly<KubeObject> | undefined
}

export type MatchConditions = (core: ApiServerCore, input: MatchInput, owner: ConditionsOwner) => Promise<ConditionsOutcome>

/** The conditions of a webhook, compiled once (KEP-3716). Configurations with an expression that doesn't compile are refused; one that stands all the same fails each request by its policy. */
export function compileMatchConditions(conditions: readonly MatchCondition[]): MatchConditions {
  const compiled = compileConditions(conditions, { hasParams: false })
  return (core, { attributes, target, object, oldObject }, owner) =>
    conditionsHold(core, compiled, { attributes, target, object: object as Readonly<OpenObject> | undefined, oldObject: oldObject as Readonly<OpenObject> | undefined }, owner)
}
