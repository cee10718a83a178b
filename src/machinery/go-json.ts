/** Go's ways to write and read text, where clients see them: in messages. */

const controlNames: Record<string, string> = { '\u0007': '\\a', '\b': '\\b', '\f': '\\f', '\n': '\\n', '\r': '\\r', '\t': '\\t', '\v': '\\v' }

/** `%q`: a string in double quotes, what cannot be printed escaped. */
export function goQuoted(text: string): string {
  if (/^[\x20-\x21\x23-\x5b\x5d-\x7e]*$/.test(text)) return `"${text}"`
  let out = '"'
  for (const char of text) {
    const code = char.codePointAt(0) as number
    if (char === '"' || char === '\\') out += `\\${char}`
    else if (controlNames[char] !== undefined) out += controlNames[char]
    else if (code < 0x20 || code === 0x7f) out += `\\x${code.toString(16).padStart(2, '0')}`
    else if (/[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.test(char)) out += char
    else out += code < 0x10000 ? `\\u${code.toString(16).padStart(4, '0')}` : `\\U${code.toString(16).padStart(8, '0')}`
  }
  return `${out}"`
}

const goKinds: Record<string, string> = { string: 'string', number: 'number', boolean: 'bool' }

/** What `json.Unmarshal` into a map has to say of `text`; undefined: it is an object, or null. */
export function goJsonObjectProblem(text: string): string | undefined {
  const at = skipBlank(text, 0)
  if (at === text.length) return 'unexpected end of JSON input'
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return syntaxProblem(text)
  }
  if (value === null || (typeof value === 'object' && !Array.isArray(value))) return undefined
  return `json: cannot unmarshal ${Array.isArray(value) ? 'array' : goKinds[typeof value]} into Go value of type map[string]interface {}`
}

function skipBlank(text: string, from: number): number {
  let at = from
  while (at < text.length && ' \t\r\n'.includes(text[at] as string)) at++
  return at
}

const literals = ['true', 'false', 'null']

/** Finds the first character that no JSON text has at its place, and names what was read there as Go's scanner does. */
function syntaxProblem(text: string): string {
  const end = 'unexpected end of JSON input'
  const invalid = (at: number, where: string): string => (at >= text.length ? end : `invalid character ${quotedChar(text, at)} ${where}`)
  type Step = { at: number } | { problem: string }
  const string = (from: number): Step => {
    for (let at = from + 1; at < text.length; at++) {
      const char = text[at] as string
      if (char === '"') return { at: at + 1 }
      if (char < ' ') return { problem: invalid(at, 'in string literal') }
      if (char !== '\\') continue
      at++
      if (text[at] === 'u') {
        for (let digit = 1; digit <= 4; digit++) if (!/[0-9a-fA-F]/.test(text[at + digit] ?? '')) return { problem: invalid(at + digit, 'in \\u hexadecimal character escape') }
        at += 4
      } else if (!'"\\/bfnrt'.includes(text[at] ?? ' ')) return { problem: invalid(at, 'in string escape code') }
    }
    return { problem: end }
  }
  const number = (from: number): Step => {
    let at = text[from] === '-' ? from + 1 : from
    if (!/[0-9]/.test(text[at] ?? '')) return { problem: invalid(at, 'in numeric literal') }
    const digits = (): void => { while (/[0-9]/.test(text[at] ?? '')) at++ }
    if (text[at] === '0') at++
    else digits()
    if (text[at] === '.') {
      at++
      if (!/[0-9]/.test(text[at] ?? '')) return { problem: invalid(at, 'after decimal point in numeric literal') }
      digits()
    }
    if (text[at] === 'e' || text[at] === 'E') {
      at += text[at + 1] === '+' || text[at + 1] === '-' ? 2 : 1
      if (!/[0-9]/.test(text[at] ?? '')) return { problem: invalid(at, 'in exponent of numeric literal') }
      digits()
    }
    return { at }
  }
  const value = (from: number): Step => {
    const at = skipBlank(text, from)
    const char = text[at] ?? ''
    if (char === '{') return members(at + 1, '}')
    if (char === '[') return members(at + 1, ']')
    if (char === '"') return string(at)
    if (/[-0-9]/.test(char)) return number(at)
    const literal = char === '' ? undefined : literals.find((name) => name.startsWith(char))
    if (literal === undefined) return { problem: invalid(at, 'looking for beginning of value') }
    for (let i = 1; i < literal.length; i++) if (text[at + i] !== literal[i]) return { problem: invalid(at + i, `in literal ${literal} (expecting '${literal[i]}')`) }
    return { at: at + literal.length }
  }
  const members = (from: number, close: string): Step => {
    let at = skipBlank(text, from)
    if (text[at] === close) return { at: at + 1 }
    for (;;) {
      if (close === '}') {
        at = skipBlank(text, at)
        if (text[at] !== '"') return { problem: invalid(at, 'looking for beginning of object key string') }
        const key = string(at)
        if ('problem' in key) return key
        at = skipBlank(text, key.at)
        if (text[at] !== ':') return { problem: invalid(at, 'after object key') }
        at++
      }
      const member = value(at)
      if ('problem' in member) return member
      at = skipBlank(text, member.at)
      if (text[at] === close) return { at: at + 1 }
      if (text[at] !== ',') return { problem: invalid(at, close === '}' ? 'after object key:value pair' : 'after array element') }
      at++
    }
  }
  const whole = value(0)
  if ('problem' in whole) return whole.problem
  return invalid(skipBlank(text, whole.at), 'after top-level value')
}

function quotedChar(text: string, at: number): string {
  const char = String.fromCodePoint(text.codePointAt(at) as number)
  if (char === "'") return "'\\''"
  if (char === '"') return "'\"'"
  return `'${goQuoted(char).slice(1, -1)}'`
}
