import { isIP } from 'node:net'
import { admissionPluginNames, defaultAdmissionPlugins } from '../apiserver/admission/plugin-names.ts'
import { originProblem } from '../apiserver/cross-origin.ts'
import { parseCidr } from '../machinery/cidr.ts'
import { certificateFlags } from './certificate-flags.ts'
import { featureGatesProblem } from '../api/feature-gates.ts'
import type { FlagRow, FlagValues } from './flags.ts'

const address = (value: string): string | undefined => (value === '' || isIP(value) !== 0 ? undefined : `must be an IP address, not "${value}"`)
const port = { min: 0, max: 65_535 } as const
const oneProcess = 'this server is one process of its own'

const k8tsFlags = [
  { name: 'data-dir', kind: 'string', default: '', group: 'k8ts', description: 'Where certificates and the embedded store are kept. What is not set by flags (authority, keys, authorization by Node and RBAC, listening on 127.0.0.1) is then made and kept here. Without it everything comes from flags, as with kube-apiserver.' },
  { name: 'kubeconfig', kind: 'string', default: '', group: 'k8ts', description: 'Write the administrator\'s kubeconfig to this file; needs --data-dir.' },
  { name: 'log-level', kind: 'string', default: '', oneOf: ['', 'debug', 'info', 'warn', 'error', 'silent'], group: 'k8ts', description: 'How much to log; overrides --v.' },
] as const satisfies readonly FlagRow[]

const genericFlags = [
  { name: 'advertise-address', kind: 'string', valueName: 'ip', default: '', check: address, group: 'Generic', description: 'The address that nodes and pods reach this server at; the last of --bind-address when left out, or the machine\'s own where that is unspecified or loopback.' },
  { name: 'cors-allowed-origins', kind: 'stringSlice', default: [], check: origins, group: 'Generic', description: 'Origins whose pages may call this server from a browser: regular expressions, each held to the host by ^ or // before and by $ or : behind it, as //example\\.com(:|$). None: no cross-origin requests.' },
  { name: 'emulated-version', kind: 'stringSlice', default: [], check: emulation, group: 'Generic', noBearing: 'there is one version to behave as', description: 'Version to behave as, by component: kube=1.36. Only 1.36 itself.' },
  { name: 'emulation-forward-compatible', kind: 'bool', default: false, group: 'Generic', noBearing: 'no older version is emulated', description: 'Serve stable versions newer than the emulated version.' },
  { name: 'external-hostname', kind: 'string', default: '', group: 'Generic', noBearing: 'discovery and OpenAPI documents name no host', description: 'Host name for URLs that this server makes up.' },
  { name: 'feature-gates', kind: 'map', valueName: 'mapStringBool', default: {}, check: featureGatesProblem, group: 'Generic', description: 'Features to switch on or off: Name=true|false,…' },
  { name: 'goaway-chance', kind: 'float', default: 0, min: 0, max: 0.02, group: 'Generic', description: 'Share of HTTP/2 requests whose connection is closed with GOAWAY, so that clients spread over several servers.' },
  { name: 'livez-grace-period', kind: 'duration', default: 0, min: 0, group: 'Generic', description: 'For so long after the start /livez does not mind start-up steps that are not finished.' },
  { name: 'max-mutating-requests-inflight', kind: 'int', default: 200, min: 0, group: 'Generic', description: 'Writes at a time; with --max-requests-inflight the sum that priority and fairness shares out.' },
  { name: 'max-requests-inflight', kind: 'int', default: 400, min: 0, group: 'Generic', description: 'Reads at a time; with --max-mutating-requests-inflight the sum that priority and fairness shares out.' },
  { name: 'min-compatibility-version', kind: 'stringSlice', default: [], check: emulation, group: 'Generic', noBearing: 'no older version is emulated', description: 'Oldest version of other servers on the same store, by component.' },
  { name: 'min-request-timeout', kind: 'int', default: 1800, min: 0, group: 'Generic', description: 'Seconds that a watch lasts at least when the client names no timeout; up to twice as long.' },
  { name: 'request-timeout', kind: 'duration', default: 60_000, min: 1000, group: 'Generic', description: 'How long a request may take, watches and streams aside.' },
  { name: 'runtime-config-emulation-forward-compatible', kind: 'bool', default: false, group: 'Generic', noBearing: 'no older version is emulated', description: 'Serve versions named by --runtime-config even where newer than the emulated version.' },
  { name: 'shutdown-delay-duration', kind: 'duration', default: 0, min: 0, group: 'Generic', description: 'How long requests are still served after the signal to end, while /readyz already fails.' },
  { name: 'shutdown-send-retry-after', kind: 'bool', default: false, group: 'Generic', description: 'While draining, answer new requests with 429 and Retry-After rather than refuse connections.' },
  { name: 'shutdown-watch-termination-grace-period', kind: 'duration', default: 0, min: 0, group: 'Generic', description: 'How long watches may take to end while draining.' },
  { name: 'storage-initialization-timeout', kind: 'duration', default: 60_000, min: 0, group: 'Generic', description: 'How long to wait for the store before start-up counts as failed.' },
  { name: 'strict-transport-security-directives', kind: 'stringSlice', default: [], check: hsts, group: 'Generic', description: 'Value of the Strict-Transport-Security header: max-age=…, includeSubDomains, preload. None: no header.' },
] as const satisfies readonly FlagRow[]

