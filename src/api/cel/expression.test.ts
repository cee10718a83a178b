import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileExpression } from './expression.ts'
import type { ListType } from './json-values.ts'
import { BOOL, DYN, INT, listOf, objectOf, STRING, type CelType } from './types.ts'
import { plainValue } from './values.ts'

const self = objectOf('self', { name: STRING, count: INT, tags: listOf(STRING), any: DYN, namespace: STRING })

function outcome(expression: string, value: unknown = {}): unknown {
  const { compiled, problem } = compileExpression({ expression, variables: { self, object: DYN } })
  if (compiled === undefined) return problem
  const result = compiled.evaluate({ self: value, object: value })
  return result.error === undefined ? plainValue(result.value) : `error: ${result.error.message}`
}

test('expressions come to what cel-go makes of them', () => {
  const cases: [expression: string, expected: unknown, value?: unknown][] = [
    ['1 + 2 * 3', 7], ['"a" + "b"', 'ab'], ['[1,2] + [3]', [1, 2, 3]], ['{"a": 1}.a', 1], ['-5 % 3', -2], ['7 / 2', 3], ['dyn(1) == 1.0', true], ['1 < 2.5', true],
    [Array(251).fill('true').join(' == '), true], [`${'('.repeat(249)}true${')'.repeat(249)}`, true], [`self.name${'.trim()'.repeat(248)} == "x"`, true, { name: 'x' }],
    ['[1,2,3].all(x, x > 0)', true], ['[1,2,3].exists(x, x == 2)', true], ['[1,2,3].exists_one(x, x > 2)', true], ['[1,2,3].map(x, x * 2)', [2, 4, 6]], ['[1,2,3].filter(x, x > 1)', [2, 3]], ['[1,2,3].map(x, x > 1, x * 10)', [20, 30]],
    ['{"a": 1, "b": 2}.all(k, k != "c")', true], ['[1,2].exists(x, 1/(x-1) > 0)', true], ['[0, 2].all(x, 1/x > 5)', false], ['"abc".indexOf("c", 9)', -1], ['"abcb".lastIndexOf("b", 2)', 1],
    ['"%d %s %f".format([1, "abc", 1.0])', '1 abc 1.000000'], ['"%e|%.20e".format([3.14, 1.5])', '3.140000×10⁰⁰|       1.500000×10⁰⁰'], ['"%.2f %.1f".format([1234567.5, 0.25])', '1,234,567.50 0.2'], ['"%s".format([[1, "a", 1.5, null, {"k": true}]])', '[1, "a", 1.500000, null, {"k":true}]'], ['"%x %X %o %b".format([255, b"abc", 8, true])', 'ff 616263 10 1'],
    ['string(timestamp("2011-08-18T19:03:37.010+01:00"))', '2011-08-18T19:03:37.01+01:00'], ['optional.ofNonZeroValue(duration("0s")).hasValue()', false],
    ['has(object.a) && object.a == 1', false], ['has(object.a) ? 1 : 2', 1, { a: 1 }], ['object.?a.orValue(5)', 5], ['object.?a.?b.orValue("x")', 'y', { a: { b: 'y' } }], ['object[?"a"].hasValue()', false], ['[?object.?a, dyn(3)]', [3]], ['{?"k": object.?a, "z": dyn(1)}', { z: 1 }], ['has(object.a.b)', false, { a: 1 }], ['object.?a.b.hasValue()', false, { a: 1 }], ['dyn(1).orValue(2)', 1],
    ['object.?a.optMap(v, v + 1).orValue(0)', 3, { a: 2 }], ['optional.of(1).optFlatMap(v, optional.none()).hasValue()', false], ['optional.ofNonZeroValue("").hasValue()', false], ['[1,2][?5].orValue(9)', 9],
    ['[1,2,3].all(i, v, v == i + 1)', true], ['{"a": 1}.transformMap(k, v, v + 1)', { a: 2 }], ['[5,6].transformList(i, v, i + v)', [5, 7]], ['[1,2].transformMapEntry(i, v, {v: i})', { 1: 0, 2: 1 }], ['{"a":1,"b":2}.exists(k, v, v == 2)', true], ['[1,2,3].transformList(i, v, v > 1, v)', [2, 3]],
    ['"a,b".split(",")', ['a', 'b']], ['"%s-%d".format([dyn("x"), 3])', 'x-3'], ['"hello".substring(1,3)', 'el'], ['"aXb".lowerAscii()', 'axb'], ['"abcabc".replace("b", "X", 1)', 'aXcabc'], ['["a","b"].join("-")', 'a-b'], ['"tacocat".indexOf("ac", 3)', -1], ['"a1b22".findAll("[0-9]+")', ['1', '22']], ['"abc".find("b.")', 'bc'], ['"foo".matches("^f.o$")', true],
    ['[3,1,2].sort()', [1, 2, 3]], ['[1,2].sum()', 3], ['[1,2,3].max()', 3], ['[[1],[2]].flatten()', [1, 2]], ['lists.range(3)', [0, 1, 2]], ['[1,1,2].distinct()', [1, 2]], ['sets.contains([1,2],[1])', true], ['[1,2,3].slice(1,2)', [2]], ['[-3, 1, -5].sortBy(e, -(e * e))', [-5, -3, 1]], ['[{"n": "b"}, {"n": "a"}].sortBy(e, e.n)', [{ n: 'a' }, { n: 'b' }]], ['[].sortBy(e, e)', []], ['[duration("1s"), duration("1m")].sum() == duration("61s")', true], ['[duration("1s")].filter(d, false).sum() == duration("0")', true],
    ['quantity("1Gi").isGreaterThan(quantity("1G"))', true], ['quantity("1.5").isInteger()', false], ['string(quantity("1000m").add(1))', '2'], ['isQuantity("x")', false],
    ['url("https://u@example.com:80/a?b=c").getHost()', 'example.com:80'], ['url("https://x/a?b=c&b=d").getQuery()', { b: ['c', 'd'] }], ['isURL("no")', false], ['url("https://a/with space/").getEscapedPath()', '/with%20space/'], ['url("https://a/p?k k=v v#f").getQuery()', { 'k k': ['v v'] }],
    ['ip("::1").isLoopback()', true], ['cidr("10.0.0.0/8").containsIP("10.1.2.3")', true], ['cidr("10.1.0.0/8").masked() == cidr("10.0.0.0/8")', true], ['cidr("10.0.0.0/8").containsCIDR("10.0.0.0/16")', true], ['ip("127.0.0.1").family()', 4], ['isIP("1.2.3")', false],
    ['semver("1.2.3").isLessThan(semver("1.10.0"))', true], ['semver("v1.0", true).minor()', 0], ['format.dns1123Label().validate("Bad").hasValue()', true], ['format.named("dns1123Label").hasValue()', true], ['!format.dns1123Label().validate("ok").hasValue()', true],
    ['timestamp("2024-01-02T03:04:05Z").getFullYear()', 2024], ['duration("1h") > duration("59m")', true], ['string(duration("90m"))', '5400s'], ['timestamp("2024-01-02T00:00:00Z") - timestamp("2024-01-01T00:00:00Z") == duration("24h")', true],
    ['type(1) == int', true], ['type("a") == string', true], ['int("5") + 1', 6], ['string(1.5)', '1.5'], ['dyn(1) == "a"', false], ['self.namespace', 'n', { namespace: 'n' }], ['b"abc" == bytes("abc")', true], ['"ü".size()', 1], ['r"\\d" == "\\\\d"', true], ['"a?b[?c" + ".?"', 'a?b[?c.?'], ['true ? [1] : [2]', [1]], ['self.count > 1 || self.name == "x"', true, { name: 'x' }],
    ['ip("192.168.0.1.0")', 'error: IP Address "192.168.0.1.0" parse error during conversion from string: ParseAddr("192.168.0.1.0"): IPv4 address too long'],
    ['ip("2001:db8:::68")', 'error: IP Address "2001:db8:::68" parse error during conversion from string: ParseAddr("2001:db8:::68"): each colon-separated field must have at least one digit (at ":68")'],
    ['cidr("192.168.0.0/")', 'error: network address parse error during conversion from string: network address parse error during conversion from string: netip.ParsePrefix("192.168.0.0/"): bad bits after slash: ""'],
    ['quantity("10Mm")', "error: unable to parse quantity's suffix"], ['semver("v1.0")', 'error: No Major.Minor.Patch elements found'], ['semver("v1.0.0")', 'error: Invalid character(s) found in major number "v1"'],
    ['object.a.b', 'error: no such key: b', { a: 1 }], ['object.a[0]', 'error: no such key: 0', { a: 1 }], ['dyn(object.a).all(v, true)', "error: got 'types.Int', expected iterable type", { a: 1 }], ['dyn(object.a).reverse()', 'error: no such overload: reverse(int)', { a: 1 }], ['object.a.b', "error: unsupported index type 'string' in list", { a: [] }],
    ['dyn(quantity("1")) == dyn(1)', 'error: no such overload'], ['[quantity("1")] == [dyn(1)]', true], ['quantity("1") in [dyn(1)]', false], ['dyn(quantity("1")) == null', false], ['1.0 < double("NaN")', 'error: NaN values cannot be ordered'],
    ['[dyn(1), dyn(1.0)].sum()', 'error: no such overload'], ['dyn([null]).sum()', 'error: no such overload: sum(list)'], ['dyn([1.5, -2.0]).sum()', -0.5], ['dyn([duration("1s")]).sum() == duration("1s")', true], ['dyn([null]).max()', 'error: no such overload: max(list)'], ['dyn(quantity("1")) != dyn(1)', true], ['url("*").getEscapedPath()', '*'], ['isSemver("99999999999999999999.1.1")', false], ['semver("1.18446744073709551616.1")', 'error: strconv.ParseUint: parsing "18446744073709551616": value out of range'], ['ip("fe80::1%eth0")', 'error: IP address "fe80::1%eth0" with zone value is not allowed'], ['cidr("fe80::%a/64")', 'error: network address parse error during conversion from string: network address parse error during conversion from string: netip.ParsePrefix("fe80::%a/64"): IPv6 zones cannot be present in a prefix'], ['[dyn(1), dyn("a")].isSorted()', true], ['dyn([{"a": 1}]).isSorted()', 'error: no such overload'], ['"%s".format([["\\u0000x"]])', '["\\x00x"]'],
    ['string(1234567.0)', '1.234567e+06'], ['string(100000.5)', '100000.5'], ['timestamp("0001-01-01T00:00:00Z").getDayOfYear()', 0], ['timestamp("0001-01-01T00:00:00Z").getFullYear("America/New_York")', 0], ['url("https:a/b").getEscapedPath()', ''],
    ['object.a.b', 'error: no such key: a'], ['[1][5]', 'error: index out of bounds: 5'], ['1 / 0', 'error: division by zero'], ['9223372036854775807 + 1', 'error: integer overflow'], ['object.a + 1', 'error: no such overload', { a: 'x' }],
  ]
  for (const [expression, expected, value] of cases) assert.deepEqual([expression, outcome(expression, value)], [expression, expected])
})

