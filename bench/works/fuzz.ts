import { decoders } from '../../test/fuzz/decoders.ts'
import { fuzz, type Finding } from '../../test/fuzz/fuzz.ts'
import { properties } from '../../test/fuzz/properties.ts'
import type { Figure, OwnWork } from '../work.ts'

/** For each of about thirty targets: minutes for all. */
const targetMs = 8000

export const fuzzing: OwnWork = {
  name: 'fuzz',
  summary: 'inputs made wrong at random for every decoder, other ones each time',
  async measureOwn(context) {
    const { clock, random } = context.runtime
    const seed = Number.parseInt(random.uuid().slice(0, 8), 16)
    const figures: Figure[] = []
    const findings: Array<Finding & { target: string }> = []
    for (const target of [...await decoders(), ...properties]) {
      context.signal.throwIfAborted()
      const durationMs = context.quick ? 200 : targetMs
      const outcome = await fuzz(target, { seed, durationMs, clock })
      findings.push(...outcome.findings.map((finding) => ({ ...finding, target: target.name })))
      const refused = 'seeds' in target ? `, ${((outcome.refused / outcome.inputs) * 100).toFixed(0)} % refused` : ''
      figures.push({ name: `fuzz: ${target.name}`, value: (outcome.inputs / durationMs) * 1000, unit: '/s', note: `${outcome.inputs} inputs${refused}, the slowest ${outcome.slowestMs.toFixed(0)} ms` })
    }
    if (findings.length > 0) throw new Error(`seed ${seed} found: ${JSON.stringify(findings, undefined, 2).slice(0, 4000)}`)
    return figures
  },
}
