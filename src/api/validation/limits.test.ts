import { testRules } from './testing/causes.ts'

const item = 'spec.limits[0]'

testRules('a LimitRange', { apiVersion: 'v1', kind: 'LimitRange', metadata: { name: 'l' }, spec: { limits: [{ type: 'Container', max: { cpu: '2' } }] } }, [
  [{ 'spec.limits': [{ type: 'Thing' }] }, [`${item}.type: Invalid value: "Thing": must be a standard limit type or fully qualified`]],
  [{ 'spec.limits': [{ type: 'Pod' }, { type: 'Pod' }] }, ['spec.limits[1].type: Duplicate value: "Pod"']],
  [{ 'spec.limits': [{ type: 'Pod', default: { cpu: '1' } }] }, [`${item}.default: Forbidden: may not be specified when \`type\` is 'Pod'`]],
  [{ 'spec.limits': [{ type: 'Container', max: { storage: '1Gi' } }] }, ['max', 'default', 'defaultRequest'].map((field) => `${item}.${field}[storage]: Invalid value: "storage": must be a standard resource for containers`)],
  [{ 'spec.limits': [{ type: 'PersistentVolumeClaim', max: { storage: '1Gi' } }] }, []],
  [{ 'spec.limits': [{ type: 'PersistentVolumeClaim' }] }, [`${item}.limits: Required value: either minimum or maximum storage value is required, but neither was provided`]],
  [{ 'spec.limits': [{ type: 'Pod', min: { cpu: '2' }, max: { cpu: '1' } }] }, [`${item}.min[cpu]: Invalid value: "2": min value 2 is greater than max value 1`]],
  [{ 'spec.limits': [{ type: 'Pod', min: { cpu: '100m' }, max: { cpu: '200m' }, maxLimitRequestRatio: { cpu: '3' } }] }, [
    `${item}.maxLimitRequestRatio[cpu]: Invalid value: "3": ratio 3 is greater than max/min = 2.000000`,
  ]],
])

testRules('a ResourceQuota', { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'q' }, spec: { hard: { pods: '3' } } }, [
  [{ 'spec.hard': { storage: '1' } }, ['spec.hard[storage]: Invalid value: "storage": must be a standard resource for quota']],
  [{ 'spec.hard': { 'count/deployments.apps': '2', 'gold.storageclass.storage.k8s.io/requests.storage': '1Gi' } }, []],
  [{ 'spec.hard': { pods: '1500m' } }, ['spec.hard[pods]: Invalid value: "1500m": must be an integer']],
  [{ 'spec.scopes': ['Odd'] }, ['spec.scopes: Invalid value: ["Odd"]: unsupported scope']],
  [{ 'spec.scopes': ['BestEffort'], 'spec.hard': { cpu: '1' } }, ['spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource']],
  [{ 'spec.scopes': ['Terminating', 'NotTerminating'] }, ['spec.scopes: Invalid value: ["Terminating","NotTerminating"]: conflicting scopes']],
  [{ 'spec.scopeSelector.matchExpressions': [{ scopeName: 'PriorityClass', operator: 'In' }] }, [
    "spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
  ]],
  [{ 'spec.scopeSelector.matchExpressions': [{ scopeName: 'BestEffort', operator: 'Near' }] }, [
    "spec.scopeSelector.matchExpressions.operator: Invalid value: \"Near\": must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity",
    'spec.scopeSelector.matchExpressions.operator: Invalid value: "Near": not a valid selector operator',
  ]],
], [
  [{ 'spec.scopes': ['BestEffort', 'Terminating'] }, { 'spec.scopes': ['Terminating', 'BestEffort', 'Terminating'] }, []],
  [{}, { 'spec.scopes': ['BestEffort'] }, ['spec.scopes: Invalid value: ["BestEffort"]: field is immutable']],
  [{}, { 'status.used': { pods: '-1' } }, ['status.used[pods]: Invalid value: "-1": must be greater than or equal to 0'], 'status'],
])

testRules('a Node', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' } }, [
  [{ 'spec.taints': [{ key: 'a', effect: 'NoSchedule' }, { key: 'a', effect: 'NoSchedule' }] }, [
    'metadata.taints[1]: Duplicate value: {"Key":"a","Value":"","Effect":"NoSchedule","TimeAdded":null}: taints must be unique by key and effect pair',
  ]],
  [{ 'spec.podCIDRs': ['10.0.0.0/24', '10.0.1.0/24'] }, ['spec.podCIDRs: Invalid value: ["10.0.0.0/24","10.0.1.0/24"]: may specify no more than one CIDR for each IP family']],
], [
  [{ 'spec.podCIDR': '10.0.0.0/24', 'spec.podCIDRs': ['10.0.0.0/24'] }, { 'spec.podCIDR': '10.0.1.0/24', 'spec.podCIDRs': ['10.0.1.0/24'] }, ['spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid']],
  [{ 'spec.providerID': 'a' }, { 'spec.providerID': 'b' }, ['spec.providerID: Forbidden: node updates may not change providerID except from "" to valid']],
  // What was never there is dropped.
  [{}, { 'spec.configSource': {} }, []],
])
