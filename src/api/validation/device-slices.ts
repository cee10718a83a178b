import { semanticEqual } from '../../machinery/equality.ts'
import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { dnsLabelErrors, dnsSubdomainErrors } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import { addQuantities, compareQuantities, parseQuantity, quantityText, quantityValue } from '../../machinery/quantity.ts'
import type { CapacityRequestPolicy, CapacityRequestPolicyRange, Counter, Device, DeviceAttribute, ResourceSlice, ResourceSliceSpec } from '../types/resource.k8s.io_v1.ts'
import { checkNodeSelector } from './affinity.ts'
import { addInvalid, isEmpty } from './check.ts'
import { checkAttributeName, checkBindingConditions, checkDeviceTaint, checkDriverName, checkItems, checkPoolName } from './devices.ts'
import { internalForm } from './internal-form.ts'
import { validateImmutable } from './object-meta.ts'
import type { Validation } from './validation.ts'

/** What drivers publish of their devices (upstream's `pkg/apis/resource/validation`). */

const maxDevices = 128
const maxAdvancedDevices = 64
const maxAttributesAndCapacities = 32
const maxAttributeValueBytes = 64

const versionExpression = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?$/

function checkAttribute(out: FieldError[], path: string, attribute: Readonly<DeviceAttribute>): void {
  const set = Object.values(attribute).filter((value) => value !== undefined)
  if (attribute.string !== undefined && Buffer.byteLength(attribute.string) > maxAttributeValueBytes) out.push(fieldErrors.tooLong(`${path}.string`, maxAttributeValueBytes))
  if (attribute.version !== undefined) {
    if (!versionExpression.test(attribute.version)) out.push(fieldErrors.invalid(`${path}.version`, attribute.version, 'must be a string compatible with semver.org spec 2.0.0'))
    if (Buffer.byteLength(attribute.version) > maxAttributeValueBytes) out.push(fieldErrors.tooLong(`${path}.version`, maxAttributeValueBytes))
  }
  if (set.length !== 1) out.push(fieldErrors.invalid(path, set.length === 0 ? '' : internalForm('DeviceAttribute', attribute), 'exactly one value must be specified'))
}

const isMore = (a: string, b: string): boolean => compareQuantities(parseQuantity(a), parseQuantity(b)) > 0

function checkStep(out: FieldError[], path: string, value: string, min: string, step: string): void {
  const by = quantityValue(step)
  if (by !== 0 && (quantityValue(value) - quantityValue(min)) % by !== 0) out.push(fieldErrors.invalid(path, value, `value is not a multiple of a given step (${step}) from (${min})`))
}

function checkRange(out: FieldError[], path: string, capacity: string, standard: string, { min, max, step }: Readonly<CapacityRequestPolicyRange>): void {
  if (min === undefined) {
    out.push(fieldErrors.required(`${path}.min`, 'required when validRange is defined'))
    return
  }
  if (isMore(min, capacity)) out.push(fieldErrors.invalid(`${path}.min`, min, `min is larger than capacity value: ${capacity}`))
  if (isMore(min, standard)) out.push(fieldErrors.invalid(`${path}.min`, standard, `default is less than min: ${min}`))
  if (max !== undefined) {
    if (isMore(min, max)) out.push(fieldErrors.invalid(`${path}.max`, min, `min is larger than max: ${max}`))
    if (isMore(max, capacity)) out.push(fieldErrors.invalid(`${path}.max`, max, `max is larger than capacity value: ${capacity}`))
    if (isMore(standard, max)) out.push(fieldErrors.invalid(`${path}.max`, standard, `default is more than max: ${max}`))
  }
  if (step === undefined) return
  const first = quantityText(addQuantities(parseQuantity(min), parseQuantity(step)))
  if (isMore(first, capacity)) out.push(fieldErrors.invalid(`${path}.step`, step, `one step ${first} is larger than capacity value: ${capacity}`))
  checkStep(out, `${path}.step`, standard, min, step)
  if (max !== undefined) checkStep(out, `${path}.step`, max, min, step)
}

