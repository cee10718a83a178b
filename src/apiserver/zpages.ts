import { errors } from '../machinery/status.ts'
import { timeText } from '../machinery/object.ts'
import type { ServerRequest, ServerResponse } from './context.ts'
import type { Endpoints } from './endpoints.ts'
import { acceptClauses, mediaTypes, wantsPretty, type AcceptClause, type Encoding } from './negotiation.ts'
import { encodeAnswer } from './representation.ts'
import { serverVersion } from './version.ts'

/** What /flagz and /statusz tell (KEP-4828, KEP-4827). */
export interface ZpagesOptions {
  /** The component's name, in the page and as the name of its structured form. */
  component: string
  /** Flags and their values, as text; left out: there is no /flagz. */
  flags?: Readonly<Record<string, string>>
  /** Whether there is /statusz. */
  statusz: boolean
  /** Milliseconds since 1970 at which the process started. */
  startedMs: number
  now(): number
  /** Paths that answer; the first part of each is listed. */
  paths(): readonly string[]
  /** Whether CBOR is served. */
  cbor: boolean
}

const warning = 'Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is for debugging purposes only.'
const plain = { 'content-type': 'text/plain; charset=utf-8' }
/** What every server has, and what is no help in debugging. */
const unlisted = new Set(['/apis', '/api', '/openid', '/openapi', '/.well-known'])
/** Upstream changes it now and then, so that nobody parses the page. */
const delimiter = ':'

type Version = 'v1alpha1' | 'v1beta1'

/** Adds /flagz and /statusz: text for people, `config.k8s.io` objects for who asks for them by `Accept: application/json;v=v1beta1;g=config.k8s.io;as=Flagz`. */
export function addZpages(endpoints: Endpoints, options: ZpagesOptions): void {
  const { flags } = options
  if (flags !== undefined) {
    endpoints.add('/flagz', (request) => answer(request, options, 'Flagz', () => flagzText(options, flags), () => ({ flags })))
  }
  if (options.statusz) endpoints.add('/statusz', (request) => answer(request, options, 'Statusz', () => statuszText(options), () => statusz(options)))
}

function flagzText({ component }: ZpagesOptions, flags: Readonly<Record<string, string>>): string {
  const lines = Object.entries(flags).toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => `${name}${delimiter}${value}\n`)
  return `\n${component} flagz\n${warning}\n${lines.join('')}`
}

function statusz(options: ZpagesOptions): Record<string, unknown> {
  const { startedMs, now } = options
  const binaryVersion = /^v(\d+\.\d+\.\d+)/.exec(serverVersion.gitVersion)?.[1] ?? ''
  return {
    startTime: timeText(startedMs), uptimeSeconds: Math.max(0, Math.floor((now() - startedMs) / 1000)), goVersion: serverVersion.goVersion, binaryVersion,
    emulationVersion: `${serverVersion.emulationMajor}.${serverVersion.emulationMinor}`, paths: folders(options.paths()),
  }
}

function statuszText(options: ZpagesOptions): string {
  const { goVersion, binaryVersion, emulationVersion, paths, uptimeSeconds } = statusz(options) as { goVersion: string; binaryVersion: string; emulationVersion: string; paths: string[]; uptimeSeconds: number }
  const two = (value: number): string => String(value).padStart(2, '0')
  const up = `${Math.floor(uptimeSeconds / 3600)} hr ${two(Math.floor(uptimeSeconds / 60) % 60)} min ${two(uptimeSeconds % 60)} sec`
  const facts = [
    `Started${delimiter} ${unixDate(options.startedMs)}`, `Up${delimiter} ${up}`, `Go version${delimiter} ${goVersion}`, `Binary version${delimiter} ${binaryVersion}`,
    `Emulation version${delimiter} ${emulationVersion}`, paths.length === 0 ? '' : `Paths${delimiter} ${paths.join(' ')}`,
  ]
  return `\n${options.component} statusz\n${warning}\n\n${facts.join('\n')}\n`
}

/** Go's `time.UnixDate`, in UTC. */
function unixDate(ms: number): string {
  const [weekday = '', day = '', month = '', year = '', time = ''] = new Date(ms).toUTCString().replace(',', '').split(' ')
  return `${weekday} ${month} ${String(Number(day)).padStart(2)} ${time} UTC ${year}`
}

function folders(paths: readonly string[]): string[] {
  const first = paths.map((path) => `/${path.split('/')[1] ?? ''}`).filter((folder) => folder !== '/' && !unlisted.has(folder))
  return [...new Set(first)].sort()
}

function answer(request: ServerRequest, options: ZpagesOptions, kind: 'Flagz' | 'Statusz', toText: () => string, toObject: () => object): ServerResponse {
  const { accept = '' } = request.headers
  const encodings: readonly Encoding[] = options.cbor ? ['json', 'yaml', 'cbor'] : ['json', 'yaml']
  if (accept.trim() === '') return { status: 200, headers: { ...plain }, bytes: toText() }
  for (const clause of acceptClauses(accept)) {
    const isText = ['text/plain', 'text/*', '*/*'].includes(clause.type)
    if (isText && clause.params.as === undefined) return { status: 200, headers: { ...plain }, bytes: toText() }
    const encoding = encodings.find((each) => mediaTypes[each] === clause.type)
    const version = versionOf(clause, kind)
    if (encoding === undefined || version === undefined) continue
    const object = { kind, apiVersion: `config.k8s.io/${version}`, metadata: { name: options.component }, ...toObject() }
    const headers: ServerResponse['headers'] = { 'content-type': mediaTypes[encoding] }
    if (version === 'v1alpha1') headers['warning'] = `299 - "This version of the ${kind.toLowerCase()} endpoint is deprecated. Please use a newer version."`
    return { status: 200, headers, bytes: encodeAnswer(encoding, object, wantsPretty(request)) }
  }
  throw errors.notAcceptable([...encodings.map((each) => mediaTypes[each]), 'text/plain'])
}

function versionOf({ params }: AcceptClause, kind: string): Version | undefined {
  const { g, v, as } = params
  return g === 'config.k8s.io' && as === kind && (v === 'v1alpha1' || v === 'v1beta1') ? v : undefined
}
