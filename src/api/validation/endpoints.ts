import { parseIp } from '../../machinery/cidr.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { ipErrors } from '../../machinery/ip-checks.ts'
import { validateLabels } from '../../machinery/labels.ts'
import { dnsLabelErrors, dnsSubdomainErrors, labelValueErrors, portNumberErrors, qualifiedNameErrors } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { EndpointAddress, EndpointPort, Endpoints } from '../types/core_v1.ts'
import type { Endpoint, EndpointSlice } from '../types/discovery.k8s.io_v1.ts'
import { addInvalid, checkOneOf, isEmpty } from './check.ts'
import { protocols } from './containers.ts'
import { checkNonSpecialIp } from './ip-fields.ts'
import { validateImmutable } from './object-meta.ts'
import type { Validation } from './validation.ts'

/** Endpoints and EndpointSlices. */

function checkEndpointAddress(out: FieldError[], path: string, address: Readonly<EndpointAddress>): void {
  addInvalid(out, `${path}.ip`, address.ip ?? '', ipErrors(address.ip ?? ''))
  if (!isEmpty(address.hostname)) addInvalid(out, `${path}.hostname`, address.hostname, dnsLabelErrors(address.hostname))
  if (address.nodeName !== undefined) addInvalid(out, `${path}.nodeName`, address.nodeName, dnsSubdomainErrors(address.nodeName))
  checkNonSpecialIp(out, `${path}.ip`, address.ip ?? '')
}

function checkEndpointPort(out: FieldError[], path: string, port: Readonly<EndpointPort>, needsName: boolean): void {
  if (isEmpty(port.name)) {
    if (needsName) out.push(fieldErrors.required(`${path}.name`))
  } else addInvalid(out, `${path}.name`, port.name, dnsLabelErrors(port.name))
  addInvalid(out, `${path}.port`, port.port ?? 0, portNumberErrors(port.port))
  checkOneOf(out, `${path}.protocol`, port.protocol, protocols)
  if (port.appProtocol !== undefined) addInvalid(out, `${path}.appProtocol`, port.appProtocol, qualifiedNameErrors(port.appProtocol))
}

function validateEndpoints(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  for (const [i, subset] of ((object as unknown as Endpoints).subsets ?? []).entries()) {
    const at = `subsets[${i}]`
    if ((subset.addresses ?? []).length === 0 && (subset.notReadyAddresses ?? []).length === 0) out.push(fieldErrors.required(at, 'must specify `addresses` or `notReadyAddresses`'))
    for (const kind of ['addresses', 'notReadyAddresses'] as const) for (const [a, address] of (subset[kind] ?? []).entries()) checkEndpointAddress(out, `${at}.${kind}[${a}]`, address)
    for (const [p, port] of (subset.ports ?? []).entries()) checkEndpointPort(out, `${at}.ports[${p}]`, port, (subset.ports ?? []).length > 1)
  }
  return out
}

export const endpointsValidation: Validation = { validate: validateEndpoints, validateUpdate: validateEndpoints }

const addressTypes = ['FQDN', 'IPv4', 'IPv6']

function checkSliceAddress(out: FieldError[], list: string, index: number, type: string, address: string): void {
  const path = `${list}[${index}]`
  if (type === 'FQDN') {
    checkFullName(out, path, address)
    return
  }
  const messages = ipErrors(address)
  addInvalid(out, path, address, messages)
  if (messages.length > 0) return
  // The path is upstream's.
  if (parseIp(address)?.family !== Number(type.slice(3))) out.push(fieldErrors.invalid(list, address, `must be an ${type} address`))
  checkNonSpecialIp(out, path, address)
}

/** Upstream's `IsFullyQualifiedDomainName`: two labels at least, a dot behind them or none. */
function checkFullName(out: FieldError[], path: string, text: string): void {
  if (text === '') return void out.push(fieldErrors.required(path))
  const name = text.replace(/\.$/, '')
  const labels = name.split('.')
  const errors = dnsSubdomainErrors(name)
  const wrong = labels.find((label) => dnsLabelErrors(label).length > 0)
  if (errors.length > 0) out.push(fieldErrors.invalid(path, name, errors.join(',')))
  else if (labels.length < 2) out.push(fieldErrors.invalid(path, name, 'should be a domain with at least two segments separated by dots'))
  else if (wrong !== undefined) out.push(fieldErrors.invalid(path, wrong, dnsLabelErrors(wrong).join(',')))
}

