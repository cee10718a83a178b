import { goPrint } from '../go-print.ts'
import { formOf, type ApplyType, type ListShape, type MapShape } from './apply-type.ts'
import { mapOf } from './compare.ts'
import { ItemError, itemElement } from './list-items.ts'
import { elementText, fieldElement, type PathElement } from './path-element.ts'

interface Problem { path: string; message: string }

/** What is wrong with an applied object by its type, in upstream's words; undefined where it fits. */
export function typeProblems(type: ApplyType, value: unknown): string | undefined {
  const problems: Problem[] = []
  check(type, value, '', problems)
  if (problems.length === 0) return undefined
  const texts = problems.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`))
  return texts.length === 1 ? texts[0] : ['errors:', ...texts.map((text) => `  ${text}`)].join('\n')
}

function check(type: ApplyType, value: unknown, path: string, problems: Problem[]): void {
  switch (formOf(type, value)) {
    case 'map': return checkMap(type.map!, value, path, problems)
    case 'list': return checkList(type.list!, value, path, problems)
    case 'scalar': {
      const message = scalarProblem(type.scalar!, value)
      if (message !== undefined) problems.push({ path, message })
    }
  }
}

function scalarProblem(scalar: NonNullable<ApplyType['scalar']>, value: unknown): string | undefined {
  if (value === null || value === undefined) return undefined
  switch (scalar) {
    case 'numeric': return typeof value === 'number' || typeof value === 'bigint' ? undefined : `expected numeric (int or float), got ${goType(value)}`
    case 'string': return typeof value === 'string' ? undefined : `expected string, got &value.valueUnstructured{Value:${goSyntax(value)}}`
    case 'boolean': return typeof value === 'boolean' ? undefined : `expected boolean, got &{${goPrint(value)}}`
    case 'untyped': return typeof value === 'object' ? `expected any scalar, got &{${goPrint(value)}}` : undefined
  }
}

function checkMap(shape: MapShape, value: unknown, path: string, problems: Problem[]): void {
  if (value === null || value === undefined) return
  const map = mapOf(value)
  if (map === undefined) {
    problems.push({ path, message: `expected map, got &{${goPrint(value)}}` })
    return
  }
  for (const name of Object.keys(map)) {
    const at = `${path}${elementText(fieldElement(name))}`
    const type = shape.fields.get(name)?.type ?? shape.other
    if (type === undefined) {
      problems.push({ path: at, message: 'field not declared in schema' })
      return
    }
    check(type, map[name], at, problems)
  }
}

function checkList(shape: ListShape, value: unknown, path: string, problems: Problem[]): void {
  if (value === null || value === undefined) return
  if (!Array.isArray(value)) {
    problems.push({ path, message: `expected list, got &{${goPrint(value)}}` })
    return
  }
  const seen = new Set<PathElement>()
  for (const [i, item] of (value as unknown[]).entries()) {
    let element: PathElement = `i:${i}`
    if (!shape.atomic) {
      try {
        element = itemElement(shape, item)
      } catch (error) {
        if (!(error instanceof ItemError)) throw error
        problems.push({ path, message: `element ${i}: ${error.message}` })
        return
      }
      if (seen.has(element)) problems.push({ path, message: `duplicate entries for key ${elementText(element)}` })
      seen.add(element)
    }
    check(shape.item, item, `${path}${elementText(element)}`, problems)
  }
}

function goType(value: unknown): string {
  if (Array.isArray(value)) return '[]interface {}'
  if (typeof value === 'bigint') return 'int64'
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'float64'
  return typeof value === 'boolean' ? 'bool' : typeof value === 'object' ? 'map[string]interface {}' : typeof value
}


/** As Go's `%#v` prints it. */
function goSyntax(value: unknown): string {
  if (value === null || value === undefined) return 'interface {}(nil)'
  if (Array.isArray(value)) return `[]interface {}{${value.map(goSyntax).join(', ')}}`
  if (typeof value === 'object') return `map[string]interface {}{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${goSyntax((value as Record<string, unknown>)[key])}`).join(', ')}}`
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}