test('what is wrong with an expression is said as cel-go says it', () => {
  const cases: [expression: string, expected: string][] = [
    ['self.foo', "compilation failed: ERROR: <input>:1:5: undefined field 'foo'\n | self.foo\n | ....^"],
    ['1 + "a"', "compilation failed: ERROR: <input>:1:3: found no matching overload for '_+_' applied to '(int, string)'\n | 1 + \"a\"\n | ..^"],
    ['nope == 1', "compilation failed: ERROR: <input>:1:1: undeclared reference to 'nope' (in container '')\n | nope == 1\n | ^"],
    ['self.name.foo()', "compilation failed: ERROR: <input>:1:14: undeclared reference to 'foo' (in container '')\n | self.name.foo()\n | .............^"],
    ['self.name.startsWith(1)', "compilation failed: ERROR: <input>:1:21: found no matching overload for 'startsWith' applied to 'string.(int)'\n | self.name.startsWith(1)\n | ....................^"],
    ['self.count == "a"', "compilation failed: ERROR: <input>:1:12: found no matching overload for '_==_' applied to '(int, string)'\n | self.count == \"a\"\n | ...........^"],
    ['true &&', "compilation failed: ERROR: <input>:1:8: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | true &&\n | .......^"],
    ['self.count.all(x, true)', "compilation failed: ERROR: <input>:1:5: expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)\n | self.count.all(x, true)\n | ....^"],
    ['math.greatest(1, 2)', "compilation failed: ERROR: <input>:1:1: undeclared reference to 'math' (in container '')\n | math.greatest(1, 2)\n | ^\nERROR: <input>:1:14: undeclared reference to 'greatest' (in container '')\n | math.greatest(1, 2)\n | .............^"],
    ['has(object.?a)', "compilation failed: ERROR: <input>:1:11: invalid argument to has() macro\n | has(object.?a)\n | ..........^"],
    ['self.nope.optMap(v, v).hasValue()', "compilation failed: ERROR: <input>:1:5: undefined field 'nope'\n | self.nope.optMap(v, v).hasValue()\n | ....^\nERROR: <input>:1:5: undefined field 'nope'\n | self.nope.optMap(v, v).hasValue()\n | ....^"],
    ["self.nope.matches('(')", "compilation failed: ERROR: <input>:1:5: undefined field 'nope'\n | self.nope.matches('(')\n | ....^"],
    ['Nope{a: nope}', "compilation failed: ERROR: <input>:1:5: undeclared reference to 'Nope' (in container '')\n | Nope{a: nope}\n | ....^"],
    [Array(252).fill('true').join(' == '), 'compilation failed: ERROR: <input>:-1:0: max recursion depth exceeded'], [`${'('.repeat(250)}true${')'.repeat(250)}`, 'compilation failed: ERROR: <input>:-1:0: expression recursion limit exceeded: 250'],
    ['has(object)', 'compilation failed: ERROR: <input>:1:5: invalid argument to has() macro\n | has(object)\n | ....^'],
    ['[1, "a"]', `compilation failed: ERROR: <input>:1:5: expected type 'int' but found 'string'\n | [1, "a"]\n | ....^`],
    ['{"a": 1, "b": "c"}', `compilation failed: ERROR: <input>:1:15: expected type 'int' but found 'string'\n | {"a": 1, "b": "c"}\n | ..............^`],
    ['"%d".format(["a"])', `compilation failed: ERROR: <input>:1:14: error during formatting: decimal clause can only be used on integers, was given string\n | "%d".format(["a"])\n | .............^`],
    ['"%d %d".format([1])', 'compilation failed: ERROR: <input>:1:15: index 1 out of range\n | "%d %d".format([1])\n | ..............^'],
    ['int("a")', "program instantiation failed: type conversion error from 'string' to 'int'"],
    ['self.name.find(")") == ""', 'program instantiation failed: error parsing regexp: unexpected ): `)`'],
    ['1.sortBy(e, e)', 'compilation failed: ERROR: <input>:1:1: sortBy can only be applied to a list, identifier, comprehension, call or select expression\n | 1.sortBy(e, e)\n | ^'],
    ['self.true == 1', "compilation failed: ERROR: <input>:1:6: Syntax error: mismatched input 'true' expecting IDENTIFIER\n | self.true == 1\n | .....^"],
    ['self.name! == ""', `compilation failed: ERROR: <input>:1:10: Syntax error: mismatched input '!' expecting <EOF>\n | self.name! == ""\n | .........^`],
    ['self.count = 2', "compilation failed: ERROR: <input>:1:12: Syntax error: token recognition error at: '= '\n | self.count = 2\n | ...........^\nERROR: <input>:1:14: Syntax error: extraneous input '2' expecting <EOF>\n | self.count = 2\n | .............^"],
    ['true and false', "compilation failed: ERROR: <input>:1:6: Syntax error: mismatched input 'and' expecting <EOF>\n | true and false\n | .....^"],
    ['', "compilation failed: ERROR: <input>:1:0: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"],
    ['1 in [1, 2,', "compilation failed: ERROR: <input>:1:12: Syntax error: missing ']' at '<EOF>'\n | 1 in [1, 2,\n | ...........^"],
    ['{"a": 1,', "compilation failed: ERROR: <input>:1:9: Syntax error: missing '}' at '<EOF>'\n | {\"a\": 1,\n | ........^"],
    ['size(self.name', "compilation failed: ERROR: <input>:1:15: Syntax error: missing ')' at '<EOF>'\n | size(self.name\n | ..............^"],
    ['self.`a-b`', "compilation failed: ERROR: <input>:1:6: unsupported syntax: '`'\n | self.`a-b`\n | .....^"],
    ['self.tags.filter(x, 1)', "compilation failed: ERROR: <input>:1:17: found no matching overload for '_?_:_' applied to '(int, list(string), list(string))'\n | self.tags.filter(x, 1)\n | ................^"],
    ['if', 'compilation failed: ERROR: <input>:1:1: reserved identifier: if\n | if\n | ^'],
    ['cel.bind(x, 1, x)', "compilation failed: ERROR: <input>:1:1: undeclared reference to 'cel' (in container '')\n | cel.bind(x, 1, x)\n | ^\nERROR: <input>:1:9: undeclared reference to 'bind' (in container '')\n | cel.bind(x, 1, x)\n | ........^\nERROR: <input>:1:10: undeclared reference to 'x' (in container '')\n | cel.bind(x, 1, x)\n | .........^\nERROR: <input>:1:16: undeclared reference to 'x' (in container '')\n | cel.bind(x, 1, x)\n | ...............^"],
    ['self.name.matches("(")', "compilation failed: ERROR: <input>:1:19: invalid matches argument\n | self.name.matches(\"(\")\n | ..................^"],
  ]
  for (const [expression, expected] of cases) assert.equal(outcome(expression), expected, expression)
  assert.equal(compileExpression({ expression: '1', variables: {}, resultTypes: [BOOL] }).problem, 'must evaluate to bool but got int')
})

