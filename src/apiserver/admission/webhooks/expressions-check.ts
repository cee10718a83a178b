import { semanticEqual } from '../../../machinery/equality.ts'
import { fieldErrorCause, type FieldError } from '../../../machinery/field-error.ts'
import type { KubeObject } from '../../../machinery/object.ts'
import { errors } from '../../../machinery/status.ts'
import type { MatchCondition } from '../../../api/types/admissionregistration.k8s.io_v1.ts'
import { expressionError } from '../../../api/validation/admission-expressions.ts'
import type { AdmissionPlugin } from '../../context.ts'

interface Configuration extends KubeObject { webhooks?: readonly { matchConditions?: readonly MatchCondition[] }[] }

/**
 * Refuses webhook configurations whose match conditions don't compile. Upstream has this in the validation of these kinds; here it
 * waits until the expression engine is loaded, which servers without such conditions never do.
 */
export const webhookExpressionsCheck: AdmissionPlugin = {
  name: 'WebhookExpressions',
  handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
  resources: ['mutatingwebhookconfigurations.admissionregistration.k8s.io', 'validatingwebhookconfigurations.admissionregistration.k8s.io'],
  async validate({ object, oldObject, resource, name }) {
    const conditionsOf = (configuration: Readonly<KubeObject> | undefined): (readonly MatchCondition[])[] => ((configuration as Configuration | undefined)?.webhooks ?? []).map(({ matchConditions = [] }) => matchConditions)
    const all = conditionsOf(object)
    // What stands may stand on: a newer server may have written it.
    if (all.every((conditions) => conditions.length === 0) || semanticEqual(all, conditionsOf(oldObject))) return
    const { compileConditions } = await import('../policies/compile.ts')
    const problems = all.flatMap((conditions, i) => compileConditions(conditions, { hasParams: false }).map(({ expression, compilation }, j): FieldError | undefined =>
      compilation.problem === undefined ? undefined : expressionError(`webhooks[${i}].matchConditions[${j}].expression`, expression, compilation.problem))).filter((problem) => problem !== undefined)
    if (problems.length > 0) throw errors.invalid({ group: resource.group, kind: resource.kind }, name, problems.map(fieldErrorCause))
  },
}
