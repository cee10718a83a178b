import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Pod } from '../../src/api/types/core_v1.ts'
import { buildImage } from '../../src/cluster/images/build-image.ts'
import { Sandbox, eventually, noRealNodes, onPath } from './support.ts'

const image = 'k8ts.local/demo:v1'
const toleration = (key: string): object => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 2 })

/** What a cluster could leave on the machine: interfaces, routes, rules, mounts, namespaces, cgroups, processes. */
async function traces(box: Sandbox, id: string): Promise<string[]> {
  const commands: Array<[string, string[]]> = [
    ['ip', ['-o', 'link']], ['ip', ['route']], ['ip', ['netns']], ['nft', ['list', 'ruleset']], ['cat', ['/proc/mounts']], ['find', ['/sys/fs/cgroup', '-maxdepth', '3', '-name', `*${id}*`]],
  ]
  const found: string[] = []
  for (const [command, args] of commands) {
    const { stdout } = await box.run(command, args)
    found.push(...stdout.split('\n').filter((line) => line.includes(id) || line.includes(box.home)).map((line) => `${command}: ${line}`))
  }
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
      if (command.includes(box.home)) found.push(`process ${pid}: ${command}`)
    } catch {
      continue
    }
  }
  return found
}

/** Process ids whose command line names `text`. */
function processesOf(text: string): number[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text) && Number(pid) !== process.pid ? [Number(pid)] : []
    } catch {
      return []
    }
  })
}

function killAll(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
}

interface Identity { name: string; containerID: string; restarts: number }

