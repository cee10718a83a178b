/** What the pod network of one node is made of. */
export interface CniSettings {
  /** Of the network: it names address leases and cached results, so it differs from any other network's on the machine. */
  name: string
  podCIDR: string
  mtu: number
  /** host-local's address book. */
  dataDirectory: string
}

/** The bridge that joins the pods of a node. */
export const podBridge = 'cni0'

/**
 * A CNI network configuration list (CNI specification 1.0.0): pods on one bridge, addresses from the node's own range, host ports
 * through portmap. Hairpin lets a pod reach itself through a Service. Nothing is masqueraded here: see `masquerade.ts`.
 */
export function cniConfigList(settings: CniSettings): string {
  const bridge = {
    type: 'bridge', bridge: podBridge, isGateway: true, isDefaultGateway: true, ipMasq: false, hairpinMode: true, mtu: settings.mtu,
    ipam: { type: 'host-local', ranges: [[{ subnet: settings.podCIDR }]], dataDir: settings.dataDirectory },
  }
  const list = { cniVersion: '1.0.0', name: settings.name, plugins: [bridge, { type: 'portmap', capabilities: { portMappings: true } }] }
  return `${JSON.stringify(list, undefined, 2)}\n`
}
