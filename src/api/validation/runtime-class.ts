import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { validateLabels } from '../../machinery/labels.ts'
import { dnsLabelErrors } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { RuntimeClass } from '../types/node.k8s.io_v1.ts'
import { checkTolerations } from './affinity.ts'
import { checkRequirements } from './amounts.ts'
import { addInvalid } from './check.ts'
import { internalForm } from './internal-form.ts'
import { validateImmutable } from './object-meta.ts'
import type { Validation } from './validation.ts'

function validateRuntimeClass(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { handler = '', overhead, scheduling } = object as unknown as RuntimeClass
  if (handler === '') out.push(fieldErrors.required('handler'))
  else addInvalid(out, 'handler', handler, dnsLabelErrors(handler))
  if (overhead !== undefined) checkRequirements(out, 'overhead', { limits: overhead.podFixed ?? {} }, new Set())
  if (scheduling === undefined) return out
  out.push(...validateLabels(scheduling.nodeSelector, 'scheduling.nodeSelector'))
  const { tolerations = [] } = scheduling
  checkTolerations(out, 'scheduling.tolerations', tolerations)
  const seen = new Set<string>()
  for (const [i, toleration] of tolerations.entries()) {
    const key = JSON.stringify([toleration.key, toleration.operator, toleration.value, toleration.effect])
    if (seen.has(key)) out.push(fieldErrors.duplicate(`scheduling.tolerations[${i}]`, internalForm('Toleration', toleration)))
    seen.add(key)
  }
  return out
}

export const runtimeClassValidation: Validation = {
  validate: validateRuntimeClass,
  validateUpdate: (object, old) => [...validateRuntimeClass(object), ...validateImmutable(object.handler ?? '', old.handler, 'handler')],
}
