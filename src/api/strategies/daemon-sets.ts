import { semanticEqual } from '../../machinery/equality.ts'
import type { OpenObject } from '../../machinery/object.ts'
import { templateGenerationKey } from '../defaults/workloads.ts'
import type { Strategy } from '../resource.ts'

/** `spec.templateGeneration` of older versions, which v1 has in an annotation; users can neither set nor drop it. */

function generationOf({ metadata }: Readonly<OpenObject>): number {
  const text = metadata.annotations?.[templateGenerationKey] ?? ''
  return /^[+-]?\d{1,18}$/.test(text) ? Number(text) : 0
}

function setGeneration({ metadata }: OpenObject, generation: number): void {
  metadata.annotations = { ...metadata.annotations, [templateGenerationKey]: String(generation) }
}

const templateOf = (object: Readonly<OpenObject>): unknown => (object.spec as { template?: unknown } | undefined)?.template

export const daemonSetStrategy: Strategy = {
  prepareForCreate: (object) => setGeneration(object, Math.max(1, generationOf(object))),
  prepareForUpdate: (object, old) => setGeneration(object, generationOf(old) + (semanticEqual(templateOf(object), templateOf(old)) ? 0 : 1)),
}

export const daemonSetStatusStrategy: Strategy = { prepareForUpdate: (object, old) => setGeneration(object, generationOf(old)) }
