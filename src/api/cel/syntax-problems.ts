import type { CelProblem } from './problem.ts'

/** A word, text, number or mark of a source, and where it begins in it. */
export interface Token { text: string; offset: number; kind: 'word' | 'text' | 'number' | 'mark' }

/** Splits a source; strings and comments are whole, so that marks inside them count for nothing. */
export function tokensOf(source: string): Token[] {
  const pattern = /\/\/[^\n]*|\s+|(?:[bB]?[rR]|[rR]?[bB])?(?:"""[\s\S]*?"""|'''[\s\S]*?''')|(?:[rR][bB]?|[bB][rR])(?:"[^"\n]*"|'[^'\n]*')|[bB]?(?:"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|[A-Za-z_]\w*|`[^`\n]*`|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?[uU]?|\.\d+|0x[0-9a-fA-F]+[uU]?|&&|\|\||[<>=!]=|./gsy
  const out: Token[] = []
  for (const match of source.matchAll(pattern)) {
    const [text] = match
    if (/^\s|^\/\//.test(text)) continue
    const kind = /["']/.test(text) && text.length > 1 ? 'text' : /^[A-Za-z_`]/.test(text) ? 'word' : /^\.?\d/.test(text) ? 'number' : 'mark'
    out.push({ text, offset: match.index, kind })
  }
  return out
}

const expressionStart = "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"
const binary = new Set(['+', '-', '*', '/', '%', '<', '<=', '>', '>=', '==', '!=', '&&', '||', 'in'])
/** What closes each bracket. */
export const closers: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' }
const literals = new Set(['true', 'false', 'null'])

/** A bracket that is open: whether it indexes or calls what stands before it, and what it waits for. */
interface Open { text: string; isPostfix: boolean; awaitsColon: boolean }

