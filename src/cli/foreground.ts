import { setFlagsFromString } from 'node:v8'
import type { Running, Runtime } from '../runtime/runtime.ts'

/**
 * Runs components in the foreground until they end or the process is asked to (SIGINT, SIGTERM): then everything is closed in order. A second
 * signal ends the process at once. An error that nobody caught is logged and does not end the process: one bad request or connection
 * must not take a control plane with it.
 */
export async function runInForeground(runtime: Runtime, start: (signal: AbortSignal) => Promise<Running>): Promise<void> {
  const asked = new AbortController()
  const { log } = runtime
  const onSignal = (signal: NodeJS.Signals): void => {
    if (asked.signal.aborted) process.exit(130)
    log.info('stopping', { signal })
    asked.abort(new Error(`received ${signal}`))
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  process.on('uncaughtException', (err) => log.error('an error was not caught', { err }))
  process.on('unhandledRejection', (err) => log.error('a rejection was not handled', { err }))
  const running = await start(asked.signal)
  keepYoung()
  const stop = new Promise<void>((resolve) => {
    if (asked.signal.aborted) return resolve()
    asked.signal.addEventListener('abort', () => resolve(), { once: true })
  })
  try {
    await Promise.race([running.done, stop])
  } finally {
    await running[Symbol.asyncDispose]()
  }
  // Nothing of ours is left; what a library still holds (idle sockets) must not keep the process.
  process.exit(process.exitCode ?? 0)
}

/**
 * V8 makes the kinds of objects that lived long when it looked in its old generation from then on. What survives here while a
 * server fills its caches is what every request makes afterwards; each such object then drags its whole request along, and
 * collecting that costs up to a quarter of the processor time. After start-up, so that the code cached on disk still fits.
 */
function keepYoung(): void {
  setFlagsFromString('--no-allocation-site-pretenuring')
}
