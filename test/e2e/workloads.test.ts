import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Deployment } from '../../src/api/types/apps_v1.ts'
import type { Pod, Service } from '../../src/api/types/core_v1.ts'
import { Sandbox, eventually, noRealNodes } from './support.ts'

const image = 'k8ts.local/demo:v1'
const spdy = { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false', KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false' }
const webSocket = { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'true', KUBECTL_PORT_FORWARD_WEBSOCKETS: 'true' }

interface PodList { items: Pod[] }

function podObject(name: string, command: string, more: Partial<Pod['spec']> = {}, container: object = {}): object {
  return {
    apiVersion: 'v1', kind: 'Pod', metadata: { name, labels: { app: name } },
    spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'main', image, command: ['/bin/catatonit', '--', 'sh', '-c', command], ...container }], ...more },
  }
}

describe('workloads on real nodes', { skip: noRealNodes('kubectl') }, () => {
  const box = new Sandbox()
  before(async () => {
    const said = await box.k8ts('up', '--name', 'e2e', '--nodes', '2')
    assert.match(said, /Cluster "e2e" is ready in [\d.]+ s: 2 nodes\./)
  })
  after(() => box.end())

  const pod = (name: string): Promise<Pod> => box.json<Pod>('get', 'pod', name)
  const untilPhase = (name: string, phase: string): Promise<Pod> => eventually(`${name} ${phase}`, async () => {
    const found = await pod(name)
    assert.equal(found.status?.phase, phase)
    return found
  })
  const untilReady = (name: string): Promise<string> => box.kubectl('wait', '--for=condition=Ready', `pod/${name}`, '--timeout=30s')

  test('nodes are listed as kubectl shows them', async () => {
    const wide = await box.kubectl('get', 'nodes', '-o', 'wide')
    assert.match(wide, /NAME +STATUS +ROLES +AGE +VERSION +INTERNAL-IP +EXTERNAL-IP +OS-IMAGE +KERNEL-VERSION +CONTAINER-RUNTIME/)
    assert.match(wide, /node-1 +Ready +<none> +\d+s +v1\.36\.\d+ +10\.\d+\.\d+\.\d+ +<none> +.+ +containerd:\/\/1\./)
  })

  test('a Deployment rolls out, is exposed, and answers at its ClusterIP from pods, nodes and its NodePort, balanced', async () => {
    const watch = box.start('kubectl', ['get', 'pods', '--watch'])
    await watch.seen(/^|NAME/)
    await box.kubectl('create', 'deployment', 'web', `--image=${image}`, '--replicas=3', '--port=80')
    assert.match(await box.kubectl('rollout', 'status', 'deployment/web', '--timeout=60s'), /deployment "web" successfully rolled out/)
    assert.match(await watch.seen(/ContainerCreating[\s\S]*Running/), /Pending/)
    await box.kubectl('expose', 'deployment', 'web', '--type=NodePort', '--port=80')
    const pods = (await box.json<PodList>('get', 'pods', '-l', 'app=web')).items
    assert.equal(new Set(pods.map((each) => each.status?.podIP)).size, 3)
    assert.equal(new Set(pods.map((each) => each.spec.nodeName)).size, 2)
    const service = await box.json<Service>('get', 'service', 'web')
    const ask = async (address: string): Promise<string> => (await fetch(`http://${address}/`, { signal: AbortSignal.timeout(2000), headers: { connection: 'close' } })).text()
    await eventually('answer at the ClusterIP', () => ask(service.spec.clusterIP ?? ''))
    const answers = new Set<string>()
    for (let i = 0; i < 30 && answers.size < 3; i++) answers.add((await ask(service.spec.clusterIP ?? '')).trim())
    assert.equal(answers.size, 3, `30 requests reached ${answers.size} of 3 pods`)
    const nodes = await box.json<{ items: Array<{ status: { addresses: Array<{ type: string; address: string }> } }> }>('get', 'nodes')
    for (const node of nodes.items) {
      const address = node.status.addresses.find((each) => each.type === 'InternalIP')?.address ?? ''
      assert.match(await ask(`${address}:${service.spec.ports?.[0]?.nodePort}`), /Hello from web-/)
    }
    const [first, ...rest] = pods
    const from = first?.metadata.name ?? ''
    for (const other of rest) assert.match(await box.kubectl('exec', from, '--', 'wget', '-qO-', `http://${other.status?.podIP}/`), new RegExp(`Hello from ${other.metadata.name}`))
    assert.match(await box.kubectl('exec', from, '--', 'wget', '-qO-', `http://${service.spec.clusterIP}/`), /Hello from web-/)
  })

  test('the well-known chain of events is told', async () => {
    const events = await box.json<{ items: Array<{ reason: string; message: string; involvedObject: { kind: string } }> }>('get', 'events')
    const told = events.items.map((each) => `${each.involvedObject.kind} ${each.reason} ${each.message}`)
    for (const wanted of [
      /^Deployment ScalingReplicaSet Scaled up replica set web-\w+ from 0 to 3$/, /^ReplicaSet SuccessfulCreate Created pod: web-\w+-\w{5}$/, /^Pod Scheduled Successfully assigned default\/web-\w+-\w{5} to node-[12]$/,
      /^Pod Pulled Container image "k8ts\.local\/demo:v1" already present on machine/, /^Pod Created /, /^Pod Started /,
    ]) assert.ok(told.some((each) => wanted.test(each)), `no event ${wanted}; there are:\n${told.join('\n')}`)
  })

  test('scaling, replacement of a deleted pod, and rollout of a change', async () => {
    await box.kubectl('scale', 'deployment/web', '--replicas=5')
    await box.kubectl('rollout', 'status', 'deployment/web', '--timeout=30s')
    const before = (await box.json<PodList>('get', 'pods', '-l', 'app=web')).items.map((each) => each.metadata.name ?? '')
    assert.equal(before.length, 5)
    await box.kubectl('delete', 'pod', before[0] ?? '')
    await eventually('a replacement', async () => {
      const now = (await box.json<Deployment>('get', 'deployment', 'web')).status
      assert.equal(now?.availableReplicas, 5)
    })
    await box.kubectl('set', 'env', 'deployment/web', 'COLOUR=green')
    await box.kubectl('rollout', 'status', 'deployment/web', '--timeout=60s')
    assert.match(await box.kubectl('rollout', 'history', 'deployment/web'), /\n1 .*\n2 /)
    assert.equal(await box.kubectl('exec', 'deployment/web', '--', 'sh', '-c', 'echo $COLOUR'), 'green')
    await box.kubectl('rollout', 'undo', 'deployment/web')
    await box.kubectl('rollout', 'status', 'deployment/web', '--timeout=60s')
    await box.kubectl('scale', 'deployment/web', '--replicas=2')
  })

  test('logs are read, followed, and kept of the container before', async () => {
    await box.apply(podObject('chatty', 'i=0; while :; do echo line $i; i=$((i+1)); sleep 0.2; done'))
    await untilReady('chatty')
    const follow = box.start('kubectl', ['logs', '-f', 'chatty'])
    await follow.seen('line 3')
    follow.child.kill()
    assert.match(await box.kubectl('logs', 'chatty', '--tail=1', '--timestamps'), /^\d{4}-\d\d-\d\dT\S+ line \d+$/)
    await box.apply(podObject('ender', 'echo first words; exit 1', { restartPolicy: 'OnFailure' }))
    await eventually('a restart', async () => assert.ok(((await pod('ender')).status?.containerStatuses?.[0]?.restartCount ?? 0) > 0))
    assert.match(await box.kubectl('logs', 'ender', '--previous'), /first words/)
    await eventually('CrashLoopBackOff', async () => {
      const state = (await pod('ender')).status?.containerStatuses?.[0]
      assert.equal(state?.state?.waiting?.reason, 'CrashLoopBackOff')
      assert.match(state?.state?.waiting?.message ?? '', /^back-off \d+s restarting failed container=main pod=ender_default\(/)
    })
    assert.match(await box.kubectl('get', 'pod', 'ender'), /CrashLoopBackOff/)
  })

  test('pods, services and nodes are reached through the API server', async () => {
    const [first] = (await box.json<PodList>('get', 'pods', '-l', 'app=web')).items
    const name = first?.metadata.name ?? ''
    const get = (path: string): Promise<string> => box.kubectl('get', '--raw', path)
    assert.match(await get(`/api/v1/namespaces/default/pods/${name}:80/proxy/`), new RegExp(`Hello from ${name}`))
    assert.match(await get('/api/v1/namespaces/default/services/http:web:80/proxy/'), /Hello from web-/)
    assert.equal(await get(`/api/v1/nodes/${first?.spec.nodeName}/proxy/healthz`), 'ok')
    const closed = await box.run('kubectl', ['get', '--raw', `/api/v1/namespaces/default/pods/${name}:81/proxy/`])
    assert.match(closed.stderr, /error trying to reach service: dial tcp [\d.]+:81: connect: connection refused/)
  })

  for (const [name, env] of [['WebSocket', webSocket], ['SPDY', spdy]] as const) {
    test(`exec and port-forward work over ${name}`, async () => {
      const exec = (args: string[], input = ''): ReturnType<Sandbox['run']> => box.run('kubectl', ['exec', ...args], { env, input, timeoutMs: 20_000 })
      assert.equal((await exec(['chatty', '--', 'echo', 'hello'])).stdout, 'hello\n')
      assert.equal((await exec(['-i', 'chatty', '--', 'cat'], 'through the pipe\n')).stdout, 'through the pipe\n')
      const failing = await exec(['chatty', '--', 'sh', '-c', 'echo oops >&2; exit 42'])
      assert.equal(failing.code, 42)
      assert.match(failing.stderr, /oops\ncommand terminated with exit code 42/)
      const large = await exec(['chatty', '--', 'sh', '-c', 'head -c 3000000 /dev/zero | tr "\\0" x'])
      assert.equal(large.stdout.length, 3_000_000)
      const tty = box.start('script', ['-qec', 'kubectl exec -it chatty -- sh -c "tty; stty size; echo done"', '/dev/null'], env)
      assert.match(await tty.seen('done', 10_000), /\/dev\/pts\/0/)
      const web = (await box.json<PodList>('get', 'pods', '-l', 'app=web')).items[0]?.metadata.name ?? ''
      const forward = box.start('kubectl', ['port-forward', `pod/${web}`, ':80'], env)
      const port = /127\.0\.0\.1:(\d+)/.exec(await forward.seen('Forwarding from 127.0.0.1'))?.[1]
      for (let i = 0; i < 3; i++) assert.match(await (await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } })).text(), new RegExp(`Hello from ${web}`))
      forward.child.kill()
    })
  }

  test('configuration reaches containers as environment and files, and files follow changes', async () => {
    await box.kubectl('create', 'configmap', 'settings', '--from-literal=colour=blue', '--from-literal=size=7')
    await box.kubectl('create', 'secret', 'generic', 'keys', '--from-literal=password=s3cret')
    await box.apply(podObject('configured', 'sleep 3600', {
      volumes: [
        { name: 'settings', configMap: { name: 'settings' } }, { name: 'keys', secret: { secretName: 'keys', defaultMode: 0o400 } }, { name: 'scratch', emptyDir: {} },
        { name: 'memory', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } }, { name: 'self', downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
      ],
    }, {
      env: [
        { name: 'COLOUR', valueFrom: { configMapKeyRef: { name: 'settings', key: 'colour' } } }, { name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'keys', key: 'password' } } },
        { name: 'MY_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }, { name: 'GREETING', value: 'I am $(COLOUR)' },
        { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1m' } } },
      ],
      envFrom: [{ prefix: 'S_', configMapRef: { name: 'settings' } }],
      resources: { limits: { cpu: '200m', memory: '64Mi' } },
      volumeMounts: [
        { name: 'settings', mountPath: '/settings' }, { name: 'keys', mountPath: '/keys' }, { name: 'scratch', mountPath: '/scratch' }, { name: 'memory', mountPath: '/memory' }, { name: 'self', mountPath: '/self' },
        { name: 'settings', mountPath: '/one', subPath: 'colour' },
      ],
    }))
    await untilReady('configured')
    const shell = (command: string): Promise<string> => box.kubectl('exec', 'configured', '--', 'sh', '-c', command)
    const ip = (await pod('configured')).status?.podIP
    assert.equal(await shell('echo $COLOUR $PASSWORD $MY_IP $GREETING $CPU $S_size'), `blue s3cret ${ip} I am blue 200 7`)
    assert.equal(await shell('cat /settings/colour /keys/password /self/labels /one; stat -c %a /keys/..data/password'), 'blues3cretapp="configured"blue400')
    assert.equal(await shell('touch /scratch/x && df -h /memory | tail -1 | cut -d" " -f1'), 'tmpfs')
    assert.equal(await shell('cat /var/run/secrets/kubernetes.io/serviceaccount/namespace'), 'default')
    assert.match(await shell('cat /var/run/secrets/kubernetes.io/serviceaccount/token'), /^ey[\w-]+\.[\w-]+\.[\w-]+$/)
    await box.kubectl('patch', 'configmap', 'settings', '-p', '{"data":{"colour":"red"}}')
    await eventually('the changed file', async () => assert.equal(await shell('cat /settings/colour'), 'red'), 90_000)
  })

  test('limits are enforced: a container that takes too much memory is killed for it', async () => {
    await box.apply(podObject('greedy', 'x=a; while :; do x=$x$x; done', { restartPolicy: 'Never' }, { resources: { limits: { memory: '32Mi' } }, command: ['sh', '-c', 'x=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; while :; do x=$x$x; done'] }))
    const ended = await untilPhase('greedy', 'Failed')
    assert.equal(ended.status?.containerStatuses?.[0]?.state?.terminated?.reason, 'OOMKilled')
  })

  test('init containers run in order before the rest, and probes decide readiness and restarts', async () => {
    const shared = { volumes: [{ name: 'w', emptyDir: {} }] }
    const mount = { volumeMounts: [{ name: 'w', mountPath: '/w' }] }
    await box.apply(podObject('ordered', 'sleep 3600', {
      ...shared, initContainers: [{ name: 'one', image, command: ['sh', '-c', 'echo 1 >> /w/log'], ...mount }, { name: 'two', image, command: ['sh', '-c', 'echo 2 >> /w/log'], ...mount }],
    }, { ...mount, readinessProbe: { exec: { command: ['test', '-e', '/w/ready'] }, periodSeconds: 1 }, lifecycle: { postStart: { exec: { command: ['sh', '-c', 'echo started >> /w/log'] } } } }))
    await untilPhase('ordered', 'Running')
    assert.equal(await box.kubectl('exec', 'ordered', '-c', 'main', '--', 'cat', '/w/log'), '1\n2\nstarted')
    assert.match(await box.kubectl('get', 'pod', 'ordered'), / 0\/1 +Running/)
    await box.kubectl('exec', 'ordered', '-c', 'main', '--', 'touch', '/w/ready')
    await untilReady('ordered')
    await box.apply(podObject('sickly', 'touch /tmp/ok; sleep 2; rm /tmp/ok; sleep 3600', {}, { livenessProbe: { exec: { command: ['test', '-e', '/tmp/ok'] }, periodSeconds: 1, failureThreshold: 1, initialDelaySeconds: 1 } }))
    await eventually('a restart by the probe', async () => assert.ok(((await pod('sickly')).status?.containerStatuses?.[0]?.restartCount ?? 0) > 0))
    const events = await box.kubectl('get', 'events', '--field-selector', 'involvedObject.name=sickly')
    assert.match(events, /Unhealthy .*Liveness probe failed/)
    assert.match(events, /Killing .*Container main failed liveness probe, will be restarted/)
  })

  test('a pod ends with its hook and within its grace period', async () => {
    await box.apply(podObject('graceful', 'trap "echo asked; exit 0" TERM; while :; do sleep 0.1; done', { terminationGracePeriodSeconds: 20 }, { lifecycle: { preStop: { exec: { command: ['sh', '-c', 'echo hook > /proc/1/fd/1'] } } } }))
    await untilReady('graceful')
    const follow = box.start('kubectl', ['logs', '-f', 'graceful'])
    const startedMs = performance.now()
    await box.kubectl('delete', 'pod', 'graceful')
    assert.ok(performance.now() - startedMs < 10_000, 'a pod that ends when asked must not wait out its grace period')
    await follow.seen('hook')
  })

  test('manifests are applied, changed and explained', async () => {
    const manifest = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'applied' }, data: { a: '1', b: '2' } }
    assert.match(await box.apply(manifest), /created/)
    assert.match(await box.apply(manifest), /unchanged/)
    assert.match(await box.apply({ ...manifest, data: { a: '1' } }), /configured/)
    assert.deepEqual((await box.json<{ data: object }>('get', 'configmap', 'applied')).data, { a: '1' })
    assert.match(await box.kubectl('explain', 'pod.spec.containers.image'), /Container image name/)
    assert.match(await box.kubectl('describe', 'deployment', 'web'), /StrategyType: +RollingUpdate/)
    assert.equal(await box.kubectl('auth', 'can-i', 'create', 'pods'), 'yes')
    const denied = await box.run('kubectl', ['get', 'pods', '--as=somebody'])
    assert.match(denied.stderr, /Error from server \(Forbidden\): pods is forbidden: User "somebody" cannot list resource "pods" in API group "" in the namespace "default"/)
    assert.match(await box.kubectl('version'), /Server Version: v1\.36\./)
    assert.match(await box.kubectl('get', 'componentstatuses'), /scheduler +Healthy/)
  })

  test('deleting a namespace takes everything in it along', async () => {
    await box.kubectl('create', 'namespace', 'short')
    await box.kubectl('-n', 'short', 'create', 'deployment', 'gone', `--image=${image}`, '--replicas=2')
    await box.kubectl('-n', 'short', 'rollout', 'status', 'deployment/gone', '--timeout=30s')
    await box.kubectl('delete', 'namespace', 'short', '--timeout=40s')
    assert.match((await box.run('kubectl', ['get', 'namespace', 'short'])).stderr, /namespaces "short" not found/)
  })

  test('the demo answers through its Service', async () => {
    const said = await box.k8ts('demo', '--name', 'e2e')
    assert.equal(said.match(/Hello from k8ts-demo-/g)?.length, 6)
    await box.k8ts('demo', '--name', 'e2e', '--remove')
  })
})
