import type { ObjectMeta } from '../../machinery/object.ts'
import { parseQuantity, quantityText } from '../../machinery/quantity.ts'
import type { Affinity, Container, NodeSelectorTerm, PodAffinityTerm, PodSpec } from '../types/core_v1.ts'

/** Warnings about a pod or a pod template: things that are valid and yet most likely a mistake (upstream's `pkg/api/pod/warnings.go`). */

export const oldNodeLabels: Record<string, string> = {
  'beta.kubernetes.io/arch': 'deprecated since v1.14; use "kubernetes.io/arch" instead',
  'beta.kubernetes.io/os': 'deprecated since v1.14; use "kubernetes.io/os" instead',
  'failure-domain.beta.kubernetes.io/region': 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
  'failure-domain.beta.kubernetes.io/zone': 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
  'beta.kubernetes.io/instance-type': 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
}

export const oldVolumes: Record<string, string> = {
  gitRepo: 'deprecated in v1.11, and disabled by default in v1.33+', cephfs: 'deprecated in v1.28, non-functional in v1.31+', rbd: 'deprecated in v1.28, non-functional in v1.31+',
  glusterfs: 'deprecated in v1.25, non-functional in v1.26+', scaleIO: 'deprecated in v1.16, non-functional in v1.22+', flocker: 'deprecated in v1.22, non-functional in v1.25+',
  storageos: 'deprecated in v1.22, non-functional in v1.25+', quobyte: 'deprecated in v1.22, non-functional in v1.25+', photonPersistentDisk: 'deprecated in v1.11, non-functional in v1.16+',
}

/** `specPath` is `spec` or `spec.template.spec`; `metaPath` the same for the metadata, '' for the pod's own. */
export function podTemplateWarnings(metadata: Readonly<ObjectMeta> | undefined, spec: Readonly<PodSpec> | undefined, metaPath: string, specPath: string): string[] {
  if (spec === undefined) return []
  const out: string[] = []
  for (const key of Object.keys(spec.nodeSelector ?? {})) if (Object.hasOwn(oldNodeLabels, key)) out.push(`${specPath}.nodeSelector[${key}]: ${oldNodeLabels[key]}`)
  affinityWarnings(out, spec.affinity, `${specPath}.affinity`)
  for (const [i, { topologyKey, labelSelector }] of (spec.topologySpreadConstraints ?? []).entries()) {
    const at = `${specPath}.topologySpreadConstraints[${i}]`
    if (Object.hasOwn(oldNodeLabels, topologyKey)) out.push(`${at}.topologyKey: ${topologyKey} is ${oldNodeLabels[topologyKey]}`)
    if (labelSelector === undefined) out.push(`${at}.labelSelector: a null labelSelector results in matching no pod`)
  }
  annotationWarnings(out, metadata, metaPath)
  for (const [i, alias] of (spec.hostAliases ?? []).entries()) {
    if ((spec.hostAliases ?? []).findIndex((other) => other.ip === alias.ip) < i) out.push(`${specPath}.hostAliases[${i}].ip: duplicate ip "${alias.ip}"`)
  }
  for (const [i, volume] of (spec.volumes ?? []).entries()) {
    for (const kind of Object.keys(oldVolumes)) if ((volume as unknown as Record<string, unknown>)[kind] !== undefined) out.push(`${specPath}.volumes[${i}].${kind === 'storageos' ? 'storageOS' : kind}: ${oldVolumes[kind]}`)
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

function affinityWarnings(out: string[], affinity: Readonly<Affinity> | undefined, path: string): void {
  if (affinity === undefined) return
  const termWarnings = ({ matchExpressions = [] }: Readonly<NodeSelectorTerm>, at: string): void => {
    for (const [i, { key }] of matchExpressions.entries()) if (Object.hasOwn(oldNodeLabels, key)) out.push(`${at}.matchExpressions[${i}].key: ${key} is ${oldNodeLabels[key]}`)
  }
  const node = affinity.nodeAffinity
  const required = 'requiredDuringSchedulingIgnoredDuringExecution'
  const preferred = 'preferredDuringSchedulingIgnoredDuringExecution'
  for (const [i, term] of (node?.[required]?.nodeSelectorTerms ?? []).entries()) termWarnings(term, `${path}.nodeAffinity.${required}.nodeSelectorTerms[${i}]`)
  for (const [i, { preference }] of (node?.[preferred] ?? []).entries()) termWarnings(preference ?? {}, `${path}.nodeAffinity.${preferred}[${i}].preference`)
  for (const kind of ['podAffinity', 'podAntiAffinity'] as const) {
    const terms: Array<[Readonly<PodAffinityTerm>, string]> = [
      ...(affinity[kind]?.[required] ?? []).map((term, i): [PodAffinityTerm, string] => [term, `${path}.${kind}.${required}[${i}]`]),
      ...(affinity[kind]?.[preferred] ?? []).map(({ podAffinityTerm }, i): [PodAffinityTerm, string] => [podAffinityTerm, `${path}.${kind}.${preferred}[${i}].podAffinityTerm`]),
    ]
    for (const [term, at] of terms) if (term !== undefined && term.labelSelector === undefined) out.push(`${at}.labelSelector: a null labelSelector results in matching no pod`)
  }
}

/** Annotations that fields have taken the place of. AppArmor's are the pod strategy's to warn of, for pods; here for templates. */
function annotationWarnings(out: string[], metadata: Readonly<ObjectMeta> | undefined, metaPath: string): void {
  const path = `${metaPath === '' ? 'metadata' : metaPath}.annotations`
  for (const key of Object.keys(metadata?.annotations ?? {})) {
    if (key === 'seccomp.security.alpha.kubernetes.io/pod' || key.startsWith('container.seccomp.security.alpha.kubernetes.io/')) out.push(`${path}[${key}]: non-functional in v1.27+; use the "seccompProfile" field instead`)
    else if (key === 'security.alpha.kubernetes.io/sysctls' || key === 'security.alpha.kubernetes.io/unsafe-sysctls') out.push(`${path}[${key}]: non-functional in v1.11+; use the "sysctls" field instead`)
    else if (key === 'scheduler.alpha.kubernetes.io/critical-pod') out.push(`${path}[${key}]: non-functional in v1.16+; use the "priorityClassName" field instead`)
    else if (metaPath !== '' && key.startsWith('container.apparmor.security.beta.kubernetes.io/')) out.push(`${path}[${key}]: deprecated since v1.30; use the "appArmorProfile" field instead`)
  }
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
