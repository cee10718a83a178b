import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { testAuthority } from '../../src/apiserver/testing/authority.ts'
import { startExtensionServer, type ExtensionServer } from '../../src/apiserver/testing/extension-server.ts'
import { ControlPlane } from './control-plane.ts'
import { eventually } from './support.ts'

const json = (value: object) => (_request: IncomingMessage, response: ServerResponse): void => void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))

/** What metrics-server answers. */
const metrics = {
  '/apis/metrics.k8s.io/v1beta1': {
    kind: 'APIResourceList', apiVersion: 'v1', groupVersion: 'metrics.k8s.io/v1beta1',
    resources: [{ name: 'nodes', singularName: '', namespaced: false, kind: 'NodeMetrics', verbs: ['get', 'list'] }, { name: 'pods', singularName: '', namespaced: true, kind: 'PodMetrics', verbs: ['get', 'list'] }],
  },
  '/apis/metrics.k8s.io/v1beta1/nodes': {
    kind: 'NodeMetricsList', apiVersion: 'metrics.k8s.io/v1beta1', metadata: {},
    items: [{ metadata: { name: 'hollow-0' }, timestamp: '2026-01-01T00:00:00Z', window: '10s', usage: { cpu: '250m', memory: '1Gi' } }],
  },
}

describe('aggregated API servers, as kubectl sees them', () => {
  let plane: ControlPlane
  let extension: ExtensionServer
  let caBundle: string
  const kubectl = (...args: string[]): Promise<string> => plane.sandbox.kubectl(...args)

  const register = (group: string, version: string): Promise<string> => plane.sandbox.apply({
    apiVersion: 'apiregistration.k8s.io/v1', kind: 'APIService', metadata: { name: `${version}.${group}` },
    spec: { group, version, groupPriorityMinimum: 100, versionPriority: 100, caBundle, service: { namespace: 'default', name: 'extension', port: extension.port } },
  })

  before(async () => {
    plane = await ControlPlane.start({ hollow: 1 })
    const authority = await testAuthority(Date.now(), 'extension-ca')
    const clientCa = readFileSync(join(plane.sandbox.home, 'data/pki/front-proxy-ca.crt'), 'utf8')
    extension = await startExtensionServer({ ...await authority.issue('extension', ['extension.default.svc']), clientCa })
    extension.behaviour.isLegacy = true
    for (const [path, document] of Object.entries(metrics)) extension.behaviour.routes[path] = json(document)
    caBundle = Buffer.from(authority.certificate).toString('base64')
    await plane.sandbox.apply({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'extension', namespace: 'default' }, spec: { type: 'ExternalName', externalName: 'localhost' } })
  })

  after(async () => {
    await extension[Symbol.asyncDispose]()
    await plane[Symbol.asyncDispose]()
  })

  test('what is served here is listed as local', async () => {
    const [head, ...rows] = (await kubectl('get', 'apiservices')).split('\n').map((line) => line.split(/\s+/))
    assert.deepEqual(head, ['NAME', 'SERVICE', 'AVAILABLE', 'AGE'])
    assert.deepEqual(rows.find(([name]) => name === 'v1.apps')?.slice(1, 3), ['Local', 'True'])
  })

  test('a registered server is available, discovered and used', async () => {
    await register('wardle.example.com', 'v1')
    await kubectl('wait', '--for=condition=Available', '--timeout=30s', 'apiservice/v1.wardle.example.com')
    assert.match(await kubectl('get', 'apiservice', 'v1.wardle.example.com'), /v1.wardle.example.com\s+default\/extension\s+True/)
    await eventually('discovery', async () => assert.match(await kubectl('api-resources', '--api-group=wardle.example.com'), /flunders\s+fl\s+wardle.example.com\/v1\s+true\s+Flunder/))
    assert.match(await kubectl('get', 'flunders'), /^NAME\s+AGE\na\s/)
    assert.match(await kubectl('get', 'fl', 'a', '-o', 'yaml'), /kind: Flunder/)
    const seen = extension.seen.findLast(({ url }) => url.includes('/flunders'))!
    assert.deepEqual([seen.proxyName, seen.headers['x-remote-user'], seen.headers['x-remote-group']], ['front-proxy-client', 'kubernetes-admin', 'system:masters, system:authenticated'])
  })

  test('kubectl top asks the metrics server', async () => {
    await register('metrics.k8s.io', 'v1beta1')
    await kubectl('wait', '--for=condition=Available', '--timeout=30s', 'apiservice/v1beta1.metrics.k8s.io')
    await eventually('kubectl top', async () => assert.match(await kubectl('top', 'nodes'), /hollow-0\s+250m\s+\d+%\s+1024Mi/))
  })

  test('a namespace does not go while a group that may have something in it cannot be asked', async () => {
    await kubectl('create', 'namespace', 'waiting')
    await extension[Symbol.asyncDispose]()
    // Any change has the server asked at once.
    await kubectl('label', 'apiservice', 'v1.wardle.example.com', 'look=again')
    await eventually('unavailable', async () => assert.match(await kubectl('get', 'apiservice', 'v1.wardle.example.com'), /False \(FailedDiscoveryCheck\)/), 60_000)
    assert.match((await plane.sandbox.run('kubectl', ['get', 'flunders'])).stderr, /service unavailable|unable to handle the request/i)
    await kubectl('delete', 'namespace', 'waiting', '--wait=false')
    const condition = `jsonpath={.status.conditions[?(@.type=="NamespaceDeletionDiscoveryFailure")].reason}`
    await eventually('the condition', async () => assert.equal(await kubectl('get', 'namespace', 'waiting', '-o', condition), 'DiscoveryFailed'))
    await kubectl('delete', 'apiservice', 'v1.wardle.example.com', 'v1beta1.metrics.k8s.io')
    await kubectl('wait', '--for=delete', '--timeout=60s', 'namespace/waiting')
  })
})
