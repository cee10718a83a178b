import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'
import type { Runtime } from '../runtime/runtime.ts'
import { yamlLibrary } from '../runtime/yaml-library.ts'
import { httpTransport, type HttpTransportOptions } from './http.ts'
import type { Transport } from './transport.ts'

/** The file format of kubectl, `v1 Config` (client-go's tools/clientcmd/api/v1). Fields not named here are kept as they are. */
export interface Kubeconfig {
  apiVersion: 'v1'
  kind: 'Config'
  preferences?: Record<string, unknown>
  clusters: Named<'cluster', KubeconfigCluster>[]
  users: Named<'user', KubeconfigUser>[]
  contexts: Named<'context', KubeconfigContext>[]
  'current-context'?: string
}

export type Named<Field extends string, T> = { name: string } & { [field in Field]: T }

export interface KubeconfigCluster {
  server: string
  'certificate-authority'?: string
  'certificate-authority-data'?: string
  'insecure-skip-tls-verify'?: boolean
  'tls-server-name'?: string
}

export interface KubeconfigUser {
  'client-certificate'?: string
  'client-certificate-data'?: string
  'client-key'?: string
  'client-key-data'?: string
  token?: string
  tokenFile?: string
  as?: string
  'as-groups'?: string[]
  'as-uid'?: string
  username?: string
  exec?: unknown
  'auth-provider'?: unknown
}

export interface KubeconfigContext { cluster: string; user: string; namespace?: string }

export function emptyKubeconfig(): Kubeconfig {
  return { apiVersion: 'v1', kind: 'Config', clusters: [], users: [], contexts: [] }
}

/** A kubeconfig with one cluster, user and context of the same name. Certificates and keys are PEM. */
export function singleKubeconfig(name: string, options: { server: string; caData?: string; certData?: string; keyData?: string; token?: string; namespace?: string }): Kubeconfig {
  const base64 = (pem: string): string => Buffer.from(pem).toString('base64')
  const { server, caData, certData, keyData, token, namespace } = options
  return {
    ...emptyKubeconfig(),
    clusters: [{ name, cluster: { server, ...(caData === undefined ? {} : { 'certificate-authority-data': base64(caData) }) } }],
    users: [{
      name,
      user: {
        ...(certData === undefined ? {} : { 'client-certificate-data': base64(certData) }),
        ...(keyData === undefined ? {} : { 'client-key-data': base64(keyData) }),
        ...(token === undefined ? {} : { token }),
      },
    }],
    contexts: [{ name, context: { cluster: name, user: name, ...(namespace === undefined ? {} : { namespace }) } }],
    'current-context': name,
  }
}

