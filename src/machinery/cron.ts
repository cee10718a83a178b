/**
 * Cron schedules as CronJobs take them (the five standard fields, names, steps, ranges, and `@hourly` and its kin):
 * what `github.com/robfig/cron/v3` parses as standard.
 */
export interface CronSchedule {
  /** Bit sets as sorted lists. */
  readonly minutes: readonly number[]
  readonly hours: readonly number[]
  readonly daysOfMonth: readonly number[]
  readonly months: readonly number[]
  readonly daysOfWeek: readonly number[]
  /** With both day fields restricted, either one matching is enough. */
  readonly anyDayOfMonth: boolean
  readonly anyDayOfWeek: boolean
  /** `@every`: a fixed interval instead of fields. */
  readonly everyMs?: number
}

interface Field { name: string; min: number; max: number; names?: readonly string[] }

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const days = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
const fields: readonly Field[] = [
  { name: 'minute', min: 0, max: 59 }, { name: 'hour', min: 0, max: 23 }, { name: 'day of month', min: 1, max: 31 }, { name: 'month', min: 1, max: 12, names: months },
  { name: 'day of week', min: 0, max: 6, names: days },
]

const descriptors: Record<string, string> = {
  '@yearly': '0 0 1 1 *', '@annually': '0 0 1 1 *', '@monthly': '0 0 1 * *', '@weekly': '0 0 * * 0', '@daily': '0 0 * * *', '@midnight': '0 0 * * *', '@hourly': '0 * * * *',
}

function numberOf(text: string, field: Field): number {
  const named = field.names?.indexOf(text.toLowerCase()) ?? -1
  if (named >= 0) return named + field.min
  if (!/^\d{1,4}$/.test(text)) throw new Error(`failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`)
  return Number(text)
}

function parseRange(text: string, field: Field): number[] {
  const [range = '', stepText, extraStep] = text.split('/')
  if (extraStep !== undefined) throw new Error(`too many slashes: ${text}`)
  const [lowText = '', highText, extra] = range.split('-')
  if (extra !== undefined) throw new Error(`too many hyphens: ${text}`)
  let low: number
  let high: number
  if (lowText === '*' || lowText === '?') {
    low = field.min
    high = field.max
  } else {
    low = numberOf(lowText, field)
    high = highText === undefined ? (stepText === undefined ? low : field.max) : numberOf(highText, field)
  }
  const step = stepText === undefined ? 1 : numberOf(stepText, { name: '', min: 0, max: 0 })
  if (low < field.min) throw new Error(`beginning of range (${low}) below minimum (${field.min}): ${text}`)
  if (high > field.max) throw new Error(`end of range (${high}) above maximum (${field.max}): ${text}`)
  if (low > high) throw new Error(`beginning of range (${low}) beyond end of range (${high}): ${text}`)
  if (step === 0) throw new Error(`step of range should be a positive number: ${text}`)
  return Array.from({ length: Math.floor((high - low) / step) + 1 }, (_, i) => low + i * step)
}

function parseField(text: string, field: Field): number[] {
  return [...new Set(text.split(',').flatMap((part) => parseRange(part, field)))].sort((a, b) => a - b)
}

/** Throws an `Error` that says what is wrong, as upstream's parser does. */
export function parseCron(text: string): CronSchedule {
  if (text.trim() === '') throw new Error('empty spec string')
  const every = /^@every (\d+(?:h|m|s|ms)(?:\d+(?:m|s|ms))*)$/.exec(text)
  if (every !== null) {
    const unitMs: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 }
    let everyMs = 0
    for (const [, number, unit] of (every[1] as string).matchAll(/(\d+)(ms|h|m|s)/g)) everyMs += Number(number) * (unitMs[unit as string] as number)
    return { minutes: [], hours: [], daysOfMonth: [], months: [], daysOfWeek: [], anyDayOfMonth: true, anyDayOfWeek: true, everyMs: Math.max(1000, everyMs) }
  }
  if (text.startsWith('@') && !Object.hasOwn(descriptors, text)) throw new Error(`unrecognized descriptor: ${text}`)
  const parts = (descriptors[text] ?? text).trim().split(/\s+/)
  if (parts.length !== 5) throw new Error(`expected exactly 5 fields, found ${parts.length}: [${parts.join(' ')}]`)
  const [minutes, hours, daysOfMonth, monthList, daysOfWeek] = parts.map((part, i) => parseField(part, fields[i] as Field)) as [number[], number[], number[], number[], number[]]
  const isAny = (part: string | undefined): boolean => part !== undefined && /^[*?](\/1)?$/.test(part)
  return { minutes, hours, daysOfMonth, months: monthList, daysOfWeek, anyDayOfMonth: isAny(parts[2]), anyDayOfWeek: isAny(parts[4]) }
}
