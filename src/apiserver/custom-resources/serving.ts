import { customDescriptions } from '../../api/custom/description.ts'
import type { RuleCheck } from '../../api/custom/strategy.ts'
import type { ResourceDescription } from '../../api/resource.ts'
import type { CustomResourceDefinition, CustomResourceDefinitionVersion } from '../../api/types/apiextensions.k8s.io_v1.ts'
import { timeText, type OpenObject } from '../../machinery/object.ts'
import { jsonEqual } from '../../machinery/json-value.ts'
import { errors, isReason } from '../../machinery/status.ts'
import { asServer } from '../bootstrap/ensure.ts'
import type { ApiServerCore, PostStartHook } from '../core.ts'
import { metricSetOf } from '../metrics/metric-set.ts'
import { conversionWebhook } from './conversion-webhook.ts'
import { removeInstances } from './instances.ts'
import { applyNameDecision, decideNames, isTrue, setCondition, takenNames, type TakenNames } from './names.ts'

type Definition = Readonly<CustomResourceDefinition>

export const definitionsResource = 'customresourcedefinitions.apiextensions.k8s.io'
export const cleanupFinalizer = 'customresourcecleanup.apiextensions.k8s.io'
/** The server's own writes. */
export const serverUser = { username: 'system:apiserver', groups: ['system:masters'] }
const retryDelayMs = 1_000

/** `seen` is what makes the form that clients see; `fingerprint` changes with all that the resource is served by. */
interface Served { fingerprint: string; seen: readonly unknown[]; descriptions: readonly ResourceDescription[] }

/** Serves what CustomResourceDefinitions define, from the start of the server until it stops; ready when all that stand are served. */
export const customResourcesHook: PostStartHook = {
  name: 'crd-informer-synced',
  async run(core) {
    const serving = new CustomResources(core)
    await serving.start()
  },
}

/**
 * Keeps the resource table in step with the definitions. Definitions are looked at one after another, each by its name: a
 * change that comes while one is looked at makes it looked at again.
 */
class CustomResources {
  readonly #core: ApiServerCore
  readonly #served = new Map<string, Served>()
  readonly #queue = new Set<string>()
  #working = false

  constructor(core: ApiServerCore) {
    this.#core = core
  }

  async start(): Promise<void> {
    const { reader, signal, runtime } = this.#core
    await reader.whenReady([definitionsResource])
    const subscription = reader.onChange(definitionsResource, ({ type, object }) => {
      const { name = '' } = object.metadata as { name?: string }
      this.#queue.add(name)
      // Names that are free again may be what others wait for.
      if (type === 'DELETED') for (const other of this.#all()) if (!isTrue(other, 'NamesAccepted')) this.#queue.add(other.metadata.name ?? '')
      this.#work().catch((err: unknown) => runtime.log.error('custom resources are no longer followed', { err }))
    })
    signal.addEventListener('abort', () => subscription[Symbol.dispose](), { once: true })
    for (const definition of this.#all()) this.#queue.add(definition.metadata.name ?? '')
    await this.#work()
  }

  /** Names that other definitions of the group have. Who has what it asks for takes nothing from anybody. */
  #takenFrom({ metadata, spec, status }: Definition): TakenNames {
    if (jsonEqual(status?.acceptedNames, spec.names)) return { resources: new Set(), kinds: new Set() }
    return takenNames(this.#all().filter((other) => other.spec.group === spec.group && other.metadata.name !== metadata.name))
  }

  #all(): readonly Definition[] {
    return this.#core.reader.list(definitionsResource) as unknown as readonly Definition[]
  }

  async #work(): Promise<void> {
    if (this.#working) return
    this.#working = true
    const { runtime, signal } = this.#core
    try {
      for (const name of this.#queue) {
        if (signal.aborted) return
        this.#queue.delete(name)
        try {
          await this.#sync(name)
        } catch (err) {
          if (signal.aborted) return
          runtime.log.warn('a CustomResourceDefinition could not be served; trying again', { definition: name, err })
          this.#later(name)
        }
      }
    } finally {
      this.#working = false
    }
  }

  #later(name: string): void {
    const { runtime, signal } = this.#core
    runtime.clock.sleep(retryDelayMs, signal).then(
      () => {
        this.#queue.add(name)
        return this.#work()
      },
      // The server stops.
      () => undefined,
    ).catch((err: unknown) => runtime.log.error('custom resources are no longer followed', { err }))
  }

