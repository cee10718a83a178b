import { access, constants, readFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import type { Runtime } from '../runtime/runtime.ts'

/** A program or file that real nodes need, the Debian package that brings it, and what it is for. */
export interface Prerequisite { package: string; file: string; reason: string }

/** In the order in which they are named to the user. A `file` without slash is looked for on PATH and in the sbin folders. */
export const prerequisites: readonly Prerequisite[] = [
  { package: 'containerd', file: 'containerd', reason: 'runs the containers of each node' },
  { package: 'runc', file: 'runc', reason: 'starts container processes for containerd' },
  { package: 'containernetworking-plugins', file: '/usr/lib/cni/bridge', reason: 'connects pods to the pod network' },
  { package: 'iproute2', file: 'ip', reason: 'makes the network of each node' },
  { package: 'iptables', file: 'iptables-restore', reason: 'carries service addresses to pods' },
  { package: 'nftables', file: 'nft', reason: 'lets nodes reach registries beyond this machine' },
  { package: 'conntrack', file: 'conntrack', reason: 'forgets UDP flows to pods that are gone' },
  { package: 'util-linux', file: 'nsenter', reason: 'starts each node inside its own network' },
  { package: 'catatonit', file: 'catatonit', reason: 'is the pause process that holds a pod together' },
  { package: 'busybox-static', file: 'busybox', reason: 'fills the demo image' },
]

async function exists(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(() => true, () => false)
}

async function isThere(file: string, searchPath: string): Promise<boolean> {
  if (file.includes('/')) return exists(file)
  const folders = [...searchPath.split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin']
  for (const folder of folders) if (folder !== '' && await exists(join(folder, file))) return true
  return false
}

export async function missingPrerequisites(searchPath = process.env['PATH'] ?? ''): Promise<Prerequisite[]> {
  const found = await Promise.all(prerequisites.map((each) => isThere(each.file, searchPath)))
  return prerequisites.filter((_, index) => found[index] !== true)
}

/** Why this machine can have no real nodes, or undefined when it can (given the packages). */
export function realNodesProblem(platform = process.platform, uid = process.getuid?.()): string | undefined {
  if (platform !== 'linux') return `real nodes need Linux, and this is ${platform}`
  if (uid !== 0) return 'real nodes need root, to make network namespaces and containers'
  return undefined
}

/** Whether packages can be installed with apt-get here. */
export async function isDebian(): Promise<boolean> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '')
  return /^ID(_LIKE)?=.*debian/m.test(release)
}

/** Installs what is missing with apt-get; `say` gets one line naming each package and why, before anything is done. */
export async function installPrerequisites(runtime: Runtime, missing: readonly Prerequisite[], say: (line: string) => void): Promise<void> {
  if (missing.length === 0) return
  const list = missing.map((each) => `  ${each.package.padEnd(28)} ${each.reason}`).join('\n')
  if (!(await isDebian())) throw new Error(`install these packages with your package manager (Debian's names), then try again:\n${list}`)
  say(`Installing Debian packages that real nodes need:\n${list}`)
  const packages = missing.map((each) => each.package)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const install = ['install', '-y', '-q', '--no-install-recommends', ...packages]
  const first = await runtime.processes.run('apt-get', install, { env, allowFailure: true })
  if (first.code === 0) return
  // A new machine has no package lists yet.
  await runtime.processes.run('apt-get', ['update', '-q'], { env })
  await runtime.processes.run('apt-get', install, { env })
}
