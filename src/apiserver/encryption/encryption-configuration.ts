import { fieldErrorCause, fieldErrors, type FieldError } from '../../machinery/field-error.ts'
import { parseGoDuration } from '../../machinery/schema-time.ts'
import { parseYaml } from '../yaml.ts'

export interface NamedKey { name: string; secret: Buffer }

export interface KmsProvider { kind: 'kms'; apiVersion: string; name: string; /** `unix:///run/kms.sock`. */ endpoint: string; timeoutMs: number }

/** How values are kept: the first of a list writes, all read. */
export type ProviderConfiguration = { kind: 'identity' } | { kind: 'aesgcm' | 'aescbc' | 'secretbox'; keys: readonly NamedKey[] } | KmsProvider

/** Resources as written (`secrets`, `deployments.apps`, `*.apps`, `*.`, `*.*`) and their providers. */
export interface ResourceEncryption { resources: readonly string[]; providers: readonly ProviderConfiguration[] }

/** `apiserver.config.k8s.io/v1` EncryptionConfiguration (https://kubernetes.io/docs/reference/config-api/apiserver-config.v1/). */
export interface EncryptionConfiguration { resources: readonly ResourceEncryption[] }

const providerNames = ['kms', 'aesgcm', 'aescbc', 'secretbox', 'identity'] as const
const kmsFields = new Set(['apiVersion', 'name', 'cachesize', 'endpoint', 'timeout'])
const defaultKmsTimeoutMs = 3_000
/** Resources that are no objects of the API. */
const notServed = new Set(['apiserveripinfo', 'serviceipallocations', 'servicenodeportallocations'])

type Data = Record<string, unknown>

