import { runtimeBudget } from '../../../api/cel/cost.ts'
import type { ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding } from '../../../api/types/admissionregistration.k8s.io_v1.ts'
import type { ResourceDescription } from '../../../api/resource.ts'
import type { KubeObject, OpenObject } from '../../../machinery/object.ts'
import { StatusError } from '../../../machinery/status.ts'
import type { AdmissionAttributes, AdmissionPlugin } from '../../context.ts'
import type { ApiServerCore } from '../../core.ts'
import { inVersion } from '../webhooks/equivalents.ts'
import { refusal } from '../refusal.ts'
import { checkOutcome, countValidation, type CheckOutcome } from './check-metrics.ts'
import type { CompiledValidatingPolicy, CompiledValidation } from './compile.ts'
import type { Activation, Evaluated, ExpressionInput } from './evaluation.ts'
import { collectParams, configuredPolicies, isExempt, matched, paramResource, requestNamespace, type BindingHook, type PolicyHook } from './hooks.ts'

type Policy = ValidatingAdmissionPolicy & KubeObject
type Hook = PolicyHook<Policy>

/** What one validation came to: it lets the request pass, or not. */
interface Decision { isDenied: boolean; message: string; reason: string; outcome: CheckOutcome; elapsedMs: number }
interface Annotation { key: string; value?: string; error?: string; elapsedMs?: number }
interface Validated { decisions: readonly Decision[]; annotations: readonly Annotation[] }
type Timed = Evaluated & { elapsedMs: number }
interface Denial { decision: Pick<Decision, 'message' | 'reason'>; policy: string; binding: string | undefined }

/** Loaded with the first policy that has a binding. */
async function engine(): Promise<Engine> {
  const [evaluation, conditions, compile] = await Promise.all([import('./evaluation.ts'), import('./conditions.ts'), import('./compile.ts')])
  return { ...evaluation, ...conditions, ...compile }
}
type Engine = typeof import('./evaluation.ts') & typeof import('./conditions.ts') & typeof import('./compile.ts')

const actionLabels = { Deny: 'deny', Warn: 'warn', Audit: 'audit' } as const
const maxMessageBytes = 5 * 1024
const maxAnnotationBytes = 10 * 1024
const codes: Readonly<Record<string, number>> = { Forbidden: 403, Unauthorized: 401, RequestEntityTooLarge: 413 }

/** Holds requests to ValidatingAdmissionPolicies (KEP-3488). */
export function validatingPolicies(core: ApiServerCore): AdmissionPlugin {
  const hooks = configuredPolicies<Policy>(core, 'validating')
  const compiled = new WeakMap<Policy, CompiledValidatingPolicy>()

  async function check(all: readonly Hook[], attributes: AdmissionAttributes): Promise<void> {
    const denials: Denial[] = []
    for (const hook of all) await checkPolicy(hook, attributes, denials)
    const [first] = denials
    if (first !== undefined) throw denied(attributes, first)
  }

  async function checkPolicy(hook: Hook, attributes: AdmissionAttributes, denials: Denial[]): Promise<void> {
    const misconfigured = (cause: unknown, binding: string | undefined): void => {
      if (hook.failurePolicy === 'Ignore') return
      denials.push({ policy: hook.name, binding, decision: { reason: '', message: `failed to configure ${binding === undefined ? 'policy' : 'binding'}: ${textOf(cause)}` } })
    }
    let target: ResourceDescription | undefined
    try {
      target = await matched(core, hook.constraints, attributes)
      if (target === undefined) return
      if (hook.paramKind !== undefined) paramResource(core, hook.paramKind)
    } catch (cause) {
      return misconfigured(cause, undefined)
    }
    const notes = new Map<string, Set<string>>()
    for (const binding of hook.bindings) {
      let params: Awaited<ReturnType<typeof collectParams>>
      try {
        if (await matched(core, binding.constraints, attributes) === undefined) continue
        params = await collectParams(core, hook.paramKind, binding.paramRef, attributes.namespace)
      } catch (cause) {
        misconfigured(cause, binding.name)
        continue
      }
      const namespace = await requestNamespace(core, attributes)
      const object = await inVersion(attributes.resource, target, attributes.object as OpenObject | undefined)
      const oldObject = await inVersion(attributes.resource, target, attributes.oldObject as OpenObject | undefined)
      for (const param of params) act(hook, binding, await validate(hook, { attributes, target, object, oldObject, namespace, params: param }), { core, attributes, denials, notes })
    }
    for (const [key, values] of notes) attributes.annotateAudit(`${hook.name}/${key}`, [...values].join(', '))
  }

  async function validate(hook: Hook, input: ExpressionInput): Promise<Validated> {
    const cel = await engine()
    let policy = compiled.get(hook.policy)
    if (policy === undefined) compiled.set(hook.policy, policy = cel.compileValidatingPolicy(hook.policy))
    const isFail = hook.failurePolicy !== 'Ignore'
    const { clock } = core.runtime
    const begunMs = clock.monotonicMs()
    const failed = (message: string): Validated => ({ decisions: [{ isDenied: isFail, message, reason: '', outcome: checkOutcome(message), elapsedMs: clock.monotonicMs() - begunMs }], annotations: [] })
    if (policy.conditions.length > 0) {
      const { isMatch, problem } = await cel.conditionsHold(core, policy.conditions, input, { name: hook.name, kind: 'policy', type: 'validate' }, policy.variables)
      if (problem !== undefined) return failed(problem)
      if (!isMatch) return { decisions: [], annotations: [] }
    }
    const activation = new cel.Activation(core, input, runtimeBudget, policy.variables)
    try {
      const results: Timed[] = []
      for (const { validation, rule } of policy.validations) {
        const sinceMs = clock.monotonicMs()
        results.push({ ...await activation.evaluate(validation.expression, rule), elapsedMs: clock.monotonicMs() - sinceMs })
      }
      const messages = await messagesOf(cel, activation, policy.validations)
      const decisions = results.map((result, i) => decide(result, policy.validations[i]!, messages, i, isFail))
      const own = new cel.Activation(core, input, runtimeBudget, policy.variables)
      const annotations: Annotation[] = []
      for (const { key, expression, compilation } of policy.annotations) {
        const sinceMs = clock.monotonicMs()
        annotations.push({ ...annotation(key, expression, await own.evaluate(expression, compilation), isFail), elapsedMs: clock.monotonicMs() - sinceMs })
      }
      return { decisions, annotations }
    } catch (cause) {
      if (!(cause instanceof cel.OutOfBudget)) throw cause
      return failed(cause.message)
    }
  }

  return {
    name: 'ValidatingAdmissionPolicy',
    handles: () => true,
    validate(attributes) {
      if (isExempt(attributes)) return
      if (!hooks.readiness.isReady) return hooks.readiness.wait().then(() => check(hooks.all(), attributes))
      const all = hooks.all()
      return all.length === 0 ? undefined : check(all, attributes)
    },
  }
}

