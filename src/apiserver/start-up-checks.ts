import type { HealthCheck } from './health.ts'

/**
 * The checks of starting up in kube-apiserver's order, each with the step of this server that it stands for where that has another name:
 * what kube-apiserver takes one by one and this server takes as one is checked under each of the names, which clients (and upstream's own tests) look for.
 */
const order: ReadonlyArray<readonly [string, string?]> = [
  ['start-apiserver-admission-initializer', 'informer-sync'],
  ['generic-apiserver-start-informers', 'informer-sync'],
  ['priority-and-fairness-config-consumer'],
  ['priority-and-fairness-filter', 'priority-and-fairness-config-consumer'],
  ['storage-object-count-tracker-hook', 'informer-sync'],
  ['start-apiextensions-informers', 'crd-informer-synced'],
  ['start-apiextensions-controllers', 'crd-informer-synced'],
  ['crd-informer-synced'],
  ['start-system-namespaces-controller'],
  ['peer-endpoint-reconciler-controller', 'start-kube-apiserver-identity-lease-controller'],
  ['start-cluster-authentication-info-controller'],
  ['start-kube-apiserver-identity-lease-controller'],
  ['start-kube-apiserver-identity-lease-garbage-collector'],
  ['storage-readiness', 'informer-sync'],
  ['start-legacy-token-tracking-controller'],
  ['start-service-ip-repair-controllers'],
  ['rbac/bootstrap-roles'],
  ['scheduling/bootstrap-system-priority-classes'],
  ['priority-and-fairness-config-producer'],
  ['bootstrap-controller'],
  ['start-kubernetes-service-cidr-controller'],
  ['aggregator-reload-proxy-client-cert', 'apiservice-registration-controller'],
  ['start-kube-aggregator-informers', 'apiservice-registration-controller'],
  ['apiservice-status-local-available-controller', 'apiservice-status-remote-available-controller'],
  ['apiservice-status-remote-available-controller'],
  ['apiservice-registration-controller'],
  ['apiservice-wait-for-first-sync', 'apiservice-registration-controller'],
  ['apiservice-discovery-controller'],
  ['kube-apiserver-autoregistration'],
  ['autoregister-completion', 'kube-apiserver-autoregistration'],
  ['apiservice-openapi-controller'],
  ['apiservice-openapiv3-controller', 'apiservice-openapi-controller'],
]

/** No start-up hook upstream, but a check beside them. */
const bare = new Set(['autoregister-completion'])
const prefix = 'poststarthook/'

/** The steps of starting up, as health checks. `informers` is a check of its own elsewhere; here it stands for its parts only. */
export function startUpChecks(informers: HealthCheck, steps: readonly HealthCheck[]): HealthCheck[] {
  const byName = new Map([informers, ...steps].map((step) => [step.name.replace(prefix, ''), step]))
  const known = order.flatMap(([name, step = name]): HealthCheck[] => {
    const found = byName.get(step)
    return found === undefined ? [] : [{ name: bare.has(name) ? name : `${prefix}${name}`, check: () => found.check() }]
  })
  const names = new Set(known.map(({ name }) => name))
  return [...known, ...steps.filter(({ name }) => !names.has(name))]
}