const storageFlags = [
  { name: 'delete-collection-workers', kind: 'int', default: 1, min: 1, group: 'Etcd', noBearing: 'several objects are deleted at a time anyway', description: 'Deletions at a time for one request that deletes a collection.' },
  { name: 'enable-garbage-collector', kind: 'bool', default: true, group: 'Etcd', refused: 'orphaning and foreground deletion are always on', description: 'Whether owners and dependents are collected.' },
  { name: 'encryption-provider-config', kind: 'string', default: '', group: 'Etcd', description: 'File that says how Secrets and other resources are encrypted in the store.' },
  { name: 'encryption-provider-config-automatic-reload', kind: 'bool', default: false, group: 'Etcd', description: 'Read --encryption-provider-config again when it changes.' },
  { name: 'etcd-cafile', kind: 'string', default: '', group: 'Etcd', description: 'Authority that etcd\'s certificate is checked against.' },
  { name: 'etcd-certfile', kind: 'string', default: '', group: 'Etcd', description: 'Client certificate for etcd.' },
  { name: 'etcd-compaction-interval', kind: 'duration', default: 300_000, min: 0, group: 'Etcd', description: 'How often history older than that is compacted; 0: never by this server.' },
  { name: 'etcd-count-metric-poll-period', kind: 'duration', default: 60_000, min: 0, group: 'Etcd', description: 'How often objects are counted for the metrics; 0: never.' },
  { name: 'etcd-db-metric-poll-interval', kind: 'duration', default: 30_000, min: 0, group: 'Etcd', noBearing: 'the size of the store is not among the metrics', description: 'How often the size of the store is asked for; 0: never.' },
  { name: 'etcd-healthcheck-timeout', kind: 'duration', default: 2_000, min: 1, group: 'Etcd', description: 'How long the store may take to answer the health check.' },
  { name: 'etcd-keyfile', kind: 'string', default: '', group: 'Etcd', description: 'Key of --etcd-certfile.' },
  { name: 'etcd-prefix', kind: 'string', default: '/registry', group: 'Etcd', description: 'What every key in the store begins with.' },
  { name: 'etcd-readycheck-timeout', kind: 'duration', default: 2_000, min: 1, group: 'Etcd', description: 'How long the store may take to answer the readiness check.' },
  { name: 'etcd-servers', kind: 'stringSlice', default: [], check: urls, group: 'Etcd', description: 'Keep state in this etcd, http://HOST:PORT,…, instead of the embedded store.' },
  { name: 'etcd-servers-overrides', kind: 'stringSlice', default: [], group: 'Etcd', refused: 'all resources are in one store', description: 'Other etcd servers for some resources.' },
  { name: 'lease-reuse-duration-seconds', kind: 'int', default: 60, min: 1, group: 'Etcd', description: 'For how many seconds a lease of the store is given to further events.' },
  { name: 'storage-backend', kind: 'string', default: '', oneOf: ['', 'etcd3'], group: 'Etcd', noBearing: 'there is one kind of etcd', description: 'Kind of store.' },
  { name: 'storage-media-type', kind: 'string', default: 'application/json', oneOf: ['application/json', 'application/vnd.kubernetes.protobuf', 'application/yaml'], group: 'Etcd', noBearing: 'objects are stored as JSON, and read in either form', description: 'Encoding of objects in the store.' },
  { name: 'watch-cache', kind: 'bool', default: true, group: 'Etcd', refused: 'watches are served from the cache only', description: 'Whether reads and watches are served from memory.' },
  { name: 'watch-cache-sizes', kind: 'stringSlice', default: [], group: 'Etcd', noBearing: 'caches size themselves', description: 'Sizes of watch caches, RESOURCE#SIZE.' },
  { name: 'default-watch-cache-size', kind: 'int', default: 100, min: 0, group: 'Etcd', noBearing: 'caches size themselves', deprecated: 'watch caches are sized automatically and this flag will be removed in a future version', description: 'Size of watch caches.' },
] as const satisfies readonly FlagRow[]

