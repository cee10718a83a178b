import type { OpenObject } from '../../machinery/object.ts'
import { corePrinters } from '../printers/core.ts'
import type { Event, Pod } from '../types/core_v1.ts'
import { action, allVerbs, part, scale, selectable, selectableOr, status } from './description.ts'
import type { BuiltinGroup } from './description.ts'
import type { ResourceDescription, Verb } from '../resource.ts'

const proxyVerbs: readonly Verb[] = ['create', 'delete', 'get', 'patch', 'update']
const streamVerbs: readonly Verb[] = ['create', 'get']

/** Selectors on events of either group read the core form. */
export const eventFields: ResourceDescription['selectableFields'] = {
  ...selectable(
    'involvedObject.kind', 'involvedObject.namespace', 'involvedObject.name', 'involvedObject.uid', 'involvedObject.apiVersion',
    'involvedObject.resourceVersion', 'involvedObject.fieldPath', 'reason', 'reportingComponent', 'type',
  ),
  source: (object: Readonly<OpenObject>) => {
    const event = object as unknown as Event
    return event.source?.component || event.reportingComponent || ''
  },
}

export const coreGroup: BuiltinGroup = {
  group: '',
  versions: [{
    version: 'v1',
    printers: corePrinters,
    resources: [
      { kind: 'Binding', verbs: ['create'], virtual: true },
      { kind: 'ComponentStatus', resource: 'componentstatuses', cluster: true, shortNames: ['cs'], verbs: ['get', 'list'], virtual: true, deprecated: { since: 'v1.19' } },
      { kind: 'ConfigMap', shortNames: ['cm'] },
      { kind: 'Endpoints', resource: 'endpoints', shortNames: ['ep'], storagePrefix: '/registry/services/endpoints/', deprecated: { since: 'v1.33', use: 'discovery.k8s.io/v1 EndpointSlice' } },
      { kind: 'Event', shortNames: ['ev'], selectableFields: eventFields },
      { kind: 'LimitRange', shortNames: ['limits'] },
      {
        kind: 'Namespace', cluster: true, shortNames: ['ns'], verbs: allVerbs.filter((verb) => verb !== 'deletecollection'),
        subresources: [part('finalize', ['update']), status], selectableFields: selectable('status.phase'),
      },
      {
        kind: 'Node', cluster: true, shortNames: ['no'], storagePrefix: '/registry/minions/',
        subresources: [action('proxy', proxyVerbs, '', 'v1', 'NodeProxyOptions'), status], selectableFields: selectableOr('false', 'spec.unschedulable'),
      },
      { kind: 'PersistentVolumeClaim', shortNames: ['pvc'], subresources: [status] },
      { kind: 'PersistentVolume', cluster: true, shortNames: ['pv'], subresources: [status] },
      {
        kind: 'Pod', shortNames: ['po'], categories: ['all'],
        subresources: [
          action('attach', streamVerbs, '', 'v1', 'PodAttachOptions'),
          action('binding', ['create'], '', 'v1', 'Binding'),
          part('ephemeralcontainers'),
          action('eviction', ['create'], 'policy', 'v1', 'Eviction'),
          action('exec', streamVerbs, '', 'v1', 'PodExecOptions'),
          part('log', ['get']),
          action('portforward', streamVerbs, '', 'v1', 'PodPortForwardOptions'),
          action('proxy', proxyVerbs, '', 'v1', 'PodProxyOptions'),
          part('resize'),
          status,
        ],
        selectableFields: {
          ...selectable('spec.nodeName', 'spec.restartPolicy', 'spec.schedulerName', 'spec.serviceAccountName', 'status.phase', 'status.podIP', 'status.nominatedNodeName'),
          ...selectableOr('false', 'spec.hostNetwork'),
          'status.podIPs': (object) => (object as unknown as Pod).status?.podIPs?.map(({ ip }) => ip).join(',') ?? '',
        },
      },
      { kind: 'PodTemplate' },
      {
        kind: 'ReplicationController', shortNames: ['rc'], categories: ['all'], storagePrefix: '/registry/controllers/',
        subresources: [scale, status], selectableFields: selectableOr('0', 'status.replicas'),
      },
      { kind: 'ResourceQuota', shortNames: ['quota'], subresources: [status] },
      { kind: 'Secret', selectableFields: selectable('type') },
      { kind: 'ServiceAccount', shortNames: ['sa'], subresources: [action('token', ['create'], 'authentication.k8s.io', 'v1', 'TokenRequest')] },
      {
        kind: 'Service', shortNames: ['svc'], categories: ['all'], storagePrefix: '/registry/services/specs/',
        subresources: [action('proxy', proxyVerbs, '', 'v1', 'ServiceProxyOptions'), status], selectableFields: selectable('spec.clusterIP', 'spec.type'),
      },
    ],
  }],
}
