import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { ControlPlane } from './control-plane.ts'
import { eventually, kubectls, type Result } from './support.ts'

type Step = [command: string, expected: string | RegExp, input?: string]

const deployment = (replicas: number, { image = 'nginx', env = '{name: A, value: "1"}', ports = '{containerPort: 80}', more = '' } = {}): string => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  ${replicas < 0 ? '' : `replicas: ${replicas}`}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: c, image: "${image}", env: [${env}], ports: [${ports}]${more}}
`
const configMap = (data: string, name = 'settings'): string => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {${data}}\n`
const owners = (what: string): string => `get ${what} --show-managed-fields -o jsonpath={range\u00a0.metadata.managedFields[*]}{.manager}/{.operation}/{.subresource}{"\\n"}{end}`
const replicas = 'get deployment web -o jsonpath={.spec.replicas}'
const container = 'get deployment web -o jsonpath={.spec.template.spec.containers[0]'

/** What a user does with server-side apply, and what kubectl says; a blank inside a word is a no-break space. */
const steps: readonly Step[] = [
  ['apply --server-side -f -', 'configmap/settings serverside-applied', configMap('a: "1", b: "2"')], ['apply --server-side -f -', 'configmap/settings serverside-applied', configMap('a: "1", b: "2"')],
  [owners('configmap settings'), 'kubectl/Apply/'], ['get configmap settings -o yaml', /^(?![^]*managedFields)/], ['get configmap settings -o yaml --show-managed-fields', /fieldsV1:\n {6}f:data:\n {8}f:a: \{\}\n {8}f:b: \{\}\n {4}manager: kubectl\n {4}operation: Apply/],
  // Somebody else owns a field, shares one, takes one.
  ['apply --server-side --field-manager=other -f -', /^error: Apply failed with 1 conflict: conflict with "kubectl": \.data\.a\nPlease review the fields above/, configMap('a: "9"')], ['apply --server-side --field-manager=other -f -', 'configmap/settings serverside-applied', configMap('a: "1"')],
  ['apply --server-side -f -', 'configmap/settings serverside-applied', configMap('b: "2"')], ['get configmap settings -o jsonpath={.data}', '{"a":"1","b":"2"}'], ['apply --server-side --field-manager=other --force-conflicts -f -', 'configmap/settings serverside-applied', configMap('b: "3"')],
  ['get configmap settings -o jsonpath={.data}', '{"b":"3"}'], [owners('configmap settings'), 'other/Apply/'], ['apply --server-side -f -', /^error: Apply failed with 1 conflict: conflict with "other": \.data\.b/, configMap('b: "2"')],
  ['apply --server-side --field-manager=other -f -', 'configmap/settings serverside-applied', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n'], ['get configmap settings -o jsonpath={.data}', ''],
  ['apply --server-side -f -', 'configmap/settings serverside-applied', configMap('c: "1"')], ['patch configmap settings --type=json -p [{"op":"replace","path":"/metadata/managedFields","value":[{}]}]', 'configmap/settings patched'], [owners('configmap settings'), ''],
  ['apply --server-side -f -', 'configmap/settings serverside-applied', configMap('c: "1"')], [owners('configmap settings'), 'kubectl/Apply/\nbefore-first-apply/Update/'],
  // Client-side apply, and the way from there.
  ['apply -f -', 'deployment.apps/web created', deployment(1)], ['apply view-last-applied deployment/web', /^apiVersion: apps\/v1\nkind: Deployment\n[^]*replicas: 1/], ['apply edit-last-applied deployment/web', 'deployment.apps/web edited'],
  ['apply view-last-applied deployment/web', /replicas: 2/], ['diff -f -', /-  replicas: 1\n\+  replicas: 3/, deployment(3)], ['apply --server-side -f -', 'deployment.apps/web serverside-applied', deployment(1)], ['apply --server-side -f -', 'deployment.apps/web serverside-applied', deployment(2)], [replicas, '2'],
  [owners('deployment web'), /^(kubectl-last-applied\/Apply\/\n)?kubectl\/Apply\/\nkube-controller-manager\/Update\/status$/], ['apply view-last-applied deployment/web', /replicas: 2/], ['diff --server-side -f -', /-  replicas: 2\n\+  replicas: 3/, deployment(3)], [replicas, '2'],
  ['apply --server-side --dry-run=server -f -', 'deployment.apps/web serverside-applied (server dry run)', deployment(5)], [replicas, '2'],
  // Items of lists come and go.
  ['apply --server-side -f -', 'deployment.apps/web serverside-applied', deployment(2, { env: '{name: A, value: "1"}, {name: B, value: "2"}', ports: '{containerPort: 80}, {containerPort: 80, protocol: UDP}' })], [`${container}.env}`, '[{"name":"A","value":"1"},{"name":"B","value":"2"}]'],
  ['apply --server-side -f -', 'deployment.apps/web serverside-applied', deployment(2, { env: '{name: B, value: "2"}', ports: '{containerPort: 80, protocol: UDP}' })], [`${container}.env}`, '[{"name":"B","value":"2"}]'], [`${container}.ports}`, '[{"containerPort":80,"protocol":"UDP"}]'],
  ['apply --server-side -f -', /^Error from server: failed to create typed patch object \({ns}\/web; apps\/v1, Kind=Deployment\): \.spec\.template\.spec\.containers\[name="c"\]\.ports: duplicate entries for key \[containerPort=80,protocol="TCP"\]$/, deployment(2, { ports: '{containerPort: 80}, {containerPort: 80, protocol: TCP}' })],
  ['apply --server-side --validate=false -f -', /^Error from server: failed to create typed patch object \({ns}\/web; apps\/v1, Kind=Deployment\): \.spec\.template\.spec\.containers\[name="c"\]\.foo: field not declared in schema$/, deployment(2, { more: ', foo: bar' })],
  ['apply --server-side --validate=false -f -', /^Error from server: failed to create typed patch object .*: \.spec\.template\.spec\.containers\[name="c"\]\.env\[name="A"\]\.value: expected string, got &value\.valueUnstructured\{Value:1\}$/, deployment(2, { env: '{name: A, value: 1}' })],
  ['apply --server-side -f -', 'deployment.apps/web serverside-applied', deployment(2)],
  // What commands change belongs to them.
  ['set image deployment/web c=nginx:2', 'deployment.apps/web image updated'], ['apply --server-side -f -', /^error: Apply failed with 1 conflict: conflict with "kubectl-set" using apps\/v1: \.spec\.template\.spec\.containers\[name="c"\]\.image\n/, deployment(2)], ['apply --server-side --force-conflicts -f -', 'deployment.apps/web serverside-applied', deployment(2)], [`${container}.image}`, 'nginx'],
  ['scale deployment web --replicas=3', 'deployment.apps/web scaled'], ['apply --server-side -f -', /^error: Apply failed with 1 conflict: conflict with "kubectl(\.1\.\d+)?" with subresource "scale" using apps\/v1: \.spec\.replicas\n/, deployment(2)], ['apply --server-side -f -', 'deployment.apps/web serverside-applied', deployment(-1)], [replicas, '3'],
  ['label deployment web x=y --dry-run=server', 'deployment.apps/web labeled (server dry run)'], ['label deployment web x=y', 'deployment.apps/web labeled'], ['annotate deployment web x=y', /^deployment\.apps\/web annotated?$/], ['edit deployment web', 'deployment.apps/web edited'], [replicas, '4'],
  [owners('deployment web'), /kubectl\/Apply\/\n[^]*kubectl-label\/Update\//], ['patch deployment web --subresource=status --type=merge -p {"status":{"collisionCount":7}}', 'deployment.apps/web patched'], [owners('deployment web'), /kubectl-patch\/Update\/status/],
  ['patch deployment web -p {"spec":{"paused":true}} --field-manager=pauser', 'deployment.apps/web patched'], [owners('deployment web'), /pauser\/Update\//],
  // Pruning, by labels and by sets.
  ['apply -f - --prune -l part=of --prune-allowlist=core/v1/ConfigMap', /configmap\/one created\nconfigmap\/two created/, `${configMap('a: b', 'one, labels: {part: of}')}---\n${configMap('a: b', 'two, labels: {part: of}')}`], ['apply -f - --prune -l part=of --prune-allowlist=core/v1/ConfigMap', /configmap\/one unchanged\nconfigmap\/two pruned/, configMap('a: b', 'one, labels: {part: of}')],
  ['apply --server-side -f - --prune --applyset=configmaps/everything', /configmap\/four serverside-applied\nconfigmap\/three serverside-applied|configmap\/three serverside-applied\nconfigmap\/four serverside-applied/, `${configMap('a: b', 'three')}---\n${configMap('a: b', 'four')}`], ['apply --server-side -f - --prune --applyset=configmaps/everything', /configmap\/three serverside-applied\nconfigmap\/four pruned/, configMap('a: b', 'three')],
  ['get configmap three -o jsonpath={.metadata.labels}', /^\{"applyset\.kubernetes\.io\/part-of":"applyset-.*-v1"\}$/], ['get configmap everything -o jsonpath={.metadata.annotations}', /"applyset\.kubernetes\.io\/contains-group-(resource|kind)s":"(configmaps|ConfigMap)"/],
  // Custom resources by their schema.
  ['apply --server-side -f -', /^(gadget\.example\.com\/g )serverside-applied$/, gadget('{port: 1, name: a}, {port: 2, name: b}', 'r, s', 'replicas: 1')], ['apply --server-side --field-manager=other -f -', /conflict with "kubectl": \.spec\.ports\[port=1\]\.name/, gadget('{port: 1, name: z}', '', '')],
  ['apply --server-side --field-manager=other -f -', 'gadget.example.com/g serverside-applied', gadget('{port: 3, name: c}', 't', '')], ['apply --server-side -f -', 'gadget.example.com/g serverside-applied', gadget('{port: 2, name: b}', 's', 'replicas: 1')], ['get gadget g -o jsonpath={.spec}', /^\{"ports":\[(\{"name":"b","port":2\}|\{"name":"c","port":3\}|,){3}\],"replicas":1,"tags":\["s","t"\]\}$/],
  ['scale gadget g --replicas=3', 'gadget.example.com/g scaled'], ['apply --server-side -f -', /conflict with "kubectl(\.1\.\d+)?" with subresource "scale" using example\.com\/v1: \.spec\.replicas/, gadget('{port: 2, name: b}', 's', 'replicas: 1')], ['apply --server-side --validate=false -f -', /field not declared in schema/, gadget('{port: 2, odd: b}', '', '')],
  ['patch gadget g --subresource=status --type=merge -p {"status":{"ready":true}}', 'gadget.example.com/g patched'], [owners('gadget g'), /kubectl-patch\/Update\/status/], ['apply -f -', /gadget\.example\.com\/g configured/, gadget('{port: 2, name: b}', 's', 'replicas: 1')], ['diff -f -', '', gadget('{port: 2, name: b}', 's', 'replicas: 1')],
]

function gadget(ports: string, tags: string, more: string): string {
  return `apiVersion: example.com/v1\nkind: Gadget\nmetadata: {name: g}\nspec:\n  ports: [${ports}]\n${tags === '' ? '' : `  tags: [${tags}]\n`}${more === '' ? '' : `  ${more}\n`}`
}

const gadgets = {
  apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: 'gadgets.example.com' },
  spec: {
    group: 'example.com', scope: 'Namespaced', names: { plural: 'gadgets', singular: 'gadget', kind: 'Gadget' },
    versions: [{
      name: 'v1', served: true, storage: true, subresources: { status: {}, scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' } },
      schema: { openAPIV3Schema: { type: 'object', properties: {
        spec: { type: 'object', properties: {
          ports: { type: 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['port'], items: { type: 'object', required: ['port'], properties: { port: { type: 'integer' }, name: { type: 'string' } } } },
          tags: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } }, replicas: { type: 'integer' },
        } },
        status: { type: 'object', properties: { ready: { type: 'boolean' }, replicas: { type: 'integer' } } },
      } } },
    }],
  },
}

const all = kubectls()
/** Apply has changed little between versions: the oldest and the newest will do. */
const ends = all.length > 1 ? [all[0]!, all.at(-1)!] : all

describe('server-side apply by kubectl', { skip: all.length === 0 ? 'no kubectl' : process.platform === 'linux' ? false : 'looks at /proc' }, () => {
  let plane: ControlPlane
  let editor: string
  before(async () => {
    plane = await ControlPlane.start({ hollow: 2 })
    editor = join(plane.sandbox.home, 'editor')
    writeFileSync(editor, '#!/bin/sh\nsed -i \'s/replicas: 3$/replicas: 4/; s/replicas: 1$/replicas: 2/\' "$1"\n')
    chmodSync(editor, 0o755)
    await plane.client.call('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', { body: gadgets })
    await eventually('the definition', async () => assert.equal((await plane.client.call('GET', '/apis/example.com/v1/gadgets')).status, 200))
  })
  after(() => plane[Symbol.asyncDispose]())

  const run = (kubectl: string, namespace: string, command: string, input?: string): Promise<Result> => {
    const words = command.split(' ').map((word) => word.replaceAll('\u00a0', ' '))
    return plane.sandbox.run(kubectl, [...words, '-n', namespace], { env: { EDITOR: editor, KUBECTL_APPLYSET: 'true' }, timeoutMs: 60_000, ...(input === undefined ? {} : { input }) })
  }

  for (const kubectl of ends) {
    const name = kubectl.split('/').at(-1)!
    const namespace = name.replaceAll('.', '-')
    test(`${name}: ${steps.length} commands say what they say anywhere`, async () => {
      await run(kubectl, 'default', `create namespace ${namespace}`)
      for (const [command, expected, input] of steps) {
        const { stdout, stderr } = await run(kubectl, namespace, command, input)
        const lines = stripVTControlCharacters(stdout + stderr).trim().split('\n').filter((line) => !/^(Warning|Flag|W\d{4}|WARNING)/.test(line))
        const text = lines.join('\n')
        const what = `${name} ${command} said:\n${text}\n`
        if (typeof expected === 'string') assert.equal(text, expected, what)
        else assert.match(text, new RegExp(expected.source.replaceAll('{ns}', namespace), expected.flags), what)
        // The controller's part of the managers is there once it has seen the object.
        if (text === 'deployment.apps/web created') await run(kubectl, namespace, 'rollout status deployment/web --timeout=30s')
      }
    })
  }

  test('applies to no object without a manager, and makes one only for who may create', async () => {
    const apply = (query: string, body: unknown, headers: Record<string, string> = {}) => plane.client.call('PATCH', `/api/v1/namespaces/default/configmaps/made${query}`, { body, headers: { 'content-type': 'application/apply-patch+yaml', ...headers } })
    const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'made' } }
    const unnamed = await apply('', body)
    assert.deepEqual([unnamed.status, unnamed.json.message], [422, 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'])
    const uid = await apply('?fieldManager=me', { ...body, metadata: { name: 'made', uid: 'x' } })
    assert.deepEqual([uid.status, uid.json.message], [409, 'Operation cannot be fulfilled on configmaps "made": uid mismatch: the provided object specified uid x, and no existing object was found'])
    await plane.client.call('POST', '/apis/rbac.authorization.k8s.io/v1/clusterroles', { body: { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name: 'patcher' }, rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['patch'] }] } })
    await plane.client.call('POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', { body: { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRoleBinding', metadata: { name: 'patcher' }, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'patcher' }, subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'jane' }] } })
    await eventually('the binding', async () => {
      const refused = await apply('?fieldManager=me', body, { 'impersonate-user': 'jane' })
      assert.deepEqual([refused.status, refused.json.message], [403, 'configmaps "made" is forbidden: User "jane" cannot create resource "configmaps" in API group "" in the namespace "default"'])
    })
    assert.equal((await apply('?fieldManager=me&dryRun=All', body)).status, 201)
    assert.equal((await apply('?fieldManager=me', body)).status, 201)
    const allowed = await apply('?fieldManager=me', { ...body, data: { a: 'b' } }, { 'impersonate-user': 'jane' })
    assert.equal(allowed.status, 200)
    const stale = await apply('?fieldManager=me', { ...body, metadata: { name: 'made', resourceVersion: '1' }, data: { a: 'c' } })
    assert.deepEqual([stale.status, stale.json.reason], [409, 'Conflict'])
  })

  test('the same applied again is no write', async () => {
    const apply = () => plane.client.call('PATCH', '/apis/apps/v1/namespaces/default/deployments/same?fieldManager=me', {
      body: { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'same' }, spec: { replicas: 0, selector: { matchLabels: { a: 'b' } }, template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i', resources: { limits: { cpu: '1000m' } } }] } } } },
      headers: { 'content-type': 'application/apply-patch+yaml' },
    })
    assert.equal((await apply()).status, 201)
    await eventually('a settled deployment', async () => {
      const first = await apply()
      await new Promise((resolve) => setTimeout(resolve, 1100))
      const second = await apply()
      assert.equal(second.json.metadata.resourceVersion, first.json.metadata.resourceVersion)
    })
  })
})
