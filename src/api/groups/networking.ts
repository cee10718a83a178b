import type { OpenObject } from '../../machinery/object.ts'
import { coordinationPrinters, discoveryPrinters, eventsPrinters } from '../printers/small-groups.ts'
import { networkingPrinters } from '../printers/networking.ts'
import { coreEventOf, eventsEventOf } from '../conversions/event.ts'
import { eventFields } from './core.ts'
import { selectable, status } from './description.ts'
import type { BuiltinGroup, BuiltinResource } from './description.ts'

const ipAddress: BuiltinResource = { kind: 'IPAddress', resource: 'ipaddresses', cluster: true, shortNames: ['ip'], selectableFields: selectable('spec.parentRef.group', 'spec.parentRef.resource', 'spec.parentRef.namespace', 'spec.parentRef.name') }
const serviceCidr: BuiltinResource = { kind: 'ServiceCIDR', cluster: true, subresources: [status] }

/** Networking, and the small groups that nodes and controllers talk through. */
export const networkingGroup: BuiltinGroup = {
  group: 'networking.k8s.io',
  versions: [{
    version: 'v1',
    printers: networkingPrinters,
    resources: [
      { kind: 'IngressClass', resource: 'ingressclasses', cluster: true },
      { kind: 'Ingress', resource: 'ingresses', shortNames: ['ing'], subresources: [status], storagePrefix: '/registry/ingress/' },
      ipAddress,
      { kind: 'NetworkPolicy', resource: 'networkpolicies', shortNames: ['netpol'] },
      serviceCidr,
    ],
  }, {
    version: 'v1beta1', printers: networkingPrinters,
    resources: [ipAddress, serviceCidr].map((resource) => ({ ...resource, storage: { storageVersion: 'networking.k8s.io/v1' }, deprecated: { since: 'v1.34', removed: 'v1.37' } })),
  }],
}

export const discoveryGroup: BuiltinGroup = {
  group: 'discovery.k8s.io', versions: [{ version: 'v1', printers: discoveryPrinters, resources: [{ kind: 'EndpointSlice' }] }],
}

export const coordinationGroup: BuiltinGroup = {
  group: 'coordination.k8s.io',
  versions: [
    { version: 'v1', printers: coordinationPrinters, resources: [{ kind: 'Lease' }] },
    { version: 'v1beta1', printers: coordinationPrinters, resources: [{ kind: 'LeaseCandidate', deprecated: { since: 'v1.36', removed: 'v1.39' } }] },
    {
      version: 'v1alpha2', printers: coordinationPrinters,
      resources: [{ kind: 'LeaseCandidate', storage: { storageVersion: 'coordination.k8s.io/v1beta1' }, deprecated: { since: 'v1.35', removed: 'v1.38' } }],
    },
  ],
}

/** Field labels of events.k8s.io events, by those of core events. */
const labels: ReadonlyArray<[label: string, core: string]> = [
  ['regarding.kind', 'involvedObject.kind'], ['regarding.namespace', 'involvedObject.namespace'], ['regarding.name', 'involvedObject.name'],
  ['regarding.uid', 'involvedObject.uid'], ['regarding.apiVersion', 'involvedObject.apiVersion'], ['regarding.resourceVersion', 'involvedObject.resourceVersion'],
  ['regarding.fieldPath', 'involvedObject.fieldPath'], ['reason', 'reason'], ['reportingController', 'reportingComponent'], ['type', 'type'],
]

export const eventsGroup: BuiltinGroup = {
  group: 'events.k8s.io',
  versions: [{
    version: 'v1',
    printers: eventsPrinters,
    resources: [{
      kind: 'Event', shortNames: ['ev'],
      storage: { storageVersion: 'v1', toStorage: coreEventOf, fromStorage: eventsEventOf },
      selectableFields: Object.fromEntries(labels.map(([label, core]) => [label, (event: Readonly<OpenObject>) => eventFields[core]?.(coreEventOf(event)) ?? ''])),
    }],
  }],
}
