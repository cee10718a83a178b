import type { ResourceDescription, UserInfo } from '../api/resource.ts'
import type { KubeObject } from '../machinery/object.ts'
import type { AdmissionAttributes, AdmissionOperation, AdmissionPlugin } from './context.ts'

/** What admission is told of one request. */
export interface AdmissionRequest {
  operation: AdmissionOperation
  resource: ResourceDescription
  subresource: string
  namespace: string
  name: string
  object: KubeObject | undefined
  oldObject: Readonly<KubeObject> | undefined
  user: UserInfo
  dryRun: boolean
  options: Readonly<Record<string, unknown>>
  warn(message: string): void
}

/** Plugins in order: all that mutate see a request before the first that only validates. */
export class AdmissionChain {
  readonly #plugins: readonly AdmissionPlugin[]

  constructor(plugins: readonly AdmissionPlugin[]) {
    this.#plugins = plugins
  }

  async mutate(request: AdmissionRequest): Promise<void> {
    const attributes = attributesOf(request)
    for (const plugin of this.#plugins) if (plugin.mutate !== undefined && plugin.handles(request.operation)) await plugin.mutate(attributes)
  }

  async validate(request: AdmissionRequest): Promise<void> {
    const attributes = attributesOf(request)
    for (const plugin of this.#plugins) if (plugin.validate !== undefined && plugin.handles(request.operation)) await plugin.validate(attributes)
  }
}

function attributesOf(request: AdmissionRequest): AdmissionAttributes {
  return { ...request, annotateAudit: () => undefined }
}
