import { fieldErrorCause, fieldErrors } from '../../machinery/field-error.ts'
import { countKeys } from '../../machinery/json-duplicates.ts'
import { parseJson } from '../../machinery/json-numbers.ts'
import { isJsonObject, type JsonObject } from '../../machinery/json-value.ts'
import type { OpenObject } from '../../machinery/object.ts'
import { StatusError, errors } from '../../machinery/status.ts'
import { cborCodec } from '../cbor.ts'
import { attributesOf, requireAllowed } from '../authentication-filter.ts'
import { fitObject } from '../body.ts'
import { cloneJson } from '../clone.ts'
import type { ServerResponse } from '../context.ts'
import { fieldManagerFor, kindText } from '../field-management/field-manager.ts'
import { checkDepth } from '../json-depth.ts'
import { withoutDuplicateOwners } from '../owner-references.ts'
import { answerOutcome, bodyType, kindOf, strategyOf, warnIn, writeParameters, type VerbContext, type WriteParameters } from '../verb-context.ts'
import { readYaml } from '../yaml.ts'
import type { BodyKind } from '../subresources.ts'
import { checkNames } from './update.ts'

export const applyMediaType = 'application/apply-patch+yaml'
const applyCborMediaType = 'application/apply-patch+cbor'

/** Whether the request is a server-side apply. */
export function isApply(context: VerbContext): boolean {
  const type = mediaTypeOf(context)
  return type === applyMediaType || (type === applyCborMediaType && context.server.cbor)
}

function mediaTypeOf({ request }: VerbContext): string {
  return (request.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase()
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
  const bytes = Buffer.from(await request.readBody())
  const text = mediaTypeOf(context) === applyCborMediaType ? jsonOfCbor(bytes) : bytes.toString('utf8')
  context.audit?.sentPatch(text)
  const { value, duplicates } = configurationOf(text)
  return { parameters, manager, force: wantsForce(request.query), configuration: { value, checkStrictly: () => checkDuplicates(context, duplicates(), parameters) } }
}

/** `force` as Go reads booleans of a query: whatever does not say no says yes. */
export function wantsForce(query: URLSearchParams): boolean {
  const force = query.get('force')
  return force !== null && force !== '0' && force.toLowerCase() !== 'false'
}

function jsonOfCbor(bytes: Buffer): string {
  try {
    return JSON.stringify(cborCodec().decodeCbor(bytes))
  } catch (cause) {
    throw errors.badRequest(`error decoding CBOR: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
  }
}

function configurationOf(text: string): { value: JsonObject; duplicates(): readonly string[] } {
  let value: unknown
  let duplicates = (): readonly string[] => []
  try {
    const json = jsonOf(text)
    if (json !== undefined) {
      value = json.value
      // Clients send JSON without repeats: only what lost keys in parsing is read again to name them.
      duplicates = () => (countKeys(text) === keyCountOf(value) ? [] : readYaml(text).duplicates)
    } else {
      const yaml = readYaml(text)
      value = yaml.value
      duplicates = () => yaml.duplicates
    }
    checkDepth(value)
  } catch (cause) {
    throw errors.badRequest(`error decoding YAML: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
  }
  if (value === null || value === undefined) return { value: {}, duplicates }
  if (isJsonObject(value)) return { value, duplicates }
  const what = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value
  throw errors.badRequest(`error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal ${what} into Go value of type map[string]interface {}`)
}

/** JSON is YAML, but is read faster by its own parser. */
function jsonOf(text: string): { value: unknown } | undefined {
  if (!/^\s*\{/.test(text)) return undefined
  try {
    return { value: parseJson(text) }
  } catch (error) {
    // Flow mappings of YAML begin alike.
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function keyCountOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  let count = Array.isArray(value) ? 0 : Object.keys(value).length
  for (const child of Object.values(value)) count += keyCountOf(child)
  return count
}

function checkDuplicates(context: VerbContext, problems: readonly string[], { validation }: WriteParameters): void {
  if (problems.length === 0 || validation === 'Ignore') return
  if (validation === 'Strict') throw errors.badRequest(`error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n${problems.map((problem) => `  ${problem}`).join('\n')}`)
  for (const problem of problems) warnIn(context)(problem)
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
    throw errors.plain(`failed to convert new object (${namespace}/${name}; ${kindText(apiVersion, kind.kind)}) to proper version (${apiVersion}): ${problem}`)
  }
}

function checkApplied(context: VerbContext, object: OpenObject, live: Readonly<OpenObject> | undefined): void {
  const { resource, info } = context
  const { uid = '' } = object.metadata
  if (live === undefined && uid !== '') throw errors.conflict(resource, info.name, `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`)
  checkNames(object, info.name, info.namespace)
  withoutDuplicateOwners(object, warnIn(context), true)
}
