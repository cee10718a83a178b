import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ResourceAttributes } from '../../api/types/authorization.k8s.io_v1.ts'
import { fieldErrorText } from '../../machinery/field-error.ts'
import { selectorProblems, selectorQuestion } from './review-selectors.ts'

const problems = (attributes: unknown): string[] => selectorProblems(attributes as ResourceAttributes, 'spec').map((problem) => `${problem.path}: ${fieldErrorText(problem)}`)
const question = (attributes: unknown): unknown[] => {
  const { attributes: asked, evaluationErrors } = selectorQuestion(attributes as ResourceAttributes)
  return [asked.fieldSelector, asked.labelSelector, ...evaluationErrors]
}
const requirement = (key: string, operator: string, ...values: string[]): object => ({ key, operator, ...(values.length === 0 ? {} : { values }) })

test('selectors of a review are checked as upstream does', () => {
  const cases: [unknown, string[]][] = [
    [{}, []],
    [{ fieldSelector: { rawSelector: 'a=b' }, labelSelector: { requirements: [requirement('app', 'In', 'a')] } }, []],
    [{ fieldSelector: {} }, ['spec.fieldSelector.requirements: Required value: when spec.fieldSelector is specified, requirements or rawSelector is required']],
    [{ labelSelector: { rawSelector: 'a', requirements: [requirement('a', 'Exists')] } }, ['spec.labelSelector.rawSelector: Invalid value: "a": may not specified at the same time as requirements']],
    [{ fieldSelector: { requirements: [requirement('', 'In')] } }, ['spec.fieldSelector.requirements[0].key: Required value: must be specified', "spec.fieldSelector.requirements[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"]],
    [{ labelSelector: { requirements: [requirement('a', 'Exists', 'x')] } }, ["spec.labelSelector.requirements[0].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'"]],
    // A newer client's operator only narrows.
    [{ fieldSelector: { requirements: [requirement('a', 'Resembles', 'x')] } }, []],
  ]
  for (const [attributes, expected] of cases) assert.deepEqual(problems(attributes), expected, JSON.stringify(attributes))
  assert.match(problems({ labelSelector: { requirements: [requirement('-', 'Exists')] } })[0]!, /^spec\.labelSelector\.requirements\[0\]\.key: Invalid value: "-": name part must consist of/)
})

test('authorizers are asked with what can be said; the rest is told', () => {
  assert.deepEqual(question({ fieldSelector: { requirements: [requirement('spec.nodeName', 'In', 'n1'), requirement('x', 'NotIn', 'a,b')] } }), ['spec.nodeName=n1,x!=a\\,b', undefined])
  assert.deepEqual(question({ labelSelector: { requirements: [requirement('a', 'In', 'x', 'y'), requirement('b', 'NotIn', 'z'), requirement('c', 'Exists'), requirement('d', 'DoesNotExist')] } }), [undefined, 'a in (x,y),b notin (z),c,!d'])
  assert.deepEqual(question({ fieldSelector: { rawSelector: 'a=b' }, labelSelector: { rawSelector: 'a=((' } }), ['a=b', undefined, 'spec.resourceAttributes.labelSelector ignored due to parse error'])
  assert.deepEqual(question({ fieldSelector: { requirements: [requirement('a', 'In', 'x'), requirement('b', 'In', 'x', 'y')] } }), ['a=x', undefined, 'spec.resourceAttributes.fieldSelector partially ignored due to parse error'])
  assert.deepEqual(question({ fieldSelector: { requirements: [requirement('a', 'Exists')] } }), [undefined, undefined, 'spec.resourceAttributes.fieldSelector ignored due to parse error'])
})
