import type { UserInfo } from '../api/resource.ts'
import { domainPrefixedPathErrors } from '../machinery/domain-prefixed-path.ts'
import { fieldErrorText } from '../machinery/field-error.ts'
import { dnsSubdomainErrors } from '../machinery/names.ts'
import { errors, isReason } from '../machinery/status.ts'
import type { Clock } from '../runtime/clock.ts'
import { Denial, forbiddenError } from './authentication-filter.ts'
import { extraOfHeaders, headerValues } from './authentication/header-values.ts'
import { serviceAccountOf } from './authentication/service-account-token.ts'
import { allAuthenticated, allUnauthenticated, anonymousUser } from './authentication/user.ts'
import type { MetricSet } from './metrics/metric-set.ts'
import type { AuthorizationAttributes, Authorizer, ServerRequest } from './context.ts'

/**
 * Acting as somebody else by `Impersonate-*` headers: constrained impersonation (KEP-5284), which asks for the right to be that kind
 * of user and for the right to do this very thing as one, and the older verb `impersonate`, which asks for the first only.
 */

const extraPrefix = 'impersonate-extra-'
const nodePrefix = 'system:node:'
/** From so many names on, the right to all of them is asked for first. */
const manyNames = 4
/** The mode that a user had success with is tried first; so many users are remembered. */
const maxRemembered = 10_000

type Authorize = Authorizer['authorize']

/** What the headers ask for, nothing filled in. */
interface Wanted { username: string; uid: string; groups: string[]; extra: Record<string, string[]> }

/** A way to be allowed it. `fits` says whether it concerns this user at all. */
interface Mode { name: string; fits(wanted: Wanted, requestor: UserInfo): boolean }

const onlyName = ({ uid, groups, extra }: Wanted): boolean => uid === '' && groups.length === 0 && Object.keys(extra).length === 0

function nodeOf(username: string): string | undefined {
  if (!username.startsWith(nodePrefix)) return undefined
  const name = username.slice(nodePrefix.length)
  return dnsSubdomainErrors(name).length === 0 ? name : undefined
}

function ownNode(requestor: UserInfo): string | undefined {
  if (serviceAccountOf(requestor.username) === undefined) return undefined
  const names = requestor.extra?.['authentication.kubernetes.io/node-name'] ?? []
  return names.length === 1 ? names[0] : undefined
}

const legacy = 'legacy'
const modes: readonly Mode[] = [
  { name: 'associated-node', fits: (wanted, requestor) => onlyName(wanted) && nodeOf(wanted.username) !== undefined && ownNode(requestor) === nodeOf(wanted.username) },
  { name: 'arbitrary-node', fits: (wanted) => onlyName(wanted) && nodeOf(wanted.username) !== undefined },
  { name: 'serviceaccount', fits: (wanted) => onlyName(wanted) && serviceAccountOf(wanted.username) !== undefined },
  { name: 'user-info', fits: ({ username }) => nodeOf(username) === undefined && serviceAccountOf(username) === undefined },
  { name: legacy, fits: () => true },
]

const legacyOnly = modes.filter(({ name }) => name === legacy)

/** Nearly no request does, and every request is asked. */
function namesAnother(headers: ServerRequest['headers']): boolean {
  for (const name in headers) if (name.startsWith('impersonate-')) return true
  return false
}

/** Go's `%#v` of a user, as upstream's error shows it. */
function goText({ username, uid, groups, extra }: Wanted): string {
  const strings = (list: readonly string[]): string => `[]string{${list.map((word) => JSON.stringify(word)).join(', ')}}`
  const keys = Object.keys(extra)
  const map = keys.length === 0 ? 'map[string][]string(nil)' : `map[string][]string{${keys.toSorted().map((key) => `${JSON.stringify(key)}:${strings(extra[key]!)}`).join(', ')}}`
  return `&user.DefaultInfo{Name:${JSON.stringify(username)}, UID:${JSON.stringify(uid)}, Groups:${groups.length === 0 ? '[]string(nil)' : strings(groups)}, Extra:${map}}`
}

/** The same as references to objects, Go's `%v`, which is how the error reads without constrained impersonation. */
function referencesText({ uid, groups, extra }: Wanted): string {
  const version = 'authentication.k8s.io/v1'
  const references = [
    ...groups.map((name) => `{Group  ${name}    }`), ...Object.entries(extra).flatMap(([key, values]) => values.map((value) => `{UserExtra  ${value}  ${version}  ${key}}`)),
    ...(uid === '' ? [] : [`{UID  ${uid}  ${version}  }`]),
  ]
  return `[${references.join(' ')}]`
}

