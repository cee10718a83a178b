import type { Node } from '../../api/types/core_v1.ts'
import type { EndpointSlice } from '../../api/types/discovery.k8s.io_v1.ts'
import { runController, watching } from '../../client/controller.ts'
import { targetOf } from '../../client/events.ts'
import { createExpectations } from '../../client/expectations.ts'
import { endpointSlices, nodes, pods, services } from '../../client/resources.ts'
import { keyOf } from '../../machinery/object.ts'
import { StatusError, isReason } from '../../machinery/status.ts'
import type { ControllerContext, StartController } from '../context.ts'
import { podsOf, selectsPods, servicesOf, TriggerTimes } from './members.ts'
import { addressTypesOf, managedByLabel, managerName, planSlices, serviceNameLabel, type SliceChanges } from './slices.ts'

const zoneLabel = 'topology.kubernetes.io/zone'

/** Keeps the EndpointSlices of every service that selects pods; those that others manage are not touched. */
export const startEndpointSliceController: StartController = (context) => {
  const { informers, runtime } = context
  const serviceInformer = informers.informer(services)
  const podInformer = informers.informer(pods)
  const sliceInformer = informers.informer(endpointSlices)
  const nodeInformer = informers.informer(nodes)
  const byService = 'service'
  sliceInformer.addIndex(byService, (slice) => (slice.metadata.labels?.[managedByLabel] === managerName ? [serviceKey(slice)] : []))
  const expectations = createExpectations(runtime.clock)
  const triggers = new TriggerTimes()

  const wokenBySlice = (slice: EndpointSlice | undefined, old: EndpointSlice | undefined): string[] => {
    const seen = (slice ?? old)!
    if (seen.metadata.labels?.[managedByLabel] !== managerName) return old?.metadata.labels?.[managedByLabel] === managerName ? [serviceKey(old)] : []
    if (old === undefined) expectations.creationObserved(serviceKey(seen))
    return [serviceKey(seen)]
  }
  const wokenByNode = (node: Node | undefined, old: Node | undefined): string[] => {
    if (node === undefined || node.metadata.labels?.[zoneLabel] === old?.metadata.labels?.[zoneLabel]) return []
    return serviceInformer.list().filter(selectsPods).map(keyOf)
  }

  return runController({
    name: 'endpointslice-controller', runtime, concurrency: 5, backOff: { baseMs: 1000, maxMs: 1_000_000 }, rest: { factor: 4, maxMs: 1000 },
    sources: [watching(serviceInformer), watching(podInformer, servicesOf(serviceInformer)), watching(sliceInformer, wokenBySlice), watching(nodeInformer, wokenByNode)],
    async reconcile(key) {
      const service = serviceInformer.get(key)
      if (service === undefined) {
        triggers.forget(key)
        return expectations.forget(key)
      }
      // Slices that were made and are not seen yet would be made twice.
      if (!selectsPods(service) || service.metadata.deletionTimestamp !== undefined || !expectations.satisfied(key)) return
      const members = podsOf(service, podInformer)
      const trigger = triggers.next(service, members)
      const existing = sliceInformer.byIndex(byService, key).filter((slice) => slice.metadata.deletionTimestamp === undefined)
      const types = addressTypesOf(service)
      const changes = types.map((type) => planSlices(service, type, members, (name) => nodeInformer.get(name), existing.filter((slice) => slice.addressType === type), trigger))
      const stale = existing.filter((slice) => !(types as string[]).includes(slice.addressType))
      const all: SliceChanges = { create: changes.flatMap((c) => c.create), update: changes.flatMap((c) => c.update), remove: [...changes.flatMap((c) => c.remove), ...stale] }
      try {
        await write(context, key, all, expectations)
      } catch (error) {
        if (isReason(error, 'Conflict') || (error instanceof StatusError && error.status.details?.causes?.some(({ reason }) => reason === 'NamespaceTerminating') === true)) throw error
        context.recorder.event(targetOf(services, service), 'Warning', 'FailedToUpdateEndpointSlices', `Error updating Endpoint Slices for Service ${key}: ${error instanceof Error ? error.message : String(error)}`)
        throw error
      }
    },
  })
}

function serviceKey(slice: EndpointSlice): string {
  return `${slice.metadata.namespace}/${slice.metadata.labels?.[serviceNameLabel] ?? ''}`
}

async function write({ client }: ControllerContext, key: string, { create, update, remove }: SliceChanges, expectations: ReturnType<typeof createExpectations>): Promise<void> {
  expectations.expectCreations(key, create.length)
  const results = await Promise.allSettled([
    ...create.map(async (slice) => {
      try {
        await client.create(endpointSlices, slice)
      } catch (error) {
        expectations.creationObserved(key)
        throw error
      }
    }),
    ...update.map((slice) => client.update(endpointSlices, slice)),
    ...remove.map(async (slice) => {
      try {
        await client.delete(endpointSlices, slice.metadata.namespace!, slice.metadata.name!)
      } catch (error) {
        if (!isReason(error, 'NotFound')) throw error
      }
    }),
  ])
  const failed = results.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}
