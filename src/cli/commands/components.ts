import { hostname } from 'node:os'
import { Command, InvalidArgumentError, Option } from 'commander'
import type { FlagRow, ParsedFlags } from '../../cluster/flags.ts'
import type { AgentSettings, KubeletSettings, ProxySettings } from '../../cluster/agent.ts'
import { jsonLogger, type LogLevel } from '../../runtime/log.ts'
import { systemRuntime, type Running, type Runtime } from '../../runtime/runtime.ts'
import { runInForeground } from '../foreground.ts'

function port(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0 || value > 65535) throw new InvalidArgumentError('a port, 0 to 65535, is wanted')
  return value
}

function count(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('a whole number, 0 or more, is wanted')
  return value
}

function list(text: string): string[] {
  return text.split(',').map((each) => each.trim()).filter((each) => each !== '')
}

function pairs(text: string): Record<string, string> {
  return Object.fromEntries(list(text).map((each) => {
    const equals = each.indexOf('=')
    return equals < 0 ? [each, ''] : [each.slice(0, equals), each.slice(equals + 1)]
  }))
}

const logLevel = (): Option => new Option('--log-level <level>', 'how much to log').choices(['debug', 'info', 'warn', 'error', 'silent']).default('info')

/** A command that runs in the foreground until it is asked to stop. */
function component(program: Command, name: string, description: string): Command {
  return program.command(name).description(description).addOption(logLevel())
}

async function run<Flags extends { logLevel: LogLevel }>(flags: Flags, start: (runtime: Runtime) => Promise<Running>): Promise<void> {
  const runtime = systemRuntime(jsonLogger(flags.logLevel))
  await runInForeground(runtime, () => start(runtime))
}

function kubeletOptions(command: Command): Command {
  return command
    .requiredOption('--kubeconfig <file>', 'credentials of the node')
    .option('--node-name <name>', 'name of the Node', hostname().toLowerCase())
    .requiredOption('--node-ip <address>', 'the address by which others reach the node')
    .option('--container-runtime-endpoint <socket>', 'CRI socket', 'unix:///run/containerd/containerd.sock')
    .option('--root-dir <dir>', 'where pods\' volumes are kept (default /var/lib/kubelet)')
    .option('--pod-log-dir <dir>', 'where containers\' logs are kept')
    .option('--cgroup-root <cgroup>', 'cgroup below which pods run')
    .option('--port <port>', 'port of the kubelet\'s server', port, 10_250)
    .requiredOption('--tls-cert-file <file>', 'certificate of the kubelet\'s server')
    .requiredOption('--tls-private-key-file <file>', 'its key')
    .requiredOption('--client-ca-file <file>', 'authority of those who may call it')
    .option('--cluster-dns <addresses>', 'name servers for pods', list, [])
    .option('--cluster-domain <domain>', 'domain of the cluster', 'cluster.local')
    .option('--resolv-conf <file>', 'resolver configuration for pods that use the node\'s')
    .option('--node-labels <labels>', 'labels of the Node: key=value,…', pairs, {})
    .option('--max-pods <n>', 'most pods on the node', count)
}

/** A command whose flags are read by a table of their own. */
function flagged(program: Command, name: string, description: string): Command {
  return program.command(name).description(description).helpOption(false).allowUnknownOption().allowExcessArguments().passThroughOptions()
}

/** Reads the flags of a command by a table that is loaded for it only; undefined when all that was asked for is printed. */
async function readFlags<Row extends FlagRow>(command: Command, rows: readonly Row[], listed: readonly FlagRow[], about: string): Promise<ParsedFlags<Row> | undefined> {
  const { flagHelp, parseFlags } = await import('../../cluster/flags.ts')
  const args = [...command.args]
  if (args.includes('--help') || args.includes('-h')) {
    const help = ['  -h, --help', '                Print this.', '      --version', '                Print the version.'].join('\n')
    process.stdout.write(`${about}\n\nUsage:\n  k8ts ${command.name()} [flags]\n\n${flagHelp(listed)}\nGlobal flags:\n\n${help}\n`)
    return undefined
  }
  if (args.some((each) => each === '--version' || each === '--version=true')) {
    const { serverVersion } = await import('../../apiserver/version.ts')
    process.stdout.write(`Kubernetes ${serverVersion.gitVersion}\n`)
    return undefined
  }
  const parsed = parseFlags(rows, args)
  for (const warning of parsed.warnings) process.stderr.write(`${warning}\n`)
  return parsed
}

