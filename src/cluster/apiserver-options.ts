import { readFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { builtinResources, servableResources } from '../api/builtin.ts'
import { gateOfResource } from '../api/feature-fields.ts'
import { isFeatureEnabled } from '../api/feature-gates.ts'
import { isServedByDefault, parseRuntimeConfig } from '../api/groups/served.ts'
import type { ResourceTable } from '../api/resource.ts'
import { readAdmissionConfiguration } from '../apiserver/admission/configuration.ts'
import { defaultAdmissionPlugins } from '../apiserver/admission/plugin-names.ts'
import type { AdmissionOptions } from '../apiserver/admission/plugins.ts'
import type { ComposeOptions } from '../apiserver/compose.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { authenticationOptions, authorizationOptions } from './access-options.ts'
import { parsePortRange, type ApiServerFlagName, type ApiServerFlags } from './apiserver-flags.ts'
import type { CertificateStore } from './certificates.ts'
import { FlagError } from './flags.ts'
import { guardOptions } from './guard-options.ts'
import { identities } from './identities.ts'
import { operatingOptions } from './operating-options.ts'
import { servingOptions } from './serving-options.ts'

/** What the API server is told on its command line. */
export interface ApiServerSettings {
  flags: ApiServerFlags
  /** The flags that were given, whatever their value. */
  given: ReadonlySet<string>
}

/** What the flags come to, beside the store. `own` holds the cluster's own certificates where the server keeps them (`--data-dir`). */
export async function composeOptions(runtime: Runtime, settings: ApiServerSettings, own: CertificateStore | undefined): Promise<Omit<ComposeOptions, 'store'>> {
  const { flags } = settings
  const hosts = bindAddresses(settings)
  const advertise = { address: advertiseAddress(flags, hosts), port: flags['secure-port'] }
  const [serviceCidr = '', secondaryServiceCidr] = serviceRanges(settings)
  const nodePort = flags['kubernetes-service-node-port']
  const nodePorts = parsePortRange(flags['service-node-port-range'])
  const [serving, clientCa, serviceAccounts, kubelets, authentication, aggregation] = await Promise.all([
    servingOptions(runtime, settings, own, { hosts, advertised: advertise.address }), clientAuthority(flags, own), serviceAccountKeys(flags, own), kubeletAccess(settings, own), authenticationOptions(settings, own !== undefined), aggregationOptions(settings, own),
  ])
  return {
    runtime, listen: hosts.map((host) => ({ host, port: flags['secure-port'] })), serving, serviceAccounts, serviceCidr, ...(secondaryServiceCidr === undefined ? {} : { secondaryServiceCidr }),
    ...(clientCa === undefined ? {} : { clientCa }), ...(flags['client-ca-file'] === '' ? {} : { clientCaFile: flags['client-ca-file'] }),
    ...(nodePorts === undefined ? {} : { nodePorts }), ...(kubelets === undefined ? {} : { kubelets }),
    advertise: { ...advertise, ...(nodePort === 0 ? {} : { nodePort }), withoutEndpoints: flags['endpoint-reconciler-type'] === 'none' },
    authentication: own === undefined ? authentication : { requestHeader: frontProxyOf(own), ...authentication },
    authorization: await authorizationOptions(settings, own !== undefined),
    aggregation,
    admission: {
      ...admissionPlugins(flags, own !== undefined),
      granularClaimStatus: isFeatureEnabled(flags['feature-gates'], 'DRAResourceClaimGranularStatusAuthorization'),
      tolerations: { notReadySeconds: flags['default-not-ready-toleration-seconds'], unreachableSeconds: flags['default-unreachable-toleration-seconds'] },
      ...(flags['admission-control-config-file'] === '' ? {} : { configuration: await readAdmissionConfiguration(flags['admission-control-config-file']) }),
    },
    ...(flags['runtime-config'].length === 0 && Object.keys(flags['feature-gates']).length === 0 ? {} : { resources: servedResources(flags) }),
    operating: operatingOptions(settings),
    // A cluster of its own runs what it likes.
    allowPrivileged: settings.given.has('allow-privileged') ? flags['allow-privileged'] : own !== undefined,
    guards: await guardOptions(runtime, settings),
    cbor: isFeatureEnabled(flags['feature-gates'], 'CBORServingAndStorage'),
    constrainedImpersonation: isFeatureEnabled(flags['feature-gates'], 'ConstrainedImpersonation'),
  }
}

/** The deprecated flag names all plugins that are to run. */
/** A cluster of its own holds kubelets to their node; kube-apiserver does where it is told to. */
function admissionPlugins(flags: ApiServerFlags, isOwnCluster: boolean): Pick<AdmissionOptions, 'enable' | 'disable'> {
  const only = flags['admission-control']
  const [enable, disable] = [flags['enable-admission-plugins'], flags['disable-admission-plugins']]
  if (only.length === 0) return { enable, disable: isOwnCluster || enable.includes('NodeRestriction') || disable.includes('NodeRestriction') ? disable : [...disable, 'NodeRestriction'] }
  if (enable.length > 0 || disable.length > 0) throw new FlagError('admission-control and enable-admission-plugins/disable-admission-plugins flags are mutually exclusive')
  return { enable: only, disable: defaultAdmissionPlugins.filter((name) => !only.includes(name)) }
}

/** Addresses to listen on. */
export function bindAddresses({ flags, given }: ApiServerSettings): readonly string[] {
  return flags['data-dir'] !== '' && !given.has('bind-address') ? ['127.0.0.1'] : flags['bind-address']
}

/** Ranges of Service addresses. */
export function serviceRanges({ flags }: ApiServerSettings): readonly string[] {
  const ranges = flags['service-cluster-ip-range']
  if (ranges !== '') return ranges.split(',')
  return flags['data-dir'] === '' ? ['10.0.0.0/24'] : ['10.96.0.0/16']
}

/** Throws for flags that do not go together, or without which others mean nothing. */
export function checkSettings({ flags }: ApiServerSettings): void {
  const pair = (certificate: ApiServerFlagName, key: ApiServerFlagName): void => {
    if ((flags[certificate] === '') !== (flags[key] === '')) throw new FlagError(`--${certificate} and --${key} belong together`)
  }
  pair('tls-cert-file', 'tls-private-key-file')
  pair('kubelet-client-certificate', 'kubelet-client-key')
  pair('proxy-client-cert-file', 'proxy-client-key-file')
  if (flags['data-dir'] !== '') return
  if (flags['etcd-servers'].length === 0) throw new FlagError('--etcd-servers or --data-dir must be given: where is the state kept?')
  if (flags['kubeconfig'] !== '') throw new FlagError('--kubeconfig needs --data-dir, whose authority signs the administrator\'s certificate')
  if (flags['service-account-issuer'].length === 0 || flags['service-account-signing-key-file'] === '') throw new FlagError('--service-account-issuer and --service-account-signing-key-file are required, unless --data-dir is given')
}

/**
 * Where others are told to reach this server. Listening everywhere or on loopback only says nothing of that: then it is the address of
 * the machine (utilnet.ResolveBindAddress), whether this server listens there or not.
 */
export function advertiseAddress(flags: Pick<ApiServerFlags, 'advertise-address'>, hosts: readonly string[], interfaces = networkInterfaces()): string {
  if (flags['advertise-address'] !== '') return flags['advertise-address']
  const last = hosts.at(-1) ?? '127.0.0.1'
  if (last !== '0.0.0.0' && last !== '::' && last !== '::1' && !last.startsWith('127.')) return last
  const family = last.includes(':') ? 'IPv6' : 'IPv4'
  const outward = Object.values(interfaces).flatMap((each) => each ?? []).filter((each) => !each.internal && !each.address.startsWith('fe80:'))
  return (outward.find((each) => each.family === family) ?? outward[0])?.address ?? '127.0.0.1'
}

/** What `--runtime-config` asks for and `--feature-gates` allow. */
function servedResources(flags: ApiServerFlags): ResourceTable {
  const text = flags['runtime-config'].join(',')
  if (text === 'api/all=false') throw new FlagError('invalid runtime-config with only api/all=false')
  const isEnabled = (gate: string): boolean => isFeatureEnabled(flags['feature-gates'], gate)
  let isChosen = isServedByDefault
  try {
    if (text !== '') isChosen = parseRuntimeConfig(text, servableResources())
  } catch (error) {
    throw new FlagError(`invalid value for --runtime-config: ${(error as Error).message}`, { cause: error })
  }
  return builtinResources((row) => {
    const gate = gateOfResource(row)
    return isChosen(row) && (gate === undefined || isEnabled(gate))
  }, isEnabled)
}

async function fileOf(flags: ApiServerFlags, name: ApiServerFlagName): Promise<string> {
  return await readFlagFile(name, String(flags[name]))
}

/** Reads a file that a flag names. */
export async function readFlagFile(flag: ApiServerFlagName, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new FlagError(`cannot read the file of --${flag}: ${(error as Error).message}`, { cause: error })
  }
}

