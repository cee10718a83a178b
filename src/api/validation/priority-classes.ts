import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import type { PriorityClass } from '../types/scheduling.k8s.io_v1.ts'
import { checkOneOf } from './check.ts'
import { validateImmutable } from './object-meta.ts'
import type { Validation } from './validation.ts'

/** PriorityClasses: names and values that are the system's own. */

const systemPriorities: Record<string, number> = { 'system-cluster-critical': 2000000000, 'system-node-critical': 2000001000 }
const maxUserPriority = 1000000000

function systemProblem(name: string, value: number, isDefault: boolean): string | undefined {
  const known = Object.hasOwn(systemPriorities, name) ? systemPriorities[name] : undefined
  if (known === undefined) return `${name} is not a known system priority class`
  if (value !== known) return `value of ${name} PriorityClass must be ${known}`
  return isDefault ? `globalDefault of ${name} PriorityClass must be false` : undefined
}

export const priorityClassValidation: Validation = {
  validate(object) {
    const out: FieldError[] = []
    const { metadata, value, globalDefault, preemptionPolicy } = object as unknown as PriorityClass
    const name = metadata.name ?? ''
    if (name.startsWith('system-')) {
      const problem = systemProblem(name, value, globalDefault === true)
      if (problem !== undefined) out.push(fieldErrors.forbidden('metadata.name', `priority class names with 'system-' prefix are reserved for system use only. error: ${problem}`))
    } else if (value > maxUserPriority) {
      out.push(fieldErrors.forbidden('value', `maximum allowed value of a user defined priority is ${maxUserPriority}`))
    }
    if (preemptionPolicy !== undefined) checkOneOf(out, 'preemptionPolicy', preemptionPolicy, ['PreemptLowerPriority', 'Never'])
    return out
  },
  validateUpdate: (object, old) => [
    ...(object.value === old.value ? [] : [fieldErrors.forbidden('value', 'may not be changed in an update.')]),
    ...validateImmutable(object.preemptionPolicy, old.preemptionPolicy, 'preemptionPolicy'),
  ],
}
