import type { WatchEvent } from '../machinery/object.ts'

const newline = 0x0a
/** Longest event taken (an object is at most 3 MiB, its JSON at most twice that). */
const maxEventBytes = 16 << 20

/**
 * Decodes a watch body, one JSON event a line, into batches of what each chunk completes. `prepare` may change the text of events before it
 * is parsed. Throws when an event isn't JSON or is too long.
 */
export async function* decodeWatch(body: AsyncIterable<Uint8Array>, prepare = (text: string): string => text): AsyncIterable<WatchEvent[]> {
  let held: Uint8Array[] = []
  let heldBytes = 0
  for await (const chunk of body) {
    const end = chunk.lastIndexOf(newline)
    if (end < 0) {
      held.push(chunk)
      heldBytes += chunk.length
      if (heldBytes > maxEventBytes) throw new Error(`the watch sent an event of more than ${maxEventBytes} bytes`)
      continue
    }
    const complete = chunk.subarray(0, end)
    const lines = held.length === 0 ? Buffer.from(complete.buffer, complete.byteOffset, complete.length) : Buffer.concat([...held, complete])
    held = end + 1 < chunk.length ? [chunk.subarray(end + 1)] : []
    heldBytes = chunk.length - end - 1
    const batch = parseLines(prepare(lines.toString()))
    if (batch.length > 0) yield batch
  }
  if (heldBytes > 0) {
    const rest = Buffer.concat(held).toString().trim()
    if (rest !== '') yield [JSON.parse(rest) as WatchEvent]
  }
}

/** JSON holds no raw newline, so one parse of all lines as an array does for many, and is much quicker. */
function parseLines(text: string): WatchEvent[] {
  if (!text.includes('\n')) return text.trim() === '' ? [] : [JSON.parse(text) as WatchEvent]
  if (!text.includes('\n\n') && text[0] !== '\n' && !text.endsWith('\n')) return JSON.parse(`[${text.replaceAll('\n', ',')}]`) as WatchEvent[]
  return text.split('\n').filter((line) => line.trim() !== '').map((line) => JSON.parse(line) as WatchEvent)
}
