import type { Container, Pod, ServiceAccount, Volume } from '../../api/types/core_v1.ts'
import { mirrorPodAnnotation } from '../authorization/node.ts'
import type { AdmissionAttributes, AdmissionPlugin } from '../context.ts'
import type { ApiServerCore } from '../core.ts'
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
  if ((pod.spec.volumes ?? []).some((volume) => volume.projected?.sources?.some((source) => source.serviceAccountToken !== undefined))) {
    throw refusal(attributes, 'a mirror pod may not use ServiceAccountToken volume projections')
  }
}

/** Gives pods their service account, its image pull secrets, and a token to call the API with (KEP-542, KEP-1205). */
export function serviceAccountAdmission(core: ApiServerCore): AdmissionPlugin {
  const accounts = core.resource('serviceaccounts')
  const { random, clock } = core.runtime

  async function find(namespace: string, name: string): Promise<ServiceAccount | undefined> {
    for (let attempt = 1; ; attempt++) {
      const account = await core.registry.find(accounts, namespace, name)
      if (account !== undefined || name !== 'default' || attempt === defaultAccountAttempts) return account as unknown as ServiceAccount | undefined
      await clock.sleep(retryDelayMs, core.signal)
    }
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

  return {
    name: 'ServiceAccount',
    handles: (operation) => operation === 'CREATE',
    resources: ['pods'],
    async mutate(attributes) {
      const pod = admittedPod(attributes)
      if (pod === undefined) return
      if (pod.metadata.annotations?.[mirrorPodAnnotation] !== undefined) return checkMirrorPod(attributes, pod)
      const { spec } = pod
      if (spec.serviceAccountName === undefined || spec.serviceAccountName === '') spec.serviceAccountName = spec.serviceAccount || 'default'
      spec.serviceAccount = spec.serviceAccountName
      const account = await find(attributes.namespace, spec.serviceAccountName)
      if (account === undefined) {
        const name = spec.serviceAccountName
        throw refusal(attributes, `error looking up service account ${attributes.namespace}/${name}: serviceaccount ${JSON.stringify(name)} not found`)
      }
      if ((spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true)) mountToken(pod)
      if ((spec.imagePullSecrets ?? []).length === 0 && (account.imagePullSecrets ?? []).length > 0) spec.imagePullSecrets = account.imagePullSecrets!.map(({ name }) => ({ name }))
    },
  }
}
