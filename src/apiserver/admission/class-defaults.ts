import type { PersistentVolumeClaim, PodSpec } from '../../api/types/core_v1.ts'
import type { Ingress, IngressClass } from '../../api/types/networking.k8s.io_v1.ts'
import type { RuntimeClass } from '../../api/types/node.k8s.io_v1.ts'
import type { StorageClass } from '../../api/types/storage.k8s.io_v1.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { resourceNameProblem } from '../../machinery/names.ts'
import type { KubeObject } from '../../machinery/object.ts'
import { errors } from '../../machinery/status.ts'
import type { AdmissionAttributes, AdmissionPlugin } from '../context.ts'
import type { ApiServerCore } from '../core.ts'
import { whenKnown, type Known } from '../known.ts'
import { admittedPod, isCore, refusal } from './refusal.ts'

/** Objects annotated as default, newest first, then by name: the order in which upstream takes one of several. */
function newestDefault<T extends KubeObject>(all: readonly T[], ...annotations: string[]): T | undefined {
  const marked = all.filter((candidate) => annotations.some((annotation) => candidate.metadata.annotations?.[annotation] === 'true'))
  return marked.toSorted((a, b) => {
    const [atA, atB] = [a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? '']
    return atA === atB ? (a.metadata.name! < b.metadata.name! ? -1 : 1) : atA > atB ? -1 : 1
  })[0]
}

/** A claim that names no storage class gets the default one. */
export function defaultStorageClass(core: ApiServerCore): AdmissionPlugin {
  const classes = core.resource('storageclasses', 'storage.k8s.io')
  return {
    name: 'DefaultStorageClass',
    handles: (operation) => operation === 'CREATE',
    resources: ['persistentvolumeclaims'],
    async mutate(attributes) {
      if (!isCore(attributes, 'persistentvolumeclaims')) return
      const claim = attributes.object as PersistentVolumeClaim
      // '' is a choice too: no class.
      if (claim.spec === undefined || claim.spec.storageClassName !== undefined || claim.metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] !== undefined) return
      const all = await core.registry.list(classes) as unknown as readonly StorageClass[]
      const chosen = newestDefault(all, 'storageclass.kubernetes.io/is-default-class', 'storageclass.beta.kubernetes.io/is-default-class')
      if (chosen !== undefined) claim.spec.storageClassName = chosen.metadata.name!
    },
  }
}

/** An Ingress that names no class gets the default one. */
export function defaultIngressClass(core: ApiServerCore): AdmissionPlugin {
  const classes = core.resource('ingressclasses', 'networking.k8s.io')
  return {
    name: 'DefaultIngressClass',
    handles: (operation) => operation === 'CREATE',
    resources: ['ingresses.networking.k8s.io'],
    async mutate(attributes) {
      const { resource, subresource } = attributes
      if (resource.group !== 'networking.k8s.io' || resource.resource !== 'ingresses' || subresource !== '') return
      const ingress = attributes.object as Ingress
      if (ingress.spec?.ingressClassName !== undefined || ingress.metadata.annotations?.['kubernetes.io/ingress.class'] !== undefined) return
      const all = await core.registry.list(classes) as unknown as readonly IngressClass[]
      const chosen = newestDefault(all, 'ingressclass.kubernetes.io/is-default-class')
      if (chosen !== undefined) ingress.spec = { ...ingress.spec, ingressClassName: chosen.metadata.name! }
    },
  }
}

/** A pod's runtime class brings its overhead, node selector and tolerations along (KEP-585, KEP-688). */
export function runtimeClass(core: ApiServerCore): AdmissionPlugin {
  const classes = core.resource('runtimeclasses', 'node.k8s.io')
  const find = (name: string): Known<RuntimeClass | undefined> => core.registry.findNow(classes, '', name) as Known<RuntimeClass | undefined>

  async function follow(attributes: AdmissionAttributes, spec: PodSpec, name: string): Promise<void> {
    const problem = resourceNameProblem(name)
    if (problem !== undefined) throw errors.plain(problem)
    const found = await find(name)
    if (found === undefined) throw refusal(attributes, `pod rejected: RuntimeClass ${JSON.stringify(name)} not found`)
    const overhead = found.overhead?.podFixed
    if (overhead !== undefined) {
      if (spec.overhead !== undefined && !semanticEqual(spec.overhead, overhead)) throw refusal(attributes, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")
      spec.overhead = { ...overhead }
    }
    for (const [key, value] of Object.entries(found.scheduling?.nodeSelector ?? {})) {
      const own = spec.nodeSelector?.[key]
      if (own !== undefined && own !== value) throw refusal(attributes, `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${own}`)
      spec.nodeSelector = { ...spec.nodeSelector, [key]: value }
    }
    const missing = (found.scheduling?.tolerations ?? []).filter((toleration) => !(spec.tolerations ?? []).some((own) => semanticEqual(own, toleration)))
    if (missing.length > 0) spec.tolerations = [...(spec.tolerations ?? []), ...structuredClone(missing)]
  }

  return {
    name: 'RuntimeClass',
    handles: (operation) => operation === 'CREATE',
    resources: ['pods'],
    mutate(attributes) {
      const spec = admittedPod(attributes)?.spec
      return spec?.runtimeClassName === undefined ? undefined : follow(attributes, spec, spec.runtimeClassName)
    },
    validate(attributes) {
      const spec = admittedPod(attributes)?.spec
      if (spec === undefined) return
      return whenKnown(spec.runtimeClassName === undefined ? undefined : find(spec.runtimeClassName), (found) => {
        const overhead = found?.overhead?.podFixed
        if (overhead !== undefined && !semanticEqual(overhead, spec.overhead)) throw refusal(attributes, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")
        if (overhead === undefined && Object.keys(spec.overhead ?? {}).length > 0) throw refusal(attributes, 'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead')
      })
    },
  }
}
