/** Times, durations and base64 as Go's types read and write them in JSON. */

/** Of days that every month has: most are, and the others take the long way. */
const canonicalTime = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$/
const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)$/

/** Seconds since the epoch and nanoseconds, or undefined for a text that is no RFC 3339 time (or names a day that isn't). */
export function parseTime(text: string): { seconds: number; nanos: number } | undefined {
  const parts = rfc3339.exec(text)
  if (parts === null) return undefined
  const [, year, month, day, hour, minute, second, fraction, zone] = parts as unknown as string[]
  const at = new Date(0)
  at.setUTCFullYear(Number(year), Number(month) - 1, Number(day))
  at.setUTCHours(Number(hour), Number(minute), Number(second))
  const fits = at.getUTCMonth() === Number(month) - 1 && at.getUTCDate() === Number(day) && Number(hour) < 24 && Number(minute) < 60 && Number(second) < 60
  if (!fits) return undefined
  let offsetMinutes = 0
  if (zone !== undefined && zone !== 'Z') {
    offsetMinutes = (zone.startsWith('-') ? -1 : 1) * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6)))
  }
  return { seconds: at.getTime() / 1000 - offsetMinutes * 60, nanos: fraction === undefined ? 0 : Number(fraction.slice(0, 9).padEnd(9, '0')) }
}

/** `2024-01-31T10:00:00Z`: what metav1.Time writes. */
export function formatTime(seconds: number): string {
  return `${isoSeconds(seconds)}Z`
}

/** `2024-01-31T10:00:00.000000Z`: what metav1.MicroTime writes. */
export function formatMicroTime(seconds: number, nanos: number): string {
  return `${isoSeconds(seconds)}.${String(Math.floor(nanos / 1000)).padStart(6, '0')}Z`
}

function isoSeconds(seconds: number): string {
  const at = new Date(seconds * 1000)
  if (Number.isNaN(at.getTime())) throw new Error(`time ${seconds} s is out of range`)
  return at.toISOString().slice(0, -5)
}

/** Normalises to UTC and whole seconds; undefined if it is no time. */
export function normalizeTime(text: string): string | undefined {
  if (canonicalTime.test(text)) return text
  const time = parseTime(text)
  return time === undefined ? undefined : formatTime(time.seconds)
}

const withMicros = /[.,]\d{6}(?:Z|[+-]\d\d:\d\d)$/

/** Normalises to UTC; undefined if it is no time with six digits of fraction, which Go's layout asks for. */
export function normalizeMicroTime(text: string): string | undefined {
  const time = withMicros.test(text) ? parseTime(text) : undefined
  return time === undefined ? undefined : formatMicroTime(time.seconds, time.nanos)
}

const durationUnits: Record<string, bigint> = { ns: 1n, us: 1_000n, 'µs': 1_000n, 'μs': 1_000n, ms: 1_000_000n, s: 1_000_000_000n, m: 60_000_000_000n, h: 3_600_000_000_000n }

/** Nanoseconds of a Go duration text (`1h30m`, `1.5s`, `0`); undefined if it is none. */
export function parseGoDuration(text: string): bigint | undefined {
  const match = /^([+-]?)((?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(text) ? /^[+-]?/.exec(text)?.[0] : undefined
  if (match === undefined) return /^[+-]?0$/.test(text) ? 0n : undefined
  let total = 0n
  for (const [, whole = '', fraction = '', unit = 's'] of text.matchAll(/(\d*)\.?(\d*)(ns|us|µs|μs|ms|s|m|h)/g)) {
    const scale = durationUnits[unit] as bigint
    total += BigInt(whole === '' ? '0' : whole) * scale
    if (fraction !== '') total += (BigInt(fraction.slice(0, 18)) * scale) / 10n ** BigInt(Math.min(fraction.length, 18))
  }
  return match === '-' ? -total : total
}

/** The text of a Go duration, as `time.Duration.String()` writes it: `1h0m0s`, `1.5s`, `250ms`, `0s`. */
export function formatGoDuration(nanos: bigint): string {
  if (nanos === 0n) return '0s'
  const sign = nanos < 0n ? '-' : ''
  const size = nanos < 0n ? -nanos : nanos
  const decimal = (value: bigint, unit: bigint): string => {
    const rest = value % unit
    const digits = String(unit).length - 1
    return rest === 0n ? String(value / unit) : `${value / unit}.${String(rest).padStart(digits, '0').replace(/0+$/, '')}`
  }
  if (size < 1_000n) return `${sign}${size}ns`
  if (size < 1_000_000n) return `${sign}${decimal(size, 1_000n)}µs`
  if (size < 1_000_000_000n) return `${sign}${decimal(size, 1_000_000n)}ms`
  const minutes = size / 60_000_000_000n
  const seconds = `${decimal(size % 60_000_000_000n, 1_000_000_000n)}s`
  if (minutes === 0n) return sign + seconds
  return minutes < 60n ? `${sign}${minutes}m${seconds}` : `${sign}${minutes / 60n}h${minutes % 60n}m${seconds}`
}

/** Where a standard base64 text stops being one, as Go's decoder counts it; -1 if it is good. Line ends are skipped. */
export function base64ErrorAt(text: string): number {
  if (/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) return -1
  const clean = text.replace(/[\r\n]/g, '')
  if (clean !== text && base64ErrorAt(clean) === -1) return -1
  const bad = /[^A-Za-z0-9+/\r\n]/.exec(text)
  return bad === null ? text.length - (clean.length % 4) : bad.index
}
