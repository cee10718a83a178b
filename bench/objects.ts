import type { Endpoint } from './endpoint.ts'
import { Http1Connection } from './http1.ts'
import type { WorkContext } from './work.ts'

export function expectStatus(status: number, wanted: number, what: string): void {
  if (status !== wanted) throw new Error(`${what} was answered with ${status}, not ${wanted}`)
}

/** A ConfigMap of about 350 bytes. */
export function configMap(name: string): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, labels: { app: 'bench' } }, data: { key: 'value', more: 'x'.repeat(200) } })
}

/** A pod of about 2.4 KB once it is stored, as one of a Deployment is. `nodeName` keeps the scheduler out of it. */
export function pod(name: string, options: { nodeName?: string; terminationGracePeriodSeconds?: number } = {}): string {
  const env = Array.from({ length: 8 }, (_, i) => ({ name: `VARIABLE_${i}`, value: `some-longer-value-of-a-variable-${i}-${name}` }))
  const probe = { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 10 }
  return JSON.stringify({
    apiVersion: 'v1', kind: 'Pod', metadata: { name, labels: { app: 'web', 'pod-template-hash': '5d9c6f' }, annotations: { note: 'x'.repeat(120) } },
    spec: {
      ...options,
      containers: [{ name: 'web', image: 'registry.example.com/web:1.2.3', env, ports: [{ containerPort: 8080 }], resources: { requests: { cpu: '100m', memory: '64Mi' } }, readinessProbe: probe, livenessProbe: probe }],
    },
  })
}

/** A namespace of one measurement's own. */
export interface BenchNamespace extends AsyncDisposable { readonly name: string; /** A connection for what is not measured. */ readonly connection: Http1Connection; /** `/api/v1/namespaces/NAME/RESOURCE`. */ path(resource: string): string }

/** Makes a namespace in which pods can be created; disposing it empties and deletes it. */
export async function makeNamespace(endpoint: Endpoint, context: WorkContext): Promise<BenchNamespace> {
  const name = `bench-${context.runtime.random.suffix(8)}`
  const connection = await Http1Connection.open(endpoint)
  const path = (resource: string): string => `/api/v1/namespaces/${name}/${resource}`
  const made = await connection.request('POST', '/api/v1/namespaces', { body: JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }), keepBody: true })
  if (made.status !== 201) throw new Error(`${endpoint.name} refused namespace ${name}: ${made.body.toString().slice(0, 500)}`)
  // A controller makes it too, where one runs; pods are refused until it is there.
  const account = await connection.request('POST', path('serviceaccounts'), { body: JSON.stringify({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } }) })
  if (account.status !== 201 && account.status !== 409) throw new Error(`${endpoint.name} refused a service account with ${account.status}`)
  return {
    name, connection, path,
    async [Symbol.asyncDispose]() {
      for (const resource of ['pods', 'configmaps']) await connection.request('DELETE', `${path(resource)}?gracePeriodSeconds=0`)
      await connection.request('DELETE', `/api/v1/namespaces/${name}`)
      connection.close()
    },
  }
}
