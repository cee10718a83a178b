import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attributesOf } from './authentication-filter.ts'
import { requestInfoOf } from './request-info.ts'

test('paths and methods are understood as upstream does', () => {
  const table: [method: string, url: string, wanted: string][] = [
    ['GET', '/api/v1/namespaces', 'list /v1 namespaces'],
    ['GET', '/api/v1/namespaces/other', 'get /v1 ns=other namespaces name=other'],
    ['GET', '/api/v1/namespaces/other/pods', 'list /v1 ns=other pods'],
    ['GET', '/api/v1/namespaces/other/pods/foo', 'get /v1 ns=other pods name=foo'],
    ['HEAD', '/api/v1/namespaces/other/pods/foo', 'get /v1 ns=other pods name=foo'],
    ['GET', '/api/v1/pods', 'list /v1 pods'],
    ['GET', '/api/v1/nodes/n', 'get /v1 nodes name=n'],
    ['GET', '/api/v1/watch/pods', 'watch /v1 pods'],
    ['GET', '/api/v1/pods?watch=true', 'watch /v1 pods'],
    ['GET', '/api/v1/pods?watch=false', 'list /v1 pods'],
    ['GET', '/api/v1/pods?fieldSelector=metadata.name%3Dx', 'list /v1 pods name=x'],
    ['GET', '/api/v1/pods?fieldSelector=metadata.name%3Dx,spec.nodeName%3Dn', 'list /v1 pods name=x'],
    ['GET', '/api/v1/pods?fieldSelector=metadata.name%3Dx,foo', 'list /v1 pods'],
    ['GET', '/api/v1/pods?fieldSelector=metadata.name%3Dx,foo&watch=true', 'watch /v1 pods'],
    ['GET', '/api/v1/watch/namespaces/other/pods', 'watch /v1 ns=other pods'],
    ['GET', '/api/v1/namespaces/other/pods/foo/log', 'get /v1 ns=other pods name=foo sub=log'],
    ['GET', '/api/v1/namespaces/other/services/web:80/proxy/a/b', 'get /v1 ns=other services name=web:80 sub=proxy rest=a/b'],
    ['PUT', '/api/v1/namespaces/other/finalize', 'update /v1 ns=other namespaces name=other sub=finalize'],
    ['PUT', '/api/v1/namespaces/other/status', 'update /v1 ns=other namespaces name=other sub=status'],
    ['POST', '/apis/apps/v1/namespaces/other/deployments', 'create apps/v1 ns=other deployments'],
    ['PATCH', '/apis/apps/v1/namespaces/other/deployments/web/scale', 'patch apps/v1 ns=other deployments name=web sub=scale'],
    ['DELETE', '/api/v1/namespaces/other/pods', 'deletecollection /v1 ns=other pods'],
    ['DELETE', '/api/v1/namespaces/other/pods/foo', 'delete /v1 ns=other pods name=foo'],
    ['GET', '/', 'get -'],
    ['GET', '/healthz', 'get -'],
    ['POST', '/version', 'post -'],
    ['GET', '/api', 'get -'],
    ['GET', '/api/v1', 'get -'],
    ['GET', '/apis/apps/v1', 'get -'],
    ['GET', '/apis/apps', 'get -'],
  ]
  for (const [method, url, wanted] of table) {
    const [path = '', query = ''] = url.split('?')
    const info = requestInfoOf(method, path, new URLSearchParams(query))
    const parts = info.isResourceRequest
      ? [info.verb, `${info.apiGroup}/${info.apiVersion}`, info.namespace && `ns=${info.namespace}`, info.resource, info.name && `name=${info.name}`, info.subresource && `sub=${info.subresource}`, info.rest.length > 0 && `rest=${info.rest.join('/')}`]
      : [info.verb, '-']
    assert.equal(parts.filter(Boolean).join(' '), wanted, url)
  }
})

test('authorizers hear of selectors only where every request of the kind knows them', () => {
  const table: [method: string, url: string, wanted: (string | undefined)[]][] = [
    ['GET', '/apis/g/v1/things?fieldSelector=a%3Db&labelSelector=c', ['a=b', 'c']],
    ['GET', '/api/v1/pods?watch=1&fieldSelector=a%3Db', ['a=b', undefined]],
    ['DELETE', '/apis/g/v1/things?fieldSelector=a%3Db', ['a=b', undefined]],
    ['GET', '/apis/g/v1/things/x?fieldSelector=a%3Db&labelSelector=c', [undefined, undefined]],
    ['GET', '/api/v1/watch/pods?fieldSelector=a%3Db&labelSelector=c', [undefined, undefined]],
    ['GET', '/apis/g/v1/watch/things?fieldSelector=a%3Db&labelSelector=c', [undefined, undefined]],
  ]
  for (const [method, url, wanted] of table) {
    const [path = '', text = ''] = url.split('?')
    const query = new URLSearchParams(text)
    const { fieldSelector, labelSelector } = attributesOf({ username: 'ann', groups: [] }, requestInfoOf(method, path, query), query)
    assert.deepEqual([fieldSelector, labelSelector], wanted, url)
  }
})
