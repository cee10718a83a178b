import { parseRequestUri, type RequestUri } from '../../../machinery/request-uri.ts'
import { formatIp, parseCidr, parseIp, type IpAddress } from '../../../machinery/cidr.ts'
import { dns1035LabelErrors, dnsLabelErrors, dnsSubdomainErrors, labelValueErrors, maskTrailingDash, qualifiedNameErrors } from '../../../machinery/names.ts'
import { addQuantities, compareQuantities, isQuantity, parseQuantity, quantitySign, quantityText, subtractQuantities, type Quantity } from '../../../machinery/quantity.ts'
import { hasFormat } from '../../custom/formats.ts'
import type { Definition } from '../functions.ts'
import { ipProblem, networkProblem } from './address-problems.ts'
import { CelError, MapValue, none, Opaque, Optional, type Value } from '../values.ts'

/** Kubernetes' own libraries: quantities, URLs, addresses, versions, formats (https://kubernetes.io/docs/reference/using-api/cel/#cel-options-language-features-and-libraries). */
const quoted = (text: string): string => JSON.stringify(text)

// Quantities.

const quantityOf = (value: Opaque): Quantity => value.held as Quantity
function quantity(held: Quantity): Opaque {
  return new Opaque('kubernetes.Quantity', held, (other) => compareQuantities(held, other.held as Quantity) === 0)
}
function parsedQuantity(text: string): Opaque {
  try {
    return quantity(parseQuantity(text))
  } catch (cause) {
    throw new CelError((cause as Error).message, { cause })
  }
}
/** The number as an integer, where it is one that fits 64 bits. */
function wholeNumber({ unscaled, scale }: Quantity): bigint | undefined {
  const value = scale >= 0 ? unscaled * 10n ** BigInt(scale) : unscaled % 10n ** BigInt(-scale) === 0n ? unscaled / 10n ** BigInt(-scale) : undefined
  return value === undefined || value > 9223372036854775807n || value < -9223372036854775808n ? undefined : value
}
const whole = (value: bigint): Quantity => ({ unscaled: value, scale: 0, format: 'DecimalSI' })

const quantityLibrary: readonly Definition[] = [
  ['quantity(string): Quantity', parsedQuantity], ['isQuantity(string): bool', (text: string) => isQuantity(text)],
  ['Quantity.sign(): int', (a: Opaque) => BigInt(quantitySign(quantityOf(a)))],
  ['Quantity.isGreaterThan(Quantity): bool', (a: Opaque, b: Opaque) => compareQuantities(quantityOf(a), quantityOf(b)) > 0],
  ['Quantity.isLessThan(Quantity): bool', (a: Opaque, b: Opaque) => compareQuantities(quantityOf(a), quantityOf(b)) < 0],
  ['Quantity.compareTo(Quantity): int', (a: Opaque, b: Opaque) => BigInt(compareQuantities(quantityOf(a), quantityOf(b)))],
  ['Quantity.asApproximateFloat(): double', (a: Opaque) => Number(`${quantityOf(a).unscaled}e${quantityOf(a).scale}`)],
  ['Quantity.asInteger(): int', (a: Opaque) => {
    const value = wholeNumber(quantityOf(a))
    if (value === undefined) throw new CelError('cannot convert value to integer')
    return value
  }],
  ['Quantity.isInteger(): bool', (a: Opaque) => wholeNumber(quantityOf(a)) !== undefined],
  ['Quantity.add(Quantity): Quantity', (a: Opaque, b: Opaque) => quantity(addQuantities(quantityOf(a), quantityOf(b)))], ['Quantity.add(int): Quantity', (a: Opaque, b: bigint) => quantity(addQuantities(quantityOf(a), whole(b)))],
  ['Quantity.sub(Quantity): Quantity', (a: Opaque, b: Opaque) => quantity(subtractQuantities(quantityOf(a), quantityOf(b)))], ['Quantity.sub(int): Quantity', (a: Opaque, b: bigint) => quantity(subtractQuantities(quantityOf(a), whole(b)))],
  ['string(Quantity): string', (a: Opaque) => quantityText(quantityOf(a))],
]

