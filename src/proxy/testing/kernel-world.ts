import type { ChildProcess } from 'node:child_process'
import { processesInNetwork } from '../../runtime/network-namespace.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { systemRuntime } from '../../runtime/runtime.ts'
import { memoryLogger } from '../../runtime/log.ts'

/** Ranges of the little network; it exists only inside namespaces of its own. */
export const world = {
  serviceCIDR: '10.250.0.0/16', podCIDR: '10.251.0.0/16', nodeIP: '192.168.250.2', bridgeIP: '10.251.1.1', outsideIP: '192.168.250.1',
  a: '10.251.1.10', b: '10.251.1.11', client: '10.251.1.12', port: 8080,
} as const

export type Place = 'node' | 'outside' | 'a' | 'b' | 'client'

/** Answers each TCP connection and each UDP packet on port 8080 with its name and the address it sees. */
const serverScript = `
const [, name] = process.argv
require('node:net').createServer((c) => { c.on('error', () => {}); c.end(name + ' ' + c.remoteAddress) }).listen(8080, '0.0.0.0', () => {
  const udp = require('node:dgram').createSocket('udp4')
  udp.on('message', (m, r) => udp.send(name + ' ' + r.address, r.port, r.address))
  udp.bind(8080, () => console.log('ready'))
})`

/** Asks `count` times, one after the other, and prints the answers; `!CODE` is a failure. */
const clientScript = `
const [, protocol, address, port, count, sourcePort] = process.argv
const tcp = () => new Promise((done) => {
  const c = require('node:net').connect({ host: address, port: Number(port), timeout: 1500 })
  let text = ''
  c.on('data', (d) => { text += d }).on('end', () => done(text)).on('error', (e) => done('!' + e.code)).on('timeout', () => { c.destroy(); done('!TIMEOUT') })
})
const udp = () => new Promise((done) => {
  const s = require('node:dgram').createSocket('udp4')
  const end = (text) => { clearTimeout(timer); s.close(); done(text) }
  const timer = setTimeout(() => end('!TIMEOUT'), 1500)
  s.on('message', (m) => end(String(m))).on('error', (e) => end('!' + e.code))
  s.bind(Number(sourcePort) || 0, () => s.connect(Number(port), address, () => s.send('hello')))
})
;(async () => {
  const answers = []
  for (let i = 0; i < Number(count); i++) answers.push(await (protocol === 'udp' ? udp : tcp)())
  console.log(JSON.stringify(answers))
})()`

export interface Answer { from: string; sees: string }

/**
 * A node with two server pods and a client pod on its bridge, and a place outside, each a network namespace: a backend put into
 * `node` meets the real kernel, and the machine's own network is not touched.
 */
export interface KernelWorld extends AsyncDisposable {
  /** Whose processes are in the node. */
  readonly node: Runtime
  /** Asks an address from a place; a failure is thrown as its code, unless all answers are wanted as text by `askText`. */
  ask(place: Place, protocol: 'tcp' | 'udp', address: string, port: number, count?: number): Promise<Answer[]>
  askText(place: Place, protocol: 'tcp' | 'udp', address: string, port: number, options?: { count?: number; sourcePort?: number }): Promise<string[]>
}

/** Why this machine can't make one, or undefined. */
export function kernelWorldProblem(): string | undefined {
  return process.platform === 'linux' && process.getuid?.() === 0 ? undefined : 'needs Linux and root, to make network namespaces'
}

async function build(host: Runtime, names: Record<Place, string>): Promise<void> {
  const batch = (lines: readonly string[], namespace?: string): Promise<unknown> =>
    host.processes.run('ip', [...(namespace === undefined ? [] : ['-n', namespace]), '-batch', '-'], { input: `${lines.join('\n')}\n` })
  await batch(Object.values(names).map((name) => `netns add ${name}`))
  const pods = (['a', 'b', 'client'] as const).map((place, index) => ({ place, port: `pod${index}` }))
  await batch([
    'link set lo up', 'link add cni0 type bridge', `addr add ${world.bridgeIP}/24 dev cni0`, 'link set cni0 up',
    `link add eth0 type veth peer name eth0 netns ${names.outside}`, `addr add ${world.nodeIP}/24 dev eth0`, 'link set eth0 up',
    'link add sink arp off type bridge', 'link set sink up', `route add ${world.serviceCIDR} dev sink src ${world.nodeIP}`,
    ...pods.flatMap(({ place, port }) => [`link add ${port} type veth peer name eth0 netns ${names[place]}`, `link set ${port} master cni0 up`, `link set ${port} type bridge_slave hairpin on`]),
  ], names.node)
  await batch(['link set lo up', `addr add ${world.outsideIP}/24 dev eth0`, 'link set eth0 up', `route add default via ${world.nodeIP}`], names.outside)
  await batch([`route add default via ${world.outsideIP}`], names.node)
  for (const { place } of pods) await batch(['link set lo up', `addr add ${world[place]}/24 dev eth0`, 'link set eth0 up', `route add default via ${world.bridgeIP}`], names[place])
  const switches = 'echo 1 > /proc/sys/net/ipv4/ip_forward; f=/proc/sys/net/bridge/bridge-nf-call-iptables; [ ! -e $f ] || echo 1 > $f'
  await processesInNetwork(`/run/netns/${names.node}`, host.processes).run('/bin/sh', ['-ec', switches])
}

async function startServer(host: Runtime, namespace: string, name: string): Promise<ChildProcess> {
  const child = processesInNetwork(`/run/netns/${namespace}`, host.processes).start(process.execPath, ['-e', serverScript, name], { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise<void>((resolve, reject) => {
    child.stdout?.once('data', () => resolve())
    child.once('exit', (code) => reject(new Error(`the server ${name} ended with ${code}`)))
  })
  return child
}

export async function openKernelWorld(): Promise<KernelWorld> {
  const host = systemRuntime(memoryLogger())
  const mark = `k8tst${process.pid}${host.random.suffix(3)}`
  const names: Record<Place, string> = { node: `${mark}-node`, outside: `${mark}-outside`, a: `${mark}-a`, b: `${mark}-b`, client: `${mark}-client` }
  const servers: ChildProcess[] = []
  const close = async (): Promise<void> => {
    for (const server of servers) {
      const ended = new Promise((resolve) => server.once('exit', resolve))
      if (server.exitCode === null && server.kill('SIGKILL')) await ended
    }
    for (const name of Object.values(names)) await host.processes.run('ip', ['netns', 'delete', name], { allowFailure: true })
  }
  try {
    await build(host, names)
    for (const place of ['a', 'b', 'outside'] as const) servers.push(await startServer(host, names[place], place))
  } catch (error) {
    await close()
    throw error
  }
  const askText: KernelWorld['askText'] = async (place, protocol, address, port, { count = 1, sourcePort = 0 } = {}) => {
    const inside = processesInNetwork(`/run/netns/${names[place]}`, host.processes)
    const { stdout } = await inside.run(process.execPath, ['-e', clientScript, protocol, address, String(port), String(count), String(sourcePort)])
    return JSON.parse(stdout) as string[]
  }
  return {
    node: { ...host, processes: processesInNetwork(`/run/netns/${names.node}`, host.processes) },
    askText,
    async ask(place, protocol, address, port, count = 1) {
      const answers = await askText(place, protocol, address, port, { count })
      return answers.map((answer) => {
        if (answer.startsWith('!')) throw new Error(`no answer at ${address}:${port} from ${place}: ${answer.slice(1)}`)
        const [from = '', sees = ''] = answer.split(' ')
        return { from, sees }
      })
    },
    [Symbol.asyncDispose]: close,
  }
}
