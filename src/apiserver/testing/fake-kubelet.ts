import { once } from 'node:events'
import { createServer } from 'node:https'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { constants, createInflate } from 'node:zlib'
import { headerBlock } from '../connect/spdy.ts'

/** What a command in the fake kubelet's only container sees and does. */
export interface FakeCommand {
  path: string
  /** Stream names in the order in which the client opened them. */
  streams: string[]
  onStdin(handler: (data: Buffer) => void, onEnd: () => void): void
  onResize(handler: (size: { Width: number; Height: number }) => void): void
  write(stream: 'stdout' | 'stderr', data: string | Buffer): void
  /** Ends as container runtimes do: the last words on the error stream, then every stream reset and the connection closed. */
  exit(status: string): void
}

export interface FakeKubelet extends AsyncDisposable { readonly port: number; readonly requests: string[]; readonly openSessions: number; onSessionEnd(handler: () => void): void }

// SPDY/3's header dictionary is data; only the test's server, which must read compressed headers, needs it.
const dictionary = (createRequire(import.meta.url)('spdy-transport/lib/spdy-transport/protocol/spdy/dictionary.js') as Record<string, Buffer>)['3.1']!

/** An HTTPS server that answers logs with their own path, and exec and attach with a SPDY/3.1 session handed to `run`; `/portForward/` echoes bytes, for the pod `ports` stream by stream. */
export async function startFakeKubelet(tls: { certificate: string; key: string }, run: (command: FakeCommand) => void): Promise<FakeKubelet> {
  const requests: string[] = []
  const sockets = new Set<Duplex>()
  let onSessionEnd: () => void = () => undefined
  const server = createServer({ cert: tls.certificate, key: tls.key }, (request, response) => {
    requests.push(`${request.method} ${request.url}`)
    if (request.url!.includes('/broken')) response.writeHead(400).end('container "c" in pod "broken" is waiting to start: ContainerCreating')
    else response.writeHead(200, { 'content-type': 'text/plain' }).end(`log of ${request.url}`)
  })
  server.on('upgrade', (request, socket: Duplex, head: Buffer) => {
    requests.push(`${request.method} ${request.url} ${request.headers.upgrade}`)
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => {
      sockets.delete(socket)
      onSessionEnd()
    })
    if (request.url!.includes('/refused/')) return void socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 25\r\n\r\ncontainer not found ("c")')
    const version = request.url!.startsWith('/portForward/') ? 'portforward.k8s.io' : 'v4.channel.k8s.io'
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${version}\r\n\r\n`)
    if (request.url!.includes('/ports?')) servePorts(socket, head)
    else if (version === 'portforward.k8s.io') socket.pipe(socket)
    else serveSession(socket, head, request.url!, run)
  })
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  return {
    port: (server.address() as AddressInfo).port, requests,
    get openSessions() { return sockets.size },
    onSessionEnd: (handler) => void (onSessionEnd = handler),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function namesIn(block: Buffer): Record<string, string> {
  const headers: Record<string, string> = {}
  let at = 0
  const number = (): number => block.readUInt32BE((at += 4) - 4)
  const text = (): string => {
    const length = number()
    return block.toString('utf8', at, (at += length))
  }
  for (let left = number(); left > 0; left--) headers[text()] = text()
  return headers
}

interface Session {
  onStream(id: number, headers: Record<string, string>): void
  onData(id: number, data: Buffer, isEnd: boolean): void
}

/** Reads a client's frames; headers are inflated asynchronously, and data behind them waits. */
function readSession(socket: Duplex, head: Buffer, session: Session): void {
  const inflate = createInflate({ dictionary, finishFlush: constants.Z_SYNC_FLUSH })
  let buffer = head
  inflate.on('error', (error) => socket.destroy(error))
  let isReading = false
  const read = async (): Promise<void> => {
    if (isReading) return
    isReading = true
    await readFrames()
    isReading = false
  }
  const readFrames = async (): Promise<void> => {
    while (buffer.length >= 8) {
      const length = buffer.readUInt32BE(4) & 0xffffff
      if (buffer.length < 8 + length) return
      const [word, flags, payload] = [buffer.readUInt32BE(0), buffer[4]!, buffer.subarray(8, 8 + length)]
      buffer = buffer.subarray(8 + length)
      if (word < 0x80000000) {
        session.onData(word, payload, (flags & 1) !== 0)
        continue
      }
      if ((word & 0xffff) !== 1) continue
      inflate.write(payload.subarray(10))
      const [block] = (await once(inflate, 'data')) as [Buffer]
      session.onStream(payload.readUInt32BE(0), namesIn(block))
    }
  }
  socket.on('data', (chunk: Buffer) => {
    buffer = Buffer.concat([buffer, chunk])
    void read()
  })
  void read()
}

function frameWriter(socket: Duplex): (first: number, second: number, payload: Buffer) => void {
  return (first, second, payload) => {
    const start = Buffer.alloc(8)
    start.writeUInt32BE(first >>> 0, 0)
    start.writeUInt32BE(second >>> 0, 4)
    socket.write(Buffer.concat([start, payload]))
  }
}

/** Ports answer each piece with their number in front of it, and end when they read `end`; port 1 fails. */
function servePorts(socket: Duplex, head: Buffer): void {
  const frame = frameWriter(socket)
  const streams = new Map<number, { port: string; type: string }>()
  const idOf = (port: string, type: string): number => [...streams].find(([, each]) => each.port === port && each.type === type)![0]
  const end = (id: number): void => frame(id, 0x01000000, Buffer.alloc(0))
  readSession(socket, head, {
    onStream(id, { port, streamtype }) {
      streams.set(id, { port: port!, type: streamtype! })
      if (port !== '1' || streamtype !== 'data') return
      const text = Buffer.from('connection refused')
      frame(idOf('1', 'error'), text.length, text)
      end(idOf('1', 'error'))
      end(id)
    },
    onData(id, data) {
      const { port, type } = streams.get(id)!
      if (type !== 'data' || data.length === 0) return
      const text = Buffer.concat([Buffer.from(`${port}:`), data])
      frame(id, text.length, text)
      if (data.toString() !== 'end') return
      end(idOf(port, 'error'))
      end(id)
    },
  })
}

function serveSession(socket: Duplex, head: Buffer, path: string, run: (command: FakeCommand) => void): void {
  const ids = new Map<string, number>()
  const names = new Map<number, string>()
  let stdin: [(data: Buffer) => void, () => void] = [() => undefined, () => undefined]
  let onResize: (size: { Width: number; Height: number }) => void = () => undefined
  const wanted = 1 + ['input=1', 'output=1', 'error=1'].filter((option) => path.includes(option)).length
  const frame = frameWriter(socket)
  const data = (name: string, bytes: Buffer): void => frame(ids.get(name)!, bytes.length, bytes)
  const command: FakeCommand = {
    path, get streams() { return [...names.values()] },
    onStdin: (handler, onEnd) => void (stdin = [handler, onEnd]),
    onResize: (handler) => void (onResize = handler),
    write: (name, bytes) => data(name, Buffer.from(bytes)),
    exit(status) {
      data('error', Buffer.from(status))
      for (const id of ids.values()) {
        const body = Buffer.alloc(8)
        body.writeUInt32BE(id, 0)
        body.writeUInt32BE(5, 4)
        frame(0x80030003, body.length, body)
      }
      socket.end()
    },
  }
  const opened = (id: number, headers: Record<string, string>): void => {
    ids.set(headers.streamtype!, id)
    names.set(id, headers.streamtype!)
    // A reply without headers, as Go's spdystream sends it, behind a ping.
    const start = Buffer.alloc(4)
    start.writeUInt32BE(id, 0)
    const reply = Buffer.concat([start, headerBlock({}, ids.size === 1)])
    frame(0x80030006, 4, Buffer.from([0, 0, 0, 2]))
    frame(0x80030002, reply.length, reply)
    if (names.size === wanted + (path.includes('tty=1') ? (path.includes('error=1') ? 0 : 1) : 0)) run(command)
  }
  readSession(socket, head, {
    onStream: opened,
    onData(id, payload, isEnd) {
      const name = names.get(id)
      if (name === 'resize' && payload.length > 0) onResize(JSON.parse(payload.toString()) as { Width: number; Height: number })
      if (name === 'stdin' && payload.length > 0) stdin[0](payload)
      if (name === 'stdin' && isEnd) stdin[1]()
    },
  })
}
