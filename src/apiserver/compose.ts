import { builtinResources } from '../api/builtin.ts'
import type { ResourceTable } from '../api/resource.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Store } from '../store/store.ts'
import { aggregation, type AggregationOptions } from './aggregation/aggregator.ts'
import { createAdmissionPlugins, type AdmissionOptions } from './admission/plugins.ts'
import { defaultServiceCidrHook } from './allocation/service-cidrs.ts'
import { serviceAllocation } from './allocation/services.ts'
import { createAuthenticators, type AuthenticationOptions } from './authentication/authenticators.ts'
import { trackLegacyTokens } from './authentication/legacy-token-use.ts'
import { addOpenIdEndpoints } from './authentication/openid-endpoints.ts'
import { requestHeaderNames } from './authentication/request-header.ts'
import { createServiceAccountIssuer, type ServiceAccountIssuerOptions } from './authentication/service-account-issuer.ts'
import { createAuthorizers, type AuthorizationOptions } from './authorization/authorizers.ts'
import { bootstrapHooks } from './bootstrap/hooks.ts'
import { identityLeaseHooks } from './bootstrap/identity-lease.ts'
import { deviceAdminAccessCheck } from './admission/device-admin-access.ts'
import { paramAccessCheck } from './admission/policies/param-access.ts'
import { deviceCompilerPlugin, policyCompilerPlugin } from './admission/policies/compiler-plugin.ts'
import { ruleCompilerPlugin } from './custom-resources/rule-compiler.ts'
import { customResourcesHook } from './custom-resources/serving.ts'
import type { ComponentCheck } from './component-status.ts'
import type { KubeletClientOptions } from './connect/kubelet-client.ts'
import type { CorePart, PostStartHook } from './core.ts'
import type { GuardOptions } from './guards.ts'
import type { ListenAddress } from './http-server.ts'
import type { OperatingOptions } from './operating-options.ts'
import type { ServingTls } from './serving-tls.ts'
import { hostPort } from './connect/network-errors.ts'
import { privilegedContainersCheck } from './pods/privileged.ts'
import { startApiServer, type ApiServer } from './server.ts'
import { subresourceHandlers } from './subresource-handlers.ts'
import type { SubresourceHandler } from './subresources.ts'

/** An API server as a cluster runs it; what is left out takes upstream's default. */
export interface ComposeOptions {
  runtime: Runtime
  /** Stays the caller's. */
  store: Store
  /** Where to listen; none: direct transports only. */
  listen: readonly ListenAddress[]
  /** The serving certificate and key, and how to speak TLS; needed to listen. */
  serving?: Omit<ServingTls, 'clientCa' | 'clientCaParts'>
  /** PEM of the authority of client certificates. */
  clientCa?: string
  /** The file that holds `clientCa`: read again when it changes. */
  clientCaFile?: string
  /** Keys of service-account tokens. */
  serviceAccounts: ServiceAccountIssuerOptions
  /** Range of cluster addresses, `10.96.0.0/16`. */
  serviceCidr: string
  /** The range of the other IP family, for dual stack. */
  secondaryServiceCidr?: string
  nodePorts?: { first: number; last: number }
  /** Where nodes and pods reach this server; left out: there is no `kubernetes` Service. `withoutEndpoints`: others see to where it leads. */
  advertise?: { address: string; port: number; nodePort?: number; withoutEndpoints?: boolean }
  /** Further ways to say who one is, beside certificates of `clientCa` and service-account tokens. */
  authentication?: Omit<AuthenticationOptions, 'clientCa' | 'clientCaFile' | 'serviceAccounts'>
  /** Who may do what; Node and RBAC where left out. */
  authorization?: AuthorizationOptions
  admission?: AdmissionOptions
  /** How to reach kubelets; left out: no log, exec, attach, port-forward and proxy. */
  kubelets?: KubeletClientOptions
  /** How aggregated API servers are called. */
  aggregation?: AggregationOptions
  /** Limits on requests, deadlines, audit and shutdown. */
  guards?: GuardOptions
  componentChecks?: readonly ComponentCheck[]
  /** Further subresource handlers. */
  subresources?: readonly CorePart<SubresourceHandler>[]
  resources?: ResourceTable
  operating?: OperatingOptions
  /** `--allow-privileged`; true where left out. */
  allowPrivileged?: boolean
  /** Feature gate CBORServingAndStorage. */
  cbor?: boolean
  /** Feature gate ConstrainedImpersonation; on where left out. */
  constrainedImpersonation?: boolean
}

/** Resources that nearly every request or component needs. */
const prefetched = ['namespaces', 'serviceaccounts', 'nodes', 'pods', 'services', 'leases.coordination.k8s.io']

/** Since when uses of tokens that live in Secrets are written down (KEP-2799). */
const legacyTokenHook: PostStartHook = { name: 'start-legacy-token-tracking-controller', run: trackLegacyTokens }

