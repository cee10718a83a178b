import type { UserInfo } from '../../api/resource.ts'
import type { Status } from '../../machinery/status.ts'
import type { AuditLevel, AuditStage } from './audit-policy.ts'

export interface AuditUser { username?: string; uid?: string; groups?: readonly string[]; extra?: Readonly<Record<string, readonly string[]>> }

export interface AuditObjectReference { resource?: string; namespace?: string; name?: string; uid?: string; apiGroup?: string; apiVersion?: string; resourceVersion?: string; subresource?: string }

/** `audit.k8s.io/v1` Event (https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/#audit-k8s-io-v1-Event). Objects are JSON text. Never changed once it is made. */
export interface AuditEvent {
  readonly level: AuditLevel
  readonly auditID: string
  readonly stage: AuditStage
  readonly requestURI: string
  readonly verb: string
  readonly user: AuditUser
  readonly impersonatedUser?: AuditUser
  readonly impersonationConstraint?: string
  readonly sourceIPs: readonly string[]
  readonly userAgent: string
  readonly objectRef?: AuditObjectReference
  readonly responseStatus?: Partial<Status>
  readonly requestObject?: string
  readonly responseObject?: string
  readonly requestReceivedTimestamp: string
  readonly stageTimestamp: string
  readonly annotations?: Readonly<Record<string, string>>
}

export function auditUser(user: UserInfo): AuditUser {
  const { username, uid, groups, extra } = user
  return { username, ...(uid === undefined || uid === '' ? {} : { uid }), ...(groups.length === 0 ? {} : { groups }), ...(extra === undefined || Object.keys(extra).length === 0 ? {} : { extra }) }
}

/** The event's fields as JSON, without kind and apiVersion, which a list of events names once. */
export function eventJson(event: AuditEvent): string {
  const { level, auditID, stage, requestURI, verb, user, impersonatedUser, impersonationConstraint, sourceIPs, userAgent, objectRef, responseStatus } = event
  const head = JSON.stringify({
    level, auditID, stage, requestURI, verb, user, impersonatedUser,
    authenticationMetadata: impersonationConstraint === undefined ? undefined : { impersonationConstraint },
    sourceIPs: sourceIPs.length === 0 ? undefined : sourceIPs, userAgent: userAgent === '' ? undefined : userAgent, objectRef,
    responseStatus: responseStatus === undefined ? undefined : { metadata: {}, ...responseStatus },
  })
  const { requestObject, responseObject, requestReceivedTimestamp, stageTimestamp, annotations } = event
  const sorted = annotations === undefined ? undefined : Object.fromEntries(Object.entries(annotations).sort(([a], [b]) => (a < b ? -1 : 1)))
  const tail = JSON.stringify({ requestReceivedTimestamp, stageTimestamp, annotations: sorted })
  const objects = `${requestObject === undefined ? '' : `"requestObject":${requestObject},`}${responseObject === undefined ? '' : `"responseObject":${responseObject},`}`
  return `${head.slice(0, -1)},${objects}${tail.slice(1)}`
}

/** One line of a JSON log. */
export function eventLine(event: AuditEvent): string {
  return `{"kind":"Event","apiVersion":"audit.k8s.io/v1",${eventJson(event).slice(1)}\n`
}

export function eventListJson(events: readonly AuditEvent[]): string {
  return `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[${events.map(eventJson).join(',')}]}`
}

/** One line of a legacy log (upstream: `audit.EventString`). */
export function legacyLine(event: AuditEvent): string {
  const quote = (text: string): string => JSON.stringify(text)
  const quoted = (list: readonly string[]): string => quote(list.map(quote).join(','))
  const { user, impersonatedUser } = event
  const named = (user.username ?? '') !== ''
  const groups = named && (user.groups?.length ?? 0) > 0 ? quoted(user.groups!) : quote('<none>')
  const asGroups = impersonatedUser?.groups === undefined ? quote('<lookup>') : quoted(impersonatedUser.groups)
  return `${event.requestReceivedTimestamp.replace(/0+Z$/, 'Z').replace('.Z', 'Z')} AUDIT: id=${quote(event.auditID)} stage=${quote(event.stage)} ip=${quote(event.sourceIPs[0] ?? '<unknown>')} method=${quote(event.verb)}`
    + ` user=${quote(named ? user.username! : '<none>')} groups=${groups} as=${quote(impersonatedUser?.username ?? '<self>')} asgroups=${asGroups} user-agent=${quote(event.userAgent)}`
    + ` namespace=${quote(event.objectRef?.namespace ?? '<none>')} uri=${quote(event.requestURI)} response="${event.responseStatus?.code ?? '<deferred>'}"\n`
}

/** The event without what makes it large. */
export function truncated(event: AuditEvent): AuditEvent {
  const { requestObject: _request, responseObject: _response, ...rest } = event
  return { ...rest, annotations: { ...rest.annotations, 'audit.k8s.io/truncated': 'true' } }
}

/** Events with objects of one kind of metadata less: `managedFields`, of the object, of a list's items and of a table's rows. */
export function withoutManagedFields(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  const copy = structuredClone(value) as { metadata?: { managedFields?: unknown }; items?: { metadata?: { managedFields?: unknown } }[]; rows?: { object?: { metadata?: { managedFields?: unknown } } }[] }
  delete copy.metadata?.managedFields
  if (Array.isArray(copy.items)) for (const item of copy.items) delete item?.metadata?.managedFields
  if (Array.isArray(copy.rows)) for (const row of copy.rows) delete row?.object?.metadata?.managedFields
  return copy
}

const micro = 1000

/** A time in microseconds since the epoch, as `metav1.MicroTime` shows it. */
export function microTimeText(epochMicros: number): string {
  const ms = Math.floor(epochMicros / micro)
  return `${new Date(ms).toISOString().slice(0, -1)}${String(Math.floor(epochMicros - ms * micro)).padStart(3, '0')}Z`
}