/** Where a source that doesn't parse goes wrong, in the words of upstream's (ANTLR's) parser for the usual mistakes. */
export function syntaxProblems(source: string, tokens: readonly Token[], cause: unknown): CelProblem[] {
  // A text that nothing ends takes the rest of its line with it.
  const unended = tokens.findIndex(({ text, kind }) => kind === 'mark' && /["']/.test(text))
  const whole = unended < 0 ? tokens : tokens.slice(0, unended + 1)
  const unknown = whole.filter(isUnknown)
  const unexpected = unexpectedToken(source, whole.filter((token) => !isUnknown(token)))
  const found = [...unknown.map(({ text, offset }): CelProblem => ({ offset, message: `Syntax error: token recognition error at: '${text}${/[=&|]/.test(text) ? source.slice(offset + 1, offset + 2) : /["']/.test(text) ? source.slice(offset + 1) : ''}'` })), ...(unexpected === undefined ? [] : [unexpected])]
  return found.length > 0 ? found : [parserProblem(source, cause)]
}

/** What is no token of the language. */
function isUnknown({ text, kind }: Token): boolean {
  return kind === 'mark' && (/[#$@^~\\;`"']/.test(text) || text === '=' || text === '&' || text === '|')
}

function unexpectedToken(source: string, tokens: readonly Token[]): CelProblem | undefined {
  const open: Open[] = []
  let choices = 0
  let isOperandNext = true
  let before: Token | undefined
  const startsOperand = (token: Token | undefined): boolean => token !== undefined && (token.kind !== 'mark' ? token.text !== 'in' : ['(', '[', '{', '-', '!', '.'].includes(token.text))
  for (const [i, token] of tokens.entries()) {
    const { text, offset } = token
    const next = tokens[i + 1]
    const top = open.at(-1)
    const at = (message: string): CelProblem => ({ offset, message: `Syntax error: ${message}` })
    if (before?.text === '.' && before.kind === 'mark') {
      if (text === '?') continue
      if (token.kind !== 'word') return text === '.' ? at("no viable alternative at input '..'") : at(`no viable alternative at input '.${text}'`)
      if (text.startsWith('`')) return { offset, message: "unsupported syntax: '`'" }
      if (literals.has(text)) return at(`mismatched input '${text}' expecting IDENTIFIER`)
      if (text === 'in') return at("no viable alternative at input '.in'")
      isOperandNext = false
    } else if (isOperandNext) {
      if (text in closers) open.push({ text, isPostfix: false, awaitsColon: text === '{' })
      else if (text === '-' || text === '!' || text === '.' || (text === '?' && top !== undefined)) before = token
      else if (top !== undefined && closers[top.text] === text && (before?.text === ',' || (before?.text === top.text && !(top.isPostfix && top.text === '[')))) {
        open.pop()
        isOperandNext = false
      } else if (text === ',' && top !== undefined && before?.text === top.text && !top.isPostfix && top.text !== '(') before = token
      else if (!startsOperand(token)) {
        const starts = before?.text === '(' && top?.isPostfix === true ? expressionStart.replace("'(', ", "'(', ')', ") : before?.text === '[' && top?.isPostfix === true ? expressionStart.replace("'!', ", "'!', '?', ") : expressionStart
        return at(`${startsOperand(next) || (text === ',' && before?.text === '(') ? 'extraneous' : 'mismatched'} input '${text}' expecting ${starts}`)
      } else isOperandNext = false
    } else if (text === '(' || text === '[') {
      if (text === '(' && before?.kind !== 'word') return at(`mismatched input '(' expecting ${top === undefined ? '<EOF>' : `'${closers[top.text]}'`}`)
      open.push({ text, isPostfix: true, awaitsColon: false })
      isOperandNext = true
    } else if (text === '{' && before?.kind === 'word') {
      open.push({ text, isPostfix: true, awaitsColon: true })
      isOperandNext = true
    } else if (binary.has(text) || text === '?') {
      if (text === '?') choices += 1
      isOperandNext = true
    } else if (text === ':' && (choices > 0 || top?.awaitsColon === true)) {
      if (choices > 0) choices -= 1
      else top!.awaitsColon = false
      isOperandNext = true
    } else if (text === ',' && top !== undefined && (top.isPostfix ? top.text !== '[' : top.text !== '(')) {
      top.awaitsColon = top.text === '{'
      isOperandNext = true
    } else if (top !== undefined && text === closers[top.text]) open.pop()
    else if (text !== '.' || token.kind !== 'mark') {
      const wanted = wantedAfter(top, choices)
      const isLast = top === undefined ? next === undefined : next?.text === closers[top.text]
      if (wanted === "':'" && startsOperand(token)) return at(`missing ':' at '${text}'`)
      return at(`${isLast && !wanted.startsWith('{') ? 'extraneous' : 'mismatched'} input '${text}' expecting ${wanted}`)
    }
    before = token
  }
  const end = source.length
  if (before?.text === '.' && before.kind === 'mark') return { offset: end, message: "Syntax error: no viable alternative at input '.'" }
  const top = open.at(-1)
  const isLiteral = top !== undefined && (top.text === '{' || (top.text === '[' && !top.isPostfix))
  // A comma may be the last of a list or map.
  if (isOperandNext && isLiteral && before?.text === ',') return { offset: end, message: `Syntax error: missing '${closers[top.text]}' at '<EOF>'` }
  if (isOperandNext) return { offset: end, message: `Syntax error: ${before?.text === '!' ? 'extraneous' : 'mismatched'} input '<EOF>' expecting ${expressionStart}` }
  const wanted = wantedAfter(top, choices)
  if (wanted === '<EOF>') return undefined
  return { offset: end, message: `Syntax error: ${choices === 0 && (wanted === "')'" || wanted === "']'") ? `missing ${wanted} at '<EOF>'` : `mismatched input '<EOF>' expecting ${wanted}`}` }
}

/** What may stand behind an operand, beside operators. */
function wantedAfter(top: Open | undefined, choices: number): string {
  if (choices > 0 || top?.awaitsColon === true) return "':'"
  if (top === undefined) return '<EOF>'
  const closer = `'${closers[top.text]}'`
  return top.text === '{' || (top.text === '[' && !top.isPostfix) ? `{${closer}, ','}` : closer
}

function parserProblem(source: string, cause: unknown): CelProblem {
  const text = cause instanceof Error ? cause.message : String(cause)
  const place = /^<input>:(\d+):(\d+): (.*)$/s.exec(text)
  if (place === null) return { offset: 0, message: `Syntax error: ${text}` }
  const lineStart = source.split('\n').slice(0, Number(place[1]) - 1).reduce((total, line) => total + line.length + 1, 0)
  const offset = lineStart + Number(place[2]) - 1
  if (place[3] === 'reserved identifier') return { offset, message: `reserved identifier: ${/^\w*/.exec(source.slice(offset))![0]}` }
  return { offset, message: `Syntax error: ${place[3]}` }
}
