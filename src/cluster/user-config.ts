import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { homeDirectory } from './paths.ts'
import type { RegistryConfig, RegistryEndpoint } from './machine/containerd-config.ts'

/** The settings file, `~/.k8ts/config.yaml` unless another is named. */
export interface UserConfig {
  /** Whether nodes may reach beyond this machine, to pull images; true where left out. */
  outbound: boolean
  registries: readonly RegistryConfig[]
}

type Json = Record<string, unknown>

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function endpointOf(value: unknown, where: string): RegistryEndpoint {
  const endpoint = typeof value === 'string' ? { url: value } : value
  if (!isObject(endpoint) || typeof endpoint['url'] !== 'string' || !/^https?:\/\//.test(endpoint['url'])) throw new Error(`${where} must be a URL that begins with http:// or https://`)
  for (const key of Object.keys(endpoint)) if (!['url', 'skipVerify', 'caFile'].includes(key)) throw new Error(`${where} has an unknown field "${key}"; known are url, skipVerify and caFile`)
  return { url: endpoint['url'], ...(endpoint['skipVerify'] === true ? { skipVerify: true } : {}), ...(typeof endpoint['caFile'] === 'string' ? { caFile: endpoint['caFile'] } : {}) }
}

function registryOf(registry: string, value: unknown): RegistryConfig {
  const where = `registries."${registry}"`
  if (!isObject(value)) throw new Error(`${where} must hold "mirrors"`)
  for (const key of Object.keys(value)) if (!['mirrors', 'onlyMirrors'].includes(key)) throw new Error(`${where} has an unknown field "${key}"; known are mirrors and onlyMirrors`)
  if (!Array.isArray(value['mirrors']) || value['mirrors'].length === 0) throw new Error(`${where}.mirrors must list at least one URL`)
  const mirrors = value['mirrors'].map((each, index) => endpointOf(each, `${where}.mirrors[${index}]`))
  return { registry, mirrors, ...(value['onlyMirrors'] === true ? { onlyMirrors: true } : {}) }
}

/** Checks the text of a settings file; unknown fields are refused by name. */
export async function parseUserConfig(text: string): Promise<UserConfig> {
  const { parse } = await import('yaml')
  const config = parse(text) as unknown ?? {}
  if (!isObject(config)) throw new Error('the settings must be a mapping')
  for (const key of Object.keys(config)) if (!['outbound', 'registries'].includes(key)) throw new Error(`unknown field "${key}"; known are outbound and registries`)
  const { outbound = true, registries = {} } = config
  if (typeof outbound !== 'boolean') throw new Error('outbound must be true or false')
  if (!isObject(registries)) throw new Error('registries must be a mapping from registry names')
  return { outbound, registries: Object.entries(registries).map(([name, value]) => registryOf(name, value)) }
}

/** Reads the settings; the defaults where no file is named and none is there. */
export async function readUserConfig(file?: string): Promise<UserConfig> {
  const path = file ?? join(homeDirectory(), 'config.yaml')
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && file === undefined) return { outbound: true, registries: [] }
    throw new Error(`cannot read the settings file ${path}: ${(error as Error).message}`, { cause: error })
  }
  try {
    return await parseUserConfig(text)
  } catch (error) {
    throw new Error(`the settings file ${path} is wrong: ${(error as Error).message}`, { cause: error })
  }
}