// URLs.

function decodedPart(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

function queryOf({ query }: RequestUri): Value {
  const out = new Map<string, string[]>()
  for (const part of query.split('&')) {
    if (part === '' || part.includes(';')) continue
    const [key = '', ...rest] = part.split('=')
    const name = decodedPart(key)
    const value = decodedPart(rest.join('='))
    if (name !== undefined && value !== undefined) out.set(name, [...(out.get(name) ?? []), value])
  }
  return MapValue.of(out)
}

const urlOf = (value: Opaque): RequestUri => value.held as RequestUri
const urlLibrary: readonly Definition[] = [
  ['url(string): URL', (text: string) => {
    const url = parseRequestUri(text)
    if (typeof url === 'string') throw new CelError(`URL parse error during conversion from string: ${url}`)
    return new Opaque('kubernetes.URL', url, (other) => (other.held as RequestUri).text === text)
  }],
  ['isURL(string): bool', (text: string) => typeof parseRequestUri(text) !== 'string'],
  ['URL.getScheme(): string', (url: Opaque) => urlOf(url).scheme], ['URL.getHost(): string', (url: Opaque) => urlOf(url).host], ['URL.getHostname(): string', (url: Opaque) => urlOf(url).hostname],
  ['URL.getPort(): string', (url: Opaque) => urlOf(url).port], ['URL.getEscapedPath(): string', (url: Opaque) => urlOf(url).path], ['URL.getQuery(): map<string,list<string>>', (url: Opaque) => queryOf(urlOf(url))],
]

// Addresses.

const ipOf = (value: Opaque): IpAddress => value.held as IpAddress
function ip(address: IpAddress): Opaque {
  return new Opaque('net.IP', address, (other) => ipOf(other).family === address.family && ipOf(other).value === address.value, address.family === 4 ? 4 : 16)
}

const isMapped = ({ family, value }: IpAddress): boolean => family === 6 && value >> 32n === 0xffffn

/** As `netip.ParseAddr` with upstream's refusals: no zones, no IPv4 within IPv6. */
function parsedIp(text: string): IpAddress {
  if (/:.*%./.test(text) && parseIp(text.slice(0, text.indexOf('%'))) !== undefined) throw new CelError(`IP address ${quoted(text)} with zone value is not allowed`)
  const address = parseIp(text)
  if (address === undefined) throw new CelError(`IP Address ${quoted(text)} parse error during conversion from string: ${ipProblem(text)}`)
  if (isMapped(address)) throw new CelError(`IPv4-mapped IPv6 address ${quoted(text)} is not allowed`)
  return address
}
const isIp = (text: string): boolean => {
  const address = parseIp(text)
  return address !== undefined && !text.includes('%') && !isMapped(address)
}

/** Whether the address is in one of the ranges of its family. */
function within({ family, value }: IpAddress, four: readonly string[], six: readonly string[]): boolean {
  return (family === 4 ? four : six).some((text) => {
    const range = parseCidr(text)!
    return value >> BigInt((family === 4 ? 32 : 128) - range.prefix) === range.base >> BigInt((family === 4 ? 32 : 128) - range.prefix)
  })
}
const isUnspecified = (address: IpAddress): boolean => address.value === 0n
const isLoopback = (address: IpAddress): boolean => within(address, ['127.0.0.0/8'], ['::1/128'])
const isLinkLocalUnicast = (address: IpAddress): boolean => within(address, ['169.254.0.0/16'], ['fe80::/10'])
const isGlobalUnicast = (address: IpAddress): boolean => !isUnspecified(address) && !isLoopback(address) && !isLinkLocalUnicast(address) && !within(address, ['224.0.0.0/4', '255.255.255.255/32'], ['ff00::/8'])

/** An address and how many of its leading bits count; host bits stay as written. */
interface Network { address: IpAddress; prefix: number; text: string }
const networkOf = (value: Opaque): Network => value.held as Network

function readNetwork(text: string): Network | undefined {
  const range = parseCidr(text)
  const address = parseIp(text.slice(0, text.indexOf('/')))
  return range === undefined || address === undefined || isMapped(address) ? undefined : { address, prefix: range.prefix, text }
}
function network(held: Network): Opaque {
  return new Opaque('net.CIDR', held, (other) => networkOf(other).prefix === held.prefix && networkOf(other).address.family === held.address.family && networkOf(other).address.value === held.address.value, Math.ceil(held.prefix / 8))
}
function parsedNetwork(text: string): Network {
  const found = readNetwork(text)
  if (found === undefined) {
    const address = parseIp(text.slice(0, Math.max(0, text.lastIndexOf('/'))))
    const isMappedNetwork = address !== undefined && isMapped(address) && parseCidr(text) !== undefined
    throw new CelError(`network address parse error during conversion from string: ${isMappedNetwork ? `IPv4-mapped IPv6 address ${quoted(text)} is not allowed` : `network address parse error during conversion from string: ${networkProblem(text, (each) => parseIp(each.replace(/(?<=:.*)%.+$/, '')) !== undefined)}`}`)
  }
  return found
}
function holds({ address, prefix }: Network, other: IpAddress): boolean {
  const hostBits = BigInt((address.family === 4 ? 32 : 128) - prefix)
  return address.family === other.family && address.value >> hostBits === other.value >> hostBits
}
const holdsNetwork = (outer: Network, inner: Network): boolean => inner.prefix >= outer.prefix && holds(outer, inner.address)

const addressLibrary: readonly Definition[] = [
  ['ip(string): IP', (text: string) => ip(parsedIp(text))], ['isIP(string): bool', isIp], ['ip.isCanonical(string): bool', (text: string) => formatIp(parsedIp(text)) === text],
  ['IP.family(): int', (value: Opaque) => BigInt(ipOf(value).family)], ['IP.isUnspecified(): bool', (value: Opaque) => isUnspecified(ipOf(value))], ['IP.isLoopback(): bool', (value: Opaque) => isLoopback(ipOf(value))],
  ['IP.isLinkLocalMulticast(): bool', (value: Opaque) => within(ipOf(value), ['224.0.0.0/24'], ['ff02::/16'])], ['IP.isLinkLocalUnicast(): bool', (value: Opaque) => isLinkLocalUnicast(ipOf(value))],
  ['IP.isGlobalUnicast(): bool', (value: Opaque) => isGlobalUnicast(ipOf(value))], ['string(IP): string', (value: Opaque) => formatIp(ipOf(value))],
  ['cidr(string): CIDR', (text: string) => network(parsedNetwork(text))], ['isCIDR(string): bool', (text: string) => readNetwork(text) !== undefined],
  ['CIDR.containsIP(string): bool', (outer: Opaque, text: string) => holds(networkOf(outer), parsedIp(text))], ['CIDR.containsIP(IP): bool', (outer: Opaque, value: Opaque) => holds(networkOf(outer), ipOf(value))],
  ['CIDR.containsCIDR(string): bool', (outer: Opaque, text: string) => holdsNetwork(networkOf(outer), parsedNetwork(text))], ['CIDR.containsCIDR(CIDR): bool', (outer: Opaque, inner: Opaque) => holdsNetwork(networkOf(outer), networkOf(inner))],
  ['CIDR.ip(): IP', (value: Opaque) => ip(networkOf(value).address)], ['CIDR.prefixLength(): int', (value: Opaque) => BigInt(networkOf(value).prefix)],
  ['CIDR.masked(): CIDR', (value: Opaque) => {
    const { address, prefix } = networkOf(value)
    const hostBits = BigInt((address.family === 4 ? 32 : 128) - prefix)
    const masked = { family: address.family, value: (address.value >> hostBits) << hostBits }
    return network({ address: masked, prefix, text: `${formatIp(masked)}/${prefix}` })
  }],
  ['string(CIDR): string', (value: Opaque) => `${formatIp(networkOf(value).address)}/${networkOf(value).prefix}`],
]

// Semantic versions.

interface Version { numbers: readonly [bigint, bigint, bigint]; pre: readonly string[]; text: string }
const versionOf = (value: Opaque): Version => value.held as Version

function readVersion(text: string): Version | undefined {
  const match = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$/.exec(text)
  if (match === null) return undefined
  const numbers: Version['numbers'] = [BigInt(match[1]!), BigInt(match[2]!), BigInt(match[3]!)]
  return numbers.some((number) => number > maxNumber) ? undefined : { numbers, pre: match[4]?.split('.') ?? [], text }
}
/** Numbers of versions are unsigned, of 64 bits. */
const maxNumber = 2n ** 64n - 1n

/** A leading `v` and leading zeros go, missing numbers are zero. */
function normalVersion(text: string): string {
  const [core = '', ...rest] = text.replace(/^v/, '').split(/(?=[-+])/)
  const numbers = core.split('.')
  if (numbers.length > 3 || numbers.some((number) => !/^\d+$/.test(number))) return text
  while (numbers.length < 3) numbers.push('0')
  return numbers.map((number) => number.replace(/^0+(?=\d)/, '')).join('.') + rest.join('')
}

function compareVersions(a: Version, b: Version): number {
  for (let i = 0; i < 3; i += 1) if (a.numbers[i] !== b.numbers[i]) return a.numbers[i]! < b.numbers[i]! ? -1 : 1
  if (a.pre.length === 0 || b.pre.length === 0) return a.pre.length === b.pre.length ? 0 : a.pre.length === 0 ? 1 : -1
  for (let i = 0; i < Math.max(a.pre.length, b.pre.length); i += 1) {
    const left = a.pre[i]
    const right = b.pre[i]
    if (left === undefined || right === undefined) return left === undefined ? -1 : 1
    if (left === right) continue
    const numeric = [/^\d+$/.test(left), /^\d+$/.test(right)]
    if (numeric[0] !== numeric[1]) return numeric[0] ? -1 : 1
    return (numeric[0] ? BigInt(left) < BigInt(right) : left < right) ? -1 : 1
  }
  return 0
}

/** Why a text is no version, as the library that upstream uses says it. */
function versionProblem(text: string): string {
  if (text === '') return 'Version string empty'
  const [major, minor, ...rest] = text.split('.')
  if (rest.length === 0) return 'No Major.Minor.Patch elements found'
  const [, patch = '', pre, build] = /^([^-+]*)(?:-([^+]*))?(?:\+(.*))?$/s.exec(rest.join('.'))!
  for (const [name, number] of [['major', major!], ['minor', minor!], ['patch', patch]] as const) {
    if (!/^\d+$/.test(number)) return `Invalid character(s) found in ${name} number ${quoted(number)}`
    if (/^[1-9]/.test(number) && BigInt(number) > maxNumber) return `strconv.ParseUint: parsing ${quoted(number)}: value out of range`
    if (/^0\d/.test(number)) return `${name[0]!.toUpperCase()}${name.slice(1)} number must not contain leading zeroes ${quoted(number)}`
  }
  for (const part of pre?.split('.') ?? []) {
    if (part === '') return 'Prerelease is empty'
    if (/^0\d+$/.test(part)) return `Numeric PreRelease version must not contain leading zeroes ${quoted(part)}`
    if (!/^[0-9A-Za-z-]+$/.test(part)) return `Invalid character(s) found in prerelease ${quoted(part)}`
  }
  for (const part of build?.split('.') ?? []) {
    if (part === '') return 'Build meta data is empty'
    if (!/^[0-9A-Za-z-]+$/.test(part)) return `Invalid character(s) found in build meta data ${quoted(part)}`
  }
  return 'No Major.Minor.Patch elements found'
}

function semver(text: string, normalize = false): Opaque {
  const version = readVersion(normalize ? normalVersion(text) : text)
  if (version === undefined) throw new CelError(versionProblem(normalize ? normalVersion(text) : text))
  return new Opaque('kubernetes.Semver', version, (other) => compareVersions(version, versionOf(other)) === 0)
}
const versionLibrary: readonly Definition[] = [
  ['semver(string): Semver', (text: string) => semver(text)], ['semver(string,bool): Semver', semver],
  ['isSemver(string): bool', (text: string) => readVersion(text) !== undefined], ['isSemver(string,bool): bool', (text: string, normalize: boolean) => readVersion(normalize ? normalVersion(text) : text) !== undefined],
  ['Semver.isGreaterThan(Semver): bool', (a: Opaque, b: Opaque) => compareVersions(versionOf(a), versionOf(b)) > 0], ['Semver.isLessThan(Semver): bool', (a: Opaque, b: Opaque) => compareVersions(versionOf(a), versionOf(b)) < 0],
  ['Semver.compareTo(Semver): int', (a: Opaque, b: Opaque) => BigInt(compareVersions(versionOf(a), versionOf(b)))],
  ['Semver.major(): int', (a: Opaque) => versionOf(a).numbers[0]], ['Semver.minor(): int', (a: Opaque) => versionOf(a).numbers[1]], ['Semver.patch(): int', (a: Opaque) => versionOf(a).numbers[2]],
]

// Formats.

interface Format { name: string; errors(text: string): readonly string[]; maxRegexSize: number }
const known = (format: string, message: string) => (text: string): string[] => (hasFormat(format, text) ? [] : [message])
const prefixOf = (check: (text: string) => string[]) => (text: string): string[] => check(maskTrailingDash(text))

const namedFormats: Readonly<Record<string, Format>> = {
  dns1123Label: { name: 'DNS1123Label', errors: dnsLabelErrors, maxRegexSize: 30 }, dns1123Subdomain: { name: 'DNS1123Subdomain', errors: dnsSubdomainErrors, maxRegexSize: 60 },
  dns1035Label: { name: 'DNS1035Label', errors: dns1035LabelErrors, maxRegexSize: 30 }, qualifiedName: { name: 'QualifiedName', errors: qualifiedNameErrors, maxRegexSize: 60 },
  dns1123LabelPrefix: { name: 'DNS1123LabelPrefix', errors: prefixOf(dnsLabelErrors), maxRegexSize: 30 }, dns1123SubdomainPrefix: { name: 'DNS1123SubdomainPrefix', errors: prefixOf(dnsSubdomainErrors), maxRegexSize: 60 },
  dns1035LabelPrefix: { name: 'DNS1035LabelPrefix', errors: prefixOf(dns1035LabelErrors), maxRegexSize: 30 }, labelValue: { name: 'LabelValue', errors: labelValueErrors, maxRegexSize: 40 },
  uri: { name: 'URI', errors: (text) => [parseRequestUri(text)].filter((url) => typeof url === 'string'), maxRegexSize: 1116 },
  uuid: { name: 'uuid', errors: known('uuid', 'does not match the UUID format'), maxRegexSize: 77 }, byte: { name: 'byte', errors: known('byte', 'invalid base64'), maxRegexSize: 84 },
  date: { name: 'date', errors: known('date', 'invalid date'), maxRegexSize: 89 }, datetime: { name: 'datetime', errors: known('datetime', 'invalid datetime'), maxRegexSize: 89 },
}
const formatValue = (format: Format): Opaque => new Opaque('kubernetes.NamedFormat', format)
const formatLibrary: readonly Definition[] = [
  ...Object.entries(namedFormats).map(([name, format]): Definition => [`format.${name}(): Format`, () => formatValue(format)]),
  ['format.named(string): optional<Format>', (name: string) => (Object.hasOwn(namedFormats, name) ? new Optional(formatValue(namedFormats[name]!)) : none)],
  ['Format.validate(string): optional<list<string>>', (format: Opaque, text: string) => {
    const errors = (format.held as Format).errors(text)
    return errors.length === 0 ? none : new Optional(errors)
  }],
]

/** How long a format's expression counts as being, where the cost of using it is reckoned. */
export function formatRegexSize(value: Opaque): number {
  return (value.held as Format).maxRegexSize
}

export const domainLibrary: readonly Definition[] = [...quantityLibrary, ...urlLibrary, ...addressLibrary, ...versionLibrary, ...formatLibrary]
