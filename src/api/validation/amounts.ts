import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { dnsLabelErrors, qualifiedNameErrors } from '../../machinery/names.ts'
import { compareQuantities, isQuantity, milliValue, parseQuantity, quantitySign, quantityValue } from '../../machinery/quantity.ts'
import { addInvalid } from './check.ts'
import { negativeText } from './object-meta.ts'

/** Resource names and amounts: `cpu`, `hugepages-2Mi`, `example.com/gpu`. */

export type ResourceList = Readonly<Record<string, string>>

export const isHugePages = (name: string): boolean => name.startsWith('hugepages-')
const isNative = (name: string): boolean => !name.includes('/') || name.includes('kubernetes.io/')
const isExtended = (name: string): boolean => !isNative(name) && !name.startsWith('requests.') && qualifiedNameErrors(`requests.${name}`).length === 0
export const isOvercommitAllowed = (name: string): boolean => isNative(name) && !isHugePages(name)

const integerResources = new Set(['pods', 'services', 'replicationcontrollers', 'resourcequotas', 'secrets', 'configmaps', 'persistentvolumeclaims', 'services.nodeports', 'services.loadbalancers'])
const containerResources = new Set(['cpu', 'memory', 'ephemeral-storage'])
const standardResources = new Set([
  ...integerResources, 'cpu', 'memory', 'ephemeral-storage', 'storage', 'requests.cpu', 'requests.memory', 'requests.ephemeral-storage', 'requests.storage', 'limits.cpu', 'limits.memory',
  'limits.ephemeral-storage',
])
const isObjectCount = (name: string): boolean => name.startsWith('count/')
export const isStandardResource = (name: string): boolean => standardResources.has(name) || isHugePages(name) || name.startsWith('requests.hugepages-') || isObjectCount(name)

export function checkResourceName(out: FieldError[], path: string, name: string): void {
  const messages = qualifiedNameErrors(name)
  addInvalid(out, path, name, messages)
  if (messages.length === 0 && !name.includes('/') && !isStandardResource(name)) out.push(fieldErrors.invalid(path, name, 'must be a standard resource type or fully qualified'))
}

export function checkContainerResourceName(out: FieldError[], path: string, name: string): void {
  if (containerResources.has(name)) return
  checkResourceName(out, path, name)
  if (!name.includes('/')) {
    if (!isHugePages(name)) out.push(fieldErrors.invalid(path, name, 'must be a standard resource for containers'))
  } else if (!isNative(name) && !isExtended(name)) {
    out.push(fieldErrors.invalid(path, name, "doesn't follow extended resource name standard"))
  }
}

export function checkAmount(out: FieldError[], path: string, name: string, amount: string): void {
  if (quantitySign(parseQuantity(amount)) < 0) out.push(fieldErrors.invalid(path, amount, negativeText))
  if ((integerResources.has(name) || isExtended(name)) && milliValue(amount) % 1000 !== 0) out.push(fieldErrors.invalid(path, amount, 'must be an integer'))
}

export function checkNonNegativeAmount(out: FieldError[], path: string, amount: string | undefined): void {
  if (amount !== undefined && quantitySign(parseQuantity(amount)) < 0) out.push(fieldErrors.invalid(path, amount, negativeText))
}

/** Pages are had in whole; their size is in the name. */
function checkPageMultiple(out: FieldError[], path: string, name: string, amount: string): void {
  const size = name.slice('hugepages-'.length)
  const pageBytes = isQuantity(size) && milliValue(size) % 1000 === 0 ? quantityValue(size) : 0
  if (pageBytes <= 0 || quantityValue(amount) % pageBytes !== 0) out.push(fieldErrors.invalid(path, amount, `${amount} is not positive integer multiple of ${name}`))
}

function names(list: ResourceList, wanted: (name: string) => boolean): boolean {
  for (const name in list) if (wanted(name)) return true
  return false
}

interface Requirements { limits?: ResourceList; requests?: ResourceList; claims?: ReadonlyArray<{ name: string; request?: string }> }

/** `resources` of a container (or of a pod as a whole): names, amounts, requests within limits. */
export function checkRequirements(out: FieldError[], path: string, resources: Requirements, claimNames: ReadonlySet<string>, checkName = checkContainerResourceName): void {
  const limits = resources.limits ?? {}
  const requests = resources.requests ?? {}
  for (const name in limits) {
    checkName(out, `${path}.limits[${name}]`, name)
    checkAmount(out, `${path}.limits[${name}]`, name, limits[name] as string)
    if (isHugePages(name)) checkPageMultiple(out, `${path}.limits[${name}]`, name, limits[name] as string)
  }
  for (const name in requests) {
    const amount = requests[name] as string
    checkName(out, `${path}.requests[${name}]`, name)
    checkAmount(out, `${path}.requests[${name}]`, name, amount)
    const limit = Object.hasOwn(limits, name) ? limits[name] : undefined
    if (limit === undefined) {
      if (!isOvercommitAllowed(name)) out.push(fieldErrors.required(`${path}.limits`, 'Limit must be set for non overcommitable resources'))
    } else if (limit !== amount) {
      const order = compareQuantities(parseQuantity(amount), parseQuantity(limit))
      if (order !== 0 && !isOvercommitAllowed(name)) out.push(fieldErrors.invalid(`${path}.requests`, amount, `must be equal to ${name} limit of ${limit}`))
      else if (order > 0) out.push(fieldErrors.invalid(`${path}.requests`, amount, `must be less than or equal to ${name} limit of ${limit}`))
    }
    if (isHugePages(name)) checkPageMultiple(out, `${path}.requests[${name}]`, name, amount)
  }
  if (names(limits, isHugePages) || names(requests, isHugePages)) {
    const isOther = (name: string): boolean => name === 'cpu' || name === 'memory'
    if (!names(limits, isOther) && !names(requests, isOther)) out.push(fieldErrors.forbidden(path, 'HugePages require cpu or memory'))
  }
  if (resources.claims !== undefined) checkClaimNames(out, `${path}.claims`, resources.claims, claimNames)
}

/** Claims, or requests of theirs, that a container uses: each once, and of the pod's. */
function checkClaimNames(out: FieldError[], path: string, claims: NonNullable<Requirements['claims']>, known: ReadonlySet<string>): void {
  const seen = new Set<string>()
  for (const [i, { name = '', request = '' }] of claims.entries()) {
    const at = `${path}[${i}]`
    if (name === '') {
      out.push(fieldErrors.required(at))
      continue
    }
    if (seen.has(name)) out.push(fieldErrors.duplicate(at, name))
    else {
      const key = request === '' ? name : `${name}/${request}`
      if (request !== '') addInvalid(out, `${at}.request`, request, dnsLabelErrors(request))
      if (seen.has(key)) out.push(fieldErrors.duplicate(at, key))
      else if (request === '') for (const other of seen) if (other.startsWith(`${name}/`)) out.push(fieldErrors.duplicate(at, name))
      seen.add(key)
    }
    if (!known.has(name)) {
      const which = known.size === 0 ? ' which is empty' : `: ${[...known].sort().join(', ')}`
      out.push({ ...fieldErrors.notFound(at, name), detail: `must be one of the names in pod.spec.resourceClaims${which}` })
    }
  }
}
