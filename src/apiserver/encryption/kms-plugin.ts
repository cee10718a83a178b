import type { Runtime } from '../../runtime/runtime.ts'
import { grpcCodeName, type EncryptionMetrics } from './encryption-metrics.ts'
import type { KmsProvider } from './encryption-configuration.ts'
import { decodeDecrypted, decodeEncrypted, decodeStatus, encodeDecryptRequest, encodeEncryptRequest, type KmsDecryptRequest, type KmsEncrypted, type KmsStatus } from './kms-messages.ts'

/** A KMS plugin (https://kubernetes.io/docs/tasks/administer-cluster/kms-provider/). Every call ends by the provider's timeout. */
export interface KmsPlugin extends Disposable {
  status(): Promise<KmsStatus>
  encrypt(plaintext: Uint8Array, uid: string): Promise<KmsEncrypted>
  decrypt(request: KmsDecryptRequest): Promise<Buffer>
}

const service = '/v2.KeyManagementService'

/** Connects when it is first called, and again when the connection is lost. */
export async function kmsPlugin(provider: KmsProvider, runtime: Runtime, metrics: EncryptionMetrics): Promise<KmsPlugin> {
  const { Client, credentials, Metadata, status } = await import('@grpc/grpc-js')
  const client = new Client(addressOf(provider.endpoint), credentials.createInsecure(), { 'grpc.initial_reconnect_backoff_ms': 100, 'grpc.max_reconnect_backoff_ms': 2_000 })
  // A plugin that is being started anew is waited for, as long as the call may take.
  const waiting = new Metadata({ waitForReady: true })
  const call = <T>(method: string, message: Buffer, decode: (bytes: Buffer) => T): Promise<T> => new Promise((resolve, reject) => {
    const begunMs = runtime.clock.monotonicMs()
    const deadline = runtime.clock.now() + provider.timeoutMs
    client.makeUnaryRequest(`${service}/${method}`, (bytes: Buffer) => bytes, decode, message, waiting, { deadline }, (error, answer) => {
      metrics.called(provider.name, `${service}/${method}`, begunMs, error?.code ?? 0)
      if (error !== null) reject(new Error(`rpc error: code = ${grpcCodeName(error.code)} desc = ${error.code === status.DEADLINE_EXCEEDED ? 'context deadline exceeded' : error.details}`, { cause: error }))
      else if (answer === undefined) reject(new Error(`the plugin ${provider.name} answered ${method} with nothing`))
      else resolve(answer)
    })
  })
  return {
    status: () => call('Status', Buffer.alloc(0), decodeStatus),
    encrypt: (plaintext, uid) => call('Encrypt', encodeEncryptRequest(plaintext, uid), decodeEncrypted),
    decrypt: (request) => call('Decrypt', encodeDecryptRequest(request), decodeDecrypted),
    [Symbol.dispose]: () => client.close(),
  }
}

/** `unix:///run/kms.sock`, or `unix:///@kms` for a name of Linux' abstract namespace, as gRPC writes them. */
function addressOf(endpoint: string): string {
  const path = endpoint.replace(/^unix:(\/\/)?/, '')
  const abstract = /^\/?@(.+)$/.exec(path)?.[1]
  return abstract === undefined ? `unix:${path}` : `unix-abstract:${abstract}`
}
