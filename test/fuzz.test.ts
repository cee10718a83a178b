import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../src/runtime/clock.ts'
import { decoders } from './fuzz/decoders.ts'
import { fuzz } from './fuzz/fuzz.ts'
import { properties } from './fuzz/properties.ts'

/** The same inputs every time; `npm run bench -- --only fuzz` tries others, for minutes. */
const limits = { seed: 20261121, clock: systemClock() }

for (const decoder of await decoders()) {
  test(`${decoder.name}: what is wrong is refused, and breaks nothing`, async () => {
    const { findings, inputs, refused } = await fuzz(decoder, { ...limits, inputs: 1500 })
    assert.deepEqual(findings, [])
    assert.ok(refused < inputs || decoder.name === 'certificate request', 'nothing is ever accepted: the seeds are no good')
  })
}

for (const property of properties) {
  test(property.name, async () => {
    const { findings } = await fuzz(property, { ...limits, inputs: 1000 })
    assert.deepEqual(findings, [])
  })
}
