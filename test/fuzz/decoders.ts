import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { organizationsOf } from '../../src/apiserver/admission/certificate-subject.ts'
import { parseAuditPolicy } from '../../src/apiserver/audit/audit-policy.ts'
import { parseAuthenticationConfiguration } from '../../src/apiserver/authentication/configuration.ts'
import { parseTokenFile } from '../../src/apiserver/authentication/static-token.ts'
import { parseAdmissionConfiguration } from '../../src/apiserver/admission/configuration.ts'
import { parseAbacPolicies } from '../../src/apiserver/authorization/abac.ts'
import { parseAuthorizationConfiguration } from '../../src/apiserver/authorization/configuration.ts'
import { parseEncryptionConfiguration } from '../../src/apiserver/encryption/encryption-configuration.ts'
import { decodeEncryptedObject, encodeEncryptedObject } from '../../src/apiserver/encryption/kms-messages.ts'
import { userOfCertificate } from '../../src/apiserver/authentication/client-certificate.ts'
import { createServiceAccountIssuer, signToken } from '../../src/apiserver/authentication/service-account-issuer.ts'
import { serviceAccountTokenChecker } from '../../src/apiserver/authentication/service-account-token.ts'
import { fakeReader } from '../../src/apiserver/authorization/fake-reader.ts'
import { decodeBody, type BodyEncoding } from '../../src/apiserver/body.ts'
import { decodeContinue, encodeContinue } from '../../src/apiserver/continue-token.ts'
import { listOptionsOf } from '../../src/apiserver/list-options.ts'
import { acceptClauses, negotiate } from '../../src/apiserver/negotiation.ts'
import { applyPatch, type PatchKind } from '../../src/apiserver/patch-body.ts'
import { keyPairProblem } from '../../src/api/strategies/tls-pair.ts'
import { PathError, requestInfoOf } from '../../src/apiserver/request-info.ts'
import { loopbackCertificate } from '../../src/apiserver/testing/certificate.ts'
import { specimens } from '../../src/apiserver/testing/specimens.ts'
import { builtinResources } from '../../src/api/builtin.ts'
import { compileExpression } from '../../src/api/cel/expression.ts'
import { DYN } from '../../src/api/cel/types.ts'
import { typeById, typeForKind } from '../../src/api/type-table.ts'
import { readManagers } from '../../src/machinery/apply/managed-fields.ts'
import { FieldsError } from '../../src/machinery/apply/path-element.ts'
import type { ObjectMeta } from '../../src/machinery/object.ts'
import { SchemaDecodeError, decodeObject } from '../../src/machinery/schema-decode.ts'
import { decodeCbor, encodeCbor, CborError } from '../../src/machinery/cbor.ts'
import { parseFieldSelector } from '../../src/machinery/fields.ts'
import type { JsonObject } from '../../src/machinery/json-value.ts'
import { parseLabelSelector } from '../../src/machinery/labels.ts'
import { encodeProtobuf } from '../../src/machinery/protobuf-envelope.ts'
import { ProtobufError } from '../../src/machinery/protobuf-wire.ts'
import { StatusError } from '../../src/machinery/status.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { memoryLogger } from '../../src/runtime/log.ts'
import { yamlText } from '../../src/apiserver/yaml.ts'
import type { Decoder } from './fuzz.ts'

const runtime = systemRuntime(memoryLogger())
const textOf = (input: Uint8Array): string => Buffer.from(input).toString('utf8')
/** A refusal that a client is told of as its own fault. */
const isClientError = (error: unknown): boolean => error instanceof StatusError && error.status.code >= 400 && error.status.code < 500
/** 500 with a text of upstream's for patches that it has no reason for; the pipeline logs each. */
const isPlainFailure = (error: unknown): boolean => error instanceof StatusError && error.status.code === 500 && (error.status.reason ?? '') === ''
/** What reads files at the start says what is wrong with them in an error of no special kind; those of the language are ours, but for one of the YAML library's. */
const isPlainError = (error: unknown): boolean => error instanceof Error && (error.constructor === Error || isClientError(error) || /^(Unresolved alias|Excessive alias)/.test(error.message))

const objects: readonly Record<string, unknown>[] = Object.entries(specimens).flatMap(([name, { body }]) => {
  const [resource = '', ...group] = name.split('.')
  const found = builtinResources().all().find((each) => each.resource === resource && each.group === group.join('.'))
  return found === undefined ? [] : [{ apiVersion: found.group === '' ? found.version : `${found.group}/${found.version}`, kind: found.kind, metadata: { name: 'x', labels: { a: 'b' }, ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'y', uid: 'z' }] }, ...body }]
})

