import { CelScalar, celFunc, celMap, celMethod, isCelList, isCelMap, listType, mapType, type CelFunc, type CelInput, type CelList, type CelMap } from '@bufbuild/cel'
import { strings } from '@bufbuild/cel/ext'
import { addQuantities, canonicalQuantity, compareQuantities, isQuantity, parseQuantity, quantitySign, quantityText, quantityValue, subtractQuantities } from '../../machinery/quantity.ts'
import { cidrHas, formatIp, parseCidr, parseIp } from '../../machinery/cidr.ts'
import { hasFormat } from './formats.ts'
import { compilePattern } from './validate.ts'

/**
 * The functions that Kubernetes adds to CEL (https://kubernetes.io/docs/reference/using-api/cel/#cel-community-libraries):
 * lists, regular expressions, URLs, quantities, addresses, formats, optional old values. Types that CEL itself lacks are maps
 * with one hidden key.
 */
const { BOOL, DYN, INT, STRING, DOUBLE } = CelScalar

type Kind = 'quantity' | 'url' | 'ip' | 'cidr' | 'optional' | 'format'
const anyMap = mapType(STRING, DYN)

const hidden = (kind: Kind): string => `\u0000${kind}`

/** A value of a type that CEL doesn't have. */
export function opaque(kind: Kind, value: CelInput): CelMap {
  return celMap(new Map([[hidden(kind), value]]))
}

function opened<T>(kind: Kind, value: unknown): T | undefined {
  return isCelMap(value) ? (value.get(hidden(kind)) as T | undefined) : undefined
}

function need<T>(kind: Kind, value: unknown, call: string): T {
  const found = opened<T>(kind, value)
  if (found === undefined) throw new Error(`no such overload: ${call}`)
  return found
}

const items = (list: CelList): unknown[] => [...list]

function compare(a: unknown, b: unknown): number {
  if (typeof a === 'bigint' && typeof b === 'bigint') return a < b ? -1 : a > b ? 1 : 0
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0
  if ((typeof a === 'number' || typeof a === 'bigint') && (typeof b === 'number' || typeof b === 'bigint')) return Number(a) - Number(b)
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b)
  const time = (value: unknown): bigint | undefined => {
    const message = (value as { message?: { seconds?: bigint; nanos?: number } }).message ?? (value as { seconds?: bigint; nanos?: number })
    return typeof message?.seconds === 'bigint' ? message.seconds * 1_000_000_000n + BigInt(message.nanos ?? 0) : undefined
  }
  const left = time(a)
  const right = time(b)
  if (left === undefined || right === undefined) throw new Error('no such overload: values of these types have no order')
  return left < right ? -1 : left > right ? 1 : 0
}

function sameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if ((typeof a === 'number' || typeof a === 'bigint') && (typeof b === 'number' || typeof b === 'bigint')) return Number(a) === Number(b)
  if (isCelList(a) && isCelList(b)) {
    const left = items(a)
    const right = items(b)
    return left.length === right.length && left.every((item, i) => sameValue(item, right[i]))
  }
  if (isCelMap(a) && isCelMap(b)) return a.size === b.size && [...a.keys()].every((key) => b.has(key) && sameValue(a.get(key), b.get(key)))
  return false
}

function sumOf(list: CelList): bigint | number {
  const all = items(list)
  if (all.some((item) => typeof item === 'number')) return all.reduce<number>((total, item) => total + Number(item), 0)
  return all.reduce<bigint>((total, item) => total + (item as bigint), 0n)
}

function extreme(list: CelList, sign: number, name: string): CelInput {
  const all = items(list)
  if (all.length === 0) throw new Error(`${name} called on empty list`)
  return all.reduce((best, item) => (compare(item, best) * sign > 0 ? item : best)) as CelInput
}

