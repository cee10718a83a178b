import type { Document, LineCounter, Node, ScalarTag, Tags, YAMLParseError } from 'yaml'
import { wholeNumber } from '../machinery/json-numbers.ts'
import { maxDepth } from '../machinery/schema-decode.ts'
import { errors } from '../machinery/status.ts'
import { yamlLibrary } from '../runtime/yaml-library.ts'

/** Aliases may not blow a small text up to more than this many nodes each. */
const maxAliasCount = 100

const number = (test: RegExp, resolve: (text: string) => number | bigint): ScalarTag => ({ tag: 'tag:yaml.org,2002:int', default: true, test, resolve: (text) => resolve(text.replaceAll('_', '')) })

/** Plain scalars as goyaml v2 reads them (YAML 1.1 without sexagesimal numbers; times stay text), which `sigs.k8s.io/yaml` is made on. */
const plainScalars: readonly ScalarTag[] = [
  { tag: 'tag:yaml.org,2002:bool', default: true, test: /^(?:y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON)$/, resolve: () => true },
  { tag: 'tag:yaml.org,2002:bool', default: true, test: /^(?:n|N|no|No|NO|false|False|FALSE|off|Off|OFF)$/, resolve: () => false },
  number(/^[-+]?0b[01_]+$/, (text) => signed(text, (digits) => Number(digits))),
  number(/^[-+]?0x[0-9a-fA-F_]+$/, (text) => signed(text, (digits) => Number(digits))),
  number(/^[-+]?[1-9][0-9_]*$/, (text) => wholeNumber(text.replace('+', ''))),
  number(/^[-+]?0o?[0-7_]+$/, (text) => signed(text, (digits) => Number.parseInt(digits.replace('o', ''), 8))),
  // Read as text all the same, but not by everybody: they are quoted when they are written.
  { tag: 'tag:yaml.org,2002:timestamp', default: true, test: /^(?:\d{4}-\d\d?-\d\d?(?:[Tt ].*)?|[-+]?\d[\d_]*(?::[0-5]?\d)+(?:\.\d*)?)$/, resolve: (text) => text },
]

/** Other tags say nothing here: what they stand on is read as if they were not there. */
const binary: ScalarTag = { tag: 'tag:yaml.org,2002:binary', resolve: (text) => Buffer.from(text, 'base64').toString('utf8') }

function signed(text: string, read: (digits: string) => number): number {
  return text.startsWith('-') ? -read(text.slice(1)) : read(text.replace(/^\+/, ''))
}

// Keys are compared by `checkKeys`: the library's own way takes time by the square of their number.
const reading = { version: '1.2', schema: 'core', uniqueKeys: false, prettyErrors: false, merge: true, resolveKnownTags: false, logLevel: 'silent', customTags: (tags: Tags) => [...plainScalars, binary, ...tags] } as const

/** A key `<<` that stands for itself is quoted. */
const mergeKey: ScalarTag = { tag: 'tag:yaml.org,2002:merge', default: true, test: /^<<$/, resolve: (text) => text }
const writing = { merge: false, lineWidth: 0, aliasDuplicateObjects: false, sortMapEntries: true, indentSeq: false, customTags: (tags: Tags) => [...plainScalars, mergeKey, ...tags] }

export interface ParsedYaml {
  /** As JSON data. */
  value: unknown
  /** Each key that a map has twice, as goyaml says it: `line 3: key "a" already set in map`; at most 100. */
  duplicates: readonly string[]
}

const maxDuplicates = 100

/** What YAML texts may not hold. */
const unprintable = /[^\t\n\r\x20-\x7e\x85\xa0-\ufffd\u{10000}-\u{10ffff}]/u

/** The one YAML document of a body. Keys must be text; throws 400. */
export function readYaml(text: string): ParsedYaml {
  const { LineCounter, parseDocument } = yamlLibrary()
  const lines = new LineCounter()
  try {
    if (unprintable.test(text)) throw new Error('control characters are not allowed')
    checkDepth(text)
    const document = parseDocument(text, { ...reading, lineCounter: lines })
    const [problem] = document.errors
    if (problem !== undefined && !isBehind(problem, document)) throw problem
    const duplicates = checkKeys(document, lines)
    return { value: document.toJS({ maxAliasCount }) as unknown, duplicates }
  } catch (cause) {
    throw errors.badRequest(`${conversionPrefix}yaml: ${problemOf(cause, text, lines)}`, cause)
  }
}

/** What `sigs.k8s.io/yaml` sets before the problem where it reads into Go's types. */
export const conversionPrefix = 'error converting YAML to JSON: '

/** goyaml's words for what the library has found, and whether they come from its scanner, which counts lines from one, or its parser, from zero. */
const goyamlProblems: readonly [found: RegExp, problem: string, isScanners: boolean][] = [
  [/^Nested mappings are not allowed|^Implicit keys need to be on a single line/, 'mapping values are not allowed in this context', true],
  [/^Implicit map keys need to be followed by map values/, "could not find expected ':'", true],
  [/^Tabs are not allowed|^Plain value cannot start with|^Block collections? (?:are|is) not allowed within flow/, 'found character that cannot start any token', true],
  [/^Missing closing .*quote/, 'found unexpected end of stream', true],
  [/^Invalid escape sequence/, 'found unknown escape character', true],
  [/^Missing directives-end/, 'could not find expected directive name', true],
  [/^Flow sequence (?:in block collection|must end)|^Missing , between flow sequence/, "did not find expected ',' or ']'", false],
  [/^Flow map (?:in block collection|must end)|^Missing , (?:or : )?between flow map/, "did not find expected ',' or '}'", false],
  [/^All mapping items must start/, 'did not find expected key', false],
  [/^Unexpected block-seq-ind on same line/, 'block sequence entries are not allowed in this context', true],
  [/^All sequence items must start|^A sequence item must start/, "did not find expected '-' indicator", false],
  [/^Unexpected flow-(?:seq|map)-end token/, 'did not find expected key', false],
  [/^Unexpected /, 'did not find expected node content', false],
]