async function clientAuthority(flags: ApiServerFlags, own: CertificateStore | undefined): Promise<string | undefined> {
  return flags['client-ca-file'] === '' ? own?.authority.certificate : await fileOf(flags, 'client-ca-file')
}

async function serviceAccountKeys(flags: ApiServerFlags, own: CertificateStore | undefined): Promise<ComposeOptions['serviceAccounts']> {
  const signingKeyPem = flags['service-account-signing-key-file'] === '' ? own?.serviceAccount.privateKey : await fileOf(flags, 'service-account-signing-key-file')
  const files = await Promise.all(flags['service-account-key-file'].map((path) => readFlagFile('service-account-key-file', path)))
  const verificationKeysPem = files.flatMap((text) => text.match(/-----BEGIN [^-]+-----[\s\S]+?-----END [^-]+-----/g) ?? [])
  const issuers = flags['service-account-issuer']
  const longest = flags['service-account-max-token-expiration']
  return {
    verificationKeysPem, extendExpiration: flags['service-account-extend-token-expiration'],
    ...(signingKeyPem === undefined ? {} : { signingKeyPem }), ...(issuers.length === 0 ? {} : { issuers }),
    ...(flags['api-audiences'].length === 0 ? {} : { apiAudiences: flags['api-audiences'] }),
    ...(longest === 0 ? {} : { maxExpirationSeconds: longest / 1000 }),
    ...(flags['service-account-jwks-uri'] === '' ? {} : { jwksUri: flags['service-account-jwks-uri'] }),
  }
}

