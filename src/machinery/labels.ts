/**
 * Label selectors: the text form of query parameters (`app=web,tier in (a,b),!old`), and the structured
 * `metav1.LabelSelector`. Grammar and error texts follow apimachinery's `pkg/labels`.
 */
import { fieldErrors, fieldErrorText } from './field-error.ts'
import type { FieldError } from './field-error.ts'
import { labelValueErrors, qualifiedNameErrors } from './names.ts'

export type SelectorOperator = '=' | '==' | '!=' | 'in' | 'notin' | 'exists' | '!' | 'gt' | 'lt'

export interface Requirement { readonly key: string; readonly operator: SelectorOperator; /** Sorted. */ readonly values: readonly string[] }

/** All requirements must hold; none is everything. `nothing` matches no object at all. */
export interface Selector { readonly requirements: readonly Requirement[]; readonly nothing?: true }

/** `metav1.LabelSelector`. */
export interface LabelSelector { matchLabels?: Readonly<Record<string, string>>; matchExpressions?: readonly LabelSelectorRequirement[] }
export interface LabelSelectorRequirement { key: string; operator: string; values?: readonly string[] }

export type Labels = Readonly<Record<string, string>> | undefined

export const everything: Selector = { requirements: [] }
export const nothing: Selector = { requirements: [], nothing: true }

type TokenKind = 'error' | 'end' | ')' | ',' | '!' | '==' | '=' | '>' | 'identifier' | 'in' | '<' | '!=' | 'notin' | '('
interface Token { kind: TokenKind; text: string }

const symbols = new Set(['=', '!', '(', ')', ',', '>', '<'])
const symbolTokens = new Set<string>([')', ',', '!', '==', '=', '>', '<', '!=', '('])
const isBlank = (ch: string): boolean => ch === ' ' || ch === '\t' || ch === '\r' || ch === '\n'

function tokensOf(text: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  for (;;) {
    while (at < text.length && isBlank(text[at] as string)) at++
    if (at >= text.length) return [...tokens, { kind: 'end', text: '' }]
    const start = at
    if (!symbols.has(text[at] as string)) {
      while (at < text.length && !symbols.has(text[at] as string) && !isBlank(text[at] as string)) at++
      const word = text.slice(start, at)
      tokens.push({ kind: word === 'in' || word === 'notin' ? word : 'identifier', text: word })
      continue
    }
    const pair = text.slice(at, at + 2)
    const symbol = symbolTokens.has(pair) && pair.length === 2 ? pair : (text[at] as string)
    at += symbol.length
    tokens.push({ kind: symbol as TokenKind, text: symbol })
  }
}

const invalidText = (path: string, value: string, messages: string[]): string =>
  `${path}: ${fieldErrorText(fieldErrors.invalid('', value, messages.join('; ')))}`

/** What is wrong with one requirement, upstream's `NewRequirement`; undefined when nothing is. */
function requirementProblem({ key, operator, values }: Requirement): string | undefined {
  const problems: string[] = []
  const keyErrors = qualifiedNameErrors(key)
  if (keyErrors.length > 0) problems.push(invalidText('key', key, keyErrors))
  if (operator === 'gt' || operator === 'lt') {
    values.forEach((value, i) => {
      if (integerOf(value) === undefined) problems.push(invalidText(`values[${i}]`, value, ["for 'Gt', 'Lt' operators, the value must be an integer"]))
    })
  }
  values.forEach((value, i) => {
    const errors = labelValueErrors(value)
    if (errors.length > 0) problems.push(invalidText(`values[${i}][${key}]`, value, errors))
  })
  if (problems.length === 0) return undefined
  return problems.length === 1 ? problems[0] : `[${problems.join(', ')}]`
}

function integerOf(text: string): bigint | undefined {
  if (!/^[+-]?\d+$/.test(text)) return undefined
  const value = BigInt(text.startsWith('+') ? text.slice(1) : text)
  return value >= -(1n << 63n) && value < 1n << 63n ? value : undefined
}

/** A cursor over the tokens; `in` and `notin` are plain words wherever no operator is looked for. */
class Parser {
  private at = 0
  private readonly tokens: Token[]
  constructor(tokens: Token[]) { this.tokens = tokens }
  private token(): Token { return this.tokens[Math.min(this.at, this.tokens.length - 1)] as Token }
  peek(): Token {
    const token = this.token()
    return token.kind === 'in' || token.kind === 'notin' ? { kind: 'identifier', text: token.text } : token
  }
  take(): Token {
    const token = this.peek()
    this.at++
    return token
  }
  takeOperator(): Token {
    const token = this.token()
    this.at++
    return token
  }
}

