import { groupResourceOf, type ResourceDescription, type UserInfo } from '../api/resource.ts'
import type { KubeObject } from '../machinery/object.ts'
import type { AdmissionAttributes, AdmissionOperation, AdmissionPlugin, Reinvocation } from './context.ts'
import type { AuditAnnotations } from './core.ts'

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
  /** Left out: nobody keeps a record. */
  audit?: AuditAnnotations | undefined
}

interface Chosen { mutating: readonly AdmissionPlugin[]; validating: readonly AdmissionPlugin[] }

/** Plugins in order: all that mutate see a request before the first that only validates. */
export class AdmissionChain {
  readonly #plugins: readonly AdmissionPlugin[]
  /** The plugins that a request meets, worked out once for each operation on each resource. */
  readonly #chosen: Record<AdmissionOperation, WeakMap<ResourceDescription, Chosen>> = { CREATE: new WeakMap(), UPDATE: new WeakMap(), DELETE: new WeakMap(), CONNECT: new WeakMap() }

  constructor(plugins: readonly AdmissionPlugin[]) {
    this.#plugins = plugins
  }

  async mutate(request: AdmissionRequest): Promise<void> {
    const { mutating } = this.#chosenFor(request)
    if (mutating.length === 0) return
    const reinvocation = new OneReinvocation()
    const attributes = attributesOf(request, reinvocation)
    for (;;) {
      for (const plugin of mutating) {
        const answer = plugin.mutate!(attributes)
        if (answer instanceof Promise) await answer
      }
      if (!reinvocation.begin()) return
    }
  }

  async validate(request: AdmissionRequest): Promise<void> {
    const { validating } = this.#chosenFor(request)
    if (validating.length === 0) return
    const attributes = attributesOf(request, new OneReinvocation())
    for (const plugin of validating) {
      const answer = plugin.validate!(attributes)
      if (answer instanceof Promise) await answer
    }
  }

  #chosenFor({ operation, resource }: AdmissionRequest): Chosen {
    const known = this.#chosen[operation].get(resource)
    if (known !== undefined) return known
    const name = groupResourceOf(resource)
    const plugins = this.#plugins.filter((plugin) => plugin.handles(operation) && (plugin.resources?.includes(name) ?? true))
    const chosen = { mutating: plugins.filter((plugin) => plugin.mutate !== undefined), validating: plugins.filter((plugin) => plugin.validate !== undefined) }
    this.#chosen[operation].set(resource, chosen)
    return chosen
  }
}

const ignored = (): void => undefined

function attributesOf(request: AdmissionRequest, reinvocation: Reinvocation): AdmissionAttributes {
  const { resource, namespace, name, audit } = request
  // A request that concerns a namespace itself lies in that namespace.
  const isNamespace = namespace === '' && resource.resource === 'namespaces' && resource.group === ''
  const annotateAudit = audit === undefined ? ignored : (key: string, value: string, level?: 'Request'): void => {
    if (level === undefined || audit.keepsRequest) audit.annotate(key, value)
  }
  return { ...request, namespace: isNamespace ? name : namespace, annotateAudit, reinvocation }
}

class OneReinvocation implements Reinvocation {
  isSecondRun = false
  #isAsked = false
  #state: Map<string, unknown> | undefined

  get state(): Map<string, unknown> {
    return (this.#state ??= new Map())
  }

  request(): void {
    this.#isAsked = true
  }

  /** Whether there is to be a run now; true once at most. */
  begin(): boolean {
    if (this.isSecondRun || !this.#isAsked) return false
    this.isSecondRun = true
    return true
  }
}