/** Reads the file. Throws an `Error` that says, in upstream's words, what is wrong with it. */
export function parseEncryptionConfiguration(text: string, path: string): EncryptionConfiguration {
  const undecodable = (problem: string): Error => new Error(`error while parsing file: error decoding encryption provider configuration file ${JSON.stringify(path)}: ${problem}`)
  if (text.length === 0) throw new Error(`error while parsing file: error while loading file: encryption provider configuration file ${JSON.stringify(path)} is empty`)
  let data: unknown
  try {
    data = parseYaml(text)
  } catch (cause) {
    throw undecodable(cause instanceof Error ? cause.message : String(cause))
  }
  if (!isData(data)) throw undecodable('couldn\'t get version/kind; json parse error: the file holds no mapping')
  const { apiVersion, kind } = data
  if (typeof kind !== 'string' || kind === '') throw undecodable(`Object 'Kind' is missing in '${text.slice(0, 200)}'`)
  if (typeof apiVersion !== 'string' || apiVersion === '') throw undecodable(`Object 'apiVersion' is missing in '${text.slice(0, 200)}'`)
  if (apiVersion !== 'apiserver.config.k8s.io/v1' || kind !== 'EncryptionConfiguration') throw undecodable(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)} in scheme "pkg/api/legacyscheme/scheme.go:30"`)
  const unknown: string[] = []
  const problems: FieldError[] = []
  let configuration: EncryptionConfiguration
  try {
    configuration = read(data, unknown, problems)
  } catch (cause) {
    if (cause instanceof MistypedError) throw undecodable(cause.message)
    throw cause
  }
  if (unknown.length > 0) throw undecodable(`strict decoding error: ${unknown.map((field) => `unknown field ${JSON.stringify(field)}`).join(', ')}`)
  if (problems.length > 0) {
    const lines = [...new Set(problems.map(fieldErrorCause).map(({ field, message }) => `${field}: ${message}`))]
    throw new Error(`error while parsing file: ${lines.length === 1 ? lines[0] : `[${lines.join(', ')}]`}`)
  }
  // Off by default upstream since 1.29, and gone from the plugins; what else is wrong with the file is said first.
  if (configuration.resources.some(({ providers }) => providers.some((each) => each.kind === 'kms' && each.apiVersion === 'v1'))) {
    throw new Error('error while building transformers: KMSv1 is deprecated and will only receive security updates going forward. Use KMSv2 instead.')
  }
  return configuration
}

class MistypedError extends Error {}

function isData(value: unknown): value is Data {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function mapping(value: unknown, path: string): Data {
  if (!isData(value)) throw new MistypedError(`json: cannot unmarshal ${typeName(value)} into Go struct field EncryptionConfiguration.${path}`)
  return value
}

function typeName(value: unknown): string {
  return Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value
}

function listOf(value: unknown, path: string): unknown[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw new MistypedError(`json: cannot unmarshal ${typeName(value)} into Go struct field EncryptionConfiguration.${path}`)
  return value
}

function textOf(value: unknown, path: string): string {
  if (value === undefined || value === null) return ''
  if (typeof value !== 'string') throw new MistypedError(`json: cannot unmarshal ${typeName(value)} into Go struct field EncryptionConfiguration.${path} of type string`)
  return value
}

function noteUnknown(data: Data, known: ReadonlySet<string>, path: string, unknown: string[]): void {
  for (const field of Object.keys(data)) if (!known.has(field)) unknown.push(path === '' ? field : `${path}.${field}`)
}

function read(data: Data, unknown: string[], problems: FieldError[]): EncryptionConfiguration {
  noteUnknown(data, new Set(['apiVersion', 'kind', 'resources']), '', unknown)
  const kmsNames = new Set<string>()
  const resources = listOf(data.resources, 'resources').map((each, at): ResourceEncryption => {
    const path = `resources[${at}]`
    const entry = mapping(each, 'resources')
    noteUnknown(entry, new Set(['resources', 'providers']), path, unknown)
    const names = listOf(entry.resources, 'resources.resources').map((name) => textOf(name, 'resources.resources'))
    if (names.length === 0) problems.push(fieldErrors.required(`${path}.resources`, `at least one ${path}.resources is required`))
    problems.push(...overlapProblems(names, `${path}.resources`), ...nameProblems(names, `${path}.resources`))
    const listed = listOf(entry.providers, 'resources.providers')
    if (listed.length === 0) problems.push(fieldErrors.required(`${path}.providers`, `at least one ${path}.providers is required`))
    const providers = listed.map((provider, index) => readProvider(mapping(provider, 'resources.providers'), `${path}.providers[${index}]`, unknown, problems, kmsNames)).filter((provider) => provider !== undefined)
    return { resources: names, providers }
  })
  if (resources.length === 0) problems.push(fieldErrors.required('resources', 'at least one resources is required'))
  return { resources }
}

function readProvider(data: Data, path: string, unknown: string[], problems: FieldError[], kmsNames: Set<string>): ProviderConfiguration | undefined {
  noteUnknown(data, new Set<string>(providerNames), path, unknown)
  const found = providerNames.filter((name) => data[name] !== undefined && data[name] !== null)
  const [kind] = found
  if (kind === undefined) {
    problems.push(fieldErrors.invalid(path, {}, 'provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity'))
    return undefined
  }
  if (found.length > 1) problems.push(fieldErrors.invalid(path, found, 'more than one provider specified in a single element, should split into different list elements'))
  const provider = mapping(data[kind], `resources.providers.${kind}`)
  if (kind === 'identity') {
    noteUnknown(provider, new Set(), `${path}.identity`, unknown)
    return { kind }
  }
  if (kind === 'kms') return readKms(provider, `${path}.kms`, unknown, problems, kmsNames)
  noteUnknown(provider, new Set(['keys']), `${path}.${kind}`, unknown)
  const keys = listOf(provider.keys, `resources.providers.${kind}.keys`)
  if (keys.length === 0) problems.push(fieldErrors.required(`${path}.${kind}.keys`, 'at least one keys is required'))
  return { kind, keys: keys.map((key, at) => readKey(mapping(key, `resources.providers.${kind}.keys`), `${path}.${kind}.keys[${at}]`, kind === 'secretbox' ? [32] : [16, 24, 32], unknown, problems)) }
}

function readKey(data: Data, path: string, sizes: readonly number[], unknown: string[], problems: FieldError[]): NamedKey {
  noteUnknown(data, new Set(['name', 'secret']), path, unknown)
  const name = textOf(data.name, 'resources.providers.keys.name')
  const text = textOf(data.secret, 'resources.providers.keys.secret')
  if (name === '') problems.push(fieldErrors.required(`${path}.name`, 'name is a mandatory field for a key'))
  const secret = Buffer.from(text, 'base64')
  if (text === '') problems.push(fieldErrors.required(`${path}.secret`, 'secret is a mandatory field for a key'))
  else if (secret.toString('base64') !== text.replaceAll(/[\r\n]/g, '')) problems.push(fieldErrors.invalid(`${path}.secret`, 'REDACTED', 'secrets must be base64 encoded'))
  else if (!sizes.includes(secret.length)) problems.push(fieldErrors.invalid(`${path}.secret`, 'REDACTED', `secret is not of the expected length, got ${secret.length}, expected one of [${sizes.join(' ')}]`))
  return { name, secret }
}

function readKms(data: Data, path: string, unknown: string[], problems: FieldError[], kmsNames: Set<string>): KmsProvider {
  noteUnknown(data, kmsFields, path, unknown)
  const name = textOf(data.name, 'resources.providers.kms.name')
  const endpoint = textOf(data.endpoint, 'resources.providers.kms.endpoint')
  const apiVersion = textOf(data.apiVersion, 'resources.providers.kms.apiVersion') || 'v1'
  const timeoutText = textOf(data.timeout, 'resources.providers.kms.timeout')
  const nanoseconds = timeoutText === '' ? undefined : parseGoDuration(timeoutText)
  if (timeoutText !== '' && nanoseconds === undefined) throw new MistypedError(`time: invalid duration ${JSON.stringify(timeoutText)}`)
  const timeoutMs = nanoseconds === undefined ? defaultKmsTimeoutMs : Number(nanoseconds) / 1e6
  if (name === '') problems.push(fieldErrors.required(`${path}.name`, 'name is a mandatory field for a provider'))
  if (apiVersion !== 'v1' && name.includes(':')) problems.push(fieldErrors.invalid(`${path}.name`, name, `invalid KMS provider name ${name}, must not contain ':'`))
  if (kmsNames.has(name)) problems.push(fieldErrors.invalid(`${path}.name`, name, `duplicate KMS provider name ${name}, names must be unique`))
  kmsNames.add(name)
  if (timeoutMs <= 0) problems.push(fieldErrors.invalid(`${path}.timeout`, timeoutText, 'timeout should be a positive value'))
  if (endpoint === '') problems.push(fieldErrors.invalid(`${path}.endpoint`, '', 'endpoint is a mandatory field for a kms'))
  else if (!endpoint.startsWith('unix:')) problems.push(fieldErrors.invalid(`${path}.endpoint`, endpoint, `unsupported scheme ${JSON.stringify(/^([a-z][a-z0-9+.-]*):/i.exec(endpoint)?.[1] ?? '')} for KMS provider, only unix is supported`))
  if (apiVersion !== 'v1' && data.cachesize !== undefined) problems.push(fieldErrors.invalid(`${path}.cachesize`, data.cachesize, 'cachesize is not supported in v2'))
  if (apiVersion !== 'v1' && apiVersion !== 'v2') problems.push(fieldErrors.invalid(`${path}.apiVersion`, apiVersion, 'unsupported apiVersion apiVersion for KMS provider, only v1 and v2 are supported'))
  return { kind: 'kms', apiVersion, name, endpoint, timeoutMs }
}

/** A resource and its group, as `schema.ParseGroupResource` reads them. */
export function parseGroupResource(text: string): { resource: string; group: string } {
  const dot = text.indexOf('.')
  return dot < 0 ? { resource: text, group: '' } : { resource: text.slice(0, dot), group: text.slice(dot + 1) }
}

function overlapProblems(names: readonly string[], path: string): FieldError[] {
  const parsed = names.map(parseGroupResource)
  const pairs = parsed.flatMap((a, i) => parsed.filter((_b, j) => i !== j).map((b) => [a, b] as const))
  const same = pairs.some(([a, b]) => a.group === b.group && a.resource === b.resource)
  const overlapping = pairs.some(([a, b]) => !(a.group === b.group && a.resource === b.resource) && ((a.group === '*' && a.resource === '*') || (a.group === b.group && (a.resource === '*' || b.resource === '*'))))
  return [
    ...(same ? [fieldErrors.invalid(path, names, 'the same resource cannot be specified multiple times')] : []),
    ...(overlapping ? [fieldErrors.invalid(path, names, 'using overlapping resources such as \'secrets\' and \'*.\' in the same resource list is not allowed as they will be masked')] : []),
  ]
}

function nameProblems(names: readonly string[], path: string): FieldError[] {
  return names.flatMap((name, at) => {
    const problem = nameProblem(name)
    return problem === undefined ? [] : [fieldErrors.invalid(`${path}[${at}]`, name, problem)]
  })
}

function nameProblem(name: string): string | undefined {
  if (name.toLowerCase() !== name) return 'resource name should not contain capital letters'
  if (name === '*') return 'use \'*.\' to encrypt all the resources from core API group or *.* to encrypt all resources'
  if (notServed.has(name)) return 'resources which do not have REST API/s cannot be encrypted'
  const { group, resource } = parseGroupResource(name)
  if (group === 'events.k8s.io') return '\'*.events.k8s.io\' objects are stored using the \'events\' API group in etcd. Use \'events\' instead in the config file'
  if (group === 'extensions') return '\'extensions\' group has been removed and cannot be used for encryption'
  if (group === '*' && resource !== '*') return 'encrypting the same resource across groups is not supported'
  return undefined
}
