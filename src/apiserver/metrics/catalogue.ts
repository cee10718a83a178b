import { exponentialBounds } from './families.ts'

/** What a series is: its type, help text and labels as upstream has them (the `metrics.go` files of apiserver, component-base, kube-aggregator and apiextensions-apiserver). */
export interface Described { readonly type: 'counter' | 'gauge' | 'histogram'; readonly help: string; readonly labels: readonly string[]; readonly bounds: readonly number[] }

const usualSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const conditionSeconds = [0.001, 0.005, 0.01, 0.025, 0.1, 0.2, 0.25]
const checkSeconds = [0.0000005, 0.001, 0.01, 0.1, 1]
const millisecondsUp = exponentialBounds(0.001, 2, 15)
const [hour, day] = [3_600, 86_400]
const certificateLives = [0, hour / 2, hour, 2 * hour, 6 * hour, 12 * hour, day, 2 * day, 4 * day, 7 * day, 30 * day, 90 * day, 180 * day, 360 * day]

const counter = (help: string, labels: readonly string[] = []): Described => ({ type: 'counter', help, labels, bounds: [] })
const gauge = (help: string, labels: readonly string[] = []): Described => ({ type: 'gauge', help, labels, bounds: [] })
const histogram = (help: string, bounds: readonly number[], labels: readonly string[] = []): Described => ({ type: 'histogram', help, labels, bounds })

