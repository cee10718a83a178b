import type { ConfigMap, Container, EnvVar, Secret, Service } from '../api/types/core_v1.ts'
import { podField, resourceField, type PodPlace } from './downward.ts'
import { expand } from './expansion.ts'
import type { BoundPod } from './pods.ts'

/** Config maps and secrets that a pod refers to. Rejects with `configmap "x" not found` and the like. */
export interface ObjectSource {
  configMap(pod: BoundPod, name: string): Promise<ConfigMap>
  secret(pod: BoundPod, name: string): Promise<Secret>
}

/** The object is not there, as opposed to not being told. */
export class ObjectNotFound extends Error {}

/** `name` is no longer used when it isn't there and need not be. */
async function optional<T>(isOptional: boolean | undefined, get: () => Promise<T>): Promise<T | undefined> {
  try {
    return await get()
  } catch (error) {
    if (error instanceof ObjectNotFound && isOptional === true) return undefined
    throw error
  }
}

const hostVariable = (name: string): string => name.toUpperCase().replaceAll('-', '_')

/** Docker-links-like variables of the services that a pod may know of (upstream `pkg/kubelet/envvars`). */
export function serviceVariables(services: readonly Service[], namespace: string, enableServiceLinks: boolean): Map<string, string> {
  const result = new Map<string, string>()
  const wanted = services.filter(({ metadata }) => (metadata.namespace === 'default' && metadata.name === 'kubernetes') || (enableServiceLinks && metadata.namespace === namespace))
  // The namespace's own services come last, so that they win over the default one's.
  for (const { metadata, spec } of wanted.sort((a, b) => Number(a.metadata.namespace === namespace) - Number(b.metadata.namespace === namespace))) {
    const ip = spec?.clusterIP
    const ports = spec?.ports ?? []
    if (ip === undefined || ip === '' || ip === 'None' || ports.length === 0) continue
    const prefix = hostVariable(metadata.name ?? '')
    const address = ip.includes(':') ? `[${ip}]` : ip
    result.set(`${prefix}_SERVICE_HOST`, ip)
    result.set(`${prefix}_SERVICE_PORT`, String(ports[0]!.port))
    for (const { name, port } of ports) if (name !== undefined && name !== '') result.set(`${prefix}_SERVICE_PORT_${hostVariable(name)}`, String(port))
    for (const [at, { port, protocol = 'TCP' }] of ports.entries()) {
      const scheme = protocol.toLowerCase()
      const portPrefix = `${prefix}_PORT_${port}_${protocol.toUpperCase()}`
      if (at === 0) result.set(`${prefix}_PORT`, `${scheme}://${address}:${port}`)
      result.set(portPrefix, `${scheme}://${address}:${port}`)
      result.set(`${portPrefix}_PROTO`, scheme)
      result.set(`${portPrefix}_PORT`, String(port))
      result.set(`${portPrefix}_ADDR`, ip)
    }
  }
  return result
}

export interface EnvInput { pod: BoundPod; container: Container; services: readonly Service[]; objects: ObjectSource; place: PodPlace }

async function fromSources({ pod, container, objects }: EnvInput, set: (name: string, value: string) => void): Promise<void> {
  for (const source of container.envFrom ?? []) {
    const prefix = source.prefix ?? ''
    if (source.configMapRef !== undefined) {
      const { name = '', optional: isOptional } = source.configMapRef
      const configMap = await optional(isOptional, () => objects.configMap(pod, name))
      for (const [key, value] of Object.entries(configMap?.data ?? {})) set(prefix + key, value)
    } else if (source.secretRef !== undefined) {
      const { name = '', optional: isOptional } = source.secretRef
      const secret = await optional(isOptional, () => objects.secret(pod, name))
      for (const [key, value] of Object.entries(secret?.data ?? {})) set(prefix + key, Buffer.from(value, 'base64').toString('utf8'))
    }
  }
}

async function valueFrom({ pod, container, objects, place }: EnvInput, { valueFrom: source }: EnvVar): Promise<string | undefined> {
  if (source?.fieldRef !== undefined) return podField(pod, source.fieldRef, place)
  if (source?.resourceFieldRef !== undefined) return resourceField(pod, container, source.resourceFieldRef, place)
  if (source?.configMapKeyRef !== undefined) {
    const { name = '', key, optional: isOptional } = source.configMapKeyRef
    const value = (await optional(isOptional, () => objects.configMap(pod, name)))?.data?.[key]
    if (value === undefined && isOptional !== true) throw new Error(`couldn't find key ${key} in ConfigMap ${pod.metadata.namespace}/${name}`)
    return value
  }
  if (source?.secretKeyRef !== undefined) {
    const { name = '', key, optional: isOptional } = source.secretKeyRef
    const value = (await optional(isOptional, () => objects.secret(pod, name)))?.data?.[key]
    if (value === undefined && isOptional !== true) throw new Error(`couldn't find key ${key} in Secret ${pod.metadata.namespace}/${name}`)
    return value === undefined ? undefined : Buffer.from(value, 'base64').toString('utf8')
  }
  throw new Error(`the environment variable has a source that this kubelet does not know: ${JSON.stringify(source)}`)
}

/** The container's environment in order. Later definitions win; `$(NAME)` sees those before it and the service variables. */
export async function containerEnv(input: EnvInput): Promise<Map<string, string>> {
  const { pod, container, services } = input
  const serviceEnv = serviceVariables(services, pod.metadata.namespace, pod.spec.enableServiceLinks !== false)
  const result = new Map<string, string>()
  await fromSources(input, (name, value) => void result.set(name, value))
  for (const variable of container.env ?? []) {
    const value = variable.valueFrom === undefined ? expand(variable.value ?? '', (name) => result.get(name) ?? serviceEnv.get(name)) : await valueFrom(input, variable)
    if (value !== undefined) result.set(variable.name, value)
  }
  for (const [name, value] of serviceEnv) if (!result.has(name)) result.set(name, value)
  return result
}

/** Command and arguments with their variables put in. */
export function expandedCommand(container: Container, env: ReadonlyMap<string, string>): { command: string[]; args: string[] } {
  const lookup = (name: string): string | undefined => env.get(name)
  return { command: (container.command ?? []).map((text) => expand(text, lookup)), args: (container.args ?? []).map((text) => expand(text, lookup)) }
}
