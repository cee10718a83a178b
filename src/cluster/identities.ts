import { singleKubeconfig, writeKubeconfig } from '../client/kubeconfig.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { CertificateRequest, CertificateStore, KeyPair } from './certificates.ts'

/** Who is who in a cluster: the certificates and their subjects, as kubeadm issues them. */
export const identities = {
  admin: { commonName: 'kubernetes-admin', organizations: ['system:masters'], usages: ['client'] },
  controllerManager: { commonName: 'system:kube-controller-manager', usages: ['client'] },
  scheduler: { commonName: 'system:kube-scheduler', usages: ['client'] },
  proxy: { commonName: 'system:kube-proxy', usages: ['client'] },
  frontProxyClient: { commonName: 'front-proxy-client', usages: ['client'] },
  kubeletClient: { commonName: 'kube-apiserver-kubelet-client', organizations: ['system:masters'], usages: ['client'] },
} as const satisfies Record<string, CertificateRequest>

export function nodeIdentity(nodeName: string): CertificateRequest {
  return { commonName: `system:node:${nodeName}`, organizations: ['system:nodes'], usages: ['client'] }
}

/** The certificate a kubelet serves with. */
export function kubeletServing(nodeName: string, addresses: readonly string[]): CertificateRequest {
  return { commonName: `system:node:${nodeName}`, organizations: ['system:nodes'], hosts: [nodeName, ...addresses], usages: ['server'] }
}

/** The API server's serving certificate: the names it has inside the cluster, and where it listens. */
export function apiServerServing(addresses: readonly string[], serviceAddress: string, domain = 'cluster.local'): CertificateRequest {
  const names = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', `kubernetes.default.svc.${domain}`, 'localhost']
  return { commonName: 'kube-apiserver', hosts: [...names, serviceAddress, ...addresses], usages: ['server'] }
}

/** Writes a kubeconfig for a client certificate; embeds everything, so that the file works anywhere. */
export async function writeClientKubeconfig(runtime: Runtime, path: string, options: { name: string; server: string; certificates: CertificateStore; pair: KeyPair }): Promise<void> {
  const { name, server, certificates, pair } = options
  const config = singleKubeconfig(name, { server, caData: certificates.authority.certificate, certData: pair.certificate, keyData: pair.key })
  await writeKubeconfig(path, config, runtime.random.suffix(8))
}
