import { semanticEqual } from '../../machinery/equality.ts'
import { formatIp } from '../../machinery/cidr.ts'
import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { cIdentifierErrors, dnsLabelErrors, dnsSubdomainErrors, labelValueErrors, qualifiedNameErrors } from '../../machinery/names.ts'
import { goQuoted } from '../../machinery/go-json.ts'
import { parseSloppyCidr, parseSloppyIp } from '../../machinery/ip-checks.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type {
  AllocatedDeviceStatus, AllocationResult, DeviceClaim, DeviceClass, DeviceConfiguration, DeviceConstraint, DeviceRequest, DeviceSelector, DeviceTaint, DeviceToleration, ExactDeviceRequest,
  ResourceClaim, ResourceClaimStatus, ResourceClaimTemplate,
} from '../types/resource.k8s.io_v1.ts'
import type { DeviceTaintRule } from '../types/resource.k8s.io_v1beta2.ts'
import { checkNodeSelector } from './affinity.ts'
import { addInvalid, isEmpty } from './check.ts'
import { checkConditions } from './conditions.ts'
import { checkDeviceExpression } from './device-expressions.ts'
import { internalForm, validateImmutableForm } from './internal-form.ts'
import { immutableText, validateTemplateMeta } from './object-meta.ts'
import type { Validation } from './validation.ts'
import { checkCsiDriverName } from './volume-sources.ts'

/** Claims to devices, and classes of them (upstream's `pkg/apis/resource/validation`); slices are in `device-slices.ts`. */

const listLimit = 32
const maxJsonBytes = 10 * 1024

/** Driver names are as those of storage drivers. */
export const checkDriverName = checkCsiDriverName

export function checkPoolName(out: FieldError[], path: string, name: string | undefined): void {
  if (isEmpty(name)) {
    out.push(fieldErrors.required(path))
    return
  }
  if (name.length > 253) out.push(fieldErrors.tooLong(path, 253))
  for (const part of name.split('/')) addInvalid(out, path, part, dnsSubdomainErrors(part))
}

/** Each item by its own rule, none twice by its key, and not too many: those are not looked at. */
export function checkItems<T>(out: FieldError[], path: string, items: readonly T[] | undefined, limit: number, check: (item: T, at: string) => void, keyOf?: (item: T) => unknown): void {
  const list = items ?? []
  if (limit >= 0 && list.length > limit) {
    out.push(fieldErrors.tooMany(path, list.length, limit))
    return
  }
  list.forEach((item, i) => check(item, `${path}[${i}]`))
  if (keyOf === undefined) return
  const seen = new Set<string>()
  for (const [i, item] of list.entries()) {
    const key = keyOf(item)
    const text = JSON.stringify(key)
    if (seen.has(text)) out.push(fieldErrors.duplicate(`${path}[${i}]`, key))
    seen.add(text)
  }
}

function checkCIdentifier(out: FieldError[], path: string, id: string): void {
  if (id.length > 32) out.push(fieldErrors.tooLong(path, 32))
  addInvalid(out, path, id, cIdentifierErrors(id))
}

/** `name`, or `domain.example.com/name`. */
export function checkAttributeName(out: FieldError[], path: string, name: string): void {
  const [domain = '', id, ...more] = name.split('/')
  if (id === undefined) checkCIdentifier(out, path, domain)
  else if (more.length === 0) {
    if (domain === '') out.push(fieldErrors.invalid(path, '', 'the domain must not be empty'))
    else checkDriverName(out, path, domain)
    if (id === '') out.push(fieldErrors.invalid(path, '', 'the name must not be empty'))
    else checkCIdentifier(out, path, id)
  }
}

function checkFullAttributeName(out: FieldError[], path: string, name: string): void {
  checkAttributeName(out, path, name)
  if (!name.includes('/')) out.push(fieldErrors.invalid(path, name, 'a fully qualified name must be a domain and a name separated by a slash'))
}

function checkSelectors(out: FieldError[], path: string, selectors: readonly DeviceSelector[] | undefined): void {
  checkItems(out, path, selectors, listLimit, ({ cel }, at) => {
    if (cel === undefined) out.push(fieldErrors.required(`${at}.cel`))
    else checkDeviceExpression(out, `${at}.cel.expression`, cel.expression ?? '')
  })
}

const taintEffects = ['NoExecute', 'NoSchedule', 'None']

