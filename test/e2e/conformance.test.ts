import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import type { Json, TestClient } from '../../src/apiserver/testing/http-client.ts'
import { ControlPlane } from './control-plane.ts'
import { eventually } from './support.ts'

/** Behaviours that upstream's conformance suite asks of sig-api-machinery, by its own names, with controllers and hollow nodes at work. */

const template = { metadata: { labels: { app: 'gc' } }, spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'c', image: 'registry.example/pause:1' }] } }

describe('conformance', () => {
  let plane: ControlPlane
  let client: TestClient
  let namespace = ''
  let serial = 0

  before(async () => {
    plane = await ControlPlane.start({ hollow: 2 })
    client = plane.client
  })
  after(() => plane[Symbol.asyncDispose]())
  beforeEach(async () => {
    namespace = `conformance-${serial++}`
    await send('POST', '/api/v1/namespaces', { metadata: { name: namespace } }, 201)
    await eventually('a service account', async () => void (await send('GET', core('serviceaccounts/default'))))
  })

  const core = (rest: string): string => `/api/v1/namespaces/${namespace}/${rest}`
  const apps = (rest: string): string => `/apis/apps/v1/namespaces/${namespace}/${rest}`

  async function send(method: string, path: string, body?: unknown, wanted = 200, contentType?: string): Promise<Json> {
    const answer = await client.call(method, path, { ...(body === undefined ? {} : { body }), ...(contentType === undefined ? {} : { headers: { 'content-type': contentType } }) })
    assert.equal(answer.status, wanted, `${method} ${path}: ${answer.text.slice(0, 500)}`)
    return answer.json
  }
  const merge = (path: string, body: unknown, wanted = 200): Promise<Json> => send('PATCH', path, body, wanted, 'application/merge-patch+json')
  const pods = async (selector = ''): Promise<Json[]> => (await send('GET', core(`pods${selector}`))).items
  const gone = (path: string): Promise<void> => eventually(`${path} gone`, async () => void (await send('GET', path, undefined, 404)))
  const countPods = (wanted: number, selector = ''): Promise<void> => eventually(`${wanted} pods`, async () => assert.equal((await pods(selector)).length, wanted))

  /** A cluster-scoped definition of its own, served. */
  async function define(schema: Json): Promise<{ path: string; kind: string }> {
    const plural = `noxus${serial++}`
    const kind = `Kind${plural}`
    const definition = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${plural}.conformance.example.com`
    await send('POST', definition.slice(0, definition.lastIndexOf('/')), {
      metadata: { name: `${plural}.conformance.example.com` },
      spec: { group: 'conformance.example.com', scope: 'Cluster', names: { plural, kind }, versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } }] },
    }, 201)
    await eventually(`${plural} established`, async () => assert.ok((await send('GET', definition)).status.conditions.some(({ type, status }: Json) => type === 'Established' && status === 'True')))
    return { path: `/apis/conformance.example.com/v1/${plural}`, kind }
  }

  const makeController = (name: string, replicas: number): Promise<Json> => send('POST', core('replicationcontrollers'), { metadata: { name }, spec: { replicas, selector: { app: 'gc', rc: name }, template: { ...template, metadata: { labels: { app: 'gc', rc: name } } } } }, 201)
  const makeDeployment = (name: string): Promise<Json> => send('POST', apps('deployments'), { metadata: { name }, spec: { replicas: 2, selector: { matchLabels: { app: 'gc' } }, template } }, 201)

  describe('Garbage collector', () => {
    test('should delete pods created by rc when not orphaning', async () => {
      const { metadata } = await makeController('one', 2)
      await countPods(2)
      await send('DELETE', core('replicationcontrollers/one'), { preconditions: { uid: metadata.uid }, propagationPolicy: 'Background' })
      await countPods(0)
    })

    test('should orphan pods created by rc if delete options say so', async () => {
      await makeController('one', 3)
      await countPods(3)
      await send('DELETE', core('replicationcontrollers/one'), { propagationPolicy: 'Orphan' })
      await gone(core('replicationcontrollers/one'))
      assert.deepEqual((await pods()).map((pod) => pod.metadata.ownerReferences), [undefined, undefined, undefined])
    })

    test('should keep the rc around until all its pods are deleted if the deleteOptions says so', async () => {
      await makeController('one', 3)
      await countPods(3)
      const [held] = await pods()
      await merge(core(`pods/${held.metadata.name}`), { metadata: { finalizers: ['example.com/held'] } })
      await send('DELETE', core('replicationcontrollers/one'), { propagationPolicy: 'Foreground' })
      await countPods(1)
      assert.deepEqual((await send('GET', core('replicationcontrollers/one'))).metadata.finalizers, ['foregroundDeletion'])
      await merge(core(`pods/${held.metadata.name}`), { metadata: { finalizers: null } })
      await gone(core('replicationcontrollers/one'))
      await countPods(0)
    })

    test('should delete RS created by deployment when not orphaning', async () => {
      await makeDeployment('one')
      await countPods(2)
      await send('DELETE', apps('deployments/one'), { propagationPolicy: 'Background' })
      await eventually('no replica set', async () => assert.equal((await send('GET', apps('replicasets'))).items.length, 0))
      await countPods(0)
    })

    test('should orphan RS created by deployment when deleteOptions.PropagationPolicy is Orphan', async () => {
      await makeDeployment('one')
      await countPods(2)
      await send('DELETE', apps('deployments/one'), { propagationPolicy: 'Orphan' })
      await gone(apps('deployments/one'))
      const { items } = await send('GET', apps('replicasets'))
      assert.deepEqual(items.map((set: Json) => set.metadata.ownerReferences), [undefined])
      assert.equal((await pods()).length, 2)
    })

    test('should not be blocked by dependency circle', async () => {
      const uids: string[] = []
      for (const name of ['pod1', 'pod2', 'pod3']) uids.push((await send('POST', core('pods'), { metadata: { name }, spec: template.spec }, 201)).metadata.uid)
      const own = (name: string, owner: string, uid: string): Promise<Json> => merge(core(`pods/${name}`), { metadata: { ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: owner, uid, controller: true, blockOwnerDeletion: true }] } })
      await own('pod1', 'pod3', uids[2]!)
      await own('pod2', 'pod1', uids[0]!)
      await own('pod3', 'pod2', uids[1]!)
      await send('DELETE', core('pods/pod1'), { propagationPolicy: 'Foreground' })
      await countPods(0)
    })

    test("should not delete dependents that have both valid owner and owner that's waiting for dependents to be deleted", async () => {
      await makeController('leaving', 4)
      await countPods(4)
      const staying = await makeController('staying', 0)
      const shared = (await pods()).slice(0, 2)
      for (const pod of shared) await send('PATCH', core(`pods/${pod.metadata.name}`), [{ op: 'add', path: '/metadata/ownerReferences/-', value: { apiVersion: 'v1', kind: 'ReplicationController', name: 'staying', uid: staying.metadata.uid } }], 200, 'application/json-patch+json')
      await send('DELETE', core('replicationcontrollers/leaving'), { propagationPolicy: 'Foreground' })
      await gone(core('replicationcontrollers/leaving'))
      const left = await pods()
      assert.deepEqual(left.map((pod) => pod.metadata.name).sort(), shared.map((pod) => pod.metadata.name).sort())
      for (const pod of left) assert.deepEqual([pod.metadata.deletionTimestamp, pod.metadata.ownerReferences.map((owner: Json) => owner.name)], [undefined, ['staying']])
    })
  })

  describe('ResourceQuota', () => {
    const used = async (name: string): Promise<Json> => (await send('GET', core(`resourcequotas/${name}`))).status.used
    const expectUsed = (name: string, wanted: Json): Promise<void> => eventually(`${name} using ${JSON.stringify(wanted)}`, async () => {
      const now = await used(name)
      for (const key of Object.keys(wanted)) assert.equal(now?.[key], wanted[key], `${key} of ${JSON.stringify(now)}`)
    })
    const makeQuota = async (name: string, hard: Json, more: Json = {}): Promise<void> => {
      await send('POST', core('resourcequotas'), { metadata: { name }, spec: { hard, ...more } }, 201)
      await expectUsed(name, Object.fromEntries(Object.keys(hard).map((key) => [key, key === 'configmaps' ? '1' : key === 'resourcequotas' ? '1' : '0'])))
    }
    const makePod = (name: string, resources: Json = {}, more: Json = {}, wanted = 201): Promise<Json> => send('POST', core('pods'), { metadata: { name }, spec: { terminationGracePeriodSeconds: 0, ...more, containers: [{ name: 'c', image: 'registry.example/pause:1', resources }] } }, wanted)

    test('should create a ResourceQuota and capture the life of a configMap, secret, service, replica set and replication controller', async () => {
      await makeQuota('all', { configmaps: '3', secrets: '2', services: '2', 'services.nodeports': '1', 'services.loadbalancers': '1', 'count/replicasets.apps': '1', replicationcontrollers: '1', resourcequotas: '1' })
      await send('POST', core('configmaps'), { metadata: { name: 'a' } }, 201)
      await send('POST', core('secrets'), { metadata: { name: 'a' } }, 201)
      await send('POST', core('services'), { metadata: { name: 'a' }, spec: { ports: [{ port: 80 }] } }, 201)
      await send('POST', core('services'), { metadata: { name: 'b' }, spec: { type: 'NodePort', ports: [{ port: 80 }] } }, 201)
      await send('POST', apps('replicasets'), { metadata: { name: 'a' }, spec: { replicas: 0, selector: { matchLabels: { app: 'gc' } }, template } }, 201)
      await makeController('a', 0)
      await expectUsed('all', { configmaps: '2', secrets: '1', services: '2', 'services.nodeports': '1', 'count/replicasets.apps': '1', replicationcontrollers: '1', resourcequotas: '1' })
      const refused = await send('POST', core('services'), { metadata: { name: 'c' }, spec: { ports: [{ port: 80 }] } }, 403)
      assert.equal(refused.message, 'services "c" is forbidden: exceeded quota: all, requested: services=1, used: services=2, limited: services=2')
      for (const path of [core('configmaps/a'), core('secrets/a'), core('services/a'), core('services/b'), apps('replicasets/a'), core('replicationcontrollers/a')]) await send('DELETE', path)
      await expectUsed('all', { configmaps: '1', secrets: '0', services: '0', 'services.nodeports': '0', 'count/replicasets.apps': '0', replicationcontrollers: '0' })
    })

    test('should create a ResourceQuota and capture the life of a pod', async () => {
      await makeQuota('pods', { pods: '5', cpu: '1', memory: '500Mi', 'requests.ephemeral-storage': '50Gi', 'requests.example.com/dongle': '3' })
      const requests = { cpu: '500m', memory: '252Mi', 'ephemeral-storage': '30Gi', 'example.com/dongle': '2' }
      await makePod('a', { requests, limits: { 'example.com/dongle': '2' } })
      await expectUsed('pods', { pods: '1', cpu: '500m', memory: '252Mi', 'requests.ephemeral-storage': '30Gi', 'requests.example.com/dongle': '2' })
      const refused = await makePod('b', { requests: { cpu: '600m', memory: '100Mi', 'ephemeral-storage': '1Gi' } }, {}, 403)
      assert.match(refused.message, /exceeded quota: pods, requested: cpu=600m, used: cpu=500m, limited: cpu=1/)
      assert.match((await makePod('b', { requests: { cpu: '100m', memory: '100Mi', 'ephemeral-storage': '1Gi', 'example.com/dongle': '2' }, limits: { 'example.com/dongle': '2' } }, {}, 403)).message, /exceeded quota/)
      assert.match((await makePod('b', {}, {}, 403)).message, /failed quota: pods: must specify cpu for: c; memory for: c$/)
      await merge(core('pods/a'), { spec: { containers: [{ name: 'c', image: 'registry.example/pause:1', resources: { requests: { ...requests, cpu: '100m' } } }] } }, 422)
      await send('DELETE', core('pods/a'))
      await expectUsed('pods', { pods: '0', cpu: '0', memory: '0', 'requests.ephemeral-storage': '0' })
    })

    test('should verify ResourceQuota with best effort and with terminating scopes', async () => {
      for (const scope of ['BestEffort', 'NotBestEffort', 'Terminating', 'NotTerminating']) await makeQuota(scope.toLowerCase(), { pods: '5' }, { scopes: [scope] })
      await makePod('plain')
      for (const [name, pods] of [['besteffort', '1'], ['notbesteffort', '0'], ['terminating', '0'], ['notterminating', '1']] as const) await expectUsed(name, { pods })
      await send('DELETE', core('pods/plain'))
      await makePod('sized', { requests: { cpu: '100m' }, limits: { cpu: '100m', memory: '10Mi' } }, { activeDeadlineSeconds: 3600 })
      for (const [name, pods] of [['besteffort', '0'], ['notbesteffort', '1'], ['terminating', '1'], ['notterminating', '0']] as const) await expectUsed(name, { pods })
      await send('DELETE', core('pods/sized'))
      for (const name of ['notbesteffort', 'terminating']) await expectUsed(name, { pods: '0' })
    })

    test('should apply changes to a resourcequota status', async () => {
      await makeQuota('status', { cpu: '500m', memory: '500Mi' })
      const current = await send('GET', core('resourcequotas/status'))
      const changed = await send('PUT', core('resourcequotas/status/status'), { ...current, metadata: { name: 'status', namespace, annotations: { a: 'b' } }, status: { hard: { cpu: '12345', memory: '6789' } } })
      assert.deepEqual(changed.status.hard, { cpu: '12345', memory: '6789' })
      await merge(core('resourcequotas/status'), { spec: { hard: { cpu: '1', memory: '1Gi' } } })
      await eventually('the status follows', async () => assert.deepEqual((await send('GET', core('resourcequotas/status'))).status.hard, { cpu: '1', memory: '1Gi' }))
      assert.deepEqual((await merge(core('resourcequotas/status/status'), { spec: { hard: { cpu: '7' } }, status: { hard: { cpu: '7' } } })).spec.hard, { cpu: '1', memory: '1Gi' })
    })
  })

  describe('Namespaces', () => {
    test('should ensure that all pods and services are removed when a namespace is deleted', async () => {
      await send('POST', core('pods'), { metadata: { name: 'p' }, spec: template.spec }, 201)
      await send('POST', core('services'), { metadata: { name: 's' }, spec: { ports: [{ port: 80 }] } }, 201)
      await send('DELETE', `/api/v1/namespaces/${namespace}`)
      await gone(`/api/v1/namespaces/${namespace}`)
      await send('POST', '/api/v1/namespaces', { metadata: { name: namespace } }, 201)
      assert.deepEqual([(await pods()).length, (await send('GET', core('services'))).items.length], [0, 0])
    })

    test('should apply changes to a namespace status, and a finalizer', async () => {
      const path = `/api/v1/namespaces/${namespace}`
      const condition = { type: 'StatusPatch', status: 'True', reason: 'E2E', message: 'Patched by an e2e test' }
      assert.equal((await merge(`${path}/status`, { metadata: { annotations: { 'e2e-patched-ns-status': namespace } }, status: { conditions: [condition] } })).status.conditions[0].message, condition.message)
      const current = await send('GET', `${path}/status`)
      assert.equal(current.status.phase, 'Active')
      const finalized = await send('PUT', `${path}/finalize`, { ...current, spec: { finalizers: [...current.spec.finalizers, 'e2e.example.com/fakeFinalizer'] } })
      assert.deepEqual(finalized.spec.finalizers, ['kubernetes', 'e2e.example.com/fakeFinalizer'])
      await send('PUT', `${path}/finalize`, { ...finalized, spec: { finalizers: ['kubernetes'] } })
    })
  })

  describe('DisruptionController', () => {
    test('should block an eviction until the PDB is updated to allow it', async () => {
      await makeDeployment('web')
      await eventually('two pods ready', async () => assert.equal((await pods()).filter((pod) => pod.status.conditions?.some((condition: Json) => condition.type === 'Ready' && condition.status === 'True')).length, 2))
      await send('POST', `/apis/policy/v1/namespaces/${namespace}/poddisruptionbudgets`, { metadata: { name: 'web' }, spec: { minAvailable: 2, selector: { matchLabels: { app: 'gc' } } } }, 201)
      const budget = `/apis/policy/v1/namespaces/${namespace}/poddisruptionbudgets/web`
      const status = async (wanted: number): Promise<void> => eventually(`${wanted} disruptions allowed`, async () => {
        const now = await send('GET', budget)
        assert.deepEqual([now.status.observedGeneration, now.status.disruptionsAllowed], [now.metadata.generation, wanted])
      })
      await status(0)
      const [first] = await pods()
      const evict = (wanted: number): Promise<Json> => send('POST', core(`pods/${first.metadata.name}/eviction`), { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: first.metadata.name } }, wanted)
      assert.match((await evict(429)).details.causes[0].message, /needs 2 healthy pods and has 2 currently/)
      await merge(budget, { spec: { minAvailable: 1 } })
      await status(1)
      await evict(201)
      await gone(core(`pods/${first.metadata.name}`))
    })
  })

  describe('Watchers', () => {
    const label = (value: string): Json => ({ metadata: { name: 'watched', labels: { watch: value } } })

    test('should observe an object deletion if it stops meeting the requirements of the selector', async () => {
      await send('POST', core('configmaps'), label('on'), 201)
      using watch = await client.watch(core('configmaps?watch=true&labelSelector=watch%3Don&resourceVersion=0'))
      const next = async (): Promise<string> => {
        const event = await watch.next()
        return `${event?.type} ${event?.object.data?.step ?? ''}`
      }
      assert.equal(await next(), 'ADDED ')
      await merge(core('configmaps/watched'), { metadata: { labels: { watch: 'off' } } })
      assert.equal(await next(), 'DELETED ')
      await merge(core('configmaps/watched'), { data: { step: '1' } })
      await merge(core('configmaps/watched'), { metadata: { labels: { watch: 'on' } }, data: { step: '2' } })
      assert.equal(await next(), 'ADDED 2')
      await merge(core('configmaps/watched'), { data: { step: '3' } })
      assert.equal(await next(), 'MODIFIED 3')
      await send('DELETE', core('configmaps/watched'))
      assert.equal(await next(), 'DELETED 3')
    })

    test('should receive events on concurrent watches in same order', async () => {
      const { metadata } = await send('GET', core('configmaps'))
      const writes = (async () => {
        for (let i = 0; i < 40; i++) {
          const name = `c-${i % 5}`
          if (i < 5) await send('POST', core('configmaps'), { metadata: { name } }, 201)
          else await merge(core(`configmaps/${name}`), { data: { i: String(i) } })
        }
      })()
      const first: string[] = []
      using leading = await client.watch(core(`configmaps?watch=true&resourceVersion=${metadata.resourceVersion}`))
      const others = [metadata.resourceVersion as string]
      for (let i = 0; i < 40; i++) {
        const event = await leading.next()
        first.push(`${event!.type} ${event!.object.metadata.resourceVersion}`)
        if (i % 10 === 5) others.push(event!.object.metadata.resourceVersion)
      }
      await writes
      for (const [at, revision] of others.entries()) {
        using following = await client.watch(core(`configmaps?watch=true&resourceVersion=${revision}`))
        const from = at === 0 ? 0 : (at - 1) * 10 + 6
        for (const wanted of first.slice(from)) {
          const event = await following.next()
          assert.equal(`${event!.type} ${event!.object.metadata.resourceVersion}`, wanted)
        }
      }
    })
  })

  describe('Servers with support for API chunking', () => {
    test('should return chunks of results for list calls', async () => {
      for (let i = 0; i < 40; i++) await send('POST', core('podtemplates'), { metadata: { name: `template-${String(i).padStart(4, '0')}` }, template }, 201)
      let token = ''
      let revision = ''
      const names: string[] = []
      do {
        const list = await send('GET', core(`podtemplates?limit=17${token === '' ? '' : `&continue=${encodeURIComponent(token)}`}`))
        revision ||= list.metadata.resourceVersion
        assert.equal(list.metadata.resourceVersion, revision)
        names.push(...list.items.map((item: Json) => item.metadata.name))
        assert.equal(list.metadata.remainingItemCount ?? 0, 40 - names.length)
        token = list.metadata.continue ?? ''
        await send('POST', core('podtemplates'), { metadata: { name: `zz-later-${names.length}` }, template }, 201)
      } while (token !== '')
      assert.deepEqual(names, Array.from({ length: 40 }, (_, i) => `template-${String(i).padStart(4, '0')}`))
    })
  })

  describe('FieldValidation', () => {
    test('should detect unknown and duplicate fields of a typed object', async () => {
      const body = `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"one","namespace":"${namespace}","unknownMeta":"x","labels":{"app":"gc","app":"gc"}},"spec":{"unknown1":"val1","unknownDupe":"valDupe","unknownDupe":"valDupe2","paused":true,"paused":false,"selector":{"matchLabels":{"app":"gc"}},"template":{"metadata":{"labels":{"app":"gc"}},"spec":{"containers":[{"name":"c","image":"i","unknownNested":"val1","imagePullPolicy":"Always","imagePullPolicy":"Never"}]}}}}`
      const answer = await client.call('POST', apps('deployments?fieldValidation=Strict'), { body })
      assert.equal(answer.status, 400)
      assert.equal(answer.json.message, `Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: ${[
        'unknown field "metadata.unknownMeta"', 'duplicate field "metadata.labels.app"', 'unknown field "spec.unknown1"', 'unknown field "spec.unknownDupe"', 'duplicate field "spec.paused"',
        'unknown field "spec.template.spec.containers[0].unknownNested"', 'duplicate field "spec.template.spec.containers[0].imagePullPolicy"',
      ].join(', ')}`)
    })

    const ports = { type: 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['containerPort', 'protocol'], items: { type: 'object', required: ['containerPort', 'protocol'], properties: { containerPort: { type: 'integer', format: 'int32' }, name: { type: 'string' }, protocol: { type: 'string' } } } }
    const fields = { foo: { type: 'string' }, cronSpec: { type: 'string', pattern: String.raw`^(\d+|\*)(/\d+)?(\s+(\d+|\*)(/\d+)?){4}$` }, ports }
    const template = { type: 'object', 'x-kubernetes-embedded-resource': true, properties: { metadata: { type: 'object', properties: { name: { type: 'string' } } }, spec: { type: 'object' } } }
    const closed = { type: 'object', properties: { spec: { type: 'object', properties: fields } } }
    const open = { type: 'object', properties: { spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true, properties: { ...fields, template } } } }
    const anything = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
    const cases: Array<[behaviour: string, schema: Json, metadata: string, spec: string, status: number, message: string]> = [
      ['should create/apply a valid CR for CRD with validation schema', closed, '', '', 201, ''],
      ['should create/apply a CR with unknown fields for CRD with no validation schema', anything, '', '  unknown: uk1\n', 201, ''],
      ['should create/apply an invalid CR with extra properties for CRD with validation schema', closed, 'unknownField: unknown\n', '', 500, '.unknownField: field not declared in schema'],
      ['should detect unknown metadata fields in both the root and embedded object of a CR', open, '  unknownMeta: unknown\n', '  template:\n    apiversion: foo/v1\n    kind: Sub\n    metadata:\n      unknownSubMeta: unknown\n      name: subobject\n', 500, '.spec.template.metadata.unknownSubMeta: field not declared in schema'],
      ['should detect duplicates in a CR when preserving unknown fields', open, '', '  unknown: uk1\n  foo: foo2\n', 400, 'line 10: key "foo" already set in map'],
    ]
    for (const [behaviour, schema, metadata, spec, status, message] of cases) {
      test(behaviour, async () => {
        const { path, kind } = await define(schema)
        const body = `apiVersion: conformance.example.com/v1\nkind: ${kind}\nmetadata:\n  name: mytest\n  finalizers:\n  - test-finalizer\n${metadata}spec:\n  foo: foo1\n${spec}  cronSpec: "* * * * */5"\n  ports:\n  - name: x\n    containerPort: 80\n    protocol: TCP\n`
        const answer = await client.call('PATCH', `${path}/mytest?fieldManager=field_validation_mgr&fieldValidation=Strict`, { body, headers: { 'content-type': 'application/apply-patch+yaml' } })
        assert.equal(answer.status, status, answer.text)
        assert.ok(status === 201 || answer.json.message.includes(message), answer.text)
      })
    }
  })

  describe('Custom resources', () => {
    test('should support cascading and orphan deletion of custom resources', async () => {
      const { path, kind } = await define({ type: 'object', 'x-kubernetes-preserve-unknown-fields': true })
      const make = async (name: string, owner?: Json): Promise<Json> => await send('POST', path, {
        apiVersion: 'conformance.example.com/v1', kind, metadata: { name, ...(owner === undefined ? {} : { ownerReferences: [{ apiVersion: owner.apiVersion, kind, name: owner.metadata.name, uid: owner.metadata.uid }] }) },
      }, 201)
      await make('dependent', await make('owner'))
      await make('orphan', await make('leaving'))
      await send('DELETE', `${path}/owner`, { propagationPolicy: 'Foreground' }, 200)
      await send('DELETE', `${path}/leaving`, { propagationPolicy: 'Orphan' })
      for (const name of ['owner', 'dependent', 'leaving']) await gone(`${path}/${name}`)
      assert.equal((await send('GET', `${path}/orphan`)).metadata.ownerReferences, undefined)
    })
  })

  describe('Servers with support for Table transformation', () => {
    const Accept = 'application/json;as=Table;v=v1;g=meta.k8s.io'

    test('should return a 406 for a backend which does not implement metadata', async () => {
      const review = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec: { resourceAttributes: { verb: 'get', resource: 'pods' } } }
      const { status, json } = await client.call('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', { body: review, headers: { accept: Accept } })
      assert.deepEqual([status, json.reason], [406, 'NotAcceptable'])
    })

    test('should return generic metadata details across all namespaces for nodes', async () => {
      const { json } = await client.call('GET', '/api/v1/nodes', { headers: { accept: Accept } })
      assert.deepEqual([json.kind, json.apiVersion, json.columnDefinitions[0].name, json.rows.length, json.rows[0].object.kind], ['Table', 'meta.k8s.io/v1', 'Name', 2, 'PartialObjectMetadata'])
    })
  })

  describe('API priority and fairness', () => {
    test('should ensure that requests can be classified by adding FlowSchema and PriorityLevelConfiguration', async () => {
      const api = '/apis/flowcontrol.apiserver.k8s.io/v1'
      const level = await send('POST', `${api}/prioritylevelconfigurations`, { metadata: { name: namespace }, spec: { type: 'Limited', limited: { nominalConcurrencyShares: 1, limitResponse: { type: 'Reject' } } } }, 201)
      const rules = [{ subjects: [{ kind: 'User', user: { name: 'noxu' } }], nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }] }]
      const schema = await send('POST', `${api}/flowschemas`, { metadata: { name: namespace }, spec: { matchingPrecedence: 1000, priorityLevelConfiguration: { name: namespace }, rules } }, 201)
      await eventually('requests of noxu', async () => {
        const { headers } = await client.call('GET', '/version', { headers: { 'impersonate-user': 'noxu' } })
        assert.deepEqual([headers['x-kubernetes-pf-flowschema-uid'], headers['x-kubernetes-pf-prioritylevel-uid']], [schema.metadata.uid, level.metadata.uid])
      })
      const { headers } = await client.call('GET', '/version', { headers: { 'impersonate-user': 'foo' } })
      assert.notEqual(headers['x-kubernetes-pf-flowschema-uid'], schema.metadata.uid)
    })
  })
})
