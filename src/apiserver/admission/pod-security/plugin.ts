import type { Namespace, Pod, PodSpec } from '../../../api/types/core_v1.ts'
import { groupResourceOf } from '../../../api/resource.ts'
import { fieldErrorCause } from '../../../machinery/field-error.ts'
import { controllerOf, type KubeObject, type ObjectMeta } from '../../../machinery/object.ts'
import { errors } from '../../../machinery/status.ts'
import type { AdmissionAttributes, AdmissionPlugin } from '../../context.ts'
import type { ApiServerCore } from '../../core.ts'
import { whenKnown } from '../../known.ts'
import { serverVersion } from '../../version.ts'
import { admissionMetricsOf, type Counter } from '../metrics.ts'
import { namespaceOf } from '../webhooks/matching.ts'
import { detailText, reasonText, violations, type Violation } from './checks.ts'
import { allPrivileged, isStricter, labelPrefix, levelVersionText, modes, policyOf, samePolicy, type LevelVersion, type Mode, type Policy } from './policy.ts'

/** PodSecurityConfiguration, parsed. */
export interface PodSecurityOptions {
  defaults: Policy
  exemptions: { usernames: readonly string[]; namespaces: readonly string[]; runtimeClasses: readonly string[] }
}

export const podSecurityDefaults: PodSecurityOptions = { defaults: allPrivileged, exemptions: { usernames: [], namespaces: [], runtimeClasses: [] } }

/** Pods that a change of a namespace's policy is tried on, at most, and for how long. */
const maxPods = 3000
const maxCheckMs = 1000
const serverMinor = Number.parseInt(serverVersion.minor)
const ignoredSubresources = new Set(['exec', 'attach', 'binding', 'eviction', 'log', 'portforward', 'proxy', 'status'])

interface Template { metadata?: ObjectMeta; spec?: PodSpec }
interface Workload extends KubeObject { template?: Template; spec?: { template?: Template; jobTemplate?: { spec?: { template?: Template } } } }

/** Where each kind has its pods' template. */
const templates: Readonly<Record<string, (object: Workload) => Template | undefined>> = {
  'replicationcontrollers': ({ spec }) => spec?.template, 'podtemplates': ({ template }) => template,
  'replicasets.apps': ({ spec }) => spec?.template, 'deployments.apps': ({ spec }) => spec?.template, 'statefulsets.apps': ({ spec }) => spec?.template, 'daemonsets.apps': ({ spec }) => spec?.template,
  'jobs.batch': ({ spec }) => spec?.template, 'cronjobs.batch': ({ spec }) => spec?.jobTemplate?.spec?.template,
}

/** Of an update only other images and containers are looked at: nothing else of a pod that counts can change. */
function isSignificantUpdate(pod: Pod, old: Pod): boolean {
  const images = ({ spec }: Pod): unknown => [(spec.containers ?? []).map(({ image }) => image), (spec.initContainers ?? []).map(({ image }) => image)]
  if (JSON.stringify(images(pod)) !== JSON.stringify(images(old))) return true
  return (pod.spec.ephemeralContainers ?? []).some(({ name, image }) => {
    const before = (old.spec.ephemeralContainers ?? []).find((each) => each.name === name)
    return before === undefined || before.image !== image
  })
}

/** One of each controller's pods first: the others are much the same. */
function prioritized(pods: readonly Pod[]): readonly Pod[] {
  const seen = new Set<string>()
  const [first, rest]: [Pod[], Pod[]] = [[], []]
  for (const pod of pods) {
    const owner = controllerOf(pod)?.uid
    if (owner !== undefined && seen.has(owner)) rest.push(pod)
    else first.push(pod)
    if (owner !== undefined) seen.add(owner)
  }
  return [...first, ...rest]
}

