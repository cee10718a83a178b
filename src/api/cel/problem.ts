import { textLength } from './values.ts'

/** One thing wrong with an expression; `offset` counts UTF-16 units from its start, and is negative for what has no place. */
export interface CelProblem { offset: number; message: string }

/**
 * Problems as cel-go's `Errors.ToDisplayString` shows them: position, text, the line and a caret below it. Upstream's
 * validation puts `compilation failed: ` before it.
 */
export function problemText(source: string, problems: readonly CelProblem[]): string {
  const shown = problems.toSorted((a, b) => a.offset - b.offset).slice(0, maxShown).map((problem) => oneProblem(source, problem))
  return [...shown, ...(problems.length > maxShown ? [`${problems.length - maxShown} more errors were truncated`] : [])].join('\n')
}

const maxShown = 100

function oneProblem(source: string, { offset, message }: CelProblem): string {
  if (offset < 0) return `ERROR: <input>:-1:0: ${message}`
  // There is no line to show, and no column.
  if (source === '') return `ERROR: <input>:1:0: ${message}`
  const before = source.slice(0, offset)
  const line = before.split('\n').length
  const start = before.lastIndexOf('\n') + 1
  const column = textLength(source.slice(start, offset))
  const snippet = (source.slice(start).split('\n')[0] ?? '').replaceAll('\t', ' ')
  const dots = [...snippet].slice(0, column).map((char) => (char.codePointAt(0)! > 0xff ? '．' : '.')).join('')
  const caret = ([...snippet][column]?.codePointAt(0) ?? 0) > 0xff ? '＾' : '^'
  return `ERROR: <input>:${line}:${column + 1}: ${message}\n | ${snippet}\n | ${dots}${caret}`
}