function problemOf(cause: unknown, text: string, lines: LineCounter): string {
  if (!(cause instanceof Error)) return String(cause)
  if (cause.message.includes('call stack')) return 'exceeded max depth of 10000'
  // goyaml has begun a new line when it finds that the text has ended.
  if (/^Flow (?:map|sequence) |^Missing , (?:or : )?between flow/.test(cause.message) && isAtEnd(cause, text)) return `line ${text.replace(/\n$/, '').split('\n').length}: ${endOfFlow(text)}`
  const alias = /^Unresolved alias .*: (.*)$/.exec(cause.message)
  if (alias !== null) return `unknown anchor '${alias[1]}' referenced`
  const known = goyamlProblems.find(([found]) => found.test(cause.message))
  if (known === undefined || !(cause instanceof yamlLibrary().YAMLParseError)) return cause.message
  // The scanner stops at the colon that makes a second mapping, the library where the first value begins.
  const at = known[1].startsWith('mapping values') ? (/:(?:\s|$)/.exec(text.slice(cause.pos[0]))?.index ?? 0) : 0
  const line = lines.linePos(cause.pos[0] + at).line - 1
  return `${line === 0 ? '' : `line ${known[2] ? line + 1 : line}: `}${known[1]}`
}

function isAtEnd(cause: Error, text: string): boolean {
  return !('pos' in cause) || text.slice((cause as YAMLParseError).pos[0]).trim() === ''
}

/** What goyaml misses where a flow collection is not ended. */
function endOfFlow(text: string): string {
  const kept = text.trimEnd()
  if (/[[{,:]$/.test(kept)) return 'did not find expected node content'
  return kept.lastIndexOf('{') > kept.lastIndexOf('[') ? "did not find expected ',' or '}'" : "did not find expected ',' or ']'"
}

/** Whether a problem lies behind a document that is a list or map in brackets: goyaml reads no further than its end. */
function isBehind(problem: YAMLParseError, { contents }: Document.Parsed): boolean {
  const isFlow = contents !== null && 'flow' in contents && contents.flow === true
  return isFlow && problem.code === 'UNEXPECTED_TOKEN' && problem.pos[0] >= contents.range[1]
}

const scalarFollows = '\u001f'

/**
 * Throws, with goyaml's words, for lists and maps deeper than any object may be: the library follows each level down, and takes seconds
 * for megabytes of brackets.
 */
function checkDepth(text: string): void {
  if (!mayBeDeep(text)) return
  let depth = 0
  /** Of dashes and question marks in a row, each of which opens a list or a map. */
  let opened = 0
  let line = 1
  let isText = false
  for (const token of new (yamlLibrary().Lexer)().lex(text)) {
    if (isText || token === scalarFollows) isText = !isText
    else if (token === '[' || token === '{') depth++
    else if (token === ']' || token === '}') depth--
    if (token === '-' || token === '?') opened++
    else if (token.trim() !== '') opened = 0
    if (depth + opened > maxDepth) throw new Error(`${line > 1 ? `line ${line}: ` : ''}exceeded max depth of 10000`)
    for (let at = token.indexOf('\n'); at >= 0; at = token.indexOf('\n', at + 1)) line++
  }
}

/** Whether brackets or dashes in a row, be they those of texts, say so. */
function mayBeDeep(text: string): boolean {
  if (text.length <= maxDepth) return false
  let depth = 0
  let opened = 0
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case 0x5b: case 0x7b:
        if (++depth > maxDepth) return true
        opened = 0
        break
      case 0x5d: case 0x7d:
        if (depth > 0) depth--
        opened = 0
        break
      case 0x2d: case 0x3f:
        if (++opened > maxDepth) return true
        break
      case 0x20: case 0x09: break
      default: opened = 0
    }
  }
  return false
}

export function parseYaml(text: string): unknown {
  return readYaml(text).value
}

/** Throws for what JSON has no form of: keys that are lists or maps, numbers that are none. Answers which keys stand twice. */
function checkKeys(document: Document.Parsed, lines: LineCounter): string[] {
  const { isAlias, isCollection, isMap, isScalar, isSeq } = yamlLibrary()
  const found: string[] = []
  const visit = (node: Node | null): void => {
    if (isScalar(node) && typeof node.value === 'number' && !Number.isFinite(node.value)) throw new Error(`unsupported value: ${node.value}`)
    if (isSeq(node)) for (const item of node.items) visit(item as Node)
    if (!isMap(node)) return
    const keys = new Set<unknown>()
    for (const { key, value } of node.items) {
      visit(value as Node | null)
      const name = isAlias(key) ? key.resolve(document) : key
      if (isCollection(name)) throw new Error(`line ${lines.linePos((key as Node).range![0]).line}: invalid map key`)
      if (!isScalar(name)) continue
      if (keys.has(name.value) && found.length < maxDuplicates) found.push(`line ${lines.linePos((key as Node).range![0]).line}: key ${JSON.stringify(name.value)} already set in map`)
      keys.add(name.value)
    }
  }
  visit(document.contents)
  return found
}

export function yamlText(value: unknown): string {
  return yamlLibrary().stringify(value, { ...reading, ...writing })
}
