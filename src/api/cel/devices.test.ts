import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileDeviceSelector } from './devices.ts'

const at = 'device.attributes["dra.example.com"]'
const capacity = 'device.capacity["dra.example.com"]'
const nested = ['x', 'y', 'z', 'z2', 'z3', 'z4', 'z5'].reduceRight((inner, name) => `[1, 2, 3, 4, 5, 6, 7, 8, 9, 10].all(${name}, ${inner})`, "int('1'.find('[0-9]*')) < 100")

// Upstream's own cases, with the costs that it expects.
for (const [expression, cost] of [
  ['true', 0], ['device.attributes["no-such-domain"].noSuchAttr.isGreaterThan(quantity("0"))', 6], ['"dra.example.com" in device.attributes', 3], ['device.driver == ""', 2],
  ['device.driver == "dra.example.com"', 4], [`${at}.name`, 4], [`${at}["name"]`, 4], [`cel.bind(dra, ${at}, dra.name)`, 15], [`${at}.name > 0`, 5], [`${at}.name == "fish"`, 5],
  [`${at}.name.isGreaterThan(semver("0.0.1"))`, 6], [`${at}.name.isGreaterThan(semver("v0.0.1", true)) && isSemver("v1.0.0", true)`, 7], [`${capacity}.name.isGreaterThan(quantity("1Ki"))`, 6],
  [`"name" in ${capacity} && ${capacity}.name.isGreaterThan(quantity("1Ki"))`, 10], [`!("name" in ${capacity}) || ${capacity}.name.isGreaterThan(quantity("1Ki"))`, 11],
  [`${at}.a && ${at}.b && ${at}.c`, 12], ['device.attributes.exists_one(x, x == "dra.example.com")', 164], [`${at}.exists_one(x, x == "services")`, 133],
  [`${at}.services.split("example").size() >= 2`, 19], [`${at}.services.matches("[^a]?sym")`, 18], [`${capacity}.exists_one(x, x == "memory")`, 133],
  [nested, 85555551], ['device.allowMultipleAllocations == true', 3],
] as const) test(`the cost of ${expression.slice(0, 120)}`, () => {
  const compilation = compileDeviceSelector(expression)
  assert.equal(compilation.problem, undefined)
  assert.equal(compilation.maxCost, cost)
})

for (const [expression, problem] of [
  ['?!', /^compilation failed: ERROR: <input>:1:\d: Syntax error/], ['1', /^must evaluate to bool or the unknown type, not int$/], [`${at}.name.includes("fish")`, /undeclared reference to 'includes'/],
  ['device.name', /undefined field 'name'/], [capacity, /^must evaluate to bool or the unknown type, not map\(string, kubernetes\.Quantity\)$/],
] as const) test(`what is wrong with ${expression}`, () => assert.match(compileDeviceSelector(expression).problem ?? '', problem))