/** `--log-level`, else what `--v` comes to. */
function levelOf(values: { 'log-level': string; v: number }): LogLevel {
  return values['log-level'] === '' ? (values.v >= 4 ? 'debug' : 'info') : (values['log-level'] as LogLevel)
}

async function runApiServer(command: Command): Promise<void> {
  const { apiServerFlags } = await import('../../cluster/apiserver-flags.ts')
  const about = 'The API server: serves the Kubernetes API from etcd or from an embedded store. Takes the flags of kube-apiserver, and a few of its own.'
  const parsed = await readFlags(command, apiServerFlags, apiServerFlags, about)
  if (parsed === undefined) return
  const { values: flags, given } = parsed
  await run({ logLevel: levelOf(flags) }, async (runtime) => (await import('../../cluster/control-plane.ts')).startApiServerComponent(runtime, { flags, given }))
}

async function runServer(command: Command): Promise<void> {
  const [{ apiServerFlags }, { serverFlags }] = await Promise.all([import('../../cluster/apiserver-flags.ts'), import('../../cluster/server-flags.ts')])
  const about = 'The control plane in one process: API server, store, controllers, scheduler. Takes the flags of "k8ts apiserver" too; of those only its own are listed here.'
  const parsed = await readFlags(command, [...serverFlags, ...apiServerFlags], [...serverFlags, ...apiServerFlags.filter((row) => row.group === 'k8ts' || frequentFlags.includes(row.name))], about)
  if (parsed === undefined) return
  const { values: flags, given } = parsed
  if (flags['data-dir'] === '') throw new Error('--data-dir is needed: where certificates and the embedded store are kept')
  const settings = {
    flags, given, clusterCidr: flags['cluster-cidr'], disable: flags['disable'], controllers: flags['controllers'], hollow: flags['hollow'], hostPodRoutes: flags['host-pod-routes'],
  }
  await run({ logLevel: levelOf(flags) }, async (runtime) => (await import('../../cluster/control-plane.ts')).startControlPlane(runtime, settings))
}

/** What `server --help` shows of the API server's flags. */
const frequentFlags: readonly string[] = [
  'secure-port', 'bind-address', 'advertise-address', 'service-cluster-ip-range', 'etcd-servers', 'token-auth-file', 'enable-admission-plugins', 'disable-admission-plugins',
  'feature-gates', 'runtime-config', 'v',
]

