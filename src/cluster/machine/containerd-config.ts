/** How containerd reaches one registry. */
export interface RegistryEndpoint {
  /** `http://…` or `https://…`. */
  url: string
  /** Take any certificate. */
  skipVerify?: boolean
  /** A file with the CA certificates to trust. */
  caFile?: string
}

/** Where images of one registry come from: `mirrors` are asked in order; with `onlyMirrors` the registry itself never is. */
export interface RegistryConfig {
  /** The registry as image names spell it: `docker.io`, `localhost:5000`; `_default` stands for every other. */
  registry: string
  mirrors: readonly RegistryEndpoint[]
  onlyMirrors?: boolean
}

/** Folders and files of one node's containerd. */
export interface ContainerdPaths {
  config: string
  root: string
  state: string
  socket: string
  /** Where runc keeps what it runs. */
  runc: string
  certs: string
  cniConf: string
}

const quote = (text: string): string => JSON.stringify(text)

/** Plugins that only cost start-up time, or would make folders outside the node's own (`opt`). */
const disabledPlugins = [
  'io.containerd.snapshotter.v1.aufs', 'io.containerd.snapshotter.v1.btrfs', 'io.containerd.snapshotter.v1.zfs', 'io.containerd.snapshotter.v1.devmapper',
  'io.containerd.internal.v1.opt', 'io.containerd.internal.v1.restart', 'io.containerd.internal.v1.tracing', 'io.containerd.tracing.processor.v1.otlp',
]

/** The configuration file (version 2) of a node's containerd. */
export function containerdConfig(paths: ContainerdPaths, options: { pauseImage: string; cniBinDirectory: string; snapshotter: 'overlayfs' | 'native'; canLowerOomScore: boolean }): string {
  const cri = 'plugins."io.containerd.grpc.v1.cri"'
  return `version = 2
root = ${quote(paths.root)}
state = ${quote(paths.state)}
oom_score = ${options.canLowerOomScore ? -999 : 0}
disabled_plugins = [${disabledPlugins.map(quote).join(', ')}]

[grpc]
  address = ${quote(paths.socket)}

[${cri}]
  sandbox_image = ${quote(options.pauseImage)}
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  netns_mounts_under_state_dir = true
  restrict_oom_score_adj = ${!options.canLowerOomScore}
  enable_unprivileged_ports = true
  enable_unprivileged_icmp = true

  [${cri}.cni]
    bin_dir = ${quote(options.cniBinDirectory)}
    conf_dir = ${quote(paths.cniConf)}

  [${cri}.containerd]
    snapshotter = ${quote(options.snapshotter)}
    default_runtime_name = "runc"

    [${cri}.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [${cri}.containerd.runtimes.runc.options]
        BinaryName = "runc"
        Root = ${quote(paths.runc)}
        SystemdCgroup = false

  [${cri}.registry]
    config_path = ${quote(paths.certs)}
`
}

/** A registry on the host's loopback is reached from a node at the bridge address. */
function fromNode(url: string, bridgeAddress: string): string {
  const parsed = new URL(url)
  if (['localhost', '127.0.0.1', '[::1]'].includes(parsed.hostname)) parsed.hostname = bridgeAddress
  return parsed.href.replace(/\/$/, '')
}

/** The host's loopback ports that the registries of the configuration use. */
export function loopbackPorts(registries: readonly RegistryConfig[]): number[] {
  const urls = registries.flatMap((each) => each.mirrors).map((mirror) => new URL(mirror.url))
  const ports = urls.filter((url) => ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)).map((url) => Number(url.port) || (url.protocol === 'http:' ? 80 : 443))
  return [...new Set(ports)]
}

/** The `hosts.toml` of one registry (containerd's `docs/hosts.md`). */
export function hostsFile(config: RegistryConfig, bridgeAddress: string): string {
  const first = config.mirrors[0]
  const lines: string[] = []
  if (config.onlyMirrors === true && first !== undefined) lines.push(`server = ${quote(fromNode(first.url, bridgeAddress))}`)
  for (const mirror of config.mirrors) {
    lines.push('', `[host.${quote(fromNode(mirror.url, bridgeAddress))}]`, '  capabilities = ["pull", "resolve"]')
    if (mirror.skipVerify === true) lines.push('  skip_verify = true')
    if (mirror.caFile !== undefined) lines.push(`  ca = ${quote(mirror.caFile)}`)
  }
  return `${lines.join('\n').trim()}\n`
}

/** The folder of a registry under `config_path`. */
export function hostsFolder(config: RegistryConfig): string {
  return config.registry
}
