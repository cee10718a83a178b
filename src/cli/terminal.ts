import type { Clock } from '../runtime/clock.ts'

/** What long work tells the person at the terminal: one line a step. */
export interface Progress {
  /** A step begins; it lasts until the next one, `done` or `fail`. */
  step(text: string): void
  /** A line beside the steps. */
  note(text: string): void
  /** The work is over. */
  done(text: string): void
  fail(): void
}

interface Output { isTTY?: boolean; write(text: string): unknown }

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']

export function isFancy(output: Output, env: NodeJS.ProcessEnv = process.env): boolean {
  return output.isTTY === true && env['NO_COLOR'] === undefined && env['TERM'] !== 'dumb'
}

/** Spinner, ticks and seconds on a terminal; plain lines anywhere else. */
export function terminalProgress(clock: Clock, output: Output = process.stderr): Progress {
  const fancy = isFancy(output)
  const colour = (code: number, text: string): string => (fancy ? `\u001b[${code}m${text}\u001b[0m` : text)
  let current: { text: string; startedMs: number } | undefined
  let spinner: Disposable | undefined
  let frame = 0
  const clear = (): void => void (fancy && output.write('\r\u001b[K'))
  const end = (mark: string): void => {
    spinner?.[Symbol.dispose]()
    spinner = undefined
    if (current === undefined) return
    const seconds = ((clock.monotonicMs() - current.startedMs) / 1000).toFixed(1)
    clear()
    if (fancy) output.write(` ${mark} ${current.text} ${colour(2, `${seconds}s`)}\n`)
    else if (mark === '✗') output.write(`failed: ${current.text}\n`)
    current = undefined
  }
  return {
    step(text) {
      end(colour(32, '✓'))
      current = { text, startedMs: clock.monotonicMs() }
      if (!fancy) return void output.write(`${text}\n`)
      const draw = (): void => void output.write(`\r\u001b[K ${colour(36, frames[frame++ % frames.length] ?? '')} ${text}`)
      draw()
      spinner = clock.interval(80, draw, { background: true })
    },
    note(text) {
      clear()
      output.write(`${text}\n`)
    },
    done(text) {
      end(colour(32, '✓'))
      output.write(`${text}\n`)
    },
    fail: () => end(colour(31, '✗')),
  }
}

/** Columns as kubectl prints them: upper-case heads, three spaces between. */
export function table(heads: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => (row[column] ?? '').length)))
  return [heads, ...rows].map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('   ').trimEnd()).join('\n')
}