  async #sync(name: string): Promise<void> {
    const definition = this.#core.reader.get(definitionsResource, '', name) as unknown as Definition | undefined
    if (definition === undefined) {
      this.#withdraw(name)
      return
    }
    if (definition.metadata.deletionTimestamp !== undefined) {
      await this.#terminate(definition)
      return
    }
    const decision = decideNames(definition, this.#takenFrom(definition))
    const draft = { ...definition, status: structuredClone(definition.status) } as Definition
    const changed = applyNameDecision(draft, decision, timeText(this.#core.runtime.clock.now()))
    // Served before it says so: whoever waits for Established may use it at once.
    if (isTrue(draft, 'Established')) await this.#serve(name, draft)
    if (changed) {
      await this.#writeStatus(name, (current) => {
        applyNameDecision(current, decision, timeText(this.#core.runtime.clock.now()))
      })
    }
  }

  async #serve(name: string, definition: Definition): Promise<void> {
    const { metadata, spec, status } = definition
    const isTerminating = metadata.deletionTimestamp !== undefined
    const fingerprint = JSON.stringify([metadata.uid, metadata.generation, status?.acceptedNames, status?.storedVersions, isTerminating])
    const old = this.#served.get(name)
    if (old?.fingerprint === fingerprint) return
    const compiled = await compileRules(this.#core, definition)
    const { resources } = this.#core
    const convert = spec.conversion?.strategy === 'Webhook' ? conversionWebhook(this.#core, definition) : undefined
    const made = customDescriptions(definition, { rules: (version) => compiled.get(version.name), ...(convert === undefined ? {} : { convert }) })
    // Built-in resources are not for the taking.
    const descriptions = made.filter(({ group, version, resource }) => resources.find(group, version, resource)?.typeId === undefined)
    if (isTerminating) for (const each of descriptions) refuseCreation(each)
    const kept = new Set(descriptions.map((each) => `${each.version}/${each.resource}`))
    for (const each of old?.descriptions ?? []) if (!kept.has(`${each.version}/${each.resource}`)) resources.remove(each.group, each.version, each.resource)
    for (const each of descriptions) resources.add(each)
    // Watches go on as they began: as upstream, they end when they would show another form than is served now.
    const seen = [spec, status?.acceptedNames]
    if (old?.descriptions[0] !== undefined && !jsonEqual(old.seen, seen)) this.#core.endWatches(old.descriptions[0])
    this.#served.set(name, { fingerprint, seen, descriptions })
  }

  #withdraw(name: string): void {
    const served = this.#served.get(name)
    if (served === undefined) return
    this.#served.delete(name)
    for (const each of served.descriptions) this.#core.resources.remove(each.group, each.version, each.resource)
    if (served.descriptions[0] !== undefined) this.#core.forget(served.descriptions[0])
  }

  /** Deletes all instances, then lets the definition go. */
  async #terminate(definition: Definition): Promise<void> {
    const { name = '' } = definition.metadata
    if (isTrue(definition, 'Established')) await this.#serve(name, definition)
    if (definition.metadata.finalizers?.includes(cleanupFinalizer) !== true) return
    const now = (): string => timeText(this.#core.runtime.clock.now())
    const resource = this.#served.get(name)?.descriptions[0]
    if (resource === undefined) {
      await this.#finish(name, (current) => void setCondition(current, 'Terminating', 'False', 'NeverEstablished', 'resource was never established', now()))
      return
    }
    await this.#writeStatus(name, (current) => void setCondition(current, 'Terminating', 'True', 'InstanceDeletionInProgress', 'CustomResource deletion is in progress', now()))
    const remaining = await removeInstances(this.#core, resource)
    if (remaining > 0) {
      this.#later(name)
      return
    }
    await this.#finish(name, (current) => void setCondition(current, 'Terminating', 'False', 'InstanceDeletionCompleted', 'removed all instances', now()))
  }

  async #finish(name: string, change: (current: CustomResourceDefinition) => void): Promise<void> {
    await this.#writeStatus(name, (current) => {
      change(current)
      current.metadata.finalizers = current.metadata.finalizers?.filter((finalizer) => finalizer !== cleanupFinalizer) ?? []
      if (current.metadata.finalizers.length === 0) delete current.metadata.finalizers
    })
  }

  async #writeStatus(name: string, change: (current: CustomResourceDefinition) => void): Promise<void> {
    const { registry } = this.#core
    try {
      const resource = this.#core.resource('customresourcedefinitions', 'apiextensions.k8s.io')
      await registry.update(resource, '', name, (current) => change(current as unknown as CustomResourceDefinition), { ...asServer(this.#core, resource, 'status'), strategy: {} })
    } catch (error) {
      // Gone meanwhile: its deletion is the next change.
      if (!isReason(error, 'NotFound')) throw error
    }
  }
}

/** No new instances while a definition goes. */
function refuseCreation(resource: ResourceDescription): void {
  resource.strategy = {
    ...resource.strategy,
    prepareForCreate({ metadata }) {
      throw errors.forbidden(resource, metadata.name ?? '', 'create not allowed while custom resource definition is terminating')
    },
  }
}

/** The rules of each served version; the CEL engine is loaded only where there are any. */
async function compileRules(core: ApiServerCore, definition: Definition): Promise<Map<string, RuleCheck>> {
  const { clock } = core.runtime
  const set = metricSetOf(core)
  const compiled = new Map<string, RuleCheck>()
  const { hasRules } = await import('../../api/custom/rules-in-schema.ts')
  for (const version of definition.spec.versions) {
    if (!version.served || !hasRules(version)) continue
    const { compileRuleCheck } = await import('../../api/custom/rules.ts')
    const check = compileRuleCheck(version.schema!.openAPIV3Schema!)
    // Rules are compiled with the first object: that call counts as compilation, those after it as evaluations.
    let isCompiled = false
    const evaluations = set.spread('apiserver_cel_evaluation_duration_seconds')
    compiled.set(version.name, (...values) => {
      const sinceMs = clock.monotonicMs()
      try {
        return check(...values)
      } finally {
        (isCompiled ? evaluations : set.spread('apiserver_cel_compilation_duration_seconds')).observe((clock.monotonicMs() - sinceMs) / 1000)
        isCompiled = true
      }
    })
  }
  return compiled
}

export type { CustomResourceDefinitionVersion, OpenObject }
