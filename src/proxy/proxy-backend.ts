import type { IpFamily, ServiceRules } from './service-rules.ts'

export interface SyncResult {
  /** Rules written, for the metrics. */
  rulesWritten: number
}

/**
 * Carries service rules into the kernel of the network namespace that this process is in.
 * 1. After `sync` resolves, new connections go by exactly the services given; established ones are left alone.
 * 2. A sync is one change: at no moment does a service that stays lose its rules.
 * 3. A sync that fails changes nothing, or is completed by the next.
 * 4. What a former process of the same backend left is taken over, and what is no longer wanted of it removed.
 * 5. Calls do not overlap: the caller waits for one before the next.
 * `proxy-backend.contract.ts` holds every backend to these rules.
 */
export interface ProxyBackend {
  readonly name: string
  readonly family: IpFamily
  /** An object given before, by identity, is known not to have changed. `full` looks at what the kernel holds, instead of trusting memory. */
  sync(services: readonly ServiceRules[], options: { full: boolean; signal?: AbortSignal }): Promise<SyncResult>
  /** Whether the rules of the last sync still stand, as far as a quick look tells; false asks for a full sync. */
  isIntact(): Promise<boolean>
  /** Removes everything of this backend from the kernel. */
  cleanUp(): Promise<void>
}

/** What a backend has to know besides the services. */
export interface ProxyBackendOptions {
  family: IpFamily
  /** Range of all pods: traffic from outside it is masqueraded on its way to a cluster IP. Undefined: never. */
  clusterCIDR: string | undefined
  nodeIPs: readonly string[]
  /** Masquerade all traffic to cluster IPs. */
  masqueradeAll: boolean
}
