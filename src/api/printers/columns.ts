import { shortDocOf } from '../type-docs.ts'
import type { PrinterColumn, RowConditions, RowPrinter } from '../resource.ts'
import type { OpenObject } from '../../machinery/object.ts'
import { humanDuration } from '../../machinery/human-duration.ts'

/** How a kind shows in tables: names, types and priorities of columns, and the texts of rows, are upstream's (`pkg/printers/internalversion`). */
export interface KindPrinter { columns: readonly PrinterColumn[]; printRow: RowPrinter; rowConditions?: RowConditions }
export type Cell = ReturnType<RowPrinter>[number]

type ColumnType = PrinterColumn['type']

/** A column with a description of its own. Priority 1 shows with `-o wide`. */
export function column(name: string, type: ColumnType, description: string, priority = 0): PrinterColumn {
  return { name, type, format: '', description, priority }
}

/** A column described as a field of a type is (`v1.PodStatus`, `podIP`); the text is read when first asked for. */
export function fieldColumn(name: string, type: ColumnType, typeId: string, field: string, priority = 0): PrinterColumn {
  return { name, type, format: '', get description() { return shortDocOf(typeId, field) }, priority }
}

export const nameColumn: PrinterColumn = { name: 'Name', type: 'string', format: 'name', get description() { return shortDocOf('meta/v1.ObjectMeta', 'name') }, priority: 0 }
export const ageColumn: PrinterColumn = fieldColumn('Age', 'string', 'meta/v1.ObjectMeta', 'creationTimestamp')

/** Containers and Images, which every kind with a pod template shows in wide tables. */
export function templateColumns(priority: number): PrinterColumn[] {
  return [
    column('Containers', 'string', 'Names of each container in the template.', priority),
    column('Images', 'string', 'Images referenced by each container in the template.', priority),
  ]
}

/** A printer for objects of type `T`; rows hold the cells of all columns, wide ones included. */
export function printer<T>(columns: readonly PrinterColumn[], print: (object: T, nowMs: number) => Cell[]): KindPrinter {
  return { columns, printRow: (object: Readonly<OpenObject>, nowMs) => print(object as unknown as T, nowMs) }
}

/** How long ago a time was, `<unknown>` where there is none. */
export function since(time: string | undefined, nowMs: number): string {
  return (time ?? '') === '' ? '<unknown>' : humanDuration(nowMs - Date.parse(time!))
}

export function age(object: { metadata: { creationTimestamp?: string } }, nowMs: number): string {
  return since(object.metadata.creationTimestamp, nowMs)
}

export function orNone(text: string | undefined): string {
  return text === undefined || text === '' ? '<none>' : text
}

/** Names and images of containers, each joined by commas. */
export function containerCells(containers: ReadonlyArray<{ name: string; image?: string }> | undefined): [names: string, images: string] {
  return [(containers ?? []).map((c) => c.name).join(','), (containers ?? []).map((c) => c.image ?? '').join(',')]
}

/** `a=b,c=d` sorted by key, `<none>` for no labels (`labels.FormatLabels`). */
export function labelsText(labels: Readonly<Record<string, string>> | undefined): string {
  return orNone(Object.entries(labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => `${key}=${value}`).join(','))
}

/** The first three of a list, and how many there are beyond. */
export function firstThree(items: readonly string[], empty: string): string {
  const shown = items.slice(0, 3).join(',')
  if (items.length > 3) return `${shown} + ${items.length - 3} more...`
  return shown === '' ? empty : shown
}

/** Kinds that show a name and an age only. */
export const plainPrinter: KindPrinter = printer<OpenObject>([nameColumn, fieldColumn('Created At', 'date', 'meta/v1.ObjectMeta', 'creationTimestamp')],
  (object) => [object.metadata.name ?? '', object.metadata.creationTimestamp ?? '0001-01-01T00:00:00Z'])

export const namePrinter: KindPrinter = printer<OpenObject>([nameColumn, ageColumn], (object, nowMs) => [object.metadata.name ?? '', age(object, nowMs)])