/** Series that parts of the API server count in its `MetricSet`. */
export const catalogue = {
  apiserver_admission_match_condition_evaluation_errors_total: counter('Admission match condition evaluation errors count, identified by name of resource containing the match condition and broken out for each kind containing matchConditions (webhook or policy), operation and admission type (validate or admit).', ['name', 'kind', 'type', 'operation']),
  apiserver_admission_match_condition_evaluation_seconds: histogram('Admission match condition evaluation time in seconds, identified by name and broken out for each kind containing matchConditions (webhook or policy), operation and type (validate or admit).', conditionSeconds, ['name', 'kind', 'type', 'operation']),
  apiserver_admission_match_condition_exclusions_total: counter('Admission match condition evaluation exclusions count, identified by name of resource containing the match condition and broken out for each kind containing matchConditions (webhook or policy), operation and admission type (validate or admit).', ['name', 'kind', 'type', 'operation']),
  apiserver_authentication_config_controller_automatic_reload_last_timestamp_seconds: gauge('Timestamp of the last automatic reload of authentication configuration split by status and apiserver identity.', ['status', 'apiserver_id_hash']),
  apiserver_authentication_config_controller_automatic_reloads_total: counter('Total number of automatic reloads of authentication configuration split by status and apiserver identity.', ['status', 'apiserver_id_hash']),
  apiserver_authentication_config_controller_last_config_info: gauge('Information about the last applied authentication configuration with hash as label, split by apiserver identity.', ['apiserver_id_hash', 'hash']),
  apiserver_authentication_jwt_authenticator_jwks_fetch_last_key_set_info: gauge('Information about the last JWKS fetched by the JWT authenticator with hash as label, split by api server identity and jwt issuer.', ['jwt_issuer_hash', 'apiserver_id_hash', 'hash']),
  apiserver_authentication_jwt_authenticator_jwks_fetch_last_timestamp_seconds: gauge('Timestamp of the last successful or failed JWKS fetch split by result, api server identity and jwt issuer for the JWT authenticator.', ['result', 'jwt_issuer_hash', 'apiserver_id_hash']),
  apiserver_authentication_jwt_authenticator_latency_seconds: histogram('Latency of jwt authentication operations in seconds. This is the time spent authenticating a token for cache miss only (i.e. when the token is not found in the cache).', [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10], ['result', 'jwt_issuer_hash']),
  apiserver_authorization_config_controller_automatic_reload_last_timestamp_seconds: gauge('Timestamp of the last automatic reload of authorization configuration split by status and apiserver identity.', ['status', 'apiserver_id_hash']),
  apiserver_authorization_config_controller_automatic_reloads_total: counter('Total number of automatic reloads of authorization configuration split by status and apiserver identity.', ['status', 'apiserver_id_hash']),
  apiserver_authorization_config_controller_last_config_info: gauge('Information about the last applied authorization configuration with hash as label, split by apiserver identity.', ['apiserver_id_hash', 'hash']),
  apiserver_authorization_decisions_total: counter('Total number of terminal decisions made by an authorizer split by authorizer type, name, and decision.', ['type', 'name', 'decision']),
  apiserver_authorization_match_condition_evaluation_errors_total: counter('Total number of errors when an authorization webhook encounters a match condition error split by authorizer type and name.', ['type', 'name']),
  apiserver_authorization_match_condition_evaluation_seconds: histogram('Authorization match condition evaluation time in seconds, split by authorizer type and name.', conditionSeconds, ['type', 'name']),
  apiserver_authorization_match_condition_exclusions_total: counter('Total number of exclusions when an authorization webhook is skipped because match conditions exclude it.', ['type', 'name']),
  apiserver_authorization_webhook_duration_seconds: histogram('Request latency in seconds.', usualSeconds, ['name', 'result']),
  apiserver_authorization_webhook_evaluations_fail_open_total: counter('NoOpinion results due to webhook timeout or error.', ['name', 'result']),
  apiserver_authorization_webhook_evaluations_total: counter('Round-trips to authorization webhooks.', ['name', 'result']),
  apiserver_cel_compilation_duration_seconds: histogram('CEL compilation time in seconds.', usualSeconds),
  apiserver_cel_evaluation_duration_seconds: histogram('CEL evaluation time in seconds.', usualSeconds),
  apiserver_client_certificate_expiration_seconds: histogram('Distribution of the remaining lifetime on the certificate used to authenticate a request.', certificateLives),
  apiserver_conversion_webhook_duration_seconds: histogram('Conversion webhook request latency', [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 45, 60], ['result', 'failure_type']),
  apiserver_conversion_webhook_request_total: counter('Counter for conversion webhook requests with success/failure and failure error type', ['result', 'failure_type']),
  apiserver_crd_conversion_webhook_duration_seconds: histogram('CRD webhook conversion duration in seconds', millisecondsUp, ['crd_name', 'from_version', 'to_version', 'succeeded']),
  apiserver_encryption_config_controller_automatic_reload_last_timestamp_seconds: gauge('Timestamp of the last successful or failed automatic reload of encryption configuration split by apiserver identity.', ['status', 'apiserver_id_hash']),
  apiserver_encryption_config_controller_automatic_reloads_total: counter('Total number of reload successes and failures of encryption configuration split by apiserver identity.', ['status', 'apiserver_id_hash']),
  apiserver_encryption_config_controller_last_config_info: gauge('Information about the last applied encryption configuration with hash as label, split by apiserver identity.', ['apiserver_id_hash', 'hash']),
  apiserver_envelope_encryption_dek_source_cache_size: gauge('Number of records in data encryption key (DEK) source cache. On a restart, this value is an approximation of the number of decrypt RPC calls the server will make to the KMS plugin.', ['provider_name']),
  apiserver_envelope_encryption_invalid_key_id_from_status_total: counter('Number of times an invalid keyID is returned by the Status RPC call split by error.', ['provider_name', 'error']),
  apiserver_envelope_encryption_key_id_hash_last_timestamp_seconds: gauge('The last time in seconds when a keyID was used.', ['transformation_type', 'provider_name', 'key_id_hash', 'apiserver_id_hash']),
  apiserver_envelope_encryption_key_id_hash_status_last_timestamp_seconds: gauge('The last time in seconds when a keyID was returned by the Status RPC call.', ['provider_name', 'key_id_hash', 'apiserver_id_hash']),
  apiserver_envelope_encryption_key_id_hash_total: counter('Number of times a keyID is used split by transformation type, provider, and apiserver identity.', ['transformation_type', 'provider_name', 'key_id_hash', 'apiserver_id_hash']),
  apiserver_envelope_encryption_kms_operations_latency_seconds: histogram('KMS operation duration with gRPC error code status total.', exponentialBounds(0.0001, 2, 20), ['provider_name', 'method_name', 'grpc_status_code']),
  apiserver_impersonation_attempts_duration_seconds: histogram('Latency of impersonation attempts in seconds split by mode and decision.', millisecondsUp, ['mode', 'decision']),
  apiserver_impersonation_attempts_total: counter('Total number of impersonation attempts split by mode and decision.', ['mode', 'decision']),
  apiserver_impersonation_authorization_attempts_duration_seconds: histogram('Latency of authorization checks made by the impersonation handler in seconds split by mode and decision.', millisecondsUp, ['mode', 'decision']),
  apiserver_impersonation_authorization_attempts_total: counter('Total number of authorization checks made by the impersonation handler split by mode and decision.', ['mode', 'decision']),
  apiserver_mutating_admission_policy_check_duration_seconds: histogram('Mutation admission latency for individual mutation expressions in seconds, labeled by policy and binding.', checkSeconds, ['policy', 'policy_binding', 'error_type']),
  apiserver_mutating_admission_policy_check_total: counter('Mutation admission policy check total, labeled by policy and further identified by binding.', ['policy', 'policy_binding', 'error_type']),
  apiserver_storage_data_key_generation_duration_seconds: histogram('Latencies in seconds of data encryption key(DEK) generation operations.', exponentialBounds(5e-6, 2, 14)),
  apiserver_storage_envelope_transformation_cache_misses_total: counter('Total number of cache misses while accessing key decryption key(KEK).'),
  apiserver_storage_transformation_duration_seconds: histogram('Latencies in seconds of value transformation operations.', exponentialBounds(5e-6, 2, 25), ['transformation_type', 'transformer_prefix']),
  apiserver_storage_transformation_operations_total: counter('Total number of transformations. Successful transformation will have a status \'OK\' and a varied status string when the transformation fails. The status, resource, and transformation_type fields can be used for alerting purposes. For example, you can monitor for encryption/decryption failures using the transformation_type (e.g., from_storage for decryption and to_storage for encryption). Additionally, these fields can be used to ensure that the correct transformers are applied to each resource.', ['resource', 'transformation_type', 'transformer_prefix', 'status']),
  apiserver_stream_translator_requests_total: counter('Total number of requests that were handled by the StreamTranslatorProxy, which processes streaming RemoteCommand/V5', ['code']),
  apiserver_stream_tunnel_requests_total: counter('Total number of requests that were handled by the StreamTunnelProxy, which processes streaming PortForward/V2', ['code']),
  apiserver_tls_handshake_errors_total: counter('Number of requests dropped with \'TLS handshake error from\' error'),
  apiserver_validating_admission_policy_check_duration_seconds: histogram('Validation admission latency for individual validation expressions in seconds, labeled by policy and further including binding and enforcement action taken.', checkSeconds, ['policy', 'policy_binding', 'error_type', 'enforcement_action']),
  apiserver_validating_admission_policy_check_total: counter('Validation admission policy check total, labeled by policy and further identified by binding and enforcement action taken.', ['policy', 'policy_binding', 'error_type', 'enforcement_action']),
  apiserver_watch_list_duration_seconds: histogram('Response latency distribution in seconds for watch list requests broken by group, version, resource and scope.', [0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 2, 4, 6, 8, 10, 15, 20, 30, 45, 60], ['group', 'version', 'resource', 'scope']),
  apiserver_websocket_streaming_requests_total: counter('Total number of WebSocket streaming requests (exec/attach/portforward) routed by the API server, labeled by subresource and proxy_type. proxy_type is proxied_to_kubelet when the kubelet handles the request directly; otherwise translated_at_apiserver.', ['subresource', 'proxy_type']),
  authentication_token_cache_active_fetch_count: gauge('', ['status']),
  authentication_token_cache_fetch_total: counter('', ['status']),
  authentication_token_cache_request_duration_seconds: histogram('', usualSeconds, ['status']),
  authentication_token_cache_request_total: counter('', ['status']),
  kube_apiserver_clusterip_allocator_allocated_ips: gauge('Gauge measuring the number of allocated IPs for Services', ['cidr']),
  kube_apiserver_clusterip_allocator_allocation_errors_total: counter('Number of errors trying to allocate Cluster IPs', ['cidr', 'scope']),
  kube_apiserver_clusterip_allocator_allocation_total: counter('Number of Cluster IPs allocations', ['cidr', 'scope']),
  kube_apiserver_clusterip_allocator_available_ips: gauge('Gauge measuring the number of available IPs for Services', ['cidr']),
  kube_apiserver_nodeport_allocator_allocated_ports: gauge('Gauge measuring the number of allocated NodePorts for Services'),
  kube_apiserver_nodeport_allocator_allocation_errors_total: counter('Number of errors trying to allocate NodePort', ['scope']),
  kube_apiserver_nodeport_allocator_allocation_total: counter('Number of NodePort allocations', ['scope']),
  kube_apiserver_nodeport_allocator_available_ports: gauge('Gauge measuring the number of available NodePorts for Services'),
  rest_client_request_duration_seconds: histogram('Request latency in seconds. Broken down by verb, and host.', [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60], ['verb', 'host']),
  rest_client_requests_total: counter('Number of HTTP requests, partitioned by status code, method, and host.', ['code', 'method', 'host']),
  serviceaccount_legacy_auto_token_uses_total: counter('Cumulative auto-generated legacy tokens used'),
  serviceaccount_legacy_manual_token_uses_total: counter('Cumulative manually created legacy tokens used'),
  serviceaccount_legacy_tokens_total: counter('Cumulative legacy service account tokens used'),
  serviceaccount_stale_tokens_total: counter('Cumulative stale projected service account tokens used'),
  serviceaccount_valid_tokens_total: counter('Cumulative valid projected service account tokens used'),
  version_info: gauge('Provides the compatibility version info of the component. The component label is the name of the component, usually kube, but is relevant for aggregated-apiservers.', ['component', 'binary', 'emulation', 'min_compat']),
  workqueue_adds_total: counter('Total number of adds handled by workqueue', ['name']),
  workqueue_depth: gauge('Current depth of workqueue', ['name']),
  workqueue_longest_running_processor_seconds: gauge('How many seconds has the longest running processor for workqueue been running.', ['name']),
  workqueue_queue_duration_seconds: histogram('How long in seconds an item stays in workqueue before being requested.', exponentialBounds(10e-9, 10, 10), ['name']),
  workqueue_retries_total: counter('Total number of retries handled by workqueue', ['name']),
  workqueue_unfinished_work_seconds: gauge('How many seconds of work has done that is in progress and hasn\'t been observed by work_duration. Large values indicate stuck threads. One can deduce the number of stuck threads by observing the rate at which this increases.', ['name']),
  workqueue_work_duration_seconds: histogram('How long in seconds processing an item from workqueue takes.', exponentialBounds(10e-9, 10, 10), ['name']),
} satisfies Record<string, Described>

export type MetricName = keyof typeof catalogue