const servingFlags = [
  { name: 'bind-address', kind: 'stringSlice', valueName: 'ip', default: ['0.0.0.0'], check: addresses, group: 'Secure serving', description: 'Address to listen on; several, separated by commas, are possible. With --data-dir 127.0.0.1 when left out.' },
  { name: 'cert-dir', kind: 'string', default: '/var/run/kubernetes', group: 'Secure serving', description: 'Where apiserver.crt and apiserver.key are looked for, and written self-signed when they are not there. Not used with --tls-cert-file or --data-dir.' },
  { name: 'disable-http2-serving', kind: 'bool', default: false, group: 'Secure serving', description: 'Serve HTTP/1.1 only.' },
  { name: 'http2-max-streams-per-connection', kind: 'int', default: 0, min: 0, group: 'Secure serving', description: 'Requests at a time on one HTTP/2 connection; 0: as many as the server thinks right.' },
  { name: 'permit-address-sharing', kind: 'bool', default: false, group: 'Secure serving', noBearing: 'the address is always taken with SO_REUSEADDR', description: 'Take the address even while old connections linger.' },
  { name: 'permit-port-sharing', kind: 'bool', default: false, group: 'Secure serving', description: 'Let several servers listen on the same address and port (SO_REUSEPORT).' },
  { name: 'secure-port', kind: 'int', default: 6443, ...port, group: 'Secure serving', description: 'The port for HTTPS; 0: any free one.' },
  ...certificateFlags,
] as const satisfies readonly FlagRow[]

const auditFlags = [
  { name: 'audit-policy-file', kind: 'string', default: '', group: 'Auditing', description: 'File with the audit policy.' },
  { name: 'audit-log-path', kind: 'string', default: '', group: 'Auditing', description: 'File to write audit events to; "-": standard output.' },
  { name: 'audit-log-format', kind: 'string', default: 'json', oneOf: ['legacy', 'json'], group: 'Auditing', description: 'Form of lines in the audit log.' },
  { name: 'audit-log-maxage', kind: 'int', default: 366, min: 0, group: 'Auditing', description: 'Days to keep old audit logs; 0: for ever.' },
  { name: 'audit-log-maxbackup', kind: 'int', default: 100, min: 0, group: 'Auditing', description: 'Old audit logs to keep; 0: all.' },
  { name: 'audit-log-maxsize', kind: 'int', default: 100, min: 0, group: 'Auditing', description: 'Megabytes after which a new audit log is begun; 0: never.' },
  { name: 'audit-log-compress', kind: 'bool', default: false, group: 'Auditing', description: 'Compress old audit logs with gzip.' },
  { name: 'audit-log-version', kind: 'string', default: 'audit.k8s.io/v1', oneOf: ['audit.k8s.io/v1'], group: 'Auditing', description: 'Version of events in the audit log.' },
  { name: 'audit-log-mode', kind: 'string', default: 'blocking', oneOf: ['batch', 'blocking', 'blocking-strict'], group: 'Auditing', description: 'Whether requests wait for their events to be written.' },
  { name: 'audit-log-batch-buffer-size', kind: 'int', default: 10_000, min: 1, group: 'Auditing', description: 'Events to hold before batches are made.' },
  { name: 'audit-log-batch-max-size', kind: 'int', default: 1, min: 1, group: 'Auditing', description: 'Events in a batch.' },
  { name: 'audit-log-batch-max-wait', kind: 'duration', default: 0, min: 0, group: 'Auditing', description: 'How long a batch waits to be full.' },
  { name: 'audit-log-batch-throttle-enable', kind: 'bool', default: false, group: 'Auditing', description: 'Whether batches are limited in rate.' },
  { name: 'audit-log-batch-throttle-qps', kind: 'float', default: 0, min: 0, group: 'Auditing', description: 'Batches a second.' },
  { name: 'audit-log-batch-throttle-burst', kind: 'int', default: 0, min: 0, group: 'Auditing', description: 'Batches at once after a pause.' },
  { name: 'audit-log-truncate-enabled', kind: 'bool', default: false, group: 'Auditing', description: 'Whether large events and batches are cut.' },
  { name: 'audit-log-truncate-max-batch-size', kind: 'int', default: 10_485_760, min: 1, group: 'Auditing', description: 'Bytes of a batch.' },
  { name: 'audit-log-truncate-max-event-size', kind: 'int', default: 102_400, min: 1, group: 'Auditing', description: 'Bytes of an event, beyond which its objects are left out.' },
  { name: 'audit-webhook-config-file', kind: 'string', default: '', group: 'Auditing', description: 'Kubeconfig of the server that audit events are sent to.' },
  { name: 'audit-webhook-initial-backoff', kind: 'duration', default: 10_000, min: 0, group: 'Auditing', description: 'How long to wait before a failed call is repeated.' },
  { name: 'audit-webhook-version', kind: 'string', default: 'audit.k8s.io/v1', oneOf: ['audit.k8s.io/v1'], group: 'Auditing', description: 'Version of events sent.' },
  { name: 'audit-webhook-mode', kind: 'string', default: 'batch', oneOf: ['batch', 'blocking', 'blocking-strict'], group: 'Auditing', description: 'Whether requests wait for their events to be sent.' },
  { name: 'audit-webhook-batch-buffer-size', kind: 'int', default: 10_000, min: 1, group: 'Auditing', description: 'Events to hold before batches are made.' },
  { name: 'audit-webhook-batch-max-size', kind: 'int', default: 400, min: 1, group: 'Auditing', description: 'Events in a batch.' },
  { name: 'audit-webhook-batch-max-wait', kind: 'duration', default: 30_000, min: 0, group: 'Auditing', description: 'How long a batch waits to be full.' },
  { name: 'audit-webhook-batch-throttle-enable', kind: 'bool', default: true, group: 'Auditing', description: 'Whether batches are limited in rate.' },
  { name: 'audit-webhook-batch-throttle-qps', kind: 'float', default: 10, min: 0, group: 'Auditing', description: 'Batches a second.' },
  { name: 'audit-webhook-batch-throttle-burst', kind: 'int', default: 15, min: 0, group: 'Auditing', description: 'Batches at once after a pause.' },
  { name: 'audit-webhook-truncate-enabled', kind: 'bool', default: false, group: 'Auditing', description: 'Whether large events and batches are cut.' },
  { name: 'audit-webhook-truncate-max-batch-size', kind: 'int', default: 10_485_760, min: 1, group: 'Auditing', description: 'Bytes of a batch.' },
  { name: 'audit-webhook-truncate-max-event-size', kind: 'int', default: 102_400, min: 1, group: 'Auditing', description: 'Bytes of an event, beyond which its objects are left out.' },
] as const satisfies readonly FlagRow[]

