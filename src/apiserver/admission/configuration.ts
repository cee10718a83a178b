import { readFile } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'
import type { ScopedResourceSelectorRequirement, Toleration } from '../../api/types/core_v1.ts'
import { loadKubeconfig } from '../../client/kubeconfig.ts'
import { isJsonObject, type JsonObject } from '../../machinery/json-value.ts'
import { dnsLabelErrors, dnsSubdomainErrors } from '../../machinery/names.ts'
import { yamlLibrary } from '../../runtime/yaml-library.ts'
import { webhookCredentials, type WebhookCredentials } from '../webhook-credentials.ts'
import { defaultEventCacheSize, type EventLimit, type EventLimitType } from './event-rate-limit.ts'
import type { ImagePolicyOptions } from './image-policy.ts'
import { labelsOfSelector, type NodeSelectors } from './pod-node-selector.ts'
import { levelProblem, modes, parseLevel, parseVersion, versionProblem, type LevelVersion, type Mode } from './pod-security/policy.ts'
import type { PodSecurityOptions } from './pod-security/plugin.ts'
import type { TolerationRestriction } from './pod-toleration-restriction.ts'
import type { LimitedResource } from './resource-quota.ts'

/** What `--admission-control-config-file` says to each plugin, checked. */
export interface AdmissionConfiguration {
  podSecurity?: PodSecurityOptions
  podNodeSelector?: NodeSelectors
  podTolerationRestriction?: TolerationRestriction
  eventRateLimit?: readonly EventLimit[]
  imagePolicy?: ImagePolicyOptions
  limitedResources?: readonly LimitedResource[]
  mutatingWebhooks?: WebhookCredentials
  validatingWebhooks?: WebhookCredentials
}

/** A plugin's entry: its configuration, or the file that holds it. */
export interface PluginEntry { name: string; path: string; configuration: JsonObject | undefined }

const maxBytes = 3 << 20

function parseMapping(text: string): JsonObject {
  if (text.length > maxBytes) throw new Error(`the configuration is larger than ${maxBytes} bytes`)
  const document = yamlLibrary().parseDocument(text, { uniqueKeys: true })
  const [problem] = document.errors
  if (problem !== undefined) throw new Error(`yaml: ${problem.message}`, { cause: problem })
  const value: unknown = document.toJS({ maxAliasCount: 100 })
  if (!isJsonObject(value)) throw new Error('the configuration must be a mapping')
  return value
}

/** Refuses fields that a kind doesn't have. `apiVersion` and `kind` are every kind's. */
function onlyFields(value: JsonObject, path: string, ...names: readonly string[]): void {
  for (const field of Object.keys(value)) {
    if (!names.includes(field) && !(path === '' && (field === 'apiVersion' || field === 'kind'))) throw new Error(`strict decoding error: unknown field ${JSON.stringify(path === '' ? field : `${path}.${field}`)}`)
  }
}

/** Refuses another kind than these, each `group/version Kind`. */
function expectKind(value: JsonObject, ...kinds: readonly string[]): void {
  const given = `${String(value.apiVersion ?? '')} ${String(value.kind ?? '')}`
  if (!kinds.includes(given)) throw new Error(`no kind ${JSON.stringify(value.kind ?? '')} is registered for version ${JSON.stringify(value.apiVersion ?? '')}; expected ${kinds.join(' or ')}`)
}

function mappingAt(value: JsonObject, field: string): JsonObject {
  const inner = value[field] ?? {}
  if (!isJsonObject(inner)) throw new Error(`${field}: must be a mapping`)
  return inner
}

function textAt(value: JsonObject, field: string): string {
  const text = value[field] ?? ''
  if (typeof text !== 'string') throw new Error(`${field}: must be a string`)
  return text
}

function numberAt(value: JsonObject, field: string): number {
  const number = value[field] ?? 0
  if (typeof number !== 'number' || !Number.isInteger(number)) throw new Error(`${field}: must be a whole number`)
  return number
}

function listAt(value: JsonObject, field: string): readonly unknown[] {
  const list = value[field] ?? []
  if (!Array.isArray(list)) throw new Error(`${field}: must be a list`)
  return list
}

function textsAt(value: JsonObject, field: string): readonly string[] {
  return listAt(value, field).map((text, i) => {
    if (typeof text !== 'string') throw new Error(`${field}[${i}]: must be a string`)
    return text
  })
}

