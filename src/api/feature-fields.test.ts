import { test } from 'node:test'
import assert from 'node:assert/strict'
import type { OpenObject } from '../machinery/object.ts'
import { builtinResources } from './builtin.ts'
import { gatesOfFields } from './feature-fields.ts'
import { isFeatureEnabled } from './feature-gates.ts'
import type { StrategyContext } from './resource.ts'

const context = (subresource: string): StrategyContext => ({ nowMs: 0, user: { username: 'test', groups: [] }, subresource, dryRun: false, warn: () => {} })
const object = (rest: Record<string, unknown>): OpenObject => ({ apiVersion: 'x', kind: 'X', metadata: { name: 'x', namespace: 'y' }, ...structuredClone(rest) }) as OpenObject

const podSpec = { containers: [{ name: 'c', image: 'i', lifecycle: { stopSignal: 'SIGUSR1' } }, { name: 'd', image: 'i', lifecycle: { stopSignal: 'SIGUSR1', preStop: { sleep: { seconds: 1 } } } }] }
const podSpecWithout = { containers: [{ name: 'c', image: 'i' }, { name: 'd', image: 'i', lifecycle: { preStop: { sleep: { seconds: 1 } } } }] }

interface Case { name: string; group: string; resource: string; subresource?: string; gate: string; given: Record<string, unknown>; dropped: Record<string, unknown> }

const cases: Case[] = [
  { name: 'stop signals of pods', group: '', resource: 'pods', gate: 'ContainerStopSignals', given: { spec: podSpec }, dropped: { spec: podSpecWithout } },
  { name: 'stop signals of templates', group: 'apps', resource: 'deployments', gate: 'ContainerStopSignals', given: { spec: { template: { spec: podSpec } } }, dropped: { spec: { template: { spec: podSpecWithout } } } },
  {
    name: 'stop signals of cron jobs', group: 'batch', resource: 'cronjobs', gate: 'ContainerStopSignals',
    given: { spec: { jobTemplate: { spec: { template: { spec: podSpec } } } } }, dropped: { spec: { jobTemplate: { spec: { template: { spec: podSpecWithout } } } } },
  },
  { name: 'scheduling groups', group: '', resource: 'pods', gate: 'GenericWorkload', given: { spec: { containers: [], schedulingGroup: { podGroupName: 'g' } } }, dropped: { spec: { containers: [] } } },
  {
    name: 'projected trust bundles', group: '', resource: 'pods', gate: 'ClusterTrustBundleProjection',
    given: { spec: { volumes: [{ name: 'v', projected: { sources: [{ clusterTrustBundle: { name: 'b', path: 'p' } }] } }] } }, dropped: { spec: { volumes: [{ name: 'v', projected: { sources: [{}] } }] } },
  },
  {
    name: 'maxUnavailable of stateful sets', group: 'apps', resource: 'statefulsets', gate: 'MaxUnavailableStatefulSet',
    given: { spec: { updateStrategy: { rollingUpdate: { partition: 0, maxUnavailable: 2 } } } }, dropped: { spec: { updateStrategy: { rollingUpdate: { partition: 0 } } } },
  },
  { name: 'strategies of leases', group: 'coordination.k8s.io', resource: 'leases', gate: 'CoordinatedLeaderElection', given: { spec: { strategy: 'OldestEmulationVersion' } }, dropped: { spec: {} } },
  { name: 'a field of CSI drivers', group: 'storage.k8s.io', resource: 'csidrivers', gate: 'VolumeLimitScaling', given: { spec: { preventPodSchedulingIfMissing: true } }, dropped: { spec: {} } },
  {
    name: 'list attributes of devices', group: 'resource.k8s.io', resource: 'resourceslices', gate: 'DRAListTypeAttributes',
    given: { spec: { devices: [{ name: 'd', attributes: { a: { ints: [1] }, b: { int: 1 } } }] } }, dropped: { spec: { devices: [{ name: 'd', attributes: { a: {}, b: { int: 1 } } }] } },
  },
  {
    name: 'digests of image volumes', group: '', resource: 'pods', subresource: 'status', gate: 'ImageVolumeWithDigest',
    given: { spec: {}, status: { qosClass: 'Burstable', containerStatuses: [{ name: 'c', volumeMounts: [{ name: 'v', volumeStatus: { image: { imageRef: 'r' } } }] }] } },
    dropped: { spec: {}, status: { qosClass: 'Burstable', containerStatuses: [{ name: 'c', volumeMounts: [{ name: 'v' }] }] } },
  },
]

for (const { name, group, resource, subresource = '', gate, given, dropped } of cases) {
  const write = (isOn: boolean, old: Record<string, unknown> | undefined): unknown => {
    const description = builtinResources(undefined, (each) => (each === gate ? isOn : isFeatureEnabled({}, each))).all().find((each) => each.group === group && each.resource === resource)!
    const strategy = subresource === '' ? description.strategy : description.subresources.find((each) => each.name === subresource)!.strategy!
    const written = object(given)
    if (old === undefined) strategy.prepareForCreate!(written, context(subresource))
    else strategy.prepareForUpdate!(written, object(old), context(subresource))
    return subresource === '' ? written.spec : written.status
  }
  const field = subresource === '' ? 'spec' : 'status'
  test(`${name} are dropped while ${gate} is off, unless they were there before`, () => {
    assert.equal(isFeatureEnabled({}, gate), false)
    if (subresource === '') assert.deepEqual(write(false, undefined), dropped[field])
    assert.deepEqual(write(false, dropped), dropped[field])
    assert.deepEqual(write(false, given), given[field])
    assert.deepEqual(write(true, dropped), given[field])
  })
}

test('a template with many fields of a feature keeps all of them when one was there before', () => {
  const table = builtinResources()
  const { strategy } = table.find('', 'v1', 'pods')!
  const old = object({ spec: { containers: [{ name: 'c', lifecycle: { stopSignal: 'SIGTERM' } }] } })
  const written = object({ spec: { initContainers: [{ name: 'i', lifecycle: { stopSignal: 'SIGHUP' } }], containers: [{ name: 'c' }] } })
  strategy.prepareForUpdate!(written, old, context(''))
  assert.deepEqual((written.spec as { initContainers: unknown }).initContainers, [{ name: 'i', lifecycle: { stopSignal: 'SIGHUP' } }])
})

test('every gate that a field or a resource names is known', () => {
  for (const gate of gatesOfFields()) assert.doesNotThrow(() => isFeatureEnabled({}, gate), gate)
})
