import { getOwn, isJsonObject } from './json-value.ts'

/**
 * The JSONPath of kubectl and of printer columns: `.spec.replicas`, `{.items[*].metadata.name}`,
 * `.status.conditions[?(@.type=="Ready")].status`, `.metadata.labels.app\.kubernetes\.io/name`, `..image`.
 */
type Step =
  | { kind: 'field'; name: string }
  | { kind: 'names'; names: string[] }
  | { kind: 'indexes'; indexes: number[] }
  | { kind: 'slice'; from?: number; to?: number; step: number }
  | { kind: 'all' }
  | { kind: 'descend' }
  | { kind: 'filter'; left: Step[]; operator?: Comparison; right?: Operand }

type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>='
type Operand = { literal: unknown } | { path: Step[] }

export interface JsonPath { readonly steps: readonly Step[] }

/** Throws an `Error` that names the place. Braces and a leading `$` may be left out. */
export function parseJsonPath(text: string): JsonPath {
  let body = text.trim()
  if (body.startsWith('{') && body.endsWith('}')) body = body.slice(1, -1).trim()
  if (body.startsWith('$')) body = body.slice(1)
  return { steps: parseSteps(body, text) }
}

function parseSteps(body: string, whole: string): Step[] {
  const steps: Step[] = []
  let at = 0
  while (at < body.length) {
    if (body[at] === '[') {
      const end = closingBracket(body, at, whole)
      steps.push(parseBracket(body.slice(at + 1, end).trim(), whole))
      at = end + 1
      continue
    }
    if (body.startsWith('..', at)) {
      steps.push({ kind: 'descend' })
      at += 2
    } else if (body[at] === '.') {
      at++
    } else if (steps.length > 0) {
      throw new Error(`invalid JSONPath ${JSON.stringify(whole)}: expected '.' or '[' before ${JSON.stringify(body.slice(at))}`)
    }
    let name = ''
    while (at < body.length && body[at] !== '.' && body[at] !== '[') {
      if (body[at] === '\\') at++
      name += body[at++] ?? ''
    }
    if (name === '*') steps.push({ kind: 'all' })
    else if (name !== '') steps.push({ kind: 'field', name })
  }
  return steps
}

function closingBracket(body: string, open: number, whole: string): number {
  let depth = 0
  let quote = ''
  for (let i = open; i < body.length; i++) {
    const ch = body[i] as string
    if (quote !== '') {
      if (ch === '\\') i++
      else if (ch === quote) quote = ''
    } else if (ch === '"' || ch === "'") quote = ch
    else if (ch === '[') depth++
    else if (ch === ']' && --depth === 0) return i
  }
  throw new Error(`invalid JSONPath ${JSON.stringify(whole)}: unterminated array`)
}

function parseBracket(inner: string, whole: string): Step {
  if (inner === '*' || inner === '') return { kind: 'all' }
  const filter = /^\?\((.*)\)$/s.exec(inner)
  if (filter !== null) return parseFilter((filter[1] as string).trim(), whole)
  if (/^-?\d+(\s*,\s*-?\d+)*$/.test(inner)) return { kind: 'indexes', indexes: inner.split(',').map(Number) }
  const slice = /^(-?\d*):(-?\d*)(?::(\d+))?$/.exec(inner)
  if (slice !== null) {
    const [, from, to, step] = slice
    return { kind: 'slice', ...(from === '' ? {} : { from: Number(from) }), ...(to === '' ? {} : { to: Number(to) }), step: Math.max(1, Number(step ?? 1)) }
  }
  const names = [...inner.matchAll(/'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"/g)].map((m) => (m[1] ?? m[2] ?? '').replace(/\\(.)/g, '$1'))
  if (names.length === 0) throw new Error(`invalid JSONPath ${JSON.stringify(whole)}: invalid array index ${inner}`)
  return { kind: 'names', names }
}

function parseFilter(text: string, whole: string): Step {
  const found = /^(@[^=!<>]*?)\s*(?:(==|!=|<=|>=|<|>)\s*(.+))?$/s.exec(text)
  if (found === null) throw new Error(`invalid JSONPath ${JSON.stringify(whole)}: invalid filter ${text}`)
  const left = parseSteps((found[1] as string).slice(1), whole)
  if (found[2] === undefined) return { kind: 'filter', left }
  return { kind: 'filter', left, operator: found[2] as Comparison, right: parseOperand((found[3] as string).trim(), whole) }
}

function parseOperand(text: string, whole: string): Operand {
  if (text.startsWith('@')) return { path: parseSteps(text.slice(1), whole) }
  const quoted = /^(['"])(.*)\1$/s.exec(text)
  if (quoted !== null) return { literal: (quoted[2] as string).replace(/\\(.)/g, '$1') }
  if (text === 'true' || text === 'false') return { literal: text === 'true' }
  if (/^-?\d+(\.\d+)?$/.test(text)) return { literal: Number(text) }
  throw new Error(`invalid JSONPath ${JSON.stringify(whole)}: unrecognized value ${text}`)
}

/** Everything the path leads to, in order; nothing where a field is missing. */
export function findByPath(path: JsonPath, value: unknown): unknown[] {
  return walk(path.steps, [value])
}

function walk(steps: readonly Step[], start: unknown[]): unknown[] {
  return steps.reduce<unknown[]>((values, step) => values.flatMap((value) => take(step, value)), start)
}

const childrenOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : isJsonObject(value) ? Object.values(value) : [])
const present = (value: unknown): unknown[] => (value === undefined ? [] : [value])

function take(step: Step, value: unknown): unknown[] {
  switch (step.kind) {
    case 'field': return isJsonObject(value) ? present(getOwn(value, step.name)) : []
    case 'names': return isJsonObject(value) ? step.names.flatMap((name) => present(getOwn(value, name))) : []
    case 'all': return childrenOf(value)
    case 'descend': return [value, ...childrenOf(value).flatMap((inner) => take(step, inner))]
    case 'indexes': return Array.isArray(value) ? step.indexes.flatMap((index) => present(value.at(index))) : []
    case 'slice': return Array.isArray(value) ? value.slice(step.from, step.to).filter((_, i) => i % step.step === 0) : []
    case 'filter': return childrenOf(value).filter((item) => passes(step, item))
  }
}

function passes(step: Extract<Step, { kind: 'filter' }>, item: unknown): boolean {
  const left = walk(step.left, [item])
  if (step.operator === undefined || step.right === undefined) return left.length > 0
  const right = ('path' in step.right ? walk(step.right.path, [item])[0] : step.right.literal) as number
  if (left.length === 0) return false
  const value = left[0] as number
  switch (step.operator) {
    case '==': return value === right
    case '!=': return value !== right
    case '<': return value < right
    case '<=': return value <= right
    case '>': return value > right
    case '>=': return value >= right
  }
}