export function checkDeviceTaint(out: FieldError[], path: string, taint: Readonly<DeviceTaint>, before?: Readonly<DeviceTaint>): void {
  addInvalid(out, `${path}.key`, taint.key ?? '', qualifiedNameErrors(taint.key ?? ''))
  if (!isEmpty(taint.value)) addInvalid(out, `${path}.value`, taint.value, labelValueErrors(taint.value))
  if (before !== undefined && before.effect === taint.effect) return
  if (isEmpty(taint.effect)) out.push(fieldErrors.required(`${path}.effect`))
  else if (!taintEffects.includes(taint.effect)) out.push(fieldErrors.notSupported(`${path}.effect`, taint.effect, taintEffects))
}

function checkToleration(out: FieldError[], path: string, { key, operator, value = '', effect }: Readonly<DeviceToleration>): void {
  if (!isEmpty(key)) addInvalid(out, `${path}.key`, key, qualifiedNameErrors(key))
  if (operator === 'Exists') {
    if (value !== '') out.push(fieldErrors.invalid(`${path}.value`, value, 'must be empty for operator `Exists`'))
  } else if (operator === 'Equal') addInvalid(out, `${path}.value`, value, labelValueErrors(value))
  else if (isEmpty(operator)) out.push(fieldErrors.required(`${path}.operator`))
  else out.push(fieldErrors.notSupported(`${path}.operator`, operator, ['Equal', 'Exists']))
  if (!isEmpty(effect) && !taintEffects.includes(effect)) out.push(fieldErrors.notSupported(`${path}.effect`, effect, taintEffects))
}

function checkChoice(out: FieldError[], path: string, choice: Readonly<ExactDeviceRequest>): void {
  const { deviceClassName, allocationMode = '', count = 0 } = choice
  if (isEmpty(deviceClassName)) out.push(fieldErrors.required(`${path}.deviceClassName`))
  else addInvalid(out, `${path}.deviceClassName`, deviceClassName, dnsSubdomainErrors(deviceClassName))
  checkSelectors(out, `${path}.selectors`, choice.selectors)
  if (allocationMode === 'All') {
    if (count !== 0) out.push(fieldErrors.invalid(`${path}.count`, count, "must not be specified when allocationMode is 'All'"))
  } else if (allocationMode === 'ExactCount') {
    if (count <= 0) out.push(fieldErrors.invalid(`${path}.count`, count, 'must be greater than zero'))
  } else out.push(fieldErrors.notSupported(`${path}.allocationMode`, allocationMode, ['All', 'ExactCount']))
  for (const [i, toleration] of (choice.tolerations ?? []).entries()) checkToleration(out, `${path}.tolerations[${i}]`, toleration)
}

function checkRequest(out: FieldError[], path: string, request: Readonly<DeviceRequest>): void {
  addInvalid(out, `${path}.name`, request.name ?? '', dnsLabelErrors(request.name ?? ''))
  const { exactly, firstAvailable = [] } = request
  if (exactly === undefined && firstAvailable.length === 0) out.push(fieldErrors.required(path, 'exactly one of `exactly` or `firstAvailable` is required'))
  else if (exactly !== undefined && firstAvailable.length > 0) out.push(fieldErrors.invalid(path, null, 'exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set'))
  else if (exactly !== undefined) checkChoice(out, `${path}.exactly`, exactly)
  else {
    checkItems(out, `${path}.firstAvailable`, firstAvailable, 8, (choice, at) => {
      addInvalid(out, `${at}.name`, choice.name ?? '', dnsLabelErrors(choice.name ?? ''))
      checkChoice(out, at, choice)
    }, ({ name }) => name)
  }
}

/** Names of requests, and `request/subrequest`. */
function requestNamesOf(devices: Readonly<DeviceClaim> | undefined): ReadonlySet<string> {
  return new Set((devices?.requests ?? []).flatMap(({ name, firstAvailable = [] }) => [name, ...firstAvailable.map((choice) => `${name}/${choice.name}`)]))
}

const notARequest = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"

function checkRequestRef(out: FieldError[], path: string, name: string, known: ReadonlySet<string>): void {
  const segments = name.split('/')
  if (segments.length <= 2) for (const segment of segments) addInvalid(out, path, segment, dnsLabelErrors(segment))
  if (segments.length > 2 || !known.has(name)) out.push(fieldErrors.invalid(path, name, notARequest))
}

function checkRequestRefs(out: FieldError[], path: string, names: readonly string[] | undefined, known: ReadonlySet<string>): void {
  checkItems(out, path, names, listLimit, (name, at) => checkRequestRef(out, at, name, known), (name) => name)
}

