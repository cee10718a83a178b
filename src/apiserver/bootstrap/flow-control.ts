import type { FlowSchema, PolicyRulesWithSubjects, PriorityLevelConfiguration, ResourcePolicyRule, Subject } from '../../api/types/flowcontrol.apiserver.k8s.io_v1.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { isReason } from '../../machinery/status.ts'
import type { ApiServerCore } from '../core.ts'
import { apiServerUser, ensure } from './ensure.ts'

/** The default API priority and fairness objects (KEP-1040; documentation, "API Priority and Fairness", defaults). */

const group = 'flowcontrol.apiserver.k8s.io'
const autoUpdate = 'apf.kubernetes.io/autoupdate-spec'
const head = { apiVersion: `${group}/v1` }

/** Name, shares, lendable percent, and queues with hand size (left out: no queue, requests beyond the limit are rejected). */
const limitedLevels: ReadonlyArray<readonly [string, number, number, { queues: number; handSize: number }?]> = [
  ['system', 30, 33, { queues: 64, handSize: 6 }],
  ['node-high', 40, 25, { queues: 64, handSize: 6 }],
  ['leader-election', 10, 0, { queues: 16, handSize: 4 }],
  ['workload-high', 40, 50, { queues: 128, handSize: 6 }],
  ['workload-low', 100, 90, { queues: 128, handSize: 6 }],
  ['global-default', 20, 50, { queues: 128, handSize: 6 }],
  ['catch-all', 5, 0],
]

export function defaultPriorityLevels(): PriorityLevelConfiguration[] {
  const metadata = (name: string): PriorityLevelConfiguration['metadata'] => ({ name, annotations: { [autoUpdate]: 'true' } })
  return [
    ...limitedLevels.map(([name, shares, lendablePercent, queuing]): PriorityLevelConfiguration => ({
      ...head, kind: 'PriorityLevelConfiguration', metadata: metadata(name),
      spec: {
        type: 'Limited',
        limited: {
          nominalConcurrencyShares: shares, lendablePercent,
          limitResponse: queuing === undefined ? { type: 'Reject' } : { type: 'Queue', queuing: { ...queuing, queueLengthLimit: 50 } },
        },
      },
    })),
    { ...head, kind: 'PriorityLevelConfiguration', metadata: metadata('exempt'), spec: { type: 'Exempt', exempt: { nominalConcurrencyShares: 0, lendablePercent: 0 } } },
  ]
}

const groups = (...names: string[]): Subject[] => names.map((name) => ({ kind: 'Group', group: { name } }))
const users = (...names: string[]): Subject[] => names.map((name) => ({ kind: 'User', user: { name } }))
const systemAccounts: Subject[] = [{ kind: 'ServiceAccount', serviceAccount: { name: '*', namespace: 'kube-system' } }]
const everybody = groups('system:unauthenticated', 'system:authenticated')

const anyResource = { verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'], clusterScope: true }
const leases = (verbs: string[]): ResourcePolicyRule => ({ verbs, apiGroups: ['coordination.k8s.io'], resources: ['leases'], namespaces: ['*'] })
const everything = (subjects: Subject[]): PolicyRulesWithSubjects => ({ subjects, resourceRules: [anyResource], nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }] })

