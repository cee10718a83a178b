import { testRules } from './testing/causes.ts'

const metric = 'spec.metrics[0]'
const target = { type: 'Utilization', averageUtilization: 50 }

testRules('a HorizontalPodAutoscaler', {
  apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler', metadata: { name: 'h' },
  spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' }, maxReplicas: 3, metrics: [{ type: 'Resource', resource: { name: 'cpu', target } }] },
}, [
  [{ 'spec.minReplicas': 0 }, ['spec.minReplicas: Invalid value: 0: must be greater than or equal to 1', 'spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas']],
  [{ 'spec.minReplicas': 5 }, ['spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`']],
  [{ 'spec.scaleTargetRef': { kind: 'a/b' } }, ["spec.scaleTargetRef.kind: Invalid value: \"a/b\": may not contain '/'", 'spec.scaleTargetRef.name: Required value', 'spec.scaleTargetRef.apiVersion: Invalid value: "": apiVersion must specify API group']],
  [{ 'spec.scaleTargetRef.apiVersion': 'a/b/c' }, ['spec.scaleTargetRef.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c']],
  [{ 'spec.scaleTargetRef': { apiVersion: 'v1', kind: 'ReplicationController', name: 'r' } }, []],
  [{ 'spec.metrics': [{ type: 'Magic' }] }, [
    `${metric}.type: Unsupported value: "Magic": supported values: "ContainerResource", "External", "Object", "Pods", "Resource"`,
    `${metric}.type: Unsupported value: "Magic": supported values: "ContainerResource", "External", "Object", "Pods", "Resource"`,
  ]],
  [{ 'spec.metrics': [{ type: 'Resource' }] }, [`${metric}.resource: Required value: must populate information for the given metric source`]],
  [{ 'spec.metrics': [{ type: 'Resource', resource: { name: 'cpu', target }, pods: { metric: { name: 'p' }, target: { type: 'AverageValue', averageValue: '1' } } }] }, [`${metric}.pods: Forbidden: must populate the given metric source only`]],
  [{ 'spec.metrics': [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Value' } } }] }, [`${metric}.resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization`]],
  [{ 'spec.metrics': [{ type: 'ContainerResource', containerResource: { name: 'storage', container: 'A', target } }] }, [
    `${metric}.containerResource.name: Invalid value: "storage": must be a standard resource for containers`,
    `${metric}.containerResource.container: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`,
  ]],
  [{ 'spec.metrics': [{ type: 'External', external: { metric: {}, target: { type: 'Value', value: '0', averageValue: '1' } } }] }, [
    `${metric}.external.metric.name: Required value: must specify a metric name`, `${metric}.external.target.value: Invalid value: "0": must be positive`,
    `${metric}.external.target.value: Forbidden: may not set both a target value for metric and a per-pod target`,
  ]],
  [{ 'spec.metrics': [{ type: 'Object', object: { metric: { name: 'm' }, describedObject: { kind: 'Service', name: 's' }, target: { type: 'Value' } } }] }, [
    `${metric}.object.target.averageValue: Required value: must set either a target value or averageValue`,
  ]],
  [{ 'spec.behavior.scaleUp': { policies: [{ type: 'Leaps', value: 0, periodSeconds: 1801 }], stabilizationWindowSeconds: 3601, selectPolicy: 'Any' } }, [
    'spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600',
    'spec.behavior.scaleUp.selectPolicy: Unsupported value: "Any": supported values: "Disabled", "Max", "Min"',
    'spec.behavior.scaleUp.policies[0].type: Unsupported value: "Leaps": supported values: "Percent", "Pods"',
    'spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than zero',
    'spec.behavior.scaleUp.policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to 1800',
  ]],
], [
  [{ 'spec.scaleTargetRef.apiVersion': undefined }, { 'spec.scaleTargetRef.name': 'other' }, []],
  [{ 'spec.scaleTargetRef.apiVersion': undefined }, { 'spec.scaleTargetRef.kind': 'ReplicaSet' }, ['spec.scaleTargetRef.apiVersion: Invalid value: "": apiVersion must specify API group']],
  [{}, { 'status.desiredReplicas': -1 }, ['status.desiredReplicas: Invalid value: -1: must be greater than or equal to 0'], 'status'],
])
