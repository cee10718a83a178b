import { applyTypeById } from '../../../api/apply-types.ts'
import { runtimeBudget } from '../../../api/cel/cost.ts'
import { isMap, isList, plainValue, type Value } from '../../../api/cel/values.ts'
import { customApplyType } from '../../../api/custom/apply-type.ts'
import { apiVersionOf, type ResourceDescription } from '../../../api/resource.ts'
import type { MutatingAdmissionPolicy } from '../../../api/types/admissionregistration.k8s.io_v1.ts'
import type { ApplyType } from '../../../machinery/apply/apply-type.ts'
import { merge } from '../../../machinery/apply/merge.ts'
import { typeProblems } from '../../../machinery/apply/validate.ts'
import { semanticEqual } from '../../../machinery/equality.ts'
import { applyJsonPatch } from '../../../machinery/json-patch.ts'
import type { JsonObject } from '../../../machinery/json-value.ts'
import type { KubeObject, OpenObject } from '../../../machinery/object.ts'
import { errors, StatusError } from '../../../machinery/status.ts'
import { cloneJson } from '../../clone.ts'
import type { AdmissionAttributes, AdmissionPlugin } from '../../context.ts'
import type { ApiServerCore } from '../../core.ts'
import { refusal } from '../refusal.ts'
import { inVersion } from '../webhooks/equivalents.ts'
import { fitPatched, replaceContent } from '../webhooks/mutating.ts'
import { countMutation, type CheckOutcome } from './check-metrics.ts'
import type { CompiledMutatingPolicy, CompiledMutation } from './compile.ts'
import type { Activation } from './evaluation.ts'
import { collectParams, configuredPolicies, isExempt, matched, paramResource, requestNamespace, type BindingHook, type PolicyHook } from './hooks.ts'

type Policy = MutatingAdmissionPolicy & KubeObject
type Hook = PolicyHook<Policy>

const pluginName = 'MutatingAdmissionPolicy'

interface Invocation { hook: Hook; binding: BindingHook; target: ResourceDescription; params: Readonly<OpenObject> | undefined; key: string }
interface Failure { policy: string; binding: string | undefined; message: string; reason: string }

/** What the policies of one request did, kept for its second run. */
interface Invoked { lastOutput: unknown; reinvocable: Set<string>; again: Set<string> }

/** Loaded with the first policy that has a binding. */
async function engine(): Promise<typeof import('./evaluation.ts') & typeof import('./conditions.ts') & typeof import('./compile.ts')> {
  const [evaluation, conditions, compile] = await Promise.all([import('./evaluation.ts'), import('./conditions.ts'), import('./compile.ts')])
  return { ...evaluation, ...conditions, ...compile }
}

