import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { qualifiedNameErrors } from '../../machinery/names.ts'
import { parseQuantity, quantitySign } from '../../machinery/quantity.ts'
import type { ObjectFieldSelector, ResourceFieldSelector } from '../types/core_v1.ts'
import { addInvalid, isEmpty } from './check.ts'

/** The downward API: fields and resource amounts of a pod that its containers can see. */

/** Fields of a pod that the downward API knows at all; each place allows some of them. */
const knownFields = new Set([
  'metadata.annotations', 'metadata.labels', 'metadata.name', 'metadata.namespace', 'metadata.uid', 'spec.nodeName', 'spec.restartPolicy', 'spec.serviceAccountName', 'spec.schedulerName',
  'status.phase', 'status.hostIP', 'status.hostIPs', 'status.podIP', 'status.podIPs', 'spec.host',
])

export function checkFieldRef(out: FieldError[], path: string, ref: Readonly<ObjectFieldSelector>, allowed: ReadonlySet<string>): void {
  if (isEmpty(ref.apiVersion)) {
    out.push(fieldErrors.required(`${path}.apiVersion`))
    return
  }
  if (isEmpty(ref.fieldPath)) {
    out.push(fieldErrors.required(`${path}.fieldPath`))
    return
  }
  const subscript = /^(.*)\['(.*)'\]$/.exec(ref.fieldPath)
  const field = subscript?.[1] ?? ref.fieldPath
  if (ref.apiVersion !== 'v1') {
    out.push(fieldErrors.invalid(`${path}.fieldPath`, ref.fieldPath, `error converting fieldPath: unsupported pod version: ${ref.apiVersion}`))
  } else if (subscript === null && !knownFields.has(field)) {
    out.push(fieldErrors.invalid(`${path}.fieldPath`, ref.fieldPath, `error converting fieldPath: field label not supported: ${ref.fieldPath}`))
  } else if (subscript !== null) {
    if (field === 'metadata.annotations') addInvalid(out, path, (subscript[2] ?? '').toLowerCase(), qualifiedNameErrors((subscript[2] ?? '').toLowerCase()))
    else if (field === 'metadata.labels') addInvalid(out, path, subscript[2], qualifiedNameErrors(subscript[2] ?? ''))
    else out.push(fieldErrors.invalid(`${path}.fieldPath`, ref.fieldPath, `error converting fieldPath: field label does not support subscript: ${ref.fieldPath}`))
  } else if (!allowed.has(field)) {
    out.push(fieldErrors.notSupported(`${path}.fieldPath`, field, [...allowed].sort()))
  }
}

const resourceFields = ['limits.cpu', 'limits.ephemeral-storage', 'limits.memory', 'requests.cpu', 'requests.ephemeral-storage', 'requests.memory']
const byteDivisors = ['1', '1k', '1M', '1G', '1T', '1P', '1E', '1Ki', '1Mi', '1Gi', '1Ti', '1Pi', '1Ei']

export function checkResourceFieldRef(out: FieldError[], path: string, ref: Readonly<ResourceFieldSelector>, inVolume: boolean): void {
  const isHuge = /^(requests|limits)\.hugepages-/.test(ref.resource ?? '')
  if (inVolume && isEmpty(ref.containerName)) out.push(fieldErrors.required(`${path}.containerName`))
  else if (isEmpty(ref.resource)) out.push(fieldErrors.required(`${path}.resource`))
  else if (!resourceFields.includes(ref.resource) && !isHuge) out.push(fieldErrors.notSupported(`${path}.resource`, ref.resource, resourceFields))
  const { divisor } = ref
  if (divisor === undefined || quantitySign(parseQuantity(divisor)) === 0) return
  const refuse = (values: string, what: string): void => void out.push(fieldErrors.invalid(`${path}.divisor`, ref.resource, `only divisor's values ${values} are supported with the ${what} resource`))
  if (!resourceFields.includes(ref.resource) && !isHuge) return
  if (ref.resource.endsWith('.cpu')) {
    if (divisor !== '1m' && divisor !== '1') refuse('1m and 1', 'cpu')
  } else if (!byteDivisors.includes(divisor)) {
    refuse(byteDivisors.join(', '), ref.resource.endsWith('.memory') ? 'memory' : isHuge ? 'hugepages' : 'local ephemeral storage')
  }
}
