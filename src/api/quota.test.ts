import assert from 'node:assert/strict'
import { test } from 'node:test'
import { quotaCovers, quotaKinds, usageOf, usageText } from './quota.ts'
import type { KubeObject } from '../machinery/object.ts'

const nowMs = Date.UTC(2026, 0, 1)
const pod = (spec: object, more: object = {}): KubeObject => ({ metadata: { name: 'p', namespace: 'n' }, spec: { containers: [], ...spec }, ...more }) as KubeObject
const container = (requests: object, limits: object = {}): object => ({ name: 'c', resources: { requests, limits } })

test('what objects use', () => {
  const cases: Array<[string, KubeObject, string]> = [
    ['pods', pod({ containers: [container({ cpu: '100m', memory: '64Mi' }, { cpu: '1' }), container({ cpu: '200m', 'example.com/gpu': '2' })] }),
      'count/pods=1,cpu=300m,limits.cpu=1,memory=64Mi,pods=1,requests.cpu=300m,requests.example.com/gpu=2,requests.memory=64Mi'],
    ['pods', pod({ containers: [container({ cpu: '1' })] }, { status: { phase: 'Succeeded' } }), 'count/pods=1'],
    ['pods', pod({}, { metadata: { deletionTimestamp: '2025-12-31T23:00:00Z', deletionGracePeriodSeconds: 30 } }), 'count/pods=1'],
    ['services', { metadata: {}, spec: { type: 'NodePort', ports: [{ port: 1 }, { port: 2 }] } } as KubeObject, 'count/services=1,services=1,services.nodeports=2'],
    ['services', { metadata: {}, spec: { type: 'LoadBalancer', ports: [{ port: 1 }] } } as KubeObject, 'count/services=1,services=1,services.loadbalancers=1,services.nodeports=1'],
    ['persistentvolumeclaims', { metadata: {}, spec: { storageClassName: 'fast', resources: { requests: { storage: '1Gi' } } } } as KubeObject,
      'count/persistentvolumeclaims=1,fast.storageclass.storage.k8s.io/persistentvolumeclaims=1,fast.storageclass.storage.k8s.io/requests.storage=1Gi,persistentvolumeclaims=1,requests.storage=1Gi'],
    ['configmaps', { metadata: {} }, 'configmaps=1,count/configmaps=1'],
    ['deployments.apps', { metadata: {} }, 'count/deployments.apps=1'],
  ]
  for (const [resource, object, text] of cases) assert.equal(usageText(usageOf(resource, object, nowMs)), text)
})

test('the kinds that a quota is about', () => {
  assert.deepEqual([...quotaKinds(['requests.cpu', 'count/deployments.apps', 'services.nodeports', 'requests.storage', 'secrets'])].toSorted(), ['deployments.apps', 'persistentvolumeclaims', 'pods', 'secrets', 'services'])
})

test('scopes choose pods', () => {
  const bestEffort = pod({ containers: [container({})] })
  const burstable = pod({ containers: [container({ cpu: '1' })] })
  const ending = pod({ activeDeadlineSeconds: 5 })
  const gold = pod({ priorityClassName: 'gold' })
  const covers = (spec: object, object: KubeObject): boolean => quotaCovers({ metadata: {}, spec } as never, 'pods', object)
  assert.deepEqual([bestEffort, burstable].map((each) => covers({ scopes: ['BestEffort'] }, each)), [true, false])
  assert.deepEqual([bestEffort, ending].map((each) => covers({ scopes: ['Terminating'] }, each)), [false, true])
  const inGold = { scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: ['gold'] }] } }
  assert.deepEqual([bestEffort, gold].map((each) => covers(inGold, each)), [false, true])
  assert.equal(quotaCovers({ metadata: {}, spec: { scopes: ['BestEffort'] } } as never, 'configmaps', { metadata: {} }), false)
})
