import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { dns1035LabelErrors, dnsSubdomainErrors, pathSegmentErrors, portNumberErrors } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { APIService } from '../types/apiregistration.k8s.io_v1.ts'
import { addInvalid, isEmpty } from './check.ts'
import type { Validation } from './validation.ts'

/** APIServices (kube-aggregator's `pkg/apis/apiregistration/validation`). */

function validateApiService(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { metadata, spec } = object as unknown as APIService
  const { group = '', version = '', groupPriorityMinimum = 0, versionPriority = 0, service, caBundle = '', insecureSkipTLSVerify = false } = spec ?? {}
  const wanted = `${version}.${group}`
  for (const field of ['generateName', 'name'] as const) {
    const name = metadata[field] ?? ''
    if (name !== '' && name !== wanted && pathSegmentErrors(name).length === 0) out.push(fieldErrors.invalid(`metadata.${field}`, name, `must be \`spec.version+"."+spec.group\`: "${wanted}"`))
  }
  if (group === '' && version !== 'v1') out.push(fieldErrors.required('spec.group', 'only v1 may have an empty group and it better be legacy kube'))
  if (group !== '') addInvalid(out, 'spec.group', group, dnsSubdomainErrors(group))
  addInvalid(out, 'spec.version', version, dns1035LabelErrors(version))
  if (groupPriorityMinimum <= 0 || groupPriorityMinimum > 20000) out.push(fieldErrors.invalid('spec.groupPriorityMinimum', groupPriorityMinimum, 'must be positive and less than 20000'))
  if (versionPriority <= 0 || versionPriority > 1000) out.push(fieldErrors.invalid('spec.versionPriority', versionPriority, 'must be positive and less than 1000'))
  if (service === undefined) {
    if (caBundle !== '') out.push(fieldErrors.invalid('spec.caBundle', `${Buffer.from(caBundle, 'base64').length} bytes`, 'local APIServices may not have a caBundle'))
    if (insecureSkipTLSVerify) out.push(fieldErrors.invalid('spec.insecureSkipTLSVerify', true, 'local APIServices may not have insecureSkipTLSVerify'))
    return out
  }
  if (isEmpty(service.namespace)) out.push(fieldErrors.required('spec.service.namespace'))
  if (isEmpty(service.name)) out.push(fieldErrors.required('spec.service.name'))
  const portErrors = portNumberErrors(service.port ?? 0)
  if (portErrors.length > 0) out.push(fieldErrors.invalid('spec.service.port', service.port ?? 0, `port is not valid: ${portErrors.join(', ')}`))
  if (insecureSkipTLSVerify && caBundle !== '') out.push(fieldErrors.invalid('spec.insecureSkipTLSVerify', true, 'may not be true if caBundle is present'))
  return out
}

export const apiServiceValidation: Validation = {
  validate: validateApiService,
  validateUpdate: validateApiService,
  validateStatusUpdate: (object) => ((object as unknown as APIService).status?.conditions ?? []).flatMap(({ status }, i) =>
    (['True', 'False', 'Unknown'].includes(status) ? [] : [fieldErrors.notSupported(`status.conditions[${i}].status`, status ?? '', ['True', 'False', 'Unknown'])])),
}
