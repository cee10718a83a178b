import { podSecretNames } from '../../api/pod-references.ts'
import type { Container, Pod, ServiceAccount, Volume } from '../../api/types/core_v1.ts'
import { resourceNameProblem } from '../../machinery/names.ts'
import { mirrorPodAnnotation } from '../authorization/node.ts'
import type { AdmissionAttributes, AdmissionPlugin } from '../context.ts'
import type { ApiServerCore } from '../core.ts'
import { whenKnown, type Known } from '../known.ts'
import { admittedPod, refusal } from './refusal.ts'

const mountPath = '/var/run/secrets/kubernetes.io/serviceaccount'
const volumePrefix = 'kube-api-access-'
/** Not an hour sharp: so a token that a kubelet mounts is told from one that somebody asked an hour for (KEP-1205). */
const tokenSeconds = 3607
/** A namespace's default account is made by a controller: give it a moment. */
const defaultAccountAttempts = 10
const retryDelayMs = 100

function tokenVolume(name: string): Volume {
  return {
    name,
    projected: {
      defaultMode: 0o644,
      sources: [
        { serviceAccountToken: { expirationSeconds: tokenSeconds, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        { downwardAPI: { items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }] } },
      ],
    },
  }
}

function mounts(container: Container): boolean {
  return (container.volumeMounts ?? []).some((mount) => mount.mountPath === mountPath)
}

/** A mirror pod's credentials would be the node's to choose: it may have none. */
function checkMirrorPod(attributes: AdmissionAttributes, pod: Pod): void {
  if ((pod.spec.serviceAccountName ?? '') !== '') throw refusal(attributes, 'a mirror pod may not reference service accounts')
  if (podSecretNames(pod.spec).size > 0) throw refusal(attributes, 'a mirror pod may not reference secrets')
  if ((pod.spec.volumes ?? []).some((volume) => volume.projected?.sources?.some((source) => source.serviceAccountToken !== undefined))) {
    throw refusal(attributes, 'a mirror pod may not use ServiceAccountToken volume projections')
  }
}

const enforcesSecrets = 'kubernetes.io/enforce-mountable-secrets'

function mayMountOnlyItsOwn(account: ServiceAccount): boolean {
  return ['1', 't', 'T', 'TRUE', 'true', 'True'].includes(account.metadata.annotations?.[enforcesSecrets] ?? '')
}

/** The first secret that a container reads and its account doesn't list. */
function foreignSecret(container: Container, what: string, account: ServiceAccount): string | undefined {
  const own = new Set((account.secrets ?? []).map(({ name }) => name))
  const because = (how: string, name: string): string => `${what} ${container.name} with ${how} referencing secret.secretName=${JSON.stringify(name)} is not allowed because service account ${account.metadata.name} does not reference that secret`
  for (const { name, valueFrom } of container.env ?? []) {
    const secret = valueFrom?.secretKeyRef?.name
    if (secret !== undefined && !own.has(secret)) return because(`envVar ${name}`, secret)
  }
  const from = (container.envFrom ?? []).map(({ secretRef }) => secretRef?.name).find((secret) => secret !== undefined && !own.has(secret))
  return from === undefined ? undefined : because('envFrom', from)
}

/** Why a pod may not use its secrets under an account that is to mount only its own. */
function secretProblem({ spec }: Pod, account: ServiceAccount): string | undefined {
  const own = new Set((account.secrets ?? []).map(({ name }) => name))
  const because = `is not allowed because service account ${account.metadata.name} does not reference that`
  const mounted = (spec.volumes ?? []).map(({ secret }) => secret?.secretName).find((name) => name !== undefined && !own.has(name))
  if (mounted !== undefined) return `volume with secret.secretName=${JSON.stringify(mounted)} ${because} secret`
  for (const container of spec.initContainers ?? []) {
    const problem = foreignSecret(container, 'init container', account)
    if (problem !== undefined) return problem
  }
  for (const container of spec.containers) {
    const problem = foreignSecret(container, 'container', account)
    if (problem !== undefined) return problem
  }
  const pulls = new Set((account.imagePullSecrets ?? []).map(({ name }) => name))
  const at = (spec.imagePullSecrets ?? []).findIndex(({ name }) => !pulls.has(name))
  return at < 0 ? undefined : `imagePullSecrets[${at}].name=${JSON.stringify(spec.imagePullSecrets![at]!.name)} ${because} imagePullSecret`
}