/** Messages that expressions make, by validation; the text of the error where the budget ended among them. */
async function messagesOf(cel: Engine, activation: Activation, validations: readonly CompiledValidation[]): Promise<readonly (Evaluated | undefined)[] | string> {
  try {
    const out: (Evaluated | undefined)[] = []
    for (const { validation, message } of validations) out.push(message === undefined ? undefined : await activation.evaluate(validation.messageExpression!, message))
    return out
  } catch (cause) {
    if (cause instanceof cel.OutOfBudget) return cause.message
    throw cause
  }
}

function decide({ value, error, elapsedMs }: Timed, { validation }: CompiledValidation, messages: readonly (Evaluated | undefined)[] | string, index: number, isFail: boolean): Decision {
  if (error !== undefined) return { isDenied: isFail, message: error, reason: '', outcome: checkOutcome(error), elapsedMs }
  if (typeof messages === 'string') return { isDenied: isFail, message: `failed messageExpression: ${messages}`, reason: '', outcome: 'invalid_error', elapsedMs }
  if (value === true) return { isDenied: false, message: '', reason: '', outcome: 'no_error', elapsedMs }
  const made = messages[index]?.value
  let message = typeof made === 'string' ? made.trim() : ''
  if (message.includes('\n') || Buffer.byteLength(message) > maxMessageBytes) message = ''
  if (message === '') message = (validation.message ?? '').trim()
  return { isDenied: true, message: message === '' ? `failed expression: ${validation.expression.trim()}` : message, reason: validation.reason ?? 'Invalid', outcome: 'no_error', elapsedMs }
}

function annotation(key: string, expression: string, { value, error }: Evaluated, isFail: boolean): Annotation {
  if (error !== undefined) return isFail ? { key, error } : { key }
  if (value === null) return { key }
  if (typeof value !== 'string') return { key, error: `valueExpression '${expression}' resulted in unsupported return type. Return type must be either string or null.` }
  return value.trim() === '' ? { key } : { key, value: value.trim() }
}

interface Effects { core: ApiServerCore; attributes: AdmissionAttributes; denials: Denial[]; notes: Map<string, Set<string>> }

/** Does what the binding wants done about what was decided. */
function act({ name }: Hook, binding: BindingHook, { decisions, annotations }: Validated, { core, attributes, denials, notes }: Effects): void {
  const { validationActions = [] } = (binding.object as unknown as ValidatingAdmissionPolicyBinding).spec!
  for (const [i, decision] of decisions.entries()) {
    const { outcome, elapsedMs } = decision
    if (!decision.isDenied) {
      if (outcome !== 'no_error') countValidation(core, name, binding.name, outcome, 'allow', elapsedMs)
      continue
    }
    for (const action of validationActions) {
      if (action === 'Deny' || action === 'Warn' || action === 'Audit') countValidation(core, name, binding.name, outcome, actionLabels[action], elapsedMs)
      if (action === 'Deny') denials.push({ decision, policy: name, binding: binding.name })
      else if (action === 'Warn') attributes.warn(`Validation failed for ValidatingAdmissionPolicy '${name}' with binding '${binding.name}': ${decision.message}`)
      else if (action === 'Audit') attributes.annotateAudit('validation.policy.admission.k8s.io/validation_failure', JSON.stringify([{ message: decision.message, policy: name, binding: binding.name, expressionIndex: i, validationActions }]))
    }
  }
  for (const { key, value, error, elapsedMs = 0 } of annotations) {
    if (error !== undefined) {
      denials.push({ policy: name, binding: binding.name, decision: { message: error, reason: '' } })
      countValidation(core, name, binding.name, checkOutcome(error), 'deny', elapsedMs)
    }
    if (error === undefined && value !== undefined) notes.set(key, (notes.get(key) ?? new Set()).add(Buffer.from(value).subarray(0, maxAnnotationBytes).toString()))
  }
}

function denied(attributes: AdmissionAttributes, { decision, policy, binding }: Denial): StatusError {
  const message = `ValidatingAdmissionPolicy '${policy}' ${binding === undefined ? '' : `with binding '${binding}' `}denied request: ${decision.message}`
  const { status } = refusal(attributes, message)
  const reason = decision.reason === '' ? 'Invalid' : decision.reason
  return new StatusError({ ...status, reason, code: codes[reason] ?? 422, details: { ...status.details, causes: [...(status.details?.causes ?? []), { message }] } })
}

function textOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
