import type { Service } from '../../api/types/core_v1.ts'
import type { EndpointSlice } from '../../api/types/discovery.k8s.io_v1.ts'
import { errors } from '../../machinery/status.ts'
import type { ObjectReader } from '../context.ts'
import type { Random } from '../../runtime/random.ts'

/** A service's port, as an APIService names it. */
export interface ServicePort { namespace: string; name: string; port: number }
export interface Location { host: string; port: number }

/** Finds where a service can be reached. Throws an `Error` when it can't. */
export type ServiceResolver = (target: ServicePort) => Location

export const servicesResource = 'services'
export const slicesResource = 'endpointslices.discovery.k8s.io'

function serviceOf(reader: ObjectReader, { namespace, name }: ServicePort): Service {
  const service = reader.get(servicesResource, namespace, name) as Service | undefined
  if (service === undefined) throw errors.notFound({ group: '', resource: 'services' }, name)
  return service
}

function portOf(service: Service, { name, port }: ServicePort): NonNullable<NonNullable<Service['spec']>['ports']>[number] {
  const found = service.spec?.ports?.find((each) => each.port === port)
  if (found === undefined) throw errors.serviceUnavailable(`no service port ${port} found for service ${JSON.stringify(name)}`)
  return found
}

/** A service's cluster address, which the service proxy of this machine leads on; the name behind an ExternalName service. */
export function clusterAddresses(reader: ObjectReader): ServiceResolver {
  return (target) => {
    const service = serviceOf(reader, target)
    const { type = 'ClusterIP', clusterIP = '', externalName = '' } = service.spec ?? {}
    if (type === 'ExternalName') return { host: externalName, port: target.port }
    if (type === 'ClusterIP' && clusterIP === 'None') throw new Error('cannot route to service with ClusterIP "None"')
    return { host: clusterIP, port: portOf(service, target).port }
  }
}

export function slicesOf(reader: ObjectReader, namespace: string, service: string): readonly EndpointSlice[] {
  return (reader.list(slicesResource, namespace) as unknown as readonly EndpointSlice[]).filter((slice) => slice.metadata.labels?.['kubernetes.io/service-name'] === service)
}

/** One of a service's ready endpoints, first of the service's own address family: needs no service proxy on this machine. */
export function endpointAddresses(reader: ObjectReader, random: Random): ServiceResolver {
  return (target) => {
    const service = serviceOf(reader, target)
    if (service.spec?.type === 'ExternalName') return { host: service.spec.externalName ?? '', port: target.port }
    const { name: portName = '' } = portOf(service, target)
    const family = service.spec?.ipFamilies?.[0]
    const candidates = slicesOf(reader, target.namespace, target.name).flatMap((slice) => {
      const port = (slice.ports ?? []).find((each) => (each.name ?? '') === portName)?.port
      if (port === undefined) return []
      return (slice.endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false).map(({ addresses }) => ({ host: addresses[0]!, port, isPreferred: slice.addressType === family }))
    })
    const preferred = candidates.filter(({ isPreferred }) => isPreferred)
    const chosen = preferred.length > 0 ? preferred : candidates
    if (chosen.length === 0) throw errors.serviceUnavailable(`no endpoints available for service ${JSON.stringify(target.name)}`)
    const { host, port } = chosen[random.int(chosen.length)]!
    return { host, port }
  }
}
