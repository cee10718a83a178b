import { parseIp } from '../../machinery/cidr.ts'
import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { ipErrors } from '../../machinery/ip-checks.ts'
import { validateLabels } from '../../machinery/labels.ts'
import { dnsLabelErrors, dnsSubdomainErrors, portNumberErrors, qualifiedNameErrors } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { EndpointAddress, EndpointPort, Endpoints } from '../types/core_v1.ts'
import type { EndpointSlice } from '../types/discovery.k8s.io_v1.ts'
import { addInvalid, checkOneOf, isEmpty } from './check.ts'
import { protocols } from './containers.ts'
import { checkNonSpecialIp } from './ip-fields.ts'
import { validateImmutable } from './object-meta.ts'
import type { Validation } from './validation.ts'

/** Endpoints and EndpointSlices. */

function checkEndpointAddress(out: FieldError[], path: string, address: Readonly<EndpointAddress>): void {
  const messages = ipErrors(address.ip ?? '')
  addInvalid(out, `${path}.ip`, address.ip ?? '', messages)
  if (!isEmpty(address.hostname)) addInvalid(out, `${path}.hostname`, address.hostname, dnsLabelErrors(address.hostname))
  if (!isEmpty(address.nodeName)) addInvalid(out, `${path}.nodeName`, address.nodeName, dnsSubdomainErrors(address.nodeName))
  if (messages.length === 0) checkNonSpecialIp(out, `${path}.ip`, address.ip)
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

function checkSliceAddress(out: FieldError[], path: string, type: string, address: string): void {
  if (type === 'FQDN') {
    addInvalid(out, path, address, dnsSubdomainErrors(address))
    return
  }
  const messages = ipErrors(address)
  if (messages.length === 0 && parseIp(address)?.family !== Number(type.slice(3))) messages.push(`must be an ${type} address`)
  addInvalid(out, path, address, messages)
  if (messages.length === 0) checkNonSpecialIp(out, path, address)
}

function validateEndpointSlice(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { addressType, endpoints = [], ports = [] } = object as unknown as EndpointSlice
  checkOneOf(out, 'addressType', addressType, addressTypes)
  if (endpoints.length > 1000) out.push(fieldErrors.tooMany('endpoints', endpoints.length, 1000))
  for (const [i, endpoint] of endpoints.entries()) {
    const at = `endpoints[${i}]`
    const addresses = endpoint.addresses ?? []
    if (addresses.length === 0) out.push(fieldErrors.required(`${at}.addresses`, 'must contain at least 1 address'))
    else if (addresses.length > 100) out.push(fieldErrors.tooMany(`${at}.addresses`, addresses.length, 100))
    if (addressTypes.includes(addressType)) addresses.forEach((address, a) => checkSliceAddress(out, `${at}.addresses[${a}]`, addressType, address))
    if (endpoint.nodeName !== undefined) addInvalid(out, `${at}.nodeName`, endpoint.nodeName, dnsSubdomainErrors(endpoint.nodeName))
    if (endpoint.hostname !== undefined) addInvalid(out, `${at}.hostname`, endpoint.hostname, dnsLabelErrors(endpoint.hostname))
    if (endpoint.deprecatedTopology !== undefined) out.push(...validateLabels(endpoint.deprecatedTopology, `${at}.deprecatedTopology`))
  }
  if (ports.length > 20000) out.push(fieldErrors.tooMany('ports', ports.length, 20000))
  const names = new Set<string>()
  for (const [i, port] of ports.entries()) {
    const at = `ports[${i}]`
    const name = port.name ?? ''
    if (name !== '') addInvalid(out, `${at}.name`, name, dnsLabelErrors(name))
    if (names.has(name)) out.push(fieldErrors.duplicate(`${at}.name`, name))
    names.add(name)
    if (port.port !== undefined) addInvalid(out, `${at}.port`, port.port, portNumberErrors(port.port))
    checkOneOf(out, `${at}.protocol`, port.protocol, protocols)
    if (port.appProtocol !== undefined) addInvalid(out, `${at}.appProtocol`, port.appProtocol, qualifiedNameErrors(port.appProtocol))
  }
  return out
}

export const endpointSliceValidation: Validation = {
  validate: validateEndpointSlice,
  validateUpdate: (object, old) => [...validateEndpointSlice(object), ...validateImmutable(object.addressType, old.addressType, 'addressType')],
}
