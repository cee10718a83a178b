import { fakeClock, systemClock, type Clock, type FakeClock } from './clock.ts'
import { jsonLogger, memoryLogger, type Logger, type LogLine } from './log.ts'
import { systemProcesses, type Processes } from './process.ts'
import { seededRandom, systemRandom, type Random } from './random.ts'

/** Everything that is not deterministic. A component gets one and uses nothing else for time, chance, logs or processes. */
export interface Runtime {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly processes: Processes
}

/** The real machine. */
export function systemRuntime(log: Logger = jsonLogger()): Runtime {
  return { clock: systemClock(), random: systemRandom(), log, processes: systemProcesses() }
}

/** For tests: a clock that the test turns, seeded chance, logs kept in memory, no processes unless given. */
export interface TestRuntime extends Runtime { readonly clock: FakeClock; readonly log: Logger & { readonly lines: LogLine[] } }

export function testRuntime(options: { seed?: number; startMs?: number; processes?: Processes } = {}): TestRuntime {
  const refuse = (): never => {
    throw new Error('this test runtime starts no processes; pass `processes` to testRuntime')
  }
  return { clock: fakeClock(options.startMs), random: seededRandom(options.seed ?? 1), log: memoryLogger(), processes: options.processes ?? { run: refuse, start: refuse } }
}

/** The same runtime with fields added to its log lines. */
export function withLogFields(runtime: Runtime, fields: Record<string, unknown>): Runtime {
  return { ...runtime, log: runtime.log.child(fields) }
}

/** A running component. `done` settles when it ends by itself; disposing stops it and resolves when nothing of it is left. */
export interface Running extends AsyncDisposable { readonly done: Promise<void> }