/** Throws 400 when the headers name something of a user, but no user. */
function wantedOf(request: ServerRequest, isConstrained: boolean): Wanted | undefined {
  const first = (name: string): string => headerValues(request, name)[0] ?? ''
  const wanted: Wanted = { username: first('impersonate-user'), uid: first('impersonate-uid'), groups: headerValues(request, 'impersonate-group'), extra: extraOfHeaders(request, extraPrefix) }
  if (wanted.username !== '') return wanted
  if (onlyName(wanted)) return undefined
  throw new Denial(errors.badRequest(isConstrained ? `requested ${goText(wanted)} without impersonating a user name` : `requested ${referencesText(wanted)} without impersonating a user`).status)
}

/** Who the request acts as, and by which right: '' for the verb `impersonate`, else `impersonate:MODE`. */
export interface Impersonation { user: UserInfo; constraint: string }

export type Impersonate = (request: ServerRequest, attributes: AuthorizationAttributes) => Promise<Impersonation | undefined> | undefined

/**
 * Says whom the request wants to act as, once the caller has been allowed to; undefined without such headers. `attributes`: the request,
 * by its caller. Rejects with 403, or with 400 for headers that name no user. Without `isConstrained` (feature gate
 * ConstrainedImpersonation) only the verb `impersonate` counts.
 */
export function impersonator(asked: Authorize, isConstrained = true, metrics?: { set: MetricSet; clock: Clock }): Impersonate {
  const authorize = metrics === undefined || !isConstrained ? asked : counted(asked, metrics)
  const lastMode = new Map<string, Mode>()

  async function attempt(mode: Mode, wanted: Wanted, attributes: AuthorizationAttributes): Promise<Impersonation> {
    const asker = mode.name === 'associated-node' ? associated(attributes.user) : attributes.user
    const constraint = mode.name === legacy ? '' : `impersonate:${mode.name}`
    if (constraint !== '') await require(authorize, { ...attributes, user: asker, verb: `impersonate-on:${mode.name}:${attributes.verb}` })
    return { user: await allowedUser(authorize, asker, wanted, constraint), constraint }
  }

  async function impersonated(request: ServerRequest, attributes: AuthorizationAttributes): Promise<Impersonation | undefined> {
    const wanted = wantedOf(request, isConstrained)
    if (wanted === undefined) return undefined
    const { username } = attributes.user
    const last = lastMode.get(username)
    let refusal: unknown
    const known = isConstrained ? modes : legacyOnly
    for (const mode of last === undefined ? known : [last, ...known.filter((each) => each !== last)]) {
      if (!mode.fits(wanted, attributes.user)) continue
      try {
        const allowed = await attempt(mode, wanted, attributes)
        if (mode !== last) remember(lastMode, username, mode)
        return allowed
      } catch (error) {
        refusal ??= error
      }
    }
    throw refusal
  }

  async function noted(request: ServerRequest, attributes: AuthorizationAttributes, { set, clock }: { set: MetricSet; clock: Clock }): Promise<Impersonation | undefined> {
    const begunMs = clock.monotonicMs()
    const note = (mode: string, decision: 'allowed' | 'denied'): void => {
      set.count('apiserver_impersonation_attempts_total', mode, decision)
      set.observe('apiserver_impersonation_attempts_duration_seconds', (clock.monotonicMs() - begunMs) / 1000, mode, decision)
    }
    try {
      const impersonation = await impersonated(request, attributes)
      if (impersonation !== undefined) note(impersonation.constraint === '' ? legacy : modeOf(impersonation.constraint), 'allowed')
      return impersonation
    } catch (error) {
      if (!isReason(error, 'BadRequest')) note('', 'denied')
      throw error
    }
  }

  return (request, attributes) => {
    if (!namesAnother(request.headers)) return undefined
    return metrics === undefined || !isConstrained ? impersonated(request, attributes) : noted(request, attributes, metrics)
  }
}

/** `impersonate:MODE` and `impersonate-on:MODE:VERB` name a mode; `impersonate` itself is the legacy one. */
function modeOf(verb: string): string {
  return verb.split(':')[1] ?? legacy
}

function counted(authorize: Authorize, { set, clock }: { set: MetricSet; clock: Clock }): Authorize {
  return async (attributes) => {
    const begunMs = clock.monotonicMs()
    const answer = await authorize(attributes)
    const labels = [modeOf(attributes.verb), answer.decision === 'allow' ? 'allowed' : 'denied'] as const
    set.count('apiserver_impersonation_authorization_attempts_total', ...labels)
    set.observe('apiserver_impersonation_authorization_attempts_duration_seconds', (clock.monotonicMs() - begunMs) / 1000, ...labels)
    return answer
  }
}

function remember(lastMode: Map<string, Mode>, username: string, mode: Mode): void {
  if (lastMode.size >= maxRemembered) lastMode.delete(lastMode.keys().next().value!)
  lastMode.set(username, mode)
}

