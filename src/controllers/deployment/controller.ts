import type { Deployment, ReplicaSet } from '../../api/types/apps_v1.ts'
import { runController, watching } from '../../client/controller.ts'
import { targetOf } from '../../client/events.ts'
import { deployments, pods, replicaSets } from '../../client/resources.ts'
import { labelSelectorMatcher } from '../../machinery/labels.ts'
import { controllerOf, keyOf, type KubeObject } from '../../machinery/object.ts'
import { claim } from '../claim.ts'
import type { StartController } from '../context.ts'
import { indexByController, ownedAndOrphans, ownedBy } from '../pods.ts'
import { isRolling } from './replicasets.ts'
import { Rollout } from './rollout.ts'

/** Keeps a ReplicaSet of each Deployment's template, and moves pods from older ones to it as its strategy says. */
export const startDeploymentController: StartController = (context) => {
  const { informers, client, recorder, runtime } = context
  const owners = informers.informer(deployments)
  const sets = informers.informer(replicaSets)
  const podInformer = informers.informer(pods)
  indexByController(sets)
  indexByController(podInformer)

  const ownerKey = (object: KubeObject | undefined): string[] => {
    const reference = object === undefined ? undefined : controllerOf(object)
    if (object === undefined || reference?.kind !== 'Deployment') return []
    const key = `${object.metadata.namespace}/${reference.name}`
    return owners.get(key)?.metadata.uid === reference.uid ? [key] : []
  }
  const wokenBySet = (set: ReplicaSet | undefined, old: ReplicaSet | undefined): Set<string> => {
    const keys = new Set([...ownerKey(set), ...ownerKey(old)])
    if (set !== undefined && controllerOf(set) === undefined) {
      for (const owner of owners.list(set.metadata.namespace ?? '')) if (labelSelectorMatcher(owner.spec?.selector)(set.metadata.labels)) keys.add(keyOf(owner))
    }
    return keys
  }
  /** A Recreate rollout waits for the last old pod to be gone. */
  const wokenByPod = (gone: KubeObject): string[] => {
    const reference = controllerOf(gone)
    const set = reference?.kind === 'ReplicaSet' ? sets.get(`${gone.metadata.namespace}/${reference.name}`) : undefined
    return ownerKey(set).filter((key) => !isRolling(owners.get(key)!))
  }

  const reconcile = async (key: string): Promise<object | void> => {
    const deployment = owners.get(key)
    if (deployment === undefined) return
    if (selectsEverything(deployment)) {
      recorder.event(targetOf(deployments, deployment), 'Warning', 'SelectingAll', 'This deployment is selecting all pods. A non-empty selector is required.')
      if ((deployment.status?.observedGeneration ?? 0) < (deployment.metadata.generation ?? 0)) {
        await client.updateStatus(deployments, { ...deployment, status: { ...deployment.status, observedGeneration: deployment.metadata.generation } })
      }
      return
    }
    const matches = labelSelectorMatcher(deployment.spec?.selector)
    const claimed = await claim({ client, ownerType: deployments, owner: deployment, type: replicaSets, matches, candidates: ownedAndOrphans(sets, deployment) })
    return new Rollout(context, deployment, claimed, (set) => ownedBy(podInformer, set)).run()
  }

  return runController({
    name: 'deployment-controller', runtime, concurrency: 5, reconcile,
    sources: [watching(owners), watching(sets, wokenBySet), watching(podInformer, (pod, old) => (pod === undefined ? wokenByPod(old!) : []))],
  })
}

function selectsEverything({ spec }: Deployment): boolean {
  const { matchLabels, matchExpressions } = spec?.selector ?? {}
  return Object.keys(matchLabels ?? {}).length === 0 && (matchExpressions ?? []).length === 0
}
