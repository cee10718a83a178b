import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { ControlPlane } from './control-plane.ts'
import { eventually, kubectls, type Result } from './support.ts'

type Step = [command: string, expected: string | RegExp, input?: string]

const app = (replicas: number, env: string): string => `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, labels: {part: of}}
data: {a: "1"${env}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: applied, labels: {part: of}}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: applied}}
  template:
    metadata: {labels: {app: applied}}
    spec: {containers: [{name: c, image: nginx}]}
`
const onlySettings = app(1, '').split('---')[0]!

/** Commands as a user types them, in a namespace of their own, with what kubectl says; a failure is matched as its error text. */
const steps: readonly Step[] = [
  ['create deployment web --image=nginx --replicas=2 --port=80', 'deployment.apps/web created'], ['rollout status deployment/web --timeout=30s', /deployment "web" successfully rolled out$/],
  ['get deployment web', /^NAME +READY +UP-TO-DATE +AVAILABLE +AGE\nweb +2\/2 +2 +2 +\d+s$/], ['get rs', /^NAME +DESIRED +CURRENT +READY +AGE\nweb-\w+ +2 +2 +2 +\d+s$/],
  ['get pods -o wide --show-labels', /^NAME +READY +STATUS +RESTARTS +AGE +IP +NODE +NOMINATED NODE +READINESS GATES +LABELS\n(web-\w+-\w{5} +1\/1 +Running +0 +\d+s +[\d.]+ +hollow-\d +<none> +<none> +app=web,pod-template-hash=\w+\n?){2}$/],
  ['get pods -o name', /^pod\/web-\w+-\w{5}\npod\/web-\w+-\w{5}$/], ['get deployment web -o jsonpath={.spec.template.spec.containers[0].image}', 'nginx'], ['get deployment web -o go-template={{.metadata.name}}', 'web'],
  ['get deployments -o custom-columns=N:.metadata.name,R:.spec.replicas', /^N +R\nweb +2$/], ['get deployment web -o yaml', /^apiVersion: apps\/v1\nkind: Deployment\nmetadata:\n {2}annotations:\n {4}deployment\.kubernetes\.io\/revision: "1"\n {2}creationTimestamp: /],
  ['get deployment web --subresource=scale', /^NAME +DESIRED +AVAILABLE +AGE\nweb +2 +2 +\d+s$/], ['get deployment web --subresource=status', /^NAME +READY/],
  ['get all', /^NAME +READY +STATUS +RESTARTS +AGE\npod\/web-[^]*\n\nNAME +READY +UP-TO-DATE +AVAILABLE +AGE\ndeployment\.apps\/web[^]*\n\nNAME +DESIRED +CURRENT +READY +AGE\nreplicaset\.apps\/web-/],
  ['create service clusterip ip --tcp=80:8080', 'service/ip created'], ['create service nodeport node --tcp=80', 'service/node created'], ['create service loadbalancer balanced --tcp=80', 'service/balanced created'], ['create service externalname away --external-name=a.example', 'service/away created'],
  ['get service ip node balanced away', /^NAME +TYPE +CLUSTER-IP +EXTERNAL-IP +PORT\(S\) +AGE\nip +ClusterIP +10\.96\.\d+\.\d+ +<none> +80\/TCP +\d+s\nnode +NodePort +10\.96\.\d+\.\d+ +<none> +80:3\d{4}\/TCP +\d+s\nbalanced +LoadBalancer +10\.96\.\d+\.\d+ +<pending> +80:3\d{4}\/TCP +\d+s\naway +ExternalName +<none> +a\.example +<none> +\d+s$/],
  ['expose deployment web --name=front', 'service/front exposed'], ['create configmap cm --from-literal=a=b', 'configmap/cm created'], ['get configmap cm', /^NAME +DATA +AGE\ncm +1 +\d+s$/],
  ['create secret generic s --from-literal=a=b', 'secret/s created'], ['get secret s', /^NAME +TYPE +DATA +AGE\ns +Opaque +1 +\d+s$/], ['create sa robot', 'serviceaccount/robot created'], ['create token robot', /^[\w-]+\.[\w-]+\.[\w-]+$/],
  ['create role reader --verb=get,list --resource=pods', 'role.rbac.authorization.k8s.io/reader created'], ['create rolebinding readers --role=reader --serviceaccount={ns}:robot', 'rolebinding.rbac.authorization.k8s.io/readers created'],
  ['auth can-i list pods --as=system:serviceaccount:{ns}:robot', 'yes'], ['auth can-i delete pods --as=system:serviceaccount:{ns}:robot', /^no/], ['create ingress way --rule=a.example/=front:80', 'ingress.networking.k8s.io/way created'], ['get ingress way', /^NAME +CLASS +HOSTS +ADDRESS +PORTS +AGE\nway +<none> +a\.example +80 +\d+s$/],
  ['create pdb guard --selector=app=none --min-available=1', 'poddisruptionbudget.policy/guard created'], ['get pdb guard', /^NAME +MIN AVAILABLE +MAX UNAVAILABLE +ALLOWED DISRUPTIONS +AGE\nguard +1 +N\/A +0 +\d+s$/],
  ['create job once --image=busybox -- true', 'job.batch/once created'], ['create cronjob often --image=busybox --schedule=*/5_*_*_*_* -- true', 'cronjob.batch/often created'], ['get cronjob often', /^NAME +SCHEDULE +(TIMEZONE +)?SUSPEND +ACTIVE +LAST SCHEDULE +AGE\noften +\*\/5 \* \* \* \* +(<none> +)?False +0 +<none> +\d+s$/],
  ['autoscale deployment web --min=1 --max=5 --cpu-percent=80', 'horizontalpodautoscaler.autoscaling/web autoscaled'], ['create quota few --hard=configmaps=50', 'resourcequota/few created'],
  ['scale deployment web --replicas=3', 'deployment.apps/web scaled'], ['set image deployment/web nginx=nginx:2', 'deployment.apps/web image updated'], ['set env deployment/web A=B', 'deployment.apps/web env updated'], ['set resources deployment/web --limits=cpu=1,memory=1Gi', 'deployment.apps/web resource requirements updated'],
  ['rollout status deployment/web --timeout=30s', /successfully rolled out$/], ['rollout history deployment/web', /^deployment\.apps\/web \nREVISION +CHANGE-CAUSE\n1 +<none>\n/], ['rollout undo deployment/web --to-revision=1', 'deployment.apps/web rolled back'], ['rollout pause deployment/web', 'deployment.apps/web paused'],
  ['rollout resume deployment/web', 'deployment.apps/web resumed'], ['rollout restart deployment/web', 'deployment.apps/web restarted'], ['rollout status deployment/web --timeout=30s', /successfully rolled out$/],
  ['wait --for=condition=Available deployment/web --timeout=20s', 'deployment.apps/web condition met'], ['wait --for=jsonpath={.status.readyReplicas}=3 deployment/web --timeout=20s', 'deployment.apps/web condition met'],
  ['label configmap cm x=y', 'configmap/cm labeled'], ['label configmap cm x=z', "error: 'x' already has a value (y), and --overwrite is false"], ['annotate configmap cm k=v', /^configmap\/cm annotated?$/], ['label configmap cm x-', 'configmap/cm unlabeled'],
  ['apply -f -', 'configmap/settings created\ndeployment.apps/applied created', app(1, ', b: "2"')], ['apply -f -', 'configmap/settings unchanged\ndeployment.apps/applied unchanged', app(1, ', b: "2"')],
  ['diff -f -', /-  b: "2"[^]*/, app(1, '')], ['apply -f -', 'configmap/settings configured\ndeployment.apps/applied configured', app(2, '')], ['get configmap settings -o jsonpath={.data}', '{"a":"1"}'], ['get deployment applied -o jsonpath={.spec.replicas}', '2'],
  ['apply -f - --prune -l part=of --prune-allowlist=core/v1/ConfigMap --prune-allowlist=apps/v1/Deployment', /configmap\/settings unchanged\n(.*\n)*deployment\.apps\/applied pruned/, onlySettings],
  ['patch configmap cm -p {"data":{"b":"2"}}', 'configmap/cm patched'], ['patch configmap cm --type=merge -p {"data":{"b":null}}', 'configmap/cm patched'], ['patch configmap cm --type=json -p [{"op":"add","path":"/data/c","value":"3"}]', 'configmap/cm patched'], ['get configmap cm -o jsonpath={.data}', '{"a":"b","c":"3"}'],
  ['patch configmap cm --type=json -p [{"op":"test","path":"/data/c","value":"4"}]', 'The request is invalid: the server rejected our request due to an error in our request'], ['edit configmap cm', 'configmap/cm edited'], ['get configmap cm -o jsonpath={.data.c}', 'edited'],
  ['replace -f -', /^configmap\/settings replaced$/, onlySettings], ['replace --force -f -', /configmap "settings" deleted.*\nconfigmap\/settings replaced$/, onlySettings], ['create configmap Bad_Name', /ConfigMap "Bad_Name" is invalid: metadata\.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain/],
  ['get pods none', 'Error from server (NotFound): pods "none" not found'], ['get foo', 'error: the server doesn\'t have a resource type "foo"'], ['top pods', /^error: Metrics API not available$/], ['explain pod.spec.containers.name', /FIELD: name <string>/], ['explain deployment --recursive', /maxUnavailable\t<IntOrString>/],
  ['get --raw /readyz', 'ok'], ['api-versions', /^admissionregistration\.k8s\.io\/v1\n[^]*\nv1$/], ['api-resources --api-group=apps --no-headers -o name', 'controllerrevisions.apps\ndaemonsets.apps\ndeployments.apps\nreplicasets.apps\nstatefulsets.apps'], ['cluster-info', /Kubernetes control plane is running at https:/], ['version', /Server Version: .*v1\.36\./],
  ['get componentstatuses', /scheduler +Healthy +ok/], ['events --for deployment/web', /ScalingReplicaSet +Deployment\/web +Scaled up replica set web-\w+ from 0 to 2/],
  ...['deployment web', 'rs', 'pods', 'service front', 'endpoints front', 'endpointslices', 'ingress way', 'hpa web', 'pdb guard', 'quota few', 'sa robot', 'secret s', 'configmap cm', 'role reader', 'rolebinding readers', 'job once', 'cronjob often', 'node hollow-0', 'namespace {ns}', 'clusterrole view', 'priorityclass system-node-critical']
    .map((what): Step => [`describe ${what}`, /^(Warning: .*\n)?Name: +\S+/]),
  ['delete pod -l app=web --grace-period=0 --force', /pod "web-\S+" force deleted/], ['delete deployment web --cascade=orphan', /^deployment\.apps "web" deleted/], ['get rs -o name', /^replicaset\.apps\/web-/], ['delete rs --all --cascade=foreground --timeout=30s', /^(replicaset\.apps "web-\w+" deleted.*\n?)+$/],
  ['delete job once --cascade=background --wait=false', /^job\.batch "once" deleted/], ['delete configmap --all', /^configmap "cm" deleted/], ['wait --for=delete pod -l app=web --timeout=30s', /^$|condition met/],
]

