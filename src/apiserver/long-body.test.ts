import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { bodyOf, compressedBody, wholeBody, type LongBody } from './long-body.ts'

const kilobyte = 1 << 10

function longBody(sizes: readonly number[]): { body: LongBody; expected: Buffer } {
  const pieces = sizes.map((size, i) => Buffer.alloc(size, `${i % 10}`))
  const made = bodyOf(pieces)
  assert('body' in made)
  return { body: made.body, expected: Buffer.concat(pieces) }
}

test('small bodies are made whole', () => {
  assert.deepEqual(bodyOf([Buffer.from('{"items":['), Buffer.from(']}')]), { bytes: Buffer.from('{"items":[]}') })
})

test('large bodies come in parts that share memory, in order, whatever the size of their pieces', async () => {
  for (const sizes of [Array.from({ length: 900 }, (_, i) => i * 3), [300 * kilobyte, 300 * kilobyte, 1], [10, 2000 * kilobyte, 0, 10], [512 * kilobyte, 512 * kilobyte]]) {
    const { body, expected } = longBody(sizes)
    assert.equal(body.sizeBytes, expected.length)
    assert((await wholeBody(body)).equals(expected))
    const memory = new Set<ArrayBufferLike>()
    for (const part of body.parts() as Iterable<Uint8Array>) memory.add(part.buffer)
    assert(memory.size <= 1 + sizes.filter((size) => size > 512 * kilobyte).length)
  }
})

test('a large body is compressed part by part', async () => {
  const { body, expected } = longBody(Array.from({ length: 900 }, (_, i) => i * 3))
  const packed = compressedBody(body)
  assert.equal(packed.isCompressed, true)
  assert(gunzipSync(await wholeBody(packed)).equals(expected))
})

test('a reader that goes away ends the compression', async () => {
  const { body } = longBody(Array.from({ length: 40 }, () => 100 * kilobyte))
  for await (const part of compressedBody(body).parts()) {
    assert(part.length > 0)
    break
  }
})
