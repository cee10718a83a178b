import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deployments, namespaces, pods, serviceAccounts } from '../client/resources.ts'
import { createFakeApi } from '../client/testing/fake-api.ts'
import { testRuntime } from '../runtime/runtime.ts'
import { controllerNames, startControllerManager, type ControllerManagerOptions } from './manager.ts'
import { deployment } from './testing/cluster.ts'

function setUp(more: Partial<ControllerManagerOptions> = {}) {
  const runtime = testRuntime()
  const api = createFakeApi(runtime)
  const accounts = new Set<string>()
  const options: ControllerManagerOptions = {
    runtime, client: api.client, rootCa: 'PEM', clusterCidr: '10.244.0.0/16',
    clientFor: (account) => {
      accounts.add(account)
      return api.client
    },
    ...more,
  }
  return { runtime, api, accounts, options }
}

test('starts every controller with its own account, runs a deployment to its end and its deletion, and stops without a rest', async () => {
  const { runtime, api, accounts, options } = setUp()
  const manager = await startControllerManager(options)
  api.seed(namespaces, { metadata: { name: 'default' }, spec: { finalizers: ['kubernetes'] }, status: { phase: 'Active' } })
  api.seed(deployments, deployment('web', 5))
  await runtime.clock.advance(5000)
  assert.equal(api.all(pods).length, 5)
  assert.ok(api.get(serviceAccounts, 'default/default'))
  await api.client.delete(deployments, 'default', 'web', { propagationPolicy: 'Background' })
  await runtime.clock.advance(5000)
  assert.equal(api.all(pods).length, 0)
  assert.deepEqual([...accounts].sort(), [
    'certificate-controller', 'clusterrole-aggregation-controller', 'deployment-controller', 'disruption-controller', 'endpoint-controller', 'endpointslice-controller', 'generic-garbage-collector', 'legacy-service-account-token-cleaner', 'namespace-controller', 'node-controller', 'pod-garbage-collector',
    'pv-protection-controller', 'pvc-protection-controller', 'replicaset-controller', 'replication-controller', 'resourcequota-controller', 'root-ca-cert-publisher', 'service-account-controller', 'service-cidrs-controller', 'validatingadmissionpolicy-status-controller',
    'volumeattributesclass-protection-controller',
  ])
  assert.deepEqual(runtime.log.lines.filter((line) => line.level === 'error'), [])
  await manager[Symbol.asyncDispose]()
  await manager.done
  assert.equal(api.watchCount, 0)
  assert.equal(runtime.clock.pendingCount, 0)
})

test('runs the controllers that are asked for, by either name, and refuses unknown ones', async () => {
  const { runtime, api, accounts, options } = setUp({ controllers: ['*', '-deployment', '-garbage-collector-controller'] })
  const manager = await startControllerManager(options)
  api.seed(deployments, deployment('web', 1))
  await runtime.clock.advance(1000)
  assert.equal(api.all(pods).length, 0)
  assert.equal(accounts.has('generic-garbage-collector'), false)
  await manager[Symbol.asyncDispose]()
  await assert.rejects(startControllerManager({ ...options, controllers: ['deploymnet'] }), /there is no controller "deploymnet"; there are bootstrap-signer-controller, /)
  assert.equal(controllerNames().length, 28)
})