function checkConstraint(out: FieldError[], path: string, constraint: Readonly<DeviceConstraint>, known: ReadonlySet<string>): void {
  checkRequestRefs(out, `${path}.requests`, constraint.requests, known)
  if (constraint.matchAttribute !== undefined) checkFullAttributeName(out, `${path}.matchAttribute`, constraint.matchAttribute)
  else if (constraint.distinctAttribute !== undefined) checkFullAttributeName(out, `${path}.distinctAttribute`, constraint.distinctAttribute)
  else out.push(fieldErrors.required(path, 'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set'))
}

/** Whatever a driver has put there, as long as it is a JSON object. */
function checkRaw(out: FieldError[], path: string, raw: unknown): void {
  if (raw === undefined || raw === null) out.push(fieldErrors.required(path))
  else if (Buffer.byteLength(JSON.stringify(raw)) > maxJsonBytes) out.push(fieldErrors.tooLong(path, maxJsonBytes))
  else if (typeof raw !== 'object' || Array.isArray(raw)) out.push(fieldErrors.invalid(path, '<value omitted>', 'must be a valid JSON object'))
}

function checkConfiguration(out: FieldError[], path: string, { opaque }: Readonly<DeviceConfiguration>): void {
  if (opaque === undefined) out.push(fieldErrors.required(`${path}.opaque`))
  else {
    checkDriverName(out, `${path}.opaque.driver`, opaque.driver)
    checkRaw(out, `${path}.opaque.parameters`, opaque.parameters)
  }
}

function checkDeviceClaim(out: FieldError[], path: string, devices: Readonly<DeviceClaim> | undefined): void {
  const known = requestNamesOf(devices)
  checkItems(out, `${path}.requests`, devices?.requests, listLimit, (request, at) => checkRequest(out, at, request), ({ name }) => name)
  checkItems(out, `${path}.constraints`, devices?.constraints, listLimit, (constraint, at) => checkConstraint(out, at, constraint, known))
  checkItems(out, `${path}.config`, devices?.config, listLimit, (config, at) => {
    checkRequestRefs(out, `${at}.requests`, config.requests, known)
    checkConfiguration(out, at, config)
  })
}

export function checkBindingConditions(out: FieldError[], path: string, wanted: readonly string[] = [], failures: readonly string[] = []): void {
  const check = (field: string, names: readonly string[]): void => {
    checkItems(out, `${path}.${field}`, names, 4, (name, at) => addInvalid(out, at, name, qualifiedNameErrors(name)))
  }
  check('bindingConditions', wanted)
  check('bindingFailureConditions', failures)
  wanted.forEach((name, i) => { if (wanted.indexOf(name) < i) out.push(fieldErrors.duplicate(`${path}.bindingConditions[${i}]`, name)) })
  for (const [i, name] of failures.entries()) {
    if (failures.indexOf(name) < i) out.push(fieldErrors.duplicate(`${path}.bindingFailureConditions[${i}]`, name))
    if (wanted.includes(name)) out.push(fieldErrors.invalid(`${path}.bindingFailureConditions[${i}]`, name, 'bindingFailureConditions must not overlap with bindingConditions'))
  }
  if (wanted.length === 0 && failures.length > 0) out.push(fieldErrors.invalid(`${path}.bindingConditions`, null, 'bindingConditions are required to use bindingFailureConditions'))
  if (failures.length === 0 && wanted.length > 0) out.push(fieldErrors.invalid(`${path}.bindingFailureConditions`, null, 'bindingFailureConditions are required to use bindingConditions'))
}

const uidExpression = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** What Go's `uuid.Validate` says. */
function uidProblem(uid: string): string | undefined {
  switch (uid.length) {
    case 32: return /^[0-9a-f]{32}$/i.test(uid) ? undefined : 'invalid UUID format'
    case 36: return uidExpression.test(uid) ? undefined : 'invalid UUID format'
    case 38: return uid.startsWith('{') && uid.endsWith('}') ? uidProblem(uid.slice(1, -1)) : 'invalid bracketed UUID format'
    case 45: return uid.slice(0, 9).toLowerCase() === 'urn:uuid:' ? uidProblem(uid.slice(9)) : `invalid urn prefix: ${goQuoted(uid.slice(0, 9))}`
    default: return `invalid UUID length: ${uid.length}`
  }
}

