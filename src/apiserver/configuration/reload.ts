import { readFile } from 'node:fs/promises'
import type { Runtime } from '../../runtime/runtime.ts'

const pollMs = 1_000

/**
 * Watches a file by reading it once a second (which works for mounted ConfigMaps and network file systems as well), from now until
 * `signal` aborts. `apply` is given a text that differs from the last one; when it throws, the file is left alone until it changes again.
 */
export function onFileChange(options: { path: string; text: string; runtime: Runtime; signal: AbortSignal; apply(text: string): Promise<void> | void }): void {
  const { path, runtime, signal, apply } = options
  let last = options.text
  let isReading = false
  const look = async (): Promise<void> => {
    const text = await readFile(path, 'utf8')
    if (text === last) return
    last = text
    await apply(text)
    runtime.log.info('a configuration file was read again', { path })
  }
  const timer = runtime.clock.interval(pollMs, () => {
    if (isReading) return
    isReading = true
    look().catch((err: unknown) => {
      if (!signal.aborted) runtime.log.error('a configuration file has changed and cannot be used; what was read before stays in force', { path, err })
    }).finally(() => {
      isReading = false
    })
  }, { background: true })
  signal.addEventListener('abort', () => timer[Symbol.dispose](), { once: true })
}
