import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { ResourceTable } from '../../api/resource.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { HealthCheck } from '../health.ts'
import { configurationReloads } from '../metrics/configuration-reloads.ts'
import { MetricSet } from '../metrics/metric-set.ts'
import { aesCbc, aesGcm, secretbox } from './ciphers.ts'
import type { TransformerChoice } from './encrypted-store.ts'
import { EncryptionMetrics } from './encryption-metrics.ts'
import { parseEncryptionConfiguration, parseGroupResource, type EncryptionConfiguration, type ProviderConfiguration } from './encryption-configuration.ts'
import { KmsTransformer } from './kms-transformer.ts'
import { identity, keyTransformers, prefixTransformers, type PrefixTransformer, type ValueTransformer } from './value-transformer.ts'

export interface EncryptionOptions {
  /** `--encryption-provider-config`. */
  configFile: string
  /** `--encryption-provider-config-automatic-reload`: looks at the file every minute. */
  automaticReload?: boolean
}

/** Encryption at rest, as a file says it. Disposing it closes the connections to KMS plugins. */
export interface Encryption extends Disposable {
  /** How values under a key of the store are kept, by the resources there are. */
  chooser(resources: ResourceTable): TransformerChoice
  /** One for each KMS plugin, `kms-provider-0` and so on, or, where the file is read again, one `kms-providers` for those of the file in force. */
  readonly checks: readonly HealthCheck[]
  /** What is counted; the API server shows it among its own. */
  readonly metrics: MetricSet
}

const pollPeriodMs = 60_000
/** Plugins of an older file stay connected for so long, for reads that have begun. */
const closeDelayMs = 10_000
const minHealthWaitMs = 10_000
const healthPollMs = 100

/** What one version of the file comes to. */
interface Loaded extends Disposable { text: string; hash: string; byResource: ReadonlyMap<string, ValueTransformer>; plugins: readonly KmsTransformer[]; timeoutsMs: number }

/** Reads the file and connects to the plugins that it names. Rejects with an `Error` that says what is wrong. */
export async function openEncryption(options: EncryptionOptions, runtime: Runtime): Promise<Encryption> {
  const { clock, log } = runtime
  const metrics = new EncryptionMetrics(new MetricSet(), clock)
  let current = await load(options.configFile, runtime, metrics)
  const noted = options.automaticReload === true ? configurationReloads(metrics.set, 'encryption', runtime, current.text) : undefined
  let generation = 0
  let reloading: Promise<void> | undefined
  const reload = async (): Promise<void> => {
    try {
      const text = await readConfiguration(options.configFile)
      if (hashOf(text) === current.hash) return
      const next = await build(text, options.configFile, runtime, metrics)
      try {
        await healthy(next, runtime)
      } catch (error) {
        next[Symbol.dispose]()
        throw error
      }
      const old = current
      current = next
      generation++
      noted?.(text)
      clock.timer(Math.max(closeDelayMs, 2 * old.timeoutsMs), () => old[Symbol.dispose](), { background: true })
      log.info('the encryption configuration has been loaded anew', { file: options.configFile })
    } catch (err) {
      noted?.(undefined)
      log.error('the encryption configuration could not be loaded anew; the one before stays', { file: options.configFile, err })
    }
  }
  const timer = options.automaticReload !== true ? undefined : clock.interval(pollPeriodMs, () => {
    reloading ??= reload().finally(() => (reloading = undefined))
  }, { background: true })
  return {
    chooser: (resources) => {
      const byPrefix = new Map<string, ValueTransformer>()
      let seen = generation
      const labels = new Map<string, string>()
      metrics.resourceOf = (key) => {
        const prefix = prefixOf(key)
        let label = labels.get(prefix)
        if (label === undefined) {
          const { resource, group } = resourceOf(key, resources)
          labels.set(prefix, label = group === '' ? resource : `${resource}.${group}`)
        }
        return label
      }
      return (key) => {
        if (seen !== generation) {
          byPrefix.clear()
          seen = generation
        }
        const prefix = prefixOf(key)
        let transformer = byPrefix.get(prefix)
        if (transformer === undefined) byPrefix.set(prefix, (transformer = transformerFor(current.byResource, resourceOf(key, resources))))
        return transformer
      }
    },
    checks: options.automaticReload === true ? [{ name: 'kms-providers', check: () => checkAll(current.plugins) }] : current.plugins.map((plugin, at) => ({ name: `kms-provider-${at}`, check: () => plugin.check() })),
    metrics: metrics.set,
    [Symbol.dispose]: () => {
      timer?.[Symbol.dispose]()
      current[Symbol.dispose]()
    },
  }
}

async function checkAll(plugins: readonly KmsTransformer[]): Promise<void> {
  const failures: string[] = []
  await Promise.all(plugins.map((plugin, at) => plugin.check().catch((cause: unknown) => failures.push(`kms-provider-${at}: ${cause instanceof Error ? cause.message : String(cause)}`))))
  if (failures.length > 0) throw new Error(failures.length === 1 ? failures[0] : `[${failures.join(', ')}]`)
}

