import assert from 'node:assert/strict'
import { chownSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Sandbox, eventually, onPath } from './support.ts'

const main = join(import.meta.dirname, '../../src/cli/main.ts')
const noKubectl = onPath('kubectl') === undefined ? 'kubectl is not on PATH' : false

async function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

/** A component in the foreground. */
function component(box: Sandbox, ...args: string[]): ReturnType<Sandbox['start']> {
  return box.start(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...args])
}

async function ends(started: ReturnType<Sandbox['start']>): Promise<number | null> {
  const ended = new Promise<number | null>((resolve) => started.child.once('close', (code) => resolve(code)))
  started.child.kill('SIGTERM')
  return Promise.race([ended, new Promise<never>((_, reject) => setTimeout(() => reject(new Error(`still running; it says ${started.output()}`)), 10_000).unref())])
}

describe('the control plane in the foreground', { skip: noKubectl }, () => {
  const box = new Sandbox()
  const data = join(box.home, 'data')
  const kubectl = (...args: string[]): Promise<string> => box.kubectl('--kubeconfig', join(box.home, 'admin'), ...args)
  after(() => box.end())

  test('server runs alone with hollow nodes, and ends when asked to', async () => {
    const port = await freePort()
    const server = component(box, 'server', '--data-dir', data, '--secure-port', String(port), '--kubeconfig', join(box.home, 'admin'), '--hollow', '2')
    await eventually('readiness', async () => assert.equal(await kubectl('get', '--raw', '/readyz'), 'ok'))
    await eventually('nodes', async () => assert.equal((await kubectl('get', 'nodes', '-o', 'name')).split('\n').length, 2))
    await kubectl('create', 'deployment', 'web', '--image=any', '--replicas=10')
    await kubectl('rollout', 'status', 'deployment/web', '--timeout=30s')
    assert.equal(await ends(server), 0)
  })

  test('every component runs as a process of its own, on the same data', async () => {
    const port = await freePort()
    const server = component(box, 'apiserver', '--data-dir', data, '--secure-port', String(port), '--kubeconfig', join(box.home, 'admin'))
    await eventually('readiness', async () => assert.equal(await kubectl('get', '--raw', '/readyz'), 'ok'))
    assert.match(await kubectl('get', 'deployment', 'web'), /web +\d+\/10/)
    const others = [
      component(box, 'controller-manager', '--kubeconfig', join(data, 'controller-manager.kubeconfig'), '--root-ca-file', join(data, 'pki/ca.crt'), '--leader-elect'),
      component(box, 'scheduler', '--kubeconfig', join(data, 'scheduler.kubeconfig'), '--leader-elect'),
      component(box, 'hollow', '--kubeconfig', join(box.home, 'admin'), '--count', '3'),
    ]
    await eventually('three nodes', async () => assert.equal((await kubectl('get', 'nodes', '-o', 'name')).split('\n').length, 3))
    await eventually('readiness of a new Deployment', async () => {
      if (!(await kubectl('get', 'deployments', '-o', 'name')).includes('second')) await kubectl('create', 'deployment', 'second', '--image=any', '--replicas=6')
      await kubectl('rollout', 'status', 'deployment/second', '--timeout=20s')
    }, 40_000)
    assert.match(await kubectl('get', 'componentstatuses'), /controller-manager +Healthy[\s\S]*etcd-0 +Healthy/)
    for (const other of others) assert.equal(await ends(other), 0)
    assert.equal(await ends(server), 0)
  })

  test('a second API server on the same data is refused in one sentence', async () => {
    const [one, two] = [await freePort(), await freePort()]
    const server = component(box, 'apiserver', '--data-dir', data, '--secure-port', String(one), '--kubeconfig', join(box.home, 'admin'))
    await eventually('readiness', async () => assert.equal(await kubectl('get', '--raw', '/readyz'), 'ok'))
    const second = await box.run(process.execPath, [main, 'apiserver', '--data-dir', data, '--secure-port', String(two)], { timeoutMs: 15_000 })
    assert.notEqual(second.code, 0)
    assert.match(second.stderr, /k8ts: .*(in use|is open|another process|process \d+)/)
    await ends(server)
  })
})

describe('without root', { skip: noKubectl || (process.getuid?.() === 0 && existsSync('/usr/bin/setpriv') ? false : 'needs root and setpriv, to become somebody else') }, () => {
  const box = new Sandbox()
  const home = mkdtempSync(join(tmpdir(), 'k8ts-nobody-'))
  const asNobody = (...args: string[]): ReturnType<Sandbox['run']> => box.run('setpriv', ['--reuid', '65534', '--regid', '65534', '--clear-groups', process.execPath, '--disable-warning=ExperimentalWarning', main, ...args], {
    env: { HOME: home, K8TS_HOME: join(home, 'k8ts'), KUBECONFIG: join(home, 'kubeconfig'), NODE_COMPILE_CACHE: join(home, 'cache') },
  })
  before(() => chownSync(home, 65_534, 65_534))
  after(async () => {
    await asNobody('down', '--all')
    await box.end()
    rmSync(home, { recursive: true, force: true })
  })

  test('up says that real nodes need root, and starts hollow ones', async () => {
    const { code, stderr } = await asNobody('up', '--name', 'plain')
    assert.equal(code, 0, stderr)
    assert.match(stderr, /No real nodes here \(real nodes need root, to make network namespaces and containers\): starting the control plane with 3 hollow nodes/)
    assert.match(stderr, /Cluster "plain" is ready in [\d.]+ s: 3 hollow nodes\./)
    const kubectl = (...args: string[]): Promise<string> => box.kubectl('--kubeconfig', join(home, 'kubeconfig'), ...args)
    await kubectl('create', 'deployment', 'web', '--image=any', '--replicas=5')
    await kubectl('rollout', 'status', 'deployment/web', '--timeout=30s')
    assert.match((await asNobody('demo', '--name', 'plain')).stderr, /has only hollow nodes, which run no containers/)
    assert.equal((await asNobody('down', '--name', 'plain')).code, 0)
  })
})