/** The plugins that an AdmissionConfiguration names, paths made absolute by the file's own. Also reads the two older files that hold one plugin's settings alone. */
export function parseAdmissionConfiguration(text: string, file: string): PluginEntry[] {
  const value = parseMapping(text)
  if (value.kind === undefined && value.apiVersion === undefined) {
    if (value.imagePolicy === undefined && value.podNodeSelectorPluginConfig === undefined) throw new Error('Object \'Kind\' is missing in the configuration')
    return ['ImagePolicyWebhook', 'PodNodeSelector'].map((name) => ({ name, path: '', configuration: value }))
  }
  expectKind(value, 'apiserver.config.k8s.io/v1 AdmissionConfiguration', 'apiserver.k8s.io/v1alpha1 AdmissionConfiguration', 'apiserver.config.k8s.io/v1alpha1 AdmissionConfiguration')
  onlyFields(value, '', 'plugins')
  return listAt(value, 'plugins').map((plugin, i) => {
    if (!isJsonObject(plugin)) throw new Error(`plugins[${i}]: must be a mapping`)
    onlyFields(plugin, `plugins[${i}]`, 'name', 'path', 'configuration')
    const { configuration } = plugin
    if (configuration !== undefined && configuration !== null && !isJsonObject(configuration)) throw new Error(`plugins[${i}].configuration: must be a mapping`)
    const path = textAt(plugin, 'path')
    return { name: textAt(plugin, 'name'), path: path === '' || isAbsolute(path) ? path : join(dirname(file), path), configuration: isJsonObject(configuration) ? configuration : undefined }
  })
}

/** Reads the file and those that it points to. Rejects with an Error that names file and plugin. */
export async function readAdmissionConfiguration(file: string): Promise<AdmissionConfiguration> {
  let entries: PluginEntry[]
  try {
    entries = parseAdmissionConfiguration(await readFile(file, 'utf8'), file)
  } catch (cause) {
    throw new Error(`unable to read admission control configuration from ${JSON.stringify(file)}: ${(cause as Error).message}`, { cause })
  }
  const configuration: AdmissionConfiguration = {}
  const seen = new Set<string>()
  for (const { name, path, configuration: embedded } of entries) {
    // Of two entries for a plugin the first counts.
    if (seen.has(name)) continue
    seen.add(name)
    try {
      const value = embedded ?? (path === '' ? undefined : parseMapping(await readFile(path, 'utf8')))
      if (value !== undefined) Object.assign(configuration, await settingsOf(name, value))
    } catch (cause) {
      throw new Error(`couldn't init admission plugin ${JSON.stringify(name)}: ${(cause as Error).message}`, { cause })
    }
  }
  return configuration
}

/** Entries for plugins that take no configuration mean nothing, as upstream has it. */
async function settingsOf(name: string, value: JsonObject): Promise<AdmissionConfiguration> {
  switch (name) {
    case 'PodSecurity': return { podSecurity: parsePodSecurity(value) }
    case 'PodNodeSelector': return { podNodeSelector: parseNodeSelectors(value) }
    case 'PodTolerationRestriction': return { podTolerationRestriction: parseTolerationRestriction(value) }
    case 'EventRateLimit': return { eventRateLimit: parseEventLimits(value) }
    case 'ImagePolicyWebhook': return { imagePolicy: await readImagePolicy(value) }
    case 'ResourceQuota': return { limitedResources: parseLimitedResources(value) }
    case 'MutatingAdmissionWebhook': return credentialsAs('mutatingWebhooks', await readWebhookAdmission(value))
    case 'ValidatingAdmissionWebhook': return credentialsAs('validatingWebhooks', await readWebhookAdmission(value))
    default: return {}
  }
}

function credentialsAs(field: 'mutatingWebhooks' | 'validatingWebhooks', credentials: WebhookCredentials | undefined): AdmissionConfiguration {
  return credentials === undefined ? {} : { [field]: credentials }
}

const podSecurityGroup = 'pod-security.admission.config.k8s.io'

