import { readFile } from 'node:fs/promises'
import type { Runtime } from '../../runtime/runtime.ts'

const pollMs = 1_000

/** Told of each attempt to use a changed file: the text in force now, or undefined where it could not be used. */
export type ReloadNote = (text: string | undefined) => void

/**
 * Watches a file by reading it once a second (which works for mounted ConfigMaps and network file systems as well), from now until
 * `signal` aborts. `apply` is given a text that differs from the last one; when it throws, the file is left alone until it changes again.
 */
export function onFileChange(options: { path: string; text: string; runtime: Runtime; signal: AbortSignal; apply(text: string): Promise<void> | void; noted?: ReloadNote }): void {
  const { path, runtime, signal, apply, noted } = options
  let last = options.text
  let isReading = false
  /** Said once, however long it lasts. */
  let problem = ''
  const look = async (): Promise<void> => {
    const text = await readFile(path, 'utf8')
    problem = ''
    if (text === last) return
    last = text
    await apply(text)
    noted?.(text)
    runtime.log.info('a configuration file was read again', { path })
  }
  const timer = runtime.clock.interval(pollMs, () => {
    if (isReading) return
    isReading = true
    look().catch((err: unknown) => {
      const said = err instanceof Error ? err.message : String(err)
      if (signal.aborted || said === problem) return
      problem = said
      noted?.(undefined)
      runtime.log.error('a configuration file has changed and cannot be used; what was read before stays in force', { path, err })
    }).finally(() => {
      isReading = false
    })
  }, { background: true })
  signal.addEventListener('abort', () => timer[Symbol.dispose](), { once: true })
}
