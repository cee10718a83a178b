import assert from 'node:assert/strict'
import { test } from 'node:test'
import { negotiate, negotiateLoosely, wantsPretty, type NegotiationLimits } from './negotiation.ts'

const builtin: NegotiationLimits = { encodings: ['json', 'yaml', 'protobuf'], transforms: true }
const custom: NegotiationLimits = { encodings: ['json', 'yaml'], transformed: ['json', 'yaml', 'protobuf'], transforms: true }
const watch: NegotiationLimits = { ...builtin, isWatch: true }
const table = 'as=Table;g=meta.k8s.io;v=v1'
const partial = 'as=PartialObjectMetadataList;g=meta.k8s.io;v=v1'

/** `encoding`, or `encoding as version`. */
function picked(accept: string | undefined, limits: NegotiationLimits): string {
  const { encoding, as, asVersion } = negotiate(accept, limits)
  return as === '' ? encoding : `${encoding} ${as} ${asVersion}`
}

test('the first that fits is taken, better ones and more exact ones before', () => {
  const cases: Array<[string | undefined, string, NegotiationLimits?]> = [
    [undefined, 'json'], ['', 'json'], ['*/*', 'json'], ['application/*', 'json'], ['application/yaml', 'yaml'], ['application/vnd.kubernetes.protobuf', 'protobuf'],
    ['application/json;q=0.5, application/yaml', 'yaml'], ['*/*, application/yaml', 'yaml'], ['application/*, application/vnd.kubernetes.protobuf', 'protobuf'],
    ['text/html, application/yaml;q=0.9, */*;q=0.8', 'yaml'], ['text/html, */*', 'json'],
    [`application/json;${table}, application/json`, 'json Table v1'], [`application/yaml;${table}`, 'yaml Table v1'],
    ['application/json;as=Table;g=meta.k8s.io;v=v1beta1', 'json Table v1beta1'],
    [`application/vnd.kubernetes.protobuf;${table}, application/json`, 'json'], ['application/json;as=Table;g=meta.k8s.io;v=v2, application/yaml', 'yaml'],
    ['application/json;as=Thing;g=meta.k8s.io;v=v1, application/yaml', 'yaml'], ['application/json;g=meta.k8s.io;v=v1, application/yaml', 'yaml'],
    [`application/vnd.kubernetes.protobuf;${partial}`, 'protobuf PartialObjectMetadataList v1'],
    ['application/json;stream=watch', 'json'], ['application/json;stream=other, application/yaml', 'yaml'], ['application/json;sv=v1', 'json'], ['application/json;sv=v2, application/yaml', 'yaml'],
    ['application/vnd.kubernetes.protobuf, application/json', 'json', custom], [`application/vnd.kubernetes.protobuf;${partial}`, 'protobuf PartialObjectMetadataList v1', custom],
    ['application/vnd.kubernetes.protobuf;stream=watch', 'protobuf', watch],
    [`application/json;${table}`, 'json', { ...builtin, tables: false }],
  ]
  for (const [accept, wanted, limits = builtin] of cases.slice(0, -1)) assert.equal(picked(accept, limits), wanted, accept)
  const [accept, , limits] = cases.at(-1)!
  assert.throws(() => negotiate(accept, limits!), { message: /only the following media types/ })
})

test('what cannot be given is refused with what can', () => {
  const accepted = 'only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf'
  const cases: Array<[string, NegotiationLimits, string]> = [
    ['text/html', builtin, accepted], ['text/html', custom, accepted], ['application/vnd.kubernetes.protobuf', custom, accepted], ['text/html', watch, accepted], ['application/json;q=0', builtin, accepted],
    ['application/yaml', watch, 'only the following media types are accepted: application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch'],
  ]
  for (const [accept, limits, message] of cases) assert.throws(() => negotiate(accept, limits), { name: 'StatusError', message }, accept)
})

test('answers are written for people where somebody looks at them', () => {
  assert.deepEqual(['application/json;pretty=1', 'text/html, application/json; pretty=1', 'application/json;pretty=0', 'application/json'].map((accept) => wantsPretty({ query: new URLSearchParams(), headers: { accept } })), [true, true, false, false])
  const asks = (query: string, agent?: string): boolean => wantsPretty({ query: new URLSearchParams(query), headers: { 'user-agent': agent } })
  assert.deepEqual([asks('pretty=true'), asks('pretty=1'), asks('pretty=T'), asks('pretty=yes'), asks('pretty=0', 'curl/8'), asks('pretty=', 'curl/8'), asks('', 'curl/8'), asks('', 'kubectl/v1.36')], [true, true, true, false, false, true, true, false])
})

test('errors are given as nothing but objects, in raw JSON where that is not accepted', () => {
  const cases: Array<[string | undefined, string]> = [
    [undefined, 'json'], ['application/vnd.kubernetes.protobuf', 'protobuf'], ['text/html', 'json raw'], ['application/cbor', 'json raw'],
    [`application/yaml;${table}`, 'json raw'], [`application/vnd.kubernetes.protobuf;${partial}`, 'json raw'],
    [`application/json;${table}, application/vnd.kubernetes.protobuf`, 'protobuf'], ['application/vnd.kubernetes.protobuf;stream=watch', 'protobuf'], ['application/yaml;sv=v2', 'json raw'],
  ]
  for (const [accept, wanted] of cases) {
    const { encoding, raw } = negotiateLoosely(accept, ['json', 'yaml', 'protobuf'])
    assert.equal(raw === true ? `${encoding} raw` : encoding, wanted, accept)
  }
})
