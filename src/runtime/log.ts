import { pino } from 'pino'

/** Structured fields of a log line; an `err` field holds the Error. */
export type LogFields = Record<string, unknown>

export interface Logger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  /** A logger that adds `fields` to each of its lines. */
  child(fields: LogFields): Logger
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** One JSON object a line on `destination` (a file descriptor number or a path; standard error by default). */
export function jsonLogger(level: LogLevel = 'info', destination: number | string = 2): Logger {
  const wrap = (target: pino.Logger): Logger => ({
    debug: (message, fields) => target.debug(fields ?? {}, message),
    info: (message, fields) => target.info(fields ?? {}, message),
    warn: (message, fields) => target.warn(fields ?? {}, message),
    error: (message, fields) => target.error(fields ?? {}, message),
    child: (fields) => wrap(target.child(fields)),
  })
  const stream = pino.destination({ dest: destination, sync: true })
  return wrap(pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, stream))
}

export interface LogLine { level: Exclude<LogLevel, 'silent'>; message: string; fields: LogFields }

/** Keeps its lines in memory, for tests. */
export function memoryLogger(lines: LogLine[] = [], base: LogFields = {}): Logger & { readonly lines: LogLine[] } {
  const at = (level: LogLine['level']) => (message: string, fields?: LogFields): void => void lines.push({ level, message, fields: { ...base, ...fields } })
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), child: (fields) => memoryLogger(lines, { ...base, ...fields }) }
}
