import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { FieldSet, PathInserter, difference, intersection, recursiveDifference, union } from './field-set.ts'
import { fieldsText, readFields, readFieldsText } from './fields-text.ts'
import { seededRandom } from '../../runtime/random.ts'
import { FieldsError, compareElements, elementText, fieldElement, keyElement, pathText, valueElement } from './path-element.ts'

const read = (text: string): FieldSet => readFields(JSON.parse(text))
const roundTrip = (text: string): string => fieldsText(read(text))

describe('FieldsV1', () => {
  test('comes back as it was', () => {
    for (const text of [
      '{}', '{"f:a":{}}', '{"f:a":{".":{},"f:b":{}}}', '{"f:spec":{"f:containers":{"k:{\\"name\\":\\"c\\"}":{".":{},"f:image":{},"f:ports":{"k:{\\"containerPort\\":80,\\"protocol\\":\\"TCP\\"}":{}}}}}}',
      '{"f:finalizers":{".":{},"v:\\"a\\"":{},"v:\\"b\\"":{}},"i:2":{}}', '{"v:1":{},"v:1.5":{},"v:10":{},"v:\\"x\\"":{},"v:false":{},"v:true":{}}', '{"f:":{}}', '{"f:__proto__":{"f:constructor":{}}}',
    ]) assert.equal(roundTrip(text), text)
  })

  test('is brought into order: fields, keyed items, values, positions', () => {
    assert.equal(roundTrip('{"i:1":{},"v:2":{},"v:\\"a\\"":{},"v:1":{},"k:{\\"b\\":1,\\"a\\":\\"x\\"}":{},"f:b":{},"f:a":{"f:z":{},".":{}}}'),
      '{"f:a":{".":{},"f:z":{}},"f:b":{},"k:{\\"a\\":\\"x\\",\\"b\\":1}":{},"v:1":{},"v:2":{},"v:\\"a\\"":{},"i:1":{}}')
  })

  test('leaves out what later versions may add, and refuses what is malformed', () => {
    assert.equal(roundTrip('{"x:new":{"f:b":{}},"f:a":{}}'), '{"f:a":{}}')
    for (const text of ['{"a":{}}', '{"fa":{}}', '{"v:":{}}', '{"v:{":{}}', '{"k:1":{}}', '{"i:a":{}}', '[]', '1', '{"f:a":1}']) assert.throws(() => read(text), FieldsError, text)
  })

  test('numbers are the same however written, and values are escaped as Go does', () => {
    assert.equal(roundTrip('{"v:1.0":{}}'), '{"v:1":{}}')
    assert.equal(valueElement('<a&b>'), 'v:"\\u003ca\\u0026b\\u003e"')
    assert.equal(keyElement([['a', 'x"y'], ['b', true]]), 'k:{"a":"x\\"y","b":true}')
  })
})