function checkValidValues(out: FieldError[], path: string, capacity: string, standard: string, values: readonly string[]): void {
  values.forEach((value, i) => { if (i > 0 && isMore(values[i - 1] as string, value)) out.push(fieldErrors.invalid(`${path}[${i}]`, value, 'values must be sorted in ascending order')) })
  let isStandardSeen = false
  checkItems(out, path, values, 10, (value, at) => {
    isStandardSeen ||= compareQuantities(parseQuantity(value), parseQuantity(standard)) === 0
    if (isMore(value, capacity)) out.push(fieldErrors.invalid(at, value, `option is larger than capacity value: ${capacity}`))
  }, (value) => String(quantityValue(value)))
  if (!isStandardSeen) out.push(fieldErrors.invalid(path, standard, 'default value is not valid according to the requestPolicy'))
}

function checkPolicy(out: FieldError[], path: string, capacity: string, policy: Readonly<CapacityRequestPolicy>): void {
  const { validValues = [], validRange } = policy
  if (validValues.length > 0 && validRange !== undefined) out.push(fieldErrors.forbidden(path, 'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time'))
  else if (validValues.length > 0) {
    if (isEmpty(policy.default)) out.push(fieldErrors.required(`${path}.default`, 'required when validValues is defined'))
    else checkValidValues(out, `${path}.validValues`, capacity, policy.default, validValues)
  } else if (validRange !== undefined) {
    if (isEmpty(policy.default)) out.push(fieldErrors.required(`${path}.default`, 'required when validRange is defined'))
    else checkRange(out, `${path}.validRange`, capacity, policy.default, validRange)
  }
}

function checkCounters(out: FieldError[], path: string, counters: Readonly<Record<string, Counter>> | undefined): void {
  const names = Object.keys(counters ?? {})
  if (names.length === 0) out.push(fieldErrors.required(path))
  else if (names.length > 32) out.push(fieldErrors.tooMany(path, names.length, 32))
  else for (const name of names) addInvalid(out, path, name, dnsLabelErrors(name))
}

function checkCounterName(out: FieldError[], path: string, name: string | undefined): void {
  if (isEmpty(name)) out.push(fieldErrors.required(path))
  else addInvalid(out, path, name, dnsLabelErrors(name))
}

type Placement = Pick<Device, 'nodeName' | 'nodeSelector' | 'allNodes'>

/** Which of the ways to say on which nodes devices are have been used; checks each on the way. */
function placementFields(out: FieldError[], path: string, where: Readonly<Placement>, emptyName: string): string[] {
  const set: string[] = []
  if (where.nodeName === '') out.push(fieldErrors.invalid(`${path}.nodeName`, '', emptyName))
  else if (where.nodeName !== undefined) {
    set.push('`nodeName`')
    addInvalid(out, `${path}.nodeName`, where.nodeName, dnsSubdomainErrors(where.nodeName))
  }
  if (where.nodeSelector !== undefined) {
    set.push('`nodeSelector`')
    checkNodeSelector(out, `${path}.nodeSelector`, where.nodeSelector)
  }
  if (where.allNodes === true) set.push('`allNodes`')
  else if (where.allNodes === false) out.push(fieldErrors.invalid(`${path}.allNodes`, false, 'must be either unset or set to true'))
  return set
}

const perDeviceText = 'exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec'

function checkDevice(out: FieldError[], path: string, device: Readonly<Device>, before: Readonly<Device> | undefined, perDevice: boolean): void {
  addInvalid(out, `${path}.name`, device.name ?? '', dnsLabelErrors(device.name ?? ''))
  const attributes = Object.entries(device.attributes ?? {})
  const capacities = Object.entries(device.capacity ?? {})
  const count = attributes.length + capacities.length
  if (count > maxAttributesAndCapacities) out.push(fieldErrors.invalid(path, count, `the total number of attributes and capacities must not exceed ${maxAttributesAndCapacities}`))
  for (const [name, attribute] of attributes) {
    checkAttributeName(out, `${path}.attributes`, name)
    checkAttribute(out, `${path}.attributes[${name}]`, attribute)
  }
  for (const [name, { value, requestPolicy }] of capacities) {
    const at = `${path}.capacity[${name}]`
    checkAttributeName(out, `${path}.capacity`, name)
    if (requestPolicy === undefined) continue
    if (device.allowMultipleAllocations === true) checkPolicy(out, `${at}.requestPolicy`, value ?? '0', requestPolicy)
    else out.push(fieldErrors.forbidden(`${at}.requestPolicy`, 'allowMultipleAllocations must be true'))
  }
  if (before === undefined || !semanticEqual(before.taints, device.taints)) checkItems(out, `${path}.taints`, device.taints, 16, (taint, at) => checkDeviceTaint(out, at, taint))
  checkItems(out, `${path}.consumesCounters`, device.consumesCounters, 2, (consumption, at) => {
    checkCounterName(out, `${at}.counterSet`, consumption.counterSet)
    checkCounters(out, `${at}.counters`, consumption.counters)
  }, ({ counterSet }) => counterSet)
  if (perDevice) {
    const set = placementFields(out, path, device, 'must not be empty')
    if (set.length === 0) out.push(fieldErrors.required(path, perDeviceText))
    else if (set.length > 1) out.push(fieldErrors.invalid(path, `{${set.join(', ')}}`, perDeviceText))
  } else if (device.nodeName !== undefined || device.nodeSelector !== undefined || device.allNodes !== undefined) {
    out.push(fieldErrors.invalid(path, null, '`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec'))
  }
  checkBindingConditions(out, path, device.bindingConditions, device.bindingFailureConditions)
}

