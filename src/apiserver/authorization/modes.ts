import type { AuthorizationWebhookOptions } from './webhook.ts'

/** By the names of `--authorization-mode`. */
export const authorizationModes = ['ABAC', 'AlwaysAllow', 'AlwaysDeny', 'Node', 'RBAC', 'Webhook'] as const
export type AuthorizationMode = (typeof authorizationModes)[number]

/** One authorizer of a chain. */
export type AuthorizerSettings = { type: Exclude<AuthorizationMode, 'Webhook'>; name: string } | { type: 'Webhook'; name: string; webhook: AuthorizationWebhookOptions }

/** How long a webhook's answers hold where nothing is said. */
export const defaultTtlMs = { authorized: 5 * 60_000, unauthorized: 30_000 } as const

/** The `--authorization-webhook-*` flags. */
export interface AuthorizationWebhookFlags { kubeconfig: string; version?: 'v1' | 'v1beta1'; authorizedTtlMs?: number; unauthorizedTtlMs?: number }

/** The flags as a file would say it. Throws for `Webhook` without a kubeconfig, and for a mode given twice. */
export function authorizersOfFlags(modes: readonly AuthorizationMode[], webhook?: AuthorizationWebhookFlags): AuthorizerSettings[] {
  const twice = modes.find((mode, i) => modes.indexOf(mode) < i)
  if (twice !== undefined) throw new Error(`--authorization-mode ${JSON.stringify(modes.join(','))} has mode specified more than once`)
  return modes.map((type) => {
    if (type !== 'Webhook') return { type, name: type.toLowerCase() }
    if (webhook === undefined) throw new Error('authorization-mode Webhook\'s authorization config file not passed')
    return {
      type, name: 'default',
      webhook: {
        name: 'default', kubeconfig: webhook.kubeconfig, version: webhook.version ?? 'v1beta1', timeoutMs: 30_000, onError: 'noOpinion' as const,
        authorizedTtlMs: webhook.authorizedTtlMs ?? defaultTtlMs.authorized, unauthorizedTtlMs: webhook.unauthorizedTtlMs ?? defaultTtlMs.unauthorized,
      },
    }
  })
}