/** Starts an API server with all that belongs to it: authentication, RBAC, admission, allocation, subresources, bootstrap. */
export async function composeApiServer(options: ComposeOptions): Promise<ApiServer> {
  const { runtime, serving, clientCa, clientCaFile, serviceCidr, nodePorts, advertise } = options
  // As kube-apiserver: the keys are where this server is reached, whoever the issuer says it is.
  const reachedAt = advertise === undefined ? undefined : hostPort({ host: advertise.address, port: advertise.port })
  const jwksUri = reachedAt === undefined ? undefined : `https://${reachedAt}/openid/v1/jwks`
  const issuer = createServiceAccountIssuer({ ...(jwksUri === undefined ? {} : { jwksUri }), ...options.serviceAccounts })
  const authentication: AuthenticationOptions = { ...options.authentication, serviceAccounts: issuer, ...(clientCa === undefined ? {} : { clientCa }), ...(clientCaFile === undefined ? {} : { clientCaFile }) }
  const { requestHeader } = authentication
  const names = requestHeader === undefined ? undefined : requestHeaderNames(requestHeader)
  // What TLS asks clients for; each authenticator looks at its own authorities.
  const clientAuthorities = [{ text: clientCa, path: clientCaFile }, { text: requestHeader?.ca, path: requestHeader?.caFile }].flatMap(({ text, path }) => (text === undefined ? [] : [{ text, path }]))
  const serviceCidrs = [serviceCidr, ...(options.secondaryServiceCidr === undefined ? [] : [options.secondaryServiceCidr])]
  const allocation = serviceAllocation({ serviceCidrs, ...(nodePorts === undefined ? {} : { nodePorts }) })
  const aggregated = aggregation(options.aggregation)
  const hooks = bootstrapHooks({
    ...(advertise === undefined ? {} : { kubernetesService: { serviceCidr, advertiseAddress: advertise.address, advertisePort: advertise.port, ...(advertise.nodePort === undefined ? {} : { nodePort: advertise.nodePort }), withoutEndpoints: advertise.withoutEndpoints === true } }),
    authenticationInfo: {
      files: { ...(clientCaFile === undefined ? {} : { clientCa: clientCaFile }), ...(requestHeader?.caFile === undefined ? {} : { requestHeaderCa: requestHeader.caFile }) },
      ...(clientCa === undefined ? {} : { clientCaPem: clientCa }),
      ...(requestHeader === undefined || names === undefined ? {} : {
        requestHeader: {
          caPem: requestHeader.ca, allowedNames: requestHeader.allowedNames ?? [], usernameHeaders: requestHeader.usernameHeaders ?? names.username, uidHeaders: requestHeader.uidHeaders ?? [],
          groupHeaders: requestHeader.groupHeaders ?? names.groups, extraHeaderPrefixes: requestHeader.extraHeaderPrefixes ?? names.extraPrefixes,
        },
      }),
    },
  })
  const resources = options.resources ?? builtinResources()
  const encryption = options.guards?.encryption
  const store = encryption === undefined ? options.store : (await import('./encryption/encrypted-store.ts')).encryptedStore(options.store, encryption.chooser(resources), runtime.clock)
  return await startApiServer({
    runtime, store, listen: options.listen, resources,
    ...(serving === undefined ? {} : { tls: { ...serving, ...(clientAuthorities.length === 0 ? {} : { clientCa: clientAuthorities.map(({ text }) => text).join('\n'), clientCaParts: clientAuthorities }) } }),
    authenticators: createAuthenticators(authentication),
    authorizers: createAuthorizers(options.authorization),
    admission: [...createAdmissionPlugins(options.admission), ...(options.allowPrivileged === false ? [() => privilegedContainersCheck] : []), allocation.plugin, ruleCompilerPlugin, policyCompilerPlugin, deviceCompilerPlugin, deviceAdminAccessCheck, paramAccessCheck],
    subresources: [...subresourceHandlers({ authentication, ...(options.kubelets === undefined ? {} : { kubelets: options.kubelets }) }), ...(options.subresources ?? [])],
    hooks: [...hooks, legacyTokenHook, allocation.hook, defaultServiceCidrHook(serviceCidrs), ...(options.operating?.identity === true ? identityLeaseHooks(reachedAt) : []), customResourcesHook, ...aggregated.hooks],
    aggregator: aggregated.build,
    endpoints: (endpoints) => addOpenIdEndpoints(endpoints, issuer),
    prefetch: prefetched,
    ...(options.guards === undefined ? {} : { guards: options.guards }),
    ...(options.operating === undefined ? {} : { operating: options.operating }),
    ...(options.cbor === undefined ? {} : { cbor: options.cbor }),
    ...(options.constrainedImpersonation === undefined ? {} : { constrainedImpersonation: options.constrainedImpersonation }),
    ...(options.componentChecks === undefined ? {} : { componentChecks: options.componentChecks }),
  })
}
