import type { Strategy } from '../api/resource.ts'
import { typeById } from '../api/type-table.ts'
import { cborCodec } from './cbor.ts'
import { decodeProtobuf } from '../machinery/protobuf-envelope.ts'
import { ProtobufError } from '../machinery/protobuf-wire.ts'
import { fieldErrorCause, fieldErrors } from '../machinery/field-error.ts'
import { parseJson } from '../machinery/json-numbers.ts'
import { jsonSyntaxProblem } from '../machinery/json-syntax.ts'
import { SchemaDecodeError, decodeObject } from '../machinery/schema-decode.ts'
import { StatusError, errors } from '../machinery/status.ts'
import { bodyEncoding, jsonTypeOf, unreadableKind, type Body } from './body.ts'
import type { ServerRequest } from './context.ts'
import type { DeleteRequest } from './core.ts'
import { checkDeleteOptions } from './deletion.ts'
import { conversionPrefix, parseYaml } from './yaml.ts'

interface DeleteOptionsBody extends Omit<DeleteParameters, 'dryRun'> { kind?: string; dryRun?: string[] }

export type DeleteParameters = Pick<DeleteRequest, 'gracePeriodSeconds' | 'propagationPolicy' | 'orphanDependents' | 'preconditions' | 'dryRun'>

/** metav1.DeleteOptions of a request: its body, or, without one, its query. `sent` is told of a body, for the audit log. */
export async function deleteOptionsOf(request: ServerRequest, cbor: boolean, sent?: (body: AuditedOptions) => void): Promise<DeleteParameters> {
  const bytes = await request.readBody()
  // What a body would be written in does not matter where there is none.
  const options = bytes.length === 0 ? fromQuery(request.query) : fromBody({ bytes, encoding: bodyEncoding(request.headers['content-type'], cbor) })
  if (sent !== undefined && bytes.length > 0) sent(auditedOptions(options))
  checkDeleteOptions({ user: { username: '', groups: [] }, ...options })
  return options
}

/** As the audit log shows options that were sent: in the internal version, as upstream does. */
export interface AuditedOptions extends Omit<DeleteParameters, 'dryRun'> { kind: 'DeleteOptions'; apiVersion: 'meta.k8s.io/__internal'; dryRun?: ['All'] }

function auditedOptions({ gracePeriodSeconds, preconditions, orphanDependents, propagationPolicy, dryRun }: DeleteParameters): AuditedOptions {
  return {
    kind: 'DeleteOptions', apiVersion: 'meta.k8s.io/__internal', ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }), ...(preconditions === undefined ? {} : { preconditions }),
    ...(orphanDependents === undefined ? {} : { orphanDependents }), ...(propagationPolicy === undefined ? {} : { propagationPolicy }), ...(dryRun === true ? { dryRun: ['All'] } : {}),
  }
}

/** Warns who leaves the fate of dependents to a kind that doesn't delete them. */
export function warnOfDefaultPropagation(strategy: Strategy, { orphanDependents, propagationPolicy }: DeleteParameters, warn: (message: string) => void): void {
  if (strategy.defaultPropagationWarning !== undefined && orphanDependents === undefined && propagationPolicy === undefined) warn(strategy.defaultPropagationWarning)
}

function fromQuery(query: URLSearchParams): DeleteParameters {
  const grace = query.get('gracePeriodSeconds') ?? ''
  if (grace !== '' && !/^-?[0-9]{1,18}$/.test(grace)) throw errors.badRequest(`strconv.ParseInt: parsing ${JSON.stringify(grace)}: ${/^[+-]?[0-9]+$/.test(grace) ? 'value out of range' : 'invalid syntax'}`)
  const orphan = query.get('orphanDependents')
  const policy = query.get('propagationPolicy') ?? ''
  return {
    ...(grace === '' ? {} : { gracePeriodSeconds: Number(grace) }),
    ...(orphan === null ? {} : { orphanDependents: orphan !== 'false' && orphan !== '0' }),
    ...(policy === '' ? {} : { propagationPolicy: policy as 'Background' }),
    dryRun: dryRunOf(query.getAll('dryRun').filter((value) => value !== '')),
  }
}

