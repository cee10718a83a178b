import { testRules } from './testing/causes.ts'

const rule = { subjects: [{ kind: 'Group', group: { name: 'g' } }], resourceRules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'], namespaces: ['*'] }] }
const schema = { apiVersion: 'flowcontrol.apiserver.k8s.io/v1', kind: 'FlowSchema', metadata: { name: 's' }, spec: { priorityLevelConfiguration: { name: 'p' }, rules: [rule] } }
const resources = 'spec.rules[0].resourceRules[0]'
const subject = 'spec.rules[0].subjects[0]'

testRules('a FlowSchema', schema, [
  [{ 'spec.matchingPrecedence': 1 }, ["spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1"]],
  [{ 'spec.matchingPrecedence': 10001 }, ['spec.matchingPrecedence: Invalid value: 10001: must not be greater than 10000']],
  [{ 'spec.priorityLevelConfiguration.name': '' }, ['spec.priorityLevelConfiguration.name: Required value: must reference a priority level']],
  [{ 'spec.distinguisherMethod': { type: 'X' } }, ['spec.distinguisherMethod.type: Unsupported value: {"Type":"X"}: supported values: "ByNamespace", "ByUser"']],
  [{ [`${resources}.verbs`]: ['fly'] }, [`${resources}.verbs: Unsupported value: ["fly"]: supported values: "create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"`]],
  [{ [`${resources}.namespaces`]: [] }, [`${resources}.namespaces: Required value: resource rules that are not cluster scoped must supply at least one namespace`]],
  [{ [`${resources}.apiGroups`]: ['*', 'a'] }, [`${resources}.apiGroups: Invalid value: ["*","a"]: if '*' is present, must not specify other api groups`]],
  [{ 'spec.rules[0].resourceRules': [] }, ['spec.rules[0]: Required value: at least one of resourceRules and nonResourceRules has to be non-empty']],
  [{ 'spec.rules[0].nonResourceRules': [{ verbs: ['*'], nonResourceURLs: ['a', '/a*'] }] }, [
    'spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: "a": must start with slash', 'spec.rules[0].nonResourceRules[0].nonResourceURLs[1]: Invalid value: "/a*": wildcard can only do suffix matching',
  ]],
  [{ [subject]: { kind: 'User', group: { name: 'g' } } }, [`${subject}.user: Required value: user is required when subject kind is 'User'`, `${subject}.group: Forbidden: group is forbidden when subject kind is not 'Group'`]],
  [{ [subject]: { kind: 'ServiceAccount', serviceAccount: { name: '*' } } }, [`${subject}.serviceAccount.namespace: Required value: must specify namespace for service account`]],
  [{ [subject]: { kind: 'X' } }, [`${subject}.kind: Unsupported value: "X": supported values: "Group", "ServiceAccount", "User"`]],
])

const limited = 'spec.limited'
testRules('a PriorityLevelConfiguration', {
  apiVersion: 'flowcontrol.apiserver.k8s.io/v1', kind: 'PriorityLevelConfiguration', metadata: { name: 'p' }, spec: { type: 'Limited', limited: { limitResponse: { type: 'Queue', queuing: {} } } },
}, [
  [{ 'spec.type': 'X' }, ['spec.type: Unsupported value: "X": supported values: "Exempt", "Limited"']],
  [{ 'spec.type': 'Exempt' }, ["spec.type: Invalid value: \"Exempt\": must be 'Exempt' if and only if `name` is 'exempt'", 'spec.limited: Forbidden: must be nil if the type is not Limited']],
  [{ 'spec.limited': undefined }, ['spec.limited: Required value: must not be empty when type is Limited']],
  [{ [`${limited}.nominalConcurrencyShares`]: -1, [`${limited}.lendablePercent`]: 101, [`${limited}.borrowingLimitPercent`]: -1 }, [
    `${limited}.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer`, `${limited}.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive`,
    `${limited}.borrowingLimitPercent: Invalid value: -1: if specified, must be a non-negative integer`,
  ]],
  [{ [`${limited}.limitResponse.queuing`]: { queues: 128, handSize: 10 } }, [`${limited}.limitResponse.queuing.handSize: Invalid value: 10: required entropy bits of deckSize 128 and handSize 10 should not be greater than 60`]],
  [{ [`${limited}.limitResponse.queuing`]: { queues: 4, handSize: 8 } }, [`${limited}.limitResponse.queuing.handSize: Invalid value: 8: should not be greater than queues (4)`]],
  [{ [`${limited}.limitResponse`]: { type: 'Reject', queuing: {} } }, [`${limited}.limitResponse.queuing: Forbidden: must be nil if limited.limitResponse.type is not Limited`]],
])

testRules('the exempt level', { apiVersion: 'flowcontrol.apiserver.k8s.io/v1', kind: 'PriorityLevelConfiguration', metadata: { name: 'exempt' }, spec: { type: 'Exempt', exempt: { nominalConcurrencyShares: 10 } } }, [])
