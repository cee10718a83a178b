import { fieldErrorCause, fieldErrors, type FieldError } from '../../machinery/field-error.ts'
import type { TokenRequest } from '../../api/types/authentication.k8s.io_v1.ts'
import type { Pod } from '../../api/types/core_v1.ts'
import { timeText, type OpenObject } from '../../machinery/object.ts'
import { errors } from '../../machinery/status.ts'
import type { ApiServerCore } from '../core.ts'
import type { SubresourceContext, SubresourceHandler } from '../subresources.ts'
import { signToken, type PrivateClaims, type Ref, type ServiceAccountIssuer } from './service-account-issuer.ts'
import { serviceAccountUsername } from './service-account-token.ts'

const defaultSeconds = 3600
const minSeconds = 600
const maxSeconds = 2 ** 32
/** What the ServiceAccount admission plugin asks for in pods; such tokens may be extended. */
const mountedTokenSeconds = 3607
const extendedSeconds = 365 * 24 * 3600

function validate(request: TokenRequest): FieldError[] {
  const seconds = request.spec.expirationSeconds!
  const path = 'spec.expirationSeconds'
  return [
    ...(seconds < minSeconds ? [fieldErrors.invalid(path, seconds, 'may not specify a duration less than 10 minutes')] : []),
    ...(seconds > maxSeconds ? [fieldErrors.invalid(path, seconds, 'may not specify a duration larger than 2^32 seconds')] : []),
  ]
}

/** Names in the body must be those of the path. */
function checkPlace({ metadata = {} }: TokenRequest, namespace: string, name: string): void {
  const problems: FieldError[] = []
  if ((metadata.name ?? '') !== '' && metadata.name !== name) problems.push(fieldErrors.invalid('metadata.name', metadata.name, 'must match the service account name if specified'))
  if ((metadata.namespace ?? '') !== '' && metadata.namespace !== namespace) problems.push(fieldErrors.invalid('metadata.namespace', metadata.namespace, 'must match the service account namespace if specified'))
  if (problems.length > 0) throw errors.invalid({ group: 'authentication.k8s.io', kind: 'TokenRequest' }, name, problems.map(fieldErrorCause))
}

interface Bound { pod?: Ref; secret?: Ref; node?: { name: string; uid?: string } }

function refOf(object: { metadata: { name?: string; uid?: string } }): Ref {
  return { name: object.metadata.name!, uid: object.metadata.uid! }
}

/** The objects that the token is to die with. */
async function boundObjects(core: ApiServerCore, request: TokenRequest, namespace: string, accountName: string): Promise<Bound> {
  const reference = request.spec.boundObjectRef
  if (reference === undefined || reference === null) return {}
  const name = reference.name ?? ''
  const { registry } = core
  const requireName = (): void => {
    if (name === '') throw errors.badRequest('Name parameter required.')
  }
  const bound: Bound = {}
  let uid: string | undefined
  const slash = reference.apiVersion?.indexOf('/') ?? -1
  const group = slash < 0 ? '' : reference.apiVersion!.slice(0, slash)
  switch (`${group}/${reference.kind ?? ''}`) {
    case '/Pod': {
      requireName()
      const pod = await registry.get(core.resource('pods'), namespace, name) as unknown as Pod
      if (pod.spec.serviceAccountName !== accountName) {
        throw errors.badRequest(`cannot bind token for serviceaccount ${JSON.stringify(accountName)} to pod running with different serviceaccount name.`)
      }
      bound.pod = refOf(pod)
      uid = pod.metadata.uid
      const nodeName = pod.spec.nodeName ?? ''
      const node = nodeName === '' ? undefined : await registry.find(core.resource('nodes'), '', nodeName)
      if (nodeName !== '') bound.node = node === undefined ? { name: nodeName } : refOf(node)
      break
    }
    case '/Secret': {
      requireName()
      const secret = await registry.get(core.resource('secrets'), namespace, name)
      bound.secret = refOf(secret)
      uid = secret.metadata.uid
      break
    }
    case '/Node': {
      requireName()
      const node = await registry.get(core.resource('nodes'), '', name)
      bound.node = refOf(node)
      uid = node.metadata.uid
      break
    }
    default: throw errors.badRequest(`cannot bind token to object of type ${group}/${(reference.apiVersion ?? '').slice(slash + 1)}, Kind=${reference.kind ?? ''}`)
  }
  if ((reference.uid ?? '') !== '' && reference.uid !== uid) {
    throw errors.conflict({ group, resource: reference.kind! }, name, `the UID in the bound object reference (${reference.uid}) does not match the UID in record. The object might have been deleted and then recreated`)
  }
  return bound
}

