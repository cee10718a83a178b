import { formatRegexSize } from './library/domain.ts'
import { isList, isMap, Opaque, Optional, textLength, typeNameOf, type Value } from './values.ts'

/**
 * What calls cost when they run, in the units of cel-go's cost tracker with Kubernetes' additions (`pkg/cel/library/cost.go`).
 * A unit is about 50 nanoseconds of upstream's time.
 */
export const perCallLimit = 1_000_000
/** All expressions of a custom resource or of a policy's binding together (`RuntimeCELCostBudget`). */
export const runtimeBudget = 10_000_000
export const matchConditionsBudget = 2_500_000

export const textFactor = 0.1
export const regexFactor = 0.25
const half = 0.5

export function sizeOf(value: Value): number {
  if (typeof value === 'string') return textLength(value)
  if (typeof value !== 'object' || value === null) return 1
  if (isList(value) || value instanceof Uint8Array) return value.length
  if (isMap(value)) return value.size
  if (value instanceof Optional && value.value !== undefined) return sizeOf(value.value)
  return value instanceof Opaque ? value.size : 1
}

function traversal(value: Value): number {
  if (typeof value === 'string') return Math.trunc(Buffer.byteLength(value) * textFactor)
  if (value instanceof Uint8Array) return Math.trunc(value.length * textFactor)
  if (isList(value)) return value.reduce<number>((total, item) => total + traversal(item), 0)
  if (!isMap(value)) return 1
  let total = 0
  for (const key of value.keys()) total += traversal(key) + traversal(value.get(key)!)
  return total
}

const scan = (value: Value | undefined, factor = textFactor): number => Math.ceil((value === undefined ? 1 : sizeOf(value)) * factor)
const regex = (text: Value, size: number): number => Math.ceil((1 + sizeOf(text)) * textFactor) * Math.ceil(size * regexFactor)
const smaller = (a: Value, b: Value): number => Math.ceil(Math.min(sizeOf(a), sizeOf(b)) * textFactor)

/** A call that makes a list of so many items. */
const allocating = (factor: number, size: number): number => Math.trunc(size * factor) + 11
/** Each item of a list with each other. */
const comparing = (list: Value): number => (isList(list) ? allocating(typeof list[0] === 'string' || list[0] instanceof Uint8Array ? 2.1 : 2, list.length ** 2) : 11)

/** Functions whose cost is one, whatever they are given; in the estimate too. */
export const nominal: ReadonlySet<string> = new Set([
  'serviceAccount', 'path', 'group', 'resource', 'subresource', 'namespace', 'name', 'allowed', 'reason', 'error', 'errored', 'masked', 'prefixLength', 'family', 'isUnspecified', 'isLoopback', 'isLinkLocalMulticast', 'isLinkLocalUnicast',
  'isGlobalUnicast', 'format.named', 'sign', 'asInteger', 'isInteger', 'asApproximateFloat', 'isGreaterThan', 'isLessThan', 'compareTo', 'add', 'sub', 'major', 'minor', 'patch', 'getScheme', 'getHostname', 'getHost', 'getPort', 'getEscapedPath', 'getQuery',
])

/** What one call took. Results are looked at where the cost is that of making them. */
export function callCost(name: string, args: readonly Value[], result: Value): number {
  if (nominal.has(name)) return 1
  const [first = null, second = null] = args
  switch (name) {
    case 'check': return 350_000
    case 'fieldSelector':
    case 'labelSelector': return 10 + scan(second) + Math.ceil(Math.ceil(sizeOf(second) * half) * 50)
    case 'isSorted': case 'sum': case 'max': case 'min': return traversal(first)
    case 'indexOf': case 'lastIndexOf': return traversal(first)
    case 'url': case 'lowerAscii': case 'upperAscii': case 'substring': case 'trim': case 'jsonpatch.escapeKey': case 'cidr': case 'isIP': case 'isCIDR': case 'quantity': case 'isQuantity': case 'semver': case 'isSemver': return scan(first)
    case 'ip': return typeNameOf(first) === 'net.CIDR' ? 1 : scan(first)
    case 'replace': case 'split': case 'ip.isCanonical': return scan(first, 2 * textFactor)
    case 'join': return scan(result, 2 * textFactor)
    case 'find': case 'findAll': return regex(first, sizeOf(second))
    case 'matches': return regex(first, sizeOf(second))
    case 'validate': return regex(second, first instanceof Opaque ? formatRegexSize(first) : 128)
    case 'containsIP': return Math.ceil(2 * sizeOf(first) * textFactor) + (typeof second === 'string' ? scan(second) : 0)
    case 'containsCIDR': return Math.ceil(2 * sizeOf(first) * textFactor) + scan(first) + 1 + (typeof second === 'string' ? scan(second) : 0)
    case '_==_': case '_!=_': return first instanceof Opaque ? 1 : smaller(first, second)
    case '_<_': case '_<=_': case '_>_': case '_>=_': return typeof first === 'string' || first instanceof Uint8Array ? smaller(first, second) : 1
    case '_+_': return typeof first === 'string' || first instanceof Uint8Array ? Math.ceil((sizeOf(first) + sizeOf(second)) * textFactor) : 1
    case 'startsWith': case 'endsWith': case 'strings.quote': case 'format': return scan(first)
    case 'string': case 'bytes': return typeof first === 'string' || first instanceof Uint8Array ? scan(first) : 1
    case '@in': return isList(second) ? second.length : 1
    case 'contains': return scan(first) * scan(second)
    case 'reverse': case 'slice': case 'lists.range': return allocating(1, isList(result) ? result.length : 1)
    case 'flatten': return allocating(typeof second === 'bigint' ? Number(second) : 1, sizeOf(first))
    case 'distinct': case 'sort': return comparing(first)
    case '@sortByAssociatedKeys': return comparing(second)
    case 'sets.contains': case 'sets.intersects': return 1 + sizeOf(first) * sizeOf(second)
    case 'sets.equivalent': return 1 + 2 * sizeOf(first) * sizeOf(second)
    default: return 1
  }
}