describe('a cluster of real nodes', { skip: noRealNodes('kubectl') }, () => {
  const box = new Sandbox()
  const cluster = (name: string): string => join(box.home, 'clusters', name)
  const idOf = (name: string): string => (JSON.parse(readFileSync(join(cluster(name), 'network.json'), 'utf8')) as { id: string }).id
  const pidOf = async (part: string): Promise<number> => Number((await box.k8ts('status', '--name', 'one')).split('\n').find((line) => line.startsWith(part))?.trim().split(/\s{2,}/)[2])
  const podsOf = async (): Promise<Identity[]> => (await box.json<{ items: Pod[] }>('get', 'pods', '-l', 'app=web')).items
    .map((pod) => ({ name: pod.metadata.name ?? '', containerID: pod.status?.containerStatuses?.[0]?.containerID ?? '', restarts: pod.status?.containerStatuses?.[0]?.restartCount ?? 0 }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  const allAvailable = (replicas: number, timeoutMs = 60_000): Promise<void> => eventually(`${replicas} pods available`, async () => {
    const pods = (await box.json<{ items: Pod[] }>('get', 'pods', '-l', 'app=web')).items.filter((pod) => pod.metadata.deletionTimestamp === undefined && pod.status?.conditions?.some((each) => each.type === 'Ready' && each.status === 'True'))
    assert.equal(pods.length, replicas)
  }, timeoutMs)

  before(async () => {
    assert.match(await box.k8ts('up', '--name', 'one', '--nodes', '2', '--hollow', '2'), /is ready in [\d.]+ s: 2 nodes and 2 hollow nodes/)
    const spec = { terminationGracePeriodSeconds: 1, nodeSelector: { 'kubernetes.io/os': 'linux' }, tolerations: [toleration('node.kubernetes.io/unreachable'), toleration('node.kubernetes.io/not-ready')], containers: [{ name: 'web', image }],
      affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'k8ts.io/hollow', operator: 'DoesNotExist' }] }] } } } }
    await box.apply({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' }, spec: { replicas: 4, selector: { matchLabels: { app: 'web' } }, template: { metadata: { labels: { app: 'web' } }, spec } } })
    await box.kubectl('rollout', 'status', 'deployment/web', '--timeout=60s')
  })
  after(() => box.end())

  test('up again changes nothing; list, status and kubeconfig tell of it', async () => {
    const identities = await podsOf()
    await box.k8ts('up', '--name', 'one')
    assert.deepEqual(await podsOf(), identities)
    assert.match(await box.k8ts('list'), /NAME +STATUS +NODES +HOLLOW +SERVER\none +Running +2 +2 +https:\/\/127\.0\.0\.1:\d+/)
    assert.match(await box.k8ts('status', '--name', 'one'), /node-2 agent +Running +\d+ +\d+Mi/)
    const config = await box.k8ts('kubeconfig', '--name', 'one')
    writeFileSync(join(box.home, 'alone'), config)
    assert.match((await box.run('kubectl', ['--kubeconfig', join(box.home, 'alone'), 'get', 'nodes'])).stdout, /hollow-1 +Ready/)
    assert.match(await box.kubectl('config', 'current-context'), /^k8ts-one$/)
  })

  test('two clusters run side by side, and each goes without a trace', async () => {
    await box.k8ts('up', '--name', 'two')
    const id = idOf('two')
    assert.notEqual(id, idOf('one'))
    await box.kubectl('--context', 'k8ts-two', 'run', 'p', `--image=${image}`)
    await box.kubectl('--context', 'k8ts-two', 'wait', '--for=condition=Ready', 'pod/p', '--timeout=30s')
    assert.match(await box.k8ts('demo', '--name', 'two'), /Hello from k8ts-demo/)
    assert.notDeepEqual(await traces(box, id), [])
    await box.k8ts('down', '--name', 'two')
    assert.deepEqual((await traces(box, id)).filter((line) => line.includes(id) || line.includes(cluster('two'))), [])
    assert.doesNotMatch(await box.kubectl('config', 'get-contexts', '-o', 'name'), /k8ts-two/)
    await box.kubectl('config', 'use-context', 'k8ts-one')
    await allAvailable(4)
  })

  test('an agent killed with -9 leaves pods running, and the next one takes them over', async () => {
    const identities = await podsOf()
    killAll([await pidOf('node-1 agent')])
    await box.k8ts('up', '--name', 'one')
    await eventually('the same containers', async () => assert.deepEqual(await podsOf(), identities))
  })

  test('a control plane killed with -9 at any moment has kept every write that it acknowledged', async () => {
    const acknowledged = new Set<string>()
    for (let round = 0; round < 3; round++) {
      const pid = await pidOf('control plane')
      let serial = 0
      let alive = true
      const writers = Array.from({ length: 8 }, async (_, writer) => {
        while (alive) {
          const name = `w${round}-${writer}-${serial++}`
          const result = await box.run('kubectl', ['create', 'configmap', name])
          if (result.code === 0) acknowledged.add(`configmap/${name}`)
          else alive = false
        }
      })
      const before = acknowledged.size
      await eventually('writes', () => assert.ok(acknowledged.size > before + 8))
      killAll([pid])
      alive = false
      await Promise.all(writers)
      await box.k8ts('up', '--name', 'one')
    }
    const kept = new Set((await box.kubectl('get', 'configmaps', '-o', 'name')).split('\n'))
    assert.ok(acknowledged.size > 20)
    assert.deepEqual([...acknowledged].filter((name) => !kept.has(name)), [])
  })

  test('everything killed at once comes back with the same objects', async () => {
    const names = (await podsOf()).map((pod) => pod.name)
    killAll(processesOf(cluster('one')))
    await box.k8ts('up', '--name', 'one')
    await allAvailable(4)
    assert.deepEqual((await podsOf()).map((pod) => pod.name), names)
  })

  test('down --keep stops everything, and up resumes it', async () => {
    await box.k8ts('down', '--name', 'one', '--keep')
    assert.deepEqual(processesOf(cluster('one')), [])
    assert.match(await box.k8ts('list'), /one +Stopped/)
    await box.k8ts('up', '--name', 'one')
    await allAvailable(4)
  })

  test('an up that was interrupted is taken up again by the next', async () => {
    const starting = box.start(join(import.meta.dirname, '../../k8ts'), ['up', '--name', 'three'])
    await starting.seen('Starting the control plane')
    killAll(processesOf('three'))
    starting.child.kill('SIGKILL')
    await box.k8ts('up', '--name', 'three')
    const id = idOf('three')
    await box.k8ts('down', '--name', 'three')
    await box.kubectl('config', 'use-context', 'k8ts-one')
    assert.deepEqual((await traces(box, id)).filter((line) => line.includes(id)), [])
  })

  test('the pods of a dead node come back elsewhere', async () => {
    killAll([await pidOf('node-2 agent'), await pidOf('node-2 containerd')])
    await eventually('node-2 NotReady', async () => assert.match(await box.kubectl('get', 'node', 'node-2'), /NotReady/), 90_000)
    await eventually('four pods on node-1', async () => {
      const pods = (await box.json<{ items: Pod[] }>('get', 'pods', '-l', 'app=web')).items
      assert.equal(pods.filter((pod) => pod.spec.nodeName === 'node-1' && pod.status?.phase === 'Running').length, 4)
    }, 60_000)
    await box.k8ts('up', '--name', 'one')
    await eventually('node-2 Ready', async () => assert.match(await box.kubectl('get', 'node', 'node-2'), / Ready/))
  })

  test('an image archive is loaded into every node', async () => {
    const busybox = readFileSync(onPath('busybox') ?? '/bin/busybox')
    const archive = join(box.home, 'mine.tar')
    writeFileSync(archive, buildImage({ name: 'example.test/mine:1', files: [{ path: 'bin', type: 'directory' }, { path: 'bin/busybox', type: 'file', content: busybox, mode: 0o755 }], entrypoint: ['/bin/busybox', 'sleep', '3600'] }))
    assert.match(await box.k8ts('load', archive, '--name', 'one'), /Loaded example\.test\/mine:1/)
    for (const node of ['node-1', 'node-2']) {
      await box.apply({ apiVersion: 'v1', kind: 'Pod', metadata: { name: `mine-${node}` }, spec: { nodeName: node, terminationGracePeriodSeconds: 1, containers: [{ name: 'c', image: 'example.test/mine:1' }] } })
      await box.kubectl('wait', '--for=condition=Ready', `pod/mine-${node}`, '--timeout=30s')
    }
    await assert.rejects(box.k8ts('load', join(box.home, 'nothing.tar'), '--name', 'one'), /there is no file .*nothing\.tar/)
  })

  test('what cannot be done is said in one sentence', async () => {
    await assert.rejects(box.k8ts('up', '--name', 'No!'), /"No!" cannot be a cluster's name: use at most 32/)
    await assert.rejects(box.k8ts('up', '--nodes', 'many'), /a whole number, 0 or more, is wanted/)
    await assert.rejects(box.k8ts('down', '--name', 'unknown'), /there is no cluster "unknown"; there is "one"/)
    await assert.rejects(box.k8ts('status', '--name', 'unknown'), /there is no cluster "unknown"/)
    writeFileSync(join(box.home, 'wrong.yaml'), 'mirrors: []\n')
    await assert.rejects(box.k8ts('up', '--name', 'four', '--config', join(box.home, 'wrong.yaml')), /settings file .*wrong\.yaml is wrong: unknown field "mirrors"/)
    await assert.rejects(box.k8ts('upp'), /unknown command 'upp'\n\(Did you mean up\?\)/)
  })
})