/** Gives pods their service account, its image pull secrets, and a token to call the API with (KEP-542, KEP-1205). */
export function serviceAccountAdmission(core: ApiServerCore): AdmissionPlugin {
  const accounts = core.resource('serviceaccounts')
  const { random, clock } = core.runtime

  function find(namespace: string, name: string): Known<ServiceAccount | undefined> {
    return whenKnown(core.registry.findNow(accounts, namespace, name) as Known<ServiceAccount | undefined>, (account) => (account === undefined && name === 'default' ? waitForDefault(namespace) : account))
  }

  async function waitForDefault(namespace: string): Promise<ServiceAccount | undefined> {
    for (let attempt = 2; attempt <= defaultAccountAttempts; attempt++) {
      await clock.sleep(retryDelayMs, core.signal)
      const account = await core.registry.find(accounts, namespace, 'default')
      if (account !== undefined) return account as unknown as ServiceAccount
    }
    return undefined
  }

  function mountToken(pod: Pod): void {
    const volumes = pod.spec.volumes ?? []
    const standing = volumes.find((volume) => volume.name.startsWith(volumePrefix))
    const name = standing?.name ?? `${volumePrefix}${random.suffix(5)}`
    let isNeeded = false
    for (const container of [...(pod.spec.initContainers ?? []), ...pod.spec.containers]) {
      if (mounts(container)) continue
      container.volumeMounts = [...(container.volumeMounts ?? []), { name, readOnly: true, mountPath }]
      isNeeded = true
    }
    if (isNeeded && standing === undefined) pod.spec.volumes = [...volumes, tokenVolume(name)]
  }

  function accountOf(attributes: AdmissionAttributes, name: string): Known<ServiceAccount> {
    const problem = resourceNameProblem(name)
    if (problem !== undefined) throw refusal(attributes, `error looking up service account ${attributes.namespace}/${name}: ${problem}`)
    return whenKnown(find(attributes.namespace, name), (account) => {
      if (account === undefined) throw refusal(attributes, `error looking up service account ${attributes.namespace}/${name}: serviceaccount ${JSON.stringify(name)} not found`)
      return account
    })
  }

  /** Ephemeral containers read secrets as others do. */
  async function checkEphemeral(attributes: AdmissionAttributes, { spec }: Pod): Promise<void> {
    const account = await accountOf(attributes, spec.serviceAccountName ?? '')
    if (!mayMountOnlyItsOwn(account)) return
    for (const container of (spec.ephemeralContainers ?? []) as Container[]) {
      const problem = foreignSecret(container, 'ephemeral container', account)
      if (problem !== undefined) throw refusal(attributes, problem)
    }
  }

  return {
    name: 'ServiceAccount',
    handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
    resources: ['pods'],
    mutate(attributes) {
      const pod = attributes.operation === 'CREATE' ? admittedPod(attributes) : undefined
      if (pod === undefined) return
      if (pod.metadata.annotations?.[mirrorPodAnnotation] !== undefined) return checkMirrorPod(attributes, pod)
      const { spec } = pod
      if (spec.serviceAccountName === undefined || spec.serviceAccountName === '') spec.serviceAccountName = spec.serviceAccount || 'default'
      spec.serviceAccount = spec.serviceAccountName
      return whenKnown(accountOf(attributes, spec.serviceAccountName), (account) => {
        if ((spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true)) mountToken(pod)
        if ((spec.imagePullSecrets ?? []).length === 0 && (account.imagePullSecrets ?? []).length > 0) spec.imagePullSecrets = account.imagePullSecrets!.map(({ name }) => ({ name }))
      })
    },
    // Once more, for what webhooks have made of the pod since.
    validate(attributes) {
      if (attributes.operation === 'UPDATE') {
        const pod = admittedPod(attributes, 'ephemeralcontainers')
        return pod === undefined ? undefined : checkEphemeral(attributes, pod)
      }
      const pod = admittedPod(attributes)
      if (pod === undefined) return
      if (pod.metadata.annotations?.[mirrorPodAnnotation] !== undefined) return checkMirrorPod(attributes, pod)
      const { serviceAccountName = '' } = pod.spec
      if (serviceAccountName === '') throw refusal(attributes, `no service account specified for pod ${attributes.namespace}/${pod.metadata.name ?? ''}`)
      return whenKnown(accountOf(attributes, serviceAccountName), (account) => {
        const problem = mayMountOnlyItsOwn(account) ? secretProblem(pod, account) : undefined
        if (problem !== undefined) throw refusal(attributes, problem)
      })
    },
  }
}
