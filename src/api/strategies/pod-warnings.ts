import type { ObjectMeta } from '../../machinery/object.ts'
import { parseQuantity, quantityText } from '../../machinery/quantity.ts'
import type { Container, PodSpec } from '../types/core_v1.ts'

/** Warnings about a pod or a pod template: things that are valid and yet most likely a mistake (upstream's `pkg/api/pod/warnings.go`). */

const oldNodeLabels: Record<string, string> = {
  'beta.kubernetes.io/arch': 'deprecated since v1.14; use "kubernetes.io/arch" instead',
  'beta.kubernetes.io/os': 'deprecated since v1.14; use "kubernetes.io/os" instead',
  'failure-domain.beta.kubernetes.io/region': 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
  'failure-domain.beta.kubernetes.io/zone': 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
  'beta.kubernetes.io/instance-type': 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
}

const oldVolumes: Record<string, string> = {
  gitRepo: 'deprecated in v1.11', cephfs: 'deprecated in v1.28, non-functional in v1.31+', rbd: 'deprecated in v1.28, non-functional in v1.31+',
  glusterfs: 'deprecated in v1.25, non-functional in v1.26+', scaleIO: 'deprecated in v1.16, non-functional in v1.22+', flocker: 'deprecated in v1.22, non-functional in v1.25+',
  storageos: 'deprecated in v1.22, non-functional in v1.25+', quobyte: 'deprecated in v1.22, non-functional in v1.25+', photonPersistentDisk: 'deprecated in v1.11, non-functional in v1.16+',
}

/** `specPath` is `spec` or `spec.template.spec`; `metaPath` the same for the metadata, '' for the pod's own. */
export function podTemplateWarnings(metadata: Readonly<ObjectMeta> | undefined, spec: Readonly<PodSpec> | undefined, metaPath: string, specPath: string): string[] {
  if (spec === undefined) return []
  const out: string[] = []
  for (const key of Object.keys(spec.nodeSelector ?? {})) if (Object.hasOwn(oldNodeLabels, key)) out.push(`${specPath}.nodeSelector[${key}]: ${oldNodeLabels[key]}`)
  const annotations = metadata?.annotations ?? {}
  for (const key of Object.keys(annotations)) {
    if (key.startsWith('container.apparmor.security.beta.kubernetes.io/')) out.push(`${metaPath === '' ? 'metadata' : metaPath}.annotations[${key}]: deprecated since v1.30; use the "appArmorProfile" field instead`)
  }
  for (const [i, alias] of (spec.hostAliases ?? []).entries()) {
    if ((spec.hostAliases ?? []).findIndex((other) => other.ip === alias.ip) < i) out.push(`${specPath}.hostAliases[${i}].ip: duplicate ip "${alias.ip}"`)
  }
  for (const [i, volume] of (spec.volumes ?? []).entries()) {
    for (const kind of Object.keys(oldVolumes)) if ((volume as unknown as Record<string, unknown>)[kind] !== undefined) out.push(`${specPath}.volumes[${i}].${kind}: ${oldVolumes[kind]}`)
  }
  for (const [i, { name }] of (spec.imagePullSecrets ?? []).entries()) {
    if ((name ?? '') === '') out.push(`${specPath}.imagePullSecrets[${i}].name: invalid empty name ""`)
    else if ((spec.imagePullSecrets ?? []).findIndex((other) => other.name === name) < i) out.push(`${specPath}.imagePullSecrets[${i}].name: duplicate name "${name}"`)
  }
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0) out.push(`${specPath}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1`)
  for (const [i, container] of (spec.initContainers ?? []).entries()) out.push(...containerWarnings(container, `${specPath}.initContainers[${i}]`))
  for (const [i, container] of (spec.containers ?? []).entries()) out.push(...containerWarnings(container, `${specPath}.containers[${i}]`))
  return out
}

function containerWarnings(container: Readonly<Container>, path: string): string[] {
  const out: string[] = []
  const lastAt = new Map<string, number>()
  for (const [i, variable] of (container.env ?? []).entries()) {
    // A variable built on its earlier value is no mistake: PATH=/x:$(PATH).
    if (lastAt.has(variable.name) && !(variable.value ?? '').includes(`$(${variable.name})`)) out.push(`${path}.env[${i}]: hides previous definition of "${variable.name}", which may be dropped when using apply`)
    lastAt.set(variable.name, i)
  }
  for (const kind of ['requests', 'limits'] as const) {
    for (const name of ['memory', 'ephemeral-storage']) {
      const amount = container.resources?.[kind]?.[name]
      if (amount !== undefined && parseQuantity(amount).scale < 0 && /[mun]$/.test(quantityText(parseQuantity(amount)))) {
        out.push(`${path}.resources.${kind}[${name}]: fractional byte value "${amount}" is invalid, must be an integer`)
      }
    }
  }
  const seen = new Map<string, number>()
  for (const [i, port] of (container.ports ?? []).entries()) {
    const key = `${port.containerPort}/${port.protocol ?? 'TCP'}/${port.hostPort ?? 0}/${port.hostIP ?? ''}`
    const first = seen.get(key)
    if (first !== undefined) out.push(`${path}.ports[${i}]: duplicate port definition with ${path}.ports[${first}]`)
    else seen.set(key, i)
  }
  return out
}
