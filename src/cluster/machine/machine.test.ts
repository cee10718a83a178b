import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { connectContainerRuntime } from '../../kubelet/cri/client.ts'
import type { ContainerRuntime, SandboxConfig } from '../../kubelet/container-runtime.ts'
import { cniConfigList } from '../../network/cni-config.ts'
import { ensureMasquerade } from '../../network/masquerade.ts'
import { applyNodeRoutes } from '../../network/node-routes.ts'
import { memoryLogger } from '../../runtime/log.ts'
import { processesInNetwork } from '../../runtime/network-namespace.ts'
import { systemRuntime, type Runtime } from '../../runtime/runtime.ts'
import { buildImage } from '../images/build-image.ts'
import { hasImage, ensureImages, loadImage } from '../images/load-image.ts'
import { demoImage, ensureLocalImages } from '../images/local-images.ts'
import { realNodesProblem } from '../prerequisites.ts'
import { isAlive } from '../process-record.ts'
import { findNetwork, reserveNetwork, type ClusterNetwork } from './cluster-network.ts'
import { ensureHostNetwork, ensureOutbound, removeHostNetwork, routeServicesThrough } from './host-network.ts'
import { mountsUnder, processesInCgroup } from './leftovers.ts'
import { pauseImage, removeMachine, startMachine, stopMachine, type Machine } from './machine.ts'

/** The host is a network namespace too, with a neighbour beyond its uplink: what a cluster does to a host's network can be seen whole. */
interface TestHost extends AsyncDisposable { runtime: Runtime; home: string; beyond: Runtime; network(): Promise<string> }

const beyondAddress = '192.168.251.1'

async function openTestHost(): Promise<TestHost> {
  const real = systemRuntime(memoryLogger())
  const mark = `k8tsm${process.pid}${real.random.suffix(3)}`
  const [host, beyond] = [`${mark}-host`, `${mark}-beyond`]
  const batch = (lines: string[], namespace?: string): Promise<unknown> => real.processes.run('ip', [...(namespace === undefined ? [] : ['-n', namespace]), '-batch', '-'], { input: `${lines.join('\n')}\n` })
  await batch([`netns add ${host}`, `netns add ${beyond}`])
  await batch([`link add eth0 netns ${host} type veth peer name eth0 netns ${beyond}`])
  // IPv6 gives every interface an address a second or two later: pictures of the network would differ by that.
  await processesInNetwork(`/run/netns/${host}`, real.processes).run('/bin/sh', ['-c', 'cd /proc/sys/net; echo 0 > ipv4/ip_forward; for i in all default; do [ ! -e ipv6/conf/$i ] || echo 1 > ipv6/conf/$i/disable_ipv6; done'])
  await batch(['link set lo up', 'addr add 192.168.251.2/24 dev eth0', 'link set eth0 up', `route add default via ${beyondAddress}`], host)
  await batch(['link set lo up', `addr add ${beyondAddress}/24 dev eth0`, 'link set eth0 up', 'route add 10.0.0.0/8 via 192.168.251.2'], beyond)
  const inHost: Runtime = { ...real, processes: processesInNetwork(`/run/netns/${host}`, real.processes) }
  const look = async (command: string, ...args: string[]): Promise<string> => (await inHost.processes.run(command, args)).stdout
  const home = await mkdtemp(join(tmpdir(), 'k8tsm'))
  return {
    runtime: inHost, home, beyond: { ...real, processes: processesInNetwork(`/run/netns/${beyond}`, real.processes) },
    async network() {
      const parts = await Promise.all([look('ip', '-o', 'addr'), look('ip', 'route', 'show', 'table', 'all'), look('nft', 'list', 'ruleset'), look('/bin/sh', '-c', 'grep . /proc/sys/net/ipv4/conf/*/forwarding')])
      return parts.join('\n')
    },
    async [Symbol.asyncDispose]() {
      // What a test that failed half-way has left.
      for (const cluster of await readdir(home)) {
        const clusterDirectory = join(home, cluster)
        const known = await findNetwork(clusterDirectory)
        for (const name of Object.keys(known?.nodes ?? {})) await removeMachine(inHost, { name, clusterDirectory, directory: join(clusterDirectory, 'machines', name) })
        await removeHostNetwork(inHost, clusterDirectory)
      }
      for (const name of [host, beyond]) await real.processes.run('ip', ['netns', 'delete', name], { allowFailure: true })
      await rm(home, { recursive: true, force: true })
    },
  }
}

