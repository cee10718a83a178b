import type { WebhookClientConfig } from '../../api/types/apiextensions.k8s.io_v1.ts'
import type { ApiServerCore } from '../core.ts'
import { webhookClient, type WebhookClient } from '../webhook-client.ts'

const clients = new WeakMap<ApiServerCore, WebhookClient>()

/** POSTs JSON to a conversion webhook and resolves with the parsed answer. Rejects with `Error`s that read as Go's. */
export async function callWebhook(core: ApiServerCore, config: Readonly<WebhookClientConfig>, body: object, timeoutMs: number): Promise<unknown> {
  const client = clients.get(core) ?? webhookClient(core)
  clients.set(core, client)
  return await client.post(config, JSON.stringify(body), timeoutMs)
}