/** `serviceaccounts/token`: a signed, bound token for an account (KEP-1205; authentication.k8s.io/v1 TokenRequest). */
export function tokenRequestHandler(issuer: ServiceAccountIssuer): SubresourceHandler {
  async function handle(context: SubresourceContext): Promise<ReturnType<SubresourceContext['answer']>> {
    const { core, info: { namespace, name }, warn } = context
    const request = await context.readObject() as unknown as TokenRequest
    request.spec ??= { audiences: [] }
    request.spec.expirationSeconds ??= defaultSeconds
    await context.prepare(request as unknown as OpenObject, { keepsSystemFields: true })
    // Plugins see the status as it is in Go before it is filled.
    request.status = { expirationTimestamp: null, token: '' } as unknown as NonNullable<TokenRequest['status']>
    const nowMs = core.runtime.clock.now()
    let account!: Readonly<OpenObject>
    await context.admit('CREATE', request, undefined, async () => {
      checkPlace(request, namespace, name)
      account = await core.registry.get(core.resource('serviceaccounts'), namespace, name)
      const askedUid = request.metadata?.uid ?? ''
      if (askedUid !== '' && askedUid !== account.metadata.uid) {
        throw errors.conflict({ group: 'authentication.k8s.io', resource: 'TokenRequest' }, name, `the UID in the token request (${askedUid}) does not match the UID of the service account (${account.metadata.uid})`)
      }
      // An empty list is this server's own audiences.
      if ((request.spec.audiences ?? []).length === 0) request.spec.audiences = [...issuer.apiAudiences]
      request.metadata = { ...request.metadata, name, namespace, uid: account.metadata.uid!, creationTimestamp: timeText(nowMs) }
      const problems = validate(request)
      if (problems.length > 0) throw errors.invalid({ group: 'authentication.k8s.io', kind: 'TokenRequest' }, '', problems.map(fieldErrorCause))
    })
    const bound = await boundObjects(core, request, namespace, name)
    let seconds = request.spec.expirationSeconds
    if (issuer.maxExpirationSeconds !== undefined && seconds > issuer.maxExpirationSeconds) {
      warn(`requested expiration of ${seconds} seconds shortened to ${issuer.maxExpirationSeconds} seconds`)
      seconds = issuer.maxExpirationSeconds
      request.spec.expirationSeconds = seconds
    }
    const issuedAt = Math.floor(nowMs / 1000)
    const isForApi = request.spec.audiences.every((audience) => issuer.apiAudiences.includes(audience))
    const isExtended = issuer.extendExpiration && bound.pod !== undefined && seconds === mountedTokenSeconds && isForApi
    const kubernetes: PrivateClaims = { namespace, ...bound, serviceaccount: refOf(account), ...(isExtended ? { warnafter: issuedAt + seconds } : {}) }
    const id = core.runtime.random.uuid()
    const token = await signToken(issuer, {
      audiences: request.spec.audiences, subject: serviceAccountUsername(namespace, name), id, issuedAt,
      expiresAt: issuedAt + (isExtended ? extendedSeconds : seconds), kubernetes,
    })
    context.annotateAudit('authentication.kubernetes.io/issued-credential-id', `JTI=${id}`)
    request.status = { token, expirationTimestamp: timeText((issuedAt + seconds) * 1000) }
    return context.answer({ ...request, apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest' }, 201)
  }
  return { group: '', resource: 'serviceaccounts', subresource: 'token', handle }
}