const location = (host: TestHost, cluster: string, name: string) => ({ name, clusterDirectory: join(host.home, cluster), directory: join(host.home, cluster, 'machines', name) })

/** Everything on this machine that names the cluster. */
async function traces(host: TestHost, network: ClusterNetwork): Promise<string[]> {
  const namespaces = (await readdir('/run/netns')).filter((name) => name.includes(network.id))
  const cgroups = (await readdir('/sys/fs/cgroup', { recursive: true }).catch(() => [])).filter((path) => path.includes(`k8ts-${network.id}`))
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
  const commands = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
  const processes = commands.filter((command) => command.includes(network.directory))
  return [...namespaces, ...cgroups, ...processes, ...await mountsUnder(network.directory), ...await processesInCgroup(`/k8ts-${network.id}`)].map(String)
}

const sandbox = (name: string, machine: Machine): SandboxConfig => ({
  metadata: { name, uid: `uid-${name}`, namespace: 'default', attempt: 0 }, hostname: name, logDirectory: join(machine.paths.logDirectory, name), labels: {}, annotations: {},
  linux: { cgroupParent: `${machine.cgroupRoot}/kubepods`, securityContext: { namespaceOptions: { network: 'POD', pid: 'CONTAINER', ipc: 'POD' } } },
})

/** Runs the demo image in a pod; its address. */
async function runDemo(containers: ContainerRuntime, machine: Machine, name: string): Promise<{ address: string; sandboxId: string; containerId: string }> {
  const config = sandbox(name, machine)
  const sandboxId = await containers.runPodSandbox(config)
  const containerId = await containers.createContainer(sandboxId, {
    metadata: { name: 'demo', attempt: 0 }, image: { image: demoImage }, labels: {}, annotations: {}, logPath: 'demo.log',
    linux: { resources: { oomScoreAdj: 100 }, securityContext: { namespaceOptions: { pid: 'CONTAINER' } } },
  }, config)
  await containers.startContainer(containerId)
  return { address: (await containers.podSandboxStatus(sandboxId)).network?.ip ?? '', sandboxId, containerId }
}

/** The machine, ready for pods of `podCIDR`, as the node's pod network makes it. */
async function joinPodNetwork(host: TestHost, machine: Machine, podCIDR: string, others: ReadonlyMap<string, string>): Promise<ContainerRuntime> {
  const inside: Runtime = { ...host.runtime, processes: { ...host.runtime.processes, run: machine.run } }
  await writeFile(join(machine.paths.cniConfDirectory, '10-k8ts.conflist'), cniConfigList({ name: 'k8ts', podCIDR, mtu: 1500, dataDirectory: machine.paths.cniDataDirectory }))
  await machine.run('/bin/sh', ['-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward'])
  await applyNodeRoutes(inside, machine.network.podCIDR, others)
  await ensureMasquerade(inside, machine.network.podCIDR)
  const containers = connectContainerRuntime(machine.paths.containerdSocket, host.runtime.clock)
  const untilMs = host.runtime.clock.monotonicMs() + 10_000
  while ((await containers.status()).some((condition) => !condition.status)) {
    assert.ok(host.runtime.clock.monotonicMs() < untilMs, 'the container runtime is not ready')
    await host.runtime.clock.sleep(20)
  }
  return containers
}

const fetched = async (run: Runtime['processes']['run'], address: string): Promise<string> => {
  const script = `for i in 1 2 3 4 5 6 7 8 9 10; do timeout 2 busybox wget -q -O - http://${address}/ && exit 0; sleep 0.1; done; exit 1`
  return (await run('/bin/sh', ['-c', script])).stdout
}

