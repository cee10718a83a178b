import { semanticEqual } from '../../machinery/equality.ts'
import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { dnsSubdomainCaselessErrors, longNameErrors } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { Condition } from '../types/meta_v1.ts'
import type { PoolStatus, ResourcePoolStatusRequest, ResourcePoolStatusRequestStatus } from '../types/resource.k8s.io_v1alpha3.ts'
import { addInvalid, isEmpty } from './check.ts'
import { checkConditions } from './conditions.ts'
import { validateImmutableForm } from './internal-form.ts'
import type { Validation } from './validation.ts'

/** Questions about pools of devices (KEP-5677): the rules stand in the type's own tags, upstream's declarative validation. */

const maxPools = 1000
const maxConditions = 10

function checkDriver(out: FieldError[], path: string, driver: string | undefined): void {
  if (isEmpty(driver)) out.push(fieldErrors.required(path))
  else addInvalid(out, path, driver, dnsSubdomainCaselessErrors(driver))
}

function checkPool(out: FieldError[], path: string, pool: string): void {
  if (pool.length > 253) out.push(fieldErrors.tooLong(path, 253))
  for (const [i, part] of pool.split('/').entries()) {
    if (part === '') out.push(fieldErrors.invalid(path, pool, `segment ${i}: must not be empty`))
    else addInvalid(out, path, part, longNameErrors(part).map((message) => `segment ${i}: ${message}`))
  }
}

function checkBounds(out: FieldError[], path: string, value: number | undefined, min: number, max = Infinity): void {
  if (value === undefined) return
  if (value > max) out.push(fieldErrors.invalid(path, value, `must be less than or equal to ${max}`))
  if (value < min) out.push(fieldErrors.invalid(path, value, `must be greater than or equal to ${min}`))
}

function checkPoolStatus(out: FieldError[], path: string, pool: Readonly<PoolStatus>): void {
  checkDriver(out, `${path}.driver`, pool.driver)
  if (isEmpty(pool.poolName)) out.push(fieldErrors.required(`${path}.poolName`))
  else checkPool(out, `${path}.poolName`, pool.poolName)
  if ((pool.generation ?? 0) === 0) out.push(fieldErrors.required(`${path}.generation`))
  else checkBounds(out, `${path}.generation`, pool.generation, 0)
  checkBounds(out, `${path}.resourceSliceCount`, pool.resourceSliceCount, 1)
  for (const field of ['totalDevices', 'allocatedDevices', 'availableDevices', 'unavailableDevices'] as const) checkBounds(out, `${path}.${field}`, pool[field], 0)
  if (pool.nodeName !== undefined) addInvalid(out, `${path}.nodeName`, pool.nodeName, longNameErrors(pool.nodeName))
  if (Buffer.byteLength(pool.validationError ?? '') > 256) out.push(fieldErrors.tooLong(`${path}.validationError`, 256))
}

/** A condition in Go's order, with what has no `omitempty`. */
function conditionForm({ type = '', status = '', observedGeneration, lastTransitionTime, reason = '', message = '' }: Partial<Condition>): object {
  return { type, status, ...((observedGeneration ?? 0) === 0 ? {} : { observedGeneration }), lastTransitionTime: lastTransitionTime ?? null, reason, message }
}

/** What has not changed is not looked at again. */
function checkStatus(out: FieldError[], { poolCount, pools = [], conditions = [] }: Readonly<ResourcePoolStatusRequestStatus>): void {
  if (poolCount === undefined) out.push(fieldErrors.required('status.poolCount'))
  else checkBounds(out, 'status.poolCount', poolCount, 0)
  if (pools.length > maxPools) out.push(fieldErrors.tooMany('status.pools', pools.length, maxPools))
  else for (const [i, pool] of pools.entries()) checkPoolStatus(out, `status.pools[${i}]`, pool)
  if (conditions.length > maxConditions) out.push(fieldErrors.tooMany('status.conditions', conditions.length, maxConditions))
  else conditions.forEach((condition, i) => {
    if (conditions.findIndex(({ type }) => type === condition.type) < i) out.push(fieldErrors.duplicate(`status.conditions[${i}]`, conditionForm(condition)))
  })
}

export const resourcePoolRequestValidation: Validation = {
  validate(object) {
    const out: FieldError[] = []
    const { driver, poolName, limit } = (object as unknown as ResourcePoolStatusRequest).spec ?? {}
    checkDriver(out, 'spec.driver', driver)
    if (poolName !== undefined) checkPool(out, 'spec.poolName', poolName)
    checkBounds(out, 'spec.limit', limit, 1, 1000)
    return out
  },
  validateUpdate: (object: Readonly<OpenObject>, old) => validateImmutableForm('ResourcePoolStatusRequestSpec', object.spec, old.spec, 'spec'),
  validateStatusUpdate(object, old) {
    const out: FieldError[] = []
    const { status } = object as unknown as ResourcePoolStatusRequest
    const { status: before } = old as unknown as ResourcePoolStatusRequest
    if (before !== undefined) out.push(...validateImmutableForm('ResourcePoolStatusRequestStatus', status, before, 'status'))
    else if (status !== undefined) checkConditions(out, 'status.conditions', status.conditions)
    if (status !== undefined && !semanticEqual(status, before)) checkStatus(out, status)
    return out
  },
}
