import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Duplex } from 'node:stream'
import { after, before, test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { WebSocket } from 'ws'
import { memoryLogger } from '../../runtime/log.ts'
import { systemRuntime } from '../../runtime/runtime.ts'
import { memoryStore } from '../../store/memory.ts'
import type { ApiServer } from '../server.ts'
import { subresourceHandlers } from '../subresource-handlers.ts'
import { loopbackCertificate } from '../testing/certificate.ts'
import { startFakeKubelet, type FakeCommand, type FakeKubelet } from '../testing/fake-kubelet.ts'
import { testClient, type TestClient } from '../testing/http-client.ts'
import { startTestServer } from '../testing/server.ts'

const runtime = systemRuntime(memoryLogger())
const pods = '/api/v1/namespaces/default/pods'
const success = JSON.stringify({ metadata: {}, status: 'Success' })

/** An address of this machine that is not loopback: proxies refuse that. Nothing leaves the machine. */
const outsideAddress = Object.values(networkInterfaces()).flat().find((each) => each !== undefined && !each.internal && each.family === 'IPv4')?.address ?? '127.0.0.1'
const noOutside = outsideAddress === '127.0.0.1' ? 'this machine has no address but loopback' : false

let kubelet: FakeKubelet
let server: ApiServer & { certificate: string }
let client: TestClient
let run: (command: FakeCommand) => void = () => undefined
let backend: Server

before(async () => {
  const tls = await loopbackCertificate(runtime.clock.now())
  kubelet = await startFakeKubelet(tls, (command) => run(command))
  server = await startTestServer(runtime, memoryStore(runtime), {
    authorizers: [() => ({ name: 'test', authorize: ({ user, verb }) => (user.username === 'admin' || (user.username === 'reader' && verb === 'get') ? { decision: 'allow', reason: '' } : { decision: 'noOpinion', reason: '' }) })],
    subresources: subresourceHandlers({ authentication: {}, kubelets: { ...tls, ca: tls.certificate } }),
  })
  client = testClient(server.url, server.certificate)
  backend = createServer((request, response) => {
    if (request.url === '/moved') return response.writeHead(302, { location: '/there' }).end()
    if (request.url!.startsWith('/page')) {
      const page = '<html><head><link href="/style.css"></head><body><a href="/next?a=1&amp;b=2">n</a> <a href="rel">r</a> <a href="http://elsewhere/x">e</a><script>if (1 < 2) "<a href=\\"/no\\">"</script></body></html>'
      const isPacked = request.url!.includes('packed')
      return response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', ...(isPacked ? { 'content-encoding': 'gzip' } : {}) }).end(isPacked ? gzipSync(page) : page)
    }
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => response.writeHead(200, { 'x-backend': 'yes', 'content-type': 'application/json' }).end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers, body })))
  }).listen(0, outsideAddress)
  backend.on('upgrade', (request, socket: Duplex) => {
    socket.on('error', () => socket.destroy())
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\nX-Url: ${request.url}\r\n\r\n`)
    socket.pipe(socket)
  })
  await once(backend, 'listening')
  const post = async (path: string, body: object): Promise<void> => assert.equal((await client.call('POST', path, { body })).status, 201)
  await post('/api/v1/namespaces', { metadata: { name: 'default' } })
  await post('/api/v1/nodes', { metadata: { name: 'n1' } })
  const status = { addresses: [{ type: 'InternalIP', address: '127.0.0.1' }], daemonEndpoints: { kubeletEndpoint: { Port: kubelet.port } } }
  assert.equal((await client.call('PATCH', '/api/v1/nodes/n1/status', { body: { status }, headers: { 'content-type': 'application/merge-patch+json' } })).status, 200)
  const pod = (name: string, nodeName: string | undefined, ...containers: string[]): object => ({ metadata: { name }, spec: { ...(nodeName === undefined ? {} : { nodeName }), containers: containers.map((each) => ({ name: each, image: 'i' })) } })
  await post(pods, pod('web', 'n1', 'c'))
  await post(pods, pod('two', 'n1', 'a', 'b'))
  await post(pods, pod('broken', 'n1', 'c'))
  await post(pods, pod('refused', 'n1', 'c'))
  await post(pods, pod('waiting', undefined, 'c'))
  await post(pods, pod('stranded', 'gone', 'c'))
  await post(pods, pod('ports', 'n1', 'c'))
  await post('/api/v1/nodes', { metadata: { name: 'lost' } })
  await post(pods, pod('lost', 'lost', 'c'))
  await post(pods, pod('proxied', 'n1', 'c'))
})
after(async () => {
  client[Symbol.dispose]()
  backend.close()
  await server[Symbol.asyncDispose]()
  await kubelet[Symbol.asyncDispose]()
})

function connect(path: string, protocols: string[], user?: string): WebSocket {
  return new WebSocket(`${server.url.replace('https', 'wss')}${path}`, protocols, { ca: server.certificate, ...(user === undefined ? {} : { headers: { authorization: `Bearer ${user}` } }) })
}

/** What comes on each channel until the connection closes; `drive` runs once it is open. */
async function talk(path: string, protocols: string[], drive: (socket: WebSocket) => void = () => undefined): Promise<{ channels: Record<number, string>; protocol: string; code: number }> {
  const socket = connect(path, protocols)
  const channels: Record<number, string> = {}
  socket.on('message', (data: Buffer, isBinary: boolean) => {
    const [channel, text] = isBinary ? [data[0]!, data.subarray(1).toString()] : [data[0]! - 48, Buffer.from(data.subarray(1).toString(), 'base64').toString()]
    channels[channel] = (channels[channel] ?? '') + text
  })
  await once(socket, 'open')
  drive(socket)
  const [code] = (await once(socket, 'close')) as [number]
  return { channels, protocol: socket.protocol, code }
}

async function refusal(path: string, protocols: string[], user?: string): Promise<{ status: number; message: string }> {
  const socket = connect(path, protocols, user)
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, NodeJS.ReadableStream & { statusCode: number }]
  let text = ''
  for await (const chunk of response) text += String(chunk)
  return { status: response.statusCode, message: (JSON.parse(text) as { message: string }).message }
}

test('logs come from the kubelet of the pod\'s node', async () => {
  const log = await client.call('GET', `${pods}/web/log?follow=true&tailLines=5&timestamps=false`)
  assert.equal(log.status, 200)
  assert.equal(log.bytes.toString(), 'log of /containerLogs/default/web/c?follow=true&tailLines=5')
  assert.equal((await client.call('GET', `${pods}/two/log?container=b`)).bytes.toString(), 'log of /containerLogs/default/two/b')
  assert.equal((await client.call('GET', `${pods}/waiting/log`)).bytes.toString(), '')
})

test('what a log request gets wrong is told in upstream\'s words', async () => {
  const cases: Array<[string, number, string | RegExp]> = [
    ['two/log', 400, 'a container name must be specified for pod two, choose one of: [a b]'],
    ['web/log?container=x', 400, 'container x is not valid for pod web'],
    ['broken/log', 400, 'container "c" in pod "broken" is waiting to start: ContainerCreating'],
    ['missing/log', 404, 'pods "missing" not found'],
    ['web/log?tailLines=-1', 422, /tailLines: Invalid value: -1: must be greater than or equal to 0$/],
    ['web/log?tailLines=x', 400, /invalid syntax$/],
  ]
  for (const [path, status, message] of cases) {
    const answer = await client.call('GET', `${pods}/${path}`)
    assert.equal(answer.status, status, path)
    if (typeof message === 'string') assert.equal(answer.json.message, message)
    else assert.match(answer.json.message, message)
  }
})

test('a WebSocket client\'s exec is carried to the kubelet over SPDY: input, its end, output and status', async () => {
  run = (command) => {
    assert.deepEqual(command.streams, ['error', 'stdin', 'stdout', 'stderr'])
    let text = ''
    command.onStdin((data) => void (text += data.toString()), () => {
      command.write('stdout', text.toUpperCase())
      command.write('stderr', 'done')
      command.exit(success)
    })
  }
  const result = await talk(`${pods}/web/exec?command=cat&command=-&stdin=true&stdout=true&stderr=true`, ['v5.channel.k8s.io', 'v4.channel.k8s.io'], (socket) => {
    socket.send(Buffer.from('\0hello '))
    socket.send(Buffer.from('\0world'))
    socket.send(Buffer.from([255, 0]))
  })
  assert.equal(result.protocol, 'v5.channel.k8s.io')
  assert.deepEqual(result.channels, { 1: 'HELLO WORLD', 2: 'done', 3: success })
  assert.equal(result.code, 1000)
  assert.equal(kubelet.requests.at(-1), 'POST /exec/default/web/c?command=cat&command=-&error=1&input=1&output=1 SPDY/3.1')
})

test('exit codes, terminals and the older subprotocols', async (t) => {
  const failed = JSON.stringify({ metadata: {}, status: 'Failure', reason: 'NonZeroExitCode', message: 'command terminated with non-zero exit code: 3', details: { causes: [{ reason: 'ExitCode', message: '3' }] } })
  await t.test('an exit code comes as the runtime\'s Status', async () => {
    run = (command) => command.exit(failed)
    assert.deepEqual((await talk(`${pods}/web/exec?command=false&stdout=true`, ['v4.channel.k8s.io'])).channels, { 1: '', 3: failed })
  })
  await t.test('a terminal has a size and no standard error', async () => {
    run = (command) => {
      assert.deepEqual(command.streams, ['error', 'stdin', 'stdout', 'resize'])
      command.onResize(({ Width, Height }) => {
        command.write('stdout', `${Width}x${Height}`)
        command.exit(success)
      })
    }
    const result = await talk(`${pods}/web/exec?command=sh&stdin=true&stdout=true&stderr=true&tty=true`, ['v5.channel.k8s.io'], (socket) => socket.send(Buffer.from('\x04{"Width":80,"Height":24}')))
    assert.equal(result.channels[1], '80x24')
  })
  await t.test('base64', async () => {
    run = (command) => command.onStdin((data) => {
      command.write('stdout', data)
      command.exit(success)
    }, () => undefined)
    const result = await talk(`${pods}/web/attach?stdin=true&stdout=true`, ['v4.base64.channel.k8s.io'], (socket) => socket.send(`0${Buffer.from('häl').toString('base64')}`))
    assert.deepEqual(result.channels, { 1: 'häl', 3: success })
  })
  await t.test('a megabyte each way, whole and in order', async () => {
    const big = Buffer.alloc(1 << 20, 'abcdefghij')
    run = (command) => {
      const chunks: Buffer[] = []
      command.onStdin((data) => void chunks.push(Buffer.from(data)), () => {
        command.write('stdout', Buffer.concat(chunks).subarray(0, 900_000))
        command.exit(success)
      })
    }
    const result = await talk(`${pods}/web/exec?command=cat&stdin=true&stdout=true`, ['v5.channel.k8s.io'], (socket) => {
      for (let at = 0; at < big.length; at += 32768) socket.send(Buffer.concat([Buffer.from([0]), big.subarray(at, at + 32768)]))
      socket.send(Buffer.from([255, 0]))
    })
    assert.ok(result.channels[1] === big.subarray(0, 900_000).toString())
    assert.equal(result.channels[3], success)
  })
  await t.test('a kubelet that refuses is told of on the error channel', async () => {
    const { channels } = await talk(`${pods}/refused/exec?command=x&stdout=true`, ['v5.channel.k8s.io'])
    assert.equal((JSON.parse(channels[3]!) as { message: string }).message, 'Internal error occurred: unable to upgrade connection: container not found ("c")')
  })
})

test('a client that goes away ends the kubelet\'s session', async () => {
  const ended = Promise.withResolvers<void>()
  run = (command) => command.onStdin(() => undefined, () => undefined)
  const socket = connect(`${pods}/web/exec?command=sleep&stdin=true&stdout=true`, ['v5.channel.k8s.io'])
  const before = kubelet.openSessions
  await once(socket, 'message')
  kubelet.onSessionEnd(() => ended.resolve())
  socket.terminate()
  await ended.promise
  assert.equal(kubelet.openSessions, before)
})

test('streams are refused before the handshake where the request is wrong or not allowed', async () => {
  const v5 = ['v5.channel.k8s.io']
  assert.deepEqual(await refusal(`${pods}/waiting/exec?command=x&stdout=true`, v5), { status: 400, message: 'pod waiting does not have a host assigned' })
  assert.deepEqual(await refusal(`${pods}/web/exec?command=x`, v5), { status: 400, message: 'you must specify at least 1 of stdin, stdout, stderr' })
  assert.deepEqual(await refusal(`${pods}/web/exec?command=x&stdout=true`, ['v9.channel.k8s.io']), { status: 400, message: 'unable to upgrade: unrecognized protocols ["v9.channel.k8s.io"]' })
  assert.deepEqual(await refusal(`${pods}/web/portforward`, v5), { status: 400, message: 'unable to upgrade: unrecognized protocols ["v5.channel.k8s.io"]' })
  // Reading is not enough: a handshake is a GET, but a command is more.
  const denied = await refusal(`${pods}/web/exec?command=x&stdout=true`, v5, 'reader')
  assert.equal(denied.status, 403)
  assert.match(denied.message, /^pods "web" is forbidden: /)
  for (const subresource of ['exec', 'attach', 'portforward']) assert.equal((await client.call('GET', `${pods}/web/${subresource}`, { headers: { authorization: 'Bearer reader' } })).status, 403, subresource)
  const plain = await client.call('POST', `${pods}/web/exec?command=x&stdout=true`)
  assert.equal(plain.status, 400)
  assert.equal(plain.json.message, 'Upgrade request required')
  // A node that is missing is named as what the request was about.
  for (const subresource of ['exec?command=x&stdout=true', 'portforward']) assert.equal((await client.call('POST', `${pods}/stranded/${subresource}`)).json.message, 'pods "gone" not found', subresource)
  assert.equal((await client.call('GET', `${pods}/stranded/log`)).json.message, 'pods "gone" not found')
})

/** A SPDY client's upgrade; the raw connection after it. */
async function upgrade(path: string, protocol: string): Promise<{ socket: Duplex; version: string | undefined }> {
  const { hostname, port } = new URL(server.url)
  const request = httpsRequest({ host: hostname, port, path, method: 'POST', ca: server.certificate, headers: { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': protocol } }).end()
  const [response, socket] = (await once(request, 'upgrade')) as [{ headers: Record<string, string> }, Duplex]
  return { socket, version: response.headers['x-stream-protocol-version'] }
}

test('a SPDY client\'s bytes pass through as they are', async () => {
  const { socket, version } = await upgrade(`${pods}/web/portforward`, 'portforward.k8s.io')
  assert.equal(version, 'portforward.k8s.io')
  socket.write('raw bytes')
  assert.equal(String((await once(socket, 'data'))[0]), 'raw bytes')
  socket.destroy()
  assert.equal(kubelet.requests.at(-1), 'POST /portForward/default/web SPDY/3.1')
})

test('a port-forward\'s SPDY frames travel in WebSocket messages', async () => {
  // By hand: `ws` will not offer a subprotocol with a slash in its name.
  const { hostname, port } = new URL(server.url)
  const headers = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': Buffer.alloc(16).toString('base64'), 'sec-websocket-protocol': 'SPDY/3.1+portforward.k8s.io' }
  const request = httpsRequest({ host: hostname, port, path: `${pods}/web/portforward`, ca: server.certificate, headers }).end()
  const [response, socket] = (await once(request, 'upgrade')) as [{ headers: Record<string, string> }, Duplex]
  assert.equal(response.headers['sec-websocket-protocol'], 'SPDY/3.1+portforward.k8s.io')
  // A final binary message of six bytes, masked with zeros; the answer comes unmasked.
  socket.write(Buffer.concat([Buffer.from([0x82, 0x86, 0, 0, 0, 0]), Buffer.from('frames')]))
  assert.deepEqual((await once(socket, 'data'))[0], Buffer.concat([Buffer.from([0x82, 6]), Buffer.from('frames')]))
  socket.destroy()
})

test('nodes are reached through the proxy, by their kubelet', async () => {
  const answer = await client.call('GET', '/api/v1/nodes/n1/proxy/stats/summary?only=cpu')
  assert.equal(answer.bytes.toString(), 'log of /stats/summary?only=cpu')
})

test('a proxy to a pod or service will not call this host', async () => {
  const headers = { 'content-type': 'application/merge-patch+json' }
  for (const ip of ['127.0.0.1', '169.254.169.254']) {
    assert.equal((await client.call('PATCH', `${pods}/web/status`, { body: { status: { podIP: ip, podIPs: [{ ip }] } }, headers })).status, 200)
    const answer = await client.call('GET', `${pods}/web:${(backend.address() as AddressInfo).port}/proxy/`)
    assert.equal(answer.status, 400)
    assert.equal(answer.json.message, 'address not allowed')
  }
  assert.equal((await client.call('GET', '/api/v1/namespaces/default/services/x/proxy/')).status, 404)
})

test('text messages are read as the subprotocol says, not as base64', async () => {
  run = (command) => command.onStdin((data) => {
    command.write('stdout', data)
    command.exit(success)
  }, () => undefined)
  const result = await talk(`${pods}/web/exec?command=cat&stdin=true&stdout=true`, ['v4.channel.k8s.io'], (socket) => socket.send('\0plain text'))
  assert.deepEqual(result.channels, { 1: 'plain text', 3: success })
})

test('ports are forwarded over pairs of channels, each beginning with its port', async (t) => {
  await t.test('binary', async () => {
    const { channels, protocol } = await talk(`${pods}/ports/portforward?ports=8080&ports=1`, ['v4.channel.k8s.io'], (socket) => {
      socket.send(Buffer.from('\0hello'))
      setImmediate(() => socket.send(Buffer.from('\0end')))
    })
    assert.equal(protocol, 'v4.channel.k8s.io')
    assert.deepEqual(channels, { 0: '\x90\x1f8080:hello8080:end'.replace('\x90', Buffer.from([0x90]).toString()), 1: `${Buffer.from([0x90]).toString()}\x1f`, 2: '\x01\0', 3: '\x01\0connection refused' })
    assert.equal(kubelet.requests.at(-1), 'POST /portForward/default/ports?port=8080%2C1 SPDY/3.1')
  })
  await t.test('base64', async () => {
    const { channels } = await talk(`${pods}/ports/portforward?ports=80`, ['v4.base64.channel.k8s.io'], (socket) => socket.send(`0${Buffer.from('end').toString('base64')}`))
    assert.equal(channels[0], 'P\x0080:end')
  })
  await t.test('without ports', async () => {
    assert.deepEqual(await refusal(`${pods}/ports/portforward`, ['v4.channel.k8s.io']), { status: 400, message: 'query parameter "port" is required' })
  })
})

test('a kubelet that cannot be reached is told of in upstream\'s words', async () => {
  const patch = (address: string, port: number): Promise<unknown> => client.call('PATCH', '/api/v1/nodes/lost/status', { body: { status: { addresses: [{ type: 'InternalIP', address }], daemonEndpoints: { kubeletEndpoint: { Port: port } } } }, headers: { 'content-type': 'application/merge-patch+json' } })
  const none = await client.call('GET', `${pods}/lost/log`)
  assert.deepEqual([none.status, none.json.message], [500, 'no preferred addresses found; known addresses: []'])
  await patch('127.0.0.1', 1)
  const log = await client.call('GET', `${pods}/lost/log?tailLines=1`)
  assert.deepEqual([log.status, log.json.message, log.json.reason], [500, 'Get "https://127.0.0.1:1/containerLogs/default/lost/c?tailLines=1": dial tcp 127.0.0.1:1: connect: connection refused', undefined])
  const { channels } = await talk(`${pods}/lost/exec?command=x&stdin=true&stdout=true`, ['v5.channel.k8s.io'])
  const { message } = JSON.parse(channels[3]!) as { message: string }
  assert.equal(message, 'Internal error occurred: error sending request: Post "https://127.0.0.1:1/exec/default/lost/c?command=x&input=1&output=1": dial tcp 127.0.0.1:1: connect: connection refused')
  const node = await client.call('GET', '/api/v1/nodes/lost/proxy/healthz')
  assert.deepEqual([node.status, node.json.message], [503, 'error trying to reach service: dial tcp 127.0.0.1:1: connect: connection refused'])
})

/** The pod `proxied` as if it ran where the backend listens. */
async function place(): Promise<number> {
  const body = { status: { podIP: outsideAddress, podIPs: [{ ip: outsideAddress }] } }
  assert.equal((await client.call('PATCH', `${pods}/proxied/status`, { body, headers: { 'content-type': 'application/merge-patch+json' } })).status, 200)
  return (backend.address() as AddressInfo).port
}

test('a pod\'s proxy hands on method, path, query, headers and body', { skip: noOutside }, async () => {
  const port = await place()
  const base = `${pods}/proxied:${port}/proxy`
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    const answer = await client.call(method, `${base}/a%20b/c/?dryRun=1&x=2&y=%2F`, { body: 'the body', headers: { 'content-type': 'text/plain', authorization: 'Bearer admin', cookie: 'c=1', 'x-forwarded-for': '192.0.2.7', 'x-remote-user': 'root', 'x-remote-extra-a': 'b', 'impersonate-user': 'admin' } })
    assert.equal(answer.status, 200, answer.text)
    const { headers, ...seen } = answer.json
    assert.deepEqual(seen, { method, url: '/a%20b/c/?dryRun=1&x=2&y=%2F', body: 'the body' })
    assert.deepEqual(Object.keys(headers).filter((name) => /^(authorization|x-remote-|impersonate-)/.test(name)), [])
    assert.deepEqual([headers.authorization, headers.cookie, headers['x-forwarded-for'], headers['x-forwarded-uri']], [undefined, 'c=1', '192.0.2.7, 127.0.0.1', `${base}/a%20b/c/`])
  }
  assert.equal((await client.call('GET', `${base}/a/../b//c`)).json.url, '/b/c')
  const head = await client.call('HEAD', `${base}/x`)
  assert.deepEqual([head.status, head.headers['x-backend'], head.text], [200, 'yes', ''])
})