export function parsePodSecurity(value: JsonObject): PodSecurityOptions {
  expectKind(value, ...['v1', 'v1beta1', 'v1alpha1'].map((version) => `${podSecurityGroup}/${version} PodSecurityConfiguration`))
  onlyFields(value, '', 'defaults', 'exemptions')
  const defaults = mappingAt(value, 'defaults')
  onlyFields(defaults, 'defaults', ...modes.flatMap((mode) => [mode, `${mode}-version`]))
  const policyFor = (mode: Mode): LevelVersion => {
    const [levelText, versionText] = [textAt(defaults, mode), textAt(defaults, `${mode}-version`)]
    const level = parseLevel(levelText === '' ? 'privileged' : levelText)
    const minor = parseVersion(versionText === '' ? 'latest' : versionText)
    if (level === undefined) throw new Error(`defaults.${mode}: Invalid value: ${JSON.stringify(levelText)}: ${levelProblem}`)
    if (minor === undefined) throw new Error(`defaults.${mode}-version: Invalid value: ${JSON.stringify(versionText)}: ${versionProblem}`)
    return { level, minor }
  }
  const given = mappingAt(value, 'exemptions')
  onlyFields(given, 'exemptions', 'usernames', 'namespaces', 'runtimeClasses')
  const names = (field: 'usernames' | 'namespaces' | 'runtimeClasses', problem: (name: string) => string | undefined): readonly string[] => {
    const list = textsAt(given, field)
    for (const [i, name] of list.entries()) {
      const because = problem(name)
      if (because !== undefined) throw new Error(`exemptions.${field}[${i}]: Invalid value: ${JSON.stringify(name)}: ${because}`)
      if (list.indexOf(name) !== i) throw new Error(`exemptions.${field}[${i}]: Duplicate value: ${JSON.stringify(name)}`)
    }
    return list
  }
  return {
    defaults: { enforce: policyFor('enforce'), audit: policyFor('audit'), warn: policyFor('warn') },
    exemptions: {
      usernames: names('usernames', (name) => (name === '' ? 'username must not be empty' : undefined)),
      namespaces: names('namespaces', (name) => (dnsLabelErrors(name).join(', ') || undefined)),
      runtimeClasses: names('runtimeClasses', (name) => (dnsSubdomainErrors(name).join(', ') || undefined)),
    },
  }
}

export function parseNodeSelectors(value: JsonObject): NodeSelectors {
  const selectors = mappingAt(value, 'podNodeSelectorPluginConfig')
  for (const name of Object.keys(selectors)) labelsOfSelector(textAt(selectors, name))
  return selectors as NodeSelectors
}

export function parseTolerationRestriction(value: JsonObject): TolerationRestriction {
  expectKind(value, 'podtolerationrestriction.admission.k8s.io/v1alpha1 Configuration')
  onlyFields(value, '', 'default', 'whitelist')
  const tolerations = (field: 'default' | 'whitelist'): readonly Toleration[] => listAt(value, field).map((toleration, i) => {
    if (!isJsonObject(toleration)) throw new Error(`${field}[${i}]: must be a mapping`)
    onlyFields(toleration, `${field}[${i}]`, 'key', 'operator', 'value', 'effect', 'tolerationSeconds')
    const { operator = 'Equal', effect = '' } = toleration
    if (operator !== 'Equal' && operator !== 'Exists') throw new Error(`${field}[${i}].operator: Unsupported value: ${JSON.stringify(operator)}: supported values: "Equal", "Exists"`)
    if (!['', 'NoSchedule', 'PreferNoSchedule', 'NoExecute'].includes(effect as string)) throw new Error(`${field}[${i}].effect: Unsupported value: ${JSON.stringify(effect)}: supported values: "NoExecute", "NoSchedule", "PreferNoSchedule"`)
    return toleration as Toleration
  })
  return { default: tolerations('default'), whitelist: tolerations('whitelist') }
}

const limitTypes: readonly EventLimitType[] = ['Server', 'Namespace', 'User', 'SourceAndObject']

export function parseEventLimits(value: JsonObject): EventLimit[] {
  expectKind(value, 'eventratelimit.admission.k8s.io/v1alpha1 Configuration')
  onlyFields(value, '', 'limits')
  const limits = listAt(value, 'limits')
  if (limits.length === 0) throw new Error('limits: Invalid value: []: must not be empty')
  return limits.map((limit, i) => {
    if (!isJsonObject(limit)) throw new Error(`limits[${i}]: must be a mapping`)
    onlyFields(limit, `limits[${i}]`, 'type', 'qps', 'burst', 'cacheSize')
    const type = limitTypes.find((known) => known === limit.type)
    if (type === undefined) throw new Error(`limits[${i}].type: Unsupported value: ${JSON.stringify(limit.type ?? '')}: supported values: ${limitTypes.toSorted().map((known) => JSON.stringify(known)).join(', ')}`)
    const [qps, burst, cacheSize] = [numberAt(limit, 'qps'), numberAt(limit, 'burst'), numberAt(limit, 'cacheSize')]
    if (burst <= 0) throw new Error(`limits[${i}].burst: Invalid value: ${burst}: must be positive`)
    if (qps <= 0) throw new Error(`limits[${i}].qps: Invalid value: ${qps}: must be positive`)
    if (cacheSize < 0) throw new Error(`limits[${i}].cacheSize: Invalid value: ${cacheSize}: must not be negative`)
    return { type, qps, burst, cacheSize: cacheSize === 0 ? defaultEventCacheSize : cacheSize }
  })
}

