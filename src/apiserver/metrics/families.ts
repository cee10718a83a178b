/** One number with its labels, as it is printed. */
export interface Sample { labels: readonly (readonly [name: string, value: string])[]; value: number }

/** Series of one name, a line each in Prometheus' text format. Counting goes through cells, which callers keep. */
export interface MetricFamily { readonly name: string; readonly help: string; readonly type: 'counter' | 'gauge' | 'histogram'; lines(): string[] }

/** Label values come from requests: past this many series of one name, what is new is counted in one that is not shown. */
const maxSeries = 10_000

abstract class Labelled<Cell> {
  readonly name: string
  readonly help: string
  readonly labels: readonly string[]
  readonly cells = new Map<string, { values: readonly string[]; cell: Cell; text: string | undefined }>()
  #surplus: Cell | undefined

  constructor(name: string, help: string, labels: readonly string[]) {
    this.name = name
    this.help = help
    this.labels = labels
  }

  abstract make(): Cell

  /** The cell of these label values, in the order of the labels; worth keeping by who counts often. */
  at(...values: string[]): Cell {
    const key = values.join('\u0000')
    const found = this.cells.get(key)
    if (found !== undefined) return found.cell
    if (this.cells.size >= maxSeries) return (this.#surplus ??= this.make())
    const cell = this.make()
    this.cells.set(key, { values, cell, text: undefined })
    return cell
  }

  /** The cells with their labels as they are printed, which is worked out once; in that order. */
  protected printed(): (readonly [text: string, cell: Cell])[] {
    const all = Array.from(this.cells.values(), (entry) => [entry.text ??= labelText(this.labels.map((label, index) => [label, entry.values[index] ?? ''])), entry.cell] as const)
    return all.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  }
}

export interface NumberCell { value: number }

/** A counter or gauge. */
export class Numbers extends Labelled<NumberCell> implements MetricFamily {
  readonly type: 'counter' | 'gauge'

  constructor(type: 'counter' | 'gauge', name: string, help: string, labels: readonly string[] = []) {
    super(name, help, labels)
    this.type = type
  }

  make(): NumberCell {
    return { value: 0 }
  }

  lines(): string[] {
    const lines: string[] = []
    for (const [text, { value }] of this.printed()) lines.push(lineOf(this.name, text, value))
    return lines
  }
}

/** How values are spread, cumulative when printed. */
export class Spread {
  readonly #bounds: readonly number[]
  readonly #counts: number[]
  sum = 0
  count = 0

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.#counts = bounds.map(() => 0)
  }

  observe(value: number): void {
    this.sum += value
    this.count++
    const bounds = this.#bounds
    for (let at = 0; at < bounds.length; at++) {
      if (value <= bounds[at]!) {
        this.#counts[at]!++
        return
      }
    }
  }

  /** Appends its lines; `bounds` are the labels of its buckets, `labels` its own. */
  print(lines: string[], name: string, labels: string, bounds: readonly string[]): void {
    const start = labels === '' ? `${name}_bucket{` : `${name}_bucket{${labels},`
    let below = 0
    for (const [at, bound] of bounds.entries()) {
      below += this.#counts[at]!
      lines.push(`${start}${bound}} ${goNumber(below)}`)
    }
    lines.push(`${start}le="+Inf"} ${goNumber(this.count)}`, lineOf(`${name}_sum`, labels, this.sum), lineOf(`${name}_count`, labels, this.count))
  }
}

export class Histograms extends Labelled<Spread> implements MetricFamily {
  readonly type = 'histogram'
  readonly #bounds: readonly number[]

  constructor(name: string, help: string, labels: readonly string[], bounds: readonly number[]) {
    super(name, help, labels)
    this.#bounds = bounds
  }

  make(): Spread {
    return new Spread(this.#bounds)
  }

  lines(): string[] {
    const bounds = this.#bounds.map((bound) => `le="${goNumber(bound)}"`)
    const lines: string[] = []
    for (const [text, cell] of this.printed()) cell.print(lines, this.name, text, bounds)
    return lines
  }
}

/** `start`, `start * factor`, …, `count` of them. */
export function exponentialBounds(start: number, factor: number, count: number): number[] {
  const bounds: number[] = []
  // Multiplied up one by one, as upstream does it: the bounds are labels, and shall round alike.
  for (let bound = start; bounds.length < count; bound *= factor) bounds.push(bound)
  return bounds
}

/** A number as Go's `%g` writes it, which is how labels and values stand in upstream's text: 1e+06, 5e-06, +Inf. */
export function goNumber(value: number): string {
  // Most are counts.
  if (Number.isInteger(value) && value < 1e6 && value > -1e6) return String(value)
  if (value === Infinity) return '+Inf'
  if (value === -Infinity) return '-Inf'
  if (!Number.isFinite(value) || value === 0) return String(value)
  const [digits, exponent] = value.toExponential().split('e') as [string, string]
  const power = Number(exponent)
  if (power >= -4 && power < 6) return String(value)
  return `${digits}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`
}

/** A family made when it is asked for. */
export function family(type: MetricFamily['type'], name: string, help: string, samples: Iterable<Sample>): MetricFamily {
  return { type, name, help, lines: () => Array.from(samples, ({ labels, value }) => lineOf(name, labelText(labels), value)).sort() }
}

function escaped(text: string): string {
  return /[\\"\n]/.test(text) ? text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : text
}

/** Labels by name, as Prometheus' own libraries order them. */
function labelText(labels: Sample['labels']): string {
  return labels.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([label, value]) => `${label}="${escaped(value)}"`).join(',')
}

function lineOf(name: string, labels: string, value: number): string {
  return `${name}${labels === '' ? '' : `{${labels}}`} ${goNumber(value)}`
}

/** One family in Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/); '' when it has no series. */
export function familyText(metric: MetricFamily): string {
  const { name, help, type } = metric
  const lines = metric.lines()
  if (lines.length === 0) return ''
  return `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n${lines.join('\n')}\n`
}

/** The families of a text, each with its lines. */
export function familyBlocks(text: string): { name: string; block: string }[] {
  return text.split(/^(?=# HELP )/m).flatMap((block) => {
    const name = /^# HELP (\S+)/.exec(block)?.[1]
    return name === undefined ? [] : [{ name, block }]
  })
}
