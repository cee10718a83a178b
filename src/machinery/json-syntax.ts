import { goQuoted } from './go-json.ts'

/**
 * What Go's `encoding/json` says of a text that is no JSON. Only failures come here: the text has been refused by `JSON.parse`
 * already, so this reads it byte by byte, slowly, with nothing but the words in mind.
 */

const maxNesting = 10_000

/** A byte as Go quotes it: `'x'`, `'\n'`, `'Ã'`. */
function quoted(byte: number): string {
  if (byte === 39) return "'\\''"
  return byte === 34 ? `'"'` : `'${goQuoted(String.fromCharCode(byte)).slice(1, -1)}'`
}

const isSpace = (byte: number): boolean => byte === 32 || byte === 9 || byte === 10 || byte === 13
const isDigit = (byte: number): boolean => byte >= 48 && byte <= 57
const isHex = (byte: number): boolean => isDigit(byte) || (byte >= 65 && byte <= 70) || (byte >= 97 && byte <= 102)

class SyntaxProblem extends Error {}

const end = 'unexpected end of JSON input'

/** A reader that throws a SyntaxProblem with Go's words for the first byte that does not belong. */
class Scanner {
  at = 0
  readonly bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  fail(where: string): never {
    const byte = this.bytes[this.at]
    throw new SyntaxProblem(byte === undefined ? end : `invalid character ${quoted(byte)} ${where}`)
  }

  peek(): number {
    return this.bytes[this.at] ?? -1
  }

  skipSpace(): void {
    while (isSpace(this.peek())) this.at++
  }

  expect(byte: number, where: string): void {
    if (this.peek() !== byte) this.fail(where)
    this.at++
  }

  digits(where: string): void {
    if (!isDigit(this.peek())) this.fail(where)
    while (isDigit(this.peek())) this.at++
  }

  string(): void {
    this.at++
    for (;;) {
      const byte = this.peek()
      if (byte < 0x20) this.fail('in string literal')
      this.at++
      if (byte === 34) return
      if (byte !== 92) continue
      const escape = this.peek()
      if (escape === 117) {
        this.at++
        for (let i = 0; i < 4; i++, this.at++) if (!isHex(this.peek())) this.fail('in \\u hexadecimal character escape')
      } else if ('bfnrt\\/"'.includes(String.fromCharCode(escape)) && escape >= 0) this.at++
      else this.fail('in string escape code')
    }
  }

  number(): void {
    if (this.peek() === 45) this.at++
    if (this.peek() === 48) this.at++
    else this.digits('in numeric literal')
    if (this.peek() === 46) {
      this.at++
      this.digits('after decimal point in numeric literal')
    }
    if (this.peek() !== 101 && this.peek() !== 69) return
    this.at++
    if (this.peek() === 43 || this.peek() === 45) this.at++
    this.digits('in exponent of numeric literal')
  }

  word(word: string): void {
    for (const letter of word) this.expect(letter.charCodeAt(0), `in literal ${word} (expecting '${letter}')`)
  }

  scalar(): void {
    const byte = this.peek()
    if (byte === 34) this.string()
    else if (byte === 45 || isDigit(byte)) this.number()
    else if (byte === 116) this.word('true')
    else if (byte === 102) this.word('false')
    else if (byte === 110) this.word('null')
    else this.fail('looking for beginning of value')
  }

  key(): void {
    if (this.peek() !== 34) this.fail('looking for beginning of object key string')
    this.string()
    this.skipSpace()
    this.expect(58, 'after object key')
  }

  document(): void {
    const open: number[] = []
    for (;;) {
      this.skipSpace()
      const byte = this.peek()
      if (byte === 123 || byte === 91) {
        if (open.length >= maxNesting) this.fail('exceeded max depth')
        this.at++
        this.skipSpace()
        if (this.peek() !== byte + 2) {
          open.push(byte)
          if (byte === 123) this.key()
          continue
        }
        this.at++
      } else this.scalar()
      for (;;) {
        this.skipSpace()
        const inside = open.at(-1)
        if (inside === undefined) {
          if (this.at < this.bytes.length) this.fail('after top-level value')
          return
        }
        if (this.peek() === 44) {
          this.at++
          this.skipSpace()
          if (inside === 123) this.key()
          break
        }
        if (this.peek() !== inside + 2) this.fail(inside === 123 ? 'after object key:value pair' : 'after array element')
        this.at++
        open.pop()
      }
    }
  }
}

/** Go's words for what is wrong with a text: `invalid character 'x' looking for beginning of value`; undefined where it is JSON. */
export function jsonSyntaxProblem(text: string): string | undefined {
  try {
    new Scanner(Buffer.from(text)).document()
    return undefined
  } catch (error) {
    if (error instanceof SyntaxProblem) return error.message
    throw error
  }
}

/** Go names a number that does not fit as it was written (`1e3`, `99999999999999999999`), `JSON.parse` only tells its value: looks it up in the text. */
export function withNumbersAsWritten(message: string, text: string): string {
  return message.replace(/(cannot unmarshal number )(\S+)/, (all, before: string, shown: string) => {
    for (const [literal] of text.matchAll(/-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g)) if (literal !== shown && String(Number(literal)) === shown) return before + literal
    return all
  })
}

const goKinds: Readonly<Record<string, string>> = { string: 'string', number: 'number', boolean: 'bool' }

/** What `json.Unmarshal` into a map has to say of `text`; undefined: it is an object, or null. */
export function goJsonObjectProblem(text: string): string | undefined {
  const problem = jsonSyntaxProblem(text)
  if (problem !== undefined) return problem
  const value: unknown = JSON.parse(text)
  if (value === null || (typeof value === 'object' && !Array.isArray(value))) return undefined
  return `json: cannot unmarshal ${Array.isArray(value) ? 'array' : goKinds[typeof value]} into Go value of type map[string]interface {}`
}
