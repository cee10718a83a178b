import type { Lease } from '../types/coordination.k8s.io_v1.ts'
import type { LeaseCandidate } from '../types/coordination.k8s.io_v1beta1.ts'
import type { EndpointSlice } from '../types/discovery.k8s.io_v1.ts'
import type { Event as EventV1 } from '../types/events.k8s.io_v1.ts'
import type { RuntimeClass } from '../types/node.k8s.io_v1.ts'
import type { PodDisruptionBudget } from '../types/policy_v1.ts'
import type { PriorityClass } from '../types/scheduling.k8s.io_v1.ts'
import { coreEventOf } from '../conversions/event.ts'
import { age, ageColumn, column, fieldColumn, firstThree, nameColumn, printer } from './columns.ts'
import type { KindPrinter } from './columns.ts'
import { eventPrinter } from './core.ts'

/** Printers of groups with a kind or two. */
export const coordinationPrinters: Record<string, KindPrinter> = {
  Lease: printer<Lease>([nameColumn, fieldColumn('Holder', 'string', 'coordination.k8s.io/v1.LeaseSpec', 'holderIdentity'), ageColumn],
    (lease, nowMs) => [lease.metadata.name ?? '', lease.spec?.holderIdentity ?? '', age(lease, nowMs)]),
  LeaseCandidate: printer<LeaseCandidate>([
    // Upstream looks for the versions' texts where there are none.
    nameColumn, fieldColumn('LeaseName', 'string', 'coordination.k8s.io/v1alpha2.LeaseCandidateSpec', 'leaseName'), column('BinaryVersion', 'string', ''), column('EmulationVersion', 'string', ''), ageColumn,
  ], (candidate, nowMs) => {
    const { leaseName, binaryVersion, emulationVersion } = candidate.spec ?? {}
    return [candidate.metadata.name ?? '', leaseName ?? '', binaryVersion ?? '', emulationVersion ?? '', age(candidate, nowMs)]
  }),
}

export const discoveryPrinters: Record<string, KindPrinter> = {
  EndpointSlice: printer<EndpointSlice>([
    nameColumn,
    fieldColumn('AddressType', 'string', 'discovery.k8s.io/v1.EndpointSlice', 'addressType'),
    fieldColumn('Ports', 'string', 'discovery.k8s.io/v1.EndpointSlice', 'ports'),
    fieldColumn('Endpoints', 'string', 'discovery.k8s.io/v1.EndpointSlice', 'endpoints'),
    ageColumn,
  ], (slice, nowMs) => [
    slice.metadata.name ?? '', slice.addressType, firstThree((slice.ports ?? []).map(({ port, name }) => (port === undefined ? name ?? '*' : String(port))), '<unset>'),
    firstThree((slice.endpoints ?? []).flatMap((endpoint) => endpoint.addresses ?? []), '<unset>'), age(slice, nowMs),
  ]),
}

export const eventsPrinters: Record<string, KindPrinter> = {
  Event: { columns: eventPrinter.columns, printRow: (event, nowMs) => eventPrinter.printRow(coreEventOf(event as unknown as EventV1), nowMs) },
}

export const nodePrinters: Record<string, KindPrinter> = {
  RuntimeClass: printer<RuntimeClass>([nameColumn, column('Handler', 'string', ''), ageColumn],
    (runtimeClass, nowMs) => [runtimeClass.metadata.name ?? '', runtimeClass.handler, age(runtimeClass, nowMs)]),
}

export const policyPrinters: Record<string, KindPrinter> = {
  PodDisruptionBudget: printer<PodDisruptionBudget>([
    nameColumn,
    column('Min Available', 'string', 'The minimum number of pods that must be available.'),
    column('Max Unavailable', 'string', 'The maximum number of pods that may be unavailable.'),
    column('Allowed Disruptions', 'integer', 'Calculated number of pods that may be disrupted at this time.'),
    ageColumn,
  ], (budget, nowMs) => [
    budget.metadata.name ?? '', String(budget.spec?.minAvailable ?? 'N/A'), String(budget.spec?.maxUnavailable ?? 'N/A'), budget.status?.disruptionsAllowed ?? 0, age(budget, nowMs),
  ]),
}

export const schedulingPrinters: Record<string, KindPrinter> = {
  PriorityClass: printer<PriorityClass>([
    nameColumn,
    fieldColumn('Value', 'integer', 'scheduling.k8s.io/v1.PriorityClass', 'value'),
    fieldColumn('Global-Default', 'boolean', 'scheduling.k8s.io/v1.PriorityClass', 'globalDefault'),
    ageColumn,
    fieldColumn('PreemptionPolicy', 'string', 'scheduling.k8s.io/v1.PriorityClass', 'preemptionPolicy'),
  ], (priority, nowMs) => [priority.metadata.name ?? '', priority.value, priority.globalDefault ?? false, age(priority, nowMs), priority.preemptionPolicy ?? '']),
}