function checkUid(out: FieldError[], path: string, uid: string | undefined): void {
  if (uid === undefined) return
  const problem = uidProblem(uid)
  if (problem !== undefined) return void out.push(fieldErrors.invalid(path, uid, `error validating uid: ${problem}`))
  if (uid.length === 36 && uid === uid.toLowerCase()) return
  out.push(fieldErrors.invalid(path, uid, 'uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters'))
}

function checkAllocation(out: FieldError[], path: string, allocation: Readonly<AllocationResult>, known: ReadonlySet<string>): void {
  checkItems(out, `${path}.devices.results`, allocation.devices?.results, listLimit, (result, at) => {
    checkRequestRef(out, `${at}.request`, result.request ?? '', known)
    checkDriverName(out, `${at}.driver`, result.driver)
    checkPoolName(out, `${at}.pool`, result.pool)
    addInvalid(out, `${at}.device`, result.device ?? '', dnsLabelErrors(result.device ?? ''))
    checkBindingConditions(out, at, result.bindingConditions, result.bindingFailureConditions)
    checkUid(out, `${at}.shareID`, result.shareID)
  })
  checkItems(out, `${path}.devices.config`, allocation.devices?.config, 2 * listLimit, (config, at) => {
    if (isEmpty(config.source)) out.push(fieldErrors.required(`${at}.source`))
    else if (config.source !== 'FromClass' && config.source !== 'FromClaim') out.push(fieldErrors.notSupported(`${at}.source`, config.source, ['FromClaim', 'FromClass']))
    checkRequestRefs(out, `${at}.requests`, config.requests, known)
    checkConfiguration(out, at, config)
  })
  if (allocation.nodeSelector !== undefined) checkNodeSelector(out, `${path}.nodeSelector`, allocation.nodeSelector)
}

/** `10.9.8.7/24`, as an interface has it: address and prefix, in canonical form. */
function checkInterfaceAddress(out: FieldError[], path: string, text: string): void {
  const slash = text.indexOf('/')
  const ip = slash < 0 ? undefined : parseSloppyIp(text.slice(0, slash))
  const cidr = parseSloppyCidr(text)
  if (ip === undefined || cidr === undefined) return void out.push(fieldErrors.invalid(path, text, 'must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)'))
  const canonical = `${formatIp(ip)}/${cidr.prefix}`
  if (text !== canonical) out.push(fieldErrors.invalid(path, text, `must be in canonical form ("${canonical}")`))
}

const deviceKey = ({ driver, pool, device, shareID }: { driver: string; pool: string; device: string; shareID?: string }): string => [driver, pool, device, ...(shareID === undefined ? [] : [shareID])].join('/')

/** A device as upstream shows it. */
const deviceForm = ({ driver = '', pool = '', device = '', shareID = '' }: { driver?: string; pool?: string; device?: string; shareID?: string }): object => ({ Driver: driver, Pool: pool, Device: device, ShareID: shareID })

function checkDeviceStatus(out: FieldError[], path: string, device: Readonly<AllocatedDeviceStatus>, allocated: ReadonlySet<string>): void {
  checkDriverName(out, `${path}.driver`, device.driver)
  checkPoolName(out, `${path}.pool`, device.pool)
  addInvalid(out, `${path}.device`, device.device ?? '', dnsLabelErrors(device.device ?? ''))
  checkUid(out, `${path}.shareID`, device.shareID)
  if (!allocated.has(deviceKey(device))) out.push(fieldErrors.invalid(path, deviceForm(device), 'must be an allocated device in the claim'))
  if ((device.conditions ?? []).length > 8) out.push(fieldErrors.tooMany(`${path}.conditions`, device.conditions.length, 8))
  checkConditions(out, `${path}.conditions`, device.conditions)
  if (device.data !== undefined) checkRaw(out, `${path}.data`, device.data)
  const network = device.networkData
  if (network === undefined) return
  if ((network.interfaceName ?? '').length > 256) out.push(fieldErrors.tooLong(`${path}.networkData.interfaceName`, 256))
  if ((network.hardwareAddress ?? '').length > 128) out.push(fieldErrors.tooLong(`${path}.networkData.hardwareAddress`, 128))
  checkItems(out, `${path}.networkData.ips`, network.ips, 16, (address, at) => checkInterfaceAddress(out, at, address), (address) => address)
}