describe('sets of fields', () => {
  const a = read('{"f:a":{},"f:b":{".":{},"f:c":{},"f:d":{}},"f:e":{"f:f":{}}}')
  const b = read('{"f:b":{"f:c":{}},"f:e":{},"f:g":{}}')
  const same = (set: FieldSet, text: string): void => assert.equal(fieldsText(set), text)

  test('unite, intersect and differ', () => {
    same(union(a, b), '{"f:a":{},"f:b":{".":{},"f:c":{},"f:d":{}},"f:e":{".":{},"f:f":{}},"f:g":{}}')
    same(intersection(a, b), '{"f:b":{"f:c":{}}}')
    same(difference(a, b), '{"f:a":{},"f:b":{".":{},"f:d":{}},"f:e":{"f:f":{}}}')
    same(difference(b, a), '{"f:e":{},"f:g":{}}')
  })

  test('a recursive difference takes what is below as well', () => {
    same(recursiveDifference(a, b), '{"f:a":{},"f:b":{".":{},"f:d":{}}}')
    same(recursiveDifference(a, FieldSet.of(['f:b'])), '{"f:a":{},"f:e":{"f:f":{}}}')
  })

  test('are given back themselves where nothing changes', () => {
    assert.equal(union(a, read('{"f:b":{"f:c":{}}}')), a)
    assert.equal(difference(a, read('{"f:x":{},"f:b":{"f:y":{}}}')), a)
  })

  test('share their short parts once they are written, whoever made them', () => {
    const text = '{"f:status":{"f:a":{".":{},"f:x":{}},"f:b":{}}}'
    const part = (set: FieldSet): FieldSet | undefined => set.children.get('f:status')
    const [one, other] = [read(text), read(text)]
    assert.notEqual(part(one), part(other))
    same(one, text)
    same(other, text)
    assert.equal(part(one), part(other))
    assert.equal(difference(one, other).isEmpty, true)
    assert.equal(union(one, other), one)
    const long = `{"f:status":{${Array.from({ length: 60 }, (_, at) => `"f:field${String(at).padStart(2, '0')}":{}`).join()}}}`
    const [first, second] = [read(long), read(long)]
    same(first, long)
    same(second, long)
    assert.notEqual(part(first), part(second))
  })

  test('are read from their text the same by both readers', () => {
    const random = seededRandom(9)
    const names = ['a', 'b', 'some long name that is not often there', '"', '\\x', '\\"', '{', '}', '},"x":{', 'ä', '']
    const element = (): string => {
      const name = names[random.int(names.length)]!
      return [fieldElement(name), keyElement([['ip', name]]), valueElement(name), `i:${random.int(3)}`][random.int(4)]!
    }
    for (let round = 0; round < 300; round++) {
      const set = FieldSet.of(...Array.from({ length: 1 + random.int(40) }, () => Array.from({ length: 1 + random.int(5) }, element)))
      const text = fieldsText(set)
      const quick = readFieldsText(text)
      assert.equal(fieldsText(quick), text)
      assert.ok(difference(quick, read(text)).isEmpty && difference(read(text), quick).isEmpty, text)
    }
    assert.equal(readFieldsText('{}').isEmpty, true)
  })

  test('are made of paths in any order', () => {
    const paths = [['f:a', 'f:b'], ['f:a', 'f:c', 'f:d'], ['f:a'], ['f:e'], ['f:a', 'f:c', 'f:f'], ['f:a', 'f:c'], ['f:g', 'f:h', 'f:i'], ['f:g', 'f:j']]
    for (let round = 0; round < paths.length; round++) {
      const inserter = new PathInserter()
      const path: string[] = []
      // The array is the caller's, and changes.
      for (const each of [...paths.slice(round), ...paths.slice(0, round)]) {
        path.splice(0, path.length, ...each)
        inserter.insert(path)
      }
      same(inserter.set, fieldsText(FieldSet.of(...paths)))
    }
  })

  test('know their members, not what is above or below', () => {
    assert.deepEqual([a.has(['f:b']), a.has(['f:e']), a.has(['f:e', 'f:f']), a.has(['f:a', 'f:x']), a.has([])], [true, false, true, false, false])
    assert.equal(new FieldSet().isEmpty, true)
    assert.equal(FieldSet.of([]).isEmpty, true)
  })
})

describe('paths', () => {
  test('are written as messages have them', () => {
    assert.equal(pathText([fieldElement('spec'), keyElement([['containerPort', 80], ['protocol', 'TCP']]), fieldElement('name'), valueElement('a'), 'i:3']), '.spec[containerPort=80,protocol="TCP"].name[="a"][3]')
    assert.deepEqual([elementText(valueElement(1.5)), elementText(valueElement(true)), elementText(valueElement(null))], ['[=1.5]', '[=true]', '[=null]'])
  })

  test('keyed items are in order of their keys\' names and values', () => {
    const keys = [keyElement([['b', 1]]), keyElement([['a', 10]]), keyElement([['a', 9]]), keyElement([['a', 9], ['b', 1]]), keyElement([['a', 'x']])]
    assert.deepEqual([...keys].sort(compareElements), [keys[2], keys[3], keys[1], keys[4], keys[0]])
  })
})
