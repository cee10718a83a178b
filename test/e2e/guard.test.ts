import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { ControlPlane } from './control-plane.ts'
import { eventually } from './support.ts'

interface AuditLine { auditID: string; stage: string; verb: string; level: string; objectRef?: { resource: string; name?: string }; responseStatus?: { code: number }; responseObject?: { metadata?: object }; impersonatedUser?: { username: string }; annotations?: Record<string, string> }

describe('audit, encryption, fairness and shutdown, as kubectl sees them', () => {
  let folder: string
  let plane: ControlPlane
  const kubectl = (...args: string[]): Promise<string> => plane.sandbox.kubectl(...args)
  const file = (name: string): string => join(folder, name)
  const auditLines = (): AuditLine[] => readFileSync(file('audit.log'), 'utf8').split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as AuditLine)
  const encryption = (...providers: object[]): void => writeFileSync(file('encryption.yaml'), JSON.stringify({ apiVersion: 'apiserver.config.k8s.io/v1', kind: 'EncryptionConfiguration', resources: [{ resources: ['secrets'], providers }] }))
  const stored = (): string => readFileSync(join(plane.sandbox.home, 'data/store/data.mdb')).toString('latin1')

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'k8ts-guard-'))
    encryption({ identity: {} })
    writeFileSync(file('policy.yaml'), JSON.stringify({
      apiVersion: 'audit.k8s.io/v1', kind: 'Policy', omitStages: ['RequestReceived'],
      rules: [{ level: 'None', users: ['system:kube-scheduler', 'system:kube-controller-manager'] }, { level: 'RequestResponse', resources: [{ group: '', resources: ['configmaps'] }], omitManagedFields: true }, { level: 'Metadata' }],
    }))
    plane = await ControlPlane.start({
      flags: [
        '--disable', 'scheduler', '--audit-policy-file', file('policy.yaml'), '--audit-log-path', file('audit.log'), '--encryption-provider-config', file('encryption.yaml'),
        '--shutdown-delay-duration', '1s', '--strict-transport-security-directives', 'max-age=31536000',
      ],
    }).catch((error: unknown) => {
      rmSync(folder, { recursive: true, force: true })
      throw error
    })
  })

  after(async () => {
    await plane[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  test('what is done is in the audit log', async () => {
    await kubectl('create', 'configmap', 'seen', '--from-literal=k=v')
    await assert.rejects(kubectl('get', 'secrets', '--as', 'jane'), /forbidden/)
    const lines = auditLines()
    const created = lines.find(({ verb, objectRef }) => verb === 'create' && objectRef?.resource === 'configmaps' && objectRef.name === 'seen')!
    assert.deepEqual([created.stage, created.level, created.responseStatus?.code], ['ResponseComplete', 'RequestResponse', 201])
    assert.equal(Object.hasOwn(created.responseObject?.metadata ?? {}, 'managedFields'), false)
    const refused = lines.find(({ impersonatedUser, responseStatus }) => impersonatedUser?.username === 'jane' && responseStatus?.code === 403)!
    assert.equal(refused.annotations?.['authorization.k8s.io/decision'], 'forbid')
    const { headers } = await plane.client.call('GET', '/version', { headers: { 'audit-id': 'asked-for' } })
    assert.deepEqual([headers['audit-id'], headers['strict-transport-security']], ['asked-for', 'max-age=31536000'])
    assert.match(String(headers['x-kubernetes-pf-flowschema-uid']), /^[0-9a-f-]{36}$/)
  })

  test('fairness says what it does, and which schemas lead nowhere', async () => {
    assert.match(await kubectl('get', '--raw', '/debug/api_priority_and_fairness/dump_priority_levels'), /^PriorityLevelName, +ActiveQueues, +IsIdle, [^]*\nworkload-low, /)
    assert.match(await kubectl('get', '--raw', '/metrics'), /apiserver_flowcontrol_nominal_limit_seats\{priority_level="workload-low"\} 245/)
    await plane.sandbox.apply({
      apiVersion: 'flowcontrol.apiserver.k8s.io/v1', kind: 'FlowSchema', metadata: { name: 'astray' },
      spec: { matchingPrecedence: 50, priorityLevelConfiguration: { name: 'nowhere' }, rules: [{ subjects: [{ kind: 'User', user: { name: 'jane' } }], nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['*'] }] }] },
    })
    await eventually('Dangling condition', async () => assert.equal(await kubectl('get', 'flowschema', 'astray', '-o', 'jsonpath={.status.conditions[?(@.type=="Dangling")].status}'), 'True'))
  })

  test('a server told to stop says so first, ends watches cleanly, and starts again with encryption on', async () => {
    await kubectl('create', 'secret', 'generic', 'mine', '--from-literal=k=a-plain-secret')
    const plain = Buffer.from('a-plain-secret').toString('base64')
    assert.ok(stored().includes(plain))
    const before = await kubectl('get', 'secret', 'mine', '-o', 'jsonpath={.metadata.resourceVersion}')
    encryption({ secretbox: { keys: [{ name: 'k1', secret: Buffer.alloc(32, 7).toString('base64') }] } }, { identity: {} })
    const watch = await plane.client.watch('/api/v1/configmaps?watch=1&resourceVersion=0')
    const restarted = plane.restart('SIGTERM')
    await eventually('a readiness check that fails', async () => assert.equal((await plane.client.call('GET', '/readyz')).status, 500))
    assert.equal((await plane.client.call('GET', '/version')).status, 200, 'the delay is not over')
    for (let event = await watch.next(); event !== undefined; event = await watch.next()) assert.equal(event.type, 'ADDED')
    await restarted
    await plane.sandbox.run('sh', ['-c', 'kubectl get secrets -A -o json | kubectl replace -f -'])
    assert.equal(await kubectl('get', 'secret', 'mine', '-o', 'jsonpath={.data.k}'), plain)
    assert.notEqual(await kubectl('get', 'secret', 'mine', '-o', 'jsonpath={.metadata.resourceVersion}'), before, 'written anew, though nothing has changed')
    assert.ok(stored().includes('k8s:enc:secretbox:v1:k1:'))
  })
})
