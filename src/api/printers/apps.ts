import { controllerOf } from '../../machinery/object.ts'
import { labelSelectorText, selectorFromLabelSelector, selectorText } from '../../machinery/labels.ts'
import type { ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet } from '../types/apps_v1.ts'
import { age, ageColumn, column, containerCells, fieldColumn, labelsText, nameColumn, printer, templateColumns } from './columns.ts'
import type { KindPrinter } from './columns.ts'

/** `statefulset.apps/web`: kind in lower case, with its group. */
function controllerText(revision: ControllerRevision): string {
  const owner = controllerOf(revision)
  if (owner === undefined) return '<none>'
  if (owner.kind === '' && !owner.apiVersion.includes('/')) return owner.name
  const slash = owner.apiVersion.indexOf('/')
  return `${(slash < 0 ? owner.kind : `${owner.kind}.${owner.apiVersion.slice(0, slash)}`).toLowerCase()}/${owner.name}`
}

export const appsPrinters: Record<string, KindPrinter> = {
  Deployment: printer<Deployment>([
    nameColumn,
    column('Ready', 'string', 'Number of the pod with ready state'),
    fieldColumn('Up-to-date', 'string', 'apps/v1.DeploymentStatus', 'updatedReplicas'),
    fieldColumn('Available', 'string', 'apps/v1.DeploymentStatus', 'availableReplicas'),
    ageColumn, ...templateColumns(1),
    fieldColumn('Selector', 'string', 'apps/v1.DeploymentSpec', 'selector', 1),
  ], (deployment, nowMs) => [
    deployment.metadata.name ?? '', `${deployment.status?.readyReplicas ?? 0}/${deployment.spec.replicas ?? 0}`, deployment.status?.updatedReplicas ?? 0,
    deployment.status?.availableReplicas ?? 0, age(deployment, nowMs), ...containerCells(deployment.spec.template?.spec?.containers),
    deployment.spec.selector === undefined ? '' : selectorText(selectorFromLabelSelector(deployment.spec.selector)),
  ]),
  ReplicaSet: printer<ReplicaSet>([
    nameColumn,
    fieldColumn('Desired', 'integer', 'apps/v1.ReplicaSetSpec', 'replicas'),
    fieldColumn('Current', 'integer', 'apps/v1.ReplicaSetStatus', 'replicas'),
    fieldColumn('Ready', 'integer', 'apps/v1.ReplicaSetStatus', 'readyReplicas'),
    ageColumn, ...templateColumns(1),
    fieldColumn('Selector', 'string', 'apps/v1.ReplicaSetSpec', 'selector', 1),
  ], (set, nowMs) => [
    set.metadata.name ?? '', set.spec.replicas ?? 0, set.status?.replicas ?? 0, set.status?.readyReplicas ?? 0, age(set, nowMs),
    ...containerCells(set.spec.template?.spec?.containers), labelSelectorText(set.spec.selector),
  ]),
  StatefulSet: printer<StatefulSet>([nameColumn, column('Ready', 'string', 'Number of the pod with ready state'), ageColumn, ...templateColumns(1)], (set, nowMs) => [
    set.metadata.name ?? '', `${set.status?.readyReplicas ?? 0}/${set.spec.replicas ?? 0}`, age(set, nowMs), ...containerCells(set.spec.template?.spec?.containers),
  ]),
  DaemonSet: printer<DaemonSet>([
    nameColumn,
    fieldColumn('Desired', 'integer', 'apps/v1.DaemonSetStatus', 'desiredNumberScheduled'),
    fieldColumn('Current', 'integer', 'apps/v1.DaemonSetStatus', 'currentNumberScheduled'),
    fieldColumn('Ready', 'integer', 'apps/v1.DaemonSetStatus', 'numberReady'),
    fieldColumn('Up-to-date', 'integer', 'apps/v1.DaemonSetStatus', 'updatedNumberScheduled'),
    fieldColumn('Available', 'integer', 'apps/v1.DaemonSetStatus', 'numberAvailable'),
    fieldColumn('Node Selector', 'string', 'v1.PodSpec', 'nodeSelector'),
    ageColumn, ...templateColumns(1),
    fieldColumn('Selector', 'string', 'apps/v1.DaemonSetSpec', 'selector', 1),
  ], (set, nowMs) => [
    set.metadata.name ?? '', set.status?.desiredNumberScheduled ?? 0, set.status?.currentNumberScheduled ?? 0, set.status?.numberReady ?? 0,
    set.status?.updatedNumberScheduled ?? 0, set.status?.numberAvailable ?? 0, labelsText(set.spec.template?.spec?.nodeSelector), age(set, nowMs),
    ...containerCells(set.spec.template?.spec?.containers), labelSelectorText(set.spec.selector),
  ]),
  ControllerRevision: printer<ControllerRevision>([
    nameColumn, column('Controller', 'string', 'Controller of the object'), fieldColumn('Revision', 'string', 'apps/v1.ControllerRevision', 'revision'), ageColumn,
  ], (revision, nowMs) => [revision.metadata.name ?? '', controllerText(revision), revision.revision, age(revision, nowMs)]),
}
