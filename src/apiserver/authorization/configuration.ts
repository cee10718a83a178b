import { fieldErrors, fieldErrorText, type FieldError } from '../../machinery/field-error.ts'
import { dnsSubdomainErrors } from '../../machinery/names.ts'
import { decodeConfiguration, durationText, type FieldForms } from '../configuration/decode.ts'
import { compileConfigurationExpression, type CompiledExpression } from '../configuration/expression.ts'
import { authorizationModes, defaultTtlMs, type AuthorizationMode, type AuthorizerSettings } from './modes.ts'
import type { AuthorizationWebhookOptions } from './webhook.ts'

/** `AuthorizationConfiguration` of apiserver.config.k8s.io/v1 and v1beta1 (KEP-3221): authorizers in order. */

interface WebhookFields {
  authorizedTTL?: number
  cacheAuthorizedRequests?: boolean
  unauthorizedTTL?: number
  cacheUnauthorizedRequests?: boolean
  timeout?: number
  subjectAccessReviewVersion?: string
  matchConditionSubjectAccessReviewVersion?: string
  failurePolicy?: string
  connectionInfo?: { type?: string; kubeConfigFile?: string }
  matchConditions?: { expression?: string }[]
}
interface AuthorizerFields { type?: string; name?: string; webhook?: WebhookFields }

const fields: FieldForms = {
  authorizers: [{
    type: 'string', name: 'string',
    webhook: {
      authorizedTTL: 'duration', cacheAuthorizedRequests: 'boolean', unauthorizedTTL: 'duration', cacheUnauthorizedRequests: 'boolean', timeout: 'duration',
      subjectAccessReviewVersion: 'string', matchConditionSubjectAccessReviewVersion: 'string', failurePolicy: 'string',
      connectionInfo: { type: 'string', kubeConfigFile: 'string' }, matchConditions: [{ expression: 'string' }],
    },
  }],
}