/** Bodies of one encoding, fitted to the kind that they say they are, as far as they say it. */
function bodies(encoding: BodyEncoding, write: (object: Record<string, unknown>) => string | Uint8Array): Decoder {
  const byKind = new Map(objects.map((object) => [String(object.kind), object]))
  const kinds = [...byKind.keys()]
  let turn = 0
  return {
    name: `${encoding} body`, seeds: objects.map(write), refuses: isClientError,
    decode(input) {
      const kind = kinds.find((each) => textOf(input).includes(each)) ?? kinds[turn++ % kinds.length]!
      const apiVersion = String(byKind.get(kind)!.apiVersion)
      const slash = apiVersion.indexOf('/')
      const expected = { kind, group: slash < 0 ? '' : apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) }
      const object = decodeBody({ encoding, bytes: input }, { expected, type: typeForKind(apiVersion, kind), validation: 'Warn', warn: () => undefined })
      builtinResources().findKind(expected.group, expected.version, kind)?.applyDefaults?.(object)
      return JSON.stringify(object)
    },
  }
}

const patchTarget = (): JsonObject => structuredClone(objects.find((object) => object.kind === 'Deployment')) as JsonObject

function patches(kind: PatchKind, seeds: readonly unknown[]): Decoder {
  const type = typeForKind('apps/v1', 'Deployment')
  return {
    name: `${kind} patch`, seeds: seeds.map((seed) => JSON.stringify(seed)),
    refuses: (error) => isClientError(error) || isPlainFailure(error) || error instanceof SyntaxError,
    decode: (input) => JSON.stringify(applyPatch(kind, patchTarget(), JSON.parse(textOf(input)), type)),
  }
}

const keys = generateKeyPairSync('ec', { namedCurve: 'P-256', privateKeyEncoding: { type: 'pkcs8', format: 'pem' }, publicKeyEncoding: { type: 'spki', format: 'pem' } })
const issuer = createServiceAccountIssuer({ signingKeyPem: keys.privateKey })

