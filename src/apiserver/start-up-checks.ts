import type { HealthCheck } from './health.ts'

const hook = (name: string): string => `poststarthook/${name}`

/**
 * Steps that kube-apiserver takes one by one and this server takes as one: they are checked under each of the names, which
 * clients (and upstream's own tests) look for.
 */
const partsOf: Readonly<Record<string, readonly string[]>> = {
  'informer-sync': ['start-apiserver-admission-initializer', 'generic-apiserver-start-informers'].map(hook),
  [hook('crd-informer-synced')]: ['start-apiextensions-informers', 'start-apiextensions-controllers'].map(hook),
  [hook('apiservice-registration-controller')]: [hook('start-kube-aggregator-informers')],
  [hook('apiservice-status-remote-available-controller')]: [hook('apiservice-status-local-available-controller')],
  [hook('apiservice-openapi-controller')]: [hook('apiservice-openapiv3-controller')],
  [hook('kube-apiserver-autoregistration')]: ['autoregister-completion'],
  [hook('priority-and-fairness-config-consumer')]: ['priority-and-fairness-filter', 'storage-object-count-tracker-hook'].map(hook),
}

/** The steps of starting up, as health checks. `informers` is a check of its own elsewhere; here it stands for its parts only. */
export function startUpChecks(informers: HealthCheck, steps: readonly HealthCheck[]): HealthCheck[] {
  const parts = (step: HealthCheck): HealthCheck[] => (partsOf[step.name] ?? []).map((name) => ({ name, check: () => step.check() }))
  return [...parts(informers), ...steps.flatMap((step) => [step, ...parts(step)])]
}
