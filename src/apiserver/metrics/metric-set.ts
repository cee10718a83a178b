import { createHash } from 'node:crypto'
import { catalogue, type Described, type MetricName } from './catalogue.ts'
import { Histograms, Numbers, type MetricFamily, type NumberCell, type Spread } from './families.ts'

/**
 * The series of the catalogue, each begun when it is first counted; those without labels stand at nought from the start. Label
 * values go in the order of the catalogue. Who counts on every request keeps a cell.
 */
export class MetricSet {
  readonly #measures: (() => void)[] = []
  readonly #families = new Map<MetricName, Numbers | Histograms>()

  constructor(startWith: readonly MetricName[] = Object.keys(catalogue) as MetricName[]) {
    for (const name of startWith) if (catalogue[name].labels.length === 0) this.#family(name).at()
  }

  #family(name: MetricName): Numbers | Histograms {
    let family = this.#families.get(name)
    if (family === undefined) {
      const { type, help, labels, bounds }: Described = catalogue[name]
      family = type === 'histogram' ? new Histograms(name, help, labels, bounds) : new Numbers(type, name, help, labels)
      this.#families.set(name, family)
    }
    return family
  }

  /** The cell of a counter or gauge. */
  number(name: MetricName, ...labels: string[]): NumberCell {
    return (this.#family(name) as Numbers).at(...labels)
  }

  /** The cell of a histogram. */
  spread(name: MetricName, ...labels: string[]): Spread {
    return (this.#family(name) as Histograms).at(...labels)
  }

  count(name: MetricName, ...labels: string[]): void {
    this.number(name, ...labels).value++
  }

  set(name: MetricName, value: number, ...labels: string[]): void {
    this.number(name, ...labels).value = value
  }

  observe(name: MetricName, value: number, ...labels: string[]): void {
    this.spread(name, ...labels).observe(value)
  }

  /** Ends the series of one name whose first labels are these. */
  clear(name: MetricName, ...labels: string[]): void {
    const { cells } = this.#family(name)
    for (const [key, { values }] of cells) if (labels.every((label, at) => values[at] === label)) cells.delete(key)
  }

  /** Has `measure` set what is only known at the moment when somebody looks. */
  beforeRead(measure: () => void): void {
    this.#measures.push(measure)
  }

  families(): MetricFamily[] {
    for (const measure of this.#measures) measure()
    return [...this.#families.values()]
  }
}

const byCore = new WeakMap<object, MetricSet>()

/** The set of one API server. */
export function metricSetOf(core: object): MetricSet {
  const set = byCore.get(core) ?? new MetricSet()
  byCore.set(core, set)
  return set
}

/** Has a server count in a set that was begun before it. */
export function adoptMetricSet(core: object, set: MetricSet): void {
  byCore.set(core, set)
}

/** How names that are nobody's business stand in labels; '' stays ''. */
export function labelHash(text: string): string {
  return text === '' ? '' : `sha256:${createHash('sha256').update(text).digest('hex')}`
}