const featureFlags = [
  { name: 'contention-profiling', kind: 'bool', default: false, group: 'Features', noBearing: 'one thread serves all requests, so that there are no locks to wait for', description: 'Profile waiting for locks.' },
  { name: 'debug-socket-path', kind: 'string', default: '', group: 'Features', refused: 'profiles are served on the secure port only', description: 'Unix socket for profiles without authentication.' },
  { name: 'enable-priority-and-fairness', kind: 'bool', default: true, group: 'Features', description: 'Queue requests by priority and share them out fairly; else only their number is limited.' },
  { name: 'profiling', kind: 'bool', default: true, group: 'Features', description: 'Serve profiles at /debug/pprof/.' },
] as const satisfies readonly FlagRow[]

const authenticationFlags = [
  { name: 'anonymous-auth', kind: 'bool', default: true, group: 'Authentication', description: 'Requests without credentials are those of system:anonymous; else they are refused.' },
  { name: 'api-audiences', kind: 'stringSlice', default: [], group: 'Authentication', description: 'Audiences that tokens must be meant for; the service-account issuers when left out.' },
  { name: 'authentication-config', kind: 'string', default: '', group: 'Authentication', description: 'File with JWT issuers and anonymous access (AuthenticationConfiguration); read again when it changes.' },
  { name: 'authentication-token-webhook-cache-ttl', kind: 'duration', default: 120_000, min: 0, group: 'Authentication', description: 'How long answers of the token webhook are kept.' },
  { name: 'authentication-token-webhook-config-file', kind: 'string', default: '', group: 'Authentication', description: 'Kubeconfig of a webhook that reviews bearer tokens.' },
  { name: 'authentication-token-webhook-version', kind: 'string', default: 'v1beta1', oneOf: ['v1', 'v1beta1'], group: 'Authentication', description: 'Version of TokenReview that the webhook speaks.' },
  { name: 'client-ca-file', kind: 'string', default: '', group: 'Authentication', description: 'Authorities of client certificates, whose common name is the user; read again when it changes.' },
  { name: 'enable-bootstrap-token-auth', kind: 'bool', default: false, group: 'Authentication', description: 'Accept bootstrap tokens: Secrets of type bootstrap.kubernetes.io/token in kube-system.' },
  { name: 'oidc-ca-file', kind: 'string', default: '', group: 'Authentication', description: 'Authority of the OpenID provider; the machine\'s when left out.' },
  { name: 'oidc-client-id', kind: 'string', default: '', group: 'Authentication', description: 'Audience of OpenID tokens.' },
  { name: 'oidc-groups-claim', kind: 'string', default: '', group: 'Authentication', description: 'Claim that holds the groups.' },
  { name: 'oidc-groups-prefix', kind: 'string', default: '', group: 'Authentication', description: 'Put before each group.' },
  { name: 'oidc-issuer-url', kind: 'string', default: '', group: 'Authentication', description: 'https URL of the OpenID provider.' },
  { name: 'oidc-required-claim', kind: 'map', default: {}, group: 'Authentication', description: 'Claims that tokens must have.' },
  { name: 'oidc-signing-algs', kind: 'stringSlice', default: ['RS256'], group: 'Authentication', description: 'Signature algorithms accepted.' },
  { name: 'oidc-username-claim', kind: 'string', default: 'sub', group: 'Authentication', description: 'Claim that holds the user name.' },
  { name: 'oidc-username-prefix', kind: 'string', default: '', group: 'Authentication', description: 'Put before the user name; "-": nothing; when left out the issuer and #, except for the claim email.' },
  { name: 'requestheader-allowed-names', kind: 'stringSlice', default: [], group: 'Authentication', description: 'Common names that front proxies may have; any when left out.' },
  { name: 'requestheader-client-ca-file', kind: 'string', default: '', group: 'Authentication', description: 'Authorities of front proxies, who may say in headers who is calling; read again when it changes.' },
  { name: 'requestheader-extra-headers-prefix', kind: 'stringSlice', default: [], group: 'Authentication', description: 'Prefixes of headers with further facts about the user.' },
  { name: 'requestheader-group-headers', kind: 'stringSlice', default: [], group: 'Authentication', description: 'Headers that hold groups.' },
  { name: 'requestheader-uid-headers', kind: 'stringSlice', default: [], group: 'Authentication', description: 'Headers that hold the user\'s UID.' },
  { name: 'requestheader-username-headers', kind: 'stringSlice', default: [], group: 'Authentication', description: 'Headers that hold the user name.' },
  { name: 'service-account-extend-token-expiration', kind: 'bool', default: true, group: 'Authentication', description: 'Let mounted tokens live a year, noting those that should have been renewed.' },
  { name: 'service-account-issuer', kind: 'stringArray', valueName: 'strings', default: [], group: 'Authentication', description: 'Issuer of service-account tokens; given several times, the first issues and all are accepted.' },
  { name: 'service-account-jwks-uri', kind: 'string', default: '', group: 'Authentication', description: 'URL of the keys in the discovery document.' },
  { name: 'service-account-key-file', kind: 'stringArray', default: [], group: 'Authentication', description: 'Keys that service-account tokens are checked by (PEM, public or private); may be given several times. The signing key when left out.' },
  { name: 'service-account-lookup', kind: 'bool', default: true, group: 'Authentication', description: 'Refuse tokens whose service account or Secret is gone.' },
  { name: 'service-account-max-token-expiration', kind: 'duration', default: 0, min: 0, group: 'Authentication', description: 'The longest life of tokens that this server issues; 0: no limit.' },
  { name: 'service-account-signing-endpoint', kind: 'string', default: '', group: 'Authentication', refused: 'tokens are signed with a key of this server', description: 'Socket of an external signer.' },
  { name: 'service-account-signing-key-file', kind: 'string', default: '', group: 'Authentication', description: 'Private key that signs service-account tokens.' },
  { name: 'token-auth-file', kind: 'string', default: '', group: 'Authentication', description: 'Static bearer tokens: CSV of token, user, uid, groups.' },
] as const satisfies readonly FlagRow[]