describe('pulling from a registry on loopback', { skip: noRealNodes('kubectl', 'docker-registry') }, () => {
  const port = 5400 + (process.pid % 500)
  const box = new Sandbox(`outbound: false\nregistries:\n  registry.test:\n    onlyMirrors: true\n    mirrors: [http://127.0.0.1:${port}]\n`)
  before(async () => {
    mkdirSync(join(box.home, 'registry'))
    const config = join(box.home, 'registry.yml')
    writeFileSync(config, `version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: ${join(box.home, 'registry')}\nhttp:\n  addr: 127.0.0.1:${port}\n`)
    box.start('docker-registry', ['serve', config])
    await eventually('the registry', async () => assert.equal((await fetch(`http://127.0.0.1:${port}/v2/`)).status, 200))
    await box.k8ts('up', '--name', 'pull')
  })
  after(() => box.end())

  test('a mirror named in the settings is pulled from, and a missing image is told as such', async () => {
    const directory = join(box.home, 'clusters/pull/machines/node-1')
    const ctr = (...args: string[]): ReturnType<Sandbox['run']> => box.run('ctr', ['--address', join(directory, 'run/containerd.sock'), '--namespace', 'k8s.io', 'images', ...args])
    await ctr('tag', image, `127.0.0.1:${port}/team/app:1`)
    const pushed = await ctr('push', '--plain-http', `127.0.0.1:${port}/team/app:1`)
    assert.equal(pushed.code, 0, pushed.stderr)
    await box.apply({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'pulled' }, spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'c', image: 'registry.test/team/app:1', imagePullPolicy: 'Always' }] } })
    await box.kubectl('wait', '--for=condition=Ready', 'pod/pulled', '--timeout=30s')
    const told = await box.kubectl('get', 'events', '--field-selector', 'involvedObject.name=pulled')
    assert.match(told, /Pulling +pod\/pulled +Pulling image "registry\.test\/team\/app:1"/)
    assert.match(told, /Pulled +pod\/pulled +Successfully pulled image "registry\.test\/team\/app:1" in [\d.]+m?s \([\d.]+m?s including waiting\)\. Image size: \d+ bytes\./)
    await box.kubectl('run', 'missing', '--image=registry.test/team/none:1', '--restart=Never')
    await eventually('ImagePullBackOff', async () => assert.match(await box.kubectl('get', 'pod', 'missing'), /ImagePullBackOff/), 40_000)
    assert.match(await box.kubectl('get', 'events', '--field-selector', 'involvedObject.name=missing'), /Failed +pod\/missing +Failed to pull image "registry\.test\/team\/none:1": [\s\S]*BackOff +pod\/missing +Back-off pulling image/)
    await box.kubectl('delete', 'pod', 'missing', '--wait=false')
  })
})
