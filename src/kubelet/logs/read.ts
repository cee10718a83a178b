import { watch } from 'node:fs'
import { open, stat, type FileHandle } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import type { Clock } from '../../runtime/clock.ts'
import { parseLogLine } from './format.ts'

export interface LogQuery {
  follow: boolean
  timestamps: boolean
  /** Only lines from this time on. */
  sinceMs?: number
  /** Only this many of the last lines. */
  tailLines?: number
  limitBytes?: number
  stream: 'All' | 'Stdout' | 'Stderr'
}

const blockBytes = 64 * 1024
/** How often a followed log is looked at besides what the file system tells. */
const lookMs = 1000

/** Where the last `lines` lines of the file begin. */
async function tailOffset(file: FileHandle, size: number, lines: number): Promise<number> {
  if (lines === 0) return size
  let found = 0
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - blockBytes)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(end - start), 0, end - start, start)
    for (let at = bytesRead - 1; at >= 0; at--) {
      // The newline that ends the last line begins no further one.
      if (buffer[at] !== 0x0a || start + at === size - 1) continue
      if (++found === lines) return start + at + 1
    }
    end = start
  }
  return 0
}

interface Selection { emit: (line: string) => Buffer | undefined; readonly done: boolean }

/** Turns lines of the file into what the reader gets: filtered, cut, with or without times. */
function selection(query: LogQuery): Selection {
  let leftBytes = query.limitBytes ?? Infinity
  const partial = new Map<string, boolean>()
  return {
    get done() {
      return leftBytes <= 0
    },
    emit(line) {
      const parsed = parseLogLine(line)
      if (parsed === undefined) return undefined
      // The rest of a line that was begun carries no time of its own.
      const goesOn = partial.get(parsed.stream) === true
      partial.set(parsed.stream, parsed.partial)
      if (query.stream !== 'All' && parsed.stream !== query.stream.toLowerCase()) return undefined
      if (query.sinceMs !== undefined && Date.parse(parsed.timestamp) < query.sinceMs) return undefined
      const text = Buffer.from(`${query.timestamps && !goesOn ? `${parsed.timestamp} ` : ''}${parsed.text}${parsed.partial ? '' : '\n'}`)
      const cut = text.length > leftBytes ? text.subarray(0, leftBytes) : text
      leftBytes -= cut.length
      return cut
    },
  }
}

/** Resolves at the next change in the log's folder, after `lookMs` at the latest. */
function change(path: string, clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const name = basename(path)
    const watcher = watch(dirname(path), { persistent: false }, (_, file) => {
      if (file === null || file === name) finish()
    })
    const timer = clock.timer(lookMs, () => finish(), { background: true })
    const finish = (): void => {
      watcher.close()
      timer[Symbol.dispose]()
      signal.removeEventListener('abort', finish)
      resolve()
    }
    watcher.on('error', finish)
    signal.addEventListener('abort', finish, { once: true })
  })
}

/**
 * A container's log as `kubectl logs` wants it. Following goes on over rotations until `running` says that the container has
 * ended and all was read, or the signal aborts. Rejects with ENOENT when there is no log.
 */
export async function* readLog(path: string, query: LogQuery, clock: Clock, running: () => boolean, signal: AbortSignal): AsyncGenerator<Buffer> {
  let file = await open(path, 'r')
  try {
    const chosen = selection(query)
    const { size } = await file.stat()
    let offset = query.tailLines === undefined ? 0 : await tailOffset(file, size, query.tailLines)
    let rest = Buffer.alloc(0)
    const buffer = Buffer.alloc(blockBytes)
    for (;;) {
      if (signal.aborted || chosen.done) return
      // Asked before the read: what was written until the end is then surely read.
      const stillRunning = running()
      const { bytesRead } = await file.read(buffer, 0, blockBytes, offset)
      if (bytesRead > 0) {
        offset += bytesRead
        const text = Buffer.concat([rest, buffer.subarray(0, bytesRead)])
        const out: Buffer[] = []
        let start = 0
        for (let newline = text.indexOf(0x0a); newline >= 0; newline = text.indexOf(0x0a, start)) {
          const piece = chosen.emit(text.subarray(start, newline).toString('utf8'))
          if (piece !== undefined) out.push(piece)
          start = newline + 1
        }
        rest = Buffer.from(text.subarray(start))
        if (out.length > 0) yield Buffer.concat(out)
        continue
      }
      if (!query.follow) return
      const rotated = await replaced(path, file, offset)
      if (rotated) {
        await file.close()
        file = await open(path, 'r')
        offset = 0
        continue
      }
      if (!stillRunning) return
      await change(path, clock, signal)
    }
  } finally {
    await file.close()
  }
}

/** Whether the path now names another file, or a shorter one. */
async function replaced(path: string, file: FileHandle, offset: number): Promise<boolean> {
  try {
    const [now, held] = await Promise.all([stat(path), file.stat()])
    return now.ino !== held.ino || now.size < offset
  } catch (error) {
    // Between being cut and being opened anew there is none.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}