const authorizationFlags = [
  { name: 'authorization-config', kind: 'string', default: '', group: 'Authorization', description: 'File with the authorizers (AuthorizationConfiguration); read again when it changes. Not together with --authorization-mode.' },
  { name: 'authorization-mode', kind: 'stringSlice', default: [], check: authorizationModes, group: 'Authorization', description: 'Authorizers in order: AlwaysAllow, AlwaysDeny, ABAC, Webhook, RBAC, Node. AlwaysAllow when left out; with --data-dir Node,RBAC.' },
  { name: 'authorization-policy-file', kind: 'string', default: '', group: 'Authorization', description: 'Policy of ABAC, a JSON object a line.' },
  { name: 'authorization-webhook-cache-authorized-ttl', kind: 'duration', default: 300_000, min: 0, group: 'Authorization', description: 'How long the webhook\'s yes is kept.' },
  { name: 'authorization-webhook-cache-unauthorized-ttl', kind: 'duration', default: 30_000, min: 0, group: 'Authorization', description: 'How long the webhook\'s no is kept.' },
  { name: 'authorization-webhook-config-file', kind: 'string', default: '', group: 'Authorization', description: 'Kubeconfig of the webhook that is asked for mode Webhook.' },
  { name: 'authorization-webhook-version', kind: 'string', default: 'v1beta1', oneOf: ['v1', 'v1beta1'], group: 'Authorization', description: 'Version of SubjectAccessReview that the webhook speaks.' },
] as const satisfies readonly FlagRow[]

