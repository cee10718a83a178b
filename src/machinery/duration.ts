import { formatGoDuration, parseGoDuration } from './schema-time.ts'

/** Milliseconds of a duration as Go writes it (`1h2m3.5s`, `100ms`); undefined when the text is none. */
export function parseDuration(text: string): number | undefined {
  const nanos = parseGoDuration(text)
  return nanos === undefined ? undefined : Number(nanos) / 1e6
}

/** Go's `Duration.String()` of milliseconds. */
export function durationText(ms: number): string {
  return formatGoDuration(BigInt(Math.round(ms * 1e6)))
}
