import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { request } from 'node:https'
import { join } from 'node:path'
import { it, describe, before, after } from 'node:test'
import { WebSocket } from 'ws'
import { inOwnNetwork, runInOwnNetwork, startTestContainerd, whyNoContainers, type TestContainerd } from '../../test/support/containerd.ts'
import type { Pod, PodSpec } from '../api/types/core_v1.ts'
import { configMaps, events, leases, nodes, pods, secrets, services } from '../client/resources.ts'
import { createAuthority, issueCertificate, type KeyPair } from '../cluster/certificates.ts'
import { createFakeApi, type FakeApi } from '../client/testing/fake-api.ts'
import { jsonLogger } from '../runtime/log.ts'
import { systemRuntime, type TestRuntime } from '../runtime/runtime.ts'
import { parseLogLine } from './logs/format.ts'
import { startKubelet, type Kubelet } from './kubelet.ts'

const runtime = systemRuntime(jsonLogger((process.env.K8TS_TEST_LOG ?? 'silent') as 'silent'))
const image = 'docker.io/library/busybox:test'

function realPods(): void {
  describe('kubelet on containerd', { timeout: 240_000 }, () => {
    let containerd: TestContainerd
    let api: FakeApi
    let kubelet: Kubelet
    let ca: KeyPair
    let serving: KeyPair
    const start = (): Promise<Kubelet> => startKubelet({
      nodeName: 'node-1', nodeIP: '127.0.0.1', client: api.client, runtime, criSocket: containerd.socketPath, rootDirectory: `${containerd.directory}/kubelet`, cgroupRoot: containerd.cgroupRoot,
      clusterDns: { servers: ['10.96.0.10'], domain: 'cluster.local' },
      server: { address: '127.0.0.1', port: 0, certificate: serving.certificate, key: serving.key, clientCA: ca.certificate, access: { check: async () => ({ allowed: true }) } },
    })
    const until = async (what: string, check: () => boolean | Promise<boolean>, withinMs = 20_000): Promise<void> => {
      const untilMs = runtime.clock.monotonicMs() + withinMs
      while (!(await check())) {
        if (runtime.clock.monotonicMs() > untilMs) {
          throw new Error(`not within ${withinMs} ms: ${what}\n${JSON.stringify(api.all(pods).map(({ metadata, status }) => ({ metadata: metadata.name, status })), null, 1)}\n${api.all(events).map((event) => `${event.reason} ${event.message}`).join('\n')}`)
        }
        await runtime.clock.sleep(5)
      }
    }
    const get = (name: string): Pod | undefined => api.get(pods, `default/${name}`)
    const seed = (name: string, spec: PodSpec, metadata: Pod['metadata'] = {}): Pod => api.seed(pods, {
      apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'default', generation: 1, ...metadata },
      spec: { nodeName: 'node-1', restartPolicy: 'Always', terminationGracePeriodSeconds: 1, ...spec }, status: { phase: 'Pending', qosClass: 'BestEffort' },
    })
    const reasons = (name: string): string[] => api.all(events).filter((event) => event.involvedObject.name === name).map((event) => event.reason ?? '')
    before(async () => {
      ca = await createAuthority(runtime, 'test-ca')
      serving = await issueCertificate(runtime, ca, { commonName: 'node-1', usages: ['server'], hosts: ['127.0.0.1'] })
      containerd = await startTestContainerd(runtime)
      api = createFakeApi({ ...runtime, clock: runtime.clock } as unknown as TestRuntime)
      kubelet = await start()
      await kubelet.registered
    })
    after(async () => {
      await kubelet?.[Symbol.asyncDispose]()
      await containerd?.[Symbol.asyncDispose]()
    })

    it('runs a pod, tells its status and its events, and ends it', async () => {
      const startMs = runtime.clock.monotonicMs()
      seed('web', { containers: [{ name: 'web', image, command: ['sh', '-c', 'trap "exit 0" TERM; echo hello; while true; do sleep 0.1; done'] }] })
      await until('web runs', () => get('web')?.status?.phase === 'Running')
assert.ok(runtime.clock.monotonicMs() - startMs < 2000, 'running within 2 s of being bound')
      const status = get('web')!.status!
      assert.match(status.podIP ?? '', /^10\.244\.7\./)
      await until('all its events', () => reasons('web').length >= 3)
      assert.deepEqual(reasons('web').slice(0, 3), ['Pulled', 'Created', 'Started'])
      await api.client.delete(pods, 'default', 'web')
      await until('web is gone', () => get('web') === undefined)
    })

    const logOf = async (name: string, container: string): Promise<string> => {
      const uid = get(name)!.metadata.uid!
      const directory = join(containerd.directory, 'kubelet', 'log', 'pods', `default_${name}_${uid}`, container)
      const files = (await readdir(directory)).sort()
      return (await readFile(join(directory, files.at(-1)!), 'utf8')).split('\n').filter((line) => line !== '').map((line) => parseLogLine(line)!.text).join('\n')
    }
    const forever = 'trap "exit 0" TERM; while true; do sleep 0.1; done'

    it('shows a pod all kinds of volumes and variables', async () => {
      api.seed(configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'config', namespace: 'default' }, data: { color: 'blue', 'file.txt': 'one' } })
      api.seed(secrets, { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'secret', namespace: 'default' }, data: { password: Buffer.from('hush').toString('base64') } })
      api.seed(services, { apiVersion: 'v1', kind: 'Service', metadata: { name: 'my-db', namespace: 'default' }, spec: { clusterIP: '10.96.7.7', ports: [{ name: 'sql', port: 5432, protocol: 'TCP' }] } })
      const script = [
        'echo env $COLOR $PASSWORD $GREETING $NODE $MEM $P_color $MY_DB_SERVICE_HOST $MY_DB_SERVICE_PORT_SQL', 'echo config $(cat /config/file.txt) $(stat -c %a /config/..data/file.txt)',
        'echo secret $(cat /secret/password)', 'echo down $(cat /info/labels) $(cat /info/name)', 'echo token $(cat /var/run/secrets/token/token) $(cat /var/run/secrets/token/name)',
        'echo empty $(echo x > /cache/x; ls /cache)', 'mount | grep -c "/mem type tmpfs\\|/mem.*tmpfs"', 'df -k /mem | tail -1', 'echo sub $(cat /etc/one.txt)', 'id -u; id -g; hostname; cat /etc/resolv.conf | head -3',
        'grep alias.example /etc/hosts', 'touch /config/x 2> /dev/null || echo read-only', forever,
      ].join('; ')
      seed('volumes', {
        hostname: 'the-host', hostAliases: [{ ip: '10.1.2.3', hostnames: ['alias.example'] }], securityContext: { runAsUser: 1000, runAsGroup: 3000, fsGroup: 2000 },
        volumes: [
          { name: 'config', configMap: { name: 'config', defaultMode: 0o440 } }, { name: 'secret', secret: { secretName: 'secret' } }, { name: 'cache', emptyDir: {} }, { name: 'mem', emptyDir: { medium: 'Memory', sizeLimit: '8Mi' } },
          { name: 'info', downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }, { path: 'name', fieldRef: { fieldPath: 'metadata.name' } }] } },
          { name: 'token', projected: { sources: [{ serviceAccountToken: { path: 'token', expirationSeconds: 3600 } }, { downwardAPI: { items: [{ path: 'name', fieldRef: { fieldPath: 'metadata.namespace' } }] } }] } },
        ],
        containers: [{
          name: 'c', image, command: ['sh', '-c', script],
          env: [
            { name: 'COLOR', valueFrom: { configMapKeyRef: { name: 'config', key: 'color' } } }, { name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'secret', key: 'password' } } },
            { name: 'GREETING', value: 'hi-$(COLOR)-$$(COLOR)-$(NONE)' }, { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
            { name: 'MEM', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1Mi' } } },
          ],
          envFrom: [{ prefix: 'P_', configMapRef: { name: 'config' } }], resources: { limits: { memory: '64Mi', cpu: '500m' } },
          volumeMounts: [
            { name: 'config', mountPath: '/config' }, { name: 'secret', mountPath: '/secret' }, { name: 'cache', mountPath: '/cache' }, { name: 'mem', mountPath: '/mem' }, { name: 'info', mountPath: '/info' },
            { name: 'token', mountPath: '/var/run/secrets/token' }, { name: 'config', mountPath: '/etc/one.txt', subPath: 'file.txt' },
          ],
        }],
      }, { labels: { app: 'volumes' } })
      await until('volumes runs', () => get('volumes')?.status?.phase === 'Running')
      await until('its last word', async () => (await logOf('volumes', 'c')).includes('read-only'))
      const log = await logOf('volumes', 'c')
      assert.match(log, /^env blue hush hi-blue-\$\(COLOR\)-\$\(NONE\) node-1 64 blue 10\.96\.7\.7 5432$/m)
      assert.match(log, /^config one 440$/m)
      assert.match(log, /^secret hush$/m)
      assert.match(log, /^down app="volumes" volumes$/m)
      assert.match(log, /^token token-of-default default$/m)
      assert.match(log, /^empty x$/m)
      assert.match(log, /\s8192\s/)
      assert.match(log, /^sub one$/m)
      assert.match(log, /^1000\n3000\nthe-host\nsearch default\.svc\.cluster\.local svc\.cluster\.local cluster\.local/m)
      assert.match(log, /^nameserver 10\.96\.0\.10$/m)
      assert.match(log, /^10\.1\.2\.3\talias\.example$/m)
      assert.match(log, /^read-only$/m)
      const uid = get('volumes')!.metadata.uid!
      assert.equal((await readFile(`/sys/fs/cgroup/memory${containerd.cgroupRoot}/kubepods/pod${uid}/memory.limit_in_bytes`.replace('kubepods/pod', 'kubepods/burstable/pod'), 'utf8').catch(() => readFile(`/sys/fs/cgroup/memory${containerd.cgroupRoot}/kubepods/besteffort/pod${uid}/memory.limit_in_bytes`, 'utf8'))).trim(), String(64 * 1024 * 1024))
      api.change(configMaps, 'default/config', (object) => {
        object.data = { 'file.txt': 'two' }
      })
      const file = `${containerd.directory}/kubelet/pods/${uid}/volumes/kubernetes.io~configmap/config/file.txt`
      await until('the change shows', () => readFileSync(file, 'utf8') === 'two')
      await api.client.delete(pods, 'default', 'volumes')
      await until('volumes is gone', () => get('volumes') === undefined)
      assert.equal((await readFile('/proc/self/mounts', 'utf8')).includes(uid), false)
      assert.equal(existsSync(`${containerd.directory}/kubelet/pods/${uid}`), false)
      assert.equal(existsSync(`/sys/fs/cgroup/memory${containerd.cgroupRoot}/kubepods/besteffort/pod${uid}`), false)
    })

    it('runs init containers in order beside a sidecar, and ends with its regular containers', async () => {
      seed('inits', {
        restartPolicy: 'Never', volumes: [{ name: 'shared', emptyDir: {} }],
        initContainers: [
          { name: 'first', image, command: ['sh', '-c', 'echo 1 >> /shared/order'], volumeMounts: [{ name: 'shared', mountPath: '/shared' }] },
          { name: 'side', image, restartPolicy: 'Always', command: ['sh', '-c', `echo side >> /shared/order; ${forever}`], volumeMounts: [{ name: 'shared', mountPath: '/shared' }] },
          { name: 'second', image, command: ['sh', '-c', 'echo 2 >> /shared/order'], volumeMounts: [{ name: 'shared', mountPath: '/shared' }] },
        ],
        containers: [{ name: 'main', image, command: ['sh', '-c', 'sleep 0.2; cat /shared/order; echo done > /dev/termination-log'], volumeMounts: [{ name: 'shared', mountPath: '/shared' }] }],
      })
      await until('inits has succeeded', () => get('inits')?.status?.phase === 'Succeeded')
      const status = get('inits')!.status!
      assert.equal(await logOf('inits', 'main'), '1\nside\n2')
      assert.deepEqual(status.containerStatuses!.map(({ state }) => [state?.terminated?.exitCode, state?.terminated?.reason, state?.terminated?.message]), [[0, 'Completed', 'done\n']])
      assert.deepEqual(status.initContainerStatuses!.map(({ name, state }) => [name, state?.terminated?.exitCode]), [['first', 0], ['side', 0], ['second', 0]])
      assert.equal(status.conditions?.find(({ type }) => type === 'Ready')?.reason, 'PodCompleted')
    })

    it('backs off from a container that keeps failing', async () => {
      seed('crashes', { containers: [{ name: 'c', image, command: ['sh', '-c', 'exit 3'] }] })
      await until('a back-off', () => get('crashes')?.status?.containerStatuses?.[0]?.state?.waiting?.reason === 'CrashLoopBackOff')
      const [status] = get('crashes')!.status!.containerStatuses!
      assert.equal(get('crashes')!.status!.phase, 'Running')
      assert.equal(status!.restartCount, 1)
      assert.equal(status!.lastState?.terminated?.exitCode, 3)
      assert.equal(status!.state?.waiting?.message, `back-off 10s restarting failed container=c pod=crashes_default(${get('crashes')!.metadata.uid})`)
      assert.ok(reasons('crashes').includes('BackOff'))
      await api.client.delete(pods, 'default', 'crashes')
      await until('crashes is gone', () => get('crashes') === undefined)
    })

    it('says why an image cannot be had or a container not be made', async () => {
      seed('no-image', { containers: [{ name: 'c', image: 'k8ts.invalid/absent:1', imagePullPolicy: 'Never' }, { name: 'd', image, env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'none', key: 'a' } } }] }, { name: 'e', image, command: ['/absent'] }] })
      await until('all three wait', () => get('no-image')?.status?.containerStatuses?.every(({ state, lastState }) => state?.waiting !== undefined && (state.waiting.reason !== 'ContainerCreating' || lastState !== undefined)) === true
        && get('no-image')?.status?.containerStatuses?.[2]?.state?.waiting?.reason !== 'ContainerCreating')
      const waiting = get('no-image')!.status!.containerStatuses!.map(({ state }) => state?.waiting)
      assert.deepEqual(waiting[0], { reason: 'ErrImageNeverPull', message: 'Container image "k8ts.invalid/absent:1" is not present with pull policy of Never' })
      assert.deepEqual(waiting[1], { reason: 'CreateContainerConfigError', message: 'configmap "none" not found' })
      assert.match(waiting[2]?.reason ?? '', /RunContainerError|CrashLoopBackOff/)
      await api.client.delete(pods, 'default', 'no-image')
      await until('no-image is gone', () => get('no-image') === undefined)
    })

    it('probes containers and acts on what it finds', async () => {
      seed('probed', {
        containers: [{
          name: 'web', image, command: ['sh', '-c', 'mkdir -p /www; echo ok > /www/index.html; httpd -p 8080 -h /www; ' + forever], ports: [{ name: 'http', containerPort: 8080 }],
          startupProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1, timeoutSeconds: 1, failureThreshold: 10, successThreshold: 1 },
          readinessProbe: { httpGet: { path: '/index.html', port: 'http', scheme: 'HTTP' }, periodSeconds: 1, timeoutSeconds: 1, failureThreshold: 1, successThreshold: 1 },
          livenessProbe: { exec: { command: ['sh', '-c', 'test ! -e /www/sick'] }, periodSeconds: 1, timeoutSeconds: 2, failureThreshold: 1, successThreshold: 1 },
          lifecycle: { postStart: { exec: { command: ['sh', '-c', 'touch /tmp/started'] } }, preStop: { exec: { command: ['sh', '-c', 'echo stopping > /proc/1/fd/1'] } } },
        }],
      })
      const ready = (): boolean => get('probed')?.status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True'
      await until('probed is ready', ready)
      const pid = get('probed')!.status!.containerStatuses![0]!.containerID!.replace('containerd://', '')
      await runtime.processes.run('ctr', ['--address', containerd.socketPath, '-n', 'k8s.io', 'tasks', 'exec', '--exec-id', 'sick', pid, 'sh', '-c', 'rm /www/index.html; touch /www/sick'])
      await until('it is restarted', () => get('probed')?.status?.containerStatuses?.[0]?.restartCount === 1)
      await until('it is ready again', ready)
      const messages = api.all(events).filter((event) => event.involvedObject.name === 'probed').map((event) => event.message)
      assert.ok(messages.includes('Container web failed liveness probe, will be restarted'), messages.join('\n'))
      await api.client.delete(pods, 'default', 'probed')
      await until('probed is gone', () => get('probed') === undefined)
    })

    /** A WebSocket session as the API server hands it on; what arrives on each channel, once it has ended or `done` says so. */
    const session = (path: string, send: { channel: number; text: string }[], done: (channels: string[]) => boolean): Promise<string[]> => new Promise((resolve, reject) => {
      const socket = new WebSocket(`wss://127.0.0.1:${kubelet.port}${path}`, ['v4.channel.k8s.io'], { ca: ca.certificate })
      const channels = ['', '', '', '']
      socket.on('open', () => {
        for (const { channel, text } of send) socket.send(Buffer.concat([Buffer.from([channel]), Buffer.from(text)]))
      })
      socket.on('message', (data: Buffer) => {
        channels[data[0]!] = (channels[data[0]!] ?? '') + data.subarray(1).toString('latin1')
        if (done(channels)) socket.close()
      })
      socket.on('close', () => resolve(channels))
      socket.on('error', reject)
      socket.on('unexpected-response', (_, answer) => {
        answer.on('data', (chunk: Buffer) => reject(new Error(`${answer.statusCode}: ${chunk.toString()}`)))
      })
    })

    it('hands on exec and port-forward sessions, and follows logs', async () => {
      seed('streams', { containers: [{ name: 'c', image, command: ['sh', '-c', `(echo -e 'HTTP/1.0 200 OK\\n\\nhello' | nc -l -p 9000) & echo begun; sleep 0.5; echo more; ${forever}`] }] })
      await until('streams runs', () => get('streams')?.status?.phase === 'Running')
      const chunks: string[] = []
      const followed = request({ host: '127.0.0.1', port: kubelet.port, path: '/containerLogs/default/streams/c?follow=true&tailLines=1', ca: ca.certificate, agent: false }, (answer) => answer.on('data', (chunk: Buffer) => chunks.push(chunk.toString())))
      const ended = new Promise<void>((resolve) => followed.once('close', resolve))
      followed.end()
      const channels = await session('/exec/default/streams/c?command=sh&command=-c&command=head%20-1%3B%20echo%20err%20%3E%262%3B%20exit%205&input=1&output=1&error=1', [{ channel: 0, text: 'typed\n' }], () => false)
      assert.equal(channels[1], 'typed\n')
      assert.equal(channels[2], 'err\n')
      assert.equal(JSON.parse(channels[3]!).details.causes[0].message, '5')
      const forwarded = await session('/portForward/default/streams?port=9000', [{ channel: 0, text: 'GET / HTTP/1.0\r\n\r\n' }], ([data]) => data!.includes('hello'))
      assert.match(forwarded[0]!, /hello/)
      await assert.rejects(session('/exec/default/none/c?command=true&output=1', [], () => false), /404: pod does not exist/)
      await until('the log is followed', () => /^begun\n.*more\n$/s.test(chunks.join('')))
      await api.client.delete(pods, 'default', 'streams')
      await until('streams is gone', () => get('streams') === undefined)
      await ended
    })

    it('takes over running pods when it starts anew, and removes those that have been deleted meanwhile', async () => {
      seed('stays', { containers: [{ name: 'c', image, command: ['sh', '-c', forever] }] })
      seed('goes', { containers: [{ name: 'c', image, command: ['sh', '-c', forever] }] })
      await until('both run', () => ['stays', 'goes'].every((name) => get(name)?.status?.phase === 'Running'))
      const { containerID } = get('stays')!.status!.containerStatuses![0]!
      const goneUid = get('goes')!.metadata.uid!
      await kubelet[Symbol.asyncDispose]()
      api.remove(pods, 'default/goes')
      kubelet = await start()
      await until('the orphan is removed', () => !existsSync(`${containerd.directory}/kubelet/pods/${goneUid}`))
      assert.equal(get('stays')!.status!.containerStatuses![0]!.containerID, containerID)
      assert.equal(get('stays')!.status!.containerStatuses![0]!.restartCount, 0)
      await api.client.delete(pods, 'default', 'stays')
      await until('stays is gone', () => get('stays') === undefined)
    })

    it('is ready, and renews its lease', () => {
      const node = api.get(nodes, 'node-1')!
      assert.equal(node.status?.conditions?.find(({ type }) => type === 'Ready')?.status, 'True')
      assert.equal(node.status?.nodeInfo?.containerRuntimeVersion, 'containerd://1.6.20')
      assert.equal(node.status?.capacity?.pods, '110')
      assert.equal(api.get(leases, 'kube-node-lease/node-1')?.spec?.holderIdentity, 'node-1')
    })
  })
}

if (inOwnNetwork) realPods()
else it('the kubelet runs pods on containerd', { skip: whyNoContainers() ?? false, timeout: 300_000 }, () => runInOwnNetwork(runtime, import.meta.filename))