describe('node machines on a host', { skip: realNodesProblem() ?? false, timeout: 120_000 }, () => {
  let host: TestHost
  before(async () => {
    host = await openTestHost()
  })
  after(async () => {
    await host[Symbol.asyncDispose]()
  })

  test('a cluster of two nodes runs pods that reach each other, and goes without a trace', async () => {
    const [one, two] = [location(host, 'pair', 'node-1'), location(host, 'pair', 'node-2')]
    const before = await host.network()
    const network = await reserveNetwork(host.runtime, one.clusterDirectory)
    assert.deepEqual(await traces(host, network), [])
    await ensureHostNetwork(host.runtime, network)
    const images = await ensureLocalImages(host.runtime, join(host.home, 'images'))
    const first = await startMachine(host.runtime, one)
    const second = await startMachine(host.runtime, two)
    for (const machine of [first, second]) {
      await ensureImages(host.runtime, machine, images)
      assert.equal(await hasImage(host.runtime, machine, pauseImage), true)
    }
    await routeServicesThrough(host.runtime, network, 'node-1')
    const ranges = [network.podCIDR.replace('.0.0/16', '.1.0/24'), network.podCIDR.replace('.0.0/16', '.2.0/24')] as const
    const containers = [
      await joinPodNetwork(host, first, ranges[0], new Map([[ranges[1], second.address]])),
      await joinPodNetwork(host, second, ranges[1], new Map([[ranges[0], first.address]])),
    ] as const
    const pods = [await runDemo(containers[0], first, 'web-1'), await runDemo(containers[1], second, 'web-2')] as const
    assert.equal(await fetched(first.run, pods[1].address), `Hello from web-2 (${pods[1].address})\n`)
    const fromPod = await containers[0].execSync(pods[0].containerId, ['timeout', '2', 'wget', '-q', '-O', '-', `http://${pods[1].address}/`], 5)
    assert.equal(fromPod.stdout.toString(), `Hello from web-2 (${pods[1].address})\n`)
    assert.notEqual((await traces(host, network)).length, 0)

    for (const each of containers) await each[Symbol.asyncDispose]()
    await removeMachine(host.runtime, one)
    await removeMachine(host.runtime, two)
    await removeHostNetwork(host.runtime, one.clusterDirectory)
    assert.deepEqual(await traces(host, network), [])
    assert.equal(await host.network(), before)
    assert.deepEqual(await readdir(join(one.clusterDirectory, 'machines')), [])
  })

  test('what runs is taken over, also by another process after a crash of containerd; a stopped machine keeps its images', async () => {
    const one = location(host, 'again', 'node-1')
    const network = await reserveNetwork(host.runtime, one.clusterDirectory)
    await ensureHostNetwork(host.runtime, network)
    const machine = await startMachine(host.runtime, one)
    const images = await ensureLocalImages(host.runtime, join(host.home, 'images'))
    await ensureImages(host.runtime, machine, images)
    const containers = await joinPodNetwork(host, machine, network.podCIDR.replace('/16', '/24'), new Map())
    const pod = await runDemo(containers, machine, 'web')
    const containerd = (await machine.findProcess('containerd'))!
    const agent = await machine.ensureProcess('agent', 'sleep', ['600'])
    assert.deepEqual(await machine.ensureProcess('agent', 'sleep', ['600']), agent)

    const same = await startMachine(host.runtime, one)
    assert.deepEqual(await same.findProcess('containerd'), containerd)
    process.kill(containerd.pid, 'SIGKILL')
    while (await isAlive(host.runtime, containerd)) await host.runtime.clock.sleep(5)
    const revived = await startMachine(host.runtime, one)
    assert.notDeepEqual(await revived.findProcess('containerd'), containerd)
    assert.equal(await fetched(revived.run, pod.address), `Hello from web (${pod.address})\n`)
    assert.equal(await isAlive(host.runtime, agent), true)

    await containers[Symbol.asyncDispose]()
    await stopMachine(host.runtime, one)
    assert.equal(await isAlive(host.runtime, agent), false)
    await removeHostNetwork(host.runtime, one.clusterDirectory)
    assert.deepEqual(await traces(host, network), [])

    await ensureHostNetwork(host.runtime, (await findNetwork(one.clusterDirectory))!)
    const resumed = await startMachine(host.runtime, one)
    assert.equal(resumed.address, machine.address)
    assert.equal(await hasImage(host.runtime, resumed, demoImage), true)
    await removeMachine(host.runtime, one)
    await removeHostNetwork(host.runtime, one.clusterDirectory)
    assert.deepEqual(await traces(host, network), [])
  })

  test('after everything was killed, or the machine started anew, the node comes back and runs pods', async () => {
    const one = location(host, 'killed', 'node-1')
    const network = await reserveNetwork(host.runtime, one.clusterDirectory)
    await ensureHostNetwork(host.runtime, network)
    const images = await ensureLocalImages(host.runtime, join(host.home, 'images'))
    const podCIDR = network.podCIDR.replace('/16', '/24')
    const killAll = async (): Promise<void> => {
      for (const pid of await processesInCgroup(`/k8ts-${network.id}/node-1`)) {
        try {
          process.kill(pid, 'SIGKILL')
        } catch (error) {
          // Some end with those that were killed before them.
          if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
        }
      }
    }
    const bringUp = async (name: string): Promise<void> => {
      await ensureHostNetwork(host.runtime, network)
      const machine = await startMachine(host.runtime, one)
      await ensureImages(host.runtime, machine, images)
      await using containers = await joinPodNetwork(host, machine, podCIDR, new Map())
      assert.deepEqual((await containers.listPodSandboxes()).filter((each) => each.state === 'SANDBOX_READY'), [])
      const { address } = await runDemo(containers, machine, name)
      assert.equal(await fetched(machine.run, address), `Hello from ${name} (${address})\n`)
    }
    await bringUp('first')
    await killAll()
    await bringUp('second')
    await killAll()
    await host.runtime.processes.run('ip', ['netns', 'delete', `k8ts-${network.id}-node-1`])
    await host.runtime.processes.run('ip', ['link', 'delete', network.bridge])
    await bringUp('third')
    await removeMachine(host.runtime, one)
    await removeHostNetwork(host.runtime, one.clusterDirectory)
    assert.deepEqual(await traces(host, network), [])
  })

  test('two clusters have ranges of their own, and a node reaches beyond the machine only where asked for', async () => {
    const [closed, open] = [location(host, 'closed', 'node-1'), location(host, 'open', 'node-1')]
    const before = await host.network()
    const networks = [await reserveNetwork(host.runtime, closed.clusterDirectory), await reserveNetwork(host.runtime, open.clusterDirectory)] as const
    assert.equal(new Set(networks.flatMap((network) => [network.nodeCIDR, network.podCIDR, network.serviceCIDR])).size, 6)
    for (const network of networks) await ensureHostNetwork(host.runtime, network)
    await ensureOutbound(host.runtime, networks[1])
    await ensureOutbound(host.runtime, networks[1])
    const [shut, wide] = [await startMachine(host.runtime, closed), await startMachine(host.runtime, { ...open, outbound: true })]
    const reaches = async (run: Machine['run'], address: string): Promise<boolean> => (await run('busybox', ['ping', '-c', '1', '-W', '1', address], { allowFailure: true })).code === 0
    assert.equal(await reaches(wide.run, beyondAddress), true)
    assert.equal(await reaches(shut.run, beyondAddress), false)
    assert.equal(await reaches(shut.run, networks[0].bridgeAddress), true)
    assert.equal(await reaches(host.beyond.processes.run, wide.address), false, 'nobody outside opens a connection to a node')
    assert.equal(await reaches(wide.run, networks[1].serviceCIDR.replace('.0.0/16', '.0.9')), false)

    await removeMachine(host.runtime, open)
    await removeHostNetwork(host.runtime, open.clusterDirectory)
    await removeMachine(host.runtime, closed)
    await removeHostNetwork(host.runtime, closed.clusterDirectory)
    for (const network of networks) assert.deepEqual(await traces(host, network), [])
    assert.equal(await host.network(), before)
  })

  test('an archive of the user\'s is loaded under its name; what is no image is refused in a sentence', async () => {
    const one = location(host, 'load', 'node-1')
    const network = await reserveNetwork(host.runtime, one.clusterDirectory)
    await ensureHostNetwork(host.runtime, network)
    const machine = await startMachine(host.runtime, one)
    const archive = join(host.home, 'mine.tar')
    await writeFile(archive, buildImage({ name: 'registry.example/mine:2.1', files: [{ path: 'hello', type: 'file', content: Buffer.from('hi') }], entrypoint: ['/hello'] }))
    assert.deepEqual(await loadImage(host.runtime, [machine], archive), ['registry.example/mine:2.1'])
    assert.equal(await hasImage(host.runtime, machine, 'registry.example/mine:2.1'), true)
    await writeFile(archive, 'no archive at all')
    await assert.rejects(loadImage(host.runtime, [machine], archive), /cannot import .*mine\.tar/)
    await removeMachine(host.runtime, one)
    await removeHostNetwork(host.runtime, one.clusterDirectory)
  })

  test('pods get images from a registry on the host\'s loopback, and reach nothing else there', { skip: existsSync('/usr/bin/docker-registry') ? false : 'needs Debian\'s docker-registry' }, async () => {
    const one = location(host, 'registry', 'node-1')
    const before = await host.network()
    const network = await reserveNetwork(host.runtime, one.clusterDirectory)
    await ensureHostNetwork(host.runtime, network)
    const machine = await startMachine(host.runtime, { ...one, registries: [{ registry: 'localhost:5000', mirrors: [{ url: 'http://localhost:5000' }], onlyMirrors: true }] })
    const settings = join(host.home, 'registry.yml')
    await writeFile(settings, `version: 0.1\nstorage: {filesystem: {rootdirectory: ${join(host.home, 'registry-files')}}}\nhttp: {addr: '127.0.0.1:5000'}\n`)
    const registry = host.runtime.processes.start('docker-registry', ['serve', settings], { stdio: 'ignore' })
    const ended = new Promise((resolve) => registry.once('exit', resolve))
    try {
      const archive = join(host.home, 'pushed.tar')
      await writeFile(archive, buildImage({ name: 'localhost:5000/pushed:1', files: [{ path: 'hello', type: 'file', content: Buffer.from('hi') }] }))
      await loadImage(host.runtime, [machine], archive)
      const push = 'for i in $(seq 50); do ctr --address "$0" -n k8s.io images push --plain-http localhost:5000/pushed:1 && exit 0; sleep 0.1; done; exit 1'
      await host.runtime.processes.run('/bin/sh', ['-c', push, machine.paths.containerdSocket])
      const containers = connectContainerRuntime(machine.paths.containerdSocket, host.runtime.clock)
      await containers.removeImage('localhost:5000/pushed:1')
      assert.equal(await containers.imageStatus('localhost:5000/pushed:1'), undefined)
      assert.match(await containers.pullImage('localhost:5000/pushed:1'), /^sha256:|@sha256:/)
      await containers[Symbol.asyncDispose]()
      const probe = (address: string): Promise<{ code: number }> => machine.run('timeout', ['2', 'busybox', 'wget', '-q', '-O', '-', `http://${address}:5000/v2/`], { allowFailure: true })
      assert.equal((await probe(network.bridgeAddress)).code, 0)
      assert.notEqual((await probe('127.0.0.1')).code, 0)
    } finally {
      registry.kill('SIGKILL')
      await ended
    }
    await removeMachine(host.runtime, one)
    await removeHostNetwork(host.runtime, one.clusterDirectory)
    assert.equal(await host.network(), before)
  })
})
