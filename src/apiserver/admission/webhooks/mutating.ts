import { parseJson } from '../../../machinery/json-numbers.ts'
import { apiVersionOf, type ResourceDescription } from '../../../api/resource.ts'
import { typeById } from '../../../api/type-table.ts'
import { semanticEqual } from '../../../machinery/equality.ts'
import { applyJsonPatch } from '../../../machinery/json-patch.ts'
import { jsonSyntaxProblem } from '../../../machinery/json-syntax.ts'
import type { JsonObject } from '../../../machinery/json-value.ts'
import type { OpenObject } from '../../../machinery/object.ts'
import { StatusError, errors } from '../../../machinery/status.ts'
import { fitObject } from '../../body.ts'
import { cloneJson } from '../../clone.ts'
import type { AdmissionAttributes, AdmissionPlugin } from '../../context.ts'
import type { ApiServerCore } from '../../core.ts'
import type { WebhookCredentials } from '../../webhook-credentials.ts'
import { CallFailure, callHook, callerOf, playPart } from './call.ts'
import { configuredHooks } from './configurations.ts'
import { inVersion } from './equivalents.ts'
import { RuleIndex, selectorsMatch, type Invocation } from './matching.ts'
import type { AdmissionResult } from './review.ts'
import { isAdmissionConfiguration } from './rules.ts'
import { conditionsMatch } from './validating.ts'

const pluginName = 'MutatingAdmissionWebhook'

/** What the webhooks of one request did, kept for its second run (upstream's `webhookReinvokeContext`). */
interface Invoked { lastOutput: unknown; reinvocable: Set<string>; again: Set<string> }

/** The request's object, in the version of whoever looked at it last. */
interface Versioned { version: ResourceDescription; object: OpenObject | undefined; oldObject: Readonly<OpenObject> | undefined; isDirty: boolean }

/** Shows the object in the version that a webhook wants. */
async function showIn(versioned: Versioned, target: ResourceDescription, attributes: AdmissionAttributes): Promise<void> {
  if (versioned.version === target) return
  const { resource, oldObject } = attributes
  // By way of the request's own version, as upstream goes by its internal one.
  const own = versioned.isDirty ? await inVersion(versioned.version, resource, versioned.object) : (attributes.object as OpenObject | undefined)
  if (versioned.isDirty) replaceContent(attributes.object as OpenObject, own!)
  versioned.object = await inVersion(resource, target, own)
  versioned.oldObject = await inVersion(resource, target, oldObject as Readonly<OpenObject> | undefined)
  versioned.version = target
  versioned.isDirty = false
}

/** Makes `object` hold what `by` holds, its metadata too, without becoming another: plugins change a request's object in place. */
export function replaceContent(object: OpenObject, by: OpenObject): void {
  if (object === by) return
  const { metadata } = object
  fill(object as unknown as Record<string, unknown>, by as unknown as Record<string, unknown>)
  if (metadata === undefined || by.metadata === undefined) return
  fill(metadata as unknown as Record<string, unknown>, by.metadata as unknown as Record<string, unknown>)
  object.metadata = metadata
}

function fill(target: Record<string, unknown>, by: Record<string, unknown>): void {
  for (const field of Object.keys(target)) if (!Object.hasOwn(by, field)) delete target[field]
  Object.assign(target, by)
}

