import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import type { Json } from '../../src/apiserver/testing/http-client.ts'
import { jsonPatch, startWebhookServer, type WebhookServer } from '../../src/apiserver/testing/webhook-server.ts'
import { ControlPlane } from './control-plane.ts'
import { eventually, onPath } from './support.ts'

const configuration = `apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: PodSecurity
  configuration:
    apiVersion: pod-security.admission.config.k8s.io/v1
    kind: PodSecurityConfiguration
    defaults: {enforce: baseline}
    exemptions: {namespaces: [exempt]}
- name: PodNodeSelector
  path: selectors.yaml
`
const selectors = 'podNodeSelectorPluginConfig: {pinned: "kubernetes.io/os=linux"}\n'

describe('admission, as kubectl meets it', { skip: onPath('kubectl') === undefined ? 'needs kubectl' : false }, () => {
  let plane: ControlPlane
  let hooks: WebhookServer
  let folder: string
  const kubectl = (...args: string[]): Promise<string> => plane.sandbox.kubectl(...args)
  const run = (args: readonly string[], input?: string): ReturnType<ControlPlane['sandbox']['run']> => plane.sandbox.run('kubectl', args, input === undefined ? {} : { input })
  const apply = async (object: object): Promise<void> => {
    const { code, stderr } = await run(['apply', '-f', '-'], JSON.stringify(object))
    assert.equal(code, 0, stderr)
  }

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'k8ts-admission-'))
    writeFileSync(join(folder, 'admission.yaml'), configuration)
    writeFileSync(join(folder, 'selectors.yaml'), selectors)
    plane = await ControlPlane.start({ hollow: 2, flags: ['--admission-control-config-file', join(folder, 'admission.yaml'), '--enable-admission-plugins', 'PodNodeSelector,DenyServiceExternalIPs'] })
    hooks = await startWebhookServer(Date.now())
  })
  after(async () => {
    await hooks?.[Symbol.asyncDispose]()
    await plane?.[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })
  afterEach(async () => {
    await kubectl('delete', 'validatingwebhookconfigurations,mutatingwebhookconfigurations', '--all')
    hooks.seen.length = 0
  })

  const pods = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }

  async function configure(kind: 'Mutating' | 'Validating', path: string, more: object = {}): Promise<void> {
    await apply({
      apiVersion: 'admissionregistration.k8s.io/v1', kind: `${kind}WebhookConfiguration`, metadata: { name: path.slice(1) },
      webhooks: [{ name: `${path.slice(1)}.example.com`, clientConfig: hooks.clientConfig(path), rules: [pods], sideEffects: 'None', admissionReviewVersions: ['v1'], ...more }],
    })
  }

  test('pods are held to the Pod Security Standards of their namespace', async () => {
    await kubectl('create', 'namespace', 'strict')
    const refused = await run(['run', 'root', '-n', 'strict', '--image', 'x', '--privileged'])
    assert.match(refused.stderr, /^Error from server \(Forbidden\): pods "root" is forbidden: violates PodSecurity "baseline:latest": privileged \(container "root" must not set securityContext\.privileged=true\)/)
    assert.equal((await run(['run', 'plain', '-n', 'strict', '--image', 'x'])).code, 0)
    const labelled = await run(['label', 'namespace', 'strict', 'pod-security.kubernetes.io/enforce=restricted'])
    assert.match(labelled.stderr, /Warning: existing pods in namespace "strict" violate the new PodSecurity enforce level "restricted:latest"\nWarning: plain: allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true, seccompProfile/)
    const deployment = await run(['create', 'deployment', 'd', '-n', 'strict', '--image', 'x'])
    assert.equal(deployment.code, 0)
    assert.match(deployment.stderr, /Warning: would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false \(container "x" must set/)
    await eventually('an event that tells why there are no pods', async () => assert.match(await kubectl('get', 'events', '-n', 'strict'), /FailedCreate.*violates PodSecurity "restricted:latest"/))
    await kubectl('create', 'namespace', 'exempt')
    assert.equal((await run(['run', 'root', '-n', 'exempt', '--image', 'x', '--privileged'])).code, 0)
  })

  test('optional plugins do what their flags and files say', async () => {
    await kubectl('create', 'namespace', 'pinned')
    const overrides = JSON.stringify({ spec: { nodeSelector: { 'kubernetes.io/os': 'windows' } } })
    assert.match((await run(['run', 'w', '-n', 'pinned', '--image', 'x', `--overrides=${overrides}`])).stderr, /pod node label selector labels conflict with its namespace whitelist/)
    const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 's', namespace: 'pinned' }, spec: { ports: [{ port: 80 }], externalIPs: ['192.0.2.1'] } }
    assert.match((await run(['apply', '-f', '-'], JSON.stringify(service))).stderr, /services "s" is forbidden: Use of external IPs is denied by admission control/)
  })

  test('a mutating webhook injects into the pods of a Deployment, and what it makes is checked', async () => {
    await kubectl('create', 'namespace', 'mesh')
    hooks.routes['/inject'] = ({ object }: Json) => jsonPatch(
      { op: 'add', path: '/spec/containers/-', value: { name: 'proxy', image: 'proxy:1', ...(object.metadata.labels?.evil === undefined ? {} : { securityContext: { privileged: true } }) } },
      { op: 'add', path: '/metadata/annotations', value: { injected: 'yes' } },
    )
    await configure('Mutating', '/inject', { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'mesh' } } })
    await kubectl('create', 'deployment', 'web', '-n', 'mesh', '--image', 'x')
    await eventually('injected pods', async () => assert.match(await kubectl('get', 'pods', '-n', 'mesh', '-o', 'jsonpath={range .items[*]}{.spec.containers[*].name} {.metadata.annotations.injected} {.spec.containers[1].imagePullPolicy} {.status.phase}{"\\n"}{end}'), /^x proxy yes IfNotPresent Running$/m))
    assert.match((await run(['run', 'evil', '-n', 'mesh', '--image', 'x', '--labels', 'evil=yes'])).stderr, /violates PodSecurity "baseline:latest": privileged \(container "proxy"/)
    hooks.routes['/inject'] = () => jsonPatch({ op: 'add', path: '/spec/containers/-', value: { name: 'Not A Name', image: 'x' } })
    assert.match((await run(['run', 'broken', '-n', 'mesh', '--image', 'x'])).stderr, /The Pod "broken" is invalid: spec\.containers\[1\]\.name: Invalid value: "Not A Name"/)
  })

  test('a validating webhook refuses, warns, and is obeyed from its configuration on', async () => {
    hooks.routes['/judge'] = ({ name }: Json) => (name === 'bad' ? { allowed: false, status: { message: 'bad name', code: 403, reason: 'Forbidden' } } : { allowed: true, warnings: ['looked at'] })
    await configure('Validating', '/judge')
    assert.match((await run(['run', 'bad', '--image', 'x'])).stderr, /^Error from server \(Forbidden\): admission webhook "judge\.example\.com" denied the request: bad name/)
    assert.match((await run(['run', 'good', '--image', 'x'])).stderr, /Warning: looked at/)
    assert.match((await run(['run', 'bad', '--image', 'x', '--dry-run=server'])).stderr, /denied the request: bad name/)
    await kubectl('patch', 'validatingwebhookconfiguration', 'judge', '--type=json', '-p', '[{"op":"replace","path":"/webhooks/0/rules/0/operations","value":["DELETE"]}]')
    assert.equal((await run(['run', 'bad', '--image', 'x'])).code, 0)
    assert.match((await run(['delete', 'pod', 'bad', '--now'])).stderr, /denied the request: bad name/)
    await kubectl('delete', 'validatingwebhookconfiguration', 'judge')
    await kubectl('delete', 'pod', 'bad', 'good', '--now')
  })

  test('connections to pods pass by webhooks', async () => {
    await kubectl('run', 'target', '--image', 'x')
    hooks.routes['/connect'] = ({ object }: Json) => ({ allowed: false, status: { message: `no ${object.kind}` } })
    await configure('Validating', '/connect', { rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CONNECT'], resources: ['pods/exec', 'pods/attach', 'pods/portforward', 'pods/proxy'] }] })
    await eventually('a running pod', async () => assert.equal(await kubectl('get', 'pod', 'target', '-o', 'jsonpath={.status.phase}'), 'Running'))
    assert.match((await run(['exec', 'target', '--', 'id', '-u'])).stderr, /admission webhook "connect\.example\.com" denied the request: no PodExecOptions/)
    assert.match((await run(['attach', 'target'])).stderr, /no PodAttachOptions/)
    assert.match((await run(['port-forward', 'target', ':80'])).stderr, /no PodPortForwardOptions/)
    assert.match((await run(['get', '--raw', '/api/v1/namespaces/default/pods/target/proxy/'])).stderr, /no PodProxyOptions/)
    const { kind, subResource, object, operation, name } = hooks.seen[0]!.review.request
    assert.deepEqual([kind, subResource, operation, name, object], [
      { group: '', version: 'v1', kind: 'PodExecOptions' }, 'exec', 'CONNECT', 'target',
      { kind: 'PodExecOptions', apiVersion: 'v1', stdout: true, stderr: true, container: 'target', command: ['id', '-u'] },
    ])
    await kubectl('delete', 'validatingwebhookconfiguration', 'connect')
    hooks.routes['/rewrite'] = () => jsonPatch({ op: 'replace', path: '/container', value: 'other' })
    await configure('Mutating', '/rewrite', { rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CONNECT'], resources: ['pods/exec'] }] })
    assert.match((await run(['exec', 'target', '--', 'id'])).stderr, /container other is not valid for pod target/)
    await kubectl('delete', 'pod', 'target', '--now')
  })

  test('webhooks of custom resources see and change them', async () => {
    const schema = { type: 'object', properties: { spec: { type: 'object', properties: { size: { type: 'integer', default: 1 }, note: { type: 'string' } } } } }
    await apply({
      apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: 'gadgets.example.com' },
      spec: { group: 'example.com', scope: 'Namespaced', names: { plural: 'gadgets', kind: 'Gadget' }, versions: ['v1', 'v2'].map((name) => ({ name, served: true, storage: name === 'v2', schema: { openAPIV3Schema: schema } })) },
    })
    await kubectl('wait', '--for=condition=Established', 'crd/gadgets.example.com')
    hooks.routes['/gadget'] = ({ object }: Json) => jsonPatch({ op: 'add', path: '/spec/note', value: `${object.apiVersion} ${object.spec.size}` }, { op: 'add', path: '/spec/unknown', value: 1 })
    await configure('Mutating', '/gadget', { rules: [{ apiGroups: ['example.com'], apiVersions: ['v2'], operations: ['CREATE'], resources: ['gadgets'] }] })
    await eventually('the gadget', async () => apply({ apiVersion: 'example.com/v1', kind: 'Gadget', metadata: { name: 'g', namespace: 'default' }, spec: {} }))
    assert.deepEqual((JSON.parse(await kubectl('get', 'gadgets.v1.example.com', 'g', '-o', 'json')) as Json).spec, { size: 1, note: 'example.com/v2 1' })
    await kubectl('delete', 'crd', 'gadgets.example.com')
  })

  test('webhooks that fail or hang hold up what concerns them, by their policy, and nothing else', async () => {
    hooks.routes['/hang'] = () => undefined
    await configure('Validating', '/hang', { timeoutSeconds: 2, rules: [{ ...pods, resources: ['configmaps'] }] })
    const slow = run(['create', 'configmap', 'slow'])
    const startedMs = Date.now()
    await kubectl('create', 'secret', 'generic', 'quick')
    assert.ok(Date.now() - startedMs < 2000)
    assert.match((await slow).stderr, /Internal error occurred: failed calling webhook "hang\.example\.com": failed to call webhook: Post "https:\/\/127\.0\.0\.1:\d+\/hang\?timeout=2s": context deadline exceeded/)
    await kubectl('patch', 'validatingwebhookconfiguration', 'hang', '--type=json', '-p', '[{"op":"replace","path":"/webhooks/0/failurePolicy","value":"Ignore"},{"op":"replace","path":"/webhooks/0/timeoutSeconds","value":1}]')
    assert.equal((await run(['create', 'configmap', 'slow'])).code, 0)
  })

  test('claims and volumes in use are kept until they are not', async () => {
    await apply({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name: 'data', namespace: 'default' }, spec: { accessModes: ['ReadWriteOnce'], storageClassName: '', volumeName: 'disk', resources: { requests: { storage: '1Gi' } } } })
    await apply({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'user', namespace: 'default' }, spec: { nodeName: 'hollow-0', containers: [{ name: 'c', image: 'x' }], volumes: [{ name: 'd', persistentVolumeClaim: { claimName: 'data' } }] } })
    await kubectl('delete', 'pvc', 'data', '--wait=false')
    assert.match(await kubectl('get', 'pvc', 'data', '-o', 'jsonpath={.metadata.finalizers} {.metadata.deletionTimestamp}'), /^\["kubernetes\.io\/pvc-protection"\] \d/)
    await kubectl('delete', 'pod', 'user', '--force', '--grace-period=0')
    await kubectl('wait', '--for=delete', 'pvc/data', '--timeout=20s')
  })
})
