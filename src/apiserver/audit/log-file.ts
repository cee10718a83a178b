import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, open, readdir, rename, stat, unlink, type FileHandle } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type { Runtime } from '../../runtime/runtime.ts'

export interface LogFileOptions {
  path: string
  /** 0: the file is never rotated. */
  maxSizeBytes: number
  /** Old files go after so many days, and when there are more than so many; 0: they stay. */
  maxAgeDays: number
  maxBackups: number
  compress: boolean
}

/** Lines that may wait for a disk which has stopped to answer. */
const maxPendingBytes = 64 << 20
const msPerDay = 86_400_000

interface Pending { text: string; resolve: () => void; reject: (error: Error) => void }

/**
 * A file of lines, rotated as upstream's (lumberjack): `audit.log` becomes `audit-2026-01-02T15-04-05.000.log` when it is full.
 * Lines that come while others are being written go out together.
 */
export class LogFile implements AsyncDisposable {
  readonly #options: LogFileOptions
  readonly #runtime: Runtime
  #handle: FileHandle
  #sizeBytes: number
  #pending: Pending[] = []
  #pendingBytes = 0
  #writing: Promise<void> | undefined
  #cleaning: Promise<void> | undefined

  constructor(options: LogFileOptions, runtime: Runtime, handle: FileHandle, sizeBytes: number) {
    this.#options = options
    this.#runtime = runtime
    this.#handle = handle
    this.#sizeBytes = sizeBytes
    this.#clean()
  }

  /** Resolves when the line has been handed to the operating system. */
  write(line: string): Promise<void> {
    const sizeBytes = Buffer.byteLength(line)
    const { maxSizeBytes } = this.#options
    if (maxSizeBytes > 0 && sizeBytes > maxSizeBytes) return Promise.reject(new Error(`write length ${sizeBytes} exceeds maximum file size ${maxSizeBytes}`))
    if (this.#pendingBytes + sizeBytes > maxPendingBytes) return Promise.reject(new Error(`the audit log ${this.#options.path} does not take lines as fast as they come`))
    return new Promise((resolve, reject) => {
      this.#pending.push({ text: line, resolve, reject })
      this.#pendingBytes += sizeBytes
      this.#writing ??= this.#drain()
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing
    await this.#cleaning
    await this.#handle.close()
  }

  async #drain(): Promise<void> {
    // What comes in the same turn goes out in the same write.
    await Promise.resolve()
    while (this.#pending.length > 0) {
      const batch = this.#next()
      try {
        await this.#handle.appendFile(batch.map(({ text }) => text).join(''))
        for (const { resolve } of batch) resolve()
      } catch (cause) {
        for (const { reject } of batch) reject(new Error(`cannot write the audit log ${this.#options.path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause }))
      }
      if (this.#isFull()) await this.#rotate()
    }
    this.#writing = undefined
  }

  /** As many lines as fit into the file. */
  #next(): Pending[] {
    const { maxSizeBytes } = this.#options
    let count = 0
    for (const { text } of this.#pending) {
      const sizeBytes = Buffer.byteLength(text)
      if (maxSizeBytes > 0 && count > 0 && this.#sizeBytes + sizeBytes > maxSizeBytes) break
      this.#sizeBytes += sizeBytes
      this.#pendingBytes -= sizeBytes
      count++
    }
    return this.#pending.splice(0, count)
  }

  /** Whether the next line belongs into a new file. */
  #isFull(): boolean {
    const { maxSizeBytes } = this.#options
    const [next] = this.#pending
    return maxSizeBytes > 0 && this.#sizeBytes + (next === undefined ? 0 : Buffer.byteLength(next.text)) > maxSizeBytes
  }

  async #rotate(): Promise<void> {
    const { path } = this.#options
    const extension = extname(path)
    const time = new Date(this.#runtime.clock.now()).toISOString().slice(0, -1).replaceAll(':', '-')
    try {
      await rename(path, `${path.slice(0, path.length - extension.length)}-${time}${extension}`)
      const handle = await open(path, 'a', 0o600)
      const full = this.#handle
      this.#handle = handle
      this.#sizeBytes = 0
      await full.close()
      this.#clean()
    } catch (err) {
      this.#runtime.log.error('the audit log could not be rotated and grows on', { path, err })
    }
  }

  /** Removes and compresses old files, beside the writing. */
  #clean(): void {
    if (this.#options.maxAgeDays === 0 && this.#options.maxBackups === 0 && !this.#options.compress) return
    this.#cleaning = (this.#cleaning ?? Promise.resolve()).then(() => this.#cleanOnce()).catch((err: unknown) => this.#runtime.log.warn('old audit logs could not be removed', { path: this.#options.path, err }))
  }

  async #cleanOnce(): Promise<void> {
    const { path, maxAgeDays, maxBackups, compress } = this.#options
    const folder = dirname(path)
    const extension = extname(path)
    const prefix = `${basename(path, extension)}-`
    const backups: { name: string; timeMs: number }[] = []
    for (const name of await readdir(folder)) {
      const time = /^(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d\.\d{3})(\..*)?$/.exec(name.startsWith(prefix) ? name.slice(prefix.length) : '')
      if (time === null || ![extension, `${extension}.gz`].includes(time[5] ?? '')) continue
      backups.push({ name, timeMs: Date.parse(`${time[1]!}T${time[2]!}:${time[3]!}:${time[4]!}Z`) })
    }
    backups.sort((a, b) => b.timeMs - a.timeMs)
    const oldestMs = this.#runtime.clock.now() - maxAgeDays * msPerDay
    for (const [at, { name, timeMs }] of backups.entries()) {
      const file = join(folder, name)
      if ((maxBackups > 0 && at >= maxBackups) || (maxAgeDays > 0 && timeMs < oldestMs)) await unlink(file)
      else if (compress && !name.endsWith('.gz')) await gzipFile(file)
    }
  }
}

/** Opens the file for appending, readable by its owner only; its folder is made where it is not there. */
export async function openLogFile(options: LogFileOptions, runtime: Runtime): Promise<LogFile> {
  try {
    await mkdir(dirname(options.path), { recursive: true, mode: 0o700 })
    const handle = await open(options.path, 'a', 0o600)
    return new LogFile(options, runtime, handle, (await handle.stat()).size)
  } catch (cause) {
    throw new Error(`cannot open the audit log ${options.path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

async function gzipFile(path: string): Promise<void> {
  const { mode } = await stat(path)
  await pipeline(createReadStream(path), createGzip(), createWriteStream(`${path}.gz`, { mode }))
  await unlink(path)
}
