import { durationText, parseDuration } from '../machinery/duration.ts'

/** What every flag's row has. */
interface FlagBase<Kind extends string, Value> {
  /** Without the dashes. */
  name: string
  kind: Kind
  default: Value
  /** One or two sentences for `--help`. */
  description: string
  /** The section of `--help` it stands in. */
  group: string
  /** What `--help` calls the value where the kind's own name says too little. */
  valueName?: string
  /** One letter, as in `-v`. */
  short?: string
  /** The only values allowed. */
  oneOf?: readonly Value[]
  /** What is wrong with a value: 'must be an IP address, not "x"'. */
  check?(value: Value): string | undefined
  /** Accepted without effect, because it has no bearing here: says why. */
  noBearing?: string
  /** Any value but the default is an error: says why. */
  refused?: string
  /** Still accepted, but not to be used: says what instead. Not listed in `--help`. */
  deprecated?: string
}

interface IntegerBounds { min?: number; max?: number }

/** One flag. Durations are milliseconds, written as Go does (`1h30m`). A slice is given once with commas, or several times. */
export type FlagRow =
  | FlagBase<'string', string>
  | FlagBase<'bool', boolean>
  | (FlagBase<'int', number> & IntegerBounds)
  | (FlagBase<'float', number> & IntegerBounds)
  | (FlagBase<'duration', number> & IntegerBounds)
  | FlagBase<'stringSlice', readonly string[]>
  /** Given several times, commas being part of the value. */
  | FlagBase<'stringArray', readonly string[]>
  | FlagBase<'map', Readonly<Record<string, string>>>

interface ValueOfKind {
  string: string; bool: boolean; int: number; float: number; duration: number
  stringSlice: readonly string[]; stringArray: readonly string[]; map: Readonly<Record<string, string>>
}

/** The values of a table's flags, by name; what was not given has its default. */
export type FlagValues<Row extends FlagRow> = { readonly [R in Row as R['name']]: ValueOfKind[R['kind']] }

export interface ParsedFlags<Row extends FlagRow> {
  values: FlagValues<Row>
  /** Names of the flags that were given. */
  given: ReadonlySet<Row['name']>
  /** What the person should be told: use of deprecated flags. */
  warnings: readonly string[]
}

/** A wrong command line; the message is one sentence for the person. */
export class FlagError extends Error {}

/**
 * Reads arguments by a table, as Go's pflag does: `--name=value`, `--name value`, `--bool`, `-v 2`, `-v=2`, `--` ends the flags. Throws
 * `FlagError` for flags that the table lacks (naming the nearest), values that are none of their kind or out of range, and stray arguments.
 */
export function parseFlags<Row extends FlagRow>(rows: readonly Row[], args: readonly string[]): ParsedFlags<Row> {
  const byName = new Map(rows.map((row) => [row.name, row]))
  const byLetter = new Map(rows.flatMap((row) => (row.short === undefined ? [] : [[row.short, row]])))
  const values: Record<string, unknown> = Object.fromEntries(rows.map((row) => [row.name, row.default]))
  const given = new Set<Row['name']>()
  const warnings: string[] = []
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!
    if (arg === '--' && at === args.length - 1) break
    const [, dashes, name = '', attached] = /^(--?)([^=]+)(?:=([\s\S]*))?$/.exec(arg) ?? []
    if (dashes === undefined) throw new FlagError(`the argument "${arg}" is not understood; flags are written --name=value`)
    const row = dashes === '--' ? byName.get(name) : byLetter.get(name)
    if (row === undefined) throw new FlagError(unknownFlag(`${dashes}${name}`, [...byName.keys()]))
    let text = attached
    if (text === undefined && row.kind === 'bool') text = 'true'
    if (text === undefined) {
      text = args[++at]
      if (text === undefined) throw new FlagError(`flag needs an argument: --${row.name}`)
    }
    const value = parseValue(row, text)
    values[row.name] = given.has(row.name) ? merged(values[row.name], value) : value
    given.add(row.name)
    if (row.deprecated !== undefined) warnings.push(`Flag --${row.name} has been deprecated, ${row.deprecated}`)
  }
  for (const row of rows) if (given.has(row.name)) checkValue(row, values[row.name])
  return { values: values as FlagValues<Row>, given, warnings }
}

/** The values of a table when nothing is given but `overrides`. */
export function flagDefaults<Row extends FlagRow>(rows: readonly Row[], overrides: Partial<FlagValues<Row>> = {}): FlagValues<Row> {
  return { ...(Object.fromEntries(rows.map((row) => [row.name, row.default])) as FlagValues<Row>), ...overrides }
}

/** A slice or map given again adds to what it had; anything else takes the last value. */
function merged(before: unknown, value: unknown): unknown {
  if (Array.isArray(before) && Array.isArray(value)) return [...(before as unknown[]), ...(value as unknown[])]
  if (typeof before === 'object' && typeof value === 'object') return { ...before, ...value }
  return value
}

