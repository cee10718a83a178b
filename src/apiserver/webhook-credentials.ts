import { readFile } from 'node:fs/promises'
import { loadKubeconfig, type KubeconfigUser } from '../client/kubeconfig.ts'
import type { WebhookTarget } from './webhook-client.ts'

/** Who this server is to webhooks: from a kubeconfig whose users are named for the webhooks they are meant for. */
export interface WebhookCredentials {
  certificateFor(target: WebhookTarget): Promise<{ cert: string; key: string } | undefined>
  headersFor(target: WebhookTarget): Promise<Readonly<Record<string, string>>>
}

/**
 * Reads the file that `kubeConfigFile` of the WebhookAdmission configuration names. A user is chosen as upstream does
 * (documentation, "Authenticate API servers"): by `host:port` or `name.namespace.svc:port`, the same without `:443`, with a leading
 * `*.`, by `*`, or the user of the current context.
 */
export async function webhookCredentials(file: string): Promise<WebhookCredentials> {
  const config = await loadKubeconfig(file)
  const users = new Map(config.users.map(({ name, user }) => [name, user]))
  const current = config.contexts.find(({ name }) => name === config['current-context'])?.context.user
  const textOf = async (data: string | undefined, path: string | undefined): Promise<string | undefined> =>
    data !== undefined ? Buffer.from(data, 'base64').toString('utf8') : path === undefined ? undefined : await readFile(path, 'utf8')

  function userFor(target: WebhookTarget): KubeconfigUser | undefined {
    const name = namesOf(hostOf(target)).find((candidate) => users.has(candidate)) ?? (users.has('*') ? '*' : current)
    return name === undefined ? undefined : users.get(name)
  }

  return {
    async certificateFor(target) {
      const user = userFor(target)
      if (user === undefined) return undefined
      const cert = await textOf(user['client-certificate-data'], user['client-certificate'])
      const key = await textOf(user['client-key-data'], user['client-key'])
      return cert === undefined || key === undefined ? undefined : { cert, key }
    },
    async headersFor(target): Promise<Readonly<Record<string, string>>> {
      const user = userFor(target)
      if (user === undefined) return {}
      // Token files are renewed in place.
      const token = user.tokenFile === undefined ? user.token : (await readFile(user.tokenFile, 'utf8')).trim()
      if (token !== undefined && token !== '') return { authorization: `Bearer ${token}` }
      const { username, password } = user as { username?: string; password?: string }
      return username === undefined ? {} : { authorization: `Basic ${Buffer.from(`${username}:${password ?? ''}`).toString('base64')}` }
    },
  }
}

function hostOf({ url, service }: WebhookTarget): string {
  if (url !== undefined && url !== '') {
    const { hostname, port } = new URL(url)
    return `${hostname}:${port === '' ? '443' : port}`
  }
  return service === undefined ? '' : `${service.name}.${service.namespace}.svc:${service.port ?? 443}`
}

/** Names that a user for a host may have, in the order in which they count. */
function namesOf(host: string): string[] {
  const forms = host.endsWith(':443') ? [host, host.slice(0, -4)] : [host]
  return forms.flatMap((form) => {
    const steps = form.split('.')
    return [form, ...steps.slice(1).map((_, i) => `*.${steps.slice(i + 1).join('.')}`)]
  })
}
