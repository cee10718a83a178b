import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { Deployment, ReplicaSet } from '../../api/types/apps_v1.ts'
import { deployments, pods, replicaSets } from '../../client/resources.ts'
import { startReplicaSetController } from '../replication/replicaset.ts'
import { controllerTest, deployment } from '../testing/cluster.ts'
import { startDeploymentController } from './controller.ts'

function setUp(t: TestContext) {
  const cluster = controllerTest()
  t.after(cluster.stop)
  cluster.start(startDeploymentController, startReplicaSetController)
  const web = (): Deployment => cluster.api.get(deployments, 'default/web')!
  const sets = (): ReplicaSet[] => cluster.api.all(replicaSets)
  const setImage = (image: string): void => void cluster.api.change(deployments, 'default/web', (d) => void (d.spec!.template!.spec!.containers[0]!.image = image))
  const condition = (type: string): string => {
    const found = web().status?.conditions?.find((c) => c.type === type)
    return found === undefined ? 'none' : `${found.status} ${found.reason}: ${found.message}`
  }
  return { ...cluster, web, sets, setImage, condition }
}

test('makes a set and its pods, and tells of it as upstream does', async (t) => {
  const { api, settle, makeReady, sets, web, condition, eventsOf } = setUp(t)
  api.seed(deployments, deployment('web', 3))
  await settle()
  const [set] = sets()
  assert.match(set!.metadata.name!, /^web-[bcdfghjklmnpqrstvwxz2456789]+$/)
  assert.equal(set!.metadata.labels?.['pod-template-hash'], set!.metadata.name!.slice(4))
  assert.equal(set!.metadata.annotations?.['deployment.kubernetes.io/max-replicas'], '4')
  assert.equal(api.all(pods).length, 3)
  assert.equal(web().metadata.annotations?.['deployment.kubernetes.io/revision'], '1')
  assert.deepEqual(eventsOf('web'), [`ScalingReplicaSet Scaled up replica set ${set!.metadata.name} from 0 to 3`])
  assert.deepEqual(eventsOf(set!.metadata.name!).sort(), api.all(pods).map((pod) => `SuccessfulCreate Created pod: ${pod.metadata.name}`).sort())
  assert.equal(condition('Available'), 'False MinimumReplicasUnavailable: Deployment does not have minimum availability.')
  makeReady()
  await settle()
  assert.equal(condition('Available'), 'True MinimumReplicasAvailable: Deployment has minimum availability.')
  assert.equal(condition('Progressing'), `True NewReplicaSetAvailable: ReplicaSet "${set!.metadata.name}" has successfully progressed.`)
  const { conditions: _conditions, ...counts } = web().status!
  assert.deepEqual(counts, { observedGeneration: 1, replicas: 3, updatedReplicas: 3, readyReplicas: 3, availableReplicas: 3, unavailableReplicas: 0, terminatingReplicas: 0 })
})

test('a rolling update never has too many nor too few pods, and ends with the new template', async (t) => {
  const { api, settle, makeReady, finishTerminating, sets, web, setImage } = setUp(t)
  api.seed(deployments, deployment('web', 8))
  await settle()
  makeReady()
  await settle()
  setImage('image:2')
  let available = 8
  for (let round = 0; round < 12; round++) {
    await settle()
    const living = api.all(pods).filter((pod) => pod.metadata.deletionTimestamp === undefined)
    available = living.filter((pod) => pod.status?.phase === 'Running').length
    assert.ok(living.length <= 10, `${living.length} pods`)
    assert.ok(available >= 6, `${available} available`)
    finishTerminating()
    makeReady()
  }
  assert.equal(web().status?.updatedReplicas, 8)
  assert.deepEqual(sets().map((set) => [set.spec?.replicas, set.metadata.annotations?.['deployment.kubernetes.io/revision']]), [[0, '1'], [8, '2']])
  assert.deepEqual(api.all(pods).map((pod) => pod.spec!.containers[0]!.image), Array(8).fill('image:2'))
})

test('revisions are counted on from those of an adopted set, to the last digit of 64 bits', async (t) => {
  const { api, settle, sets, web } = setUp(t)
  const { metadata, spec } = deployment('web', 1)
  const template = { ...spec!.template!, spec: { ...spec!.template!.spec!, containers: [{ name: 'c', image: 'before' }] } }
  api.seed(replicaSets, {
    apiVersion: 'apps/v1', kind: 'ReplicaSet', spec: { replicas: 1, selector: spec!.selector!, template },
    metadata: { ...metadata, name: 'before', annotations: { 'deployment.kubernetes.io/revision': '3546343826724305832' } },
  })
  await settle()
  api.seed(deployments, deployment('web', 1))
  await settle()
  assert.deepEqual(sets().map((set) => set.metadata.annotations?.['deployment.kubernetes.io/revision']).sort(), ['3546343826724305832', '3546343826724305833'])
  assert.equal(web().metadata.annotations?.['deployment.kubernetes.io/revision'], '3546343826724305833')
})

