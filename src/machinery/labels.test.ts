import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exactMatch, labelSelectorMatcher, labelSelectorText, matchesSelector, parseLabelSelector, selectorText, validateLabelSelector } from './labels.ts'
import { fieldErrorText } from './field-error.ts'

const qualified = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"

test('selectors parse and print as upstream prints them', () => {
  for (const [text, printed = text] of [
    [''], ['a=b'], ['a==b'], ['a!=b'], ['a'], ['!a'], ['a in (x)'], ['b=1,a=2', 'a=2,b=1'],
    ['a in (y,x)', 'a in (x,y)'], ['a notin (x, y)', 'a notin (x,y)'], ['a>1', 'a>1'], ['a < 2', 'a<2'], [' a = b , !c ', 'a=b,!c'],
    ['a=', 'a='], ['a=,b', 'a=,b'], ['in=in'], ['a in ()', 'a in ()'], ['a in (,x)', 'a in (,x)'], ['example.com/a=b'], ['notin in (in,notin)'],
  ] as Array<[string, string?]>) assert.equal(selectorText(parseLabelSelector(text)), printed, text)
})

test('broken selectors are named with upstream texts', () => {
  for (const [text, message] of [
    ['a=b=c', "found '=', expected: ',' or 'end of string'"],
    [',a', "found ',', expected: !, identifier, or 'end of string'"],
    ['a,', "found '', expected: identifier after ','"],
    ['a b', "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"],
    ['a in x', "unable to parse requirement: found 'x' expected: '('"],
    ['a in (x', "unable to parse requirement: found '', expected: ',' or ')'"],
    ['a=(', "unable to parse requirement: found '(', expected: identifier"],
    ['a>x', `unable to parse requirement: values[0]: Invalid value: "x": for 'Gt', 'Lt' operators, the value must be an integer`],
    ['-a=b', `unable to parse requirement: <nil>: Invalid value: "-a": ${qualified}`],
    ['!', "unable to parse requirement: found '', expected: identifier"],
  ] as const) assert.throws(() => parseLabelSelector(text), { message }, text)
  assert.throws(() => parseLabelSelector('a=b@c'), /^Error: unable to parse requirement: values\[0\]\[a\]: Invalid value: "b@c": a valid label must be an empty string/)
})

test('selectors match labels', () => {
  const labels = { app: 'web', tier: 'front', count: '5' }
  for (const [text, expected] of [
    ['', true], ['app=web', true], ['app!=web', false], ['none!=x', true], ['app in (web,db)', true], ['none notin (x)', true], ['app notin (web)', false],
    ['app', true], ['!app', false], ['!none', true], ['count>4', true], ['count<5', false], ['app>1', false], ['app=web,tier=back', false], ['constructor', false],
  ] as const) assert.equal(matchesSelector(parseLabelSelector(text), labels), expected, text)
  assert.equal(matchesSelector(parseLabelSelector('a'), undefined), false)
})

test('structured selectors: none matches nothing, an empty one everything', () => {
  assert.equal(labelSelectorMatcher(undefined)({ a: 'b' }), false)
  assert.equal(labelSelectorMatcher({})({ a: 'b' }), true)
  const matches = labelSelectorMatcher({ matchLabels: { a: 'b' }, matchExpressions: [{ key: 'c', operator: 'NotIn', values: ['d'] }] })
  assert.equal(matches({ a: 'b' }), true)
  assert.equal(matches({ a: 'b', c: 'd' }), false)
  assert.throws(() => labelSelectorMatcher({ matchExpressions: [{ key: 'c', operator: 'Near' }] }), { message: '"Near" is not a valid label selector operator' })
  assert.equal(labelSelectorText({}), '<none>')
  assert.equal(labelSelectorText({ matchExpressions: [{ key: 'c', operator: 'Exists' }], matchLabels: { a: 'b' } }), 'a=b,c')
  assert.equal(exactMatch(parseLabelSelector('a in (x),b'), 'a'), 'x')
})

test('structured selectors are validated with field paths', () => {
  const found = validateLabelSelector({ matchExpressions: [{ key: 'a', operator: 'In' }, { key: 'b', operator: 'Exists', values: ['x'] }, { key: 'c', operator: 'Near' }] }, 'spec.selector')
  assert.deepEqual(found.map((e) => `${e.path}: ${fieldErrorText(e)}`), [
    "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
    "spec.selector.matchExpressions[1].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
    'spec.selector.matchExpressions[2].operator: Invalid value: "Near": not a valid selector operator',
  ])
})

test('whatever text comes, parsing ends with a selector that prints to itself or an error with a message', () => {
  const alphabet = ['a', 'b/c', '=', '!', '(', ')', ',', ' ', 'in', 'notin', '>', '<', '1', '\u0000', '\\', '"', '__proto__']
  let seed = 7
  const next = (n: number): number => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % n
  for (let i = 0; i < 20_000; i++) {
    const text = Array.from({ length: next(8) }, () => alphabet[next(alphabet.length)]).join('')
    try {
      const printed = selectorText(parseLabelSelector(text))
      assert.equal(selectorText(parseLabelSelector(printed)), printed)
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error
      assert.ok((error as Error).message.length > 0)
    }
  }
})