/** Holds pods to the Pod Security Standards that their namespace asks for (KEP-2579), and warns of workloads whose pods would be refused. */
export function podSecurity(core: ApiServerCore, { defaults, exemptions }: PodSecurityOptions = podSecurityDefaults): AdmissionPlugin {
  const { clock } = core.runtime
  const metrics = admissionMetricsOf(core)

  function annotate(attributes: AdmissionAttributes, key: string, value: string): void {
    attributes.annotateAudit(`${labelPrefix}${key}`, value)
  }

  function labelsOf({ operation, resource, subresource }: AdmissionAttributes): { request_operation: string; resource: string; subresource: string } {
    return { request_operation: operation.toLowerCase(), resource: resource.resource === 'pods' ? 'pod' : 'controller', subresource }
  }

  const counters = new Map<string, Counter>()

  function count(attributes: AdmissionAttributes, mode: Mode, of: LevelVersion, isDenied: boolean): void {
    const { operation, resource, subresource } = attributes
    const key = `${operation} ${resource.resource === 'pods'} ${subresource} ${mode} ${of.level} ${of.minor} ${isDenied}`
    let counter = counters.get(key)
    if (counter === undefined) {
      const version = of.minor === Infinity ? 'latest' : of.minor > serverMinor ? 'future' : `v1.${of.minor}`
      counters.set(key, (counter = metrics.podSecurity({ decision: isDenied ? 'deny' : 'allow', mode, policy_level: of.level, policy_version: version, ...labelsOf(attributes) })))
    }
    counter.value++
  }

  function exempt(attributes: AdmissionAttributes, because: string): void {
    metrics.podSecurityExemption(labelsOf(attributes))
    annotate(attributes, 'exempt', because)
  }

  function exemptionOf({ namespace, user }: AdmissionAttributes): string | undefined {
    if (namespace !== '' && exemptions.namespaces.includes(namespace)) return 'namespace'
    return exemptions.usernames.includes(user.username) ? 'user' : undefined
  }

  /** `isEnforced`: for pods themselves, not for what will make them. */
  function evaluate(attributes: AdmissionAttributes, policy: Policy, { spec, metadata }: { spec: PodSpec; metadata: Pick<ObjectMeta, 'annotations'> }, isEnforced: boolean): void {
    if (spec.runtimeClassName !== undefined && exemptions.runtimeClasses.includes(spec.runtimeClassName)) return exempt(attributes, 'runtimeClass')
    const known = new Map<string, readonly Violation[]>()
    const found = (of: LevelVersion): readonly Violation[] => {
      const key = levelVersionText(of)
      if (!known.has(key)) known.set(key, violations(of, spec, metadata))
      return known.get(key)!
    }
    if (isEnforced) annotate(attributes, 'enforce-policy', levelVersionText(policy.enforce))
    const audited = found(policy.audit)
    if (audited.length > 0) count(attributes, 'audit', policy.audit, true)
    if (audited.length > 0) annotate(attributes, 'audit-violations', `would violate PodSecurity ${JSON.stringify(levelVersionText(policy.audit))}: ${detailText(audited)}`)
    const refused = isEnforced ? found(policy.enforce) : []
    if (isEnforced) count(attributes, 'enforce', policy.enforce, refused.length > 0)
    if (refused.length > 0) throw errors.forbidden(attributes.resource, attributes.name, `violates PodSecurity ${JSON.stringify(levelVersionText(policy.enforce))}: ${detailText(refused)}`)
    const warned = found(policy.warn)
    if (warned.length > 0) count(attributes, 'warn', policy.warn, true)
    if (warned.length > 0) attributes.warn(`would violate PodSecurity ${JSON.stringify(levelVersionText(policy.warn))}: ${detailText(warned)}`)
  }

  function checkPodOrTemplate(attributes: AdmissionAttributes): Promise<void> | void {
    const isPod = attributes.resource.resource === 'pods'
    if (isPod ? ignoredSubresources.has(attributes.subresource) : attributes.subresource !== '') return
    const exemption = exemptionOf(attributes)
    if (exemption !== undefined) return exempt(attributes, exemption)
    return whenKnown(namespaceOf(core, attributes.namespace), (namespace) => checkIn(namespace, isPod, attributes))
  }

  function checkIn(namespace: Namespace, isPod: boolean, attributes: AdmissionAttributes): void {
    const { policy, problems } = policyOf(namespace.metadata.labels, defaults)
    const concerned = isPod ? modes : (['audit', 'warn'] as const)
    if (problems.length === 0 && concerned.every((mode) => policy[mode].level === 'privileged')) {
      if (!isPod) return
      count(attributes, 'enforce', policy.enforce, false)
      return annotate(attributes, 'enforce-policy', 'privileged:latest')
    }
    if (isPod && attributes.operation === 'UPDATE' && !isSignificantUpdate(attributes.object as Pod, attributes.oldObject as Pod)) return
    const template = isPod ? (attributes.object as Template) : templates[groupResourceOf(attributes.resource)]?.(attributes.object as Workload)
    if (template?.spec === undefined) return
    if (problems.length > 0) {
      const texts = problems.map((problem) => `${problem.path}: ${fieldErrorCause(problem).message ?? ''}`)
      annotate(attributes, 'error', `Failed to parse policy: ${texts.length === 1 ? texts[0]! : `[${texts.join(', ')}]`}`)
    }
    evaluate(attributes, policy, { spec: template.spec, metadata: template.metadata ?? {} }, isPod)
  }

  /** What the namespace's pods break of a policy that is to hold from now on. */
  function existingPods(namespace: string, enforce: LevelVersion): string[] {
    const pods = prioritized((core.reader.list('pods', namespace) as unknown as readonly Pod[]).filter(({ spec }) => !exemptions.runtimeClasses.includes(spec.runtimeClassName ?? '')))
    const deadlineMs = clock.monotonicMs() + maxCheckMs
    const byReason = new Map<string, string[]>()
    let checked = 0
    for (const pod of pods.slice(0, maxPods)) {
      checked++
      const found = violations(enforce, pod.spec, pod.metadata)
      if (found.length > 0) {
        const reason = reasonText(found)
        const names = byReason.get(reason)
        if (names === undefined) byReason.set(reason, [pod.metadata.name!])
        else names.push(pod.metadata.name!)
      }
      if (clock.monotonicMs() > deadlineMs) break
    }
    const warnings = [...byReason].map(([reason, names]) => {
      const first = names.reduce((least, name) => (name < least ? name : least))
      const others = names.length === 1 ? '' : names.length === 2 ? ' (and 1 other pod)' : ` (and ${names.length - 1} other pods)`
      return `${first}${others}: ${reason}`
    }).sort()
    return [
      ...(checked < pods.length ? [`new PodSecurity enforce level only checked against the first ${checked} of ${pods.length} existing pods`] : []),
      ...(warnings.length > 0 ? [`existing pods in namespace ${JSON.stringify(namespace)} violate the new PodSecurity enforce level ${JSON.stringify(levelVersionText(enforce))}`] : []),
      ...warnings,
    ]
  }

  /** Labels of an exempt namespace mislead. */
  function warnOfExemption(attributes: AdmissionAttributes, { metadata: { name, labels = {} } }: Namespace, policy: Policy): void {
    if (modes.every((mode) => policy[mode].level === 'privileged') || modes.every((mode) => samePolicy(policy[mode], defaults[mode]))) return
    const isSet = (mode: string): boolean => labels[`${labelPrefix}${mode}`] !== undefined || labels[`${labelPrefix}${mode}-version`] !== undefined
    const text = modes.filter((mode) => policy[mode].level !== 'privileged' && isSet(mode)).map((mode) => `${mode}=${levelVersionText(policy[mode])}`).join(', ')
    attributes.warn(`namespace ${JSON.stringify(name)} is exempt from Pod Security, and the policy (${text}) will be ignored`)
  }

  async function checkNamespace(attributes: AdmissionAttributes): Promise<void> {
    if (attributes.subresource !== '') return
    const namespace = attributes.object as Namespace
    const { policy, problems } = policyOf(namespace.metadata.labels, defaults)
    const invalid = (): Error => errors.invalid(attributes.resource, attributes.name, problems.map(fieldErrorCause))
    const isExempt = exemptions.namespaces.includes(attributes.namespace)
    if (attributes.operation === 'CREATE') {
      if (problems.length > 0) throw invalid()
      if (isExempt) warnOfExemption(attributes, namespace, policy)
      return
    }
    const { policy: before, problems: problemsBefore } = policyOf(attributes.oldObject?.metadata.labels, defaults)
    if (problems.length > 0 && JSON.stringify(problems) !== JSON.stringify(problemsBefore)) throw invalid()
    const [enforce, enforced] = [policy.enforce, before.enforce]
    if (enforce.level === 'privileged' || (enforce.minor === enforced.minor && !isStricter(enforce.level, enforced.level))) return
    if (isExempt) return warnOfExemption(attributes, namespace, policy)
    await core.reader.whenReady(['pods'])
    for (const warning of existingPods(attributes.namespace, enforce)) attributes.warn(warning)
  }

  return {
    name: 'PodSecurity',
    handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
    resources: ['pods', 'namespaces', ...Object.keys(templates)],
    validate: (attributes) => (attributes.resource.resource === 'namespaces' ? checkNamespace(attributes) : checkPodOrTemplate(attributes)),
  }
}