const maxTopologyLabels = 16
const maxHints = 8

function checkHints(out: FieldError[], path: string, hints: ReadonlyArray<{ name?: string }> | undefined, rule: (name: string) => string[]): void {
  if (hints === undefined) return
  if (hints.length > maxHints) return void out.push(fieldErrors.tooMany(path, hints.length, maxHints))
  const names = new Set<string>()
  for (const [i, { name = '' }] of hints.entries()) {
    if (names.has(name)) out.push(fieldErrors.duplicate(`${path}[${i}].name`, name))
    names.add(name)
    addInvalid(out, `${path}[${i}].name`, name, rule(name))
  }
}

function checkSliceEndpoint(out: FieldError[], at: string, endpoint: Readonly<Endpoint>, addressType: string): void {
  const { addresses = [], nodeName, hostname, deprecatedTopology, hints } = endpoint
  if (addresses.length === 0) out.push(fieldErrors.required(`${at}.addresses`, 'must contain at least 1 address'))
  else if (addresses.length > 100) out.push(fieldErrors.tooMany(`${at}.addresses`, addresses.length, 100))
  if (addressTypes.includes(addressType)) addresses.forEach((address, a) => checkSliceAddress(out, `${at}.addresses`, a, addressType, address))
  if (nodeName !== undefined) addInvalid(out, `${at}.nodeName`, nodeName, dnsSubdomainErrors(nodeName))
  const labels = Object.keys(deprecatedTopology ?? {}).length
  if (labels > maxTopologyLabels) out.push(fieldErrors.tooMany(`${at}.deprecatedTopology`, labels, maxTopologyLabels))
  out.push(...validateLabels(deprecatedTopology, `${at}.deprecatedTopology`))
  if (hostname !== undefined) addInvalid(out, `${at}.hostname`, hostname, dnsLabelErrors(hostname))
  checkHints(out, `${at}.hints.forZones`, hints?.forZones, labelValueErrors)
  checkHints(out, `${at}.hints.forNodes`, hints?.forNodes, dnsSubdomainErrors)
}

function checkSlicePorts(out: FieldError[], ports: EndpointSlice['ports']): void {
  const names = new Set<string>()
  for (const [i, { name = '', protocol, appProtocol }] of (ports ?? []).entries()) {
    const at = `ports[${i}]`
    if (name !== '') addInvalid(out, `${at}.name`, name, dnsLabelErrors(name))
    if (names.has(name)) out.push(fieldErrors.duplicate(`${at}.name`, name))
    names.add(name)
    if (protocol === undefined) out.push(fieldErrors.required(`${at}.protocol`))
    else if (!protocols.includes(protocol)) out.push(fieldErrors.notSupported(`${at}.protocol`, protocol, protocols))
    if (appProtocol !== undefined) addInvalid(out, `${at}.appProtocol`, appProtocol, qualifiedNameErrors(appProtocol))
  }
}

function validateEndpointSlice(object: Readonly<OpenObject>, old?: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { addressType, endpoints: given, ports: givenPorts } = object as unknown as EndpointSlice
  const endpoints = given ?? []
  const ports = givenPorts ?? []
  checkOneOf(out, 'addressType', addressType, addressTypes)
  if (ports.length > 20000) out.push(fieldErrors.tooMany('ports', ports.length, 20000))
  else checkSlicePorts(out, ports)
  // Endpoints that an update leaves alone may be as they are.
  if (old !== undefined && semanticEqual(endpoints, old.endpoints ?? [])) return out
  if (endpoints.length > 1000) out.push(fieldErrors.tooMany('endpoints', endpoints.length, 1000))
  else for (const [i, endpoint] of endpoints.entries()) checkSliceEndpoint(out, `endpoints[${i}]`, endpoint, addressType)
  return out
}

export const endpointSliceValidation: Validation = {
  validate: (object) => validateEndpointSlice(object),
  validateUpdate: (object, old) => [...validateEndpointSlice(object, old), ...validateImmutable(object.addressType, old.addressType, 'addressType')],
}
