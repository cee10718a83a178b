import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OpenObject } from '../../machinery/object.ts'
import { builtinResources } from '../builtin.ts'
import { autoscalerToV1, autoscalerToV2 } from './autoscaling.ts'
import { claimConversion } from './resource-v1beta1.ts'
import { coreEventOf, eventsEventOf } from './event.ts'

test('an event is the same object in both groups', () => {
  const core: OpenObject = {
    kind: 'Event', apiVersion: 'v1', metadata: { name: 'e' }, involvedObject: { kind: 'Pod', name: 'a' }, reason: 'Pulled', message: 'm', source: { component: 'kubelet' },
    firstTimestamp: '2024-01-01T00:00:00Z', lastTimestamp: '2024-01-01T00:00:01Z', count: 2, type: 'Normal', reportingComponent: 'kubelet', reportingInstance: 'n1', action: 'x',
  }
  const events = eventsEventOf(core)
  assert.deepEqual(events, {
    kind: 'Event', apiVersion: 'events.k8s.io/v1', metadata: { name: 'e' }, regarding: { kind: 'Pod', name: 'a' }, reason: 'Pulled', note: 'm', deprecatedSource: { component: 'kubelet' },
    deprecatedFirstTimestamp: '2024-01-01T00:00:00Z', deprecatedLastTimestamp: '2024-01-01T00:00:01Z', deprecatedCount: 2, type: 'Normal', reportingController: 'kubelet',
    reportingInstance: 'n1', action: 'x',
  })
  assert.deepEqual(coreEventOf(events), core)
})

const v2: OpenObject = {
  kind: 'HorizontalPodAutoscaler', apiVersion: 'autoscaling/v2', metadata: { name: 'web', annotations: { keep: 'me' } },
  spec: {
    scaleTargetRef: { kind: 'Deployment', name: 'web', apiVersion: 'apps/v1' }, minReplicas: 2, maxReplicas: 5, behavior: { scaleDown: { stabilizationWindowSeconds: 60 } },
    metrics: [
      { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 70 } } },
      { type: 'Resource', resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '100Mi' } } },
      { type: 'Pods', pods: { metric: { name: 'qps', selector: { matchLabels: { a: 'b' } } }, target: { type: 'AverageValue', averageValue: '10' } } },
      { type: 'Object', object: { describedObject: { kind: 'Ingress', name: 'main' }, metric: { name: 'hits' }, target: { type: 'Value', value: '1k' } } },
      { type: 'External', external: { metric: { name: 'queue' }, target: { type: 'AverageValue', averageValue: '30' } } },
      { type: 'ContainerResource', containerResource: { name: 'cpu', container: 'app', target: { type: 'Utilization', averageUtilization: 60 } } },
    ],
  },
  status: {
    currentReplicas: 3, desiredReplicas: 4, conditions: [{ type: 'AbleToScale', status: 'True' }],
    currentMetrics: [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 35, averageValue: '350m' } } }],
  },
}

test('autoscalers keep in v1 annotations what v1 has no field for', () => {
  const v1 = autoscalerToV1(v2)
  assert.equal(v1.apiVersion, 'autoscaling/v1')
  assert.deepEqual(v1['spec'], { scaleTargetRef: { kind: 'Deployment', name: 'web', apiVersion: 'apps/v1' }, minReplicas: 2, maxReplicas: 5, targetCPUUtilizationPercentage: 70 })
  assert.deepEqual(v1['status'], { currentReplicas: 3, desiredReplicas: 4, currentCPUUtilizationPercentage: 35 })
  const annotations = v1.metadata.annotations ?? {}
  assert.deepEqual(Object.keys(annotations).sort(), [
    'autoscaling.alpha.kubernetes.io/behavior', 'autoscaling.alpha.kubernetes.io/conditions', 'autoscaling.alpha.kubernetes.io/current-metrics', 'autoscaling.alpha.kubernetes.io/metrics', 'keep',
  ])
  assert.equal(annotations['autoscaling.alpha.kubernetes.io/behavior'], '{"ScaleUp":null,"ScaleDown":{"StabilizationWindowSeconds":60,"SelectPolicy":null,"Policies":null,"Tolerance":null}}')
  assert.deepEqual(JSON.parse(annotations['autoscaling.alpha.kubernetes.io/metrics'] ?? '')[0], { type: 'Resource', resource: { name: 'memory', targetAverageValue: '100Mi' } })
})

test('annotations that hold something else than metrics are not looked into', () => {
  for (const text of ['-1', '"x"', 'null', '[1]', '{}', 'no json']) {
    const converted = autoscalerToV2({
      apiVersion: 'autoscaling/v1', kind: 'HorizontalPodAutoscaler', metadata: { name: 'a', annotations: { 'autoscaling.alpha.kubernetes.io/metrics': text, 'autoscaling.alpha.kubernetes.io/conditions': text } }, spec: { maxReplicas: 3 },
    })
    assert.deepEqual([converted.spec, (converted.status as { conditions?: unknown }).conditions, converted.metadata.annotations], [{ maxReplicas: 3 }, undefined, undefined], text)
  }
})