describe('kubectl against the control plane', { skip: kubectls().length === 0 ? 'no kubectl' : process.platform === 'linux' ? false : 'looks at /proc' }, () => {
  let plane: ControlPlane
  let editor: string
  before(async () => {
    plane = await ControlPlane.start({ hollow: 3 })
    editor = join(plane.sandbox.home, 'editor')
    writeFileSync(editor, '#!/bin/sh\nsed -i \'s/c: "3"/c: edited/\' "$1"\n')
    chmodSync(editor, 0o755)
  })
  after(() => plane[Symbol.asyncDispose]())

  /** Words are parted by blanks; `_` in a schedule stands for one. */
  const run = (kubectl: string, namespace: string, command: string, input?: string): Promise<Result> => {
    const words = command.replaceAll('{ns}', namespace).split(' ').map((word) => (word.startsWith('--schedule=') ? word.replaceAll('_', ' ') : word))
    const at = words.indexOf('--')
    words.splice(at < 0 ? words.length : at, 0, '-n', namespace)
    return plane.sandbox.run(kubectl, words, { env: { EDITOR: editor }, timeoutMs: 60_000, ...(input === undefined ? {} : { input }) })
  }

  for (const kubectl of kubectls()) {
    const name = kubectl.split('/').at(-1)!
    const namespace = name.replaceAll('.', '-')
    test(`${name}: ${steps.length} commands say what they say anywhere`, async () => {
      await run(kubectl, 'default', `create namespace ${namespace}`)
      for (const [command, expected, input] of steps) {
        const { stdout, stderr } = await run(kubectl, namespace, command, input)
        const text = stripVTControlCharacters(stdout + stderr).trim()
        const what = `${name} ${command} said:\n${text}\n`
        if (typeof expected === 'string') assert.equal(text.split('\n').filter((line) => !/^(Warning|Flag|W\d{4}|WARNING)/.test(line)).join('\n'), expected, what)
        else assert.match(text, expected, what)
      }
      await run(kubectl, 'default', `delete namespace ${namespace} --timeout=60s`)
      assert.equal((await plane.client.call('GET', `/api/v1/namespaces/${namespace}`)).status, 404)
    })
  }

  const latest = kubectls().at(-1)!

  test('custom resources are explained with the fields of every object, and unknown metadata is refused in embedded ones too', async () => {
    const schema = { type: 'object', description: 'Boxes for testing', properties: { spec: { type: 'object', properties: { inner: { type: 'object', 'x-kubernetes-embedded-resource': true, properties: { spec: { type: 'object' } } } } } } }
    const definition = {
      apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: 'boxes.kubectl.example.com' },
      spec: { group: 'kubectl.example.com', scope: 'Namespaced', names: { plural: 'boxes', kind: 'Box' }, versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } }] },
    }
    assert.equal((await run(latest, 'default', 'create -f -', JSON.stringify(definition))).code, 0)
    assert.equal((await run(latest, 'default', 'wait --for=condition=Established crd/boxes.kubectl.example.com --timeout=20s')).code, 0)
    const explained = await eventually('explained', async () => {
      const { code, stdout } = await run(latest, 'default', 'explain boxes')
      assert.equal(code, 0)
      return stdout
    })
    assert.match(explained, /DESCRIPTION:[^]*Boxes for testing[^]*FIELDS:[^]*apiVersion\s+<string>[^]*APIVersion defines[^]*metadata\s+<ObjectMeta>[^]*Standard object's metadata/)
    const box = { apiVersion: 'kubectl.example.com/v1', kind: 'Box', metadata: { name: 'b', unknownMeta: 'x' }, spec: { inner: { apiVersion: 'v1', kind: 'Inner', metadata: { name: 'i', unknownSubMeta: 'x' } } } }
    const refused = await eventually('validated', async () => {
      const { stderr } = await run(latest, 'default', 'create --validate=strict -f -', JSON.stringify(box))
      assert.match(stderr, /unknown field/)
      return stderr
    })
    assert.match(refused, /strict decoding error: unknown field "metadata\.unknownMeta", unknown field "spec\.inner\.metadata\.unknownSubMeta"/)
    assert.equal((await run(latest, 'default', 'delete crd boxes.kubectl.example.com')).code, 0)
  })

  test('nodes are tainted, cordoned, drained and taken back', async () => {
    const said = async (command: string): Promise<string> => {
      const { stdout, stderr } = await run(latest, 'default', command)
      return stdout + stderr
    }
    await said('create deployment drained --image=nginx --replicas=3')
    await said('rollout status deployment/drained --timeout=30s')
    assert.match(await said('taint node hollow-1 a=b:NoSchedule'), /^node\/hollow-1 tainted/)
    assert.match(await said('taint node hollow-1 a-'), /^node\/hollow-1 untainted/)
    assert.match(await said('drain hollow-1 --ignore-daemonsets --force --timeout=30s'), /node\/hollow-1 cordoned[^]*node\/hollow-1 drained/)
    assert.match(await said('get node hollow-1'), /Ready,SchedulingDisabled/)
    assert.match(await said('uncordon hollow-1'), /^node\/hollow-1 uncordoned/)
    await said('delete deployment drained')
  })

  test('a certificate is approved and rights are reconciled', async () => {
    const key = await plane.sandbox.run('openssl', ['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', '/dev/null', '-subj', '/CN=jane'])
    const csr = { apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest', metadata: { name: 'jane' }, spec: { request: Buffer.from(key.stdout).toString('base64'), signerName: 'example.com/any', usages: ['client auth'] } }
    await run(latest, 'default', 'apply -f -', JSON.stringify(csr))
    assert.match((await run(latest, 'default', 'certificate approve jane')).stdout, /certificatesigningrequest\.certificates\.k8s\.io\/jane approved/)
    assert.match((await run(latest, 'default', 'get csr')).stdout, /jane +\d+s +example\.com\/any +kubernetes-admin +<none> +Approved/)
    const role = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: { name: 'reconciled', namespace: 'default' }, rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }] }
    assert.match((await run(latest, 'default', 'auth reconcile -f -', JSON.stringify(role))).stdout, /role\.rbac\.authorization\.k8s\.io\/reconciled reconciled/)
  })

  test('a watch shows what happens, and goes on when the server has been killed', async () => {
    const watch = plane.sandbox.start(latest, ['get', 'configmaps', '--watch', '-o', 'name'])
    await watch.seen('configmap/kube-root-ca.crt')
    await run(latest, 'default', 'create configmap watched')
    await watch.seen('configmap/watched')
    watch.child.kill()
    const proxy = plane.sandbox.start(latest, ['proxy', '--port=0'])
    const [, port] = /127\.0\.0\.1:(\d+)/.exec(await proxy.seen(/Starting to serve on 127\.0\.0\.1:\d+/))!
    assert.equal(((await (await fetch(`http://127.0.0.1:${port}/version`)).json()) as { minor: string }).minor, '36')
    proxy.child.kill()
    await plane.restart()
    await eventually('the object', async () => assert.match((await run(latest, 'default', 'get configmap watched -o name')).stdout, /configmap\/watched/))
  })
})