/** Commands that run components, alone or together, as `up` starts them and as real machines run them. */
export function addComponentCommands(program: Command): void {
  flagged(program, 'server', 'run the control plane in the foreground: API server, store, controllers, scheduler')
    .action((_flags: unknown, command: Command) => runServer(command))
  flagged(program, 'apiserver', 'run the API server; takes the flags of kube-apiserver')
    .action((_flags: unknown, command: Command) => runApiServer(command))

  component(program, 'scheduler', 'run the scheduler').requiredOption('--kubeconfig <file>', 'credentials')
    .option('--leader-elect', 'run only while holding the lease kube-system/kube-scheduler')
    .action((flags: { logLevel: LogLevel; kubeconfig: string; leaderElect?: boolean }) => run(flags, async (runtime) => (await import('../../cluster/control-plane.ts')).startSchedulerComponent(runtime, flags)))

  component(program, 'controller-manager', 'run the controllers').requiredOption('--kubeconfig <file>', 'credentials')
    .option('--cluster-cidr <cidr>', 'range of pod addresses', '10.244.0.0/16')
    .option('--root-ca-file <file>', 'authority that pods are given to check the API server by')
    .option('--cluster-signing-cert-file <file>', 'authority that signs certificates for kubelets and clients')
    .option('--cluster-signing-key-file <file>', 'key of that authority')
    .option('--service-account-private-key-file <file>', 'key that signs tokens of Secrets of type kubernetes.io/service-account-token')
    .option('--controllers <names>', 'controllers to run: "*" for all, "-name" to leave one out', list, ['*'])
    .option('--leader-elect', 'run only while holding the lease kube-system/kube-controller-manager')
    .action((flags: { logLevel: LogLevel; kubeconfig: string; clusterCidr: string; controllers: string[]; rootCaFile?: string; clusterSigningCertFile?: string; clusterSigningKeyFile?: string; serviceAccountPrivateKeyFile?: string; leaderElect?: boolean }) =>
      run(flags, async (runtime) => (await import('../../cluster/control-plane.ts')).startControllerManagerComponent(runtime, flags)))

  kubeletOptions(component(program, 'kubelet', 'run the kubelet of this machine'))
    .action((flags: KubeletSettings & { logLevel: LogLevel }) => run(flags, async (runtime) => (await import('../../cluster/agent.ts')).startKubeletComponent(runtime, flags)))

  component(program, 'proxy', 'run the service proxy of this machine').requiredOption('--kubeconfig <file>', 'credentials')
    .option('--node-name <name>', 'name of the Node', hostname().toLowerCase())
    .option('--node-ip <addresses>', 'addresses of the node', list, [])
    .option('--cluster-cidr <cidr>', 'range of pod addresses')
    .action((flags: { logLevel: LogLevel; kubeconfig: string; nodeName: string; nodeIp: string[]; clusterCidr?: string }) => {
      const settings: ProxySettings = { ...flags, nodeIps: flags.nodeIp, healthz: { host: '0.0.0.0', port: 10_256 }, metrics: { host: '127.0.0.1', port: 10_249 } }
      return run(flags, async (runtime) => (await import('../../cluster/agent.ts')).startProxyComponent(runtime, settings))
    })

  kubeletOptions(component(program, 'agent', 'run what a node needs beside containerd: kubelet, service proxy, pod network'))
    .requiredOption('--proxy-kubeconfig <file>', 'credentials of the service proxy and the pod network')
    .option('--cluster-cidr <cidr>', 'range of pod addresses', '10.244.0.0/16')
    .option('--cni-conf-dir <dir>', 'where containerd looks for the pod network\'s configuration', '/etc/cni/net.d')
    .option('--cni-data-dir <dir>', 'where pod addresses are noted')
    .action((flags: KubeletSettings & { logLevel: LogLevel; proxyKubeconfig: string; clusterCidr: string; cniConfDir: string; cniDataDir?: string }) => {
      const settings: AgentSettings = {
        kubelet: flags, clusterCidr: flags.clusterCidr, cniConfDir: flags.cniConfDir, cniDataDir: flags.cniDataDir,
        proxy: { kubeconfig: flags.proxyKubeconfig, nodeName: flags.nodeName, nodeIps: [flags.nodeIp], clusterCidr: flags.clusterCidr, healthz: { host: '0.0.0.0', port: 10_256 }, metrics: { host: '127.0.0.1', port: 10_249 } },
      }
      return run(flags, async (runtime) => (await import('../../cluster/agent.ts')).startAgent(runtime, settings))
    })

  component(program, 'hollow', 'run simulated nodes against a cluster').requiredOption('--kubeconfig <file>', 'credentials with the right to impersonate nodes')
    .option('--count <n>', 'how many', count, 3).option('--prefix <name>', 'nodes are called PREFIX-0, PREFIX-1, …', 'hollow')
    .action((flags: { logLevel: LogLevel; kubeconfig: string; count: number; prefix: string }) => run(flags, async (runtime) => (await import('../../cluster/control-plane.ts')).startHollowComponent(runtime, flags)))
}
