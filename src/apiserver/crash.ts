import type { ServerResponse } from './context.ts'

/** Errors that no handler throws on purpose: they say that the program is wrong (Go's panics). */
export function isCrash(error: unknown): error is Error {
  return error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError || (error instanceof Error && error.name === 'AssertionError')
}

/** What the client hears of it (upstream's `WithPanicRecovery`). */
export function crashAnswer(): ServerResponse {
  return {
    status: 500, headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
    bytes: 'This request caused apiserver to panic. Look in the logs for details.\n',
  }
}