/** Reads one file. Paths in it become absolute, so that it may be merged with others. Rejects with an Error that names the file. */
export async function loadKubeconfig(path: string): Promise<Kubeconfig> {
  let parsed: unknown
  try {
    parsed = yamlLibrary().parse(await readFile(path, 'utf8'))
  } catch (cause) {
    throw new Error(`cannot read the kubeconfig ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
  if (parsed === null || parsed === undefined) return emptyKubeconfig()
  if (typeof parsed !== 'object' || Array.isArray(parsed)) throw new Error(`${path} is not a kubeconfig: it must hold a mapping`)
  const config = parsed as Partial<Kubeconfig>
  if (config.kind !== undefined && config.kind !== 'Config') throw new Error(`${path} is not a kubeconfig: its kind is ${String(config.kind)}, not Config`)
  const absolute = <T extends object>(value: T, fields: readonly (keyof T)[]): T => {
    const copy = { ...value }
    for (const field of fields) {
      const file = copy[field]
      if (typeof file === 'string' && file !== '' && !isAbsolute(file)) copy[field] = join(dirname(path), file) as T[keyof T]
    }
    return copy
  }
  return {
    ...config, apiVersion: 'v1', kind: 'Config',
    clusters: (config.clusters ?? []).map((entry) => ({ ...entry, cluster: absolute(entry.cluster, ['certificate-authority']) })),
    users: (config.users ?? []).map((entry) => ({ ...entry, user: absolute(entry.user ?? {}, ['client-certificate', 'client-key', 'tokenFile']) })),
    contexts: config.contexts ?? [],
  }
}

/** Several into one as kubectl does with a KUBECONFIG list: the first to name an entry, or the current context, wins. */
export function mergeKubeconfigs(configs: readonly Kubeconfig[]): Kubeconfig {
  const first = <T extends { name: string }>(lists: readonly (readonly T[])[]): T[] => {
    const byName = new Map<string, T>()
    for (const entry of lists.flat()) if (!byName.has(entry.name)) byName.set(entry.name, entry)
    return [...byName.values()]
  }
  const current = configs.map((config) => config['current-context']).find((name) => name !== undefined && name !== '')
  return {
    ...configs[0], apiVersion: 'v1', kind: 'Config',
    clusters: first(configs.map((config) => config.clusters)),
    users: first(configs.map((config) => config.users)),
    contexts: first(configs.map((config) => config.contexts)),
    ...(current === undefined ? {} : { 'current-context': current }),
  }
}

/** The YAML of a kubeconfig. Written by every start of a server, for which loading a library would be too much. */
export function kubeconfigText(config: Kubeconfig): string {
  return `${blockLines(config).join('\n')}\n`
}

/** Block style down to the scalars, which are written as JSON where they could mean something else. */
function blockLines(value: object): string[] {
  const lines: string[] = []
  const isList = Array.isArray(value)
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined) continue
    const below = typeof item === 'object' && item !== null && Object.keys(item).length > 0 ? blockLines(item as object) : undefined
    const head = isList ? '-' : `${scalarText(key)}:`
    if (below === undefined) lines.push(`${head} ${typeof item === 'string' ? scalarText(item) : JSON.stringify(item)}`)
    else if (isList) lines.push(...below.map((line, i) => `${i === 0 ? '- ' : '  '}${line}`))
    else lines.push(head, ...below.map((line) => `  ${line}`))
  }
  return lines
}

/** Words, paths, addresses and base64 stand as they are; what YAML may read as another type does not. */
function scalarText(text: string): string {
  const isPlain = /^[A-Za-z/][\w./+=@-]*(?::[\w./+=@-]+)*$/.test(text) && !/^(?:true|false|null|yes|no|on|off|y|n)$/i.test(text)
  return isPlain ? text : JSON.stringify(text)
}

/** Writes the file so that no reader sees half of it, readable by its owner only. */
export async function writeKubeconfig(path: string, config: Kubeconfig, unique: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o750 })
  const temporary = `${path}.${unique}.tmp`
  await writeFile(temporary, kubeconfigText(config), { mode: 0o600 })
  await rename(temporary, path)
}

/** Puts the entries of `added` into the file (in place of entries of the same names) and makes its context the current one. */
export async function mergeIntoKubeconfigFile(path: string, added: Kubeconfig, unique: string): Promise<void> {
  const standing = await loadIfThere(path)
  await writeKubeconfig(path, mergeKubeconfigs([added, standing]), unique)
}

/** Takes the context `name` out of the file, with its cluster and user where no other context uses them. */
export async function removeFromKubeconfigFile(path: string, name: string, unique: string): Promise<void> {
  const config = await loadIfThere(path)
  const removed = config.contexts.find((entry) => entry.name === name)
  if (removed === undefined) return
  const contexts = config.contexts.filter((entry) => entry.name !== name)
  const clusters = config.clusters.filter((entry) => entry.name !== removed.context.cluster || contexts.some(({ context }) => context.cluster === entry.name))
  const users = config.users.filter((entry) => entry.name !== removed.context.user || contexts.some(({ context }) => context.user === entry.name))
  const rest: Kubeconfig = { ...config, contexts, clusters, users }
  if (rest['current-context'] === name) delete rest['current-context']
  await writeKubeconfig(path, rest, unique)
}

async function loadIfThere(path: string): Promise<Kubeconfig> {
  try {
    return await loadKubeconfig(path)
  } catch (error) {
    if (error instanceof Error && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') return emptyKubeconfig()
    throw error
  }
}

function named<T extends { name: string }>(entries: readonly T[], name: string, what: string): T {
  const found = entries.find((entry) => entry.name === name)
  if (found === undefined) throw new Error(`the kubeconfig has no ${what} ${JSON.stringify(name)}; it has ${entries.map((entry) => entry.name).join(', ') || 'none'}`)
  return found
}

async function pem(data: string | undefined, file: string | undefined): Promise<string | undefined> {
  if (data !== undefined && data !== '') return Buffer.from(data, 'base64').toString()
  return file === undefined || file === '' ? undefined : readFile(file, 'utf8')
}

export interface KubeconfigTransport {
  transport: Transport
  /** The context's namespace, `default` where it names none. */
  namespace: string
  server: string
  /** How the server is known, for others that reach it with credentials of their own. */
  trust: Pick<HttpTransportOptions, 'caData' | 'serverName' | 'insecureSkipTlsVerify'>
}

/** A transport for a context (the current one where left out). Basic authentication, exec and auth-provider plugins are refused by name. */
export async function transportFromConfig(config: Kubeconfig, runtime: Runtime, options: { context?: string; userAgent?: string } = {}): Promise<KubeconfigTransport> {
  const contextName = options.context ?? config['current-context'] ?? ''
  if (contextName === '') throw new Error('the kubeconfig names no current context; choose one with --context')
  const { context } = named(config.contexts, contextName, 'context')
  const { cluster } = named(config.clusters, context.cluster, 'cluster')
  const user = context.user === '' || context.user === undefined ? {} : named(config.users, context.user, 'user').user
  for (const field of ['exec', 'auth-provider', 'username'] as const) {
    if (user[field] !== undefined) throw new Error(`the user ${JSON.stringify(context.user)} of the kubeconfig authenticates by ${field}, which is not supported; use a certificate or a token`)
  }
  const [caData, certData, keyData] = await Promise.all([
    pem(cluster['certificate-authority-data'], cluster['certificate-authority']),
    pem(user['client-certificate-data'], user['client-certificate']),
    pem(user['client-key-data'], user['client-key']),
  ])
  const trust = { caData, serverName: cluster['tls-server-name'], insecureSkipTlsVerify: cluster['insecure-skip-tls-verify'] }
  const transport = httpTransport({
    runtime, server: cluster.server, ...trust, certData, keyData, token: user.token, tokenFile: user.tokenFile, userAgent: options.userAgent,
    ...(user.as === undefined ? {} : { impersonate: { user: user.as, groups: user['as-groups'], uid: user['as-uid'] } }),
  })
  return { transport, namespace: context.namespace ?? 'default', server: cluster.server, trust }
}

export async function transportFromKubeconfig(path: string, runtime: Runtime, options: { context?: string; userAgent?: string } = {}): Promise<KubeconfigTransport> {
  return transportFromConfig(await loadKubeconfig(path), runtime, options)
}
