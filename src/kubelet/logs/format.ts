/** A line of a CRI log: `2026-01-01T00:00:00.000000000Z stdout F text`. A partial line's text goes on in the next one of its stream. */
export interface LogLine { timestamp: string; stream: 'stdout' | 'stderr'; partial: boolean; text: string }

/** Undefined for what is no log line. */
export function parseLogLine(line: string): LogLine | undefined {
  const first = line.indexOf(' ')
  const second = line.indexOf(' ', first + 1)
  const third = line.indexOf(' ', second + 1)
  if (first < 0 || second < 0) return undefined
  const stream = line.slice(first + 1, second)
  if (stream !== 'stdout' && stream !== 'stderr') return undefined
  const tags = third < 0 ? line.slice(second + 1) : line.slice(second + 1, third)
  return { timestamp: line.slice(0, first), stream, partial: tags.split(':')[0] === 'P', text: third < 0 ? '' : line.slice(third + 1) }
}
