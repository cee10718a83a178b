import { open } from 'node:fs/promises'
import { parseLogLine } from './format.ts'

const maxReadBytes = 64 * 1024

/** The text of the last lines of a container log, within both limits; '' when there is no log. */
export async function readLogTail(path: string, limits: { lines: number; bytes: number }): Promise<string> {
  let file
  try {
    file = await open(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
  try {
    const { size } = await file.stat()
    const length = Math.min(size, maxReadBytes)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length)
    const lines = buffer.subarray(0, bytesRead).toString('utf8').split('\n')
    if (length < size) lines.shift()
    const text = lines.map((line) => parseLogLine(line)).filter((line) => line !== undefined).map((line) => line.text + (line.partial ? '' : '\n'))
    const bytes = Buffer.from(text.slice(-limits.lines).join(''))
    return bytes.subarray(Math.max(0, bytes.length - limits.bytes)).toString('utf8')
  } finally {
    await file.close()
  }
}