/** Changes requests by MutatingAdmissionPolicies (KEP-3962), in the order of the policies' names. */
export function mutatingPolicies(core: ApiServerCore): AdmissionPlugin {
  const hooks = configuredPolicies<Policy>(core, 'mutating')
  const compiled = new WeakMap<Policy, CompiledMutatingPolicy>()

  async function invocationsOf(all: readonly Hook[], attributes: AdmissionAttributes, failures: Failure[]): Promise<Invocation[]> {
    const out: Invocation[] = []
    for (const hook of all) {
      const misconfigured = (cause: unknown, binding: string | undefined): void => {
        if (hook.failurePolicy !== 'Ignore') failures.push({ policy: hook.name, binding, reason: '', message: `failed to configure ${binding === undefined ? 'policy' : 'binding'}: ${textOf(cause)}` })
      }
      let target: ResourceDescription | undefined
      try {
        target = await matched(core, hook.constraints, attributes)
        if (target === undefined) continue
        if (hook.paramKind !== undefined) paramResource(core, hook.paramKind)
      } catch (cause) {
        misconfigured(cause, undefined)
        continue
      }
      for (const binding of hook.bindings) {
        try {
          if (await matched(core, binding.constraints, attributes) === undefined) continue
          for (const params of await collectParams(core, hook.paramKind, binding.paramRef, attributes.namespace)) {
            out.push({ hook, binding, target, params, key: JSON.stringify([hook.name, binding.name, params?.metadata.namespace, params?.metadata.name]) })
          }
        } catch (cause) {
          misconfigured(cause, binding.name)
        }
      }
    }
    return out
  }

  /** The object as one invocation makes it; as it was where its conditions don't hold. */
  async function invoke(invocation: Invocation, object: OpenObject, attributes: AdmissionAttributes, failures: Failure[]): Promise<OpenObject | undefined> {
    const { hook, binding, target, params } = invocation
    const cel = await engine()
    let policy = compiled.get(hook.policy)
    if (policy === undefined) compiled.set(hook.policy, policy = cel.compileMutatingPolicy(hook.policy))
    const fail = (cause: unknown): void => {
      if (hook.failurePolicy !== 'Ignore') failures.push({ policy: hook.name, binding: binding.name, reason: 'Invalid', message: textOf(cause) })
    }
    const oldObject = await inVersion(attributes.resource, target, attributes.oldObject as OpenObject | undefined)
    const input = { attributes, target, object, oldObject, namespace: await requestNamespace(core, attributes), params }
    if (policy.conditions.length > 0) {
      const { isMatch, problem } = await cel.conditionsHold(core, policy.conditions, input, { name: hook.name, kind: 'policy', type: 'validate' }, policy.variables)
      if (problem !== undefined) fail(problem)
      if (!isMatch) return undefined
    }
    let current = object
    for (const mutation of policy.mutations) {
      const activation = new cel.Activation(core, { ...input, object: current }, runtimeBudget, policy.variables)
      const begunMs = core.runtime.clock.monotonicMs()
      let outcome: CheckOutcome = 'no_error'
      try {
        current = await mutated(core, activation, mutation, target, current)
      } catch (cause) {
        outcome = mutation.compilation.compiled === undefined ? 'compile_error' : cause instanceof cel.OutOfBudget ? 'out_of_budget' : 'invalid_error'
        if (cause instanceof StatusError) throw cause
        fail(cause)
      } finally {
        countMutation(core, hook.name, binding.name, outcome, core.runtime.clock.monotonicMs() - begunMs)
      }
    }
    return current
  }

  async function run(all: readonly Hook[], attributes: AdmissionAttributes): Promise<void> {
    const failures: Failure[] = []
    const invocations = await invocationsOf(all, attributes, failures)
    const { reinvocation, resource } = attributes
    if (invocations.length > 0 && attributes.object !== undefined) {
      const invoked = (reinvocation.state.get(pluginName) ?? { lastOutput: undefined, reinvocable: new Set(), again: new Set() }) as Invoked
      reinvocation.state.set(pluginName, invoked)
      const requireAgain = (): void => {
        for (const key of invoked.reinvocable) invoked.again.add(key)
        invoked.reinvocable.clear()
      }
      if (reinvocation.isSecondRun && !semanticEqual(invoked.lastOutput, attributes.object)) requireAgain()
      for (const invocation of invocations) {
        if (reinvocation.isSecondRun && !invoked.again.has(invocation.key)) continue
        const before = (await inVersion(resource, invocation.target, attributes.object as OpenObject))!
        const after = await invoke(invocation, before, attributes, failures)
        if (after === undefined) continue
        if (!semanticEqual(before, after)) {
          replaceContent(attributes.object as OpenObject, (await inVersion(invocation.target, resource, after))!)
          requireAgain()
          reinvocation.request()
        }
        if (invocation.hook.policy.spec!.reinvocationPolicy === 'IfNeeded') invoked.reinvocable.add(invocation.key)
      }
      invoked.lastOutput = cloneJson(attributes.object)
    }
    if (failures.length > 0) throw denied(attributes, failures)
  }

  return {
    name: pluginName,
    handles: (operation) => operation !== 'DELETE',
    mutate(attributes) {
      if (isExempt(attributes)) return
      if (!hooks.readiness.isReady) return hooks.readiness.wait().then(() => run(hooks.all(), attributes))
      const all = hooks.all()
      return all.length === 0 ? undefined : run(all, attributes)
    },
  }
}

async function mutated(core: ApiServerCore, activation: Activation, { patchType, expression, compilation }: CompiledMutation, target: ResourceDescription, object: OpenObject): Promise<OpenObject> {
  if (compilation.compiled === undefined) throw new Error(compilation.problem)
  const { value, error } = await activation.evaluate(expression, compilation)
  if (error !== undefined) throw new Error(error)
  const patched = patchType === 'JSONPatch' ? jsonPatched(object, value) : applied(target, object, value)
  return patched === object ? object : fitPatched(core, target, patched as unknown as JsonObject, { isStrict: patchType === 'JSONPatch' })
}

