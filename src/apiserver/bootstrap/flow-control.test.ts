import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryLogger } from '../../runtime/log.ts'
import { systemRuntime } from '../../runtime/runtime.ts'
import { memoryStore } from '../../store/memory.ts'
import { testClient } from '../testing/http-client.ts'
import { startTestServer } from '../testing/server.ts'
import { ensureFlowControl } from './flow-control.ts'

const base = '/apis/flowcontrol.apiserver.k8s.io/v1'
const annotation = 'apf.kubernetes.io/autoupdate-spec'
const merge = { 'content-type': 'application/merge-patch+json' }

test('defaults are made, mended and removed, as far as their annotation goes', async (t) => {
  const runtime = systemRuntime(memoryLogger())
  const store = memoryStore(runtime)
  const server = await startTestServer(runtime, store)
  const client = testClient(server.url, server.certificate)
  t.after(async () => {
    client[Symbol.dispose]()
    await server[Symbol.asyncDispose]()
    await store[Symbol.asyncDispose]()
  })
  const get = async (path: string): Promise<{ spec: Record<string, never>; annotations: Record<string, string> }> => {
    const { json } = await client.call('GET', `${base}/${path}`)
    return { spec: json.spec, annotations: json.metadata?.annotations ?? {} }
  }
  await ensureFlowControl(server.core)
  assert.equal((await get('flowschemas/global-default')).annotations[annotation], 'true')
  const revision = await store.currentRevision()
  await ensureFlowControl(server.core)
  assert.equal(await store.currentRevision(), revision, 'nothing to mend')

  const shares = (count: number): object => ({ spec: { limited: { nominalConcurrencyShares: count } } })
  const sharesOf = async (name: string): Promise<unknown> => ((await get(`prioritylevelconfigurations/${name}`)).spec as { limited?: { nominalConcurrencyShares?: number } }).limited?.nominalConcurrencyShares
  // Told to follow: mended. Told not to: left alone. Mandatory: mended, whatever it says.
  await client.call('PATCH', `${base}/prioritylevelconfigurations/system`, { body: shares(7), headers: merge })
  await client.call('PATCH', `${base}/prioritylevelconfigurations/workload-low`, { body: { ...shares(7), metadata: { annotations: { [annotation]: 'false' } } }, headers: merge })
  await client.call('PATCH', `${base}/prioritylevelconfigurations/workload-high`, { body: { ...shares(7), metadata: { annotations: { [annotation]: null } } }, headers: merge })
  await client.call('PATCH', `${base}/flowschemas/catch-all`, { body: { metadata: { annotations: { [annotation]: 'false' } } }, headers: merge })
  await client.call('DELETE', `${base}/flowschemas/probes`)
  await client.call('POST', `${base}/flowschemas`, { body: { metadata: { name: 'once-a-default', annotations: { [annotation]: 'true' } }, spec: { priorityLevelConfiguration: { name: 'system' }, matchingPrecedence: 5 } } })
  await client.call('POST', `${base}/flowschemas`, { body: { metadata: { name: 'own' }, spec: { priorityLevelConfiguration: { name: 'system' }, matchingPrecedence: 5 } } })
  await ensureFlowControl(server.core)
  assert.deepEqual([await sharesOf('system'), await sharesOf('workload-low'), await sharesOf('workload-high')], [30, 7, 7])
  assert.equal((await get('prioritylevelconfigurations/workload-high')).annotations[annotation], 'false', 'touched without the annotation: its operator\'s')
  assert.equal((await get('flowschemas/catch-all')).annotations[annotation], 'true')
  assert.equal((await client.call('GET', `${base}/flowschemas/probes`)).status, 200)
  assert.equal((await client.call('GET', `${base}/flowschemas/once-a-default`)).status, 404)
  assert.equal((await client.call('GET', `${base}/flowschemas/own`)).status, 200)
})