async function kubeletAccess({ flags, given }: ApiServerSettings, own: CertificateStore | undefined): Promise<ComposeOptions['kubelets']> {
  if (flags['kubelet-client-certificate'] !== '') {
    const [certificate, key] = await Promise.all([fileOf(flags, 'kubelet-client-certificate'), fileOf(flags, 'kubelet-client-key')])
    const ca = flags['kubelet-certificate-authority'] === '' ? undefined : await fileOf(flags, 'kubelet-certificate-authority')
    const files = { certificate: flags['kubelet-client-certificate'], key: flags['kubelet-client-key'], ...(ca === undefined ? {} : { ca: flags['kubelet-certificate-authority'] }) }
    return { certificate, key, ...(ca === undefined ? {} : { ca }), files, addressTypes: flags['kubelet-preferred-address-types'] }
  }
  if (own === undefined) return undefined
  const { certificate, key } = await own.ensure('apiserver-kubelet-client', identities.kubeletClient)
  // Node machines of `k8ts up` are reached by address; their names are in no DNS.
  return { certificate, key, ca: own.authority.certificate, ...(given.has('kubelet-preferred-address-types') ? { addressTypes: flags['kubelet-preferred-address-types'] } : {}) }
}

/** Front proxies as the cluster's own authority makes them: what extension servers learn of them, they learn from this server. */
function frontProxyOf(own: CertificateStore): NonNullable<NonNullable<ComposeOptions['authentication']>['requestHeader']> {
  return {
    ca: own.frontProxyAuthority.certificate, allowedNames: [identities.frontProxyClient.commonName],
    usernameHeaders: ['X-Remote-User'], uidHeaders: ['X-Remote-Uid'], groupHeaders: ['X-Remote-Group'], extraHeaderPrefixes: ['X-Remote-Extra-'],
  }
}

/** How aggregated servers are called. */
async function aggregationOptions({ flags, given }: ApiServerSettings, own: CertificateStore | undefined): Promise<ComposeOptions['aggregation']> {
  const forwardRedirects = !flags['aggregator-reject-forwarding-redirect']
  // Where a server with its own data runs there may be no service proxy: aggregated servers are called by their endpoints.
  const enableAggregatorRouting = given.has('enable-aggregator-routing') ? flags['enable-aggregator-routing'] : own !== undefined
  if (flags['proxy-client-cert-file'] !== '') {
    const [certificate, key] = await Promise.all([fileOf(flags, 'proxy-client-cert-file'), fileOf(flags, 'proxy-client-key-file')])
    return { proxyClient: { certificate, key, files: { certificate: flags['proxy-client-cert-file'], key: flags['proxy-client-key-file'] } }, enableAggregatorRouting, forwardRedirects }
  }
  if (own === undefined) return { enableAggregatorRouting, forwardRedirects }
  const { certificate, key } = await own.ensure('front-proxy-client', identities.frontProxyClient, own.frontProxyAuthority)
  return { proxyClient: { certificate, key }, enableAggregatorRouting, forwardRedirects }
}
