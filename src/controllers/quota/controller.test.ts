import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '../../api/types/core_v1.ts'
import { configMaps, deployments, pods, resourceQuotas } from '../../client/resources.ts'
import { controllerTest, deployment } from '../testing/cluster.ts'
import { startResourceQuotaController } from './controller.ts'

test('counts what a namespace uses, and again when something is given back', async (t) => {
  const { api, start, settle, stop } = controllerTest()
  t.after(stop)
  const pod = (name: string, cpu: string, namespace = 'default'): Pod => ({ metadata: { name, namespace }, spec: { containers: [{ name: 'c', resources: { requests: { cpu } } }] }, status: { phase: 'Running' } })
  api.seed(pods, pod('a', '500m'))
  api.seed(pods, pod('b', '1'))
  api.seed(pods, pod('elsewhere', '7', 'other'))
  api.seed(deployments, deployment('web', 1))
  const hard = { pods: '10', 'requests.cpu': '4', 'count/deployments.apps': '3', configmaps: '5' }
  api.seed(resourceQuotas, { metadata: { name: 'q', namespace: 'default' }, spec: { hard } })
  start(startResourceQuotaController)
  await settle()
  const status = () => api.get(resourceQuotas, 'default/q')?.status
  assert.deepEqual(status(), { hard, used: { pods: '2', 'requests.cpu': '1500m', 'count/deployments.apps': '1', configmaps: '0' } })
  api.change(pods, 'default/b', (b) => void (b.status!.phase = 'Succeeded'))
  api.remove(deployments, 'default/web')
  await settle()
  assert.deepEqual(status()?.used, { pods: '1', 'requests.cpu': '500m', 'count/deployments.apps': '0', configmaps: '0' })
  api.change(resourceQuotas, 'default/q', (q) => void (q.spec!.hard = { configmaps: '1' }))
  api.seed(configMaps, { metadata: { name: 'c', namespace: 'default' } })
  await settle()
  assert.deepEqual(status(), { hard: { configmaps: '1' }, used: { configmaps: '1' } })
})