test('going back to an earlier template takes its old set again, as a new revision', async (t) => {
  const { api, settle, makeReady, finishTerminating, sets, web, setImage } = setUp(t)
  api.seed(deployments, deployment('web', 1))
  for (const image of ['image:2', 'image:1']) {
    await settle()
    makeReady()
    await settle()
    setImage(image)
  }
  for (let round = 0; round < 3; round++) {
    await settle()
    makeReady()
    finishTerminating()
  }
  assert.equal(sets().length, 2)
  const [first] = sets()
  assert.equal(first!.spec?.replicas, 1)
  assert.equal(first!.metadata.annotations?.['deployment.kubernetes.io/revision'], '3')
  assert.equal(first!.metadata.annotations?.['deployment.kubernetes.io/revision-history'], '1')
  assert.equal(web().metadata.annotations?.['deployment.kubernetes.io/revision'], '3')
})

test('Recreate waits until every old pod is gone', async (t) => {
  const { api, settle, makeReady, finishTerminating, setImage } = setUp(t)
  api.seed(deployments, deployment('web', 2, { strategy: { type: 'Recreate' } }))
  await settle()
  makeReady()
  await settle()
  setImage('image:2')
  await settle()
  assert.deepEqual(api.all(pods).map((pod) => pod.metadata.deletionTimestamp !== undefined), [true, true])
  finishTerminating()
  await settle()
  assert.deepEqual(api.all(pods).map((pod) => pod.spec!.containers[0]!.image), ['image:2', 'image:2'])
})

test('scaling amid a rollout keeps the proportions', async (t) => {
  const { api, settle, makeReady, sets, setImage } = setUp(t)
  api.seed(deployments, deployment('web', 10, { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } } }))
  await settle()
  makeReady()
  await settle()
  setImage('image:broken')
  await settle()
  assert.deepEqual(sets().map((set) => set.spec?.replicas), [8, 5])
  api.change(deployments, 'default/web', (d) => void (d.spec!.replicas = 15))
  await settle()
  assert.deepEqual(sets().map((set) => set.spec?.replicas), [11, 7])
})

test('a paused deployment scales but does not roll out', async (t) => {
  const { api, settle, sets, setImage, condition } = setUp(t)
  api.seed(deployments, deployment('web', 2))
  await settle()
  api.change(deployments, 'default/web', (d) => void (d.spec!.paused = true))
  setImage('image:2')
  api.change(deployments, 'default/web', (d) => void (d.spec!.replicas = 4))
  await settle()
  assert.deepEqual(sets().map((set) => set.spec?.replicas), [4])
  assert.equal(condition('Progressing'), 'Unknown DeploymentPaused: Deployment is paused')
})

test('a rollout that stands still passes its deadline', async (t) => {
  const { api, runtime, settle, condition, sets } = setUp(t)
  api.seed(deployments, deployment('web', 1, { progressDeadlineSeconds: 60 }))
  await settle()
  await runtime.clock.advance(70_000)
  assert.equal(condition('Progressing'), `False ProgressDeadlineExceeded: ReplicaSet "${sets()[0]!.metadata.name}" has timed out progressing.`)
})

test('old sets beyond the history limit are deleted', async (t) => {
  const { api, settle, makeReady, finishTerminating, sets, setImage } = setUp(t)
  api.seed(deployments, deployment('web', 1, { revisionHistoryLimit: 1 }))
  for (const image of ['image:2', 'image:3', 'image:4', 'image:4']) {
    for (let round = 0; round < 3; round++) {
      await settle()
      makeReady()
      finishTerminating()
    }
    setImage(image)
  }
  await settle()
  assert.deepEqual(sets().map((set) => set.metadata.annotations?.['deployment.kubernetes.io/revision']), ['3', '4'])
})

test('another object of the hashed name makes it try the next hash', async (t) => {
  const { api, settle, web, sets } = setUp(t)
  api.seed(deployments, deployment('web', 1))
  await settle()
  const name = sets()[0]!.metadata.name!
  api.remove(deployments, 'default/web')
  api.remove(replicaSets, `default/${name}`)
  api.seed(replicaSets, { metadata: { name, namespace: 'default' }, spec: { replicas: 0, selector: { matchLabels: { other: 'x' } }, template: { metadata: { labels: { other: 'x' } }, spec: { containers: [] } } } })
  api.seed(deployments, deployment('web', 1))
  await settle()
  assert.equal(web().status?.collisionCount, 1)
  assert.equal(sets().length, 2)
})