const list = listType(DYN)
const listFunctions: CelFunc[] = [
  celMethod('isSorted', list, [], BOOL, function () { const all = items(this); return all.every((item, i) => i === 0 || compare(all[i - 1], item) <= 0) }),
  celMethod('sum', list, [], DYN, function () { return sumOf(this) }),
  celMethod('min', list, [], DYN, function () { return extreme(this, -1, 'min') }),
  celMethod('max', list, [], DYN, function () { return extreme(this, 1, 'max') }),
  celMethod('indexOf', list, [DYN], INT, function (wanted) { return BigInt(items(this).findIndex((item) => sameValue(item, wanted))) }),
  celMethod('lastIndexOf', list, [DYN], INT, function (wanted) { return BigInt(items(this).findLastIndex((item) => sameValue(item, wanted))) }),
  celMethod('distinct', list, [], list, function () { const all = items(this); return all.filter((item, i) => all.findIndex((other) => sameValue(item, other)) === i) as CelInput[] }),
  celMethod('sort', list, [], list, function () { return items(this).sort(compare) as CelInput[] }),
  celMethod('reverse', list, [], list, function () { return items(this).reverse() as CelInput[] }),
  celMethod('slice', list, [INT, INT], list, function (from, to) {
    const all = items(this)
    if (from < 0n || to < from || to > BigInt(all.length)) throw new Error(`cannot slice(${from}, ${to}), list is length ${all.length}`)
    return all.slice(Number(from), Number(to)) as CelInput[]
  }),
  celMethod('flatten', list, [], list, function () { return items(this).flatMap((item) => (isCelList(item) ? items(item) : [item])) as CelInput[] }),
  celFunc('lists.range', [INT], list, (count) => Array.from({ length: Math.min(Number(count), 1_000_000) }, (_, i) => BigInt(i))),
  celFunc('sets.contains', [list, list], BOOL, (a, b) => items(b).every((item) => items(a).some((other) => sameValue(item, other)))),
  celFunc('sets.equivalent', [list, list], BOOL, (a, b) => items(b).every((item) => items(a).some((other) => sameValue(item, other))) && items(a).every((item) => items(b).some((other) => sameValue(item, other)))),
  celFunc('sets.intersects', [list, list], BOOL, (a, b) => items(b).some((item) => items(a).some((other) => sameValue(item, other)))),
]

function pattern(text: string): RegExp {
  const found = compilePattern(text)
  if (found === undefined) throw new Error(`Illegal regex: ${text}`)
  return found
}

const regexFunctions: CelFunc[] = [
  celMethod('find', STRING, [STRING], STRING, function (text) { return pattern(text).exec(this)?.[0] ?? '' }),
  celMethod('findAll', STRING, [STRING], list, function (text) { return [...this.matchAll(new RegExp(pattern(text), 'g'))].map((each) => each[0]) }),
  celMethod('findAll', STRING, [STRING, INT], list, function (text, limit) {
    const all = [...this.matchAll(new RegExp(pattern(text), 'g'))].map((each) => each[0])
    return limit < 0n ? all : all.slice(0, Number(limit))
  }),
]

function urlOf(text: string): URL | undefined {
  if (text.startsWith('/')) return URL.canParse(text, 'none://none') ? new URL(text, 'none://none') : undefined
  return /^[A-Za-z][A-Za-z0-9+.-]*:/.test(text) && URL.canParse(text) ? new URL(text) : undefined
}

function urlPart(name: string, part: (url: URL) => string): CelFunc {
  return celMethod(name, anyMap, [], STRING, function () { return part(urlOf(need<string>('url', this, name))!) })
}

const own = (url: URL, text: string): string => (url.protocol === 'none:' ? '' : text)
const urlFunctions: CelFunc[] = [
  celFunc('url', [STRING], DYN, (text) => {
    if (urlOf(text) === undefined) throw new Error(`URL parse error during conversion from string: parse ${JSON.stringify(text)}: invalid URI for request`)
    return opaque('url', text)
  }),
  celFunc('isURL', [STRING], BOOL, (text) => urlOf(text) !== undefined),
  urlPart('getScheme', (url) => own(url, url.protocol.replace(/:$/, ''))),
  urlPart('getHost', (url) => own(url, url.host)),
  urlPart('getHostname', (url) => own(url, url.hostname.replace(/^\[|\]$/g, ''))),
  urlPart('getPort', (url) => url.port),
  urlPart('getEscapedPath', (url) => (url.pathname === '/' && url.protocol !== 'none:' ? '' : url.pathname)),
  celMethod('getQuery', anyMap, [], DYN, function () {
    const query = new Map<string, string[]>()
    for (const [key, value] of urlOf(need<string>('url', this, 'getQuery'))!.searchParams) query.set(key, [...(query.get(key) ?? []), value])
    return celMap(query)
  }),
]

const quantityOf = (value: unknown, call: string): string => need<string>('quantity', value, call)
function quantityCheck(name: string, test: (order: number) => boolean): CelFunc {
  return celMethod(name, anyMap, [anyMap], BOOL, function (other) { return test(compareQuantities(parseQuantity(quantityOf(this, name)), parseQuantity(quantityOf(other, name)))) })
}
function quantitySum(name: string, combine: typeof addQuantities): CelFunc[] {
  const combined = (a: string, b: string): CelMap => opaque('quantity', quantityText(combine(parseQuantity(a), parseQuantity(b))))
  return [
    celMethod(name, anyMap, [anyMap], DYN, function (other) { return combined(quantityOf(this, name), quantityOf(other, name)) }),
    celMethod(name, anyMap, [INT], DYN, function (other) { return combined(quantityOf(this, name), String(other)) }),
  ]
}

