import { compileDeviceSelector } from '../cel/devices.ts'
import { useDeviceCompiler } from './device-expressions.ts'
import { testRules } from './testing/causes.ts'

useDeviceCompiler(compileDeviceSelector)

const v1 = 'resource.k8s.io/v1'
const at = 'spec.devices.requests[0]'
const exactly = `${at}.exactly`

const rows = [
  [{ [`${exactly}.deviceClassName`]: '' }, [`${exactly}.deviceClassName: Required value`]],
  [{ [at]: { name: 'r' } }, [`${at}: Required value: exactly one of \`exactly\` or \`firstAvailable\` is required`]],
  [{ [`${exactly}.count`]: -1 }, [`${exactly}.count: Invalid value: -1: must be greater than zero`]],
  [{ [`${exactly}.allocationMode`]: 'All', [`${exactly}.count`]: 2 }, [`${exactly}.count: Invalid value: 2: must not be specified when allocationMode is 'All'`]],
  [{ [`${exactly}.tolerations`]: [{ key: 'k', operator: 'Exists', value: 'v' }] }, [`${exactly}.tolerations[0].value: Invalid value: "v": must be empty for operator \`Exists\``]],
  [{ [`${exactly}.selectors`]: [{ cel: { expression: 'device.driver' } }, { cel: { expression: 'device.driver == "d.io"' } }] }, [
    `${exactly}.selectors[0].cel.expression: Invalid value: "device.driver": must evaluate to bool or the unknown type, not string`,
  ]],
  [{ [`${exactly}.selectors`]: [{ cel: { expression: `${'[1, 2, 3, 4, 5, 6, 7, 8, 9, 10].all(x, '.repeat(6)}true${')'.repeat(6)}` } }] }, [`${exactly}.selectors[0].cel.expression: Forbidden: too complex, exceeds cost limit`]],
  [{ [`${exactly}.selectors`]: [{ cel: { expression: 'x'.repeat(10241) } }] }, [`${exactly}.selectors[0].cel.expression: Too long: may not be more than 10240 bytes`]],
  [{ [`${exactly}.selectors`]: [{}] }, [`${exactly}.selectors[0].cel: Required value`]],
  [{ 'spec.devices.requests[1]': { name: 'r', exactly: { deviceClassName: 'c' } } }, ['spec.devices.requests[1]: Duplicate value: "r"']],
  [{ 'spec.devices.constraints': [{ requests: ['other'], matchAttribute: 'a' }] }, [
    "spec.devices.constraints[0].requests[0]: Invalid value: \"other\": must be the name of a request in the claim or the name of a request and a subrequest separated by '/'",
    'spec.devices.constraints[0].matchAttribute: Invalid value: "a": a fully qualified name must be a domain and a name separated by a slash',
  ]],
  [{ 'spec.devices.config': [{ opaque: { driver: '', parameters: 1 } }] }, ['spec.devices.config[0].opaque.driver: Required value', 'spec.devices.config[0].opaque.parameters: Invalid value: "<value omitted>": must be a valid JSON object']],
  [{ 'spec.devices.requests': Array.from({ length: 33 }, (_, i) => ({ name: `r${i}`, exactly: { deviceClassName: 'c' } })) }, ['spec.devices.requests: Too many: 33: must have at most 32 items']],
] as const

testRules('a ResourceClaim', { apiVersion: v1, kind: 'ResourceClaim', metadata: { name: 'c' }, spec: { devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'c' } }] } } }, rows, [
  [{}, { [`${exactly}.deviceClassName`]: 'd' }, [
    'spec: Invalid value: {"Devices":{"Requests":[{"Name":"r","Exactly":{"DeviceClassName":"d","Selectors":null,"AllocationMode":"ExactCount","Count":1,"AdminAccess":null,"Tolerations":null,"Capacity":null},"FirstAvailable":null}],"Constraints":null,"Config":null}}: field is immutable',
  ]],
  [{}, { 'status.reservedFor': [{ resource: 'pods', name: 'p', uid: 'u' }] }, ['status.reservedFor: Forbidden: may not be specified when `allocated` is not set'], 'status'],
  [{}, { 'status.allocation': { devices: { results: [{ request: 'r', driver: 'd', pool: 'p', device: 'x' }] } }, 'status.devices': [{ driver: 'd', pool: 'p', device: 'y' }] }, ['status.devices[0]: Invalid value: {"Driver":"d","Pool":"p","Device":"y","ShareID":""}: must be an allocated device in the claim'], 'status'],
  [{}, { 'status.allocation': { devices: { results: [{ request: 'q', driver: 'd', pool: 'p', device: 'x' }] } } }, [
    "status.allocation.devices.results[0].request: Invalid value: \"q\": must be the name of a request in the claim or the name of a request and a subrequest separated by '/'",
  ], 'status'],
])

