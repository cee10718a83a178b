import { compileAdmissionExpression } from '../cel/admission.ts'
import { usePolicyCompiler } from './admission-expressions.ts'
import { testRules } from './testing/causes.ts'

const hook = {
  name: 'policy.example.com', sideEffects: 'None', admissionReviewVersions: ['v1'], clientConfig: { service: { name: 's', namespace: 'n', path: '/check' } },
  rules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] }],
}
const at = 'webhooks[0]'

usePolicyCompiler(compileAdmissionExpression)

for (const kind of ['ValidatingWebhookConfiguration', 'MutatingWebhookConfiguration']) {
  testRules(`a ${kind}`, { apiVersion: 'admissionregistration.k8s.io/v1', kind, metadata: { name: 'w' }, webhooks: [hook] }, [
    [{ [`${at}.name`]: 'short.name' }, [`${at}.name: Invalid value: "short.name": should be a domain with at least three segments separated by dots`]],
    [{ [`${at}.name`]: '' }, [`${at}.name: Required value`]],
    [{ webhooks: [hook, hook] }, ['webhooks[1].name: Duplicate value: "policy.example.com"']],
    [{ [`${at}.sideEffects`]: undefined }, [`${at}.sideEffects: Required value: must specify one of None, NoneOnDryRun`]],
    [{ [`${at}.sideEffects`]: 'Some' }, [`${at}.sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"`]],
    [{ [`${at}.timeoutSeconds`]: 31 }, [`${at}.timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds`]],
    [{ [`${at}.admissionReviewVersions`]: ['v2'] }, [`${at}.admissionReviewVersions: Invalid value: ["v2"]: must include at least one of v1, v1beta1`]],
    [{ [`${at}.admissionReviewVersions`]: ['v1', 'v1'] }, [`${at}.admissionReviewVersions[1]: Invalid value: "v1": duplicate version`]],
    [{ [`${at}.failurePolicy`]: 'Maybe', [`${at}.matchPolicy`]: 'Some' }, [
      `${at}.failurePolicy: Unsupported value: "Maybe": supported values: "Fail", "Ignore"`, `${at}.matchPolicy: Unsupported value: "Some": supported values: "Equivalent", "Exact"`,
    ]],
    [{ [`${at}.clientConfig`]: { url: 'http://u@/x?q#f' } }, [
      `${at}.clientConfig.url: Invalid value: "http": 'https' is the only allowed URL scheme; desired format: https://host[/path]`, `${at}.clientConfig.url: Invalid value: "": host must be specified; desired format: https://host[/path]`,
      `${at}.clientConfig.url: Invalid value: "u": user information is not permitted in the URL`, `${at}.clientConfig.url: Invalid value: "f": fragments are not permitted in the URL`,
      `${at}.clientConfig.url: Invalid value: "q": query parameters are not permitted in the URL`,
    ]],
    [{ [`${at}.clientConfig.url`]: 'https://x.y' }, [`${at}.clientConfig: Required value: exactly one of url or service is required`]],
    [{ [`${at}.clientConfig.service.path`]: '/a//b' }, [`${at}.clientConfig.service.path: Invalid value: "/a//b": segment[1] may not be empty`]],
    [{ [`${at}.clientConfig.service.name`]: '' }, [`${at}.clientConfig.service.namespace: Required value`]],
    [{ [`${at}.clientConfig.service.port`]: 0 }, [`${at}.clientConfig.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive`]],
    [{ [`${at}.rules[0].operations`]: ['*', 'CREATE'], [`${at}.rules[0].apiVersions`]: [''] }, [
      `${at}.rules[0].operations: Invalid value: ["*","CREATE"]: if '*' is present, must not specify other operations`, `${at}.rules[0].apiVersions[0]: Required value`,
    ]],
    [{ [`${at}.rules[0].resources`]: ['pods/*', 'pods/log'] }, [`${at}.rules[0].resources[1]: Invalid value: "pods/log": if 'pods/*' is present, must not specify pods/log`]],
    [{ [`${at}.rules[0].resources`]: ['*', 'pods'] }, [`${at}.rules[0].resources: Invalid value: ["*","pods"]: if '*' is present, must not specify other resources without subresources`]],
    [{ [`${at}.matchConditions`]: [{ name: 'a', expression: 'request.userInfo.username' }] }, [
      `${at}.matchConditions[0].expression: Invalid value: "request.userInfo.username": must evaluate to bool but got string`,
    ]],
    [{ [`${at}.matchConditions`]: [{ name: 'a b', expression: ' ' }] }, [
      `${at}.matchConditions[0].expression: Required value`,
      `${at}.matchConditions[0].name: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
    ]],
  ], [
    // What is there already may stay; the rest is checked as ever.
    [{ [`${at}.sideEffects`]: 'Some' }, { [`${at}.timeoutSeconds`]: 0 }, [`${at}.timeoutSeconds: Invalid value: 0: the timeout value must be between 1 and 30 seconds`]],
    [{ [`${at}.namespaceSelector`]: { matchExpressions: [{ key: 'a', operator: 'In', values: ['-'] }] } }, { [`${at}.objectSelector`]: { matchExpressions: [{ key: 'b', operator: 'In', values: ['-'] }] } }, []],
    [{}, { [`${at}.sideEffects`]: 'Some' }, [`${at}.sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"`]],
  ])
}

testRules('a ValidatingAdmissionPolicy', {
  apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingAdmissionPolicy', metadata: { name: 'p' },
  spec: { matchConstraints: { resourceRules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] }] }, validations: [{ expression: 'true' }] },
}, [
  [{ 'spec.validations': [] }, ['spec.validations: Required value: validations or auditAnnotations must contain at least one item', 'spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item']],
], [
  [{}, { status: { typeChecking: { expressionWarnings: [{ fieldRef: ' ', warning: '' }, { fieldRef: 'spec[', warning: 'w' }, { fieldRef: 'spec.validations[0].expression', warning: 'w' }] }, conditions: [{ type: 'T', status: 'Odd', reason: 'R', message: '', lastTransitionTime: '2020-01-01T00:00:00Z' }] } }, [
    'status.typeChecking.expressionWarnings[0].warning: Required value', 'status.typeChecking.expressionWarnings[0].fieldRef: Required value',
    'status.typeChecking.expressionWarnings[1].fieldRef: Invalid value: "spec[": invalid JSONPath: unterminated array', 'status.conditions[0].status: Unsupported value: "Odd": supported values: "False", "True", "Unknown"',
  ], 'status'],
])