const isWhole = (text: string): boolean => compareQuantities(parseQuantity(text), parseQuantity(String(quantityValue(text)))) === 0
/** To the precision of a double. */
const approximate = (text: string): number => {
  const { unscaled, scale } = parseQuantity(text)
  return Number(`${unscaled}e${-scale}`)
}

const quantityFunctions: CelFunc[] = [
  celFunc('quantity', [STRING], DYN, (text) => {
    if (!isQuantity(text)) throw new Error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
    return opaque('quantity', canonicalQuantity(text))
  }),
  celFunc('isQuantity', [STRING], BOOL, (text) => isQuantity(text)),
  quantityCheck('isGreaterThan', (order) => order > 0),
  quantityCheck('isLessThan', (order) => order < 0),
  celMethod('compareTo', anyMap, [anyMap], INT, function (other) { return BigInt(compareQuantities(parseQuantity(quantityOf(this, 'compareTo')), parseQuantity(quantityOf(other, 'compareTo')))) }),
  celMethod('sign', anyMap, [], INT, function () { return BigInt(quantitySign(parseQuantity(quantityOf(this, 'sign')))) }),
  celMethod('isInteger', anyMap, [], BOOL, function () { return isWhole(quantityOf(this, 'isInteger')) }),
  celMethod('asInteger', anyMap, [], INT, function () {
    const text = quantityOf(this, 'asInteger')
    if (!isWhole(text)) throw new Error('cannot convert value to integer')
    return BigInt(quantityValue(text))
  }),
  celMethod('asApproximateFloat', anyMap, [], DOUBLE, function () { return approximate(quantityOf(this, 'asApproximateFloat')) }),
  ...quantitySum('add', addQuantities), ...quantitySum('sub', subtractQuantities),
]

function addressCheck(name: string, test: (text: string) => boolean): CelFunc {
  return celMethod(name, anyMap, [], BOOL, function () { return test(need<string>('ip', this, name)) })
}
const isIPv4 = (text: string): boolean => parseIp(text)?.family === 4
const isCanonicalIp = (text: string): boolean => {
  const address = parseIp(text)
  return address !== undefined && formatIp(address) === text
}
const within = (text: string, ...ranges: string[]): boolean => {
  const address = parseIp(text)
  return address !== undefined && ranges.some((range) => cidrHas(parseCidr(range)!, address))
}

function cidrContains(outer: string, inner: string): boolean {
  const range = parseCidr(outer)
  const [address = '', bits] = inner.split('/')
  const first = parseIp(address)
  return range !== undefined && first !== undefined && cidrHas(range, first) && (bits === undefined || Number(bits) >= Number(outer.split('/')[1]))
}

const addressFunctions: CelFunc[] = [
  celFunc('ip', [STRING], DYN, (text) => {
    if (parseIp(text) === undefined) throw new Error(`IP Address ${JSON.stringify(text)} parse error during conversion from string: invalid IP`)
    return opaque('ip', text)
  }),
  celFunc('isIP', [STRING], BOOL, (text) => parseIp(text) !== undefined),
  celFunc('ip.isCanonical', [STRING], BOOL, isCanonicalIp),
  celMethod('family', anyMap, [], INT, function () { return isIPv4(need<string>('ip', this, 'family')) ? 4n : 6n }),
  addressCheck('isUnspecified', (text) => within(text, '0.0.0.0/32', '::/128')),
  addressCheck('isLoopback', (text) => within(text, '127.0.0.0/8', '::1/128')),
  addressCheck('isLinkLocalMulticast', (text) => within(text, '224.0.0.0/24', 'ff02::/16')),
  addressCheck('isLinkLocalUnicast', (text) => within(text, '169.254.0.0/16', 'fe80::/10')),
  addressCheck('isGlobalUnicast', (text) => !within(text, '0.0.0.0/32', '::/128', '127.0.0.0/8', '::1/128', '224.0.0.0/4', 'ff00::/8', '169.254.0.0/16', 'fe80::/10', '255.255.255.255/32')),
  celFunc('cidr', [STRING], DYN, (text) => {
    if (!hasFormat('cidr', text)) throw new Error(`network address parse error during conversion from string: invalid CIDR address: ${text}`)
    return opaque('cidr', text)
  }),
  celFunc('isCIDR', [STRING], BOOL, (text) => hasFormat('cidr', text)),
  celMethod('containsIP', anyMap, [DYN], BOOL, function (other) { return cidrContains(need<string>('cidr', this, 'containsIP'), typeof other === 'string' ? other : need<string>('ip', other, 'containsIP')) }),
  celMethod('containsCIDR', anyMap, [DYN], BOOL, function (other) { return cidrContains(need<string>('cidr', this, 'containsCIDR'), typeof other === 'string' ? other : need<string>('cidr', other, 'containsCIDR')) }),
  celMethod('ip', anyMap, [], DYN, function () { return opaque('ip', need<string>('cidr', this, 'ip').split('/')[0]!) }),
  celMethod('prefixLength', anyMap, [], INT, function () { return BigInt(need<string>('cidr', this, 'prefixLength').split('/')[1]!) }),
  celMethod('masked', anyMap, [], DYN, function () { return opaque('cidr', maskedCidr(need<string>('cidr', this, 'masked'))) }),
]