/** The object after a JSON patch; the object itself where one of the patch's tests fails. */
function jsonPatched(object: OpenObject, value: Value): OpenObject {
  if (!isList(value)) throw new Error('type mismatch: JSONPatchType.expression should evaluate to array')
  const operations = value.map((operation) => {
    const given = isMap(operation) ? operation.get('value') : undefined
    const mismatch = isMap(given) && given.typeName.startsWith('Object') ? typeMismatches(given, given.typeName.split('.')) : []
    if (mismatch.length > 0) throw new Error(`type mismatch: ${mismatch.join('\n')}`)
    return plainValue(operation) as Record<string, unknown>
  })
  try {
    return applyJsonPatch(object as unknown as JsonObject, operations) as unknown as OpenObject
  } catch (cause) {
    const inner = cause instanceof StatusError && cause.cause instanceof Error ? cause.cause : cause
    if (isFailedTest(inner)) return object
    throw new Error(`JSON Patch: ${textOf(inner)}`, { cause })
  }
}

function isFailedTest(cause: unknown): boolean {
  return cause instanceof Error && /testing (value|path).* failed|test failed/.test(cause.message)
}

function applyTypeOf(target: ResourceDescription): ApplyType {
  if (target.typeId !== undefined) return applyTypeById(target.typeId)
  if (target.custom === undefined) throw errors.internal(new Error(`there is no schema of ${target.kind}`))
  return customApplyType(target.custom.schema())
}

/** The object with an apply configuration laid over it, as server-side apply does, without owners. */
function applied(target: ResourceDescription, object: OpenObject, value: Value): OpenObject {
  const mismatch = typeMismatches(value, ['Object'])
  if (mismatch.length > 0) throw new Error(`type mismatch: ${mismatch.join('\n')}`)
  const configuration = { ...(plainValue(value) as object), apiVersion: object.apiVersion ?? apiVersionOf(target), kind: object.kind ?? target.kind }
  const type = applyTypeOf(target)
  const problem = typeProblems(type, configuration)
  if (problem !== undefined) throw new Error(`error applying patch: failed to convert patch object to typed object: ${problem}`)
  const atomics = atomicPaths(type, configuration, '')
  if (atomics.length > 0) throw new Error(`error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: ${atomics.join(', ')}`)
  return merge(type, object, configuration) as OpenObject
}

/** Objects must be constructed by the type of the place where they stand: `Object.spec{…}` below `spec`. */
function typeMismatches(value: Value, path: readonly string[]): string[] {
  if (isList(value)) return value.flatMap((item) => typeMismatches(item, path))
  if (!isMap(value)) return []
  const out: string[] = []
  const wanted = path.join('.')
  const isObject = value.typeName === 'Object' || value.typeName.startsWith('Object.')
  if (isObject && value.typeName !== wanted) out.push(`unexpected type name ${JSON.stringify(value.typeName)}, expected ${JSON.stringify(wanted)}, which matches field name path from root Object type`)
  for (const key of value.keys()) out.push(...typeMismatches(value.get(key)!, isObject ? [...path, String(key)] : path))
  return out
}

/** Where a configuration touches what is owned as one. */
function atomicPaths(type: ApplyType, value: unknown, path: string): string[] {
  if (Array.isArray(value)) {
    if (type.list === undefined) return []
    const { atomic, item } = type.list
    return [...(atomic ? [path] : []), ...value.flatMap((each, i) => atomicPaths(item, each, `${path}[${i}]`))]
  }
  if (typeof value !== 'object' || value === null || type.map === undefined) return []
  const { atomic, fields } = type.map
  return [...(atomic ? [path] : []), ...Object.entries(value).flatMap(([name, each]) => {
    const field = fields.get(name)
    return field === undefined ? [] : atomicPaths(field.type, each, `${path}.${name}`)
  })]
}

function denied(attributes: AdmissionAttributes, failures: readonly Failure[]): StatusError {
  const messages = failures.map(({ policy, binding, message }) => (binding === undefined ? `policy ${JSON.stringify(policy)} denied request: ${message}` : `policy '${policy}' with binding '${binding}' denied request: ${message}`))
  const { status } = refusal(attributes, 'admission request denied by policy')
  const reason = failures[0]!.reason
  return new StatusError({ ...status, message: messages[0]!, ...(reason === '' ? {} : { reason }), details: { ...status.details, causes: messages.map((message) => ({ message })) } })
}

function textOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