test('links and redirects of a proxied page lead back through the proxy', { skip: noOutside }, async () => {
  const port = await place()
  const base = `${pods}/proxied:${port}/proxy`
  const root = await client.call('GET', `${base}?a=1`)
  assert.deepEqual([root.status, root.headers.location], [301, `${base}/?a=1`])
  const moved = await client.call('GET', `${base}/moved`)
  assert.deepEqual([moved.status, moved.headers.location], [302, `${base}/there`])
  const wanted = `<html><head><link href="${base}/style.css"></head><body><a href="${base}/next?a=1&amp;b=2">n</a> <a href="rel">r</a> <a href="http://elsewhere/x">e</a><script>if (1 < 2) "<a href=\\"/no\\">"</script></body></html>`
  assert.equal((await client.call('GET', `${base}/page`)).text, wanted)
  const packed = await client.call('GET', `${base}/page?packed`, { headers: { 'accept-encoding': 'gzip' } })
  assert.deepEqual([packed.headers['content-encoding'], gunzipSync(packed.bytes).toString()], ['gzip', wanted])
})

test('upgrades go through a pod\'s proxy', { skip: noOutside }, async () => {
  const port = await place()
  const { hostname, port: own } = new URL(server.url)
  const request = httpsRequest({ host: hostname, port: own, path: `${pods}/proxied:${port}/proxy/shell?x=1`, ca: server.certificate, headers: { connection: 'Upgrade', upgrade: 'echo' } }).end()
  const [response, socket] = (await once(request, 'upgrade')) as [{ headers: Record<string, string> }, Duplex]
  assert.equal(response.headers['x-url'], '/shell?x=1')
  socket.write('hello')
  assert.equal(String((await once(socket, 'data'))[0]), 'hello')
  socket.destroy()
})

