import type { Figure } from './work.ts'

/** A line of the table: what ours did, and what the other endpoint did in the same run. */
export interface Row { work: string; figure: Figure; other?: Figure }

/** How many times better `value` is than `reference`; above 1 is ahead. */
export function ratio(unit: Figure['unit'], value: number, reference: number): number {
  return unit === '/s' ? value / reference : reference / value
}

function amount(value: number, unit: Figure['unit']): string {
  const digits = unit === 's' || (unit === 'ms' && value < 100) ? 1 : 0
  return `${value.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: digits })}${unit === '/s' ? '/s' : ` ${unit}`}`
}

function times(value: number): string {
  return `x${value.toFixed(value < 10 ? 1 : 0)}`
}

/** The table that `npm run bench` prints. `other` is the name of the endpoint that was measured beside ours. */
export function renderTable(rows: readonly Row[], other?: string): string {
  const head = ['MEASURED', 'OURS', 'ORIGINAL', 'RATIO', ...(other === undefined ? [] : [other.toUpperCase(), 'RATIO']), 'NOTE']
  const lines = rows.map(({ figure, other: beside }) => {
    const { name, value, unit, original, target, note = '' } = figure
    const reference = original === undefined ? (target === undefined ? ['', ''] : [`< ${amount(target, unit)}`, value < target ? 'met' : 'NOT MET']) : [amount(original, unit), times(ratio(unit, value, original))]
    const second = other === undefined ? [] : beside === undefined ? ['', ''] : [amount(beside.value, unit), times(ratio(unit, value, beside.value))]
    return [name, amount(value, unit), ...reference, ...second, note]
  })
  const widths = head.map((title, column) => Math.max(title.length, ...lines.map((line) => line[column]!.length)))
  const numbers = new Set(head.map((title, column) => (title === 'MEASURED' || title === 'NOTE' ? -1 : column)))
  return [head, ...lines].map((line) => line.map((cell, column) => (numbers.has(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!))).join('  ').trimEnd()).join('\n')
}
