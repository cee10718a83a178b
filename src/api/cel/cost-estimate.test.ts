import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileSchema } from '../custom/schema.ts'
import type { JSONSchemaProps } from '../types/apiextensions.k8s.io_v1.ts'
import { estimateCost } from './cost-estimate.ts'
import { compileExpression } from './expression.ts'
import { schemaType } from './schema-type.ts'

function schemaOf(type: string): JSONSchemaProps {
  if (type === 'int-or-string') return { 'x-kubernetes-int-or-string': true }
  return ['date', 'date-time', 'duration', 'byte'].includes(type) ? { type: 'string', format: type } : { type }
}
const arrayOf = (items: JSONSchemaProps) => (maxItems?: number): JSONSchemaProps => ({ type: 'array', items, ...(maxItems === undefined ? {} : { maxItems }) })
const mapOf = (additionalProperties: JSONSchemaProps) => (maxProperties?: number): JSONSchemaProps => ({ type: 'object', additionalProperties, ...(maxProperties === undefined ? {} : { maxProperties }) })
const text = (format?: string) => (maxLength?: number): JSONSchemaProps => ({ type: 'string', ...(format === undefined ? {} : { format }), ...(maxLength === undefined ? {} : { maxLength }) })
const object: JSONSchemaProps = { type: 'object', required: ['required'], properties: { required: { type: 'string' }, optional: { type: 'string' } } }

function estimate(raw: JSONSchemaProps, rule: string): number {
  const type = schemaType(compileSchema(raw), false)!
  const { compiled, problem } = compileExpression({ expression: rule, variables: { self: type } })
  assert.equal(problem, undefined)
  return estimateCost(compiled!.tree, type).max
}

/** What apiextensions' `TestCostEstimation` expects: without a limit, and with this one. */
test('estimates are those of upstream', () => {
  const cases: [schema: (max?: number) => JSONSchemaProps, rule: string, unlimited: number | undefined, max: number, limited: number][] = [
    [arrayOf(schemaOf('number')), 'self.all(x, true)', 4718591, 10, 32], [arrayOf(schemaOf('string')), 'self.all(x, true)', 3145727, 20, 62], [arrayOf(schemaOf('boolean')), 'self.all(x, true)', 1887437, 5, 17],
    [arrayOf(arrayOf(schemaOf('number'))()), 'self.all(x, true)', 3145727, 100, 302], [arrayOf(object), 'self.all(x, true)', 555128, 50, 152],
    [mapOf(schemaOf('number')), 'self.all(x, true)', 1348169, 10, 32], [mapOf(schemaOf('string')), 'self.all(x, true)', 1179647, 3, 11], [mapOf(schemaOf('boolean')), 'self.all(x, true)', 943718, 100, 302],
    [mapOf(schemaOf('number')), 'has(self.x)', 1, 100, 1], [mapOf(schemaOf('string')), 'has(self.x)', 1, 550, 1],
    [text(), "self.contains('test')", 314574, 10, 5], [text(), "self.startsWith('test')", 2, 15, 2], [text(), 'size(self + "hello") > size("hello")', 314578, 4, 7],
    [arrayOf(schemaOf('number')), 'self[1] == 0.0', 2, 5000, 2], [arrayOf(schemaOf('string')), 'self[1] == self[1]', 314577, 8, 314577],
    [arrayOf(schemaOf('number')), 'self.all(x, self.all(y, true))', undefined, 10, 352], [arrayOf(schemaOf('number')), 'self.all(x, self.all(y, self.all(z, true)))', undefined, 10, 3552],
    [text(), 'self.matches("x")', 314574, 50, 22], [text(), '"".matches("(((((((((())))))))))[0-9]")', 7, 10, 7], [text(), 'self.matches("")', 1, 100, 1],
    [text(), 'self == "x"', 2, 0, 1], [text('byte'), 'self == b"x"', 2, 0, 1], [arrayOf(schemaOf('number')), 'self.all(x, x == 0.0)', 6291454, 3 * 1024 * 2048, 25165826],
    [arrayOf(schemaOf('int-or-string')), 'self.all(x, true)', 4718591, 10, 32], [arrayOf(schemaOf('int-or-string')), 'self[0] == 5', 3, 10, 3], [arrayOf(schemaOf('boolean')), 'self[0] == false', 2, 25, 2],
    [arrayOf(object), 'self[0] == null', 2, 422, 2], [arrayOf(arrayOf(schemaOf('number'))()), 'self[0][0] == -1.0', 3, 51, 3],
    [arrayOf(schemaOf('duration')), 'self.all(x, true)', 2359295, 5, 17], [arrayOf(schemaOf('duration')), 'self[0].getHours() == 2', 4, 525, 4], [arrayOf(schemaOf('date')), 'self.all(x, true)', 725936, 15, 47],
    [arrayOf(schemaOf('date-time')), 'self.all(x, true)', 428963, 25, 77], [mapOf(schemaOf('int-or-string')), 'self.all(x, true)', 1348169, 15, 47], [mapOf(schemaOf('duration')), 'self.all(x, true)', 1048577, 5, 17],
    [mapOf(schemaOf('date')), 'self.all(x, true)', 524288, 10, 32], [mapOf(schemaOf('date-time')), 'self.all(x, true)', 349526, 25, 77], [mapOf(arrayOf(schemaOf('number'))()), 'self.all(x, true)', 1179647, 25, 77],
    [text(), "self.find('[0-9]+') == ''", 629147, 10, 11],
    [arrayOf(schemaOf('number')), 'self.reverse().size() == 1', 1572877, 10, 24], [arrayOf(schemaOf('number')), 'self.sort().size() == 1', undefined, 10, 214], [arrayOf(schemaOf('string')), 'self.sort().size() == 1', undefined, 10, 224],
    [arrayOf(schemaOf('number')), 'self.slice(0, 3).size() == 1', 17, 10, 17], [arrayOf(schemaOf('number')), 'sets.equivalent(self, [1.0, 2.0])', 6291464, 10, 52], [arrayOf(schemaOf('number')), 'self.sortBy(e, -e).size() == 1', undefined, 10, 377],
    [arrayOf(schemaOf('number')), 'self.slice(3, 0).size() == 1', undefined, 10, 18446744073709551616], [text(), 'format.uri() == format.uuid()', 9, 10, 9],
    [text(), "optional.of('a').optMap(v, v == 'value').hasValue()", 18, 10, 18], [text('duration'), 'type(self) == google.protobuf.Duration', 7, 10, 7],
  ]
  for (const [schema, rule, unlimited, max, limited] of cases) {
    const shown = `${rule} on ${JSON.stringify(schema())}`
    if (unlimited === undefined) assert.ok(estimate(schema(), rule) > 10_000_000, shown)
    else assert.deepEqual([shown, estimate(schema(), rule)], [shown, unlimited])
    assert.deepEqual([shown, max, estimate(schema(max), rule)], [shown, max, limited])
  }
})
