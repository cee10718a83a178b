import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mergeV2, selectV2, v3FromV2 } from './foreign.ts'
import { encodeOpenapiV2 } from './gnostic.ts'

const ref = (name: string): object => ({ $ref: `#/definitions/${name}` })

test('a part of a document has the paths of its group version, what they refer to, and shared parameters in their places', () => {
  const document = {
    parameters: { pretty: { name: 'pretty', in: 'query', type: 'string' } },
    definitions: { A: { properties: { b: ref('B') } }, B: { properties: { a: ref('A') } }, C: {}, ['__proto__']: { properties: { self: ref('__proto__') } } },
    paths: {
      '/apis/x/v1/': { get: { responses: { 200: { description: 'OK', schema: ref('A') } } } },
      '/apis/x/v1/things': { parameters: [{ $ref: '#/parameters/pretty' }], get: { responses: { 200: { description: 'OK', schema: ref('__proto__') } } } },
      '/apis/x/v10/things': { get: { responses: { 200: { schema: ref('C') } } } },
    },
  }
  const part = selectV2(JSON.parse(JSON.stringify(document).replace('"C":{}', '"C":{},"__proto__":{"properties":{}}')), '/apis/x/v1/')
  assert.deepEqual(Object.keys(part.paths), ['/apis/x/v1/', '/apis/x/v1/things'])
  assert.deepEqual(Object.keys(part.definitions).toSorted(), ['A', 'B', '__proto__'])
  assert.deepEqual(part.paths['/apis/x/v1/things']!.parameters, [{ name: 'pretty', in: 'query', type: 'string' }])
  for (const nothing of [undefined, null, 7, [], { paths: {} }]) assert.deepEqual(Object.keys(selectV2(nothing, '/apis/x/v1/').paths), [])
})

test('what is merged in keeps off what is there, and refers to its own definitions', () => {
  const own = { paths: { '/a': { get: {} } }, definitions: { Same: { type: 'object' }, Other: { type: 'object' } } }
  const merged = mergeV2(own, [
    { paths: { '/a': { put: {} }, '/b': { get: { schema: ref('Other') } } }, definitions: { Same: { type: 'object' }, Other: { type: 'string' }, Holder: { items: ref('Other') } } },
    { paths: { '/c': { get: { schema: ref('Other') } } }, definitions: { Other: { type: 'number' } } },
  ])
  assert.deepEqual({ ...merged.paths }, { '/a': { get: {} }, '/b': { get: { schema: ref('Other_v2') } }, '/c': { get: { schema: ref('Other_v3') } } })
  assert.deepEqual({ ...merged.definitions }, { Same: { type: 'object' }, Other: { type: 'object' }, Other_v2: { type: 'string' }, Holder: { items: ref('Other_v2') }, Other_v3: { type: 'number' } })
  assert.deepEqual(Object.keys(own.definitions), ['Same', 'Other'])
})

test('the v3 form has bodies, contents and schemas where v2 has parameters, media types and definitions', () => {
  const v3 = v3FromV2({
    paths: {
      '/things': {
        parameters: [{ name: 'namespace', in: 'path', required: true, type: 'string', uniqueItems: true }],
        post: {
          operationId: 'create', consumes: ['application/json'], produces: ['application/json', 'application/yaml'], schemes: ['https'],
          parameters: [{ name: 'body', in: 'body', required: true, schema: ref('Thing') }, { name: 'dryRun', in: 'query', type: 'string' }],
          responses: { 201: { description: 'Created', schema: ref('Thing') }, 401: { description: 'Unauthorized' } },
        },
      },
    },
    definitions: { Thing: { type: 'object' } },
  }, { title: 't', version: 'v1' })
  const schema = { $ref: '#/components/schemas/Thing' }
  assert.deepEqual(v3, {
    openapi: '3.0.0', info: { title: 't', version: 'v1' },
    paths: {
      '/things': {
        parameters: [{ name: 'namespace', in: 'path', required: true, schema: { type: 'string', uniqueItems: true } }],
        post: {
          operationId: 'create', parameters: [{ name: 'dryRun', in: 'query', schema: { type: 'string' } }], requestBody: { required: true, content: { 'application/json': { schema } } },
          responses: { 201: { description: 'Created', content: { 'application/json': { schema }, 'application/yaml': { schema } } }, 401: { description: 'Unauthorized' } },
        },
      },
    },
    components: { schemas: { Thing: { type: 'object' } } },
  })
})

test('a document of the wrong shape cannot be written, and is found out before it is merged', () => {
  assert.throws(() => encodeOpenapiV2({ swagger: '2.0', ...selectV2({ paths: { '/apis/x/v1/things': { get: { tags: 5 } } } }, '/apis/x/v1/') }))
})