test('what takes too long is stopped, whatever operator stands around it', () => {
  const { compiled } = compileExpression({ expression: 'lists.range(1000).all(x, lists.range(1000).all(y, x + y >= 0)) || true', variables: {} })
  assert.equal(compiled!.evaluate({}).error?.message, 'operation cancelled: actual cost limit exceeded')
})

test('hostile expressions are refused without harm', () => {
  for (const expression of ['('.repeat(400) + '1' + ')'.repeat(400), '['.repeat(300), '!'.repeat(2000) + 'true', 'x'.repeat(200_000), '"', '{', '\u0000', 'a..b', '@', '1 +* 2', '`']) {
    assert.equal(compileExpression({ expression, variables: {} }).compiled, undefined, expression.slice(0, 20))
  }
  assert.equal(outcome('object.all(k, k != "x") && !has(object.constructor)', JSON.parse('{"__proto__": 1}')), true)
  const started = process.hrtime.bigint()
  assert.equal(outcome('object.a.matches("^(a+)+$")', { a: `${'a'.repeat(2000)}!` }), false)
  assert.ok(process.hrtime.bigint() - started < 2_000_000_000n)
})

test('lists compare and add up by their kind in the schema', () => {
  const list = (shape: ListType['shape']): CelType => ({ ...listOf(DYN), ...(shape === undefined ? {} : { shape }) })
  const check = (expression: string, shape: ListType['shape'], a: unknown[], b: unknown[]): unknown => {
    const { compiled } = compileExpression({ expression, variables: { a: list(shape), b: list(shape) } })
    return plainValue(compiled!.evaluate({ a, b }).value!)
  }
  const keyed = { kind: 'map', keys: ['k'] } as const
  assert.equal(check('a == b', undefined, [1, 2], [2, 1]), false)
  assert.equal(check('a == b', { kind: 'set', keys: [] }, [1, 2], [2, 1]), true)
  assert.equal(check('a == b', keyed, [{ k: 1, v: 1 }, { k: 2 }], [{ k: 2 }, { k: 1, v: 1 }]), true)
  assert.deepEqual(check('a + b', { kind: 'set', keys: [] }, [1, 2], [2, 3]), [1, 2, 3])
  assert.deepEqual(check('a + b', keyed, [{ k: 1, v: 1 }, { k: 2 }], [{ k: 1, v: 9 }, { k: 3 }]), [{ k: 1, v: 9 }, { k: 2 }, { k: 3 }])
})