test('autoscalers come back from v1 without loss, the metric that v1 has a field for last', () => {
  const { metrics: [cpu, ...others], ...spec } = v2.spec as { metrics: unknown[] }
  assert.deepEqual(autoscalerToV2(autoscalerToV1(v2)), { ...v2, spec: { ...spec, metrics: [...others, cpu] } })
})

test('a plain v1 autoscaler becomes a v2 one with a CPU metric', () => {
  const plain: OpenObject = {
    kind: 'HorizontalPodAutoscaler', apiVersion: 'autoscaling/v1', metadata: { name: 'web' },
    spec: { scaleTargetRef: { kind: 'Deployment', name: 'web' }, maxReplicas: 3, targetCPUUtilizationPercentage: 80 }, status: { currentReplicas: 1, desiredReplicas: 1 },
  }
  const converted = autoscalerToV2(plain)
  assert.deepEqual((converted['spec'] as { metrics: unknown[] }).metrics, [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } }])
  assert.deepEqual(autoscalerToV1(converted), plain)
})

test('annotations that are no JSON are left aside', () => {
  const broken: OpenObject = {
    kind: 'HorizontalPodAutoscaler', apiVersion: 'autoscaling/v1', metadata: { name: 'x', annotations: { 'autoscaling.alpha.kubernetes.io/metrics': '{' } },
    spec: { scaleTargetRef: { kind: 'Deployment', name: 'web' }, maxReplicas: 3 },
  }
  assert.equal((autoscalerToV2(broken)['spec'] as { metrics?: unknown[] }).metrics, undefined)
})

test('a request with a choice of devices has an empty class in v1beta1, and none in v1', () => {
  const choice = { name: 'r', firstAvailable: [{ name: 's', deviceClassName: 'c' }] }
  const v1: OpenObject = { apiVersion: 'resource.k8s.io/v1', kind: 'ResourceClaim', metadata: { name: 'x' }, spec: { devices: { requests: [choice, { name: 'q', exactly: { deviceClassName: 'c' } }] } } }
  const v1beta1 = claimConversion.fromStorage(v1)
  assert.deepEqual((v1beta1.spec as { devices: { requests: unknown[] } }).devices.requests, [{ ...choice, deviceClassName: '' }, { name: 'q', deviceClassName: 'c' }])
  assert.deepEqual((claimConversion.toStorage(v1beta1).spec as { devices: { requests: unknown[] } }).devices.requests[1], { name: 'q', exactly: { deviceClassName: 'c' } })
})

test('targets that an autoscaler of v1 gives twice are both there in v2, for validation to find', () => {
  const metrics = [
    { type: 'ContainerResource', containerResource: { name: 'cpu', targetAverageUtilization: 70, targetAverageValue: '300m', container: 'c' } },
    { type: 'External', external: { metricName: 'm', targetValue: '1', targetAverageValue: '2' } },
    { type: 'Object', object: { target: { kind: 'Service', name: 's' }, metricName: 'm', targetValue: '0', averageValue: '2' } },
  ]
  const given: OpenObject = { apiVersion: 'autoscaling/v1', kind: 'HorizontalPodAutoscaler', metadata: { name: 'a', annotations: { 'autoscaling.alpha.kubernetes.io/metrics': JSON.stringify(metrics) } }, spec: { maxReplicas: 3 } }
  const [container, external, object] = (autoscalerToV2(given).spec as { metrics: Record<string, { target: object }>[] }).metrics
  assert.deepEqual([container!.containerResource!.target, external!.external!.target, object!.object!.target], [
    { type: 'Utilization', averageValue: '300m', averageUtilization: 70 }, { type: 'Value', value: '1', averageValue: '2' }, { type: 'AverageValue', averageValue: '2' },
  ])
})

test('an autoscaler of v1 is stored with the defaults of v2', () => {
  const resource = builtinResources(() => true, () => true).find('autoscaling', 'v1', 'horizontalpodautoscalers')!
  const behavior = JSON.stringify({ ScaleUp: null, ScaleDown: { SelectPolicy: 'Min' } })
  const stored = resource.toStorage!({ apiVersion: 'autoscaling/v1', kind: 'HorizontalPodAutoscaler', metadata: { name: 'a', annotations: { 'autoscaling.alpha.kubernetes.io/behavior': behavior } }, spec: { maxReplicas: 3, targetCPUUtilizationPercentage: 50 } })
  assert.deepEqual((stored.spec as { behavior: object }).behavior, {
    scaleUp: { selectPolicy: 'Max', stabilizationWindowSeconds: 0, policies: [{ type: 'Pods', value: 4, periodSeconds: 15 }, { type: 'Percent', value: 100, periodSeconds: 15 }] },
    scaleDown: { selectPolicy: 'Min', policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }] },
  })
})
