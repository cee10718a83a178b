import { isJsonObject } from '../../machinery/json-value.ts'
import { yamlLibrary } from '../../runtime/yaml-library.ts'

/** The form of a configuration file's fields: what a value must be, `[form]` for lists of it. `duration` is Go's, `1m30s`, and becomes milliseconds. */
export type Form = 'string' | 'boolean' | 'duration' | FieldForms | readonly [Form]
export interface FieldForms { readonly [field: string]: Form }

const group = 'apiserver.config.k8s.io'
const maxBytes = 3 << 20

/**
 * Reads a configuration file of group apiserver.config.k8s.io, YAML or JSON, strictly: fields that the kind doesn't have, fields set
 * twice and values of another type are errors. The answer holds what the file says, no defaults. Throws with upstream's wording.
 */
export function decodeConfiguration(text: string, kind: string, versions: readonly string[], fields: FieldForms): Record<string, unknown> {
  if (text.trim() === '') throw new Error('empty config data')
  if (text.length > maxBytes) throw new Error(`the configuration is larger than ${maxBytes} bytes`)
  const document = yamlLibrary().parseDocument(text, { uniqueKeys: true, maxAliasCount: 100 } as object)
  const [problem] = document.errors
  if (problem !== undefined) throw new Error(`strict decoding error: yaml: ${problem.message}`, { cause: problem })
  const value: unknown = document.toJS({ maxAliasCount: 100 })
  if (!isJsonObject(value)) throw new Error('couldn\'t get version/kind; json parse error: the configuration must be a mapping')
  const { apiVersion, kind: given, ...rest } = value
  if (typeof given !== 'string' || given === '') throw new Error('Object \'Kind\' is missing in the configuration')
  if (typeof apiVersion !== 'string' || apiVersion === '') throw new Error('Object \'apiVersion\' is missing in the configuration')
  const slash = apiVersion.indexOf('/')
  if (given !== kind || apiVersion.slice(0, slash) !== group || !versions.includes(apiVersion.slice(slash + 1))) {
    throw new Error(`no kind ${JSON.stringify(given)} is registered for version ${JSON.stringify(apiVersion)}; expected ${kind} of ${versions.map((version) => `${group}/${version}`).join(' or ')}`)
  }
  const problems: string[] = []
  const decoded = decodeFields(rest, fields, '', problems)
  if (problems.length > 0) throw new Error(`strict decoding error: ${problems.join(', ')}`)
  return decoded
}

function decodeFields(value: Record<string, unknown>, fields: FieldForms, path: string, problems: string[]): Record<string, unknown> {
  const out: Record<string, unknown> = {}
  for (const [name, child] of Object.entries(value)) {
    const at = path === '' ? name : `${path}.${name}`
    if (!Object.hasOwn(fields, name)) problems.push(`unknown field ${JSON.stringify(at)}`)
    else if (child !== null) out[name] = decodeValue(child, fields[name]!, at, problems)
  }
  return out
}

function decodeValue(value: unknown, form: Form, path: string, problems: string[]): unknown {
  const refuse = (what: string): undefined => void problems.push(`json: cannot unmarshal ${typeText(value)} into field ${path} of type ${what}`)
  if (form === 'string') return typeof value === 'string' ? value : refuse('string')
  if (form === 'boolean') return typeof value === 'boolean' ? value : refuse('bool')
  if (form === 'duration') {
    if (typeof value !== 'string') return refuse('Duration')
    const ms = durationMs(value)
    return ms ?? void problems.push(`${path}: time: invalid duration ${JSON.stringify(value)}`)
  }
  if (Array.isArray(form)) {
    return Array.isArray(value) ? value.map((item, i) => decodeValue(item, form[0] as Form, `${path}[${i}]`, problems)) : refuse('list')
  }
  return isJsonObject(value) ? decodeFields(value, form as FieldForms, path, problems) : refuse('object')
}

function typeText(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  return value === null ? 'null' : typeof value === 'boolean' ? 'bool' : typeof value
}

const unitMs: Readonly<Record<string, number>> = { 'ns': 1e-6, 'us': 1e-3, 'µs': 1e-3, 'ms': 1, 's': 1000, 'm': 60_000, 'h': 3_600_000 }

/** A duration as Go writes it, `1h30m`, `1.5s`, `0`, in milliseconds; undefined for what is none. */
export function durationMs(text: string): number | undefined {
  const [, sign, rest] = /^([+-]?)(.*)$/.exec(text)!
  if (rest === '0') return 0
  if (!/^((\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h))+$/.test(rest!)) return undefined
  let totalMs = 0
  for (const [, number, unit] of rest!.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)/g)) totalMs += Number(number) * unitMs[unit!]!
  return sign === '-' ? -totalMs : totalMs
}

/** Milliseconds as Go writes a duration: `1m30s`. */
export function durationText(ms: number): string {
  if (ms === 0) return '0s'
  const total = Math.abs(ms)
  const sign = ms < 0 ? '-' : ''
  if (total < 1000) return `${sign}${total}ms`
  const hours = Math.floor(total / 3_600_000)
  const minutes = Math.floor((total % 3_600_000) / 60_000)
  const seconds = (total % 60_000) / 1000
  return `${sign}${hours > 0 ? `${hours}h` : ''}${hours > 0 || minutes > 0 ? `${minutes}m` : ''}${seconds}s`
}
