import { homedir } from 'node:os'
import { join } from 'node:path'

/** Where everything of k8ts lives for this user: `$K8TS_HOME`, else `~/.k8ts`. */
export function homeDirectory(env: NodeJS.ProcessEnv = process.env): string {
  return env['K8TS_HOME'] ?? join(homedir(), '.k8ts')
}

/** The folders and files of one cluster. `down` removes `root` whole. */
export interface ClusterPaths {
  readonly root: string
  readonly state: string
  readonly lock: string
  readonly pki: string
  readonly store: string
  readonly logs: string
  readonly kubeconfig: string
  readonly machines: string
  readonly images: string
}

export function clustersDirectory(home = homeDirectory()): string {
  return join(home, 'clusters')
}

export function clusterPaths(name: string, home = homeDirectory()): ClusterPaths {
  return pathsUnder(join(clustersDirectory(home), name))
}

/** The same layout under any folder, as `k8ts server --data-dir` uses it. */
export function pathsUnder(root: string): ClusterPaths {
  return {
    root, state: join(root, 'state.json'), lock: join(root, 'lock'), pki: join(root, 'pki'), store: join(root, 'store'), logs: join(root, 'logs'),
    kubeconfig: join(root, 'kubeconfig'), machines: join(root, 'machines'), images: join(root, 'images'),
  }
}

/** Why `name` cannot be a cluster's name, or undefined. It becomes part of context, interface and file names. */
export function clusterNameProblem(name: string): string | undefined {
  if (/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/.test(name)) return undefined
  return `"${name}" cannot be a cluster's name: use at most 32 lower-case letters, digits and "-", beginning and ending with a letter or digit`
}
