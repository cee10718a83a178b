import { builtinResources } from '../../api/builtin.ts'
import type { UserInfo } from '../../api/resource.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { Store } from '../../store/store.ts'
import type { Authenticator, Authorizer } from '../context.ts'
import { startApiServer, type ApiServer, type ApiServerOptions } from '../server.ts'
import { loopbackCertificate } from './certificate.ts'

const admin: UserInfo = { username: 'admin', groups: ['system:masters'] }

/** `Authorization: Bearer NAME` is user NAME; without one, and unless anonymity is wanted, the request is the administrator's. */
export function nameAuthenticator(): Authenticator {
  return {
    name: 'test',
    authenticate: ({ headers }) => {
      if (headers.authorization === undefined || headers.authorization === 'Bearer bench-token') return admin
      const [, name = ''] = headers.authorization.split(' ')
      return name === 'nobody' ? undefined : { username: name, groups: [] }
    },
  }
}

/** Lets the administrator do everything, and others nothing. */
export function adminOnly(): Authorizer {
  return { name: 'test', authorize: ({ user }) => (user.groups.includes('system:masters') ? { decision: 'allow', reason: '' } : { decision: 'noOpinion', reason: '' }) }
}

/** An API server with all built-in resources on a loopback port, everyone being the administrator unless they name themselves. */
export async function startTestServer(runtime: Runtime, store: Store, options: Partial<ApiServerOptions> = {}): Promise<ApiServer & { certificate: string }> {
  const tls = await loopbackCertificate(runtime.clock.now())
  const server = await startApiServer({
    runtime, store, resources: builtinResources(), listen: [{ host: '127.0.0.1', port: 0 }], tls,
    authenticators: [nameAuthenticator], authorizers: [adminOnly], admission: [], subresources: [], hooks: [], ...options,
  })
  await server.ready()
  return Object.assign(server, { certificate: tls.certificate })
}
