import { parseDocument } from 'yaml'
import { fieldErrorCause, fieldErrors } from '../../machinery/field-error.ts'
import { isJsonObject, type JsonObject } from '../../machinery/json-value.ts'
import type { OpenObject } from '../../machinery/object.ts'
import { StatusError, errors } from '../../machinery/status.ts'
import { attributesOf, requireAllowed } from '../authentication-filter.ts'
import { fitObject } from '../body.ts'
import { cloneJson } from '../clone.ts'
import type { ServerResponse } from '../context.ts'
import { fieldManagerFor, kindText, plainError } from '../field-management/field-manager.ts'
import { checkDepth, parseJsonText } from '../json-text.ts'
import { withoutDuplicateOwners } from '../owner-references.ts'
import { answerOutcome, bodyType, kindOf, strategyOf, warnIn, writeParameters, type VerbContext, type WriteParameters } from '../verb-context.ts'
import { parseYaml } from '../yaml.ts'
import type { BodyKind } from '../subresources.ts'
import { checkNames } from './update.ts'

export const applyMediaType = 'application/apply-patch+yaml'

/** Whether the request is a server-side apply. */
export function isApply({ request }: VerbContext): boolean {
  return (request.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase() === applyMediaType
}

/** PATCH with a configuration: the object is made where there is none, else merged with, and owners are kept (KEP-555). */
export async function apply(context: VerbContext): Promise<ServerResponse> {
  const { resource, info, server, user } = context
  const { parameters, configuration, force, manager } = await readApply(context)
  context.audit?.sentPatch(JSON.stringify(configuration.value))
  const fields = fieldManagerFor(server.core.resources, resource, info.subresource)
  const { clock } = server.core.runtime
  const merged = async (live: Readonly<OpenObject> | undefined): Promise<OpenObject> => {
    const object = fitted(context, await fields.applied(live, configuration.value, manager, force, clock.now()), kindOf(resource))
    configuration.checkStrictly()
    checkApplied(context, object, live)
    return object
  }
  const createFrom = async (): Promise<OpenObject> => {
    const object = await merged(undefined)
    await requireAllowed(server.core.authorize, attributesOf(user, { ...info, verb: 'create' }, context.request.query))
    return object
  }
  const outcome = await server.registry.updateEntry(resource, info.namespace, info.name, merged, {
    user, dryRun: parameters.dryRun, admission: parameters.options, warn: warnIn(context), audit: context.audit, subresource: info.subresource, strategy: strategyOf(context),
    ...(info.subresource === '' ? { createFrom } : {}),
  })
  return answerOutcome(context, outcome)
}

export interface ApplyRequest {
  parameters: WriteParameters
  configuration: { value: JsonObject; /** Refuses, or warns of, keys given twice, by the field validation asked for. */ checkStrictly(): void }
  manager: string
  force: boolean
}

/** What a request asks to apply. Throws 400 and 422. */
export async function readApply(context: VerbContext): Promise<ApplyRequest> {
  const { request } = context
  const parameters = writeParameters(request.query, 'PatchOptions')
  const manager = request.query.get('fieldManager') ?? ''
  if (manager === '') {
    throw errors.invalid({ group: 'meta.k8s.io', kind: 'PatchOptions' }, '', [fieldErrorCause(fieldErrors.required('fieldManager', 'is required for apply patch'))])
  }
  const text = Buffer.from(await request.readBody()).toString('utf8')
  const value = configurationOf(text)
  return { parameters, manager, force: wantsForce(request.query), configuration: { value, checkStrictly: () => checkDuplicates(context, text, parameters) } }
}

/** `force` as Go reads booleans of a query: whatever does not say no says yes. */
export function wantsForce(query: URLSearchParams): boolean {
  const force = query.get('force')
  return force !== null && force !== '0' && force.toLowerCase() !== 'false'
}

function configurationOf(text: string): JsonObject {
  let value: unknown
  try {
    value = isJsonText(text) ? parseJsonText(text) : parseYaml(text)
    checkDepth(value)
  } catch (cause) {
    if (cause instanceof StatusError) throw errors.badRequest(`error decoding YAML: ${cause.message}`, cause)
    throw errors.badRequest(`error decoding YAML: error converting YAML to JSON: yaml: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
  }
  if (value === null || value === undefined) return {}
  if (isJsonObject(value)) return value
  const what = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value
  throw errors.badRequest(`error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal ${what} into Go value of type map[string]interface {}`)
}

/** JSON is YAML, but is read faster by its own parser. */
function isJsonText(text: string): boolean {
  if (!/^\s*\{/.test(text)) return false
  try {
    JSON.parse(text)
    return true
  } catch (error) {
    // Flow mappings of YAML begin alike.
    if (error instanceof SyntaxError) return false
    throw error
  }
}

function checkDuplicates(context: VerbContext, text: string, { validation }: WriteParameters): void {
  if (validation === 'Ignore') return
  const problems = duplicateKeys(text)
  if (problems.length === 0) return
  const problem = `error converting YAML to JSON: yaml: unmarshal errors:\n${problems.map((each) => `  ${each}`).join('\n')}`
  if (validation === 'Strict') throw errors.badRequest(`error strict decoding YAML: ${problem}`)
  warnIn(context)(problem)
}

function duplicateKeys(text: string): string[] {
  // Most bodies are JSON without repeats: then parsing and writing loses no key.
  if (isJsonText(text) && (text.match(/:/g)?.length ?? 0) === (JSON.stringify(JSON.parse(text)).match(/:/g)?.length ?? 0)) return []
  const document = parseDocument(text, { version: '1.2', schema: 'core', uniqueKeys: true, prettyErrors: true, merge: true })
  return document.errors.filter(({ code }) => code === 'DUPLICATE_KEY').map(({ linePos, pos }) => {
    const key = /^["']?([^"':\s,}]+)/.exec(text.slice(pos[0]))?.[1] ?? ''
    return `line ${linePos?.[0].line ?? 1}: key ${JSON.stringify(key)} already set in map`
  })
}

/** The merged object in the form that the server keeps for its type. */
export function fitted(context: VerbContext, merged: OpenObject, kind: BodyKind): OpenObject {
  const { managedFields } = merged.metadata
  const metadata = { ...merged.metadata }
  delete metadata.managedFields
  const copy = cloneJson({ ...merged, metadata })
  try {
    const object = fitObject(copy, { expected: kind, type: bodyType(context.resource, kind), validation: 'Ignore', warn: warnIn(context), prune: context.resource.custom?.prune })
    if (managedFields !== undefined) object.metadata.managedFields = managedFields
    return object
  } catch (cause) {
    if (!(cause instanceof StatusError) || cause.reason !== 'BadRequest') throw cause
    const apiVersion = kind.group === '' ? kind.version : `${kind.group}/${kind.version}`
    const { namespace = '', name = '' } = merged.metadata
    const problem = cause.message.replace(/^.* cannot be handled as a [^:]*: /, '')
    throw plainError(`failed to convert new object (${namespace}/${name}; ${kindText(apiVersion, kind.kind)}) to proper version (${apiVersion}): ${problem}`)
  }
}

function checkApplied(context: VerbContext, object: OpenObject, live: Readonly<OpenObject> | undefined): void {
  const { resource, info } = context
  const { uid = '' } = object.metadata
  if (live === undefined && uid !== '') throw errors.conflict(resource, info.name, `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`)
  checkNames(object, info.name, info.namespace)
  withoutDuplicateOwners(object, warnIn(context))
}