/** A patched object as its kind takes it: unknown fields dropped, defaults filled. Throws InternalError, as upstream answers a patch that doesn't fit. */
export function fitPatched(core: ApiServerCore, version: ResourceDescription, patched: JsonObject, { before, isStrict = false }: { before?: Readonly<OpenObject>; /** Fields that a built-in type has not are an error. */ isStrict?: boolean } = {}): OpenObject {
  const isBuiltin = version.typeId !== undefined
  // What says nothing of its kind is taken for what it was.
  if (isBuiltin) for (const [field, own] of [['kind', version.kind], ['apiVersion', apiVersionOf(version)]] as const) if ((patched[field] ?? '') === '') patched[field] = own
  const { kind, apiVersion } = patched as { kind?: unknown; apiVersion?: unknown }
  if (typeof kind !== 'string' || typeof apiVersion !== 'string') throw errors.internal(new Error(`Object 'Kind' is missing in '${JSON.stringify(patched).slice(0, 200)}'`))
  const slash = apiVersion.indexOf('/')
  const expected = { group: slash < 0 ? '' : apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1), kind }
  const isOwn = kind === version.kind && apiVersion === apiVersionOf(version)
  const type = isOwn && !isBuiltin ? undefined : typeById(`${apiVersion}.${kind}`)
  const isOther = before !== undefined && (kind !== before.kind || apiVersion !== before.apiVersion)
  const refuseOther = (): never => {
    throw errors.internal(new Error(`converting (${apiVersion}.${kind}) to (${before!.apiVersion}.${before!.kind}): unknown conversion`))
  }
  if (isOther && !isBuiltin) refuseOther()
  if (type === undefined && !isOwn) throw errors.internal(new Error(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)} in scheme "pkg/api/legacyscheme/scheme.go:30"`))
  try {
    const object = fitObject(patched, { expected, type, validation: isStrict && type !== undefined ? 'Strict' : 'Ignore', warn: () => undefined, prune: isOwn ? version.custom?.prune : undefined })
    if (isOther) refuseOther()
    const described = isOwn ? version : core.resources.findKind(expected.group, expected.version, kind)
    described?.applyDefaults?.(object)
    return object
  } catch (cause) {
    if (cause instanceof StatusError && cause.reason === 'InternalError') throw cause
    const strict = isStrict && cause instanceof Error ? /strict decoding error: .*/s.exec(cause.message)?.[0] : undefined
    const decoding = cause instanceof Error ? cause.message.replace(/^[^:]* cannot be handled as a [^:]*: /, '') : String(cause)
    throw errors.internal(new Error(strict ?? decoding, { cause }))
  }
}

function decodedPatch(webhook: string, { patch, patchType }: AdmissionResult): unknown[] {
  const text = patch!.toString('utf8')
  let operations: unknown
  try {
    operations = parseJson(text)
  } catch (cause) {
    throw new CallFailure(webhook, `received undecodable patch in webhook response: ${jsonSyntaxProblem(text) ?? String(cause)}`, cause)
  }
  if (operations === null) return []
  if (!Array.isArray(operations)) throw new CallFailure(webhook, 'received undecodable patch in webhook response: json: cannot unmarshal object into Go value of type jsonpatch.Patch')
  if (operations.length > 0 && patchType !== 'JSONPatch') throw new CallFailure(webhook, `unsupported patch type ${JSON.stringify(patchType)}`)
  return operations
}

/** Asks the webhooks of MutatingWebhookConfigurations one after another; each sees what those before it have made of the object. */
export function mutatingWebhooks(core: ApiServerCore, credentials?: WebhookCredentials): AdmissionPlugin {
  const hooks = configuredHooks(core, 'mutating')
  const index = new RuleIndex(core)
  const caller = callerOf(core, 'admit', credentials)

  /** Whether the webhook has changed the object. */
  async function callOne(invocation: Invocation, versioned: Versioned, attributes: AdmissionAttributes, round: number): Promise<boolean> {
    const { configuration, index: place, webhook } = invocation.hook
    const key = `round_${round}_index_${place}`
    let isChanged = false
    try {
      const result = await callHook(caller, invocation, { attributes, target: invocation.target, object: versioned.object, oldObject: versioned.oldObject })
      if (result.patch === undefined) return false
      const operations = decodedPatch(webhook.name, result)
      if (operations.length === 0) return false
      if (versioned.object === undefined) throw errors.internal(new Error(`admission webhook ${JSON.stringify(webhook.name)} attempted to modify the object, which is not supported for this operation`))
      const patched = fitPatched(core, versioned.version, applied(versioned.object, operations), { before: versioned.object })
      isChanged = !semanticEqual(versioned.object, patched)
      attributes.annotateAudit(`patch.webhook.admission.k8s.io/${key}`, JSON.stringify({ configuration, webhook: webhook.name, patch: operations, patchType: 'JSONPatch' }), 'Request')
      versioned.object = patched
      versioned.isDirty = true
      return isChanged
    } finally {
      attributes.annotateAudit(`mutation.webhook.admission.k8s.io/${key}`, JSON.stringify({ configuration, webhook: webhook.name, mutated: isChanged }))
    }
  }

  async function isWanted(invocation: Invocation, versioned: Versioned, attributes: AdmissionAttributes): Promise<boolean> {
    if (!await selectorsMatch(core, invocation.hook, attributes, versioned.object)) return false
    if ((invocation.hook.webhook.matchConditions ?? []).length === 0) return true
    await showIn(versioned, invocation.target, attributes)
    return await conditionsMatch(core, invocation, attributes, versioned, 'admit')
  }

  async function ask(candidates: readonly Invocation[], attributes: AdmissionAttributes): Promise<void> {
    const { reinvocation } = attributes
    const invoked = (reinvocation.state.get(pluginName) ?? { lastOutput: undefined, reinvocable: new Set(), again: new Set() }) as Invoked
    reinvocation.state.set(pluginName, invoked)
    const requireAgain = (): void => {
      for (const id of invoked.reinvocable) invoked.again.add(id)
      invoked.reinvocable.clear()
    }
    if (reinvocation.isSecondRun && !semanticEqual(invoked.lastOutput, attributes.object)) requireAgain()
    const versioned: Versioned = { version: attributes.resource, object: attributes.object as OpenObject | undefined, oldObject: attributes.oldObject as Readonly<OpenObject> | undefined, isDirty: false }
    const round = reinvocation.isSecondRun ? 1 : 0
    for (const invocation of candidates) {
      const { hook } = invocation
      if (!await isWanted(invocation, versioned, attributes)) continue
      if (reinvocation.isSecondRun && !invoked.again.has(hook.id)) continue
      await showIn(versioned, invocation.target, attributes)
      const refusal = await playPart(caller, {
        invocation, attributes, failedOpenKey: `failed-open.mutation.webhook.admission.k8s.io/round_${round}_index_${hook.index}`,
        async work() {
          if (!await callOne(invocation, versioned, attributes, round)) return
          requireAgain()
          reinvocation.request()
        },
      })
      if (refusal !== undefined) throw refusal
      if (hook.webhook.reinvocationPolicy === 'IfNeeded') invoked.reinvocable.add(hook.id)
    }
    if (versioned.isDirty) replaceContent(attributes.object as OpenObject, await inVersion(versioned.version, attributes.resource, versioned.object!))
    if (attributes.object !== undefined) invoked.lastOutput = cloneJson(attributes.object)
  }

  return {
    name: pluginName,
    handles: () => true,
    mutate(attributes) {
      if (isAdmissionConfiguration(attributes)) return
      if (!hooks.readiness.isReady) return hooks.readiness.wait().then(() => ask(index.candidates(hooks.all(), attributes), attributes))
      const candidates = index.candidates(hooks.all(), attributes)
      return candidates.length === 0 ? undefined : ask(candidates, attributes)
    },
  }
}

function applied(object: Readonly<OpenObject>, operations: readonly unknown[]): JsonObject {
  try {
    return applyJsonPatch(object as unknown as JsonObject, operations)
  } catch (cause) {
    // The patch library's own words, not the answer that a client's bad patch gets.
    throw errors.internal(cause instanceof StatusError && cause.cause !== undefined ? cause.cause : cause)
  }
}