// The same object as the first beta wrote it; causes name the fields of v1.
testRules('a v1beta1 ResourceClaim', { apiVersion: 'resource.k8s.io/v1beta1', kind: 'ResourceClaim', metadata: { name: 'c' }, spec: { devices: { requests: [{ name: 'r', deviceClassName: 'c' }] } } }, [
  [{ [`${at}.count`]: -1 }, [`${exactly}.count: Invalid value: -1: must be greater than zero`]],
], [[{}, { [`${at}.name`]: 's' }, ['spec: Invalid value: {"Devices":{"Requests":[{"Name":"s","Exactly":{"DeviceClassName":"c","Selectors":null,"AllocationMode":"ExactCount","Count":1,"AdminAccess":null,"Tolerations":null,"Capacity":null},"FirstAvailable":null}],"Constraints":null,"Config":null}}: field is immutable']]])

testRules('a DeviceClass', { apiVersion: v1, kind: 'DeviceClass', metadata: { name: 'c' }, spec: {} }, [
  [{ 'spec.extendedResourceName': 'cpu' }, ['spec.extendedResourceName: Invalid value: "cpu": must be a valid extended resource name']],
  [{ 'spec.config': [{}] }, ['spec.config[0].opaque: Required value']],
])

const slice = { apiVersion: v1, kind: 'ResourceSlice', metadata: { name: 's' }, spec: { driver: 'd', nodeName: 'n', pool: { name: 'p', resourceSliceCount: 1, generation: 1 }, devices: [{ name: 'x' }] } }
const device = 'spec.devices[0]'
testRules('a ResourceSlice', slice, [
  [{ 'spec.nodeName': undefined }, ['spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required']],
  [{ 'spec.allNodes': true }, ['spec: Invalid value: "{`nodeName`, `allNodes`}": exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required, but multiple fields are set']],
  [{ 'spec.pool.resourceSliceCount': 0 }, ['spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero']],
  [{ [`${device}.attributes`]: { a: {} } }, [`${device}.attributes[a]: Invalid value: "": exactly one value must be specified`]],
  [{ [`${device}.attributes`]: { a: { version: '1' } } }, [`${device}.attributes[a].version: Invalid value: "1": must be a string compatible with semver.org spec 2.0.0`]],
  [{ [`${device}.capacity`]: { m: { value: '10', requestPolicy: { default: '1' } } } }, [`${device}.capacity[m].requestPolicy: Forbidden: allowMultipleAllocations must be true`]],
  [{ [`${device}.allowMultipleAllocations`]: true, [`${device}.capacity`]: { m: { value: '10', requestPolicy: { default: '20', validRange: { min: '1', max: '8' } } } } }, [
    `${device}.capacity[m].requestPolicy.validRange.max: Invalid value: "20": default is more than max: 8`,
  ]],
  [{ [`${device}.taints`]: [{ key: 'k', effect: 'X' }] }, [`${device}.taints[0].effect: Unsupported value: "X": supported values: "NoExecute", "NoSchedule", "None"`]],
  [{ [`${device}.nodeName`]: 'n' }, [`${device}: Invalid value: null: \`nodeName\`, \`nodeSelector\` and \`allNodes\` can only be set if \`perDeviceNodeSelection\` is set to true in the ResourceSlice spec`]],
  [{ [`${device}.bindingConditions`]: ['a'] }, [`${device}.bindingFailureConditions: Invalid value: null: bindingFailureConditions are required to use bindingConditions`]],
  [{ 'spec.devices[1]': { name: 'x' } }, ['spec.devices[1]: Duplicate value: "x"']],
], [
  [{}, { 'spec.driver': 'e', 'spec.pool.name': 'q' }, ['spec.pool.name: Invalid value: "q": field is immutable', 'spec.driver: Invalid value: "e": field is immutable']],
])
