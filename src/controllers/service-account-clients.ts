import type { TokenRequest } from '../api/types/authentication.k8s.io_v1.ts'
import { createClient } from '../client/api.ts'
import type { Client } from '../client/client.ts'
import { httpTransport, type HttpTransportOptions } from '../client/http.ts'
import { serviceAccounts } from '../client/resources.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { createUnlessThere } from './serviceaccount/service-account.ts'

const namespace = 'kube-system'
const tokenLifeSeconds = 3600

export interface ServiceAccountClientsOptions extends Pick<HttpTransportOptions, 'server' | 'caData' | 'serverName' | 'insecureSkipTlsVerify'> {
  /** May create service accounts in kube-system and tokens for them. */
  client: Client
  runtime: Runtime
}

/** Clients for controllers that run over HTTP, each as its own service account in kube-system, with tokens renewed as they age. */
export interface ServiceAccountClients extends AsyncDisposable { clientFor(name: string): Client }

export function serviceAccountClients({ client, runtime, ...connection }: ServiceAccountClientsOptions): ServiceAccountClients {
  const made = new Map<string, Client>()
  return {
    clientFor(name) {
      const known = made.get(name)
      if (known !== undefined) return known
      const transport = httpTransport({ ...connection, runtime, userAgent: `kube-controller-manager/v1.36.0 (${name})`, token: tokenSource(client, runtime, name) })
      const fresh = createClient(transport)
      made.set(name, fresh)
      return fresh
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...made.values()].map(({ transport }) => transport[Symbol.asyncDispose]()))
    },
  }
}

/** The account's token, asked for anew when four fifths of its life are over; those who ask meanwhile share the answer. */
export function tokenSource(client: Client, runtime: Runtime, name: string): () => Promise<string> | string {
  let token = ''
  let renewAtMs = -Infinity
  let asking: Promise<string> | undefined
  const ask = async (): Promise<string> => {
    try {
      await createUnlessThere(() => client.create(serviceAccounts, { metadata: { name, namespace } }))
      const request: TokenRequest = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', metadata: {}, spec: { audiences: [], expirationSeconds: tokenLifeSeconds } }
      const { status } = await client.createSubresource(serviceAccounts, namespace, name, 'token', request)
      if (status?.token === undefined) throw new Error(`the server gave no token for the service account ${namespace}/${name}`)
      token = status.token
      renewAtMs = runtime.clock.monotonicMs() + tokenLifeSeconds * 800
      return token
    } finally {
      asking = undefined
    }
  }
  return () => (runtime.clock.monotonicMs() < renewAtMs ? token : (asking ??= ask()))
}
