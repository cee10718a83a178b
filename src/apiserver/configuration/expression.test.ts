import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileConfigurationExpression } from './expression.ts'

const claims = {
  'sub': 'ann', 'level': 3, 'a__b': 'under', 'namespace': 'web',
  'kubernetes.io': { namespace: 'prod', pod: { uid: 'u1' }, warnafter: 1_700_081_020 },
  'data': [{ 'groups.io': ['g1', 'g2'] }], '__proto__x': 1,
}

test('names of claims that are no identifiers are escaped at every depth, or stand in brackets', () => {
  const table: [expression: string, wanted: unknown][] = [
    ['claims.sub', 'ann'],
    ['claims.kubernetes__dot__io.pod.uid', 'u1'],
    ['claims.kubernetes__dot__io.__namespace__', 'prod'],
    ['claims["kubernetes.io"]["pod"]["uid"]', 'u1'],
    ['has(claims.kubernetes__dot__io.pod.uid)', true],
    ['has(claims.data[0].groups__dot__io)', true],
    ['has(claims.data[0].groups__dot__com)', false],
    ['claims.data[0].groups__dot__io', ['g1', 'g2']],
    ['claims.data.all(each, has(each.groups__dot__io))', true],
    ['claims[?"kubernetes.io"]["node"].orValue("none")', 'none'],
    ['claims.a__underscores__b', 'under'],
    ['claims.?a__colour__b.orValue("unknown escape")', 'unknown escape'],
    ['"kubernetes.io" in claims', true],
    // Numbers are what JSON has: doubles.
    ['claims.level + 0.5', 3.5],
    ['string(int(claims.kubernetes__dot__io.warnafter))', '1700081020'],
  ]
  for (const [text, wanted] of table) assert.deepEqual(compileConfigurationExpression(text, 'claims', 'any').evaluate(claims), wanted, text)
})

test('keys of a user\'s extra are escaped likewise', () => {
  const user = { username: 'ann', uid: '1', groups: ['dev'], extra: { 'example.org/team-name': ['blue'] } }
  for (const text of ['user.extra.example__dot__org__slash__team__dash__name[0] == "blue"', 'user.extra["example.org/team-name"] == ["blue"]', 'user.groups == ["dev"]', 'user.extra[?"none"].orValue([]) == []']) {
    assert.equal(compileConfigurationExpression(text, 'user', 'bool').evaluate(user), true, text)
  }
})
