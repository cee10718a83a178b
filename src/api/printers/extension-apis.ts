import type { APIService } from '../types/apiregistration.k8s.io_v1.ts'
import { age, ageColumn, column, nameColumn, plainPrinter, printer } from './columns.ts'
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