const placementText = 'exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required'

function checkPlacement(out: FieldError[], spec: Readonly<ResourceSliceSpec>): void {
  const set = placementFields(out, 'spec', spec, 'must be either unset or set to a non-empty string')
  const terms = spec.nodeSelector?.nodeSelectorTerms
  if (spec.nodeSelector !== undefined && (terms ?? []).length !== 1) out.push(fieldErrors.invalid('spec.nodeSelector.nodeSelectorTerms', terms?.map((term) => internalForm('NodeSelectorTerm', term)) ?? null, 'must have exactly one node selector term'))
  if (spec.perDeviceNodeSelection === true) set.push('`perDeviceNodeSelection`')
  else if (spec.perDeviceNodeSelection === false) out.push(fieldErrors.invalid('spec.perDeviceNodeSelection', false, 'must be either unset or set to true'))
  if (set.length === 0) out.push(fieldErrors.required('spec', placementText))
  else if (set.length > 1) out.push(fieldErrors.invalid('spec', `{${set.join(', ')}}`, `${placementText}, but multiple fields are set`))
}

function validateSlice(object: Readonly<OpenObject>, old?: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const spec = ((object as unknown as ResourceSlice).spec ?? {}) as ResourceSliceSpec
  const before = (old as unknown as ResourceSlice | undefined)?.spec
  checkDriverName(out, 'spec.driver', spec.driver)
  checkPoolName(out, 'spec.pool.name', spec.pool?.name)
  if ((spec.pool?.resourceSliceCount ?? 0) <= 0) out.push(fieldErrors.invalid('spec.pool.resourceSliceCount', spec.pool?.resourceSliceCount ?? 0, 'must be greater than zero'))
  if ((spec.pool?.generation ?? 0) < 0) out.push(fieldErrors.invalid('spec.pool.generation', spec.pool.generation, 'must be greater than or equal to zero'))
  if (before !== undefined) {
    out.push(...validateImmutable(spec.pool?.name, before.pool?.name, 'spec.pool.name'), ...validateImmutable(spec.driver, before.driver, 'spec.driver'), ...validateImmutable(spec.nodeName, before.nodeName, 'spec.nodeName'))
  }
  checkPlacement(out, spec)
  if (spec.sharedCounters !== undefined && spec.devices !== undefined) out.push(fieldErrors.invalid('spec', '', 'only one of `sharedCounters` or `devices` is allowed'))
  const isAdvanced = (spec.devices ?? []).some(({ taints = [], consumesCounters = [] }) => taints.length > 0 || consumesCounters.length > 0)
  const known = new Map((before?.devices ?? []).map((device) => [device.name, device]))
  checkItems(out, 'spec.devices', spec.devices, isAdvanced ? maxAdvancedDevices : maxDevices, (device, at) => checkDevice(out, at, device, known.get(device.name), spec.perDeviceNodeSelection === true), ({ name }) => name)
  checkItems(out, 'spec.sharedCounters', spec.sharedCounters, 8, (set, at) => {
    checkCounterName(out, `${at}.name`, set.name)
    checkCounters(out, `${at}.counters`, set.counters)
  }, ({ name }) => name)
  return out
}

export const resourceSliceValidation: Validation = { validate: (object) => validateSlice(object), validateUpdate: validateSlice }
