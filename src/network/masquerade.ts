import type { Runtime } from '../runtime/runtime.ts'

const chain = 'K8TS-MASQUERADE'

/** What `iptables-restore --noflush` reads: traffic of pods that leaves the cluster's ranges takes the node's address. */
export function masqueradeRules(clusterCIDR: string): string {
  return `*nat
:${chain} - [0:0]
-A ${chain} -d ${clusterCIDR} -m comment --comment "pod to pod" -j RETURN
-A ${chain} -d 224.0.0.0/4 -m comment --comment "multicast" -j RETURN
-A ${chain} -m comment --comment "pods beyond the cluster" -j MASQUERADE --random-fully
COMMIT
`
}

const jump = (clusterCIDR: string): string[] => [
  'POSTROUTING', '-s', clusterCIDR, '-m', 'addrtype', '!', '--dst-type', 'LOCAL', '-m', 'comment', '--comment', 'k8ts pod network', '-j', chain,
]

/** Puts the rules in place where they aren't; cheap when they are. */
export async function ensureMasquerade(runtime: Runtime, clusterCIDR: string): Promise<void> {
  const { run } = runtime.processes
  const stands = await run('iptables', ['--wait=5', '-t', 'nat', '-C', ...jump(clusterCIDR)], { allowFailure: true })
  if (stands.code === 0) return
  await run('iptables-restore', ['--noflush', '--wait=5'], { input: masqueradeRules(clusterCIDR) })
  await run('iptables', ['--wait=5', '-t', 'nat', '-A', ...jump(clusterCIDR)])
}
