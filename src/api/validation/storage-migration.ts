import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { dns1035LabelErrors, dnsSubdomainErrors } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { StorageVersionMigration } from '../types/storagemigration.k8s.io_v1beta1.ts'
import { isEmpty } from './check.ts'
import { checkConditions } from './conditions.ts'
import { immutableText } from './object-meta.ts'
import type { Validation } from './validation.ts'

/** Requests to rewrite stored objects in today's version (KEP-4192). */

function validateMigration(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { resource = '', group = '' } = ((object as unknown as StorageVersionMigration).spec?.resource ?? {}) as { resource?: string; group?: string }
  if (resource === '') out.push(fieldErrors.required('spec.resource.resource', 'resource is required to be set'))
  else if (dns1035LabelErrors(resource).length > 0) out.push(fieldErrors.invalid('spec.resource.resource', resource, dns1035LabelErrors(resource).join(',')))
  if (group !== '' && dnsSubdomainErrors(group).length > 0) out.push(fieldErrors.invalid('spec.resource.group', group, dnsSubdomainErrors(group).join(',')))
  return out
}

const holds = ({ status }: Readonly<StorageVersionMigration>, type: string): boolean => status?.conditions?.some((condition) => condition.type === type && condition.status === 'True') === true

export const storageMigrationValidation: Validation = {
  validate: validateMigration,
  validateUpdate(object, old) {
    const out = validateMigration(object)
    const now = (object as unknown as StorageVersionMigration).spec?.resource
    const before = (old as unknown as StorageVersionMigration).spec?.resource
    for (const field of ['group', 'resource'] as const) if ((now?.[field] ?? '') !== (before?.[field] ?? '')) out.push(fieldErrors.invalid(field, now?.[field] ?? '', immutableText))
    return out
  },
  validateStatusUpdate(object, old) {
    const out: FieldError[] = []
    const now = object as unknown as StorageVersionMigration
    const before = old as unknown as StorageVersionMigration
    const conditions = now.status?.conditions
    checkConditions(out, 'status.conditions', conditions)
    const wrong = (detail: string): void => void out.push(fieldErrors.invalid('status.conditions', conditions, detail))
    const revision = before.status?.resourceVersion
    if (!isEmpty(revision) && revision !== now.status?.resourceVersion) out.push(fieldErrors.invalid('status.resourceVersion', now.status?.resourceVersion ?? '', immutableText))
    if (holds(now, 'Succeeded') && holds(now, 'Failed')) wrong('Both success and failed conditions cannot be true at the same time')
    if (holds(now, 'Succeeded') && holds(now, 'Running')) wrong('Running condition cannot be true when success condition is true')
    if (holds(now, 'Failed') && holds(now, 'Running')) wrong('Running condition cannot be true when failed condition is true')
    if (holds(before, 'Succeeded') && !holds(now, 'Succeeded')) wrong('Success condition cannot be set to false once it is true')
    if (holds(before, 'Failed') && !holds(now, 'Failed')) wrong('Failed condition cannot be set to false once it is true')
    return out
  },
}