/** Reads the file's text. `fileProblem` says what is wrong with a kubeconfig's path, undefined when it can be read. Throws naming every field that is wrong. */
export function parseAuthorizationConfiguration(text: string, fileProblem: (path: string) => string | undefined): AuthorizerSettings[] {
  const { authorizers = [] } = decodeConfiguration(text, 'AuthorizationConfiguration', ['v1', 'v1beta1', 'v1alpha1'], fields) as { authorizers?: AuthorizerFields[] }
  const problems: FieldError[] = []
  const settings: AuthorizerSettings[] = []
  if (authorizers.length === 0) problems.push(fieldErrors.required('authorizers', 'at least one authorization mode must be defined'))
  const types = new Set<string>()
  const names = new Set<string>()
  for (const [i, each] of authorizers.entries()) {
    const path = `authorizers[${i}]`
    const problem = typeProblem(each.type ?? '', path, types)
    if (problem !== undefined) {
      problems.push(problem)
      continue
    }
    types.add(each.type!)
    problems.push(...nameProblems(each.name ?? '', path, names))
    names.add(each.name ?? '')
    const type = each.type as AuthorizationMode
    if (type !== 'Webhook') {
      if (each.webhook !== undefined) problems.push(fieldErrors.invalid(`${path}.webhook`, 'non-null', 'may only be specified when type=Webhook'))
      settings.push({ type, name: each.name ?? '' })
    } else if (each.webhook === undefined) {
      problems.push(fieldErrors.required(`${path}.webhook`, 'required when type=Webhook'))
    } else {
      settings.push({ type, name: each.name ?? '', webhook: webhookOf(each.name ?? '', each.webhook, path, problems, fileProblem) })
    }
  }
  if (problems.length > 0) {
    const texts = [...new Set(problems.map((problem) => `${problem.path}: ${fieldErrorText(problem)}`))]
    throw new Error(texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`)
  }
  return settings
}

function typeProblem(type: string, path: string, seen: ReadonlySet<string>): FieldError | undefined {
  if (type === '') return fieldErrors.required(`${path}.type`)
  if (!(authorizationModes as readonly string[]).includes(type)) return fieldErrors.notSupported(`${path}.type`, type, authorizationModes)
  return seen.has(type) && type !== 'Webhook' ? fieldErrors.duplicate(`${path}.type`, type) : undefined
}

function nameProblems(name: string, path: string, seen: ReadonlySet<string>): FieldError[] {
  if (name === '') return [fieldErrors.required(`${path}.name`)]
  if (seen.has(name)) return [fieldErrors.duplicate(`${path}.name`, name)]
  const wrong = dnsSubdomainErrors(name)
  return wrong.length === 0 ? [] : [fieldErrors.invalid(`${path}.name`, name, `authorizer name is invalid: ${wrong.join(', ')}`)]
}

const maxTimeoutMs = 30_000

function webhookOf(name: string, given: WebhookFields, path: string, problems: FieldError[], fileProblem: (path: string) => string | undefined): AuthorizationWebhookOptions {
  const { timeout = 0, subjectAccessReviewVersion: version = '', matchConditionSubjectAccessReviewVersion: conditionVersion = '', failurePolicy = '' } = given
  const authorizedTtlMs = given.authorizedTTL === undefined || given.authorizedTTL === 0 ? defaultTtlMs.authorized : given.authorizedTTL
  const unauthorizedTtlMs = given.unauthorizedTTL === undefined || given.unauthorizedTTL === 0 ? defaultTtlMs.unauthorized : given.unauthorizedTTL
  if (timeout === 0) problems.push(fieldErrors.required(`${path}.timeout`))
  else if (timeout > maxTimeoutMs || timeout < 0) problems.push(fieldErrors.invalid(`${path}.timeout`, durationText(timeout), 'must be > 0s and <= 30s'))
  if (authorizedTtlMs < 0) problems.push(fieldErrors.invalid(`${path}.authorizedTTL`, durationText(authorizedTtlMs), 'must be > 0s'))
  if (unauthorizedTtlMs < 0) problems.push(fieldErrors.invalid(`${path}.unauthorizedTTL`, durationText(unauthorizedTtlMs), 'must be > 0s'))
  if (version === '') problems.push(fieldErrors.required(`${path}.subjectAccessReviewVersion`))
  else if (version !== 'v1' && version !== 'v1beta1') problems.push(fieldErrors.notSupported(`${path}.subjectAccessReviewVersion`, version, ['v1', 'v1beta1']))
  if (conditionVersion === '' && (given.matchConditions ?? []).length > 0) problems.push(fieldErrors.required(`${path}.matchConditionSubjectAccessReviewVersion`, 'required if match conditions are specified'))
  else if (conditionVersion !== '' && conditionVersion !== 'v1') problems.push(fieldErrors.notSupported(`${path}.matchConditionSubjectAccessReviewVersion`, conditionVersion, ['v1']))
  if (failurePolicy === '') problems.push(fieldErrors.required(`${path}.failurePolicy`))
  else if (failurePolicy !== 'NoOpinion' && failurePolicy !== 'Deny') problems.push(fieldErrors.notSupported(`${path}.failurePolicy`, failurePolicy, ['NoOpinion', 'Deny']))
  const kubeconfig = kubeconfigOf(given.connectionInfo ?? {}, path, problems, fileProblem)
  const matchConditions = conditionsOf(given.matchConditions ?? [], path, problems)
  return {
    name, kubeconfig, version: version as 'v1', timeoutMs: timeout, onError: failurePolicy === 'Deny' ? 'deny' : 'noOpinion', matchConditions,
    authorizedTtlMs: given.cacheAuthorizedRequests === false ? 0 : authorizedTtlMs, unauthorizedTtlMs: given.cacheUnauthorizedRequests === false ? 0 : unauthorizedTtlMs,
  }
}

function kubeconfigOf({ type = '', kubeConfigFile }: NonNullable<WebhookFields['connectionInfo']>, path: string, problems: FieldError[], fileProblem: (path: string) => string | undefined): string {
  const at = `${path}.connectionInfo`
  const file = kubeConfigFile ?? ''
  if (type === '') problems.push(fieldErrors.required(`${at}.type`))
  else if (type === 'InClusterConfig') problems.push(fieldErrors.invalid(`${at}.type`, type, 'an API server runs in no pod of its own cluster; use KubeConfigFile'))
  else if (type !== 'KubeConfigFile') problems.push(fieldErrors.notSupported(`${at}.type`, { Type: type, KubeConfigFile: kubeConfigFile ?? null }, ['InClusterConfig', 'KubeConfigFile']))
  else if (file === '') problems.push(fieldErrors.required(`${at}.kubeConfigFile`))
  else if (!file.startsWith('/')) problems.push(fieldErrors.invalid(`${at}.kubeConfigFile`, file, 'must be an absolute path'))
  else {
    const problem = fileProblem(file)
    if (problem !== undefined) problems.push(fieldErrors.invalid(`${at}.kubeConfigFile`, file, problem))
  }
  return file
}

function conditionsOf(conditions: readonly { expression?: string }[], path: string, problems: FieldError[]): CompiledExpression[] {
  if (conditions.length > 64) {
    problems.push(fieldErrors.tooMany(`${path}.matchConditions`, conditions.length, 64))
    return []
  }
  const seen = new Set<string>()
  return conditions.flatMap(({ expression = '' }, i) => {
    const at = `${path}.matchConditions[${i}].expression`
    if (expression.trim() === '') problems.push(fieldErrors.required(at))
    else if (seen.has(expression)) problems.push(fieldErrors.duplicate(at, expression))
    else {
      seen.add(expression)
      try {
        return [compileConfigurationExpression(expression, 'request', 'bool')]
      } catch (cause) {
        problems.push(fieldErrors.invalid(at, expression, cause instanceof Error ? cause.message : String(cause)))
      }
    }
    return []
  })
}
