import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { qualifiedNameErrors } from '../../machinery/names.ts'
import { compareQuantities, milliValue, parseQuantity, quantitySign } from '../../machinery/quantity.ts'
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
  const before = out.length
  checkResourceName(out, path, name)
  if (out.length > before) return
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

interface Requirements { limits?: ResourceList; requests?: ResourceList; claims?: ReadonlyArray<{ name: string; request?: string }> }

/** `resources` of a container (or of a pod as a whole): names, amounts, requests within limits. */
export function checkRequirements(out: FieldError[], path: string, resources: Requirements, claimNames: ReadonlySet<string>, checkName = checkContainerResourceName): void {
  const limits = resources.limits ?? {}
  const requests = resources.requests ?? {}
  for (const name in limits) {
    checkName(out, `${path}.limits[${name}]`, name)
    checkAmount(out, `${path}.limits[${name}]`, name, limits[name] as string)
  }
  for (const name in requests) {
    const amount = requests[name] as string
    checkName(out, `${path}.requests[${name}]`, name)
    checkAmount(out, `${path}.requests[${name}]`, name, amount)
    const limit = Object.hasOwn(limits, name) ? limits[name] : undefined
    if (limit === undefined) {
      if (!isOvercommitAllowed(name)) out.push(fieldErrors.required(`${path}.limits`, 'Limit must be set for non overcommitable resources'))
      continue
    }
    if (limit === amount) continue
    const order = compareQuantities(parseQuantity(amount), parseQuantity(limit))
    if (order !== 0 && !isOvercommitAllowed(name)) out.push(fieldErrors.invalid(`${path}.requests`, amount, `must be equal to ${name} limit of ${limit}`))
    else if (order > 0) out.push(fieldErrors.invalid(`${path}.requests`, amount, `must be less than or equal to ${name} limit of ${limit}`))
  }
  const names = [...Object.keys(limits), ...Object.keys(requests)]
  if (names.some(isHugePages) && !names.includes('cpu') && !names.includes('memory')) out.push(fieldErrors.forbidden(path, 'HugePages require cpu or memory'))
  const seen = new Set<string>()
  for (const [i, claim] of (resources.claims ?? []).entries()) {
    const at = `${path}.claims[${i}]`
    if (claim.name === '') out.push(fieldErrors.required(`${at}.name`))
    else if (seen.has(`${claim.name}/${claim.request ?? ''}`)) out.push(fieldErrors.duplicate(at, claim.name))
    else if (!claimNames.has(claim.name)) out.push(fieldErrors.notFound(`${at}.name`, claim.name))
    seen.add(`${claim.name}/${claim.request ?? ''}`)
  }
}