function parseValue(row: FlagRow, text: string): unknown {
  const wrong = (what: string): FlagError => new FlagError(`invalid argument "${text}" for "--${row.name}" flag: ${what}`)
  switch (row.kind) {
    case 'string': return text
    case 'bool':
      if (['true', 't', 'T', 'TRUE', 'True', '1'].includes(text)) return true
      if (['false', 'f', 'F', 'FALSE', 'False', '0'].includes(text)) return false
      throw wrong('true or false is wanted')
    case 'int':
      if (!/^[+-]?\d{1,15}$/.test(text)) throw wrong('a whole number is wanted')
      return Number(text)
    case 'float': {
      const value = Number(text)
      if (text.trim() === '' || !Number.isFinite(value)) throw wrong('a number is wanted')
      return value
    }
    case 'duration': {
      const value = parseDuration(text)
      if (value === undefined) throw wrong('a duration like 30s, 5m or 1h30m is wanted')
      return value
    }
    case 'stringSlice': return text === '' ? [] : text.split(',').map((each) => each.trim())
    case 'stringArray': return [text]
    case 'map': {
      const entries = text.split(',').map((each) => each.trim()).filter((each) => each !== '').map((each): [string, string] => {
        const equals = each.indexOf('=')
        if (equals <= 0) throw wrong('pairs like key=value, separated by commas, are wanted')
        return [each.slice(0, equals).trim(), each.slice(equals + 1).trim()]
      })
      // No prototype: keys are the person's.
      return Object.assign(Object.create(null) as Record<string, string>, Object.fromEntries(entries))
    }
  }
}

function checkValue(row: FlagRow, value: unknown): void {
  if (row.kind === 'int' || row.kind === 'float' || row.kind === 'duration') {
    const number = value as number
    const show = (bound: number): string => (row.kind === 'duration' ? durationText(bound) : String(bound))
    const { min, max } = row
    if ((min !== undefined && number < min) || (max !== undefined && number > max)) {
      const range = max === undefined ? `at least ${show(min!)}` : min === undefined ? `at most ${show(max)}` : `from ${show(min)} to ${show(max)}`
      throw new FlagError(`--${row.name} must be ${range}, not ${show(number)}`)
    }
  }
  if (row.oneOf !== undefined && !(row.oneOf as readonly unknown[]).includes(value)) throw new FlagError(`--${row.name} must be one of ${row.oneOf.filter((each) => each !== '').join(', ')}, not "${String(value)}"`)
  const problem = (row.check as ((value: unknown) => string | undefined) | undefined)?.(value)
  if (problem !== undefined) throw new FlagError(`invalid value for --${row.name}: ${problem}`)
  if (row.refused !== undefined && JSON.stringify(value) !== JSON.stringify(row.default)) throw new FlagError(`--${row.name} is not supported: ${row.refused}`)
}

function unknownFlag(flag: string, names: readonly string[]): string {
  const nearest = nearestName(flag.replace(/^-+/, ''), names)
  return `unknown flag: ${flag}${nearest === undefined ? '' : `; did you mean --${nearest}?`}`
}

/** The name that takes the fewest changed letters to reach, if it takes few enough. */
export function nearestName(wanted: string, names: readonly string[]): string | undefined {
  let best: string | undefined
  let bestDistance = Math.max(2, Math.ceil(wanted.length * 0.4)) + 1
  for (const name of names) {
    const distance = editDistance(wanted, name, bestDistance)
    if (distance < bestDistance) [best, bestDistance] = [name, distance]
  }
  return best
}

/** Levenshtein distance; anything not below `limit` counts as `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    row = next
  }
  return Math.min(row[b.length]!, limit)
}

const valueNames: Readonly<Record<FlagRow['kind'], string>> = {
  string: 'string', bool: '', int: 'int', float: 'float', duration: 'duration', stringSlice: 'strings', stringArray: 'stringArray', map: 'mapStringString',
}

/** A flag's value as text, as it could be given again. */
export function formatFlagValue(row: FlagRow, value: unknown): string {
  switch (row.kind) {
    case 'duration': return durationText(value as number)
    case 'stringSlice': case 'stringArray': return `[${(value as readonly string[]).join(',')}]`
    case 'map': return Object.entries(value as Record<string, string>).map(([key, each]) => `${key}=${each}`).join(',')
    default: return String(value)
  }
}

/** The flags by section, in the form of Kubernetes' components: one paragraph a flag, wrapped at `columns`. */
export function flagHelp(rows: readonly FlagRow[], columns = 120): string {
  const groups = new Map<string, FlagRow[]>()
  for (const row of rows) {
    if (row.deprecated !== undefined) continue
    groups.set(row.group, [...(groups.get(row.group) ?? []), row])
  }
  const indent = ' '.repeat(16)
  const sections = [...groups].map(([group, members]) => {
    const paragraphs = members.toSorted((a, b) => (a.name < b.name ? -1 : 1)).map((row) => {
      const valueName = row.valueName ?? valueNames[row.kind]
      const head = `${row.short === undefined ? '     ' : `  -${row.short},`} --${row.name}${valueName === '' ? '' : ` ${valueName}`}`
      return `${head}\n${wrapped(describe(row), columns - indent.length).map((line) => `${indent}${line}`).join('\n')}`
    })
    return `${group} flags:\n\n${paragraphs.join('\n')}\n`
  })
  return sections.join('\n')
}

function describe(row: FlagRow): string {
  const shown = formatFlagValue(row, row.default)
  const standard = row.kind === 'bool' ? row.default : row.kind === 'int' || row.kind === 'float' ? row.default !== 0 : row.kind === 'duration' ? row.default > 0 : !['', '[]'].includes(shown)
  const notes = [
    ...(row.oneOf === undefined ? [] : [`One of: ${row.oneOf.filter((each) => each !== '').join(', ')}.`]),
    ...(row.noBearing === undefined ? [] : [`Accepted without effect: ${row.noBearing}.`]),
    ...(row.refused === undefined ? [] : [`Not supported: ${row.refused}.`]),
    ...(standard ? [`(default ${row.kind === 'string' ? JSON.stringify(shown) : shown})`] : []),
  ]
  return [row.description, ...notes].join(' ')
}

function wrapped(text: string, columns: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > columns) {
      lines.push(line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...lines, line]
}