const apiFlags = [
  { name: 'runtime-config', kind: 'stringSlice', valueName: 'mapStringString', default: [], group: 'API enablement', description: 'APIs to serve or not: GROUP/VERSION=true|false (v1 for core), GROUP/VERSION/RESOURCE=true|false, api/all, api/ga, api/beta, api/alpha.' },
  { name: 'egress-selector-config-file', kind: 'string', default: '', group: 'Egress selector', refused: 'calls go out directly', description: 'File that says by which proxy calls go out.' },
  { name: 'admission-control', kind: 'stringSlice', default: [], group: 'Admission', description: 'Admission plugins to run, and no others. Deprecated: use --enable-admission-plugins and --disable-admission-plugins.' },
  { name: 'admission-control-config-file', kind: 'string', default: '', group: 'Admission', description: 'File with the settings of admission plugins (AdmissionConfiguration).' },
  { name: 'disable-admission-plugins', kind: 'stringSlice', default: [], group: 'Admission', description: `Default admission plugins to leave out. Default are ${defaultAdmissionPlugins.join(', ')}.` },
  { name: 'enable-admission-plugins', kind: 'stringSlice', default: [], group: 'Admission', description: `Admission plugins beside the default ones. There are ${admissionPluginNames.join(', ')}. They run in this order, whatever the order of the list.` },
  { name: 'default-not-ready-toleration-seconds', kind: 'int', default: 300, min: 0, group: 'Admission', description: 'How long pods that do not say otherwise tolerate a node that is not ready.' },
  { name: 'default-unreachable-toleration-seconds', kind: 'int', default: 300, min: 0, group: 'Admission', description: 'How long pods that do not say otherwise tolerate a node that cannot be reached.' },
] as const satisfies readonly FlagRow[]

const observingFlags = [
  { name: 'allow-metric-labels', kind: 'stringArray', valueName: 'stringToString', default: [], group: 'Metrics', refused: 'label values of metrics are bounded already', description: 'Values that labels of metrics may have.' },
  { name: 'allow-metric-labels-manifest', kind: 'string', default: '', group: 'Metrics', refused: 'label values of metrics are bounded already', description: 'File with --allow-metric-labels.' },
  { name: 'disabled-metrics', kind: 'stringSlice', default: [], group: 'Metrics', description: 'Metrics to leave out of /metrics.' },
  { name: 'show-hidden-metrics-for-version', kind: 'string', default: '', group: 'Metrics', noBearing: 'there are no hidden metrics', description: 'Show metrics that were hidden in this version.' },
  { name: 'log-flush-frequency', kind: 'duration', default: 5_000, min: 0, group: 'Logs', noBearing: 'every line is written at once', description: 'How often logs are flushed.' },
  { name: 'log-json-info-buffer-size', kind: 'string', valueName: 'quantity', default: '0', group: 'Logs', noBearing: 'every line is written at once', description: 'Buffer of JSON logs.' },
  { name: 'log-json-split-stream', kind: 'bool', default: false, group: 'Logs', refused: 'logs go to standard error', description: 'Write messages to standard output and errors to standard error.' },
  { name: 'log-text-info-buffer-size', kind: 'string', valueName: 'quantity', default: '0', group: 'Logs', noBearing: 'every line is written at once', description: 'Buffer of text logs.' },
  { name: 'log-text-split-stream', kind: 'bool', default: false, group: 'Logs', refused: 'logs go to standard error', description: 'Write messages to standard output and errors to standard error.' },
  { name: 'logging-format', kind: 'string', default: 'text', oneOf: ['text', 'json'], group: 'Logs', noBearing: 'logs are JSON, a line each', description: 'Form of logs.' },
  { name: 'v', kind: 'int', short: 'v', valueName: 'Level', default: 0, group: 'Logs', description: 'How much to log: 0 to 3 is info, 4 and up is debug.' },
  { name: 'vmodule', kind: 'stringArray', valueName: 'pattern=N,...', default: [], group: 'Logs', noBearing: 'the level is one for all files', description: 'Log levels by source file.' },
  { name: 'tracing-config-file', kind: 'string', default: '', group: 'Traces', refused: 'requests are not traced', description: 'File that says where traces are sent.' },
] as const satisfies readonly FlagRow[]