function maskedCidr(text: string): string {
  const [address = '', bits = '0'] = text.split('/')
  if (!isIPv4(address)) return text
  const value = address.split('.').reduce((total, part) => total * 256 + Number(part), 0)
  const size = 2 ** (32 - Number(bits))
  const first = Math.floor(value / size) * size
  return `${[24, 16, 8, 0].map((shift) => Math.floor(first / 2 ** shift) % 256).join('.')}/${bits}`
}

const label = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/
const namedFormats: Readonly<Record<string, { test(text: string): boolean; message: string }>> = {
  dns1123Label: { test: (text) => text.length <= 63 && label.test(text), message: "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')" },
  dns1123Subdomain: { test: (text) => text.length <= 253 && text.split('.').every((part) => label.test(part)), message: "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')" },
  dns1035Label: { test: (text) => text.length <= 63 && /^[a-z]([-a-z0-9]*[a-z0-9])?$/.test(text), message: "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')" },
  qualifiedName: { test: (text) => /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/.test(text), message: "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')" },
  labelValue: { test: (text) => /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/.test(text), message: "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')" },
  uri: { test: (text) => urlOf(text) !== undefined, message: 'invalid URI for request' },
  uuid: { test: (text) => hasFormat('uuid', text), message: 'does not match the UUID format' },
  byte: { test: (text) => hasFormat('byte', text), message: 'invalid base64' },
  date: { test: (text) => hasFormat('date', text), message: 'invalid date' },
  datetime: { test: (text) => hasFormat('date-time', text), message: 'invalid datetime' },
}
const formatFunctions: CelFunc[] = [
  ...Object.keys(namedFormats).map((name) => celFunc(`format.${name}`, [], DYN, () => opaque('format', name))),
  celFunc('format.named', [STRING], DYN, (name) => opaque('optional', Object.hasOwn(namedFormats, name) ? [opaque('format', name)] : [])),
  celMethod('validate', anyMap, [STRING], DYN, function (text) {
    const format = namedFormats[need<string>('format', this, 'validate')]!
    return opaque('optional', format.test(text) ? [] : [[format.message]])
  }),
]

function optionalOf(value: unknown, call: string): unknown[] {
  return items(need<CelList>('optional', value, call))
}
const optionalFunctions: CelFunc[] = [
  celFunc('optional.of', [DYN], DYN, (value) => opaque('optional', [value as CelInput])),
  celFunc('optional.none', [], DYN, () => opaque('optional', [])),
  celMethod('hasValue', anyMap, [], BOOL, function () { return optionalOf(this, 'hasValue').length > 0 }),
  celMethod('value', anyMap, [], DYN, function () {
    const held = optionalOf(this, 'value')
    if (held.length === 0) throw new Error('optional.none() dereference')
    return held[0] as CelInput
  }),
  celMethod('orValue', anyMap, [DYN], DYN, function (other) { const held = optionalOf(this, 'orValue'); return (held.length > 0 ? held[0] : other) as CelInput }),
  celMethod('or', anyMap, [anyMap], DYN, function (other) { return optionalOf(this, 'or').length > 0 ? this : other }),
]

/** Everything that rules may call beside CEL's own functions. */
export function kubernetesFunctions(): CelFunc[] {
  return [...strings, ...listFunctions, ...regexFunctions, ...urlFunctions, ...quantityFunctions, ...addressFunctions, ...formatFunctions, ...optionalFunctions]
}
