import type { Node, NodeSpec, Pod, PodSpec } from '../../api/types/core_v1.ts'

/** A node with room for 4 cores, 8 GiB and 110 pods, Ready, with its host name as label. */
export function testNode(name: string, options: { labels?: Record<string, string>; spec?: NodeSpec; allocatable?: Record<string, string> } = {}): Node {
  return {
    apiVersion: 'v1', kind: 'Node', metadata: { name, labels: { 'kubernetes.io/hostname': name, ...options.labels } }, spec: options.spec ?? {},
    status: { allocatable: { cpu: '4', memory: '8Gi', pods: '110', ...options.allocatable }, conditions: [{ type: 'Ready', status: 'True' }] },
  }
}

export function testPod(name: string, options: { labels?: Record<string, string>; namespace?: string; spec?: Partial<PodSpec>; requests?: Record<string, string>; nominatedNodeName?: string } = {}): Pod {
  const container = { name: 'main', image: 'app', resources: options.requests === undefined ? {} : { requests: options.requests } }
  return {
    apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: options.namespace ?? 'default', ...(options.labels === undefined ? {} : { labels: options.labels }) },
    spec: { containers: [container], schedulerName: 'default-scheduler', ...options.spec },
    status: { phase: 'Pending', ...(options.nominatedNodeName === undefined ? {} : { nominatedNodeName: options.nominatedNodeName }) },
  }
}