testRules('a ValidatingAdmissionPolicyBinding', {
  apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingAdmissionPolicyBinding', metadata: { name: 'b' }, spec: { policyName: 'p', validationActions: ['Deny'] },
}, [
  [{ 'spec.matchResources': { matchPolicy: 'Odd' }, 'spec.validationActions': ['Deny', 'Warn'] }, [
    'spec.matchResources.matchPolicy: Unsupported value: "Odd": supported values: "Equivalent", "Exact"',
    'spec.validationActions: Invalid value: ["Deny","Warn"]: must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
  ]],
])

const patched = 'spec.mutations[0].jsonPatch.expression'
testRules('a MutatingAdmissionPolicy', {
  apiVersion: 'admissionregistration.k8s.io/v1', kind: 'MutatingAdmissionPolicy', metadata: { name: 'p' },
  spec: { reinvocationPolicy: 'Never', matchConstraints: { resourceRules: hook.rules }, mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression: '[JSONPatch{op: "remove", path: "/a"}]' } }] },
}, [
  // Mutations know of variables even where there are none.
  [{ [patched]: 'variables.x' }, [`${patched}: Invalid value: "variables.x": compilation failed: ERROR: <input>:1:10: undefined field 'x'\n | variables.x\n | .........^`]],
])