const operatorOf: Partial<Record<TokenKind, SelectorOperator>> = { in: 'in', notin: 'notin', '=': '=', '==': '==', '!=': '!=', '>': 'gt', '<': 'lt' }

function parseRequirement(parser: Parser): Requirement {
  let token = parser.take()
  const negated = token.kind === '!'
  if (negated) token = parser.take()
  if (token.kind !== 'identifier') throw new Error(`found '${token.text}', expected: identifier`)
  const key = token.text
  const keyErrors = qualifiedNameErrors(key)
  if (keyErrors.length > 0) throw new Error(invalidText('<nil>', key, keyErrors))
  const next = parser.peek()
  if (negated) return { key, operator: '!', values: [] }
  if (next.kind === 'end' || next.kind === ',') return { key, operator: 'exists', values: [] }
  const operatorToken = parser.takeOperator()
  const operator = operatorOf[operatorToken.kind]
  if (operator === undefined) throw new Error(`found '${operatorToken.text}', expected: in, notin, =, ==, !=, gt, lt`)
  const values = operator === 'in' || operator === 'notin' ? parseValues(parser) : parseExactValue(parser)
  const requirement: Requirement = { key, operator, values }
  const problem = requirementProblem(requirement)
  if (problem !== undefined) throw new Error(problem)
  return requirement
}

function parseExactValue(parser: Parser): string[] {
  const next = parser.peek()
  if (next.kind === 'end' || next.kind === ',') return ['']
  const token = parser.take()
  if (token.kind !== 'identifier') throw new Error(`found '${token.text}', expected: identifier`)
  return [token.text]
}

function parseValues(parser: Parser): string[] {
  const open = parser.take()
  if (open.kind !== '(') throw new Error(`found '${open.text}' expected: '('`)
  const first = parser.peek()
  if (first.kind === ')') {
    parser.take()
    return ['']
  }
  if (first.kind !== 'identifier' && first.kind !== ',') throw new Error(`found '${first.text}', expected: ',', ')' or identifier`)
  const values = new Set<string>()
  for (;;) {
    const token = parser.take()
    const next = parser.peek()
    if (token.kind === 'identifier') {
      values.add(token.text)
      if (next.kind === ')') break
      if (next.kind !== ',') throw new Error(`found '${next.text}', expected: ',' or ')'`)
    } else if (token.kind === ',') {
      if (values.size === 0) values.add('')
      if (next.kind === ')' || next.kind === ',') values.add('')
      if (next.kind === ')') break
    } else {
      throw new Error(`found '${token.text}', expected: ',', or identifier`)
    }
  }
  parser.take()
  return [...values].sort()
}

/** Parses the text form. Throws an `Error` with upstream's text; at the API it is a bad request. */
export function parseLabelSelector(text: string): Selector {
  // Upstream's lexer takes a NUL for the end.
  const parser = new Parser(tokensOf(text.includes('\0') ? text.slice(0, text.indexOf('\0')) : text))
  const requirements: Requirement[] = []
  for (;;) {
    const token = parser.peek()
    if (token.kind === 'end') break
    if (token.kind !== 'identifier' && token.kind !== '!') throw new Error(`found '${token.text}', expected: !, identifier, or 'end of string'`)
    try {
      requirements.push(parseRequirement(parser))
    } catch (error) {
      throw new Error(`unable to parse requirement: ${(error as Error).message}`, { cause: error })
    }
    const separator = parser.take()
    if (separator.kind === 'end') break
    if (separator.kind !== ',') throw new Error(`found '${separator.text}', expected: ',' or 'end of string'`)
    const next = parser.peek()
    if (next.kind !== 'identifier' && next.kind !== '!') throw new Error(`found '${next.text}', expected: identifier after ','`)
  }
  return { requirements: requirements.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)) }
}

function holds({ key, operator, values }: Requirement, labels: Labels): boolean {
  const value = labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined
  switch (operator) {
    case '=': case '==': return value === values[0]
    case '!=': return value !== values[0]
    case 'in': return value !== undefined && values.includes(value)
    case 'notin': return value === undefined || !values.includes(value)
    case 'exists': return value !== undefined
    case '!': return value === undefined
    default: {
      const left = value === undefined ? undefined : integerOf(value)
      const right = integerOf(values[0] ?? '')
      if (left === undefined || right === undefined) return false
      return operator === 'gt' ? left > right : left < right
    }
  }
}

export function matchesSelector(selector: Selector, labels: Labels): boolean {
  if (selector.nothing === true) return false
  for (const requirement of selector.requirements) if (!holds(requirement, labels)) return false
  return true
}

