import type { Runtime } from '../../runtime/runtime.ts'
import type { AuditBackend } from './audit-backend.ts'
import { eventLine, legacyLine } from './audit-event.ts'
import { openLogFile, type LogFileOptions } from './log-file.ts'

export interface LogBackendOptions extends LogFileOptions { format: 'json' | 'legacy' }

/** Writes a line an event, to a file or, for the path `-`, to standard output. */
export async function logBackend(options: LogBackendOptions, runtime: Runtime): Promise<AuditBackend> {
  const line = options.format === 'legacy' ? legacyLine : eventLine
  const target = options.path === '-' ? standardOutput() : await openLogFile(options, runtime)
  let failed = 0
  return {
    async process(events) {
      try {
        await target.write(events.map(line).join(''))
        return true
      } catch (err) {
        failed += events.length
        runtime.log.error('audit events are lost', { plugin: 'log', lost: events.length, err })
        return false
      }
    },
    failures: () => [{ name: 'log', failed }],
    [Symbol.asyncDispose]: () => target[Symbol.asyncDispose](),
  }
}

function standardOutput(): { write(text: string): Promise<void> } & AsyncDisposable {
  return {
    write: (text) => new Promise((resolve, reject) => process.stdout.write(text, (error) => (error === null || error === undefined ? resolve() : reject(error)))),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}
