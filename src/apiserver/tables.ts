import type { ResourceDescription, RowCondition } from '../api/resource.ts'
import type { KubeObject, OpenObject } from '../machinery/object.ts'

export type IncludeObject = 'None' | 'Metadata' | 'Object'

/** metav1.Table, as kubectl prints it. */
export interface Table {
  kind: 'Table'
  apiVersion: string
  metadata: { resourceVersion?: string; continue?: string; remainingItemCount?: number }
  columnDefinitions: { name: string; type: string; format: string; description: string; priority: number }[] | null
  rows: { cells: unknown[]; conditions?: readonly RowCondition[]; object?: unknown }[]
}

/** metav1.PartialObjectMetadata of an object. */
export function partialMetadata(object: Readonly<KubeObject>, version = 'v1'): KubeObject {
  return { kind: 'PartialObjectMetadata', apiVersion: `meta.k8s.io/${version}`, metadata: object.metadata }
}

export interface TableOptions { version: string; includeObject: IncludeObject; nowMs: number; withHeaders: boolean }

/** The rows that a resource's printer makes of objects, each with what `includeObject` asks for. */
export function tableOf(resource: ResourceDescription, objects: readonly Readonly<OpenObject>[], metadata: Table['metadata'], options: TableOptions): Table {
  return {
    kind: 'Table',
    apiVersion: `meta.k8s.io/${options.version}`,
    metadata,
    columnDefinitions: options.withHeaders
      ? resource.columns.map(({ name, type, format = '', description, priority = 0 }) => ({ name, type, format, description, priority }))
      : null,
    rows: objects.map((object) => {
      const cells = resource.printRow(object, options.nowMs)
      const conditions = resource.rowConditions?.(object)
      const head = { cells, ...(conditions === undefined ? {} : { conditions }) }
      if (options.includeObject === 'None') return { ...head, object: null }
      return { ...head, object: options.includeObject === 'Object' ? object : partialMetadata(object, options.version) }
    }),
  }
}