/** A length of time of the image policy file, in `unitMs`: 0 is the default, -1 none. */
function imagePolicyMs(value: JsonObject, field: string, unitMs: number, range: { defaultMs: number; minMs: number; maxMs: number }): number {
  const number = numberAt(value, field)
  if (number === -1) return 0
  if (number === 0) return range.defaultMs
  const ms = number * unitMs
  if (ms <= range.minMs || ms > range.maxMs) throw new Error(`${field}: valid value is between ${range.minMs} and ${range.maxMs} milliseconds, got ${ms}`)
  return ms
}

const ttlRange = { minMs: 1000, maxMs: 30 * 60_000 }

async function readImagePolicy(value: JsonObject): Promise<ImagePolicyOptions> {
  onlyFields(value, '', 'imagePolicy', 'podNodeSelectorPluginConfig')
  const policy = mappingAt(value, 'imagePolicy')
  onlyFields(policy, 'imagePolicy', 'kubeConfigFile', 'allowTTL', 'denyTTL', 'retryBackoff', 'defaultAllow')
  const file = textAt(policy, 'kubeConfigFile')
  if (file === '') throw new Error('imagePolicy.kubeConfigFile must be set')
  const config = await loadKubeconfig(file)
  const context = config.contexts.find(({ name }) => name === config['current-context'])?.context
  const cluster = config.clusters.find(({ name }) => name === context?.cluster)?.cluster ?? config.clusters[0]?.cluster
  if (cluster === undefined) throw new Error(`${file} names no cluster`)
  const authority = cluster['certificate-authority-data'] ?? (cluster['certificate-authority'] === undefined ? undefined : (await readFile(cluster['certificate-authority'])).toString('base64'))
  return {
    target: { url: cluster.server, ...(authority === undefined ? {} : { caBundle: authority }) }, credentials: await webhookCredentials(file),
    allowTtlMs: imagePolicyMs(policy, 'allowTTL', 1000, { defaultMs: 5 * 60_000, ...ttlRange }), denyTtlMs: imagePolicyMs(policy, 'denyTTL', 1000, { defaultMs: 30_000, ...ttlRange }),
    retryBackoffMs: imagePolicyMs(policy, 'retryBackoff', 1, { defaultMs: 500, minMs: 0, maxMs: 5 * 60_000 }), defaultAllow: policy.defaultAllow === true,
  }
}

export function parseLimitedResources(value: JsonObject): LimitedResource[] {
  expectKind(value, 'apiserver.config.k8s.io/v1 ResourceQuotaConfiguration', 'resourcequota.admission.k8s.io/v1beta1 Configuration', 'resourcequota.admission.k8s.io/v1alpha1 Configuration')
  onlyFields(value, '', 'limitedResources')
  return listAt(value, 'limitedResources').map((limited, i) => {
    if (!isJsonObject(limited)) throw new Error(`limitedResources[${i}]: must be a mapping`)
    onlyFields(limited, `limitedResources[${i}]`, 'apiGroup', 'resource', 'matchContains', 'matchScopes')
    const resource = textAt(limited, 'resource')
    if (resource === '') throw new Error(`limitedResources[${i}].resource: Required value`)
    return {
      group: textAt(limited, 'apiGroup'), resource, matchContains: textsAt(limited, 'matchContains'), matchScopes: listAt(limited, 'matchScopes') as readonly ScopedResourceSelectorRequirement[],
    }
  })
}

async function readWebhookAdmission(value: JsonObject): Promise<WebhookCredentials | undefined> {
  expectKind(value, 'apiserver.config.k8s.io/v1 WebhookAdmissionConfiguration', 'apiserver.config.k8s.io/v1alpha1 WebhookAdmission')
  onlyFields(value, '', 'kubeConfigFile', 'staticManifestsDir')
  const file = textAt(value, 'kubeConfigFile')
  const directory = textAt(value, 'staticManifestsDir')
  if (directory !== '') throw new Error(`static webhook manifests dir ${JSON.stringify(directory)} configured but ManifestBasedAdmissionControlConfig feature gate is not enabled`)
  if (file !== '' && !isAbsolute(file)) throw new Error(`kubeConfigFile: Invalid value: ${JSON.stringify(file)}: must be an absolute file path`)
  return file === '' ? undefined : await webhookCredentials(file)
}