test('a service\'s proxy goes to a pod behind the port that is named', { skip: noOutside }, async () => {
  const port = await place()
  const services = '/api/v1/namespaces/default/services'
  const post = async (path: string, body: object): Promise<void> => assert.equal((await client.call('POST', path, { body })).status, 201)
  await post(services, { metadata: { name: 'svc' }, spec: { clusterIP: '10.96.0.7', ports: [{ name: 'web', port: 80, protocol: 'TCP', targetPort: port }, { name: 'other', port: 81, protocol: 'TCP', targetPort: 9 }] } })
  const failure = async (name: string): Promise<unknown[]> => {
    const answer = await client.call('GET', `${services}/${name}/proxy/x`)
    return [answer.status, answer.json.message]
  }
  assert.deepEqual(await failure('svc:web'), [404, 'services "svc" not found'])
  const slices = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices'
  const slice = (endpoints: object[]): object => ({ metadata: { name: 'svc-1', labels: { 'kubernetes.io/service-name': 'svc' } }, addressType: 'IPv4', endpoints, ports: [{ name: 'web', port, protocol: 'TCP' }] })
  await post(slices, slice([{ addresses: [outsideAddress] }]))
  assert.deepEqual(await failure('svc:web'), [503, 'no endpoints available for service "svc:web"'])
  assert.equal((await client.call('PUT', `${slices}/svc-1`, { body: slice([{ addresses: [outsideAddress], targetRef: { kind: 'Pod', namespace: 'default', name: 'proxied' } }]) })).status, 200)
  assert.equal((await client.call('GET', `${services}/svc:web/proxy/x?q=1`)).json.url, '/x?q=1')
  assert.equal((await client.call('GET', `${services}/http:svc:80/proxy/x`)).json.url, '/x')
  assert.deepEqual(await failure('svc'), [503, 'no endpoints available for service "svc"'])
  assert.deepEqual(await failure('svc:82'), [503, 'no service port 82 found for service "svc"'])
  assert.deepEqual(await failure('ftp:svc:80'), [400, 'invalid service request "ftp:svc:80"'])
  const [status, message] = await failure('https:svc:80')
  assert.deepEqual([status, message], [503, 'error trying to reach service: http: server gave HTTP response to HTTPS client'])
})