test('costs are counted as upstream counts them', () => {
  const cost = (expression: string, object: unknown = {}): number => compileExpression({ expression, variables: { object: DYN } }).compiled!.evaluate({ object }).cost
  const cases: [expression: string, cost: number][] = [
    ['1 + 2', 1], ['object.a', 2], ['has(object.a)', 1], ['has(object.a.b)', 2], ['"abc" == "abd"', 1], ['true || false', 0],
    // What is constant is worked out once.
    ['[1, 2]', 0], ['{"a": 1}', 0], ['duration("1h") + duration("1h")', 1], ['type(object.a) == int', 4], ['[object.a]', 12], ['object.a in [1, 2]', 2], ['object.a in object.l', 7], ['{"a": 1}.a', 2], ['[object][0].a', 14],
    // Conditions of loops count, and so does what stands behind a failure.
    ['object.l.all(v, v > 0)', 18], ['object.l.exists(v, v > 0)', 12], ['object.l.map(v, v * 2)', 45], ['object.l.filter(v, v > 1)', 35], ['object.l.exists_one(v, v > 1)', 14], ['object.l.transformMap(i, v, v > 1, v)', 17],
    ['object.z == 1 || object.a == 1', 6], ['object.a == 1 ? object.a : object.z', 4], ['object.l[object.a]', 4], ['object.?z.orValue(1)', 1], ['object[?"z"]', 1],
    ['optional.of(object.a).optMap(v, v + 1).orValue(3)', 11], ['optional.of(1).or(optional.of(2)).hasValue()', 2],
    ['object.l.sort()', 31], ['object.l.reverse()', 16], ['object.l.distinct()', 31], ['object.l.slice(0, 2)', 15], ['object.l.sortBy(e, -e)', 76], ['lists.range(10)', 21], ['sets.equivalent(object.l, [1, 2])', 15], ['sets.contains(object.l, [1])', 6],
  ]
  for (const [expression, expected] of cases) assert.deepEqual([expression, cost(expression, { a: 1, l: [3, 1, 2] })], [expression, expected])
  assert.equal(cost('object.a.contains("bcd")', { a: 'x'.repeat(100) }), 2 + 10)
  assert.equal(cost('object.a.matches("^[a-z]+$")', { a: 'x'.repeat(99) }), 2 + 10 * 2)
})