/** A node's agent is asked about in general, not on this node: only the names of what else is known of it count. */
function associated(requestor: UserInfo): UserInfo {
  return { ...requestor, extra: { 'authentication.kubernetes.io/associated-node-keys': Object.keys(requestor.extra ?? {}).toSorted() } }
}

async function require(authorize: Authorize, attributes: AuthorizationAttributes): Promise<void> {
  const { decision, reason } = await authorize(attributes)
  if (decision !== 'allow') throw forbiddenError(attributes, reason)
}

/** Asks for the right to be each part of `wanted`, and fills in what the kind of user implies. */
async function allowedUser(authorize: Authorize, requestor: UserInfo, wanted: Wanted, constraint: string): Promise<UserInfo> {
  const isConstrained = constraint !== ''
  const question = (apiGroup: string, resource: string, name: string, more: Partial<AuthorizationAttributes> = {}): AuthorizationAttributes =>
    ({ user: requestor, verb: isConstrained ? constraint : 'impersonate', isResourceRequest: true, path: '', apiGroup, apiVersion: 'v1', resource, subresource: '', namespace: '', name, ...more })
  const ownGroup = isConstrained ? 'authentication.k8s.io' : ''
  const account = serviceAccountOf(wanted.username)
  const node = isConstrained ? nodeOf(wanted.username) : undefined
  let groups = wanted.groups
  if (node !== undefined) {
    await require(authorize, question(ownGroup, 'nodes', constraint === 'impersonate:associated-node' ? '*' : node))
    groups = ['system:nodes']
  } else if (account !== undefined) {
    await require(authorize, question(ownGroup, 'serviceaccounts', account.name, { namespace: account.namespace }))
    if (groups.length === 0) groups = ['system:serviceaccounts', `system:serviceaccounts:${account.namespace}`]
  } else {
    await require(authorize, question(ownGroup, 'users', wanted.username))
  }
  if (wanted.uid !== '') await require(authorize, question('authentication.k8s.io', 'uids', wanted.uid))
  if (wanted.groups.length > 0) await requireGroups(authorize, question(ownGroup, 'groups', ''), wanted.groups, isConstrained)
  if (Object.keys(wanted.extra).length > 0) await requireExtra(authorize, question('authentication.k8s.io', 'userextras', ''), wanted.extra, isConstrained)
  return {
    username: wanted.username, groups: withImplied(wanted.username, groups), ...(wanted.uid === '' ? {} : { uid: wanted.uid }),
    ...(Object.keys(wanted.extra).length === 0 ? {} : { extra: wanted.extra }),
  }
}

function withImplied(username: string, groups: readonly string[]): readonly string[] {
  const implied = username === anonymousUser.username ? allUnauthenticated : allAuthenticated
  return groups.includes(implied) || groups.includes(allUnauthenticated) ? groups : [...groups, implied]
}

async function isAllowed(authorize: Authorize, attributes: AuthorizationAttributes): Promise<boolean> {
  return (await authorize(attributes)).decision === 'allow'
}

async function requireGroups(authorize: Authorize, question: AuthorizationAttributes, groups: readonly string[], isConstrained: boolean): Promise<void> {
  if (isConstrained) {
    if (groups.includes('')) throw forbiddenError(question, 'impersonating the empty string group is not allowed')
    if (groups.includes('system:masters')) throw forbiddenError({ ...question, name: 'system:masters' }, 'impersonating the system:masters group is not allowed')
    if (groups.length >= manyNames && await isAllowed(authorize, { ...question, name: '*' })) return
  }
  for (const name of groups) await require(authorize, { ...question, name })
}

async function requireExtra(authorize: Authorize, question: AuthorizationAttributes, extra: Record<string, string[]>, isConstrained: boolean): Promise<void> {
  if (isConstrained) {
    const problem = extraProblem(extra)
    if (problem !== undefined) throw forbiddenError(question, problem)
    const isMany = Object.keys(extra).length >= manyNames || Object.values(extra).flat().length >= manyNames
    if (isMany && await isAllowed(authorize, { ...question, subresource: '*', name: '*' })) return
  }
  for (const [subresource, values] of Object.entries(extra)) for (const name of values) await require(authorize, { ...question, subresource, name })
}

function extraProblem(extra: Record<string, string[]>): string | undefined {
  for (const [key, values] of Object.entries(extra)) {
    if (key === '') return 'impersonating the empty string key in extra is not allowed'
    const problems = domainPrefixedPathErrors('extra.key', key)
    if (problems.length > 0) return `impersonating an invalid key in extra is not allowed: ${problems.map((each) => `${each.path}: ${fieldErrorText(each)}`).join(', ')}`
    if (key !== key.toLowerCase()) return `impersonating a non-lowercase key in extra is not allowed: ${JSON.stringify(key)}`
    if (values.length === 0) return 'impersonating empty values in extra is not allowed'
    if (values.includes('')) return 'impersonating the empty string value in extra is not allowed'
  }
  return undefined
}
