import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { ControlPlane } from './control-plane.ts'
import { eventually } from './support.ts'

const constraints = '{resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}]}'

/** The examples of the documentation, as they stand there or shorter. */
const examples = `apiVersion: v1
kind: Namespace
metadata: {name: test, labels: {environment: test}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: demo-policy.example.com}
spec:
  failurePolicy: Fail
  matchConstraints: ${constraints}
  validations: [{expression: "object.spec.replicas <= 5"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: demo-binding-test.example.com}
spec:
  policyName: demo-policy.example.com
  validationActions: [Deny]
  matchResources: {namespaceSelector: {matchLabels: {environment: test}}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: image-matches-namespace-environment.policy.example.com}
spec:
  failurePolicy: Fail
  matchConstraints: ${constraints}
  variables:
  - name: environment
    expression: "'environment' in namespaceObject.metadata.labels ? namespaceObject.metadata.labels['environment'] : 'prod'"
  - name: exempt
    expression: "'exempt' in object.metadata.?labels.orValue({}) && object.metadata.labels['exempt'] == 'true'"
  - name: containersToCheck
    expression: "object.spec.template.spec.containers.filter(c, c.image.contains('example.com/'))"
  validations:
  - expression: "variables.exempt || variables.containersToCheck.all(c, c.image.startsWith(variables.environment + '.'))"
    messageExpression: "'only ' + variables.environment + ' images are allowed in namespace ' + namespaceObject.metadata.name"
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: image-matches}
spec: {policyName: image-matches-namespace-environment.policy.example.com, validationActions: [Warn]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: sidecar-policy.example.com}
spec:
  matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]}
  matchConditions:
  - name: does-not-already-have-sidecar
    expression: "!object.spec.?initContainers.orValue([]).exists(ic, ic.name == 'mesh-proxy')"
  failurePolicy: Fail
  reinvocationPolicy: IfNeeded
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration:
      expression: >
        Object{spec: Object.spec{initContainers: [Object.spec.initContainers{name: "mesh-proxy", image: "mesh/proxy:v1.0.0", restartPolicy: "Always"}]}}
  - patchType: JSONPatch
    jsonPatch:
      expression: >
        [JSONPatch{op: "add", path: "/metadata/labels", value: {}},
         JSONPatch{op: "add", path: "/metadata/labels/" + jsonpatch.escapeKey("example.com/env"), value: "test"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: sidecar-binding.example.com}
spec: {policyName: sidecar-policy.example.com, matchResources: {namespaceSelector: {matchLabels: {environment: test}}}}
`

const withParams = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: replicalimits.rules.example.com}
spec:
  group: rules.example.com
  names: {kind: ReplicaLimit, plural: replicalimits}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, properties: {maxReplicas: {type: integer}}}}}]
---
apiVersion: v1
kind: Namespace
metadata: {name: prod, labels: {environment: prod}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: replicalimit-policy.example.com}
spec:
  failurePolicy: Fail
  paramKind: {apiVersion: rules.example.com/v1, kind: ReplicaLimit}
  matchConstraints: ${constraints}
  validations: [{expression: "object.spec.replicas <= params.maxReplicas", reason: Invalid, messageExpression: "'no more than ' + string(params.maxReplicas)"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: replicalimit-binding-prod.example.com}
spec:
  policyName: replicalimit-policy.example.com
  validationActions: [Deny]
  paramRef: {name: replica-limit-prod.example.com, namespace: default, parameterNotFoundAction: Deny}
  matchResources: {namespaceSelector: {matchLabels: {environment: prod}}}
`

const limit = 'apiVersion: rules.example.com/v1\nkind: ReplicaLimit\nmetadata: {name: replica-limit-prod.example.com, namespace: default}\nmaxReplicas: 3\n'
const doubtful = `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: doubtful}
spec:
  matchConstraints: ${constraints}
  validations: [{expression: "object.spec.replicas > '1'"}]
`

describe('admission policies, as kubectl sees them', () => {
  let plane: ControlPlane
  const kubectl = (...args: string[]): Promise<string> => plane.sandbox.kubectl(...args)
  const refused = async (...args: string[]): Promise<string> => (await plane.sandbox.run('kubectl', args)).stderr
  const apply = (text: string): Promise<string> => {
    const path = join(plane.sandbox.home, 'policies.yaml')
    writeFileSync(path, text)
    return kubectl('apply', '-f', path)
  }
  before(async () => {
    plane = await ControlPlane.start()
    await apply(examples)
  })
  after(() => plane[Symbol.asyncDispose]())

  test('a policy refuses what its binding selects', async () => {
    assert.match(await refused('-n', 'test', 'create', 'deployment', 'a', '--image=nginx', '--replicas=6'), /deployments\.apps "a" is forbidden: ValidatingAdmissionPolicy 'demo-policy\.example\.com' with binding 'demo-binding-test\.example\.com' denied request: failed expression: object\.spec\.replicas <= 5/)
    await kubectl('-n', 'test', 'create', 'deployment', 'a', '--image=nginx', '--replicas=5')
    await kubectl('create', 'deployment', 'a', '--image=nginx', '--replicas=6')
  })

  test('variables are composed, warnings warn', async () => {
    const { stderr, code } = await plane.sandbox.run('kubectl', ['-n', 'test', 'create', 'deployment', 'b', '--image=prod.example.com/nginx'])
    assert.equal(code, 0, stderr)
    assert.match(stderr, /Warning: Validation failed for ValidatingAdmissionPolicy 'image-matches-namespace-environment\.policy\.example\.com' with binding 'image-matches': only test images are allowed in namespace test/)
  })

  test('parameters are custom resources', async () => {
    await apply(withParams)
    assert.match(await refused('-n', 'prod', 'create', 'deployment', 'a', '--image=x', '--replicas=4'), /failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction/)
    await kubectl('wait', '--for=condition=Established', 'crd/replicalimits.rules.example.com')
    await apply(limit)
    assert.match(await refused('-n', 'prod', 'create', 'deployment', 'a', '--image=x', '--replicas=4'), /denied request: no more than 3/)
    await kubectl('-n', 'prod', 'create', 'deployment', 'a', '--image=x', '--replicas=3')
  })

  test('a mutating policy adds a sidecar and a label', async () => {
    await kubectl('-n', 'test', 'run', 'p', '--image=x')
    assert.equal(await kubectl('-n', 'test', 'get', 'pod', 'p', '-o', 'jsonpath={.metadata.labels} {.spec.initContainers[*].name} {.spec.initContainers[0].imagePullPolicy}'), '{"example.com/env":"test"} mesh-proxy IfNotPresent')
  })

  test('expressions that compile to nothing are refused with their place', async () => {
    const path = join(plane.sandbox.home, 'bad.yaml')
    writeFileSync(path, doubtful.replace("object.spec.replicas > '1'", 'request.foo == 1'))
    assert.match(await refused('apply', '-f', path), /spec\.validations\[0\]\.expression: Invalid value: "request\.foo == 1": compilation failed: ERROR: <input>:1:8: undefined field 'foo'\n \| request\.foo == 1\n \| \.{7}\^/)
  })

  test('the status tells what an expression has against the schema', async () => {
    await apply(doubtful)
    await eventually('the policy is type-checked', async () => {
      const status = await kubectl('get', 'validatingadmissionpolicy', 'doubtful', '-o', 'jsonpath={.status}')
      assert.match(status, /"observedGeneration":1/)
      assert.match(status, /apps\/v1, Kind=Deployment: ERROR: .*found no matching overload for '_.*_' applied to '\(int, string\)'/)
    })
  })
})