/** All that takes what a client or an administrator sends. Made when first asked for: keys and certificates take a while. */
export async function decoders(): Promise<readonly Decoder[]> {
  const token = await signToken(issuer, {
    audiences: issuer.apiAudiences, subject: 'system:serviceaccount:default:default', id: 'id', issuedAt: 1, expiresAt: 2 ** 31, notBefore: 1,
    kubernetes: { namespace: 'default', serviceaccount: { name: 'default', uid: 'u' }, pod: { name: 'p', uid: 'q' } },
  } as Parameters<typeof signToken>[1])
  const checker = serviceAccountTokenChecker({ issuer, reader: fakeReader(), runtime })
  const certificate = new X509Certificate((await loopbackCertificate(0)).certificate)
  const request = String((specimens['certificatesigningrequests.certificates.k8s.io']!.body.spec as { request: string }).request)
  const pods = builtinResources().find('', 'v1', 'pods')!
  return [
    bodies('json', (object) => JSON.stringify(object)),
    bodies('yaml', (object) => yamlText(object)),
    bodies('protobuf', (object) => encodeProtobuf(typeForKind(String(object.apiVersion), String(object.kind))!, object)),
    bodies('cbor', (object) => encodeCbor(object)),
    { name: 'CBOR', seeds: objects.map(encodeCbor), decode: decodeCbor, refuses: (error) => error instanceof CborError },
    patches('json', [[{ op: 'add', path: '/metadata/labels/x', value: 'y' }, { op: 'copy', from: '/spec', path: '/metadata/annotations' }, { op: 'move', from: '/metadata/labels/a', path: '/metadata/labels/b' }, { op: 'test', path: '/spec/replicas', value: 0 }, { op: 'remove', path: '/spec/template/spec/containers/0/image' }]]),
    patches('merge', [{ metadata: { labels: { a: null, b: 'c' } }, spec: { replicas: 3, template: { spec: { containers: [] } } } }]),
    patches('strategic', [
      { metadata: { finalizers: ['a/b'], '$deleteFromPrimitiveList/finalizers': ['a/b'], '$setElementOrder/finalizers': ['x/y'], ownerReferences: [{ $patch: 'delete', uid: 'z' }] }, spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } },
      { spec: { template: { spec: { containers: [{ name: 'c', image: 'i2', ports: [{ containerPort: 80, $patch: 'replace' }] }, { name: 'd', $patch: 'delete' }], '$setElementOrder/containers': [{ name: 'c' }], volumes: null } } } },
    ]),
    { name: 'managed fields', seeds: [JSON.stringify([{ manager: 'kubectl', operation: 'Apply', apiVersion: 'v1', fieldsType: 'FieldsV1', fieldsV1: { 'f:metadata': { 'f:labels': { '.': {}, 'f:a': {} } }, 'f:spec': { 'f:ports': { 'k:{"port":80,"protocol":"TCP"}': { '.': {}, 'f:port': {} } }, 'f:list': { 'v:"x"': {}, 'i:0': {} } } } }])], refuses: (error) => error instanceof SyntaxError || error instanceof SchemaDecodeError || error instanceof FieldsError, decode: (input) => readManagers((decodeObject(typeById('meta/v1.ObjectMeta')!, { managedFields: JSON.parse(textOf(input)) as unknown }).value as ObjectMeta).managedFields) },
    { name: 'label selector', seeds: ['a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1,m<2', 'x.y/z==w', 'a in (),b'], decode: (input) => parseLabelSelector(textOf(input)), refuses: isPlainError },
    { name: 'field selector', seeds: ['metadata.name=x,status.phase!=Running', 'spec.nodeName==a\\,b\\=c\\\\'], decode: (input) => parseFieldSelector(textOf(input)), refuses: isPlainError },
    { name: 'list options', seeds: ['limit=2&continue=&labelSelector=a%20in%20(b,c),!d&fieldSelector=metadata.name!%3Dx&resourceVersion=1&resourceVersionMatch=NotOlderThan', 'watch=1&resourceVersion=0&timeoutSeconds=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan'], refuses: isClientError, decode: (input) => listOptionsOf(pods, requestInfoOf('GET', '/api/v1/namespaces/default/pods', new URLSearchParams(textOf(input))), new URLSearchParams(textOf(input))) },
    { name: 'continue token', seeds: [encodeContinue({ revision: 7, startKey: 'default/x' }), encodeContinue({ revision: -1, startKey: 'x' })], decode: (input) => decodeContinue(textOf(input)), refuses: isClientError },
    { name: 'path and query', seeds: ['/api/v1/namespaces/default/pods/p/proxy/a/b?x=y', '/apis/apps/v1/watch/namespaces/default/deployments/d', '/apis/a.b/v1/things/x/status', '/readyz/etcd'], refuses: (error) => isClientError(error) || error instanceof PathError, decode: (input) => requestInfoOf('GET', textOf(input).split('?')[0]!, new URLSearchParams(textOf(input).split('?')[1])) },
    { name: 'Accept header', seeds: ['application/json;as=Table;v=v1;g=meta.k8s.io,application/json;q=0.5', 'application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io, */*'], refuses: isClientError, decode: (input) => [acceptClauses(textOf(input)), negotiate(textOf(input), { encodings: ['json', 'yaml', 'protobuf'], transforms: true })] },
    { name: 'CEL', seeds: ['self.replicas <= 10 && self.names.all(n, n.matches("^[a-z]+$"))', 'has(self.x) ? self.x.map(k, k + "y").filter(z, z.startsWith("q")) : [1, 2u, 3.0, b"x", null]', 'quantity("1Gi").isGreaterThan(quantity("1Mi")) || url("https://a").getHost() == "a"', '!("a" in self) && self.y["k"].z[0] - -1 % 2 == {"a": {"b": [duration("1h")]}}'], decode: (input) => compileExpression({ expression: textOf(input), variables: { self: DYN } }).compiled?.evaluate({ self: { replicas: 3, names: ['a'], x: ['b'], y: { k: { z: [1] } } } }), refuses: () => false },
    { name: 'JWT', seeds: [token, `${token.split('.').slice(0, 2).join('.')}.AAAA`], decode: (input) => checker.check(textOf(input), issuer.apiAudiences), refuses: isClientError },
    { name: 'certificate', seeds: [certificate.raw], decode: (input) => userOfCertificate(new X509Certificate(input)), refuses: (error) => isPlainError(error) || (error as NodeJS.ErrnoException).code !== undefined },
    // A certificate and a key in one text, as Secrets of TLS bring them.
    { name: 'pair of a TLS secret', seeds: [`${certificate.toString()}${keys.privateKey}`], decode: (input) => keyPairProblem(textOf(input), textOf(input)), refuses: () => false },
    { name: 'certificate request', seeds: [request], decode: (input) => organizationsOf(textOf(input)), refuses: (error) => isClientError(error) || isPlainError(error) },
    { name: 'audit policy', seeds: ['apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n- level: Metadata\n  verbs: [get, list]\n  users: [a]\n  userGroups: [b]\n  resources:\n  - {group: "", resources: [pods, "pods/*"], resourceNames: [x]}\n  namespaces: [default]\n- level: None\n  nonResourceURLs: ["/healthz*"]\n'], decode: (input) => parseAuditPolicy(textOf(input), 'policy.yaml', () => undefined), refuses: isPlainError },
    { name: 'encryption configuration', seeds: ['apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets, "*.apps", "*."]\n  providers:\n  - aesgcm: {keys: [{name: k1, secret: MDEyMzQ1Njc4OWFiY2RlZg==}]}\n  - aescbc: {keys: [{name: k2, secret: MDEyMzQ1Njc4OWFiY2RlZg==}]}\n  - secretbox: {keys: [{name: k3, secret: MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=}]}\n  - kms: {apiVersion: v2, name: p, endpoint: "unix:///tmp/x.sock", timeout: 3s}\n  - identity: {}\n'], decode: (input) => parseEncryptionConfiguration(textOf(input), 'encryption.yaml'), refuses: isPlainError },
    { name: 'stored envelope of a KMS plugin', seeds: [encodeEncryptedObject({ data: Buffer.from('data'), keyId: 'key', dekSource: Buffer.from('source'), annotations: new Map([['a.example.com', Buffer.from('b')]]), sourceType: 'hkdf-seed' })], decode: decodeEncryptedObject, refuses: (error) => isPlainError(error) || error instanceof ProtobufError },
    { name: 'authorization configuration', seeds: ['apiVersion: apiserver.config.k8s.io/v1\nkind: AuthorizationConfiguration\nauthorizers:\n- type: Webhook\n  name: w\n  webhook:\n    timeout: 3s\n    authorizedTTL: 5m\n    unauthorizedTTL: 30s\n    subjectAccessReviewVersion: v1\n    matchConditionSubjectAccessReviewVersion: v1\n    failurePolicy: Deny\n    connectionInfo: {type: KubeConfigFile, kubeConfigFile: /x}\n    matchConditions: [{expression: "request.user == \'a\'"}]\n- {type: RBAC, name: r}\n'], decode: (input) => parseAuthorizationConfiguration(textOf(input), () => undefined), refuses: isPlainError },
    { name: 'ABAC policy', seeds: ['{"apiVersion":"abac.authorization.kubernetes.io/v1beta1","kind":"Policy","spec":{"user":"a","namespace":"*","resource":"pods","readonly":true}}\n{"user":"b","nonResourcePath":"*"}\n'], decode: (input) => parseAbacPolicies(textOf(input)), refuses: isPlainError },
    { name: 'admission configuration', seeds: ['apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins:\n- name: PodSecurity\n  configuration: {apiVersion: pod-security.admission.config.k8s.io/v1, kind: PodSecurityConfiguration, defaults: {enforce: baseline, enforce-version: v1.30}, exemptions: {usernames: [a], namespaces: [b]}}\n- {name: EventRateLimit, path: limits.yaml}\n'], decode: (input) => parseAdmissionConfiguration(textOf(input), 'admission.yaml'), refuses: isPlainError },
    { name: 'token file', seeds: ['token,user,uid,"g1,g2"\nother,name,1\n'], decode: (input) => parseTokenFile(textOf(input)), refuses: isPlainError },
    { name: 'authentication configuration', seeds: ['apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt:\n- issuer: {url: https://a.example, audiences: [x], audienceMatchPolicy: MatchAny}\n  claimValidationRules: [{claim: a, requiredValue: b}, {expression: "claims.c == \'d\'", message: m}]\n  claimMappings: {username: {claim: sub, prefix: ""}, groups: {expression: claims.groups}, extra: [{key: a.b/c, valueExpression: "claims.x"}]}\n  userValidationRules: [{expression: "!user.username.startsWith(\'system:\')", message: m}]\nanonymous: {enabled: true, conditions: [{path: /livez}]}\n'], decode: (input) => parseAuthenticationConfiguration(textOf(input)), refuses: (error) => isPlainError(error) || error instanceof AggregateError },
  ]
}
