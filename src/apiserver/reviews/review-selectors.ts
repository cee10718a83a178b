import type { ResourceAttributes } from '../../api/types/authorization.k8s.io_v1.ts'
import { fieldErrors, type FieldError } from '../../machinery/field-error.ts'
import { escapeFieldValue, parseFieldSelector } from '../../machinery/fields.ts'
import { parseLabelSelector } from '../../machinery/labels.ts'
import { labelValueErrors, qualifiedNameErrors } from '../../machinery/names.ts'
import type { AuthorizationAttributes } from '../context.ts'

/** Field and label selectors of access reviews (KEP-4601): what they may say, and how authorizers are asked about them. */

type FieldPart = NonNullable<ResourceAttributes['fieldSelector']>
type LabelPart = NonNullable<ResourceAttributes['labelSelector']>
type Requirement = NonNullable<FieldPart['requirements']>[number]

/** Operators that this server doesn't know are let through: a newer client's selector only narrows. */
function requirementProblems({ key = '', operator, values = [] }: Partial<Requirement>, path: string): FieldError[] {
  const problems = key === '' ? [fieldErrors.required(`${path}.key`, 'must be specified')] : []
  if ((operator === 'In' || operator === 'NotIn') && values.length === 0) problems.push(fieldErrors.required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'"))
  if ((operator === 'Exists' || operator === 'DoesNotExist') && values.length > 0) problems.push(fieldErrors.forbidden(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
  return problems
}

function labelRequirementProblems(requirement: Partial<Requirement>, path: string): FieldError[] {
  const { key = '', values = [] } = requirement
  return [
    ...requirementProblems({ ...requirement, key: 'any' }, path), ...qualifiedNameErrors(key).map((problem) => fieldErrors.invalid(`${path}.key`, key, problem)),
    ...values.flatMap((value, i) => labelValueErrors(value).map((problem) => fieldErrors.invalid(`${path}.values[${i}]`, value, problem))),
  ]
}

function partProblems(part: FieldPart | LabelPart | undefined, path: string, check: typeof requirementProblems): FieldError[] {
  if (part === undefined) return []
  const { rawSelector = '', requirements = [] } = part
  return [
    ...(rawSelector !== '' && requirements.length > 0 ? [fieldErrors.invalid(`${path}.rawSelector`, rawSelector, 'may not specified at the same time as requirements')] : []),
    ...(rawSelector === '' && requirements.length === 0 ? [fieldErrors.required(`${path}.requirements`, `when ${path} is specified, requirements or rawSelector is required`)] : []),
    ...requirements.flatMap((requirement, i) => check(requirement as Requirement, `${path}.requirements[${i}]`)),
  ]
}

/** What is wrong with the selectors of a review. */
export function selectorProblems({ fieldSelector, labelSelector }: ResourceAttributes, path: string): FieldError[] {
  return [...partProblems(fieldSelector, `${path}.fieldSelector`, requirementProblems), ...partProblems(labelSelector, `${path}.labelSelector`, labelRequirementProblems)]
}

interface Question { text: string; ignored: number; kept: number }

function isParsed(parse: (text: string) => unknown, text: string): boolean {
  try {
    parse(text)
    return true
  } catch {
    return false // told in the review's evaluationError
  }
}

/** As text; what can't be said so is dropped, which asks for more than the review, never for less. */
function questionOf(part: FieldPart | LabelPart | undefined, textOf: (requirement: Requirement) => string | undefined, parse: (text: string) => unknown): Question {
  const raw = part?.rawSelector ?? ''
  if (part === undefined || (raw === '' && (part.requirements ?? []).length === 0)) return { text: '', ignored: 0, kept: 0 }
  if ((part.requirements ?? []).length === 0) return isParsed(parse, raw) ? { text: raw, ignored: 0, kept: 1 } : { text: '', ignored: 1, kept: 0 }
  const texts = part.requirements!.map((requirement) => textOf(requirement as Requirement)).filter((text) => text !== undefined && isParsed(parse, text))
  return { text: texts.join(','), ignored: part.requirements!.length - texts.length, kept: texts.length }
}

function fieldText({ key, operator, values = [] }: Requirement): string | undefined {
  if (values.length !== 1) return undefined
  if (operator === 'In') return `${key}=${escapeFieldValue(values[0]!)}`
  return operator === 'NotIn' ? `${key}!=${escapeFieldValue(values[0]!)}` : undefined
}

function labelText({ key, operator, values = [] }: Requirement): string | undefined {
  switch (operator) {
    case 'In': return `${key} in (${values.join(',')})`
    case 'NotIn': return `${key} notin (${values.join(',')})`
    case 'Exists': return key
    case 'DoesNotExist': return `!${key}`
    default: return undefined
  }
}

export interface SelectorQuestion { attributes: Pick<AuthorizationAttributes, 'fieldSelector' | 'labelSelector'>; evaluationErrors: string[] }

/** The selectors of a review as the query of a list would carry them, and what of them had to be left out. */
export function selectorQuestion({ fieldSelector, labelSelector }: ResourceAttributes): SelectorQuestion {
  const fields = questionOf(fieldSelector, fieldText, parseFieldSelector)
  const labels = questionOf(labelSelector, labelText, parseLabelSelector)
  const told = (name: string, { ignored, kept }: Question): string[] => (ignored === 0 ? [] : [`spec.resourceAttributes.${name} ${kept > 0 ? 'partially ' : ''}ignored due to parse error`])
  return {
    attributes: { ...(fields.text === '' ? {} : { fieldSelector: fields.text }), ...(labels.text === '' ? {} : { labelSelector: labels.text }) },
    evaluationErrors: [...told('fieldSelector', fields), ...told('labelSelector', labels)],
  }
}