function checkClaimStatus(out: FieldError[], claim: Readonly<ResourceClaim>, before: Readonly<ResourceClaimStatus>): void {
  const status = claim.status ?? {}
  const { allocation, reservedFor = [] } = status
  checkItems(out, 'status.reservedFor', reservedFor, 256, (ref, at) => {
    for (const field of ['resource', 'name', 'uid'] as const) if (isEmpty(ref[field])) out.push(fieldErrors.required(`${at}.${field}`))
  }, ({ uid }) => uid)
  const allocated = new Set((allocation?.devices?.results ?? []).map(deviceKey))
  checkItems(out, 'status.devices', status.devices, -1, (device, at) => checkDeviceStatus(out, at, device, allocated), deviceForm)
  if (reservedFor.length > 0) {
    const added = reservedFor.some((ref) => !(before.reservedFor ?? []).some((old) => semanticEqual(old, ref)))
    if (allocation === undefined) out.push(fieldErrors.forbidden('status.reservedFor', 'may not be specified when `allocated` is not set'))
    else if (claim.metadata.deletionTimestamp !== undefined && added) out.push(fieldErrors.forbidden('status.reservedFor', 'new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set'))
  }
  if (allocation === undefined) return
  if (before.allocation === undefined) checkAllocation(out, 'status.allocation', allocation, requestNamesOf(claim.spec?.devices))
  else if (!semanticEqual(allocation, before.allocation)) out.push(fieldErrors.invalid('status.allocation', internalForm('AllocationResult', allocation), immutableText))
}

export const resourceClaimValidation: Validation = {
  validate(object) {
    const out: FieldError[] = []
    checkDeviceClaim(out, 'spec.devices', (object as unknown as ResourceClaim).spec?.devices)
    return out
  },
  validateUpdate: (object, old) => validateImmutableForm('ResourceClaimSpec', object.spec, old.spec, 'spec'),
  validateStatusUpdate(object, old) {
    const out: FieldError[] = []
    checkClaimStatus(out, object as unknown as ResourceClaim, (old as unknown as ResourceClaim).status ?? {})
    return out
  },
}

function validateClaimTemplate(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { spec } = object as unknown as ResourceClaimTemplate
  out.push(...validateTemplateMeta(spec?.metadata, 'spec.metadata'))
  checkDeviceClaim(out, 'spec.spec.devices', spec?.spec?.devices)
  return out
}

export const resourceClaimTemplateValidation: Validation = {
  validate: validateClaimTemplate,
  validateUpdate: (object, old) => [...validateClaimTemplate(object), ...validateImmutableForm('ResourceClaimTemplateSpec', object.spec, old.spec, 'spec')],
}

function validateClass(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { spec } = object as unknown as DeviceClass
  checkSelectors(out, 'spec.selectors', spec?.selectors)
  checkItems(out, 'spec.config', spec?.config, listLimit, (config, at) => checkConfiguration(out, at, config))
  const name = spec?.extendedResourceName
  if (name !== undefined && (!name.includes('/') || name.includes('kubernetes.io/') || name.startsWith('requests.') || qualifiedNameErrors(`requests.${name}`).length > 0)) {
    out.push(fieldErrors.invalid('spec.extendedResourceName', name, 'must be a valid extended resource name'))
  }
  return out
}

export const deviceClassValidation: Validation = { validate: validateClass, validateUpdate: validateClass }

function validateTaintRule(object: Readonly<OpenObject>, old?: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { deviceSelector, taint } = (object as unknown as DeviceTaintRule).spec ?? {}
  if (deviceSelector?.driver !== undefined) checkDriverName(out, 'spec.deviceSelector.driver', deviceSelector.driver)
  if (deviceSelector?.pool !== undefined) checkPoolName(out, 'spec.deviceSelector.pool', deviceSelector.pool)
  if (deviceSelector?.device !== undefined) addInvalid(out, 'spec.deviceSelector.device', deviceSelector.device, dnsLabelErrors(deviceSelector.device))
  checkDeviceTaint(out, 'spec.taint', taint ?? { key: '', effect: '' }, (old as unknown as DeviceTaintRule | undefined)?.spec?.taint)
  return out
}

export const deviceTaintRuleValidation: Validation = {
  validate: (object) => validateTaintRule(object),
  validateUpdate: validateTaintRule,
  validateStatusUpdate(object) {
    const out: FieldError[] = []
    const conditions = (object as unknown as DeviceTaintRule).status?.conditions
    checkConditions(out, 'status.conditions', conditions)
    if ((conditions ?? []).length > 8) out.push(fieldErrors.tooMany('status.conditions', (conditions ?? []).length, 8))
    return out
  },
}
