import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectHttp2, constants } from 'node:http2'
import { connect as connectTcp } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { testClient, type Answer, type CallOptions } from '../../src/apiserver/testing/http-client.ts'
import { ControlPlane } from './control-plane.ts'
import { mutatedRequests } from './request-mutations.ts'
import { eventually } from './support.ts'

const base = '/api/v1/namespaces/default'
const configMaps = `${base}/configmaps`
const strict = '?fieldValidation=Strict'

type Case = [what: string, method: string, path: string, options: CallOptions & { type?: string }, code: number, text: string | RegExp]

const nameRule = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"

/** What upstream answers as an internal error without a reason: its storage's and its binding's own errors. */
const upstreams500 = [
  'resourceVersion should not be set on objects to be created', 'target.name: Required value', 'unknown patch type: ', " doesn't match $setElementOrder list:", 'expected a map[string]interface {}, but received a ', 'does not contain declared merge key: ',
  'cannot merge lists without merge key for ', 'merging lists cannot yet be specified in the patch', 'list element types are not identical: ', 'failed to create RequestInfo: ',
]

/** Each is answered with a Status of this code and text. */
const refusals: readonly Case[] = [
  ['JSON cut off', 'POST', configMaps, { body: '{' }, 400, /^the object provided is unrecognized \(must be of type ConfigMap\): couldn't get version\/kind; json parse error: /],
  ['an array', 'POST', configMaps, { body: '[]' }, 400, /json: cannot unmarshal array into Go value/],
  ['YAML that is none', 'POST', configMaps, { body: 'a: [b', type: 'application/yaml' }, 400, /^the object provided is unrecognized \(must be of type ConfigMap\): yaml: /],
  ['protobuf that is none', 'POST', configMaps, { body: 'abc', type: 'application/vnd.kubernetes.protobuf' }, 400, /provided data does not appear to be a protobuf message, expected prefix \[107 56 115 0\]/],
  ['DeleteOptions that are none', 'DELETE', `${configMaps}/x`, { body: 'abc', type: 'application/vnd.kubernetes.protobuf' }, 400, /^provided data does not appear to be a protobuf message/],
  ['plain text', 'POST', configMaps, { body: 'abc', type: 'text/plain' }, 415, 'the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf'],
  ['an answer that nobody can give', 'GET', configMaps, { headers: { accept: 'text/html' } }, 406, /^406: Not Acceptable\n\nAvailable representations: application\/json, application\/yaml, application\/vnd\.kubernetes\.protobuf, /],
  ['another kind', 'POST', configMaps, { body: { kind: 'Pod', apiVersion: 'v1', metadata: { name: 'x' } } }, 400, /^Pod in version "v1" cannot be handled as a ConfigMap: /],
  ['another version', 'POST', configMaps, { body: { kind: 'ConfigMap', apiVersion: 'v2', metadata: { name: 'x' } } }, 400, /^ConfigMap in version "v2" cannot be handled as a ConfigMap: no kind "ConfigMap" is registered for version "v2" in scheme/],
  ['another namespace', 'POST', configMaps, { body: { metadata: { name: 'x', namespace: 'other' } } }, 400, 'the namespace of the provided object does not match the namespace sent on the request'],
  ['a number for a name', 'POST', configMaps, { body: { metadata: { name: 5 } } }, 400, 'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ObjectMeta.metadata.name of type string'],
  ['unknown and doubled fields', 'POST', `${configMaps}${strict}`, { body: '{"metadata":{"name":"x"},"dta":{},"data":{"a":"1","a":"2"}}' }, 400, 'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "dta", duplicate field "data.a"'],
  ['an unknown field in a list', 'POST', `${base}/pods${strict}`, { body: { metadata: { name: 'x' }, spec: { containers: [{ name: 'c', image: 'i', foo: 1 }] } } }, 400, 'Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "spec.containers[0].foo"'],
  ['field validation of a new sort', 'POST', `${configMaps}?fieldValidation=Bogus`, { body: {} }, 422, 'CreateOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "Bogus": supported values: "", "Ignore", "Strict", "Warn"'],
  ['a dry run of a new sort', 'POST', `${configMaps}?dryRun=Some`, { body: {} }, 422, 'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Some"]: supported values: "All"'],
  ['no name', 'POST', configMaps, { body: {} }, 422, 'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required'],
  ['a bad name', 'POST', configMaps, { body: { metadata: { name: 'A_b' } } }, 422, `ConfigMap "A_b" is invalid: metadata.name: Invalid value: "A_b": ${nameRule}`],
  ['a bad key', 'POST', configMaps, { body: { metadata: { name: 'x' }, data: { 'a b': '' } } }, 422, /^ConfigMap "x" is invalid: data\[a b\]: Invalid value: "a b": a valid config key must consist of/],
  ['an empty pod', 'POST', `${base}/pods`, { body: { metadata: { name: 'x' } } }, 422, 'Pod "x" is invalid: spec.containers: Required value'],
  ['a pod wrong in three places', 'POST', `${base}/pods`, { body: { metadata: { name: 'x' }, spec: { restartPolicy: 'Never', containers: [{ name: 'C', ports: [{ containerPort: 0 }] }] } } }, 422,
    /^Pod "x" is invalid: \[spec\.containers\[0\]\.name: Invalid value: "C": a lowercase RFC 1123 label .*spec\.containers\[0\]\.image: Required value.*spec\.containers\[0\]\.ports\[0\]\.containerPort: (Required value|Invalid value: 0: must be between 1 and 65535, inclusive)/],
  ['a null container', 'POST', `${base}/pods`, { body: { metadata: { name: 'x' }, spec: { containers: [null] } } }, 422, 'Pod "x" is invalid: [spec.containers[0].name: Required value, spec.containers[0].image: Required value]'],
  ['a deployment that selects others', 'POST', '/apis/apps/v1/namespaces/default/deployments', { body: { metadata: { name: 'x' }, spec: { selector: { matchLabels: { a: 'b' } }, template: { metadata: { labels: { a: 'c' } }, spec: { containers: [{ name: 'c', image: 'i' }] } } } } }, 422, /^Deployment\.apps "x" is invalid: spec\.template\.metadata\.labels: Invalid value: .*`selector` does not match template `labels`/],
  ['a service without ports', 'POST', `${base}/services`, { body: { metadata: { name: 'x' }, spec: {} } }, 422, 'Service "x" is invalid: spec.ports: Required value'],
  ['a secret that is not base64', 'POST', `${base}/secrets`, { body: { metadata: { name: 'x' }, data: { a: '!' } } }, 400, /illegal base64 data at input byte 0$/],
  ['a role binding without a role', 'POST', '/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings', { body: { metadata: { name: 'x' }, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: '' } } }, 422, /roleRef\.name: Required value/],
  ['too large', 'POST', configMaps, { body: `{"data":{"a":"${'x'.repeat(3 << 20)}"}}` }, 413, /^Request entity too large: limit is 3145728$/],
  ['a timeout', 'GET', `${configMaps}?timeout=abc`, {}, 400, 'invalid timeout specified in the request URL - time: invalid duration "abc"'],
  ['limit', 'GET', `${configMaps}?limit=abc`, {}, 400, /strconv\.ParseInt: parsing "abc": invalid syntax/], ['resourceVersion', 'GET', `${configMaps}?resourceVersion=x`, {}, 400, /^invalid resource version "x"|resourceVersion: Invalid value: "x"/],
  ['a label selector', 'GET', `${configMaps}?labelSelector=a%20in%20b`, {}, 400, "unable to parse requirement: found 'b' expected: '('"], ['a field selector', 'GET', `${configMaps}?fieldSelector=data.a%3Db`, {}, 400, '"data.a" is not a known field selector: only "metadata.name", "metadata.namespace"'],
  ['a continue token', 'GET', `${configMaps}?continue=abc`, {}, 400, /^invalid continue token: continue key is not valid: /], ['a match without a version', 'GET', `${configMaps}?resourceVersionMatch=Exact`, {}, 422, /resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided/],
  ['initial events for a list', 'GET', `${configMaps}?sendInitialEvents=true`, {}, 422, /sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list/],
  ['a merge patch that is none', 'PATCH', `${configMaps}/kube-root-ca.crt`, { body: '{', type: 'application/merge-patch+json' }, 400, /^error decoding patch: /],
  ['a JSON patch that is none', 'PATCH', `${configMaps}/kube-root-ca.crt`, { body: '{}', type: 'application/json-patch+json' }, 400, /^error decoding patch: /],
  ['a JSON patch that does not fit', 'PATCH', `${configMaps}/kube-root-ca.crt`, { body: '[{"op":"test","path":"/data/x","value":1}]', type: 'application/json-patch+json' }, 422, 'the server rejected our request due to an error in our request'],
  ['a strategic merge patch that is none', 'PATCH', `${configMaps}/kube-root-ca.crt`, { body: '[]', type: 'application/strategic-merge-patch+json' }, 400, /./],
  ['a strategic merge patch with an unknown directive', 'PATCH', `${configMaps}/kube-root-ca.crt`, { body: '{"data":{"$patch":"explode"}}', type: 'application/strategic-merge-patch+json' }, 500, 'unknown patch type: explode in map: map[$patch:explode]'],
  ['a patch of a new sort', 'PATCH', `${configMaps}/kube-root-ca.crt`, { body: '{}', type: 'application/x-patch' }, 415, '415: Unsupported Media Type'],
  ['a patch with another name', 'PATCH', `${configMaps}/kube-root-ca.crt`, { body: '{"metadata":{"name":"x"}}', type: 'application/merge-patch+json' }, 400, 'the name of the object (x) does not match the name on the URL (kube-root-ca.crt)'],
  ['an unknown resource', 'GET', `${base}/foos`, {}, 404, 'the server could not find the requested resource'], ['a missing object', 'GET', `${configMaps}/none`, {}, 404, 'configmaps "none" not found'],
  ['a subresource of the prototype', 'GET', `${configMaps}/kube-root-ca.crt/toString`, {}, 404, 'the server could not find the requested resource'],
  ['PUT of a collection', 'PUT', configMaps, { body: {} }, 405, 'the server does not allow this method on the requested resource'], ['POST to an object', 'POST', `${configMaps}/x`, { body: {} }, 405, 'the server does not allow this method on the requested resource'],
  ['OPTIONS', 'OPTIONS', configMaps, {}, 405, 'the server does not allow this method on the requested resource'], ['TRACE', 'TRACE', configMaps, {}, 405, 'the server does not allow this method on the requested resource'],
  ['DELETE of a version', 'DELETE', '/version', {}, 405, 'the server does not allow this method on the requested resource'], ['an escape that is none', 'GET', `${configMaps}/%zz`, {}, 400, /is not well-formed/],
]

describe('the API server of a live control plane', { skip: process.platform === 'linux' ? false : 'looks at /proc' }, () => {
  let plane: ControlPlane
  before(async () => void (plane = await ControlPlane.start()))
  after(() => plane[Symbol.asyncDispose]())

  const call = (method: string, path: string, options: CallOptions & { type?: string } = {}): Promise<Answer> =>
    plane.client.call(method, path, options.type === undefined ? options : { ...options, headers: { ...options.headers, 'content-type': options.type } })
  const faults = (): string[] => plane.log().split('\n').filter((line) => line.includes('"a request failed"') || line.includes('Unhandled'))
  const secure = async (alpn = 'http/1.1'): Promise<TLSSocket> => {
    const { ca, cert, key } = plane.credentials()
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(plane.url).port), ca, cert, key, ALPNProtocols: [alpn] })
    socket.on('error', () => undefined)
    await once(socket, 'secureConnect')
    return socket
  }
  const untilQuiet = (before: number): Promise<void> => eventually('return of the handles', () => assert.ok(plane.handleCount() <= before + 5, `${plane.handleCount()} handles, ${before} before`), 15_000)

  for (const [what, method, path, options, code, text] of refusals) {
    test(`refused: ${what}`, async () => {
      const answer = await call(method, path, options)
      assert.equal(answer.status, code, answer.text)
      const { kind, status, message, reason } = answer.json
      assert.deepEqual([kind, status, answer.json.code], ['Status', 'Failure', code])
      // Upstream has no reason for patches that cannot be merged.
      if (code === 500) assert.equal(reason, undefined)
      else assert.ok(typeof reason === 'string' && reason !== '')
      if (typeof text === 'string') assert.equal(message, text)
      else assert.match(message, text)
    })
  }

  for (const path of ['/foo', '/apis/none/v1/x', '/apis/__proto__/v1/constructor']) {
    test(`${path} is a page that nobody has`, async () => {
      const { status, text, headers } = await call('GET', path, {})
      assert.deepEqual([status, text, headers['content-type']], [404, '404 page not found\n', 'text/plain; charset=utf-8'])
    })
  }

  test('an invalid object is answered with each cause, its field and its reason', async () => {
    const { json } = await call('POST', `${base}/pods`, { body: { metadata: { name: 'x' }, spec: { containers: [{}] } } })
    assert.deepEqual(json.details, { name: 'x', kind: 'Pod', causes: [
      { reason: 'FieldValueRequired', message: 'Required value', field: 'spec.containers[0].name' }, { reason: 'FieldValueRequired', message: 'Required value', field: 'spec.containers[0].image' },
    ] })
  })

  test('unknown fields are warned of, or passed over', async () => {
    const body = '{"metadata":{"name":"fields"},"dta":{},"data":{"a":"1","a":"2"}}'
    assert.equal((await call('POST', `${configMaps}?dryRun=All`, { body })).headers.warning, '299 - "unknown field \\"dta\\"", 299 - "duplicate field \\"data.a\\""')
    const ignored = await call('POST', `${configMaps}?dryRun=All&fieldValidation=Ignore`, { body })
    assert.deepEqual([ignored.status, ignored.headers.warning, ignored.json.data], [201, undefined, { a: '2' }])
  })

  test('without credentials 401 or 403, each naming what was wanted', async () => {
    using stranger = testClient(plane.url, plane.credentials().ca)
    const anonymous = await stranger.call('GET', `${base}/pods`)
    assert.deepEqual([anonymous.status, anonymous.json.message], [403, 'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" in the namespace "default"'])
    const unknown = await stranger.call('GET', `${base}/pods`, { headers: { authorization: 'Bearer nobody' } })
    assert.deepEqual([unknown.status, unknown.json.message, unknown.json.reason], [401, 'Unauthorized', 'Unauthorized'])
    const jane = await call('DELETE', '/apis/apps/v1/namespaces/default/deployments/web', { headers: { 'impersonate-user': 'jane' } })
    assert.equal(jane.json.message, 'deployments.apps "web" is forbidden: User "jane" cannot delete resource "deployments" in API group "apps" in the namespace "default"')
    assert.equal((await call('GET', '/metrics', { headers: { 'impersonate-user': 'jane' } })).json.message, 'forbidden: User "jane" cannot get path "/metrics"')
  })

  test('nesting and references without end are bad requests', async () => {
    const deep = await call('POST', configMaps, { body: `{"data":${'['.repeat(100_000)}${']'.repeat(100_000)}}` })
    assert.equal(deep.status, 400, deep.text.slice(0, 200))
    const patch = await call('PATCH', `${configMaps}/kube-root-ca.crt`, { body: `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`, type: 'application/merge-patch+json' })
    assert.equal(patch.status, 400, patch.text.slice(0, 200))
    const laughs = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]', ...Array.from({ length: 9 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array.from({ length: 10 }, () => `*a${i}`).join(', ')}]`)].join('\n')
    const yaml = await call('POST', configMaps, { body: laughs, type: 'application/yaml' })
    assert.equal(yaml.status, 400, yaml.text.slice(0, 200))
    assert.equal((await call('POST', configMaps, { body: `a: ${'['.repeat(20_000)}`, type: 'application/yaml' })).status, 400)
  })

  test('names of the prototype are data', async () => {
    const made = await call('POST', configMaps, { body: '{"metadata":{"name":"prototype","labels":{"constructor":"y","toString":"z"},"annotations":{"valueOf":"q"}},"data":{"__proto__":"p","hasOwnProperty":"h"}}' })
    assert.equal(made.status, 201, made.text)
    const { json, text } = await call('GET', `${configMaps}/prototype`)
    assert.deepEqual(json.metadata.labels, { constructor: 'y', toString: 'z' })
    assert.match(text, /"__proto__":"p","hasOwnProperty":"h"/)
    assert.equal((await call('GET', `${configMaps}?labelSelector=hasOwnProperty`)).json.items.length, 0)
    assert.equal((await call('GET', `${configMaps}?labelSelector=toString%3Dz`)).json.items.length, 1)
    const merged = await call('PATCH', `${configMaps}/prototype`, { body: '{"data":{"__proto__":null,"constructor":"c"}}', type: 'application/merge-patch+json' })
    assert.deepEqual(merged.json.data, { hasOwnProperty: 'h', constructor: 'c' })
    assert.equal((await call('DELETE', `${configMaps}/prototype`)).json.details.uid, json.metadata.uid)
  })

  test('what is not HTTP, stops halfway or never ends closes its own connection only', async () => {
    const handles = plane.handleCount()
    const port = Number(new URL(plane.url).port)
    const opened: { destroy(): void }[] = []
    const texts = [
      'nonsense\r\n\r\n', '\0\0\0\0', `GET /${'x'.repeat(400_000)} HTTP/1.1\r\nhost: a\r\n\r\n`, `GET / HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(400_000)}\r\n\r\n`, 'POST /api/v1/namespaces HTTP/1.1\r\nhost: a\r\ncontent-length: -5\r\n\r\n',
      `POST ${configMaps} HTTP/1.1\r\nhost: a\r\ncontent-length: 50\r\n\r\n{"metadata"`, `POST ${configMaps} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n`, 'CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n', 'OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n',
      `GET ${configMaps} HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: spdy/3.1\r\n\r\n`, `GET ${configMaps} HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`,
      `GET ${configMaps}?watch=1 HTTP/1.1\r\nhost: a\r\n\r\n`,
    ]
    for (const text of texts) {
      const socket = await secure()
      opened.push(socket)
      socket.write(text)
      socket.resume()
    }
    for (const bytes of ['garbage\r\n\r\n', '\x16\x03\x01\x02\x00\x01\x00', '']) {
      const socket = connectTcp(port, '127.0.0.1')
      socket.on('error', () => undefined)
      await once(socket, 'connect')
      socket.write(bytes)
      opened.push(socket)
    }
    const frames = await secure('h2')
    frames.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.from('ffffff0401000000ff00', 'hex'), Buffer.alloc(5000, 0xff)]))
    opened.push(frames)
    assert.equal((await call('GET', '/livez')).text, 'ok')
    for (const each of opened) each.destroy()
    await untilQuiet(handles)
    assert.ok(plane.isAlive())
  })

  test('floods of resets and of streams leave nothing behind', async () => {
    const handles = plane.handleCount()
    const { ca, cert, key } = plane.credentials()
    const session = connectHttp2(plane.url, { ca, cert, key })
    session.on('error', () => undefined)
    await once(session, 'connect')
    for (let round = 0; round < 10 && !session.destroyed; round++) {
      await Promise.all(Array.from({ length: 200 }, async (_, at) => {
        const stream = session.request(at % 2 === 0 ? { ':path': `${configMaps}?watch=1` } : { ':path': configMaps, ':method': 'POST', 'content-type': 'application/json' }, { endStream: at % 2 === 0 })
        stream.on('error', () => undefined)
        if (at % 3 === 0) await Promise.race([once(stream, 'response'), once(stream, 'close'), new Promise((resolve) => setTimeout(resolve, 500))]).catch(() => undefined)
        stream.close(constants.NGHTTP2_CANCEL)
      })).catch(() => undefined)
    }
    session.destroy()
    await untilQuiet(handles)
    assert.equal((await call('GET', '/livez')).text, 'ok')
  })

  test('requests made wrong by a seeded generator are all answered, and none by an internal error', async () => {
    await call('POST', configMaps, { body: { metadata: { name: 'mutated' }, data: { a: 'b' } } })
    const [handles, faultsBefore] = [plane.handleCount(), faults().length]
    const requests = mutatedRequests(20_260_101, 3000)
    await Promise.all(Array.from({ length: 12 }, async () => {
      for (const { method, path, headers, body } of requests) {
        const answer = await plane.client.call(method, path, { headers, ...(body === undefined ? {} : { body }) })
        const what = `${method} ${path} ${JSON.stringify(headers)} ${String(body)} was answered ${answer.text.slice(0, 500)}`
        const isUpstreams = upstreams500.some((text) => answer.text.includes(text))
        assert.ok(answer.status < 500 || answer.status === 503 || answer.status === 504 || isUpstreams, what)
        if (answer.status >= 400 && answer.headers['content-type'] === 'application/json' && method !== 'HEAD') assert.equal(answer.json.kind, 'Status', what)
      }
    }))
    assert.deepEqual(faults().slice(faultsBefore).filter((line) => !upstreams500.some((text) => line.includes(text))), [])
    await untilQuiet(handles + 12)
  })

  test('a hundred patches of different keys all land', async () => {
    await call('POST', configMaps, { body: { metadata: { name: 'patched' } } })
    const answers = await Promise.all(Array.from({ length: 100 }, (_, at) => call('PATCH', `${configMaps}/patched`, { body: { data: { [`k${at}`]: String(at) } }, type: 'application/strategic-merge-patch+json' })))
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
    assert.equal(Object.keys((await call('GET', `${configMaps}/patched`)).json.data).length, 100)
  })

  test('an update of an old state conflicts', async () => {
    const { json: old } = await call('GET', `${configMaps}/patched`)
    assert.equal((await call('PUT', `${configMaps}/patched`, { body: { ...old, data: { a: '1' } } })).status, 200)
    const stale = await call('PUT', `${configMaps}/patched`, { body: { ...old, data: { a: '2' } } })
    assert.deepEqual([stale.status, stale.json.reason, stale.json.message], [409, 'Conflict', 'Operation cannot be fulfilled on configmaps "patched": the object has been modified; please apply your changes to the latest version and try again'])
  })

  test('pieces of a list show one state, whatever is written meanwhile', async () => {
    await call('POST', '/api/v1/namespaces', { body: { metadata: { name: 'pieces' } } })
    const all = '/api/v1/namespaces/pieces/secrets'
    await Promise.all(Array.from({ length: 60 }, (_, at) => call('POST', all, { body: { metadata: { name: `s${100 + at}` } } })))
    const names: string[] = []
    let token = ''
    let revision: string | undefined
    do {
      const { json } = await call('GET', `${all}?limit=7&continue=${token}`)
      names.push(...json.items.map((item: { metadata: { name: string } }) => item.metadata.name))
      token = json.metadata.continue ?? ''
      revision ??= json.metadata.resourceVersion
      assert.equal(json.metadata.resourceVersion, revision)
      await Promise.all([call('POST', all, { body: { metadata: { name: `t${names.length}` } } }), call('DELETE', `${all}/s159`)])
    } while (token !== '')
    assert.deepEqual(names, Array.from({ length: 60 }, (_, at) => `s${100 + at}`))
  })

  test('a reader that stops reading is dropped; others see everything and memory stays', async () => {
    const slow = await secure()
    slow.write(`GET ${configMaps}?watch=1&resourceVersion=0 HTTP/1.1\r\nhost: a\r\n\r\n`)
    await once(slow, 'data')
    slow.pause()
    // The reader below will take the place of the slow connection.
    const handles = plane.handleCount()
    await call('POST', configMaps, { body: { metadata: { name: 'busy' } } })
    const { json } = await call('GET', `${configMaps}/busy`)
    using reader = await plane.client.watch(`${configMaps}?watch=1&fieldSelector=metadata.name%3Dbusy&resourceVersion=${json.metadata.resourceVersion}`)
    const [writes, padding] = [6000, 'x'.repeat(20_000)]
    let halfwayMegabytes = 0
    let sent = 0
    const seen = (async () => {
      let last = 0
      while (last < writes) last = Number((await reader.next())!.object.metadata.annotations?.n ?? 0)
    })()
    // One writer keeps the order in which the reader must see the numbers.
    while (sent < writes) {
      sent++
      if (sent === writes / 2) halfwayMegabytes = plane.residentMegabytes()
      const { status } = await call('PATCH', `${configMaps}/busy`, { body: `{"metadata":{"annotations":{"n":"${sent}","p":"${padding}"}}}`, type: 'application/merge-patch+json' })
      assert.equal(status, 200)
    }
    await seen
    // The second half alone is 60 MB of events.
    assert.ok(plane.residentMegabytes() - halfwayMegabytes < 60, `memory rose from ${halfwayMegabytes} to ${plane.residentMegabytes()} MB`)
    await eventually('end of the slow connection', () => assert.ok(plane.handleCount() <= handles))
    slow.destroy()
  })

  test('a watch goes on after kill -9 and restart, and bookmarks tell how far it came', async () => {
    const made = await call('POST', configMaps, { body: { metadata: { name: 'resumed' } } })
    const from = made.json.metadata.resourceVersion as string
    await call('PATCH', `${configMaps}/resumed`, { body: { data: { a: '1' } }, type: 'application/merge-patch+json' })
    await plane.restart('SIGKILL')
    const { json } = await call('GET', `${configMaps}/resumed`)
    assert.deepEqual(json.data, { a: '1' })
    using watch = await plane.client.watch(`${configMaps}?watch=1&resourceVersion=${from}&fieldSelector=metadata.name%3Dresumed`)
    const first = await watch.next()
    // Either the history reaches back to `from`, or the client is told to list again.
    if (first!.type === 'ERROR') assert.deepEqual([first!.object.code, first!.object.reason], [410, 'Expired'])
    else assert.deepEqual([first!.type, first!.object.data], ['MODIFIED', { a: '1' }])
    using initial = await plane.client.watch(`${configMaps}?watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=2`)
    let event = await initial.next()
    while (event!.type === 'ADDED') event = await initial.next()
    assert.deepEqual([event!.type, event!.object.metadata.annotations], ['BOOKMARK', { 'k8s.io/initial-events-end': 'true' }])
    const last = await initial.next()
    assert.ok(last === undefined || last.type === 'BOOKMARK')
    assert.ok(Number(event!.object.metadata.resourceVersion) >= Number(json.metadata.resourceVersion))
  })
})