test('logs and watches come over WebSockets too', async (t) => {
  const messages = async (socket: WebSocket, until: (all: string[]) => boolean): Promise<string[]> => {
    const all: string[] = []
    await new Promise<void>((resolve) => {
      socket.on('message', (data: Buffer) => {
        all.push(data.toString())
        if (until(all)) resolve()
      })
      socket.once('close', () => resolve())
    })
    return all
  }
  await t.test('a log, after an empty message', async () => {
    const socket = connect(`${pods}/web/log`, ['binary.k8s.io'])
    assert.deepEqual(await messages(socket, () => false), ['', 'log of /containerLogs/default/web/c'])
    assert.equal(socket.protocol, 'binary.k8s.io')
  })
  await t.test('a log as base64', async () => {
    const [, text = ''] = await messages(connect(`${pods}/web/log`, ['base64.binary.k8s.io']), () => false)
    assert.equal(Buffer.from(text, 'base64').toString(), 'log of /containerLogs/default/web/c')
  })
  await t.test('a watch, each event a message', async () => {
    const socket = connect(`${pods}?watch=true&fieldSelector=metadata.name%3Dweb`, [])
    const [text = ''] = await messages(socket, (all) => all.length === 1)
    const event = JSON.parse(text) as { type: string; object: { kind: string; metadata: { name: string } } }
    assert.deepEqual([event.type, event.object.kind, event.object.metadata.name], ['ADDED', 'Pod', 'web'])
    socket.terminate()
  })
  await t.test('a watch that cannot begin, one message that says why', async () => {
    const [text = ''] = await messages(connect(`${pods}?watch=true&resourceVersion=1`, []), () => false)
    const event = JSON.parse(text) as { type: string; object: { code: number } }
    assert.deepEqual([event.type, event.object.code], ['ERROR', 410])
  })
})
