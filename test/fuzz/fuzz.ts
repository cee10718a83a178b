import type { Clock } from '../../src/runtime/clock.ts'
import { chanceOf, mutated, type Chance } from './mutations.ts'

/** Something that takes whatever a client sends. */
export interface Decoder {
  name: string
  /** Inputs that are right, to be made wrong. */
  seeds: readonly (string | Uint8Array)[]
  /** Decodes; refuses by throwing what `refuses` knows. Anything else thrown is a finding. */
  decode(input: Uint8Array): unknown
  refuses(error: unknown): boolean
}

/** Something that holds for all values; throws where it doesn't. */
export interface Property { name: string; check(chance: Chance): void }

/** What a target did that it must not. */
export interface Finding { input: string; problem: string }

export interface Outcome { inputs: number; /** Of these, how many were refused. */ refused: number; slowestMs: number; findings: readonly Finding[] }

/** How long the longest input may take: nothing grows faster than its length. */
const slowMs = 1000
const maxFindings = 5

export interface Limits { seed: number; /** Ends after this many inputs … */ inputs?: number; /** … or after this time. */ durationMs?: number; clock: Clock }

/** Runs a target until its limits. Lets other work go on from time to time, so that a signal can end the process. */
export async function fuzz(target: Decoder | Property, limits: Limits): Promise<Outcome> {
  const { clock, inputs = Infinity, durationMs = Infinity } = limits
  const chance = chanceOf(limits.seed)
  const startedMs = clock.monotonicMs()
  const outcome = { inputs: 0, refused: 0, slowestMs: 0, findings: [] as Finding[] }
  const corpus = 'seeds' in target ? target.seeds.map((seed) => (typeof seed === 'string' ? Buffer.from(seed) : seed)) : []
  while (outcome.inputs < inputs && outcome.findings.length < maxFindings) {
    const beganMs = clock.monotonicMs()
    if (beganMs - startedMs > durationMs) break
    if ('check' in target) checkOnce(target, chance, outcome)
    else await decodeOnce(target, mutated(chance.pick(corpus), chance.pick(corpus), chance), outcome)
    const tookMs = clock.monotonicMs() - beganMs
    outcome.inputs++
    outcome.slowestMs = Math.max(outcome.slowestMs, tookMs)
    if (outcome.inputs % 512 === 0) await clock.sleep(0)
  }
  return outcome
}

function checkOnce(property: Property, chance: Chance, outcome: { findings: Finding[] }): void {
  try {
    property.check(chance)
  } catch (error) {
    outcome.findings.push({ input: '', problem: textOf(error) })
  }
}

async function decodeOnce(decoder: Decoder, input: Uint8Array, outcome: { refused: number; findings: Finding[] }): Promise<void> {
  const began = process.cpuUsage()
  try {
    await decoder.decode(input)
  } catch (error) {
    if (decoder.refuses(error)) outcome.refused++
    else outcome.findings.push({ input: Buffer.from(input).toString('base64'), problem: textOf(error) })
  }
  const { user, system } = process.cpuUsage(began)
  if ((user + system) / 1000 > slowMs) outcome.findings.push({ input: Buffer.from(input).toString('base64'), problem: `took ${Math.round((user + system) / 1000)} ms of processor time` })
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
