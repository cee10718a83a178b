import type { MutatingWebhook, ValidatingWebhook } from '../../../api/types/admissionregistration.k8s.io_v1.ts'
import { selectorFromLabelSelector, type Selector } from '../../../machinery/labels.ts'
import type { KubeObject } from '../../../machinery/object.ts'
import type { ApiServerCore } from '../../core.ts'
import { readiness, type Readiness } from '../../authorization/readiness.ts'

export type WebhookKind = 'mutating' | 'validating'

/** One webhook of one configuration. */
export interface Hook {
  /** `configuration/name/ordinal`: names need not be unique. */
  readonly id: string
  /** Its place among all webhooks of its kind. */
  readonly index: number
  readonly configuration: string
  readonly webhook: Readonly<MutatingWebhook & ValidatingWebhook>
  readonly namespaceSelector: Selector
  readonly objectSelector: Selector
  /** For what is compiled from it, as long as the configuration stands unchanged. */
  readonly compiled: { matchConditions?: unknown }
}

interface Configuration extends KubeObject { webhooks?: readonly (MutatingWebhook & ValidatingWebhook)[] }

/** The webhooks of one kind that are configured: by name of their configuration, and within it as it lists them. */
export interface Hooks {
  readonly readiness: Readiness
  /** Another list after each change of the configurations. */
  all(): readonly Hook[]
}

const resources: Readonly<Record<WebhookKind, string>> = {
  mutating: 'mutatingwebhookconfigurations.admissionregistration.k8s.io', validating: 'validatingwebhookconfigurations.admissionregistration.k8s.io',
}

/** Follows the configurations of a kind: what is written applies from then on, without a restart. */
export function configuredHooks(core: ApiServerCore, kind: WebhookKind): Hooks {
  const resource = resources[kind]
  const compiled = new WeakMap<KubeObject, readonly Omit<Hook, 'index'>[]>()
  let hooks: readonly Hook[] | undefined
  const ready = readiness(() => core.reader.whenReady([resource]))
  const subscription = core.reader.onChange(resource, () => {
    hooks = undefined
  })
  core.signal.addEventListener('abort', () => subscription[Symbol.dispose](), { once: true })

  function hooksOf(configuration: Configuration): readonly Omit<Hook, 'index'>[] {
    const known = compiled.get(configuration)
    if (known !== undefined) return known
    const name = configuration.metadata.name!
    const seen = new Map<string, number>()
    const made = (configuration.webhooks ?? []).map((webhook) => {
      const ordinal = seen.get(webhook.name) ?? 0
      seen.set(webhook.name, ordinal + 1)
      return {
        id: `${name}/${webhook.name}/${ordinal}`, configuration: name, webhook, compiled: {},
        namespaceSelector: selectorFromLabelSelector(webhook.namespaceSelector ?? {}), objectSelector: selectorFromLabelSelector(webhook.objectSelector ?? {}),
      }
    })
    compiled.set(configuration, made)
    return made
  }

  return {
    readiness: ready,
    all: () => (hooks ??= (core.reader.list(resource) as readonly Configuration[])
      .toSorted((a, b) => (a.metadata.name! < b.metadata.name! ? -1 : 1))
      .flatMap(hooksOf).map((hook, index) => ({ ...hook, index }))),
  }
}