/** Name, priority level, precedence, distinguisher ('': none), rules. */
const schemas: ReadonlyArray<readonly [string, string, number, '' | 'ByUser' | 'ByNamespace', PolicyRulesWithSubjects]> = [
  ['exempt', 'exempt', 1, '', everything(groups('system:masters'))],
  ['probes', 'exempt', 2, '', { subjects: everybody, nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/healthz', '/readyz', '/livez'] }] }],
  ['system-leader-election', 'leader-election', 100, 'ByUser', {
    subjects: [...users('system:kube-controller-manager', 'system:kube-scheduler'), ...systemAccounts], resourceRules: [leases(['get', 'create', 'update'])],
  }],
  ['system-node-high', 'node-high', 400, 'ByUser', {
    subjects: groups('system:nodes'),
    resourceRules: [{ verbs: ['*'], apiGroups: [''], resources: ['nodes', 'nodes/status'], namespaces: ['*'], clusterScope: true }, leases(['*'])],
  }],
  ['system-nodes', 'system', 500, 'ByUser', everything(groups('system:nodes'))],
  ['kube-controller-manager', 'workload-high', 800, 'ByNamespace', everything(users('system:kube-controller-manager'))],
  ['kube-scheduler', 'workload-high', 800, 'ByNamespace', everything(users('system:kube-scheduler'))],
  ['kube-system-service-accounts', 'workload-high', 900, 'ByNamespace', everything(systemAccounts)],
  ['service-accounts', 'workload-low', 9000, 'ByUser', everything(groups('system:serviceaccounts'))],
  ['global-default', 'global-default', 9900, 'ByUser', everything(everybody)],
  ['catch-all', 'catch-all', 10000, 'ByUser', everything(everybody)],
]

export function defaultFlowSchemas(): FlowSchema[] {
  return schemas.map(([name, level, matchingPrecedence, distinguisher, rules]) => ({
    ...head, kind: 'FlowSchema', metadata: { name, annotations: { [autoUpdate]: 'true' } },
    spec: {
      priorityLevelConfiguration: { name: level }, matchingPrecedence,
      ...(distinguisher === '' ? {} : { distinguisherMethod: { type: distinguisher } }), rules: [rules],
    },
  }))
}

/** Upstream's writer of these objects has a name of its own. */
const fieldManager = 'api-priority-and-fairness-config-producer-v1'
const mandatory = new Set(['exempt', 'catch-all'])
/** Objects are looked after this often (upstream: once a minute). */
const reconcilePeriodMs = 60_000

type Configuration = FlowSchema | PriorityLevelConfiguration

/** What the annotation says, as Go's `ParseBool` reads it; undefined for what is no boolean, or none. */
function followsOf(object: Configuration): boolean | undefined {
  const value = object.metadata.annotations?.[autoUpdate]
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(value ?? '')) return true
  return ['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(value ?? '') ? false : undefined
}

/**
 * Mandatory objects follow the defaults, others while their annotation says so or nobody has touched them; the annotation tells
 * which it is. How much of the server `exempt` counts for is the operator's to say.
 */
export function mendConfiguration<T extends Configuration>(current: T, wanted: T): T | undefined {
  const name = wanted.metadata.name ?? ''
  const follows = mandatory.has(name) || (followsOf(current) ?? current.metadata.generation === 1)
  const spec = structuredClone(wanted.spec) as T['spec']
  const exempt = 'type' in current.spec && name === 'exempt' ? current.spec.exempt : undefined
  if (exempt !== undefined && 'exempt' in spec) spec.exempt = { ...spec.exempt, ...exempt }
  const changesSpec = follows && !semanticEqual(current.spec, spec)
  if (followsOf(current) === follows && !changesSpec) return undefined
  const annotations = { ...current.metadata.annotations, [autoUpdate]: String(follows) }
  return { ...current, metadata: { ...current.metadata, annotations }, ...(changesSpec ? { spec } : {}) }
}

/** Makes the objects that are missing, mends those that have changed, and removes those that were defaults once. */
export async function ensureFlowControl(core: ApiServerCore): Promise<void> {
  const levels = core.resource('prioritylevelconfigurations', group)
  const flowSchemas = core.resource('flowschemas', group)
  for (const [resource, wanted] of [[flowSchemas, defaultFlowSchemas()], [levels, defaultPriorityLevels()]] as const) {
    await Promise.all(wanted.map((each: Configuration) => ensure(core, resource, each, mendConfiguration, fieldManager)))
    const names = new Set(wanted.map(({ metadata }) => metadata.name))
    const others = ((await core.registry.list(resource)) as unknown as Configuration[]).filter((object) => !names.has(object.metadata.name) && followsOf(object) === true)
    await Promise.all(others.map(({ metadata }) => core.registry.delete(resource, '', metadata.name ?? '', { user: apiServerUser }).catch((error: unknown) => {
      // Another server was first.
      if (!isReason(error, 'NotFound')) throw error
    })))
  }
}

/** Sees to the objects now, and from now on until the server stops. */
export async function bootstrapFlowControl(core: ApiServerCore): Promise<void> {
  const { clock, log } = core.runtime
  await ensureFlowControl(core)
  const timer = clock.interval(reconcilePeriodMs, () => {
    ensureFlowControl(core).catch((err: unknown) => {
      if (!core.signal.aborted) log.warn('the default flow control objects could not be seen to; tried again later', { err })
    })
  }, { background: true })
  core.signal.addEventListener('abort', () => timer[Symbol.dispose](), { once: true })
}
