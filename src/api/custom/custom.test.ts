import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { parse } from 'yaml'
import { fieldErrorText } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { CustomResourceDefinition, JSONSchemaProps } from '../types/apiextensions.k8s.io_v1.ts'
import { applySchemaDefaults } from './default.ts'
import { validateDefinition } from './definition-validation.ts'
import { prune } from './prune.ts'
import { publishedSchema } from './published-schema.ts'
import { compileRuleCheck, ruleProblem } from './rules.ts'
import { compileSchema } from './schema.ts'
import { validateListTypes, validateUpdatedValue, validateValue } from './validate.ts'

interface Case { name: string; schema: JSONSchemaProps; value: Record<string, unknown>; old?: Record<string, unknown>; pruned?: string[]; becomes?: unknown; errors?: string[] }

const texts = (errors: readonly FieldError[]): string[] => errors.map((error) => `${error.path}: ${fieldErrorText(error)}`)

/** Each case goes the way of a write: pruned, defaulted, validated, its rules checked. */
describe('objects by their schema', () => {
  const cases = parse(readFileSync(new URL('testdata/objects.yaml', import.meta.url), 'utf8')) as Case[]
  for (const { name, schema, value, old, pruned = [], becomes, errors = [] } of cases) {
    test(name, () => {
      const node = compileSchema(schema)
      assert.deepEqual(prune(node, value), pruned)
      applySchemaDefaults(node, value)
      if (becomes !== undefined) assert.deepEqual(value, becomes)
      const found = [...(old === undefined ? validateValue(node, value) : validateUpdatedValue(node, value, old)), ...validateListTypes(node, value)]
      const rules = compileRuleCheck(schema)(value as unknown as OpenObject, old as unknown as OpenObject | undefined)
      assert.deepEqual(texts([...found, ...rules]), errors)
    })
  }
})

describe('definitions', () => {
  const cases = parse(readFileSync(new URL('testdata/definitions.yaml', import.meta.url), 'utf8')) as { name: string; change: Partial<CustomResourceDefinition['spec']>; version?: object; schema?: object; errors: string[] }[]
  for (const { name, change, version, schema, errors } of cases) {
    test(name, () => {
      const base = { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', ...schema } }, ...version }
      const definition = {
        metadata: { name: 'widgets.example.com' },
        spec: { group: 'example.com', scope: 'Namespaced', names: { plural: 'widgets', kind: 'Widget', singular: 'widget', listKind: 'WidgetList' }, versions: [base], ...change },
      } as unknown as CustomResourceDefinition
      assert.deepEqual(texts(validateDefinition(definition)), errors)
    })
  }
})

test('loops within loops over much data are stopped before they start', () => {
  const schema: JSONSchemaProps = {
    type: 'object', 'x-kubernetes-validations': [{ rule: 'self.l.all(a, self.l.all(b, self.l.all(c, a + b + c >= 0)))' }],
    properties: { l: { type: 'array', items: { type: 'integer' } } },
  }
  const check = compileRuleCheck(schema)
  assert.deepEqual(check({ l: [1, 2, 3] } as unknown as OpenObject, undefined), [])
  const [error] = check({ l: Array.from({ length: 500 }, (_, i) => i) } as unknown as OpenObject, undefined)
  assert.match(error!.detail, /call cost exceeds limit/)
})

test('rules that cannot be compiled say why', () => {
  assert.equal(ruleProblem('self.a.all(x, x > 1) && oldSelf == self'), undefined)
  assert.match(ruleProblem('self.a <')!, /^Syntax error: /)
  assert.equal(ruleProblem('foo.a > 1'), "undeclared reference to 'foo' (in container '')")
})

test('what OpenAPI 2 cannot say is left out there', () => {
  const schema = { type: 'object', properties: { a: { type: 'string', nullable: true }, b: { oneOf: [{}], type: 'string' } } }
  const two = publishedSchema(schema, 'v2', { $ref: 'meta' }) as { properties: Record<string, object> }
  assert.deepEqual(two.properties.a, {})
  assert.deepEqual(two.properties.b, { type: 'string' })
  assert.deepEqual(two.properties.metadata, { $ref: 'meta' })
  const three = publishedSchema(schema, 'v3', { $ref: 'meta' }) as { properties: Record<string, object> }
  assert.deepEqual(three.properties.a, { type: 'string', nullable: true })
})