function requirementText({ key, operator, values }: Requirement): string {
  switch (operator) {
    case 'exists': return key
    case '!': return `!${key}`
    case 'in': case 'notin': return `${key} ${operator} (${[...values].sort().join(',')})`
    case 'gt': return `${key}>${values[0]}`
    case 'lt': return `${key}<${values[0]}`
    default: return `${key}${operator}${values[0]}`
  }
}

/** The text form; parses back to the same selector. */
export function selectorText(selector: Selector): string {
  return selector.requirements.map(requirementText).join(',')
}

/** Every label of `set` with exactly that value. */
export function selectorFromSet(set: Labels): Selector {
  return { requirements: Object.keys(set ?? {}).sort().map((key) => ({ key, operator: '=', values: [(set as Record<string, string>)[key] as string] })) }
}

const expressionOperators: Record<string, SelectorOperator> = { In: 'in', NotIn: 'notin', Exists: 'exists', DoesNotExist: '!' }

/**
 * The selector that a `metav1.LabelSelector` stands for: undefined is nothing, an empty one everything
 * (`metav1.LabelSelectorAsSelector`). Throws on an operator that is none.
 */
export function selectorFromLabelSelector(labelSelector: LabelSelector | undefined): Selector {
  if (labelSelector === undefined) return nothing
  const requirements = [...selectorFromSet(labelSelector.matchLabels).requirements]
  for (const { key, operator, values = [] } of labelSelector.matchExpressions ?? []) {
    const known = Object.hasOwn(expressionOperators, operator) ? expressionOperators[operator] : undefined
    if (known === undefined) throw new Error(`"${operator}" is not a valid label selector operator`)
    requirements.push({ key, operator: known, values: [...values].sort() })
  }
  return { requirements: requirements.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)) }
}

/** A reusable test of labels; see `selectorFromLabelSelector`. */
export function labelSelectorMatcher(labelSelector: LabelSelector | undefined): (labels: Labels) => boolean {
  const selector = selectorFromLabelSelector(labelSelector)
  return (labels) => matchesSelector(selector, labels)
}

/** As tables show it (`metav1.FormatLabelSelector`): `<none>` for an empty one, `<error>` for one that is wrong. */
export function labelSelectorText(labelSelector: LabelSelector | undefined): string {
  if (labelSelector === undefined) return '<none>'
  try {
    const text = selectorText(selectorFromLabelSelector(labelSelector))
    return text === '' ? '<none>' : text
  } catch {
    return '<error>' // what upstream prints for a selector that slipped past validation
  }
}

/** Whether one value of `key` is demanded: lists by it can go through an index. */
export function exactMatch(selector: Selector, key: string): string | undefined {
  const found = selector.requirements.find((r) => r.key === key)
  return found !== undefined && ['=', '==', 'in'].includes(found.operator) && found.values.length === 1 ? found.values[0] : undefined
}

export function validateLabels(labels: unknown, path: string): FieldError[] {
  const out: FieldError[] = []
  for (const [key, value] of Object.entries((labels ?? {}) as Record<string, string>)) {
    for (const message of qualifiedNameErrors(key)) out.push(fieldErrors.invalid(path, key, message))
    for (const message of labelValueErrors(value)) out.push(fieldErrors.invalid(path, value, message))
  }
  return out
}

/** Upstream's `ValidateLabelSelector`; `keepsValues`: values of expressions that are no labels stay as they were before there was a rule. */
export function validateLabelSelector(selector: LabelSelector | undefined, path: string, keepsValues = false): FieldError[] {
  if (selector === undefined) return []
  const out = validateLabels(selector.matchLabels, `${path}.matchLabels`)
  for (const [i, { key, operator, values = [] }] of (selector.matchExpressions ?? []).entries()) {
    const at = `${path}.matchExpressions[${i}]`
    if (operator === 'In' || operator === 'NotIn') {
      if (values.length === 0) out.push(fieldErrors.required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'"))
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      if (values.length > 0) out.push(fieldErrors.forbidden(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
    } else {
      out.push(fieldErrors.invalid(`${at}.operator`, operator ?? '', 'not a valid selector operator'))
    }
    for (const message of qualifiedNameErrors(key ?? '')) out.push(fieldErrors.invalid(`${at}.key`, key ?? '', message))
    if (keepsValues) continue
    values.forEach((value, v) => {
      for (const message of labelValueErrors(value)) out.push(fieldErrors.invalid(`${at}.values[${v}]`, value, message))
    })
  }
  return out
}