const clusterFlags = [
  { name: 'aggregator-reject-forwarding-redirect', kind: 'bool', default: true, group: 'Misc', description: 'Refuse redirects that aggregated servers answer with.' },
  { name: 'allow-privileged', kind: 'bool', default: false, group: 'Misc', description: 'Allow privileged containers. With --data-dir they are allowed when left out.' },
  { name: 'apiserver-count', kind: 'int', default: 1, min: 1, group: 'Misc', noBearing: 'servers are found by their leases', deprecated: 'apiserver-count is deprecated and will be removed in a future version.', description: 'How many API servers there are.' },
  { name: 'coordinated-leadership-lease-duration', kind: 'duration', default: 15_000, min: 1000, group: 'Misc', noBearing: 'coordinated leader election (a beta feature, off by default) is not there', description: 'Lease of coordinated leader election.' },
  { name: 'coordinated-leadership-renew-deadline', kind: 'duration', default: 10_000, min: 1000, group: 'Misc', noBearing: 'coordinated leader election (a beta feature, off by default) is not there', description: 'When a lease of coordinated leader election is given up.' },
  { name: 'coordinated-leadership-retry-period', kind: 'duration', default: 2_000, min: 1, group: 'Misc', noBearing: 'coordinated leader election (a beta feature, off by default) is not there', description: 'How often a lease of coordinated leader election is tried for.' },
  { name: 'enable-aggregator-routing', kind: 'bool', default: false, group: 'Misc', description: 'Call aggregated servers at their endpoints rather than at their Service\'s address.' },
  { name: 'endpoint-reconciler-type', kind: 'string', default: 'lease', oneOf: ['lease', 'none', 'master-count'], group: 'Misc', description: 'Who keeps the endpoints of the kubernetes Service: this server (lease) or nobody (none).' },
  { name: 'event-ttl', kind: 'duration', default: 3_600_000, min: 0, group: 'Misc', description: 'How long events are kept.' },
  { name: 'kubelet-certificate-authority', kind: 'string', default: '', group: 'Misc', description: 'Authority that kubelets\' certificates are checked against; without it they are not checked.' },
  { name: 'kubelet-client-certificate', kind: 'string', default: '', group: 'Misc', description: 'Client certificate for kubelets.' },
  { name: 'kubelet-client-key', kind: 'string', default: '', group: 'Misc', description: 'Key of --kubelet-client-certificate.' },
  { name: 'enable-logs-handler', kind: 'bool', default: false, group: 'Misc', noBearing: 'the log goes to standard output', deprecated: 'Log handler functionality is deprecated', description: 'Serve the files of /var/log at /logs.' },
  { name: 'kubelet-port', kind: 'int', default: 10_250, ...port, group: 'Misc', noBearing: 'nodes say their kubelet\'s port', deprecated: 'kubelet-port is deprecated and will be removed.', description: 'Port of kubelets.' },
  { name: 'kubelet-preferred-address-types', kind: 'stringSlice', default: ['Hostname', 'InternalDNS', 'InternalIP', 'ExternalDNS', 'ExternalIP'], check: addressTypes, group: 'Misc', description: 'Which of a node\'s addresses its kubelet is called at, in order.' },
  { name: 'kubelet-read-only-port', kind: 'int', default: 10_255, ...port, group: 'Misc', noBearing: 'it is not used', deprecated: 'kubelet-read-only-port is deprecated and will be removed.', description: 'Port of kubelets without authentication.' },
  { name: 'kubelet-timeout', kind: 'duration', default: 5_000, min: 1, group: 'Misc', noBearing: 'a request to a kubelet lasts as long as its client waits', description: 'How long a connection to a kubelet may take to be made.' },
  { name: 'kubernetes-service-node-port', kind: 'int', default: 0, ...port, group: 'Misc', description: 'Node port of the kubernetes Service; 0: it has a cluster address only.' },
  { name: 'max-connection-bytes-per-sec', kind: 'int', default: 0, min: 0, group: 'Misc', refused: 'connections are not limited in rate', description: 'Bytes a second that a connection of a user to a pod or node may carry; 0: no limit.' },
  { name: 'peer-advertise-ip', kind: 'string', default: '', check: address, group: 'Misc', noBearing: oneProcess, description: 'Address for other API servers.' },
  { name: 'peer-advertise-port', kind: 'string', default: '', group: 'Misc', noBearing: oneProcess, description: 'Port for other API servers.' },
  { name: 'peer-ca-file', kind: 'string', default: '', group: 'Misc', noBearing: oneProcess, description: 'Authority of other API servers.' },
  { name: 'proxy-client-cert-file', kind: 'string', default: '', group: 'Misc', description: 'Certificate by which this server shows aggregated servers and webhooks who it is.' },
  { name: 'proxy-client-key-file', kind: 'string', default: '', group: 'Misc', description: 'Key of --proxy-client-cert-file.' },
  { name: 'service-cluster-ip-range', kind: 'string', default: '', check: ranges, group: 'Misc', description: 'Ranges of Service addresses: one, or two of different families. 10.0.0.0/24 when left out; with --data-dir 10.96.0.0/16.' },
  { name: 'service-node-port-range', kind: 'string', valueName: 'portRange', default: '30000-32767', check: portRange, group: 'Misc', description: 'Range of node ports, FIRST-LAST or FIRST+SIZE.' },
] as const satisfies readonly FlagRow[]

