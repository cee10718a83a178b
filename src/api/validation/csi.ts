import { semanticEqual } from '../../machinery/equality.ts'
import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { validateLabelSelector } from '../../machinery/labels.ts'
import { dnsSubdomainErrors, qualifiedNameErrors } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { CSIDriver, CSINode, CSINodeDriver, CSIStorageCapacity, TokenRequest } from '../types/storage.k8s.io_v1.ts'
import { addInvalid, checkNonNegative, checkOptionalOneOf, isEmpty } from './check.ts'
import { checkNonNegativeAmount } from './amounts.ts'
import { validateImmutableForm } from './internal-form.ts'
import { immutableText, validateImmutable } from './object-meta.ts'
import type { Validation } from './validation.ts'
import { checkCsiDriverName } from './volume-sources.ts'

/** What storage drivers say of themselves, of nodes and of room (upstream's `pkg/apis/storage/validation`). */

function checkTokenRequests(out: FieldError[], path: string, requests: readonly TokenRequest[]): void {
  const audiences = new Set<string>()
  for (const [i, { audience = '', expirationSeconds: seconds }] of requests.entries()) {
    if (audiences.has(audience)) {
      out.push(fieldErrors.duplicate(`${path}[${i}].audience`, audience))
      continue
    }
    audiences.add(audience)
    if (seconds === undefined) continue
    if (seconds < 600) out.push(fieldErrors.invalid(`${path}[${i}].expirationSeconds`, seconds, 'may not specify a duration less than 10 minutes'))
    if (seconds > 2 ** 32) out.push(fieldErrors.invalid(`${path}[${i}].expirationSeconds`, seconds, 'may not specify a duration larger than 2^32 seconds'))
  }
}

function validateCsiDriver(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { spec } = object as unknown as CSIDriver
  // The first path is upstream's own slip.
  for (const [field, path] of [['attachRequired', 'attachedRequired'], ['podInfoOnMount', 'podInfoOnMount'], ['storageCapacity', 'storageCapacity']] as const) {
    if (spec[field] === undefined) out.push(fieldErrors.required(`spec.${path}`))
  }
  checkOptionalOneOf(out, 'spec.fsGroupPolicy', spec.fsGroupPolicy, ['File', 'None', 'ReadWriteOnceWithFSType'])
  checkTokenRequests(out, 'spec.tokenRequests', spec.tokenRequests ?? [])
  for (const mode of spec.volumeLifecycleModes ?? []) if (mode !== 'Persistent' && mode !== 'Ephemeral') out.push(fieldErrors.notSupported('spec.volumeLifecycleModes', mode, ['Persistent', 'Ephemeral']))
  const period = spec.nodeAllocatableUpdatePeriodSeconds
  if (period !== undefined && period < 10) out.push(fieldErrors.invalid('spec.nodeAllocatableUpdatePeriodSeconds', period, 'must be greater than or equal to 10 seconds'))
  const inSecrets = spec.serviceAccountTokenInSecrets
  if (inSecrets !== undefined && (spec.tokenRequests ?? []).length === 0) out.push(fieldErrors.invalid('spec.serviceAccountTokenInSecrets', inSecrets, 'serviceAccountTokenInSecrets is set but no tokenRequests are specified'))
  return out
}

export const csiDriverValidation: Validation = {
  validate: validateCsiDriver,
  validateUpdate(object, old) {
    const { spec } = object as unknown as CSIDriver
    const before = (old as unknown as CSIDriver).spec
    return [...validateCsiDriver(object), ...validateImmutable(spec.attachRequired, before.attachRequired, 'spec.attachedRequired'), ...validateImmutable(spec.volumeLifecycleModes, before.volumeLifecycleModes, 'spec.volumeLifecycleModes')]
  },
}

const maxNodeIdBytes = 256

