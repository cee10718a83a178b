/** Requests made wrong in every way that a seeded generator thinks of, from ones that are right. */

export interface MutableRequest { method: string; path: string; headers: Record<string, string>; body: string | Buffer | undefined }

const base = '/api/v1/namespaces/default'
const pod = { metadata: { name: 'p', labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80 }], resources: { limits: { cpu: '1', memory: '1Gi' } }, env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }] }], tolerations: [{ operator: 'Exists' }], volumes: [{ name: 'v', emptyDir: {} }] } }
const deployment = { metadata: { name: 'd' }, spec: { replicas: 0, selector: { matchLabels: { a: 'b' } }, template: { metadata: { labels: { a: 'b' } }, spec: pod.spec } } }
const json = 'application/json'

const seeds: readonly [method: string, path: string, contentType?: string, body?: unknown][] = [
  ['POST', `${base}/configmaps`, json, { kind: 'ConfigMap', apiVersion: 'v1', metadata: { generateName: 'm-', finalizers: ['a.b/c'], ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'x', uid: 'y' }] }, data: { a: 'b' }, binaryData: { c: 'aGk=' } }],
  ['POST', `${base}/pods?dryRun=All`, json, pod], ['POST', '/apis/apps/v1/namespaces/default/deployments?dryRun=All', json, deployment],
  ['POST', `${base}/services?dryRun=All`, json, { metadata: { name: 's' }, spec: { ports: [{ port: 80, targetPort: 'http', nodePort: 30080 }], type: 'NodePort', clusterIP: '', selector: { a: 'b' } } }],
  ['POST', `${base}/secrets?dryRun=All`, json, { metadata: { name: 's' }, type: 'Opaque', data: { a: 'aGk=' }, stringData: { b: 'c' } }],
  ['POST', '/apis/batch/v1/namespaces/default/cronjobs?dryRun=All', json, { metadata: { name: 'c' }, spec: { schedule: '* * * * *', jobTemplate: { spec: { template: { spec: { ...pod.spec, restartPolicy: 'Never' } } } } } }],
  ['POST', '/apis/networking.k8s.io/v1/namespaces/default/ingresses?dryRun=All', json, { metadata: { name: 'i' }, spec: { rules: [{ host: 'a.b', http: { paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 's', port: { number: 80 } } } }] } }] } }],
  ['POST', '/apis/networking.k8s.io/v1/namespaces/default/networkpolicies?dryRun=All', json, { metadata: { name: 'n' }, spec: { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }], ports: [{ port: 80, endPort: 90 }] }] } }],
  ['POST', '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers?dryRun=All', json, { metadata: { name: 'h' }, spec: { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' }, metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } }] } }],
  ['POST', '/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers?dryRun=All', json, { metadata: { name: 'h', annotations: { 'autoscaling.alpha.kubernetes.io/metrics': '[{"type":"Resource"}]' } }, spec: { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' } } }],
  ['POST', '/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings?dryRun=All', json, { metadata: { name: 'r' }, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'x' }, subjects: [{ kind: 'User', name: 'u', apiGroup: 'rbac.authorization.k8s.io' }] }],
  ['POST', '/apis/rbac.authorization.k8s.io/v1/clusterroles?dryRun=All', json, { metadata: { name: 'r' }, rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }], aggregationRule: { clusterRoleSelectors: [{ matchLabels: { a: 'b' } }] } }],
  ['POST', '/apis/policy/v1/namespaces/default/poddisruptionbudgets?dryRun=All', json, { metadata: { name: 'p' }, spec: { minAvailable: '50%', selector: { matchExpressions: [{ key: 'a', operator: 'In', values: ['b'] }] } } }],
  ['POST', '/apis/storage.k8s.io/v1/storageclasses?dryRun=All', json, { metadata: { name: 's' }, provisioner: 'a.b/c', volumeBindingMode: 'Immediate' }],
  ['POST', '/apis/certificates.k8s.io/v1/certificatesigningrequests?dryRun=All', json, { metadata: { name: 'c' }, spec: { request: 'LS0t', signerName: 'a.b/c', usages: ['client auth'] } }],
  ['POST', '/apis/coordination.k8s.io/v1/namespaces/default/leases?dryRun=All', json, { metadata: { name: 'l' }, spec: { holderIdentity: 'x', leaseDurationSeconds: 3, renewTime: '2026-01-01T00:00:00.000000Z' } }],
  ['POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', json, { spec: { user: 'u', groups: ['g'], resourceAttributes: { verb: 'get', resource: 'pods', fieldSelector: { requirements: [{ key: 'a', operator: 'In', values: ['b'] }] } } } }],
  ['POST', '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews', json, { spec: { namespace: 'default' } }], ['POST', '/apis/authentication.k8s.io/v1/tokenreviews', json, { spec: { token: 'a.b.c', audiences: ['x'] } }],
  ['POST', `${base}/serviceaccounts/default/token`, json, { spec: { audiences: ['x'], expirationSeconds: 600, boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'p' } } }],
  ['POST', `${base}/pods/p/eviction`, json, { metadata: { name: 'p' }, deleteOptions: { gracePeriodSeconds: 1 } }], ['POST', `${base}/pods/p/binding`, json, { metadata: { name: 'p' }, target: { kind: 'Node', name: 'n' } }],
  ['POST', `${base}/bindings`, json, { metadata: { name: 'p' }, target: { kind: 'Node', name: 'n' } }], ['POST', `${base}/events`, json, { metadata: { generateName: 'e.' }, involvedObject: { namespace: 'default', kind: 'Pod' }, reason: 'R', count: 1 }],
  ['PUT', `${base}/configmaps/mutated`, json, { metadata: { name: 'mutated', resourceVersion: '1', uid: 'x' }, data: { a: 'b' }, immutable: false }],
  ['PATCH', `${base}/configmaps/mutated`, 'application/merge-patch+json', { data: { a: null, b: 'c' }, metadata: { labels: { x: 'y' } } }],
  ['PATCH', `${base}/configmaps/mutated`, 'application/strategic-merge-patch+json', { metadata: { finalizers: ['a/b'], '$deleteFromPrimitiveList/finalizers': ['a/b'], '$setElementOrder/finalizers': ['x/y'], ownerReferences: [{ $patch: 'delete', uid: 'x' }] }, data: { $patch: 'replace', a: 'b' }, $retainKeys: ['data'] }],
  ['PATCH', `${base}/configmaps/mutated`, 'application/json-patch+json', [{ op: 'add', path: '/data/x', value: 'y' }, { op: 'copy', from: '/data/x', path: '/data/y' }, { op: 'test', path: '/data/~0~1', value: null }]],
  ['PATCH', `${base}/services/kubernetes?dryRun=All`, 'application/strategic-merge-patch+json', { spec: { ports: [{ port: 443, $patch: 'delete' }], '$setElementOrder/ports': [{ port: 443 }] } }],
  ['PATCH', '/apis/apps/v1/namespaces/default/deployments/mutated/scale', 'application/merge-patch+json', { spec: { replicas: 1 } }], ['PUT', '/apis/apps/v1/namespaces/default/deployments/mutated/status?dryRun=All', json, deployment],
  ['DELETE', `${base}/configmaps/none`, json, { kind: 'DeleteOptions', apiVersion: 'v1', gracePeriodSeconds: 0, propagationPolicy: 'Background', preconditions: { uid: 'x' }, dryRun: ['All'] }],
  ['DELETE', `${base}/configmaps?labelSelector=a%3Db&fieldSelector=metadata.name%3Dx`, json, { kind: 'DeleteOptions', apiVersion: 'v1', dryRun: ['All'] }],
  ['GET', `${base}/configmaps?limit=2&continue=&labelSelector=a%20in%20(b,c),!d&fieldSelector=metadata.name!%3Dx&resourceVersion=1&resourceVersionMatch=NotOlderThan`],
  ['GET', `${base}/pods?watch=1&resourceVersion=0&timeoutSeconds=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan`],
  ['GET', '/api/v1/pods?limit=500&fieldSelector=spec.nodeName%3Dx,status.phase!%3DRunning'], ['GET', `${base}/pods/p/log?container=c&follow=true&tailLines=5&sinceTime=2026-01-01T00:00:00Z&limitBytes=3`],
  ['GET', `${base}/pods/p/exec?command=a&command=b&stdin=true&tty=true`], ['GET', `${base}/services/https:kubernetes:https/proxy/a/b?c=d`], ['GET', '/api/v1/nodes/none/proxy/healthz'], ['GET', `${base}/pods/p/portforward?ports=80`],
  ['GET', '/openapi/v2'], ['GET', '/openapi/v3/apis/apps/v1?hash=x'], ['GET', '/apis'], ['GET', '/readyz?verbose&exclude=etcd'], ['GET', '/metrics'], ['GET', '/version'], ['GET', '/.well-known/openid-configuration'], ['OPTIONS', base], ['HEAD', `${base}/configmaps`],
]

const oddTexts = ['', '__proto__', 'constructor', 'toString', 'hasOwnProperty', '\u0000', '\ud800', '../..', '%', '*', 'a'.repeat(300), '-1', '1e999', '9'.repeat(40), 'null', 'true', '$patch', '${x}', '\u202e', '☃', ' ', '\n', '/', ',', '=', '(', '0.5', '1Ei', '-1Ki', '2026-13-45T99:99:99Z', '::ffff:1.2.3.4', '10.0.0.0/33', '%00']
const oddValues: readonly unknown[] = [null, true, -1, 0, 1.5, 2 ** 31, 2 ** 53, -(2 ** 63), 1e300, [], {}, [null], [[]], { a: null }, [{}], JSON.parse('{"__proto__":{"a":1}}')]
const contentTypes = [json, 'application/yaml', 'application/vnd.kubernetes.protobuf', 'application/json-patch+json', 'application/merge-patch+json', 'application/strategic-merge-patch+json', 'text/plain', '', ';', 'application/json; charset=utf-16', 'application/cbor']
const accepts = ['*/*', json, 'application/yaml', 'application/vnd.kubernetes.protobuf', 'application/json;as=Table;v=v1;g=meta.k8s.io', 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io', 'application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;v=v1;g=meta.k8s.io', 'application/json;as=Bogus', 'text/html', ';;;', 'application/*;q=x', '']
const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS']
const parameters = ['limit', 'continue', 'resourceVersion', 'resourceVersionMatch', 'labelSelector', 'fieldSelector', 'timeoutSeconds', 'dryRun', 'fieldValidation', 'fieldManager', 'includeObject', 'pretty', 'gracePeriodSeconds', 'propagationPolicy', 'orphanDependents', 'tailLines', 'sinceSeconds', 'timeout', 'force', 'stream', 'command', 'container', 'ports', 'verbose', 'sendInitialEvents']

/** A source of numbers that gives the same ones for the same seed (mulberry32). */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

export function* mutatedRequests(seed: number, count: number): Generator<MutableRequest> {
  const next = numbers(seed)
  const pick = <T>(list: readonly T[]): T => list[next(list.length)]!
  for (let at = 0; at < count; at++) {
    const [method, path, contentType, body] = pick(seeds)
    const request: MutableRequest = { method, path, headers: contentType === undefined ? {} : { 'content-type': contentType }, body: undefined }
    let value: unknown = structuredClone(body)
    for (let times = 1 + next(3); times > 0; times--) {
      switch (next(8)) {
        case 0: request.method = pick(methods); break
        case 1: request.headers['content-type'] = pick(contentTypes); break
        case 2: request.headers.accept = pick(accepts); break
        case 3: request.path = oddPath(request.path, next, pick); break
        case 4: request.path += `${request.path.includes('?') ? '&' : '?'}${pick(parameters)}=${encodeURIComponent(wellFormed(pick(oddTexts)))}`; break
        default: value = oddValue(value, next, pick)
      }
    }
    if (value !== undefined) {
      request.body = JSON.stringify(value)
      if (next(4) === 0) request.body = oddBytes(Buffer.from(request.body), next)
    }
    yield request
  }
}

function wellFormed(text: string): string {
  return text.toWellFormed()
}

function oddPath(path: string, next: (below: number) => number, pick: <T>(list: readonly T[]) => T): string {
  const [place = '', query] = path.split('?', 2)
  const parts = place.split('/')
  parts[next(parts.length)] = next(5) === 0 ? pick(['%zz', '%', '%00', '%2e%2e', '%2F', '..']) : encodeURIComponent(wellFormed(pick(oddTexts)))
  const text = parts.join('/')
  return `${text.startsWith('/') ? text : `/${text}`}${query === undefined ? '' : `?${query}`}`
}

/** One place of a JSON value changed: replaced, removed, renamed, doubled or nested. */
function oddValue(value: unknown, next: (below: number) => number, pick: <T>(list: readonly T[]) => T): unknown {
  if (typeof value !== 'object' || value === null || next(6) === 0) return next(2) === 0 ? pick(oddTexts) : structuredClone(pick(oddValues))
  if (Array.isArray(value)) {
    const list = value as unknown[]
    if (list.length === 0 || next(5) === 0) return [...list, ...list, pick(oddValues)]
    const at = next(list.length)
    return list.map((item, index) => (index === at ? oddValue(item, next, pick) : item))
  }
  const entries = Object.entries(value)
  if (entries.length === 0 || next(8) === 0) entries.push([pick(oddTexts), pick(oddTexts)])
  const at = next(entries.length)
  const [key, item] = entries[at]!
  entries[at] = next(6) === 0 ? [pick(oddTexts), item] : [key, oddValue(item, next, pick)]
  return Object.fromEntries(entries)
}

function oddBytes(bytes: Buffer, next: (below: number) => number): Buffer {
  if (bytes.length === 0) return bytes
  const at = next(bytes.length)
  switch (next(4)) {
    case 0: return bytes.subarray(0, at)
    case 1: bytes[at] = next(256); return bytes
    case 2: return Buffer.concat([bytes.subarray(0, at), bytes.subarray(next(bytes.length))])
    default: return Buffer.concat([bytes.subarray(0, at), Buffer.from([next(256), next(256)]), bytes.subarray(at)])
  }
}
