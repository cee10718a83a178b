import { typeById } from '../api/type-table.ts'
import { cborCodec } from './cbor.ts'
import { ProtobufError, decodeProtobuf } from '../machinery/protobuf.ts'
import { fieldErrorCause, fieldErrors } from '../machinery/field-error.ts'
import { errors } from '../machinery/status.ts'
import { readBody } from './body.ts'
import type { ServerRequest } from './context.ts'
import type { DeleteRequest } from './core.ts'
import { checkDeleteOptions } from './deletion.ts'
import { parseYaml } from './yaml.ts'

export type DeleteParameters = Pick<DeleteRequest, 'gracePeriodSeconds' | 'propagationPolicy' | 'orphanDependents' | 'preconditions' | 'dryRun'>

/** metav1.DeleteOptions of a request: its body, or, without one, its query. */
export async function deleteOptionsOf(request: ServerRequest, cbor: boolean): Promise<DeleteParameters> {
  const body = await readBody(request, cbor)
  const options = body.bytes.length === 0 ? fromQuery(request.query) : fromBody(body)
  checkDeleteOptions({ user: { username: '', groups: [] }, ...options })
  return options
}

function fromQuery(query: URLSearchParams): DeleteParameters {
  const grace = query.get('gracePeriodSeconds') ?? ''
  if (grace !== '' && !/^-?[0-9]{1,18}$/.test(grace)) throw errors.badRequest(`strconv.ParseInt: parsing ${JSON.stringify(grace)}: invalid syntax`)
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
  const wrong = values.find((value) => value !== 'All')
  if (wrong !== undefined) throw errors.invalid({ group: 'meta.k8s.io', kind: 'DeleteOptions' }, '', [fieldErrorCause(fieldErrors.notSupported('dryRun', wrong, ['All']))])
  return values.length > 0
}

function parse(body: Awaited<ReturnType<typeof readBody>>): Record<string, unknown> {
  const text = Buffer.from(body.bytes).toString('utf8')
  let value: unknown
  try {
    if (body.encoding === 'protobuf') return decodeProtobuf(body.bytes, () => typeById('meta/v1.DeleteOptions'))
    value = body.encoding === 'cbor' ? cborCodec().decodeCbor(body.bytes) : body.encoding === 'yaml' ? parseYaml(text) : JSON.parse(text)
  } catch (cause) {
    if (body.encoding === 'protobuf' && !(cause instanceof ProtobufError)) throw cause
    throw errors.badRequest(`the object provided is unrecognized (must be of type DeleteOptions): couldn't get version/kind; json parse error: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw errors.badRequest('decoded object cannot be converted to DeleteOptions')
  return value as Record<string, unknown>
}

function fromBody(body: Awaited<ReturnType<typeof readBody>>): DeleteParameters {
  const value = parse(body)
  if (value.kind !== undefined && value.kind !== '' && value.kind !== 'DeleteOptions') throw errors.badRequest('decoded object cannot be converted to DeleteOptions')
  const wrongType = (name: string): never => {
    throw errors.badRequest(`DeleteOptions in version "v1" cannot be handled as a DeleteOptions: the field ${name} has a value of the wrong type`)
  }
  const field = <T>(name: string, isRight: (given: unknown) => boolean): T | undefined => {
    const given = value[name]
    if (given === undefined || given === null) return undefined
    return isRight(given) ? (given as T) : wrongType(name)
  }
  const gracePeriodSeconds = field<number>('gracePeriodSeconds', Number.isInteger)
  const orphanDependents = field<boolean>('orphanDependents', (given) => typeof given === 'boolean')
  const propagationPolicy = field<'Background'>('propagationPolicy', (given) => typeof given === 'string')
  const preconditions = field<{ uid?: string; resourceVersion?: string }>('preconditions', (given) => typeof given === 'object' && !Array.isArray(given))
  const dryRun = field<unknown[]>('dryRun', Array.isArray) ?? []
  for (const part of ['uid', 'resourceVersion'] as const) {
    if (preconditions?.[part] !== undefined && typeof preconditions[part] !== 'string') wrongType(`preconditions.${part}`)
  }
  return {
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }), ...(orphanDependents === undefined ? {} : { orphanDependents }),
    ...(propagationPolicy === undefined ? {} : { propagationPolicy }), ...(preconditions === undefined ? {} : { preconditions }), dryRun: dryRunOf(dryRun),
  }
}
