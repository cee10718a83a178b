import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { qualifiedNameErrors, regexError } from '../../machinery/names.ts'
import type { Condition } from '../types/meta_v1.ts'
import { addInvalid, isEmpty } from './check.ts'

const reasonPattern = '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?'
const reasonExpression = new RegExp(`^${reasonPattern}$`)
const maxReasonBytes = 1024
const maxMessageBytes = 32 * 1024

/** Conditions of the common form (apimachinery's `ValidateConditions`). */
export function checkConditions(out: FieldError[], path: string, conditions: readonly Condition[] | undefined): void {
  const seen = new Set<string>()
  for (const [i, condition] of (conditions ?? []).entries()) {
    const at = `${path}[${i}]`
    const { type = '', status = '', reason = '', message = '' } = condition
    if (seen.has(type)) out.push(fieldErrors.duplicate(`${at}.type`, type))
    seen.add(type)
    addInvalid(out, `${at}.type`, type, qualifiedNameErrors(type))
    if (!['False', 'True', 'Unknown'].includes(status)) out.push(fieldErrors.notSupported(`${at}.status`, status, ['False', 'True', 'Unknown']))
    if ((condition.observedGeneration ?? 0) < 0) out.push(fieldErrors.invalid(`${at}.observedGeneration`, condition.observedGeneration, 'must be greater than or equal to zero'))
    if (isEmpty(condition.lastTransitionTime)) out.push(fieldErrors.required(`${at}.lastTransitionTime`))
    if (reason === '') out.push(fieldErrors.required(`${at}.reason`))
    else {
      if (!reasonExpression.test(reason)) {
        out.push(fieldErrors.invalid(`${at}.reason`, reason, regexError(
          "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_'",
          reasonPattern, 'my_name', 'MY_NAME', 'MyName', 'ReasonA,ReasonB', 'ReasonA:ReasonB')))
      }
      if (Buffer.byteLength(reason) > maxReasonBytes) out.push(fieldErrors.tooLong(`${at}.reason`, maxReasonBytes))
    }
    if (Buffer.byteLength(message) > maxMessageBytes) out.push(fieldErrors.tooLong(`${at}.message`, maxMessageBytes))
  }
}