function dryRunOf(values: readonly unknown[]): boolean {
  if (values.some((value) => value !== 'All')) throw errors.invalid({ group: 'meta.k8s.io', kind: 'DeleteOptions' }, '', [fieldErrorCause(fieldErrors.notSupported('dryRun', values, ['All']))])
  return values.length > 0
}

function parse({ bytes, encoding }: Body): Record<string, unknown> {
  const type = typeById('meta/v1.DeleteOptions')!
  const text = Buffer.from(bytes).toString('utf8')
  try {
    if (encoding === 'protobuf') return decodeProtobuf(bytes, () => type)
    const value = (encoding === 'cbor' ? cborCodec().decodeCbor(bytes) : encoding === 'yaml' ? parseYaml(text) : parseJson(text)) ?? {}
    checkOptionsKind(value, text)
    return decodeObject(type, value, { fillZeroValues: false }).value
  } catch (cause) {
    if (cause instanceof SyntaxError) throw errors.badRequest(`couldn't get version/kind; json parse error: ${jsonSyntaxProblem(text) ?? cause.message}`, cause)
    if (cause instanceof StatusError) throw errors.badRequest(cause.message.replace(conversionPrefix, ''), cause)
    if (cause instanceof SchemaDecodeError || cause instanceof ProtobufError || (encoding === 'cbor' && cause instanceof cborCodec().CborError)) throw errors.badRequest((cause as Error).message.replace(/^proto: (?=unexpected EOF|provided data)/, ''), cause)
    throw cause
  }
}

/** Kinds of upstream's scheme for options, in every version, beside those of meta.k8s.io. */
const optionKinds = new Set(['CreateOptions', 'DeleteOptions', 'GetOptions', 'PatchOptions', 'Status', 'UpdateOptions', 'WatchEvent'])
const metaKinds = new Set(['ListOptions', 'Table', 'TableOptions', 'PartialObjectMetadata', 'PartialObjectMetadataList'])

/** Refuses a body that says it is something else than DeleteOptions, in the words of upstream's scheme. */
function checkOptionsKind(value: unknown, text: string): void {
  const goType = jsonTypeOf(value)
  if (goType !== 'object') throw errors.badRequest(unreadableKind(goType))
  const { kind, apiVersion } = value as { kind?: unknown; apiVersion?: unknown }
  for (const [name, field] of [['kind', kind], ['apiVersion', apiVersion]] as const) {
    if (field !== undefined && field !== null && typeof field !== 'string') throw errors.badRequest(`couldn't get version/kind; json parse error: json: cannot unmarshal ${jsonTypeOf(field)} into Go struct field .${name} of type string`)
  }
  const version = typeof apiVersion === 'string' ? apiVersion : ''
  if (version.split('/').length > 2) throw errors.badRequest(`unexpected GroupVersion string: ${version}`)
  if (version.endsWith('/') && version !== '/') throw errors.badRequest(`Object 'apiVersion' is missing in '${text}'`)
  if (typeof kind !== 'string' || kind === '' || kind === 'DeleteOptions') return
  const given = version === '' || version === '/' ? 'meta.k8s.io/v1' : version
  if (optionKinds.has(kind) || (given === 'meta.k8s.io/v1' && metaKinds.has(kind))) throw errors.badRequest(`converting (v1.${kind}) to (v1.DeleteOptions): unknown conversion`)
  throw errors.badRequest(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(given)} in scheme "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27"`)
}

function fromBody(body: Body): DeleteParameters {
  const { kind = '', gracePeriodSeconds, orphanDependents, propagationPolicy, preconditions, dryRun = [] } = parse(body) as DeleteOptionsBody
  if (kind !== '' && kind !== 'DeleteOptions') throw errors.badRequest('decoded object cannot be converted to DeleteOptions')
  return {
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds: Number(gracePeriodSeconds) }), ...(orphanDependents === undefined ? {} : { orphanDependents }),
    ...(propagationPolicy === undefined ? {} : { propagationPolicy }), ...(preconditions === undefined ? {} : { preconditions }), dryRun: dryRunOf(dryRun),
  }
}
