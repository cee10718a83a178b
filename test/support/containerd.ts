import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, readdir, rm, rmdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Runtime } from '../../src/runtime/runtime.ts'
import { busyboxImage, pauseImage } from './image-archive.ts'

/** Why real containers can't run here, or undefined when they can. Pass it as `skip` to `node:test`. */
export function whyNoContainers(): string | undefined {
  if (process.platform !== 'linux') return 'real containers need Linux'
  if (process.getuid?.() !== 0) return 'real containers need root'
  const missing = ['/usr/bin/containerd', '/usr/bin/ctr', '/usr/sbin/runc', '/usr/lib/cni/bridge', '/usr/bin/busybox', '/usr/bin/catatonit'].filter((path) => !existsSync(path))
  return missing.length === 0 ? undefined : `real containers need ${missing.join(', ')}`
}

/** True inside a process started by `runInOwnNetwork`. */
export const inOwnNetwork = process.env.K8TS_TEST_NETWORK === 'own'

/**
 * Runs a test file again in a network namespace of its own, which goes with the process: nothing that its pods send
 * leaves the machine. Rejects with what the run printed when it fails.
 */
export async function runInOwnNetwork(runtime: Runtime, testFile: string): Promise<void> {
  const env: NodeJS.ProcessEnv = { ...process.env, K8TS_TEST_NETWORK: 'own' }
  delete env.NODE_TEST_CONTEXT
  await runtime.processes.run('unshare', ['--net', 'sh', '-c', 'ip link set lo up && echo 1 > /proc/sys/net/ipv4/ip_forward && exec "$0" --test "$1"', process.execPath, testFile], { env, timeoutMs: 300_000 })
}

export interface TestContainerd extends AsyncDisposable {
  readonly socketPath: string
  readonly directory: string
  /** A cgroup under which the test may make its own; removed at the end. */
  readonly cgroupRoot: string
  load(archive: Uint8Array): Promise<void>
}

function configuration(directory: string, cniDirectory: string, pause: string): string {
  return `version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pause}"
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  enable_selinux = false
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${cniDirectory}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
      BinaryName = "runc"
[plugins."io.containerd.internal.v1.opt"]
  path = "${directory}/opt"
`
}

/** Removes a cgroup and those in it, in every hierarchy. Processes must be gone. */
async function removeCgroups(name: string): Promise<void> {
  const remove = async (path: string): Promise<void> => {
    for (const entry of await readdir(path, { withFileTypes: true })) if (entry.isDirectory()) await remove(join(path, entry.name))
    await rmdir(path)
  }
  for (const hierarchy of await readdir('/sys/fs/cgroup')) {
    const path = join('/sys/fs/cgroup', hierarchy, name)
    if (existsSync(path)) await remove(path)
  }
}

/** Starts a containerd of its own (root, state, socket, CNI configuration) in this process's network; disposing leaves nothing behind. */
export async function startTestContainerd(runtime: Runtime, options: { podSubnet?: string } = {}): Promise<TestContainerd> {
  const directory = await mkdtemp(join(tmpdir(), 'k8ts-containerd-'))
  const cniDirectory = join(directory, 'cni')
  const socketPath = join(directory, 'containerd.sock')
  const cgroupRoot = `/k8ts-test-${runtime.random.suffix(6)}`
  const pause = 'k8ts.local/pause:test'
  await mkdir(cniDirectory)
  await writeFile(join(directory, 'config.toml'), configuration(directory, cniDirectory, pause))
  await writeFile(join(cniDirectory, '10-test.conflist'), JSON.stringify({
    cniVersion: '0.4.0', name: 'test',
    plugins: [
      { type: 'bridge', bridge: 'cni0', isGateway: true, ipMasq: false, hairpinMode: true, ipam: { type: 'host-local', dataDir: join(directory, 'ipam'), ranges: [[{ subnet: options.podSubnet ?? '10.244.7.0/24' }]], routes: [{ dst: '0.0.0.0/0' }] } },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  }))
  const child = runtime.processes.start('containerd', ['--config', join(directory, 'config.toml'), '--root', join(directory, 'root'), '--state', join(directory, 'state'), '--address', socketPath, '--log-level', 'warn'], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-20_000)
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const ctr = (...args: string[]) => runtime.processes.run('ctr', ['--address', socketPath, '--namespace', 'k8s.io', ...args])
  const stop = async (): Promise<void> => {
    if (!existsSync(directory)) return
    // Shims outlive their containerd: end their tasks first.
    const tasks = await runtime.processes.run('ctr', ['--address', socketPath, '--namespace', 'k8s.io', 'tasks', 'ls', '-q'], { allowFailure: true })
    const ids = tasks.stdout.split('\n').filter((id) => id !== '')
    for (const id of ids) await runtime.processes.run('ctr', ['--address', socketPath, '--namespace', 'k8s.io', 'tasks', 'rm', '-f', id], { allowFailure: true })
    child.kill('SIGTERM')
    await ended
    const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' ')[1] ?? '').filter((path) => path.startsWith(`${directory}/`))
    for (const mount of mounts.reverse()) await runtime.processes.run('umount', ['-l', mount], { allowFailure: true })
    await removeCgroups(cgroupRoot)
    await rm(directory, { recursive: true, force: true })
  }
  const load = async (archive: Uint8Array): Promise<void> => {
    const path = join(directory, 'import.tar')
    await writeFile(path, archive)
    await ctr('images', 'import', path)
  }
  try {
    for (let attempt = 0; ; attempt++) {
      if (existsSync(socketPath) && (await runtime.processes.run('ctr', ['--address', socketPath, 'version'], { allowFailure: true, timeoutMs: 5000 })).code === 0) break
      if (attempt === 150 || child.exitCode !== null) throw new Error(`containerd did not start: ${said}`)
      await runtime.clock.sleep(100)
    }
    await load(await pauseImage(pause))
    await load(await busyboxImage())
  } catch (error) {
    await stop()
    throw error
  }
  return { socketPath, directory, cgroupRoot, load, [Symbol.asyncDispose]: stop }
}