/**
 * Every flag of `k8ts apiserver`: kube-apiserver 1.36's, and a few of its own
 * (https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/). What each comes to: `apiserver-options.ts`.
 */
export const apiServerFlags = [
  ...k8tsFlags, ...genericFlags, ...storageFlags, ...servingFlags, ...auditFlags, ...featureFlags, ...authenticationFlags, ...authorizationFlags,
  ...apiFlags, ...observingFlags, ...clusterFlags,
] as const satisfies readonly FlagRow[]

export type ApiServerFlagRow = (typeof apiServerFlags)[number]
export type ApiServerFlagName = ApiServerFlagRow['name']
export type ApiServerFlags = FlagValues<ApiServerFlagRow>

function emulation(values: readonly string[]): string | undefined {
  const wrong = values.find((value) => !/^(?:[a-z]+=)?1\.3[56](?:\.0)?$/.test(value))
  return wrong === undefined ? undefined : `knows 1.36 only, not "${wrong}"`
}

function origins(values: readonly string[]): string | undefined {
  return values.map(originProblem).find((problem) => problem !== undefined)
}

function hsts(values: readonly string[]): string | undefined {
  const wrong = values.find((value) => value !== 'includeSubDomains' && value !== 'preload' && !/^max-age=\d+$/.test(value))
  if (wrong !== undefined) return `holds ${JSON.stringify(wrong)}, which is none of max-age=expireTime, includeSubDomains, preload`
  return values.length > 0 && !values.some((value) => value.startsWith('max-age=')) ? 'needs the directive max-age' : undefined
}

function urls(values: readonly string[]): string | undefined {
  const wrong = values.find((value) => !/^https?:\/\/[^/]+\/?$/.test(value.includes('://') ? value : `http://${value}`))
  return wrong === undefined ? undefined : `must hold URLs like http://127.0.0.1:2379, not "${wrong}"`
}

function addresses(values: readonly string[]): string | undefined {
  const wrong = values.find((value) => isIP(value) === 0)
  return wrong === undefined ? undefined : `must be an IP address, not "${wrong}"`
}

function authorizationModes(values: readonly string[]): string | undefined {
  const known = ['AlwaysAllow', 'AlwaysDeny', 'ABAC', 'Webhook', 'RBAC', 'Node']
  const wrong = values.find((value) => !known.includes(value))
  if (wrong !== undefined) return `knows ${known.join(', ')}, not "${wrong}"`
  return new Set(values).size < values.length ? 'names a mode twice' : undefined
}

function addressTypes(values: readonly string[]): string | undefined {
  const known = ['Hostname', 'InternalDNS', 'InternalIP', 'ExternalDNS', 'ExternalIP']
  const wrong = values.find((value) => !known.includes(value))
  return wrong === undefined ? undefined : `knows ${known.join(', ')}, not "${wrong}"`
}

function ranges(text: string): string | undefined {
  if (text === '') return undefined
  const values = text.split(',')
  if (values.length > 2) return 'must not hold more than two ranges'
  const wrong = values.find((value) => parseCidr(value) === undefined)
  if (wrong !== undefined) return `must be a range like 10.96.0.0/16, not "${wrong}"`
  return values.length === 2 && values[0]!.includes(':') === values[1]!.includes(':') ? 'must hold one range of each IP family' : undefined
}

/** `30000-32767` or `30000+2768`. */
export function parsePortRange(text: string): { first: number; last: number } | undefined {
  const [, from, operator, to] = /^(\d+)(?:([-+])(\d+))?$/.exec(text) ?? []
  if (from === undefined) return undefined
  const first = Number(from)
  const last = operator === undefined ? first : operator === '-' ? Number(to) : first + Number(to) - 1
  return first <= last && first > 0 && last <= 65_535 ? { first, last } : undefined
}

function portRange(text: string): string | undefined {
  return parsePortRange(text) === undefined ? `must be a range of ports like 30000-32767, not "${text}"` : undefined
}
