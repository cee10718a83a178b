import { errors } from '../../machinery/status.ts'
import type { Pod } from '../../api/types/core_v1.ts'
import type { AdmissionAttributes, AdmissionPlugin } from '../context.ts'
import type { ApiServerCore } from '../core.ts'
import { plainServerError } from '../plain-error.ts'
import { admittedPod } from './refusal.ts'
import { namespaceOf } from './webhooks/matching.ts'

/** By namespace, what its pods may select at most; `clusterDefaultNodeSelector` for namespaces that say nothing. As `a=b,c=d`. */
export type NodeSelectors = Readonly<Record<string, string>>

type LabelSet = Readonly<Record<string, string>>

const annotation = 'scheduler.alpha.kubernetes.io/node-selector'

/** `a=b,c=d` as labels. Throws an `Error` for anything else. */
export function labelsOfSelector(text: string): LabelSet {
  if (text === '') return {}
  const labels: Record<string, string> = {}
  for (const part of text.split(',')) {
    const [key, value, ...rest] = part.split('=')
    if (value === undefined || rest.length > 0) throw new Error(`invalid selector: [${part}]`)
    labels[key!.trim()] = value.trim()
  }
  return labels
}

function conflict(a: LabelSet, b: LabelSet): boolean {
  return Object.keys(a).some((key) => b[key] !== undefined && b[key] !== a[key])
}

/** A namespace's pods run on nodes that the namespace says, by its annotation or by configuration. Off by default. */
export function podNodeSelector(core: ApiServerCore, selectors: NodeSelectors = {}): AdmissionPlugin {
  async function namespaceSelector(name: string): Promise<LabelSet> {
    const namespace = await namespaceOf(core, name)
    try {
      return labelsOfSelector(namespace.metadata.annotations?.[annotation] ?? selectors['clusterDefaultNodeSelector'] ?? '')
    } catch (cause) {
      throw plainServerError((cause as Error).message)
    }
  }

  async function check(attributes: AdmissionAttributes, pod: Pod): Promise<void> {
    const refuse = (because: string): Error => errors.forbidden(attributes.resource, pod.metadata.name ?? '', because)
    const own = pod.spec.nodeSelector ?? {}
    const ofNamespace = await namespaceSelector(attributes.namespace)
    if (conflict(ofNamespace, own)) throw refuse('pod node label selector conflicts with its namespace node label selector')
    if (attributes.operation === 'CREATE' && Object.keys(ofNamespace).length > 0) pod.spec.nodeSelector = { ...ofNamespace, ...own }
    const allowed = Object.hasOwn(selectors, attributes.namespace) ? labelsOfSelector(selectors[attributes.namespace]!) : {}
    if (Object.keys(allowed).length > 0 && Object.entries(pod.spec.nodeSelector ?? {}).some(([key, value]) => allowed[key] !== value)) {
      throw refuse('pod node label selector labels conflict with its namespace whitelist')
    }
  }

  return {
    name: 'PodNodeSelector',
    handles: (operation) => operation === 'CREATE',
    resources: ['pods'],
    async mutate(attributes) {
      const pod = admittedPod(attributes)
      if (pod !== undefined) await check(attributes, pod)
    },
    // Once more, for what came after the first look.
    async validate(attributes) {
      const pod = admittedPod(attributes)
      if (pod !== undefined) await check({ ...attributes, operation: 'UPDATE' }, pod)
    },
  }
}
