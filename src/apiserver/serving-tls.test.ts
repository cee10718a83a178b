import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { connect, type ConnectionOptions } from 'node:tls'
import { memoryLogger } from '../runtime/log.ts'
import { systemRuntime, testRuntime } from '../runtime/runtime.ts'
import { serveHttps, type HttpServer } from './http-server.ts'
import { followServingFiles, NamedContexts, type ServingTls } from './serving-tls.ts'
import { loopbackCertificate } from './testing/certificate.ts'

const runtime = systemRuntime(memoryLogger())
const pair = await loopbackCertificate(runtime.clock.now())
const other = await loopbackCertificate(runtime.clock.now())

async function serve(tls: ServingTls): Promise<HttpServer & { shake(options?: ConnectionOptions): Promise<{ protocol: string; alpn: string; serial: string }> }> {
  const http = await serveHttps({ runtime, listen: [{ host: '127.0.0.1', port: 0 }], tls, handle: async () => ({ status: 200, headers: {}, bytes: 'ok' }) })
  return Object.assign(http, {
    async shake(options: ConnectionOptions = {}) {
      const socket = connect({ host: '127.0.0.1', port: http.addresses[0]!.port, rejectUnauthorized: false, ALPNProtocols: ['h2', 'http/1.1'], ...options })
      try {
        await once(socket, 'secureConnect')
        return { protocol: socket.getProtocol() ?? '', alpn: String(socket.alpnProtocol), serial: socket.getPeerX509Certificate()?.serialNumber ?? '' }
      } finally {
        socket.destroy()
      }
    },
  })
}

test('HTTP/2 can be switched off, old TLS versions refused', async () => {
  await using both = await serve(pair)
  assert.equal((await both.shake()).alpn, 'h2')
  await using one = await serve({ ...pair, http2: false, minVersion: 'TLSv1.3' })
  const { alpn, protocol } = await one.shake()
  assert.deepEqual([alpn, protocol], ['http/1.1', 'TLSv1.3'])
  await assert.rejects(one.shake({ maxVersion: 'TLSv1.2' }))
})

test('a name that a client asks for chooses the certificate', async () => {
  await using server = await serve({ ...pair, sni: [{ ...other, names: ['*.example.com', 'plain.example'] }] })
  const standard = (await server.shake()).serial
  const named = (await server.shake({ servername: 'a.example.com' })).serial
  assert.notEqual(named, standard)
  assert.equal((await server.shake({ servername: 'PLAIN.example' })).serial, named)
  assert.equal((await server.shake({ servername: 'b.a.example.com' })).serial, standard)
  const contexts = new NamedContexts({ ...pair, sni: [{ ...other, names: [] }] })
  assert.notEqual(contexts.find('localhost'), undefined, 'names of the certificate itself')
})

test('files that change are served from then on; what does not fit together leaves all as it was', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'serving-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const files = { certificate: join(folder, 'a.crt'), key: join(folder, 'a.key') }
  writeFileSync(files.certificate, pair.certificate)
  writeFileSync(files.key, pair.key)
  const tls = { ...pair, files }
  await using server = await serve(tls)
  const stopped = new AbortController()
  t.after(() => stopped.abort())
  const before = (await server.shake()).serial
  const fake = testRuntime()
  const renewed = Promise.withResolvers<void>()
  followServingFiles(tls, fake, stopped.signal, (changed) => {
    server.renew(changed)
    renewed.resolve()
  })
  writeFileSync(files.certificate, other.certificate)
  await fake.clock.advance(1_000)
  while (!fake.log.lines.some(({ level }) => level === 'error')) await setImmediate()
  assert.equal((await server.shake()).serial, before)
  writeFileSync(files.key, other.key)
  await fake.clock.advance(1_000)
  await renewed.promise
  assert.notEqual((await server.shake()).serial, before)
})

test('a client that calls an address and asks for no name is shown what was given for that address', async () => {
  await using server = await serve({ ...pair, sni: [{ ...other, names: ['127.0.0.1'] }] })
  const named = (await server.shake()).serial
  const { serial, alpn } = await server.shake({ ALPNProtocols: ['http/1.1'] })
  assert.deepEqual([serial, alpn], [named, 'http/1.1'])
  const standard = (await server.shake({ servername: 'a.example.com' })).serial
  assert.notEqual(named, standard)
  // Addresses inside of certificates count for nothing, nor does a common name that is one.
  await using unnamed = await serve({ ...pair, sni: [{ ...other, names: [] }] })
  assert.equal((await unnamed.shake()).serial, standard)
})