function checkNodeDriver(out: FieldError[], path: string, driver: Readonly<CSINodeDriver>, names: Set<string>): void {
  const { name, nodeID = '', topologyKeys, allocatable } = driver
  checkCsiDriverName(out, `${path}.name`, name)
  if (nodeID === '') out.push(fieldErrors.required(`${path}.nodeID`))
  if (nodeID.length > maxNodeIdBytes) out.push(fieldErrors.invalid(`${path}.nodeID`, nodeID, `must be ${maxNodeIdBytes} characters or less`))
  checkNonNegative(out, `${path}.allocatable.count`, allocatable?.count)
  if (names.has(name)) out.push(fieldErrors.duplicate(`${path}.name`, name))
  names.add(name)
  const keys = new Set<string>()
  for (const key of topologyKeys ?? []) {
    if (key === '') out.push(fieldErrors.required(path))
    if (keys.has(key)) out.push(fieldErrors.duplicate(path, key))
    keys.add(key)
    addInvalid(out, path, key, qualifiedNameErrors(key))
  }
}

function validateCsiNode(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const names = new Set<string>()
  for (const [i, driver] of ((object as unknown as CSINode).spec?.drivers ?? []).entries()) checkNodeDriver(out, `spec.drivers[${i}]`, driver, names)
  return out
}

export const csiNodeValidation: Validation = {
  validate: validateCsiNode,
  /** A driver's entry changes in how many volumes the node can take, and in nothing else. */
  validateUpdate(object, old) {
    const out = validateCsiNode(object)
    for (const before of (old as unknown as CSINode).spec?.drivers ?? []) {
      for (const now of (object as unknown as CSINode).spec?.drivers ?? []) {
        if (now.name !== before.name) continue
        out.push(...validateImmutableForm('CSINodeDriver', { ...now, allocatable: undefined }, { ...before, allocatable: undefined }, 'spec.drivers'))
      }
    }
    return out
  },
}

function validateStorageCapacity(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { nodeTopology, storageClassName, capacity } = object as unknown as CSIStorageCapacity
  out.push(...validateLabelSelector(nodeTopology, 'nodeTopology'))
  addInvalid(out, 'storageClassName', storageClassName ?? '', dnsSubdomainErrors(storageClassName ?? ''))
  checkNonNegativeAmount(out, 'capacity', capacity)
  return out
}

export const storageCapacityValidation: Validation = {
  validate: validateStorageCapacity,
  validateUpdate: (object, old) => [
    ...validateStorageCapacity(object),
    ...(['nodeTopology', 'storageClassName'] as const)
      .filter((field) => !semanticEqual(object[field], old[field])).map((field) => fieldErrors.invalid(field, object[field] ?? (field === 'storageClassName' ? '' : null), immutableText)),
  ],
}

const maxParameters = 512
const maxParametersBytes = 256 * 1024

/** Parameters of storage and volume attributes classes. */
export function checkParameters(out: FieldError[], path: string, parameters: Readonly<Record<string, string>> | undefined, mayBeEmpty: boolean): void {
  const entries = Object.entries(parameters ?? {})
  if (entries.length > maxParameters) {
    out.push(fieldErrors.tooLong(path, maxParameters))
    return
  }
  let sizeBytes = 0
  for (const [key, value] of entries) {
    if (key === '') out.push(fieldErrors.invalid(path, key, 'field can not be empty.'))
    sizeBytes += Buffer.byteLength(key) + Buffer.byteLength(value)
  }
  if (sizeBytes > maxParametersBytes) out.push(fieldErrors.tooLong(path, maxParametersBytes))
  if (!mayBeEmpty && entries.length === 0) out.push(fieldErrors.required(path, 'must contain at least one key/value pair'))
}

/** The name of what provisions volumes. */
export function checkProvisioner(out: FieldError[], path: string, name: string | undefined): void {
  if (isEmpty(name)) out.push(fieldErrors.required(path))
  else addInvalid(out, path, name.toLowerCase(), qualifiedNameErrors(name.toLowerCase()))
}

function validateAttributesClass(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { driverName, parameters } = object as { driverName?: string; parameters?: Record<string, string> }
  checkProvisioner(out, 'driverName', driverName)
  checkParameters(out, 'parameters', parameters, false)
  return out
}

export const attributesClassValidation: Validation = {
  validate: validateAttributesClass,
  validateUpdate: (object, old) => [
    ...(['driverName', 'parameters'] as const).filter((field) => !semanticEqual(object[field], old[field])).map((field) => fieldErrors.forbidden(field, `updates to ${field} are forbidden.`)),
    ...validateAttributesClass(object),
  ],
}
