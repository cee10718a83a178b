import { Client, credentials, Metadata } from '@grpc/grpc-js'
import type { Runtime } from '../../runtime/runtime.ts'
import { codecFor } from './codec.ts'

/** The part of containerd's own events API (`containerd.services.events.v1`) that tells when something of a container changed. */
const codec = codecFor({ SubscribeRequest: { filters: '1 string[]' }, Envelope: { namespace: '2 string', topic: '3 string' } } as const, {})

const topics = ['/tasks/exit', '/tasks/oom', '/tasks/paused']
const reconnectMs = 5000

/**
 * Calls `onEvent` when containerd says that a task of its CRI has ended, sooner than looking would tell. A runtime without
 * these events is no error: then only looking tells. Disposing ends the subscription.
 */
export function followContainerdEvents(socketPath: string, runtime: Runtime, onEvent: (topic: string) => void): Disposable {
  const client = new Client(`unix://${socketPath}`, credentials.createInsecure(), { 'grpc.default_authority': 'localhost' })
  let retry: Disposable | undefined
  let ended = false
  let call: { cancel(): void } | undefined
  const connect = (): void => {
    const stream = client.makeServerStreamRequest(
      '/containerd.services.events.v1.Events/Subscribe', (value: { filters: readonly string[] }) => codec.encode('SubscribeRequest', value), (bytes: Buffer) => codec.decode('Envelope', bytes),
      { filters: topics.map((topic) => `topic=="${topic}",namespace==k8s.io`) }, new Metadata(),
    )
    call = stream
    let done = false
    const again = (cause?: Error): void => {
      if (ended || done) return
      done = true
      runtime.log.debug('no events from the container runtime; connecting anew', { err: cause })
      retry = runtime.clock.timer(reconnectMs, connect, { background: true })
    }
    stream.on('data', (envelope: { topic: string }) => onEvent(envelope.topic))
    stream.on('error', again)
    stream.on('end', () => again())
  }
  connect()
  return {
    [Symbol.dispose]() {
      ended = true
      retry?.[Symbol.dispose]()
      call?.cancel()
      client.close()
    },
  }
}