/** Waits for the plugins of a new file. */
async function healthy({ plugins, timeoutsMs }: Loaded, { clock }: Runtime): Promise<void> {
  const untilMs = clock.monotonicMs() + Math.max(minHealthWaitMs, 2 * timeoutsMs)
  for (;;) {
    try {
      return await checkAll(plugins)
    } catch (cause) {
      if (clock.monotonicMs() >= untilMs) throw new Error(`health check for new transformers failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
      await clock.sleep(healthPollMs)
    }
  }
}

async function readConfiguration(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new Error(`error while parsing file: error while loading file: error reading encryption provider configuration file ${JSON.stringify(path)}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

async function load(path: string, runtime: Runtime, metrics: EncryptionMetrics): Promise<Loaded> {
  return await build(await readConfiguration(path), path, runtime, metrics)
}

async function build(text: string, path: string, runtime: Runtime, metrics: EncryptionMetrics): Promise<Loaded> {
  const configuration = parseEncryptionConfiguration(text, path)
  const plugins: KmsTransformer[] = []
  const dispose = (): void => plugins.forEach((plugin) => plugin[Symbol.dispose]())
  try {
    const byResource = await transformersOf(configuration, runtime, plugins, metrics)
    const timeoutsMs = configuration.resources.flatMap(({ providers }) => providers).reduce((sum, provider) => sum + (provider.kind === 'kms' ? provider.timeoutMs : 0), 0)
    return { text, hash: hashOf(text), byResource, plugins, timeoutsMs, [Symbol.dispose]: dispose }
  } catch (error) {
    dispose()
    throw error
  }
}

/** By resource as the file writes it. A resource that stands in several elements has the providers of all, in order. */
async function transformersOf(configuration: EncryptionConfiguration, runtime: Runtime, plugins: KmsTransformer[], metrics: EncryptionMetrics): Promise<Map<string, ValueTransformer>> {
  const lists = new Map<string, PrefixTransformer[]>()
  for (const { resources, providers } of configuration.resources) {
    const made: PrefixTransformer[] = []
    for (const provider of providers) made.push(await transformerOf(provider, runtime, plugins, metrics))
    for (const name of resources) {
      const { resource, group } = parseGroupResource(name)
      const id = `${resource}.${group}`
      for (const mask of [`*.${group}`, '*.*']) {
        if (lists.has(mask)) throw new Error(`error while building transformers: resource ${JSON.stringify(group === '' && resource !== '*' ? resource : id)} is masked by earlier rule ${JSON.stringify(mask)}`)
      }
      lists.set(id, [...(lists.get(id) ?? []), ...made])
    }
  }
  return new Map([...lists].map(([id, list]) => [id, prefixTransformers(list, 'no matching prefix found', metrics)]))
}

async function transformerOf(provider: ProviderConfiguration, runtime: Runtime, plugins: KmsTransformer[], metrics: EncryptionMetrics): Promise<PrefixTransformer> {
  const { random } = runtime
  switch (provider.kind) {
    case 'identity': return { prefix: Buffer.alloc(0), transformer: identity }
    case 'aesgcm': return { prefix: Buffer.from('k8s:enc:aesgcm:v1:'), transformer: keyTransformers(provider.keys, (key) => aesGcm(key, random), 'AES', metrics) }
    case 'aescbc': return { prefix: Buffer.from('k8s:enc:aescbc:v1:'), transformer: keyTransformers(provider.keys, (key) => aesCbc(key, random), 'AES', metrics) }
    case 'secretbox': {
      const { xsalsa20poly1305 } = await import('@noble/ciphers/salsa.js')
      return { prefix: Buffer.from('k8s:enc:secretbox:v1:'), transformer: keyTransformers(provider.keys, (key) => secretbox(key, random, xsalsa20poly1305), 'Secretbox', metrics) }
    }
    case 'kms': {
      const { kmsPlugin } = await import('./kms-plugin.ts')
      const transformer = new KmsTransformer(provider.name, await kmsPlugin(provider, runtime, metrics), runtime, metrics)
      plugins.push(transformer)
      await transformer.start()
      return { prefix: Buffer.from(`k8s:enc:kms:v2:${provider.name}:`), transformer }
    }
  }
}

function transformerFor(byResource: ReadonlyMap<string, ValueTransformer>, { resource, group }: { resource: string; group: string }): ValueTransformer {
  return byResource.get(`${resource}.${group}`) ?? byResource.get(`*.${group}`) ?? byResource.get('*.*') ?? identity
}

/** `/registry/pods/`, `/registry/services/specs/`, `/registry/example.com/widgets/`: never more than what one resource has. */
function prefixOf(key: string): string {
  const second = key.indexOf('/', 10) + 1
  const third = key.indexOf('/', second) + 1
  return third === 0 ? key.slice(0, second) : key.slice(0, third)
}

function resourceOf(key: string, resources: ResourceTable): { resource: string; group: string } {
  const found = resources.all().filter(({ storagePrefix }) => key.startsWith(storagePrefix))
  // Where a group has taken over what was in core, core is what the store means.
  const owner = found.find(({ group }) => group === '') ?? found[0]
  if (owner !== undefined) return { resource: owner.resource, group: owner.group }
  // A custom resource whose definition has not been read yet.
  const [, , group = '', resource = ''] = key.split('/')
  return group.includes('.') ? { resource, group } : { resource: group, group: '' }
}
