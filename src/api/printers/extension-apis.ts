import type { APIService } from '../types/apiregistration.k8s.io_v1.ts'
import type { StorageVersion } from '../types/internal.apiserver.k8s.io_v1alpha1.ts'
import type { StorageVersionMigration } from '../types/storagemigration.k8s.io_v1beta1.ts'
import { age, ageColumn, column, fieldColumn, firstThree, nameColumn, plainPrinter, printer } from './columns.ts'
import type { KindPrinter } from './columns.ts'

export const apiextensionsPrinters: Record<string, KindPrinter> = { CustomResourceDefinition: plainPrinter }

/** `True`, or `False (MissingEndpoints)`. */
function availableText(service: APIService): string {
  const condition = service.status?.conditions?.find((candidate) => candidate.type === 'Available')
  if (condition === undefined) return 'Unknown'
  return condition.status === 'True' ? 'True' : `${condition.status} (${condition.reason ?? ''})`
}

export const apiregistrationPrinters: Record<string, KindPrinter> = {
  APIService: printer<APIService>([
    nameColumn,
    column('Service', 'string', 'The reference to the service that hosts this API endpoint.'),
    column('Available', 'string', 'Whether this service is available.'),
    ageColumn,
  ], (service, nowMs) => {
    const backend = service.spec.service
    return [service.metadata.name ?? '', backend === undefined ? 'Local' : `${backend.namespace ?? ''}/${backend.name ?? ''}`, availableText(service), age(service, nowMs)]
  }),
}

export const internalPrinters: Record<string, KindPrinter> = {
  StorageVersion: printer<StorageVersion>([
    nameColumn, fieldColumn('CommonEncodingVersion', 'string', 'internal.apiserver.k8s.io/v1alpha1.StorageVersionStatus', 'commonEncodingVersion'),
    fieldColumn('StorageVersions', 'string', 'internal.apiserver.k8s.io/v1alpha1.StorageVersionStatus', 'storageVersions'), ageColumn,
  ], (version, nowMs) => {
    const { commonEncodingVersion, storageVersions = [] } = version.status ?? {}
    return [version.metadata.name ?? '', commonEncodingVersion ?? '<unset>', firstThree(storageVersions.map(({ apiServerID = '', encodingVersion = '' }) => `${apiServerID}=${encodingVersion}`), '<none>'), age(version, nowMs)]
  }),
}

const migrationStates = ['Running', 'Failed', 'Succeeded']

export const storagemigrationPrinters: Record<string, KindPrinter> = {
  StorageVersionMigration: printer<StorageVersionMigration>([
    fieldColumn('Name', 'string', 'meta/v1.ObjectMeta', 'name'), column('Resource', 'string', 'GroupResource to migrate'), column('Status', 'string', 'Status of the migration'),
  ], ({ metadata, spec, status }) => {
    const { resource = '', group = '' } = (spec?.resource ?? {}) as { resource?: string; group?: string }
    const state = status?.conditions?.findLast((condition) => condition.status === 'True' && migrationStates.includes(condition.type))?.type
    return [metadata.name ?? '', group === '' ? resource : `${resource}.${group}`, state ?? 'Unknown']
  }),
}
